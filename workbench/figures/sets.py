"""The set of figures that a result gives, and any one of them again from its card: both from one table of makers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from ..errors import WorkbenchError
from ..evaluate import strength_cuts
from ..projection import stored_map
from ..scenario.compare import compare, noise_floor
from ..scenario.labels import LabelSpec
from ..scenario.recipe import Scenario
from ..scenario.result import Result
from ..scenario.run import run
from ..scenario.strength import strength_of
from ..study import Study
from . import tidy
from .base import provenance_of, with_provenance
from .cards import VENUE, Card
from .comparison import plot_comparison
from .correlation import plot_objective_correlation, plot_verbosity
from .decomposition import plot_decomposition
from .doubt import plot_doubt
from .gate import plot_gate_heatmap, plot_gate_prompt
from .learning import plot_learning
from .prompt_map import plot_prompt_map
from .sections import plot_sections
from .strength import plot_strength
from .watershed import plot_gate_watershed

if TYPE_CHECKING:
    from ..session import Session


@dataclass(frozen=True, eq=False)
class Subject:
    """What every figure of a set is made from."""

    result: Result
    study: Study
    baseline: Result | None
    theme: str

    @cached_property
    def look(self) -> dict:
        groups = {name: about.group for name, about in self.study.objective_info.items() if about.group}
        return {"groups": groups or None, "theme": self.theme}

    @cached_property
    def series(self) -> dict[str, Result]:
        """Name → result, the baseline first, two different names."""
        label = self.result.scenario.name or "scenario"
        if self.baseline is None:
            return {label: self.result}
        before = self.baseline.scenario.name or "baseline"
        return {before if before != label else f"{before} (baseline)": self.baseline, label: self.result}

    @cached_property
    def pair(self) -> tuple[Result, Result]:
        if self.baseline is None:
            raise WorkbenchError("nothing to compare with", remedy="Name a baseline")
        return self.baseline, self.result


def figures_of(
    result: Result, study: Study, *, baseline: Result | None = None, pair: str | None = None, only: Sequence[str] | None = None,
    theme: str = "light",
) -> tuple[dict[str, go.Figure], dict[str, str]]:
    """Name → figure, and name → reason for those that this result or study cannot give (no length, no stored map).

    baseline: a second result, which adds the comparison; pair: the id of a pair, which adds its gate and decomposition;
    only: these figures, also those that must be trained for first (strength, learning). Raises WorkbenchError for an
    unknown pair or figure.
    """
    subject = Subject(result, study, baseline, theme)
    if pair is not None and pair not in set(result.pairs["pair_id"]):
        raise WorkbenchError(f"no pair {pair!r} on the {result.split} split", where=study.name, remedy="Name one of result.pairs")
    wanted = {"comparison": baseline is not None, "gate-prompt": pair is not None, "decomposition": pair is not None}
    names = [name for name in MAKERS if wanted.get(name, True)] if only is None else list(dict.fromkeys(map(_known, only)))
    made, lacking = {}, {}
    for name in names:
        if only is None and name in COSTLY and (why := COSTLY[name](subject)):
            lacking[name] = f"{why}; made when asked for by name"
            continue
        try:
            made[name] = _made(subject, name, {"pair": pair} if name in ("gate-prompt", "decomposition") and pair is not None else {})
        except WorkbenchError as error:
            lacking[name] = str(error)
    return made, lacking


def draw(card: Card, study: Study, *, theme: str = "light", known: Sequence[Result] = (), progress: Callable | None = None) -> go.Figure:
    """The figure of a card: its recipes decide the numbers, read from the study's runs/ or run now.

    known: results at hand, taken where recipe and study agree. Raises WorkbenchError for a card of another study, an
    unknown figure or option, and what the study cannot give.
    """
    if card.study != study.hash:
        raise WorkbenchError(f"the figure was made on study {card.study}, this is {study.hash}", where=study.name, remedy="Open that study")
    _known(card.figure)
    baseline, result = (None if recipe is None else _result(recipe, study, known, progress) for recipe in (card.baseline, card.scenario))
    return _made(Subject(result, study, baseline, theme), card.figure, card.options, session=card.session, venue=card.venue)


def card_of(session: Session, figure: str, *, venue: str = VENUE, **options) -> Card:
    """The card of a figure of what the session shows: its candidate against its baseline, or the baseline alone.

    WorkbenchError for an unknown figure or option, before anything was trained, and for a run that was cancelled.
    """
    _fitting(_known(figure), options)
    result, baseline = session.candidate, session.baseline
    result, baseline = (baseline, None) if result is None else (result, baseline)
    if result is None:
        raise WorkbenchError("nothing was trained yet", where=f"figure {figure}", remedy="session.start().wait() trains the baseline")
    for each in (result, baseline):
        if each is not None and not _recipe_decides(each):
            raise WorkbenchError("a run that was cut short cannot be drawn again", where=f"figure {figure}", remedy="Retrain it")
    recipe = None if baseline is None else baseline.scenario
    return Card(figure, result.scenario, session.study.hash, recipe, options, session.id, venue)


def _known(figure: str) -> str:
    if figure not in MAKERS:
        raise WorkbenchError(f"unknown figure {figure!r}", remedy=f"Known: {', '.join(MAKERS)}")
    return figure


def _fitting(figure: str, options) -> None:
    """Whether the maker knows these options and has all that it needs."""
    known = dict(list(inspect.signature(MAKERS[figure]).parameters.items())[1:])
    if unknown := [name for name in options if name not in known]:
        remedy = f"It has {', '.join(known)}" if known else "It has none"
        raise WorkbenchError(f"unknown option {unknown[0]!r}", where=f"figure {figure}", remedy=remedy)
    if lacking := [name for name, about in known.items() if about.default is about.empty and name not in options]:
        raise WorkbenchError(f"no {lacking[0]} named", where=f"figure {figure}", remedy=f"Pass {lacking[0]}=")
    for name, value in options.items():  # a card comes from a file that anybody may have written
        if not isinstance(value, OPTIONS[name]):
            remedy = "Names are texts, cuts are numbers, slices are lists of pair ids by name"
            raise WorkbenchError(f"option {name!r} is {value!r}", where=f"figure {figure}", remedy=remedy)


def _result(recipe: Scenario, study: Study, known: Sequence[Result], progress) -> Result:
    for result in known:
        if result is not None and result.scenario.id == recipe.id and result.study_hash == study.hash and _recipe_decides(result):
            return replace(result, scenario=recipe)
    return run(recipe, study, progress=progress)


def _recipe_decides(result: Result) -> bool:
    """Whether running its recipe gives this result again: not a preview, nor a cancelled run, nor the test split."""
    return result.retrained and result.stopped == "finished" and result.split == "dev"


def _made(subject: Subject, figure: str, options, *, session: str = "", venue: str = VENUE) -> go.Figure:
    _fitting(figure, options)
    fig, results = MAKERS[figure](subject, **options), [r for r in (subject.baseline, subject.result) if r is not None]
    told = tidy.provenance(results) | provenance_of(fig)
    if all(map(_recipe_decides, results)):
        before = subject.baseline and subject.baseline.scenario
        told["card"] = Card(figure, subject.result.scenario, subject.study.hash, before, options, session, venue).to_dict()
    return with_provenance(fig, told)


# -- one maker per figure --------------------------------------------------------------------------


def _verbosity(s: Subject) -> go.Figure:
    if s.result.penalty is None:
        raise WorkbenchError("nothing was taken out, so there is no before and after", remedy='Name a nuisance: "debias": "n_words"')
    return plot_verbosity(s.result.verbosity(), **s.look)


def _comparison(s: Subject, *, metric: str = "accuracy", noise: bool = False, slices: dict[str, list[str]] | None = None) -> go.Figure:
    """slices: name → pair ids, found by looking; noise: with the baseline's noise floor."""
    baseline, result = s.pair
    if metric == "accuracy" and not noise and not slices:
        return plot_comparison(s.pair, theme=s.theme)
    floor = noise_floor(baseline.scenario, s.study, metrics=(metric,)) if noise else None
    masks = {name: np.isin(result.pairs["pair_id"], np.asarray(ids, object)) for name, ids in (slices or {}).items()}
    if empty := [name for name, mask in masks.items() if not mask.any()]:
        raise WorkbenchError(f"slice {empty[0]!r} has none of the pairs", where="figure comparison", remedy="Name pair ids of the result")
    return plot_comparison(compare(*s.pair, noise=floor, metrics=(metric,), exploratory=masks), metric=metric, theme=s.theme)


