"""XᵀX and XᵀY of many overlapping sets of rows, each row multiplied as seldom as pays.

Objectives that are rated on the same rows share a *mask*. Rows that carry the same masks form a block, whose Gram
matrix is made once and added to every mask that holds it. Each row also belongs to one *part* (training or held-out
families, or a fold): a fit adds the parts it may see, which loses no digits, where a difference would.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

CHUNK = 8192  # rows gathered at a time
ADDITION = 100  # rows whose product costs about as much as adding one block to one mask


@dataclass(frozen=True, eq=False)
class Masks:
    """Which rows are rated: rated [row mask], and `of` [obj], the mask of each objective."""

    rated: np.ndarray
    of: np.ndarray

    @classmethod
    def find(cls, y: np.ndarray) -> Masks:
        """The distinct columns of ~isnan(y)."""
        rated = ~np.isnan(y)
        _, first, of = np.unique(np.packbits(rated, axis=0).T, axis=0, return_index=True, return_inverse=True)
        return cls(rated[:, first], of.reshape(-1))

    def __len__(self) -> int:
        return self.rated.shape[1]

    def objectives(self, mask: int) -> np.ndarray:
        return np.flatnonzero(self.of == mask)


@dataclass(frozen=True, eq=False)
class Grams:
    """gram [mask part dim dim] and moment [part dim obj]: XᵀX and XᵀY of each part's rated rows; count [part obj]."""

    gram: np.ndarray
    moment: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, masks: Masks, part: np.ndarray, parts: int) -> Grams:
        """x [row dim], y [row obj], part [row] in 0 … parts − 1; all products in float64."""
        dim = x.shape[1]
        gram = np.zeros((len(masks), parts, dim, dim))
        moment = np.zeros((parts, dim, y.shape[1]))
        for rows, within, p in blocks(masks.rated, part):
            columns = np.flatnonzero(np.isin(masks.of, within))
            for start in range(0, len(rows), CHUNK):
                some = rows[start : start + CHUNK]
                piece = x[some].astype(np.float64)
                product = piece.T @ piece
                for mask in within:
                    gram[mask, p] += product
                moment[p][:, columns] += piece.T @ y[np.ix_(some, columns)]
        count = np.stack([(~np.isnan(y[part == p])).sum(axis=0) for p in range(parts)])
        return cls(gram, moment, count)

    def over(self, mask: int, objectives: np.ndarray, parts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """XᵀX [dim dim] of a mask and XᵀY [dim obj] of its objectives, summed over parts."""
        moment = sum(self.moment[p][:, objectives] for p in parts)
        return (self.gram[mask, parts[0]] if len(parts) == 1 else sum(self.gram[mask, p] for p in parts)), moment


def blocks(rated: np.ndarray, part: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """(rows, masks, part) in which each row meets each of its masks exactly once.

    A pattern of masks becomes a block where sharing its product saves more than the additions cost; the rows of all
    other patterns are gathered again for each mask.
    """
    patterns, of = np.unique(np.packbits(rated, axis=1), axis=0, return_inverse=True)
    held = np.unpackbits(patterns, axis=1, count=rated.shape[1]).astype(bool)
    key = of.reshape(-1) * (int(part.max()) + 1) + part
    order = np.argsort(key, kind="stable")
    loose = [np.empty(0, np.int64)]
    for rows in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        within = np.flatnonzero(held[of.reshape(-1)[rows[0]]])
        if len(within) == 1 or len(rows) * (len(within) - 1) > ADDITION * len(within):
            yield rows, within, int(part[rows[0]])
        elif len(within):
            loose.append(rows)
    rest = np.sort(np.concatenate(loose))
    for p in np.unique(part[rest]):
        here = rest[part[rest] == p]
        for mask in range(rated.shape[1]):
            rows = here[rated[here, mask]]
            if len(rows):
                yield rows, np.array([mask]), int(p)
