"""Names on a map: haloed, the larger the more they stand for, and never on each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from .base import escape, text_width
from .theme import Theme

LINE = 15  # px between lines of names
BOLD = 1.08  # how much wider bold letters are


@dataclass(frozen=True)
class Label:
    """A name at x, y px (its middle), the size of its letters, and half the width and height of its halo in px."""

    text: str
    x: float
    y: float
    size: float
    half: tuple[float, float]


def apart(names: Sequence[str], places: np.ndarray, weights: Sequence[float], sizes: tuple[float, float], page: tuple[float, float],
          ) -> list[Label]:
    """The names that find room, the weightiest first: a little above their places [name 2] (px), else beside or below them.

    sizes: of letters, smallest and largest, by square root of the weight; page: width and height in px, which no name leaves.
    A name that would meet another at each of its seats is left out.
    """
    weights = np.sqrt(np.asarray(weights, float))
    low, high = (weights.min(), weights.max()) if len(weights) else (0.0, 0.0)
    taken: list[tuple[float, float, float, float]] = []
    made = []
    for i in np.argsort(-weights, kind="stable"):
        size = sizes[0] + (sizes[1] - sizes[0]) * ((weights[i] - low) / (high - low) if high > low else 0.0)
        half = text_width(names[i], size) * BOLD / 2 + 2, size * 0.6
        for dx, dy in SEATS:
            x = float(np.clip(places[i][0] + dx * half[0], half[0], max(page[0] - half[0], half[0])))
            y = float(np.clip(places[i][1] + dy * LINE, half[1], max(page[1] - half[1], half[1])))
            if all(abs(x - a) >= half[0] + w or abs(y - b) >= half[1] + h for a, b, w, h in taken):
                taken.append((x, y, *half))
                made.append(Label(names[i], x, y, float(size), half))
                break
    return made


# in half widths and lines from the place: above, on it, below; then to the sides
SEATS = tuple((dx, dy) for dx in (0.0, 0.5, -0.5, 0.9, -0.9) for dy in (0.8, 0.0, -0.8, 1.6, -1.6, 2.4, -2.4))


def write(fig: go.Figure, theme: Theme, labels: Sequence[Label], corner: np.ndarray, scale: float) -> None:
    """The names on the map, their px turned into its units: a halo of the ground's colour, then the words.

    The halo is a shape: a rim around the letters would be a second copy of the text, in fonts that print shops refuse.
    """
    halos = []
    for label in labels:
        x, y = corner + np.array([label.x, label.y]) / scale
        w, h = label.half
        path = f"M{-w + h},{-h}L{w - h},{-h}Q{w},{-h},{w},0Q{w},{h},{w - h},{h}L{-w + h},{h}Q{-w},{h},{-w},0Q{-w},{-h},{-w + h},{-h}Z"
        halos.append(dict(
            type="path", path=path, xref="x", yref="y", xsizemode="pixel", ysizemode="pixel", xanchor=x, yanchor=y, layer="above",
            fillcolor=theme.ground, opacity=0.75, line=dict(width=0),
        ))
        fig.add_annotation(
            text=f"<b>{escape(label.text)}</b>", x=x, y=y, xref="x", yref="y", xanchor="center", yanchor="middle", borderpad=0,
            font=dict(size=label.size, color=theme.ink),
        )
    fig.update_layout(shapes=[*fig.layout.shapes, *halos])
