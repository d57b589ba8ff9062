"""Seeds trained beside each other, cancelled, failing; warm starts from another scenario's gates."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.preference.threads import cores, one_core
from workbench.scenario import gates, seeds
from workbench.scenario.recipe import GateSpec, Scenario
from workbench.scenario.run import run

GATE = {"hidden": (8,), "steps": 60, "batch_size": 256, "lr": 5e-3}


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(seeds, "cores", lambda: 2)


def test_a_seed_is_the_same_alone_or_beside_others(planted_study, two_cores):
    many = run(Scenario(gate=GATE, seeds=(3, 0, 5)), planted_study.study, cache=False)
    assert many.seeds == (3, 0, 5)
    for number, seed in enumerate(many.seeds):
        alone = run(Scenario(gate=GATE, seeds=(seed,)), planted_study.study, cache=False)
        assert alone.margins[0].tobytes() == many.margins[number].tobytes()


def test_seeds_train_at_the_same_time_and_say_which_they_are(planted_study, two_cores, monkeypatch):
    inside, most, told = [], [], []
    real = gates.train

    def slow(*args, **given):
        inside.append(given["label"])
        most.append(len(inside))
        time.sleep(0.05)
        found = real(*args, **given)
        inside.remove(given["label"])
        return found

    monkeypatch.setattr(gates, "train", slow)
    run(Scenario(gate=GATE, seeds=(0, 1, 2)), planted_study.study, cache=False, progress=told.append)
    assert max(most) == 2
    assert {update.label for update in told} == {f"seed {n} of 3" for n in (1, 2, 3)}
    assert all(update.seconds_left >= 0 for update in told) and told[-1].seconds_left == pytest.approx(0, abs=0.5)


def test_a_cancel_stops_all_and_keeps_those_begun(planted_study, two_cores):
    cancel = threading.Event()
    found = run(Scenario(gate={**GATE, "steps": 100_000}, seeds=(0, 1, 2, 3)), planted_study.study, cache=False, cancel=cancel,
                progress=lambda update: cancel.set())
    assert found.stopped == "cancelled" and found.seeds in ((0,), (0, 1)) and np.isfinite(found.margins).all()


def test_one_that_fails_ends_the_others(planted_study, two_cores, monkeypatch):
    real = gates.train

    def failing(*args, seed, cancel, **given):
        if seed == 1:
            raise WorkbenchError("training diverged")
        found = real(*args, seed=seed, cancel=cancel, **given)
        assert cancel.is_set()
        return found

    monkeypatch.setattr(gates, "train", failing)
    begun = time.monotonic()
    with pytest.raises(WorkbenchError, match="diverged"):
        run(Scenario(gate={**GATE, "steps": 1_000_000}, seeds=(0, 1, 2)), planted_study.study, cache=False)
    assert time.monotonic() - begun < 5


def test_the_work_of_a_step_decides(planted_study):
    from workbench.scenario.inputs import prepare
    from workbench.scenario.plan import Plan

    inputs = prepare(planted_study.study)
    data, scores = inputs.split("train"), Plan.make(Scenario(), inputs).scores("train")
    dim, out, rows = data.prompt.shape[1], len(scores.names), min(256, len(scores))
    assert gates.work(GateSpec(**GATE), scores, data) == rows * ((dim + 1) * 8 + (8 + 1) * out)
    assert gates.work(GateSpec(kind="global"), scores, data) == 0


def test_one_core_is_given_back():
    import torch

    before, seen = torch.get_num_threads(), []

    def within():
        with one_core():
            seen.append((torch.get_num_threads(), cores()))

    with one_core():
        assert torch.get_num_threads() == 1 and cores() == before
        thread = threading.Thread(target=within)
        thread.start()
        thread.join()
    assert seen == [(1, before)] and torch.get_num_threads() == before
    with one_core(False):
        assert torch.get_num_threads() == before


def test_a_warm_start_goes_on_from_the_parents_gates(planted_study, tmp_path):
    study = planted_study.study
    parent = Scenario(gate=GATE, seeds=(0, 1))
    child = parent.child(gate={"start": parent.id, "steps": 1, "lr": 1e-9}, drop=(planted_study.study.objectives[0],))
    assert child.gate.warm and child.id != parent.child(drop=child.drop).id
    trained = run(parent, study)
    found = run(child, study, cache=False)
    kept = [name for name in trained.names if name not in child.drop]
    for before, after in zip(trained.gates, found.gates):
        wanted = before.restrict(kept)
        prompt = np.random.default_rng(0).normal(size=(20, before.layers[0][0].shape[1])).astype(np.float32)
        shown = after.shares(prompt)[:, [after.names.index(name) for name in kept]]
        assert shown == pytest.approx(wanted.shares(prompt)[:, [before.names.index(name) for name in kept]], abs=1e-3)


@pytest.mark.parametrize("start, seeds, said", [
    ("0123456789ab", (0,), "no result of scenario 0123456789ab to start from"), (None, (0, 9), "was not trained with seed 9"),
])
def test_a_start_that_is_not_there_is_named(planted_study, start, seeds, said):
    parent = Scenario(gate=GATE, seeds=(0, 1))
    run(parent, planted_study.study)
    with pytest.raises(WorkbenchError, match=said):
        run(Scenario(gate={**GATE, "start": start or parent.id}, seeds=seeds), planted_study.study, cache=False)


def test_a_start_must_be_a_word_or_an_id():
    with pytest.raises(WorkbenchError, match="start"):
        Scenario(gate={"start": "middle"})


def test_one_core_is_only_for_those_inside():
    """B meets torch while A is inside, and goes inside itself after A has left: a thread that begins then has all its cores."""
    import torch

    before, inside, left, seen = torch.get_num_threads(), threading.Event(), threading.Event(), []

    def first():
        with one_core():
            inside.set()
            left.wait(5)

    def second():
        inside.wait(5)
        torch.ones(8) @ torch.ones(8)
        seen.append(torch.get_num_threads())
        left.set()
        a.join()
        with one_core():
            seen.append(torch.get_num_threads())

    a, b = threading.Thread(target=first), threading.Thread(target=second)
    a.start(), b.start(), b.join()
    third = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    third.start(), third.join()
    assert seen == [before, 1, before]
