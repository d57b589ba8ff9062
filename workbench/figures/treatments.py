"""Treatments of labels side by side: what each changes against none, and what that may be called."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from ..evaluate.inference import NO_CHANGE
from . import tidy
from .base import escape, figure, interval, number, spread_limits, text_width, wanted
from .blocks import LINE, Blocks, against, wrapped
from .comparison import WORDS
from .multiples import NONE, brief, is_oracle, lacking, once
from .rows import FOOT, baseline_mark, note
from .theme import Theme, theme_of

FEW = 4  # treatments that a sentence names
STRIP, BOLD = 17, 1.08  # px of the strip where the marks of a row stand; how much wider bold letters are


def plot_treatments(table: pd.DataFrame, *, theme: str | Theme = "light") -> go.Figure:
    """Forest of treatments: accuracy minus that of no treatment, paired intervals, and what the difference may be called.

    table: treatment, of (two as columns, further ones in a block beneath), value, low, high (accuracy), difference,
    d_low, d_high, words, and where known p_holm. "none" comes first, hollow, with its accuracy; oracles last. Blue and red
    only where the words say higher or lower. Raises WorkbenchError for a missing column and two values of one treatment and `of`.
    """
    look, keys = theme_of(theme), ("treatment", "of")
    numbers = ("value", "low", "high", "difference", "d_low", "d_high")
    frame = once(wanted(table, *keys, *numbers, "words", what="treatments"), *keys, what="treatments")
    rows, ofs = sorted(dict.fromkeys(frame["treatment"]), key=_order), list(dict.fromkeys(frame["of"]))
    blocks = Blocks(tuple(map(brief, rows)), tuple(map(against, ofs)))
    cells = {(rows.index(row.treatment), ofs.index(row.of)): _cell(look, row, blocks.room) for row in frame.itertuples()}
    blocks = blocks.taller(12 + LINE * max(text.count("<br>") + 1 for text, _ in cells.values()) + STRIP)
    fig = figure(frame, look, height=100, provenance=tidy.provenance(table), sentence=_sentence(frame))
    ends = [100 * frame[name].astype(float) for name in numbers[3:]]
    limits = spread_limits(*ends, include=0.0, pad=0.08) if frame["difference"].notna().any() else [-1.0, 1.0]
    strong = [row for row, name in enumerate(rows[:-1]) if name == NONE or is_oracle(rows[row + 1]) and not is_oracle(name)]
    blocks.lay(fig, look, limits, foot=FOOT + 16, strong=strong)
    for place, of in enumerate(ofs):
        colors = {row: color for (row, at), (_, color) in cells.items() if at == place}
        _marks(fig, look, frame[frame["of"] == of], rows, colors, blocks, place)
    words = [dict(text=text, xref=f"{blocks.axis(place)} domain", x=0, xanchor="left", yref="y", y=blocks.at(row, place) - 0.5,
                  yanchor="top", yshift=-3, align="left", font=dict(color=look.ink)) for (row, place), (text, _) in cells.items()]
    fig.layout.annotations = [*fig.layout.annotations, *words]
    rest = frame[frame["treatment"] != NONE]
    more = lacking(rest.assign(words=[str(words).partition("; ")[2] for words in rest["words"]]), list(map(brief, rest["treatment"])))
    note(fig, "accuracy minus that of none, points", "95 % intervals, paired", *more, below=24)
    return fig


def _order(treatment: str) -> int:
    return -1 if treatment == NONE else 1 if is_oracle(treatment) else 0


def _cell(look: Theme, row, room: float) -> tuple[str, str]:
    """The words of a treatment in lines that fit, its numbers beneath, and the colour of its mark."""
    if row.treatment == NONE:
        return _lines(look, "accuracy, %", measured(100 * row.value, 100 * row.low, 100 * row.high), room), look.baseline
    verdict = str(row.words).split("; ")[0]
    sign, color = WORDS.get(verdict, ("", "unchanged"))
    p = getattr(row, "p_holm", float("nan"))
    after = "" if not sign or p != p else ", p\u00a0<\u00a0.001" if p < 0.001 else f", p\u00a0{p:.3f}".replace("0.", ".", 1)
    color = getattr(look, color)
    values = measured(100 * row.difference, 100 * row.d_low, 100 * row.d_high, True)
    return _lines(look, f"{sign} {verdict}".strip(), values, room, after=after, color=color if sign else None), color


def measured(value: float, low: float, high: float, sign: bool = False) -> str:
    """A number and its interval, which is never broken over lines; nothing for what is not measured."""
    if value != value:
        return ""
    return number(value, 1, sign) + (f" {interval(low, high, 1, sign)}".replace(", ", ",\u00a0") if low == low else "")


def _lines(look: Theme, head: str, numbers: str, room: float, *, after: str = "", color: str | None = None) -> str:
    """Words, bold in their colour if they have one, and numbers in lines of a column `room` px wide."""
    first = [escape(line) for line in wrapped(head, room / (BOLD if color else 1))]
    if color:
        first = [f"<b><span style='color:{color}'>{line}</span></b>" for line in first]
    if after and text_width(head) * BOLD + text_width(after) < room:
        first[-1] += escape(after)
    elif after:
        numbers += after.replace(", ", " ") if text_width(numbers + after) > room else after
    rest = [f"<span style='color:{look.ink2}'>{escape(line)}</span>" for line in wrapped(numbers, room)]
    return "<br>".join(first + rest)


def _marks(fig: go.Figure, look: Theme, part: pd.DataFrame, rows: list, colors: Mapping[int, str], blocks: Blocks, place: int) -> None:
    """One thing measured: in each row's strip a zero tick, the interval and the mark; hollow for none and where no interval is."""
    axis, part = blocks.axis(place), part.set_index("treatment").reindex(rows)
    middles = [blocks.at(row, place) + 0.5 - (STRIP / 2 + 1) / blocks.tall for row in range(len(rows))]
    half = STRIP / 2 / blocks.tall
    zeros = [dict(type="line", xref=axis, x0=0, x1=0, yref="y", y0=at - half, y1=at + half, layer="below",
                  line=dict(color=look.control, width=1)) for at in middles]
    fig.layout.shapes = [*fig.layout.shapes, *zeros]
    shade = [colors.get(row, look.unchanged) for row in range(len(rows))]
    bars = 100 * part[["d_low", "d_high"]].to_numpy(float)
    fig.add_traces([  # one trace a row: an interval has one colour
        dict(type="scatter", x=bars[row], y=[at] * 2, mode="lines", xaxis=axis, yaxis="y", line=dict(color=color, width=2),
             hoverinfo="skip") for row, (at, color) in enumerate(zip(middles, shade))
    ])
    x = (100 * part["difference"].astype(float)).mask((part.index == NONE) & part["value"].notna(), 0.0)
    hollow = [name == NONE or low != low for name, low in zip(rows, part["d_low"])]
    mark = baseline_mark(look)
    mark |= dict(color=[look.ground if empty else color for empty, color in zip(hollow, shade)], line=dict(color=shade, width=1.5))
    fig.add_scatter(
        x=x, y=middles, mode="markers", xaxis=axis, cliponaxis=False, marker=mark,
        customdata=list(zip(map(escape, rows), [number(100 * value, 1) for value in part["value"]], part["words"].fillna("").astype(str))),
        hovertemplate="%{customdata[0]}: %{x:+.1f} points, accuracy %{customdata[1]} %<br>%{customdata[2]}<extra></extra>",
    )


def _sentence(frame: pd.DataFrame) -> str:
    said = []
    for of, part in frame[frame["treatment"] != NONE].groupby("of", sort=False):
        words = [str(each).split("; ")[0] for each in part["words"]]
        moved = [f"{t} {w} ({number(100 * d, 1, True)})" for t, w, d in zip(part["treatment"], words, part["difference"]) if w in WORDS]
        if len(moved) > FEW:
            moved = [f"{words.count(word)} {word}" for word in WORDS if word in words]
        still = words.count(NO_CHANGE)
        other = sum(word not in (*WORDS, NO_CHANGE) for word in words)
        tail = [*([f"{NO_CHANGE} in {still}"] if still else []), *([f"no verdict on {other}"] if other else [])]
        said.append(f"against {against(of)}: {', '.join([*moved, *tail])}")
    return f"Accuracy of each treatment minus none, in points; {'; '.join(said) or 'no treatment beside none'}."
