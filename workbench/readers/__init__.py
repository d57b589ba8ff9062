"""Public layouts of preference data → Tables: one small file per layout, `read` recognises which it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import WorkbenchError, listing
from ..tables import Tables
from . import exported, helpsteer, helpsteer3, nested, preference, rated, rewardbench, rewardbench2, rmbench, strength
from .draft import Draft
from .files import Line, lines_of
from .sources import sources

LAYOUTS = {  # in the order they are tried
    "exported": exported,
    "nested": nested,
    "helpsteer": helpsteer,
    "helpsteer3": helpsteer3,
    "strength": strength,
    "rewardbench2": rewardbench2,
    "rmbench": rmbench,
    "rewardbench": rewardbench,
    "preference": preference,
    "rated": rated,
}
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
    """One or several sources → one Tables; responses with the same prompt and text are one response.

    paths: files; folders of files, or saved by `datasets`; names on the Hugging Face hub, "owner/name", "owner/name:split",
    "owner/name:configuration". What the places of several files say of their splits holds where their rows do not.
    layout: "auto" or one of LAYOUTS, recorded per file in ``tables.notes["layouts"]``; objectives: which to keep;
    ranges: objective → declared (low, high), else the layout's own or a usual scale, noted as guessed; rename: a
    column → the name a layout knows; skip_bad leaves out empty texts, identical sides, differing prompts and repeats and
    counts them in ``notes["left_out"]``, as ties are. Raises WorkbenchError naming file, line and column.
    """
    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not paths:
        raise WorkbenchError("no file named", remedy="Give one path or several")
    if layout != "auto" and layout not in LAYOUTS:
        raise WorkbenchError(f"unknown layout {layout!r}", remedy=f"Known: auto, {', '.join(LAYOUTS)}")
    places = [sources(path) for path in paths]
    files = [source for found, _ in places for source in found]
    draft = Draft(skip_bad=skip_bad, ranges=ranges, declared=[objective for _, known in places for objective in known])
    several = len({source.split for source in files} - {None}) > 1  # one alone does not say how the rest is divided
    found = []
    for source in files:
        lines = lines_of(source.path, rename, name=source.name)
        fits = recognise(lines[0]) if layout == "auto" else layout
        found.append((source.name, fits, [_placed(line, source.split) for line in lines] if several else lines))
    found.sort(key=lambda item: item[1] not in RATED)  # ratings first: their response ids are the ones to keep
    layouts: dict[str, str] = {}
    for name, fits, lines in found:
        LAYOUTS[fits].add(draft, lines)
        layouts[name] = ", ".join(dict.fromkeys([*filter(None, [layouts.get(name)]), fits]))  # folders may hold files of one name
    return draft.tables(objectives, layouts=layouts)


def _placed(line: Line, split: str | None) -> Line:
    """A row with the split that its place speaks of, unless it has its own."""
    return line if split is None or line.first("split") is not None else Line(line.place, {**line.data, "split": split})
