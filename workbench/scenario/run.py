"""run: a scenario on a study → Result. What a button does, this does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..scores import Scores
from ..study import Study
from . import gates
from .inputs import prepare
from .plan import Plan
from .recipe import Scenario
from .result import Result, assemble, load, save
from .strength import supervision


def run(scenario: Scenario, study: Study, *, progress: Callable | None = None, cancel=None, cache: bool = True,
        device: str = "auto") -> Result:
    """Train a scenario's gate once per seed and measure it on dev.

    Swap → scale → debias (fitted on train) → drop and multiply → gate on out-of-family scores of the train pairs.
    progress(Progress) is called while it trains, labelled "seed 2 of 5", with the seconds left for all of it;
    cancel.is_set() ends it within a second: the Result says stopped="cancelled" and holds the seeds trained by then, the
    last one in its best state so far. cache: use and keep the result under the study's runs/. Raises WorkbenchError for
    names that the study does not know and gates that it has no features for.
    """
    if cache and (kept := load(scenario, study, device)) is not None:
        return replace(kept, scenario=scenario)
    began = time.monotonic()
    inputs = prepare(study, store=cache)
    plan, data = Plan.make(scenario, inputs), inputs.split("train")
    spec, scores = scenario.gate, plan.scores("train")
    taught = supervision(scenario.labels, inputs, device=device, progress=progress, cancel=cancel, store=cache)
    early = scenario.labels != "hard" and _stopped(cancel)  # then the labels were treated by an unfinished ensemble
    trained, total = [], len(scenario.seeds)
    while not trained or (len(trained) < total and not _stopped(cancel)):
        number = len(trained)
        trained.append(gates.train(
            spec, scores, data, taught, seed=scenario.seeds[number], device=device, cancel=cancel,
            label=f"seed {number + 1} of {total}", progress=_overall(progress, number, total),
        ))
    cut = early or _stopped(cancel) and (len(trained) < total or _cut(trained[-1]))
    result = assemble(scenario, inputs, tuple(trained), scenario.seeds[: len(trained)], seconds=time.monotonic() - began,
                      stopped="cancelled" if cut else "finished")
    if cache and not cut:
        save(result, device)
    return result


def _stopped(cancel) -> bool:
    return cancel is not None and cancel.is_set()


def _cut(gate) -> bool:
    """Whether the last fit was cancelled rather than ended by itself."""
    return getattr(getattr(gate, "fit_report", None), "stopped", "") == "cancelled"


def _overall(progress: Callable | None, number: int, total: int) -> Callable | None:
    """Tell the seconds left for the seeds to come as well; their steps stay their own."""
    if progress is None:
        return None
    began = time.monotonic()

    def told(update) -> None:
        spent = time.monotonic() - began
        progress(replace(update, seconds_left=update.seconds_left + (total - number - 1) * (spent + update.seconds_left)))

    return told


def training_scores(scenario: Scenario, study: Study) -> Scores:
    """The scores [pair side obj] that the scenario's gate is trained on: out-of-family, scaled, debiased, multiplied."""
    return Plan.make(scenario, prepare(study)).scores("train")
