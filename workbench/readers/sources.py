"""Where rows come from: a file, a folder of files, a folder saved by `datasets`, or a name on the Hugging Face hub."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from ..errors import WorkbenchError, listing
from ..tables import Objective
from .files import SUFFIXES
from .names import DESCRIBED, complete, data, split_of

NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::([\w.-]+(?:/[\w.-]+)?))?")  # owner/name, owner/name:split


class Source(NamedTuple):
    """A file, what places call it, and the split that its name or folder speaks of, None where neither does."""

    path: Path
    name: str
    split: str | None = None


def sources(path: str | Path) -> tuple[list[Source], tuple[Objective, ...]]:
    """The files behind a path or a hub name, in order, and the objectives that are declared beside them, if any.

    WorkbenchError for a folder without any, or with one missing.
    """
    where = Path(path)
    named = NAME.fullmatch(str(path))
    if where.is_dir():
        return _in_folder(where), _declared(where)
    if where.exists() or named is None or str(path).lower().endswith(SUFFIXES):
        return [Source(where, where.name)], ()
    from .hub import fetch

    folder, files = fetch(*named.groups())
    return [Source(folder / file, file, split_of(file)) for file in files], _declared(folder)


def _declared(folder: Path) -> tuple[Objective, ...]:
    """As `publish` writes them."""
    where = folder / DESCRIBED
    try:
        return tuple(Objective(**entry) for entry in _read(where).get("objectives", ())) if where.is_file() else ()
    except TypeError:
        raise WorkbenchError("objectives are not described", where=str(where), remedy="Export the study again") from None


def _in_folder(folder: Path) -> list[Source]:
    if (folder / "study.json").is_file():
        raise WorkbenchError("a study, not a data set", where=str(folder), remedy="Open it with Study.load")
    if (folder / "dataset_dict.json").is_file():
        names = _read(folder / "dataset_dict.json").get("splits", [])
        return [found for name in names for found in _saved(folder / name, f"{name}/", split_of(name))]
    if (folder / "state.json").is_file():
        return _saved(folder, "", split_of(str(_read(folder / "state.json").get("_split") or "")))
    inside = {str(path.relative_to(folder).as_posix()): path for path in sorted(folder.rglob("*")) if path.is_file()}
    names = [name for name in inside if data(name)]
    if not names:
        raise WorkbenchError("no data files here", where=str(folder), remedy=f"Their names should end in one of {', '.join(SUFFIXES)}")
    complete(names)
    return [Source(inside[name], name, split_of(name)) for name in names]


def _saved(folder: Path, shown: str, split: str | None) -> list[Source]:
    """What `save_to_disk` wrote: arrow files, in the order of state.json."""
    state = _read(folder / "state.json")
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise WorkbenchError("a selection of rows kept beside the data", where=str(folder), remedy="Save it after flatten_indices()")
    names = [str(entry["filename"]) for entry in state.get("_data_files") or []]
    lacking = [name for name in names if not (folder / name).is_file()]
    if lacking or not names:
        what = f"file is missing: {listing(lacking)}" if lacking else "state.json names no files"
        raise WorkbenchError(what, where=str(folder), remedy="Save the data set again, or copy all of it")
    return [Source(folder / name, shown + name, split) for name in names]


def _read(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise WorkbenchError("missing, or not a JSON object", where=str(path), remedy="Save the data set again, or copy all of it")
    return found
