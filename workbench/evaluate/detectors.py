"""How well a strength finds wrong labels, whatever the cut: areas under the ROC curve, their intervals and differences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from ..axes import Pair, PairMask
from ..errors import WorkbenchError, listing
from . import inference
from .inference import DRAWS, FEWEST, family_codes, interval, seeded_weights, too_few, verdict
from .strength import StrengthTable

STRENGTH = "strength"
CELLS = 250_000  # of one block of resamples: what the caches of a core hold
COLUMNS = ("of", "value", "low", "high", "difference", "d_low", "d_high", "words", "n", "wrong", "families")


def detection(strength: StrengthTable | Mapping[str, Pair] | Pair, wrong: PairMask | Pair | None = None, families=None, *,
              against: str | None = None, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """AUROC of low strength for wrong labels: how often a wrong label has less strength than a right one, ties half.

    strength: of one table, or [pair] of each detector by its name; wrong [pair]: 1 where the label is wrong, 0 where it is
    right, NaN (left out) where that is not known; families [pair], None makes every pair its own. Of a table wrong is by
    default what the truth says, without true ties. Columns: of, value, low, high (by family); difference, d_low, d_high, from
    the detector named `against`, both on the same resamples; words: of the difference, by its interval alone; n, wrong (how many
    labels are), families. No number under six families. Oracle: a double loop over wrong and right. Raises WorkbenchError
    for labels all right or all wrong, a missing strength, another number of pairs, and an unknown `against`.
    """
    if isinstance(strength, StrengthTable):
        wrong = _truly_wrong(strength) if wrong is None else wrong
        families = strength.families if families is None else families
        strength = {STRENGTH: strength.mean}
    detectors = dict(strength) if isinstance(strength, Mapping) else {STRENGTH: strength}
    wrong, families = _sound(detectors, wrong, families, against)
    known = ~np.isnan(wrong)
    wrong, (codes, count) = wrong[known] == 1, family_codes(families[known])
    if count > inference.BUNDLES:
        codes = (np.random.default_rng(seed).permutation(count) % inference.BUNDLES)[codes]
    drawn = {name: _aurocs(np.asarray(each)[known], wrong, codes, count, draws, seed) for name, each in detectors.items()}
    rows = []
    for name, seen in drawn.items():
        apart, words = np.full(1 + draws, np.nan), too_few(count)
        if against is not None and name != against:
            apart = seen - drawn[against]
        ends, apart_ends = interval(seen[1:], count - 1), interval(apart[1:], count - 1)
        if not np.isnan(apart_ends).any():
            words = verdict(*apart_ends, 0.0, count)
        rows.append((name, seen[0], *ends, apart[0], *apart_ends, words, len(wrong), int(wrong.sum()), count))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _truly_wrong(table: StrengthTable) -> Pair:
    if table.right is None:
        raise WorkbenchError("it is not known which labels are wrong", where="detection", remedy="Use a planted study, or give wrong=")
    return np.where(table.right == 0.5, np.nan, 1.0 - table.right)


def _sound(detectors: dict, wrong, families, against: str | None) -> tuple[np.ndarray, np.ndarray]:
    """wrong as numbers and families, both [pair], once everything fits."""
    if wrong is None:
        raise WorkbenchError("it is not said which labels are wrong", where="detection", remedy="Give wrong=, one value per pair")
    wrong = np.asarray(wrong, np.float64)
    families = np.arange(len(wrong)) if families is None else np.asarray(families)
    if len(families) != len(wrong):
        raise WorkbenchError(f"{len(families)} families beside {len(wrong)} labels", where="detection", remedy="One family per pair")
    if against is not None and against not in detectors:
        raise WorkbenchError(f"no detector {against!r}", where="detection", remedy=f"Known: {listing(detectors)}")
    known = ~np.isnan(wrong)
    if not np.isin(wrong[known], (0, 1)).all():
        raise WorkbenchError("wrong is neither 0 nor 1", where="detection", remedy="1 for a wrong label, 0 for a right one, NaN unknown")
    for value, kind in ((1, "wrong"), (0, "right")):
        if not (wrong == value).any():
            raise WorkbenchError(f"no label is known to be {kind}", where="detection", remedy="Wrong labels are compared with right ones")
    for name, each in detectors.items():
        if np.shape(each) != wrong.shape:
            raise WorkbenchError(f"{name} of shape {np.shape(each)} beside {len(wrong)} labels", where="detection", remedy="One per pair")
        if not np.isfinite(np.asarray(each, np.float64)[known]).all():
            raise WorkbenchError(f"{name} has a missing or infinite value", where="detection", remedy="Set wrong to NaN there")
    return wrong, families


def _aurocs(strength: Pair, wrong: PairMask, codes: np.ndarray, families: int, draws: int, seed: int) -> np.ndarray:
    """The area over all pairs, then over each resample of families [1 + draw]; NaN under six of them."""
    if families < FEWEST:
        return np.full(1 + draws, np.nan)
    units = int(codes.max()) + 1
    weights = (np.ones((1, units), np.int64), seeded_weights(units, draws, seed))
    return np.concatenate([weighted_auroc(strength, wrong, each, codes) for each in weights])


def weighted_auroc(strength: Pair, wrong: PairMask, weights: Integer[np.ndarray, "draw unit"],
                   codes: Integer[np.ndarray, " pair"]) -> Float[np.ndarray, " draw"]:
    """AUROC of low strength where each pair occurs as often as its unit does, weights[draw, codes[pair]]; NaN for a missing kind.

    The right labels are sorted once: what lies above each wrong one follows from their cumulated counts.
    """
    order = np.argsort(strength[~wrong], kind="stable")
    right, above = codes[~wrong][order], strength[~wrong][order]
    begin, end = (np.searchsorted(above, strength[wrong], side) for side in ("left", "right"))
    out, block = np.full(len(weights), np.nan), max(1, CELLS // len(codes))
    for at in range(0, len(weights), block):
        part = weights[at : at + block]
        sums = np.zeros((len(part), len(right) + 1))
        np.cumsum(np.take(part, right, axis=1), axis=1, out=sums[:, 1:])
        counts = np.take(part, codes[wrong], axis=1).astype(np.float64)
        higher = sums[:, -1:] - (np.take(sums, begin, axis=1) + np.take(sums, end, axis=1)) / 2
        pairs = counts.sum(axis=1) * sums[:, -1]
        np.divide(np.einsum("dw,dw->d", counts, higher), pairs, out=out[at : at + block], where=pairs > 0)
    return out
