"""What the gate does: to one prompt, and on average in each slice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from . import tidy
from .base import TICK, count, escape, figure, grouped, number, shorten, spread_limits, text_width, wanted, widest, with_room
from .rows import aside, cell_words, column, heights, lay_rows, note
from .signs import NARROWEST
from .theme import GROUPS, Theme, theme_of

ROW, ROOM = 20, 36  # px; a row, and a value at the end of a bar
NUMBERED = 8  # slices whose cells still hold numbers on a narrow page
HEADS = (("weight", "Gate weight, \u2265 0", (0, 0.46)), ("coefficient", "Effective coefficient", (0.54, 1)))


def plot_gate_prompt(data, *, pair=None, groups: Mapping | None = None, most: int = 12, theme: str | Theme = "light") -> go.Figure:
    """The gate on one prompt: weights (never negative) beside effective coefficients (signed).

    data: a table objective, weight, coefficient (low and high of either, `weight_low` …, where seeds were run), or a
    Result and the id of the pair. A coefficient is what one unit of an undebiased score adds to the reward: T g(x).
    Objectives beyond `most` are summed in one row.
    """
    look = theme_of(theme)
    source = tidy.gate_prompt(data, pair) if not isinstance(data, pd.DataFrame) else data
    frame = grouped(wanted(source, "objective", "weight", "coefficient", what="gate of a prompt"), groups)
    frame = _most(frame, most)
    top = frame.loc[frame["weight"].fillna(0).idxmax()]
    fig = figure(
        frame,
        look,
        height=heights(len(frame), ROW),
        provenance=tidy.provenance(data),
        sentence="Gate weights of one prompt beside its effective coefficients; "
        f"{top['objective']} has the largest weight, {top['weight']:.2f}.",
    )
    lay_rows(fig, look, frame["objective"].tolist(), groups=frame["group"].tolist(), most=22, right=ROOM + 12)
    px = (NARROWEST - fig.layout.margin.l - ROOM - 12) * 0.46
    for index, (name, head, domain) in enumerate(HEADS, 1):
        _bars(fig, look, frame, name, axis="x" if index == 1 else "x2")
        limits = spread_limits(*(frame[c] for c in (name, f"{name}_low", f"{name}_high") if c in frame.columns), include=0.0)
        limits = with_room(limits, px, right=ROOM + 6) if index == 1 else limits
        column(fig, look, index, head, domain=domain, limits=limits, ticks=3, zero=True)
    for row, value in enumerate(frame["coefficient"]):
        aside(fig, row, number(value, 2, True), color=look.ink, align="right", shift=ROOM + 4)
    return fig


def _most(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Largest weights first; what is small in both columns becomes one row."""
    parts = [frame[c].abs() / max(float(frame[c].abs().sum()), 1e-12) for c in ("weight", "coefficient")]
    keep = np.argsort(-np.fmax(*parts).to_numpy(), kind="stable")[: most if len(frame) > most + 1 else len(frame)]
    kept = frame.loc[np.sort(keep)].sort_values("weight", ascending=False, kind="stable")
    left = frame.drop(index=keep)
    if len(left):
        others = {"objective": f"{len(left)} others", "group": "", "weight": left["weight"].sum(), "coefficient": left["coefficient"].sum()}
        kept = pd.concat([kept, pd.DataFrame([others])])
    return kept.reset_index(drop=True)


def _bars(fig: go.Figure, look: Theme, frame: pd.DataFrame, name: str, *, axis: str) -> None:
    """Bars from zero; what subtracts is pale with an outline; seed spread as a thin line; a weight stands at its end."""
    values, rows = frame[name].to_numpy(float), list(range(len(frame)))
    adds = ~(values < 0)
    fill = [look.fill(g) if up else look.tint(g) for g, up in zip(frame["group"], adds)]
    edge = [look.fill(g) if up else look.group(g) for g, up in zip(frame["group"], adds)]
    spread, ends = {}, np.nan_to_num(values)
    if {f"{name}_low", f"{name}_high"} <= set(frame.columns):
        low, high = frame[f"{name}_low"].to_numpy(float), frame[f"{name}_high"].to_numpy(float)
        spread = dict(error_x=dict(array=high - values, arrayminus=values - low, color=look.ink, thickness=1, width=0))
        ends = np.fmax(ends, high)
    fig.add_bar(
        x=values,
        y=rows,
        orientation="h",
        xaxis=axis,
        width=0.6,
        marker=dict(color=fill, line=dict(color=edge, width=1)),
        name=name,
        customdata=frame["objective"],
        hovertemplate="%{customdata}: %{x:.3f}<extra></extra>",
        **spread,
    )
    if name == "weight":
        words = [f"\u2002{number(v, 2)}" if v == v else "\u2002null" for v in values]
        fig.add_scatter(
            x=ends,
            y=rows,
            mode="text",
            xaxis=axis,
            text=words,
            cliponaxis=False,
            textposition="middle right",
            hoverinfo="skip",
            textfont=dict(size=TICK, color=look.ink),
        )


