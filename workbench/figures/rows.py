"""Figures made of rows: names at the left with the sign of their group, measured columns, words at the right."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from .base import TICK, escape, shorten, text_width, widest
from .signs import KEY, NARROWEST, key_lines, sign
from .theme import Theme

ICON = 7  # px; the sign of a group beside a name
HEAD = 20  # px above the rows for what a column shows
FOOT, LINE = 26, 15  # px below for ticks; a further line of words
GAP = 10  # px between names and marks


def heights(rows: int, each: float, *, key: Sequence[str] = (), foot: float = FOOT) -> float:
    """Height of a figure of that many rows, with a key of these labels."""
    return rows * each + HEAD + 6 + foot + KEY * key_lines(key)


def lay_rows(
    fig: go.Figure,
    theme: Theme,
    names: Sequence[str],
    *,
    groups: Sequence[str | None] | None = None,
    right: float = 8,
    key: Sequence[str] = (),
    foot: float = FOOT,
    most: int = 26,
    strong: Sequence[int] = (),
    inset: float = 0,
) -> None:
    """One row per name on `yaxis`, first on top, the sign of its group after it (none for None); px of room at the
    right, and of `inset` between names and marks.
    """
    labels = [escape(label) for label in shorten(names, most)]
    ticks = [f"<b>{label}</b>" if i in set(strong) else label for i, label in enumerate(labels)]
    beside = ICON + 8 if groups is not None else 0
    left = max(widest(shorten(names, most)) + beside + GAP, 40) + inset
    fig.update_layout(margin=dict(l=left + 2, r=right, t=HEAD + 6 + KEY * key_lines(key), b=foot))
    fig.update_yaxes(
        range=[len(labels) - 0.5, -0.5],
        tickvals=list(range(len(labels))),
        ticktext=ticks,
        ticklabelstandoff=beside + GAP - 4 + inset,
        tickfont=dict(color=theme.ink, size=TICK),
        showgrid=False,
        zeroline=False,
    )
    if groups is not None:
        signs = (sign(theme, g, dict(yref="y", yanchor=i), x=-GAP - 1 - inset, size=ICON) for i, g in enumerate(groups) if g is not None)
        fig.update_layout(shapes=[*fig.layout.shapes, *signs])


def column(
    fig: go.Figure,
    theme: Theme,
    index: int,
    head: str,
    *,
    domain: Sequence[float] = (0, 1),
    limits: Sequence[float],
    zero: bool = False,
    ticks: int = 4,
    **axis,
) -> None:
    """A measured column: x axis `index` over a part of the width, its head above it, its grid, a zero line where asked."""
    name = "" if index == 1 else str(index)
    settings = dict(
        domain=list(domain),
        range=list(limits),
        showgrid=True,
        zeroline=zero,
        nticks=ticks,
        anchor="y",
        layer="below traces",
        ticklabelstandoff=3,
        tickangle=0,
    )
    fig.update_layout({f"xaxis{name}": settings | axis})
    fig.add_annotation(
        text=head,
        xref=f"x{name} domain",
        x=0,
        xanchor="left",
        yref="paper",
        y=1,
        yanchor="bottom",
        yshift=3,
        font=dict(size=TICK, color=theme.ink2),
        align="left",
    )


def aside(fig: go.Figure, row: float, text: str, *, color: str, shift: float = 8, align: str = "left", x: float = 1.0) -> None:
    """Words of one row in the right margin."""
    fig.add_annotation(
        text=text,
        xref="paper",
        x=x,
        xanchor=align,
        xshift=shift,
        yref="y",
        y=row,
        yanchor="middle",
        align=align,
        font=dict(size=TICK, color=color),
    )


def rule(fig: go.Figure, theme: Theme, row: float, *, strong: bool = False) -> None:
    """A horizontal rule between rows, the whole width of the marks."""
    color = theme.rule2 if strong else theme.rule
    fig.add_shape(type="line", xref="paper", x0=0, x1=1, yref="y", y0=row, y1=row, layer="below", line=dict(color=color, width=1))


def baseline_mark(theme: Theme, size: float = 7) -> dict:
    """Hollow grey."""
    return dict(symbol="circle", size=size, color=theme.ground, line=dict(color=theme.baseline, width=1.5))


def candidate_mark(theme: Theme, size: float = 7) -> dict:
    """Filled blue."""
    return dict(symbol="circle", size=size, color=theme.candidate, line=dict(color=theme.candidate, width=1.5))


def note(fig: go.Figure, *parts: str, below: float) -> None:
    """Words under the figure, from its left edge, that many px below the rows; as many lines as a narrow page needs."""
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]}; {part}" if lines[-1] else part
        lines = [*lines[:-1], longer] if not lines[-1] or text_width(longer) < NARROWEST - 16 else [*lines, part]
    left, more = 8 - fig.layout.margin.l, LINE * (len(lines) - 1)
    fig.add_annotation(
        text="<br>".join(lines),
        xref="paper",
        x=0,
        xanchor="left",
        xshift=left,
        yref="paper",
        y=0,
        yanchor="top",
        yshift=-below,
        align="left",
    )
    fig.update_layout(margin=dict(b=fig.layout.margin.b + more), height=fig.layout.height + more)


def cell_words(fig: go.Figure, values, words, colors) -> None:
    """Words in the cells of a heat map, each in the colour that reads on its cell; empty where a value is NaN."""
    rows, columns = len(values), len(values[0]) if len(values) else 0
    at = [(i, j) for i in range(rows) for j in range(columns) if values[i][j] == values[i][j]]
    fig.add_scatter(
        x=[j for _, j in at],
        y=[i for i, _ in at],
        mode="text",
        text=[words(values[i][j]) for i, j in at],
        hoverinfo="skip",
        textfont=dict(size=TICK, color=[colors(values[i][j]) for i, j in at]),
    )


def wholes(names: Sequence[str]) -> tuple[int, ...]:
    """The rows that hold all others: they stand in bold, with a stronger rule beneath."""
    return tuple(i for i, name in enumerate(names) if str(name).lower().startswith("all"))
