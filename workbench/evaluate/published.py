"""What was published on RewardBench, to stand beside one's own: sections and Score in per cent, and where they come from.

⚠ Until 10 September 2024 RewardBench itself counted XSTest the wrong way round (250 to refuse, 154 to respond), so that every Safety
and Score here is by those counts; where the subsets' accuracies are public, `recounted` is the Safety by the right ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import WorkbenchError
from .rewardbench import COLUMNS, FOUR, OVERALL, PRIOR, SCORE, SECTION

LEADERBOARD = "RewardBench leaderboard, May 2024, as quoted with ArmoRM (arXiv 2406.12845)"


@dataclass(frozen=True)
class Published:
    """One row of a leaderboard, in per cent; None for what is not told. verified: read at its source, not from memory."""

    model: str
    score: float | None
    chat: float
    chat_hard: float
    safety: float
    reasoning: float
    prior_sets: float | None = None
    recounted: float | None = None
    source: str = LEADERBOARD
    verified: bool = True

    @property
    def four_sections(self) -> float:
        """Mean of Chat, Chat Hard, Safety and Reasoning, as tables without Prior Sets give it."""
        return round((self.chat + self.chat_hard + self.safety + self.reasoning) / 4, 1)


PUBLISHED = (
    Published("ArmoRM Llama-3 8B", 89.0, 96.9, 76.8, 92.2, 97.3, 74.3, recounted=90.5),
    Published("its Bradley\u2013Terry backbone", 83.6, 99.4, 65.1, 87.8, 86.4, 74.9, recounted=86.8),
    Published("GPT-4 Turbo as judge", 84.3, 95.3, 74.3, 87.2, 86.9, 70.9),
    Published("pair preference 8B", 85.7, 98.3, 65.8, 89.7, 94.7, 74.6, recounted=89.7),
    Published("Cohere", 88.3, 96.4, 71.3, 92.7, 97.7, 78.2),
    Published("Nemotron-4 340B", 89.3, 95.8, 87.1, 91.5, 93.7, 67.4, source="unverified", verified=False),
    Published("ArmoRM, released training run again", None, 99.2, 64.7, 89.1, 88.2,
              source="a user's run of RLHFlow/RLHF-Reward-Modeling, issue 37"),
)


def published_table(models: Sequence[str] | None = None) -> pd.DataFrame:
    """Published rows in the form of `rewardbench_table`, shares, with their source: the named models, or all.

    Beside the Score, which weighs Prior Sets 0.5, stands the four-section mean. No intervals. WorkbenchError for an unknown name.
    """
    known = {one.model: one for one in PUBLISHED}
    if unknown := [name for name in models or () if name not in known]:
        raise WorkbenchError(f"nothing published here of {unknown[0]!r}", where="RewardBench", remedy=f"There are {', '.join(known)}")
    rows = [row for name in (known if models is None else models) for row in _rows(known[name])]
    table = pd.DataFrame(rows).assign(low=np.nan, high=np.nan, n=np.nan, families=np.nan, seeds=np.nan, ties=np.nan)
    return table[[*COLUMNS, "source"]]


def _rows(one: Published) -> list[dict]:
    values = {SCORE: one.score, FOUR: one.four_sections, "Chat": one.chat, "Chat Hard": one.chat_hard, "Safety": one.safety,
              "Reasoning": one.reasoning, PRIOR: one.prior_sets}
    series, rows = one.model if one.verified else f"{one.model} (unverified)", []
    for name, value in values.items():
        words = ["as published"]
        words += ["XSTest counts swapped"] if name in (SCORE, FOUR, "Safety") else []
        words += [f"{one.recounted} by the right ones"] if name == "Safety" and one.recounted is not None else []
        level, section = (OVERALL, "") if name in (SCORE, FOUR) else (SECTION, name)
        value, words = (np.nan, ["not told"]) if value is None else (value / 100, words)
        rows.append({"series": series, "level": level, "section": section, "slice": name, "value": value,
                     "words": "; ".join(words), "source": one.source})
    return rows
