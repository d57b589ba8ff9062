"""How training went."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ..errors import WorkbenchError
from . import tidy
from .base import TICK, escape, figure, number, shorten, spread_limits, text_width, wanted
from .theme import Theme, theme_of

TALL = 200  # px
DASHES = ("solid", "dash", "dashdot", "longdash")


def plot_learning(
    data, *, baseline: str | None = None, candidate: str | None = None, value: str = "held_out", theme: str | Theme = "light"
) -> go.Figure:
    """Held-out loss against step, one line per run and seed, named at its end: candidate blue, baseline dotted grey.

    data: a table run, seed, step and `value`; or name → Fit, or a list of Fits, one per seed (their histories). The
    first run is the baseline and the last the candidate unless named; with one run it is the candidate.
    """
    look = theme_of(theme)
    source = data if isinstance(data, pd.DataFrame) else tidy.learning(data)
    frame = wanted(source, "run", "seed", "step", value, what="learning curves")
    if frame[value].isna().all():
        raise WorkbenchError("no held-out loss was measured", where="learning", remedy="Gates that train in steps measure it: softmax does")
    runs = list(dict.fromkeys(frame["run"]))
    candidate = candidate or next((run for run in reversed(runs) if run != baseline), None)
    baseline = baseline or next((run for run in runs if run != candidate), None)
    lowest = frame.loc[frame[value].idxmin()]
    fig = figure(
        frame,
        look,
        height=TALL,
        provenance=tidy.provenance(data),
        sentence=f"Held-out loss of {len(runs)} runs over training steps; the lowest is {lowest[value]:.3f}, "
        f"{lowest['run']} at step {lowest['step']:.0f}.",
    )
    ends = {}
    for run in sorted(runs, key=lambda run: run == candidate):
        color, dash = (
            (look.candidate, "solid")
            if run == candidate
            else (look.baseline, "dot" if run == baseline else DASHES[1 + runs.index(run) % 3])
        )
        part = frame[frame["run"] == run]
        for seed, line in part.groupby("seed", sort=False):
            line = line.dropna(subset=[value]).sort_values("step")
            fig.add_scatter(
                x=line["step"],
                y=line[value],
                mode="lines+markers" if len(line) == 1 else "lines",
                line=dict(color=color, width=1.5, dash=dash),
                marker=dict(color=color, size=5),
                name=f"{run}, seed {seed}",
                hovertemplate=f"{run}, seed {seed}, step %{{x}}: %{{y:.3f}}<extra></extra>",
            )
        tails = part.dropna(subset=[value]).sort_values("step").groupby("seed")[value].last()
        ends[run] = float(tails.median()) if len(tails) else float("nan")
    kept = frame.loc[frame.dropna(subset=[value]).groupby(["run", "seed"], sort=False)[value].idxmin()]
    fig.add_scatter(
        x=kept["step"],
        y=kept[value],
        mode="markers",
        marker=dict(size=5, color=[look.candidate if run == candidate else look.baseline for run in kept["run"]]),
        hovertemplate="lowest: %{y:.3f}<extra></extra>",
        cliponaxis=False,
    )
    _axes(fig, look, frame, value)
    _end_names(fig, look, frame, ends, candidate)
    return fig


def _axes(fig: go.Figure, look: Theme, frame: pd.DataFrame, value: str) -> None:
    limits = spread_limits(frame[value])
    left = text_width(number(limits[1], 3)) + 14
    fig.update_layout(
        margin=dict(l=left, r=110, t=26, b=40),
        xaxis=dict(title="training step", range=[0, max(float(frame["step"].max()), 1)], nticks=5, ticklabelstandoff=3),
        yaxis=dict(range=limits, showgrid=True, nticks=5, ticklabelstandoff=4),
    )
    fig.add_annotation(
        text="Held-out loss, nats; dot: lowest",
        xref="paper",
        x=0,
        xanchor="left",
        xshift=-left + 4,
        yref="paper",
        y=1,
        yanchor="bottom",
        yshift=6,
    )


def _end_names(fig: go.Figure, look: Theme, frame: pd.DataFrame, ends: dict[str, float], candidate: str | None) -> None:
    """Each run's name at the end of its lines, apart from one another."""
    low, high = fig.layout.yaxis.range
    gap = 15 / (TALL - 66) * (high - low)
    names = dict(zip(ends, shorten(list(ends), 18)))
    at = None
    for run in sorted((run for run in ends if ends[run] == ends[run]), key=ends.get):
        at = ends[run] if at is None else max(ends[run], at + gap)
        seeds = frame.loc[frame["run"] == run, "seed"].nunique()
        text = escape(names[run]) + (f", {seeds} seeds" if seeds > 1 else "")
        fig.add_annotation(
            text=f"<b>{text}</b>" if run == candidate else text,
            xref="paper",
            x=1,
            xanchor="left",
            xshift=6,
            yref="y",
            y=at,
            yanchor="middle",
            font=dict(size=TICK, color=look.candidate if run == candidate else look.ink2),
        )
    fig.update_layout(margin=dict(r=max(text_width(f"{name}, 10 seeds") for name in names.values()) + 12))