def _strength(s: Subject, *, flip_below: float | None = None, drop_below: float | None = None) -> go.Figure:
    return _doubted(s, plot_strength, flip_below, drop_below)


def _doubt(s: Subject, *, flip_below: float | None = None, drop_below: float | None = None) -> go.Figure:
    return _doubted(s, plot_doubt, flip_below, drop_below)


def _doubted(s: Subject, plot: Callable, flip_below: float | None, drop_below: float | None) -> go.Figure:
    """The cuts named, else those of the scenario's label treatment."""
    labels, cuts = s.result.scenario.labels, {"flip_below": flip_below, "drop_below": drop_below}
    treated = isinstance(labels, LabelSpec)
    table = strength_of(s.study, labels.strength, noise=labels.noise) if treated else strength_of(s.study)
    plain = treated and not labels.where and not labels.relabel and "smooth" not in labels.kind  # else a cut parts others than it treats
    if flip_below is None and drop_below is None and plain:
        cuts |= {name: cut for name, cut in strength_cuts(table, **labels.cuts, where=labels.where).items() if name in cuts}
    return plot(table, **cuts, theme=s.theme)


def _prompt_map(s: Subject, *, by: str = "dominant") -> go.Figure:
    """On the stored map: no recipe decides it, so the figure says which map it was."""
    places = stored_map(s.study)
    fig = plot_prompt_map(s.result, places=places, by=by, **s.look)
    told = {name: places.settings[name] for name in ("method", "seed", "seeds", "neighbours", "min_dist") if name in places.settings}
    return with_provenance(fig, {**provenance_of(fig), "map": told})


