"""StrengthSpec: where preference strength comes from, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_serializer, model_validator

from ..preference.strength import KINDS
from .values import Frozen, names_of

SOURCES = ("heads", "scores", "ratings")
FITTED = ("kind", "members", "folds", "hidden", "seed")  # what only an ensemble of heads has
Columns = Annotated[tuple[str, ...], BeforeValidator(names_of)]


class StrengthSpec(Frozen):
    """Where preference strength μ̂ of a study's pairs comes from.

    source "heads": an ensemble of reward heads trained on the study's features; kind "bootstrap", "mlp", "subspace" or
    "linear" (see `Strength.fit`), members of it, folds of the cross-fit by family (1: in-sample), hidden layers, seed.
    "scores": columns of scores that reward models gave, a member each; without names those of the public ten-model schema
    (rm-00 …), as they stand; named ones are divided by the deviation of their train margins, so that none drowns the others.
    "ratings": the gap between both answers' ratings on [0, 1], the mean over the named objectives (all for none) that are rated
    of both; one member, without a deviation.
    length_matched: each pair is compared with pairs of about the same difference of length.
    """

    source: Literal[SOURCES] = "heads"
    kind: Literal[KINDS] = "bootstrap"
    members: int = Field(10, ge=1)
    folds: int = Field(5, ge=1)
    hidden: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    seed: int = Field(0, ge=0)
    columns: Columns = ()
    length_matched: bool = False

    @model_validator(mode="after")
    def _sound(self) -> StrengthSpec:
        if self.source == "heads" and self.columns:
            raise ValueError('columns are of source "scores" or "ratings": heads are trained')
        fields = type(self).model_fields
        set_ = [name for name in FITTED if getattr(self, name) != fields[name].default]
        if self.source != "heads" and set_:
            raise ValueError(f"strength from {self.source} is not fitted: leave out {', '.join(set_)}")
        return self

    @model_serializer(mode="wrap")
    def _bare(self, handler) -> dict:
        return {name: value for name, value in handler(self).items() if getattr(self, name) != type(self).model_fields[name].default}

    @property
    def words(self) -> str:
        """In words: "10 bootstrap heads, 5 folds"."""
        if self.source == "heads":
            said = f"{self.members} {self.kind} head{'s' * (self.members > 1)}, {f'{self.folds} folds' if self.folds > 1 else 'in-sample'}"
            said += f", hidden {' × '.join(map(str, self.hidden))}" if self.hidden else ""
            said += f", seed {self.seed}" if self.seed else ""
        else:
            said = f"{self.source} {', '.join(self.columns)}" if self.columns else f"all {self.source}"
        return said + (", length-matched" if self.length_matched else "")


def strength_spec(value: Any) -> Any:
    """What stands for a source as one: None is the default, a name its kind of heads or, of "scores" and "ratings", that source."""
    if value is None:
        return StrengthSpec()
    if isinstance(value, str):
        return StrengthSpec(source=value) if value in SOURCES else StrengthSpec(kind=value)
    return StrengthSpec(**value) if isinstance(value, Mapping) else value
