"""What the Strength screen shows, as plain values: the histogram, the bands, who agrees, the suspects and a pair's text."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..errors import WorkbenchError
from ..evaluate.differences import differences
from ..evaluate.inference import too_few
from ..evaluate.strength import (
    AFTER,
    ALL_PAIRS,
    APART,
    GATE,
    TRUTH,
    StrengthTable,
    agreement_by_bin,
    band_words,
    length_bias,
    strength_bands,
    suspects,
)
from ..scenario.result import Result
from ..scenario.strength import strength_of
from ..study import Study
from .cuts import Cuts

LOWEST = (0.05, 0.1, 0.2)  # shares of the pairs for which precision is told
BINS, BLOCK = 44, 40


def fitted(study: Study, *, progress, cancel) -> tuple[StrengthTable, StrengthTable, pd.DataFrame]:
    """Strength of train and of dev, and the suspects among train, weakest first; two phases told as one."""
    def told(update) -> None:
        chosen = "penalty" in update.label
        share = update.step / update.steps
        progress(0.2 * share if chosen else 0.2 + 0.8 * share, None if chosen else update.seconds_left, update.label)

    train = strength_of(study, progress=told, cancel=cancel)
    dev = strength_of(study, split="dev", cancel=cancel)
    return train, dev, suspects(train, None)


def about(table: StrengthTable) -> dict:
    return {"n": len(table), "members": int(table.members.shape[1]), "families": int(pd.unique(table.families).size),
            "text": table.length is not None, "truth": table.right is not None,
            "ties": 0 if table.right is None else int((table.right == 0.5).sum()),
            "below": int((table.mean < 0).sum()), "ends": [float(table.mean.min()), float(table.mean.max())]}


def histogram(table: StrengthTable) -> dict:
    """Bars of equal width with an edge at zero: low, high, pairs, spread (mean σ̂ of the bin, None where it is empty)."""
    from ..figures import tidy

    frame = tidy.strength(table, bins=BINS)
    return {"bars": [[float(row.low), float(row.high), int(row.pairs), number(row.spread)] for row in frame.itertuples()],
            "ends": [float(frame["low"].min()), float(frame["high"].max())]}


def counted(table: StrengthTable, cuts: Cuts) -> dict:
    """Pairs per band, where the handles stand, and what a button says that does it."""
    flip, drop = cuts.masks(table)
    counts = {"flip": int(flip.sum()), "drop": int(drop.sum()), "keep": int((~flip & ~drop).sum())}
    says = band_words(pd.DataFrame({"band": list(counts), "pairs": list(counts.values())}))
    soft, margin = cuts.kind.startswith("soft"), cuts.kind.endswith("margin")
    more = [word for word, on in (("soften", soft), ("margin on", margin)) if on]
    if more:
        rest = f"{' and '.join(more)} {_count(counts['keep'] + (counts['flip'] if margin else 0))}"
        says = f"{says}, {rest}" if counts["flip"] or counts["drop"] else rest[:1].upper() + rest[1:]
    return {"counts": counts, "handles": [number(cut) for cut in cuts.handles(table)], "says": says}


# -- who agrees with the labels --------------------------------------------------------------------


def agreement(train: StrengthTable, dev: StrengthTable, results: dict[str, Result]) -> dict:
    """sign → [strength, value, low, high, n, families, words] per tenth: gates on dev pairs, the truth on the train pairs."""
    series = {}
    for sign, result in results.items():
        frame = agreement_by_bin(dev, result)
        series[sign] = _points(frame[frame["who"] == GATE])
    if train.right is not None:
        frame = agreement_by_bin(train)
        series["truth"] = _points(frame[frame["who"] == TRUTH])
    return {"series": series, "dev": len(dev), "train": len(train)}


def _points(frame: pd.DataFrame) -> list[dict]:
    return [{"bin": int(row.bin), "strength": float(row.strength), **{key: number(getattr(row, key)) for key in ("value", "low", "high")},
             "n": int(row.n), "families": int(row.families), "words": str(row.words)} for row in frame.itertuples()]


# -- what is known of the bands --------------------------------------------------------------------


def precision(table: StrengthTable) -> list[dict]:
    """Of the weakest pairs, the share whose label is truly wrong, with its interval by family; none where the truth is not known."""
    if table.right is None:
        return []
    rows = []
    for share in LOWEST:
        row = strength_bands(table, drop_share=share).set_index("band").loc["drop"]
        rows.append({"share": share, "n": int(row["n"]), "families": int(row["families"]), **_wrong(row), "words": str(row["words"])})
    return rows


def known(table: StrengthTable, cuts: Cuts) -> dict:
    """Of each band: how many labels are truly wrong; and in words what flipping does to length."""
    labels = cuts.labels
    given = {} if labels == "hard" else {**labels.cuts, "where": labels.where}
    rows = strength_bands(table, **given).to_dict("records")
    bands = [{"band": row["band"], "n": int(row["pairs"]), "families": int(row["families"]), **_wrong(row)} for row in rows]
    flip, drop = cuts.masks(table)
    mask, done = (flip, True) if flip.any() else (drop, False)
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
    numbers = f"{_signed(apart['value'])} words [{_signed(low)}, {_signed(high)}]"
    if few:
        return [f"Length of {who} against all pairs: ", few, f", no verdict: {numbers}."]
    if low <= 0 <= high:
        parts = [f"Length of {who}: ", "no detectable difference", f" from all pairs in chosen − rejected, {numbers}."]
    else:
        prefer, teach = ("shorter", "longer") if high < 0 else ("longer", "shorter")
        parts = [f"Labels of {who} prefer ", f"{prefer} answers", f" more than all labels do, {numbers}: "]
        parts[-1] += f"a flip teaches {teach} answers." if done else f"flipped, they would teach {teach} answers."
    parts[-1] += f" All pairs: {_signed(whole['value'])}, once flipped {_signed(after['value'])}."
    return parts


# -- suspects --------------------------------------------------------------------------------------


class Listed:
    """The suspects in a range of strength or in a band: rows for the page, a block at a time."""

    def __init__(self, found: pd.DataFrame, rows: np.ndarray, bands: np.ndarray, heads: np.ndarray | None):
        self.found, self.rows, self._bands, self._heads = found, rows, bands, heads

    def __len__(self) -> int:
        return len(self.rows)

    def place(self, pair: str | None) -> int:
        """Where a pair stands in the list, −1 for one that is not in it."""
        rows = np.flatnonzero(self.found["pair_id"].to_numpy() == pair) if pair is not None else ()
        at = int(np.searchsorted(self.rows, rows[0])) if len(rows) else len(self)
        return at if at < len(self) and self.rows[at] == rows[0] else -1

    def pair(self, at: int) -> str:
        return str(self.found["pair_id"].iloc[self.rows[at]])

    def block(self, start: int, stop: int) -> dict:
        """Rows start … stop: id, band, first line of the prompt, section, μ̂, σ̂, votes, of, words longer, whether the label is wrong
        ("tie" where neither answer is better)."""
        start, stop = max(0, start), min(len(self), stop, max(0, start) + 5 * BLOCK)
        out = []
        for row in self.rows[start:stop]:
            one = self.found.iloc[row]
            longer, gap = number(one.get("longer")), number(one.get("gap"))
            out.append([
                str(one["pair_id"]), str(self._bands[row]), None if self._heads is None else str(self._heads[row]),
                _word(one.get("section")), float(one["mean"]), float(one["std"]), int(one["against"]), int(one["of"]), longer,
                None if gap is None else "tie" if gap == 0 else gap < 0,
            ])
        return {"from": start, "rows": out}


def listed(found: pd.DataFrame, table: StrengthTable, cuts: Cuts, which: str, ends: tuple | None, heads: np.ndarray | None) -> Listed:
    """which: "all", "flip", "drop" or "brush" (ends: a range of μ̂). found: the suspects of the table; heads [suspect]: lines of text."""
    at = np.argsort(table.mean, kind="stable")  # the order of the suspects
    flip, drop = (mask[at] for mask in cuts.masks(table))
    bands, mean = np.where(flip, "flip", np.where(drop, "drop", "keep")), found["mean"].to_numpy()
    wanted = np.ones(len(found), bool)
    if which in ("flip", "drop"):
        wanted = bands == which
    elif which == "brush" and ends:
        wanted = (mean >= ends[0]) & (mean < ends[1])
    return Listed(found, np.flatnonzero(wanted), bands, heads)


# -- a pair ----------------------------------------------------------------------------------------


def read_pair(study: Study, table: StrengthTable, found: pd.DataFrame, pair: str) -> dict:
    """One pair to read: what is known of it, and its texts. WorkbenchError for one that is not among them."""
    rows = np.flatnonzero(found["pair_id"].to_numpy() == pair)
    if not len(rows):
        raise WorkbenchError(f"no pair {pair!r} on the {table.split} split", where=study.name, remedy="Choose one from the list")
    one = found.iloc[int(rows[0])]
    at = int(pd.Index(table.pairs["pair_id"]).get_loc(pair))
    about, gap = table.pairs.iloc[at], number(one.get("gap"))
    facts = {"pair": pair, "family": str(one["family"]), "section": _word(one.get("section")), "source": _word(about.get("source")),
             "mean": float(one["mean"]), "std": float(one["std"]), "against": int(one["against"]), "of": int(one["of"]),
             "votes": [round(float(v), 3) for v in table.members[at]], "gap": gap, "text": None}
    if study.has_text:
        prompts, responses = study.table("prompts").set_index("prompt_id"), study.table("responses").set_index("response_id")["text"]
        prompt = str(prompts["text"].get(about["prompt_id"], "")) if "text" in prompts else ""
        facts["text"] = {"prompt": [[prompt, False]], **_marked(str(responses[about["chosen"]]), str(responses[about["rejected"]]))}
    return facts


def _marked(chosen: str, rejected: str) -> dict:
    """Both answers in runs [text, only here], as the word differences have it; note says where they are too long for that."""
    texts, note, spans = {"chosen": chosen, "rejected": rejected}, "", ([], [])
    try:
        spans = differences(chosen, rejected)
    except WorkbenchError as error:
        note = f"{error.what[:1].upper()}{error.what[1:]}."
    runs = {}
    for (side, text), marks in zip(texts.items(), spans):
        ends = [0, *(end for span in marks for end in span), len(text)]
        runs[side] = [[text[a:b], bool(k % 2)] for k, (a, b) in enumerate(zip(ends, ends[1:])) if b > a]
    return {**runs, "note": note}


def number(value) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _word(value) -> str | None:
    return None if value is None or value != value else str(value)


def _count(n) -> str:
    return f"{int(n):,}".replace(",", "\u2009")


def _signed(value) -> str:
    return f"{float(value):+.1f}".replace("-", "\N{MINUS SIGN}")
