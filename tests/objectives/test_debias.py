import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from scipy.stats import rankdata, spearmanr

from workbench.errors import WorkbenchError
from workbench.objectives.debias import GRID, Debiased, exact_root, first_on_grid
from workbench.objectives.ranks import ranks, spearman
from workbench.scores import Scores

RELEASED_GRID = [0, .01, .025, .05, .075, .1, .125, .15, .2, .25, .3, .35, .4, .45, .5, .55, .6, .65, .7, .75, .8, .85, .9, .95]


def biased(pairs=400, seed=0, bias=(0.5, -0.4, 0.0, 1.5)):
    """Objectives with a known share of verbosity each, and verbosity last."""
    rng = np.random.default_rng(seed)
    verbosity = rng.normal(size=(pairs, 2))
    own = rng.normal(size=(pairs, 2, len(bias)))
    values = own + np.array(bias) * verbosity[..., None]
    return Scores(np.concatenate([values, verbosity[..., None]], axis=-1), (*"abcd"[: len(bias)], "verbosity"))


def rho(a, b):
    """Spearman as scipy has it, 0 where it is undefined."""
    return 0.0 if np.ptp(a) == 0 or np.ptp(b) == 0 else float(spearmanr(a, b).statistic)


def sign_changes(values, nuisance):
    """Every λ where the order of values − λ nuisance changes, and the correlation between each two of them: the whole step function."""
    dv, dn = np.subtract.outer(values, values), np.subtract.outer(nuisance, nuisance)
    crossings = np.unique(dv[dn > 0] / dn[dn > 0])
    crossings = crossings[np.diff(crossings, prepend=-np.inf) > 1e-9]  # one crossing, whatever the rounding
    between = np.concatenate([[crossings[0] - 1], (crossings[1:] + crossings[:-1]) / 2, [crossings[-1] + 1]])
    return crossings, np.array([rho(values - step * nuisance, nuisance) for step in between])


# -- ranks ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 3), st.sampled_from([2, 5, 1000]))
def test_ranks_and_spearman_are_scipys(seed, rows, columns, levels):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, levels, size=(rows, columns)).astype(float) for _ in range(2))
    np.testing.assert_array_equal(ranks(a), rankdata(a, axis=0))
    np.testing.assert_array_equal(ranks(a[:, 0]), rankdata(a[:, 0]))
    wanted = np.array([[rho(x, y) for y in b.T] for x in a.T])
    np.testing.assert_allclose(spearman(a, b), wanted, atol=1e-12)
    np.testing.assert_allclose(spearman(a, b[:, 0]), wanted[:, 0], atol=1e-12)
    assert spearman(a[:, 0], b[:, 0]) == pytest.approx(wanted[0, 0], abs=1e-12)


def test_ranks_of_more_axes_and_of_whole_numbers():
    values = np.random.default_rng(0).integers(0, 9, size=(30, 2, 3))
    np.testing.assert_array_equal(ranks(values), rankdata(values, axis=0))
    assert spearman(np.arange(5), -np.arange(5)) == -1.0
    assert ranks(np.empty((0, 2))).shape == (0, 2)


# -- the exact root ------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 14), st.booleans(), st.sampled_from([-2.0, 0.0, 0.3, 40.0]), st.sampled_from([0.0, 0.7]))
def test_root_is_where_the_step_function_changes_sign(seed, rows, whole, share, start):
    rng = np.random.default_rng(seed)
    nuisance, own = rng.normal(size=rows) * 10, rng.normal(size=rows)
    if whole:
        nuisance, own = nuisance.round(), (own * 4).round()
    values = own + share * nuisance
    if np.ptp(nuisance) == 0:
        return
    root = exact_root(values, nuisance, start=start)
    crossings, levels = sign_changes(values, nuisance)
    assert (np.diff(levels) <= 1e-12).all(), "it never rises"
    assert levels[0] > 0 > levels[-1]
    tolerance = 1e-9 * (1 + np.abs(crossings).max())
    low = crossings[np.flatnonzero(levels > 1e-12)[-1]]  # the last step down from a positive correlation
    high = crossings[np.flatnonzero(levels < -1e-12)[0] - 1]  # the first step to a negative one
    assert low - tolerance <= root <= high + tolerance


def test_root_recovers_the_planted_share_and_leaves_nothing():
    scores = biased(4000)
    debias = Debiased.fit(scores)
    np.testing.assert_allclose(debias.penalty, [0.5, -0.4, 0.0, 1.5, 1.0], atol=0.05)
    table = debias(scores).values.reshape(-1, 5)
    verbosity = scores.column("verbosity").ravel()
    for k in range(4):
        left = rho(table[:, k], verbosity)
        assert abs(left) < 1e-6 and debias.residual[k] == pytest.approx(left, abs=1e-12)
        assert debias.before[k] == pytest.approx(rho(scores.values[..., k].ravel(), verbosity))
    assert (table[:, 4] == 0).all() and debias.residual[4] == 0
    np.testing.assert_allclose(debias(scores).values, scores.values @ debias.matrix, atol=1e-12)


