"""Clusters of a map: planted ones are found, all and only those."""

import numpy as np
import pytest

from workbench.projection import clusters
from workbench.projection.clusters import clustered, densest


def islands(sizes, seed=0, spread=0.4):
    rng = np.random.default_rng(seed)
    middles = 10 * np.array([(i % 4, i // 4) for i in range(len(sizes))])
    group = np.repeat(np.arange(len(sizes)), sizes)
    return (middles[group] + spread * rng.normal(size=(len(group), 2))).astype(np.float32), group


@pytest.mark.parametrize("sizes", [(80, 120, 50, 60, 90, 70, 40, 55, 65, 45, 35, 75), (200, 100), (300, 30, 30)])
def test_planted_islands_are_found_largest_first(sizes):
    places, group = islands(sizes)
    labels = clustered(places)
    for g, size in enumerate(sizes):
        found, counts = np.unique(labels[(group == g) & (labels >= 0)], return_counts=True)
        if size < 300:  # a large island may be several clusters
            assert counts.max() > 0.8 * size
        assert all((group[labels == c] == g).all() for c in found), "a cluster of two islands"
    counts = np.bincount(labels[labels >= 0])
    assert (np.diff(counts) <= 0).all() and (labels < 0).mean() <= clusters.OUTSIDE
    np.testing.assert_array_equal(labels, clustered(places))


def test_past_the_most_others_take_the_cluster_around_them(monkeypatch):
    places, group = islands((300, 200, 100))
    whole = clustered(places)
    monkeypatch.setattr(clusters, "MOST", 200)
    labels = clustered(places)
    assert all(len(set(group[labels == c])) == 1 for c in range(labels.max() + 1)) and (labels < 0).mean() < 0.3
    assert set(group[labels >= 0]) == set(group[whole >= 0])


@pytest.mark.parametrize("places", [np.zeros((1, 2)), np.zeros((200, 2)), np.arange(8.0).reshape(4, 2)])
def test_too_few_or_all_in_one_spot_are_in_no_cluster(places):
    assert (clustered(places) == -1).all()


def test_a_majority_is_more_than_half():
    labels, near = np.array([0, 0, 1, -1]), np.array([[0, 1, 2], [0, 2, 3], [2, 3, 3]])
    assert clusters._majority(labels, near).tolist() == [0, -1, -1]
    assert clusters._majority(np.array([-1, -1]), np.array([[0, 1]])).tolist() == [-1]


def test_a_name_belongs_where_most_lie_not_between():
    points = np.concatenate([np.full((30, 2), 0.0), np.full((20, 2), 10.0), [[5.0, 5.0]]])
    assert densest(points, 1.0) == (0.0, 0.0) and densest(points[-1:], 0.0) == (5.0, 5.0)
