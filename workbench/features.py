"""Features, and the folder of safetensors shards that holds them.

Rows follow the rows of ``prompts.parquet`` and ``responses.parquet``. A shard is written to a temporary
name, synced and renamed, so a partial shard is never visible; opening reads headers and copies nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .axes import ItemDim, ItemFeatures, RowDim
from .bundle import RESTORE, sha256, write_atomic
from .errors import WorkbenchError, listing

DTYPES = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "BF16": np.dtype("<u2")}
KINDS = ("prompt", "response")
CHECK_ROWS = 8192


@dataclass(frozen=True, eq=False)
class Features:
    """Frozen features of prompts and responses.

    prompt [pair dim] or [row dim]; response [pair side dim] or [row dim] (their dims may differ);
    mask [pair] or [row], False where an item was skipped (its rows are zeros), None when none was.
    Raises WorkbenchError when the row counts differ or a value is not finite.
    """

    prompt: ItemDim
    response: ItemFeatures
    mask: np.ndarray | None = None

    def __post_init__(self):
        for name in ("prompt", "response"):
            value = np.asarray(getattr(self, name))
            if not np.issubdtype(value.dtype, np.floating):
                value = value.astype(np.float32)
            object.__setattr__(self, name, value)
        if self.prompt.ndim != 2 or self.response.ndim not in (2, 3):
            raise WorkbenchError(
                f"features have shapes {self.prompt.shape} and {self.response.shape}",
                remedy="prompt is [pair, dim]; response is [pair, 2, dim] or [row, dim]",
            )
        if self.response.ndim == 3 and self.response.shape[1] != 2:
            raise WorkbenchError(f"response features have {self.response.shape[1]} sides", remedy="Side 0 is chosen, 1 rejected")
        if len(self.prompt) != len(self.response):
            raise WorkbenchError(f"{len(self.prompt)} prompt rows beside {len(self.response)} response rows")
        for name in ("prompt", "response"):
            value = getattr(self, name)
            bad = ~np.isfinite(value.reshape(len(value), -1)).all(axis=1)
            if bad.any():
                raise WorkbenchError(f"NaN or infinite {name} feature in rows {listing(np.flatnonzero(bad))}")

    def __len__(self) -> int:
        return len(self.prompt)

    def rows(self, index) -> Features:
        """Some of the items, by position or mask."""
        return Features(self.prompt[index], self.response[index], None if self.mask is None else self.mask[index])


def compose(prompt: np.ndarray, response: np.ndarray, recipe: tuple[str, ...]) -> np.ndarray:
    """What a probe reads: response and products with the prompt, side by side on the last axis.

    prompt and response [n dim], or [n 1 dim] and [n side dim]; recipe from ``("response",)`` or ``("response", "prompt*response")``.
    """
    parts = {"response": lambda: response, "prompt*response": lambda: prompt * response}
    unknown = [part for part in recipe if part not in parts]
    if unknown:
        raise WorkbenchError(f"unknown feature part {listing(unknown)}", remedy=f"Known: {', '.join(parts)}")
    return np.concatenate([parts[part]() for part in recipe], axis=-1)


@contextmanager
def only_writer(folder: Path, lock: str = ".lock") -> Iterator[None]:
    """Write a new study's folder alone; WorkbenchError where a study is already, or another process is writing."""
    from filelock import FileLock, Timeout

    done = Path(folder) / "study.json"
    if not done.exists():
        done.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(done.parent / lock, timeout=0) if not done.exists() else nullcontext():
            if done.exists():
                never = "Studies are never overwritten: choose another folder"
                raise WorkbenchError("a study is here already", where=str(folder), remedy=never)
            yield
            if done.exists():
                (done.parent / lock).unlink(missing_ok=True)  # from now on study.json itself refuses
    except Timeout:
        raise WorkbenchError("another process is writing here", where=str(folder), remedy="Wait for it, or choose another folder") from None


def _header(path: Path) -> tuple[dict, int]:
    """A safetensors header and the offset of its data; the file's size is held against it."""
    remedy = "Write the shard again, or restore it from a copy"
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= 100_000_000:
                raise WorkbenchError("not a safetensors file", where=path.name, remedy=remedy)
            header = json.loads(file.read(length))
    except FileNotFoundError:
        raise WorkbenchError("shard is missing", where=path.name, remedy=remedy) from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise WorkbenchError("not a safetensors file", where=path.name, remedy=remedy) from None
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    wanted, found = 8 + length + max(ends, default=0), path.stat().st_size
    if found != wanted:
        raise WorkbenchError(f"truncated shard: {found} bytes, wanted {wanted}", where=path.name, remedy=remedy)
    return header, 8 + length


def open_tensor(path: Path, name: str) -> np.ndarray:
    """A read-only memory map of one tensor; bfloat16 comes as its raw uint16 bits."""
    header, start = _header(path)
    if name not in header:
        known = listing(key for key in header if key != "__metadata__")
        raise WorkbenchError(f"no tensor {name!r}", where=path.name, remedy=f"It holds {known}")
    entry = header[name]
    if entry["dtype"] not in DTYPES:
        raise WorkbenchError(f"{name} is stored as {entry['dtype']}", where=path.name, remedy="Use F16, BF16 or F32")
    shape = tuple(entry["shape"])
    if not all(shape):
        return np.zeros(shape, DTYPES[entry["dtype"]])
    offset = start + entry["data_offsets"][0]
    return np.memmap(path, DTYPES[entry["dtype"]], "r", offset, shape)


def as_float32(bits: np.ndarray) -> np.ndarray:
    """float16, float32 or raw bfloat16 bits → float32."""
    if bits.dtype == np.uint16:
        return (bits.astype(np.uint32) << 16).view(np.float32)
    return bits.astype(np.float32)


