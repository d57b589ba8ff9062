"""What a change broke: pairs whose outcome or margin moved, and the objective that moved each."""

from __future__ import annotations

from math import factorial

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..axes import Pair, PairObj
from ..errors import WorkbenchError

BROKEN, FIXED, MOVED, SAME = "broken", "fixed", "moved", "same"


def moved_by(before: PairObj, names: tuple[str, ...], after: Float[np.ndarray, "pair other"],
             names_after: tuple[str, ...]) -> tuple[np.ndarray, Pair]:
    """The objective whose contribution to the margin changed most in each pair, and by how much (signed).

    before, after [pair obj]: contributions (`evaluate.contributions`) over `names` and `names_after`; an objective that one
    side lacks contributes 0 there, so that the changes of all add up to the change of the margin.
    """
    whole = tuple(dict.fromkeys((*names, *names_after)))
    change = _over(after, names_after, whole) - _over(before, names, whole)
    most = np.abs(change).argmax(axis=1)
    return np.asarray(whole, dtype=object)[most], change[np.arange(len(change)), most]


def _over(values: np.ndarray, names: tuple[str, ...], whole: tuple[str, ...]) -> np.ndarray:
    """The columns of `names` in the order of `whole`, 0 for one that is not there."""
    if names == whole:
        return values
    at = np.array([names.index(name) if name in names else -1 for name in whole])
    out = np.take(values, at, axis=1)
    out[:, at < 0] = 0.0
    return out


def flips(pairs: pd.DataFrame, before: Pair, after: Pair, contributions: tuple[np.ndarray, np.ndarray] | None = None,
          names: tuple[tuple[str, ...], tuple[str, ...]] | None = None) -> pd.DataFrame:
    """One row per pair: pair_id, family, section, before, after, change, kind, and with contributions moved_by, moved.

    before, after [pair]: mean margins of baseline and candidate; kind: "broken" (was won, is not), "fixed" (was not, is),
    "moved" (same outcome, another margin) or "same" (the margin is the same float). Worst first: broken by how far they
    fell, then the others by their change, lowest first.
    """
    if len(pairs) != len(before) or len(pairs) != len(after):
        raise WorkbenchError(f"{len(pairs)} pairs beside {len(before)} and {len(after)} margins", where="flips")
    won, wins = before > 0, after > 0
    kind = np.select([won & ~wins, ~won & wins, before != after], [0, 1, 2], 3)
    order = np.argsort(after - before, kind="stable")
    order = np.concatenate([order[kind[order] == 0], order[kind[order] != 0]])
    about = pairs[["pair_id", "family", *(["section"] if "section" in pairs else [])]].take(order).reset_index(drop=True)
    table = about.assign(**({} if "section" in pairs else {"section": ""}), before=before[order], after=after[order],
                         change=(after - before)[order], kind=np.array([BROKEN, FIXED, MOVED, SAME], object)[kind[order]])
    if contributions is None:
        return table
    who, by = moved_by(contributions[0], names[0], contributions[1], names[1])
    return table.assign(moved_by=who[order], moved=by[order])


def shapley(values: dict[frozenset[int], np.ndarray], edits: int) -> list[np.ndarray]:
    """Each edit's mean gain over all orders of making them (Shapley 1953), from the outcome of every subset.

    values: subset of edits → outcome (any shape, the same for all). The gains add up to all edits against none.
    """
    gains = []
    for edit in range(edits):
        total = 0.0
        for subset, value in values.items():
            if edit in subset:
                continue
            share = factorial(len(subset)) * factorial(edits - len(subset) - 1) / factorial(edits)
            total = total + share * (values[subset | {edit}] - value)
        gains.append(np.asarray(total))
    return gains
