"""What an extraction leaves on disk: whose it is, finished shards, and the vectors of the unit that it is in."""

from __future__ import annotations

import errno
import json
import shutil
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..bundle import pack, sha256, unpack, write_atomic
from ..errors import WorkbenchError
from ..features import KINDS, as_float32, open_tensor, write_shard
from ..shards import about_of
from .units import Plan, Unit

NO_VECTOR = "the encoder gave no finite vector"
EVERY = 20.0  # seconds of work that a killed run may lose
AGAIN = "Remove this file: it is computed again"


@dataclass
class Store:
    """The folder of one extraction. Shards appear whole; `done` has the index entries of finished units."""

    folder: Path
    plan: Plan
    dim: int
    dtype: str
    done: dict[int, dict[str, dict]] = field(default_factory=dict)
    skipped: dict[str, dict[int, str]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    cut: dict[str, set[int]] = field(default_factory=lambda: {kind: set() for kind in KINDS})

    def claim(self, key: dict) -> None:
        """Say whose shards these are; refuse to go on with anybody else's."""
        path = self.folder / "extract.json"
        if not path.exists():
            if any(self.folder.glob("*.safetensors")):
                raise WorkbenchError("shards of an unknown extraction are here", where=str(self.folder), remedy="Choose another folder")
            with whole_disk(self.folder):
                write_atomic(path, json.dumps(key, indent=1).encode())
            return
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            differs = [name for name in {**known, **key} if known.get(name) != json.loads(json.dumps(key.get(name)))]
        except (ValueError, TypeError, AttributeError):
            raise WorkbenchError("not readable", where=str(path), remedy="Remove this folder and extract again") from None
        if differs:
            what = f"this extraction was begun with other {', '.join(differs)}"
            raise WorkbenchError(what, where=str(path), remedy="Call it as before to go on, or choose another folder")

    def room(self) -> None:
        """WorkbenchError where the disk has less room than all shards need."""
        rows = sum(unit.rows for unit in self.plan.units if not self._there(unit))
        needs, free = rows * self.dim * (4 if self.dtype == "F32" else 2), shutil.disk_usage(self.folder).free
        if needs > free:
            raise WorkbenchError(f"the features need {needs / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB left", where=str(self.folder),
                                 remedy="Make room, or choose another folder")

    def path(self, kind: str, number: int) -> Path:
        return self.folder / f"{kind}-{number:05d}.safetensors"

    def _there(self, unit: Unit) -> bool:
        return all(self.path(kind, unit.number).exists() for kind in KINDS)

    def found(self, unit: Unit) -> bool:
        """Take a unit that an earlier run has finished, if it has."""
        if not self._there(unit):
            return False
        for kind in KINDS:
            self._take(unit, kind, {"file": self.path(kind, unit.number).name, "sha256": sha256(self.path(kind, unit.number))})
        return True

    def finish(self, unit: Unit, vectors: np.ndarray, skipped: dict[int, str], cut: tuple[int, ...]) -> None:
        """Write a unit's two shards from its vectors [slot dim]; what has none is a row of zeros, with its reason."""
        start = 0
        for kind in KINDS:
            rows = getattr(unit, f"{kind}s")
            out = vectors[start : start + len(rows)].copy()
            why = {slot - start: reason for slot, reason in skipped.items() if 0 <= slot - start < len(rows)}
            short = {slot - start for slot in cut if 0 <= slot - start < len(rows)}
            repeats = {row - rows.start: origin for row, origin in self.plan.repeats(unit, kind)}
            why |= {int(at): NO_VECTOR for at in np.flatnonzero(~np.isfinite(out).all(axis=1)) if at not in repeats and at not in why}
            for at, origin in repeats.items():
                self._repeat(kind, at, origin - rows.start, origin, out, why, short)
            out[list(why)] = 0.0
            about = {"skipped": {str(at): why[at] for at in sorted(why)}, "cut": sorted(short)}
            path = self.path(kind, unit.number)
            with whole_disk(self.folder):
                entry = ({"file": path.name, "sha256": sha256(path)} if path.exists() else
                         write_shard(self.folder, kind, unit.number, out, self.dtype, {k: v for k, v in about.items() if v}))
            self._take(unit, kind, entry)
            start += len(rows)
        self.spool(unit).unlink(missing_ok=True)

    def _repeat(self, kind: str, at: int, same: int, origin: int, out: np.ndarray, why: dict[int, str], short: set[int]) -> None:
        """A row like an earlier one as that one is: at place `same` of this shard, or where that is negative, in an earlier one."""
        here = same >= 0
        reason = why.get(same) if here else self.skipped[kind].get(origin)
        if same in short if here else origin in self.cut[kind]:
            short.add(at)
        if reason is not None:
            why[at] = reason
        else:
            out[at] = out[same] if here else self._stored(kind, origin)

    def _stored(self, kind: str, row: int) -> np.ndarray:
        units = self.plan.units
        at = bisect_right(units, row, key=lambda unit: getattr(unit, f"{kind}s").start) - 1
        while row not in (rows := getattr(units[at], f"{kind}s")):  # units without a row of this kind begin where the next does
            at -= 1
        return as_float32(open_tensor(self.path(kind, at), kind)[row - rows.start])

    def _take(self, unit: Unit, kind: str, entry: dict) -> None:
        path, rows = self.path(kind, unit.number), getattr(unit, f"{kind}s")
        stored, about = open_tensor(path, kind), about_of(path)
        if stored.shape != (len(rows), self.dim):
            raise WorkbenchError(f"shard has shape {stored.shape}, wanted {(len(rows), self.dim)}", where=str(path), remedy=AGAIN)
        self.skipped[kind] |= {rows.start + int(at): why for at, why in about.get("skipped", {}).items()}
        self.cut[kind] |= {rows.start + at for at in about.get("cut", ())}
        self.done.setdefault(unit.number, {})[kind] = {"file": entry["file"], "rows": len(rows), "sha256": entry["sha256"]}

    # -- the unit in the middle ---------------------------------------------------------------------

    def spool(self, unit: Unit) -> Path:
        return self.folder / f".unit-{unit.number:05d}.spool"

    def begun(self, unit: Unit) -> tuple[np.ndarray, int]:
        """Vectors [slot dim] of a unit as far as they were kept, NaN elsewhere, and how many batches that was."""
        path, fresh = self.spool(unit), np.full((unit.rows, self.dim), np.nan, np.float32)
        if not path.exists():
            return fresh, 0
        try:
            kept = unpack(path.read_bytes())
            if kept["vectors"].shape == fresh.shape:
                return kept["vectors"].copy(), int(kept["batches"][0])
        except Exception as error:
            raise WorkbenchError(f"not readable ({type(error).__name__})", where=str(path), remedy=AGAIN) from None
        raise WorkbenchError(f"kept vectors have shape {kept['vectors'].shape}, wanted {fresh.shape}", where=str(path), remedy=AGAIN)

    def keep(self, unit: Unit, vectors: np.ndarray, batches: int) -> None:
        with whole_disk(self.folder):
            write_atomic(self.spool(unit), pack({"vectors": vectors, "batches": np.array([batches])}))


class Pace:
    """Whether it is time to keep what is done of a unit."""

    def __init__(self, every: float = EVERY):
        self.every, self.last = every, time.monotonic()

    def due(self) -> bool:
        if time.monotonic() - self.last < self.every:
            return False
        self.last = time.monotonic()
        return True


@contextmanager
def whole_disk(folder: Path) -> Iterator[None]:
    """A disk that is full is said in words; what was being written is not there, and everything else is."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise WorkbenchError("the disk is full: nothing of this shard was written", where=str(folder),
                             remedy="Make room; the same call goes on where it stopped") from None
