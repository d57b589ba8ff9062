"""Rank correlations over resamples against repeated rows; intervals; equivalence with λ fitted again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.errors import WorkbenchError
from workbench.evaluate import correlation, inference
from workbench.objectives.debias import exact_root
from workbench.scores import Scores


def data(n=60, k=3, seed=0, ties=True, length=0.8):
    rng = np.random.default_rng(seed)
    words = rng.integers(5, 30, size=(n, 2)).astype(float)
    values = rng.normal(size=(n, 2, k)) + length * (words[:, :, None] - 17) / 7
    return Scores(np.round(values, 1) if ties else values, tuple("abcdef"[:k])), words, np.arange(n) // 2


@pytest.mark.parametrize("ties", [True, False])
def test_weighted_spearman_equals_repeated_rows(ties):
    scores, words, groups = data(ties=ties)
    values, other = scores.values.reshape(-1, 3), words.reshape(-1)
    weights = correlation.row_weights(np.repeat(groups, 2), 12, 0)
    found = correlation.weighted_spearman(values, other, weights)
    for weight, row in zip(weights.astype(int), found):
        for k in range(3):
            expected = stats.spearmanr(np.repeat(values[:, k], weight), np.repeat(other, weight)).statistic
            assert row[k] == pytest.approx(expected, abs=1e-10)


def test_blocks_change_nothing(monkeypatch):
    scores, words, groups = data()
    whole = correlation.spearman_draws(scores.values[:, 0], words[:, 0], groups, draws=25)
    monkeypatch.setattr(correlation, "CELLS", 200)
    np.testing.assert_array_equal(whole, correlation.spearman_draws(scores.values[:, 0], words[:, 0], groups, draws=25))


def test_a_column_constant_in_a_resample_is_no_number():
    values = np.zeros((4, 1))
    assert np.isnan(correlation.weighted_spearman(values, np.arange(4.0), np.ones((2, 4), int))).all()


def plain_rho(values, other, weights) -> float:
    """Mid-ranks pair by pair, then the correlation, under weights that need not be whole."""
    share = weights / weights.sum()
    ranks = [[sum(share[j] * (0.5 * (v[j] == v[i]) + (v[j] < v[i])) for j in range(len(v))) - 0.5 for i in range(len(v))]
             for v in (values, other)]
    product, first, second = (sum(share * np.multiply(a, b)) for a, b in ((ranks[0], ranks[1]), (ranks[0],) * 2, (ranks[1],) * 2))
    return product / np.sqrt(first * second) if first * second > 0 else 0.0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 14), st.sampled_from([2, 4, 1000]))
def test_influence_is_the_derivative_in_each_rows_weight(seed, n, levels):
    rng = np.random.default_rng(seed)
    values, other = rng.integers(0, levels, size=(n, 2)).astype(float), rng.integers(0, levels, size=n).astype(float)
    for column, (rho, part) in zip(values.T, correlation.influence(values, other)):
        assert rho == pytest.approx(plain_rho(column, other, np.ones(n)), abs=1e-12) and abs(part.mean()) < 1e-10
        if not (np.ptp(column) and np.ptp(other)):
            assert rho == 0 and not part.any()
            continue
        for i in range(n):
            more, less = (plain_rho(column, other, np.ones(n) + step * np.eye(n)[i]) for step in (1e-4, -1e-4))
            assert part[i] == pytest.approx(n * (more - less) / 2e-4, abs=1e-4)


def test_many_families_have_the_spread_of_all_resamples(monkeypatch):
    """Families of several rows, ties: the linear part is as wide as the exact resamples, and stands where they stand."""
    rng, families = np.random.default_rng(0), 400
    groups = np.repeat(np.arange(families), rng.integers(1, 6, families))
    own = rng.normal(size=families)[groups]
    other = np.round(own + rng.normal(size=len(groups)), 1)
    values = np.stack([np.round(own + rng.normal(size=len(groups)), 1), rng.integers(0, 3, len(groups)).astype(float), 0 * own], axis=1)
    exact = correlation.spearman_draws(values, other, groups, draws=4000)[:, :2]
    monkeypatch.setattr(inference, "BUNDLES", 150)
    linear = correlation.spearman_draws(values, other, groups, draws=4000)
    np.testing.assert_allclose(linear[:, :2].std(axis=0), exact.std(axis=0), rtol=0.08)
    np.testing.assert_allclose(linear[:, :2].mean(axis=0), exact.mean(axis=0), atol=0.004)
    assert not linear[:, 2].any()


def test_equivalence_of_many_families_is_that_of_the_exact_resamples(monkeypatch):
    train, there, train_groups = data(n=600, seed=1, k=2)
    dev, here, groups = data(n=500, seed=2, k=2, ties=False)
    options = {"reference": train, "reference_nuisance": there, "reference_groups": train_groups, "draws": 400}
    exact = correlation.equivalence_table(dev, here, groups, **options)
    monkeypatch.setattr(inference, "BUNDLES", 100)
    linear = correlation.equivalence_table(dev, here, groups, **options)
    assert (linear[["penalty", "rho"]] == exact[["penalty", "rho"]]).all(axis=None)
    np.testing.assert_allclose(linear[["low", "high"]], exact[["low", "high"]], atol=0.025)


def test_verbosity_table():
    scores, words, groups = data(n=80)
    after = Scores(np.concatenate([scores.values[..., :2], np.zeros((80, 2, 1))], axis=2), scores.names)
    table = correlation.verbosity_table(scores, after, words, groups, draws=100)
    assert list(table.columns) == ["objective", "view", "when", "rho", "low", "high", "n", "families", "words"]
    assert len(table) == 2 * 2 * 3
    row = table.query("objective == 'b' and view == 'pooled' and when == 'before'").iloc[0]
    assert row.rho == pytest.approx(stats.spearmanr(scores.values[:, :, 1].ravel(), words.ravel()).statistic)
    assert row.low < row.rho < row.high and row.n == 160 and row.families == 40
    inner = table.query("objective == 'b' and view == 'within prompts' and when == 'before'").iloc[0]
    assert inner.rho == pytest.approx(stats.spearmanr(scores.margins[:, 1], words[:, 0] - words[:, 1]).statistic)
    assert inner.n == 80
    assert table.query("objective == 'c' and when == 'after'")["rho"].isna().all()  # the null column


def test_few_families_in_the_table():
    scores, words, _ = data(n=20)
    assert correlation.correlation_table(scores, words, np.arange(20) % 5)["rho"].isna().all()
    table = correlation.correlation_table(scores, words, np.arange(20) % 10, draws=50)
    assert table["rho"].notna().all() and set(table["words"]) == {"fewer than 20 families"}


def test_interval_of_rho_covers():
    rng, hits = np.random.default_rng(1), 0
    truth = 6 / np.pi * np.arcsin(0.5 / 2)  # Spearman of a normal pair with correlation one half
    for number in range(150):
        x = rng.normal(size=(50, 2))
        y = 0.5 * x + np.sqrt(0.75) * rng.normal(size=(50, 2))
        row = correlation.correlation_table(Scores(y[:, :, None], ("a",)), x, np.arange(50), draws=150, seed=number).iloc[0]
        hits += row.low <= truth <= row.high
    assert 0.88 <= hits / 150 <= 0.99


def test_objective_correlation_is_square_and_symmetric():
    scores, _, _ = data()
    square = correlation.objective_correlation(scores)
    np.testing.assert_allclose(square, square.T)
    np.testing.assert_allclose(np.diag(square), 1)
    assert square.loc["a", "b"] == pytest.approx(stats.spearmanr(scores.values[..., 0].ravel(), scores.values[..., 1].ravel()).statistic)


def test_refitted_penalties_equal_a_loop():
    train, there, train_groups = data(n=150, seed=1, k=1)
    dev, here, groups = data(n=90, seed=2, k=1)
    values, nuisance = train.values.ravel(), there.ravel()
    fit_weights = correlation.row_weights(np.repeat(train_groups, 2), 15, 0)
    weights = correlation.row_weights(np.repeat(groups, 2), 15, 1)
    belongs = np.repeat(train_groups, 2), np.repeat(groups, 2)
    found = correlation._refitted(values, nuisance, belongs[0], dev.values.ravel(), here.ravel(), belongs[1], exact_root(values, nuisance),
                                  draws=15, seed=0)
    for draw in range(15):
        again = fit_weights[draw].astype(int)
        penalty = exact_root(np.repeat(values, again), np.repeat(nuisance, again))
        shown = weights[draw].astype(int)
        left = np.repeat(dev.values.ravel() - penalty * here.ravel(), shown)
        assert found[draw] == pytest.approx(stats.spearmanr(left, np.repeat(here.ravel(), shown)).statistic, abs=0.01)


@pytest.mark.parametrize("slope", [0.0, 0.02])
def test_a_column_of_ties_jumps_and_is_not_read_between_the_sides(slope):
    train, there, train_groups = data(n=150, seed=1, k=1, ties=False, length=0.0)
    dev, here, groups = data(n=90, seed=2, k=1, ties=False, length=0.0)
    few = [np.floor(rows.values[:, :, 0].ravel() / 2 + slope * other.ravel()) for rows, other in ((train, there), (dev, here))]
    nuisance, start = there.ravel(), exact_root(few[0], there.ravel())
    fit_weights = correlation.row_weights(np.repeat(train_groups, 2), 25, 0)
    weights = correlation.row_weights(np.repeat(groups, 2), 25, 1)
    belongs, at_zero = (np.repeat(train_groups, 2), np.repeat(groups, 2)), 0
    found = correlation._refitted(few[0], nuisance, belongs[0], few[1], here.ravel(), belongs[1], start, draws=25, seed=0)
    for draw in range(25):
        again, shown = fit_weights[draw].astype(int), weights[draw].astype(int)
        penalty = exact_root(np.repeat(few[0], again), np.repeat(nuisance, again))
        at_zero += abs(penalty) < 1e-10
        left = np.repeat(few[1] - penalty * here.ravel(), shown)
        assert found[draw] == pytest.approx(stats.spearmanr(left, np.repeat(here.ravel(), shown)).statistic, abs=0.02)
    assert at_zero


def test_equivalence_holds_where_debias_works_and_not_where_it_does_not():
    train, there, train_groups = data(n=1500, seed=3, ties=False)
    dev, here, groups = data(n=1200, seed=4, ties=False)
    options = {"reference": train, "reference_nuisance": there, "reference_groups": train_groups, "draws": 100}
    table = correlation.equivalence_table(dev, here, groups, **options)
    assert table["equivalent"].all() and (table["words"] == "|rho| < 0.10").all()
    other = Scores(dev.values + 0.1 * here[:, :, None], dev.names)  # on these pairs length pays more than on the reference
    table = correlation.equivalence_table(other, here, groups, **options)
    assert not table["equivalent"].any() and table["words"].str.startswith("not shown").all()
    small = correlation.equivalence_table(dev.rows(slice(0, 20)), here[:20], groups[:20], **options)
    assert not small["equivalent"].any() and set(small["words"]) == {"fewer than 20 families"}
    with pytest.raises(WorkbenchError, match="other objectives"):
        correlation.equivalence_table(dev.select(("a",)), here, groups, **options)
