"""What the Strength screen shows, as plain values: the histogram, the marks, who agrees, the suspects and a pair's text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..axes import Pair
from ..errors import WorkbenchError
from ..evaluate.differences import differences
from ..evaluate.strength import GATE, JUDGE, TRUTH, StrengthTable, agreement_by_bin, suspects
from ..scenario.ensembles import StrengthSpec
from ..scenario.noise import NoiseSpec
from ..scenario.result import Result
from ..scenario.strength import strength_of
from ..study import Study
from .cuts import Cuts
from .regions import number

BINS, BLOCK = 44, 40
REACH = 0.999  # of all members' margins lie on the axis of a pair's members


def fitted(study: Study, spec: StrengthSpec, noise: NoiseSpec | None = None, *, progress,
           cancel) -> tuple[StrengthTable, StrengthTable, pd.DataFrame]:
    """Strength of train, with its labels as noise leaves them, and of dev, with its own; and the suspects among train, weakest
    first."""
    def told(update) -> None:
        chosen = "penalty" in update.label
        share = update.step / update.steps
        progress(0.2 * share if chosen else 0.2 + 0.8 * share, None if chosen else update.seconds_left, update.label)

    train = strength_of(study, spec, noise=noise, progress=told, cancel=cancel)
    dev = strength_of(study, spec, split="dev", noise=noise, cancel=cancel)
    return train, dev, suspects(train, None)


def about(table: StrengthTable) -> dict:
    return {"n": len(table), "members": int(table.members.shape[1]), "families": int(pd.unique(table.families).size),
            "text": table.length is not None, "truth": table.right is not None,
            "ties": 0 if table.right is None else int((table.right == 0.5).sum()),
            "below": int((table.mean < 0).sum()), "ends": [float(table.mean.min()), float(table.mean.max())],
            "reach": float(np.quantile(np.abs(table.members), REACH)) or 1.0}


def histogram(table: StrengthTable) -> dict:
    """Bars of equal width with an edge at zero: low, high, pairs, spread (mean σ̂ of the bin, None where it is empty)."""
    from ..figures import tidy

    frame = tidy.strength((table.mean, spread(table)), bins=BINS)
    return {"bars": [[float(row.low), float(row.high), int(row.pairs), number(row.spread)] for row in frame.itertuples()],
            "ends": [float(frame["low"].min()), float(frame["high"].max())]}


def spread(table: StrengthTable) -> Pair:
    """σ̂ of each pair, NaN where one member has none."""
    return table.std if table.members.shape[1] > 1 else np.full(len(table), np.nan)


def points(table: StrengthTable) -> tuple[dict, list[bytes]]:
    """Where each pair stands: μ̂ and σ̂ as float32; and one byte, 1 where the label is truly wrong, 2 for a tie, none where not known."""
    std, right = table.std, table.right
    wrong = [] if right is None else [np.where(right == 0.5, 2, right == 0).astype(np.uint8).tobytes()]
    about = {"n": len(table), "std": [float(np.quantile(std, q)) for q in (0, 0.5, 1)],
             "wrong": None if right is None else int((right == 0).sum())}
    return about, [table.mean.astype("<f4").tobytes(), std.astype("<f4").tobytes(), *wrong]


# -- who agrees with the labels --------------------------------------------------------------------


def agreement(train: StrengthTable, dev: StrengthTable, results: dict[str, Result]) -> dict:
    """sign → [strength, value, low, high, n, families, words] per tenth: gates on dev pairs, the truth on the train pairs."""
    series = {}
    for sign, result in results.items():
        at = pd.Index(result.pairs["pair_id"]).get_indexer(dev.pairs["pair_id"])  # of ratings, not every dev pair has a strength
        frame = agreement_by_bin(dev, result.margins[:, at])
        series[sign] = _points(frame[frame["who"] == GATE])
    if train.right is not None or train.judged is not None:
        frame = agreement_by_bin(train)
        series |= {who: found for who in (TRUTH, JUDGE) if (found := _points(frame[frame["who"] == who]))}
    return {"series": series, "dev": len(dev), "train": len(train)}


def _points(frame: pd.DataFrame) -> list[dict]:
    return [{"bin": int(row.bin), "strength": float(row.strength), **{key: number(getattr(row, key)) for key in ("value", "low", "high")},
             "n": int(row.n), "families": int(row.families), "words": str(row.words)} for row in frame.itertuples()]


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
                _word(one.get("section")), float(one["mean"]), number(one["std"]), int(one["against"]), int(one["of"]), longer,
                None if gap is None else "tie" if gap == 0 else gap < 0,
            ])
        return {"from": start, "rows": out}


@dataclass(frozen=True)
class Narrowed:
    """which: "all", "flip", "drop", "judged" (pairs: those judged by hand) or "brush" (mean, std: ranges of μ̂ and of σ̂, None for all)."""

    which: str = "all"
    mean: tuple[float, float] | None = None
    std: tuple[float, float] | None = None
    pairs: frozenset[str] = frozenset()


def listed(found: pd.DataFrame, table: StrengthTable, cuts: Cuts, to: Narrowed, heads: np.ndarray | None) -> Listed:
    """The suspects of the table that are asked for; found: all of them; heads [suspect]: lines of text."""
    at = np.argsort(table.mean, kind="stable")  # the order of the suspects
    flip, smooth, drop = (mask[at] for mask in cuts.masks(table))
    bands = np.select([flip, smooth, drop], ["flip", "smooth", "drop"], "keep")
    mean = found["mean"].to_numpy()
    wanted = np.ones(len(found), bool)
    if to.which in ("flip", "drop"):
        wanted = bands == to.which if to.which == "drop" else (bands == "flip") | (bands == "smooth")
    elif to.which == "judged":
        wanted = found["pair_id"].astype(str).isin(to.pairs).to_numpy()
    elif to.which == "brush":
        for values, ends in ((mean, to.mean), (found["std"].to_numpy(), to.std)):
            if ends is not None:
                wanted &= (values >= ends[0]) & (values <= ends[1])
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
             "mean": float(one["mean"]), "std": number(one["std"]), "against": int(one["against"]), "of": int(one["of"]),
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


def _word(value) -> str | None:
    return None if value is None or value != value else str(value)
