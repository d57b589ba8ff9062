"""The one training loop: a module, tensors, a Supervision."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import WorkbenchError
from .bradley_terry import Supervision
from .data import hold_out
from .report import Fit, Progress

__all__ = ["Fit", "Progress", "fit"]


def fit(module, tensors: Sequence[np.ndarray], supervision: Supervision, *, steps: int, batch_size: int, lr: float,
        rates: dict[str, float] | None = None, weight_decay: float = 0.0, held_out: np.ndarray | float | None = None, groups=None,
        weight: np.ndarray | None = None, rows: np.ndarray | None = None, every: int = 25, patience: int | None = 8,
        seed: int | Sequence[int] = 0, device: str = "auto", progress: Callable | None = None, cancel=None, label: str = "") -> Fit:
    """Train a module in place on pairs and leave it, on the CPU, in its best state.

    module(*rows) → reward margins [n] for tensors [pair …] gathered at n pairs. A module with `heads` H and `orders` M
    trains H heads side by side: its parameters start with a head axis, it gets rows [M n …] ([1 n …]: the same for all)
    and gives [H n]; heads of one order see the same batches, and each head's loss touches its own parameters only. A module
    may have `penalty()` → [H] or a scalar.

    AdamW, learning rate `lr` (`rates` by parameter name), cosine to 0, decay on parameters named …weight. held_out:
    mask [pair] or [head pair], or a share of families drawn from `groups` [pair]; evaluated every `every` steps, the best
    state is kept, and `patience` evaluations without a better one stop the fit (None: never). Without it the last state is
    kept. weight [head pair] multiplies the supervision's; rows: the pairs that batches are drawn from (those that weigh
    something). seed: of the batches, one per order. cancel.is_set() ends the fit within a second, the best state kept.
    Same seed, device and shapes: same bytes. Raises WorkbenchError for unequal lengths, nothing to train on, divergence.
    """
    from .loop import Loop

    seeds = [seed] if isinstance(seed, int) else list(seed)
    if steps < 1 or batch_size < 1 or not lr > 0:
        raise WorkbenchError(f"steps {steps}, batch size {batch_size}, learning rate {lr}", remedy="All three must be positive")
    if held_out is None or isinstance(held_out, (int, float)):
        held_out = hold_out(groups, len(supervision), float(held_out or 0), seeds[0])
    loop = Loop(module, tensors, supervision, held_out, weight, rows, device)
    if len(seeds) != loop.orders:
        raise WorkbenchError(f"{len(seeds)} seeds for {loop.orders} data orders", remedy="Give one seed per order")
    loop.prepare(batch_size, seeds, lr, rates or {}, weight_decay)
    stopped = loop.run(steps, every, patience, progress, cancel, label)
    return loop.finish(stopped)
