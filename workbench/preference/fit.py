"""The one training loop: a module, tensors, a Supervision."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..budget import words
from ..errors import WorkbenchError
from .bradley_terry import Stacked, Supervision
from .data import hold_out
from .report import Fit, Progress
from .threads import ALONE, one_core

__all__ = ["Fit", "Progress", "fit"]


def fit(module, tensors: Sequence, supervision: Supervision | Stacked, *, steps: int, batch_size: int, lr: float,
        rates: dict[str, float] | None = None, weight_decay: float = 0.0, held_out: np.ndarray | float | None = None, groups=None,
        weight: np.ndarray | None = None, rows: np.ndarray | None = None, every: int = 25, patience: int | None = 8,
        seed: int | Sequence[int] = 0, device: str = "auto", precision: str = "auto", rule=None, watch: Callable | None = None,
        progress: Callable | None = None, cancel=None, label: str = "") -> Fit:
    """Train a module in place on pairs and leave it, on the CPU, in its best state.

    module(*rows) → reward margins [n] for tensors [pair …] gathered at n pairs. A module with `heads` H and `orders` M
    trains H heads side by side: its parameters start with a head axis, it gets rows [M n …] ([1 n …]: the same for all)
    and gives [H n]; heads of one order see the same batches, and each head's loss touches its own parameters only. A module
    may have `penalty()` → [H] or a scalar, and `learn`, which writes its gradients itself (`GateNetwork` shows how). One
    without `learn` may have `auxiliary(*rows)`: a scalar of the pairs whose margins it just gave, added to the loss that is
    differentiated, once a batch or, of a batch in pieces, by each piece's share of the pairs; losses that are reported and
    held-out losses are without it (`Contrastive`). A tensor may be `Repeated`: rows that pairs share lie on the device once.

    AdamW, learning rate `lr` (`rates` by parameter name), cosine to 0, decay on parameters named …weight. held_out:
    mask [pair] or [head pair], or a share of families drawn from `groups` [pair]; evaluated every `every` steps, the best
    state is kept, and `patience` evaluations without a better one stop the fit (None: never). Without it the last state is
    kept. weight [head pair] multiplies the supervision's; rows: the pairs that batches are drawn from (those that weigh
    something). seed: of the batches, one per order. cancel.is_set() ends the fit within a second, the best state kept.
    precision: of the products, "float32", "bfloat16" (weights and updates stay float32) or "auto", which takes bfloat16 for
    a module with `learn` where the device multiplies it natively and the step is large enough to gain. On a GPU a step of
    heads is captured once and replayed, unless it has a rule. rule: where gradients are taken, such as `difference.MetaStep`:
    within `moved(module)` of its `fresh(module)`, None at the weights themselves. watch(step, module) is called at the start and
    every `every` steps, the module as it is then. Same seed, device, precision and shapes: same bytes. Raises WorkbenchError for
    unequal lengths, nothing to train on, divergence, and what does not fit on the device.
    """
    import torch

    from .loop import Loop

    seeds = [seed] if isinstance(seed, int) else list(seed)
    if steps < 1 or batch_size < 1 or not lr > 0:
        raise WorkbenchError(f"steps {steps}, batch size {batch_size}, learning rate {lr}", remedy="All three must be positive")
    if held_out is None or isinstance(held_out, (int, float)):
        held_out = hold_out(groups, len(supervision), float(held_out or 0), seeds[0])
    try:
        loop = Loop(module, tensors, supervision, held_out, weight, rows, device)
        if len(seeds) != loop.orders:
            raise WorkbenchError(f"{len(seeds)} seeds for {loop.orders} data orders", remedy="Give one seed per order")
        loop.prepare(batch_size, seeds, lr, rates or {}, weight_decay, min(every, steps), precision, rule)
        with one_core(loop.device == "cpu" and loop.work < ALONE):
            return loop.finish(loop.run(steps, min(every, steps), patience, watch, progress, cancel, label))
    except torch.OutOfMemoryError:
        raise _too_large(tensors, len(supervision), batch_size, device) from None


def _too_large(tensors, pairs: int, batch_size: int, device: str) -> WorkbenchError:
    """What was asked of a GPU's memory, and how much of it would fit."""
    import torch

    whole = torch.cuda.mem_get_info(None if device == "auto" else device)[1]
    held = sum(getattr(tensor, "rows", tensor).nbytes for tensor in tensors)
    most = int(pairs * 0.7 * whole / held)
    remedy = f"Take at most {most:,} pairs" if most < pairs else f"Take a batch_size below {batch_size:,}"
    return WorkbenchError(f"training on {pairs:,} pairs ({words(held)}) does not fit into a GPU of {words(whole)}",
                          remedy=f'{remedy}, free what else is on it, or use device="cpu"')
