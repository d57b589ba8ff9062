"""The stored map of prompts. No axes: only which prompts lie together means anything."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..errors import WorkbenchError
from ..projection.clusters import densest
from ..projection.maps import PromptMap
from . import tidy
from .base import TICK, count, escape, figure, grouped, number, shorten, wanted
from .labels import apart, write
from .rows import note
from .signs import KEY, NARROWEST, add_key, key_lines
from .theme import GROUPS, OTHER, Theme, symbol, theme_of

TALL, SIDE, FOOT, AIR = 380, 8, 22, 0.04  # px; the share of the range left free around the marks
LETTERS = (11, 13)  # px, for the smallest and the largest kind named
VIEWS = {"dominant": "objective", "section": "section", "entropy": "entropy"}


def plot_prompt_map(
    data,
    *,
    places: PromptMap | pd.DataFrame | None = None,
    by: str = "dominant",
    groups: Mapping | None = None,
    labels: int = 10,
    theme: str | Theme = "light",
) -> go.Figure:
    """Each prompt a mark on its stored place: coloured by the objective that leads, by section, or by the gate's entropy.

    data: a table prompt_id, x, y with objective, section or entropy (and `kept`, 0 to 1: the neighbourhood the map kept,
    drawn as opacity; `cluster`, `cluster_name`: named where they lie, grey = in none; `prompt`: shown on hover only); or a
    Result with `places`, what `projection.stored_map` gives. Colour is doubled by shape. The `labels` largest clusters are
    named, or without clusters the most frequent kinds; a name that finds no room is left to the hover. Entropy: exp(H).
    """
    look = theme_of(theme)
    if by not in VIEWS:
        raise WorkbenchError(f"no map by {by!r}", remedy=f"Choose one of {', '.join(VIEWS)}")
    source = data if isinstance(data, pd.DataFrame) else tidy.prompt_map(data, places)
    agreement = getattr(places, "agreement", None)
    frame = wanted(source, "prompt_id", "x", "y", VIEWS[by], what="prompt map")
    if by == "dominant":
        frame = grouped(frame, groups)
    kinds = None if by == "entropy" else frame[VIEWS[by]].astype(str)
    fig = figure(frame, look, height=TALL, provenance=tidy.provenance(data), sentence=_sentence(frame, by, kinds))
    signs = _signs(frame, by, kinds)
    _marks(fig, look, frame, by, signs)
    key = []
    if kinds is not None:
        shown = [g for g in [*GROUPS, OTHER] if g in set(signs)]
        key = [(_kind_name(kinds, signs, g, by), _key_mark(look, g)) for g in shown]
    above = KEY * max(key_lines([label for label, _ in key]), 2 if kinds is None else 0)
    _frame(fig, frame, above, agreement, grey=_clustered(frame) and kinds is not None)
    add_key(fig, look, key, above=4)
    if _clustered(frame):
        _names(fig, look, frame, frame["cluster_name"], labels)
    elif kinds is not None and (by == "dominant" or kinds.nunique() > len(GROUPS)):  # else the key names them all
        _names(fig, look, frame, kinds, labels)
    return fig


def _sentence(frame: pd.DataFrame, by: str, kinds) -> str:
    if kinds is None:
        low, high = frame["entropy"].min(), frame["entropy"].max()
        return f"Map of {len(frame)} prompts by the effective number of objectives, {low:.1f} to {high:.1f}."
    top = kinds.value_counts()
    what = "leading objective" if by == "dominant" else by
    return f"Map of {len(frame)} prompts by {what}; {top.index[0]} is the most frequent, {top.iloc[0]}."


def _signs(frame: pd.DataFrame, by: str, kinds) -> list[str]:
    """The group whose colour and shape each mark wears; sections take them in order, those past the sixth are grey."""
    if by == "dominant":
        return frame["group"].tolist()
    if kinds is None:
        return [OTHER] * len(frame)
    slot = {name: GROUPS[i] if i < len(GROUPS) else OTHER for i, name in enumerate(dict.fromkeys(kinds))}
    return [slot[name] for name in kinds]


def _kind_name(kinds: pd.Series, signs: list[str], sign: str, by: str) -> str:
    """What a sign of the key stands for: a group of objectives, a section, or several sections past the sixth."""
    if by == "dominant":
        return sign or "other"
    names = list(dict.fromkeys(k for k, s in zip(kinds, signs) if s == sign))
    return names[0] if len(names) == 1 else f"{len(names)} others"


def _key_mark(look: Theme, sign: str) -> dict:
    return dict(symbol=symbol(sign), color=look.group(sign), size=7)


def _marker(look: Theme, signs: list[str], size: float, outside: np.ndarray) -> dict:
    """Marks of these signs; those outside every cluster keep their shape, smaller and grey."""
    colors = [look.group(OTHER if alone else sign) for sign, alone in zip(signs, outside)]
    wide = [size * 0.4 if sign == "Form" else 1.0 if sign == OTHER else 0 for sign in signs]
    sizes = [size * (0.7 if sign == "Form" else 1.0) for sign in signs]  # a dash draws wider than it says
    sizes = [each * (0.75 if alone else 1.0) for each, alone in zip(sizes, outside)]
    return dict(symbol=[symbol(sign) for sign in signs], size=sizes, color=colors, line=dict(color=colors, width=wide))


def _marks(fig: go.Figure, look: Theme, frame: pd.DataFrame, by: str, signs: list[str]) -> None:
    size = float(np.clip(60 / np.sqrt(len(frame)), 3.4, 6.5))
    outside = frame["cluster_name"].isna().to_numpy() if _clustered(frame) else np.zeros(len(frame), bool)
    marker = _marker(look, signs, size, outside)
    if by == "entropy":
        ends = sorted({float(frame["entropy"].min()), float(frame["entropy"].max())})
        marker = dict(
            symbol="circle",
            size=size,
            color=frame["entropy"],
            colorscale=list(look.levels),
            showscale=True,
            colorbar=dict(
                orientation="h",
                thickness=8,
                len=0.4,
                x=0,
                xanchor="left",
                y=1,
                yanchor="bottom",
                xpad=4,
                ypad=2,
                outlinewidth=0,
                tickvals=ends,
                ticktext=[number(end, 1) for end in ends],
                title=dict(text="Effective number of objectives", side="top", font=dict(size=TICK, color=look.ink2)),
                tickfont=dict(size=TICK, color=look.ink2),
            ),
        )
    marker["opacity"] = (0.35 + 0.6 * frame["kept"]).tolist() if "kept" in frame.columns else 0.8
    told = [c for c in ("prompt_id", "section", "objective", "cluster_name") if c in frame.columns]
    words = [escape(" \u00b7 ".join(str(said) for said in row if said == said and said)) for row in zip(*(frame[c] for c in told))]
    fig.add_scatter(
        x=frame["x"],
        y=frame["y"],
        mode="markers",
        marker=marker,
        customdata=words,
        cliponaxis=False,
        hovertext=[escape(str(text)[:80]) for text in frame["prompt"]] if "prompt" in frame.columns else None,
        hovertemplate="%{customdata}" + ("<br>%{hovertext}" if "prompt" in frame.columns else "") + "<extra></extra>",
    )


def _clustered(frame: pd.DataFrame) -> bool:
    return "cluster_name" in frame.columns and bool(frame["cluster_name"].notna().any())


def _frame(fig: go.Figure, frame: pd.DataFrame, top: float, agreement: float | None, grey: bool) -> None:
    """Equal scales and no axes; what may be read from it in words."""
    limits = {}
    for axis in "xy":
        low, high = float(frame[axis].min()), float(frame[axis].max())
        limits[axis] = [low - AIR * (high - low) - 1e-6, high + AIR * (high - low) + 1e-6]
    off = dict(visible=False, showgrid=False, zeroline=False)
    fig.update_layout(
        margin=dict(l=SIDE, r=SIDE, t=top + 10, b=FOOT),
        xaxis=off | dict(range=limits["x"]),
        yaxis=off | dict(range=limits["y"], scaleanchor="x", scaleratio=1),
    )
    first = f"{count(len(frame))} prompts"
    if grey:
        said = [f"{first}; grey = no cluster; axes mean nothing"]
    else:
        said = [f"{first}; axes mean nothing, which prompts lie together does"]
    if "kept" in frame.columns:
        said.append("fainter = fewer neighbours kept")
    if agreement is not None:
        said.append(f"agreement over seeds {number(agreement)}")
    note(fig, *said, below=4)


def _names(fig: go.Figure, look: Theme, frame: pd.DataFrame, kinds: pd.Series, most: int) -> None:
    """The most frequent kinds named where they lie: laid out for the narrowest page, so that on every page no two names meet."""
    top = kinds.value_counts()
    top = top[top >= min(3, top.max())].index[:most]
    (left, right), (low, high) = fig.layout.xaxis.range, fig.layout.yaxis.range
    wide, tall = NARROWEST - 2 * SIDE, TALL - fig.layout.margin.t - FOOT
    scale = min(wide / (right - left), tall / (high - low))  # px per unit
    middle = np.array([(left + right) / 2, (low + high) / 2])
    corner = middle - np.array([wide, tall]) / 2 / scale
    points = [frame.loc[kinds == name, ["x", "y"]].to_numpy(float) for name in top]
    places = np.array([(densest(here, 20 / scale) - corner) * scale for here in points]).reshape(-1, 2)
    found = apart(shorten(top.tolist(), 22), places, [len(here) for here in points], LETTERS, (wide, tall))
    write(fig, look, found, corner, scale)