def to_stored(rows: np.ndarray, dtype: str) -> np.ndarray:
    """Rows as a shard holds them; `as_float32` undoes it, up to the rounding."""
    if dtype != "BF16":
        return np.ascontiguousarray(rows, DTYPES[dtype])
    bits = np.ascontiguousarray(rows, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)  # round to nearest even


def tensor_bytes(name: str, rows: np.ndarray, dtype: str = "F16") -> bytes:
    """One tensor in safetensors form."""
    stored = to_stored(rows, dtype)
    entry = {name: {"dtype": dtype, "shape": list(stored.shape), "data_offsets": [0, stored.nbytes]}}
    head = json.dumps(entry, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + stored.tobytes()


@dataclass(frozen=True)
class FeatureStore:
    """The feature shards of a study: ``features/index.json`` beside ``*.safetensors``."""

    folder: Path
    index: dict
    _seen: set = field(default_factory=set, repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path, counts: dict[str, int] | None = None) -> FeatureStore:
        """Read the index and every shard's header; no data is read. counts: rows of the tables "prompts" and "responses"."""
        path = Path(folder) / "index.json"
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise WorkbenchError("feature index is missing or not JSON", where=str(path), remedy="Extract the features again") from None
        store = cls(Path(folder), index)
        for kind in index["kinds"]:
            rows = store.rows_of(kind)
            if rows != (wanted := (counts or {}).get(f"{kind}s", rows)):
                raise WorkbenchError(f"{rows} {kind} features for {wanted} rows of {kind}s", where=str(path),
                                     remedy="Features follow the rows of the table: extract again")
            for shard in index["kinds"][kind]["shards"]:
                store._open(kind, shard)
        return store

    def rows_of(self, kind: str) -> int:
        return sum(shard["rows"] for shard in self.index["kinds"][kind]["shards"])

    def dim(self, kind: str) -> int:
        return self.index["kinds"][kind]["dim"]

    def skipped(self, kind: str) -> dict[int, str]:
        """Rows that hold no feature, with the reason."""
        return {int(row): why for row, why in self.index["kinds"][kind].get("skipped", {}).items()}

    def _open(self, kind: str, shard: dict) -> np.ndarray:
        tensor = open_tensor(self.folder / shard["file"], kind)
        wanted = (shard["rows"], self.dim(kind))
        if tensor.shape != wanted:
            raise WorkbenchError(
                f"{kind} features have shape {tensor.shape}, wanted {wanted}", where=shard["file"],
                remedy="The shard belongs to another extraction: extract again",
            )
        return tensor

    def _checked(self, kind: str, shard: dict) -> np.ndarray:
        tensor = self._open(kind, shard)
        if shard["file"] not in self._seen:
            if sha256(self.folder / shard["file"]) != shard["sha256"]:
                raise WorkbenchError("hash does not match: the shard was changed after it was written", where=shard["file"], remedy=RESTORE)
            for start in range(0, len(tensor), CHECK_ROWS):
                finite = np.isfinite(as_float32(tensor[start : start + CHECK_ROWS])).all(axis=1)
                if not finite.all():
                    rows = start + np.flatnonzero(~finite)
                    raise WorkbenchError(
                        f"NaN or infinite {kind} feature in rows {listing(rows)}", where=shard["file"],
                        remedy="Extract these rows again, or mark them as skipped",
                    )
            self._seen.add(shard["file"])
        return tensor

    def rows(self, kind: str, index: np.ndarray) -> RowDim:
        """Some rows as float32 [n dim], in the order asked for."""
        index = np.asarray(index, dtype=np.int64)
        if len(index) and (index.min() < 0 or index.max() >= self.rows_of(kind)):
            raise WorkbenchError(f"row {index.max()} of {self.rows_of(kind)} {kind} features", where=str(self.folder))
        out = np.empty((len(index), self.dim(kind)), np.float32)
        start = 0
        for shard in self.index["kinds"][kind]["shards"]:
            here = np.flatnonzero((index >= start) & (index < start + shard["rows"]))
            if len(here):
                out[here] = as_float32(self._checked(kind, shard)[index[here] - start])
            start += shard["rows"]
        return out

    def hashes(self) -> list[str]:
        """Shards whose bytes are not the ones that were written."""
        shards = [s for kind in self.index["kinds"].values() for s in kind["shards"]]
        return [s["file"] for s in shards if sha256(self.folder / s["file"]) != s["sha256"]]


def write_shard(folder: Path, kind: str, number: int, rows: np.ndarray, dtype: str = "F16") -> dict:
    """Write one shard [row dim], never over another; returns its index entry."""
    with np.errstate(over="ignore"):
        stored = as_float32(to_stored(np.asarray(rows), dtype))
    for values, what, remedy in ((rows, "NaN or infinite", ""), (stored, f"too large for {dtype}:", '; choose dtype="F32"')):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise WorkbenchError(f"{what} {kind} feature in rows {listing(bad)} of shard {number}", remedy=f"Nothing was written{remedy}")
    path = Path(folder) / f"{kind}-{number:05d}.safetensors"
    if path.exists():
        raise WorkbenchError("shard exists already", where=str(path), remedy="Shards are never overwritten: use another folder")
    write_atomic(path, tensor_bytes(kind, rows, dtype))
    return {"file": path.name, "rows": len(rows), "sha256": sha256(path)}


def write_index(folder: Path, kinds: dict[str, dict]) -> None:
    """kinds: name → {dim, dtype, shards, skipped}."""
    write_atomic(Path(folder) / "index.json", json.dumps({"schema": 1, "kinds": kinds}, indent=1).encode())
