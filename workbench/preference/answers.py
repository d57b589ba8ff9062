"""What reward heads read of pairs, evened out and laid down once: both answers, or no more than their difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import budget
from ..axes import ItemFeatures
from ..errors import WorkbenchError
from ..rows import Repeated
from .data import moments, pieces, standardised

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Answers:
    """Features of pairs on the scale of the pairs that teach: (x − centre) / spread, float64 [dim] both.

    table: for linear heads the difference chosen − rejected [pair dim], whose product is their reward margin; for others both
    answers [pair side dim], an answer of several pairs once (`Repeated`) where the features came so.
    """

    table: torch.Tensor | Repeated
    centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def laid_out(cls, features: ItemFeatures | Repeated, teaches: np.ndarray, *, hidden: Sequence[int], heads: int, batch_size: int,
                 device: str = "auto", precision: str = "auto") -> Answers:
        """Read response features [pair side dim], an array or a stream, piece by piece; teaches: mask [pair].

        hidden, heads, batch_size: of the heads that will read them. precision: in which they are held and multiplied, for
        MLPs as `fit` has it; float32 for linear heads, which have no time to gain. Raises WorkbenchError for features of
        rows, and where features and weights [head pair] exceed the memory budget.
        """
        import torch

        from .loop import device_of
        from .step import is_low

        if features.ndim != 3:
            raise WorkbenchError(f"response features have shape {list(features.shape)}", remedy="Heads learn from pairs: [pair, 2, dim]")
        shared, linear, sizes = isinstance(features, Repeated), not hidden, [features.shape[-1], *hidden, 1]
        work = min(batch_size, len(features)) * heads * sum(wide * out for wide, out in zip(sizes, sizes[1:]))
        low = not linear and is_low(precision, device_of(device), work, True)
        source = features.rows if shared and not linear else features
        shape = (len(source), source.shape[-1]) if linear else tuple(source.shape)
        out = _room(shape, torch.bfloat16 if low else torch.float32, len(features), heads)
        if shared:  # each answer is read once, and counts as often as it was given
            often = np.bincount(features.of[teaches].ravel(), minlength=len(features.rows))
            centre, spread = moments(features.rows, times=often)
        else:
            centre, spread = moments(features, times=teaches)
        for some in pieces(source):
            read = np.asarray(source[some])
            made = differences(read, spread) if linear else standardised(read, centre, spread)
            out[some] = torch.from_numpy(made)
        return cls(out if linear or not shared else Repeated(out, features.of), centre, spread)

    def told_apart(self, where: str) -> Answers:
        """Itself; WorkbenchError where both answers of every pair have the same features."""
        if not self._differ:
            raise WorkbenchError("both answers of every pair have the same features", where=where,
                                 remedy="Nothing tells them apart: look for responses that are stored twice")
        return self

    @property
    def _differ(self) -> bool:
        if not isinstance(self.table, Repeated) and self.table.ndim == 2:  # differences
            return bool(self.table.any())
        if isinstance(self.table, Repeated):
            first, second = self.table.of.T
            return any(bool((self.table.rows[first[some]] != self.table.rows[second[some]]).any()) for some in pieces(self.table))
        return bool((self.table[:, 0] != self.table[:, 1]).any())

    @property
    def precision(self) -> str:
        """ "float32" or "bfloat16"."""
        return str(getattr(self.table, "rows", self.table).dtype).removeprefix("torch.")


def differences(both: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """(chosen − rejected) / spread [pair dim] of [pair side dim], float32."""
    found = np.subtract(both[:, 0], both[:, 1], dtype=np.float32)
    found /= spread.astype(np.float32)
    return found


def _room(shape: tuple[int, ...], dtype: torch.dtype, pairs: int, heads: int) -> torch.Tensor:
    import torch

    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize + 5 * pairs * heads  # a weight, and how often a pair was drawn
    budget.claim(size, f"features and weights of {pairs:,} pairs to train {heads} heads on", count=pairs, of="pairs")
    return torch.empty(shape, dtype=dtype)
