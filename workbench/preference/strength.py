"""Preference strength: how sure an ensemble is of each comparison, never having seen it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..axes import Pair, PairMask, PairMember
from ..errors import WorkbenchError, listing
from ..features import Features
from ..rows import Repeated
from .answers import Answers
from .bands import weakest
from .bradley_terry import Supervision
from .data import bootstrap, dealt, derived, family_codes, fold_of, hold_out
from .fit import Fit
from .heads import DECAYS, HeadStack, penalties, responses, teaching

KINDS = ("bootstrap", "mlp", "subspace", "linear")
HIDDEN, RATES = (32,), {True: 2e-2, False: 3e-3}  # of an MLP; learning rates by whether heads are linear
SHOWN = 0.5  # of the features, to a head of a feature subspace


@dataclass(frozen=True, eq=False)
class Strength:
    """R(chosen) − R(rejected) of each pair under an ensemble of reward heads (arXiv 2401.06080, section 2.1).

    members [pair member]: each pair is scored by heads that saw no pair of its family (folds > 1), so noise cannot be
    learnt by heart: heads that have seen a wrong label agree with it, and a threshold at zero then finds nothing.
    mean μ̂ and population deviation std σ̂ [pair], in logits; one member has no deviation. Their size depends on features,
    penalty and steps: read `percentile` beside them, and never carry a margin to another backbone unscaled. An ensemble
    shares its biases (length).
    decay: the L2 penalty; folds: of the cross-fit (1: none); heads: all members × folds of them, those of a member together;
    None for scores from elsewhere (`from_scores`).
    """

    members: PairMember
    decay: float = float("nan")
    folds: int = 1
    heads: HeadStack | None = field(default=None, repr=False)
    seed: int = 0
    fit_report: Fit | None = field(default=None, repr=False)

    @classmethod
    def fit(cls, features: Features | Repeated, *, members: int = 10, folds: int = 5, groups=None, kind: str = "bootstrap",
            hidden: Sequence[int] | None = None, decay: float | None = None, supervision: Supervision | None = None, steps: int = 200,
            batch_size: int = 512, lr: float | None = None, seed: int = 0, device: str = "auto", precision: str = "auto",
            progress: Callable | None = None, cancel=None, label: str = "preference strength") -> Strength:
        """Train members × folds heads at once on features of pairs, response [pair side dim].

        features: in memory, or a stream of both answers (`study.stream(split, of="pairs")`), of which a linear ensemble
        keeps the differences. kind, what members differ by besides folds: "bootstrap" of families; "mlp" initial weights and
        data order, the paper's ensemble; "subspace" a random half of the features each; "linear" nothing, with a warning:
        seeds and orders do not tell linear heads apart, one convex problem. hidden: () linear, (32,) a small MLP; None is
        the kind's own. decay: L2 penalty, None chooses it on held-out families. lr: 2e-2 for linear heads, 3e-3 for MLPs.
        folds=1 is in-sample. groups [pair]: families; None makes every pair its own. precision as in `fit`, for MLPs. A
        cancelled fit keeps what it has (fit_report.stopped says so). Raises WorkbenchError for no members, more folds than
        families, pairs that differ in nothing, features of rows, and what exceeds the memory budget.
        """
        taught, hidden = teaching(features, supervision), _hidden(kind, hidden, folds)
        families, n = family_codes(groups, len(taught)), len(taught)
        if members < 1 or folds < 1:
            raise WorkbenchError(f"{members} members, {folds} folds", remedy="Take one or more of each; ten and five are usual")
        if decay is not None and not decay >= 0:
            raise WorkbenchError(f"decay {decay}", remedy="An L2 penalty is 0 or more; None chooses it")
        seeds = [derived(seed, member) for member in range(members)]
        fold = np.stack([fold_of(groups, n, folds, s) if folds > 1 else np.zeros(n, int) for s in seeds]).astype(np.int32)
        answers = Answers.laid_out(responses(features), taught.weight > 0, hidden=hidden, heads=members * folds, batch_size=batch_size,
                                   device=device, precision=precision).told_apart(label)
        shared = dict(hidden=hidden, steps=steps, batch_size=batch_size, lr=RATES[not hidden] if lr is None else lr, device=device,
                      progress=progress, cancel=cancel)
        if decay is None:
            stack, best = penalties(answers, taught, hold_out(groups, n, 0.2, seed), seed=seed, label=label, **shared)
            decay = DECAYS[best]
        times = np.empty((members * folds, n), np.uint8)  # folds of a member together
        for head in range(members * folds):
            member, number = divmod(head, folds)
            seen = fold[member] != number if folds > 1 else np.ones(n, bool)
            times[head] = bootstrap(families, seen, [seeds[member], number, 6]) if kind == "bootstrap" else seen
        stack = HeadStack.fit(
            answers, taught, seeds=np.repeat(seeds, folds).tolist(), orders=seeds if hidden else seeds[:1],
            decay=[decay] * (members * folds), held_out=np.zeros(n, bool), weight=times, rows=np.flatnonzero(taught.weight > 0),
            shown=_shown(seeds, folds, len(answers.spread)) if kind == "subspace" else None, label=label, **shared,
        )
        return cls(_by_fold(stack, features, fold, folds), float(decay), folds, stack, seed, stack.report)

    @classmethod
    def from_scores(cls, chosen, rejected) -> Strength:
        """Of scores that reward models gave to both answers, [pair member] each, or a list of lists; nothing is trained.

        For the lists of the public ten-model schema, or columns of several reward models. Raises WorkbenchError for lists
        of unequal length and for what is no number.
        """
        sides = {}
        for side, lists in (("chosen", chosen), ("rejected", rejected)):
            lists = lists if isinstance(lists, (list, tuple)) else np.asarray(lists)
            lengths = [np.size(one) for one in lists]
            uneven = np.flatnonzero(np.array(lengths) != lengths[0]) if len(lengths) else np.empty(0, int)
            if not len(lengths) or len(uneven):
                what = f"pair {uneven[0]} has {lengths[uneven[0]]}, pair 0 has {lengths[0]}" if len(uneven) else "no pairs"
                raise WorkbenchError(f"{side} scores of unequal length: {what}", remedy="Every model scores every pair, in one order")
            sides[side] = np.array([np.ravel(one) for one in lists], np.float64)
        if sides["chosen"].shape != sides["rejected"].shape or not sides["chosen"].shape[1]:
            shapes = " and ".join(str(list(values.shape)) for values in sides.values())
            raise WorkbenchError(f"scores of shapes {shapes}", remedy="Both answers of every pair, by every model: [pair member]")
        members = sides["chosen"] - sides["rejected"]
        bad = ~np.isfinite(members).all(axis=1)
        if bad.any():
            raise WorkbenchError(f"no number for pairs {listing(np.flatnonzero(bad))}", remedy="Leave those pairs out")
        if len(members) > 1 and not np.ptp(members, axis=0).any():
            raise WorkbenchError("constant scores: no model tells one pair from another",
                                 remedy="Take the scores before they were rounded, or other models")
        return cls(members)

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
        if self.members.shape[1] < 2:
            raise WorkbenchError("a deviation over one member", where="preference strength", remedy="Take two or more; ten is usual")
        return self.members.std(axis=1)

    @cached_property
    def percentile(self) -> Pair:
        """Rank of the mean among all pairs, 0 (least sure) to 100."""
        from scipy.stats import rankdata

        return 100.0 * (rankdata(self.mean) - 0.5) / len(self.mean)

    def suspects(self, fraction: float | None = None) -> PairMask:
        """Mask [pair] of the pairs whose label looks wrong: the lowest `fraction` by mean, or all with mean < 0 for None.

        Below zero lie hard pairs as well as wrong labels, more
        of them the weaker the heads: with little data the lowest tenth is the safer choice, and dropping safer than flipping.
        """
        return weakest(self.mean, below=0.0) if fraction is None else weakest(self.mean, quantile=fraction)


def _by_fold(stack: HeadStack, features: Features | Repeated, fold: np.ndarray, folds: int) -> PairMember:
    """Margins [pair member]: each pair under the head of the fold that each member keeps for it, fold [member pair]."""
    return stack.margins(responses(features), fold.T + folds * np.arange(len(fold)))


def _hidden(kind: str, hidden: Sequence[int] | None, folds: int) -> tuple[int, ...]:
    """The hidden layers of a kind of heads. WorkbenchError for an unknown kind, or one whose members would coincide by mistake."""
    if kind not in KINDS:
        raise WorkbenchError(f"heads of kind {kind!r}", where="preference strength", remedy=f"Known: {', '.join(KINDS)}")
    hidden = tuple((HIDDEN if kind == "mlp" else ()) if hidden is None else hidden)
    if (kind == "linear" and hidden) or (kind == "mlp" and not hidden):
        raise WorkbenchError(f"{kind} heads with hidden layers {hidden or 'none'}", where="preference strength",
                             remedy='Take kind="mlp" for (32,) and kind="linear" for ()')
    if kind == "linear":
        by = "its deviation is that of the folds alone" if folds > 1 else "its deviation says nothing"
        warnings.warn(f"seeds of a linear head coincide, one convex problem: {by}", stacklevel=3)
    return hidden


def _shown(seeds: Sequence[int], folds: int, dim: int) -> np.ndarray:
    """Mask [head dim] of the features that each member sees, a random half, the same in all its folds."""
    count = max(1, round(SHOWN * dim))
    masks = np.stack([np.random.default_rng([seed, 8]).permutation(dim) < count for seed in seeds])
    return np.repeat(masks, folds, axis=0)