def _learning(s: Subject) -> go.Figure:
    """Curves are not kept on disk: what lacks them is trained again, to the same numbers."""
    curves = {name: result if _has_curves(result) else run(result.scenario, s.study, cache=False) for name, result in s.series.items()}
    return plot_learning(curves, theme=s.theme)


def _has_curves(result: Result) -> bool:
    return all(getattr(gate, "fit_report", None) is not None for gate in result.gates)


def _no_ensemble(s: Subject) -> str:
    return "" if s.result.scenario.labels != "hard" else "the labels are as they stand, so no ensemble was fitted"


MAKERS: dict[str, Callable[..., go.Figure]] = {
    "sections": lambda s, *, metric="accuracy": plot_sections(s.series, metric=metric, percent=metric == "accuracy", theme=s.theme),
    "gate": lambda s, *, by="section": plot_gate_heatmap(s.result, by=by, **s.look),
    "watershed": lambda s, *, by=None: plot_gate_watershed(s.result, by=by, **s.look),
    "objectives": lambda s: plot_objective_correlation(s.result, **s.look),
    "verbosity": _verbosity,
    "prompt-map": _prompt_map,
    "comparison": _comparison,
    "gate-prompt": lambda s, *, pair: plot_gate_prompt(s.result, pair=pair, **s.look),
    "decomposition": lambda s, *, pair: plot_decomposition(s.result, pair=pair, **s.look),
    "strength": _strength,
    "doubt": _doubt,
    "learning": _learning,
}
OPTIONS: dict[str, tuple[type, ...]] = {  # what each option is made of
    "metric": (str,), "by": (str, type(None)), "pair": (str, int), "noise": (bool,), "slices": (dict, type(None)),
    "flip_below": (int, float, type(None)), "drop_below": (int, float, type(None)),
}
# Figures that something must be trained for: why the set goes without, "" where it is at hand.
COSTLY: dict[str, Callable[[Subject], str]] = {
    "strength": _no_ensemble, "doubt": _no_ensemble,
    "learning": lambda s: "" if all(map(_has_curves, s.series.values())) else "the curves of a stored result are not kept",
}