def plot_gate_heatmap(data, *, by: str = "section", groups: Mapping | None = None, theme: str | Theme = "light") -> go.Figure:
    """Mean share of the gate, slice × objective: one ink, darker is more; per cent in the cells.

    data: a table slice, objective, share (0 to 1) and, if known, prompts and null (what objectives that decide nothing
    take, left out); or a Result with `by` naming the column of its
    pairs. Objectives in the order of their groups, slices as they come. A mean hides doubt: read it beside the prompts.
    """
    look = theme_of(theme)
    source = data if isinstance(data, pd.DataFrame) else tidy.gate_shares(data, by=by)
    frame = grouped(wanted(source, "slice", "objective", "share", what="gate heat map"), groups)
    slices = list(dict.fromkeys(frame["slice"]))
    mean = frame.groupby("objective", sort=False).agg(group=("group", "first"), share=("share", "mean")).reset_index()
    mean["place"] = [GROUPS.index(g) if g in GROUPS else len(GROUPS) for g in mean["group"]]
    mean = mean.sort_values(["place", "share"], ascending=[True, False], kind="stable")
    names = mean["objective"].tolist()
    z = frame.pivot_table(index="objective", columns="slice", values="share", sort=False).reindex(index=names, columns=slices)
    top = frame.loc[frame["share"].idxmax()]
    fig = figure(
        frame,
        look,
        height=heights(len(names), ROW if len(names) <= 14 else 16),
        provenance=tidy.provenance(data),
        sentence="Mean gate share per slice and objective; the largest is "
        f"{top['objective']} in {top['slice']}, {100 * top['share']:.0f} per cent.",
    )
    values = 100 * z.to_numpy(float)
    most = max(float(np.nanmax(values)), 200 / max(len(names), 2))  # an even gate is mid grey
    fig.add_heatmap(
        z=values,
        x=list(range(len(slices))),
        y=list(range(len(names))),
        colorscale=[[0, look.ground], [1, look.ink]],
        zmin=0,
        zmax=most,
        showscale=False,
        xgap=1,
        ygap=1,
        hoverongaps=False,
        customdata=[[[name, str(s)] for s in slices] for name in names],
        hovertemplate="%{customdata[0]}, %{customdata[1]}: %{z:.1f} %<extra></extra>",
    )
    cell_words(fig, values if len(slices) <= NUMBERED else [], lambda v: f"{v:.0f}", lambda v: look.text_on(v / most, "ink"))
    lay_rows(fig, look, names, groups=mean["group"].tolist(), most=24)
    _column_labels(fig, look, slices, frame)
    return fig


def _column_labels(fig: go.Figure, look: Theme, slices: list, frame: pd.DataFrame) -> None:
    """Slice names above their columns, level where they fit a narrow page, else slanting; what a cell is, below."""
    labels = [escape(s) for s in shorten(slices, 18)]
    margin = fig.layout.margin
    cell = (NARROWEST - margin.l - margin.r) / len(labels)
    broken = [label.replace(" ", "<br>", 1) if text_width(label) > cell - 4 else label for label in labels]
    wide = [widest(label.split("<br>")) for label in broken]
    level = max([wide[0] / 2 + wide[-1] / 2, *((a + b) / 2 for a, b in zip(wide, wide[1:]))]) < cell - 4
    labels = broken if level else labels
    angle = 0 if level else -40 if len(labels) <= 6 else -90
    tall = widest(labels)
    top = {0: 26 + 13 * any("<br>" in label for label in labels), -40: 12 + 0.65 * tall, -90: 14 + tall}[angle]
    right = 8 + (max(0.76 * text_width(labels[-1]) - 12, 0) if angle == -40 else max((wide[-1] - cell) / 2, 0) if level else 0)
    fig.update_layout(margin=dict(t=top, r=right), height=fig.layout.height + top - margin.t)
    fig.update_xaxes(
        range=[-0.5, len(slices) - 0.5],
        tickvals=list(range(len(slices))),
        ticktext=labels,
        side="top",
        tickangle=angle,
        tickfont=dict(color=look.ink, size=TICK),
        nticks=0,
    )
    said = ["Mean share of the gate, %" + (f", darkest {fig.data[0].zmax:.0f}" if len(slices) > NUMBERED else "")]
    if "prompts" in frame.columns:
        sizes = frame.drop_duplicates("slice")["prompts"].astype(int)
        several = sizes.nunique() > 1
        said.append(f"{count(sizes.min())} to {count(sizes.max())} prompts a slice" if several else f"{count(sizes.max())} prompts")
    if "null" in frame.columns and (frame["null"] > 0).any():
        said.append(f"not shown: null expert, {100 * frame['null'].iloc[0]:.0f} % of the gate")
    note(fig, *said, below=6)
