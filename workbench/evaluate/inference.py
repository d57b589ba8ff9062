"""Intervals, tests and the words that follow from them: everything is resampled or flipped by family.

Nothing here loops over pairs or resamples: a statistic is a ratio of sums over families, so a bootstrap is one product of
how often each family occurs with a matrix of family sums, and a permutation test adds up signed sums eight families at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from ..axes import SeedPair
from ..errors import WorkbenchError

DRAWS, FLIPS, LEVEL, ALPHA = 2000, 9999, 0.95, 0.05
FEWEST, ENOUGH, SEEDS = 6, 20, 5  # families for a number, families for a verdict, seeds for seed noise
BUNDLES = 2000  # more families than this are dealt into bundles: same expected variance, bounded work
EXACT = 12  # up to this many families that differ, all sign patterns are gone through
DEALT = 500_000  # families drawn, or bytes of signs, in one go: what the caches of a core hold
SIGNS = 1.0 - 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)  # [byte 8]: every way to flip eight families
NO_CHANGE, HIGHER, LOWER = "no detectable change", "higher", "lower"
NO_SEED_NOISE = "seed noise not estimated"

Statistic = Float[np.ndarray, "_ pair"]  # a row per seed; each statistic may have its own number of seeds


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; words says what it lacks ("" for nothing); seeds is 0 where nothing was trained."""

    value: float
    low: float
    high: float
    n: int
    families: int
    seeds: int
    words: str = ""


def too_few(families: int) -> str:
    """The words for a slice too small for a verdict, or for a number; "" when there are enough families."""
    if families < FEWEST:
        return f"fewer than {FEWEST} families"
    return f"fewer than {ENOUGH} families" if families < ENOUGH else ""


def family_codes(groups) -> tuple[np.ndarray, int]:
    """Families as integers 0 … F−1 in order of appearance [pair], and how many there are."""
    codes, names = pd.factorize(groups if isinstance(groups, pd.Series) else np.asarray(groups))
    if (codes < 0).any():
        raise WorkbenchError("a pair has no family", remedy="Every prompt names its family; its own id will do")
    return codes, len(names)


def family_sums(values: SeedPair, groups) -> tuple[Float[np.ndarray, " seed family"], Float[np.ndarray, " family"]]:
    """Sums of the values and numbers of pairs per family."""
    codes, families = family_codes(groups)
    if len(codes) != values.shape[1]:
        raise WorkbenchError(f"{len(codes)} families beside {values.shape[1]} pairs", remedy="One family name per pair")
    return _summed(values, codes, families), np.bincount(codes, minlength=families).astype(np.float64)


def _summed(values: np.ndarray, codes: np.ndarray, units: int) -> np.ndarray:
    return np.stack([np.bincount(codes, weights=row, minlength=units) for row in values])


