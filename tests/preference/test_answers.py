"""What heads read: the plain formula, whether it comes as an array or as a stream, and no more memory than is said."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from comparisons import planted_flips
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import budget
from workbench.errors import WorkbenchError
from workbench.features import Features
from workbench.preference import data as data_module
from workbench.preference.answers import Answers
from workbench.preference.batches import Table
from workbench.preference.bradley_terry import Supervision
from workbench.preference.data import moments
from workbench.preference.heads import BradleyTerryHead
from workbench.preference.loop import weighed
from workbench.preference.strength import Strength
from workbench.rows import Repeated


class OnDisk:
    """A stream that gives rows by slice or positions only, and counts those that it gave."""

    def __init__(self, rows: np.ndarray):
        self._rows, self.shape, self.dtype, self.ndim, self.given = rows, rows.shape, rows.dtype, 2, 0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index) -> np.ndarray:
        found = self._rows[index]
        self.given += len(found)
        return found


@pytest.fixture
def shared():
    """Pairs that share answers, as a stream and as an array."""
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(40, 6)) * np.arange(1, 7) + 5).astype(np.float32)
    of = np.stack([rng.permutation(40)[:2] for _ in range(90)])
    return Repeated(OnDisk(rows), of), rows[of]


def table(answers: Answers) -> torch.Tensor:
    return Table(answers.table, "cpu").take(torch.arange(len(answers.table))[None])[0].float()


@pytest.mark.parametrize("hidden", [(), (3,)])
@pytest.mark.parametrize("streamed", [False, True])
def test_laid_out_is_the_formula(shared, hidden, streamed, monkeypatch):
    monkeypatch.setattr(data_module, "PIECE", 500)  # several pieces
    stream, whole = shared
    teaches = np.arange(90) % 3 > 0
    found = Answers.laid_out(stream if streamed else whole, teaches, hidden=hidden, heads=2, batch_size=8, device="cpu")
    plain = whole[teaches].reshape(-1, 6).astype(float)
    centre, spread = plain.mean(axis=0), plain.std(axis=0)
    assert found.centre == pytest.approx(centre) and found.spread == pytest.approx(np.maximum(spread, 0.1 * (spread**2).mean() ** 0.5))
    wanted = (whole - found.centre) / found.spread
    wanted = wanted if hidden else wanted[:, 0] - wanted[:, 1]
    assert table(found).numpy() == pytest.approx(wanted, abs=1e-5)
    if streamed and hidden:
        assert found.table.rows.shape == (40, 6) and stream.rows.given == 80  # each answer once to measure, once to lay out


def test_low_precision_where_it_is_asked_for(shared):
    given = dict(heads=2, batch_size=8, device="cpu")
    low = Answers.laid_out(shared[1], np.ones(90, bool), hidden=(3,), precision="bfloat16", **given)
    full = Answers.laid_out(shared[1], np.ones(90, bool), hidden=(3,), precision="float32", **given)
    assert (low.precision, full.precision) == ("bfloat16", "float32") and table(low).numpy() == pytest.approx(table(full), rel=1e-2)
    assert Answers.laid_out(shared[1], np.ones(90, bool), hidden=(), precision="bfloat16", **given).precision == "float32"


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 30), dim=st.integers(1, 4), piece=st.integers(1, 200), shift=st.sampled_from([0.0, 1e3]), seed=st.integers(0, 99),
       kind=st.sampled_from([np.float16, np.float32, np.float64]))
def test_moments_count_rows_as_often_as_they_are_given(n, dim, piece, shift, seed, kind):
    rng = np.random.default_rng(seed)
    x, times = (shift + rng.normal(size=(n, dim))).astype(kind), rng.integers(0, 4, size=n)
    times[rng.integers(n)] = 2
    before, data_module.PIECE = data_module.PIECE, piece
    try:
        centre, spread = moments(OnDisk(x), times=times)
    finally:
        data_module.PIECE = before
    plain = np.repeat(x, times, axis=0).astype(float)
    std = plain.std(axis=0)
    common = (std**2).mean() ** 0.5
    assert centre == pytest.approx(plain.mean(axis=0), rel=1e-6, abs=1e-6)
    tiny = 1e-3 if shift else 1e-6  # what float32 leaves of a deviation near zero
    assert spread == pytest.approx(np.maximum(std, 0.1 * common) if common > tiny else spread, rel=1e-3)


def test_a_stream_gives_the_same_heads_and_strength():
    made = planted_flips(pairs=240, dim=8)
    rng, rows = np.random.default_rng(1), made.features.response.reshape(-1, 8)
    order = rng.permutation(480)
    stream = Repeated(OnDisk(rows[order]), np.argsort(order).reshape(240, 2))
    features = Features(made.features.prompt, made.features.response)
    for hidden in ((), (4,)):
        given = dict(groups=made.families, hidden=hidden, steps=30, batch_size=64)
        one, other = (BradleyTerryHead.fit(what, decays=(0.01, 0.1), **given) for what in (features, stream))
        assert one.decay == other.decay and one.margins(features) == pytest.approx(other.margins(stream), abs=1e-4)
        one, other = (Strength.fit(what, members=2, folds=2, **given) for what in (features, stream))
        assert one.members == pytest.approx(other.members, abs=1e-4)
        assert other.on(stream, groups=made.families).members.tobytes() == other.members.tobytes()


def test_a_skipped_answer_of_a_stream_teaches_nothing(shared):
    class Skipping(OnDisk):
        mask = np.arange(40) > 0

    stream = Repeated(Skipping(shared[0].rows._rows), shared[0].of)
    there = stream.mask
    assert not there.all()
    head = BradleyTerryHead.fit(stream, decays=(0.1,), held_out=0, steps=20)
    taught = Supervision.hard(len(there)).dropped(~there)
    plain = BradleyTerryHead.fit(Features(np.zeros((90, 1)), shared[1]), supervision=taught, decays=(0.1,), held_out=0, steps=20)
    assert head.heads.weights[0] == pytest.approx(plain.heads.weights[0], abs=1e-5)
    assert not head.margins(stream)[~there].any()


def test_beyond_the_budget_is_one_error(shared, monkeypatch):
    monkeypatch.setenv("WORKBENCH_MEMORY", "12000")
    monkeypatch.setattr(budget, "held", lambda: 0)  # whatever other tests keep
    Answers.laid_out(shared[1], np.ones(90, bool), hidden=(), heads=10, batch_size=8, device="cpu")
    with pytest.raises(WorkbenchError, match=r"features and weights of 90 pairs to train 50 heads on would fill.*at most \d+ pairs"):
        Answers.laid_out(shared[1], np.ones(90, bool), hidden=(), heads=50, batch_size=8, device="cpu")


def test_weights_are_their_product():
    rng = np.random.default_rng(0)
    weight, times, held = rng.uniform(size=20_000), rng.integers(0, 4, size=(3, 20_000)), rng.uniform(size=20_000) < 0.3
    found = weighed(weight, times, ~np.broadcast_to(held, (3, 20_000)))
    assert found.shape == (20_000, 3) and found.numpy() == pytest.approx((weight * times * ~held).T.astype(np.float32))


def test_many_heads_take_few_bytes_of_a_pair_each():
    """A float32 weight, a byte of count and one of mask: a float64 copy of [head pair] would be seen."""
    pairs, heads = 20_000, 50
    x = np.random.default_rng(0).normal(size=(pairs, 2, 2)).astype(np.float32)
    features = Features(x[:, 0], x)
    Strength.fit(features, decay=0.1, steps=1)
    tracemalloc.start()
    Strength.fit(features, decay=0.1, steps=1)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 7 * pairs * heads + 8 * 2**20
