"""Signs drawn in px, so that no font and no width changes them: groups beside names, and keys above figures."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from .base import TICK, escape, text_width
from .theme import GROUPS, Theme

KEY, GAP, NARROWEST = 20, 12, 388  # px; a line of a key, between its entries, and the narrowest page that words must fit
SCREEN = 640  # px; the narrowest cell of a notebook; on paper the key is laid anew
_CROSS = ((-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1), (1, 3), (-1, 3), (-1, 1), (-3, 1), (-3, -1), (-1, -1))
POLYGONS = {  # corners in units of a third of half the size
    "diamond": ((0, -3.4), (3.4, 0), (0, 3.4), (-3.4, 0)), "square": ((-2.6, -2.6), (2.6, -2.6), (2.6, 2.6), (-2.6, 2.6)),
    "triangle-up": ((-3, -2.4), (3, -2.4), (0, 3)), "cross": _CROSS, "line-ew": ((-3, -1.1), (3, -1.1), (3, 1.1), (-3, 1.1)),
    "pentagon": ((0, 3.2), (3, 1), (1.9, -2.6), (-1.9, -2.6), (-3, 1)), "line": ((-5, -0.5), (5, -0.5), (5, 0.5), (-5, 0.5)),
    "line-ns": ((-0.4, -3), (0.4, -3), (0.4, 3), (-0.4, 3)), "band": ((-4, -3.4), (4, -3.4), (4, 3.4), (-4, 3.4)),
    "x-thin": ((-2.6, -2.6), (0, 0), (-2.6, 2.6), (0, 0), (2.6, 2.6), (0, 0), (2.6, -2.6), (0, 0)),
}
SHAPE_OF = dict(zip(GROUPS, ("diamond", "circle", "square", "triangle-up", "cross", "line-ew")))


def drawn(shape: str, place: dict, *, x: float, y: float = 0, size: float = 7, fill: str, edge: str | None = None) -> dict:
    """A marker as a layout shape: x and y px from an anchor (`place`: yref and yanchor; paper's left edge)."""
    base = dict(xref="paper", xsizemode="pixel", ysizemode="pixel", xanchor=0, layer="above", fillcolor=fill) | place
    base |= dict(line=dict(width=1.5 if edge else 0, color=edge or fill))
    if shape == "circle":
        half = size / 2
        return base | dict(type="circle", x0=x - half, x1=x + half, y0=y - half, y1=y + half)
    points = "L".join(f"{x + a * size / 6:.4g},{y + b * size / 6:.4g}" for a, b in POLYGONS[shape])
    return base | dict(type="path", path=f"M{points}Z")


def sign(theme: Theme, group: str, place: dict, *, x: float, y: float = 0, size: float = 7) -> dict:
    """The sign of a group; a small ring for what has none."""
    if group in SHAPE_OF:
        return drawn(SHAPE_OF[group], place, x=x, y=y, size=size, fill=theme.group(group))
    return drawn("circle", place, x=x, y=y, size=size - 2, fill=theme.ground, edge=theme.group(group))


def mark_sign(mark: dict, place: dict, *, x: float, y: float, ground: str) -> dict:
    """A plotly marker (symbol, color, line) as a shape."""
    shape, line = mark["symbol"], mark.get("line", {})
    hollow = shape.endswith("-open")
    edge = line.get("color", mark["color"]) if hollow or line.get("width") else None
    shape = shape.removesuffix("-open")
    shape = shape if shape in POLYGONS else "circle"
    return drawn(shape, place, x=x, y=y, size=mark.get("size", 7), fill=ground if hollow else mark["color"], edge=edge)


def _places(labels: Sequence[str], wide: float) -> list[tuple[int, float]]:
    """Line and px from the left of each entry: as many a line as the page holds."""
    places, line, at = [], 0, 8.0
    for label in labels:
        long = 15 + text_width(label) + GAP
        if at > 8 and at + long - GAP > wide - 8:
            line, at = line + 1, 8.0
        places.append((line, at))
        at += long
    return places


def key_lines(labels: Sequence[str], wide: float = SCREEN) -> int:
    return max((line for line, _ in _places(labels, wide)), default=-1) + 1


def add_key(fig: go.Figure, theme: Theme, entries: Sequence[tuple[str, dict]], *, above: float) -> None:
    """The key from the figure's left edge, its last line `above` px over the rows: (label, marker) per entry."""
    told = {"entries": [[label, mark] for label, mark in entries], "above": above, "ground": theme.ground, "ink": theme.ink2}
    _draw_key(fig, told, SCREEN)


def rekeyed(fig: go.Figure, wide: float) -> go.Figure:
    """The figure with its key in as few lines as a page `wide` px wide holds, and that much lower or taller; a copy."""
    told = (fig.layout.meta or {}).get("key")
    if told is None:
        return fig
    labels, fig = [label for label, _ in told["entries"]], go.Figure(fig)
    more = KEY * (key_lines(labels, wide) - key_lines(labels, told["wide"]))
    rest = {what: [each for each in fig.layout[what] if each.name != "key"] for what in ("shapes", "annotations")}
    fig.layout.shapes, fig.layout.annotations = rest["shapes"], rest["annotations"]  # an update would merge them with the old
    fig.update_layout(height=fig.layout.height + more, margin=dict(t=fig.layout.margin.t + more))
    _draw_key(fig, told, wide)
    return fig


def _draw_key(fig: go.Figure, told: dict, wide: float) -> None:
    left, labels = fig.layout.margin.l, [label for label, _ in told["entries"]]
    lines, shapes = key_lines(labels, wide), []
    for (label, mark), (line, at) in zip(told["entries"], _places(labels, wide)):
        up = told["above"] + KEY * (lines - 1 - line) + KEY / 2
        shapes.append(mark_sign(mark, dict(yref="paper", yanchor=1, name="key"), x=at + 5 - left, y=up, ground=told["ground"]))
        fig.add_annotation(
            text=escape(label), xref="paper", x=0, xanchor="left", xshift=at + 13 - left, yref="paper", y=1, yanchor="middle", yshift=up,
            font=dict(size=TICK, color=told["ink"]), name="key",
        )
    fig.update_layout(shapes=[*fig.layout.shapes, *shapes], meta={**(fig.layout.meta or {}), "key": told | {"wide": wide}})
