"""What `publish.export_dataset` writes: pairs, and responses with their ratings and scores, under their own ids."""

from __future__ import annotations

from ..errors import WorkbenchError
from ..tables import COLUMNS
from .draft import Draft, about
from .files import Line
from .messages import prompt_of, split_last

IDS = ("pair_id", "chosen_id", "rejected_id")
NUMBERS = ("ratings", "scores")
_PLAIN = {*COLUMNS["prompts"], *COLUMNS["pairs"], *IDS, "prompt", "split", "chosen_model", "rejected_model"}


def fits(line: Line) -> bool:
    pair = line.has("prompt", "chosen", "rejected", *IDS)
    return pair or (line.has("response_id", "prompt", "response") and any(isinstance(line.data.get(name), dict) for name in NUMBERS))


def add(draft: Draft, lines: list[Line]) -> None:
    for line in lines:
        if line.has(*IDS):
            _add_pair(draft, line)
            continue
        values, scores = (line.data.get(name) or {} for name in NUMBERS)
        known = about(line) | {"id": line.need("response_id")}
        response_id = draft.add_rated(line.place, prompt_of(line), line.need("response"), values, known)
        if response_id is not None and scores:
            draft.add_scores(line.place, response_id, scores)


def _add_pair(draft: Draft, line: Line) -> None:
    answers = []
    for side in ("chosen", "rejected"):
        before, answer = split_last(line.need(side), line.place, side)
        if before:
            raise WorkbenchError(f"{side} is more than one message", where=line.place, remedy="Earlier turns belong to the prompt")
        answers.append(answer)
    ids = {name: line.need(name) for name in IDS[1:]}
    extra = {name: value for name, value in line.data.items() if name not in _PLAIN and value is not None}
    known = about(line) | ids | {"id": line.need("pair_id"), "extra": extra, "section": line.data.get("section")}
    draft.add_pair(line.place, prompt_of(line), *answers, known)