@pytest.mark.parametrize("shape", [lambda v, r: np.exp(4 * v), lambda v, r: 3 * v, lambda v, r: np.full_like(v, 2.0),
                                   lambda v, r: (v > 0) * 1.0, lambda v, r: r.standard_cauchy(v.shape) - 1e6 * v])
def test_odd_objectives_have_a_root(shape):
    rng = np.random.default_rng(0)
    verbosity = rng.normal(size=(200, 2))
    odd = shape(verbosity, rng)
    debias = Debiased.fit(Scores(np.stack([odd, verbosity], -1), ("odd", "verbosity")))
    assert abs(debias.residual[0]) < 1e-3 and np.isfinite(debias.penalty).all()


# -- traps of the release ------------------------------------------------------------------------


def test_grid_is_the_released_rule():
    np.testing.assert_allclose(GRID, RELEASED_GRID)
    scores = biased(600, bias=(0.5, -0.4, 0.05, 1.5))
    debias = Debiased.fit(scores, method="grid")
    table, verbosity = scores.values.reshape(-1, 5), scores.column("verbosity").ravel()
    for k in range(4):
        wanted = 1.0
        for step in RELEASED_GRID:
            if rho(table[:, k] - step * verbosity, verbosity) <= 0.03:
                wanted = step
                break
        assert debias.penalty[k] == pytest.approx(wanted)
        assert first_on_grid(table[:, k], verbosity) == pytest.approx(wanted)
    assert debias.penalty[4] == 1 and (debias(scores).column("verbosity") == 0).all()
    assert debias.penalty[3] == 1.0, "no point of the grid suffices: the release takes 1"


def test_the_one_sided_test_leaves_negative_correlations_and_the_exact_root_none():
    scores = biased(1000)
    grid, exact = Debiased.fit(scores, method="grid"), Debiased.fit(scores)
    assert grid.penalty[1] == 0 and grid.residual[1] < -0.3
    assert grid.residual[3] > 0.3, "and a strong bias stays beyond the grid"
    assert 1e-4 < abs(grid.residual[0]) <= 0.06, "a grid point is not the root"
    assert np.abs(exact.residual).max() < 1e-5
    assert exact.penalty[1] < -0.3


# -- choices -------------------------------------------------------------------------------------


def test_nonnegative_never_rewards_length():
    debias = Debiased.fit(biased(), nonnegative=True)
    assert (debias.penalty >= 0).all() and debias.penalty[1] == 0
    assert debias.residual[1] == debias.before[1] < -0.2
    np.testing.assert_array_equal(debias.penalty[[0, 3]], Debiased.fit(biased()).penalty[[0, 3]])


def test_penalty_comes_from_the_reference_and_applies_elsewhere():
    train, dev = biased(800), biased(100, seed=1, bias=(2.0, 2.0, 2.0, 2.0))
    debias = Debiased.fit(dev, reference=train)
    np.testing.assert_array_equal(debias.penalty, Debiased.fit(train).penalty)
    assert np.abs(debias.penalty - Debiased.fit(dev).penalty).max() > 0.4
    turned = train.select(reversed(train.names))
    np.testing.assert_array_equal(debias.penalty, Debiased.fit(dev, reference=turned).penalty)
    np.testing.assert_allclose(debias(turned).select(train.names).values, debias(train).values, atol=1e-12)


def test_a_measured_column_is_a_nuisance_once_joined(planted_study):
    study = planted_study.study
    rng = np.random.default_rng(0)
    words = study.column_scores(["n_words"], "train")
    length = words.column("n_words")
    own = Scores((0.02 * length + rng.normal(size=length.shape))[..., None], ("helpfulness",))
    joined = own.join(words)
    debias = Debiased.fit(joined, against="n_words")
    assert debias.before[0] > 0.2 and abs(debias.residual[0]) < 1e-3
    assert abs(rho(debias(joined).column("helpfulness").ravel(), length.ravel())) < 1e-3
    assert (debias(joined).column("n_words") == 0).all()


