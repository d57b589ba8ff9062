"""One tensor of rows in a safetensors file: opened by its header, read by place, checked whole at its first read.

Reading copies bytes, so that what a process holds is what it asked for, and a file cut short while it is read is an error
and not the end of the process.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float, Integer

from .bundle import RESTORE
from .errors import WorkbenchError, listing

DTYPES = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "BF16": np.dtype("<u2")}
INFINITE = {"F16": np.uint16(0x7C00), "BF16": np.uint16(0x7F80), "F32": np.uint32(0x7F800000)}  # bits; NaN is above it
BLOCK = 2**20  # bytes read at once: they are still in the cache when they are hashed or widened
GAP = 2**15  # bytes between two rows that are read and dropped rather than skipped
AGAIN = "Write the shard again, or restore it from a copy"
_CHECKED: set[tuple] = set()  # states of files that this process found sound


def as_float32(bits: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """float16, float32 or raw bfloat16 bits → float32; into `out` where it is given."""
    out = np.empty(bits.shape, np.float32) if out is None else out
    if bits.dtype == np.uint16:
        np.left_shift(bits, 16, out=out.view(np.uint32), dtype=np.uint32)
    else:
        out[...] = bits
    return out


def to_stored(rows: np.ndarray, dtype: str) -> np.ndarray:
    """Rows as a shard holds them; `as_float32` undoes it, up to the rounding."""
    if dtype != "BF16":
        return np.ascontiguousarray(rows, DTYPES[dtype])
    bits = np.ascontiguousarray(rows, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)  # round to nearest even


def tensor_bytes(name: str, rows: np.ndarray, dtype: str = "F16", about: dict | None = None) -> bytes:
    """One tensor in safetensors form; about: what `about_of` gives back."""
    stored = to_stored(rows, dtype)
    return header_bytes(name, stored.shape, dtype, about) + stored.tobytes()


def header_bytes(name: str, shape: tuple[int, ...], dtype: str, about: dict | None = None) -> bytes:
    """What comes before the numbers of a file of one tensor."""
    size = int(np.prod(shape, dtype=np.int64)) * DTYPES[dtype].itemsize
    said = {"__metadata__": {"about": json.dumps(about, sort_keys=True)}} if about else {}
    entry = {"dtype": dtype, "shape": list(shape), "data_offsets": [0, size]}
    head = json.dumps({**said, name: entry}, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head


@dataclass(frozen=True)
class Shard:
    """A tensor [row dim] of a file: where it starts, and how its numbers are stored. Opening reads the header alone."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: str
    start: int
    sha256: str | None = None

    @classmethod
    def open(cls, path: Path, name: str, sha256: str | None = None) -> Shard:
        """WorkbenchError for a file that is missing, is cut short, or lacks the tensor. sha256: what its bytes must hash to."""
        header, start = _header(path)
        if name not in header:
            known = listing(key for key in header if key != "__metadata__")
            raise WorkbenchError(f"no tensor {name!r}", where=path.name, remedy=f"It holds {known}")
        entry = header[name]
        if entry["dtype"] not in DTYPES:
            raise WorkbenchError(f"{name} is stored as {entry['dtype']}", where=path.name, remedy="Use F16, BF16 or F32")
        return cls(path, name, tuple(entry["shape"]), entry["dtype"], start + entry["data_offsets"][0], sha256)

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return self.shape[1] * DTYPES[self.dtype].itemsize

    def read(self, places: Integer[np.ndarray, " n"], out: Float[np.ndarray, "n dim"]) -> None:
        """The rows at `places`, strictly ascending, as float32 into `out`.

        Bytes and values of the whole file are checked at its first read in this process: 0.7 s per GB, once. WorkbenchError
        for a hash that does not match, a value that is not finite, or a file cut short since.
        """
        if not out.size:
            return
        most = max(BLOCK // self.width, 1)
        scratch = np.empty((most, self.shape[1]), DTYPES[self.dtype])
        gaps = (np.diff(places) - 1) * self.width > GAP
        cuts = np.flatnonzero(gaps | (np.diff(places // most) > 0)) + 1
        with self._opened() as file:
            self._check(file)
            for begin, end in zip([0, *cuts], [*cuts, len(places)]):
                first, last = int(places[begin]), int(places[end - 1]) + 1
                bits = scratch[: last - first]
                self._fill(file, first, bits)
                as_float32(bits if len(bits) == end - begin else bits[places[begin:end] - first], out[begin:end])

    def _opened(self) -> BinaryIO:
        try:
            return open(self.path, "rb", buffering=0)
        except OSError:
            raise WorkbenchError("shard is missing", where=self.path.name, remedy=AGAIN) from None

    def _fill(self, file: BinaryIO, first: int, bits: np.ndarray) -> None:
        file.seek(self.start + first * self.width)
        if file.readinto(bits.view(np.uint8)) != bits.nbytes:
            raise WorkbenchError("truncated shard: it was cut short since it was opened", where=self.path.name, remedy=AGAIN)

    def _check(self, file: BinaryIO) -> None:
        """Hash and finiteness of the whole file, in one pass, unless this very state of it was found sound before."""
        now = os.fstat(file.fileno())
        state = (str(self.path), now.st_size, now.st_mtime_ns, now.st_ino, self.sha256, self.name)
        if state in _CHECKED:
            return
        digest, rows, bad = hashlib.sha256(), max(BLOCK // self.width, 1), []
        file.seek(0)
        digest.update(file.read(self.start))
        scratch = np.empty((rows, self.shape[1]), DTYPES[self.dtype])
        for first in range(0, self.shape[0], rows):
            bits = scratch[: self.shape[0] - first]
            self._fill(file, first, bits)
            digest.update(bits)
            bad.extend(first + _not_finite(bits, self.dtype))
        while rest := file.read(BLOCK):
            digest.update(rest)
        if self.sha256 not in (None, digest.hexdigest()):
            raise WorkbenchError("hash does not match: the shard was changed after it was written", where=self.path.name, remedy=RESTORE)
        if bad:
            raise WorkbenchError(f"NaN or infinite {self.name} feature in rows {listing(bad)}", where=self.path.name,
                                 remedy="Extract these rows again, or mark them as skipped")
        _CHECKED.add(state)


def open_tensor(path: Path, name: str) -> np.ndarray:
    """A read-only memory map of one tensor; bfloat16 comes as its raw uint16 bits."""
    shard = Shard.open(path, name)
    if not all(shard.shape):
        return np.zeros(shard.shape, DTYPES[shard.dtype])
    return np.memmap(path, DTYPES[shard.dtype], "r", shard.start, shard.shape)


def about_of(path: Path) -> dict:
    """What was said of a file when it was written; empty for nothing."""
    return json.loads(_header(path)[0].get("__metadata__", {}).get("about", "{}"))


def _not_finite(bits: np.ndarray, dtype: str) -> np.ndarray:
    """Rows with a value that is no finite number, by its bits: no other number is made of them."""
    plain = bits.view(INFINITE[dtype].dtype) & ~(INFINITE[dtype].dtype.type(1) << (8 * bits.itemsize - 1))
    return np.flatnonzero((plain >= INFINITE[dtype]).any(axis=1)) if plain.max() >= INFINITE[dtype] else np.empty(0, np.int64)


def _header(path: Path) -> tuple[dict, int]:
    """A safetensors header and the offset of its data; the file's size is held against it."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= 100_000_000:
                raise WorkbenchError("not a safetensors file", where=path.name, remedy=AGAIN)
            header = json.loads(file.read(length))
    except FileNotFoundError:
        raise WorkbenchError("shard is missing", where=path.name, remedy=AGAIN) from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise WorkbenchError("not a safetensors file", where=path.name, remedy=AGAIN) from None
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    wanted, found = 8 + length + max(ends, default=0), path.stat().st_size
    if found != wanted:
        raise WorkbenchError(f"truncated shard: {found} bytes, wanted {wanted}", where=path.name, remedy=AGAIN)
    return header, 8 + length
