"""Preference strength by ten reward models (MOSS "Secrets of RLHF II", arXiv 2401.06080; fnlp/hh-rlhf-strength-cleaned).

chosen and rejected: lists of turns, or transcripts; the mean and the standard deviation of the models' score differences; both
lists of scores; GPT4 label, 1 where the judge agrees, 0 where not, −1 where it was not asked.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import WorkbenchError
from .draft import Draft, about
from .files import Line
from .messages import Turn, spoken
from .preference import TURN, differing, transcripts

MEAN, STD, LABEL = "mean preference difference", "std preference difference", "GPT4 label"
SCORES = {"chosen": "chosen score list", "rejected": "rejected score list"}
CLOSE = 1e-2  # how far a stated mean may be from that of the lists, of the larger of itself and the spread


def fits(line: Line) -> bool:
    return line.has("chosen", "rejected", MEAN, *SCORES.values())


def add(draft: Draft, lines: list[Line]) -> None:
    for line in lines:
        scores = _scores(line)
        found = _sides(draft, line)
        if found is None:
            continue
        extra = {"strength": float(line.data[MEAN]), "strength_std": line.data.get(STD), "judge_label": line.data.get(LABEL)}
        known = about(line, source=line.first("source") or "hh-rlhf")
        pair = draft.add_pair(line.place, *found, known | {"extra": known["extra"] | extra})
        if pair is not None:
            for side in SCORES:
                draft.add_scores(line.place, pair[side], {f"rm-{model:02d}": value for model, value in enumerate(scores[side])})


def _sides(draft: Draft, line: Line) -> tuple | None:
    chosen, rejected = line.need("chosen"), line.need("rejected")
    if line.texts("chosen", "rejected"):
        before, other = (_turns(said[:-1]) for said in (chosen, rejected))
        return differing(draft, line) if before != other else (before, *(_bare(said[-1]) for said in (chosen, rejected)))
    if isinstance(chosen, str) and isinstance(rejected, str):
        return transcripts(draft, line, chosen, rejected)
    raise WorkbenchError("chosen and rejected are neither lists of turns nor transcripts", where=line.place, remedy="Give both in one form")


def _turns(said: list[str]) -> list[Turn]:
    """Turns, each with its speaker before it, or the human's and the assistant's by turns."""
    out = []
    for at, text in enumerate(map(str.strip, said)):
        out += spoken(text, TURN) if TURN.match(text) else [(("user", "assistant")[at % 2], text)]
    return out


def _bare(answer: str) -> str:
    return answer.strip().removeprefix("Assistant:").strip()


def _scores(line: Line) -> dict[str, np.ndarray]:
    """The models' scores of both sides, held against the stated mean."""
    try:
        scores = {side: np.array(line.need(column), np.float64) for side, column in SCORES.items()}
        stated = float(line.need(MEAN))
    except (TypeError, ValueError) as error:
        if isinstance(error, WorkbenchError):
            raise
        raise WorkbenchError("scores that are no numbers", where=line.place, remedy="Leave the row out") from None
    if scores["chosen"].shape != scores["rejected"].shape or scores["chosen"].ndim != 1:
        sizes = " and ".join(f"{column} holds {np.size(line.data[column])}" for column in SCORES.values())
        raise WorkbenchError(f"score lists of unequal length: {sizes}", where=line.place, remedy="Each model scores both sides")
    gaps = scores["chosen"] - scores["rejected"]
    if not len(gaps) or not np.isfinite(gaps).all() or not math.isfinite(stated):
        raise WorkbenchError("a missing or infinite score", where=line.place, remedy="Leave the row out")
    if abs(stated - gaps.mean()) > CLOSE * max(abs(stated), gaps.std()):
        raise WorkbenchError(f"{MEAN} is {stated:g}, that of the score lists {gaps.mean():g}", where=line.place,
                             remedy="The lists are of another pair, or of other models: correct the row")
    return scores
