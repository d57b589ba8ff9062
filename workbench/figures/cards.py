"""A card: which figure of which recipes on which study; small enough to travel in the figure's own metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import WorkbenchError
from ..scenario.recipe import Scenario

SCHEMA = 1
VENUE = "icml-column"


@dataclass(frozen=True)
class Card:
    """A figure as a value: its name in the set, its options, the recipes, study hash, session id and venue.

    options: JSON. scenario: the candidate's recipe; baseline: the recipe it is held against, or None. Notes on recipes stay
    behind: they are private. Raises WorkbenchError for options that are no JSON.
    """

    figure: str
    scenario: Scenario
    study: str
    baseline: Scenario | None = None
    options: Mapping = field(default_factory=dict, hash=False)
    session: str = ""
    venue: str = VENUE

    def __post_init__(self):
        try:
            options = json.loads(json.dumps(dict(self.options), sort_keys=True, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise WorkbenchError(f"options that are no JSON ({error})", where=self.figure, remedy="Use names and numbers") from None
        object.__setattr__(self, "options", options)
        for name in ("scenario", "baseline"):
            if (recipe := getattr(self, name)) is not None and recipe.note:
                object.__setattr__(self, name, recipe.model_copy(update={"note": ""}))

    def to_dict(self) -> dict:
        """As JSON has it; `from_dict` undoes it."""
        recipes = {name: None if recipe is None else json.loads(recipe.to_json())
                   for name, recipe in (("scenario", self.scenario), ("baseline", self.baseline))}
        plain = {name: getattr(self, name) for name in ("figure", "study", "session", "venue")}
        return {"schema": SCHEMA, **plain, "options": dict(self.options), **recipes}

    @classmethod
    def from_dict(cls, data: object) -> Card:
        """Read one back. WorkbenchError for what is none, unknown keys, bad recipes, or a newer schema."""
        told = dict(data) if isinstance(data, Mapping) else {}
        if isinstance(schema := told.pop("schema", None), int) and schema > SCHEMA:
            raise WorkbenchError(f"a card of schema {schema}, newer than {SCHEMA}", where="figure", remedy="Install a newer version")
        known, asked = set(cls.__dataclass_fields__), {"figure", "study", "scenario"}
        plain = all(isinstance(told.get(name, ""), str) for name in ("figure", "study", "session", "venue"))
        plain = plain and isinstance(told.get("options", {}), Mapping)
        if schema != SCHEMA or not plain or not (asked <= set(told) <= known) or told["scenario"] is None:
            raise WorkbenchError("no card of a figure", where="figure", remedy=f"A card has {', '.join(cls.__dataclass_fields__)}")
        recipes = {name: Scenario.from_json(json.dumps(told.pop(name))) for name in ("scenario", "baseline") if told.get(name) is not None}
        told.pop("baseline", None)
        return cls(**told, **recipes)
