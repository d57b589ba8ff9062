"""Intervals, tests and the words that follow from them: everything is resampled or flipped by family.

Nothing here loops over resamples: a statistic is a ratio of sums over families, so a bootstrap is one product of
multinomial weights with a matrix of family sums, and a permutation test one product with a matrix of signs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from ..axes import SeedPair
from ..errors import WorkbenchError

DRAWS, FLIPS, LEVEL, ALPHA = 2000, 9999, 0.95, 0.05
FEWEST, ENOUGH, SEEDS = 6, 20, 5  # families for a number, families for a verdict, seeds for seed noise
BUNDLES = 2000  # more families than this are dealt into bundles: same expected variance, bounded work
EXACT = 12  # up to this many families that differ, all sign patterns are gone through
NO_CHANGE, HIGHER, LOWER = "no detectable change", "higher", "lower"
NO_SEED_NOISE = "seed noise not estimated"


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
    codes, names = pd.factorize(np.asarray(groups))
    if (codes < 0).any():
        raise WorkbenchError("a pair has no family", remedy="Every prompt names its family; its own id will do")
    return codes, len(names)


def family_sums(values: SeedPair, groups) -> tuple[Float[np.ndarray, " seed family"], Float[np.ndarray, " family"]]:
    """Sums of the values and numbers of pairs per family."""
    codes, families = family_codes(groups)
    if len(codes) != values.shape[1]:
        raise WorkbenchError(f"{len(codes)} families beside {values.shape[1]} pairs", remedy="One family name per pair")
    sums = np.stack([np.bincount(codes, weights=row, minlength=families) for row in values])
    return sums, np.bincount(codes, minlength=families).astype(np.float64)


def resampling_weights(units: int, draws: int, rng: np.random.Generator) -> Integer[np.ndarray, "draw unit"]:
    """How often each unit occurs in each resample of n − 1 of n units, which leaves the variance unbiased (Rao & Wu 1988)."""
    return rng.multinomial(units - 1, np.full(units, 1 / units), size=draws)


def bundled(sums: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Family sums [seed family] and counts [family], dealt at random into at most BUNDLES units."""
    families = len(counts)
    if families <= BUNDLES:
        return sums, counts
    unit = rng.permutation(families) % BUNDLES
    dealt = np.stack([np.bincount(unit, weights=row, minlength=BUNDLES) for row in sums])
    return dealt, np.bincount(unit, weights=counts, minlength=BUNDLES)


def bootstrap(values: SeedPair, groups, *, draws: int = DRAWS, seed: int = 0) -> Float[np.ndarray, " draw"]:
    """Means of the values over resampled families and, with five seeds or more, jointly resampled seeds.

    values [seed pair]: rows of paired seeds; groups [pair]: family names. Oracle: resample, concatenate, average.
    """
    rng = np.random.default_rng(seed)
    sums, counts = bundled(*family_sums(values, groups), rng)
    seeds, units = sums.shape
    if units < 2:
        return np.full(draws, np.nan)
    weights = resampling_weights(units, draws, rng).astype(np.float64)
    per_seed = (weights @ sums.T) / (weights @ counts)[:, None]
    if seeds < SEEDS:
        return per_seed.mean(axis=1)
    return (per_seed * resampling_weights(seeds, draws, rng)).sum(axis=1) / (seeds - 1)


def interval(resampled: np.ndarray, freedom: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval, its tails widened as t asks with so many degrees of freedom (Hesterberg 2015, expanded percentile)."""
    from scipy.stats import norm, t

    if freedom < 1 or np.isnan(resampled).all():
        return float("nan"), float("nan")
    tail = norm.cdf(t.ppf((1 - level) / 2, freedom))
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def estimate(values: SeedPair, groups, *, draws: int = DRAWS, seed: int = 0, level: float = LEVEL, trained: bool = True) -> Estimate:
    """Mean over seeds and pairs with its interval by families and seeds; no number under six families.

    The interval does not hold the variance of the training sample. trained=False: nothing was trained, so there
    is no seed noise to miss.
    """
    values = np.asarray(values, np.float64)
    families, n = family_codes(groups)[1], values.shape[1]
    seeds = len(values) if trained else 0
    words = [too_few(families)] if too_few(families) else []
    if trained and seeds < SEEDS:
        words.append(NO_SEED_NOISE)
    if families < FEWEST:
        return Estimate(np.nan, np.nan, np.nan, n, families, seeds, "; ".join(words))
    drawn = bootstrap(values, groups, draws=draws, seed=seed)
    low, high = interval(drawn, _freedom(values, families, float(drawn.var())), level=level)
    return Estimate(float(values.mean()), low, high, n, families, seeds, "; ".join(words))


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
    hits, left = 0, draws
    while left:
        rows = min(left, 1000)
        hits += int(_extreme(rng.integers(0, 2, (rows, len(moved)), np.int8), moved).sum())
        left -= rows
    return (1 + hits) / (1 + draws)


def _extreme(bits: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Where the flipped total is as far from zero as the seen one, rounding aside."""
    return np.abs((1.0 - 2.0 * bits) @ sums) >= abs(sums.sum()) - 1e-9 * np.abs(sums).sum()


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
