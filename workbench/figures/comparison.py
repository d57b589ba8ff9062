"""What a change did: paired differences, and what they may be called."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ..evaluate.inference import NO_CHANGE
from . import tidy
from .base import figure, interval, number, spread_limits, text_width, wanted
from .rows import FOOT, HEAD, aside, baseline_mark, candidate_mark, column, heights, lay_rows, note, rule, wholes
from .signs import NARROWEST, add_key
from .theme import Theme, theme_of

NOISE = "Noise floor"
WORDS = {"higher": ("\u25b2", "candidate"), "lower": ("\u25bc", "negative")}


def plot_comparison(data, *, metric: str = "accuracy", percent: bool | None = None, theme: str | Theme = "light") -> go.Figure:
    """Forest of paired differences, candidate minus baseline, with what they may be called.

    data: the table of `compare`: slice, difference, low, high, words, and where known metric, p_holm, baseline and candidate
    (their accuracies), noise_low and noise_high, seed_1 … (single seeds); or two Results, (baseline, candidate). The noise
    floor is a band behind each row, or behind all where a row is named "Noise floor". Blue and red only where the words
    say higher or lower; a mark without an interval is hollow. percent: values are shares; None: those of the accuracy are.
    """
    percent = metric == "accuracy" if percent is None else percent
    look, scale = theme_of(theme), 100 if percent else 1
    source = data if isinstance(data, pd.DataFrame) else tidy.comparison(data)
    frame = wanted(source, "slice", "difference", "low", "high", "words", what="comparison")
    if "metric" in frame.columns:
        frame = wanted(frame[frame["metric"] == metric], "slice", what=f"comparison of {metric}")
    names, last = frame["slice"].tolist(), len(frame) - 1
    pair = {"baseline", "candidate"} <= set(frame.columns)
    seeds = [c for c in frame.columns if str(c).startswith("seed_")]
    moved = [f"{s} {_word(w)}" for s, w in zip(names, frame["words"]) if _word(w) in WORDS]
    noisy = NOISE in names or {"noise_low", "noise_high"} <= set(frame.columns)
    key = _forest_key(look, pair, bool(seeds), noisy)
    labels = [label for label, _ in key]
    lacking = list(dict.fromkeys(part for words in frame["words"] for part in _parts(words)[1:]))
    foot = FOOT + 16 * bool(lacking)
    fig = figure(
        frame,
        look,
        height=heights(len(names), 38, key=labels, foot=foot),
        provenance=tidy.provenance(data),
        sentence=f"Paired differences in {len(names)} slices: {', '.join(moved) or _unmoved(frame['words'])}.",
    )
    said = [_said(look, row, scale) for _, row in frame.iterrows()]
    right = max(text_width(plain) for *_, plain in said) + 14
    lay_rows(fig, look, names, right=right, key=labels, foot=foot, most=18, strong=wholes(names))
    where = (0.5, 1) if pair else (0, 1)
    _differences(fig, look, frame, scale, axis="x2" if pair else "x", seeds=seeds)
    ends = spread_limits(
        *(scale * frame[c] for c in ("difference", "low", "high", "noise_low", "noise_high", *seeds) if c in frame.columns),
        include=0.0,
        pad=0.08,
    )
    unit = ("Change" if pair else "Candidate \u2212 baseline") + (", points" if percent else "")
    column(fig, look, 2 if pair else 1, unit, domain=where, limits=ends, zero=True)
    if pair:
        _pairs(fig, look, frame, scale)
        fits = 0.36 * (NARROWEST - fig.layout.margin.l - right) > text_width("Accuracy, %")
        head = ("Accuracy, %" if fits else "Acc., %") if percent else "Value"
        column(
            fig,
            look,
            1,
            head,
            domain=(0, 0.36),
            limits=spread_limits(scale * frame["baseline"], scale * frame["candidate"], pad=0.12),
            ticks=3,
        )
    for row in range(last + 1):
        if row:
            rule(fig, look, row - 0.5, strong=row - 1 in wholes(names) or names[row] == NOISE)
        text, color, _ = said[row]
        aside(fig, row, text, color=color, shift=12)
    add_key(fig, look, key, above=HEAD + 4)
    if lacking:
        note(fig, *lacking, below=24)
    return fig


def _unmoved(words: pd.Series) -> str:
    """What is said where nothing is higher or lower: too few families for a verdict is not the same as no detectable change."""
    still = sum(_word(each) == NO_CHANGE for each in words)
    if still == len(words):
        return f"{NO_CHANGE} in any"
    return f"{NO_CHANGE} in {still}, no verdict on {len(words) - still}" if still else "no verdict on any"


def _parts(words: str) -> list[str]:
    """The verdict, and what is lacking for all rows alike ("seed noise not estimated")."""
    return [part.strip() for part in str(words).split(";")]


def _word(words: str) -> str:
    return _parts(words)[0].lower()


def _said(look: Theme, row: pd.Series, scale: float) -> tuple[str, str, str]:
    """The words of a row and its numbers on a second line; their colour; the wider line, plain."""
    sign, color = WORDS.get(_word(row["words"]), ("", None))
    digits = 1 if scale == 100 else 3
    numbers = number(scale * row["difference"], digits, True) if row["difference"] == row["difference"] else ""
    if numbers and row["low"] == row["low"]:
        numbers += " " + interval(scale * row["low"], scale * row["high"], digits, True)
    if "p_holm" in row and row["p_holm"] == row["p_holm"] and color:
        numbers += ", p " + ("< .001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}".lstrip("0"))
    words = f"{sign} {_parts(row['words'])[0]}".strip()
    head = f"<b><span style='color:{getattr(look, color)}'>{words}</span></b>" if color else words
    text = f"{head}<br><span style='color:{look.ink2}'>{numbers.replace('<', '&lt;')}</span>" if numbers else head
    return text, look.ink, max(words + "mm" if color else words, numbers, key=text_width)


def _differences(fig: go.Figure, look: Theme, frame: pd.DataFrame, scale: float, *, axis: str, seeds: list[str]) -> None:
    """The noise band, the interval and mark of each row, single seeds as ticks beneath."""
    for low, high, top, bottom in _floors(frame):
        fig.add_shape(
            type="rect",
            xref=axis,
            x0=scale * low,
            x1=scale * high,
            yref="y",
            y0=top,
            y1=bottom,
            layer="below",
            line_width=0,
            fillcolor=look.band,
        )
    colors = [getattr(look, WORDS[_word(w)][1]) if _word(w) in WORDS else look.unchanged for w in frame["words"]]
    for row, (line, color) in enumerate(zip(frame.itertuples(), colors)):  # one trace a row: an interval has one colour
        fig.add_scatter(
            x=[scale * line.low, scale * line.high],
            y=[row, row],
            mode="lines",
            xaxis=axis,
            line=dict(color=color, width=2),
            hoverinfo="skip",
        )
    hollow = [name == NOISE or low != low for name, low in zip(frame["slice"], frame["low"])]
    fig.add_scatter(
        x=scale * frame["difference"],
        y=list(range(len(frame))),
        mode="markers",
        xaxis=axis,
        cliponaxis=False,
        marker=dict(size=7, color=[look.ground if h else c for h, c in zip(hollow, colors)], line=dict(color=colors, width=1.5)),
        customdata=frame[["slice", "words"]],
        hovertemplate=f"%{{customdata[0]}}: %{{x:+.{1 if scale == 100 else 3}f}}, %{{customdata[1]}}<extra></extra>",
    )
    fig.add_scatter(
        x=[scale * value for seed in seeds for value in frame[seed]],
        y=[row + 0.27 for _ in seeds for row in range(len(frame))],
        mode="markers",
        xaxis=axis,
        marker=dict(symbol="line-ns", size=5, line=dict(color=look.ink2, width=1)),
        hoverinfo="skip",
    )


def _floors(frame: pd.DataFrame) -> list[tuple[float, float, float, float]]:
    """Noise floors as low, high, and the rows they lie behind: one for all, or each row's own."""
    whole = frame[(frame["slice"] == NOISE) & frame["low"].notna()]
    if len(whole):
        return [(float(whole["low"].iloc[0]), float(whole["high"].iloc[0]), -0.5, len(frame) - 0.5)]
    if not {"noise_low", "noise_high"} <= set(frame.columns):
        return []
    rows = zip(frame["noise_low"], frame["noise_high"])
    return [(low, high, row - 0.5, row + 0.5) for row, (low, high) in enumerate(rows) if low == low and high == high]


