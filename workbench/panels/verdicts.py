"""Verdicts by hand on the Strength screen: a word and a note on the pair that is read, what they add up to, and their files."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from ..errors import WorkbenchError
from ..evaluate.doubt import SHARES
from ..evaluate.inference import FEWEST, estimate, family_codes, too_few, wilson
from ..evaluate.strength import StrengthTable
from ..scenario.labels import LabelSpec
from ..session.verdicts import RIGHT, TIE, VERDICTS, WRONG, Verdicts
from .screen import Part

DECIDES = {WRONG: "flip", TIE: "drop"}  # what a verdict makes of a label, where verdicts are a treatment


def part(verdicts: Verdicts, table: StrengthTable, labels: LabelSpec | str) -> Part:
    """The verdicts on a table's pairs, and whether the draft's labels follow them."""
    hand = dict(labels.hand) if isinstance(labels, LabelSpec) else {}
    return Part("strength.verdicts", (table, verdicts.stamp, hand), lambda: told(verdicts, table, hand))


def told(verdicts: Verdicts, table: StrengthTable, hand: dict[str, str]) -> dict:
    """of: pair → [verdict, note]; n of them, by verdict; lowest: what they say of the weakest pairs; hand: what they would make of
    labels, and whether the draft has it so; lines that do not count."""
    kept, words = verdicts.kept, _words(verdicts, table)
    rows = np.flatnonzero(words != "")
    of = {pair: [words[row], kept.lines[pair]["note"]] for row, pair in zip(rows, table.pairs["pair_id"].iloc[rows].astype(str))}
    makes = {pair: DECIDES[word] for pair, (word, _) in of.items() if word in DECIDES}
    return {"of": of, "n": len(of), "by": {word: int((words == word).sum()) for word in VERDICTS}, "elsewhere": len(kept.lines) - len(of),
            "unknown": kept.unknown, "damaged": kept.damaged, "lowest": [_share(table, words, share) for share in SHARES] if of else [],
            "hand": {**{what: list(makes.values()).count(what) for what in DECIDES.values()}, "on": len(hand), "applied": hand == makes}}


def decided(verdicts: Verdicts, table: StrengthTable) -> dict[str, str]:
    """pair → "flip" for a label judged wrong, "drop" for a tie, of the table's pairs."""
    words = _words(verdicts, table)
    rows = np.flatnonzero(np.isin(words.astype(str), list(DECIDES)))
    return {pair: DECIDES[words[row]] for row, pair in zip(rows, table.pairs["pair_id"].iloc[rows].astype(str))}


def _words(verdicts: Verdicts, table: StrengthTable) -> np.ndarray:
    """[pair] the verdict, "" for none."""
    lines, words = verdicts.kept.lines, np.full(len(table), "", object)
    at = pd.Index(table.pairs["pair_id"].astype(str)).get_indexer(list(lines))
    for row, line in zip(at, lines.values()):
        if row >= 0:
            words[row] = line["verdict"]
    return words


def _share(table: StrengthTable, words: np.ndarray, share: float) -> dict:
    """Of the weakest pairs that were judged right or wrong, the share that is wrong: Wilson's interval where each is a family
    of its own, else by family; no number under six families."""
    weakest = np.argsort(table.mean, kind="stable")[: round(share * len(table))]
    judged = weakest[np.isin(words[weakest].astype(str), (RIGHT, WRONG))]
    hits, groups = words[judged] == WRONG, table.families[judged]
    families = family_codes(groups)[1] if len(judged) else 0
    found = {"share": share, "judged": int((words[weakest] != "").sum()), "wrong": int(hits.sum()), "n": len(judged), "families": families,
             "value": None, "low": None, "high": None, "words": too_few(families)}
    if families < FEWEST:
        return found
    if families == len(judged):
        low, high = wilson(hits, groups)
    else:
        known = estimate(hits.astype(np.float64)[None], groups, trained=False)
        low, high = known.low, known.high
    return {**found, "value": float(hits.mean()), "low": low, "high": high}


# -- gestures --------------------------------------------------------------------------------------


def do(verdicts: Verdicts, message: dict):
    """ "judge" a pair, the same word again takes it back; "note" why; "verdicts" writes them as a file. NotImplemented for others."""
    asked = message.get("do")
    if asked == "judge":
        pair, word = str(message["pair"]), str(message["verdict"])
        before = verdicts.kept.lines.get(pair, {})
        verdicts.give(pair, None if before.get("verdict") == word else word, note=before.get("note", ""))
    elif asked == "note":
        pair = str(message["pair"])
        if verdicts.get(pair) is None:
            raise WorkbenchError("a note says why of a verdict, and there is none yet", where=pair, remedy="Judge the label first")
        verdicts.give(pair, verdicts.get(pair), note=" ".join(str(message["note"]).split()))
    elif asked == "verdicts":
        from .drawing import FOLDER, folder  # plotly: not before somebody wants a file

        name = re.sub(r"[^\w.-]+", "-", verdicts.name).strip("-.") or "study"
        path = verdicts.export(folder() / f"{name}-verdicts.{message['kind']}")
        return {"said": f"Saved {FOLDER}/{path.name}."}
    else:
        return NotImplemented
    return None
