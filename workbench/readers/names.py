"""What the names of files say: whether they hold rows, which split, which of how many."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import WorkbenchError, listing
from .draft import SPLIT_NAMES
from .files import SUFFIXES

PART = re.compile(r"^(.*?)-?(\d{5})-of-(\d{5})(?=\D|$)")
DESCRIBED = "index.json"  # of what `publish` wrote
ABOUT = {DESCRIBED, "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}  # of other files


def split_of(name: str | Path) -> str | None:
    """train, dev or test, if a word of a file's name says so, or of a folder's, from the inside out; else None."""
    for part in reversed(Path(name).parts):
        found = [SPLIT_NAMES[word] for word in re.split(r"[^a-z0-9]+", part.lower()) if word in SPLIT_NAMES]
        if found:
            return found[0]
    return None


def complete(names: Iterable[str]) -> None:
    """Of files "…-00001-of-00003", counted from 0 or from 1, all have to be there; WorkbenchError names those that are not."""
    parts: dict[tuple[str, str], set[int]] = {}
    for name in names:
        if found := PART.match(name):
            parts.setdefault(found.group(1, 3), set()).add(int(found.group(2)))
    for (stem, count), numbers in parts.items():
        first = 0 if 0 in numbers else 1
        if missing := sorted(set(range(first, first + int(count))) - numbers):
            lacking = listing(f"{stem}-{number:05d}-of-{count}" for number in missing)
            raise WorkbenchError(f"shard missing: {lacking}", where=stem, remedy="Fetch the missing files, or write them again")


def data(name: str) -> bool:
    """Whether a file of this name, relative to its folder, holds rows: no hidden one, and none that says something of others."""
    path = Path(name)
    return name.lower().endswith(SUFFIXES) and path.name not in ABOUT and not any(part.startswith(".") for part in path.parts)
