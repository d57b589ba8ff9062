"""Scenario: a what-if as a value. Its id is the hash of its recipe; an edit makes a child."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_serializer, model_validator

from ..errors import WorkbenchError
from .heads import ContrastiveSpec, MetaSpec
from .labels import LabelSpec, label_spec, label_words
from .values import Frozen, FrozenDict, canonical, names_of

KINDS = ("softmax", "global", "uniform", "bradley-terry", "given")
GIVEN = "given"  # as it came with the study's model: a gate, or penalties
WORDS = ("name", "note", "parent")  # said of a scenario, not part of its recipe


def _seeds(value: tuple[int, ...], info) -> tuple[int, ...]:
    """A gate that is not trained is one whatever the seed: its recipe has one form, and another's seeds may be put into it."""
    if not value or len(set(value)) != len(value) or min(value) < 0:
        raise ValueError("seeds are one or more different whole numbers from 0")
    gate = info.data.get("gate")
    return (0,) if gate is not None and gate.kind == GIVEN else value


def _nuisance(value: Any) -> Any:
    """None, one name, or a tuple of several, sorted: they are taken out together, in no order."""
    if isinstance(value, str) or value is None:
        return value or None
    names = names_of(value)
    if not isinstance(names, tuple):
        return names
    return tuple(sorted(names)) if len(names) > 1 else (names[0] if names else None)


Names = Annotated[tuple[str, ...], BeforeValidator(names_of)]
Multipliers = Annotated[dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]],
                        AfterValidator(lambda value: FrozenDict({k: v for k, v in value.items() if v != 1.0}))]
Swaps = Annotated[dict[str, str], AfterValidator(lambda value: FrozenDict({k: v for k, v in value.items() if v != k}))]


class GateSpec(Frozen):
    """Which scalarizer, and how it is trained. kind "bradley-terry" is a plain head without objectives; "given" the gate of
    the model that the study comes with, which is not trained and has no settings.

    start, of a softmax gate: "global" (the best single set of weights), "uniform", or the id of a scenario whose trained
    gates it goes on from, seed by seed. contrastive, meta: what a head learns besides its pairs, one of them (ContrastiveSpec, whose
    head has hidden layers, and MetaSpec).
    """

    kind: Literal[KINDS] = "softmax"
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (64,)
    temperature: float = Field(1.0, gt=0, allow_inf_nan=False)
    steps: int = Field(400, ge=1)
    batch_size: int = Field(512, ge=1)
    lr: float = Field(2e-4, gt=0, allow_inf_nan=False)
    start: Annotated[str, Field(pattern="^(uniform|global|[0-9a-f]{12})$")] = "global"
    contrastive: ContrastiveSpec | None = None
    meta: MetaSpec | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_kind(cls, data: Any) -> Any:
        """A head's own defaults: linear, as `BradleyTerryHead.fit` has them; with a contrastive loss `ContrastiveHead.fit`'s."""
        if not isinstance(data, Mapping) or data.get("kind") != "bradley-terry":
            return data
        return {"hidden": (), "lr": 1e-2, **({"hidden": (64,), "lr": 3e-3} if data.get("contrastive") else {}), "steps": 400, **data}

    @model_validator(mode="after")
    def _as_it_is(self) -> GateSpec:
        fields = type(self).model_fields
        set_ = [name for name in fields if name != "kind" and getattr(self, name) != fields[name].default] if self.kind == GIVEN else []
        if set_:
            raise ValueError(f"the study's own gate is as it is: leave out {', '.join(set_)}")
        if (self.contrastive or self.meta) and self.kind != "bradley-terry":
            raise ValueError('contrastive losses and meta steps are of heads on features: take kind "bradley-terry"')
        if self.contrastive and self.meta:
            raise ValueError("a contrastive loss and a meta step at once: take one of them")
        if self.contrastive and not self.hidden:
            raise ValueError("a contrastive loss needs a representation: give the head a hidden layer, for example (64,)")
        return self

    @model_serializer(mode="wrap")
    def _bare(self, handler) -> dict:
        return {name: value for name, value in handler(self).items() if value is not None}

    @property
    def warm(self) -> bool:
        """Whether it starts from a trained gate."""
        return self.kind == "softmax" and self.start not in ("uniform", "global")


