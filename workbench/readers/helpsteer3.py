"""HelpSteer3 (arXiv 2505.11475): a conversation, two responses, which is better, and what each annotator said."""

from __future__ import annotations

import json

from ..errors import WorkbenchError
from .draft import Draft, about
from .files import Line
from .helpsteer import add_judged
from .messages import turns

OVERALL, EACH = "overall_preference", "individual_preference"


def fits(line: Line) -> bool:
    return line.has("context", "response1", "response2", OVERALL)


def add(draft: Draft, lines: list[Line]) -> None:
    for line in lines:
        context = line.need("context")
        if not isinstance(context, list):
            what = f"context is a {type(context).__name__}, not messages"
            raise WorkbenchError(what, where=f"{line.place}, column context", remedy='Each message is {"role": "user", "content": "…"}')
        known = about(line, section=line.first("domain"), source=line.first("source") or "helpsteer3")
        known["extra"] |= _annotators(line)
        answers = line.need("response1"), line.need("response2")
        add_judged(draft, line, turns(context, line.place, "context"), answers, OVERALL, known)


def _annotators(line: Line) -> dict[str, str]:
    """Each annotator's preference for the chosen answer, −3 to 3, as a JSON list."""
    given = [one.get("score") for one in line.data.get(EACH) or []]
    if not given:
        return {}
    if not all(isinstance(score, (int, float)) for score in given):
        raise WorkbenchError("a preference without score", where=f"{line.place}, column {EACH}", remedy="Correct the row")
    sign = -1 if line.need(OVERALL) < 0 else 1
    return {"annotators": json.dumps([sign * int(score) for score in given])}
