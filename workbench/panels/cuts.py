"""The cuts that are being dragged on the Strength screen: a value that becomes a treatment of labels, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import WorkbenchError
from ..evaluate.strength import StrengthTable, in_sections, strength_cuts
from ..preference.strength import bands
from ..scenario.labels import LABELS, LOWEST, LabelSpec

VALUE, SHARE = "value", "share"
KINDS = {"drop": "Drop", "flip": "Flip", "soft": "Soft labels", "margin": "Margin", "flip+margin": "Flip, with margin",
         "soft+margin": "Soft labels, with margin"}
DIGITS = 3  # of a cut: as fine as a handle can be set, and short in a recipe


@dataclass(frozen=True)
class Cuts:
    """kind: a LabelSpec's; flip, drop: the two cuts, None for none, in units of μ̂ or as shares (of the lowest, of the next)."""

    kind: str = "drop"
    flip: float | None = None
    drop: float | None = LOWEST
    unit: str = SHARE
    where: tuple[str, ...] = ()

    @classmethod
    def of(cls, labels: LabelSpec | str) -> Cuts:
        """Those of a treatment; for labels as they stand, the one that is proposed."""
        if not isinstance(labels, LabelSpec):
            return cls()
        unit = SHARE if labels.flip_share or labels.drop_share or not labels.cuts else VALUE
        flip, drop = (labels.flip_share, labels.drop_share) if unit == SHARE else (labels.flip_below, labels.drop_below)
        return cls(labels.kind, flip, drop, unit, tuple(labels.where))

    @property
    def flips(self) -> bool:
        """Whether the kind knows flips: below zero, soft labels prefer the other answer already."""
        return not self.kind.startswith("soft")

    @property
    def labels(self) -> LabelSpec | str:
        """The treatment, "hard" where nothing is cut and nothing else is done."""
        flip = self.flip if self.flips else None
        kind = self.kind if flip is not None else {"flip": "drop", "flip+margin": "margin"}.get(self.kind, self.kind)
        if kind == "drop" and flip is None and self.drop is None:
            return "hard"
        return LabelSpec(kind=kind, where=self.where, **_named(self.unit, flip, self.drop))

    def handles(self, table: StrengthTable) -> list[float | None]:
        """Where the two handles stand on the axis of μ̂, None for one that is not set."""
        found = strength_cuts(table, **_named(self.unit, self.flip if self.flips else None, self.drop), where=self.where)
        return [found.get("flip_below"), found.get("drop_below")]

    def masks(self, table: StrengthTable) -> tuple[np.ndarray, np.ndarray]:
        """[pair] flipped, and dropped."""
        cuts = _named(self.unit, self.flip if self.flips else None, self.drop)
        return bands(table.mean, among=in_sections(table.pairs, self.where), **cuts)

    def at(self, table: StrengthTable, which: str, value: float) -> Cuts:
        """One handle dragged to a value of μ̂; it does not cross the other one, and at the left end it is taken away."""
        flip, drop = self.handles(table)
        low = float(table.mean[in_sections(table.pairs, self.where)].min())
        if which == "flip":
            flip = min(value, np.inf if drop is None else drop)
        else:
            drop = max(value, -np.inf if flip is None else flip)
        flip, drop = (None if cut is None or cut <= low else cut for cut in (flip, drop))
        return self._by_value(table, flip, drop)

    def typed(self, table: StrengthTable, which: str, number: float | None) -> Cuts:
        """One cut as it is typed, in the present unit; nothing or, of a share, zero takes it away. WorkbenchError beyond sense."""
        if number is not None and self.unit == SHARE:
            number = None if number == 0 else number
            rest = (self.drop if which == "flip" else self.flip) or 0.0
            if number is not None and not 0 < number + rest < 1:
                raise WorkbenchError(f"{100 * number:g} % leaves nothing of the labels", where=f"{which}, share",
                                     remedy="Flips and drops together are less than 100 %")
            return self._called(replace(self, **{which: number}))
        if number is None or self.unit == SHARE:
            return self._called(replace(self, **{which: None}))
        return self.at(table, which, number)

    def to_unit(self, table: StrengthTable, unit: str) -> Cuts:
        """The same cuts in the other unit."""
        if unit not in (VALUE, SHARE):
            raise WorkbenchError(f"unit {unit!r}", remedy="Cut by value or by share")
        if unit == self.unit:
            return self
        return replace(self, unit=unit)._by_value(table, *self.handles(table))

    def to_kind(self, kind: str) -> Cuts:
        """Another treatment, with the cuts that it knows."""
        if kind not in LABELS:
            raise WorkbenchError(f"treatment {kind!r}", remedy=f"Choose {', '.join(LABELS)}")
        flip, drop = self.flip, self.drop
        if kind.startswith("flip") and flip is None:
            flip, drop = (LOWEST, None) if drop is None and self.unit == SHARE else (0.0, None) if drop is None else (drop, None)
        elif not kind.startswith("flip") and flip is not None:
            drop = flip + (drop or 0.0) if self.unit == SHARE else flip if drop is None else drop
            flip = None
        if kind == "drop" and drop is None:
            drop = LOWEST if self.unit == SHARE else 0.0
        return replace(self, kind=kind, flip=flip, drop=drop)

    def _by_value(self, table: StrengthTable, flip: float | None, drop: float | None) -> Cuts:
        """These values of μ̂, rounded, in the present unit."""
        if self.unit == VALUE:
            flip, drop = (None if cut is None else round(cut, DIGITS) for cut in (flip, drop))
            drop = None if drop is None or (flip is not None and drop <= flip) else drop
            return self._called(replace(self, flip=flip, drop=drop))
        among = np.sort(table.mean[in_sections(table.pairs, self.where)])
        below = [0.0 if cut is None else np.searchsorted(among, cut) / len(among) for cut in (flip, drop)]
        flipped, most = round(below[0], DIGITS), 1 - 10.0 ** -DIGITS
        flipped = min(flipped, most)
        dropped = round(min(max(below[1] - flipped, 0.0), most - flipped), DIGITS)
        return self._called(replace(self, flip=flipped or None, drop=dropped or None))

    @staticmethod
    def _called(cuts: Cuts) -> Cuts:
        """Its kind by its right name: with a cut for flips it is a flip, without one it is none."""
        labels = cuts.labels
        return replace(cuts, kind=labels.kind) if isinstance(labels, LabelSpec) and cuts.flips else cuts


def _named(unit: str, flip: float | None, drop: float | None) -> dict[str, float]:
    ending = "below" if unit == VALUE else "share"
    return {f"{name}_{ending}": cut for name, cut in (("flip", flip), ("drop", drop)) if cut is not None}
