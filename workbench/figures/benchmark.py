"""Public benchmarks: sections of several models side by side, and accuracy by the style of both answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..errors import WorkbenchError, listing
from ..evaluate.metrics import LONGER
from ..evaluate.rmbench import ALL_DOMAINS, DIFFICULTIES, STYLES
from . import tidy
from .base import TICK, count, escape, figure, interval, number, shorten, spread_limits, text_width, wanted, widest
from .rows import GAP, HEAD, aside, baseline_mark, candidate_mark, column, heights, lay_rows, note, rule
from .signs import NARROWEST, add_key
from .theme import Theme, theme_of

OPEN = ("diamond-open", "square-open", "triangle-up-open", "pentagon-open", "cross-open")
OTHERS = (*OPEN, *(sign.removesuffix("-open") for sign in OPEN))
SLOT, LINE, MOST = 11, 14, 24  # px from series to series, and from line to line of words; letters of a slice's name
CHANCE, STYLED = 50.0, ("chosen_style", "rejected_style")


def plot_benchmark(data: pd.DataFrame, *, baseline: str | None = None, candidate: str | None = None, level: str | None = None,
                   theme: str | Theme = "light") -> go.Figure:
    """Sections × models with intervals: baseline hollow grey, candidate filled blue, length alone a cross, others open signs.

    data: `rewardbench_table` or `rewardbench2_table`, with rows of `published_table` beneath if wanted (grey, no intervals, neither
    baseline nor candidate), or any table slice, series, value, low, high, words. level: "section" or "subset" of a table that has
    levels, with what sums them up; None: sections, or subsets where there are none. baseline, candidate: the first two series if not
    said. Where models have no value their words stand in its place: "not measured: lacks mt-bench-hard".
    """
    look, frame = theme_of(theme), _of_level(wanted(data, "slice", "series", "value", "low", "high", "words", what="benchmark"), level)
    slices, series = list(dict.fromkeys(frame["slice"])), list(dict.fromkeys(frame["series"]))
    published = list(frame.loc[frame["source"].notna(), "series"].unique()) if "source" in frame.columns else []
    own = [name for name in series if name != LONGER and name not in published]
    baseline = baseline or next(iter(own), None)
    candidate = candidate or next((name for name in own if name != baseline), None)
    signs = iter(OTHERS * (1 + len(series) // len(OTHERS)))
    marks = {name: _mark(look, name, baseline, candidate, name in published, signs) for name in series}
    sizes = _sizes(frame, slices)
    right = widest([*sizes, "n"]) + 16
    room = NARROWEST - right - widest(shorten(slices, MOST)) - GAP - 18
    said = _unmeasured(frame, slices, [name for name in series if name not in published], room)
    each = max(14 + SLOT * len(series), *(8 + LINE * (1 + text.count("<br>")) for _, _, text in said), 0)
    strong = [slices.index(name) for name in frame.loc[frame["level"] == "overall", "slice"].unique()] if "level" in frame.columns else []
    fig = figure(frame, look, height=heights(len(slices), each, key=series, foot=40), provenance=tidy.provenance(data),
                 sentence=_sentence(slices, series, said))
    places = {name: (at - (len(series) - 1) / 2) * SLOT / each for at, name in enumerate(series)}
    for name in series:
        _dots(fig, frame[frame["series"] == name], slices, str(name), *marks[name], places[name])
    lay_rows(fig, look, slices, right=right, key=series, foot=40, most=MOST, strong=strong)
    fig.update_layout(margin=dict(l=fig.layout.margin.l + 6 * bool(strong)))  # bold names are wider
    ends = [100 * frame[c].astype(float) for c in ("value", "low", "high")] if frame["value"].notna().any() else [[0, 100]]
    column(fig, look, 1, "Accuracy, %", limits=spread_limits(*ends), ticks=5)
    for row, names, text in said:
        place = row + (places[names[0]] + places[names[-1]]) / 2
        fig.add_annotation(text=text, xref="paper", x=0, xanchor="left", xshift=4, yref="y", y=place, yanchor="middle", align="left",
                           bgcolor=look.ground)  # no grid through words
    for row in range(1, len(slices)):
        rule(fig, look, row - 0.5, strong=row - 1 in strong and row not in strong)
    for row, text in enumerate(sizes):
        aside(fig, row, text, color=look.ink2, align="right", shift=right - 2)
    if any(sizes):
        fig.add_annotation(text="n", xref="paper", x=1, xanchor="right", xshift=right - 2, yref="paper", y=1, yanchor="bottom", yshift=3)
    note(fig, "95 % intervals", *_notes(frame, published), below=22)
    add_key(fig, look, [(str(name), mark) for name, (mark, _) in marks.items()], above=HEAD + 4)
    return fig


def _of_level(frame: pd.DataFrame, level: str | None) -> pd.DataFrame:
    """The rows that are drawn, once each."""
    if level not in (None, "section", "subset"):
        raise WorkbenchError(f"no level {level!r}", where="benchmark", remedy="Choose section or subset")
    if "level" in frame.columns:
        level = level or ("section" if (frame["level"] == "section").any() else "subset")
        frame = wanted(frame[frame["level"].isin(("overall", level))], "slice", what=f"benchmark by {level}")
    if (twice := frame.duplicated(["series", "slice"])).any():
        raise WorkbenchError(f"two values of {listing(frame.loc[twice, 'slice'].unique())}", where="benchmark",
                             remedy="Keep the rows of one domain")
    return frame


def _mark(look: Theme, name: str, baseline: str | None, candidate: str | None, published: bool, signs) -> tuple[dict, str]:
    if name == baseline:
        return baseline_mark(look), look.baseline
    if name == candidate:
        return candidate_mark(look), look.candidate
    color = look.unchanged if published or name == LONGER else look.ink2
    return dict(symbol="x-thin-open" if name == LONGER else next(signs), size=7, color=color, line=dict(color=color, width=1.5)), color


def _dots(fig: go.Figure, part: pd.DataFrame, slices: list, name: str, mark: dict, color: str, shift: float) -> None:
    """One series: a mark and its interval per slice."""
    value, low, high = (100 * part[c].to_numpy(float) for c in ("value", "low", "high"))
    words = [f"{number(v, 1)} {interval(a, b, 1)}" if a == a else number(v, 1) for v, a, b in zip(value, low, high)]
    fig.add_scatter(
        x=value, y=[slices.index(s) + shift for s in part["slice"]], mode="markers", name=name, marker=mark, cliponaxis=False,
        error_x=dict(array=high - value, arrayminus=value - low, width=0, thickness=1.5, color=color),
        customdata=list(zip(part["slice"], words, part["words"])),
        hovertemplate=f"%{{customdata[0]}}, {escape(name)}: %{{customdata[1]}}<br>%{{customdata[2]}}<extra></extra>",
    )


def _unmeasured(frame: pd.DataFrame, slices: list, series: list, room: float) -> list[tuple[int, list[str], str]]:
    """Row, the series (of these) without a value there, and why, in lines that fit: once for those that share the reason."""
    values = frame.set_index(["slice", "series"])[["value", "words"]]
    found = []
    for row, name in enumerate(slices):
        why: dict[str, list] = {}
        for one in series:
            value, words = values.loc[(name, one)] if (name, one) in values.index else (np.nan, "")
            if value != value:
                why.setdefault(str(words).partition(";")[0], []).append(one)
        for words, names in why.items():
            found.append((row, names, _wrapped("not measured", "" if words == "not there" else words, room)))
    return found


def _wrapped(head: str, words: str, room: float) -> str:
    """head: words, in one line if it fits, else each from a line of its own."""
    lines = [f"{head}: {words}" if words else head]
    if text_width(lines[0]) > room:
        lines = [f"{head}:", ""]
        for word in words.split(" "):
            longer = f"{lines[-1]} {word}".strip()
            lines = [*lines[:-1], longer] if text_width(longer) <= room or not lines[-1] else [*lines, word]
    return "<br>".join(map(escape, lines))


def _sizes(frame: pd.DataFrame, slices: list) -> list[str]:
    """How many each slice holds, where known; nothing beside one that is not measured."""
    if "n" not in frame.columns:
        return [""] * len(slices)
    sizes = frame.dropna(subset=["n", "value"]).drop_duplicates("slice").set_index("slice")["n"]
    return [count(sizes[name]) if name in sizes.index else "" for name in slices]


def _notes(frame: pd.DataFrame, published: list[str]) -> list[str]:
    """What is said of rows that have a value; of published ones, that they are."""
    there = frame[frame["value"].notna()]
    mine = there[~there["series"].isin(published)]["words"]
    notes = list(dict.fromkeys(part for words in mine for part in str(words).split("; ") if part))
    swapped = ", XSTest counts swapped in Safety" if there["words"].str.contains("XSTest counts swapped").any() else ""
    return [*notes, *(["grey: as published" + swapped] if published else [])]


def _sentence(slices: list, series: list, said: list) -> str:
    lacking = list(dict.fromkeys(slices[row] for row, _, _ in said))
    more = f"; not measured for all: {', '.join(map(str, lacking))}" if lacking else ""
    return f"Accuracy with 95 per cent intervals in {len(slices)} slices for {len(series)} series: {', '.join(map(str, series))}{more}."


def plot_style_matrix(data: pd.DataFrame, *, series: str | None = None, domain: str = ALL_DOMAINS,
                      theme: str | Theme = "light") -> go.Figure:
    """RM-Bench's 3 × 3 of one model: style of the chosen answer down, of the rejected one across; accuracy and interval in each cell.

    data: `rmbench_table`. series: which model, needed where there are several besides length alone. Blue above 50 %, red below, the
    ground's colour where the interval holds 50 %. Above the diagonal the wrong answer looks better (hard).
    """
    look = theme_of(theme)
    frame = wanted(data, "series", "domain", "slice", *STYLED, "value", "low", "high", "words", what="style matrix")
    frame = _one_matrix(frame, series, domain)
    cells = frame[frame["chosen_style"].notna()]
    at = tuple(cells[name].to_numpy(int) for name in STYLED)
    value, low, high = (np.full((3, 3), np.nan) for _ in range(3))
    for grid, name in ((value, "value"), (low, "low"), (high, "high")):
        grid[at] = 100 * cells[name].to_numpy(float)
    seen = np.where((low <= CHANCE) & (high >= CHANCE), CHANCE, value)
    fig = figure(frame, look, height=heights(3, 48), provenance=tidy.provenance(data), sentence=_matrix_sentence(frame, domain))
    fig.add_heatmap(
        z=seen, x=[0, 1, 2], y=[0, 1, 2], zmin=0, zmid=CHANCE, zmax=100, xgap=1, ygap=1, hoverongaps=False, showscale=False,
        colorscale=[[0, look.negative], [0.5, look.ground], [1, look.candidate]],
        text=[[_cell(v, a, b).replace("<br>", " ") for v, a, b in zip(*row)] for row in zip(value, low, high)],
        customdata=[[[chosen, rejected] for rejected in STYLES] for chosen in STYLES],
        hovertemplate="chosen %{customdata[0]}, rejected %{customdata[1]}: %{text}<extra></extra>",
    )
    roles = [(abs(v - CHANCE) / CHANCE, "candidate" if v > CHANCE else "negative") for v in seen.ravel()]
    fig.add_scatter(
        x=[0, 1, 2] * 3, y=np.repeat([0, 1, 2], 3), mode="text",
        text=[_cell(*numbers) for numbers in zip(value.ravel(), low.ravel(), high.ravel())],
        textfont=dict(size=TICK, color=[look.ink2 if share != share else look.text_on(share, role) for share, role in roles]),
        hoverinfo="skip",
    )
    lay_rows(fig, look, [f"chosen {style}" for style in STYLES])
    fig.update_layout(margin=dict(t=40), height=fig.layout.height + 40 - fig.layout.margin.t)
    fig.update_xaxes(range=[-0.5, 2.5], tickvals=[0, 1, 2], ticktext=[f"rejected<br>{style}" for style in STYLES], side="top", tickangle=0,
                     ticklabelstandoff=2, tickfont=dict(color=look.ink, size=TICK))
    said = dict.fromkeys(part for words in frame["words"] for part in str(words).split("; ") if part)
    note(fig, *_difficulties(frame), f"accuracy, %, with 95 % intervals; {escape(domain).lower()}", *said, below=6)
    return fig


def _one_matrix(frame: pd.DataFrame, series: str | None, domain: str) -> pd.DataFrame:
    """The rows of one model in one domain."""
    names = list(frame["series"].unique())
    own = [name for name in names if name != LONGER] or names
    if series is None and len(own) > 1 or series is not None and series not in names:
        raise WorkbenchError(f"{f'no series {series!r}' if series else f'{len(own)} models'} in the table", where="style matrix",
                             remedy=f"Pass series=, one of {listing(names)}")
    if domain not in set(frame["domain"]):
        raise WorkbenchError(f"no domain {domain!r}", where="style matrix", remedy=f"It has {listing(frame['domain'].unique())}")
    return frame[(frame["series"] == (series or own[0])) & (frame["domain"] == domain)].reset_index(drop=True)


def _cell(value: float, low: float, high: float) -> str:
    return "not measured" if value != value else number(value, 1) + (f"<br>{interval(low, high, 1)}" if low == low else "")


def _difficulties(frame: pd.DataFrame) -> list[str]:
    """hard 52.1 [47.3, 56.8] …"""
    rows = frame[frame["slice"].isin(list(DIFFICULTIES)) & frame["value"].notna()]
    ends = zip(rows["slice"], 100 * rows["value"], 100 * rows["low"], 100 * rows["high"])
    return [f"{name} {_cell(*numbers).replace('<br>', ' ')}" for name, *numbers in ends]


def _matrix_sentence(frame: pd.DataFrame, domain: str) -> str:
    said = ", ".join(_difficulties(frame)) or "nine cells"
    return f"Accuracy of {frame['series'].iloc[0]} by style of both answers, {domain.lower()}: {said}."
