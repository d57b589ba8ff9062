"""Reward heads on frozen features: the plain Bradley–Terry model, and many of them trained at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..axes import ItemFeatures, Pair
from ..errors import WorkbenchError
from ..features import Features
from .bradley_terry import Supervision
from .data import ROWS, hold_out, moments, standardised
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
    def fit(cls, features: ItemFeatures, supervision: Supervision, *, hidden: Sequence[int], seeds: Sequence[int], orders: Sequence[int],
            decay: Sequence[float], held_out: np.ndarray, weight: np.ndarray | None = None, rows: np.ndarray | None = None,
            steps: int, batch_size: int, lr: float, every: int = 25, patience: int | None = 8, device: str = "auto",
            progress: Callable | None = None, cancel=None, label: str = "heads") -> HeadStack:
        """Train H heads together on response features [pair side dim].

        seeds: of the initial weights, one per head; orders: seeds of the data orders, H a multiple of their number, heads
        of one order next to each other; decay: L2 penalty per head; held_out mask [pair] or [head pair]; weight [head pair].
        """
        from .network import Heads

        if features.ndim != 3:
            raise WorkbenchError(f"response features have shape {list(features.shape)}", remedy="Heads learn from pairs: [pair, 2, dim]")
        counted = supervision.weight > 0
        centre, spread = moments(features if counted.all() else features[counted])
        module = Heads(features.shape[-1], hidden, seeds, len(orders), decay)
        differences = features[:, 0] - features[:, 1]
        shown = standardised(differences, 0 * centre, spread) if module.linear else standardised(features, centre, spread)
        report = fit(
            module, [shown], supervision, steps=steps, batch_size=batch_size, lr=lr, held_out=held_out,
            weight=weight, rows=rows, every=every, patience=patience, seed=list(orders), device=device, progress=progress,
            cancel=cancel, label=label,
        )
        weights, biases = (tuple(p.detach().numpy().copy() for p in params) for params in (module.weights, module.biases))
        return cls(weights, biases, centre, spread, report)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        flat, (first, *others) = x.reshape(-1, x.shape[-1]), self.weights
        heads, dim, wide = first.shape
        side_by_side = np.ascontiguousarray(first.transpose(1, 0, 2)).reshape(dim, heads * wide)
        out = np.empty((heads, len(flat)))
        for start in range(0, len(flat), ROWS):
            hidden = standardised(flat[start : start + ROWS], self.centre, self.spread) @ side_by_side
            hidden = hidden.reshape(-1, heads, wide).transpose(1, 0, 2)
            for weight, bias in zip(others, self.biases):
                hidden = np.maximum(hidden + bias, 0) @ weight
            out[:, start : start + ROWS] = hidden[..., 0]
        return out.reshape(heads, *x.shape[:-1])

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
    def fit(cls, features: Features, *, groups=None, hidden: Sequence[int] = (), decays: Sequence[float] = DECAYS,
            supervision: Supervision | None = None, steps: int = 400, batch_size: int = 512, lr: float = 1e-2, held_out: float = 0.2,
            every: int = 20, patience: int | None = 6, refit: bool = True, seed: int = 0, device: str = "auto",
            progress: Callable | None = None, cancel=None, label: str = "Bradley–Terry head") -> BradleyTerryHead:
        """Fit on features of pairs, response [pair side dim]; loss −log σ(R⁺ − R⁻), or the supervision's.

        hidden: () is linear, (64,) a small MLP. One head per L2 penalty in `decays` is trained, all at once, and the one with
        the lowest loss on held-out families (a share `held_out` of `groups`, each pair its own family for None) is taken;
        refit: then trained again on all families, for as long as did best if it is an MLP. A masked pair teaches nothing.
        Raises WorkbenchError for features of rows, unequal lengths, nothing to train on.
        """
        taught = teaching(features, supervision)
        shared = dict(hidden=hidden, orders=[seed], steps=steps, batch_size=batch_size, lr=lr, every=every, device=device,
                      progress=progress, cancel=cancel)
        held = hold_out(groups, len(taught), held_out, seed)
        first = HeadStack.fit(features.response, taught, seeds=[seed] * len(decays), decay=decays, held_out=held,
                              patience=patience, label=f"{label}: penalty", **shared)
        losses = np.array(first.report.head_losses)
        best = _best(losses, np.asarray(decays, float))
        chosen = cls(first.head(best), float(decays[best]), dict(zip(map(float, decays), losses.tolist())), first.report)
        if not refit or not held.any() or first.report.stopped == "cancelled":
            return chosen
        last = HeadStack.fit(features.response, taught, seeds=[seed], decay=[chosen.decay], held_out=np.zeros_like(held), label=label,
                             **shared)
        if last.report.stopped == "cancelled":  # half a fit is worth less than the whole one on fewer families
            return replace(chosen, fit_report=last.report)
        return replace(chosen, heads=last, fit_report=last.report)

    def __call__(self, features: Features | ItemFeatures) -> np.ndarray:
        """Rewards [pair side] of pairs, [row] of rows; zero where the features are masked."""
        rewards = self.heads(features.response if isinstance(features, Features) else np.asarray(features))[0]
        if isinstance(features, Features) and features.mask is not None:
            rewards[~features.mask] = 0.0
        return rewards

    def margins(self, features: Features | ItemFeatures) -> Pair:
        """R⁺ − R⁻ [pair]."""
        rewards = self(features)
        return rewards[:, 0] - rewards[:, 1]


def _best(losses: np.ndarray, decays: np.ndarray) -> int:
    """The penalty with the lowest held-out loss, the largest among equals."""
    if not np.isfinite(losses).any():
        return int(np.abs(np.log10(np.maximum(decays, 1e-12) / PLAIN_DECAY)).argmin())
    return int(max(np.flatnonzero(losses == np.nanmin(losses)), key=lambda i: decays[i]))


def teaching(features: Features, supervision: Supervision | None) -> Supervision:
    """The supervision of these pairs; a pair that was skipped when features were extracted weighs nothing."""
    supervision = supervision or Supervision.hard(len(features))
    if len(supervision) != len(features):
        raise WorkbenchError(f"{len(features)} pairs of features, {len(supervision)} of supervision", remedy="One row per pair in each")
    return supervision if features.mask is None else supervision.with_weight(features.mask.astype(float))
