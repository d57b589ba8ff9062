"""Answers that follow from results and a history, worked out here and kept by whoever asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .. import budget
from ..evaluate.inference import estimate
from ..evaluate.metrics import correct
from ..scenario.compare import EXPLORATORY
from ..scenario.edits import recipe_key
from ..scenario.history import History
from ..scenario.inputs import Inputs, Split
from ..scenario.job import Job
from ..scenario.preview import preview
from ..scenario.recipe import GIVEN, Scenario
from ..scenario.result import Result
from ..study import Study
from .selection import Selection

SHARED = (Study, Inputs, Split, pd.DataFrame)  # counted elsewhere, or small
COLUMNS = ("which", "value", "low", "high", "n", "families", "seeds", "words")


@dataclass(frozen=True)
class Preview:
    """The draft with the baseline's gate: a Result that is not retrained, and how long it took (seconds)."""

    result: Result
    seconds: float


class Memo:
    """The last answer to each question, kept while what it was made from is the same: the same objects, or equal texts."""

    def __init__(self):
        self._kept: dict[str, tuple[tuple, Any]] = {}
        budget.keeper(self)

    def held(self) -> int:
        """Bytes of the answers, beside what is counted elsewhere."""
        return budget.size_of([answer for _, answer in list(self._kept.values())], but=SHARED)

    def let_go(self, size: int) -> None:
        """Forget the answers: they are worked out again."""
        self._kept.clear()

    def __call__(self, question: str, inputs: tuple, make: Callable[[], Any]) -> Any:
        kept = self._kept.get(question)
        if kept is None or not all(a is b or (isinstance(a, str) and a == b) for a, b in zip(kept[0], inputs, strict=True)):
            kept = self._kept[question] = (inputs, make())
        return kept[1]


def nearest(history: History, pinned: Scenario, found: Callable[[Scenario], Any]) -> Any:
    """What is found for the nearest step at or above the draft, below the pinned recipe; None when there is nothing."""
    end = recipe_key(pinned)
    for at in history.path():
        scenario = history.steps[at].scenario
        if recipe_key(scenario) == end:
            return None
        if (answer := found(scenario)) is not None:
            return answer
    return None


def timed_preview(baseline: Result, draft: Scenario, study: Study) -> Preview:
    begun = time.perf_counter()
    result = preview(baseline, draft, study)
    return Preview(result, time.perf_counter() - begun)


def seconds_each(jobs: tuple[Job, ...], baseline: Result | None) -> float | None:
    """What one seed took in the newest job that trained any, or else in the baseline; None where that was not trained."""
    for job in reversed(jobs):
        if job.seconds_each:
            return job.seconds_each
    trained = baseline is not None and len(baseline.margins) and baseline.scenario.gate.kind != GIVEN
    return baseline.seconds / len(baseline.margins) if trained else None


def held_out_loss(result: Result | None) -> float | None:
    """Held-out loss of a result's gates, mean over seeds, where they were trained in this process."""
    reports = [getattr(gate, "fit_report", None) for gate in result.gates] if result is not None else []
    losses = [min(kept) for report in reports if report and (kept := [loss for loss in report.history["held_out"] if loss is not None])]
    return sum(losses) / len(losses) if losses else None


def selected_accuracy(results: dict[str, Result | None], selection: Selection) -> pd.DataFrame:
    """Accuracy on the selected pairs, a row for each result that there is; interval by families and seeds, no p-value."""
    rows = []
    for which, result in results.items():
        if result is not None:
            found = estimate(correct(result.margins[:, selection.mask]), result.families[selection.mask])
            said = [found.words] if found.words else []
            words = "; ".join(said if selection.kind == "all" else [*said, EXPLORATORY])
            rows.append({"which": which, **vars(found), "words": words})
    return pd.DataFrame(rows, columns=list(COLUMNS))
