"""A training in a thread: progress, learning curves, cancel, and what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ..errors import WorkbenchError
from .recipe import Scenario


class Job:
    """One call of ``work(progress=, cancel=)`` in a thread of its own.

    state: queued → running → done, failed, or stopping → cancelled; result: what work returned, a cancelled one's partial
    result included; error: one sentence when it failed; curves: held-out loss so far, label → [(step, loss)]; what: what
    it is for; queued: whether it waits for its turn.
    """

    def __init__(self, scenario: Scenario, work: Callable[..., Any], *, notify: Callable[[Job], None] | None = None,
                 what: str = "retrain", queued: bool = False):
        self.scenario, self.what = scenario, what
        self.state = "queued" if queued else "running"
        self.result: Any = None
        self.error: str | None = None
        self.exception: Exception | None = None
        self.progress: Any = None
        self.curves: dict[str, list[tuple[int, float]]] = {}
        self.seconds = 0.0
        self._work, self._notify = work, notify or (lambda job: None)
        self._cancel, self._finished, self._lock = threading.Event(), threading.Event(), threading.Lock()
        self._started, self._first, self._trained = time.monotonic(), None, 0.0
        self._thread = threading.Thread(target=self._run, name=f"workbench-{scenario.id}", daemon=True)

    def admit(self) -> Job:
        """Its turn has come: a queued one runs as soon as it is started."""
        with self._lock:
            if self.state == "queued":
                self.state = "running"
        return self

    def start(self) -> Job:
        """Begin; nothing where it was cancelled while it waited."""
        if self.admit().running:
            self._started = time.monotonic()
            self._thread.start()
        return self

    @property
    def running(self) -> bool:
        return self.state in ("running", "stopping")

    @property
    def seconds_each(self) -> float | None:
        """Seconds that one seed took, without what came before the first step; None while nothing was trained."""
        return self._trained / len(self.curves) if self.curves and self._first is not None else None

    def cancel(self) -> Job:
        """Ask it to stop; says so at once, and the thread ends at its next step. One that waits has ended with that."""
        with self._lock:
            before = self.state
            if before in ("queued", "running"):
                self.state = "stopping" if before == "running" else "cancelled"
                self._cancel.set()
        try:
            if before in ("queued", "running"):
                self._notify(self)
        finally:
            if before == "queued":
                self._finished.set()
        return self

    def wait(self, timeout: float | None = None) -> Job:
        """Block until it has ended and the session knows; WorkbenchError after `timeout` seconds."""
        if not self._finished.wait(timeout):
            raise WorkbenchError(f"still running after {timeout:g} s", where="job", remedy="Wait longer, or cancel it")
        return self

    def report(self, progress: Any) -> None:
        """Take in one step's progress: label, step, steps, held_out, seconds_left."""
        self.progress, now = progress, time.monotonic()
        self._first = self._first or now
        self.seconds, self._trained = now - self._started, now - self._first
        held_out = getattr(progress, "held_out", None)
        if held_out is not None and held_out == held_out:
            curve = self.curves.setdefault(str(progress.label), [])
            if not curve or (progress.step > curve[-1][0] and held_out != curve[-1][1]):  # between evaluations it repeats
                curve.append((int(progress.step), float(held_out)))
        self._notify(self)

    def _run(self) -> None:
        try:
            self.result = self._work(progress=self.report, cancel=self._cancel)
            ending = "cancelled" if self._cancel.is_set() and is_partial(self.result) else "done"
        except Exception as error:  # whatever happens in the thread is told, never lost
            self.exception = error
            self.error = str(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
            ending = "cancelled" if self._cancel.is_set() else "failed"
        self.seconds = time.monotonic() - self._started
        with self._lock:
            self.state = ending
        try:
            self._notify(self)
        finally:
            self._finished.set()


def is_partial(result: Any) -> bool:
    """Whether a run was cancelled: nothing came of it, or some of its seeds are missing or were stopped early."""
    return result is None or getattr(result, "stopped", None) == "cancelled"
