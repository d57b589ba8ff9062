"""Verdicts by hand on labels: a side file of a study that only grows, whose last line on a pair counts."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from ..bundle import home_of, lock, write_atomic
from ..errors import WorkbenchError
from ..study import Study

FILE = "verdicts.jsonl"
RIGHT, WRONG, TIE, UNCLEAR = VERDICTS = ("right", "wrong", "tie", "unclear")
COLUMNS = ("pair_id", "verdict", "note", "at")
LONGEST = 500  # characters of a note


@dataclass(frozen=True)
class Kept:
    """What the files hold: verdict lines that count, by pair; unknown: pairs of another study; damaged: lines that cannot be read."""

    lines: dict[str, dict]
    unknown: int = 0
    damaged: int = 0


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What a reader says of labels: "right", "wrong", "tie" or "unclear", with a note, one line of JSON per verdict.

    paths: files that are read, earlier ones first; the last one is written. They lie outside the study's hash. Two kernels
    lose nothing: lines are appended under a lock, whole and synced, and what is there is never written again.
    """

    name: str
    pairs: frozenset[str] = field(repr=False)
    paths: tuple[Path, ...]
    _seen: dict = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, study: Study) -> Verdicts:
        """Those of a study: in its folder, or in the user's cache where that cannot be written, beside what the folder has."""
        own = home_of(study.folder, study.hash, FILE)
        shipped = [] if study.folder is None or study.folder.resolve() / FILE == own else [study.folder / FILE]
        return cls(study.name, frozenset(study.table("pairs")["pair_id"].astype(str)), (*shipped, own))

    @property
    def path(self) -> Path:
        """The file that is written."""
        return self.paths[-1]

    @property
    def stamp(self) -> tuple:
        """Differs when a file has changed, in this kernel or in another."""
        return tuple(_stamp(path) for path in self.paths)

    def give(self, pair_id: str, verdict: str | None, *, note: str = "") -> Verdicts:
        """Write one verdict, None to take it back. WorkbenchError for another study's pair, another word, a note of more than
        a line, and a file that cannot be written.
        """
        if pair_id not in self.pairs:
            raise WorkbenchError(f"no pair {pair_id!r} in this study", where=self.name, remedy="Judge its own pairs, train, dev or test")
        if verdict is not None and verdict not in VERDICTS:
            raise WorkbenchError(f"verdict {verdict!r}", where=self.name, remedy=f"One of {', '.join(VERDICTS)}, or None to take it back")
        note = note.strip()
        if len(note) > LONGEST or len(note.splitlines()) > 1:
            raise WorkbenchError(f"a note of {len(note)} characters", where=pair_id, remedy=f"One line, at most {LONGEST} characters")
        now = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        line = json.dumps(dict(zip(COLUMNS, (pair_id, verdict, note if verdict else "", now))), ensure_ascii=False)
        _append(self.path, line.encode(errors="replace"))
        return self

    @property
    def kept(self) -> Kept:
        """What counts now; read again only when a file has changed. Lines that cannot be read are skipped with a warning."""
        stamp = self.stamp
        if self._seen.get("stamp") != stamp:
            kept = _read(self.paths, self.pairs)
            self._seen.update(stamp=stamp, kept=kept)  # of the files as they were before: what came since is read next time
            if kept.damaged:
                warnings.warn(f"{kept.damaged} line{'s' * (kept.damaged > 1)} of {self.path} cannot be read; skipped, and left as "
                              "they are", stacklevel=2)
        return self._seen["kept"]

    def __len__(self) -> int:
        return len(self.kept.lines)

    def get(self, pair_id: str) -> str | None:
        """The verdict on a pair, None without one."""
        line = self.kept.lines.get(pair_id)
        return None if line is None else line["verdict"]

    def table(self) -> pd.DataFrame:
        """pair_id, verdict, note, at (UTC), one row per judged pair, the one judged last at the end."""
        rows = sorted(self.kept.lines.values(), key=lambda line: line["at"])
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype(object)

    def export(self, path: str | Path) -> Path:
        """The table as CSV or JSON lines, by the path's ending. WorkbenchError for another one, and without verdicts."""
        path, frame = Path(path), self.table()
        if path.suffix not in (".csv", ".jsonl"):
            raise WorkbenchError(f"verdicts as {path.suffix or 'a file without ending'}", where=str(path), remedy="End in .csv or .jsonl")
        if frame.empty:
            raise WorkbenchError("no verdict yet", where=self.name, remedy="Judge a pair first")
        text = frame.to_csv(index=False) if path.suffix == ".csv" else frame.to_json(orient="records", lines=True, force_ascii=False)
        try:
            write_atomic(path, text.encode(errors="replace"))
        except OSError as error:
            raise WorkbenchError(f"cannot be written ({error.strerror or error})", where=str(path), remedy="Name another place") from None
        return path


# -- the file --------------------------------------------------------------------------------------


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size


def _append(path: Path, line: bytes) -> None:
    """One line at the end, synced; a line that a killed writer left unfinished is ended first, and stays."""
    try:
        with lock(path), open(path, "a+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
            file.write((b"\n" if size and file.read(1) != b"\n" else b"") + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WorkbenchError(f"cannot be written ({error.strerror or error})", where=str(path), remedy="What was judged is kept") from None


def _read(paths: Iterable[Path], pairs: frozenset[str]) -> Kept:
    """The last line on each pair, later files last, without those that were taken back."""
    last, unknown, damaged = {}, set(), 0
    for path in paths:
        for raw in _bytes(path).splitlines():
            if not raw.strip():
                continue
            line = _line(raw)
            if line is None:
                damaged += 1
            elif line["pair_id"] not in pairs:
                unknown.add(line["pair_id"])
            else:
                last[line["pair_id"]] = line
    return Kept({pair: line for pair, line in last.items() if line["verdict"] is not None}, len(unknown), damaged)


def _bytes(path: Path) -> bytes:
    """What a file holds, nothing where there is none; read while nobody writes."""
    if not path.exists():
        return b""
    try:
        with lock(path) if os.access(path.parent, os.W_OK) else nullcontext():
            return path.read_bytes()
    except OSError as error:
        raise WorkbenchError(f"cannot be read ({error.strerror or error})", where=str(path), remedy="Nothing was changed") from None


def _line(raw: bytes) -> dict | None:
    """A line as it was written, None for anything else."""
    try:
        found = json.loads(raw)
        line = {name: found[name] for name in COLUMNS}
    except (ValueError, KeyError, TypeError):
        return None
    texts = all(isinstance(line[name], str) for name in ("pair_id", "note", "at"))
    return line if texts and (line["verdict"] is None or line["verdict"] in VERDICTS) else None
