"""Rows of features that are many and large: held once and pointed to, or left on disk and read by the block.

A stream of rows is anything with shape (n, dim), dtype, len and x[slice | positions | mask] → array: an array is one,
`Stored` and `Centred` are others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Integer

from . import budget
from .axes import PairDim
from .errors import WorkbenchError
from .features import FeatureStore

BLOCK, READ = 8192, 2**24  # rows and bytes that are read at once at most
LEAST = 64  # rows that must fit


@dataclass(frozen=True, eq=False)
class Repeated:
    """rows[of], never made whole: the prompts of pairs, several of which share one; the answers of pairs.

    rows [row dim], an array or a stream; of [pair] or [pair side], integer positions in rows. Has the shape and dtype of
    rows[of]; `repeated[index]` is another of them; `np.asarray(repeated)` makes the array.
    """

    rows: Any
    of: Integer[np.ndarray, "pair ..."]

    @classmethod
    def once(cls, keys: np.ndarray, read: Callable) -> Repeated:
        """Each distinct key read once: read(keys [row], ascending) → rows [row dim]; keys [pair] or [pair side]."""
        distinct, of = np.unique(keys, return_inverse=True)
        return cls(read(distinct), of.reshape(keys.shape))

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.of.shape, *self.rows.shape[1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype:
        return self.rows.dtype

    @property
    def mask(self) -> Bool[np.ndarray, " pair"] | None:
        """False where a row, on any side, was skipped; None where the rows do not say."""
        mask = getattr(self.rows, "mask", None)
        return None if mask is None else mask[self.of].reshape(len(self.of), -1).all(axis=1)

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index) -> Repeated:
        return Repeated(self.rows, np.atleast_1d(self.of[index]))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """WorkbenchError where it does not fit the budget."""
        size, sides = int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize, "both answers" if self.of.ndim > 1 else "prompts"
        budget.claim(size, f"features of the {sides} of {len(self):,} pairs", count=len(self), of="pairs")
        out = np.empty(self.shape, self.dtype)
        for some in blocks(out):
            out[some] = np.asarray(self.rows[self.of[some].ravel()]).reshape(out[some].shape)
        return np.asarray(out, dtype)


Prompts = PairDim | Repeated  # of pairs, made whole or not


@dataclass(frozen=True, eq=False)
class Stored:
    """Features of responses left in their shards, composed as a study says: a stream [row dim] of float32 rows.

    prompt, response [row]: places in the store. A read checks each shard's bytes and values the first time that this process
    meets it (`shards.Shard.read`), and makes nothing larger than the rows asked for and the prompts among them. Skipped
    items are rows of what lies there (zeros); `mask` says which. with_prompt: whether an item is worth nothing without its
    prompt, as those of pairs are, which a gate reads; a rated response alone is. WorkbenchError for a position that is out of range, and
    for a shard that is damaged.
    """

    store: FeatureStore
    prompt: Integer[np.ndarray, " row"]
    response: Integer[np.ndarray, " row"]
    recipe: tuple[str, ...]
    with_prompt: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.response), len(self.recipe) * self.store.dim("response")

    @property
    def ndim(self) -> int:
        return 2

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.response)

    @cached_property
    def mask(self) -> Bool[np.ndarray, " row"] | None:
        """False where the response or its prompt was skipped; None where nothing that is read was."""
        kinds = {"response": self.response} | ({"prompt": self.prompt} if self.with_prompt or "prompt*response" in self.recipe else {})
        gone = [np.isin(places, skipped) for kind, places in kinds.items() if (skipped := list(self.store.skipped(kind)))]
        return ~np.logical_or.reduce(gone) if gone else None

    def __getitem__(self, index) -> np.ndarray:
        chosen = positions(index, len(self))
        responses, dim = self.response[chosen], self.store.dim("response")
        out = np.empty((len(chosen), self.shape[1]), np.float32)
        first = self.store.rows("response", responses, out[:, :dim])
        if "prompt*response" in self.recipe:
            prompts = Repeated.once(self.prompt[chosen], lambda places: self.store.rows("prompt", places))
        for at in reversed(range(len(self.recipe))):  # the first slot last: the others are made of it
            slot = out[:, at * dim : (at + 1) * dim]
            if self.recipe[at] == "prompt*response":
                _multiplied(first, prompts, slot)
            elif at:
                slot[...] = first
        return out

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """All of it in memory, read by the block; WorkbenchError where that does not fit the budget."""
        budget.claim(4 * self.shape[0] * self.shape[1], f"features of {len(self):,} responses", count=len(self), of="responses")
        out = np.empty(self.shape, self.dtype)
        for some in blocks(out):
            out[some] = self[some]
        return np.asarray(out, dtype)


def _multiplied(responses: np.ndarray, prompts: Repeated, out: np.ndarray) -> None:
    """responses × prompts, without the repeated prompts ever being made."""
    for start in range(0, len(out), 256):
        some = slice(start, start + 256)
        np.multiply(responses[some], prompts.rows[prompts.of[some]], out=out[some])


@dataclass(frozen=True, eq=False)
class Centred:
    """A stream of rows less one row: x − centre, subtracted from what is read."""

    rows: Any
    centre: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.shape

    @property
    def ndim(self) -> int:
        return 2

    @property
    def dtype(self) -> np.dtype:
        return self.rows.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index) -> np.ndarray:
        read = self.rows[index]
        own = None if isinstance(self.rows, np.ndarray) else read  # what was read from disk is nobody else's
        return np.subtract(read, self.centre.astype(self.dtype), out=own)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self.rows, dtype) - self.centre.astype(dtype or self.dtype)


def positions(index: Any, count: int) -> np.ndarray:
    """A slice, a mask or positions of 0 … count − 1 as positions; WorkbenchError for others."""
    if isinstance(index, slice):
        return np.arange(count)[index]
    index = np.asarray(index)
    if index.dtype == bool:
        if index.shape != (count,):
            raise WorkbenchError(f"a mask of {index.shape} for {count} rows")
        return np.flatnonzero(index)
    stray = index[(index < 0) | (index >= count)]
    if index.ndim != 1 or (len(index) and index.dtype.kind not in "iu") or len(stray):
        what = f"row {stray[0]}" if len(stray) else f"positions {index.dtype}{list(index.shape)}"
        raise WorkbenchError(f"{what} of a stream of {count} rows", remedy="Give a slice, a mask, or whole numbers from 0")
    return index.astype(np.int64)


def block_of(x: Any, memory: int | None = None) -> int:
    """Rows of a stream that are read at once: 8192 or 16 MiB, or what fits an eighth of `memory` bytes (what is left of the budget).

    WorkbenchError where 64 rows are more than that.
    """
    width = max(int(np.prod(x.shape[1:], dtype=np.int64)), 1) * max(x.dtype.itemsize, 4)
    most = max(min(BLOCK, READ // width), LEAST)
    if memory is None:
        if budget.little(8 * most * width):
            return most
        budget.claim(8 * LEAST * width, f"reading features {LEAST} rows at a time")
        memory = budget.room()
    return max(min(memory // (8 * width), most), LEAST)


def blocks(x: Any, memory: int | None = None) -> Iterator[slice]:
    """Slices that cover a stream, in order, each of `block_of` rows or less."""
    size = block_of(x, memory)
    for start in range(0, len(x), size):
        yield slice(start, min(start + size, len(x)))


def mean_row(x: Any, among: Bool[np.ndarray, " row"]) -> np.ndarray:
    """Mean of some rows of a stream [dim], float64, in one pass."""
    total = np.zeros(x.shape[1])
    for some in blocks(x):
        total += x[some][among[some]].sum(axis=0, dtype=np.float64)
    return total / among.sum()
