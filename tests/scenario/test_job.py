"""A job tells what happens in its thread: progress, an answer to cancel at once, and every error."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from workbench.errors import WorkbenchError
from workbench.scenario.job import Job
from workbench.scenario.recipe import Scenario


def step(number: int, held_out: float | None, label: str = "seed 1 of 2"):
    return SimpleNamespace(step=number, steps=10, loss=0.7, held_out=held_out, seconds_left=1.0, label=label)


def whole(stopped: str = "finished"):
    return SimpleNamespace(stopped=stopped)


def job_of(work, heard=None) -> Job:
    return Job(Scenario(), work, notify=None if heard is None else heard.append)


def test_curves_keep_each_evaluation_once_by_label():
    def work(*, progress, cancel):
        for report in (step(1, None), step(2, 0.7), step(3, 0.7), step(4, 0.6)):
            progress(report)
        for report in (step(2, 0.9, "seed 2 of 2"), step(3, float("nan"), "seed 2 of 2")):
            progress(report)
        return whole()

    job = job_of(work).start().wait(5)
    assert job.state == "done" and job.result.stopped == "finished" and not job.running
    assert job.curves == {"seed 1 of 2": [(2, 0.7), (4, 0.6)], "seed 2 of 2": [(2, 0.9)]}


def test_seconds_of_a_seed_leave_out_what_came_before_training():
    def work(*, progress, cancel):
        time.sleep(0.3)
        for label in ("seed 1 of 2", "seed 2 of 2"):
            progress(step(1, 0.7, label))
            time.sleep(0.1)
        progress(step(2, 0.6, "seed 2 of 2"))
        return whole()

    job = job_of(work)
    assert job.seconds_each is None
    assert 0.09 < job.start().wait(5).seconds_each < 0.25 and job.seconds > 0.45


def test_cancel_is_answered_at_once_and_the_partial_result_is_kept():
    started = threading.Event()

    def work(*, progress, cancel):
        started.set()
        cancel.wait(5)
        time.sleep(0.1)
        return whole("cancelled")

    states = []
    job = Job(Scenario(), work, notify=lambda job: states.append(job.state)).start()
    started.wait(5)
    begun = time.monotonic()
    job.cancel()
    assert time.monotonic() - begun < 0.05 and job.state == "stopping" and job.running and states == ["stopping"]
    job.wait(5).cancel()
    assert job.state == "cancelled" and job.result.stopped == "cancelled" and states == ["stopping", "cancelled"]


def test_a_cancel_that_came_too_late_leaves_a_whole_result():
    entered = threading.Event()

    def work(*, progress, cancel):
        entered.set()
        cancel.wait(5)
        return whole()

    job = job_of(work).start()
    entered.wait(5)
    assert job.cancel().wait(5).state == "done"


@pytest.mark.parametrize(("error", "said"), [
    (WorkbenchError("no features", remedy="extract them"), "no features. extract them"),
    (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
])
def test_an_error_in_the_thread_is_told(error, said):
    def work(*, progress, cancel):
        raise error

    job = job_of(work).start().wait(5)
    assert job.state == "failed" and job.error == said and job.exception is error and job.result is None


def test_waiting_too_long_is_an_error():
    gate = threading.Event()
    job = job_of(lambda *, progress, cancel: gate.wait(5)).start()
    with pytest.raises(WorkbenchError, match="still running"):
        job.wait(0.05)
    gate.set()
    job.wait(5)


def test_an_observer_that_fails_does_not_leave_the_job_hanging():
    def notify(job):
        raise RuntimeError("a view broke")

    job = Job(Scenario(), lambda *, progress, cancel: whole(), notify=notify)
    hook, threading.excepthook = threading.excepthook, lambda args: None
    try:
        assert job.start().wait(5).state == "done"
    finally:
        job._thread.join(5)
        threading.excepthook = hook


def test_a_job_that_waits_is_cancelled_without_ever_running():
    ran, states = [], []
    job = Job(Scenario(), lambda *, progress, cancel: ran.append(1), notify=lambda job: states.append(job.state), queued=True)
    assert job.state == "queued" and not job.running and job.cancel().cancel().wait(1).state == "cancelled"
    assert job.start().state == "cancelled" and ran == [] and states == ["cancelled"]


def test_its_turn_comes_before_it_is_started():
    job = Job(Scenario(), lambda *, progress, cancel: whole(), queued=True)
    assert job.admit().running and job.state == "running"
    assert job.start().wait(5).state == "done" and job.admit().state == "done"
