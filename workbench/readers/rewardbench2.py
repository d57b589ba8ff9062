"""RewardBench 2 (arXiv 2506.01937): one right answer among four, or several among many (Ties); a row is an item."""

from __future__ import annotations

from ..errors import WorkbenchError
from .draft import Draft, about
from .files import Line
from .messages import prompt_of

SUBSETS = ("Factuality", "Precise IF", "Math", "Safety", "Focus", "Ties")


def fits(line: Line) -> bool:
    return line.has("id", "subset") and line.texts("chosen", "rejected")


def add(draft: Draft, lines: list[Line]) -> None:
    """Every right with every wrong answer as a pair; `item` of a pair is its row's id."""
    for line in lines:
        subset = line.need("subset")
        if subset not in SUBSETS:
            raise WorkbenchError(f"unknown subset {subset!r}", where=f"{line.place}, column subset", remedy=f"Known: {', '.join(SUBSETS)}")
        for column, count in (("chosen", "num_correct"), ("rejected", "num_incorrect")):
            if line.data.get(count) not in (None, len(line.data[column])):
                what = f"{len(line.data[column])} {column} answers, {count} says {line.data[count]}"
                raise WorkbenchError(what, where=line.place, remedy="Fetch or write the file again")
        known = about(line, section=subset, domain=subset, source="rewardbench-2")
        models = line.data.get("models") or []
        add_grid(draft, line, known, models if len(models) == len(line.data["chosen"]) + len(line.data["rejected"]) else None)


def add_grid(draft: Draft, line: Line, known: dict, models: list | None = None, styles: bool = False) -> None:
    """Every chosen with every rejected answer of a row; models: one for each answer, chosen first; styles: places are styles."""
    prompt, rights, wrongs = prompt_of(line), line.data["chosen"], line.data["rejected"]
    item = str(line.need("id"))
    for right, chosen in enumerate(rights):
        for wrong, rejected in enumerate(wrongs):
            told = {"item": item} | ({"chosen_style": right, "rejected_style": wrong} if styles else {})
            said_by = {} if models is None else {"chosen_model": models[right], "rejected_model": models[len(rights) + wrong]}
            one = {"id": f"{item}:{right}:{wrong}", "extra": known["extra"] | told, **said_by}
            draft.add_pair(line.place, prompt, chosen, rejected, known | one)
