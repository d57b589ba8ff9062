"""Ratings in one object: rows of prompt, response and ``ratings: {objective: number or null}``."""

from __future__ import annotations

from pathlib import Path

from ..errors import WorkbenchError
from ..tables import Tables
from .draft import Draft, about
from .files import Line, lines_of
from .messages import prompt_of


def fits(line: Line) -> bool:
    return isinstance(line.data.get("ratings"), dict) and line.has("response")


def add(draft: Draft, lines: list[Line]) -> None:
    for line in lines:
        ratings = line.need("ratings")
        if not isinstance(ratings, dict):
            raise WorkbenchError("ratings are no object of objective and number", where=f"{line.place}, column ratings")
        draft.add_rated(line.place, prompt_of(line), line.need("response"), ratings, about(line))


def read(path: str | Path, *, skip_bad: bool = False, ranges: dict | None = None, rename: dict[str, str] | None = None) -> Tables:
    """One file of nested ratings → Tables; ranges: objective → (low, high), guessed from the usual scales where not given."""
    draft = Draft(skip_bad=skip_bad, ranges=ranges)
    add(draft, lines_of(path, rename))
    return draft.tables()
