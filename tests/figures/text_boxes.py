"""Where the words of a figure stand on a page of some width: a slow, plain reading of its layout."""

from __future__ import annotations

import html
import re

from workbench.figures.base import text_width

LINE = 12  # px a line of 11 px letters takes at least


def place(layout: dict, ref: str, value: float, low: float, length: float) -> float:
    """px along one direction of a coordinate: of the paper, of an axis or of its domain."""
    if ref == "paper":
        return low + value * length
    name = ref.split()[0]
    axis = layout[f"{name[0]}axis{name[1:]}"]
    start, end = axis.get("domain", (0, 1))
    share = value if ref.endswith("domain") else (value - axis["range"][0]) / (axis["range"][1] - axis["range"][0])
    return low + (start + share * (end - start)) * length


def boxes(fig, wide: float) -> list[tuple[str, float, float, float, float]]:
    """(text, left, right, bottom, top) of each annotation, in px from the lower left corner."""
    layout, found = fig.layout.to_plotly_json(), []
    margin = layout["margin"]
    across, up = wide - margin["l"] - margin["r"], layout["height"] - margin["t"] - margin["b"]
    for each in layout["annotations"]:
        lines = [html.unescape(re.sub(r"<[^>]+>", "", line)) for line in each["text"].split("<br>")]
        bold = 1.08 if "<b>" in each["text"] else 1
        width, height = max(map(text_width, lines)) * bold, LINE * len(lines)
        x = place(layout, each["xref"], each["x"], margin["l"], across) + each.get("xshift", 0)
        y = place(layout, each["yref"], each["y"], margin["b"], up) + each.get("yshift", 0)
        left = x - {"left": 0, "center": 0.5, "right": 1}[each["xanchor"]] * width
        bottom = y - {"bottom": 0, "middle": 0.5, "top": 1}[each["yanchor"]] * height
        found.append((each["text"], left, left + width, bottom, bottom + height))
    return found


def meetings(fig, wide: float) -> list[tuple[str, str]]:
    """Words that touch other words."""
    found = boxes(fig, wide)
    return [(a[0], b[0]) for i, a in enumerate(found) for b in found[:i] if meet(a[1:], b[1:])]


def meet(a, b) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] + 0.5 < b[3] and b[2] + 0.5 < a[3]


def outside(fig, wide: float) -> list[str]:
    """Words that leave the page."""
    tall = fig.layout.height
    return [text for text, left, right, bottom, top in boxes(fig, wide) if left < -1 or right > wide + 1 or bottom < -2 or top > tall + 1]
