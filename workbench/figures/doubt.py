"""How sure an ensemble is, pair by pair: mean strength against spread, and how often its suspects are wrong labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..errors import WorkbenchError
from . import tidy
from .base import count, escape, figure, interval, number, spread_limits, text_width, wanted, widest
from .benchmark import OPEN
from .crowd import thinned
from .multiples import lacking, once
from .rows import HEAD, aside, column, heights, lay_rows, note, rule, wholes
from .signs import KEY, add_key, key_lines
from .strength import bands_above
from .theme import Theme, theme_of

TALL, SLOT = 210, 14.3  # px: the marks' field; from share to share, as from line to line of words
GAPS = {"all": "all pairs"}  # words for the groups by true gap


def plot_doubt(data, *, flip_below: float | None = None, drop_below: float | None = None, unit: str = "preference strength, \u03bc\u0302",
               theme: str | Theme = "light") -> go.Figure:
    """Mean strength μ̂ against its spread σ̂ over members, one mark per pair, with what would be flipped, dropped or kept.

    data: a StrengthTable, anything with `.mean` and `.std` [pair], a pair of such arrays, or a table mean, std and, where known,
    wrong (bool: the label is not the true order), pair_id. Wrong labels are red crosses. Above 5 000 pairs a mark in a dense place
    stands for several (column pairs); counts stay exact. Without cuts, what lies below zero is named suspect
    (arXiv 2401.06080, §2.2). Raises WorkbenchError for a single member, which has no spread, and for crossed cuts.
    """
    look = theme_of(theme)
    frame = wanted(data if isinstance(data, pd.DataFrame) else _pairs(data), "mean", "std", what="doubt")
    if not np.isfinite(frame[["mean", "std"]].to_numpy(float)).all():
        raise WorkbenchError("pairs without a mean or a spread", where="doubt", remedy="One member has no spread: take two or more")
    known = "wrong" in frame.columns
    wrong = frame["wrong"].to_numpy(bool) if known else np.zeros(len(frame), bool)
    many = frame["pairs"].to_numpy(int) if "pairs" in frame.columns else np.ones(len(frame), int)
    bins = tidy.strength((np.repeat(frame["mean"], many), np.repeat(frame["std"], many)), flip_below=flip_below, drop_below=drop_below)
    names = list(dict.fromkeys(bins["band"]))
    edges = bins.groupby("band", sort=False)["low"].min().to_numpy()
    band = np.clip(np.searchsorted(edges, frame["mean"], side="right") - 1, 0, None)
    frame = frame.assign(band=np.asarray(names, object)[band], pairs=many)
    if len(frame) == many.sum():
        kept, stands = thinned(frame["mean"].to_numpy(float), frame["std"].to_numpy(float), 2 * band + wrong)
        frame, wrong = frame.iloc[kept].assign(pairs=stands).reset_index(drop=True), wrong[kept]
    key = [("label right" if known else "pair", dict(symbol="circle", size=6, color=look.baseline))]
    key += [("label wrong", dict(symbol="x-thin-open", size=7, color=look.negative))] if known else []
    fig = figure(frame, look, height=TALL, provenance=tidy.provenance(data), sentence=_doubt_sentence(frame, wrong, known))
    busy = len(frame) > 1500
    for mask, mark in ((~wrong, dict(symbol="circle", size=2.6 if busy else 3.4, opacity=0.5, color=look.baseline)),
                       (wrong, dict(symbol="x-thin-open", size=3.4 if busy else 4.5, opacity=0.6 if busy else 0.9, color=look.negative,
                                    line=dict(width=1.2)))):
        fig.add_scatter(
            x=frame.loc[mask, "mean"], y=frame.loc[mask, "std"], mode="markers", marker=mark, cliponaxis=False,
            customdata=_hover(frame[mask]), hovertemplate="%{customdata}\u03bc\u0302 %{x:.2f}, \u03c3\u0302 %{y:.2f}<extra></extra>",
        )
    limits = [float(bins["low"].min()), float(bins["high"].max())]
    raised = bands_above(fig, look, bins, limits, bottom=0)
    above = 34 if raised else 20
    _doubt_axes(fig, frame, limits, unit, top=above + 2 + KEY * key_lines([label for label, _ in key]))
    add_key(fig, look, key, above=above)
    total = int(frame["pairs"].sum())
    thin = [f"{count(len(frame))} of {count(total)} pairs drawn, fewer where they lie close"] if total > len(frame) else []
    note(fig, "\u03c3\u0302: spread over the members", *thin, below=38)
    return fig


def _pairs(data) -> pd.DataFrame:
    """mean, std, and what else is known, one row per pair."""
    mean, std = data if isinstance(data, (tuple, list)) else (data.mean, data.std)
    frame = pd.DataFrame({"mean": np.asarray(mean, float), "std": np.asarray(std, float)})
    if "pair_id" in getattr(data, "pairs", ()):
        frame.insert(0, "pair_id", data.pairs["pair_id"].to_numpy())
    right = getattr(data, "right", None)
    return frame if right is None else frame.assign(wrong=np.asarray(right) == 0)


def _hover(frame: pd.DataFrame) -> list[str]:
    """Whose mark it is, where known, or for how many it stands."""
    ids = frame["pair_id"] if "pair_id" in frame.columns else [""] * len(frame)
    return [f"{count(n)} pairs: " if n > 1 else f"{escape(name)}: " if str(name) else "" for name, n in zip(ids, frame["pairs"])]


def _doubt_sentence(frame: pd.DataFrame, wrong: np.ndarray, known: bool) -> str:
    """How many pairs lie in each band, and how many of their labels are wrong."""
    said = []
    for band in frame.sort_values("mean")["band"].unique():
        part = frame[frame["band"] == band]
        bad = f" ({count(part.loc[wrong[part.index], 'pairs'].sum())} with wrong labels)" if known else ""
        said.append(f"{band} {count(part['pairs'].sum())}{bad}")
    return f"Mean preference strength against its spread over members: {', '.join(said)} pairs."


def _doubt_axes(fig: go.Figure, frame: pd.DataFrame, limits: list[float], unit: str, *, top: float) -> None:
    highest = float(frame["std"].max()) * 1.06 or 1.0
    fig.update_layout(
        height=top + TALL + 56, margin=dict(l=max(text_width(number(highest, 1)), 14) + 14, r=10, t=top, b=56),
        xaxis=dict(range=limits, zeroline=True, nticks=7, title=unit, ticklabelstandoff=3),
        yaxis=dict(range=[0, highest], showgrid=True, nticks=5, ticklabelstandoff=4, layer="below traces"),
    )
    fig.add_annotation(text="\u03c3\u0302", xref="paper", x=0, xanchor="right", xshift=-4, yref="paper", y=1, yanchor="bottom", yshift=2)


def plot_suspect_precision(table: pd.DataFrame, *, theme: str | Theme = "light") -> go.Figure:
    """How many of the weakest pairs have wrong labels: precision at the lowest shares, by the size of the true gap.

    table: share (of the pairs, 0 … 1), gap ("all", "close", …), value, low, high, base (share of wrong labels among all pairs of
    the group), words. One row per gap, one mark per share, filled for the smallest; a line where a draw by lot would stand. Raises
    WorkbenchError for a missing column and for two values of one share and gap.
    """
    look = theme_of(theme)
    frame = once(wanted(table, "share", "gap", "value", "low", "high", "base", "words", what="suspects"), "gap", "share", what="suspects")
    gaps, shares = list(dict.fromkeys(frame["gap"])), sorted(frame["share"].unique())
    each = 12 + SLOT * len(shares)
    shift = {share: (place - (len(shares) - 1) / 2) * SLOT / each for place, share in enumerate(shares)}
    marks = dict(zip(shares, _signs(look, len(shares))))
    key = [(f"lowest {100 * share:g} %", mark) for share, mark in marks.items()]
    key += [("share among all", dict(symbol="line-ns", size=10, color=look.ink2))]
    labels = [label for label, _ in key]
    fig = figure(frame, look, height=heights(len(gaps), each, key=labels, foot=40), provenance=tidy.provenance(table),
                 sentence=_precision_sentence(frame))
    base = frame.dropna(subset=["base"]).drop_duplicates("gap").set_index("gap")["base"]
    spans = [(100 * base[gap], row) for row, gap in enumerate(gaps) if gap in base.index]
    fig.add_scatter(x=[v for at, _ in spans for v in (at, at, None)], y=[v for _, row in spans for v in (row - 0.4, row + 0.4, None)],
                    mode="lines", line=dict(color=look.ink2, width=1.2), name="base rate",
                    hovertemplate="base rate %{x:.1f} %<extra></extra>")
    for share, mark in marks.items():
        part = frame[frame["share"] == share]
        _precisions(fig, look, part, [gaps.index(gap) + shift[share] for gap in part["gap"]], mark)
    said = {(row.gap, row.share): _value_words(row) for row in frame.itertuples()}
    rows = [GAPS.get(gap, str(gap)) for gap in gaps]
    lay_rows(fig, look, rows, right=widest([text for _, text in said.values()]) + 16, key=labels, foot=40, strong=wholes(rows), inset=4)
    add_key(fig, look, key, above=HEAD + 4)
    ends = [100 * frame[name].astype(float) for name in ("value", "low", "high", "base")]
    column(fig, look, 1, "Wrong labels among them, %", ticks=6, limits=[0.0, spread_limits(*ends, include=0.0)[1] or 100.0])
    for row in range(1, len(gaps)):
        rule(fig, look, row - 0.5, strong=row - 1 in wholes(rows))
    for row, gap in enumerate(gaps):
        lines = [said.get((gap, share), (True, "\u00a0")) for share in shares]
        text = "<br>".join(f"<span style='color:{look.ink2}'>{escape(text)}</span>" if missing else text for missing, text in lines)
        aside(fig, row, text, color=look.ink, shift=10)
    names = [f"{GAPS.get(gap, gap)}, {100 * share:g} %" for gap, share in zip(frame["gap"], frame["share"])]
    measured = frame["value"].notna().to_numpy()
    groups = ["close, middle, far: thirds by true gap"] if {"close", "middle", "far"} <= set(gaps) else []
    note(fig, "95 % intervals", *groups, *lacking(frame[measured], [n for n, m in zip(names, measured) if m]), below=22)
    return fig


def _signs(look: Theme, many: int) -> list[dict]:
    """A filled sign for the smallest share, open ones for the others."""
    shapes = ("circle", *OPEN[1:], OPEN[0])
    return [dict(symbol=shapes[at % len(shapes)], size=7, color=look.candidate, line=dict(color=look.candidate, width=1.5))
            for at in range(many)]


def _precisions(fig: go.Figure, look: Theme, part: pd.DataFrame, rows: list[float], mark: dict) -> None:
    value, low, high = (100 * part[name].to_numpy(float) for name in ("value", "low", "high"))
    fig.add_scatter(
        x=value, y=rows, mode="markers", marker=mark, name=f"lowest {100 * part['share'].iloc[0]:g} %", cliponaxis=False,
        error_x=dict(array=high - value, arrayminus=value - low, width=0, thickness=1.5, color=look.candidate),
        customdata=list(zip(part["gap"], map(str, part["words"]))),
        hovertemplate="%{customdata[0]}: %{x:.1f} %<br>%{customdata[1]}<extra></extra>",
    )


def _value_words(row) -> tuple[bool, str]:
    """Whether a value is missing, and the value with its interval, or why there is none."""
    if row.value != row.value:
        return True, str(row.words or "not measured").split("; ")[0]
    return False, number(100 * row.value, 1) + (f" {interval(100 * row.low, 100 * row.high, 1)}" if row.low == row.low else "")


def _precision_sentence(frame: pd.DataFrame) -> str:
    shares, parts = ", ".join(f"{100 * share:g}" for share in sorted(frame["share"].unique())), []
    for gap, part in frame.groupby("gap", sort=False):
        part, base = part.sort_values("share"), part["base"].iloc[0]
        values = ", ".join("not measured" if value != value else number(100 * value, 1) for value in part["value"])
        parts.append(f"{GAPS.get(gap, gap)} {values}" + (f" against {number(100 * base, 1)} among all" if base == base else ""))
    return f"Per cent of wrong labels among the weakest {shares} per cent of pairs: {'; '.join(parts)}."
