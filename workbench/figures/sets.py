"""The set of figures that a result gives without being asked for one in particular."""

from __future__ import annotations

from collections.abc import Callable

import plotly.graph_objects as go

from ..errors import WorkbenchError
from ..projection import stored_map
from ..scenario.result import Result
from ..study import Study
from .comparison import plot_comparison
from .correlation import plot_objective_correlation, plot_verbosity
from .decomposition import plot_decomposition
from .gate import plot_gate_heatmap, plot_gate_prompt
from .prompt_map import plot_prompt_map
from .sections import plot_sections


def figures_of(
    result: Result, study: Study, *, baseline: Result | None = None, pair: str | None = None, theme: str = "light",
) -> tuple[dict[str, go.Figure], dict[str, str]]:
    """Name → figure, and name → reason for those that this result or study cannot give (no length, no stored map).

    baseline: a second result, which adds the comparison; pair: the id of a pair, which adds its gate and decomposition.
    Raises WorkbenchError for an unknown pair.
    """
    groups = {name: about.group for name, about in study.objective_info.items() if about.group}
    look = {"groups": groups or None, "theme": theme}
    label = result.scenario.name or "scenario"
    series = {label: result}
    if baseline is not None:
        before = baseline.scenario.name or "baseline"
        series = {before if before != label else f"{before} (baseline)": baseline, label: result}
    makers: dict[str, Callable[[], go.Figure]] = {
        "sections": lambda: plot_sections(series, theme=theme),
        "gate": lambda: plot_gate_heatmap(result, **look),
        "objectives": lambda: plot_objective_correlation(result, **look),
        "verbosity": lambda: _verbosity(result, **look),
        "prompt-map": lambda: plot_prompt_map(result, places=stored_map(study), **look),
    }
    if baseline is not None:
        makers["comparison"] = lambda: plot_comparison((baseline, result), theme=theme)
    if pair is not None:
        if pair not in set(result.pairs["pair_id"]):
            raise WorkbenchError(f"no pair {pair!r} on the {result.split} split", where=study.name, remedy="Name one of result.pairs")
        makers["gate-prompt"] = lambda: plot_gate_prompt(result, pair=pair, **look)
        makers["decomposition"] = lambda: plot_decomposition(result, pair=pair, **look)
    made, lacking = {}, {}
    for name, make in makers.items():
        try:
            made[name] = make()
        except WorkbenchError as error:
            lacking[name] = str(error)
    return made, lacking


def _verbosity(result: Result, **look) -> go.Figure:
    if result.penalty is None:
        raise WorkbenchError("nothing was taken out, so there is no before and after", remedy='Name a nuisance: "debias": "n_words"')
    return plot_verbosity(result.verbosity(), **look)
