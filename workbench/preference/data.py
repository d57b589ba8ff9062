"""What training reads: which pairs are held out or resampled (by family, from a seed), and on what scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import WorkbenchError

ROWS = 8192  # rows looked at together
PIECE = 2**24  # bytes looked at together
LOUD = 4.0  # times the common deviation: a few dims of some backbones move ten times as much as the rest


def family_codes(groups, n: int) -> np.ndarray:
    """Families as 0 … F−1, one per pair or row; None makes each its own family."""
    if groups is None:
        return np.arange(n)
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise WorkbenchError(f"groups have shape {groups.shape}, wanted ({n},)", remedy="Give the prompt family of each row")
    return np.unique(groups, return_inverse=True)[1].reshape(-1)


def hold_out(groups, n: int, fraction: float, seed: int) -> np.ndarray:
    """Mask [pair] of whole families drawn at random: about `fraction` of them, one at least; none where there is one family."""
    if not 0 <= fraction < 1:
        raise WorkbenchError(f"held-out fraction {fraction}", remedy="Give a share from 0 up to 1, for example 0.2")
    families = family_codes(groups, n)
    count = int(families.max()) + 1 if n else 0
    if count < 2 or fraction == 0:
        return np.zeros(n, bool)
    wanted = min(max(1, round(fraction * count)), count - 1)
    chosen = np.random.default_rng([seed, 1]).permutation(count)[:wanted]
    return np.isin(families, chosen)


def fold_of(groups, n: int, folds: int, seed: int) -> np.ndarray:
    """Fold of each pair [pair], 0 … folds−1; a family lies in one fold, folds have equal numbers of families."""
    families = family_codes(groups, n)
    count = int(families.max()) + 1 if n else 0
    if not 2 <= folds <= count:
        raise WorkbenchError(f"{folds} folds of {count} families", remedy="Take at least two folds and at most one per family")
    return dealt(families, folds, seed)


def dealt(families: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Families dealt out to folds at random, equal numbers to each; there may be more folds than families."""
    count = int(families.max()) + 1 if len(families) else 0
    return (np.random.default_rng([seed, 2]).permutation(count) % folds)[families]


def bootstrap(families: np.ndarray, within: np.ndarray, seed: list[int]) -> np.ndarray:
    """How often each pair is drawn [pair] when the families of the pairs in `within` are resampled with replacement."""
    pool = np.flatnonzero(np.bincount(families[within]))
    drawn = np.random.default_rng(seed).choice(pool, size=len(pool))
    counts = np.bincount(drawn, minlength=int(families.max()) + 1)
    return np.where(within, counts[families], 0)


def derived(seed: int, number: int) -> int:
    """A seed for the number-th member of something seeded."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def pieces(x) -> Iterator[slice]:
    """Slices that cover the first axis, some 16 MB of float32 each: by shape alone, so that sums come out the same every time."""
    size = max(PIECE // (4 * int(np.prod(x.shape[1:], dtype=np.int64))), 1)
    for start in range(0, len(x), size):
        yield slice(start, min(start + size, len(x)))


def moments(x: Any, *, each: bool = True, times: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale [dim] over all leading axes of an array, or of a stream's rows, in one pass; float64.

    each: the scale is every dim's own deviation (a dim that hardly moves is not blown up). Otherwise one deviation for
    all, so that quiet dims stay quiet, save that a dim which moves more than LOUD times as much is held to that.
    times: how often an item of the first axis counts, all once for None.
    """
    times, wide = np.ones(len(x), np.int64) if times is None else np.asarray(times), np.promote_types(x.dtype, np.float32)
    near, total, squares = (np.zeros(x.shape[-1]) for _ in range(3))
    count = 0
    for some in pieces(x):
        there = times[some] > 0
        if not there.any():
            continue
        block = np.asarray(x[some] if there.all() else x[some][there], wide)
        often = np.repeat(times[some][there], int(np.prod(block.shape[1:-1])))[:, None].astype(wide)
        block = block.reshape(-1, block.shape[-1])
        if count == 0:
            near = block.mean(axis=0, dtype=np.float64).astype(wide)  # squares about a point near the mean lose no digits
        moved = block - near
        weighed = moved if (often == 1).all() else moved * often
        count += int(often.sum(dtype=np.int64))
        total += weighed.sum(axis=0, dtype=np.float64)
        moved *= weighed
        squares += moved.sum(axis=0, dtype=np.float64)
    away = total / max(count, 1)
    centre, spread = near + away, np.sqrt(np.maximum(squares / max(count, 1) - away**2, 0))
    common = np.sqrt((spread**2).mean())
    if common == 0:
        return centre, np.ones_like(spread)
    return centre, np.maximum(spread, 0.1 * common) if each else np.maximum(spread / LOUD, common)


def standardised(x: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """(x − centre) / spread as float32."""
    moved = x.astype(np.float32) - centre.astype(np.float32)
    moved /= spread.astype(np.float32)
    return moved
