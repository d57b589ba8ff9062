"""Reward heads on frozen features: the plain Bradley–Terry model, and many of them trained at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..axes import ItemFeatures, Pair
from ..errors import WorkbenchError
from ..features import Features
from ..rows import Repeated
from .answers import Answers, differences
from .bradley_terry import Stacked, Supervision
from .data import hold_out, pieces, standardised
from .fit import Fit, fit

DECAYS = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
PLAIN_DECAY = 0.1  # where nothing can be held out to choose by


@dataclass(frozen=True, eq=False)
class HeadStack:
    """H fitted heads: weights [head in out] and biases [head 1 out] of each layer, ReLU between, on (x − centre) / spread.

    heads(x) → rewards [head …] for x [… dim].
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    centre: np.ndarray
    spread: np.ndarray
    report: Fit | None = field(default=None, repr=False)

    @classmethod
    def fit(cls, features: ItemFeatures | Repeated | Answers, supervision: Supervision | Stacked, *, hidden: Sequence[int],
            seeds: Sequence[int], orders: Sequence[int], decay: Sequence[float], held_out: np.ndarray, weight: np.ndarray | None = None,
            rows: np.ndarray | None = None, shown: np.ndarray | None = None, steps: int, batch_size: int, lr: float, every: int = 25,
            patience: int | None = 8, device: str = "auto", precision: str = "auto", rule=None, start: HeadStack | None = None,
            watch: Callable | None = None, progress: Callable | None = None, cancel=None, label="heads") -> HeadStack:
        """Train H heads together on response features [pair side dim], an array or a stream, or on what was laid out of them before.

        seeds: of the initial weights, one per head; orders: seeds of the data orders, H a multiple of their number, heads
        of one order next to each other; decay: L2 penalty per head; held_out mask [pair] or [head pair]; weight [head pair],
        of any type of number; shown mask [head dim]: the features that each head sees; precision as in `Answers`;
        rule as in `fit`; start: heads of the same layers on the same scale, whose weights are the initial ones; watch(step,
        heads as they are then) as in `fit`.
        """
        from .network import Heads

        if not isinstance(features, Answers):
            features = Answers.laid_out(features, supervision.weight > 0, hidden=hidden, heads=len(seeds), batch_size=batch_size,
                                        device=device, precision=precision)
        module = Heads(features.table.shape[-1], hidden, seeds, len(orders), decay, shown)
        if start is not None:
            start.put(module, features.centre, features.spread)
        seen = watch and (lambda step, module: watch(step, cls(*module.layers(), features.centre, features.spread)))
        report = fit(
            module, [features.table], supervision, steps=steps, batch_size=batch_size, lr=lr, held_out=held_out, weight=weight, rows=rows,
            every=every, patience=patience, seed=list(orders), device=device, precision=features.precision, rule=rule, watch=seen,
            progress=progress, cancel=cancel, label=label,
        )
        return cls(*module.layers(), features.centre, features.spread, report)

    def __call__(self, x: np.ndarray | Repeated) -> np.ndarray:
        (first, *others), out = self.weights, np.empty((len(self.weights[0]), *x.shape[:-1]))
        heads, dim, wide = first.shape
        side_by_side = np.ascontiguousarray(first.transpose(1, 0, 2)).reshape(dim, heads * wide)
        for some in pieces(x):
            read = np.asarray(x[some])
            hidden = standardised(read.reshape(-1, dim), self.centre, self.spread) @ side_by_side
            hidden = hidden.reshape(-1, heads, wide).transpose(1, 0, 2)
            for weight, bias in zip(others, self.biases):
                hidden = np.maximum(hidden + bias, 0) @ weight
            out[:, some] = hidden[..., 0].reshape(heads, *read.shape[:-1])
        return out

    def margins(self, features: ItemFeatures | Repeated, chosen: np.ndarray) -> np.ndarray:
        """R⁺ − R⁻ of pairs [pair side dim] under a few of the heads, for each pair its own: chosen [pair pick] → [pair pick]."""
        out = np.empty(chosen.shape)
        for some in pieces(features):
            read, wanted = np.asarray(features[some]), chosen[some]
            if len(self.weights) == 1:  # all heads by one product, then some of them
                out[some] = np.take_along_axis(differences(read, self.spread) @ self.weights[0][..., 0].T, wanted, axis=1)
                continue
            read = standardised(read, self.centre, self.spread)
            for pick, numbers in enumerate(wanted.T):
                for number in np.unique(numbers):
                    mine = np.flatnonzero(numbers == number)
                    rewards = self._plain(read[mine].reshape(-1, read.shape[-1]), int(number)).reshape(-1, 2)
                    out[some.start + mine, pick] = rewards[:, 0] - rewards[:, 1]
        return out

    def _plain(self, hidden: np.ndarray, head: int) -> np.ndarray:
        """Rewards [row] of standardised rows under one head."""
        for depth, weight in enumerate(self.weights):
            hidden = (hidden if depth == 0 else np.maximum(hidden + self.biases[depth - 1][head], 0)) @ weight[head]
        return hidden[:, 0]

    def put(self, module, centre: np.ndarray, spread: np.ndarray) -> None:
        """These weights into a `network.Heads` that reads features on that scale; WorkbenchError for other layers or another scale."""
        import torch

        mine = [torch.from_numpy(np.ascontiguousarray(value.transpose(0, 2, 1))) for value in (*self.weights, *self.biases)]
        theirs = [*module.weights, *module.biases]
        if [value.shape for value in mine] != [parameter.shape for parameter in theirs]:
            raise WorkbenchError("the heads to start from have other layers", remedy="As many heads, on the same dims and hidden sizes")
        if not (np.array_equal(centre, self.centre) and np.array_equal(spread, self.spread)):
            raise WorkbenchError("the heads to start from read features on another scale", remedy="Go on with the pairs they learned from")
        with torch.no_grad():
            for parameter, value in zip(theirs, mine):
                parameter.copy_(value)

    def state(self) -> dict[str, np.ndarray]:
        """Arrays by name: weights.{i} and biases.{i} of each layer, centre, spread."""
        arrays = {f"{part}.{i}": value for part in ("weights", "biases") for i, value in enumerate(getattr(self, part))}
        return {**arrays, "centre": self.centre, "spread": self.spread}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> HeadStack:
        """Undo `state`."""
        stacks = [tuple(state[f"{part}.{i}"] for i in range(len(state)) if f"{part}.{i}" in state) for part in ("weights", "biases")]
        return cls(*stacks, state["centre"], state["spread"])

    def head(self, number: int) -> HeadStack:
        """One of them, as a stack of one."""
        keep = slice(number, number + 1)
        return HeadStack(tuple(w[keep] for w in self.weights), tuple(b[keep] for b in self.biases), self.centre, self.spread, self.report)


