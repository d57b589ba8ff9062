"""The pass over the rows, against one product per mask and part over all of them at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.objectives import grams, precision
from workbench.objectives.grams import Grams, Masks, Triangle, whole
from workbench.objectives.host import Host
from workbench.objectives.precision import doubles, scaled, unsteady
from workbench.objectives.probes import ALPHAS, LinearProbes, cross_fit


class Stream:
    """Rows that are read by the slice, and remembers what was asked of it."""

    ndim = 2

    def __init__(self, x):
        self.x, self.shape, self.dtype, self.asked = x, x.shape, x.dtype, []

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        self.asked.append(index)
        return self.x[index].copy()


class Cut(Host):
    """Chunks that end where they are told."""

    def __init__(self, cuts):
        self.cuts = sorted({0, *cuts})

    def chunks(self, x, memory=None):
        for start, stop in zip(self.cuts, [*self.cuts[1:], len(x)]):
            yield start, x[start:stop]


def plain(x, y, masks, part, parts):
    """gram [mask part dim dim] and moment [part dim obj], longdouble."""
    x = x.astype(np.longdouble)
    filled = np.where(np.isnan(y), 0, y).astype(np.longdouble)
    gram = np.array([[x[masks.rated[:, m] & (part == p)].T @ x[masks.rated[:, m] & (part == p)] for p in range(parts)]
                     for m in range(len(masks))])
    return gram, np.array([x[part == p].T @ filled[part == p] for p in range(parts)])


@st.composite
def tables(draw):
    rows, dim, objectives, parts = (draw(st.integers(1, most)) for most in (60, 9, 5, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(rows, dim))
    if draw(st.booleans()):
        x[:, 0] = draw(st.sampled_from([0.0, 1.0]))
    if draw(st.booleans()):
        x[rows // 2 :] = x[: rows - rows // 2]
    y = rng.normal(size=(rows, objectives))
    y[rng.uniform(size=y.shape) < draw(st.sampled_from([0.0, 0.3, 0.9]))] = np.nan
    part = rng.integers(0, parts, rows)
    cuts = draw(st.lists(st.integers(0, rows - 1), max_size=8))
    return x, y, part, parts, cuts


@settings(max_examples=80, deadline=None)
@given(tables(), st.sampled_from([0, 3, 10**9]), st.sampled_from([1, 2, 7, 2048]), st.sampled_from([1, 4, 512]), st.booleans())
def test_any_table_however_it_is_cut(table, addition, rows, tile, double):
    x, y, part, parts, cuts = table
    x = x.astype(np.float64 if double else np.float32)
    masks = Masks.find(y)
    before = grams.ADDITION, grams.ROWS, grams.TILE
    grams.ADDITION, grams.ROWS, grams.TILE = addition, rows, tile
    try:
        made, cut = (Grams.of(x, y, masks, part, parts, double=np.full(len(masks), double), engine=engine) for engine in (None, Cut(cuts)))
        wanted, moment = plain(x, y, masks, part, parts)
        close = dict(rtol=1e-12, atol=1e-12) if double else dict(rtol=1e-5, atol=1e-5)
        for m in range(len(masks)):
            for p in range(parts):
                np.testing.assert_allclose(whole([made.gram[m][p]], made.engine), wanted[m, p].astype(float), **close)
            both, mine = made.over(m, masks.objectives(m), tuple(range(parts)))
            np.testing.assert_allclose(both, wanted[m].sum(axis=0).astype(float), **close)
            np.testing.assert_allclose(mine, moment.sum(axis=0)[:, masks.objectives(m)].astype(float), **close)
            weights = np.random.default_rng(0).normal(size=(2, 3, x.shape[1]))
            squares = np.einsum("akd,de,ake->ak", weights, wanted[m, 0].astype(float), weights)
            np.testing.assert_allclose(made.squared(m, 0, weights), squares, rtol=1e-5 if double else 1e-3, atol=1e-9 if double else 1e-3)
            for p in range(parts):
                for one, other in zip(made.gram[m][p].bands, cut.gram[m][p].bands):
                    np.testing.assert_array_equal(one, other)  # the same bytes, however the rows are read
        np.testing.assert_array_equal(made.moment, cut.moment)
        np.testing.assert_array_equal(made.count, [(~np.isnan(y[part == p])).sum(axis=0) for p in range(parts)])
        if masks.rated.any():
            lengths = (x.astype(float) ** 2).sum(axis=1)
            wanted = np.average(lengths, weights=masks.rated.sum(axis=1))
            assert made.length == pytest.approx(wanted, rel=1e-5)
    finally:
        grams.ADDITION, grams.ROWS, grams.TILE = before


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 70), st.integers(1, 4), st.sampled_from([0, 3, 10**9]),
       st.sampled_from([0, 2, 64]))
def test_each_row_meets_each_of_its_masks_once(seed, rows, masks, parts, addition, most):
    rng = np.random.default_rng(seed)
    rated = rng.uniform(size=(rows, masks)) < rng.uniform()
    part = rng.integers(0, parts, rows)
    met = np.zeros((rows, masks), int)
    before = grams.ADDITION, grams.BLOCKS
    grams.ADDITION, grams.BLOCKS = addition, most
    try:
        shared = 0
        for some, within, p in grams.blocks(rated, part):
            assert (part[some] == p).all()
            met[np.ix_(some, within)] += 1
            shared += len(within) > 1
    finally:
        grams.ADDITION, grams.BLOCKS = before
    np.testing.assert_array_equal(met, rated)
    assert shared <= most


def test_overlapping_masks_are_multiplied_once():
    rated = np.zeros((3000, 2), bool)
    rated[:2500, 0] = True
    rated[:, 1] = True  # all of the first mask and 500 rows more
    assert sum(len(rows) for rows, _, _ in grams.blocks(rated, np.zeros(3000, int))) == 3000
    assert grams.Masks.find(np.where(rated[:, [0, 1, 0]], 1.0, np.nan)).of.tolist() in ([0, 1, 0], [1, 0, 1])


# -- reading ---------------------------------------------------------------------------------------


def problem(rows=500, dim=24, objectives=4, seed=0, decay=0.0):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(rows, dim)) * np.arange(1, dim + 1) ** -decay).astype(np.float32)
    y = x @ rng.normal(size=(dim, objectives)) / np.sqrt(dim) + 0.3 * rng.normal(size=(rows, objectives))
    y[rng.uniform(size=y.shape) < 0.3] = np.nan
    return x, y.astype(np.float64), tuple("abcdefgh"[:objectives]), np.arange(rows) // 3


def same(one: LinearProbes, other: LinearProbes) -> None:
    assert one.precision == other.precision
    for name in ("weight", "alpha", "alphas", "r2", "error", "count"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_a_stream_is_read_once_in_order_and_gives_the_same_bytes(kind):
    x, y, names, groups = problem(rows=2000)
    stream = Stream(x)
    options = dict(names=names, groups=groups, precision=kind, memory=600_000)
    same(LinearProbes.fit(stream, y, **options), LinearProbes.fit(x, y, **options))
    assert len(stream.asked) > 1 and all(isinstance(index, slice) for index in stream.asked)
    covered = np.concatenate([np.arange(len(x))[index] for index in stream.asked])
    np.testing.assert_array_equal(covered, np.arange(len(x)))


def test_cross_fit_reads_a_stream_twice():
    x, y, names, groups = problem(rows=900)
    stream = Stream(x)
    fitted, wanted = (cross_fit(rows, y, names=names, groups=groups) for rows in (stream, x))
    np.testing.assert_array_equal(fitted.predictions, wanted.predictions)
    same(fitted.whole, wanted.whole)
    assert sum(len(np.arange(len(x))[index]) for index in stream.asked) == 2 * len(x)
    np.testing.assert_array_equal(fitted.whole.predict(stream), fitted.whole.predict(x))


@pytest.mark.parametrize("worth", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_found_where_it_stands(worth):
    x, y, names, groups = problem()
    x[[7, 311], [2, 5]] = worth
    x[311, 6] = -worth
    with pytest.raises(WorkbenchError, match="feature in rows 7, 311"):
        LinearProbes.fit(x, y, names=names, groups=groups)


def test_large_values_are_no_infinities():
    x = np.full((10, 4), 3e38, np.float32)
    assert len(Host().broken(x)) == 0


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_widths_are_read_as_they_are(kind):
    x, y, names, groups = problem()
    x = x.astype(kind)
    same(LinearProbes.fit(x, y, names=names, groups=groups), LinearProbes.fit(Stream(x), y, names=names, groups=groups))
    wide = LinearProbes.fit(x.astype(np.float64), y, names=names, groups=groups)
    np.testing.assert_allclose(LinearProbes.fit(x, y, names=names, groups=groups).weight, wide.weight, rtol=1e-9)


# -- memory ----------------------------------------------------------------------------------------


def test_fewer_rows_wait_where_memory_is_short_and_too_little_is_one_error(monkeypatch):
    x, y, names, groups = problem(rows=4000, dim=64)
    full = LinearProbes.fit(x, y, names=names, groups=groups, precision="float32")
    heights = []
    monkeypatch.setattr(Host, "buffer", lambda self, height, width, double: heights.append(height) or np.empty((height, width), np.float32))
    tight = LinearProbes.fit(x, y, names=names, groups=groups, precision="float32", memory=2_500_000)
    assert max(heights) < 2048
    np.testing.assert_allclose(tight.error, full.error, rtol=1e-5)
    with pytest.raises(WorkbenchError, match=r"8 matrices of 64 × 64 for probes would fill .*`memory` is 293 KiB.* at most [1-7] matrices"):
        LinearProbes.fit(x, y, names=names, groups=groups, memory=300_000)
    monkeypatch.setenv("WORKBENCH_MEMORY", "300KB")
    with pytest.raises(WorkbenchError, match="the memory budget is"):
        LinearProbes.fit(x, y, names=names, groups=groups)


def test_a_triangle_is_half_a_square():
    assert Triangle.size(4096) < 0.57 * 8 * 4096**2
    assert sum(band.nbytes for band in Triangle.zeros(1300, Host()).bands) == Triangle.size(1300)


# -- precision -------------------------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch):
    """Every problem is large enough for float32."""
    monkeypatch.setattr(precision, "SMALL", 0)


def test_float32_where_it_is_as_good(large):
    x, y, names, groups = problem(rows=3000, dim=40)
    auto = LinearProbes.fit(x, y, names=names, groups=groups)
    double = LinearProbes.fit(x, y, names=names, groups=groups, precision="float64")
    assert auto.precision == ("float32",) * 4 and double.precision == ("float64",) * 4
    np.testing.assert_array_equal(auto.alpha, double.alpha)
    np.testing.assert_allclose(auto.error, double.error, rtol=1e-6)
    scale = np.abs(double.weight).max()
    assert 0 < np.abs(auto.weight - double.weight).max() < 1e-6 * scale


def test_float64_for_few_rows_for_wide_features_and_for_small_work(large, monkeypatch):
    x, y, names, groups = problem(rows=3000, dim=40)
    y[100:, 2] = np.nan
    few = LinearProbes.fit(x, y, names=names, groups=groups)
    assert few.precision == ("float32", "float32", "float64", "float32")
    assert set(LinearProbes.fit(x.astype(np.float64), y, names=names, groups=groups).precision) == {"float64"}
    monkeypatch.setattr(precision, "SMALL", 1e10)
    assert set(LinearProbes.fit(x, y, names=names, groups=groups).precision) == {"float64"}
    with pytest.raises(WorkbenchError, match="precision 'half'"):
        LinearProbes.fit(x, y, names=names, groups=groups, precision="half")


def test_an_ill_conditioned_table_is_told_from_a_sample_of_it(large):
    x, y, names, groups = problem(rows=3000, dim=40, decay=3.0)
    stream = Stream(x)
    probes = LinearProbes.fit(stream, y, names=names, groups=groups, alphas=[1e-6, 1e-3, 1.0])
    assert set(probes.precision) == {"float64"}
    taken = [index for index in stream.asked if not isinstance(index, slice)]
    assert len(taken) == 1 and len(taken[0]) <= 2 * 40
    assert sum(len(np.arange(len(x))[index]) for index in stream.asked if isinstance(index, slice)) == len(x)  # one pass, not two
    masks, rows = Masks.find(y), np.ones(len(x), bool)
    assert not doubles(x, masks, rows, "auto", 1e3, Host()).any()  # a large α holds it up


def test_a_mask_that_turns_out_ill_conditioned_is_multiplied_again(large, monkeypatch):
    x, y, names, groups = problem(rows=3000, dim=40)
    flat = slice(0, 400)
    x[flat, 1] = x[flat, 0]  # of the rows that rate the last objective two dims are one
    y[flat, 3], y[400:, 3] = x[flat, 0] + 0.1 * np.random.default_rng(1).normal(size=400), np.nan
    x *= 300.0
    alphas = [1e-4, 1e-2, 1.0, 1e4]
    monkeypatch.setattr(precision, "_steady", lambda *_: True)
    probes = LinearProbes.fit(x, y, names=names, groups=groups, alphas=alphas)
    assert probes.precision == ("float32", "float32", "float32", "float64")
    rated = ~np.isnan(y[:, 3])
    whole_of_it = np.vstack([x[rated].astype(float), np.sqrt(probes.alpha[3]) * np.eye(40)])
    wanted = np.linalg.lstsq(whole_of_it, np.concatenate([y[rated, 3], np.zeros(40)]), rcond=None)[0]
    def told(weight):  # what the rows tell: of the two equal dims only the sum, their difference hangs on α alone
        return np.array([weight[0] + weight[1], *weight[2:]])

    forced = LinearProbes.fit(x, y, names=names, groups=groups, alphas=alphas, precision="float32")
    np.testing.assert_allclose(told(probes.weight[3]), told(wanted), rtol=1e-9, atol=1e-16)
    assert np.abs(told(forced.weight[3]) - told(wanted)).max() > 1e-12, "what it is multiplied again for"
    hangs = np.finfo(float).eps * np.linalg.norm(x[rated].astype(float), 2) ** 2 / probes.alpha[3]
    assert abs(probes.weight[3, 0] - probes.weight[3, 1]) < hangs * np.abs(wanted).max()
    masks = Masks.find(y)
    part = np.zeros(len(x), int)
    coarse = Grams.of(x, y, masks, part, 1, double=np.zeros(len(masks), bool))
    assert unsteady(coarse, (0,), 1e-4)[masks.of].tolist() == [False, False, False, True]


def test_scaled_alphas_are_powers_of_ten():
    assert scaled(1.3).tolist() == list(ALPHAS) and scaled(0.0).tolist() == list(ALPHAS)
    np.testing.assert_allclose(scaled(5000.0), [10.0**power for power in range(0, 9)], rtol=1e-12)
