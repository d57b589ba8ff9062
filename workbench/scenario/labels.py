"""LabelSpec: what is done to the train labels by preference strength, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_serializer, model_validator

from .values import Frozen, names_of

LABELS = ("drop", "flip", "soft", "margin", "flip+margin", "soft+margin")
LOWEST = 0.1  # of the pairs, where a treatment that needs a cut is given none
CUTS = ("flip_below", "drop_below", "flip_share", "drop_share")
FLIPPED = {"drop": "flip", "margin": "flip+margin"}  # what a kind becomes when a cut for flips is given

Cut = Annotated[float, Field(allow_inf_nan=False), AfterValidator(lambda value: value + 0.0)]  # −0 is 0
Share = Annotated[float, Field(gt=0, lt=1)]
Sections = Annotated[tuple[str, ...], BeforeValidator(names_of), AfterValidator(lambda names: tuple(sorted(names)))]


class LabelSpec(Frozen):
    """A treatment of the train labels by preference strength μ̂ (arXiv 2401.06080, §2.3).

    kind: "drop" or "flip" the weakest; "soft": target σ(μ̂); "margin": μ̂ as margin, −μ̂ after a flip; "flip+margin",
    "soft+margin". Which are weakest, by share of the pairs: the lowest flip_share are flipped, the next drop_share dropped;
    or by value: μ̂ < flip_below is flipped, what else is < drop_below dropped. Both bands at once are a flip, or a
    flip+margin; soft labels take a cut for dropping alone. Without a cut, drop and flip take the lowest tenth, which on
    planted labels did better than all below zero. where: sections in which labels are treated, all for none named.
    Raises WorkbenchError for cuts of both sorts, or crossed ones.
    """

    kind: Literal[LABELS]
    flip_below: Cut | None = None
    drop_below: Cut | None = None
    flip_share: Share | None = None
    drop_share: Share | None = None
    where: Sections = ()

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, data: Any) -> Any:
        """A flip of the lowest is called a flip, and a kind that needs a cut has one."""
        if not isinstance(data, Mapping):
            return data
        data = {key: value for key, value in data.items() if value is not None}
        if "flip_below" in data or "flip_share" in data:
            data["kind"] = FLIPPED.get(data.get("kind"), data.get("kind"))
        elif data.get("kind") in ("flip", "flip+margin") and "drop_below" not in data:
            data["flip_share"] = LOWEST
        if data.get("kind") == "drop" and "drop_below" not in data:
            data.setdefault("drop_share", LOWEST)
        return data

    @model_validator(mode="after")
    def _sound(self) -> LabelSpec:
        flips = self.flip_below is not None or self.flip_share is not None
        if (self.flip_below is not None or self.drop_below is not None) and (self.flip_share or self.drop_share):
            raise ValueError("cuts by value and by share at once: give both as flip_below, drop_below or as flip_share, drop_share")
        if self.kind in ("soft", "soft+margin") and flips:
            raise ValueError('soft labels need no flip: below zero σ(μ̂) prefers the other answer already; take kind "flip"')
        if self.kind in ("flip", "flip+margin") and not flips:
            raise ValueError("drop_below beside a flip without flip_below: give both")
        if None not in (self.flip_below, self.drop_below) and self.flip_below > self.drop_below:
            raise ValueError("flip_below lies above drop_below: flip the lowest, drop the next, keep the rest")
        if (self.flip_share or 0) + (self.drop_share or 0) >= 1:
            raise ValueError("flip_share and drop_share leave nothing of the labels as they stand")
        return self

    @model_serializer(mode="wrap")
    def _bare(self, handler) -> dict:
        return {key: value for key, value in handler(self).items() if value not in (None, (), [])}

    @property
    def cuts(self) -> dict[str, float]:
        """The cuts that are given, by name: the options of `preference.strength.bands`."""
        return {name: getattr(self, name) for name in CUTS if getattr(self, name) is not None}

    @property
    def words(self) -> str:
        """In words: "flip the lowest 5 %, drop the next 10 %"."""
        said = []
        if self.flip_share:
            said.append(f"flip the lowest {_percent(self.flip_share)}")
        if self.drop_share:
            said.append(f"drop the {'next' if self.flip_share else 'lowest'} {_percent(self.drop_share)}")
        if self.flip_below is not None:
            said.append(f"flip below {_number(self.flip_below)}")
        if self.drop_below is not None:
            said.append(f"drop {'below' if self.flip_below is None else 'the rest below'} {_number(self.drop_below)}")
        if self.kind.startswith("soft"):
            said.append("soft labels σ(μ̂)")
        if self.kind.endswith("margin"):
            said.append("margin μ̂")
        return ", ".join(said) + (f", in {' and '.join(self.where)} alone" if self.where else "")


def label_spec(value: Any) -> Any:
    """What stands for a treatment as one: "hard", None and "none" are "hard", a kind's name that kind with its own cut."""
    if value in (None, "none", "hard"):
        return "hard"
    if isinstance(value, str):
        return LabelSpec(kind=value)
    return LabelSpec(**value) if isinstance(value, Mapping) else value


def label_words(labels: LabelSpec | str) -> str:
    """What is done to the labels, in words."""
    return labels.words if isinstance(labels, LabelSpec) else "labels as they stand"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
