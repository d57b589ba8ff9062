"""The training loop against a loop written out, and what it promises: best state, early stop, cancel, same bytes."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest
import torch
from comparisons import planted_flips
from torch import nn

from workbench.errors import WorkbenchError
from workbench.preference.batches import Order
from workbench.preference.bradley_terry import Supervision, bradley_terry_loss
from workbench.preference.data import hold_out
from workbench.preference.fit import Progress, fit
from workbench.preference.network import Heads


class Linear(nn.Module):
    """Reward margins of feature differences: the smallest thing that can be trained."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(dim))

    def forward(self, differences):
        return differences @ self.weight


class Slow(Linear):
    def forward(self, differences):
        time.sleep(0.01)
        return super().forward(differences)


@pytest.fixture(scope="module")
def data():
    made = planted_flips(pairs=300, dim=12)
    return (made.features.response[:, 0] - made.features.response[:, 1]), made.families


def slow_fit(differences, supervision, *, steps, batch_size, lr, decay, seed):
    """The same with nothing but a module, an optimiser and a loop."""
    module, order = Linear(differences.shape[1]), Order(np.arange(len(differences)), batch_size, seed)
    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=decay)
    x = torch.tensor(differences)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        index = order.block(1)[0]
        optimizer.zero_grad()
        bradley_terry_loss(module(x[index]), supervision, index).backward()
        optimizer.step()
    return module.weight.detach().numpy()


def test_the_loop_is_the_plain_loop(data):
    differences, _ = data
    made = Supervision.hard(len(differences)).smoothed(0.1).with_weight(np.linspace(0.5, 2, len(differences)))
    module = Linear(differences.shape[1])
    report = fit(module, [differences], made, steps=60, batch_size=64, lr=1e-2, weight_decay=0.1, seed=3)
    plain = slow_fit(differences, made, steps=60, batch_size=64, lr=1e-2, decay=0.1, seed=3)
    assert module.weight.detach().numpy() == pytest.approx(plain, abs=1e-6)
    assert (report.stopped, report.best_step) == ("finished", 60)
    assert report.history["step"] == [25, 50, 60] and report.history["held_out"] == [None] * 3


def test_small_pieces_add_up_to_the_batch(data, monkeypatch):
    """A big batch is cut in pieces so that cancel is heard: the update is that of the whole batch."""
    differences, _ = data
    whole, cut = Linear(12), Linear(12)
    made = Supervision.hard(len(differences)).with_weight(np.linspace(0, 2, len(differences)))
    fit(whole, [differences], made, steps=20, batch_size=128, lr=1e-2)
    monkeypatch.setattr("workbench.preference.step.PIECE", 1.0)
    fit(cut, [differences], made, steps=20, batch_size=128, lr=1e-2)
    assert cut.weight.detach().numpy() == pytest.approx(whole.weight.detach().numpy(), abs=1e-6)


def test_the_best_state_is_restored(data):
    differences, families = data
    held, made = hold_out(families, 300, 0.3, 0), Supervision.hard(300)
    module = Linear(12)
    report = fit(module, [differences], made, steps=400, batch_size=32, lr=0.3, held_out=held, patience=None, every=10)
    index = torch.tensor(np.flatnonzero(held))
    now = float(bradley_terry_loss(module(torch.tensor(differences)[index]).detach(), made, index))
    assert now == pytest.approx(min(report.history["held_out"]), abs=1e-6)
    assert report.history["held_out"][-1] > now + 1e-4  # it did get worse, so the last state was not the best
    assert report.history["step"][int(np.argmin(report.history["held_out"]))] == report.best_step
    assert report.head_losses == pytest.approx((now,), abs=1e-6)


def test_early_stop(data):
    differences, families = data
    given = dict(steps=2000, batch_size=32, lr=0.3, every=10, held_out=0.3, groups=families)
    module = Linear(12)
    report = fit(module, [differences], Supervision.hard(300), patience=3, **given)
    assert report.stopped == "early" and report.history["step"][-1] == report.best_step + 30 < 2000
    assert fit(Linear(12), [differences], Supervision.hard(300), patience=None, **{**given, "steps": 200}).stopped == "finished"


def test_held_out_labels_do_not_teach(data):
    """Turning the held-out labels round changes when the best state is, never the states."""
    differences, families = data
    held, weights = hold_out(families, 300, 0.3, 0), []
    for made in (Supervision.hard(300), Supervision.hard(300).flipped(held)):
        module = Linear(12)
        seen = []
        fit(module, [differences], made, steps=50, batch_size=32, lr=1e-2, held_out=held, patience=None,
            progress=lambda p, m=module, s=seen: s.append(m.weight.detach().clone()), every=10)
        weights.append(torch.stack(seen))
    assert torch.equal(*weights)


def test_cancel_keeps_the_best_state_within_a_second(data):
    differences, families = data
    module, cancel, times = Slow(12), threading.Event(), []

    def stop(progress):
        if progress.step >= 20 and not cancel.is_set():
            cancel.set()
            times.append(time.monotonic())

    report = fit(module, [differences], Supervision.hard(300), steps=10_000, batch_size=32, lr=1e-2, every=10, held_out=0.3,
                 groups=families, progress=stop, cancel=cancel)
    assert time.monotonic() - times[0] < 1
    assert report.stopped == "cancelled" and report.best_step in (10, 20) and module.weight.detach().abs().sum() > 0
    assert report.history["step"] == [10, 20]


