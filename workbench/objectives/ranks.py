"""Average ranks and Spearman correlation, by column."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Num

Columns = Num[np.ndarray, "row *columns"]


def _ranks_of_one(values: np.ndarray) -> np.ndarray:
    order = np.argsort(values)
    ordered = values[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    ranks = np.empty(len(values))
    if first.all():
        ranks[order] = np.arange(1, len(values) + 1)
        return ranks
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(values))
    ranks[order] = ((starts + 1 + ends) / 2)[np.cumsum(first) - 1]
    return ranks


def ranks(values: Columns) -> Float[np.ndarray, " row *columns"]:
    """Ranks 1 … n down each column, ties sharing their mean rank (as scipy.stats.rankdata does)."""
    values = np.asarray(values)
    if not len(values):
        return np.empty(values.shape)
    if values.ndim == 1:
        return _ranks_of_one(values)
    flat = values.reshape(len(values), -1)
    out = np.empty(flat.shape)
    for k in range(flat.shape[1]):
        out[:, k] = _ranks_of_one(np.ascontiguousarray(flat[:, k]))
    return out.reshape(values.shape)


def unit_ranks(values: Columns) -> Float[np.ndarray, " row *columns"]:
    """Ranks with mean 0 and length 1, so that a product of two columns is their Spearman correlation; zeros where constant."""
    centred = ranks(values) - (len(values) + 1) / 2
    length = np.sqrt((centred**2).sum(axis=0))
    return centred / np.where(length > 0, length, 1.0)


def against(values: Num[np.ndarray, " row"], ranked: Float[np.ndarray, " row *other"]):
    """The order of the rows by value, and the Spearman correlation with what has the unit ranks given, 0 where constant.

    ranked [row] gives a number, [row k] gives [k]; nothing is put back in place, which saves a third of the work of `spearman`.
    """
    order = np.argsort(values)
    ordered, place = values[order], np.arange(len(values), dtype=np.float64)
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    if len(starts) < len(values):  # ties share their mean place
        sizes = np.diff(starts, append=len(values))
        place = np.repeat(starts + (sizes - 1) / 2, sizes)
    place -= (len(values) - 1) / 2
    return order, place @ ranked[order] / (np.sqrt(place @ place) or 1.0)


def spearman(a: Num[np.ndarray, " row *a"], b: Num[np.ndarray, " row *b"]) -> Float[np.ndarray, " *a *b"] | float:
    """Spearman correlation of every column of a with every column of b, in [-1, 1]; 0 where either is constant.

    [row] with [row] gives a number, [row k] with [row] gives [k], [row k] with [row m] gives [k m].
    """
    ranked = unit_ranks(a)
    product = np.tensordot(ranked, ranked if b is a else unit_ranks(b), axes=(0, 0))
    return float(product) if product.ndim == 0 else np.clip(product, -1.0, 1.0)
