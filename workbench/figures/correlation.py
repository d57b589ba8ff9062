"""How objectives go together, and how each goes with length."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from . import tidy
from .base import MINUS, TICK, escape, figure, grouped, interval, number, shorten, spread_limits, wanted, widest
from .rows import HEAD, baseline_mark, candidate_mark, cell_words, column, heights, lay_rows, note
from .signs import add_key
from .theme import GROUPS, Theme, theme_of

KEYS = ("before debias", "after debias")
VIEWS = ("pooled", "within prompts")
NUMBERED, SEEN = 7, 0.05  # objectives whose cells hold numbers on a narrow page; a correlation whose colour can be seen


def plot_objective_correlation(data, *, groups: Mapping | None = None, theme: str | Theme = "light") -> go.Figure:
    """Spearman correlation of every two objectives: red below zero, the ground at zero, blue above.

    data: a table objective, other, rho (low and high where known: a cell whose interval holds zero keeps the ground's
    colour), Scores, or a Result (its scores before debias). Cells hold numbers, a minus alone where there are many.
    Collinear objectives trade gate weight from seed to seed.
    """
    look = theme_of(theme)
    source = data if isinstance(data, pd.DataFrame) else tidy.objective_correlation(data)
    frame = wanted(source, "objective", "other", "rho", what="objective correlation")
    names = list(dict.fromkeys([*frame["objective"], *frame["other"]]))
    order = grouped(pd.DataFrame({"objective": names}), groups)
    order["place"] = [GROUPS.index(g) if g in GROUPS else len(GROUPS) for g in order["group"]]
    order = order.sort_values("place", kind="stable")
    names = order["objective"].tolist()
    rho = _square(frame, names, "rho")
    seen = _square(frame.assign(shown=_shown(frame)), names, "shown")
    below = np.tril(np.ones_like(rho, dtype=bool), -1) if len(names) > 1 else np.ones_like(rho, dtype=bool)
    each = 20 if len(names) <= 12 else 15
    fig = figure(frame, look, height=heights(len(names), each), provenance=tidy.provenance(data), sentence=_sentence(rho, names))
    _cells(fig, look, np.where(below, rho, np.nan), np.where(below, seen, np.nan), names)
    lay_rows(fig, look, [f"{name}" for name in names], groups=order["group"].tolist(), most=24)
    labels = [f"{label}\u2002{i + 1}" for i, label in enumerate(fig.layout.yaxis.ticktext)]
    left = fig.layout.margin.l + widest([f"\u2002{len(names)}"])
    fig.update_layout(margin=dict(t=10, l=left, r=8), height=max(fig.layout.height - 16, 64))
    fig.update_yaxes(ticktext=labels)
    step = 1 if len(names) <= 12 else 2 if len(names) <= 20 else 5
    shown = [i for i in range(max(len(names) - 1, 1)) if (i + 1) % step == (0 if step == 5 else 1) or step == 1]
    fig.update_xaxes(range=[-0.5, max(len(names) - 1.5, 0.5)], tickvals=shown, ticktext=[str(i + 1) for i in shown], tickangle=0)
    return fig


def _square(frame: pd.DataFrame, names: list[str], value: str) -> np.ndarray:
    """A symmetric matrix from pairs, either half of which may be given."""
    half = (
        frame.pivot_table(index="objective", columns="other", values=value, aggfunc="first")
        .reindex(index=names, columns=names)
        .to_numpy(float)
    )
    return np.where(np.isnan(half), half.T, half)


def _shown(frame: pd.DataFrame) -> np.ndarray:
    """The correlation, or zero where its interval holds zero."""
    rho = frame["rho"].to_numpy(float)
    if not {"low", "high"} <= set(frame.columns):
        return rho
    return np.where((frame["low"] <= 0) & (frame["high"] >= 0), 0.0, rho)


def _sentence(rho: np.ndarray, names: list[str]) -> str:
    apart = np.where(np.tril(np.ones_like(rho, dtype=bool), -1), np.nan_to_num(rho), 0.0)
    i, j = np.unravel_index(np.abs(apart).argmax(), apart.shape)
    if len(names) < 2:
        return f"One objective, {names[0]}: nothing to correlate."
    return f"Spearman correlations of {len(names)} objectives; the strongest is {names[i]} with {names[j]}, {number(apart[i, j])}."


def _cells(fig: go.Figure, look: Theme, rho: np.ndarray, seen: np.ndarray, names: list[str]) -> None:
    short = shorten(names)
    fig.add_heatmap(
        z=seen,
        x=list(range(len(names))),
        y=list(range(len(names))),
        zmin=-1,
        zmax=1,
        zmid=0,
        xgap=1,
        ygap=1,
        hoverongaps=False,
        colorscale=[[0, look.negative], [0.5, look.ground], [1, look.candidate]],
        text=[["" if np.isnan(v) else number(v, 2, True) for v in row] for row in rho],
        customdata=[[[a, b] for b in short] for a in short],
        hovertemplate="%{customdata[0]} with %{customdata[1]}: %{text}<extra></extra>",
        colorbar=dict(
            orientation="h",
            thickness=8,
            len=0.42,
            x=1,
            xanchor="right",
            y=1,
            yanchor="top",
            tickvals=[-1, 0, 1],
            outlinewidth=0,
            ypad=0,
            xpad=6,
            ticktext=[number(-1, 0), "0", "+1"],
            tickfont=dict(size=TICK, color=look.ink2),
            title=dict(text="Spearman \u03c1", font=dict(size=TICK, color=look.ink2), side="top"),
        ),
        showscale=len(names) > 2,
    )
    strong, few = dict(zip(rho.ravel(), seen.ravel())), len(names) <= NUMBERED
    cell_words(
        fig,
        rho if few else np.where(seen < -SEEN, rho, np.nan),  # in grey a minus alone tells below from above zero
        lambda v: number(v, 2, True) if few else MINUS,
        lambda v: look.text_on(abs(strong[v]), "candidate" if v > 0 else "negative"),
    )


def plot_verbosity(
    data, *, against: str | None = None, groups: Mapping | None = None, band: float | None = 0.10, theme: str | Theme = "light"
) -> go.Figure:
    """Correlation of each objective with length, before (hollow grey) and after (filled blue) the debias.

    data: a table objective, view ("pooled" or "within prompts"), when ("before" or "after"), rho, low, high, as
    `evaluate.verbosity_table` gives it; or a Result (then `against` names the nuisance, its scenario's by default).
    Two columns: over all responses, and of differences within a prompt. `band`: what counts as nearly none, shaded.
    """
    look = theme_of(theme)
    source = data if isinstance(data, pd.DataFrame) else tidy.verbosity(data, against)
    frame = grouped(wanted(source, "objective", "view", "when", "rho", what="verbosity"), groups)
    names = list(dict.fromkeys(frame["objective"]))
    group = frame.drop_duplicates("objective")["group"].tolist()
    after = frame[(frame["when"] == "after") & (frame["view"] == frame["view"].iloc[0])]["rho"].abs()
    fig = figure(
        frame,
        look,
        height=heights(len(names), 22, key=KEYS, foot=40),
        provenance=tidy.provenance(data),
        sentence=f"Correlation with length of {len(names)} objectives before and after debiasing; the largest left is {after.max():.2f}.",
    )
    ends = [frame[c] for c in ("rho", "low", "high") if c in frame.columns]
    limits = spread_limits(*ends, [-(band or 0), band or 0], include=0.0)
    for place, view in enumerate(dict.fromkeys([*VIEWS, *frame["view"]])):
        part = frame[frame["view"] == view]
        axis = "x" if place == 0 else f"x{place + 1}"
        for when in ("before", "after"):
            _moment(fig, look, part[part["when"] == when], names, when=when, axis=axis)
        wide = (0, 0.47) if place == 0 else (0.53, 1)
        column(fig, look, place + 1, escape(view).capitalize(), domain=wide, limits=limits, zero=True, ticks=4)
        if band:
            fig.add_shape(
                type="rect", xref=axis, x0=-band, x1=band, yref="paper", y0=0, y1=1, layer="below", fillcolor=look.wash, line_width=0
            )
    lay_rows(fig, look, names, groups=group, key=KEYS, foot=40, most=22, right=14)
    note(fig, "Spearman correlation with length, 95 % intervals", *([f"shaded: \u00b1{band:.2f}"] if band else []), below=22)
    add_key(fig, look, list(zip(KEYS, (baseline_mark(look), candidate_mark(look)))), above=HEAD + 4)
    return fig


def _moment(fig: go.Figure, look: Theme, part: pd.DataFrame, names: list[str], *, when: str, axis: str) -> None:
    """One moment in one column: the mark and its interval, before a little above and after a little below the row."""
    before = when == "before"
    rows = [names.index(name) + (-0.17 if before else 0.17) for name in part["objective"]]
    bars, words = None, [number(v, 2, True) for v in part["rho"]]
    if {"low", "high"} <= set(part.columns):
        bars = dict(
            array=part["high"] - part["rho"],
            arrayminus=part["rho"] - part["low"],
            width=0,
            thickness=1.5,
            color=look.baseline if before else look.candidate,
        )
        words = [f"{w} {interval(a, b, 2, True)}" for w, a, b in zip(words, part["low"], part["high"])]
    reasons = part["words"].tolist() if "words" in part.columns else [""] * len(part)
    for row, rho, why in zip(rows, part["rho"], reasons):
        if rho != rho:  # no correlation: too few families, or the objective is the nuisance itself
            fig.add_annotation(text=why or "constant", xref=axis, x=0, yref="y", y=row, xanchor="left", xshift=4)
    fig.add_scatter(
        x=part["rho"],
        y=rows,
        mode="markers",
        xaxis=axis,
        name=f"{when} debias",
        marker=baseline_mark(look, 6) if before else candidate_mark(look, 6),
        error_x=bars,
        customdata=list(zip(part["objective"], words)),
        hovertemplate=f"%{{customdata[0]}}, {when}: %{{customdata[1]}}<extra></extra>",
        cliponaxis=False,
    )
