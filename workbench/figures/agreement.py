"""How far a preference strength is to be trusted: who agrees with the labels along it, and how soon its ranking settles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..errors import WorkbenchError
from . import tidy
from .base import TICK, escape, figure, interval, number, text_width, wanted
from .multiples import CHANCE, Panel, draw_lines, lacking, lay_panels, once, series_of, stack_height, tall_enough
from .placing import AIR
from .signs import NARROWEST
from .theme import Theme, theme_of

PUBLISHED = (16.4, 54.4, 95.6)  # per cent; GPT-4 with the 500 lowest pairs, those near zero, the 500 highest (arXiv 2401.06080, §2.2)
SOURCE = "GPT-4, published"
TALL, ROOM, EDGE = 170, 210, 0.14  # px up, and across on a narrow page; share of the width at both ends for the published marks
SEATS = ((0, 12), (0, -12), (8, 0), (-8, 0), (10, 11), (-10, 11), (10, -11), (-10, -11))  # px from a mark to the middle of its edge


def plot_agreement(table: pd.DataFrame, *, reference: bool = True, ceiling: tuple[float, float] | pd.DataFrame | None = None,
                   unit: str = "preference strength, \u03bc\u0302", theme: str | Theme = "light") -> go.Figure:
    """Agreement with the label by bins of preference strength, one line per judge with intervals; chance is a half.

    table: `agreement_by_bin`: bin, strength, who, value, low, high, words. reference: with the agreement of GPT-4 as published
    (arXiv 2401.06080), on another data set and another scale: open marks at the left edge, zero and the right edge. ceiling:
    (low, high), shares: how often annotators agree with one another, or the table of `evaluate.ceiling`. Raises WorkbenchError for a
    missing column, two values of one bin and judge, and a ceiling that is no range within [0, 1].
    """
    look = theme_of(theme)
    frame = once(wanted(table, "bin", "strength", "who", "value", "low", "high", "words", what="agreement"), "bin", "who", what="agreement")
    bound = _ceiling(ceiling)
    looks = series_of(look, frame["who"], baseline=None, candidate="gate" if "gate" in set(frame["who"]) else None)
    panel = Panel("Agreement with the label, %", frame, levels=(CHANCE,), more=(*(PUBLISHED if reference else ()), *sum(bound, ())))
    left, right, air = _edges(frame["strength"].astype(float), EDGE if reference else 0.06)
    marks = (left + air / 2, 0.0, right - air / 2) if reference else ()
    key = [(SOURCE, dict(symbol="cross-open", size=6.5, color=look.unchanged, line=dict(color=look.unchanged, width=1.2)))] * reference
    key += [(f"annotators agree {number(low, 0)}\u2013{number(high, 0)} %", dict(symbol="band", color=look.band)) for low, high in bound]
    labels, tall = [label for label, _ in key], tall_enough([panel], "who", TALL)
    fig = figure(frame, look, height=stack_height(1, tall, labels), provenance=tidy.provenance(table),
                 sentence=_agreement_sentence(frame, reference, bound))
    draw_lines(fig, [panel], looks, x="strength", by="who")
    fig.add_scatter(
        x=marks, y=PUBLISHED if reference else [], mode="markers", name=SOURCE, cliponaxis=False,
        marker=dict(symbol="cross-open", size=7, color=look.unchanged, line=dict(width=1.3)),
        customdata=["the 500 lowest pairs", "500 pairs near zero", "the 500 highest pairs"] if reference else [],
        hovertemplate=f"{SOURCE}, %{{customdata}}: %{{y}} %<extra></extra>",
    )
    notes = ["95 % intervals", *lacking(frame, _bins(frame))]
    notes += ["published marks: the 500 lowest pairs,", "near zero, and highest (arXiv 2401.06080)"] * reference
    lay_panels(fig, look, [panel], looks, x="strength", by="who", tall=tall, key=key, notes=notes,
               bottom=dict(range=[left, right], title=unit, nticks=7, zeroline=True))
    for low, high in bound:
        fig.add_shape(type="rect", xref="paper", x0=0, x1=1, yref="y", y0=low, y1=high, layer="below", line_width=0, fillcolor=look.band)
    if reference:
        _reference_numbers(fig, look, frame, (left, right), panel.limits, marks, tall)
    return fig


def _ceiling(ceiling) -> tuple[tuple[float, float], ...]:
    """The band in per cent, if there is one."""
    if ceiling is None:
        return ()
    low, high = map(float, (ceiling["value"].min(), ceiling["value"].max()) if isinstance(ceiling, pd.DataFrame) else ceiling)
    if not 0 <= low <= high <= 1:
        raise WorkbenchError(f"a ceiling from {low:g} to {high:g}", where="agreement", remedy="Pass shares: ceiling=(0.60, 0.75)")
    return ((100 * low, 100 * high),)


def _edges(strength: pd.Series, share: float) -> tuple[float, float, float]:
    """Limits that hold zero and all bins, and the room at both ends, where the published marks stand clear of all lines."""
    low, high = min(float(strength.min()), 0.0), max(float(strength.max()), 0.0)
    air = share * (high - low) or 1.0
    return low - air, high + air, air


def _bins(frame: pd.DataFrame) -> list[str]:
    return [f"bin {number}" for number in frame["bin"]]


def _reference_numbers(fig: go.Figure, look: Theme, frame: pd.DataFrame, sides: Sequence[float], limits: Sequence[float],
                       at: Sequence[float], tall: float) -> None:
    """The published numbers beside their marks, where a narrow page has least of the lines and intervals under them."""
    wide = NARROWEST - fig.layout.margin.l - fig.layout.margin.r
    corner, place = np.array([sides[0], limits[0]]), np.array([wide / (sides[1] - sides[0]), tall / (limits[1] - limits[0])])
    drawn = _drawn(frame, corner, place)
    for x, value in zip(at, PUBLISHED):
        text, here = number(value, 1), (np.array([x, value]) - corner) * place
        half = np.array([text_width(text) / 2 + 1, 6.0])
        middles = [here + [dx + np.sign(dx) * half[0], dy] for dx, dy in SEATS]
        inside = [np.all(middle - half >= [0, 0]) and np.all(middle + half <= [wide + AIR, tall + 8]) for middle in middles]
        met = [int(np.all(np.abs(drawn - middle) <= half + 2, axis=1).sum()) + 999 * (not fits) for middle, fits in zip(middles, inside)]
        shift = middles[int(np.argmin(met))] - here
        right, up = (round(float(each), 1) for each in shift)
        fig.add_annotation(text=text, x=x, y=value, xref="x", yref="y", xanchor="center", yanchor="middle", xshift=right, yshift=up,
                           font=dict(size=TICK, color=look.ink2))


def _drawn(frame: pd.DataFrame, corner: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Points in px along all lines and intervals, the chance line and zero."""
    far, zero, half = np.linspace(0, 1000, 400), -corner[0] * place[0], (CHANCE[1] - corner[1]) * place[1]
    points = [np.column_stack([far, np.full(400, half)]), np.column_stack([np.full(400, zero), far])]
    for _, part in frame.groupby("who", sort=False):
        part = part.sort_values("strength")
        spots = (np.column_stack([part["strength"], 100 * part["value"]]).astype(float) - corner) * place
        points += [a + np.linspace(0, 1, 30)[:, None] * (b - a) for a, b in zip(spots[:-1], spots[1:])] + [spots]
        for x, low, high in zip(part["strength"], part["low"], part["high"]):
            points.append((np.column_stack([np.full(20, x), np.linspace(100 * low, 100 * high, 20)]) - corner) * place)
    found = np.concatenate(points)
    return found[np.isfinite(found).all(axis=1)]


