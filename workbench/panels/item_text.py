"""One item's place, texts and rewards: what the reader shows and an edit is held against."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..axes import SIDES
from ..scenario.result import Result
from ..session import Session
from ..study import Study

FIRST = 6_000  # characters shown before "Show all"
FIELDS = ("prompt", *SIDES)


def position(session: Session, primary: str | None) -> int | None:
    """The row of the item looked at, in the session's items; None where none is."""
    return None if primary is None else _row(session.items["pair_id"], primary)


def texts_of(study: Study, pair: pd.Series) -> dict[str, str]:
    """prompt, chosen and rejected of a pair; the prompt's id where only answers have texts."""
    prompts, responses = study.table("prompts"), study.table("responses")
    found = {side: str(responses["text"].iat[_row(responses["response_id"], pair[side])]) for side in SIDES}
    asked = str(prompts["text"].iat[_row(prompts["prompt_id"], pair["prompt_id"])]) if "text" in prompts else str(pair["prompt_id"])
    return {"prompt": asked, **found}


def _row(ids: pd.Series, wanted: str) -> int | None:
    found = np.flatnonzero(ids == wanted)  # of the column itself: as an array of objects it takes ten times as long
    return int(found[0]) if len(found) else None


def rewards(result: Result | None, at: int) -> list[float] | None:
    """Both sides' rewards, mean over seeds, divided by the result's scale."""
    if result is None:
        return None
    values = result.scores.values[at]
    return [round(float(value), 6) for value in values @ result.weights[:, at].mean(axis=0) / result.scale]


def runs(text: str, spans: list[tuple[int, int]], whole: bool) -> dict:
    """[[text, marked]…] up to a length, and how many characters there are."""
    end = len(text) if whole else min(len(text), FIRST)
    found, at = [], 0
    for start, stop in spans:
        if start >= end:
            break
        if start > at:
            found.append([text[at:start], False])
        found.append([text[start:min(stop, end)], True])
        at = min(stop, end)
    if at < end:
        found.append([text[at:end], False])
    return {"runs": found, "length": len(text), "cut": end < len(text)}
