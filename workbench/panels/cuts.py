"""A treatment of labels as it is being set on the Strength screen: cuts that are dragged or typed, numbers, and a LabelSpec of them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from ..errors import WorkbenchError
from ..evaluate.strength import StrengthTable, in_sections, strength_cuts
from ..preference.bands import LOWEST, Bands
from ..scenario.ensembles import StrengthSpec, strength_spec
from ..scenario.labels import BANDED, FLIPPED, HARD, USES, LabelSpec, label_spec
from ..scenario.noise import NoiseSpec
from ..scenario.treatment import masks

VALUE, SHARE, BAND = UNITS = ("value", "share", "band")
KINDS = {HARD: "As they stand", "drop": "Drop", "flip": "Flip", "keep": "Keep a band", "smooth": "Smooth", "soft": "Soft labels",
         "margin": "Margin", "scaled": "Weight by strength", "flip+margin": "Flip, with margin", "smooth+margin": "Smooth, with margin",
         "soft+margin": "Soft labels, with margin"}
UNCUT = {part: whole for whole, part in FLIPPED.items()}  # a flip without a cut for flips is no flip
FIRST = 0.2  # of the ranking, below a band that is kept
DIGITS = 3  # of a cut: as fine as a handle can be set, and short in a recipe


@dataclass(frozen=True)
class Cuts:
    """kind: a LabelSpec's; flip, drop: the two cuts, None for none, in units of μ̂ or as shares (of the lowest, of the next); of a
    kind that smooths, `flip` is what is smoothed; of a band, both are its ends, as shares of the ranking.

    alpha, tau, scale: where the kind reads them; strength, noise, relabel, hand: as a LabelSpec has them.
    """

    kind: str = "drop"
    flip: float | None = None
    drop: float | None = LOWEST
    unit: str = SHARE
    where: tuple[str, ...] = ()
    alpha: float = 0.1
    tau: float = 1.0
    scale: float = 1.0
    strength: StrengthSpec = StrengthSpec()
    noise: NoiseSpec | None = None
    relabel: bool = False
    hand: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, labels: LabelSpec | str) -> Cuts:
        """Those of a treatment; for labels as they stand, the one that is proposed."""
        if not isinstance(labels, LabelSpec):
            return cls()
        rest = {name: getattr(labels, name) for name in ("where", "alpha", "tau", "scale", "strength", "noise", "relabel")}
        rest |= {"kind": labels.kind, "hand": tuple(labels.hand.items())}
        if labels.band is not None:
            return cls(flip=labels.band[0], drop=labels.band[1], unit=BAND, **rest)
        unit = VALUE if any(name.endswith("below") for name in labels.cuts) else SHARE
        ending = "below" if unit == VALUE else "share"
        first, drop = (next((cut for name in names if (cut := labels.cuts.get(f"{name}_{ending}")) is not None), None)
                       for names in (("flip", "smooth"), ("drop",)))
        return cls(flip=first, drop=drop, unit=unit, **rest)

    # -- as JSON -----------------------------------------------------------------------------------

    @property
    def plain(self) -> dict:
        """As a session keeps it."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        found["strength"] = self.strength.model_dump(mode="json")
        return found | {"noise": self.noise and self.noise.model_dump(mode="json"), "hand": dict(self.hand)}

    @classmethod
    def from_plain(cls, kept: dict) -> Cuts:
        known = {field.name for field in fields(cls)}
        asked = {name: value for name, value in kept.items() if name in known}
        asked["strength"] = strength_spec(asked.get("strength") or None)
        asked["noise"] = NoiseSpec(**asked["noise"]) if asked.get("noise") else None
        return cls(**{**asked, "where": tuple(asked.get("where", ())), "hand": tuple((asked.get("hand") or {}).items())})

    # -- what it comes to --------------------------------------------------------------------------

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.kind.split("+"))

    @property
    def first(self) -> str | None:
        """What the first cut does: "flip" or "smooth"; None for kinds without one (soft labels prefer the other answer already)."""
        if {"soft", "scaled", HARD} & set(self.parts):
            return None
        return "smooth" if "smooth" in self.parts else "flip"

    @property
    def handles_on(self) -> tuple[bool, bool]:
        """Whether each of the two handles can be dragged."""
        return (True, True) if self.unit == BAND else (self.first is not None, self.kind not in (HARD, "scaled"))

    @property
    def labels(self) -> LabelSpec | str:
        """The treatment, "hard" where nothing is cut and nothing else is done."""
        kind = self.kind
        given = {name: getattr(self, name) for name, part in USES.items() if part in self.parts}
        if self.unit == BAND:
            given["band"] = (self.flip or 0.0, 1.0 if self.drop is None else self.drop)
        else:
            given |= self._named(self.flip, self.drop)
            kind = kind if self.first != "flip" or self.flip is not None else UNCUT.get(kind, kind)
            kind = HARD if kind == "drop" and self.drop is None else kind
        if kind != HARD or self.relabel:
            given["strength"] = self.strength
        rest = {"noise": self.noise, "relabel": self.relabel, "hand": dict(self.hand)}
        return label_spec({"kind": kind, "where": self.where if kind != HARD else (), **given, **{k: v for k, v in rest.items() if v}})

    def masks(self, table: StrengthTable) -> Bands:
        """Masks [pair] of what is flipped, smoothed and dropped by strength."""
        labels, none = self.labels, np.zeros(len(table), bool)
        if not isinstance(labels, LabelSpec):
            return Bands(none, none, none)
        return masks(labels, table.mean, in_sections(table.pairs, self.where))

    def handles(self, table: StrengthTable) -> list[float | None]:
        """Where the two handles stand on the axis of μ̂, None for one that is not set."""
        if self.unit == BAND:
            low, high = self.flip or 0.0, 1.0 if self.drop is None else self.drop
            ends = {"flip_share": low, "drop_share": high - low if high < 1 else 0.0}
            found = strength_cuts(table, **{name: cut for name, cut in ends.items() if cut}, where=self.where)
            return [found.get("flip_below"), found.get("drop_below")]
        found = strength_cuts(table, **self._named(self.flip, self.drop), where=self.where)
        return [found.get(f"{self.first}_below"), found.get("drop_below")]

    # -- moving it ---------------------------------------------------------------------------------

    def at(self, table: StrengthTable, which: str, value: float) -> Cuts:
        """One handle dragged to a value of μ̂; it does not cross the other one, and at its end of the axis it is taken away."""
        flip, drop = self.handles(table)
        among = self._among(table)
        if which == "flip":
            flip = min(value, np.inf if drop is None else drop)
        else:
            drop = max(value, -np.inf if flip is None else flip)
        flip = None if flip is None or flip <= among[0] else flip
        drop = None if drop is None or (drop <= among[0] and self.unit != BAND) else drop
        return self._by_value(table, flip, drop)

    def typed(self, table: StrengthTable, which: str, number: float | None) -> Cuts:
        """One cut as it is typed, in the present unit; nothing or, of a share, zero takes it away. WorkbenchError beyond sense."""
        if self.unit == BAND:
            ends = {"flip": self.flip or 0.0, "drop": 1.0 if self.drop is None else self.drop, which: number}
            low, high = 0.0 if ends["flip"] is None else ends["flip"], 1.0 if ends["drop"] is None else ends["drop"]
            if not 0 <= low < high <= 1:
                raise WorkbenchError(f"a band from {100 * low:g} % to {100 * high:g} %", where=f"{self.kind}, band",
                                     remedy="Two shares of the ranking, the lower one first")
            return replace(self, flip=low or None, drop=high if high < 1 else None)
        if number is not None and self.unit == SHARE:
            number = None if number == 0 else number
            rest = (self.drop if which == "flip" else self.flip) or 0.0
            if number is not None and not 0 < number + rest < 1:
                raise WorkbenchError(f"{100 * number:g} % leaves nothing of the labels", where=f"{which}, share",
                                     remedy="Flips and drops together are less than 100 %")
            return replace(self, **{which: number})._called()
        if number is None or self.unit == SHARE:
            return replace(self, **{which: None})._called()
        return self.at(table, which, number)

    def numbered(self, name: str, value: float) -> Cuts:
        """alpha, tau or scale as it is typed. WorkbenchError for what a LabelSpec refuses."""
        if name not in USES:
            raise WorkbenchError(f"number {name!r}", where="strength", remedy=f"One of {', '.join(USES)}")
        found = replace(self, **{name: float(value)})
        _ = found.labels
        return found

    def to_unit(self, table: StrengthTable, unit: str) -> Cuts:
        """The same cuts in the other unit, as near as it has them."""
        if unit not in UNITS:
            raise WorkbenchError(f"unit {unit!r}", remedy=f"Cut by {', '.join(UNITS)}")
        if unit == self.unit:
            return self
        if unit == BAND:
            if self.kind not in BANDED:
                raise WorkbenchError(f"no band of {KINDS[self.kind].lower()}", where="strength", remedy="Cut by value or by share")
            flip, drop = self._shares(table)
            low, high = (flip, min(flip + drop, 1.0)) if self.first == "flip" and not flip else (0.0, flip or 1.0)
            return replace(self, unit=BAND, flip=low or None, drop=high if 0 < high < 1 else LOWEST if self.kind == "drop" else None)
        if self.unit != BAND:
            return replace(self, unit=unit)._by_value(table, *self.handles(table))
        low, high = self.flip, self.drop  # a band's upper end is the share from the lowest up
        of = {"keep": (None, low), "drop": (None, high or LOWEST)}.get(self.kind, (high, None))
        found = replace(self, kind="drop" if self.kind == "keep" else self.kind, unit=SHARE, flip=of[0], drop=of[1])._called()
        return found if unit == SHARE else found.to_unit(table, VALUE)

    def to_kind(self, table: StrengthTable, kind: str) -> Cuts:
        """Another treatment, with the cuts that it knows."""
        if kind not in KINDS:
            raise WorkbenchError(f"treatment {kind!r}", remedy=f"Choose {', '.join(KINDS)}")
        if kind == self.kind:
            return self
        if kind == "keep":
            below = round(sum(self._shares(table)), DIGITS) if self.unit != BAND else FIRST
            return replace(self, kind=kind, unit=BAND, flip=below or FIRST, drop=None)
        if self.unit == BAND and kind in BANDED and self.kind != "keep":
            return replace(self, kind=kind)
        now = self.to_unit(table, SHARE) if self.unit == BAND else self
        flip, drop, wanted, least = now.flip, now.drop, replace(now, kind=kind).first, LOWEST if now.unit == SHARE else 0.0
        if kind.startswith("flip") and flip is None:
            flip, drop = (least, None) if drop is None else (drop, None)
        elif flip is not None and (wanted is None or kind in UNCUT.values()):
            drop = round(flip + (drop or 0.0), DIGITS) if now.unit == SHARE else flip if drop is None else drop
            flip = None
        if kind == "drop" and drop is None:
            drop = least
        return replace(now, kind=kind, flip=flip, drop=drop)

    def from_source(self, table: StrengthTable, spec: StrengthSpec) -> Cuts:
        """With strength from elsewhere: by share, since values are on another scale there."""
        now = self.to_unit(table, SHARE) if self.unit == VALUE and self.handles_on[1] else self
        return replace(now, strength=spec)

    # -- inner -------------------------------------------------------------------------------------

    def _among(self, table: StrengthTable) -> np.ndarray:
        return np.sort(table.mean[in_sections(table.pairs, self.where)])

    def _shares(self, table: StrengthTable) -> tuple[float, float]:
        """Share of the lowest below the first cut, and of the next below the second."""
        now = self if self.unit == SHARE else replace(self, unit=SHARE)._by_value(table, *self.handles(table))
        return now.flip or 0.0, now.drop or 0.0

    def _by_value(self, table: StrengthTable, flip: float | None, drop: float | None) -> Cuts:
        """These values of μ̂, rounded, in the present unit."""
        if self.unit == VALUE:
            flip, drop = (None if cut is None else round(cut, DIGITS) for cut in (flip, drop))
            drop = None if drop is None or (flip is not None and drop <= flip) else drop
            return replace(self, flip=flip, drop=drop)._called()
        among, least = self._among(table), 10.0 ** -DIGITS
        below = [0.0 if cut is None else np.searchsorted(among, cut) / len(among) for cut in (flip, drop)]
        first = min(round(below[0], DIGITS), 1 - least)
        if self.unit == BAND:
            last = 1.0 if drop is None else max(round(below[1], DIGITS), round(first + least, DIGITS))
            return replace(self, flip=first or None, drop=last if last < 1 else None)
        dropped = round(min(max(below[1] - first, 0.0), 1 - least - first), DIGITS)
        return replace(self, flip=first or None, drop=dropped or None)._called()

    def _called(self) -> Cuts:
        """Its kind by its right name: with a cut for flips it is a flip, without one it is none."""
        if self.first != "flip" or self.unit == BAND:
            return self
        return replace(self, kind=FLIPPED.get(self.kind, self.kind) if self.flip is not None else UNCUT.get(self.kind, self.kind))

    def _named(self, first: float | None, drop: float | None) -> dict[str, float]:
        """The cuts by the names that a LabelSpec has for them."""
        ending = "below" if self.unit == VALUE else "share"
        on = self.handles_on
        found = {f"{self.first}_{ending}": first if on[0] else None, f"drop_{ending}": drop if on[1] else None}
        return {name: cut for name, cut in found.items() if cut is not None}
