"""The stored map of prompts. No axes: only which prompts lie together means anything."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..errors import WorkbenchError
from . import tidy
from .base import TICK, count, escape, figure, grouped, number, shorten, text_width, wanted
from .rows import note
from .signs import KEY, add_key, key_lines
from .theme import GROUPS, OTHER, Theme, symbol, theme_of

TALL = 380  # px
VIEWS = {"dominant": "objective", "section": "section", "entropy": "entropy"}


def plot_prompt_map(
    data,
    *,
    places: pd.DataFrame | None = None,
    by: str = "dominant",
    groups: Mapping | None = None,
    labels: int = 8,
    theme: str | Theme = "light",
) -> go.Figure:
    """Each prompt a mark on its stored place: coloured by the objective that leads, by section, or by the gate's entropy.

    data: a table prompt_id, x, y with objective, section or entropy (and `kept`, 0 to 1: the neighbourhood the map kept,
    drawn as opacity; `prompt`: text shown on hover only); or a Result with `places` from `projection.stored_map`.
    Colour is doubled by shape; the `labels` largest kinds are named where they lie. Entropy counts objectives: exp(H).
    """
    look = theme_of(theme)
    if by not in VIEWS:
        raise WorkbenchError(f"no map by {by!r}", remedy=f"Choose one of {', '.join(VIEWS)}")
    source = data if isinstance(data, pd.DataFrame) else tidy.prompt_map(data, places)
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
    _frame(fig, frame, KEY * max(key_lines([label for label, _ in key]), 2 if kinds is None else 0))
    add_key(fig, look, key, above=4)
    if kinds is not None and (by == "dominant" or kinds.nunique() > len(GROUPS)):  # else the key names them all
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


def _marker(look: Theme, signs: list[str], size: float) -> dict:
    colors = [look.group(sign) for sign in signs]
    wide = [size * 0.4 if sign == "Form" else 1.0 if sign == OTHER else 0 for sign in signs]
    sizes = [size * (0.7 if sign == "Form" else 1.0) for sign in signs]  # a dash draws wider than it says
    return dict(symbol=[symbol(sign) for sign in signs], size=sizes, color=colors, line=dict(color=colors, width=wide))


def _marks(fig: go.Figure, look: Theme, frame: pd.DataFrame, by: str, signs: list[str]) -> None:
    size = float(np.clip(60 / np.sqrt(len(frame)), 3.4, 6.5))
    marker = _marker(look, signs, size)
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
    marker["opacity"] = (0.25 + 0.65 * frame["kept"]).tolist() if "kept" in frame.columns else 0.8
    words = [
        escape(" \u00b7 ".join(str(frame.at[i, c]) for c in ("prompt_id", "section", "objective") if c in frame.columns))
        for i in frame.index
    ]
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


def _frame(fig: go.Figure, frame: pd.DataFrame, top: float) -> None:
    """Equal scales and no axes."""
    off = dict(visible=False, showgrid=False, zeroline=False)
    fig.update_layout(margin=dict(l=8, r=8, t=top + 10, b=22), xaxis=off, yaxis=off | dict(scaleanchor="x", scaleratio=1))
    said = f"{count(len(frame))} prompts; axes mean nothing, which prompts lie together does"
    if "kept" in frame.columns:
        said = f"{count(len(frame))} prompts; fainter = neighbourhood less well kept; axes mean nothing"
    note(fig, said, below=4)


def _names(fig: go.Figure, look: Theme, frame: pd.DataFrame, kinds: pd.Series, labels: int) -> None:
    """The most frequent kinds named where they lie, moved up or down until no two names meet."""
    top = kinds.value_counts()
    top = top[top >= max(3, 0.02 * len(frame))].index[:labels]
    span = max(float(np.ptp(frame["x"])), float(np.ptp(frame["y"])), 1e-9)
    placed: list[tuple[float, float, float]] = []
    for name, short in zip(top, shorten(top.tolist(), 22)):
        here = frame[kinds == name]
        x, y = _thickest(here, span / 15)
        wide, tall = text_width(short, 12) / 330 * span, 15 / 300 * span
        for step in (0, 1, -1, 2, -2, 3, -3, 4, -4):
            at = y + (step + 0.75) * tall  # above its marks, not on them
            if all(abs(x - a) > (wide + w) / 2 or abs(at - b) >= tall for a, b, w in placed):
                break
        placed.append((x, at, wide))
        fig.add_annotation(
            text=f"<b>{escape(short)}</b>",
            x=x,
            y=at,
            xref="x",
            yref="y",
            bgcolor=look.ground,
            opacity=0.86,
            borderpad=1,
            font=dict(size=TICK, color=look.ink),
        )


def _thickest(here: pd.DataFrame, radius: float) -> tuple[float, float]:
    """Where most marks of one kind lie together: the middle of the fullest neighbourhood, not of islands far apart."""
    points = here[["x", "y"]].to_numpy(float)
    some = points[:: max(1, len(points) // 400)]
    near = ((some[:, None] - points[None]) ** 2).sum(axis=2) < radius**2
    return tuple(np.median(points[near[near.sum(axis=1).argmax()]], axis=0).tolist())