def test_cancel_is_heard_within_a_step(data, monkeypatch):
    """One step of three seconds, cut in pieces: cancelled between two of them, and the half-made update is thrown away."""
    monkeypatch.setattr("workbench.preference.step.PIECE", 1.0)

    class Piecewise(Linear):
        def forward(self, differences):
            time.sleep(0.3)
            return super().forward(differences)

    module, cancel = Piecewise(12), threading.Event()
    timer, begun = threading.Timer(0.4, cancel.set), time.monotonic()
    timer.start()
    report = fit(module, [data[0]], Supervision.hard(300), steps=3, batch_size=300, lr=1e-2, cancel=cancel)
    assert report.stopped == "cancelled" and time.monotonic() - begun < 1.4
    assert report.best_step == 0 and not module.weight.detach().any()


def test_cancel_before_the_start(data):
    differences, families = data
    cancel, module = threading.Event(), Linear(12)
    cancel.set()
    report = fit(module, [differences], Supervision.hard(300), steps=50, batch_size=32, lr=1e-2, held_out=0.3, groups=families,
                 cancel=cancel)
    assert report.stopped == "cancelled" and report.best_step == 0 and not module.weight.detach().any()


def test_progress_tells_where_it_is(data):
    differences, families = data
    told: list[Progress] = []
    fit(Linear(12), [differences], Supervision.hard(300), steps=50, batch_size=32, lr=1e-2, every=20, held_out=0.3, groups=families,
        progress=told.append, label="a fit")
    assert [p.step for p in told] == [20, 40, 50] and {p.steps for p in told} == {50} and {p.label for p in told} == {"a fit"}
    assert all(p.held_out > 0 and p.loss > 0 and p.seconds_left >= 0 for p in told) and told[-1].seconds_left == 0


def test_slow_steps_report_between_blocks(data, monkeypatch):
    monkeypatch.setattr("workbench.preference.loop.REPORT_SECONDS", 0.03)
    told = []
    fit(Slow(12), [data[0]], Supervision.hard(300), steps=12, batch_size=32, lr=1e-2, every=1000, progress=told.append)
    assert len(told) >= 3 and told[0].held_out is None


def trained(data, seed=0, **given):
    module = Linear(12)
    fit(module, [data[0]], Supervision.hard(300), steps=60, batch_size=32, lr=1e-2, held_out=0.2, groups=data[1], seed=seed, **given)
    return module.weight.detach().numpy().tobytes()


def test_same_seed_same_bytes(data):
    first = trained(data)
    assert first == trained(data, progress=lambda p: None)
    assert first != trained(data, seed=1)


def test_heads_side_by_side_are_heads_one_by_one(data):
    """Seeds, orders, weights, held-out pairs and penalties of their own: batched against single, 1e-5."""
    response = planted_flips(pairs=300, dim=12, flips=0.3).features.response
    rng, n = np.random.default_rng(0), 300
    seeds, orders, decay = [1, 2, 3, 4], [7, 8], [0.0, 1e-2, 0.1, 0.0]
    weight, held = rng.integers(0, 3, size=(4, n)).astype(float), np.stack([hold_out(None, n, 0.3, s) for s in seeds])
    given = dict(steps=80, batch_size=48, lr=1e-2, every=10, patience=2, rows=np.arange(n))
    for hidden, tensor in (((), response[:, 0] - response[:, 1]), ((5,), response)):
        many = Heads(12, hidden, seeds, 2, decay)
        report = fit(many, [tensor], Supervision.hard(n), weight=weight, held_out=held, seed=orders, **given)
        for h in range(4):
            one = Heads(12, hidden, seeds[h : h + 1], 1, decay[h : h + 1])
            single = fit(one, [tensor], Supervision.hard(n), weight=weight[h : h + 1], held_out=held[h : h + 1], seed=orders[h // 2],
                         **given)
            assert report.head_steps[h] == single.best_step
            for a, b in zip(many.parameters(), one.parameters()):
                assert a[h].detach().numpy() == pytest.approx(b[0].detach().numpy(), abs=1e-5)
    assert len(set(report.head_steps)) > 1  # each head stopped at its own best


def test_rates_by_name(data):
    module = Linear(12)
    fit(module, [data[0]], Supervision.hard(300), steps=5, batch_size=32, lr=1e-2, rates={"weight": 1e-9})
    assert module.weight.detach().abs().max() < 1e-7


@pytest.mark.parametrize("given, said", [
    ({"rates": {"scale": 1.0}}, "no parameter named 'scale'"), ({"steps": 0}, "steps 0"), ({"lr": 0.0}, "learning rate"),
    ({"seed": [1, 2]}, "2 seeds"), ({"device": "abacus"}, "no device 'abacus'"), ({"held_out": np.ones(300, bool)}, "no pair is left"),
])
def test_wrong_requests_are_named(data, given, said):
    asked = {"steps": 5, "batch_size": 32, "lr": 1e-2, **given}
    with pytest.raises(WorkbenchError, match=said):
        fit(Linear(12), [data[0]], Supervision.hard(300), **asked)


def test_rows_must_match(data):
    with pytest.raises(WorkbenchError, match="300 rows of data beside 299 pairs"):
        fit(Linear(12), [data[0]], Supervision.hard(299), steps=5, batch_size=32, lr=1e-2)


def test_divergence_is_said():
    x = np.full((40, 2), 1e38, np.float32)
    with pytest.raises(WorkbenchError, match="diverged"):
        fit(Linear(2), [x], Supervision.hard(40).flipped(np.arange(40) % 2 == 0), steps=50, batch_size=8, lr=1e3)