def _agreement_sentence(frame: pd.DataFrame, reference: bool, bound: tuple[tuple[float, float], ...]) -> str:
    said = []
    for who, part in frame.dropna(subset=["value"]).groupby("who", sort=False):
        part = part.sort_values("bin")
        first, last = (100 * float(part["value"].iloc[at]) for at in (0, -1))
        said.append(f"{who} {first:.1f} in the weakest, {last:.1f} in the strongest")
    more = "; GPT-4 as published 16.4, near zero 54.4, 95.6" if reference else ""
    more += "".join(f"; annotators {low:.0f} to {high:.0f}" for low, high in bound)
    head = f"Agreement with the label in {frame['bin'].nunique()} bins of preference strength, per cent"
    return f"{head}: {'; '.join(said) or 'not measured'}{more}."


def plot_settling(table: pd.DataFrame, *, theme: str | Theme = "light") -> go.Figure:
    """How soon the ranking settles: agreement of two disjoint ensembles against their number of members.

    table: `settling`: members, of ("ranking": Spearman; "lowest 10 %": share that both name), value, low, high (5th and 95th percentile
    over random splits), extrapolated (bool: by Spearman and Brown, value only). Measured: filled marks on solid lines; extrapolated:
    hollow on dashed ones. Raises WorkbenchError for a missing column, two values of one number, and a number below one.
    """
    look = theme_of(theme)
    frame = wanted(table, "members", "of", "value", "low", "high", "extrapolated", what="settling")
    frame = once(frame, "members", "of", "extrapolated", what="settling")
    if (frame["members"] < 1).any():
        raise WorkbenchError(f"{frame['members'].min()} members", where="settling", remedy="An ensemble has one member or more")
    looks = series_of(look, frame["of"], baseline=None, candidate=frame["of"].iloc[0])
    panel, members = Panel("Agreement of two disjoint ensembles", frame, scale=1), np.unique(frame["members"].to_numpy(float))
    tall = tall_enough([panel], "of", 150)
    guess = frame["extrapolated"].to_numpy(bool)
    fig = figure(frame, look, height=stack_height(1, tall), provenance=tidy.provenance(table), sentence=_settling_sentence(frame, guess))
    draw_lines(fig, [Panel(panel.head, frame[~guess], scale=1)], looks, x="members", by="of")
    for name, style in looks.items():
        part = frame[frame["of"] == name].sort_values(["members", "extrapolated"])
        part = part.iloc[max(int((~part["extrapolated"].astype(bool)).sum()) - 1, 0) :]
        size = np.where(part["extrapolated"].astype(bool), 6.5, 0)
        fig.add_scatter(
            x=part["members"], y=part["value"], mode="lines+markers", name=f"{name}, extrapolated", cliponaxis=False,
            line=dict(color=style.color, width=1.1, dash="dash"),
            hovertemplate=f"{escape(name)}, %{{x}} members, extrapolated: %{{y:.3f}}<extra></extra>",
            marker=style.mark | dict(color=look.ground if style.strong else style.color, size=size, opacity=1),
        )
    ends = np.log10([members[0], max(members[-1], members[0] * 2)])
    span = float(ends[1] - ends[0])
    shown = _apart(np.log10(members) / span * ROOM, [f"{m:g}" for m in members])
    lay_panels(fig, look, [panel], looks, x="members", by="of", tall=tall, notes=_settling_notes(frame, guess), bottom=dict(
        type="log", range=[float(ends[0]) - 0.04 * span, float(ends[1]) + 0.04 * span], tickvals=members[shown].tolist(),
        ticktext=[f"{m:g}" for m in members[shown]], title="members of each"))
    return fig


