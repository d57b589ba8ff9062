"""How a comparison teaches: a target, a margin and a weight per pair, and the Bradley–Terry loss that reads them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..axes import Pair, PairMask
from ..errors import WorkbenchError, listing

FLATTEST, STEEPEST = 0.05, 30.0  # bounds of a fitted scale, in units of 1 / (spread of the margins)


@dataclass(frozen=True, eq=False)
class Supervision:
    """What each comparison teaches: w · BCE(R⁺ − R⁻ − m, t).

    target t [pair] in [0, 1], 1 = the stored order is right; margin m [pair], in the stored order (chosen − rejected);
    weight w [pair] ≥ 0. Raises WorkbenchError for another shape, range or length. Treatments follow arXiv 2401.06080
    (flip, label smoothing, adaptive margin) and HelpSteer2-Preference (weights); make one with a constructor:

        Supervision.hard(n)                 every label as it stands
        Supervision.drop(keep)              keep [pair] bool; the others weigh nothing
        Supervision.flip(mask)              mask [pair] bool; those labels are turned round
        Supervision.smooth(n, alpha)        target 1 − α
        Supervision.soft(strength)          target σ(μ̂): labels from an ensemble, which the paper does not have
        ….with_margin(m), ….with_weight(w)  the same supervision with a margin, or with weights multiplied in

    A margin stays in the stored order after a flip: with target 0 the loss is −log σ(R⁻ − R⁺ − (−m)), so handing μ̂
    to `with_margin` gives a flipped pair the margin −μ̂.
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

    @classmethod
    def hard(cls, n: int) -> Supervision:
        return cls(np.ones(n), np.zeros(n), np.ones(n))

    @classmethod
    def drop(cls, keep: PairMask) -> Supervision:
        return cls.hard(len(keep)).with_weight(_mask(keep).astype(np.float64))

    @classmethod
    def flip(cls, mask: PairMask) -> Supervision:
        return cls(np.where(_mask(mask), 0.0, 1.0), np.zeros(len(mask)), np.ones(len(mask)))

    @classmethod
    def smooth(cls, n: int, alpha: Pair | float) -> Supervision:
        """−[(1 − α) log p + α log(1 − p)]; α one number or one per pair."""
        return cls(1.0 - np.broadcast_to(np.asarray(alpha, dtype=np.float64), (n,)), np.zeros(n), np.ones(n))

    @classmethod
    def soft(cls, strength: Pair) -> Supervision:
        return cls(sigmoid(np.asarray(strength, dtype=np.float64)), np.zeros(len(strength)), np.ones(len(strength)))

    def with_margin(self, margin: Pair) -> Supervision:
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


@dataclass(frozen=True, eq=False)
class Tensors:
    """A Supervision on a device."""

    target: object
    margin: object
    weight: object


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


def loss(reward_margin, supervision: Supervision | Tensors, index):
    """Mean of w · BCE(R⁺ − R⁻ − m, t) over the last axis, weighted by w: a scalar for [n], [head] for [head n]."""
    losses = cross_entropy(reward_margin, supervision, index)
    weight = _tensors(supervision, reward_margin.device).weight[index]
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


def _mask(values) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype != bool:
        raise WorkbenchError(f"a mask of {values.dtype}", remedy="Give one True or False per pair")
    return values
