import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.objectives import ridge
from workbench.objectives.ridge import best_alpha, corrected, krylov, path, solver

ALPHAS = 10.0 ** np.arange(-4, 5)


def system(rows, dim, columns=3, decay=0.0, seed=0):
    """XᵀX and XᵀY of rows of length 1 whose k-th direction is k^-decay as wide."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, dim)) * np.arange(1, dim + 1) ** -decay
    x = x @ np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    x /= np.sqrt((x**2).sum(axis=1).mean())
    y = x @ rng.normal(size=(dim, columns)) + rng.normal(size=(rows, columns))
    return x.T @ x, x.T @ y


def plain(gram, moment, alphas):
    """[alpha obj dim] one general solve at a time."""
    return np.stack([np.linalg.solve(gram + alpha * np.eye(len(gram)), moment).T for alpha in alphas])


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("rows", [30, 150, 2000])
def test_a_path_is_one_solve_for_each_alpha(monkeypatch, rows, decay):
    gram, moment = system(rows, 120, decay=decay)
    wanted = plain(gram, moment, ALPHAS)
    scale = np.abs(wanted).max(axis=(1, 2), keepdims=True)
    for large in (10**9, 1):  # factorisations alone; Krylov, corrections and factorisations
        monkeypatch.setattr(ridge, "LARGE", large)
        assert np.abs((path(gram, moment, ALPHAS) - wanted) / scale).max() < 1e-7


def test_one_krylov_space_settles_what_is_well_conditioned_and_says_what_it_does_not():
    good, moment = system(5000, 200)
    weights, settled = krylov(good, moment, ALPHAS)
    assert settled.all()
    wanted = plain(good, moment, ALPHAS)
    assert (np.abs(weights - wanted).max(axis=(1, 2)) < 1e-9 * np.abs(wanted).max(axis=(1, 2))).all()
    bad, moment = system(5000, 200, decay=1.0)
    weights, settled = krylov(bad, moment, ALPHAS)
    assert not settled[0] and settled[-1]
    wanted = plain(bad, moment, ALPHAS)
    assert (np.abs(weights - wanted).max(axis=(1, 2)) < 1e-8 * np.abs(wanted).max(axis=(1, 2)))[settled].all()
    assert np.abs(weights - wanted).max(axis=(1, 2))[0] > 1e-6 * np.abs(wanted[0]).max()


def test_fewer_factorisations_than_alphas(monkeypatch):
    made = []
    monkeypatch.setattr(ridge, "LARGE", 1)
    monkeypatch.setattr(ridge, "solver", lambda gram, alpha: made.append(alpha) or solver(gram, alpha))
    for rows, decay, most in ((4000, 0.0, 0), (240, 0.0, 3), (4000, 1.0, 5)):
        made.clear()
        gram, moment = system(rows, 120, decay=decay)
        path(gram, moment, ALPHAS)
        assert len(made) <= most


def test_corrections_reach_a_near_alpha_and_refuse_a_far_one():
    gram, moment = system(2000, 100)
    solve = solver(gram, 1e-4)
    near = corrected(solve, gram, moment, 1e-3, solve(moment))
    np.testing.assert_allclose(near, plain(gram, moment, [1e-3])[0].T, rtol=1e-9)
    assert corrected(solve, gram, moment, 1e3, solve(moment)) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 40), st.integers(1, 3), st.booleans(), st.booleans())
def test_any_gram_matrix(seed, dim, rows, columns, twice, empty):
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, size=(rows, dim)).astype(float)
    x[:, 0] = x[:, -1] if twice else 1.0
    y = np.zeros((rows, columns)) if empty else rng.normal(size=(rows, columns))
    before, ridge.LARGE = ridge.LARGE, 1
    try:
        found = path(x.T @ x, x.T @ y, ALPHAS)
    finally:
        ridge.LARGE = before
    wide = [np.vstack([x, np.sqrt(alpha) * np.eye(dim)]) for alpha in ALPHAS]
    wanted = np.stack([np.linalg.lstsq(a, np.vstack([y, np.zeros((dim, columns))]), rcond=None)[0].T for a in wide])
    np.testing.assert_allclose(found @ x.T, wanted @ x.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_a_system_without_a_cholesky_factor_is_solved_on_what_it_spans():
    x = np.random.default_rng(0).normal(size=(3, 8)) * 1e8
    gram, moment = x.T @ x, x.T @ np.ones((3, 1))
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(gram + 1e-4 * np.eye(8))
    weight = solver(gram, 1e-4)(moment)
    np.testing.assert_allclose(weight, np.linalg.pinv(x) @ np.ones((3, 1)), rtol=1e-6)  # and nothing where nothing is known


def test_the_largest_of_equal_alphas_wins_and_the_middle_where_nothing_is_known():
    error = np.array([[1.0, 2.0, np.nan], [1.0, 1.0, np.nan], [2.0, 1.5, np.nan]])
    assert best_alpha(error).tolist() == [1, 1, 1]
    assert best_alpha(error[:, 2:]).tolist() == [1]
