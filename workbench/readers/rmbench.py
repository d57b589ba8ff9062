"""RM-Bench (arXiv 2410.16184): a right and a wrong answer in three styles each: concise, detailed, detailed with markdown."""

from __future__ import annotations

from .draft import Draft, about
from .files import Line
from .rewardbench2 import add_grid

STYLES = ("concise", "detailed", "markdown")  # what chosen_style and rejected_style 0, 1, 2 are


def fits(line: Line) -> bool:
    three = line.texts("chosen", "rejected") and len(line.data["chosen"]) == len(line.data["rejected"]) == len(STYLES)
    return three and line.has("id", "prompt", "domain") and "subset" not in line.data


def add(draft: Draft, lines: list[Line]) -> None:
    """Nine pairs a row, with their styles and the row's id as `item`."""
    for line in lines:
        add_grid(draft, line, about(line, section=line.need("domain"), source="rm-bench"), styles=True)
