"""From features to places: duplicates, few prompts, samples, and UMAP in its process."""

import importlib.util
import threading
import time

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.projection import layout
from workbench.projection.layout import laid_out


def silent(fraction, words):
    pass


def lay(rows, **changes):
    return laid_out(np.asarray(rows, np.float32), **{"seed": 0, "seeds": 2, "neighbours": 10, "min_dist": 0.1, "tell": silent} | changes)


def random(n, dim=8, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def test_kept_and_agreement_are_what_a_loop_counts(stand_in):
    rows = random(50)
    made, k = lay(rows, seeds=3), 15
    length = rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def around(away, i):
        return set(sorted((j for j in range(50) if j != i), key=lambda j: away[i, j])[:k])

    features = 1 - length @ length.T
    maps = [np.linalg.norm(each[:, None] - each[None], axis=-1) for each in made.layouts]
    kept = [len(around(features, i) & around(maps[0], i)) / k for i in range(50)]
    np.testing.assert_allclose(made.kept(), kept)
    pairs = [(0, 1), (0, 2), (1, 2)]
    shared = [np.mean([len(around(maps[a], i) & around(maps[b], i)) / k for i in range(50)]) for a, b in pairs]
    assert made.agreement() == pytest.approx(np.mean(shared)) and 0.3 < made.agreement() < 1


def test_one_seed_has_no_agreement(stand_in):
    assert lay(random(30), seeds=1).agreement() is None


def test_equal_prompts_lie_in_one_place_and_count_once(stand_in):
    rows = random(40)
    made = lay(np.concatenate([rows, rows[:5], rows[:5]]))
    np.testing.assert_array_equal(made.places[:5], made.places[40:45])
    np.testing.assert_array_equal(made.places[:40], lay(rows).places)
    np.testing.assert_array_equal(made.kept()[:5], made.kept()[45:])
    assert made.about["distinct"] == 40


@pytest.mark.parametrize("n", [1, 2, 3, 15])
def test_few_prompts_need_no_umap(n, monkeypatch):
    monkeypatch.setattr(layout, "_umap", None)
    made = lay(random(n))
    assert made.places.shape == (n, 2) and np.isfinite(made.places).all() and "principal components" in made.about["method"]
    assert ((made.kept() >= 0) & (made.kept() <= 1)).all() and made.agreement() is None


def test_identical_features_are_one_point():
    made = lay(np.ones((200, 4)))
    assert (made.places == 0).all() and (made.kept() == 1).all()


def test_principal_components_of_few_points():
    rows = np.array([[3, 0, 0.1], [2, 1, 0], [1, 3, 0.2], [0, 1, 0]])
    length = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.cov(length.T))
    expected = (length - length.mean(axis=0)) @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(lay(rows).places), np.abs(expected), atol=1e-5)


def test_past_the_most_a_sample_is_laid_out_and_the_rest_among_their_like(stand_in):
    rng = np.random.default_rng(0)
    group = rng.integers(3, size=300)
    rows = 4 * np.eye(6)[group] + 0.3 * rng.normal(size=(300, 6))
    made = lay(rows, most=90)
    assert made.about["laid_out"] == len(made.anchors) == 90 and "210 lie" in made.about["others"]
    middles = np.array([made.places[made.anchors][group[made.anchors] == g].mean(axis=0) for g in range(3)])
    nearest = np.linalg.norm(made.places[:, None] - middles[None], axis=-1).argmin(axis=1)
    assert (nearest == group).all()
    np.testing.assert_array_equal(made.places, lay(rows, most=90).places)


def test_progress_names_its_phases_and_never_goes_back(stand_in):
    stand_in(wait=0.25)
    seen = []
    lay(random(30), tell=lambda *told: seen.append(told))
    parts = [part for part, _ in seen]
    assert parts == sorted(parts) and 0 <= parts[0] and parts[-1] <= 1
    assert {"finding neighbours", layout.COMPILING, "laying out, map 1 of 2", "laying out, map 2 of 2"} == {words for _, words in seen}


def test_a_cancel_ends_the_process_at_once(stand_in):
    stand_in(wait=4)
    begun, before = time.monotonic(), threading.active_count()

    def tell(fraction, words):
        if words.startswith("laying out"):
            raise WorkbenchError("cancelled")

    with pytest.raises(WorkbenchError, match="cancelled"):
        lay(random(30), tell=tell)
    assert time.monotonic() - begun < 4 and threading.active_count() == before


def test_a_failure_of_umap_is_told(stand_in):
    stand_in(fail=True)
    with pytest.raises(WorkbenchError, match="UMAP failed: ValueError: no layout today"):
        lay(random(30))


def test_without_umap_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WorkbenchError, match="pip install umap-learn"):
        lay(random(30))


@pytest.mark.skipif(importlib.util.find_spec("umap") is None, reason="umap-learn is not installed")
def test_umap_puts_groups_together_and_one_seed_gives_one_map():
    rng = np.random.default_rng(0)
    group = rng.integers(3, size=90)
    rows = 4 * np.eye(6)[group] + 0.3 * rng.normal(size=(90, 6))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    near, far = layout.nearest(rows, np.arange(90), 14)
    first, other, again = layout._umap(rows, near, far, seeds=[3, 4, 3], neighbours=15, min_dist=0.1, tell=silent)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    away = np.linalg.norm(first[:, None] - first[None], axis=-1) + 1e9 * np.eye(90)
    assert (group[away.argmin(axis=1)] == group).mean() > 0.95


def test_a_program_that_prints_something_else_is_read_to_its_end(tmp_path, monkeypatch):
    talks = tmp_path / "talks.py"
    talks.write_text("print('a warning of some library'); print('0 5 10'); print('x' * 300_000)")
    monkeypatch.setattr(layout, "WORKER", talks)
    told = []

    def tell(part, words):
        told.append(part)
        assert len(told) < 50, "it waits for ever"

    layout._work(tmp_path, 1, tell)
    assert told
