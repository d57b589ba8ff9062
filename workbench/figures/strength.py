"""How strongly an ensemble prefers the chosen answer: the suspects are at the left."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from . import tidy
from .base import TICK, count, figure, number, text_width, wanted
from .theme import Theme, theme_of

NAMES = {"flip": "negative", "drop": "baseline", "suspect": "negative"}
TALL, SPREAD, GAP = 232, 0.22, 0.15  # px; shares of the height: the spread, and the gap above it


def plot_strength(
    data,
    *,
    flip_below: float | None = None,
    drop_below: float | None = None,
    bins: int = 40,
    unit: str = "preference strength",
    theme: str | Theme = "light",
) -> go.Figure:
    """Histogram of preference strength with the ensemble's spread beneath: which pairs to flip, drop or keep.

    data: anything with `.mean` and `.std` [pair] (a Strength), a pair of such arrays, or a table low, high, pairs,
    spread, band, one row per bin. Without cuts, what lies below zero is named suspect (arXiv 2401.06080, §2.2).
    """
    look = theme_of(theme)
    source = data if isinstance(data, pd.DataFrame) else tidy.strength(data, flip_below=flip_below, drop_below=drop_below, bins=bins)
    frame = wanted(source, "low", "high", "pairs", "spread", "band", what="preference strength")
    total = frame.groupby("band", sort=False)["pairs"].sum()
    fig = figure(
        frame,
        look,
        height=TALL,
        provenance=tidy.provenance(data),
        sentence="Histogram of preference strength: " + ", ".join(f"{band} {n}" for band, n in total.items()) + " pairs.",
    )
    middle, width = (frame["low"] + frame["high"]) / 2, frame["high"] - frame["low"]
    words = [
        f"{number(a)} to {number(b)}: {count(n)} pairs, {band}"
        for a, b, n, band in zip(frame["low"], frame["high"], frame["pairs"], frame["band"])
    ]
    fig.add_bar(
        x=middle,
        y=frame["pairs"],
        width=width,
        marker=dict(color=look.baseline, line=dict(color=look.ground, width=1)),
        customdata=words,
        hovertemplate="%{customdata}<extra></extra>",
    )
    shown = frame["spread"].notna()
    fig.add_scatter(
        x=middle[shown],
        y=frame.loc[shown, "spread"],
        yaxis="y2",
        mode="lines+markers",
        line=dict(color=look.ink2, width=1.2),
        marker=dict(size=3, color=look.ink2),
        hovertemplate="spread %{y:.2f}<extra></extra>",
    )
    limits = [float(frame["low"].min()), float(frame["high"].max())]
    _axes(fig, look, frame, limits, unit)
    if not bands_above(fig, look, frame, limits, bottom=SPREAD + GAP):
        fig.update_layout(margin=dict(t=22), height=TALL - 14)
    return fig


def _axes(fig: go.Figure, look: Theme, frame: pd.DataFrame, limits: list[float], unit: str) -> None:
    top = max(float(frame["pairs"].max()), 1.0)
    left = max(text_width(f"{top:.0f}"), text_width("pairs")) + 14
    fig.update_layout(
        margin=dict(l=left, r=10, t=36, b=40),
        bargap=0,
        xaxis=dict(range=limits, anchor="y2", zeroline=True, nticks=7, title=unit, ticklabelstandoff=3, layer="below traces"),
        yaxis=dict(domain=[SPREAD + GAP, 1], range=[0, top * 1.05], showgrid=True, nticks=4, ticklabelstandoff=4),
        yaxis2=dict(
            domain=[0, SPREAD],
            range=[0, float(frame["spread"].max(skipna=True) * 1.15) if frame["spread"].any() else 1.0],
            nticks=3,
            showgrid=True,
            ticklabelstandoff=4,
            anchor="x",
        ),
    )
    fig.add_annotation(text="pairs", xref="paper", x=0, xanchor="right", xshift=-4, yref="paper", y=1, yanchor="bottom", yshift=2)
    said = "spread over models, \u03c3\u0302" if frame["spread"].notna().any() else "one member has no spread"
    fig.add_annotation(
        text=said, xref="paper", x=1, xanchor="right", yref="paper", y=SPREAD, yanchor="bottom", yshift=1
    )


def bands_above(fig: go.Figure, look: Theme, frame: pd.DataFrame, limits: list[float], *, bottom: float) -> bool:
    """A tinted ground for each band (low, high, pairs, band) down to `bottom` of the height, its name and count above; whether
    one is narrower than its name and stands a line higher.
    """
    raised = False
    bands = frame.groupby("band", sort=False).agg(low=("low", "min"), high=("high", "max"), pairs=("pairs", "sum"))
    span = limits[1] - limits[0]
    for place, (name, band) in enumerate(bands.iterrows()):
        text = f"{name} {count(band['pairs'])}"
        if name in NAMES:
            color = look.pale(getattr(look, NAMES[name]))
            fig.add_shape(
                type="rect",
                xref="x",
                x0=band["low"],
                x1=band["high"],
                yref="paper",
                y0=bottom,
                y1=1,
                layer="below",
                line_width=0,
                fillcolor=color,
            )
        if place:
            fig.add_shape(
                type="line", xref="x", x0=band["low"], x1=band["low"], yref="paper", y0=0, y1=1, line=dict(color=look.ink, width=1)
            )
        middle, half = (band["low"] + band["high"]) / 2, text_width(text) / 2 / 330 * span  # of a narrow page
        first, last = place == 0, place == len(bands) - 1
        narrow = half > (band["high"] - band["low"]) / 2
        anchor = "left" if first and narrow else "right" if last and narrow else "center"
        above = bool(narrow) and not first and not last
        raised = raised or above
        x = band["low"] if anchor == "left" else band["high"] if anchor == "right" else middle
        fig.add_annotation(
            text=text,
            xref="x",
            x=x,
            xanchor=anchor,
            yref="paper",
            y=1,
            yanchor="bottom",
            yshift=16 if above else 2,
            font=dict(size=TICK, color=look.ink),
        )
    return raised
