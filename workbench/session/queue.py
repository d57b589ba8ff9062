"""Jobs one after the other: a value whose methods return another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..scenario.job import Job

REMEMBERED = 20


@dataclass(frozen=True)
class Queue:
    """waiting: oldest first; running: at most one; ended: the last ones, newest last."""

    waiting: tuple[Job, ...] = ()
    running: Job | None = None
    ended: tuple[Job, ...] = ()

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Running and waiting, oldest first."""
        return ((self.running,) if self.running is not None else ()) + self.waiting

    @property
    def job(self) -> Job | None:
        """The one running, else the last one that ended."""
        return self.running if self.running is not None else (self.ended[-1] if self.ended else None)

    def add(self, job: Job) -> Queue:
        return replace(self, waiting=(*self.waiting, job))

    def end(self, job: Job) -> Queue:
        """Without a job that has ended, wherever it was."""
        waiting = tuple(other for other in self.waiting if other is not job)
        return Queue(waiting, None if self.running is job else self.running, (*self.ended, job)[-REMEMBERED:])

    def advance(self) -> Queue:
        """The oldest that waits becomes the running one, if none runs."""
        if self.running is not None or not self.waiting:
            return self
        return replace(self, running=self.waiting[0], waiting=self.waiting[1:])
