"""Gates that do not read the prompt: uniform, fixed, and the best single set of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..axes import Array, Obj, PairObj, PairSide
from ..errors import WorkbenchError, listing
from ..preference.bradley_terry import Supervision, fit_scale, sigmoid
from ..scores import Scores
from .base import active_mask, aligned, rewards

RIDGE = 1e-4  # keeps the weights of separable labels finite


class _Constant:
    """One set of weights for every prompt: `names` and `values` [obj] are the subclass's."""

    @property
    def logit_scale(self) -> float:
        return float(self.values.sum())

    def weights(self, prompt: Array) -> PairObj:
        """The same weights for each row of prompt (only its length is read, [pair, 0] will do)."""
        return np.tile(self.values, (len(prompt), 1))

    def shares(self, prompt: Array) -> PairObj:
        """Weights divided by logit_scale: rows sum to 1."""
        return self.weights(prompt) / self.logit_scale

    def __call__(self, scores: Scores, prompt: Array | None = None) -> PairSide:
        """Rewards [pair side] = Σ_k values_k r'_k; the prompt is not read."""
        return rewards(self.weights(scores.values if prompt is None else prompt), aligned(scores, self.names))

    def restrict(self, active: Sequence[str]) -> FixedWeights:
        """Only these objectives, scaled up to the same logit_scale."""
        kept = np.where(active_mask(self.names, active), self.values, 0.0)
        if kept.sum() == 0:
            raise WorkbenchError("the objectives kept have no weight", remedy="Keep one that has some")
        return FixedWeights(kept * (self.logit_scale / kept.sum()), self.names)

    def state(self) -> dict[str, np.ndarray]:
        return {"values": np.array(self.values)}


@dataclass(frozen=True, eq=False)
class FixedWeights(_Constant):
    """Weights [obj] ≥ 0 given by hand, not all zero. Raises WorkbenchError for another length, a negative or non-finite one."""

    values: Obj
    names: tuple[str, ...]

    def __post_init__(self):
        values, names = np.asarray(self.values, dtype=np.float64), tuple(self.names)
        if values.shape != (len(names),):
            raise WorkbenchError(f"weights have shape {list(values.shape)} for {len(names)} objectives")
        bad = ~np.isfinite(values) | (values < 0)
        if bad.any() or values.sum() == 0:
            named = listing(name for name, flag in zip(names, bad) if flag) or "all"
            raise WorkbenchError(f"negative, missing or only zero weights: {named}", remedy="A gate's weights are ≥ 0 and not all zero")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "names", names)

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray], names: Sequence[str]) -> FixedWeights:
        return cls(state["values"], tuple(names))


@dataclass(frozen=True, eq=False)
class UniformWeights(_Constant):
    """logit_scale / K for each of K objectives: what the gate is before it learns."""

    names: tuple[str, ...]
    logit_scale: float = 1.0

    def __post_init__(self):
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "logit_scale", float(self.logit_scale))
        if not self.names or not 0 < self.logit_scale < np.inf:
            raise WorkbenchError(f"{len(self.names)} objectives at scale {self.logit_scale}", remedy="Name one; the scale is positive")

    @classmethod
    def fit(cls, scores: Scores, *, supervision: Supervision | None = None) -> UniformWeights:
        """The scale that minimises the Bradley–Terry loss of the mean score."""
        return cls(scores.names, fit_scale(scores.margins.mean(axis=1), supervision))

    @cached_property
    def values(self) -> Obj:
        return np.full(len(self.names), self.logit_scale / len(self.names))

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray], names: Sequence[str]) -> UniformWeights:
        return cls(tuple(names), float(np.sum(state["values"])))


@dataclass(frozen=True, eq=False)
class GlobalWeights(FixedWeights):
    """The best single set of weights: β · softmax(a) with no prompt in it, the honest baseline of a gate."""

    @classmethod
    def fit(cls, scores: Scores, *, active: Sequence[str] | None = None, supervision: Supervision | None = None,
            ridge: float = RIDGE) -> GlobalWeights:
        """Minimise the Bradley–Terry loss over weights [obj] ≥ 0 on scores [pair side obj].

        β · softmax(a) reaches every v > 0, so this is a convex problem in v ≥ 0 with one answer, which may leave an objective
        out; an objective outside `active` gets exactly 0. ridge · |v|² / 2 is added to the mean loss. Uniform weights at
        their fitted scale where no objective agrees with the labels.
        """
        from scipy.optimize import minimize

        mask = active_mask(scores.names, active)
        supervision = supervision or Supervision.hard(len(scores))
        weight = supervision.weight / max(supervision.weight.sum(), 1e-300)
        x, m, t = scores.margins[:, mask].astype(np.float64), supervision.margin, supervision.target

        def objective(v):
            z = x @ v - m
            losses = np.logaddexp(0, z) - t * z  # BCE from logits
            return weight @ losses + ridge / 2 * v @ v, x.T @ (weight * (sigmoid(z) - t)) + ridge * v

        start = np.full(x.shape[1], fit_scale(x.mean(axis=1), supervision) / x.shape[1])
        solved = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start),
                          options={"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-9})
        values = np.zeros(len(mask))
        values[mask] = solved.x if solved.x.sum() > 1e-9 else start
        return cls(values, scores.names)
