import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from sklearn.linear_model import Ridge

from workbench.errors import WorkbenchError
from workbench.features import Features
from workbench.objectives import grams
from workbench.objectives.families import family_folds, held_out_families
from workbench.objectives.probes import ALPHAS, LinearProbes, cross_fit
from workbench.preference.data import family_codes

quiet = pytest.mark.filterwarnings("ignore:the best alpha", "ignore:too few families")


def ridge(x, y, alpha):
    """One ridge regression without intercept, as a least-squares problem with more rows."""
    wide = np.vstack([x.astype(np.float64), np.sqrt(alpha) * np.eye(x.shape[1])])
    return np.linalg.lstsq(wide, np.concatenate([y, np.zeros(x.shape[1])]), rcond=None)[0]


def plain_errors(x, column, train, held, alphas=ALPHAS):
    """Held-out mean squared error of each α, one fit at a time; NaN where nothing can be fitted or checked."""
    train, held = train & ~np.isnan(column), held & ~np.isnan(column)
    if not train.any() or not held.any():
        return np.full(len(alphas), np.nan)
    fits = [ridge(x[train], column[train], alpha) for alpha in alphas]
    return np.array([np.mean((x[held] @ w - column[held]) ** 2) for w in fits])


def problem(rows=400, dim=12, objectives=4, seed=0, dtype=np.float64, noise=0.3, missing=0.3, per_family=4):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, dim)).astype(dtype)
    y = x @ rng.normal(size=(dim, objectives)) / np.sqrt(dim) + noise * rng.normal(size=(rows, objectives))
    y[rng.uniform(size=y.shape) < missing] = np.nan
    return x, y.astype(np.float64), tuple("abcdefgh"[:objectives]), np.arange(rows) // per_family


def sources(rows=600, dim=10, seed=0):
    """Labels as in the paper: sources of rows that rate some objectives, one objective in two sources."""
    x, y, names, groups = problem(rows, dim, 5, seed, missing=0.0)
    third = rows // 3
    y[:third, 2:] = np.nan
    y[third : 2 * third, [0, 1, 3, 4]] = np.nan
    y[2 * third :, :2] = np.nan
    return x, y, names, groups


# -- the same numbers as one fit at a time -------------------------------------------------------


@quiet
@pytest.mark.parametrize("addition", [0, 100, 10**9])
@pytest.mark.parametrize("make", [problem, sources])
def test_agrees_with_sklearn_however_rows_are_blocked(monkeypatch, addition, make):
    monkeypatch.setattr(grams, "ADDITION", addition)
    x, y, names, groups = make()
    probes = LinearProbes.fit(x, y, names=names, groups=groups, alphas=ALPHAS)
    apart = held_out_families(groups, ~np.isnan(y), 0.2, 0)
    for k, column in enumerate(y.T):
        rated = ~np.isnan(column)
        errors = []
        for alpha in ALPHAS:
            model = Ridge(alpha=alpha, fit_intercept=False).fit(x[rated & ~apart], column[rated & ~apart])
            errors.append(np.mean((model.predict(x[rated & apart]) - column[rated & apart]) ** 2))
        np.testing.assert_allclose(probes.error[:, k], errors, rtol=1e-9)
        assert probes.alpha[k] == ALPHAS[int(np.argmin(errors))]
        assert probes.r2[k] == pytest.approx(1 - min(errors) / column[rated & apart].var(), abs=1e-9)
        whole = Ridge(alpha=probes.alpha[k], fit_intercept=False).fit(x[rated], column[rated])
        np.testing.assert_allclose(probes.weight[k], whole.coef_, rtol=1e-8, atol=1e-12)
        assert probes.count[k] == rated.sum()


