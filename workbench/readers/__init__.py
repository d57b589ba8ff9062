"""Public layouts of preference data → Tables: one small file per layout, `read` recognises which it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import WorkbenchError, listing
from ..tables import Tables
from . import nested, preference, rated, rewardbench
from .draft import Draft
from .files import Line, lines_of

LAYOUTS = {"nested": nested, "rewardbench": rewardbench, "preference": preference, "rated": rated}  # in the order they are tried
RATED = ("nested", "rated")


def recognise(line: Line) -> str:
    """The layout of a row; WorkbenchError where none fits."""
    for name, layout in LAYOUTS.items():
        if layout.fits(line):
            return name
    raise WorkbenchError(
        f"no known layout has columns {listing(line.data, 12)}",
        where=line.place,
        remedy=f"Known layouts: {', '.join(LAYOUTS)}; `rename` maps column names, e.g. {{'question': 'prompt'}}",
    )


def read(
    paths: str | Path | Iterable[str | Path],
    layout: str = "auto",
    *,
    skip_bad: bool = False,
    objectives: Iterable[str] | None = None,
    ranges: dict[str, tuple[float, float]] | None = None,
    rename: dict[str, str] | None = None,
) -> Tables:
    """One or several files → one Tables; responses with the same prompt and text are one response.

    layout: "auto" or one of LAYOUTS, recorded per file in ``tables.notes["layouts"]``; objectives: which to keep;
    ranges: objective → declared (low, high), else the layout's own or a usual scale, noted as guessed; rename: a
    column → the name a layout knows; skip_bad leaves out empty texts, identical sides and repeats and counts them in
    ``notes["left_out"]``. Raises WorkbenchError naming file, line and column.
    """
    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not paths:
        raise WorkbenchError("no file named", remedy="Give one path or several")
    if layout != "auto" and layout not in LAYOUTS:
        raise WorkbenchError(f"unknown layout {layout!r}", remedy=f"Known: auto, {', '.join(LAYOUTS)}")
    draft = Draft(skip_bad=skip_bad, ranges=ranges)
    found = [(path, lines_of(path, rename)) for path in map(Path, paths)]
    found = [(path.name, recognise(lines[0]) if layout == "auto" else layout, lines) for path, lines in found]
    found.sort(key=lambda item: item[1] not in RATED)  # ratings first: their response ids are the ones to keep
    layouts: dict[str, str] = {}
    for name, fits, lines in found:
        LAYOUTS[fits].add(draft, lines)
        layouts[name] = ", ".join(dict.fromkeys([*filter(None, [layouts.get(name)]), fits]))  # folders may hold files of one name
    return draft.tables(objectives, layouts=layouts)
