"""RewardBench (arXiv 2403.13787): prompt, chosen, rejected, their models, and a subset that belongs to a section."""

from __future__ import annotations

from pathlib import Path

from ..errors import WorkbenchError
from ..tables import Tables
from .draft import Draft, about
from .files import Line, lines_of
from .preference import sides

SECTIONS = {
    "Chat": ("alpacaeval-easy", "alpacaeval-length", "alpacaeval-hard", "mt-bench-easy", "mt-bench-med"),
    "Chat Hard": (
        "mt-bench-hard",
        "llmbar-natural",
        "llmbar-adver-neighbor",
        "llmbar-adver-GPTInst",
        "llmbar-adver-GPTOut",
        "llmbar-adver-manual",
    ),
    "Safety": ("refusals-dangerous", "refusals-offensive", "xstest-should-refuse", "xstest-should-respond", "donotanswer"),
    "Reasoning": ("math-prm", "hep-cpp", "hep-go", "hep-java", "hep-js", "hep-python", "hep-rust"),
    "Prior Sets": ("anthropic_helpful", "anthropic_hhh", "shp", "summarize"),
}
SECTION_OF = {subset: section for section, subsets in SECTIONS.items() for subset in subsets}


def fits(line: Line) -> bool:
    return line.has("chosen", "rejected", "subset") and line.data["subset"] in SECTION_OF and "label_by" not in line.data


def add(draft: Draft, lines: list[Line]) -> None:
    for line in lines:
        subset = line.need("subset")
        if subset not in SECTION_OF:
            raise WorkbenchError(
                f"unknown subset {subset!r}", where=f"{line.place}, column subset", remedy='Read it with layout="preference"'
            )
        found = sides(draft, line)
        if found is None:
            continue
        known = about(line, section=SECTION_OF[subset], domain=subset, source="rewardbench")
        number = line.data.get("id")
        draft.add_pair(line.place, *found, known | {"id": None if number is None else f"{subset}-{number}"})


def read(path: str | Path, *, skip_bad: bool = False, rename: dict[str, str] | None = None) -> Tables:
    """One RewardBench file → Tables with its sections; ids are subset-id, as an id alone is not unique there."""
    draft = Draft(skip_bad=skip_bad)
    add(draft, lines_of(path, rename))
    return draft.tables()
