"""Jobs one after the other: they wait, are cancelled, fail, and the queue goes on."""

from __future__ import annotations

import threading

import pytest

import workbench.session.training as training
from workbench.preference.report import Progress
from workbench.scenario.job import Job
from workbench.scenario.recipe import Scenario
from workbench.session import Session
from workbench.session.queue import Queue


@pytest.fixture
def held(quick, monkeypatch):
    """Runs wait until they are let go, or cancelled."""
    go = threading.Event()

    def run(scenario, study, *, progress=None, cancel=None, **options):
        while not (go.wait(0.01) or cancel.is_set()):
            pass
        return quick(scenario, study, cancel=cancel)

    monkeypatch.setattr(training, "run", run)
    return go


def test_the_queue_is_a_value():
    a, b = (Job(Scenario(multiply={"x": i}), lambda **_: None, queued=True) for i in (2, 3))
    empty = Queue()
    queue = empty.add(a).add(b)
    assert empty.jobs == () and empty.job is None and queue.jobs == (a, b) and queue.running is None and queue.job is None
    queue = queue.advance()
    assert queue.running is a and queue.advance() is queue and queue.waiting == (b,) and queue.jobs == (a, b) and queue.job is a
    assert queue.end(b).jobs == (a,) and queue.end(b).job is a
    queue = queue.end(a)
    assert queue.job is a and queue.running is None and queue.advance().running is b and queue.advance().job is b


def test_a_job_waits_for_the_one_before(session, held):
    heard = []
    session.changed.connect(lambda revision, origin: heard.append((revision, origin, [job.state for job in session.jobs])))
    first = session.set_multiplier("safety", 2).retrain(origin="panel")
    second = session.set_multiplier("safety", 3).retrain(origin="panel")
    assert (first.state, second.state) == ("running", "queued") and session.jobs == (first, second) and session.job is first
    assert not second.running and second.scenario.multiply == {"safety": 3.0}
    held.set()
    second.wait(10)
    assert session.jobs == () and session.job is second and [job.state for job in session.ended] == ["done", "done"]
    assert [revision for revision, *_ in heard] == [1, 2, 3, 4, 5, 6]
    assert [origin for _, origin, _ in heard] == ["", "panel", "", "panel", "job", "job"]
    assert heard[3][2] == ["running", "queued"] and heard[4][2] == ["running"] and heard[5][2] == []
    assert session.retrained and session.undo().retrained


def test_what_waits_or_runs_already_is_not_asked_for_twice(session, held):
    first = session.set_multiplier("safety", 2).retrain()
    second = session.set_multiplier("safety", 3).retrain()
    revision = session.revision
    assert session.retrain() is second and session.undo().retrain() is first and session.revision == revision + 1
    assert session.measure_noise() is session.measure_noise() and len(session.jobs) == 3
    first.cancel()
    again = session.retrain()  # it is stopping: this is another
    assert again is not first and len(session.jobs) >= 3
    held.set()
    again.wait(10)
    assert session.retrained and not session.candidate.stopped == "cancelled"


def test_seeds_given_with_a_retrain_make_one_revision(session, held):
    session.set_multiplier("safety", 2).retrain()
    revision = session.revision
    job = session.retrain(seeds=3)
    assert session.revision == revision + 1 and session.draft.seeds == (0, 1, 2) and job.state == "queued"
    held.set()
    job.wait(10)


def test_cancelling_what_waits_ends_it_and_twice_is_harmless(session, held):
    first = session.set_multiplier("safety", 2).retrain()
    second = session.set_multiplier("safety", 3).retrain()
    third = session.set_multiplier("safety", 4).retrain()
    revision = session.revision
    session.cancel(second)
    assert second.state == "cancelled" and session.jobs == (first, third) and session.revision == revision + 1
    assert second.wait(1).cancel().state == "cancelled" and session.cancel(second).revision == revision + 1
    session.cancel().cancel()
    first.wait(10)
    assert first.state == "cancelled"
    held.set()
    third.wait(10)
    assert third.state == "done" and session.job is third
    session.cancel().cancel(first).cancel(third)
    assert third.state == "done" and first.state == "cancelled"


def test_a_job_that_fails_is_told_and_the_queue_goes_on(session, held):
    good = session.set_multiplier("correctness", 2).retrain()
    bad = session.set_multiplier("safety", 13).retrain()
    last = session.set_multiplier("safety", 2).retrain()
    held.set()
    last.wait(10)
    assert [(job.state, job.error) for job in session.ended] == [("done", None), ("failed", "diverged"), ("done", None)]
    assert session.ended == (good, bad, last) and session.retrained and not session.undo().retrained


def test_a_view_that_breaks_does_not_keep_the_next_job_from_its_turn(session, held):
    first = session.set_multiplier("safety", 2).retrain()
    second = session.set_multiplier("safety", 3).retrain()

    def broken(revision, origin):
        if origin == "job":
            raise RuntimeError("a view broke")

    session.changed.connect(broken)
    hook, threading.excepthook = threading.excepthook, lambda args: None
    try:
        held.set()
        assert second.wait(10).state == "done" and first.state == "done" and session.jobs == ()
    finally:
        first._thread.join(5), second._thread.join(5)
        threading.excepthook = hook


def test_the_baseline_is_trained_once_for_all_that_wait(planted_study, held, monkeypatch):
    asked = []
    held_run = training.run
    monkeypatch.setattr(training, "run", lambda scenario, *rest, **options: asked.append(scenario) or held_run(scenario, *rest, **options))
    session = Session(planted_study.study, Scenario(seeds=(0, 1)))
    session.start()
    session.set_multiplier("safety", 2).retrain()
    job = session.set_multiplier("safety", 3).retrain()
    held.set()
    job.wait(10)
    assert [dict(scenario.multiply) for scenario in asked] == [{}, {"safety": 2.0}, {"safety": 3.0}]


def test_a_noise_job_that_was_cancelled_measures_nothing(session, held):
    job = session.measure_noise()
    job.cancel().wait(10)
    assert job.state == "cancelled" and session.noise is None


def test_a_job_that_has_just_ended_is_no_answer_to_another_retrain(session, held):
    over = Job(session.draft, lambda **_: None, what="retrain")
    over.state, session._queue = "failed", Queue(running=over)  # ended, and the session is not told yet
    job = session.retrain()
    assert job is not over and job.state == "queued"
    held.set()
    session._heard(over)
    assert job.wait(10).state == "done"


def test_a_view_that_breaks_on_progress_does_not_end_the_training(session, quick, monkeypatch):
    def run(scenario, study, *, progress=None, **options):
        progress(Progress(step=1, steps=2, loss=0.5, held_out=0.5, seconds_left=1.0, label="seed 1 of 1"))
        return quick(scenario, study, **options)

    monkeypatch.setattr(training, "run", run)
    session.progressed.connect(lambda job: 1 / 0)
    with pytest.warns(UserWarning, match="progress was not shown: ZeroDivisionError"):
        job = session.set_multiplier("safety", 2).retrain().wait(10)
    assert job.state == "done" and session.retrained
