"""LabelSpec: what the train labels teach, as a value: treated by preference strength, by hand, or turned round on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_serializer, model_validator

from ..preference.bands import LOWEST
from .ensembles import StrengthSpec, strength_spec
from .label_words import said
from .noise import NoiseSpec
from .values import Frozen, FrozenDict, names_of

HARD = "hard"
LABELS = ("drop", "flip", "keep", "smooth", "soft", "margin", "scaled", "flip+margin", "smooth+margin", "soft+margin")
CUTS = ("flip_below", "drop_below", "flip_share", "drop_share", "smooth_below", "smooth_share")
BANDED = ("drop", "flip", "keep", "smooth", "flip+margin", "smooth+margin")  # kinds that may touch a band of percentiles alone
FLIPPED = {"drop": "flip", "margin": "flip+margin"}  # what a kind becomes when a cut for flips is given
USES = {"alpha": "smooth", "tau": "soft", "scale": "margin"}  # parameter → the part of a kind that reads it

Cut = Annotated[float, Field(allow_inf_nan=False), AfterValidator(lambda value: value + 0.0)]  # −0 is 0
Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Sections = Annotated[tuple[str, ...], BeforeValidator(names_of), AfterValidator(lambda names: tuple(sorted(names)))]
ByHand = Annotated[dict[str, Literal["flip", "drop"]], AfterValidator(lambda value: FrozenDict(sorted(value.items())))]


class LabelSpec(Frozen):
    """What the train labels teach, by preference strength μ̂ (arXiv 2401.06080, §2.3).

    kind: "drop" or "flip" the weakest; "keep" a band alone; "smooth": target 1 − alpha; "soft": target σ(μ̂ / tau); "margin":
    scale · μ̂ inside log σ, −scale · μ̂ after a flip; "scaled": weight max(μ̂, 0); "flip+margin", "smooth+margin",
    "soft+margin"; "hard": as they stand. Which are weakest, by share of the pairs: the lowest flip_share are flipped (smooth_share
    smoothed), the next drop_share dropped; or by value: μ̂ < flip_below is flipped, what else is < drop_below dropped; or band,
    two shares of the ranking, (0.2, 0.4). `quantile` and `below` stand for the kind's own share and value. Without a cut, drop and
    flip take the lowest tenth, which on planted labels did better than all below zero, and smooth takes all. where: sections in
    which labels are treated, all for none named.
    strength: where μ̂ comes from (StrengthSpec); relabel: first every label becomes the sign of μ̂, ties are dropped (pairs
    binarised from ratings); noise: labels turned round on purpose before anything else (NoiseSpec); hand: pair_id → "flip" or
    "drop", done last, whatever its strength. Raises WorkbenchError for cuts of several sorts, or crossed ones.
    """

    kind: Literal[(HARD, *LABELS)]
    flip_below: Cut | None = None
    drop_below: Cut | None = None
    flip_share: Share | None = None
    drop_share: Share | None = None
    smooth_below: Cut | None = None
    smooth_share: Share | None = None
    band: tuple[float, float] | None = None
    where: Sections = ()
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.1
    tau: Positive = 1.0
    scale: Positive = 1.0
    strength: Annotated[StrengthSpec, BeforeValidator(strength_spec)] = Field(default_factory=StrengthSpec)
    relabel: bool = False
    noise: NoiseSpec | None = None
    hand: ByHand = Field(default_factory=FrozenDict)

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, data: Any) -> Any:
        """A flip of the lowest is called a flip, and a kind that needs a cut has one."""
        if not isinstance(data, Mapping):
            return data
        data = {key: value for key, value in data.items() if value is not None}
        data = _renamed({"kind": HARD, **data} if data and data.keys() & {"relabel", "noise", "hand"} else data)
        if "flip_below" in data or "flip_share" in data:
            data["kind"] = FLIPPED.get(data.get("kind"), data.get("kind"))
        elif data.get("kind") in ("flip", "flip+margin") and not data.keys() & {"drop_below", "band"}:
            data["flip_share"] = LOWEST
        if data.get("kind") == "drop" and not data.keys() & {"drop_below", "band"}:
            data.setdefault("drop_share", LOWEST)
        return data

    @model_validator(mode="after")
    def _sound(self) -> LabelSpec:
        given, parts = self.cuts, self.kind.split("+")
        if any(name.endswith("below") for name in given) and any(name.endswith("share") for name in given):
            raise ValueError("cuts by value and by share at once: give both as flip_below, drop_below or as flip_share, drop_share")
        first = [name for name in given if name.startswith("flip")]
        if first and "soft" in parts:
            raise ValueError('soft labels need no flip: below zero σ(μ̂) prefers the other answer already; take kind "flip"')
        for part in ("flip", "smooth"):
            if any(name.startswith(part) for name in given) and part not in parts:
                raise ValueError(f"a cut for {part} beside kind {self.kind!r}, which does not {part}")
        if "flip" in parts and not first and self.band is None:
            raise ValueError("drop_below beside a flip without flip_below: give both")
        if self.band is not None:
            _banded(self.kind, self.band, given)
        elif self.kind == "keep":
            raise ValueError("keep needs a band of the ranking, for example (0.2, 1.0)")
        if self.kind in (HARD, "scaled") and given:
            raise ValueError(f"kind {self.kind!r} takes no cut")
        value, share = (next((given[n] for n in given if n in (f"flip_{end}", f"smooth_{end}")), None) for end in ("below", "share"))
        if value is not None and self.drop_below is not None and value > self.drop_below:
            raise ValueError("flip_below lies above drop_below: flip the lowest, drop the next, keep the rest")
        if (share or 0) + (self.drop_share or 0) >= 1:
            raise ValueError("flip_share and drop_share leave nothing of the labels as they stand")
        fields = type(self).model_fields
        unread = [name for name, part in USES.items() if getattr(self, name) != fields[name].default and part not in parts]
        if not self.reads_strength:
            unread += [name for name in ("strength", "where") if getattr(self, name) != fields[name].get_default(call_default_factory=True)]
        if unread:
            raise ValueError(f"{', '.join(unread)} beside kind {self.kind!r}, which does not read it")
        return self

    @model_serializer(mode="wrap")
    def _bare(self, handler) -> dict:
        plain = {name: field.get_default(call_default_factory=True) for name, field in type(self).model_fields.items()}
        return {name: value for name, value in handler(self).items() if name == "kind" or getattr(self, name) != plain[name]}

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def cuts(self) -> dict[str, float]:
        """The cuts that are given, by name: the options of `preference.bands.bands`."""
        return {name: getattr(self, name) for name in CUTS if getattr(self, name) is not None}

    @property
    def reads_strength(self) -> bool:
        """Whether anything of it depends on μ̂."""
        return self.kind != HARD or self.relabel

    @property
    def words(self) -> str:
        """In words: "flip the lowest 5 %, drop the next 10 %"."""
        return said(self)


def _renamed(data: dict) -> dict:
    """`quantile` and `below` by the names that the kind has for them."""
    part = str(data.get("kind", "")).split("+")[0]
    for alias, ending in (("quantile", "share"), ("below", "below")):
        if alias in data and part in ("drop", "flip", "smooth"):
            data[f"{part}_{ending}"] = data.pop(alias)
    return data


def _banded(kind: str, band: tuple[float, float], given: dict) -> None:
    if kind not in BANDED or given:
        raise ValueError(f"a band beside {'cuts' if given else f'kind {kind!r}'}: it is of {', '.join(BANDED)} alone, without cuts")
    if not 0 <= band[0] < band[1] <= 1:
        raise ValueError(f"band {band[0]:g} to {band[1]:g}: give two shares of the ranking, for example (0.2, 0.4)")
    if kind == "drop" and band == (0.0, 1.0):
        raise ValueError("a band of all pairs leaves nothing of the labels")


def label_spec(value: Any) -> Any:
    """What stands for a treatment as one: "hard", None and "none" are "hard", a kind's name that kind with its own cut."""
    if value in (None, "none", HARD):
        return HARD
    if isinstance(value, str):
        return LabelSpec(kind=value)
    spec = LabelSpec(**value) if isinstance(value, Mapping) else value
    return HARD if isinstance(spec, LabelSpec) and spec.model_dump() == {"kind": HARD} else spec


def label_words(labels: LabelSpec | str) -> str:
    """What is done to the labels, in words."""
    return labels.words if isinstance(labels, LabelSpec) else "labels as they stand"
