"""The steps of a fit: batches, updates, looks at the held-out families, the best state of each head."""

from __future__ import annotations

import math
import time

import numpy as np
import torch

from ..errors import WorkbenchError
from .bradley_terry import cross_entropy
from .data import Order
from .report import Fit, Progress

PIECE = 2e9  # rows × parameters between two looks at `cancel`: a fifth of a second on one core
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
        n, self.plain = len(supervision), not hasattr(module, "heads")
        self.heads, self.orders = (1, 1) if self.plain else (module.heads, module.orders)
        uneven = [len(tensor) for tensor in tensors if len(tensor) != n]
        if uneven:
            raise WorkbenchError(f"{uneven[0]} rows of data beside {n} pairs of supervision", remedy="One row per pair in each")
        held = np.broadcast_to(np.asarray(held_out, bool), (self.heads, n))
        train = supervision.weight * ~held * (1 if weight is None else np.asarray(weight))
        self.rows = np.flatnonzero(train.any(axis=0)) if rows is None else np.asarray(rows)
        if not len(self.rows) or not train.any(axis=1).all():
            raise WorkbenchError("no pair is left to train on", remedy="Drop fewer pairs or hold out fewer families")
        held = supervision.weight * held
        self.has_held, held_rows = held.any(axis=1), np.flatnonzero(held.any(axis=0))
        self.device = device_of(device)
        self.module = module.to(self.device).train()
        self.tensors = [torch.as_tensor(np.ascontiguousarray(tensor), device=self.device) for tensor in tensors]
        self.supervision = supervision.tensors(self.device)
        self.train, self.held = (torch.tensor(w, dtype=torch.float32, device=self.device) for w in (train, held))
        self.held_rows = torch.as_tensor(held_rows, device=self.device)[None]
        self.history, self.done, self.started = {"step": [], "loss": [], "held_out": []}, 0, time.monotonic()

    def prepare(self, batch_size, seeds, lr, rates, weight_decay) -> None:
        named = dict(self.module.named_parameters())
        if set(rates) - set(named):
            raise WorkbenchError(f"no parameter named {sorted(set(rates) - set(named))[0]!r}", remedy=f"There are {', '.join(named)}")
        self.batches = [Order(self.rows, batch_size, seed) for seed in seeds]
        size = sum(parameter.numel() for parameter in named.values())
        self.piece = batch_size if self.device.startswith("cuda") else max(32, int(PIECE / max(size, 1)))
        kinds: dict[tuple, list] = {}
        for name, parameter in named.items():
            kinds.setdefault((rates.get(name, lr), weight_decay if name.endswith("weight") else 0.0), []).append(parameter)
        groups = [{"params": params, "lr": rate, "base": rate, "weight_decay": decay} for (rate, decay), params in kinds.items()]
        self.optimizer = torch.optim.AdamW(groups, fused=self.device != "mps")

    def run(self, steps, every, patience, progress, cancel, label) -> str:
        """Returns why it stopped."""

        def cancelled() -> bool:
            return cancel is not None and cancel.is_set()

        losses, held, told = [], self.evaluate(cancelled), time.monotonic()
        self.begin(held)
        for step in range(1, steps + 1):
            for group in self.optimizer.param_groups:
                group["lr"] = group["base"] * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))
            loss = None if cancelled() else self.step(cancelled)
            if loss is None:
                return "cancelled"
            losses.append(loss)
            self.done, whole = step, step % every == 0 or step == steps
            if not whole and (progress is None or time.monotonic() - told < REPORT_SECONDS):
                continue
            mean = self.mean_of(losses, step)
            if whole:
                held, losses = self.evaluate(cancelled), []
                if cancelled():
                    return "cancelled"
                self.record(step, mean, held, patience, every)
            if progress is not None:
                told = time.monotonic()
                progress(Progress(step, steps, mean, _mean(held), (told - self.started) / step * (steps - step), label))
            if not self.waiting.any() and step < steps:
                return "early"
        return "finished"

    def step(self, cancelled):
        """One update; its mean loss over heads as a tensor, or None if it was cancelled before it was whole."""
        index = torch.as_tensor(np.stack([order.next() for order in self.batches]), device=self.device)
        share = 1 / self.train.gather(1, self.by_head(index)).sum(1).clamp_min(1e-12)
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros(self.heads, device=self.device)
        for number, part in enumerate(index.split(self.piece, dim=1)):
            if number and cancelled():
                return None
            losses = self.weighted(self.train, part) * share
            total += losses.detach()
            if number == 0 and hasattr(self.module, "penalty"):
                losses = losses + self.module.penalty()
            losses.sum().backward()
        self.optimizer.step()
        return total.mean()

    def evaluate(self, cancelled):
        """Held-out loss of each head, NaN where it has none; None without held-out pairs. Meaningless once cancelled."""
        if not self.has_held.any():
            return None
        total = torch.zeros(self.heads, dtype=torch.float64, device=self.device)
        self.module.eval()
        with torch.no_grad():
            for part in self.held_rows.split(2 * self.piece, dim=1):
                if cancelled():
                    break
                total += self.weighted(self.held, part)
        self.module.train()
        return (total / self.held.sum(1)).cpu().numpy()

    def weighted(self, weight, index):
        """Sum of w · BCE over pairs [order n], one per head."""
        pairs = self.by_head(index)
        if self.plain:
            losses = cross_entropy(self.module(*(tensor[index[0]] for tensor in self.tensors)), self.supervision, index[0])[None]
        else:
            losses = cross_entropy(self.module(*(tensor[index] for tensor in self.tensors)), self.supervision, pairs)
        return (weight.gather(1, pairs) * losses).sum(1)

    def by_head(self, index):
        """Pairs [order n] or [1 n] → [head n]: heads of one order stand next to each other."""
        return index.repeat_interleave(self.heads // len(index), 0)

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
        for name, parameter in self.module.named_parameters():
            if self.plain and better[0]:
                self.best[name].copy_(parameter.detach())
            elif not self.plain:
                mask = torch.as_tensor(better, device=self.device)
                self.best[name][mask] = parameter.detach()[mask]

    def mean_of(self, losses, step) -> float:
        mean = float(torch.stack(losses).mean()) if losses else math.nan
        if losses and not math.isfinite(mean):
            raise WorkbenchError(f"training diverged at step {step}", remedy="Lower the learning rate, or divide scores by their deviation")
        return mean

    def finish(self, stopped) -> Fit:
        """Put the best state back; without held-out pairs the last is the best there is."""
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                if self.best:
                    parameter.copy_(self.best[name])
        if not self.best:
            self.best_step[:] = self.done
        self.module.to("cpu").eval()
        losses = np.where(self.has_held, self.best_loss, np.nan)
        return Fit(self.history, int(self.best_step.max()), stopped, time.monotonic() - self.started,
                   tuple(int(step) for step in self.best_step), tuple(float(loss) for loss in losses))


def _mean(held) -> float | None:
    return None if held is None else float(np.nanmean(held))
