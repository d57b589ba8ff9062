"""run: a scenario on a study → Result. What a button does, this does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..errors import WorkbenchError
from ..scores import Scores
from ..study import Study
from . import given, seeds
from .inputs import Inputs, prepare
from .kept import load, save, starts_of
from .plan import Plan
from .pools import pools
from .recipe import GIVEN, Scenario
from .result import Result, assemble
from .treatment import supervision


def run(scenario: Scenario, study: Study, *, progress: Callable | None = None, cancel=None, cache: bool = True,
        device: str = "auto") -> Result:
    """Train a scenario's gate once per seed and measure it on dev.

    Swap → scale → debias (fitted on train) → drop and multiply → gate on out-of-family scores of the train pairs. A gate that
    is given is not trained: it is the model's own, over the objectives kept.
    progress(Progress) is called while it trains, labelled "seed 2 of 5" ("5 seeds" where they are one job, on a GPU), with the
    seconds left for all of it; cancel.is_set() ends the training within a second: the Result says stopped="cancelled" and
    holds the seeds begun by then, each in its best state so far. cache: use and keep the result under the study's runs/.
    Raises WorkbenchError for names that the study does not know, gates that it has no features or no model for, and a start
    from a scenario that was not run.
    """
    if cache and (kept := load(scenario, study, device)) is not None:
        return replace(kept, scenario=scenario)
    began = time.monotonic()
    inputs = prepare(study, store=cache)
    if scenario.gate.kind == GIVEN:
        result = _as_given(scenario, inputs, began)
        if cache:
            save(result, device)
        return result
    starts = starts_of(scenario, study, device) if scenario.gate.warm else None
    plan, data = Plan.make(scenario, inputs), inputs.split("train")
    spec, scores = scenario.gate, plan.scores("train")
    taught = supervision(scenario.labels, inputs, device=device, progress=progress, cancel=cancel, store=cache)
    early = scenario.labels != "hard" and _stopped(cancel)  # then the labels were treated by an unfinished ensemble
    shifted = pools(study, answers=spec.meta.answers)[0] if spec.meta else None
    trained = seeds.train(spec, scores, data, taught, scenario.seeds, starts=starts, shifted=shifted, device=device, progress=progress,
                          cancel=cancel)
    cut = early or _stopped(cancel) and (len(trained) < len(scenario.seeds) or any(map(_cut, trained.values())))
    result = assemble(scenario, inputs, tuple(trained.values()), tuple(trained), seconds=time.monotonic() - began,
                      stopped="cancelled" if cut else "finished")
    if cache and not cut:
        save(result, device)
    return result


def _as_given(scenario: Scenario, inputs: Inputs, began: float) -> Result:
    """The model's own gate on dev. WorkbenchError for several seeds, each of which would be the same gate."""
    if len(scenario.seeds) > 1:
        raise WorkbenchError(f"{len(scenario.seeds)} seeds of the gate as published, which is one", where="scenario, seeds",
                             remedy="Leave the seeds out, or train a gate")
    gate = given.gate_over(inputs.model, Plan.make(scenario, inputs).names)
    return assemble(scenario, inputs, (gate,), scenario.seeds, seconds=time.monotonic() - began)


def _stopped(cancel) -> bool:
    return cancel is not None and cancel.is_set()


def _cut(gate) -> bool:
    """Whether the last fit was cancelled rather than ended by itself."""
    return getattr(getattr(gate, "fit_report", None), "stopped", "") == "cancelled"


def training_scores(scenario: Scenario, study: Study) -> Scores:
    """The scores [pair side obj] that the scenario's gate is trained on: out-of-family, scaled, debiased, multiplied."""
    return Plan.make(scenario, prepare(study)).scores("train")
