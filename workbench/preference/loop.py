"""The steps of a fit: blocks of updates, looks at the held-out families, the best state of each head."""

from __future__ import annotations

import math
import time

import numpy as np
import torch

from ..errors import WorkbenchError
from .batches import Order
from .data import ROWS
from .report import Fit, Progress
from .step import Batch, Update, is_low, lowered

REPORT_SECONDS = 0.5


def device_of(name: str) -> str:
    """ "auto" → "cuda" where there is one, else "cpu"; WorkbenchError for a device that is not there."""
    there = ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if "cuda" in there else "cpu"
    if name.split(":")[0] not in there:
        raise WorkbenchError(f"no device {name!r} here", remedy=f'Use device="auto" or one of: {", ".join(there)}')
    return name


class Loop:
    """One run of `fit`, which see for the arguments. Inside, every weight and loss has a head axis, of length 1 for a plain module."""

    def __init__(self, module, tensors, supervision, held_out, weight, rows, device):
        n, self.device = len(supervision), device_of(device)
        uneven = [len(tensor) for tensor in tensors if len(tensor) != n]
        if uneven:
            raise WorkbenchError(f"{uneven[0]} rows of data beside {n} pairs of supervision", remedy="One row per pair in each")
        heads, orders = getattr(module, "heads", 1), getattr(module, "orders", 1)
        held, times = np.broadcast_to(np.asarray(held_out, bool), (heads, n)), np.broadcast_to(1 if weight is None else weight, (heads, n))
        train = weighed(supervision.weight, times, ~held)
        taught = train.view(n, orders, -1).any(dim=2).numpy()
        self.rows = [np.flatnonzero(mask) if rows is None else np.asarray(rows) for mask in taught.T]
        if not min(map(len, self.rows)) or not train.any(dim=0).all():
            raise WorkbenchError("no pair is left to train on", remedy="Drop fewer pairs or hold out fewer families")
        held = weighed(supervision.weight, held) if held.any() else train[:0]
        self.has_held, held_rows = held.any(dim=0).numpy(), np.flatnonzero(held.any(dim=1).numpy())
        self.module = module.to(self.device).train()
        self.batch = Batch(module, tensors, supervision, self.device)
        self.heads, self.orders, self.plain = self.batch.heads, self.batch.orders, self.batch.plain
        self.train, self.held = train.to(self.device), held.to(self.device)
        self.held_rows = torch.as_tensor(held_rows, device=self.device)[None]
        self.history, self.done, self.started = {"step": [], "loss": [], "held_out": []}, 0, time.monotonic()

    def prepare(self, batch_size, seeds, lr, rates, weight_decay, every, precision, rule) -> None:
        named = dict(self.module.named_parameters())
        if set(rates) - set(named):
            raise WorkbenchError(f"no parameter named {sorted(set(rates) - set(named))[0]!r}", remedy=f"There are {', '.join(named)}")
        kinds: dict[tuple, list] = {}
        for name, parameter in named.items():
            kinds.setdefault((rates.get(name, lr), weight_decay if name.endswith("weight") else 0.0), []).append(parameter)
        groups = [{"params": params, "rate": rate, "weight_decay": decay} for (rate, decay), params in kinds.items()]
        size = min(batch_size, *map(len, self.rows))
        orders = [Order(rows, size, seed, self.device) for rows, seed in zip(self.rows, seeds)]
        self.work = size * sum(parameter.numel() for parameter in named.values())
        self.low = is_low(precision, self.device, self.work, hasattr(self.module, "learn"))
        self.update = Update(self.batch, self.train, orders, groups, every, self.low, rule)

    def run(self, steps, every, patience, watch, progress, cancel, label) -> str:
        """Returns why it stopped."""

        def cancelled() -> bool:
            return cancel is not None and cancel.is_set()

        def tell(step, mean) -> None:
            if progress is not None:
                told[0] = time.monotonic()
                progress(Progress(step, steps, mean, _mean(held), (told[0] - self.started) / step * (steps - step), label))

        held, told = self.evaluate(cancelled), [time.monotonic()]
        self.begin(held)
        if watch is not None:
            watch(0, self.module)
        for begin in range(0, steps, every):
            count = min(every, steps - begin)
            self.update.lay_out(begin, count, steps)
            for number in range(1, count + 1):
                if cancelled() or not self.update(cancelled):
                    return "cancelled"
                self.done = begin + number
                if number < count and progress is not None and time.monotonic() - told[0] >= REPORT_SECONDS:
                    tell(self.done, self.mean_of(number, self.done))
            mean, held = self.mean_of(count, self.done), self.evaluate(cancelled)
            if cancelled():
                return "cancelled"
            self.record(self.done, mean, held, patience, every)
            if watch is not None:
                watch(self.done, self.module)
            tell(self.done, mean)
            if not self.waiting.any() and self.done < steps:
                return "early"
        return "finished"

    def evaluate(self, cancelled):
        """Held-out loss of each head, NaN where it has none; None without held-out pairs. Meaningless once cancelled."""
        if not self.has_held.any():
            return None
        total = torch.zeros(self.heads, dtype=torch.float64, device=self.device)
        self.module.eval()
        with torch.no_grad():
            for part in self.held_rows.split(2 * self.update.piece, dim=1):
                if cancelled():
                    break
                with lowered(self.device, self.low and not hasattr(self.module, "learn")):
                    margins = self.batch.margins(part)
                total += (self.batch.weights(self.held, part) * self.batch.losses(margins.float(), self.batch.given(part))).sum(1)
        self.module.train()
        return (total / self.held.sum(0)).cpu().numpy()

    def begin(self, held) -> None:
        self.best_loss = np.where(self.has_held, np.inf if held is None else held, np.inf)
        self.best_step, self.waiting = np.zeros(self.heads, int), np.ones(self.heads, bool)
        self.best = {} if held is None else {name: value.detach().clone() for name, value in self.module.named_parameters()}

    def record(self, step, mean, held, patience, every) -> None:
        """Note a block in the history, and each head's state where it is its best."""
        for name, value in (("step", step), ("loss", mean), ("held_out", _mean(held))):
            self.history[name].append(value)
        if held is None:
            return
        value = np.where(self.has_held, held, -float(step))  # a head with nothing held out keeps its newest state
        better = self.waiting & (value < self.best_loss)
        self.best_loss[better], self.best_step[better] = value[better], step
        if patience is not None:
            self.waiting &= step - self.best_step < patience * every
        if not better.any():
            return
        mask = torch.as_tensor(better, device=self.device)
        for name, parameter in self.module.named_parameters():
            if better.all():
                self.best[name].copy_(parameter.detach())
            else:
                self.best[name][mask] = parameter.detach()[mask]

    def mean_of(self, count, step) -> float:
        """Mean loss of the block's first updates."""
        mean = self.update.mean_loss(count)
        if not math.isfinite(mean):
            raise WorkbenchError(f"training diverged at step {step}", remedy="Lower the learning rate, or divide scores by their deviation")
        return mean

    def finish(self, stopped) -> Fit:
        """Put the best state back; without held-out pairs the last is the best there is."""
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                parameter.grad = None
                if self.best:
                    parameter.copy_(self.best[name])
        if not self.best:
            self.best_step[:] = self.done
        self.module.to("cpu").eval()
        losses = np.where(self.has_held, self.best_loss, np.nan)
        return Fit(self.history, int(self.best_step.max()), stopped, time.monotonic() - self.started,
                   tuple(int(step) for step in self.best_step), tuple(float(loss) for loss in losses))


def weighed(weight: np.ndarray, *factors: np.ndarray) -> torch.Tensor:
    """Products [pair head], float32, of weights [pair] and factors [head pair]; nothing else of that size is made."""
    out = np.empty(factors[0].shape[::-1], np.float32)
    for start in range(0, len(out), ROWS):
        some = slice(start, start + ROWS)
        product = weight[None, some]
        for factor in factors:
            product = product * factor[:, some]
        out[some] = product.T
    return torch.from_numpy(out)


def _mean(held) -> float | None:
    return None if held is None else float(np.nanmean(held))
