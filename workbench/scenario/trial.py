"""Trial: reward heads taught by several treatments of the same labels, and how each does on dev, beside none and beside an oracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..axes import Pair, PairMask
from ..errors import WorkbenchError
from ..evaluate.inference import NO_SEED_NOISE, SEEDS, estimates, holm, sign_flip, too_few, verdict
from ..evaluate.metrics import correct
from ..evaluate.strength import JUDGE, TRUTH, judgements

NONE, KNOWS = "none", "oracle: corrupted labels "  # how the name of every oracle begins
ORACLE, ORACLE_DROP = f"{KNOWS}turned back", f"{KNOWS}dropped"
ORIGINAL, OBSERVED, AGREED = "original labels", "observed labels", "agreed"
COLUMNS = ("treatment", "of", "value", "low", "high", "difference", "d_low", "d_high", "p", "p_holm", "words", "n", "families", "seeds")


@dataclass(frozen=True, eq=False)
class Reference:
    """What a margin is held against: right [pair] or [seed pair], 1 where the stored label is right, 0 where it is wrong, 0.5 for
    a tie (which is half right whatever the margin); among [pair]: the pairs of which it is known."""

    right: np.ndarray
    among: PairMask

    def scored(self, margins: np.ndarray) -> np.ndarray:
        """[seed pair] how right margins [seed pair] are."""
        won = correct(margins)
        right = np.broadcast_to(self.right, margins.shape)
        return np.where(right == 0.5, 0.5, np.where(right > 0.5, won, 1.0 - won))[:, self.among]


@dataclass(frozen=True, eq=False)
class Trial:
    """Margins of heads on dev pairs, [treatment seed pair], by the treatment that taught them; row 0 is "none".

    names: treatments; families [pair]; references: what margins are held against, by name; corrupted [seed pair]: train labels
    that the oracles know to be wrong, those turned round on purpose, or without noise those that truth contradicts; strengths:
    μ̂ of the train labels as they were seen, [seed pair], None where no treatment reads one.
    """

    names: tuple[str, ...]
    margins: np.ndarray = field(repr=False)
    pairs: pd.DataFrame = field(repr=False)
    references: dict[str, Reference] = field(repr=False)
    corrupted: np.ndarray = field(repr=False)
    strengths: np.ndarray | None = field(default=None, repr=False)
    decay: float = float("nan")
    study_hash: str = ""

    @property
    def families(self) -> np.ndarray:
        return self.pairs["family"].to_numpy()

    def values(self, of: str) -> np.ndarray:
        """[treatment seed pair] accuracy against a reference, over the pairs of which it is known."""
        if of not in self.references:
            raise WorkbenchError(f"nothing to hold against called {of!r}", where="trial", remedy=f"There are {', '.join(self.references)}")
        return np.stack([self.references[of].scored(one) for one in self.margins])

    def table(self, of: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Accuracy of each treatment on dev, and its paired difference from the first, "none".

        Columns: treatment, of, value, low, high; difference, d_low, d_high (families and paired seeds resampled), p (sign-flip
        by family), p_holm (Holm over the treatments, the oracles apart), words, n, families, seeds.
        """
        names = [of] if isinstance(of, str) else list(of or self.references)
        return pd.concat([self._against(name) for name in names], ignore_index=True)

    def _against(self, of: str) -> pd.DataFrame:
        values = self.values(of)
        families = self.families[self.references[of].among]
        each = estimates([*values, *(values[1:] - values[0])], families)
        rows = []
        for number, name in enumerate(self.names):
            found = each[number]
            row = {"treatment": name, "of": of, "value": found.value, "low": found.low, "high": found.high, "difference": np.nan,
                   "d_low": np.nan, "d_high": np.nan, "p": np.nan, "n": found.n, "families": found.families, "seeds": found.seeds}
            if number:
                apart = each[len(self.names) + number - 1]
                p = np.nan if too_few(found.families) else sign_flip(values[number] - values[0], families)
                row |= {"difference": apart.value, "d_low": apart.low, "d_high": apart.high, "p": p}
            rows.append(row)
        return corrected(pd.DataFrame(rows))[list(COLUMNS)]


def corrected(table: pd.DataFrame) -> pd.DataFrame:
    """With p_holm, over all rows of a reference but the oracles', and the words that follow from it."""
    table = table.assign(p_holm=table["p"])
    tested = ~table["treatment"].isin((ORACLE, ORACLE_DROP))
    for of in table["of"].unique():
        mine = tested & (table["of"] == of)
        table.loc[mine, "p_holm"] = holm(table.loc[mine, "p"].to_numpy(np.float64))
    table["words"] = [_words(row) for row in table.itertuples()]
    return table


def references(pairs: pd.DataFrame, truth: Pair | None, observed: np.ndarray | None) -> dict[str, Reference]:
    """What there is to hold margins against: the stored labels, labels corrupted as train was (observed: mask [seed pair] of those
    turned round), the truth (gap [pair]), a judge (pairs' judge_label: 1 agrees, 0 does not), and the pairs where these agree."""
    every = np.ones(len(pairs), bool)
    found = {ORIGINAL: Reference(np.ones(len(pairs)), every)}
    if observed is not None and observed.any():
        found[OBSERVED] = Reference(1.0 - observed, every)
    if truth is not None:
        found[TRUTH] = Reference(np.where(truth == 0, 0.5, (truth > 0).astype(float)), every)
    if (judged := judgements(pairs)) is not None:
        found[JUDGE] = Reference(judged, np.isfinite(judged))
    if (independent := found.get(TRUTH) or found.get(JUDGE)) is not None:
        found[AGREED] = Reference(np.ones(len(pairs)), independent.among & (independent.right == 1))
    return {name: one for name, one in found.items() if one.among.any()}


def _words(row) -> str:
    if np.isnan(row.difference):
        return too_few(row.families)
    said = verdict(row.d_low, row.d_high, row.p_holm, row.families)
    return f"{said}; {NO_SEED_NOISE}" if 0 < row.seeds < SEEDS else said
