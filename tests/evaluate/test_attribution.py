"""The exact decomposition, effective coefficients, and both flip certificates against slow forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from workbench.errors import WorkbenchError
from workbench.evaluate import attribution
from workbench.scores import Scores

NAMES = ("a", "b", "length", "d")


def case(n=30, k=4, seed=0, scale=3.0):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(k), size=n)
    return scale * shares, Scores(rng.normal(size=(n, 2, k)), NAMES[:k])


def test_contributions_sum_to_the_margin():
    weights, scores = case()
    rewards = np.array([[sum(weights[p, k] * scores.values[p, s, k] for k in range(4)) for s in (0, 1)] for p in range(30)])
    margins = rewards[:, 0] - rewards[:, 1]
    np.testing.assert_allclose(attribution.contributions(weights, scores).sum(axis=1), margins, atol=1e-6)
    for pair in (0, 29):
        table = attribution.decompose(weights, scores, pair)
        assert list(table.columns) == ["objective", "weight", "difference", "contribution"]
        assert table["contribution"].sum() == pytest.approx(margins[pair], abs=1e-6)
    with pytest.raises(WorkbenchError, match="weights"):
        attribution.contributions(weights[:, :3], scores)


def test_decisive_shares_sum_to_one_or_zero():
    weights, scores = case()
    values = scores.values.copy()
    values[3] = 1.0
    shares = attribution.decisive_shares(weights, Scores(values, NAMES))
    np.testing.assert_allclose(np.delete(shares.sum(axis=1), 3), 1)
    assert (shares[3] == 0).all()


def test_effective_coefficients_read_raw_scores():
    weights, raw = case()
    matrix = np.eye(4)
    matrix[2] -= [0.3, -0.2, 1.0, 0.5]
    debiased = raw.values @ matrix
    coefficients = attribution.effective_coefficients(weights, matrix)
    np.testing.assert_allclose((coefficients[:, None] * raw.values).sum(-1), (weights[:, None] * debiased).sum(-1))
    assert (coefficients[:, 2] < 0).any()  # signed: the nuisance counts against


def test_penalty_certificate_is_where_the_margin_is_zero():
    weights, raw = case(seed=2)
    rng = np.random.default_rng(3)
    nuisance, penalty, factor = Scores(rng.normal(size=(30, 2, 1)), ("n",)), rng.normal(size=4), rng.uniform(0.5, 2, 4)
    scores = Scores((raw.values - nuisance.values * penalty) * factor, NAMES)
    table = attribution.flip_certificates(weights, scores, raw, nuisance, penalty, multiplier=factor)
    for p, t in enumerate(table["penalty"]):
        shifted = (raw.values[p] - t * nuisance.values[p] * penalty) * factor
        assert weights[p] @ (shifted[0] - shifted[1]) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(table["margin"], (weights * scores.margins).sum(axis=1))
    assert table["words"].str.contains("would flip at").any() and not table["words"].str.contains("rests").any()


def test_words_are_those_of_each_pair_alone():
    weights, raw = case(seed=2)
    rng = np.random.default_rng(3)
    nuisance, penalty = Scores(rng.normal(size=(30, 2, 1)), ("n",)), rng.normal(size=4)
    table = attribution.flip_certificates(weights, Scores(raw.values - nuisance.values * penalty, NAMES), raw, nuisance, penalty)
    bare = attribution.flip_certificates(weights, raw, raw)
    for row in (*table.itertuples(), *bare.itertuples()):
        first = "none by scaling the penalties" if np.isnan(row.penalty) else f"would flip at {row.penalty:.2f} × the penalties"
        second = "none by moving the gate" if np.isnan(row.mass) else f"would flip at {100 * row.mass:.0f} % of the gate moved"
        assert row.words == f"{first}; {second}"


def test_several_nuisances_scale_together():
    weights, raw = case(seed=4)
    rng = np.random.default_rng(5)
    nuisance, penalty = Scores(rng.normal(size=(30, 2, 2)), ("n", "m")), rng.normal(size=(2, 4))
    scores = Scores(raw.values - nuisance.values @ penalty, NAMES)
    t = attribution.flip_certificates(weights, scores, raw, nuisance, penalty)["penalty"].to_numpy()
    shifted = raw.margins - t[:, None] * (nuisance.margins @ penalty)
    np.testing.assert_allclose((weights * shifted).sum(axis=1), 0, atol=1e-9)


def test_no_debias_no_penalty_certificate():
    weights, scores = case()
    table = attribution.flip_certificates(weights, scores, scores)
    assert table["penalty"].isna().all()
    assert table["words"].str.startswith("none by scaling").all()


def least_mass(shares, difference) -> float:
    """The same by linear programming: least ½ Σ|h − g| over gates h whose margin is not on the pair's side of zero."""
    k, sign = len(shares), 1.0 if shares @ difference >= 0 else -1.0
    cost = np.r_[np.zeros(k), np.full(k, 0.5)]
    eye = np.eye(k)
    rows = np.block([[eye, -eye], [-eye, -eye], [sign * difference, np.zeros(k)]])
    found = linprog(cost, A_ub=rows, b_ub=np.r_[shares, -shares, 0.0], A_eq=[np.r_[np.ones(k), np.zeros(k)]], b_eq=[1.0])
    return found.fun if found.status == 0 else np.nan


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_mass_certificate_equals_linear_programming(seed, k):
    rng = np.random.default_rng(seed)
    shares, difference = rng.dirichlet(np.ones(k), size=3), np.round(rng.normal(0.3, 1, size=(3, k)), 1)
    found = attribution.mass_certificate(shares, difference)
    for p in range(3):
        margin = shares[p] @ difference[p]
        worst = (np.sign(margin) * difference[p]).min() if margin else -1.0
        if worst < 0:
            assert found[p] == pytest.approx(least_mass(shares[p], difference[p]), abs=1e-7)
        else:
            assert np.isnan(found[p])  # every objective agrees (or is silent): no gate turns the pair


def test_mass_certificate_by_hand():
    shares, difference = np.array([[0.5, 0.3, 0.2]] * 2), np.array([[2.0, 1.0, -1.0], [1.0, 2.0, 3.0]])
    # margin 1.1; each unit from the first to the last takes 3: 1.1 / 3
    np.testing.assert_allclose(attribution.mass_certificate(shares, difference), [1.1 / 3, np.nan])
    np.testing.assert_allclose(attribution.mass_certificate(shares, -difference), [1.1 / 3, np.nan])


@pytest.mark.parametrize("seed", range(6))
def test_the_mass_that_is_moved_flips_the_pair_to_the_hair(seed):
    rng = np.random.default_rng(seed)
    shares, difference = rng.dirichlet(np.ones(5)), rng.normal(size=5)
    found = attribution.mass_moves(shares, difference)
    total = attribution.mass_certificate(shares[None], difference[None])[0]
    if found is None:
        assert np.isnan(total)
        return
    moves, to = found
    after = shares.copy()
    for at, mass in moves:
        after[at] -= mass
        after[to] += mass
    assert sum(mass for _, mass in moves) == pytest.approx(total) and (after > -1e-12).all()
    assert after @ difference == pytest.approx(0, abs=1e-12)
