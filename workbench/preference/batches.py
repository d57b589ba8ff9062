"""What a training step reads: tables that lie on the device, and the order in which their rows come."""

from __future__ import annotations

import math

import numpy as np
import torch

from ..rows import Repeated


class Order:
    """Endless seeded shuffles of some rows, cut into batches of one size, drawn on the device.

    A batch that reaches the end of a shuffle goes on into the next. Where a batch holds all rows, it is all rows.
    """

    def __init__(self, rows: np.ndarray, batch_size: int, seed: int, device: str = "cpu"):
        self.rows, self.size = torch.as_tensor(rows, device=device), min(batch_size, len(rows))
        self._random = torch.Generator(device).manual_seed(int(np.random.SeedSequence([seed, 3]).generate_state(1)[0]))
        self._ahead = self.rows[:0]

    def block(self, batches: int) -> torch.Tensor:
        """The next batches [batch n], positions of rows."""
        if self.size == len(self.rows):
            return self.rows.expand(batches, -1)
        drawn, count = [self._ahead], len(self._ahead)
        while count < batches * self.size:
            drawn.append(self.rows[torch.randperm(len(self.rows), generator=self._random, device=self.rows.device)])
            count += len(self.rows)
        together = torch.cat(drawn)
        self._ahead = together[batches * self.size :].clone()
        return together[: batches * self.size].view(batches, self.size)


class Table:
    """One row per pair on the device; of `Repeated` rows, each only once.

    once: a batch reads each distinct row a single time where pairs share rows so often that it pays.
    """

    ONCE = 0.8  # distinct rows in a batch, as a share of it, below which sorting them out pays

    def __init__(self, data, device: str):
        shared = isinstance(data, Repeated)
        held = data.rows if shared else data
        self.rows = (held if isinstance(held, torch.Tensor) else torch.as_tensor(np.ascontiguousarray(held))).to(device)
        self.of = torch.as_tensor(data.of, device=device) if shared else None

    def __len__(self) -> int:
        return len(self.rows if self.of is None else self.of)

    @property
    def bytes(self) -> int:
        return self.rows.nbytes + (0 if self.of is None else self.of.nbytes)

    def pays(self, batch: int) -> bool:
        """Whether a batch of pairs meets markedly fewer rows than pairs. Never on a GPU: a captured step has fixed shapes."""
        if self.of is None or self.rows.is_cuda:
            return False
        count = len(self.rows)
        return count * -math.expm1(-batch / count) < self.ONCE * batch

    def take(self, index: torch.Tensor) -> torch.Tensor:
        """Rows of pairs [order n] → [order n …]."""
        at = index if self.of is None else self.of[index]
        return self.rows.index_select(0, at.reshape(-1)).view(*at.shape, *self.rows.shape[1:])

    def once(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Distinct rows [1 row …] of pairs [1 n], and which of them each pair has [n]."""
        distinct, place = torch.unique(self.of[index[0]], return_inverse=True)
        return self.rows.index_select(0, distinct)[None], place
