"""What a session's jobs do, and the results that come of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from .. import budget
from ..errors import WorkbenchError
from ..scenario.compare import other_seeds
from ..scenario.edits import recipe_key
from ..scenario.job import is_partial
from ..scenario.kept import folder_of, load
from ..scenario.recipe import Scenario
from ..scenario.result import Result
from ..scenario.run import run
from ..study import Study
from .answers import SHARED

STAY = 2  # results that stay in memory: a baseline and a candidate


class Results:
    """Results of one study by recipe, whatever their seeds and names.

    named: scenarios that were trained before, in another process; each is read from the study's runs/ when it is first
    asked for. `lost`: one of them that is not there any more, to be trained again to the same bytes. noise: baselines
    that were also trained with other seeds.
    """

    def __init__(self, study: Study, named: Iterable[Scenario] = (), noise: Iterable[Scenario] = ()):
        self._study, self._lock = study, threading.RLock()
        self._made: dict[str, Result | None] = {}  # None: named, and looked for in vain
        self._named = {recipe_key(scenario): scenario for scenario in named}
        self._noise: dict[str, Result | None] = {}
        self._noisy = {scenario.id: scenario for scenario in noise}
        self._past: set[str] = set()
        budget.keeper(self)

    def of(self, scenario: Scenario) -> Result | None:
        """What a recipe gave; None while it was never trained, or is lost."""
        key = recipe_key(scenario)
        with self._lock:
            if key in self._made:
                self._made[key] = self._made.pop(key)  # the last one asked for is the last to leave memory
            elif key in self._named:
                self._put(key, self._read(self._named[key]))
            return self._made.get(key)

    def knows(self, scenario: Scenario) -> bool:
        """Whether `of` has something to give, without reading it where it is only on disk for want of memory."""
        return recipe_key(scenario) in self._past or self.of(scenario) is not None

    def _put(self, key: str, result: Result | None) -> None:
        self._made.pop(key, None)
        self._made[key] = result
        self._past.discard(key)
        if (over := -budget.room()) > 0:
            self.let_go(over)

    @property
    def past(self) -> int:
        """How many results left memory and are on disk."""
        return len(self._past)

    def held(self) -> int:
        """Bytes of the results in memory, beside what they share with the study's inputs."""
        return budget.size_of(list(self._made.values()), list(self._noise.values()), but=SHARED)

    def let_go(self, size: int) -> None:
        """Take the results that were longest not asked for out of memory, all but two, if they can be read again."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            for key in list(self._made)[:-STAY]:
                result = self._made[key]
                if size > 0 and result is not None and not is_partial(result) and folder_of(result.scenario, self._study).exists():
                    size -= budget.size_of(result, but=SHARED)
                    del self._made[key]
                    self._past.add(key)
        finally:
            self._lock.release()

    def lost(self, scenario: Scenario) -> Scenario | None:
        """The scenario, with its seeds, whose result was named and is not there."""
        return None if self.of(scenario) is not None else self._named.get(recipe_key(scenario))

    def look_for(self, scenarios: Iterable[Scenario]) -> None:
        """Results that may lie in the study's runs/, to be read when they are asked for."""
        with self._lock:
            self._named |= {recipe_key(scenario): scenario for scenario in scenarios}

    def keep(self, scenario: Scenario, result: Result | None) -> None:
        """Remember a result; a cancelled run does not push out a whole one."""
        with self._lock:
            known = self.of(scenario)
            if result is None or (known is not None and is_partial(result) and not is_partial(known)):
                return
            self.take(replace(result, scenario=scenario) if result.scenario.id != scenario.id else result)

    def take(self, result: Result) -> None:
        """Put a result in its recipe's place, whatever was there."""
        with self._lock:
            key = recipe_key(result.scenario)
            if not is_partial(result):
                self._named[key] = result.scenario
            self._put(key, result)

    def noise_of(self, baseline: Result) -> Result | None:
        """The baseline's scenario trained with other seeds, where that was done."""
        key = baseline.scenario.id
        with self._lock:
            if key not in self._noise and key in self._noisy:
                self._noise[key] = self._read(again(baseline.scenario))
            return self._noise.get(key)

    def lost_noise(self, scenario: Scenario) -> bool:
        """Whether a baseline was trained with other seeds, and that result is not there any more."""
        with self._lock:
            noisy = scenario.id in self._noisy and self._noise.get(scenario.id) is None
            return noisy and not folder_of(again(scenario), self._study).exists()

    def keep_noise(self, baseline: Result, result: Result) -> None:
        with self._lock:
            if not is_partial(result):
                self._noise[baseline.scenario.id], self._noisy[baseline.scenario.id] = result, baseline.scenario

    def named(self) -> dict[str, list[Scenario]]:
        """The scenarios of all whole results, and the baselines whose noise was measured: what a file keeps."""
        with self._lock:
            return {"trained": list(self._named.values()), "noise": list(self._noisy.values())}

    def _read(self, scenario: Scenario) -> Result | None:
        return load(scenario, self._study) if folder_of(scenario, self._study).exists() else None


def again(scenario: Scenario) -> Scenario:
    """The same recipe with as many seeds that it does not use."""
    return scenario.child(seeds=other_seeds(scenario))


def training(results: Results, study: Study, pinned: Callable[[], Scenario], scenario: Scenario, after: Callable[[], object]) -> Callable:
    """The work of a job: the pinned scenario first where it has no result, then this one; `after` once it is whole."""
    def work(*, progress, cancel):
        first = pinned()
        if recipe_key(first) != recipe_key(scenario):
            _baseline(results, study, first, progress, cancel)
            if cancel.is_set():
                return None
        result = run(scenario, study, progress=progress, cancel=cancel)
        results.keep(scenario, result)
        if not cancel.is_set():
            after()
        return result

    return work


def noise(results: Results, study: Study, pinned: Scenario) -> Callable:
    """The work of a job: the baseline with a disjoint set of seeds, the baseline itself first where it has no result."""
    def work(*, progress, cancel):
        baseline = _baseline(results, study, pinned, progress, cancel)
        if cancel.is_set():
            return None
        if is_partial(baseline):
            raise WorkbenchError("the baseline was cancelled before its last seed", where="noise floor", remedy="Train it to its end first")
        result = run(again(baseline.scenario), study, progress=_labelled(progress, "other seeds"), cancel=cancel)
        results.keep_noise(baseline, result)
        return result

    return work


def _baseline(results: Results, study: Study, scenario: Scenario, progress: Callable, cancel) -> Result:
    found = results.of(scenario)
    if found is None:
        scenario = results.lost(scenario) or scenario  # with the seeds that it had
        found = run(scenario, study, progress=_labelled(progress, "baseline"), cancel=cancel)
        results.keep(scenario, found)
    return found


def _labelled(progress: Callable, word: str) -> Callable:
    """Curves are kept by label: the baseline's are its own."""
    return lambda update: progress(replace(update, label=f"{word}, {update.label}"))