def _forest_key(look: Theme, pair: bool, seeds: bool, floor: bool) -> list[tuple[str, dict]]:
    key = [("baseline", baseline_mark(look)), ("candidate", candidate_mark(look))] if pair else []
    key += [("95 % interval", dict(symbol="line", color=look.unchanged))]
    key += [("seeds", dict(symbol="line-ns", color=look.ink2, size=7))] if seeds else []
    return key + ([("noise floor", dict(symbol="band", color=look.band))] if floor else [])


def _pairs(fig: go.Figure, look: Theme, frame: pd.DataFrame, scale: float) -> None:
    """Baseline hollow, candidate filled, joined by a line."""
    rows = list(range(len(frame)))
    ends = zip(scale * frame["baseline"], scale * frame["candidate"])
    fig.add_scatter(
        x=[v for a, b in ends for v in (a, b, None)],
        y=[v for r in rows for v in (r, r, None)],
        mode="lines",
        hoverinfo="skip",
        line=dict(color=look.baseline, width=1.2),
    )
    for name, mark in (("baseline", baseline_mark(look)), ("candidate", candidate_mark(look))):
        fig.add_scatter(
            x=scale * frame[name],
            y=rows,
            mode="markers",
            marker=mark,
            name=name,
            cliponaxis=False,
            hovertemplate=f"{name} %{{x:.{1 if scale == 100 else 3}f}}<extra></extra>",
        )
