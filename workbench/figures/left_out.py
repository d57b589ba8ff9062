"""How treatments fare in a domain that training left out."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from . import tidy
from .base import count, escape, figure, number, spread_limits, wanted, widest
from .blocks import Blocks, against
from .multiples import Series, brief, lacking, once, series_of
from .rows import HEAD, aside, note
from .signs import add_key
from .theme import Theme, theme_of
from .treatments import measured

SLOT, FOOT, SIZES = 9, 40, "pairs / families"  # px from treatment to treatment, and below the rows


def plot_left_out(table: pd.DataFrame, *, candidate: str | None = None, theme: str | Theme = "light") -> go.Figure:
    """Accuracy on a domain that training left out, for each treatment with intervals: a row per domain, a column per `of`.

    table: domain, treatment, of, value, low, high, words, and where known n, families. "none" is hollow grey, oracles a cross and a dot;
    candidate: the treatment in blue, the first other one if not said. More than two `of` stand in blocks beneath. Raises
    WorkbenchError for a missing column, an unknown candidate, and two values of one place.
    """
    look, keys = theme_of(theme), ("domain", "treatment", "of")
    frame = once(wanted(table, *keys, "value", "low", "high", "words", what="left out"), *keys, what="left out")
    domains, ofs = list(dict.fromkeys(frame["domain"])), list(dict.fromkeys(frame["of"]))
    looks, order = series_of(look, frame["treatment"], candidate=candidate), list(dict.fromkeys(frame["treatment"]))
    sizes = {place: _sizes(frame[frame["of"] == of], domains) for place, of in enumerate(ofs)}
    known = any(map(any, sizes.values()))
    right = widest([*sum(sizes.values(), []), SIZES]) + 14 if known else 10
    blocks = Blocks(tuple(map(str, domains)), tuple(map(against, ofs)), right=right).taller(16 + SLOT * len(order))
    labels = [brief(name) for name in order]
    fig = figure(frame, look, height=100, provenance=tidy.provenance(table), sentence=_sentence(frame))
    for place, of in enumerate(ofs):
        for at, name in enumerate(order):
            shift = (at - (len(order) - 1) / 2) * SLOT / blocks.tall
            part = frame[(frame["of"] == of) & (frame["treatment"] == name)]
            middles = [blocks.at(domains.index(each), place) + shift for each in part["domain"]]
            _dots(fig, part, str(name), middles, looks[name], blocks.axis(place))
    ends = [100 * frame[name].astype(float) for name in ("value", "low", "high")] if frame["value"].notna().any() else [[0, 100]]
    whole = [row for row, domain in enumerate(domains) if str(domain).lower().startswith("all")]
    blocks.lay(fig, look, spread_limits(*ends), foot=FOOT, key=labels, strong=whole, axes=dict(showgrid=True))
    add_key(fig, look, [(label, looks[name].mark) for label, name in zip(labels, order)], above=HEAD + 4)
    for block in range(blocks.count if known else 0):
        first = block * blocks.columns
        for row, text in enumerate(sizes[first]):
            aside(fig, blocks.at(row, first), text, color=look.ink2, align="right", shift=right - 2)
        fig.add_annotation(text=SIZES, xref="paper", x=1, xanchor="right", xshift=right - 2, yref="y", y=blocks.at(0, first) - 0.5,
                           yanchor="bottom", yshift=3)
    note(fig, "accuracy on the domain left out, %", "95 % intervals", *lacking(frame, frame["domain"].astype(str).tolist()), below=22)
    return fig


def _dots(fig: go.Figure, part: pd.DataFrame, name: str, rows: list[float], style: Series, axis: str) -> None:
    value, low, high = (100 * part[column].to_numpy(float) for column in ("value", "low", "high"))
    words = [measured(*each) for each in zip(value, low, high)]
    fig.add_scatter(
        x=value, y=rows, xaxis=axis, mode="markers", name=name, marker=style.mark, cliponaxis=False,
        error_x=dict(array=high - value, arrayminus=value - low, width=0, thickness=1.5, color=style.color),
        customdata=list(zip(part["domain"], words, part["words"].astype(str))),
        hovertemplate=f"%{{customdata[0]}}, {escape(name)}: %{{customdata[1]}}<br>%{{customdata[2]}}<extra></extra>",
    )


def _sizes(part: pd.DataFrame, domains: list) -> list[str]:
    """Pairs and families of each domain, where known."""
    if not {"n", "families"} <= set(part.columns):
        return [""] * len(domains)
    first = part.dropna(subset=["n", "families"]).drop_duplicates("domain").set_index("domain")
    return [f"{count(first.at[d, 'n'])} / {count(first.at[d, 'families'])}" if d in first.index else "" for d in domains]


def _sentence(frame: pd.DataFrame) -> str:
    """The range over domains of each treatment, against what accuracy is held to first."""
    of, said = frame["of"].iloc[0], []
    for name, part in frame[(frame["of"] == of) & frame["value"].notna()].groupby("treatment", sort=False):
        low, high = (number(100 * end, 1) for end in (part["value"].min(), part["value"].max()))
        said.append(f"{brief(name)} {low} to {high}")
    head = f"Accuracy in per cent on {frame['domain'].nunique()} domains that training left out, lowest and highest against {against(of)}"
    return f"{head}: {', '.join(said) or 'not measured'}."