@dataclass(frozen=True, eq=False)
class BradleyTerryHead:
    """A plain reward model on frozen features: R(x, y) = h(features), trained by comparisons alone.

    heads: the fitted head; decay: its L2 penalty; losses: held-out loss by penalty; fit_report: of the last fit.
    """

    heads: HeadStack
    decay: float
    losses: dict[float, float]
    fit_report: Fit | None = field(default=None, repr=False)

    @classmethod
    def fit(cls, features: Features | Repeated, *, groups=None, hidden: Sequence[int] = (), decays: Sequence[float] = DECAYS,
            supervision: Supervision | None = None, steps: int = 400, batch_size: int = 512, lr: float = 1e-2, held_out: float = 0.2,
            every: int = 20, patience: int | None = 6, refit: bool = True, seed: int = 0, device: str = "auto", precision: str = "auto",
            progress: Callable | None = None, cancel=None, label: str = "Bradley–Terry head") -> BradleyTerryHead:
        """Fit on features of pairs, response [pair side dim]; loss −log σ(R⁺ − R⁻), or the supervision's.

        features: in memory, or a stream of both answers (`study.stream(split, of="pairs")`). hidden: () is linear, (64,) a
        small MLP. One head per L2 penalty in `decays` is trained, all at once, and the one with the lowest loss on held-out
        families (a share `held_out` of `groups`, each pair its own family for None) is taken; refit: then trained again on
        all families. A masked pair teaches nothing. precision as in `fit`, for MLPs. Raises WorkbenchError for features of
        rows, unequal lengths, nothing to train on, and what exceeds the memory budget.
        """
        taught = teaching(features, supervision)
        answers = Answers.laid_out(responses(features), taught.weight > 0, hidden=hidden, heads=len(decays), batch_size=batch_size,
                                   device=device, precision=precision)
        return best_head(answers, taught, hold_out(groups, len(taught), held_out, seed), decays=decays, refit=refit, seed=seed,
                         patience=patience, label=label, hidden=hidden, steps=steps, batch_size=batch_size, lr=lr, every=every,
                         device=device, progress=progress, cancel=cancel)

    def __call__(self, features: Features | ItemFeatures | Repeated) -> np.ndarray:
        """Rewards [pair side] of pairs, [row] of rows; zero where the features are masked."""
        rewards, mask = self.heads(responses(features))[0], getattr(features, "mask", None)
        if mask is not None:
            rewards[~mask] = 0.0
        return rewards

    def margins(self, features: Features | ItemFeatures | Repeated) -> Pair:
        """R⁺ − R⁻ [pair]."""
        rewards = self(features)
        return rewards[:, 0] - rewards[:, 1]