@quiet
def test_paper_choice_keeps_the_training_weights():
    x, y, names, groups = problem()
    probes = LinearProbes.fit(x, y, names=names, groups=groups, refit=False)
    train = ~held_out_families(groups, ~np.isnan(y), 0.2, 0)
    refitted = LinearProbes.fit(x, y, names=names, groups=groups)
    for k, column in enumerate(y.T):
        rated = ~np.isnan(column) & train
        np.testing.assert_allclose(probes.weight[k], ridge(x[rated], column[rated], probes.alpha[k]), rtol=1e-7)
        assert probes.count[k] == rated.sum() < refitted.count[k]
    assert np.abs(probes.weight - refitted.weight).max() > 1e-3
    np.testing.assert_array_equal(probes.error, refitted.error)


@quiet
@pytest.mark.parametrize("rows, dim", [(40, 90), (300, 20)])
def test_float32_features_lose_nothing_at_small_alpha(rows, dim):
    x, y, names, groups = problem(rows, dim, 3, dtype=np.float32)
    x[:, 1] = x[:, 0]  # collinear: a float32 Gram matrix has no digits left for α = 1e-4
    probes = LinearProbes.fit(x, y, names=names, groups=groups, alphas=[1e-4])
    for k, column in enumerate(y.T):
        rated = ~np.isnan(column)
        np.testing.assert_allclose(probes.weight[k], ridge(x[rated], column[rated], 1e-4), rtol=1e-4, atol=1e-6)


