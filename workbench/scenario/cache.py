"""Where results are kept: whole folders, written beside and renamed, with a hash of every byte; trusted only if it agrees."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path

from ..bundle import home_of, lock, read_folder, write_atomic, write_folder
from ..errors import WorkbenchError
from ..study import Study

PACKAGE = Path(__file__).parents[1]
COMPUTING = ("bundle.py", "scores.py", "shards.py", "features.py", "rows.py", "study.py", "measured.py", "objectives", "preference",
             "scalarize", "model.py", "evaluate", "scenario")
# Modules among them that no run imports: what they hold is looked at, not kept. An edit there retrains nothing.
IDLE = {f"{folder}/{name}.py" for folder, names in {
    "scenario": ("blame", "edited", "edits", "history", "job", "laboratory", "lengths", "trial"),
    "evaluate": ("annotators", "detectors", "differences", "doubt", "flips", "leads", "seriation", "verbosity", "watershed"),
}.items() for name in names}


@lru_cache(maxsize=1)
def code_hash() -> str:
    """Hash of the source of every module that computes, twelve hexadecimal digits."""
    digest = hashlib.sha256()
    for part in COMPUTING:
        path = PACKAGE / part
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            name = file.relative_to(PACKAGE).as_posix()
            if name not in IDLE:
                digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def short_hash(text: str) -> str:
    """Of a recipe that a folder is named for, eight hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def runs_folder(study: Study) -> Path:
    """The study's own runs/, or one in the user's cache when the study has no folder, cannot be written or is installed."""
    return home_of(study.folder, study.hash, "runs", package=PACKAGE)


def load(folder: Path):
    """`read_folder`, or None where there is nothing, or, with a warning, where it cannot be trusted."""
    if not folder.exists():
        return None
    try:
        with lock(folder) if os.access(folder.parent, os.W_OK) else nullcontext():
            return read_folder(folder)
    except (WorkbenchError, OSError) as error:
        warnings.warn(f"cache not used: {error}", stacklevel=3)
        return None


def keep(folder: Path, files: dict[str, bytes], about: dict) -> bool:
    """`write_folder`, or a warning where it cannot be written: a cache is no reason to lose a result."""
    try:
        write_folder(folder, files, about)
    except OSError as error:
        warnings.warn(f"result not kept on disk: {error}", stacklevel=3)
        return False
    return True


def count_opening(study: Study, scenario_id: str) -> int:
    """Note that the test split was opened for a scenario; how often it has been opened on this study so far."""
    path = runs_folder(study) / "openings.json"
    with lock(path):
        try:
            opened = json.loads(path.read_text(encoding="utf-8"))["openings"] if path.exists() else []
        except (OSError, ValueError, KeyError, TypeError):
            raise WorkbenchError("the count of openings is damaged", where=str(path), remedy="Restore it; never start again at 0") from None
        opened.append(scenario_id)
        write_atomic(path, json.dumps({"count": len(opened), "openings": opened}, indent=1).encode())
    return len(opened)
