"""How a comparison teaches: a target, a margin and a weight per pair, and the Bradley–Terry loss that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..axes import Pair, PairMask
from ..errors import WorkbenchError, listing
from .bands import LOWEST, weakest

FLATTEST, STEEPEST = 0.05, 30.0  # bounds of a fitted scale, in units of 1 / (spread of the margins)


@dataclass(frozen=True, eq=False)
class Supervision:
    """What each comparison teaches: w · BCE(R⁺ − R⁻ − m, t). Arrays; `tensors(device)` gives them to torch.

    target t [pair] in [0, 1], 1 = the stored order is right; margin m [pair], in the stored order (chosen − rejected);
    weight w [pair] ≥ 0. Raises WorkbenchError for another shape, range or length. By preference strength μ̂ [pair], an
    array or anything with `.mean` [pair] (arXiv 2401.06080 §2; soft labels and `scaled`, of HelpSteer2-Preference, are others'):

        Supervision.hard(n)                                   every label as it stands
        Supervision.drop(strength, below=0.0)                 those pairs weigh nothing; or quantile=0.2, band=(0.2, 0.4)
        Supervision.flip(strength, quantile=0.1)              those labels are turned round
        Supervision.smooth(strength, alpha=0.1)               target 1 − α, of all pairs unless a cut is given
        Supervision.soft(strength, tau=1.0)                   target σ(μ̂ / τ)
        Supervision.margin(strength, scale=1.0, base=None)    margin scale · μ̂ inside log σ
        Supervision.scaled(strength)                          weight max(μ̂, 0)

    and by mask [pair], of any supervision: dropped, flipped, smoothed, turned; with_margin, with_weight. Each constructor
    takes `base`, the supervision that it starts from, and `among` [pair], the only pairs that it touches (a slice).
    A margin stays in the stored order after a flip: with target 0 the loss is −log σ(R⁻ − R⁺ − (−m)), so margin μ̂ on a
    flipped base gives a flipped pair the margin −μ̂.
    """

    target: Pair
    margin: Pair
    weight: Pair

    def __post_init__(self):
        for name in ("target", "margin", "weight"):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if value.ndim != 1:
                raise WorkbenchError(f"{name} has shape {value.shape}, wanted [pair]", remedy="One number per pair: a flat array")
            if not np.isfinite(value).all():
                raise WorkbenchError(f"NaN or infinite {name} at pairs {listing(np.flatnonzero(~np.isfinite(value)))}")
            object.__setattr__(self, name, value)
        if not len(self.target) == len(self.margin) == len(self.weight):
            raise WorkbenchError(f"{len(self.target)} targets, {len(self.margin)} margins, {len(self.weight)} weights")
        if ((self.target < 0) | (self.target > 1)).any():
            raise WorkbenchError("a target lies outside [0, 1]", remedy="A target is the probability that the chosen answer is better")
        if (self.weight < 0).any():
            raise WorkbenchError("a weight is negative", remedy="Give 0 to drop a pair; use `flip` to turn a label round")

    def __len__(self) -> int:
        return len(self.target)

    # -- by preference strength --------------------------------------------------------------------

    @classmethod
    def hard(cls, n: int) -> Supervision:
        return cls(np.ones(n), np.zeros(n), np.ones(n))

    @classmethod
    def drop(cls, strength, *, base: Supervision | None = None, among: PairMask | None = None, **cut) -> Supervision:
        """cut: below, quantile or band; the lowest tenth for none. WorkbenchError where nothing would be left."""
        mean, base = _read(strength, base)
        mask = weakest(mean, among=among, **(cut or {"quantile": LOWEST}))
        if not (base.weight * ~mask).any():
            raise WorkbenchError("every pair would be dropped", where="preference strength", remedy="Drop below a lower strength")
        return base.dropped(mask)

    @classmethod
    def flip(cls, strength, *, base: Supervision | None = None, among: PairMask | None = None, **cut) -> Supervision:
        mean, base = _read(strength, base)
        return base.flipped(weakest(mean, among=among, **(cut or {"quantile": LOWEST})))

    @classmethod
    def smooth(cls, strength, *, alpha: float = 0.1, base: Supervision | None = None, among: PairMask | None = None, **cut) -> Supervision:
        """−[(1 − α) log p + α log(1 − p)] (§2.3.2; the paper gives no α)."""
        mean, base = _read(strength, base)
        return base.smoothed(alpha, weakest(mean, among=among, **cut))

    @classmethod
    def soft(cls, strength, tau: float = 1.0, *, base: Supervision | None = None, among: PairMask | None = None) -> Supervision:
        """Of labels as they stand: WorkbenchError for a base that has turned some of them round, which σ(μ̂ / τ) would undo."""
        mean, base = _read(strength, base)
        if (_all(mean, among) & (base.target < 0.5)).any():
            raise WorkbenchError("soft labels over flipped ones", where="preference strength",
                                 remedy="Below zero σ(μ̂) prefers the other answer already: take either")
        return replace(base, target=np.where(_all(mean, among), sigmoid(mean / _positive("tau", tau)), base.target))

    @classmethod
    def scaled(cls, strength, *, base: Supervision | None = None, among: PairMask | None = None) -> Supervision:
        """Of a label that the base has turned round the weight is max(−μ̂, 0)."""
        mean, base = _read(strength, base)
        weight = np.where(_all(mean, among), np.maximum(np.where(base.target < 0.5, -mean, mean), 0), 1.0)
        if not (base.weight * weight).any():
            raise WorkbenchError("no pair has a positive strength: each would weigh nothing", where="preference strength",
                                 remedy="Flip or relabel first, or take another treatment")
        return base.with_weight(weight)

    # -- by mask -----------------------------------------------------------------------------------

    def dropped(self, mask: PairMask) -> Supervision:
        return self.with_weight((~_mask(mask)).astype(np.float64))

    def flipped(self, mask: PairMask) -> Supervision:
        """Those labels turned round; margins stay, in the stored order."""
        return replace(self, target=np.where(_mask(mask), 1.0 - self.target, self.target))

    def smoothed(self, alpha: Pair | float, mask: PairMask | None = None) -> Supervision:
        """A label t becomes (1 − α) t + α (1 − t); α one number or one per pair."""
        alpha = np.broadcast_to(np.asarray(alpha, dtype=np.float64), self.target.shape)
        if not ((alpha >= 0) & (alpha <= 1)).all():
            raise WorkbenchError("a smoothing α outside [0, 1]", remedy="Give the share of wrong labels that is assumed, for example 0.1")
        smooth = self.target + alpha * (1.0 - 2.0 * self.target)
        return replace(self, target=smooth if mask is None else np.where(_mask(mask), smooth, self.target))

    def turned(self, mask: PairMask) -> Supervision:
        """The same supervision of pairs of which those in the mask are stored the other way round: target and margin turn."""
        return replace(self.flipped(mask), margin=np.where(_mask(mask), -self.margin, self.margin))

    def with_margin(self, margin: Pair) -> Supervision:
        margin = np.asarray(margin, dtype=np.float64)
        if margin.shape != self.target.shape:
            raise WorkbenchError(f"margins of shape {list(margin.shape)} for {len(self)} pairs", remedy="One margin per pair: a flat array")
        return replace(self, margin=margin)

    def with_weight(self, weight: Pair) -> Supervision:
        weight = np.asarray(weight, dtype=np.float64)
        if weight.shape != self.weight.shape:
            raise WorkbenchError(f"weights of shape {weight.shape} for {len(self)} pairs")
        return replace(self, weight=self.weight * weight)

    def rows(self, index) -> Supervision:
        """Some of the pairs, by position or mask."""
        return Supervision(self.target[index], self.margin[index], self.weight[index])

    def tensors(self, device="cpu"):
        """The same three arrays as float32 tensors, for `loss` inside a training loop."""
        import torch

        return Tensors(*(torch.tensor(value, dtype=torch.float32, device=device) for value in (self.target, self.margin, self.weight)))


def _margin(cls, strength, scale: float = 1.0, base: Supervision | None = None, *, among: PairMask | None = None) -> Supervision:
    """Adaptive margin scale · μ̂ inside log σ: −log σ(R⁺ − R⁻ − scale · μ̂). The paper prints it outside, where it has no gradient."""
    mean, base = _read(strength, base)
    return base.with_margin(np.where(_all(mean, among), _positive("scale", scale) * mean, base.margin))


Supervision.margin = classmethod(_margin)  # the class makes one, an instance has one: a field named so shadows it, and needs no default


@dataclass(frozen=True, eq=False)
class Tensors:
    """A Supervision on a device."""

    target: object
    margin: object
    weight: object


@dataclass(frozen=True, eq=False)
class Stacked:
    """Supervisions of heads that are trained side by side, one each: what a fit reads in place of one.

    target, margin [pair head]; weight [pair], ones: the heads' own weights [head pair] are the fit's `weight`.
    """

    target: np.ndarray
    margin: np.ndarray
    weight: Pair

    @classmethod
    def of(cls, supervisions: Sequence[Supervision]) -> tuple[Stacked, np.ndarray]:
        """Them and their weights [head pair]. WorkbenchError for unequal lengths."""
        lengths = {len(one) for one in supervisions}
        if len(lengths) != 1:
            raise WorkbenchError(f"supervisions of {listing(sorted(lengths))} pairs", remedy="All of the same pairs, one or more of them")
        target, margin = (np.stack([getattr(one, name) for one in supervisions], axis=1) for name in ("target", "margin"))
        return cls(target, margin, np.ones(len(target))), np.stack([one.weight for one in supervisions])

    def __len__(self) -> int:
        return len(self.weight)

    tensors = Supervision.tensors


def cross_entropy(reward_margin, supervision: Supervision | Tensors, index=None):
    """BCE(R⁺ − R⁻ − m, t) of each pair, without its weight; a tensor of the shape of the margins.

    reward_margin R⁺ − R⁻, tensor [n] or [head n]; index, tensor of the same shape, the pairs' positions; None: targets and
    margins are of that shape themselves. The margin is inside the log-sigmoid, where it has a gradient. Shapes must be
    equal, so [n] against [n, 1] cannot spread to [n, n].
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    given = _tensors(supervision, reward_margin.device)
    target, margin = (given.target, given.margin) if index is None else (given.target[index], given.margin[index])
    if reward_margin.shape != target.shape:
        raise WorkbenchError(
            f"reward margins have shape {list(reward_margin.shape)}, their pairs {list(target.shape)}",
            remedy="One reward margin per pair: drop the last axis of a [pair, 1] output",
        )
    return binary_cross_entropy_with_logits(reward_margin - margin, target, reduction="none")


def bradley_terry_loss(reward_margin, supervision: Supervision | Tensors, index=None):
    """Mean of w · BCE(R⁺ − R⁻ − m, t) over the last axis, weighted by w: a scalar for [pair], [head] for [head n].

    reward_margin R⁺ − R⁻, a tensor; index as in `cross_entropy`. WorkbenchError for a shape that would broadcast, [pair, 1] against [pair].
    """
    losses = cross_entropy(reward_margin, supervision, index)
    weight = _tensors(supervision, reward_margin.device).weight
    weight = weight if index is None else weight[index]
    return (weight * losses).sum(-1) / weight.sum(-1).clamp_min(1e-12)


def _tensors(supervision, device) -> Tensors:
    return supervision if isinstance(supervision, Tensors) else supervision.tensors(device)


def fit_scale(margin: Pair, supervision: Supervision | None = None) -> float:
    """The one scale β > 0 that minimises Σ w · BCE(β x − m, t) over margins x [pair].

    Kept between 0.05 and 30 over the spread of x: separable labels would send it to infinity, a reward that points the
    wrong way to zero. Returns 1.0 where every margin is zero.
    """
    from scipy.optimize import brentq

    supervision = supervision or Supervision.hard(len(margin))
    weight = supervision.weight / max(supervision.weight.sum(), 1e-300)
    x = np.asarray(margin, dtype=np.float64)
    spread = np.sqrt(weight @ x**2)
    if spread == 0:
        return 1.0

    def slope(beta: float) -> float:  # of the loss: increases with beta
        return float((weight * x) @ (sigmoid(beta * x - supervision.margin) - supervision.target))

    low, high = FLATTEST / spread, STEEPEST / spread
    if slope(low) >= 0:
        return float(low)
    if slope(high) <= 0:
        return float(high)
    return float(brentq(slope, low, high, xtol=1e-10))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^−x) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _read(strength, base: Supervision | None) -> tuple[np.ndarray, Supervision]:
    """μ̂ [pair] of a strength, and the supervision to start from."""
    mean = getattr(strength, "mean", strength)
    mean = np.asarray(strength if callable(mean) else mean, dtype=np.float64)  # an array has a method of that name
    if mean.ndim != 1:
        raise WorkbenchError(f"strength of shape {list(mean.shape)}, wanted [pair]", remedy="One number per pair: a flat array")
    if not np.isfinite(mean).all():
        raise WorkbenchError(f"NaN or infinite strength at pairs {listing(np.flatnonzero(~np.isfinite(mean)))}")
    base = Supervision.hard(len(mean)) if base is None else base
    if len(base) != len(mean):
        raise WorkbenchError(f"strength of {len(mean)} pairs, a supervision of {len(base)}", remedy="One number per pair in each")
    return mean, base


def _all(mean: Pair, among: PairMask | None) -> PairMask:
    return np.ones(len(mean), bool) if among is None else _mask(among)


def _positive(name: str, value: float) -> float:
    if not 0 < value < np.inf:
        raise WorkbenchError(f"{name} {value}", where="preference strength", remedy="Give a positive number")
    return float(value)


def _mask(values) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype != bool:
        raise WorkbenchError(f"a mask of {values.dtype}", remedy="Give one True or False per pair")
    return values
