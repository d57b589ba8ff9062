"""MetaRM (arXiv 2405.00438) on frozen features: heads that learn from pairs and keep telling shifted answers apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from .. import budget
from ..axes import ItemFeatures
from ..errors import WorkbenchError, listing
from ..features import Features
from ..rows import Repeated
from .answers import Answers, differences
from .bradley_terry import Supervision, sigmoid
from .data import derived, hold_out, pieces, standardised
from .heads import DECAYS, BradleyTerryHead, HeadStack, best_head, responses, teaching

SOME, POWERS = 1000, 30  # prompts, and powers of their covariance, that the default of eta looks at
Shifted = Float[np.ndarray, "prompt k dim"]


def fit_meta(features: Features | Repeated, shifted: Shifted, *, order: int = 1, eta: float | None = None, prompts: int = 8, groups=None,
             hidden: Sequence[int] = (), decays: Sequence[float] = DECAYS, supervision: Supervision | None = None, steps: int = 400,
             batch_size: int = 512, lr: float = 1e-2, held_out: float = 0.2, every: int = 20, patience: int | None = 6,
             refit: bool = True, start: BradleyTerryHead | None = None, seed: int = 0, device: str = "auto", precision: str = "auto",
             progress: Callable | None = None, cancel=None, label: str = "MetaRM head") -> BradleyTerryHead:
    """`BradleyTerryHead.fit` with the step of MetaRM: every gradient is taken at θ' = θ + η ∇J(θ), where J tells shifted answers apart.

    shifted [prompt k dim]: features of k answers to each prompt of the distribution that the model must serve, not
    standardised, of the dims of features.response; each step draws `prompts` of the prompts. order as in `difference.MetaStep`.
    eta: None is `default_eta`; 0 is the plain fit. start: a head to go on from, with its penalty; nothing is held out then.
    The rest as in `BradleyTerryHead.fit`. Raises WorkbenchError as it does, and for shifted answers of another shape, fewer
    than two to a prompt, no prompt, NaN, and answers that are all the same.

    A fit to the end settles where L is least at θ', not at θ: θ stays η ∇J short of the plain fit and tells the shifted
    answers less apart than it. Order 2 rests there too where I + η H_J is regular and every prompt is in each step. On the
    shipped study mean |r_i − r_j| of unseen shifted answers falls by 8 % at the default η in both orders, and at ten times that
    by twice as much in order 1; in order 2 it falls further or does not detectably change, as J reads many answers or few.
    """
    from .difference import MetaStep

    taught, shared = teaching(features, supervision), dict(hidden=hidden, batch_size=batch_size, device=device)
    answers = Answers.laid_out(responses(features), taught.weight > 0, heads=len(decays), precision=precision, **shared)
    pool = _laid_out(shifted, answers.centre, answers.spread)
    rule = MetaStep(pool, eta=default_eta(pool.numpy()) if eta is None else eta, order=order, prompts=prompts, seed=seed)
    shared |= dict(steps=steps, lr=lr, every=every, rule=rule, progress=progress, cancel=cancel)
    if start is not None:
        heads = HeadStack.fit(answers, taught, decay=[start.decay], held_out=np.zeros(len(taught), bool), start=start.heads, seeds=[seed],
                              orders=[seed], label=label, **shared)
        return replace(start, heads=heads, fit_report=heads.report)
    return best_head(answers, taught, hold_out(groups, len(taught), held_out, seed), decays=decays, refit=refit, seed=seed,
                     patience=patience, label=label, **shared)


def default_eta(pool: np.ndarray) -> float:
    """η = 1 / λ, the largest eigenvalue of E[(x_i − x_j)(x_i − x_j)ᵀ] over answers [prompt k dim] to one prompt, on the head's scale.

    For a linear head ‖∇J‖ ≤ √λ / 4, so one step moves reward differences by a quarter at most (root mean square), whatever the
    features. The paper's 5e-6 belongs to a whole language model. WorkbenchError where all answers to every prompt are the same.
    """
    x = pool[:: -(-len(pool) // SOME)].astype(np.float32)
    x -= x.mean(axis=1, keepdims=True)
    x = x.reshape(-1, x.shape[-1])
    along, most = x[np.abs(x).sum(axis=1).argmax()], 0.0
    for _ in range(POWERS if along.any() else 0):
        along = (along / np.linalg.norm(along)) @ x.T @ x
        most = float(np.linalg.norm(along))
    if not most:
        raise WorkbenchError("the shifted answers to each prompt have the same features", where="MetaRM",
                             remedy="Sample answers that differ: nothing tells these apart")
    k = pool.shape[1]
    return len(x) * (k - 1) / (2 * k * most)


def meta_rounds(features: Features | Repeated, shifted: Shifted, *, rounds: int = 4, answers: int | None = None, beta: float = 1.0,
                seed: int = 0, cancel=None, label: str = "MetaRM head", **given) -> list[BradleyTerryHead]:
    """`fit_meta` round after round, each from where the last ended: one head per round.

    answers: how many of each prompt's shifted answers a round sees, drawn by `sampled` as a policy would give them that
    was tuned to the last round's head; None: all of them, in each round. given: of `fit_meta`, which chooses the penalty in
    the first round. A round that is cancelled is left out, save the first.
    """
    if rounds < 1:
        raise WorkbenchError(f"{rounds} rounds", remedy="Take one or more")
    heads: list[BradleyTerryHead] = []
    for number in range(rounds):
        last, mine = heads[-1] if heads else None, derived(seed, number)
        pool = shifted if answers is None else sampled(shifted, last, answers=answers, beta=beta, seed=mine)
        head = fit_meta(features, pool, start=last, seed=mine, cancel=cancel, label=f"{label}: round {number + 1} of {rounds}", **given)
        cancelled = head.fit_report.stopped == "cancelled"
        if not (cancelled and heads):
            heads.append(head)
        if cancelled:
            break
    return heads


def sampled(shifted: Shifted, head: BradleyTerryHead | None, *, answers: int, beta: float = 1.0,
            seed: int = 0) -> Float[np.ndarray, "prompt answers dim"]:
    """Some of each prompt's answers, without repeats, drawn ∝ exp(R / beta); all alike for no head.

    That is what the best policy under a KL penalty beta gives where the k answers come from the policy before it. Raises
    WorkbenchError where there are not so many, and for beta ≤ 0.
    """
    if not 1 <= answers <= shifted.shape[1] or not beta > 0:
        raise WorkbenchError(f"{answers} of {shifted.shape[1]} answers, beta {beta}", remedy="At most all answers, beta above 0")
    score = np.random.default_rng([seed, 8]).gumbel(size=shifted.shape[:2])  # the highest sums are a draw without repeats
    if head is not None:
        score += head(shifted) / beta
    return np.take_along_axis(shifted, np.argsort(-score, axis=1)[:, :answers, None], axis=1)


def told_apart(head: BradleyTerryHead, shifted: Shifted) -> pd.DataFrame:
    """How a head tells the shifted answers [prompt k dim] to each prompt apart: prompt, difference (mean |r_i − r_j|), j (its J)."""
    rewards, k = head(_checked(shifted, len(head.heads.centre))), shifted.shape[1]
    first, second = np.triu_indices(k, 1)
    gap = np.abs(rewards[:, first] - rewards[:, second])
    return pd.DataFrame({"prompt": np.arange(len(gap)), "difference": gap.mean(axis=1), "j": 2 / k**2 * sigmoid(gap).sum(axis=1)})


def alignment(head: BradleyTerryHead, features: Features | ItemFeatures | Repeated, shifted: Shifted, *,
              eta: float | None = None) -> pd.DataFrame:
    """What the step to θ' = θ + η ∇J does to each pair: pair, alignment, weight, reweighted, margin.

    alignment ∇L_i · ∇J at θ, of L_i = −log σ(Δ_i) and J over all shifted answers [prompt k dim]; margin Δ_i; weight σ(−Δ_i)
    at θ and reweighted at θ', the factor of the pair's gradient. Pairs that are masked are left out. eta as in `fit_meta`.

    Not as the paper says: the pairs that gain weight are those with alignment > 0, whose loss rises along ∇J, and those whose
    learning would tell shifted answers apart lose it: six in ten on the shipped study. For a linear head that is exact, since Δ
    moves by η ∇Δ · ∇J; for an MLP it holds to first order in η. Order 2's further term reweights no pair: it multiplies the
    gradients of all by one matrix, I + η H_J.
    """
    import torch

    from .difference import ascent, objective, pulls
    from .network import Heads

    stack, both = head.heads, responses(features)
    module = Heads(len(stack.centre), [bias.shape[-1] for bias in stack.biases], [0], 1, [head.decay])
    stack.put(module, stack.centre, stack.spread)
    pool = _laid_out(shifted, stack.centre, stack.spread)
    slope = {name: torch.zeros_like(parameter) for name, parameter in module.named_parameters()}
    for some in pieces(pool):
        for name, part in ascent(module, objective(module, pool[some])).items():
            slope[name] += part * (len(pool[some]) / len(pool))
    read = [_pairs(stack, np.asarray(both[some])) for some in pieces(both)]
    found = [pulls(module, [rows], slope) for rows in read]
    margin, pull = (torch.cat(parts, dim=1)[0].numpy().astype(np.float64) for parts in zip(*found))
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.add_(slope[name], alpha=default_eta(pool.numpy()) if eta is None else eta)
        after = torch.cat([module(rows) for rows in read], dim=1)[0].numpy().astype(np.float64)
    weight = sigmoid(-margin)
    table = pd.DataFrame({"pair": np.arange(len(margin)), "alignment": -weight * pull, "weight": weight, "reweighted": sigmoid(-after),
                          "margin": margin})
    mask = getattr(features, "mask", None)
    return table if mask is None else table[mask].reset_index(drop=True)


def _pairs(stack: HeadStack, both: np.ndarray):
    """What a training module reads of pairs [pair side dim]: [1 pair …]."""
    import torch

    linear = not stack.biases
    return torch.from_numpy(differences(both, stack.spread) if linear else standardised(both, stack.centre, stack.spread))[None]


def _laid_out(shifted: Shifted, centre: np.ndarray, spread: np.ndarray):
    """Shifted answers on the scale of a head, a tensor."""
    import torch

    _checked(shifted, len(centre))
    budget.claim(4 * shifted.size, f"shifted answers to {len(shifted):,} prompts", count=len(shifted), of="prompts")
    return torch.from_numpy(standardised(shifted, centre, spread))


def _checked(shifted: Shifted, dim: int) -> Shifted:
    if shifted.ndim != 3 or not len(shifted) or shifted.shape[1] < 2 or shifted.shape[2] != dim:
        raise WorkbenchError(f"shifted answers have shape {list(shifted.shape)}", remedy=f"Wanted [prompt, k, {dim}], k at least 2")
    if bad := [row for some in pieces(shifted) for row in some.start + np.flatnonzero(~np.isfinite(shifted[some]).all(axis=(1, 2)))]:
        raise WorkbenchError(f"NaN or infinite among the shifted answers to prompts {listing(bad)}")
    return shifted