@pytest.mark.parametrize("tails", ["normal", "counts", "heavy"])
def test_several_nuisances_leave_no_correlation_with_any(tails):
    rng = np.random.default_rng(0)
    length = rng.normal(size=(1000, 2))
    lists = 0.6 * length + rng.normal(size=length.shape)
    if tails == "heavy":
        length = length + rng.standard_cauchy(length.shape)
    if tails == "counts":
        length, lists = np.exp(4 + length).round(), np.maximum(lists, 0).round()
    own = rng.standard_cauchy((1000, 2, 3)) if tails == "heavy" else rng.normal(size=(1000, 2, 3))
    values = own + length[..., None] * [0.5, -0.4, 0] + lists[..., None] * [0.3, 0.6, -1]
    scores = Scores(np.concatenate([values, length[..., None], lists[..., None]], -1), ("a", "b", "c", "length", "lists"))
    debias = Debiased.fit(scores, against=("length", "lists"))
    assert debias.penalty.shape == (2, 5)
    after = debias(scores)
    for name in "abc":
        left = [rho(after.column(name).ravel(), scores.column(other).ravel()) for other in ("length", "lists")]
        assert np.abs(left).max() < 0.01
        assert debias.residual["abc".index(name)] == pytest.approx(max(left, key=abs), abs=1e-5)
    assert (after.column("length") == 0).all() and (after.column("lists") == 0).all()
    np.testing.assert_allclose(after.values, scores.values @ debias.matrix, atol=1e-9 * np.abs(values).max())
    one = Debiased.fit(scores, against="length")
    assert abs(rho(one(scores).column("c").ravel(), scores.column("lists").ravel())) > 0.1
    if tails == "normal":
        np.testing.assert_allclose(debias.penalty[:, :3], [[0.5, -0.4, 0], [0.3, 0.6, -1]], atol=0.06)


def test_several_nuisances_may_be_collinear_and_nonnegative():
    rng = np.random.default_rng(1)
    length = rng.normal(size=(500, 2))
    noise = rng.normal(size=(500, 2, 2))
    values = noise + length[..., None] * [1.0, -1.0]
    scores = Scores(np.concatenate([values, length[..., None], 2 * length[..., None]], -1), ("a", "b", "length", "twice"))
    both = Debiased.fit(scores, against=["length", "twice"])
    assert np.abs(both.residual).max() < 0.01
    kept = Debiased.fit(scores, against=("length", "twice"), nonnegative=True)
    assert (kept.penalty >= 0).all() and abs(kept.residual[0]) < 0.01 and kept.residual[1] < -0.5


def test_nonnegative_holds_where_one_of_several_would_be_rewarded():
    rng = np.random.default_rng(2)
    length = rng.normal(size=(1000, 2))
    lists = length + 0.5 * rng.normal(size=length.shape)
    own = length - 0.5 * lists + 0.3 * rng.normal(size=length.shape)
    scores = Scores(np.stack([own, length, lists], -1), ("own", "length", "lists"))
    assert Debiased.fit(scores, against=("length", "lists")).penalty[1, 0] < -0.4
    kept = Debiased.fit(scores, against=("length", "lists"), nonnegative=True)
    assert kept.penalty[1, 0] == 0 and kept.penalty[0, 0] == pytest.approx(Debiased.fit(scores, against="length").penalty[0], abs=0.01)


@pytest.mark.parametrize("unit", [1e-4, 1e4])
def test_units_do_not_matter(unit):
    scores = biased(800, bias=(0.5, -0.4, 1.5))
    scaled = scores.scaled(np.array([1.0, 1 / unit, 1.0, unit]))
    for against in (("verbosity",), ("a", "verbosity")):
        plain, other = (Debiased.fit(s, against=against) for s in (scores, scaled))
        wanted = np.atleast_2d(plain.penalty)[-1, 1:3] * [unit**2, unit]
        np.testing.assert_allclose(np.atleast_2d(other.penalty)[-1, 1:3], wanted, rtol=1e-3)


def test_says_so_where_several_cannot_be_removed():
    scores = Scores(np.random.default_rng(0).normal(size=(3, 2, 4)), ("a", "b", "length", "lists"))
    with pytest.warns(UserWarning, match="is left in"):
        debias = Debiased.fit(scores, against=("length", "lists"))
    assert np.abs(debias.residual).max() >= 0.01


def test_survives_saving():
    for against in ("verbosity", ("d", "verbosity")):
        debias = Debiased.fit(biased(), against=against)
        again = Debiased.from_state(load(save(debias.state())))
        assert (again.names, again.against, again.method) == (debias.names, debias.against, "exact")
        np.testing.assert_array_equal(again(biased()).values, debias(biased()).values)
        np.testing.assert_array_equal(again.residual, debias.residual)


@pytest.mark.parametrize("options, words", [
    ({"against": "flat"}, "nuisance 'flat' is constant"),
    ({"against": "length"}, "unknown objective 'length'"),
    ({"against": ("a", "a")}, "nuisances a, a"),
    ({"against": ()}, "nuisances none"),
    ({"against": ("a", "verbosity"), "method": "grid"}, "'grid' for 2"),
    ({"method": "guess"}, "method 'guess'"),
])
def test_bad_input_is_named(options, words):
    scores = biased()
    scores = scores.join(Scores(np.full((len(scores), 2, 1), 0.1), ("flat",)))
    with pytest.raises(WorkbenchError, match=words):
        Debiased.fit(scores, **options)


def test_other_objectives_and_no_pairs_are_refused():
    debias = Debiased.fit(biased())
    with pytest.raises(WorkbenchError, match="other objectives: d"):
        debias(biased().select(("a", "b", "c", "verbosity")))
    with pytest.raises(WorkbenchError, match="no pairs"):
        Debiased.fit(biased().rows(slice(0, 0)))
