"""Comparisons: prompt, chosen and rejected, as strings or as lists of messages.

Read as well: RLHFlow (chosen and rejected hold the prompt), TRL (prompt a list, or inside), HH-RLHF (strings
"\\n\\nHuman: … \\n\\nAssistant: …" without a prompt column).
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import WorkbenchError
from ..tables import Tables
from .draft import Draft, about
from .files import Line, lines_of
from .messages import ROLES, as_prompt, split_last, turns

LAST_TURN = "\n\nAssistant:"
TURN = re.compile(r"\n\n(Human|Assistant):")


def fits(line: Line) -> bool:
    return line.has("chosen", "rejected")


def sides(line: Line) -> tuple:
    """Prompt, chosen and rejected: text, or whatever stands where text should be."""
    chosen, rejected = line.need("chosen"), line.need("rejected")
    if isinstance(chosen, list) != isinstance(rejected, list):
        raise WorkbenchError("chosen and rejected are a text and a list", where=line.place, remedy="Give both in one form")
    if isinstance(chosen, list):
        before, chosen = split_last(chosen, line.place, "chosen")
        other, rejected = split_last(rejected, line.place, "rejected")
        if before != other:
            raise WorkbenchError("chosen and rejected answer different prompts", where=line.place, remedy="Leave the row out")
        if before:
            return as_prompt(before), chosen, rejected
    if "prompt" not in line.data and isinstance(chosen, str) and isinstance(rejected, str) and LAST_TURN in chosen:
        return _transcripts(line.place, chosen, rejected)
    prompt = line.need("prompt")
    if isinstance(prompt, list):
        prompt = as_prompt(turns(prompt, line.place, "prompt"))
    return prompt, chosen, rejected


def _transcripts(place: str, chosen: str, rejected: str) -> tuple[str, str, str]:
    """Two transcripts that part at their last assistant turn."""
    before, _, answer = chosen.rpartition(LAST_TURN)
    other, _, against = rejected.rpartition(LAST_TURN)
    if before != other:
        raise WorkbenchError("chosen and rejected answer different prompts", where=place, remedy="Leave the row out")
    parts = TURN.split("\n\n" + before.strip())[1:]  # speaker, words, speaker, words …
    said = [(ROLES[speaker.lower()], words.strip()) for speaker, words in zip(parts[0::2], parts[1::2])]
    return as_prompt(said) if said else before.strip(), answer.strip(), against.strip()


def add(draft: Draft, lines: list[Line]) -> None:
    for line in lines:
        prompt, chosen, rejected = sides(line)
        draft.add_pair(line.place, prompt, chosen, rejected, about(line))


def read(path: str | Path, *, skip_bad: bool = False, rename: dict[str, str] | None = None) -> Tables:
    """One file of comparisons → Tables. Raises WorkbenchError naming file, line and column."""
    draft = Draft(skip_bad=skip_bad)
    add(draft, lines_of(path, rename))
    return draft.tables()
