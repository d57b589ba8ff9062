"""Clusters of a map, and where each one's name belongs."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer

from .neighbours import Places

MOST = 20_000  # places that are clustered themselves; the others take the cluster around them
AROUND = 15  # places on the map that decide for one outside
FEWEST = 5  # of them make a cluster, on a small map
SHARES = (10, 5, 2, 1)  # no cluster holds more than a tenth, a fifth … of the places
OUTSIDE = 0.3  # of the places may stay in no cluster, else larger clusters are allowed


def clustered(places: Places) -> Integer[np.ndarray, " row"]:
    """The cluster of each place, the largest 0; -1 for those in none.

    HDBSCAN (Campello et al. 2013) on the map, for it is the map that is read: the finest share of SHARES that leaves
    few outside; then a place outside joins the cluster that holds most of its neighbours. The same places, the same clusters.
    """
    from scipy.spatial import cKDTree

    n = len(places)
    some = np.arange(n) if n <= MOST else np.sort(np.random.default_rng(0).choice(n, MOST, replace=False))
    tree = cKDTree(places[some])
    near = tree.query(places, k=min(AROUND + 1, len(some)))[1].reshape(n, -1)
    labels = np.full(n, -1)
    labels[some] = _grown(_found(places[some]), near[some])
    rest = np.setdiff1d(np.arange(n), some)
    labels[rest] = _majority(labels[some], near[rest])
    return _by_size(labels)


def densest(points: Places, radius: float) -> tuple[float, float]:
    """The middle of the fullest neighbourhood: where a name belongs, not between islands far apart."""
    some = points[:: max(1, len(points) // 400)]
    near = ((some[:, None] - points[None]) ** 2).sum(axis=2) <= radius**2
    return tuple(np.median(points[near[near.sum(axis=1).argmax()]], axis=0).tolist())


def _found(places: np.ndarray) -> np.ndarray:
    """HDBSCAN with as small a bound on a cluster's share as leaves few outside; else the one that leaves fewest."""
    from sklearn.cluster import HDBSCAN

    n = len(places)
    fewest = max(FEWEST, round(0.8 * n**0.5))
    best = np.full(n, -1)
    if n < 2 * fewest or np.ptp(places, axis=0).max() == 0:
        return best
    for share in SHARES:
        most = max(2 * fewest, n // share) if share > 1 else None
        labels = HDBSCAN(min_cluster_size=fewest, min_samples=FEWEST, max_cluster_size=most, copy=True).fit_predict(places)
        if (labels < 0).mean() < (best < 0).mean():
            best = labels
        if (best < 0).mean() <= OUTSIDE:
            break
    return best


def _majority(labels: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The cluster of more than half of the neighbours [row k], or -1."""
    kinds = labels.max(initial=-1) + 1
    votes = np.zeros((len(near), kinds + 1), np.int32)  # the last column is for those in none
    np.add.at(votes, (np.arange(len(near))[:, None], labels[near]), 1)
    best = votes[:, :kinds].argmax(axis=1) if kinds else np.full(len(near), -1)
    return np.where(votes.max(axis=1, where=np.arange(kinds + 1) < kinds, initial=0) * 2 > near.shape[1], best, -1)


def _grown(labels: np.ndarray, near: np.ndarray, rounds: int = 5) -> np.ndarray:
    """Clusters with the places that they surround: a fringe, never a bridge."""
    for _ in range(rounds):
        joined = np.where(labels < 0, _majority(labels, near), labels)
        if (joined == labels).all():
            break
        labels = joined
    return labels


def _by_size(labels: np.ndarray) -> np.ndarray:
    counts = np.bincount(labels[labels >= 0])
    rank = np.empty(len(counts) + 1, int)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    rank[-1] = -1
    return rank[labels]