@st.composite
def tables(draw):
    rows, dim, objectives = draw(st.integers(4, 40)), draw(st.integers(1, 12)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.integers(-3, 4, size=(rows, dim)).astype(draw(st.sampled_from([np.float32, np.float64])))
    if draw(st.booleans()):
        x[:, 0] = draw(st.sampled_from([0.0, 1.0]))  # a constant column
    if draw(st.booleans()):
        x[rows // 2 :] = x[: rows - rows // 2]  # duplicate rows
    y = rng.normal(size=(rows, objectives))
    y[rng.uniform(size=y.shape) < draw(st.sampled_from([0.0, 0.3, 0.8]))] = np.nan
    if objectives > 1 and draw(st.booleans()):
        y[np.isnan(y[:, 0]), 1] = np.nan  # nested masks
    groups = rng.integers(0, draw(st.integers(2, 50)), size=rows)
    return x, y, groups


@quiet
@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from([0, 100, 10**9]), st.integers(0, 3))
def test_any_table_gives_what_plain_fits_give_or_one_clear_error(table, addition, seed):
    x, y, groups = table
    names = [f"o{k}" for k in range(y.shape[1])]
    rated = ~np.isnan(y)
    before, grams.ADDITION = grams.ADDITION, addition
    try:
        if len(np.unique(groups[rated.any(axis=1)])) < 2:
            with pytest.raises(WorkbenchError, match="has a label|two families"):
                LinearProbes.fit(x, y, names=names, groups=groups, seed=seed)
            return
        probes = LinearProbes.fit(x, y, names=names, groups=groups, seed=seed, alphas=ALPHAS)
    finally:
        grams.ADDITION = before
    labelled = [k for k in range(y.shape[1]) if rated[:, k].any()]
    assert probes.names == tuple(names[k] for k in labelled)
    assert probes.skipped == tuple(names[k] for k in range(y.shape[1]) if k not in labelled)
    apart = held_out_families(family_codes(groups, len(x)), rated[:, labelled], 0.2, seed)
    for at, k in enumerate(labelled):
        errors = plain_errors(x, y[:, k], ~apart, apart)
        np.testing.assert_allclose(probes.error[:, at], errors, rtol=1e-4, atol=1e-9)
        if np.isnan(errors).any():
            assert names[k] in probes.unchecked and probes.alpha[at] == 1.0
        else:
            assert errors[ALPHAS.index(probes.alpha[at])] <= errors.min() * (1 + 1e-4) + 1e-9
        weight = ridge(x[rated[:, k]], y[rated[:, k], k], probes.alpha[at])
        np.testing.assert_allclose(x @ probes.weight[at], x @ weight, rtol=1e-4, atol=1e-5)


# -- traps of the released code ------------------------------------------------------------------


def family_effects(families=80, per_family=5, dim=120, seed=0):
    """Responses to one prompt share most of their feature and of their label: nothing carries over to a new prompt."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(families), per_family)
    x = rng.normal(size=(families, dim))[groups] + 0.05 * rng.normal(size=(len(groups), dim))
    return x, rng.normal(size=families)[groups, None] + 0.1 * rng.normal(size=(len(groups), 1)), groups


@quiet
def test_a_split_by_row_leaks_the_other_responses_to_a_prompt():
    x, y, groups = family_effects()
    by_family = LinearProbes.fit(x, y, names=["a"], groups=groups)
    by_row = LinearProbes.fit(x, y, names=["a"])  # the release: every row on its own
    assert by_row.r2[0] > 0.4, "the leak that the release takes for skill"
    assert by_family.r2[0] < 0.1
    new_x, new_y, _ = family_effects(seed=1)
    reached = [1 - np.mean((p.predict(new_x) - new_y) ** 2) / new_y.var() for p in (by_family, by_row)]
    assert reached[0] > reached[1] + 0.1, "α chosen on leaked rows is too small for new prompts"


def test_no_family_stands_on_both_sides():
    rng = np.random.default_rng(0)
    family = rng.integers(0, 50, 400)
    rated = rng.uniform(size=(400, 3)) < 0.5
    apart = held_out_families(family, rated, 0.2, 0)
    assert len(set(family[apart]) & set(family[~apart])) == 0
    assert len(set(family[apart])) == 10
    fold = family_folds(family, rated, folds=5, seed=1)
    assert all(len(set(fold[family == f])) == 1 for f in range(50))
    assert sorted(len(set(family[fold == k])) for k in range(5)) == [10] * 5


def test_every_source_of_labels_is_held_out_in_its_share():
    family = np.repeat(np.arange(200), 2)
    rated = np.zeros((400, 2), bool)
    rated[:40, 0] = True  # a small source: 20 families
    rated[40:, 1] = True
    for seed in range(5):
        apart = held_out_families(family, rated, 0.2, seed)
        assert len(set(family[apart & rated[:, 0]])) == 4
        assert len(set(family[apart & rated[:, 1]])) == 36
    assert (held_out_families(family, rated, 0.2, 0) != held_out_families(family, rated, 0.2, 1)).any()


@quiet
def test_an_objective_without_labels_is_left_out_and_named():
    x, y, names, groups = problem()
    empty = y.copy()
    empty[:, 1] = np.nan
    with pytest.raises(ValueError):  # what the release does
        Ridge(fit_intercept=False).fit(x[~np.isnan(empty[:, 1])], empty[~np.isnan(empty[:, 1]), 1])
    probes = LinearProbes.fit(x, empty, names=names, groups=groups)
    assert probes.skipped == ("b",) and probes.names == ("a", "c", "d")
    assert probes.weight.shape == (3, 12) and probes.predict(x).shape == (400, 3)
    fitted = cross_fit(x, empty, names=names, groups=groups)
    assert fitted.skipped == ("b",) and fitted.predictions.shape == (400, 3)
    with pytest.raises(WorkbenchError, match="no objective has a label"):
        LinearProbes.fit(x, np.full_like(y, np.nan), names=names, groups=groups)


# -- what it says of itself ----------------------------------------------------------------------


def test_warns_at_the_edge_of_the_grid_and_only_there():
    x, y, names, groups = problem(noise=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inside = LinearProbes.fit(x, y[:, :1], names=["a"], groups=groups, alphas=[1e-6, *ALPHAS[2:], 1e6])
    assert inside.at_edge == ()
    with pytest.warns(UserWarning, match="edge of the grid for a"):
        outside = LinearProbes.fit(x, y[:, :1], names=["a"], groups=groups, alphas=[1e3, 1e4, 1e5])
    assert outside.alpha[0] == 1e3 and outside.at_edge == ("a",)


def test_an_objective_that_no_feature_tells_of_is_not_at_the_edge():
    """The error falls to that of weights of 0 and stays there: no wider grid would help."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(400, 12)), rng.normal(size=(400, 1))
    apart = held_out_families(np.arange(400), np.ones((400, 1), bool), 0.2, 0)
    y[apart] -= x[apart] @ np.linalg.lstsq(x[~apart], y[~apart], rcond=None)[0]  # held out it goes the other way
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        blind = LinearProbes.fit(x, y, names=["a"])
    assert blind.alpha[0] == blind.alphas[-1] and blind.r2[0] <= 0 and blind.at_edge == ()
    assert abs(blind.error[-1, 0] / blind.error[-2, 0] - 1) < 1e-2 < abs(blind.error[-1, 0] / blind.error[0, 0] - 1)


@pytest.mark.parametrize("length", [1.0, 4096.0, 1e-6])
def test_the_grid_follows_the_scale_of_the_features(length):
    x, y, names, groups = problem(dim=20, noise=0.5)
    unit = x / np.sqrt((x**2).sum(axis=1).mean())
    there = LinearProbes.fit(unit * np.sqrt(length), y, names=names, groups=groups)
    assert there.alphas[4] == 10.0 ** round(np.log10(length)) and len(there.alphas) == 9 and there.at_edge == ()
    tens = LinearProbes.fit(unit * np.sqrt(length) * 10, y, names=names, groups=groups)
    np.testing.assert_allclose(tens.alphas, 100 * there.alphas, rtol=1e-12)
    np.testing.assert_allclose(tens.error, there.error, rtol=1e-9)
    np.testing.assert_allclose(10 * tens.weight, there.weight, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:the best alpha")
def test_alpha_is_unchecked_where_no_held_out_family_rates_the_objective():
    x, y, names, groups = problem(missing=0.0)
    y[groups != 7, 2] = np.nan
    with pytest.warns(UserWarning, match="too few families rate c"):
        probes = LinearProbes.fit(x, y, names=names, groups=groups)
    assert probes.unchecked == ("c",) and probes.alpha[2] == probes.alphas[4] == 10.0 and np.isnan(probes.r2[2])
    rows = groups == 7
    np.testing.assert_allclose(probes.weight[2], ridge(x[rows], y[rows, 2], 10.0), rtol=1e-8)


@quiet
def test_scores_both_sides_and_survives_saving():
    x, y, names, groups = problem(dtype=np.float32)
    y[:, 3] = np.nan
    probes = LinearProbes.fit(x, y, names=names, groups=groups)
    response = x[:200].reshape(100, 2, -1)
    scores = probes(Features(response[:, 0], response))
    assert scores.names == ("a", "b", "c")
    np.testing.assert_allclose(scores.values[:, 1], response[:, 1].astype(float) @ probes.weight.T)
    again = LinearProbes.from_state(load(save(probes.state())))
    assert again.names == probes.names and again.skipped == ("d",)
    assert again.precision == probes.precision == ("float64",) * 3
    for name in ("weight", "alpha", "alphas", "r2", "error", "count"):
        np.testing.assert_array_equal(getattr(again, name), getattr(probes, name))
    with pytest.raises(WorkbenchError, match="single responses"):
        probes(Features(x, x))
    with pytest.raises(WorkbenchError, match="features of 5 dims for probes of 12"):
        probes.predict(x[:, :5])


@pytest.mark.parametrize("change, words", [
    (lambda x, y, g: (x, y, ["a", "b"], g), "do not agree"),
    (lambda x, y, g: (x[:-1], y, list("abcd"), g), "do not agree|parameter 'y'"),
    (lambda x, y, g: (x, y, list("abca"), g), "named twice: a"),
    (lambda x, y, g: (np.where(np.arange(400)[:, None] == 9, np.nan, x), y, list("abcd"), g), "feature in rows 9"),
    (lambda x, y, g: (x, np.where(y > 1, np.inf, y), list("abcd"), g), "infinite label"),
    (lambda x, y, g: (x, y, list("abcd"), g[:-1]), "groups have shape"),
    (lambda x, y, g: (x, y, list("abcd"), np.zeros(400)), "fewer than two families"),
])
def test_bad_input_is_one_clear_error(change, words):
    from jaxtyping import TypeCheckError

    x, y, _, groups = problem()
    x, y, names, groups = change(x, y, groups)
    with pytest.raises((WorkbenchError, TypeCheckError), match=words):
        LinearProbes.fit(x, y, names=names, groups=groups)


@pytest.mark.parametrize("options", [{"alphas": [0.0, 1.0]}, {"alphas": []}, {"held_out": 1.0}])
def test_bad_options_are_named(options):
    x, y, names, groups = problem()
    with pytest.raises(WorkbenchError, match="alphas|held_out"):
        LinearProbes.fit(x, y, names=names, groups=groups, **options)


# -- out-of-family predictions -------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("folds", [3, 5])
def test_cross_fit_is_a_plain_loop_over_folds(folds):
    x, y, names, groups = problem(missing=0.4)
    predictions, models = fitted = cross_fit(x, y, names=names, groups=groups, folds=folds, alphas=ALPHAS)
    fold = family_folds(groups, ~np.isnan(y), folds=folds)
    np.testing.assert_array_equal(fitted.fold, fold)
    for k in range(folds):
        after = (k + 1) % folds
        for at, column in enumerate(y.T):
            errors = plain_errors(x, column, (fold != k) & (fold != after), fold == after)
            alpha = ALPHAS[int(np.argmin(errors))]
            assert models[k].alpha[at] == alpha
            rows = (fold != k) & ~np.isnan(column)
            wanted = x[fold == k] @ ridge(x[rows], column[rows], alpha)
            np.testing.assert_allclose(predictions[fold == k, at], wanted, rtol=1e-7, atol=1e-10)
    for at, column in enumerate(y.T):
        alpha = ALPHAS[int(np.argmin(plain_errors(x, column, fold != 0, fold == 0)))]
        rows = ~np.isnan(column)
        assert fitted.whole.alpha[at] == alpha and fitted.whole.count[at] == rows.sum()
        np.testing.assert_allclose(fitted.whole.weight[at], ridge(x[rows], column[rows], alpha), rtol=1e-7, atol=1e-10)


@quiet
def test_cross_fit_never_sees_the_labels_of_the_family_it_predicts():
    x, y, names, groups = problem()
    mine = groups == 11
    changed = y.copy()
    changed[mine] += 50.0
    before, after = (cross_fit(x, labels, names=names, groups=groups).predictions for labels in (y, changed))
    np.testing.assert_array_equal(before[mine], after[mine])
    assert np.abs(before[~mine] - after[~mine]).max() > 0.1
    inside = [LinearProbes.fit(x, labels, names=names, groups=groups).predict(x[mine]) for labels in (y, changed)]
    assert np.abs(inside[0] - inside[1]).max() > 0.1, "a fit on all rows would have leaked them"


@quiet
def test_cross_fit_predicts_unrated_rows_and_names_what_it_cannot_fit():
    x, y, names, groups = problem(missing=0.0)
    y[300:] = np.nan
    y[4:, 3] = np.nan  # one family rates d
    fitted = cross_fit(x, y, names=names, groups=groups)
    assert fitted.skipped == ("d",) and fitted.names == ("a", "b", "c")
    assert np.isfinite(fitted.predictions).all()
    truth = problem(missing=0.0)[1][300:, :3]
    assert np.corrcoef(fitted.predictions[300:].ravel(), truth.ravel())[0, 1] > 0.8
    with pytest.raises(WorkbenchError, match="5 folds of 1 families"):
        cross_fit(x[:8], y[:8], names=names, groups=np.zeros(8))
    with pytest.raises(WorkbenchError, match="three folds or more"):
        cross_fit(x, y, names=names, groups=groups, folds=2)
