"""HelpSteer and HelpSteer2 (arXiv 2406.08673, 2410.01257): responses rated 0–4 on five attributes; or two and which is better."""

from __future__ import annotations

import re

from ..errors import WorkbenchError
from .draft import Draft, about
from .files import Line
from .messages import spoken

ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
TURN = re.compile(r"\s*<extra_id_1>(User|Assistant)\n")
STRENGTH = "preference_strength"
MOST = 3


def fits(line: Line) -> bool:
    return line.has("prompt", "response", *ATTRIBUTES) or line.has("prompt", "response_1", "response_2", STRENGTH)


def add(draft: Draft, lines: list[Line]) -> None:
    ranges = {name: (0.0, 4.0) for name in ATTRIBUTES}
    for line in lines:
        prompt, known = _prompt(line), about(line, source=line.first("source") or "helpsteer")
        if line.has("response"):
            values = {name: line.need(name) for name in ATTRIBUTES}
            draft.add_rated(line.place, prompt, line.need("response"), values, known, ranges)
        else:
            add_judged(draft, line, prompt, (line.need("response_1"), line.need("response_2")), STRENGTH, known)


def _prompt(line: Line):
    """Its text; of several turns, which the data set marks, the turns."""
    prompt = line.need("prompt")
    return spoken(prompt, TURN) if isinstance(prompt, str) and TURN.search(prompt) else prompt


def add_judged(draft: Draft, line: Line, prompt, answers: tuple, column: str, known: dict) -> None:
    """Two answers and a preference from −3 (the first is much better) to 3 (the second is); of a tie nothing is learned."""
    judged = line.need(column)
    if judged not in range(-MOST, MOST + 1):
        raise WorkbenchError(f"{judged!r} is no preference", where=f"{line.place}, column {column}", remedy=f"It is −{MOST} to {MOST}")
    if judged == 0:
        draft.left_out["ties"] += 1
        return
    chosen, rejected = answers if judged < 0 else answers[::-1]
    draft.add_pair(line.place, prompt, chosen, rejected, known | {"extra": {**known["extra"], "strength": abs(int(judged))}})
