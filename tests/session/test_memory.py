"""What a session holds is counted and said; what can be read again leaves memory first, and nobody notices but the clock."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from planted import SMALL

from workbench import budget
from workbench.panels.head import steps
from workbench.scenario.inputs import prepare
from workbench.session import Session
from workbench.session import training as training_module


@pytest.fixture
def trained(planted_study):
    """A session of four results that lie on disk: the baseline and three multipliers."""
    session = Session(planted_study.study, SMALL)
    for value in (0.5, 0.25, 0.125):
        session.set_multiplier("safety", value).retrain().wait()
    return session


def test_memory_is_said(trained, monkeypatch):
    monkeypatch.setenv(budget.VARIABLE, "3GiB")
    prepare(trained.study).let_go(2**40)  # what other tests have read of it
    memory = trained.memory
    assert memory.budget == 3 * 2**30 and memory.total == sum(memory.held.values())
    said = str(memory)
    assert said.startswith("memory: budget 3.0 GiB; ") and "results" in said and "features stay on disk (" in said and "older" not in said
    assert repr(trained).endswith(f"selected, memory {budget.words(memory.total)} of 3.0 GiB")
    features = prepare(trained.study).split("dev").features
    again = trained.memory
    assert again.held["features"] == features.prompt.nbytes + features.response.nbytes and "stay on disk" not in str(again)
    assert {trained._results, trained._memo, trained.study} <= set(budget._KEEPERS)
    kept = [result for result in trained._results._made.values() if result is not None]
    assert len(kept) + again.past == 4  # in memory, or said to be on disk alone: other tests' studies count as well
    assert again.held["results"] >= sum(result.margins.nbytes + result.weights.nbytes for result in kept) > 0


def test_nothing_is_made_to_be_counted(planted_study, monkeypatch):
    monkeypatch.setattr("workbench.scenario.inputs._MADE", {})
    assert set(Session(planted_study.study).memory.held) == {"results", "tables", "other work"}


def crowded(monkeypatch, lacking: int = 1) -> None:
    """A budget with too little room for what is held."""
    monkeypatch.setenv(budget.VARIABLE, str(budget.held() - lacking))


def test_the_oldest_results_leave_memory_and_come_back_the_same(trained, monkeypatch):
    path = [trained.history.at(step).scenario for step in range(4)]
    before = [trained.result_of(scenario).margins.copy() for scenario in path]
    drawn, results = steps(trained), trained._results
    crowded(monkeypatch)
    results._put("a key of nothing", None)
    assert results.past == 1 and "1 older result is on disk alone" in str(trained.memory)
    read = []
    real = training_module.load
    monkeypatch.setattr(training_module, "load", lambda scenario, *given: read.append(scenario.id) or real(scenario, *given))
    assert steps(trained) == drawn and trained.retrained and not read  # the tree is drawn without reading them
    monkeypatch.setenv(budget.VARIABLE, "3GiB")
    for scenario, margins in zip(path, before):
        np.testing.assert_array_equal(trained.result_of(scenario).margins, margins)
    assert read == [path[0].id] and results.past == 0


def test_two_results_stay_whatever_the_budget(trained, monkeypatch):
    candidate, baseline = trained.candidate, trained.baseline
    monkeypatch.setenv(budget.VARIABLE, "1")
    trained._results.let_go(10**12)
    assert trained.candidate is candidate and trained.baseline is baseline and trained._results.past == 2


def test_a_result_that_is_nowhere_else_stays(session, quick, monkeypatch, tmp_path):
    monkeypatch.setattr(training_module, "folder_of", lambda *_: tmp_path / "nowhere")
    for value in (0.5, 0.25, 0.125):
        session.set_multiplier("safety", value).retrain().wait()
    session._results.let_go(10**12)
    assert session._results.past == 0 and len(session._results._made) == 4


def test_answers_are_counted_and_worked_out_again(trained):
    trained.set_multiplier("safety", 0.3)
    margins, before = trained.preview().result.margins, trained._memo.held()
    assert before >= margins.nbytes
    trained._memo.let_go(1)
    assert trained._memo.held() == 0
    np.testing.assert_array_equal(trained.preview().result.margins, margins)


def test_a_claim_takes_results_out_of_memory_first(trained, monkeypatch):
    monkeypatch.setattr(budget, "_KEEPERS", type(budget._KEEPERS)([trained._results]))
    size = trained._results.held()
    monkeypatch.setenv(budget.VARIABLE, str(size + 10))
    budget.claim(size // 10, "a little more")
    assert trained._results.past == 1


def test_whoever_is_busy_is_not_waited_for(trained):
    results, done = trained._results, []
    with results._lock:
        other = threading.Thread(target=lambda: done.append(results.let_go(10**12)))
        other.start()
        other.join(5)
    assert done == [None] and results.past == 0
