"""Which families are held out: prompts that are variants of one another never stand on both sides."""

from __future__ import annotations

import numpy as np

from ..errors import WorkbenchError
from ..preference.data import family_codes


def shuffled(family: np.ndarray, rated: np.ndarray, seed: int) -> np.ndarray:
    """The families with any label in random order, those with labels of the same objectives beside each other.

    family [row], rated [row obj]; every n-th of them is then a share of each source of labels.
    """
    count = int(family.max(initial=-1)) + 1
    sources = np.zeros((count, rated.shape[1]), bool)
    np.logical_or.at(sources, family, rated)
    _, source = np.unique(np.packbits(sources, axis=1), axis=0, return_inverse=True)
    chance = np.random.default_rng(seed).permutation(count)
    order = np.lexsort((chance, source.reshape(-1)))
    return order[sources[order].any(axis=1)]


def held_out_families(family: np.ndarray, rated: np.ndarray, share: float, seed: int) -> np.ndarray:
    """[row] True where the row's family is one of the share that is held out (at least one, never all)."""
    order = shuffled(family, rated, seed)
    if len(order) < 2:
        raise WorkbenchError("labels of fewer than two families: none can be held out", remedy="Give more prompts, or other `groups`")
    wanted = min(max(round(share * len(order)), 1), len(order) - 1)
    picked = order[((np.arange(wanted) + 0.5) * len(order) / wanted).astype(int)]
    return np.isin(family, picked)


def family_folds(groups, rated: np.ndarray, *, folds: int = 5, seed: int = 0) -> np.ndarray:
    """[row] fold of each row, 0 … folds − 1, the same for all rows of a family; also for families without a label."""
    family = family_codes(groups, len(rated))
    order = shuffled(family, rated, seed)
    if len(order) < folds or folds < 3:
        raise WorkbenchError(
            f"{folds} folds of {len(order)} families with labels", remedy="Use three folds or more, and no more than there are families",
        )
    fold = np.arange(int(family.max()) + 1) % folds
    fold[order] = np.arange(len(order)) % folds
    return fold[family]
