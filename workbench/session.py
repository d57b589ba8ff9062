"""Session: the one mutable object. Views dispatch to it and observe it; it knows no widget."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd
from psygnal import Signal

from .errors import WorkbenchError
from .scenario.compare import compare
from .scenario.edits import multiplied, on, recipe_key, seeds_of, swapped, switched
from .scenario.history import History
from .scenario.job import Job, is_partial
from .scenario.preview import preview
from .scenario.recipe import Scenario
from .scenario.result import Result
from .scenario.run import run
from .study import Study


@dataclass(frozen=True)
class Preview:
    """The draft with the baseline's gate: a Result that is not retrained, and how long it took (seconds)."""

    result: Result
    seconds: float


class Session:
    """A study, a pinned baseline, the scenario being edited, what was retrained, and the running job.

    baseline: a Result, or a Scenario that `start` (or the first `retrain`) runs; None is every objective as rated.
    One gesture makes one revision; `changed` tells observers (revision, origin), `progressed` tells them of a job's
    steps, from the job's own thread. Edits that change nothing make no revision. Bad input raises WorkbenchError and
    leaves everything as it was.
    """

    changed = Signal(int, str)
    progressed = Signal(object)

    def __init__(self, study: Study, baseline: Result | Scenario | None = None):
        self.study = study
        self.revision = 0
        self.job: Job | None = None
        self.baseline: Result | None = None
        self._lock = threading.RLock()
        self._results: dict[str, Result] = {}
        self._compared: tuple[Result, Result, pd.DataFrame] | None = None
        self._preview: tuple[Result, str, Preview] | None = None
        if isinstance(baseline, Scenario) or baseline is None:
            gate = {} if study.store is not None else {"gate": {"kind": "global"}}  # a softmax gate reads prompt features
            self.baseline_scenario = baseline or Scenario(name="as rated", **gate)
        else:
            if baseline.study_hash != study.hash:
                raise WorkbenchError(
                    f"the baseline was made on study {baseline.study_hash}, this is {study.hash}",
                    remedy="Run the baseline's scenario on this study",
                )
            self.baseline, self.baseline_scenario = baseline, baseline.scenario
            self._results[recipe_key(baseline.scenario)] = baseline
        self.history = History.start(self.baseline_scenario)

    # -- what it holds -----------------------------------------------------------------------------

    @property
    def draft(self) -> Scenario:
        """The scenario being edited."""
        return self.history.scenario

    @property
    def objectives(self) -> tuple[str, ...]:
        return self.study.objectives

    def is_on(self, name: str) -> bool:
        return on(self.draft, name)

    def result_of(self, scenario: Scenario) -> Result | None:
        """What a recipe gave in this session, whatever its seeds and name; None while it was never trained."""
        return self._results.get(recipe_key(scenario))

    @property
    def candidate(self) -> Result | None:
        """The nearest trained step at or above the draft that is not the baseline."""
        pinned = recipe_key(self.baseline_scenario)
        for at in self.history.path():
            scenario = self.history.steps[at].scenario
            if recipe_key(scenario) == pinned:
                return None
            if (found := self.result_of(scenario)) is not None:
                return found
        return None

    @property
    def retrained(self) -> bool:
        """Whether the draft itself has been trained."""
        return self.result_of(self.draft) is not None

    @property
    def cost(self) -> float | None:
        """Seconds that a retrain of the draft will take, after the last job's or else the baseline's; None before there is one."""
        each = self.job.seconds_each if self.job is not None else None
        if each is None and self.baseline is not None and len(self.baseline.margins):
            each = self.baseline.seconds / len(self.baseline.margins)
        return each * len(self.draft.seeds) if each else None

    @property
    def baseline_loss(self) -> float | None:
        """Held-out loss of the baseline's gates, mean over seeds, where they were trained in this process."""
        reports = [getattr(gate, "fit_report", None) for gate in self.baseline.gates] if self.baseline is not None else []
        losses = [min(kept) for report in reports if report and (kept := [loss for loss in report.history["held_out"] if loss is not None])]
        return sum(losses) / len(losses) if losses else None

    def preview(self) -> Preview:
        """The draft without training: closed form, the baseline's gate. Kept until draft or baseline change."""
        baseline, draft, kept = self.baseline, self.draft, self._preview
        if baseline is None:
            raise WorkbenchError("no baseline yet", where="preview", remedy="session.start().wait() trains it")
        if kept is None or kept[0] is not baseline or kept[1] != recipe_key(draft):
            begun = time.perf_counter()
            result = preview(baseline, draft, self.study)
            kept = self._preview = (baseline, recipe_key(draft), Preview(result, time.perf_counter() - begun))
        return kept[2]

    def comparison(self) -> pd.DataFrame | None:
        """Baseline against candidate by slice (`compare`); None while one of them is missing."""
        baseline, candidate, kept = self.baseline, self.candidate, self._compared
        if baseline is None or candidate is None:
            return None
        if kept is None or kept[0] is not baseline or kept[1] is not candidate:
            kept = self._compared = (baseline, candidate, compare(baseline, candidate))
        return kept[2]

    # -- edits: each one gesture, one revision ----------------------------------------------------

    def set_objective(self, name: str, *, on: bool, origin: str = "") -> Session:
        """Switch an objective off or on again. The last one stays on."""
        self._known(name)
        return self._edit(origin, **switched(self.draft, name, on, self.objectives))

    def set_multiplier(self, name: str, value: float, *, origin: str = "", gesture: str | None = None) -> Session:
        """Scale an objective's contribution; 1 takes the edit back. One drag names one `gesture`: one step of history."""
        self._known(name)
        return self._edit(origin, gesture=gesture, **multiplied(self.draft, name, value))

    def set_swap(self, name: str, column: str | None, *, origin: str = "") -> Session:
        """Put another objective or a measured column in an objective's place; None takes the edit back."""
        self._known(name)
        if column is not None:
            self._known_column(column)
        return self._edit(origin, **swapped(self.draft, name, column))

    def set_debias(self, nuisance: str | Iterable[str] | None, *, origin: str = "") -> Session:
        """Take what depends on the nuisance (an objective or measured column, or several) out of the objectives."""
        if nuisance is not None:
            nuisance = nuisance if isinstance(nuisance, str) else tuple(nuisance)
            for name in (nuisance,) if isinstance(nuisance, str) else nuisance:
                self._known_column(name)
        return self._edit(origin, debias=nuisance or None)

    def set_seeds(self, seeds: int | Iterable[int], *, origin: str = "") -> Session:
        """How many gates are trained, or which seeds."""
        return self._edit(origin, seeds=seeds_of(seeds))

    def reset(self, *, origin: str = "") -> Session:
        """Back to the baseline's recipe, with the seeds chosen; undo brings the edits back."""
        return self._move(self.history.edit(self.baseline_scenario.child(seeds=self.draft.seeds)), origin)

    def undo(self, *, origin: str = "") -> Session:
        return self._move(self.history.undo(), origin)

    def redo(self, *, origin: str = "") -> Session:
        return self._move(self.history.redo(), origin)

    def go(self, step: int, *, origin: str = "") -> Session:
        """Stand on any step of the history."""
        return self._move(self.history.go(step), origin)

    def pin(self, result: Result | None = None, *, origin: str = "") -> Session:
        """Make the candidate (or the result given) the baseline that everything is held against."""
        with self._lock:
            chosen = self.candidate if result is None else result
            if chosen is None:
                raise WorkbenchError("no candidate to pin", remedy="Edit and retrain first")
            if chosen is self.baseline:
                return self
            self.baseline, self.baseline_scenario = chosen, chosen.scenario
            self._results[recipe_key(chosen.scenario)] = chosen
            self.revision += 1
        self.changed.emit(self.revision, origin)
        return self

    # -- training ----------------------------------------------------------------------------------

    def start(self, *, origin: str = "") -> Job | None:
        """Run the baseline if there is none yet; the running job, or None when there is nothing to do."""
        if self.baseline is not None:
            return self.job if self.job and self.job.running else None
        if self.job is not None and self.job.running:
            return self.job
        return self._launch(self.baseline_scenario, origin)

    def retrain(self, seeds: int | Iterable[int] | None = None, *, origin: str = "") -> Job:
        """Train the draft in a thread, the baseline first where it is missing. One job at a time."""
        return self._launch(None, origin, seeds)

    def _launch(self, scenario: Scenario | None, origin: str, seeds: int | Iterable[int] | None = None) -> Job:
        """Start a job on a scenario, or on the draft with these seeds."""
        def work(*, progress, cancel):
            if self.baseline is None:
                def told(update):  # curves are kept by label: the baseline's are its own
                    progress(replace(update, label=f"baseline, {update.label}"))

                first = run(self.baseline_scenario, self.study, progress=told, cancel=cancel)
                self._keep(self.baseline_scenario, first, baseline=True)
                if cancel.is_set() or recipe_key(scenario) == recipe_key(self.baseline_scenario):
                    return first
            result = run(scenario, self.study, progress=progress, cancel=cancel)
            self._keep(scenario, result)
            if not cancel.is_set():
                self.comparison()  # in this thread, so that the screen need not wait for it
            return result

        with self._lock:
            if self.job is not None and self.job.running:
                raise WorkbenchError("a job is running", remedy="Wait for it, or cancel it")
            if seeds is not None:
                self.history = self.history.edit(self.draft.child(seeds=seeds_of(seeds)))
            scenario = scenario or self.draft
            self.job = job = Job(scenario, work, notify=self._heard)
            self.revision += 1
        self.changed.emit(self.revision, origin)
        return job.start()

    def _keep(self, scenario: Scenario, result: Result | None, *, baseline: bool = False) -> None:
        known = self.result_of(scenario)
        if result is None or (known is not None and is_partial(result) and not is_partial(known)):
            return  # a cancelled run does not push out a whole one
        with self._lock:
            self._results[recipe_key(scenario)] = result
            if baseline or (self.baseline is not None and recipe_key(scenario) == recipe_key(self.baseline_scenario)):
                self.baseline = result

    def _heard(self, job: Job) -> None:
        if job.running:
            self.progressed.emit(job)
            return
        with self._lock:
            self.revision += 1
        self.changed.emit(self.revision, "job")

    # -- inner -------------------------------------------------------------------------------------

    def _edit(self, origin: str, *, gesture: str | None = None, **edits) -> Session:
        draft = self.draft
        changes = {k: v for k, v in edits.items() if getattr(draft, k) != v}
        if not changes:
            return self
        return self._move(self.history.edit(draft.child(**changes), gesture=gesture), origin)

    def _move(self, history: History, origin: str) -> Session:
        with self._lock:
            self.history = history
            self.revision += 1
            revision = self.revision
        self.changed.emit(revision, origin)
        return self

    def _known(self, name: str) -> None:
        if name not in self.objectives:
            raise WorkbenchError(f"unknown objective {name!r}", where=self.study.name, remedy=f"Known: {', '.join(self.objectives)}")

    def _known_column(self, name: str) -> None:
        if name not in self.objectives and name not in self.study.columns:
            known = ", ".join((*self.objectives, *self.study.columns))
            raise WorkbenchError(f"unknown column {name!r}", where=self.study.name, remedy=f"Known: {known}")
