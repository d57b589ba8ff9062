"""Feature-dropout contrastive heads: against the plain head, on planted pairs, and with data that cannot teach."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
import torch
from comparisons import planted_flips

from workbench.errors import WorkbenchError
from workbench.features import Features
from workbench.preference.augmented import ContrastiveHead
from workbench.preference.bradley_terry import Supervision
from workbench.preference.data import hold_out
from workbench.preference.heads import HeadStack
from workbench.rows import Repeated

KINDS = [("simcse", "pairs"), ("simcse", "differences"), ("swav", "pairs"), ("swav", "differences")]
SMALL = dict(hidden=(8,), steps=30, batch_size=64, every=10)
FEW = {**SMALL, "steps": 8}


@pytest.fixture(scope="module")
def data():
    return planted_flips(pairs=400, dim=12)


def head(data, **how):
    return ContrastiveHead.fit(data.features, **{**SMALL, "groups": data.families, "lr": 1e-2, **how})


def weights(fitted):
    return b"".join(part.tobytes() for part in (*fitted.heads.weights, *fitted.heads.biases))


@pytest.mark.parametrize(("method", "on"), [(None, "pairs"), *KINDS])
def test_each_method_learns(data, method, on):
    """New pairs by their clean labels; the held-out loss is that of the preferences alone, without dropout."""
    train, new, clean = slice(0, 300), slice(300, None), np.where(data.flipped[300:], -1, 1)
    fitted = ContrastiveHead.fit(data.features.rows(train), method=method, on=on, groups=data.families[train], hidden=(32,), steps=80,
                                 batch_size=64, every=20, lr=1e-2)
    assert (fitted.margins(data.features.rows(new)) * clean > 0).mean() > 0.75
    held = hold_out(data.families[train], 300, 0.2, 0)
    margins = fitted.margins(data.features.rows(train))[held]
    assert fitted.losses == {0.1: pytest.approx(np.log1p(np.exp(-margins)).mean(), abs=1e-4)}
    assert fitted.losses[0.1] < math.log(2) - 0.01 and (fitted.method, fitted.on) == (method, on)
    assert fitted(data.features).shape == (400, 2) and fitted(data.features.response[:, 0]).shape == (400,)


def test_without_dropout_and_method_it_is_the_plain_head(data):
    """The hand-written gradients of a stack of one head, from the same weights over the same batches."""
    plain = HeadStack.fit(data.features.response, Supervision.hard(400), hidden=(8, 4), seeds=[5], orders=[5], decay=[0.03],
                          held_out=hold_out(data.families, 400, 0.2, 5), steps=30, batch_size=64, lr=1e-2, every=10, precision="float32")
    ours = head(data, method=None, dropout=0.0, hidden=(8, 4), decay=0.03, seed=5).heads
    assert ours.report.best_step == plain.report.best_step
    for one, other in zip((*ours.weights, *ours.biases), (*plain.weights, *plain.biases)):
        assert one == pytest.approx(other, abs=1e-5)


def test_same_seed_same_bytes(data):
    first = head(data, steps=8)
    torch.rand(7)
    state = torch.random.get_rng_state()
    again = head(data, steps=8)
    assert torch.equal(torch.random.get_rng_state(), state)  # nobody else's draws are touched
    assert weights(first) == weights(again) != weights(head(data, steps=8, seed=1))
    assert len({weights(head(data, steps=8, method=method, on=on)) for method, on in [(None, "pairs"), *KINDS]}) == 5


def test_masked_and_dropped_pairs_teach_nothing(data):
    mask, response, found = np.arange(400) >= 50, data.features.response.copy(), []
    for fill in (0.0, 1e3):
        response[~mask] = fill * np.random.default_rng(0).normal(size=response[~mask].shape)
        features = Features(data.features.prompt, response)
        masked = ContrastiveHead.fit(Features(features.prompt, response, mask), held_out=0.0, **FEW)
        dropped = ContrastiveHead.fit(features, supervision=Supervision.hard(400).dropped(~mask), held_out=0.0, **FEW)
        found += [weights(masked), weights(dropped)]
        assert not masked(Features(features.prompt, response, mask))[~mask].any()
    assert len(set(found)) == 1


def test_answers_that_pairs_share_are_read_once(data):
    rows, of = data.features.response[:, 0], np.random.default_rng(0).integers(0, 400, size=(300, 2))
    shared, whole = Repeated(rows, of), Features(rows[of][:, 0], rows[of])
    one, other = (ContrastiveHead.fit(features, **FEW) for features in (shared, whole))
    assert one.margins(whole) == pytest.approx(other.margins(whole), abs=1e-3)


def test_cancel_keeps_a_head(data):
    cancel = threading.Event()
    fitted = head(data, progress=lambda told: cancel.set(), cancel=cancel)
    assert fitted.fit_report.stopped == "cancelled" and np.isfinite(fitted(data.features)).all()


def test_data_that_cannot_teach_is_named(data):
    rows, same = data.features.response[:, 0], np.repeat(data.features.response[:, :1], 2, axis=1)
    for features, more, said in ((Features(rows, rows), {}, "learn from pairs"), (Features(rows, same), {}, "same features"),
                                 (data.features, {"supervision": Supervision.hard(3)}, "3 of supervision"),
                                 (data.features, {"supervision": Supervision.hard(400).dropped(np.ones(400, bool))}, "no pair is left")):
        with pytest.raises(WorkbenchError, match=said):
            ContrastiveHead.fit(features, **SMALL, **more)


@pytest.mark.parametrize(("how", "said"), [
    ({"method": "moco"}, "method 'moco'"), ({"on": "sides"}, "'sides'"), ({"beta": -1.0}, "beta -1"), ({"beta": math.nan}, "beta nan"),
    ({"temperature": 0.0}, "temperature 0.0"), ({"dropout": 0.0}, "nothing drops"), ({"dropout": 1.0}, "feature dropout 1.0"),
    ({"prototypes": 9}, "9 prototypes for method 'simcse'"), ({"method": "swav", "prototypes": 1}, "1 prototypes"),
    ({"hidden": ()}, r"hidden layers \[\]"), ({"decay": -1.0}, "decay -1"), ({"method": "swav", "epsilon": 0.0}, "epsilon 0.0"),
    ({"method": "swav", "iterations": 0}, "0 Sinkhorn"),
])
def test_wrong_requests_are_named(data, how, said):
    with pytest.raises(WorkbenchError, match=said):
        ContrastiveHead.fit(data.features, **{**SMALL, **how})
