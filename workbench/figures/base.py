"""What every figure has: the tidy table it draws, a sentence for screen readers, its height, and where its numbers come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..errors import WorkbenchError
from .theme import BODY, TICK, Theme, group_of, template

MINUS, THIN, ELLIPSIS = "\u2212", "\u2009", "\u2026"
PREFIXES = {"ultrafeedback-": "uf-", "helpsteer-": "hs-", "beavertails-": "bt-"}
_NARROW, _WIDE = set("iljtfr.,:;|'!()[] I-"), set("mwMWGOQ@%\u2026+=<>\u2212")


def figure(frame: pd.DataFrame, theme: Theme, *, sentence: str, height: float, provenance: Mapping | None = None) -> go.Figure:
    """An empty figure in the look that carries its table, its sentence and its provenance in `layout.meta`."""
    meta = {"table": _packed(frame), "sentence": sentence, "provenance": dict(provenance or {})}
    return go.Figure(layout=dict(template=template(theme), height=round(height), meta=meta))


def table(fig: go.Figure) -> pd.DataFrame:
    """The tidy table that a figure draws; WorkbenchError for a figure that was not made here."""
    packed = _meta(fig)["table"]
    frame = pd.DataFrame({name: pd.Series(values, dtype=kind) for name, kind, values in packed}, columns=[name for name, *_ in packed])
    return frame


def sentence(fig: go.Figure) -> str:
    """One sentence that says what the figure shows."""
    return _meta(fig)["sentence"]


def provenance_of(fig: go.Figure) -> dict:
    """Ids, hashes, seeds and counts the figure was made from."""
    return dict(_meta(fig)["provenance"])


def with_provenance(fig: go.Figure, told: Mapping) -> go.Figure:
    """The figure, with this in place of what it said of where its numbers come from."""
    return fig.update_layout(meta={**_meta(fig), "provenance": dict(told)})


def _meta(fig: go.Figure) -> dict:
    meta = fig.layout.meta
    if not isinstance(meta, dict) or "table" not in meta:
        raise WorkbenchError("this figure carries no table", remedy="Make it with one of workbench.figures.plot_*")
    return meta


def _packed(frame: pd.DataFrame) -> list:
    """Plain lists that survive JSON, copies and widgets: [name, kind, values] per column, NaN as null."""
    columns = []
    for name in frame.columns:
        values, kind = frame[name], frame[name].dtype.kind
        kind = {"i": "int64", "u": "int64", "f": "float64", "b": "bool"}.get(kind, "object")
        plain = values.tolist()
        if kind in ("float64", "object"):
            plain = [None if value is None or value is pd.NA or value != value else value for value in plain]
        columns.append([str(name), kind, plain])
    return columns


def wanted(frame: pd.DataFrame, *columns: str, what: str) -> pd.DataFrame:
    """The frame with a fresh index, if it has these columns and at least one row."""
    lost = [column for column in columns if column not in frame.columns]
    if lost:
        raise WorkbenchError(f"no column {lost[0]!r}", where=what, remedy=f"It has {', '.join(map(str, frame.columns))}")
    if not len(frame):
        raise WorkbenchError("nothing to draw: the table has no rows", where=what)
    return frame.reset_index(drop=True)


def grouped(frame: pd.DataFrame, groups: Mapping | None) -> pd.DataFrame:
    """The frame with its column `group` filled from `groups`, from what it says, or from the objectives' names."""
    frame = frame.copy()
    known = dict(zip(frame["objective"], frame["group"])) if "group" in frame.columns else {}
    known.update(groups or {})
    frame["group"] = [group_of(name, known) for name in frame["objective"]]
    return frame


def number(value, digits: int = 2, sign: bool = False) -> str:
    """A number as print wants it: a true minus, a sign where asked, no minus before zero."""
    text = f"{abs(value):.{digits}f}"
    zero = not text.strip("0.")
    return (MINUS if value < 0 and not zero else "+" if sign and not zero else "") + text


def count(value) -> str:
    """A count with thin spaces between thousands."""
    return f"{int(value):,}".replace(",", THIN)


def interval(low, high, digits: int = 2, sign: bool = False) -> str:
    return f"[{number(low, digits, sign)}, {number(high, digits, sign)}]"


def text_width(text: str, size: float = TICK) -> float:
    """About how wide a line of Helvetica is, in px; for margins."""
    units = (0.3 if c in _NARROW else 0.9 if c in _WIDE else 0.7 if c.isupper() else 0.57 for c in text)
    return sum(units) * size


def shorten(names: Sequence[str], most: int = 26) -> list[str]:
    """Names short enough for a row: source prefixes abbreviated, the middle left out; two names never become one."""
    short = [_shorter(str(name), most) for name in names]
    twice = {name for name in short if short.count(name) > 1}
    return [f"{i + 1} {name}" if name in twice else name for i, name in enumerate(short)]


def _shorter(name: str, most: int) -> str:
    for long, brief in PREFIXES.items():
        if name.startswith(long):
            name = brief + name[len(long) :]
    if len(name) <= most:
        return name
    tail = (most - 1) // 3
    return f"{name[: most - 1 - tail]}{ELLIPSIS}{name[-tail:]}"


def widest(texts: Sequence[str], size: float = TICK) -> float:
    return max((text_width(text, size) for text in texts), default=0.0)


def spread_limits(*values, pad: float = 0.06, include: float | None = None) -> list[float]:
    """A range that holds all the values (NaN skipped), a little air, and `include`."""
    flat = np.concatenate([np.ravel(np.asarray(v, dtype=float)) for v in values])
    flat = flat[np.isfinite(flat)]
    if include is not None:
        flat = np.append(flat, include)
    low, high = (float(flat.min()), float(flat.max())) if len(flat) else (0.0, 1.0)
    air = (high - low) * pad or max(abs(high), 1.0) * pad
    return [low - air if low != include else low, high + air if high != include else high]


def with_room(limits: Sequence[float], px: float, *, left: float = 0, right: float = 0) -> list[float]:
    """Limits of an axis about `px` wide, made wider so that text of `left` and `right` px fits beside the data."""
    unit = (limits[1] - limits[0]) / max(px - left - right, 0.2 * px)
    return [limits[0] - left * unit, limits[1] + right * unit]


def escape(text: str) -> str:
    """User text for plotly, which reads a little HTML."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def bold(text: str) -> str:
    return f"<b>{text}</b>"


__all__ = ["BODY", "TICK", "figure", "provenance_of", "sentence", "table"]
