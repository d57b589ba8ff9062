"""Intervals and tests against slow, plain forms, and against what they promise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.errors import WorkbenchError
from workbench.evaluate import inference


def families_of(sizes) -> np.ndarray:
    return np.repeat([f"f{i}" for i in range(len(sizes))], sizes)


def slow_bootstrap(values, groups, draws, seed) -> np.ndarray:
    """Draw families and seeds with replacement, put the pieces one behind the other, average."""
    names, seeds, out = list(dict.fromkeys(groups)), len(values), []
    chosen = np.random.default_rng([seed, len(names), 0]).integers(0, len(names), (draws, len(names) - 1), np.uint16)
    runs = np.random.default_rng([seed, seeds, 1]).integers(0, seeds, (draws, seeds - 1), np.uint16) if seeds >= 5 else None
    for number, drawn in enumerate(chosen):
        rows = np.concatenate([np.flatnonzero(groups == names[family]) for family in drawn])
        out.append(np.concatenate([values[s][rows] for s in (range(seeds) if runs is None else runs[number])]).mean())
    return np.array(out)


@pytest.mark.parametrize("seeds", [1, 3, 5, 6])
def test_bootstrap_equals_its_loop(seeds):
    rng = np.random.default_rng(1)
    groups = rng.permutation(families_of(rng.integers(1, 6, size=17)))
    values = rng.normal(size=(seeds, len(groups)))
    fast = inference.bootstrap(values, groups, draws=40, seed=3)
    np.testing.assert_allclose(fast, slow_bootstrap(values, groups, 40, 3), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.sampled_from([(1, 5), (6, 1, 6), (2,)]), st.sampled_from([0, 1]))
def test_several_statistics_equal_each_alone(seed, families, seeds, constant):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(families_of(rng.integers(1, 4, size=families)))  # one-pair families among them
    values = [rng.integers(-1, 2, size=(count, len(groups))).astype(float) ** (0 if constant else 1) for count in seeds]
    for each, drawn in zip(values, inference.bootstraps(values, groups, draws=20, seed=seed)):
        np.testing.assert_allclose(drawn, slow_bootstrap(each, groups, 20, seed), atol=1e-12)
    alone = [inference.estimate(each, groups, draws=20, trained=bool(i)) for i, each in enumerate(values)]
    for one, other in zip(alone, inference.estimates(values, groups, draws=20, trained=[bool(i) for i in range(len(values))])):
        assert (one.n, one.families, one.seeds, one.words) == (other.n, other.families, other.seeds, other.words)
        np.testing.assert_allclose([one.value, one.low, one.high], [other.value, other.low, other.high], atol=1e-12)


def test_without_draws_there_is_a_value_and_no_interval():
    values = np.random.default_rng(0).normal(size=(5, 60))
    found = inference.estimate(values, np.arange(60), draws=0)
    assert found.value == values.mean() and np.isnan([found.low, found.high]).all() and found.words == ""


@pytest.mark.parametrize("units, draws", [(1, 3), (2, 50), (300, 40), (70_000, 3)])
def test_resampling_weights_are_draws_counted(units, draws, monkeypatch):
    found = inference.resampling_weights(units, draws, np.random.default_rng(7))
    drawn = np.random.default_rng(7).integers(0, units, (draws, units - 1), np.uint16 if units <= 65536 else np.int64)
    assert found.shape == (draws, units) and (found.sum(axis=1) == units - 1).all()
    np.testing.assert_array_equal(found, [np.bincount(row, minlength=units) for row in drawn.astype(np.int64)])
    monkeypatch.setattr(inference, "DEALT", 4 * units)  # in blocks
    assert (inference.resampling_weights(units, draws, np.random.default_rng(7)).sum(axis=1) == units - 1).all()


def test_sums_and_bundles_keep_their_totals(monkeypatch):
    rng = np.random.default_rng(0)
    groups, values = families_of(rng.integers(1, 4, 50)), rng.normal(size=(2, 0))
    values = rng.normal(size=(2, len(groups)))
    sums, counts = inference.family_sums(values, groups)
    np.testing.assert_allclose(sums[:, 7], values[:, groups == "f7"].sum(axis=1))
    assert counts.sum() == len(groups)
    monkeypatch.setattr(inference, "BUNDLES", 11)
    dealt, dealt_counts = inference.bundled(sums, counts, rng)
    assert dealt.shape == (2, 11)
    np.testing.assert_allclose(dealt.sum(axis=1), values.sum(axis=1))
    assert dealt_counts.sum() == len(groups)


def test_bundles_leave_the_spread(monkeypatch):
    rng = np.random.default_rng(5)
    groups, values = np.arange(3000), rng.normal(size=(1, 3000))
    monkeypatch.setattr(inference, "BUNDLES", 300)
    assert inference.bootstrap(values, groups, draws=1500).std() == pytest.approx(1 / np.sqrt(3000), rel=0.15)


def coverage(families: int, runs: int, seeds: int = 1, rng=None) -> float:
    """Share of simulated studies whose interval holds the truth: families differ, pairs within them agree."""
    rng, hit = np.random.default_rng(11), 0
    for _ in range(runs):
        sizes = rng.integers(1, 9, families)
        effect = np.repeat(rng.normal(size=families), sizes)
        seed_effect = 0.3 * rng.normal(size=(seeds, 1)) if seeds > 1 else 0.0
        values = 0.4 + effect + 0.5 * rng.normal(size=(seeds, len(effect))) + seed_effect
        found = inference.estimate(values, families_of(sizes), draws=400)
        hit += found.low <= 0.4 <= found.high
    return hit / runs


def test_interval_covers_by_family():
    assert 0.91 <= coverage(30, 500) <= 0.98


def test_interval_covers_with_seed_noise():
    assert 0.92 <= coverage(40, 300, seeds=5) <= 0.99


def test_pairs_instead_of_families_would_not_cover():
    """The trap: five variants of a prompt are not five observations."""
    rng, hit = np.random.default_rng(2), 0
    for _ in range(150):
        values = np.repeat(rng.normal(size=30), 6)[None]
        found = inference.estimate(values, np.arange(180), draws=300)
        hit += found.low <= 0 <= found.high
    assert hit / 150 < 0.75


def test_words_of_an_estimate():
    values = np.random.default_rng(0).normal(size=(5, 60))
    few = inference.estimate(values[:, :5], np.arange(5))
    assert np.isnan([few.value, few.low, few.high]).all() and few.words == "fewer than 6 families" and few.families == 5
    some = inference.estimate(values, np.arange(60) % 19)
    assert some.words == "fewer than 20 families" and some.low < some.value < some.high
    assert inference.estimate(values, np.arange(60) % 20).words == ""
    assert inference.estimate(values[:4], np.arange(60)).words == "seed noise not estimated"
    assert inference.estimate(values[:1], np.arange(60), trained=False).words == ""
    assert inference.estimate(values[:1], np.arange(60), trained=False).seeds == 0


def test_interval_is_wider_with_seed_noise():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1, 200)) + np.linspace(-2, 2, 5)[:, None]
    with_seeds, without = inference.estimate(values, np.arange(200)), inference.estimate(values[2:3], np.arange(200))
    assert with_seeds.high - with_seeds.low > 3 * (without.high - without.low)


def slow_sign_flip(difference, groups) -> float:
    """All sign patterns over all families."""
    each = difference.mean(axis=0)
    sums = np.array([each[groups == name].sum() for name in dict.fromkeys(groups)])
    totals = [abs(np.dot(signs, sums)) for signs in itertools.product([1, -1], repeat=len(sums))]
    return float(np.mean(np.array(totals) >= abs(sums.sum()) - 1e-9))


def test_sign_flip_goes_through_all_patterns_when_few_families_differ():
    rng = np.random.default_rng(4)
    groups = families_of([3, 1, 2, 5, 1, 1, 2])
    for _ in range(5):
        difference = rng.integers(-1, 2, size=(3, len(groups))).astype(float)
        assert inference.sign_flip(difference, groups) == pytest.approx(slow_sign_flip(difference, groups))


def test_random_flips_agree_with_all_flips(monkeypatch):
    rng = np.random.default_rng(8)
    groups, difference = np.arange(11), rng.normal(0.4, 1, size=(1, 11))
    exact = inference.sign_flip(difference, groups)
    monkeypatch.setattr(inference, "EXACT", 0)
    assert inference.sign_flip(difference, groups) == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("families", [13, 16, 41])
def test_flips_by_the_byte_equal_signs_one_by_one(families, monkeypatch):
    rng = np.random.default_rng(families)
    sums = rng.normal(0.3, 1, size=families)
    bits = np.unpackbits(np.random.default_rng(5).integers(0, 256, (500, -(-families // 8)), np.uint8), axis=1)[:, :families]
    totals = [sum(-value if bit else value for value, bit in zip(sums, row)) for row in bits]
    slow = (1 + sum(abs(total) >= abs(sums.sum()) - 1e-9 for total in totals)) / 501
    assert inference.sign_flip(sums[None], np.arange(families), draws=500, seed=5) == slow
    monkeypatch.setattr(inference, "DEALT", 600)
    assert inference.sign_flip(sums[None], np.arange(families), draws=500, seed=5) == pytest.approx(slow, abs=0.1)  # in blocks


def test_nothing_differs_means_p_one():
    assert inference.sign_flip(np.zeros((5, 40)), np.arange(40)) == 1.0


@pytest.mark.parametrize("families", [9, 40])
def test_p_is_uniform_when_nothing_changed(families):
    """Calibration: under no change small p-values are as rare as they say."""
    rng, found = np.random.default_rng(9), []
    for number in range(400):
        sizes = rng.integers(1, 6, families)
        difference = np.repeat(rng.normal(size=families), sizes)[None] + 0.3 * rng.normal(size=(5, sizes.sum()))
        found.append(inference.sign_flip(difference, families_of(sizes), draws=499, seed=number))
    assert stats.kstest(found, "uniform").pvalue > 0.001
    assert np.mean(np.array(found) <= 0.05) < 0.085


def test_flipping_pairs_instead_of_families_is_not_calibrated():
    """The trap: pairs of one family move together, so p by pair is far too small."""
    rng, found = np.random.default_rng(3), []
    for number in range(150):
        difference = np.repeat(rng.normal(size=20), 6)[None]
        found.append(inference.sign_flip(difference, np.arange(120), draws=299, seed=number))
    assert np.mean(np.array(found) <= 0.05) > 0.15


def slow_holm(p):
    order = sorted(range(len(p)), key=lambda i: p[i])
    out, worst = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - rank) * p[i]))
        out[i] = worst
    return out


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=0, max_size=8))
def test_holm_equals_its_loop(p):
    np.testing.assert_allclose(inference.holm(np.array(p, float)), slow_holm(p))


def test_holm_leaves_out_what_was_not_tested():
    np.testing.assert_allclose(inference.holm(np.array([0.01, np.nan, 0.02])), [0.02, np.nan, 0.02])


def test_mcnemar_and_wilson_only_for_one_pair_each():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(size=50) < 0.6, rng.uniform(size=50) < 0.7
    gained, lost = (~first & second).sum(), (first & ~second).sum()
    assert inference.mcnemar(first, second, np.arange(50)) == pytest.approx(stats.binomtest(int(gained), int(gained + lost)).pvalue)
    assert inference.mcnemar(first, first, np.arange(50)) == 1.0
    p, z, n = first.mean(), stats.norm.ppf(0.975), 50
    middle, half = (p + z**2 / (2 * n)) / (1 + z**2 / n), z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    np.testing.assert_allclose(inference.wilson(first, np.arange(50)), [middle - half, middle + half])
    for call in (lambda g: inference.mcnemar(first, second, g), lambda g: inference.wilson(first, g)):
        with pytest.raises(WorkbenchError, match="one pair per family"):
            call(np.arange(50) % 49)


def test_sign_flip_is_mcnemar_where_each_family_has_one_pair():
    rng = np.random.default_rng(1)
    first = rng.uniform(size=30) < 0.5
    second = first ^ (rng.uniform(size=30) < 0.3)
    p = inference.sign_flip((second.astype(float) - first)[None], np.arange(30))
    assert p == pytest.approx(inference.mcnemar(first, second, np.arange(30)))


def test_verdicts():
    assert inference.verdict(0.01, 0.05, 0.01, 30) == "higher"
    assert inference.verdict(-0.05, -0.01, 0.01, 30) == "lower"
    assert inference.verdict(-0.01, 0.05, 0.01, 30) == "no detectable change"  # seed noise reaches over zero
    assert inference.verdict(0.01, 0.05, 0.2, 30) == "no detectable change"
    assert inference.verdict(0.01, 0.05, 0.001, 19) == "fewer than 20 families"
    assert inference.verdict(np.nan, np.nan, np.nan, 5) == "fewer than 6 families"


def test_bad_input_is_named():
    with pytest.raises(WorkbenchError, match="3 families beside 4 pairs"):
        inference.family_sums(np.zeros((1, 4)), ["a", "b", "c"])
    with pytest.raises(WorkbenchError, match="no family"):
        inference.family_codes(np.array(["a", None], object))
