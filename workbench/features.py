"""Features, and the folder of safetensors shards that holds them.

Rows follow the rows of ``prompts.parquet`` and ``responses.parquet``. A shard is written to a temporary
name, synced and renamed, so a partial shard is never visible; opening reads headers and copies nothing (`shards`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from .axes import ItemDim, ItemFeatures, RowDim
from .bundle import sha256, write_atomic
from .errors import WorkbenchError, listing
from .shards import Shard, as_float32, open_tensor, tensor_bytes, to_stored

__all__ = ["Features", "FeatureStore", "as_float32", "compose", "only_writer", "open_tensor", "tensor_bytes", "to_stored", "write_index",
           "write_shard"]

KINDS = ("prompt", "response")
PARTS = ("response", "prompt*response")
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
            bad = _not_finite(getattr(self, name))
            if len(bad):
                raise WorkbenchError(f"NaN or infinite {name} feature in rows {listing(bad)}")

    def __len__(self) -> int:
        return len(self.prompt)

    def rows(self, index) -> Features:
        """Some of the items, by position or mask."""
        return Features(self.prompt[index], self.response[index], None if self.mask is None else self.mask[index])


def _not_finite(value: np.ndarray) -> np.ndarray:
    """Items with a value that is no finite number; read by blocks, so that nothing as large as the value is made."""
    bad = [np.empty(0, np.int64)]
    for start in range(0, len(value), CHECK_ROWS):
        block = value[start : start + CHECK_ROWS]
        if not np.isfinite(block).all():
            bad.append(start + np.flatnonzero(~np.isfinite(block.reshape(len(block), -1)).all(axis=1)))
    return np.concatenate(bad)


def compose(prompt: np.ndarray, response: np.ndarray, recipe: tuple[str, ...]) -> np.ndarray:
    """What a probe reads: response and products with the prompt, side by side on the last axis.

    prompt and response [n dim], or [n 1 dim] and [n side dim]; recipe from ``("response",)`` or ``("response", "prompt*response")``.
    """
    parts = {"response": lambda: response, "prompt*response": lambda: prompt * response}
    return np.concatenate([parts[part]() for part in known_recipe(recipe)], axis=-1)


def known_recipe(recipe: Iterable[str]) -> tuple[str, ...]:
    """How features are composed; WorkbenchError for a part that is not one of PARTS."""
    unknown = [part for part in recipe if part not in PARTS]
    if unknown:
        raise WorkbenchError(f"unknown feature part {listing(unknown)}", remedy=f"Known: {', '.join(PARTS)}")
    return tuple(recipe)


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


@dataclass(frozen=True)
class FeatureStore:
    """The feature shards of a study: ``features/index.json`` beside ``*.safetensors``."""

    folder: Path
    index: dict
    _shards: dict[str, Shard] = field(default_factory=dict, repr=False, compare=False)

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
                store._shard(kind, shard)
        return store

    def rows_of(self, kind: str) -> int:
        return sum(shard["rows"] for shard in self.index["kinds"][kind]["shards"])

    def dim(self, kind: str) -> int:
        return self.index["kinds"][kind]["dim"]

    def stored_bytes(self, kind: str) -> int:
        """Size of the rows on disk."""
        return sum(shard.shape[0] * shard.width for shard in (self._shard(kind, entry) for entry in self.index["kinds"][kind]["shards"]))

    def skipped(self, kind: str) -> dict[int, str]:
        """Rows that hold no feature, with the reason."""
        return {int(row): why for row, why in self.index["kinds"][kind].get("skipped", {}).items()}

    def _shard(self, kind: str, entry: dict) -> Shard:
        if entry["file"] not in self._shards:
            found, wanted = Shard.open(self.folder / entry["file"], kind, entry["sha256"]), (entry["rows"], self.dim(kind))
            if found.shape != wanted:
                raise WorkbenchError(
                    f"{kind} features have shape {found.shape}, wanted {wanted}", where=entry["file"],
                    remedy="The shard belongs to another extraction: extract again",
                )
            self._shards[entry["file"]] = found
        return self._shards[entry["file"]]

    def rows(self, kind: str, index: Integer[np.ndarray, " n"], out: RowDim | None = None) -> RowDim:
        """Some rows as float32 [n dim], in the order asked for: each is read once, by its place on disk. Into `out` if given."""
        index = np.asarray(index, dtype=np.int64)
        if len(index) and (index.min() < 0 or index.max() >= self.rows_of(kind)):
            stray = index[(index < 0) | (index >= self.rows_of(kind))][0]
            raise WorkbenchError(f"row {stray} of {self.rows_of(kind)} {kind} features", where=str(self.folder))
        out = np.empty((len(index), self.dim(kind)), np.float32) if out is None else out
        if (np.diff(index) > 0).all():
            self._read(kind, index, out)
        else:
            places, order = np.unique(index, return_inverse=True)
            out[...] = self.rows(kind, places)[order]
        return out

    def _read(self, kind: str, places: np.ndarray, out: np.ndarray) -> None:
        start = 0
        for entry in self.index["kinds"][kind]["shards"]:
            begin, end = np.searchsorted(places, (start, start + entry["rows"]))
            if begin < end:
                self._shard(kind, entry).read(places[begin:end] - start, out[begin:end])
            start += entry["rows"]

    def hashes(self) -> list[str]:
        """Shards whose bytes are not the ones that were written."""
        shards = [s for kind in self.index["kinds"].values() for s in kind["shards"]]
        return [s["file"] for s in shards if sha256(self.folder / s["file"]) != s["sha256"]]


def write_shard(folder: Path, kind: str, number: int, rows: np.ndarray, dtype: str = "F16", about: dict | None = None) -> dict:
    """Write one shard [row dim], never over another, and what there is to say of it; returns its index entry."""
    with np.errstate(over="ignore"):
        stored = as_float32(to_stored(np.asarray(rows), dtype))
    for values, what, remedy in ((rows, "NaN or infinite", ""), (stored, f"too large for {dtype}:", '; choose dtype="F32"')):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise WorkbenchError(f"{what} {kind} feature in rows {listing(bad)} of shard {number}", remedy=f"Nothing was written{remedy}")
    path = Path(folder) / f"{kind}-{number:05d}.safetensors"
    if path.exists():
        raise WorkbenchError("shard exists already", where=str(path), remedy="Shards are never overwritten: use another folder")
    write_atomic(path, tensor_bytes(kind, rows, dtype, about))
    return {"file": path.name, "rows": len(rows), "sha256": sha256(path)}


def write_index(folder: Path, kinds: dict[str, dict]) -> None:
    """kinds: name → {dim, dtype, shards, skipped}."""
    write_atomic(Path(folder) / "index.json", json.dumps({"schema": 1, "kinds": kinds}, indent=1).encode())
