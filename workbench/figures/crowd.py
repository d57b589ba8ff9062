"""Many marks: where they lie close, few of them stand for the others, so that a page holds them and single ones stay."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Integer

MOST, GRID = 5000, (40, 25)  # marks of a figure, and cells across and up

Marks = Float[np.ndarray, " mark"]
Kinds = Integer[np.ndarray, " mark"]
Kept = Integer[np.ndarray, " kept"]


def thinned(x: Marks, y: Marks, kinds: Kinds, most: int = MOST) -> tuple[Kept, Kept]:
    """Which marks are kept, rising, and how many each stands for: of its own cell and kind, so that sums by kind stay exact.

    Up to `most` marks stay as they are. Above, each cell of a grid keeps as many marks as any other may, every kind its share of
    them and one at least; more than `most` are kept only where there are more cells and kinds than that.
    """
    if len(x) <= most:
        return np.arange(len(x)), np.ones(len(x), int)
    cell = _bins(x, GRID[0]) * GRID[1] + _bins(y, GRID[1])
    group, sizes = np.unique(cell * (int(kinds.max()) + 1) + kinds, return_inverse=True, return_counts=True)[1:]
    whole = np.zeros(len(sizes), int)
    whole[group] = np.bincount(cell)[cell]  # how many marks lie in the cell of each group
    low, high = 1, most
    while low < high:  # the largest number per cell that keeps no more than `most`
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _shares(sizes, whole, middle).sum() <= most else (low, middle - 1)
    keep = _shares(sizes, whole, low)
    order = np.argsort(group, kind="stable")
    rank = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[group[order]]
    share = rank * keep[group[order]] // sizes[group[order]]  # those with one number go to the first of them
    first = np.flatnonzero(np.concatenate([[True], (np.diff(share) != 0) | (np.diff(group[order]) != 0)]))
    kept, many = order[first], np.diff(np.append(first, len(order)))
    rising = np.argsort(kept)
    return kept[rising], many[rising]


def _shares(sizes: np.ndarray, whole: np.ndarray, most: int) -> np.ndarray:
    """How many each group keeps where its cell keeps `most`."""
    return np.where(whole <= most, sizes, -(-sizes * most // whole))


def _bins(values: np.ndarray, cells: int) -> np.ndarray:
    span = np.ptp(values) or 1.0
    return np.minimum((cells * (values - values.min()) / span).astype(int), cells - 1)
