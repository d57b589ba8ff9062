"""How often and how surely the chosen answer wins, per slice, with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..axes import CHOSEN, REJECTED, Pair, PairSide, SeedPair
from ..errors import WorkbenchError
from .inference import DRAWS, estimates, family_codes

ALL = "All pairs"
ACCURACY, LOG_LOSS, LONGER = "accuracy", "log loss", "the longer wins"
COLUMNS = ("slice", "metric", "value", "low", "high", "n", "families", "seeds", "words")


def correct(margins: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """1 where chosen beats rejected, else 0: a tie counts as wrong (RewardBench)."""
    return (margins > 0).astype(np.float64)


def surprise(margins: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """−log σ(margin), in nats: the Bradley–Terry loss of each pair."""
    loss = -np.abs(margins, dtype=np.float64)
    loss = np.log1p(np.exp(loss, out=loss), out=loss)
    return np.subtract(loss, margins, out=loss, where=margins < 0)


METRICS = {ACCURACY: correct, LOG_LOSS: surprise}


def accuracy(margins: Float[np.ndarray, "*shape"]) -> float:
    """Share of pairs whose chosen answer wins."""
    return float(correct(margins).mean())


def log_loss(margins: Float[np.ndarray, "*shape"]) -> float:
    """Mean −log σ(margin)."""
    return float(surprise(margins).mean())


def longer_wins(length: PairSide) -> Pair:
    """Margins of the baseline that prefers the longer answer."""
    return length[:, CHOSEN] - length[:, REJECTED]


def slices(pairs: pd.DataFrame, by: tuple[str, ...] = ("section",)) -> dict[str, Bool[np.ndarray, " pair"]]:
    """All pairs first, then each value of each named column, in order of appearance."""
    found = {ALL: np.ones(len(pairs), bool)}
    for column in by:
        if column not in pairs.columns:
            continue
        codes, values = pd.factorize(pairs[column])
        for code, value in enumerate(values):
            name = str(value) if str(value) not in found else f"{column}: {value}"
            if str(value):
                found[name] = codes == code
    return found


def metric_table(
    margins: SeedPair, pairs: pd.DataFrame, *, by: tuple[str, ...] = ("section",), length: PairSide | None = None,
    extra: Mapping[str, np.ndarray] | None = None, groups: np.ndarray | None = None, parts: Mapping[str, np.ndarray] | None = None,
    draws: int = DRAWS, seed: int = 0,
) -> pd.DataFrame:
    """Tidy table: slice, metric, value, low, high, n, families, seeds, words.

    margins [seed pair]; pairs: one row per pair with its family and the columns named in `by`; length [pair side]
    adds the baseline "the longer wins"; extra: further slices, name → mask [pair]; draws=0: no intervals. groups, parts: the
    families [pair] and `slices` of the pairs where they are known already.
    """
    if margins.shape[1] != len(pairs):
        raise WorkbenchError(f"margins of {margins.shape[1]} pairs beside a table of {len(pairs)}", remedy="Align them by pair_id")
    values = {name: metric(margins) for name, metric in METRICS.items()}
    if length is not None:
        values[LONGER] = correct(longer_wins(length))[None]
    groups = family_codes(pairs["family"])[0] if groups is None else groups
    parts, rows = slices(pairs, by) if parts is None else parts, []
    for label, mask in {**parts, **(extra or {})}.items():
        each = list(values.values()) if mask.all() else [np.compress(mask, value, axis=1) for value in values.values()]
        found = estimates(each, groups[mask], draws=draws, seed=seed, trained=[name != LONGER for name in values])
        rows += [{"slice": label, "metric": name, **vars(one)} for name, one in zip(values, found)]
    return pd.DataFrame(rows, columns=list(COLUMNS))
