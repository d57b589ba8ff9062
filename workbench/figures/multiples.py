"""Lines in panels, one above the other: a head over each, and at the ends of its lines their names and signs, never touching."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..errors import WorkbenchError, listing
from ..evaluate.inference import HIGHER, LOWER, NO_CHANGE
from ..scenario.trial import KNOWS, NONE
from .base import TICK, escape, interval, number, shorten, spread_limits, text_width, widest
from .benchmark import OTHERS
from .rows import HEAD, baseline_mark, candidate_mark, note
from .signs import KEY, NARROWEST, add_key, key_lines, mark_sign
from .theme import Theme

CHANCE = ("chance", 50.0)
ORACLES = (("x-thin-open", 6.5), ("circle", 4))  # signs and their px
VERDICTS = (HIGHER, LOWER, NO_CHANGE)
DASHES = ("solid", "dash", "longdash")
NAME, BETWEEN, FOOT = 13, 32, 56  # px from name to name, between panels, and below the last
MOST = 26  # letters of a name
LEADER, SIGN = 14, 12  # px from a line's end to its sign, and from the sign to its name


@dataclass(frozen=True)
class Series:
    """How one line looks, and whether its name is bold."""

    mark: dict
    color: str
    dash: str = "solid"
    strong: bool = False


@dataclass(frozen=True)
class Panel:
    """One panel: the words over it, its rows of the table, the factor from there to its axis, and named levels across it."""

    head: str
    rows: pd.DataFrame = field(repr=False)
    scale: float = 100
    levels: tuple[tuple[str, float], ...] = ()
    more: tuple[float, ...] = ()  # what else the axis must hold

    @property
    def digits(self) -> int:
        return 1 if self.scale == 100 else 3

    @property
    def limits(self) -> list[float]:
        ends = [self.scale * self.rows[name].astype(float) for name in ("value", "low", "high") if name in self.rows.columns]
        if self.rows["value"].notna().any():
            return spread_limits(*ends, [level for _, level in self.levels], self.more)
        return [0.0, self.scale]

    def words(self, rows: pd.DataFrame) -> list[str]:
        """Each value with its interval, for the hover."""
        bars = "low" in rows.columns
        ends = zip(*(self.scale * rows[name].astype(float) for name in ("value", *(("low", "high") if bars else ("value", "value")))))
        return [number(v, self.digits) + (f" {interval(a, b, self.digits)}" if bars and a == a else "") for v, a, b in ends]


def once(frame: pd.DataFrame, *keys: str, what: str) -> pd.DataFrame:
    """The frame, if no two of its rows share these columns."""
    twice = frame.duplicated(list(keys))
    if twice.any():
        named = ", ".join(str(frame.loc[twice, key].iloc[0]) for key in keys)
        raise WorkbenchError(f"two values of {named}", where=what, remedy=f"Keep one row per {', '.join(keys)}")
    return frame


def is_oracle(name) -> bool:
    return str(name).startswith("oracle")


def brief(name) -> str:
    """A treatment's name without what all oracles say."""
    return str(name).replace(KNOWS, "oracle: ")


