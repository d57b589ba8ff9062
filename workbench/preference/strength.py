"""Preference strength: how sure an ensemble is of each comparison, never having seen it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..axes import Pair, PairMask, PairMember
from ..errors import WorkbenchError
from ..features import Features
from ..rows import Repeated
from .answers import Answers
from .bradley_terry import Supervision
from .data import bootstrap, dealt, derived, family_codes, fold_of, hold_out
from .fit import Fit
from .heads import DECAYS, HeadStack, penalties, responses, teaching


@dataclass(frozen=True, eq=False)
class Strength:
    """R(chosen) − R(rejected) of each pair under an ensemble of reward heads (arXiv 2401.06080, section 2.1).

    members [pair member]: each pair is scored by heads that saw no pair of its family (folds > 1), so noise cannot be
    learnt by heart: heads that have seen a wrong label agree with it, and a threshold at zero then finds nothing.
    mean μ̂ and population deviation std σ̂ [pair], in logits. Their size depends on features, penalty and steps: read
    `percentile` beside them, and never carry a margin to another backbone unscaled. An ensemble shares its biases (length).
    decay: the L2 penalty; folds: of the cross-fit (1: none); heads: all members × folds of them, those of a member together.
    """

    members: PairMember
    decay: float
    folds: int
    heads: HeadStack | None = field(default=None, repr=False)
    seed: int = 0
    fit_report: Fit | None = field(default=None, repr=False)

    @classmethod
    def fit(cls, features: Features | Repeated, *, members: int = 10, folds: int = 5, groups=None, hidden: Sequence[int] = (),
            decay: float | None = None, resample: bool = True, supervision: Supervision | None = None, steps: int = 200,
            batch_size: int = 512, lr: float = 2e-2, seed: int = 0, device: str = "auto", precision: str = "auto",
            progress: Callable | None = None, cancel=None, label: str = "preference strength") -> Strength:
        """Train members × folds heads at once on features of pairs, response [pair side dim].

        features: in memory, or a stream of both answers (`study.stream(split, of="pairs")`), of which a linear ensemble
        keeps the differences. Members differ by seed, folds and a bootstrap of families, MLPs by data order too (seeds and
        orders do not tell linear heads apart, one convex problem, so those share their batches). resample=False: no
        bootstrap, the paper's ensemble: take `hidden` with it. hidden: () linear, (32,) a small MLP (lr 3e-3 suits it).
        decay: L2 penalty, None chooses it on held-out families. groups [pair]: families; None makes every pair its own.
        precision as in `fit`, for MLPs. A cancelled fit keeps what it has (fit_report.stopped says so). Raises WorkbenchError
        for fewer than two members, more folds than families, features of rows, and what exceeds the memory budget.
        """
        taught = teaching(features, supervision)
        families, n = family_codes(groups, len(taught)), len(taught)
        if members < 2:
            raise WorkbenchError(f"{members} member", remedy="A spread needs at least two members; ten is the paper's number")
        seeds = [derived(seed, member) for member in range(members)]
        fold = np.stack([fold_of(groups, n, folds, s) if folds > 1 else np.zeros(n, int) for s in seeds]).astype(np.int32)
        answers = Answers.laid_out(responses(features), taught.weight > 0, hidden=hidden, heads=members * folds, batch_size=batch_size,
                                   device=device, precision=precision)
        shared = dict(hidden=hidden, steps=steps, batch_size=batch_size, lr=lr, device=device, progress=progress, cancel=cancel)
        if decay is None:
            stack, best = penalties(answers, taught, hold_out(groups, n, 0.2, seed), seed=seed, label=label, **shared)
            decay = DECAYS[best]
        times = np.empty((members * folds, n), np.uint8)  # folds of a member together
        for head in range(members * folds):
            member, number = divmod(head, folds)
            seen = fold[member] != number if folds > 1 else np.ones(n, bool)
            times[head] = bootstrap(families, seen, [seeds[member], number, 6]) if resample else seen
        stack = HeadStack.fit(
            answers, taught, seeds=np.repeat(seeds, folds).tolist(), orders=seeds if hidden else seeds[:1],
            decay=[decay] * (members * folds), held_out=np.zeros(n, bool), weight=times, rows=np.flatnonzero(taught.weight > 0),
            label=label, **shared,
        )
        return cls(_by_fold(stack, features, fold, folds), float(decay), folds, stack, seed, stack.report)

    def on(self, features: Features | Repeated, *, groups=None) -> Strength:
        """The same ensemble on pairs that it never saw, response [pair side dim]; nothing is trained.

        Each member scores a family by one of its folds, drawn from the seed as for the pairs that it was fitted on, so that
        mean and spread are on one scale with theirs. Raises WorkbenchError for a strength that has no heads.
        """
        if self.heads is None:
            raise WorkbenchError("this strength has no heads to score other pairs with", remedy="Make it with Strength.fit")
        families, members = family_codes(groups, len(features)), self.members.shape[1]
        fold = np.stack([dealt(families, self.folds, derived(self.seed, member)) for member in range(members)])
        return replace(self, members=_by_fold(self.heads, features, fold, self.folds))

    @cached_property
    def mean(self) -> Pair:
        return self.members.mean(axis=1)

    @cached_property
    def std(self) -> Pair:
        """Population standard deviation over members."""
        return self.members.std(axis=1)

    @cached_property
    def percentile(self) -> Pair:
        """Rank of the mean among all pairs, 0 (least sure) to 100."""
        from scipy.stats import rankdata

        return 100.0 * (rankdata(self.mean) - 0.5) / len(self.mean)

    def suspects(self, fraction: float | None = None) -> PairMask:
        """Mask [pair] of the pairs whose label looks wrong: the lowest `fraction` by mean, or all with mean < 0 for None.

        For `Supervision.flip(mask)` or `Supervision.drop(~mask)`. Below zero lie hard pairs as well as wrong labels, more
        of them the weaker the heads: with little data the lowest tenth is the safer choice, and dropping safer than flipping.
        """
        if fraction is None:
            return self.mean < 0
        if not 0 <= fraction <= 1:
            raise WorkbenchError(f"fraction {fraction}", remedy="Give a share of the pairs, for example 0.1")
        return bands(self.mean, drop_share=fraction)[1]


def bands(mean: Pair, *, flip_below: float | None = None, drop_below: float | None = None, flip_share: float | None = None,
          drop_share: float | None = None, among: PairMask | None = None) -> tuple[PairMask, PairMask]:
    """Masks [pair] of the labels to turn round, the weakest, and of the pairs to drop, those next above them.

    By value, μ̂ < flip_below and μ̂ < drop_below, or by share of the pairs from the lowest up (equals in their own order):
    flip_share of them, then drop_share. among [pair]: the pairs in question, all for None.
    """
    among = np.ones(len(mean), bool) if among is None else np.asarray(among, bool)
    order = np.flatnonzero(among)[np.argsort(mean[among], kind="stable")]
    flip, low = np.zeros(len(mean), bool), np.zeros(len(mean), bool)
    flip[order[: round((flip_share or 0.0) * len(order))]] = True
    low[order[: round(((flip_share or 0.0) + (drop_share or 0.0)) * len(order))]] = True
    for mask, cut in ((flip, flip_below), (low, drop_below)):
        if cut is not None:
            mask |= among & (mean < cut)
    return flip, low & ~flip


def _by_fold(stack: HeadStack, features: Features | Repeated, fold: np.ndarray, folds: int) -> PairMember:
    """Margins [pair member]: each pair under the head of the fold that each member keeps for it, fold [member pair]."""
    return stack.margins(responses(features), fold.T + folds * np.arange(len(fold)))
