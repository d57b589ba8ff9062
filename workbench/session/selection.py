"""What is being looked at: the items selected, the primary one, and slices kept by name. Values, and pure questions to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from ..errors import WorkbenchError, listing
from ..study import Study

KINDS = ("all", "lasso", "filter", "search", "cluster", "slice", "python")
STAYS = "The selection stays as it was"


class _Keep:
    def __repr__(self):
        return "KEEP"


KEEP = _Keep()  # the primary item stays


@dataclass(frozen=True, eq=False)
class Selection:
    """Which items are selected: mask [item] (read-only), the primary item's pair id, and how it came about.

    kind: one of KINDS; label: words for a chip, "" for everything; origin and revision: who changed it last, and when. A
    change of the primary item alone keeps the same mask object.
    """

    mask: Bool[np.ndarray, " item"] = field(repr=False)
    primary: str | None = None
    kind: str = "all"
    label: str = ""
    origin: str = ""
    revision: int = 0

    @property
    def n(self) -> int:
        """How many are selected."""
        return int(np.count_nonzero(self.mask))

    def same(self, other: Selection) -> bool:
        """Whether they say the same, whoever said it."""
        mine, theirs = ((each.primary, each.kind, each.label) for each in (self, other))
        return mine == theirs and (self.mask is other.mask or np.array_equal(self.mask, other.mask))


@dataclass(frozen=True)
class Slice:
    """A selection kept by name: pair ids, in the order of the items."""

    name: str
    kind: str
    label: str
    ids: tuple[str, ...] = field(repr=False)
    note: str = ""


def items_of(study: Study) -> pd.DataFrame:
    """The dev pairs in the row order of every Result: those with features, where the study has features."""
    pairs = study.split_pairs("dev")
    if study.store is None:
        return pairs
    tables = {"prompt": ("prompt_id",), "response": ("chosen", "rejected")}
    for kind, columns in tables.items():
        if skipped := list(study.store.skipped(kind)):
            ids = study.table(f"{kind}s")[f"{kind}_id"].iloc[skipped]
            pairs = pairs[~pairs[list(columns)].isin(set(ids)).any(axis=1)]
    return pairs.reset_index(drop=True)


def frozen(mask: np.ndarray) -> np.ndarray:
    """A copy that cannot be written to."""
    mask = np.array(mask, bool)
    mask.setflags(write=False)
    return mask


def mask_of(which: Any, ids: pd.Index) -> np.ndarray:
    """The items meant, as a read-only mask: None (all), a mask, positions, pair ids, or a frame with pair_id.

    WorkbenchError for unknown ids (named), a mask of another length, positions out of range, or nothing at all.
    """
    if which is None:
        return frozen(np.ones(len(ids), bool))
    if isinstance(which, pd.DataFrame):
        if "pair_id" not in which:
            raise WorkbenchError("a frame without pair_id", where="select", remedy="Select rows of session.items")
        which = which["pair_id"].astype(str)  # ids, never positions
    if isinstance(which, pd.Series) and pd.api.types.is_bool_dtype(which):
        rows = which.index
        in_order = rows.is_unique and rows.isin(range(len(ids))).all()  # of a sorted frame: its rows say which items are meant
        which = (which.sort_index() if in_order else which).to_numpy(bool, na_value=False)
    listed = isinstance(which, Iterable) and not isinstance(which, (str, bytes, Mapping))
    values = np.asarray(which if isinstance(which, (np.ndarray, pd.Series, pd.Index)) else list(which) if listed else [which])
    if values.dtype == bool:
        if values.shape != ids.shape:
            raise WorkbenchError(f"a mask of {values.shape} for {len(ids)} items", where="select", remedy="One value per item")
        mask = frozen(values)
    else:
        mask = np.zeros(len(ids), bool)
        mask[_positions(values, ids)] = True
        mask = frozen(mask)
    if not mask.any():
        raise WorkbenchError("nothing there: the selection stays", where="select", remedy="Choose at least one pair")
    return mask


def _positions(values: np.ndarray, ids: pd.Index) -> np.ndarray:
    if values.dtype.kind in "iu":
        if len(stray := values[(values < 0) | (values >= len(ids))]):
            raise WorkbenchError(f"no item {listing(stray)}", where="select", remedy=f"Positions are 0 to {len(ids) - 1}")
        return values
    if values.dtype.kind == "f" and len(values):
        raise WorkbenchError("numbers that are no positions", where="select", remedy="Give pair ids, a mask or whole numbers")
    found = ids.get_indexer(values.astype(str).astype(object))
    if len(stray := values[found < 0]):
        raise WorkbenchError(f"unknown pair {listing(stray)}", where="select", remedy=STAYS)
    return found


def known(pair_id: str | None, ids: pd.Index) -> str | None:
    """The pair id as text, or None for none; WorkbenchError for one that is not among the items."""
    if pair_id is None:
        return None
    if (pair_id := str(pair_id)) not in ids:
        raise WorkbenchError(f"unknown pair {pair_id!r}", where="look at", remedy="Choose one of session.items")
    return pair_id


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """The name itself, or with the first number that makes it free."""
    taken, number, name = set(taken), 2, wanted
    while name in taken:
        name, number = f"{wanted} {number}", number + 1
    return name


def slice_mask(kept: Slice, ids: pd.Index) -> np.ndarray:
    """Where the slice's pairs are among the items: all False when they are gone."""
    found = ids.get_indexer(pd.Index(kept.ids, dtype=object))
    mask = np.zeros(len(ids), bool)
    mask[found[found >= 0]] = True
    return frozen(mask)
