"""Comparisons: prompt, chosen and rejected, as strings or as lists of messages.

Read as well: RLHFlow (chosen and rejected hold the prompt), TRL (prompt a list, or inside), UltraFeedback binarized (with
score_chosen and score_rejected), HH-RLHF (strings "\\n\\nHuman: … \\n\\nAssistant: …" without a prompt column).
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import WorkbenchError
from ..tables import Tables
from .draft import Draft, about
from .files import Line, lines_of
from .messages import prompt_of, split_last, spoken, turns

LAST_TURN = "\n\nAssistant:"
TURN = re.compile(r"(?:^|\n\n)(Human|Assistant):")
SCORED = ("score_chosen", "score_rejected")


def fits(line: Line) -> bool:
    return line.has("chosen", "rejected")


def sides(draft: Draft, line: Line) -> tuple | None:
    """Prompt, chosen and rejected: text, or whatever stands where text should be; None where the row is left out."""
    chosen, rejected = line.need("chosen"), line.need("rejected")
    if isinstance(chosen, list) != isinstance(rejected, list):
        raise WorkbenchError("chosen and rejected are a text and a list", where=line.place, remedy="Give both in one form")
    if isinstance(chosen, list):
        before, chosen = split_last(chosen, line.place, "chosen")
        other, rejected = split_last(rejected, line.place, "rejected")
        if before != other:
            return differing(draft, line)
        return (_whole(line, before) if before else prompt_of(line)), chosen, rejected
    if "prompt" not in line.data and isinstance(chosen, str) and isinstance(rejected, str) and LAST_TURN in chosen:
        return transcripts(draft, line, chosen, rejected)
    return prompt_of(line), chosen, rejected


def differing(draft: Draft, line: Line) -> None:
    """A row whose two answers are to two prompts."""
    remedy = "Leave such rows out (skip_bad=True, --skip-bad)"
    draft.bad("differing prompts", WorkbenchError("chosen and rejected answer different prompts", where=line.place, remedy=remedy))


def transcripts(draft: Draft, line: Line, chosen: str, rejected: str) -> tuple | None:
    """Two transcripts that part at their last assistant turn."""
    before, _, answer = chosen.rpartition(LAST_TURN)
    other, _, against = rejected.rpartition(LAST_TURN)
    if before != other:
        return differing(draft, line)
    return spoken(before.strip(), TURN), answer.strip(), against.strip()


def _whole(line: Line, before: list) -> list:
    """The conversation up to the answer: what stands before it in `chosen`, after the prompt column where that is not in there."""
    prompt = line.data.get("prompt")
    if isinstance(prompt, list):
        prompt = turns(prompt, line.place, "prompt")
        return before if before[: len(prompt)] == prompt else prompt + before
    if isinstance(prompt, str) and all(role != "user" for role, _ in before):
        return [("user", prompt), *before]
    return before


def add(draft: Draft, lines: list[Line]) -> None:
    for line in lines:
        found = sides(draft, line)
        pair = None if found is None else draft.add_pair(line.place, *found, about(line))
        if pair is not None and line.has(*SCORED):
            for side, column in zip(("chosen", "rejected"), SCORED):
                draft.add_scores(line.place, pair[side], {"score": line.data[column]})


def read(path: str | Path, *, skip_bad: bool = False, rename: dict[str, str] | None = None) -> Tables:
    """One file of comparisons → Tables. Raises WorkbenchError naming file, line and column."""
    draft = Draft(skip_bad=skip_bad)
    add(draft, lines_of(path, rename))
    return draft.tables()
