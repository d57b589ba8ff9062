"""From screen to paper: always light, an Arial-like face, and small enough for a column."""

from __future__ import annotations

import json
import re

import plotly.graph_objects as go

from .base import table
from .theme import DARK, LIGHT, PAPER_FONT

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
    if include_prompts:
        data["layout"]["meta"] = meta
        return data
    for trace in data["data"]:
        trace.pop("hovertext", None)
        trace["hovertemplate"] = trace.get("hovertemplate", "").replace("<br>%{hovertext}", "") or None
    data["layout"]["meta"] = meta | {"table": [column for column in meta.get("table", []) if column[0] not in PROMPTS]}
    return data


PROMPTS = {"prompt", "prompts_text", "text", "chosen", "rejected"}


def public_table(fig: go.Figure, *, include_prompts: bool = False):
    """The figure's table, without its columns of text unless asked for."""
    frame = table(fig)
    return frame if include_prompts else frame.drop(columns=[name for name in frame.columns if name in PROMPTS])


def smallest_text(svg: str, factor: float) -> float:
    """The smallest text of a drawn figure, in points on paper."""
    sizes = [float(size) for size in re.findall(r"font-size:\s*([\d.]+)px", svg)]
    return round(min(sizes, default=0.0) * factor * 0.75, 2)
