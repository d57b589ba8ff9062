"""What can be asked of a session. Nothing here changes anything that can be seen."""

from __future__ import annotations

import threading

import pandas as pd

from ..errors import WorkbenchError
from ..scenario.compare import compare
from ..scenario.edits import on, recipe_key, to_train
from ..scenario.history import History
from ..scenario.job import Job
from ..scenario.recipe import Scenario
from ..scenario.result import Result
from ..study import Study
from . import answers
from .memory import Memory
from .queue import Queue
from .selection import Selection, Slice, items_of, mask_of
from .state import State, plain
from .training import Results


class Reading:
    """A study, one State, and what was trained: all that a view reads.

    items: the dev pairs, one row each, in the row order of every Result's .pairs, known before anything is trained.
    """

    def __init__(self, study: Study, pinned: Scenario):
        self.study = study
        self.items = items_of(study)
        self._ids = pd.Index(self.items["pair_id"].astype(str).astype(object))
        self._lock, self._memo = threading.RLock(), answers.Memo()
        self._results, self._queue = Results(study), Queue()
        self._state = State(pinned, History.start(pinned), Selection(mask_of(None, self._ids)))

    @property
    def history(self) -> History:
        return self._state.history

    @property
    def draft(self) -> Scenario:
        """The scenario being edited."""
        return self.history.scenario

    @property
    def baseline_scenario(self) -> Scenario:
        """What is pinned, trained or not."""
        return self._state.pinned

    @property
    def baseline(self) -> Result | None:
        return self.result_of(self.baseline_scenario)

    @property
    def objectives(self) -> tuple[str, ...]:
        return self.study.objectives

    def is_on(self, name: str) -> bool:
        return on(self.draft, name)

    def result_of(self, scenario: Scenario) -> Result | None:
        """What a recipe gave in this session, whatever its seeds and name; None while it was never trained."""
        return self._results.of(scenario)

    def trained(self, scenario: Scenario) -> bool:
        """Whether `result_of` has something to give; reads no result that is only on disk."""
        return self._results.knows(scenario)

    @property
    def memory(self) -> Memory:
        """What is held of the memory budget (`budget.limit`); print it."""
        return Memory.of(self.study, self._results, self._memo)

    @property
    def candidate(self) -> Result | None:
        """The nearest trained step at or above the draft that is not the baseline."""
        return answers.nearest(self.history, self.baseline_scenario, self.result_of)

    @property
    def retrained(self) -> bool:
        """Whether the draft itself has been trained."""
        return self.trained(self.draft)

    @property
    def selection(self) -> Selection:
        """What is selected; assigning is `select`."""
        return self._state.selection

    @property
    def slices(self) -> dict[str, Slice]:
        """Saved selections by name, oldest first."""
        return {kept.name: kept for kept in self._state.slices}

    @property
    def view(self) -> dict[str, dict]:
        """Settings of views by screen, as `remember` was told them."""
        return plain(self._state.view, "view")

    @property
    def tray(self) -> tuple[dict, ...]:
        """Cards of figures."""
        return tuple(plain(list(self._state.tray), "tray"))

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Jobs that run or wait, oldest first."""
        return self._queue.jobs

    @property
    def job(self) -> Job | None:
        """The job that runs, else the last one that ended."""
        return self._queue.job

    @property
    def ended(self) -> tuple[Job, ...]:
        """The last jobs that ended, newest last; a failed one says why in `error`."""
        return self._queue.ended

    @property
    def cost(self) -> float | None:
        """Seconds that a retrain of the draft will take, after the last job's or else the baseline's; None before there is one."""
        each = answers.seconds_each((*self.ended, *self.jobs), self.baseline)
        return each * len(to_train(self.draft).seeds) if each else None

    @property
    def baseline_loss(self) -> float | None:
        """Held-out loss of the baseline's gates, mean over seeds, where they were trained in this process."""
        return answers.held_out_loss(self.baseline)

    def preview(self) -> answers.Preview:
        """The draft without training: closed form, the baseline's gate. Kept until draft or baseline change."""
        baseline, draft = self.baseline, self.draft
        if baseline is None:
            raise WorkbenchError("no baseline yet", where="preview", remedy="session.start().wait() trains it")
        return self._memo("preview", (baseline, recipe_key(draft)), lambda: answers.timed_preview(baseline, draft, self.study))

    def comparison(self) -> pd.DataFrame | None:
        """Baseline against candidate (`compare`): declared sections, then saved slices as exploratory rows.

        With noise_low and noise_high where the baseline's noise was measured. None while one of the two is missing.
        """
        return self._compared("comparison", self.candidate, noise=self.noise)

    @property
    def noise(self) -> pd.DataFrame | None:
        """The present baseline against itself with other seeds, as `measure_noise` found it; None before that."""
        baseline = self.baseline
        return self._compared("noise", None if baseline is None else self._results.noise_of(baseline))

    def _compared(self, question: str, other: Result | None, **options) -> pd.DataFrame | None:
        baseline, state = self.baseline, self._state
        if baseline is None or other is None:
            return None
        masks = self._memo("masks", (state.slices,), lambda: state.slice_masks(self._ids))
        made_from = (baseline, other, masks, *options.values())
        return self._memo(question, made_from, lambda: compare(baseline, other, exploratory=masks, **options))

    def selected_accuracy(self) -> pd.DataFrame:
        """Accuracy of the selection: which (baseline, candidate), value, low, high, n, families, seeds, words; no p-value."""
        both, chosen = {"baseline": self.baseline, "candidate": self.candidate}, self.selection
        made_from = (*both.values(), chosen.mask, chosen.kind)
        return self._memo("selected", made_from, lambda: answers.selected_accuracy(both, chosen))
