"""The gate's canonical picture: a column per prompt, in hills of the objectives that lead."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from ..errors import WorkbenchError
from ..evaluate.watershed import COLUMNS, NEAR, Watershed
from . import tidy
from .base import TICK, escape, figure, wanted
from .hills import HEAD, LEFT, NUMBER, RIGHT, TICKS, Row, named, notes, numbered, valleys
from .rows import LINE, note
from .theme import GROUPS, OTHER, Theme, group_of, theme_of

TALL, SMALL = 150, 48  # px of the hills, alone and one row of many
MOST_ROWS = 12
STEPS = (0.25, 0.5, 0.75, 1.0)
SLOTS = (*GROUPS, OTHER)


def plot_gate_watershed(
    data, *, by: str | None = None, groups: Mapping | None = None, near: float = NEAR, theme: str | Theme = "light"
) -> go.Figure:
    """The gate prompt by prompt: which objective leads, how surely, over which rival.

    data: a Result, a `Watershed`, or its table. One column per prompt, in a hill per leading objective: full colour is the
    lead over the runner-up, the pale foot the runner-up's share (running mean over an eighth of the hill). A slope faces
    the side on which its runner-up stands; under a valley the prompts where those two are less than `near` apart. Ticks:
    prompts where another seed names another leader. by: small multiples per section ("section", or another column of the
    Result's pairs), numbered in one order. Past 2 000 prompts every so manieth is drawn; the table holds all of them.
    """
    look = theme_of(theme)
    shed = _shed(data, by, near)
    rows, limit = _rows(shed, bool(by), groups)
    unit = limit / (SMALL if by else TALL)
    fig = figure(shed.table, look, height=TALL, provenance=tidy.provenance(data), sentence=shed.words())
    _marks(fig, look, rows, unit)
    low, high = -TICKS * unit, rows[0].ground + limit
    fig.update_xaxes(range=[0, 1], visible=False)
    fig.update_yaxes(range=[low, high], nticks=0, tickfont=dict(size=TICK, color=look.ink2), ticklabelstandoff=3, **_ticks(rows, limit))
    if by:
        top, below, shown = numbered(fig, look, rows, limit), 4, None
    else:
        top, (below, shown) = named(fig, look, rows[0], limit), valleys(fig, look, rows[0])
    tall = (high - low) / unit
    fig.update_layout(margin=dict(l=LEFT, r=RIGHT, t=top, b=below + LINE + 4), height=round(top + tall + below + LINE + 4))
    fig.update_layout(hovermode="closest" if by else "x")
    note(fig, *notes(shed, rows, shown), below=below)
    return fig


def _shed(data, by: str | None, near: float) -> Watershed:
    if isinstance(data, Watershed):
        return data
    if not isinstance(data, pd.DataFrame):
        return Watershed.of(data, by=by or "section", near=near)
    columns = ("hill", "objective", "runner_up", "runner_share", "lead", "side", "disagree", "section", "effective")
    return Watershed.from_table(wanted(data, *columns, what="watershed"), near=near)


def _rows(shed: Watershed, split: bool, groups: Mapping | None) -> tuple[list[Row], float]:
    """The pictures from top to bottom, and how high their common axis goes: the next quarter above the highest column."""
    heads = list(shed.sections[:MOST_ROWS]) if split else [""]
    if not heads:
        raise WorkbenchError("the prompts have no sections", where="watershed", remedy="Leave by= out")
    sheds = [shed.within(head) for head in heads] if split else [shed]
    hills = [part.hills(columns=COLUMNS // len(sheds)) for part in sheds]
    for hill in (hill for each in hills for hill in each):
        hill["group"] = group_of(hill["name"], groups) if hill["name"] else OTHER
    highest = max(a + b for each in hills for hill in each for a, b in zip(hill["lead"], hill["foot"]))
    limit = next((step for step in STEPS if step >= highest - 1e-9), 1.0)
    pitch = limit * (1 + (TICKS + HEAD + NUMBER) / SMALL)
    return [Row(head, part, each, (len(heads) - 1 - i) * pitch) for i, (head, part, each) in enumerate(zip(heads, sheds, hills))], limit


def _marks(fig: go.Figure, look: Theme, rows: list[Row], unit: float) -> None:
    """Always the same traces: hill and foot of every colour, what parts hills, ground lines, ticks, and what the pointer meets."""
    for slot in SLOTS:
        for part, color in (("lead", look.fill(slot)), ("foot", look.tint(slot))):
            x, y = [], []
            for row in rows:
                for hill in (hill for hill in row.hills if hill["group"] == slot):
                    _outline(x, y, row, hill, part)
            fig.add_scatter(x=x, y=y, mode="lines", fill="toself", fillcolor=color, line=dict(width=0, color=color), hoverinfo="skip")
    parted, ground, ticks = ([], []), ([], []), ([], [])
    for row in rows:
        for one, after in zip(row.hills, row.hills[1:]):
            tall = max(one["lead"][-1] + one["foot"][-1], after["lead"][0] + after["foot"][0])
            _upright(parted, row.x(one["end"]), row.ground, row.ground + tall)
        ground[0].extend([0, 1, None])
        ground[1].extend([row.ground, row.ground, None])
        for hill in row.hills:
            for at, flag in enumerate(hill["disagree"]):
                if flag:
                    x = row.x(hill["start"] + (at + 0.5) * (hill["end"] - hill["start"]) / len(hill["lead"]))
                    _upright(ticks, x, row.ground - 2 * unit, row.ground - (TICKS - 2) * unit)
    for (x, y), color, wide in ((parted, look.ground, 1.5), (ground, look.control, 1), (ticks, look.ink2, 1)):
        fig.add_scatter(x=x, y=y, mode="lines", line=dict(width=wide, color=color), hoverinfo="skip", cliponaxis=False)
    _pointer(fig, rows)


def _outline(x: list, y: list, row: Row, hill: dict, part: str) -> None:
    """Steps over the columns of a hill, from its ground and back to it."""
    tops = hill["foot"] if part == "foot" else [a + b for a, b in zip(hill["lead"], hill["foot"])]
    n, wide = len(tops), (hill["end"] - hill["start"]) / len(tops)
    edges = [round(row.x(hill["start"] + i * wide), 6) for i in range(n + 1)]
    x.extend([edges[0], *(edge for i in range(n) for edge in edges[i : i + 2]), edges[-1], None])
    y.extend([row.ground, *(round(row.ground + top, 6) for top in tops for _ in (0, 1)), row.ground, None])


def _upright(line: tuple[list, list], x: float, low: float, high: float) -> None:
    line[0].extend([x, x, None])
    line[1].extend([low, high, None])


def _pointer(fig: go.Figure, rows: list[Row]) -> None:
    """What the pointer meets: one unseen point per column, with the numbers of its prompt, none of them smoothed."""
    x, y, told = [], [], []
    for row in rows:
        table = row.shed.table
        for hill in row.hills:
            seen = table.iloc[hill["at"]]
            n, wide = len(seen), (hill["end"] - hill["start"]) / len(seen)
            x += [round(row.x(hill["start"] + (i + 0.5) * wide), 6) for i in range(n)]
            y += [round(row.ground + a + b, 6) for a, b in zip(hill["lead"], hill["foot"])]
            seed = seen["disagree"].map({True: "another seed disagrees", False: ""})
            lead, second = (100 * (seen["runner_share"] + seen["lead"])).round(1), (100 * seen["runner_share"]).round(1)
            ids = seen["prompt_id"] if "prompt_id" in seen.columns else seen["objective"].map(lambda _: "")
            ids, first, rival = (seen_as.map(escape) for seen_as in (ids, seen["objective"], seen["runner_up"]))
            told += [list(line) for line in zip(ids, first, lead, rival, second, seed)]
    cells = [f"%{{customdata[{i}]}}" for i in range(6)]
    words = "{}<br>{} {} %<br>{} {} %<br>{}<extra></extra>".format(*cells)
    fig.add_scatter(x=x, y=y, mode="lines", line=dict(width=0), customdata=told, hovertemplate=words)


def _ticks(rows: list[Row], limit: float) -> dict:
    """Quarters, where there is one row; ground and top of each, where there are several."""
    steps = [step for step in (0.0, *STEPS) if step <= limit]
    steps = steps if len(rows) == 1 else [0.0, limit]
    at = [(row.ground + step, f"{100 * step:.0f}" + (" %" if step == limit else "")) for row in rows for step in steps]
    return dict(tickvals=[value for value, _ in at], ticktext=[text for _, text in at], showgrid=True)
