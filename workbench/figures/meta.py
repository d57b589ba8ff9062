"""MetaRM looked at: rewards on shifted answers over rounds, and which pairs its step really makes heavier."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..errors import WorkbenchError
from ..evaluate.correlation import weighted_spearman
from . import tidy
from .base import count, escape, figure, number, spread_limits, text_width, wanted
from .crowd import thinned
from .multiples import Panel, draw_lines, lacking, lay_panels, once, series_of, stack_height, tall_enough
from .rows import note
from .theme import Theme, theme_of

TALL, TOP, FOOT = 200, 26, 56  # px
WHAT = {
    "difference": ("Mean difference of rewards of one prompt\u2019s answers", 1), "accuracy": ("Accuracy, %", 100), "J": ("Objective J", 1),
}


def plot_alignment(table: pd.DataFrame, *, theme: str | Theme = "light") -> go.Figure:
    """How much heavier the step of MetaRM makes each pair, against how its gradient lies to that of J (arXiv 2405.00438).

    table: pair, alignment (∇L_i · ∇J), weight (σ(−Δ) at θ), reweighted (σ(−Δ) at θ' = θ + η ∇J). Up: reweighted/weight − 1. The
    sentence has the Spearman correlation of both and how often their signs agree. Above 5 000 pairs a mark in a dense place
    stands for several (column pairs). Raises WorkbenchError for a missing column, numbers that are not finite, and a weight of
    zero or less.
    """
    look = theme_of(theme)
    frame = wanted(table, "pair", "alignment", "weight", "reweighted", what="alignment")
    numbers = frame[["alignment", "weight", "reweighted"]].to_numpy(float)
    if not np.isfinite(numbers).all() or (numbers[:, 1] <= 0).any():
        raise WorkbenchError("pairs without an alignment, or without a weight above zero", where="alignment",
                             remedy="Leave them out, and say how many")
    change = numbers[:, 2] / numbers[:, 1] - 1
    many = frame["pairs"].to_numpy(np.int64) if "pairs" in frame.columns else np.ones(len(frame), np.int64)
    kept, stands = (np.arange(len(frame)), many) if many.sum() > len(frame) else thinned(numbers[:, 0], change, np.zeros(len(frame), int))
    said = _alignment_words(numbers[:, 0], change, many)
    drawn = frame.assign(pairs=many).iloc[kept].assign(pairs=stands).reset_index(drop=True)
    fig = figure(drawn, look, height=TOP + TALL + FOOT, provenance=tidy.provenance(table),
                 sentence=f"Change of {count(many.sum())} pairs' weights against the alignment of their gradients: {', '.join(said)}.")
    fig.add_scatter(
        x=numbers[kept, 0], y=100 * change[kept], mode="markers", cliponaxis=False,
        marker=dict(size=4 if len(kept) <= 1500 else 2.6, opacity=0.55, color=look.candidate),
        customdata=[f"{count(n)} pairs" if n > 1 else escape(name) for name, n in zip(drawn["pair"], drawn["pairs"])],
        hovertemplate="%{customdata}: alignment %{x:.3g}, weight %{y:+.2f} %<extra></extra>",
    )
    sides, ends = (spread_limits(values, [0.0]) for values in (numbers[kept, 0], 100 * change[kept]))
    left = max(min(text_width(number(end, 0 if ends[1] - ends[0] > 8 else 1)) for end in ends[:1]), 20) + 16
    fig.update_layout(
        margin=dict(l=left, r=14, t=TOP, b=FOOT),
        xaxis=dict(range=sides, zeroline=True, nticks=5, title="alignment of gradients, \u2207L \u00b7 \u2207J", ticklabelstandoff=3,
                   exponentformat="power", tickangle=0),
        yaxis=dict(range=ends, zeroline=True, showgrid=True, nticks=5, ticklabelstandoff=4),
    )
    fig.add_annotation(text="Change of the pair\u2019s weight, %", xref="paper", x=0, xanchor="left", xshift=8 - left, yref="paper", y=1,
                       yanchor="bottom", yshift=6)
    thin = [f"{count(len(drawn))} of {count(many.sum())} pairs drawn, fewer where they lie close"] if many.sum() > len(drawn) else []
    note(fig, *said, *thin, below=FOOT - 18)
    return fig


def _alignment_words(alignment: np.ndarray, change: np.ndarray, many: np.ndarray) -> list[str]:
    """The Spearman correlation, and in how many pairs weight and alignment move the same way."""
    rho = float(weighted_spearman(alignment[:, None], change, many[None])[0, 0])
    same = 100 * float(many[np.sign(alignment) == np.sign(change)].sum() / many.sum())
    known = number(rho, 2, True) if rho == rho else "not defined"
    return [f"Spearman \u03c1 {known}", f"signs agree in {number(same, 0)} % of pairs"]


def plot_meta(table: pd.DataFrame, *, theme: str | Theme = "light") -> go.Figure:
    """MetaRM over rounds: what tells shifted answers apart, accuracy and J, in and out of distribution, with intervals.

    table: round, of ("in distribution", "shifted"), what ("difference", "accuracy" or "J"), value, low, high, words. A panel per `what`;
    the first `of` is hollow grey, the second filled blue. Raises WorkbenchError for a missing column and two values of one round.
    """
    look, keys = theme_of(theme), ("round", "of", "what")
    frame = once(wanted(table, *keys, "value", "low", "high", "words", what="rounds"), *keys, what="rounds")
    looks = series_of(look, frame["of"], baseline=frame["of"].iloc[0] if frame["of"].nunique() > 1 else None)
    panels = [Panel(*_head(str(what), part)) for what, part in frame.groupby("what", sort=False)]
    rounds, tall = np.sort(frame["round"].unique().astype(float)), tall_enough(panels, "of", 96)
    fig = figure(frame, look, height=stack_height(len(panels), tall), provenance=tidy.provenance(table), sentence=_meta_sentence(frame))
    draw_lines(fig, panels, looks, x="round", by="of", dodge=0.06)
    names = [f"round {number:g}" for number in frame["round"]]
    every = -(-len(rounds) // 8)
    lay_panels(fig, look, panels, looks, x="round", by="of", tall=tall, notes=["95 % intervals", *lacking(frame, names)],
               bottom=dict(range=[rounds[0] - 0.3, rounds[-1] + 0.3], tickvals=rounds[::every].tolist(), title="round"))
    return fig


def _head(what: str, part: pd.DataFrame) -> tuple[str, pd.DataFrame, float]:
    head, scale = WHAT.get(what, (what, 1))
    return head, part, scale


def _meta_sentence(frame: pd.DataFrame) -> str:
    said = []
    for (what, of), part in frame.dropna(subset=["value"]).groupby(["what", "of"], sort=False):
        scale, digits = (100, 1) if what == "accuracy" else (1, 3)
        part = part.sort_values("round")
        first, last = (number(scale * part["value"].iloc[at], digits) for at in (0, -1))
        said.append(f"{what} {of} {first} in round {part['round'].iloc[0]:g}, {last} in round {part['round'].iloc[-1]:g}")
    return f"MetaRM over rounds: {'; '.join(said) or 'not measured'}."
