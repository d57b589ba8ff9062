"""Small questions about a scenario, and the edits that a gesture makes of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..errors import WorkbenchError, listing
from ..study import Study
from .given import PUBLISHED, model_of
from .recipe import GIVEN, Scenario
from .values import names_of

MOST = 1_000.0


def on(scenario: Scenario, name: str) -> bool:
    """Whether an objective takes part."""
    return name not in scenario.drop and (scenario.keep is None or name in scenario.keep)


def recipe_key(scenario: Scenario) -> str:
    """The scenario's id whatever its seeds: the same edits are the same line of the history."""
    return scenario.model_copy(update={"seeds": (0,)}).id


def checked(scenario: Scenario, study: Study) -> Scenario:
    """The scenario itself; WorkbenchError where it names an objective or a column that the study does not know, or not of every
    pair, or what a model gives where the study has none.
    """
    scenario.kept(study.objectives)
    if GIVEN in (scenario.gate.kind, scenario.debias_method if scenario.debias else None):
        model_of(study)
    for column in (*scenario.swap.values(), *scenario.nuisances):
        if column not in study.objectives and column not in study.columns:
            known = ", ".join(dict.fromkeys((*study.objectives, *study.columns)))
            raise WorkbenchError(f"unknown column {column!r}", where=study.name, remedy=f"Known: {known}")
        if column not in study.objectives or study.store is None:  # an objective with features is scored by its probe
            _complete(column, study)
    return scenario


def _complete(column: str, study: Study) -> None:
    """WorkbenchError, with their count, where train or dev pairs lack a number."""
    values = study.column(column)
    known = np.isfinite(values.to_numpy(np.float64, na_value=np.nan))
    if known.all():
        return
    pairs, there = study.pairs[study.pairs["split"] != "test"], values.index[known]
    lacking = pairs.loc[~(pairs["chosen"].isin(there) & pairs["rejected"].isin(there)), "pair_id"]
    if len(lacking):
        raise WorkbenchError(f"column {column!r} has no number for {len(lacking)} of {len(pairs)} pairs ({listing(lacking, 3)})",
                             where=study.name, remedy="Choose a column that is known of every response")


def switched(scenario: Scenario, name: str, to: bool, objectives: tuple[str, ...]) -> dict:
    """`drop` and `keep` with one objective on or off; WorkbenchError where that would leave none."""
    drop, keep = {*scenario.drop} - {name}, scenario.keep
    if to and keep is not None and name not in keep:
        keep = (*keep, name)
    if not to and (keep is None or name in keep):
        drop.add(name)
    if not any(other not in drop and (keep is None or other in keep) for other in objectives):
        raise WorkbenchError(f"{name!r} is the last objective that is on", remedy="Switch another one on first")
    return {"drop": tuple(other for other in objectives if other in drop), "keep": keep}


def multiplied(scenario: Scenario, name: str, value: float) -> dict:
    """`multiply` with one factor, none for 1; WorkbenchError for a negative one, or one that is no number."""
    value = float(value)
    if not 0 <= value <= MOST:
        raise WorkbenchError(f"multiplier {value:g} for {name!r}", remedy=f"Give a number from 0 to {MOST:g}")
    others = {other: factor for other, factor in scenario.multiply.items() if other != name}
    return {"multiply": others if value == 1.0 else {**others, name: value}}


def swapped(scenario: Scenario, name: str, column: str | None) -> dict:
    """`swap` with another column in one objective's place; None, or the objective itself, takes it back."""
    others = {other: at for other, at in scenario.swap.items() if other != name}
    return {"swap": others if column in (None, name) else {**others, name: column}}


def debiased(scenario: Scenario, nuisance: str | tuple[str, ...] | None, pinned: Scenario, study: Study) -> dict:
    """`debias` with other nuisances, and how they are taken out: the baseline's own in its way, a model's own by its penalties."""
    named = names_of(nuisance or ())
    if not named or not study.has_model:
        return {"debias": named}
    model = model_of(study)
    if set(named) == set(pinned.nuisances):
        return {"debias": named, "debias_method": pinned.debias_method, "nonnegative": pinned.nonnegative}
    if model.debias is not None and set(named) == set(model.debias.against):
        return {"debias": named, "debias_method": GIVEN}
    return {"debias": named, "debias_method": "exact" if scenario.debias_method == GIVEN else scenario.debias_method}


def to_train(scenario: Scenario, **edits) -> Scenario:
    """What is trained of a scenario, after these edits: a child with a softmax gate where its gate is given, which is not trained."""
    if scenario.gate.kind != GIVEN:
        return scenario.child(**edits) if edits else scenario
    words = {} if scenario.name == PUBLISHED else {"name": scenario.name, "note": scenario.note}
    return scenario.child(gate={"kind": "softmax"}, **words, **edits)


def seeds_of(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """A count as the first seeds, or seeds as they are given."""
    chosen = tuple(range(seeds)) if isinstance(seeds, int) else tuple(int(seed) for seed in seeds)
    if not chosen or len(set(chosen)) != len(chosen) or min(chosen) < 0:
        raise WorkbenchError(f"seeds {seeds!r}", remedy="Give a count of one or more, or different seeds of 0 or more")
    return chosen
