"""The three regions that a treatment makes of the axis of strength: how many pairs, what a button says, and what is known of them."""

from __future__ import annotations

import math

import numpy as np

from ..evaluate.doubt import suspect_precision
from ..evaluate.inference import too_few
from ..evaluate.strength import AFTER, ALL_PAIRS, APART, StrengthTable, in_sections, length_bias, strength_bands
from ..scenario.labels import HARD
from .cuts import BAND, Cuts


def regions(table: StrengthTable, cuts: Cuts) -> dict:
    """Three regions of the axis, left to right, as [word, pairs, tint]; where they meet; and which of the handles there can be
    dragged, with the words before their value."""
    flip, smooth, drop = cuts.masks(table)
    low, high = float(table.mean.min()), float(table.mean.max())
    keep, handles = int((~flip & ~smooth & ~drop).sum()), [number(cut) for cut in cuts.handles(table)]
    found = {"edges": handles, "handles": handles, "on": list(cuts.handles_on)}
    if cuts.unit == BAND:
        ends = [end if cut is None else cut for cut, end in zip(handles, (low, high))]
        part, left = cuts.parts[0], table.mean < ends[0]
        inside, other = {"flip": flip, "smooth": smooth, "drop": drop}.get(part, ~drop), "drop" if part == "keep" else "keep"
        pairs = [int(mask.sum()) for mask in (left & ~inside, inside, ~left & ~inside)]
        return {**found, "edges": ends, "names": ["Band from", "Band to"],
                "regions": [[word, n, word] for word, n in zip((other, part, other), pairs)]}
    if cuts.kind == "scaled":
        among = in_sections(table.pairs, cuts.where)
        none, some = (int((among & mask).sum()) for mask in (table.mean <= 0, table.mean > 0))
        return {**found, "edges": [0.0, 0.0], "names": ["", ""],
                "regions": [["weight 0:", none, "drop"], ["", 0, ""], ["weight \u03bc\u0302:", some, "keep"]]}
    cut = cuts.first and cuts.flip is not None
    left = [cuts.first or "flip", int((smooth if cuts.first == "smooth" else flip).sum()) if cut else 0]
    rest = ["smooth", int(smooth.sum())] if cuts.first == "smooth" and not cut else ["keep", keep]
    return {**found, "names": [f"{(cuts.first or '').capitalize()} below", "Drop below"],
            "regions": [[*left, left[0]], ["drop", int(drop.sum()), "drop"], [*rest, "keep"]]}


def says(table: StrengthTable, cuts: Cuts, total: int) -> str:
    """What a button says that applies the treatment: "Flip 214, drop 391"."""
    flip, smooth, drop = (int(mask.sum()) for mask in cuts.masks(table))
    keep = len(table) - flip - smooth - drop
    parts = [f"turn {100 * cuts.noise.rate:g} % round"] if cuts.noise else []
    parts += [f"{word} {count(n)}" for word, n in (("flip", flip), ("smooth", smooth), ("drop", drop)) if n]
    parts += [f"drop {count(total - len(table))} without ratings"] if total > len(table) and cuts.kind != HARD else []
    more = [word for word, part in (("soften", "soft"), ("margin on", "margin"), ("weigh", "scaled")) if part in cuts.parts]
    parts += [f"{' and '.join(more)} {count(keep + (flip + smooth if 'margin' in cuts.parts else 0))}"] if more else []
    parts += [f"{count(len(cuts.hand))} by hand"] if cuts.hand else []
    said = ", ".join(parts) or ("leave labels as they stand" if cuts.kind == HARD else "nothing to flip or drop")
    return said[:1].upper() + said[1:]


# -- what is known of the bands --------------------------------------------------------------------


def precision(table: StrengthTable) -> list[dict]:
    """Of the weakest pairs, the share whose label is truly wrong, with its interval by family; none where the truth is not known."""
    if table.right is None:
        return []
    return [{"share": float(row.share), "n": int(row.n), "families": int(row.families), "words": str(row.words),
             **{name: number(getattr(row, name)) for name in ("value", "low", "high")}}
            for row in suspect_precision(table, by_gap=False).itertuples()]


def known(table: StrengthTable, cuts: Cuts) -> dict:
    """Of each band: how many labels are truly wrong; and in words what flipping does to length."""
    found = cuts.masks(table)
    rows = strength_bands(table, found).to_dict("records")
    bands = [{"band": row["band"], "n": int(row["pairs"]), "families": int(row["families"]), **_wrong(row)} for row in rows]
    mask, done = (found.flip, True) if found.flip.any() else (found.drop, False)
    return {"bands": bands if table.right is not None else [], "length": length_words(table, mask, done=done)}


def _wrong(row) -> dict:
    value, low, high = (number(row[key]) for key in ("value", "low", "high"))
    turned = [None if v is None else 1 - v for v in (value, high, low)]
    return dict(zip(("value", "low", "high"), turned))


def length_words(table: StrengthTable, mask: np.ndarray, *, done: bool = True) -> list[str]:
    """What flipping the pairs of a mask teaches of length: a sentence in parts, every second one bold."""
    if table.lengthening is None or not mask.any():
        return []
    rows = length_bias(table, mask).set_index("of")
    whole, apart, after = (rows.loc[name] for name in (ALL_PAIRS, APART, AFTER))
    who, few = "the flipped" if done else "the dropped", too_few(int(apart["families"]))
    low, high = number(apart["low"]), number(apart["high"])
    if low is None or high is None:
        return [f"Length of {who}: ", few or "no number", "."]
    numbers = f"{signed(apart['value'])} words [{signed(low)}, {signed(high)}]"
    if few:
        return [f"Length of {who} against all pairs: ", few, f", no verdict: {numbers}."]
    if low <= 0 <= high:
        parts = [f"Length of {who}: ", "no detectable difference", f" from all pairs in chosen − rejected, {numbers}."]
    else:
        prefer, teach = ("shorter", "longer") if high < 0 else ("longer", "shorter")
        parts = [f"Labels of {who} prefer ", f"{prefer} answers", f" more than all labels do, {numbers}: "]
        parts[-1] += f"a flip teaches {teach} answers." if done else f"flipped, they would teach {teach} answers."
    parts[-1] += f" All pairs: {signed(whole['value'])}, once flipped {signed(after['value'])}."
    return parts


# -- numbers ---------------------------------------------------------------------------------------


def number(value) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def count(n) -> str:
    return f"{int(n):,}".replace(",", "\u2009")


def signed(value) -> str:
    return f"{float(value):+.1f}".replace("-", "\N{MINUS SIGN}")
