"""Text → a study with features. Killed at any moment, it goes on where it was and ends at the same bytes."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from .bundle import sha256, write_atomic
from .errors import WorkbenchError
from .features import KINDS, as_float32, only_writer, open_tensor, write_index, write_shard
from .study import Study
from .tables import Tables

SHARD_ROWS = 1024
COMPOSE = ("response", "prompt*response")
NO_VECTOR = "the encoder gave no finite vector"


@runtime_checkable
class Encoder(Protocol):
    """What `extract` needs: `backbone.SentenceEncoder`, or anything like it."""

    name: str
    dim: int
    max_tokens: int
    fingerprint: str

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...
    def token_counts(self, texts: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True)
class ExtractProgress:
    """How far an extraction is: rows done of all rows, rows a second, seconds left (None before the first rate)."""

    step: int
    steps: int
    rate: float
    seconds_left: float | None
    label: str

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", {self.seconds_left / 60:.0f} min left"
        return f"{self.label}: {self.step} of {self.steps} rows, {self.rate:.0f} rows/s{left}"


def extract(
    tables: Tables,
    folder: str | Path,
    *,
    encoder: str | Encoder = "all-MiniLM-L6-v2",
    max_tokens: int | None = None,
    shard_rows: int = SHARD_ROWS,
    dtype: str = "F16",
    name: str | None = None,
    progress: Callable[[ExtractProgress], None] | None = None,
    cancel: threading.Event | None = None,
    **info,
) -> Study:
    """Encode every prompt and response and write the study; identical texts are encoded once.

    max_tokens cuts longer texts (the encoder's own limit when None); dtype F16, BF16 or F32; info goes into
    study.json (licence and the like). Shards of shard_rows rows appear one by one under ``folder/features``: a killed
    run loses at most one, and the same call goes on. Raises WorkbenchError for invalid tables, a folder that holds a
    study or another extraction, and when `cancel` is set.
    """
    folder, tables = Path(folder), tables.validated()
    for table in ("prompts", "responses"):
        frame = getattr(tables, table)
        if "text" not in frame.columns or frame["text"].isna().any():
            raise WorkbenchError("no text to encode", where=f"{table}, column text", remedy="Features need the text of every row")
    with only_writer(folder, ".extract.lock"):
        features = _extract(tables, folder / "features", _loaded(encoder, max_tokens), shard_rows, dtype, progress, cancel)
        return Study.write(tables, folder, name=name, features=features, **info)


def _loaded(encoder: str | Encoder, max_tokens: int | None) -> Encoder:
    if not isinstance(encoder, str):
        if max_tokens not in (None, encoder.max_tokens):
            raise WorkbenchError(
                f"max_tokens {max_tokens} beside an encoder that reads {encoder.max_tokens}", remedy="Load it with that limit"
            )
        return encoder
    from .backbone import SentenceEncoder

    return SentenceEncoder.load(encoder, **({} if max_tokens is None else {"max_tokens": max_tokens}))


def _extract(tables, folder, encoder, shard_rows, dtype, progress, cancel) -> dict:
    texts = {"prompt": list(tables.prompts["text"]), "response": list(tables.responses["text"])}
    _claim(
        folder,
        {
            "encoder": encoder.name,
            "weights": encoder.fingerprint,
            "max_tokens": encoder.max_tokens,
            "dim": encoder.dim,
            "dtype": dtype,
            "shard_rows": shard_rows,
            "texts": _digest(texts),
        },
    )
    kinds, truncated = {}, {}
    clock = _Clock(sum(map(len, texts.values())), progress)
    for kind in KINDS:
        rows = _Rows(folder, kind, texts[kind], shard_rows, dtype, encoder)
        shards = []
        for number in range(rows.shards):
            if cancel is not None and cancel.is_set():
                raise WorkbenchError("extraction cancelled", where=str(folder), remedy="The same call goes on where it stopped")
            shard, fresh = rows.shard(number)
            shards.append(shard)
            clock.tick(shard["rows"], fresh, f"{kind}s")
        kinds[kind] = {"dim": encoder.dim, "dtype": dtype, "shards": shards, "skipped": rows.skipped}
        truncated[kind] = int((encoder.token_counts(texts[kind]) > encoder.max_tokens).sum())
    write_index(folder, kinds)
    for left in folder.glob(".*.part"):  # of a killed run; nobody else writes here, the folder is locked
        left.unlink(missing_ok=True)
    return {
        "compose": list(COMPOSE),
        "backbone": encoder.name,
        "weights": encoder.fingerprint,
        "max_tokens": encoder.max_tokens,
        "truncated": truncated,
    }


def _digest(texts: dict[str, list[str]]) -> str:
    digest = hashlib.sha256()
    for kind in KINDS:
        for text in texts[kind]:
            data = text.encode()
            digest.update(f"{kind} {len(data)} ".encode() + data)
    return digest.hexdigest()


def _claim(folder: Path, key: dict) -> None:
    """Say whose shards these are; refuse to go on with anybody else's."""
    path = folder / "extract.json"
    if not path.exists():
        if any(folder.glob("*.safetensors")):
            raise WorkbenchError("shards of an unknown extraction are here", where=str(folder), remedy="Choose another folder")
        write_atomic(path, json.dumps(key, indent=1).encode())
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        differs = [name for name in key if known.get(name) != key[name]]
    except (ValueError, AttributeError):
        raise WorkbenchError("not readable", where=str(path), remedy="Remove this folder and extract again") from None
    if differs:
        raise WorkbenchError(
            f"this extraction was begun with other {', '.join(differs)}",
            where=str(path),
            remedy="Call it as before to go on, or choose another folder",
        )


class _Clock:
    """Rate and time left; shards found on disk cost nothing and are not counted in the rate."""

    def __init__(self, steps: int, progress):
        self.steps, self.progress, self.start = steps, progress, time.monotonic()
        self.done = self.fresh = 0

    def tick(self, rows: int, fresh: bool, label: str) -> None:
        self.done += rows
        self.fresh += rows if fresh else 0
        if self.progress is not None:
            rate = self.fresh / max(time.monotonic() - self.start, 1e-9)
            self.progress(ExtractProgress(self.done, self.steps, rate, (self.steps - self.done) / rate if rate else None, label))


class _Rows:
    """The shards of one kind: those on disk are kept, the others are encoded."""

    def __init__(self, folder: Path, kind: str, texts: list[str], shard_rows: int, dtype: str, encoder: Encoder):
        self.folder, self.kind, self.texts, self.shard_rows = folder, kind, texts, shard_rows
        self.dtype, self.encoder = dtype, encoder
        self.first: dict[str, int] = {}
        for row, text in enumerate(texts):
            self.first.setdefault(text, row)
        self.skipped: dict[str, str] = {}

    @property
    def shards(self) -> int:
        return -(-len(self.texts) // self.shard_rows)

    def path(self, number: int) -> Path:
        return self.folder / f"{self.kind}-{number:05d}.safetensors"

    def shard(self, number: int) -> tuple[dict, bool]:
        """One shard's index entry, and whether it was encoded now."""
        start = number * self.shard_rows
        stop = min(start + self.shard_rows, len(self.texts))
        fresh = not self.path(number).exists()
        if fresh:
            entry = write_shard(self.folder, self.kind, number, self._encoded(start, stop), self.dtype)
        stored = open_tensor(self.path(number), self.kind)
        if stored.shape != (stop - start, self.encoder.dim):
            raise WorkbenchError(
                f"shard has shape {stored.shape}, wanted {(stop - start, self.encoder.dim)}",
                where=str(self.path(number)),
                remedy="Remove this file: it is encoded again",
            )
        for row in np.flatnonzero(~as_float32(stored).any(axis=1)):  # a row of zeros stands for a skipped item
            self.skipped[str(start + int(row))] = NO_VECTOR
        if not fresh:
            entry = {"file": self.path(number).name, "rows": stop - start, "sha256": sha256(self.path(number))}
        return entry, fresh

    def _encoded(self, start: int, stop: int) -> np.ndarray:
        out = np.zeros((stop - start, self.encoder.dim), np.float32)
        origin = np.array([self.first[text] for text in self.texts[start:stop]])
        here = np.flatnonzero(origin == np.arange(start, stop))  # first met in this shard
        if len(here):
            vectors = np.asarray(self.encoder.encode([self.texts[start + row] for row in here]), np.float32)
            if vectors.shape != (len(here), self.encoder.dim):
                raise WorkbenchError(f"{self.encoder.name} gave {vectors.shape}, wanted {(len(here), self.encoder.dim)}")
            out[here] = np.where(np.isfinite(vectors).all(axis=1, keepdims=True), vectors, 0.0)
        for row in np.flatnonzero(origin != np.arange(start, stop)):
            out[row] = out[origin[row] - start] if origin[row] >= start else self._stored(int(origin[row]))
        return out

    def _stored(self, row: int) -> np.ndarray:
        number, place = divmod(row, self.shard_rows)
        return as_float32(open_tensor(self.path(number), self.kind)[place])
