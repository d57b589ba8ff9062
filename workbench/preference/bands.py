"""Which pairs a treatment touches: the weakest by value or by share, or a band of percentiles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..axes import Pair, PairMask
from ..errors import WorkbenchError

LOWEST = 0.1  # of the pairs, where a treatment that needs a cut is given none


class Bands(NamedTuple):
    """Masks [pair]: labels to turn round, labels to smooth, pairs to drop; no pair is in two of them."""

    flip: PairMask
    smooth: PairMask
    drop: PairMask


def bands(mean: Pair, *, flip_below: float | None = None, drop_below: float | None = None, flip_share: float | None = None,
          drop_share: float | None = None, smooth_below: float | None = None, smooth_share: float | None = None,
          among: PairMask | None = None) -> Bands:
    """Masks [pair] of the labels to turn round or to smooth, the weakest, and of the pairs to drop, those next above them.

    By value, μ̂ < flip_below and μ̂ < drop_below, or by share of the pairs from the lowest up (equals in their own order):
    flip_share of them, then drop_share; smooth_… in place of flip_…. among [pair]: the pairs in question, all for None.
    """
    smooths, flips = ((below is not None or bool(share)) for below, share in ((smooth_below, smooth_share), (flip_below, flip_share)))
    if smooths and flips:
        raise WorkbenchError("the weakest cannot be flipped and smoothed", where="preference strength", remedy="Give one of the two cuts")
    among = _all(mean, among)
    order = _order(mean, among)
    share, below = smooth_share or flip_share or 0.0, flip_below if smooth_below is None else smooth_below
    first, low, none = (np.zeros(len(mean), bool) for _ in range(3))
    first[order[: round(share * len(order))]] = True
    low[order[: round((share + (drop_share or 0.0)) * len(order))]] = True
    for mask, cut in ((first, below), (low, drop_below)):
        if cut is not None:
            mask |= among & (mean < cut)
    return Bands(*((none, first) if smooths else (first, none)), low & ~first)


def percentile_band(mean: Pair, ends: tuple[float, float], among: PairMask | None = None) -> PairMask:
    """Mask [pair] of the pairs from one share of the ranking to another, (0, 0.1) the weakest tenth; bands that meet share no pair."""
    low, high = ends
    if not 0 <= low < high <= 1:
        raise WorkbenchError(f"band {low:g} to {high:g}", remedy="Give two shares of the ranking, for example (0.2, 0.4)")
    order = _order(mean, _all(mean, among))
    found = np.zeros(len(mean), bool)
    found[order[round(low * len(order)) : round(high * len(order))]] = True
    return found


def weakest(mean: Pair, *, below: float | None = None, quantile: float | None = None, band: tuple[float, float] | None = None,
            among: PairMask | None = None) -> PairMask:
    """Mask [pair] by one of: μ̂ < below, the lowest quantile, a band of percentiles; all of `among` for none of them."""
    if sum(cut is not None for cut in (below, quantile, band)) > 1:
        raise WorkbenchError("more than one of below, quantile and band", where="preference strength", remedy="Give one cut")
    if quantile is not None and not 0 <= quantile <= 1:
        raise WorkbenchError(f"quantile {quantile}", where="preference strength", remedy="Give a share of the pairs, for example 0.1")
    if below is not None and not np.isfinite(below):
        raise WorkbenchError(f"below {below}", where="preference strength", remedy="Give a number")
    if (quantile or band) and len(mean) > 1 and np.ptp(mean) == 0:
        raise WorkbenchError("every pair has the same strength", where="preference strength", remedy="A share of equals is no choice")
    if below is None and quantile is None and band is None:
        return _all(mean, among)
    if band is not None:
        return percentile_band(mean, band, among)
    return bands(mean, flip_below=below, flip_share=quantile, among=among).flip


def _all(mean: Pair, among: PairMask | None) -> PairMask:
    return np.ones(len(mean), bool) if among is None else np.asarray(among, bool)


def _order(mean: Pair, among: PairMask) -> np.ndarray:
    """Positions of the pairs in question, weakest first, equals in their own order."""
    return np.flatnonzero(among)[np.argsort(mean[among], kind="stable")]
