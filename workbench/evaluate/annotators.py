"""What agreement can be asked of a model: how far several annotators of the same pair agree with one another."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..errors import WorkbenchError, listing
from .inference import DRAWS, estimates

EACH, REST = "two annotators", "one and the majority of the others"
ANNOTATORS = "annotators"

Votes = Float[np.ndarray, "pair annotator"]


def ceiling(votes: Votes | pd.DataFrame, families=None, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Agreement between annotators over the pairs with two or more votes: the line that no label of one of them can pass.

    votes [pair annotator]: 1 where an annotator sides with the label, 0 against it, 0.5 for a tie, NaN where not asked;
    families [pair], None makes every pair its own. Rows: of "two annotators", any two of a pair's; "one and the majority of the
    others", ties half in both. Every pair counts once. Columns: of, value, low, high (by family), n, families, words. Oracle:
    a loop over pairs and annotators. Raises WorkbenchError where no pair has two votes, and for another value.
    """
    votes = votes.to_numpy(np.float64, na_value=np.nan) if isinstance(votes, pd.DataFrame) else votes.astype(np.float64)
    families = np.arange(len(votes)) if families is None else np.asarray(families)
    if len(families) != len(votes):
        raise WorkbenchError(f"{len(families)} families beside votes on {len(votes)} pairs", where="annotators", remedy="One per pair")
    asked = ~np.isnan(votes)
    strange = np.unique(votes[asked & ~np.isin(votes, (0, 0.5, 1))])
    if len(strange):
        raise WorkbenchError(f"a vote of {listing(strange)}", where="annotators", remedy="1 sides with the label, 0 is against, 0.5 a tie")
    several = asked.sum(axis=1) > 1
    if not several.any():
        raise WorkbenchError("no pair has two votes", where="annotators", remedy="A ceiling needs pairs with several annotators")
    found = estimates([each[None] for each in _agreement(votes[several])], families[several], draws=draws, seed=seed, trained=[False] * 2)
    rows = [(of, one.value, one.low, one.high, one.n, one.families, one.words) for of, one in zip((EACH, REST), found)]
    return pd.DataFrame(rows, columns=["of", "value", "low", "high", "n", "families", "words"])


def votes_of(pairs: pd.DataFrame) -> Votes:
    """Votes [pair annotator] from the column `annotators` (HelpSteer3): a JSON list of preferences for the chosen answer.

    Above 0 is a vote for the label, below 0 against it, 0 a tie; NaN fills up. The columns are places in the lists, not people.
    """
    if ANNOTATORS not in pairs:
        raise WorkbenchError(f"no column {ANNOTATORS}", where="pairs", remedy="Use pairs that several annotators judged, as HelpSteer3 has")
    said = [json.loads(each) if isinstance(each, str) else [] for each in pairs[ANNOTATORS]]
    votes = np.full((len(said), max(map(len, said), default=0)), np.nan)
    for row, given in zip(votes, said):
        row[: len(given)] = (np.sign(given) + 1) / 2
    return votes


def _agreement(votes: Votes) -> tuple[np.ndarray, np.ndarray]:
    """[pair] share of its pairs of votes that agree, and of its votes that side with most of the others."""
    asked = ~np.isnan(votes)
    sides, count = np.where(asked, 2 * votes - 1, 0.0), asked.sum(axis=1)  # −1, 0, 1
    total = sides.sum(axis=1)
    each = (total**2 - (sides**2).sum(axis=1)) / (count * (count - 1))
    rest = (sides * np.sign(total[:, None] - sides)).sum(axis=1) / count
    return (1 + each) / 2, (1 + rest) / 2
