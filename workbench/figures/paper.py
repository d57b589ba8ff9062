"""From screen to paper: always light, an Arial-like face, and small enough for a column."""

from __future__ import annotations

import json
import re

import numpy as np
import plotly.graph_objects as go

from .base import table
from .theme import DARK, LIGHT, PAPER_FONT

MOST_CELLS = 5000  # of a heat map drawn as shapes; a larger one stays a raster
SHRINK = 0.75  # 12 px on screen become 9 px, 6.75 pt, on paper; 11 px become 6.2 pt


def on_paper(fig: go.Figure, *, include_prompts: bool = False) -> dict:
    """The figure as plain data on white, in the light colours, whatever theme it was drawn in.

    Prompts shown on hover, and in its table, are left out unless asked for.
    """
    data = json.loads(fig.to_json())
    meta = {name: value for name, value in data["layout"].pop("meta", {}).items() if name != "key"}  # it is drawn by now
    for place, trace in enumerate(data["data"]):
        trace["uid"] = f"t{place}"  # else the browser makes one up
    if fig.layout.template.layout.font.color == DARK.ink:
        swap = dict(zip(DARK.colors(), LIGHT.colors()))
        data = json.loads(re.sub(r"#[0-9a-f]{6}\b", lambda found: swap.get(found[0], found[0]), json.dumps(data)))
    data["layout"]["template"]["layout"]["font"]["family"] = PAPER_FONT
    data["layout"] |= {"paper_bgcolor": LIGHT.ground, "plot_bgcolor": LIGHT.ground}
    for place, trace in enumerate(fig.data):
        if trace.type == "heatmap" and np.size(trace.z) <= MOST_CELLS:
            _as_shapes(data, place, np.asarray(trace.z, float))
    if include_prompts:
        data["layout"]["meta"] = meta
        return data
    for trace in data["data"]:
        trace.pop("hovertext", None)
        trace["hovertemplate"] = trace.get("hovertemplate", "").replace("<br>%{hovertext}", "") or None
    data["layout"]["meta"] = meta | {"table": [column for column in meta.get("table", []) if column[0] not in PROMPTS]}
    return data


def _as_shapes(data: dict, place: int, cells: np.ndarray) -> None:
    """A heat map's cells [row column] as rectangles: a browser would draw a raster, which print shows blurred.

    The colour bar stays, on a trace that marks nothing. A missing cell is not drawn.
    """
    trace = data["data"][place]
    low, high, scale = trace["zmin"], trace["zmax"], trace["colorscale"]
    stops, colors = [at for at, _ in scale], np.array([[int(hue[k : k + 2], 16) for k in (1, 3, 5)] for _, hue in scale], float)
    shapes = []
    for row, column in zip(*np.nonzero(np.isfinite(cells))):
        share = np.clip((cells[row, column] - low) / (high - low), 0, 1)
        fill = "#" + "".join(f"{round(np.interp(share, stops, channel)):02x}" for channel in colors.T)
        edge = {"color": LIGHT.ground, "width": trace.get("xgap", 0)}
        corners = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
        shapes.append({"type": "rect", "layer": "below", "fillcolor": fill, "line": edge} | {k: float(v) for k, v in corners.items()})
    data["layout"]["shapes"] = [*shapes, *data["layout"].get("shapes", [])]
    bar = {name: trace[name] for name in ("colorscale", "colorbar", "showscale") if name in trace}
    marker = bar | {"color": [low, high], "cmin": low, "cmax": high, "size": 0, "opacity": 0}
    hidden = {"type": "scatter", "mode": "markers", "x": [None, None], "y": [None, None], "marker": marker, "hoverinfo": "skip"}
    data["data"][place] = hidden | {"uid": trace["uid"]}


PROMPTS = {"prompt", "prompts_text", "text", "chosen", "rejected"}


def public_table(fig: go.Figure, *, include_prompts: bool = False):
    """The figure's table, without its columns of text unless asked for."""
    frame = table(fig)
    return frame if include_prompts else frame.drop(columns=[name for name in frame.columns if name in PROMPTS])


def smallest_text(svg: str, factor: float) -> float:
    """The smallest text of a drawn figure, in points on paper."""
    sizes = [float(size) for size in re.findall(r"font-size:\s*([\d.]+)px", svg)]
    return round(min(sizes, default=0.0) * factor * 0.75, 2)