def _apart(at: np.ndarray, texts: list[str]) -> list[int]:
    """Which numbers under an axis stay, from the last one back, where all would touch."""
    kept: list[int] = []
    for i in reversed(range(len(at))):
        if not kept or at[kept[-1]] - at[i] >= (text_width(texts[i]) + text_width(texts[kept[-1]])) / 2 + AIR:
            kept.append(i)
    return kept[::-1]


def _settling_notes(frame: pd.DataFrame, guess: np.ndarray) -> list[str]:
    splits = frame.loc[~guess, "splits"].max() if "splits" in frame.columns and (~guess).any() else None
    bars = frame.loc[~guess, "low"].notna().any()
    said = [f"bars: 5th to 95th percentile over {splits:.0f} random splits" if splits == splits and splits else
            "bars: 5th to 95th percentile over random splits"] if bars else []
    return [*said, *(["dashed: extrapolated (Spearman\u2013Brown)"] if guess.any() else [])] or ["not measured"]


def _settling_sentence(frame: pd.DataFrame, guess: np.ndarray) -> str:
    said = []
    for name, part in frame[~guess & frame["value"].notna()].groupby("of", sort=False):
        last = part.loc[part["members"].idxmax()]
        bars = f" {interval(last['low'], last['high'])}" if last["low"] == last["low"] else ""
        said.append(f"{name} {number(last['value'])}{bars} with {last['members']:.0f} members each")
    return f"Agreement of two disjoint ensembles: {', '.join(said) or 'not measured'}."