class Scenario(Frozen):
    """A frozen recipe: objectives kept, dropped, reweighted, swapped; debias; labels; gate; seeds.

    keep: only these (None: all); drop: without these; multiply: name → factor on its contribution; swap: name → the
    objective or measured column in its place; debias: nuisance (objective or measured column), or several, taken out by
    debias_method, "given" being the penalties of the study's own model; labels: "hard", or a treatment by preference
    strength: a LabelSpec, or its kind alone; seeds: of a gate that is given always (0,). Unknown keys raise WorkbenchError
    naming them.
    """

    name: str = ""
    keep: Annotated[tuple[str, ...] | None, BeforeValidator(lambda value: value if value is None else names_of(value))] = None
    drop: Names = ()
    multiply: Multipliers = Field(default_factory=FrozenDict)
    swap: Swaps = Field(default_factory=FrozenDict)
    debias: Annotated[str | tuple[str, ...] | None, BeforeValidator(_nuisance)] = None
    debias_method: Literal["exact", "grid", "given"] = "exact"
    nonnegative: bool = False
    gate: GateSpec = Field(default_factory=GateSpec)
    labels: Annotated[Literal["hard"] | LabelSpec, BeforeValidator(label_spec)] = "hard"
    seeds: Annotated[tuple[int, ...], AfterValidator(_seeds)] = Field((0, 1, 2, 3, 4), validate_default=True)
    parent: str | None = None
    note: str = ""

    def recipe(self) -> dict:
        """What decides the outcome, in canonical form: no name, note or parent; sets in sorted order."""
        found = self.model_dump(mode="json", exclude=set(WORDS))
        found["keep"] = found["keep"] and sorted(found["keep"])
        found["drop"] = sorted(found["drop"])
        if isinstance(found["debias"], list):
            found["debias"] = sorted(found["debias"])
        if found["debias"] is None:
            found.pop("debias_method"), found.pop("nonnegative")
        return found

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits: the hash of the recipe."""
        return hashlib.sha256(canonical(self.recipe()).encode()).hexdigest()[:12]

    def __hash__(self) -> int:
        return hash(self.to_json())

    @property
    def nuisances(self) -> tuple[str, ...]:
        """The debias targets as a tuple, empty for none."""
        return names_of(self.debias) if self.debias else ()

    def kept(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Which of the objectives take part, in their own order. WorkbenchError for an unknown one, or for none left."""
        for field in ("keep", "drop", "multiply", "swap"):
            unknown = [name for name in getattr(self, field) or () if name not in names]
            if unknown:
                raise WorkbenchError(f"unknown objective {', '.join(map(repr, unknown))}", where=f"scenario, {field}",
                                     remedy=f"Known: {', '.join(names)}")
        left = tuple(name for name in names if name not in self.drop and (self.keep is None or name in self.keep))
        if not left:
            raise WorkbenchError("no objective is left", where="scenario", remedy="Keep at least one")
        return left

    def child(self, **edits) -> Scenario:
        """Another scenario whose parent is this one; its name and note are its own, and its seeds where this one trains nothing."""
        fields = {field: getattr(self, field) for field in type(self).model_fields if field not in WORDS}
        if isinstance(gate := edits.get("gate"), Mapping):
            same = gate.get("kind", self.gate.kind) == self.gate.kind
            edits["gate"] = GateSpec(**{**(self.gate.model_dump() if same else {}), **gate})
        if self.gate.kind == GIVEN and edits.get("gate", self.gate) != self.gate:
            del fields["seeds"]
        return type(self)(**{**fields, "parent": self.id, **edits})

    def to_json(self) -> str:
        """Canonical JSON, name and note included."""
        return canonical(self.model_dump(mode="json"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Scenario:
        """Read one back. WorkbenchError for text that is no JSON object, unknown keys or bad values."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise WorkbenchError(f"not JSON ({error})", where="scenario", remedy='For example {"drop": ["verbosity"]}') from None
        if not isinstance(data, dict):
            raise WorkbenchError("not a JSON object", where="scenario", remedy='For example {"drop": ["verbosity"]}')
        return cls(**data)

    def edits_from(self, other: Scenario) -> tuple[str, ...]:
        """The edits that lead from another scenario to this one, each in words; empty where the recipes agree."""
        words = [f"only {', '.join(self.keep)}" if self.keep else "every objective kept"] if self.keep != other.keep else []
        words += [f"without {name}" for name in self.drop if name not in other.drop]
        words += [f"with {name} again" for name in other.drop if name not in self.drop]
        for name in {**other.multiply, **self.multiply}:
            if (factor := self.multiply.get(name, 1.0)) != other.multiply.get(name, 1.0):
                words.append(f"{name} × {factor:g}")
        for name in {**other.swap, **self.swap}:
            if (column := self.swap.get(name)) != other.swap.get(name):
                words.append(f"{column} in place of {name}" if column else f"{name} itself again")
        words += self._debias_words(other)
        if self.labels != other.labels:
            by = "" if self.labels == "hard" else f"labels{' by preference strength' * self.labels.reads_strength}: "
            words.append(by + label_words(self.labels))
        for field in GateSpec.model_fields:
            if (value := getattr(self.gate, field)) != getattr(other.gate, field):
                shown = " × ".join(map(str, value)) if isinstance(value, tuple) else getattr(value, "words", value)
                words.append(f"gate {field.replace('_', ' ')} {shown or 'none'}")
        if self.seeds != other.seeds:
            words.append(f"{len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''} ({', '.join(map(str, self.seeds))})")
        return tuple(words)

    def _debias_words(self, other: Scenario) -> list[str]:
        words = []
        if set(self.nuisances) != set(other.nuisances):
            words.append(f"debiased against {' and '.join(self.nuisances)}" if self.debias else "no debias")
        if self.debias and self.debias_method != (other.debias_method if other.debias else "exact"):
            words.append(f"debias by the {self.debias_method} method")
        if self.debias and self.nonnegative != (other.nonnegative if other.debias else False):
            words.append("penalties not below 0" if self.nonnegative else "penalties of either sign")
        return words
