"""Preference strength in numbers: what lies in each band, how often the labels hold there, and who the suspects are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..axes import CHOSEN, REJECTED, Pair, PairMask, PairMember, PairSide, SeedPair
from ..errors import WorkbenchError, listing
from ..preference.bands import Bands, bands
from ..preference.strength import Strength
from .inference import DRAWS, FEWEST, bundled, estimate, family_codes, family_sums, interval, resampling_weights, too_few
from .metrics import correct

FLIP, SMOOTH, DROP, KEEP = "flip", "smooth", "drop", "keep"
GATE, TRUTH, JUDGE = "gate", "truth", "judge"
JUDGED = "judge_label"  # the pairs' column that a judge of the ten-model schema fills
ALL_PAIRS, FLIPPED, APART, AFTER = "all pairs", "flipped", "flipped − all", "all pairs, once flipped"


@dataclass(frozen=True, eq=False)
class StrengthTable:
    """Preference strength of a split's pairs beside what else is known of them, one row per pair.

    pairs: pair_id, family, section …; strength: of these pairs, members [pair member]; length [pair side] in words, None
    without text; truth: gap (how much better the chosen answer truly is; below 0 the label is wrong) and flipped, in the
    order of pairs, None unless the study is a planted one. `scenario.strength.strength_of(study)` makes it.
    """

    pairs: pd.DataFrame = field(repr=False)
    strength: Strength
    length: PairSide | None = field(default=None, repr=False)
    truth: pd.DataFrame | None = field(default=None, repr=False)
    split: str = "train"
    study_hash: str = ""

    def __post_init__(self):
        if len(self.pairs) != len(self.strength.mean):
            raise WorkbenchError(f"strength of {len(self.strength.mean)} pairs beside a table of {len(self.pairs)}",
                                 remedy="Align them by pair_id")

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def mean(self) -> Pair:
        return self.strength.mean

    @property
    def std(self) -> Pair:
        return self.strength.std

    @property
    def members(self) -> PairMember:
        return self.strength.members

    @property
    def families(self) -> np.ndarray:
        return self.pairs["family"].to_numpy()

    @property
    def lengthening(self) -> Pair | None:
        """Words that the chosen answer has more than the rejected one; None without text."""
        return None if self.length is None else (self.length[:, CHOSEN] - self.length[:, REJECTED]).astype(np.float64)

    @property
    def right(self) -> Pair | None:
        """1 where the label is the true order, 0 where it is not, 0.5 for a true tie; None where the truth is not known."""
        if self.truth is None or "gap" not in self.truth:
            return None
        gap = self.truth["gap"].to_numpy(np.float64)
        return np.where(gap == 0, 0.5, correct(gap))

    @property
    def judged(self) -> Pair | None:
        return judgements(self.pairs)


def judgements(pairs: pd.DataFrame) -> Pair | None:
    """1 where a judge agrees with the label, 0 where not, NaN where it was not asked; None without a column `judge_label`."""
    if JUDGED not in pairs.columns:
        return None
    values = pd.to_numeric(pairs[JUDGED], errors="coerce").to_numpy(np.float64)
    return np.where(np.isin(values, (0.0, 1.0)), values, np.nan)


def in_sections(pairs: pd.DataFrame, where: tuple[str, ...] = ()) -> PairMask:
    """Mask [pair] of the pairs in the named sections, all for none named. WorkbenchError for a section that is not there."""
    if not where:
        return np.ones(len(pairs), bool)
    known = list(map(str, pd.unique(pairs["section"].dropna()))) if "section" in pairs.columns else []
    unknown = [name for name in where if name not in known]
    if unknown:
        raise WorkbenchError(f"no section {listing(unknown)} among these pairs", where="labels, where",
                             remedy=f"Sections are {listing(known, 12)}" if known else "This study has no sections: treat all pairs")
    return pairs["section"].astype(str).isin(where).to_numpy()


def strength_bands(table: StrengthTable, found: Bands | None = None, *, where: tuple[str, ...] = (), **cuts: float) -> pd.DataFrame:
    """What a treatment does: band ("flip", "smooth", "drop", "keep"), pairs, families, share, lowest, highest, value, low, high, n, words.

    cuts: those of a LabelSpec, `**spec.cuts, where=spec.where`; or found, the masks themselves. One row per band, "smooth" only
    where labels are smoothed. lowest, highest: strength in it; value, low, high: share of its labels that are true, with its
    interval by family, NaN where the truth is not known.
    """
    flip, smooth, drop = found or bands(table.mean, among=in_sections(table.pairs, tuple(where)), **cuts)
    rows = []
    for band, mask in ((FLIP, flip), (SMOOTH, smooth), (DROP, drop), (KEEP, ~flip & ~smooth & ~drop)):
        if band == SMOOTH and not mask.any():
            continue
        inside = table.mean[mask]
        ends = (float(inside.min()), float(inside.max())) if len(inside) else (np.nan, np.nan)
        about = {"band": band, "pairs": int(mask.sum()), "share": float(mask.mean()), "lowest": ends[0], "highest": ends[1]}
        rows.append({**about, **_share(table.right, mask, table.families)})
    return pd.DataFrame(rows)[["band", "pairs", "families", "share", "lowest", "highest", "value", "low", "high", "n", "words"]]


def strength_cuts(table: StrengthTable, *, where: tuple[str, ...] = (), **cuts: float) -> dict[str, float]:
    """The same cuts by value, where a handle stands and a figure draws: of a share, half-way between the two pairs it parts."""
    found = {name: cut for name, cut in cuts.items() if name.endswith("_below") and cut is not None}
    ordered, total = np.sort(table.mean[in_sections(table.pairs, tuple(where))]), 0.0
    for name in (FLIP, SMOOTH, DROP):
        share = cuts.get(f"{name}_share")
        total += share or 0.0
        at = round(total * len(ordered))
        if share:
            found[f"{name}_below"] = float(ordered[max(at - 1, 0) : at + 1].mean()) if at else float(ordered[0])
    return found


def agreement_by_bin(table: StrengthTable, result=None, *, bins: int = 10, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """How often a gate, the truth and a judge, where they are known, agree with the label, by tenths of preference strength.

    result: on the same pairs, or its margins [seed pair]; None for the others alone. A judge is the pairs' `judge_label` (1 agrees,
    0 does not, anything else was not asked). Columns: bin (1 the weakest), strength, lowest, highest (of the bin; strength is the
    mean), who ("gate", "truth", "judge"), value, low, high (by family, and by seed with five or more), n, families, seeds, words.
    Pairs of equal strength share a bin. Raises WorkbenchError for a result on other pairs, and where there is nothing to agree with.
    """
    every, asked = np.ones(len(table), bool), {}
    if result is not None:
        asked[GATE] = (correct(_margins(table, result)), every, True)
    if table.right is not None:
        asked[TRUTH] = (table.right[None], every, False)
    if (judged := table.judged) is not None:
        asked[JUDGE] = (judged[None], np.isfinite(judged), False)
    if not asked:
        raise WorkbenchError("no result and no known truth to agree with", where="strength", remedy="Pass a result on the same split")
    place = np.minimum((table.strength.percentile / 100 * bins).astype(int), bins - 1)
    rows = []
    for number in np.unique(place):
        mask = place == number
        inside = table.mean[mask]
        about = {"bin": int(number) + 1, "strength": float(inside.mean()), "lowest": float(inside.min()), "highest": float(inside.max())}
        for who, (values, known, trained) in asked.items():
            if (mask & known).any():
                found = estimate(values[:, mask & known], table.families[mask & known], draws=draws, seed=seed, trained=trained)
                rows.append({**about, "who": who, **vars(found)})
    return pd.DataFrame(rows)


def suspects(table: StrengthTable, n: int | None = 50, *, where: tuple[str, ...] = ()) -> pd.DataFrame:
    """The pairs whose label looks wrong, weakest first; n of them, all for None.

    Columns: pair_id, family, section where there are any; mean and std over members (strength, in logits; NaN for one), percentile;
    against, of: how many of the members prefer the other answer; words; longer: words that the chosen answer has more
    (NaN without text); gap, flipped: the truth, where it is known.
    """
    if n is not None and n < 0:
        raise WorkbenchError(f"{n} suspects", remedy="Ask for 0 or more, None for all")
    rows = np.flatnonzero(in_sections(table.pairs, tuple(where)))
    rows = rows[np.argsort(table.mean[rows], kind="stable")][:n]
    against, of = (table.members[rows] < 0).sum(axis=1), table.members.shape[1]
    names = [name for name in ("pair_id", "prompt_id", "family", "section") if name in table.pairs.columns]
    found = table.pairs.iloc[rows][names].reset_index(drop=True)
    std = table.std[rows] if table.members.shape[1] > 1 else np.nan
    found["mean"], found["std"], found["percentile"] = table.mean[rows], std, table.strength.percentile[rows]
    found["against"], found["of"] = against, of
    found["words"] = np.array([f"{votes} of {of} against the label" for votes in range(of + 1)], object)[against]
    found["longer"] = np.nan if table.lengthening is None else table.lengthening[rows]
    if table.truth is not None:
        found = found.join(table.truth.iloc[rows].reset_index(drop=True))
    return found


def length_bias(table: StrengthTable, mask: PairMask, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """What flipping the pairs of `mask` [pair] does to length: words that the chosen answer has more, on average.

    Rows: all pairs; the flipped, before; how far those are from all; all pairs once flipped. Columns: of, value, low, high,
    n, families, words. An ensemble that likes long answers suspects labels that prefer short ones: its flips then teach length.
    Oracle: resample families, take the means. Raises WorkbenchError without text.
    """
    longer = table.lengthening
    if longer is None:
        raise WorkbenchError("no length is known", where="strength", remedy="Use a study with text")
    mask = np.asarray(mask, bool)
    few = family_codes(table.families[mask])[1]
    rows = [{"of": ALL_PAIRS, **_mean(longer, table.families, draws, seed)},
            {"of": FLIPPED, **_mean(longer[mask], table.families[mask], draws, seed)}]
    apart = {"value": np.nan, "low": np.nan, "high": np.nan, "n": int(mask.sum()), "families": few, "words": too_few(few)}
    if few >= FEWEST:
        low, high = interval(_apart(longer, mask, table.families, draws, seed), few - 1)
        apart |= {"value": float(longer[mask].mean() - longer.mean()), "low": low, "high": high}
    rows += [{"of": APART, **apart}, {"of": AFTER, **_mean(np.where(mask, -longer, longer), table.families, draws, seed)}]
    return pd.DataFrame(rows)


def _margins(table: StrengthTable, result) -> SeedPair:
    """Margins [seed pair] over the table's pairs."""
    pairs = getattr(result, "pairs", table.pairs)
    margins = np.atleast_2d(np.asarray(getattr(result, "margins", result), np.float64))
    if margins.shape[1] != len(table) or not np.array_equal(pairs["pair_id"], table.pairs["pair_id"]):
        raise WorkbenchError("the result is on other pairs", where=f"strength of {table.split}",
                             remedy="Ask for the strength of the split that the result is on")
    return margins


def _share(right: Pair | None, mask: PairMask, families: np.ndarray) -> dict:
    if right is None:
        few = family_codes(families[mask])[1]
        return {"value": np.nan, "low": np.nan, "high": np.nan, "n": int(mask.sum()), "families": few, "words": "truth not known"}
    return _mean(right[mask], families[mask], DRAWS, 0)


def _mean(values: Pair, families: np.ndarray, draws: int, seed: int) -> dict:
    found = vars(estimate(values[None], families, draws=draws, seed=seed, trained=False))
    return {key: value for key, value in found.items() if key != "seeds"}


def _apart(values: Pair, mask: PairMask, families: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """[draw] mean of the pairs in the mask minus mean of all, families resampled once for both."""
    rng, inside = np.random.default_rng(seed), mask.astype(np.float64)
    sums, counts = family_sums(np.stack([values * inside, inside, values]), families)
    sums, counts = bundled(sums, counts, rng)
    drawn = resampling_weights(len(counts), draws, rng).astype(np.float64) @ np.vstack([sums, counts]).T
    part = np.divide(drawn[:, 0], drawn[:, 1], out=np.full(draws, np.nan), where=drawn[:, 1] > 0)
    return part - drawn[:, 2] / drawn[:, 3]
