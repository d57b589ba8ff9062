"""Fast neighbour searches against loops over all pairs."""

import numpy as np
import pytest

from workbench.projection import neighbours
from workbench.projection.neighbours import among_neighbours, nearest, nearest_on_map, overlap, unit


def slowly(away: np.ndarray, anchors: np.ndarray, k: int) -> np.ndarray:
    """Positions in `anchors` of the k nearest by a whole table of distances, itself left out."""
    out = []
    for i, row in enumerate(away):
        out.append([j for _, j in sorted((row[a], j) for j, a in enumerate(anchors) if a != i)][:k])
    return np.array(out)


@pytest.mark.parametrize(("n", "some", "k"), [(60, 60, 15), (60, 20, 7), (9, 9, 4), (2, 2, 1)])
def test_nearest_by_features(n, some, k, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    rng = np.random.default_rng(n)
    rows, anchors = unit(rng.normal(size=(n, 6))), np.sort(rng.choice(n, some, replace=False))
    away = np.array([[1 - float(a.astype(float) @ b.astype(float)) for b in rows] for a in rows])
    seen = []
    near, far = nearest(rows, anchors, k, tell=seen.append)
    np.testing.assert_array_equal(near, slowly(away, anchors, k))
    np.testing.assert_allclose(far, np.take_along_axis(away[:, anchors], near, axis=1), atol=1e-6)
    assert seen[-1] == 1 and seen == sorted(seen)


@pytest.mark.parametrize("some", [60, 20])
def test_nearest_on_the_map(some):
    rng = np.random.default_rng(some)
    places, anchors = rng.normal(size=(60, 2)), np.sort(rng.choice(60, some, replace=False))
    away = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.testing.assert_array_equal(nearest_on_map(places, anchors, 9), slowly(away, anchors, 9))


def test_many_in_one_spot_have_neighbours_other_than_themselves():
    places = np.repeat([[0.0, 0.0], [5.0, 5.0]], 10, axis=0)
    near = nearest_on_map(places, np.arange(20), 4)
    assert (near != np.arange(20)[:, None]).all() and (near // 10 == np.arange(20)[:, None] // 10).all()


def test_overlap_counts_what_two_lists_share():
    one, other = np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), np.array([[4, 3, 9, 10], [1, 2, 3, 4]])
    assert overlap(one, other).tolist() == [len({1, 2, 3, 4} & {4, 3, 9, 10}) / 4, 0]


def test_a_zero_row_stays_zero():
    assert unit(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_a_prompt_is_laid_beside_its_like_and_never_between_islands():
    places = np.array([[0, 0], [0, 1], [1, 0], [100, 100], [101, 100]], np.float32)
    put = among_neighbours(np.array([[0, 3, 1, 4], [3, 4, 0, 1]]), places)
    islands = [[0, 0.5], [100.5, 100]]
    assert all(point in islands for point in put.tolist())
