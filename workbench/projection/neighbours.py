"""Who is near whom: by features, on a map, and how much of one the other keeps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Integer

from ..axes import RowDim

Near = Integer[np.ndarray, "row k"]
Places = Float[np.ndarray, "row 2"]
BLOCK = 512  # rows at a time: never a square of all prompts


def unit(rows: RowDim) -> RowDim:
    """Rows of length 1, float32; a row of zeros stays one."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(length > 0, length, 1)).astype(np.float32)


def nearest(rows: RowDim, anchors: np.ndarray, k: int, *, tell: Callable[[float], None] | None = None) -> tuple[Near, np.ndarray]:
    """The k anchors nearest to each row by cosine, itself left out, nearest first: (positions in `anchors`, distances).

    rows [row dim] of length 1; anchors: which rows may be neighbours. Exact, in blocks.
    """
    among = rows[anchors]
    own = np.full(len(rows), -1)
    own[anchors] = np.arange(len(anchors))
    places, far = np.empty((len(rows), k), np.int32), np.empty((len(rows), k), np.float32)
    for start in range(0, len(rows), BLOCK):
        here = slice(start, start + BLOCK)
        away = 1 - rows[here] @ among.T
        inside = np.flatnonzero(own[here] >= 0)
        away[inside, own[here][inside]] = np.inf
        some = np.argpartition(away, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(away, some, axis=1)
        order = np.lexsort((some, found), axis=1)
        places[here] = np.take_along_axis(some, order, axis=1)
        far[here] = np.maximum(np.take_along_axis(found, order, axis=1), 0)
        if tell is not None:
            tell(min(start + BLOCK, len(rows)) / len(rows))
    return places, far


def nearest_on_map(places: Places, anchors: np.ndarray, k: int) -> Near:
    """The k anchors nearest to each place on the map, itself left out."""
    from scipy.spatial import cKDTree

    found = cKDTree(places[anchors]).query(places, k=k + 1)[1]
    own = np.full(len(places), -1)
    own[anchors] = np.arange(len(anchors))
    itself = found == own[:, None]
    itself[~itself.any(axis=1), -1] = True  # not an anchor, or hidden behind k others in the same spot: one too many
    return found[~itself].reshape(len(places), k)


def overlap(one: Near, other: Near) -> Float[np.ndarray, " row"]:
    """Share of each row's neighbours that two lists have in common, 0 to 1."""
    shared = np.empty(len(one))
    for start in range(0, len(one), 8 * BLOCK):
        here = slice(start, start + 8 * BLOCK)
        shared[here] = (one[here, :, None] == other[here, None, :]).any(axis=2).mean(axis=1)
    return shared


def among_neighbours(near: Near, places: Float[np.ndarray, "anchor 2"]) -> Places:
    """A place for each row among those of its nearest: the middle of the half of them that lie closest together.

    Never between two islands: a mean of all would be. near: positions in `places`.
    """
    half = max(1, near.shape[1] // 2)
    put = np.empty((len(near), 2), np.float32)
    for start in range(0, len(near), 8 * BLOCK):
        here = slice(start, start + 8 * BLOCK)
        around = places[near[here]]
        apart = np.linalg.norm(around[:, :, None] - around[:, None], axis=-1)
        order = np.argsort(apart, axis=2, kind="stable")[:, :, :half]
        best = np.take_along_axis(apart, order, axis=2).sum(axis=2).argmin(axis=1)
        chosen = order[np.arange(len(around)), best]
        put[here] = np.take_along_axis(around, chosen[:, :, None], axis=1).mean(axis=1)
    return put
