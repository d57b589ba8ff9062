"""Why one pair came out as it did: a running sum that ends at the margin."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from . import tidy
from .base import figure, grouped, number, spread_limits, wanted
from .rows import aside, column, heights, lay_rows, rule
from .theme import Theme, theme_of

ROW, COLUMN = 22, 44  # px; a row, and a column of numbers
MARGIN = "Margin"


def plot_decomposition(
    data, *, pair=None, baseline: float | None = None, groups: Mapping | None = None, most: int = 8, theme: str | Theme = "light"
) -> go.Figure:
    """Running sum of one pair's margin: each bar starts where the last ended, the last bar is the margin.

    data: a table objective, weight, difference, contribution (`evaluate.decompose`), or a Result and the id of the pair.
    Largest contributions first; the rest, where there are more, in one row, "n others". Subtracting bars are pale with an
    outline. baseline: the margin before the edit, a ring on the last bar. Contributions add up to the margin exactly.
    """
    look = theme_of(theme)
    source = data if isinstance(data, pd.DataFrame) else tidy.decomposition(data, pair)
    frame = grouped(wanted(source, "objective", "weight", "difference", "contribution", what="decomposition"), groups)
    frame = _running(frame, most)
    margin, last = float(frame["contribution"].iloc[-1]), len(frame) - 1
    fig = figure(
        frame,
        look,
        height=heights(len(frame), ROW, foot=24),
        provenance=tidy.provenance(data),
        sentence=f"The margin of one pair, {number(margin, 3, True)}, as a running sum; {frame['objective'].iloc[0]} adds the most.",
    )
    lay_rows(
        fig,
        look,
        frame["objective"].tolist(),
        groups=[group if whose == whose else None for group, whose in zip(frame["group"], frame["weight"])],
        right=COLUMN + 12,
        foot=24,
        most=20,
        strong=(last,),
        inset=2 * COLUMN,
    )
    _numbers(fig, look, frame)
    _steps(fig, look, frame, baseline)
    rule(fig, look, last - 0.5, strong=True)
    ends = spread_limits(frame["start"], frame["end"], [] if baseline is None else [baseline], include=0.0)
    column(fig, look, 1, "Running sum", limits=ends, zero=True, ticks=4)
    return fig


def _running(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Rows by size, the others as one, the margin last; where each bar starts and ends."""
    order = np.argsort(-frame["contribution"].abs().to_numpy(), kind="stable")
    most = len(frame) if len(frame) <= most + 1 else most
    kept, left = frame.loc[order[:most]], frame.loc[order[most:]]
    others = {"objective": f"{len(left)} others", "group": "", "contribution": float(left["contribution"].sum())}
    rows = pd.concat([kept, pd.DataFrame([others] if len(left) else [])], ignore_index=True)
    end = rows["contribution"].cumsum()
    rows["start"], rows["end"] = end - rows["contribution"], end
    total = {"objective": MARGIN, "group": "", "contribution": float(frame["contribution"].sum()), "start": 0.0, "end": float(end.iloc[-1])}
    return pd.concat([rows, pd.DataFrame([total])], ignore_index=True)


def _numbers(fig: go.Figure, look: Theme, frame: pd.DataFrame) -> None:
    """Weight and score difference between the names and the bars, what each adds at the right."""
    heads = (("Weight", -COLUMN - 10), ("\u0394 score", -10), ("Adds", COLUMN + 4))
    for text, shift in heads:
        fig.add_annotation(
            text=text, xref="paper", x=float(shift > 0), xanchor="right", xshift=shift, yref="paper", y=1, yanchor="bottom", yshift=3
        )
    for row, line in frame.iterrows():
        adds, last = number(line["contribution"], 3, True), row == len(frame) - 1
        aside(fig, row, f"<b>{adds}</b>" if last else adds, color=look.ink, x=1, align="right", shift=COLUMN + 4)
        if pd.notna(line["weight"]):
            aside(fig, row, number(line["weight"], 3), color=look.ink2, x=0, align="right", shift=-COLUMN - 10)
            aside(fig, row, number(line["difference"], 2, True), color=look.ink2, x=0, align="right", shift=-10)


def _steps(fig: go.Figure, look: Theme, frame: pd.DataFrame, baseline: float | None) -> None:
    """The bars, the hairlines that join them, and the baseline's ring on the last."""
    last, up = len(frame) - 1, frame["contribution"].to_numpy() >= 0
    fill = [look.fill(g) if add else look.tint(g) for g, add in zip(frame["group"], up)]
    edge = [look.fill(g) if add else look.group(g) for g, add in zip(frame["group"], up)]
    if np.isnan(frame["weight"].to_numpy(float)[last - 1]):  # the others have no weight of their own
        fill[last - 1], edge[last - 1] = (look.baseline if up[last - 1] else look.band), look.baseline
    fill[last], edge[last] = look.candidate, look.candidate
    joints = [(i, i + 1) for i in range(last)]
    fig.add_scatter(
        x=[v for a, _ in joints for v in (frame["end"][a], frame["end"][a], None)],
        y=[v for a, b in joints for v in (a, b, None)],
        mode="lines",
        line=dict(color=look.control, width=1),
        hoverinfo="skip",
    )
    fig.add_bar(
        x=frame["end"] - frame["start"],
        base=frame["start"],
        y=list(range(len(frame))),
        orientation="h",
        width=[0.56] * last + [0.34],
        marker=dict(color=fill, line=dict(color=edge, width=1)),
        customdata=frame[["objective", "contribution"]],
        hovertemplate="%{customdata[0]} adds %{customdata[1]:+.3f}<extra></extra>",
    )
    ring = dict(symbol="circle", size=8, color=look.ground, line=dict(color=look.baseline, width=1.5))
    fig.add_scatter(
        x=[baseline], y=[last], mode="markers", marker=ring, hovertemplate="baseline margin %{x:+.3f}<extra></extra>", cliponaxis=False
    )
