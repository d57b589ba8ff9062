"""Which edit did it? Every subset of a candidate's edits is run on common seeds, and the change is shared out exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from ..errors import WorkbenchError
from ..evaluate.flips import shapley
from ..evaluate.inference import estimate
from ..evaluate.metrics import correct
from ..study import Study
from .edits import on
from .kept import folder_of
from .recipe import GIVEN, Scenario
from .run import run

FEWEST, MOST = 2, 4  # edits: one is its own cause, five take 32 trainings
COLUMNS = ("edit", "value", "low", "high", "n", "families", "seeds", "words")


@dataclass(frozen=True)
class Edit:
    """One difference between two scenarios: a field, the name in it where it has several, and the candidate's value."""

    field: str
    name: str | None
    value: Any

    def made(self, fields: dict) -> dict:
        """The fields with this edit."""
        if self.field in ("multiply", "swap"):
            others = {name: value for name, value in fields[self.field].items() if name != self.name}
            return {**fields, self.field: others if self.value is None else {**others, self.name: self.value}}
        if self.field == "on":
            drop = [name for name in fields["drop"] if name != self.name]
            keep = fields["keep"]
            if keep is not None:
                keep = (*(name for name in keep if name != self.name), *((self.name,) if self.value else ()))
            return {**fields, "keep": keep, "drop": tuple(drop if self.value else [*drop, self.name])}
        return {**fields, **self.value} if self.field == "debias" else {**fields, self.field: self.value}


def edits_between(baseline: Scenario, candidate: Scenario, objectives: tuple[str, ...]) -> tuple[Edit, ...]:
    """What differs, one edit each: debias, an objective off or on, a multiplier, a swap, labels, gate. Seeds are no edit."""
    found = []
    way = ("debias", "debias_method", "nonnegative")
    told = [[getattr(each, field) for field in way] if each.debias else [None] for each in (baseline, candidate)]  # nothing, no way
    if told[0] != told[1]:
        found.append(Edit("debias", None, {field: getattr(candidate, field) for field in way}))
    found += [Edit("on", name, on(candidate, name)) for name in objectives if on(candidate, name) != on(baseline, name)]
    for field in ("multiply", "swap"):
        old, new = getattr(baseline, field), getattr(candidate, field)
        found += [Edit(field, name, new.get(name)) for name in objectives if old.get(name) != new.get(name)]
    return (*found, *(Edit(f, None, getattr(candidate, f)) for f in ("labels", "gate") if getattr(baseline, f) != getattr(candidate, f)))


def subsets_of(baseline: Scenario, candidate: Scenario, objectives: tuple[str, ...]) -> dict[frozenset[int], Scenario]:
    """The scenario of every subset of the edits, on the candidate's seeds (the baseline's, if its gate is given and has none).

    WorkbenchError unless there are 2 to 4 edits.
    """
    edits = edits_between(baseline, candidate, objectives)
    if not FEWEST <= len(edits) <= MOST:
        raise WorkbenchError(f"{len(edits)} edit{'s' if len(edits) != 1 else ''} between the two", where="blame",
                             remedy=f"It shares a change among {FEWEST} to {MOST} edits")
    start = {field: getattr(baseline, field) for field in type(baseline).model_fields if field not in ("name", "note", "parent")}
    found = {}
    for size in range(len(edits) + 1):
        for chosen in combinations(range(len(edits)), size):
            fields = {**start, "seeds": _seeds(baseline, candidate)}
            for at in chosen:
                fields = edits[at].made(fields)
            found[frozenset(chosen)] = Scenario(**fields)
    found[frozenset(range(len(edits)))] = candidate  # however it names what is on, it is trained already
    return found


def _seeds(baseline: Scenario, candidate: Scenario) -> tuple[int, ...]:
    return (baseline if candidate.gate.kind == GIVEN else candidate).seeds


def blame(baseline: Scenario, candidate: Scenario, study: Study, *, progress: Callable | None = None, cancel=None) -> pd.DataFrame | None:
    """What each edit adds to the accuracy: edit (its place in `edits_between`), value, low, high, n, families, seeds, words.

    Two edits: each alone, then their interaction (what both give beyond the sum). Three or four: Shapley values over
    all orders of making them. Common seeds; intervals by family and seed; rows add up to the whole change. Runs what
    has not been run yet (progress(done, whole, Progress)); None when it is cancelled.
    """
    scenarios = subsets_of(baseline, candidate, study.objectives)
    won, families, seeds = {}, None, len(_seeds(baseline, candidate))
    for number, (subset, scenario) in enumerate(scenarios.items()):
        def told(update, number=number):
            if progress is not None:
                progress(number, len(scenarios), update)

        result = run(scenario, study, progress=told, cancel=cancel)
        if cancel is not None and cancel.is_set():
            return None
        won[subset], families = correct(np.resize(result.margins, (seeds, len(result.pairs)))), result.families  # a given gate has one
    edits = max(map(len, scenarios))
    if edits == 2:
        none, first, second, both = (won[frozenset(one)] for one in ((), (0,), (1,), (0, 1)))
        gains = {"0": first - none, "1": second - none, "interaction": both - first - second + none}
    else:
        gains = {str(at): gain for at, gain in enumerate(shapley(won, edits))}
    rows = []
    for name, gain in gains.items():
        rows.append({"edit": name, **vars(estimate(gain, families))})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def untrained(baseline: Scenario, candidate: Scenario, study: Study) -> int:
    """How many of the runs are not in the study's runs/ yet: what a blame costs."""
    return sum(not folder_of(scenario, study).exists() for scenario in subsets_of(baseline, candidate, study.objectives).values())
