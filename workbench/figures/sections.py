"""Accuracy per section."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from . import tidy
from .base import count, figure, interval, number, spread_limits, wanted, widest
from .rows import HEAD, aside, baseline_mark, candidate_mark, column, heights, lay_rows, note, rule, wholes
from .signs import add_key
from .theme import Theme, theme_of

LENGTH = "the longer wins"
SIGNS = ("diamond-open", "square-open", "triangle-up-open", "pentagon-open", "star-open", "hexagon-open")


def plot_sections(
    data,
    *,
    baseline: str | None = None,
    candidate: str | None = None,
    metric: str = "accuracy",
    percent: bool = True,
    theme: str | Theme = "light",
) -> go.Figure:
    """Accuracy per section with intervals, for several results and baselines: baseline hollow grey, candidate filled blue.

    data: a table slice, series, value, low, high (n, families); or name → Result, of which the rule that the longer
    answer wins is drawn too. baseline and candidate name two series (the first two if not said);
    others are open signs in grey. percent: values are shares.
    """
    look = theme_of(theme)
    source = data if isinstance(data, pd.DataFrame) else tidy.sections(data, metric=metric)
    frame = wanted(source, "slice", "series", "value", "low", "high", what="sections")
    slices, series = list(dict.fromkeys(frame["slice"])), list(dict.fromkeys(frame["series"]))
    plain = [s for s in series if s != LENGTH]
    baseline = baseline or next(iter(plain), None)
    candidate = candidate or next((s for s in plain if s != baseline), None)
    each, scale = 16 + 9 * len(series), 100 if percent else 1
    fig = figure(
        frame,
        look,
        height=heights(len(slices), each, key=series, foot=40),
        provenance=tidy.provenance(data),
        sentence=f"{metric.capitalize()} with 95 per cent intervals in {len(slices)} slices for {len(series)} series: "
        + ", ".join(map(str, series))
        + ".",
    )
    others = iter(SIGNS * (1 + len(series) // len(SIGNS)))
    marks = {name: _mark(look, name, baseline, candidate, others) for name in series}
    for place, (name, (mark, color)) in enumerate(marks.items()):
        shift = (place - (len(series) - 1) / 2) * 9 / each
        _series(fig, frame[frame["series"] == name], slices, name, mark, color, shift, scale)
    sizes = _sizes(frame, slices)
    lay_rows(fig, look, slices, right=widest(sizes) + 16 if any(sizes) else 10, key=series, foot=40, most=24, strong=wholes(slices))
    column(
        fig,
        look,
        1,
        metric.capitalize() + (", %" if percent else ""),
        limits=spread_limits(*(scale * frame[c] for c in ("value", "low", "high"))),
        ticks=5,
    )
    for row in range(1, len(slices)):
        rule(fig, look, row - 0.5, strong=row - 1 in wholes(slices))
    if any(sizes):
        fig.add_annotation(
            text="pairs / families",
            xref="paper",
            x=1,
            xanchor="right",
            xshift=widest(sizes) + 14,
            yref="paper",
            y=1,
            yanchor="bottom",
            yshift=3,
        )
    for row, text in enumerate(sizes):
        aside(fig, row, text, color=look.ink2, align="right", shift=widest(sizes) + 14)
    note(fig, "95 % intervals", below=22)
    add_key(fig, look, [(name, mark) for name, (mark, _) in marks.items()], above=HEAD + 4)
    return fig


def _mark(look: Theme, name: str, baseline: str | None, candidate: str | None, others) -> tuple[dict, str]:
    """The sign of a series: hollow grey, filled blue, a cross for length alone, open signs for the rest."""
    if name == baseline:
        return baseline_mark(look), look.baseline
    if name == candidate:
        return candidate_mark(look), look.candidate
    color = look.unchanged if name == LENGTH else look.ink2
    shape = "x-thin-open" if name == LENGTH else next(others)
    return dict(symbol=shape, size=7, color=color, line=dict(color=color, width=1.5)), color


def _series(fig: go.Figure, part: pd.DataFrame, slices: list, name: str, mark: dict, color: str, shift: float, scale: float) -> None:
    words = [
        f"{number(scale * v, 1)} {interval(scale * a, scale * b, 1)}" if a == a else number(scale * v, 1)
        for v, a, b in zip(part["value"], part["low"], part["high"])
    ]
    fig.add_scatter(
        x=scale * part["value"],
        y=[slices.index(s) + shift for s in part["slice"]],
        mode="markers",
        name=str(name),
        marker=mark,
        cliponaxis=False,
        error_x=dict(
            array=scale * (part["high"] - part["value"]),
            arrayminus=scale * (part["value"] - part["low"]),
            width=0,
            thickness=1.5,
            color=color,
        ),
        customdata=list(zip(part["slice"], words)),
        hovertemplate=f"%{{customdata[0]}}, {name}: %{{customdata[1]}}<extra></extra>",
    )


def _sizes(frame: pd.DataFrame, slices: list) -> list[str]:
    """Pairs and families of each slice, where known."""
    if not {"n", "families"} <= set(frame.columns):
        return [""] * len(slices)
    first = frame.dropna(subset=["n"]).drop_duplicates("slice").set_index("slice")
    return [f"{count(first.at[s, 'n'])} / {count(first.at[s, 'families'])}" if s in first.index else "" for s in slices]
