"""Everything of a session that a file keeps and an observer may ask for, as one value."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import WorkbenchError
from ..evaluate.metrics import slices as declared
from ..scenario.history import History
from ..scenario.recipe import Scenario
from .selection import KEEP, KINDS, STAYS, Selection, Slice, free_name, known, mask_of, slice_mask


@dataclass(frozen=True, eq=False)
class State:
    """pinned: the baseline's scenario; history: the drafts; what is selected; slices by name; views' settings; cards."""

    pinned: Scenario
    history: History
    selection: Selection
    slices: tuple[Slice, ...] = ()
    view: dict[str, dict] = field(default_factory=dict)
    tray: tuple[dict, ...] = ()

    # -- drafts ------------------------------------------------------------------------------------

    def moved(self, history: History) -> State:
        return self if history == self.history else replace(self, history=history)

    def edited(self, draft: Scenario, gesture: str | None = None) -> State:
        """Another draft, unless its recipe is the one there is."""
        return self if draft.id == self.history.scenario.id else replace(self, history=self.history.edit(draft, gesture=gesture))

    def annotated(self, step: int, name: str | None, note: str | None) -> State:
        """Name and note of a step, and of the baseline where it is that step's scenario."""
        history = self.history.annotate(step, name=name, note=note)
        if history == self.history:
            return self
        scenario = history.steps[step].scenario
        same = scenario.id == self.pinned.id
        return replace(self, history=history, pinned=scenario if same else self.pinned)

    def pin(self, scenario: Scenario) -> State:
        return self if scenario.id == self.pinned.id else replace(self, pinned=scenario)

    # -- selection and slices ----------------------------------------------------------------------

    def select(self, which: Any, ids: pd.Index, *, primary: Any, kind: str, label: str) -> State:
        """Another selection, unless it says what the present one says."""
        if kind not in KINDS:
            raise WorkbenchError(f"a selection of kind {kind!r}", where="select", remedy=f"Kinds are {', '.join(KINDS)}")
        if which is None:
            kind, label = "all", ""
        if isinstance(which, str):
            kept = self.slice(which)
            which, kind, label = slice_mask(kept, ids), "slice", kept.name
            there, asked = int(which.sum()), len(kept.ids)
            if not there:
                raise WorkbenchError(f"slice {kept.name!r}: none of its {asked} pairs is in this study", where="select", remedy=STAYS)
            label += f" ({there} of {asked})" if there < asked else ""
        primary, mask = self.selection.primary if primary is KEEP else known(primary, ids), mask_of(which, ids)
        kind = "python" if kind == "all" and not mask.all() else kind
        return self.looking(Selection(mask, primary, kind, label))

    def look_at(self, pair_id: str | None, ids: pd.Index) -> State:
        return self.looking(replace(self.selection, primary=known(pair_id, ids)))

    def looking(self, selection: Selection) -> State:
        return self if selection.same(self.selection) else replace(self, selection=selection)

    def slice(self, name: str) -> Slice:
        for kept in self.slices:
            if kept.name == name:
                return kept
        known = ", ".join(each.name for each in self.slices) or "none yet"
        raise WorkbenchError(f"no slice {name!r}", where="slices", remedy=f"Saved are: {known}")

    def with_slice(self, name: str | None, note: str, items: pd.DataFrame) -> State:
        """The selection kept as a slice; a name is made from its label where none is given."""
        chosen, taken = self.selection, self._taken(items)
        if name is None:
            name = free_name(chosen.label or chosen.kind, taken)
        self._check_free(name, taken)
        ids = tuple(items["pair_id"][chosen.mask].astype(str))
        return replace(self, slices=(*self.slices, Slice(name, chosen.kind, chosen.label or name, ids, note)))

    def renamed(self, old: str, new: str, items: pd.DataFrame) -> State:
        kept = self.slice(old)
        if new == old:
            return self
        self._check_free(new, self._taken(items))
        slices = tuple(replace(each, name=new) if each is kept else each for each in self.slices)
        chosen = self.selection
        if chosen.kind == "slice" and chosen.label == old:
            chosen = replace(chosen, label=new)
        return replace(self, slices=slices, selection=chosen)

    def without_slice(self, name: str) -> State:
        kept = self.slice(name)
        return replace(self, slices=tuple(each for each in self.slices if each is not kept))

    def slice_masks(self, ids: pd.Index) -> dict[str, np.ndarray]:
        """name → mask [item] of every slice of which something is there."""
        masks = {each.name: slice_mask(each, ids) for each in self.slices}
        return {name: mask for name, mask in masks.items() if mask.any()}

    def _taken(self, items: pd.DataFrame) -> set[str]:
        return {*declared(items), *(each.name for each in self.slices)}

    def _check_free(self, name: str, taken: set[str]) -> None:
        if not isinstance(name, str) or not name.strip():
            raise WorkbenchError("a slice needs a name", where="slices")
        if name in taken:
            raise WorkbenchError(f"{name!r} is taken", where="slices", remedy="Choose another name, or rename the one there is")


def plain(value: Any, where: str) -> Any:
    """A copy made of dicts, lists, texts and numbers; WorkbenchError for anything that JSON does not hold."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise WorkbenchError(f"not JSON ({error})", where=where, remedy="Use texts, numbers, lists and dicts with text keys") from None