def resampling_weights(units: int, draws: int, rng: np.random.Generator) -> Integer[np.ndarray, "draw unit"]:
    """How often each unit occurs in each resample of n − 1 of n units, which leaves the variance unbiased (Rao & Wu 1988).

    Drawn one by one and counted, some resamples at a time: a tenth of the work of multinomial numbers.
    """
    out = np.empty((draws, units), np.min_scalar_type(units))
    block = max(1, DEALT // max(units, 1))
    for at in range(0, draws, block):
        rows = min(block, draws - at)
        chosen = rng.integers(0, units, (rows, units - 1), np.uint16 if units <= 1 << 16 else np.int64).astype(np.int64)
        chosen += units * np.arange(rows)[:, None]
        out[at : at + rows] = np.bincount(chosen.reshape(-1), minlength=rows * units).reshape(rows, units)
    return out


@lru_cache(maxsize=8)
def seeded_weights(units: int, draws: int, seed: int, of: str = "families") -> Integer[np.ndarray, "draw unit"]:
    """The same of a seed, kept: slices, metrics and the next look at them share their resamples. At most 64 MB of 2 000 units."""
    weights = resampling_weights(units, draws, np.random.default_rng([seed, units, of != "families"]))
    weights.flags.writeable = False
    return weights


def bundled(sums: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Family sums [seed family] and counts [family], dealt at random into at most BUNDLES units."""
    families = len(counts)
    if families <= BUNDLES:
        return sums, counts
    unit = rng.permutation(families) % BUNDLES
    return _summed(sums, unit, BUNDLES), np.bincount(unit, weights=counts, minlength=BUNDLES)


def bootstrap(values: SeedPair, groups, *, draws: int = DRAWS, seed: int = 0) -> Float[np.ndarray, " draw"]:
    """Means of the values over resampled families and, with five seeds or more, jointly resampled seeds.

    values [seed pair]: rows of paired seeds; groups [pair]: family names. Oracle: resample, concatenate, average.
    """
    return bootstraps([values], groups, draws=draws, seed=seed)[0]


def bootstraps(values: Sequence[Statistic], groups, *, draws: int = DRAWS, seed: int = 0) -> Float[np.ndarray, "statistic draw"]:
    """`bootstrap` of several statistics of the same pairs, each [seed pair], in one product: they share their resamples."""
    sums, counts = bundled(*family_sums(np.concatenate(values), groups), np.random.default_rng(seed))
    units, out = len(counts), np.full((len(values), draws), np.nan)
    if units < 2 or not draws:
        return out
    drawn = seeded_weights(units, draws, seed).astype(np.float64) @ np.vstack([sums, counts]).T
    per_seed, end = drawn[:, :-1] / drawn[:, -1:], 0
    for row, each in zip(out, values):
        seeds, begin = len(each), end
        end += seeds
        weight = seeded_weights(seeds, draws, seed, "seeds") if seeds >= SEEDS else np.ones((1, seeds))
        row[:] = (per_seed[:, begin:end] * weight).sum(axis=1) / weight[0].sum()
    return out


def interval(resampled: np.ndarray, freedom: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval, its tails widened as t asks with so many degrees of freedom (Hesterberg 2015, expanded percentile)."""
    from scipy.special import ndtr, stdtrit

    missing = np.isnan(resampled)
    if freedom < 1 or missing.all():
        return float("nan"), float("nan")
    tail = ndtr(stdtrit(freedom, (1 - level) / 2))
    low, high = np.quantile(resampled[~missing], [tail, 1 - tail])
    return float(low), float(high)


def estimate(values: SeedPair, groups, *, draws: int = DRAWS, seed: int = 0, level: float = LEVEL, trained: bool = True) -> Estimate:
    """Mean over seeds and pairs with its interval by families and seeds; no number under six families.

    The interval does not hold the variance of the training sample. trained=False: nothing was trained, so there
    is no seed noise to miss. draws=0: no interval.
    """
    return estimates([values], groups, draws=draws, seed=seed, level=level, trained=[trained])[0]


def estimates(values: Sequence[Statistic], groups, *, draws: int = DRAWS, seed: int = 0, level: float = LEVEL,
              trained: Sequence[bool] | None = None) -> list[Estimate]:
    """`estimate` of several statistics of the same pairs, each [seed pair], which share their resamples."""
    values = [np.asarray(each, np.float64) for each in values]
    groups, families = family_codes(groups)
    number = families >= FEWEST
    drawn = bootstraps(values, groups, draws=draws, seed=seed) if number and draws else np.full((len(values), 1), np.nan)
    found = []
    for each, resampled, learnt in zip(values, drawn, [True] * len(values) if trained is None else trained, strict=True):
        seeds, words = len(each) if learnt else 0, [too_few(families)] if too_few(families) else []
        words += [NO_SEED_NOISE] if learnt and seeds < SEEDS else []
        value = float(each.mean()) if number else np.nan
        ends = (np.nan, np.nan)
        if number and draws:
            ends = interval(resampled, _freedom(each, families, float(resampled.var())), level=level)
        found.append(Estimate(value, *ends, each.shape[1], families, seeds, "; ".join(words)))
    return found


def _freedom(values: np.ndarray, families: int, variance: float) -> float:
    """Degrees of freedom of a mean whose variance comes from families and, with enough seeds, from seeds (Satterthwaite)."""
    seeds = len(values)
    if seeds < SEEDS or variance == 0:
        return families - 1.0
    by_seed = min(values.mean(axis=1).var(ddof=1) / seeds, variance)
    return variance**2 / ((variance - by_seed) ** 2 / (families - 1) + by_seed**2 / (seeds - 1))


def sign_flip(difference: SeedPair, groups, *, draws: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p of a paired difference: the sign of each family's sum is flipped at random, all ways if few differ.

    difference [seed pair], averaged over seeds first. Exactly 1 where nothing differs.
    """
    rng = np.random.default_rng(seed)
    sums, counts = family_sums(np.asarray(difference, np.float64).mean(axis=0, keepdims=True), groups)
    moved = sums[0][np.abs(sums[0]) > 1e-12]
    if not len(moved):
        return 1.0
    if len(moved) <= EXACT:
        patterns = (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1
        return float(_extreme(patterns, moved).mean())
    moved = bundled(moved[None], np.ones(len(moved)), rng)[0][0]
    eights = -(-len(moved) // 8)
    table = np.resize(moved, 8 * eights)
    table[len(moved):] = 0.0
    table, place = (table.reshape(eights, 8) @ SIGNS.T).reshape(-1), 256 * np.arange(eights)  # the sum of each eight, by byte
    hits, block = 0, max(1, DEALT // eights)
    for at in range(0, draws, block):
        flipped = rng.integers(0, 256, (min(block, draws - at), eights), np.uint8)
        hits += int(_as_far(table[flipped + place].sum(axis=1), moved).sum())
    return (1 + hits) / (1 + draws)


def _extreme(bits: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Where the total of the sums, flipped where a bit is set, is as far from zero as the seen one."""
    return _as_far((1.0 - 2.0 * bits) @ sums, sums)


def _as_far(totals: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Rounding aside."""
    return np.abs(totals) >= abs(sums.sum()) - 1e-9 * np.abs(sums).sum()


def holm(p: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Holm's step-down p-values; NaN entries are no tests and stay NaN."""
    p = np.asarray(p, np.float64)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return adjusted


def _one_pair_each(groups, name: str) -> None:
    codes, families = family_codes(groups)
    if families < len(codes):
        raise WorkbenchError(
            f"{name} needs one pair per family: {len(codes)} pairs in {families} families",
            remedy="Use the sign-flip test and the family bootstrap",
        )


def mcnemar(first, second, groups) -> float:
    """Exact two-sided McNemar p of two sets of right and wrong [pair]; only where each family has one pair."""
    from scipy.stats import binomtest

    _one_pair_each(groups, "McNemar's test")
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    gained, lost = int((~first & second).sum()), int((first & ~second).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def wilson(hits, groups, *, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval of a share of right pairs [pair]; only where each family has one pair."""
    from scipy.stats import binomtest

    _one_pair_each(groups, "Wilson's interval")
    hits = np.asarray(hits, bool)
    bounds = binomtest(int(hits.sum()), len(hits)).proportion_ci(level, method="wilson")
    return float(bounds.low), float(bounds.high)


def verdict(low: float, high: float, p: float, families: int) -> str:
    """The words for a paired difference: both the test and the interval, which holds seed noise, must say so."""
    if too_few(families):
        return too_few(families)
    if p < ALPHA and low > 0:
        return HIGHER
    return LOWER if p < ALPHA and high < 0 else NO_CHANGE
