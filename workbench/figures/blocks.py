"""Rows measured several ways: two columns side by side on one scale, further ones in blocks beneath with the rows' names again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import plotly.graph_objects as go

from ..evaluate.strength import JUDGE, TRUTH
from ..scenario.trial import AGREED
from .base import TICK, escape, text_width, widest
from .rows import GAP, HEAD
from .signs import KEY, NARROWEST, key_lines
from .theme import Theme

COLUMNS, BETWEEN, NEXT = 2, 0.05, 30  # most columns; share of the width between two; px between blocks, for heads
NAMES, LINE = 106, 13  # px for the names of rows, and from line to line
OF = {TRUTH: "the truth", JUDGE: "the judge", AGREED: "the agreed pairs"}


def against(of: str) -> str:
    """What accuracy is held against, in words."""
    return OF.get(of, of)


@dataclass(frozen=True)
class Blocks:
    """Where rows and what is measured stand: names of both by place, height of a row and room at the right in px."""

    rows: tuple[str, ...]
    heads: tuple[str, ...]
    tall: float = 0
    right: float = 8

    def taller(self, tall: float) -> Blocks:
        """The same with rows of that height, or as high as their names need."""
        return replace(self, tall=max(tall, *(10 + LINE * len(lines) for lines in self.names)))

    @property
    def columns(self) -> int:
        return min(len(self.heads), COLUMNS)

    @property
    def height(self) -> float:
        """px of all blocks."""
        return self.count * len(self.rows) * self.tall + (self.count - 1) * NEXT

    @property
    def count(self) -> int:
        return -(-len(self.heads) // self.columns)

    @property
    def names(self) -> list[list[str]]:
        """The rows' names in lines that fit."""
        return [wrapped(name.replace(" %", "\u00a0%"), NAMES) for name in self.rows]

    @property
    def left(self) -> float:
        return max(max(widest(lines) for lines in self.names) * 1.06 + GAP + 2, 40)

    @property
    def room(self) -> float:
        """px of a column on a narrow page."""
        start, end = self.domain(0)
        return (end - start) * (NARROWEST - self.left - self.right)

    def domain(self, place: int) -> tuple[float, float]:
        each = (1 - BETWEEN * (self.columns - 1)) / self.columns
        start = place % self.columns * (each + BETWEEN)
        return start, min(start + each, 1.0)

    def axis(self, place: int) -> str:
        return f"x{place % self.columns + 1}" if place % self.columns else "x"

    def at(self, row: int, place: int) -> float:
        """Where the middle of a row is, in rows."""
        return place // self.columns * (len(self.rows) + NEXT / self.tall) + row

    def lay(self, fig: go.Figure, look: Theme, limits: Sequence[float], *, foot: float, key: Sequence[str] = (), strong: Sequence[int] = (),
            axes: Mapping | None = None) -> None:
        """Axes on one scale, names, heads, and rules between rows; a strong rule beneath the rows in `strong`."""
        every = [(row, block * self.columns) for block in range(self.count) for row in range(len(self.rows))]
        names = ["<br>".join(map(escape, lines)) for lines in self.names]
        xs = {f"xaxis{place + 1 if place else ''}": dict(
            domain=self.domain(place), range=list(limits), anchor="y", zeroline=False, nticks=4, layer="below traces", ticklabelstandoff=3,
            tickangle=0,
        ) | dict(axes or {}) for place in range(self.columns)}
        top = HEAD + 6 + KEY * key_lines(key)
        fig.update_layout(height=round(top + self.height + foot), margin=dict(l=self.left, r=self.right, t=top, b=foot), **xs, yaxis=dict(
            range=[self.at(len(self.rows), (self.count - 1) * self.columns) - 0.5, -0.5], tickvals=[self.at(*each) for each in every],
            ticktext=[names[row] for row, _ in every], ticklabelstandoff=GAP - 4, tickfont=dict(color=look.ink, size=TICK),
        ))
        heads = [dict(text=escape(head), xref=f"{self.axis(place)} domain", x=0, xanchor="left", yref="y", y=self.at(0, place) - 0.5,
                      yanchor="bottom", yshift=3, bgcolor=look.ground) for place, head in enumerate(self.heads)]
        rules = [dict(type="line", xref="paper", x0=0, x1=1, yref="y", y0=self.at(*each) - 0.5, y1=self.at(*each) - 0.5, layer="below",
                      line=dict(color=look.rule2 if each[0] - 1 in strong else look.rule, width=1)) for each in every if each[0]]
        fig.layout.annotations, fig.layout.shapes = [*fig.layout.annotations, *heads], [*fig.layout.shapes, *rules]


def wrapped(text: str, room: float) -> list[str]:
    """Lines of words that fit; a word that is wider than a line has one of its own. Nothing for an empty text."""
    lines: list[str] = []
    for word in text.split(" ") if text else ():
        longer = f"{lines[-1]} {word}" if lines else word
        lines = [*lines[:-1], longer] if lines and text_width(longer) <= room else [*lines, word]
    return lines