def best_head(answers: Answers, supervision: Supervision, held: np.ndarray, *, decays: Sequence[float], refit: bool, seed: int,
              patience: int | None, label: str, **shared) -> BradleyTerryHead:
    """The head of the penalty that does best on the held-out pairs, mask [pair]; refit: trained again on all of them."""
    first, best = penalties(answers, supervision, held, decays=decays, seed=seed, patience=patience, label=label, **shared)
    losses = dict(zip(map(float, decays), first.report.head_losses))
    chosen = BradleyTerryHead(first.head(best), float(decays[best]), losses, first.report)
    if not refit or not held.any() or first.report.stopped == "cancelled":
        return chosen
    last = HeadStack.fit(answers, supervision, seeds=[seed], orders=[seed], decay=[chosen.decay], held_out=np.zeros_like(held),
                         label=label, **shared)
    if last.report.stopped == "cancelled":  # half a fit is worth less than the whole one on fewer families
        return replace(chosen, fit_report=last.report)
    return replace(chosen, heads=last, fit_report=last.report)


def penalties(answers: Answers, supervision: Supervision, held: np.ndarray, *, decays: Sequence[float] = DECAYS, seed: int,
              every: int = 20, patience: int | None = 6, label: str, **shared) -> tuple[HeadStack, int]:
    """One head per L2 penalty, trained together, and which did best on the held-out pairs, mask [pair]."""
    stack = HeadStack.fit(answers, supervision, seeds=[seed] * len(decays), orders=[seed], decay=decays, held_out=held, every=every,
                          patience=patience, label=f"{label}: penalty", **shared)
    return stack, _best(np.array(stack.report.head_losses), np.asarray(decays, float))


def _best(losses: np.ndarray, decays: np.ndarray) -> int:
    """The penalty with the lowest held-out loss, the largest among equals."""
    if not np.isfinite(losses).any():
        return int(np.abs(np.log10(np.maximum(decays, 1e-12) / PLAIN_DECAY)).argmin())
    return int(max(np.flatnonzero(losses == np.nanmin(losses)), key=lambda i: decays[i]))


def responses(features: Features | ItemFeatures | Repeated) -> ItemFeatures | Repeated:
    """What is read of them: [pair side dim] or [row dim], whole or a stream."""
    return features.response if isinstance(features, Features) else features


def teaching(features: Features | Repeated, supervision: Supervision | None) -> Supervision:
    """The supervision of these pairs; a pair that was skipped when features were extracted weighs nothing."""
    supervision = supervision or Supervision.hard(len(features))
    if len(supervision) != len(features):
        raise WorkbenchError(f"{len(features)} pairs of features, {len(supervision)} of supervision", remedy="One row per pair in each")
    return supervision if features.mask is None else supervision.with_weight(features.mask.astype(float))