def series_of(look: Theme, names: Iterable, *, baseline: str | None = NONE, candidate: str | None = None) -> dict[str, Series]:
    """Name → how it looks, candidate last: baseline hollow grey, candidate filled blue, oracles a cross and a dot, others open signs.

    candidate: None takes the first that is neither the baseline nor an oracle. WorkbenchError for one that is not there.
    """
    names = list(dict.fromkeys(names))
    if candidate is not None and candidate not in names:
        raise WorkbenchError(f"no {candidate!r} to draw as the candidate", remedy=f"There are {listing(names)}")
    candidate = candidate or next((name for name in names if name != baseline and not is_oracle(name)), None)
    signs, thin = (iter(kinds * (1 + len(names) // len(kinds))) for kinds in (OTHERS, ORACLES))
    looks, plain = {}, 0
    for name in sorted(names, key=lambda name: name == candidate):
        if name == candidate:
            looks[name] = Series(candidate_mark(look, 6.5), look.candidate, strong=True)
        elif name == baseline:
            looks[name] = Series(baseline_mark(look, 6.5), look.baseline, "dot")
        else:
            (sign, size), dash = (next(thin), "dashdot") if is_oracle(name) else ((next(signs), 6.5), DASHES[plain % len(DASHES)])
            plain += not is_oracle(name)
            looks[name] = Series(dict(symbol=sign, size=size, color=look.ink2, line=dict(color=look.ink2, width=1.3)), look.ink2, dash)
    return looks


def axis(place: int) -> str:
    """The y axis of a panel."""
    return f"y{place + 1}" if place else "y"


def draw_lines(fig: go.Figure, panels: Sequence[Panel], looks: Mapping[str, Series], *, x: str, by: str, unit: float = 1, dodge: float = 0,
               signs: int = 0) -> None:
    """One trace per panel and series, with intervals where the table has them; a series that a panel lacks is an empty trace.

    unit: factor of x; dodge: how far apart the series stand at one x; signs: at most so many signs on a line, 0 for all.
    """
    traces = []
    for place, panel in enumerate(panels):
        for at, (name, style) in enumerate(looks.items()):
            part = panel.rows[panel.rows[by] == name].sort_values(x, kind="stable")
            value = panel.scale * part["value"].astype(float)
            bars = {}
            if "low" in part.columns:
                bars = dict(array=panel.scale * part["high"].astype(float) - value, width=0, thickness=1.5, color=style.color)
                bars |= dict(arrayminus=value - panel.scale * part["low"].astype(float))
            traces.append(dict(
                type="scatter", x=unit * part[x].astype(float) + dodge * (at - (len(looks) - 1) / 2), y=value, xaxis="x", yaxis=axis(place),
                name=str(name), mode="lines+markers", line=dict(color=style.color, width=1.5 if style.strong else 1.1, dash=style.dash),
                marker=style.mark | dict(maxdisplayed=signs), error_y=bars or None, cliponaxis=False,
                customdata=[[f"{unit * v:g}", said] for v, said in zip(part[x], panel.words(part))],
                hovertemplate=f"{escape(name)}, {x} %{{customdata[0]}}: %{{customdata[1]}}<extra></extra>",
            ))
    fig.add_traces(traces)


def stack_height(panels: int, tall: float, key: Sequence[str] = ()) -> float:
    return HEAD + 6 + KEY * key_lines(key) + panels * tall + (panels - 1) * BETWEEN + FOOT


def tall_enough(panels: Sequence[Panel], by: str, least: float = 96) -> float:
    """Height of a panel that has room for the names of its lines."""
    return max(least, *(NAME * (panel.rows[by].nunique() + len(panel.levels)) for panel in panels))


def lay_panels(fig: go.Figure, look: Theme, panels: Sequence[Panel], looks: Mapping[str, Series], *, x: str, by: str, tall: float,
               bottom: Mapping, key: Sequence[tuple[str, dict]] = (), notes: Sequence[str] = ()) -> None:
    """Axes, heads, level lines, names at the ends of lines, a key above, notes beneath. bottom: the x axis that all panels share."""
    names = dict(zip(looks, shorten([brief(name) for name in looks], MOST)))
    levels = [name for panel in panels for name, _ in panel.levels]
    left = max(14 + max(min(_tick_width(panel.limits), 60) for panel in panels), 26)
    right = LEADER + SIGN + widest([*names.values(), *levels]) * 1.08 + 4
    inner = len(panels) * tall + (len(panels) - 1) * BETWEEN
    labels = [label for label, _ in key]
    fig.update_layout(margin=dict(l=left, r=right, t=HEAD + 6 + KEY * key_lines(labels), b=FOOT))
    if key:
        add_key(fig, look, key, above=HEAD + 4)
    axes, words, shapes = {}, list(fig.layout.annotations), list(fig.layout.shapes)
    for place, panel in enumerate(panels):
        top = 1 - place * (tall + BETWEEN) / inner
        axes[f"yaxis{place + 1 if place else ''}"] = dict(
            domain=[max(top - tall / inner, 0), top], range=panel.limits, showgrid=True, nticks=round(tall / 26), anchor="x",
            ticklabelstandoff=4, layer="below traces",
        )
        words.append(dict(text=escape(panel.head), xref="paper", x=0, xanchor="left", xshift=8 - left, yref=f"{axis(place)} domain", y=1,
                          yanchor="bottom", yshift=5))
        named, drawn = _end_names(look, place, panel, looks, names, x=x, by=by, tall=tall)
        words, shapes = words + named, shapes + drawn
    axes["xaxis"] = dict(anchor=axis(len(panels) - 1), ticklabelstandoff=3, layer="below traces", tickangle=0) | dict(bottom)
    fig.update_layout(axes)
    fig.layout.annotations, fig.layout.shapes = words, shapes  # at once: each one added makes plotly look at all
    if notes:
        note(fig, *notes, below=FOOT - 18)
    else:
        fig.update_layout(margin=dict(b=FOOT - 16), height=fig.layout.height - 16)


def _tick_width(limits: Sequence[float]) -> float:
    digits = max(0, math.ceil(-math.log10((limits[1] - limits[0]) / 4)))
    return max(text_width(number(limit, digits)) for limit in limits)


def spaced(at: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places `gap` or more apart, in the order of `at`, as near to it as can be, between low and high where these hold them all."""
    order = sorted(range(len(at)), key=lambda i: at[i])
    runs: list[list[float]] = []  # of places that touch: how many, and the sum of where their first one would be
    for place, i in enumerate(order):
        runs.append([1, at[i] - gap * place])
        while len(runs) > 1 and runs[-2][1] / runs[-2][0] >= runs[-1][1] / runs[-1][0]:
            many, total = runs.pop()
            runs[-1] = [runs[-1][0] + many, runs[-1][1] + total]
    first = [total / many for many, total in runs for _ in range(int(many))]
    most = max(high - gap * (len(order) - 1), low)
    found = [0.0] * len(order)
    for place, i in enumerate(order):
        found[i] = min(max(first[place], low), most) + gap * place
    return found


def _end_names(look: Theme, place: int, panel: Panel, looks: Mapping, names: Mapping, *, x: str, by: str, tall: float) -> tuple[list, list]:
    """Names at the right of a panel, each at the end of its line or as near as the others let it: words, and signs with leaders."""
    ends = [(name, None, level) for name, level in panel.levels]
    for name, style in looks.items():
        part = panel.rows[(panel.rows[by] == name) & panel.rows["value"].notna()].sort_values(x, kind="stable")
        if len(part):
            ends.append((name, style, panel.scale * float(part["value"].iloc[-1])))
    low, high = panel.limits
    unit = (high - low) / tall
    found = spaced([end for *_, end in ends], NAME * unit, low + NAME / 2 * unit, high - NAME / 2 * unit)  # signs are cut at the edges
    y, words, shapes = axis(place), [], []
    for name, level in panel.levels:
        shapes.append(dict(type="line", xref="paper", x0=0, x1=1, yref=y, y0=level, y1=level, layer="above",
                           line=dict(color=look.control, width=1, dash="dash")))
    for (name, style, end), at in zip(ends, found):
        base = dict(type="line", xref="paper", xsizemode="pixel", xanchor=1, yref=y, layer="above")
        shapes.append(base | dict(x0=3, x1=LEADER - 3, y0=end, y1=at, line=dict(color=look.rule2, width=1)))
        if style:
            shapes.append(mark_sign(style.mark, dict(yref=y, yanchor=at, xanchor=1), x=LEADER + 3, y=0, ground=look.ground))
        text = escape(names[name]) if style else name
        strong = bool(style and style.strong)
        words.append(dict(
            text=f"<b>{text}</b>" if strong else text, xref="paper", x=1, xanchor="left", xshift=LEADER + (SIGN if style else -2), yref=y,
            y=at, yanchor="middle", font=dict(size=TICK, color=look.ink if strong else look.ink2),
        ))
    return words, shapes


def lacking(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """What the words of the rows say is missing, verdicts apart, once each; of which rows (names), unless of all.

    Where treatments are held against none, its own rows have no words: they are left aside.
    """
    rest = (frame["treatment"] != NONE).to_numpy() if "treatment" in frame.columns else np.ones(len(frame), bool)
    if rest.any():
        frame, names = frame[rest], [name for name, kept in zip(names, rest) if kept]
    rows: dict[str, list[str]] = {}
    for words, name in zip(frame.get("words", ()), names):
        for part in str(words).split("; "):
            if part and part not in (*VERDICTS, "nan"):
                rows.setdefault(part, []).append(name)
    said = []
    for part, named in rows.items():
        text = f"{part}: {', '.join(dict.fromkeys(named))}"
        fits = text_width(text) < NARROWEST - 16
        said.append(part if len(named) == len(frame) else text if fits else f"{part}: {len(named)} of {len(frame)} values")
    return said
