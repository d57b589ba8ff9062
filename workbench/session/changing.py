"""How a session changes: one gesture, one revision, told once; and jobs, one after the other."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable
from dataclasses import replace

from psygnal import EmitLoopError, Signal

from ..scenario.job import Job
from ..scenario.recipe import Scenario
from ..study import Study
from . import file
from .autosave import Saver
from .reading import Reading
from .state import State
from .training import noise, training


class Changing(Reading):
    """Puts one State in the place of another, under one lock, and tells observers when the lock is free again."""

    changed = Signal(int, str)
    progressed = Signal(object)

    def __init__(self, study: Study, pinned: Scenario):
        super().__init__(study, pinned)
        self.id, self.revision = secrets.token_hex(6), 0
        self._saver: Saver | None = None

    def _do(self, origin: str, change: Callable[[State], State]) -> Changing:
        """One gesture: another state, one revision, told once; nothing where the state stays as it is."""
        with self._lock:
            state = change(self._state)
            if state is self._state:
                return self
            revision = self._put(state, origin)
        self._tell(revision, origin)
        return self

    def _put(self, state: State, origin: str) -> int:
        self.revision += 1
        if state.selection is not self._state.selection:
            state = replace(state, selection=replace(state.selection, origin=origin, revision=self.revision))
        self._state = state
        return self.revision

    def _tell(self, revision: int, origin: str, then: Job | None = None) -> None:
        """Tell observers, then start a job: one that breaks does not keep it from its turn."""
        try:
            self._touch()
            self.changed.emit(revision, origin)
        finally:
            if then is not None:
                then.start()

    def _touch(self) -> None:
        if self._saver is not None:
            self._saver.touch()

    def _launch(self, what: str, origin: str, asked: Callable[[State], tuple[State, Scenario]]) -> Job:
        with self._lock:
            state, scenario = asked(self._state)
            alive = [job for job in self.jobs if job.state in ("queued", "running")]  # one that ended leaves the queue a moment later
            twins = [job for job in alive if (job.what, job.scenario.id) == (what, scenario.id)]
            if twins and state is self._state:
                return twins[0]
            job = twins[0] if twins else Job(scenario, self._work(what, scenario), what=what, queued=True, notify=self._heard)
            self._queue = self._queue if twins else self._queue.add(job)
            ready, revision = self._advance(), self._put(state, origin)
        self._tell(revision, origin, then=ready)
        return job

    def _work(self, what: str, scenario: Scenario) -> Callable:
        if what == "noise":
            return noise(self._results, self.study, scenario)
        return training(self._results, self.study, lambda: self.baseline_scenario, scenario, self.comparison)

    def _advance(self) -> Job | None:
        """The job whose turn has come, if there is one; it is started when that has been told."""
        before = self._queue.running
        self._queue = self._queue.advance()
        ready = self._queue.running
        return ready.admit() if ready is not None and ready is not before else None

    def _heard(self, job: Job) -> None:
        """A job tells of a step, or that it has ended: then it is the turn of the next."""
        if job.running:
            try:
                self.progressed.emit(job)
            except EmitLoopError as error:  # a view that breaks is no reason to lose a training
                warnings.warn(f"progress was not shown: {error.__cause__!r}", stacklevel=2)
            return
        with self._lock:
            self._queue = self._queue.end(job)
            ready, revision = self._advance(), self._put(self._state, "job")
        self._tell(revision, "job", then=ready)

    def _json(self) -> bytes:
        return file.written(self.id, self.study, self._state, self._results.named(), self._ids)
