"""What recipes are made of: frozen models that name their errors, frozen dicts, canonical JSON."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import WorkbenchError


class FrozenDict(dict):
    """A dict that cannot be changed in place."""

    def _refuse(self, *_, **__):
        raise TypeError("a scenario is frozen: make a child with .child(...)")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self):
        return (FrozenDict, (dict(self),))


class Frozen(BaseModel):
    """A frozen model without unknown keys; what is wrong with its values is one WorkbenchError."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **data):
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise _told(error, type(self)) from None


def _told(error: ValidationError, model: type[BaseModel]) -> WorkbenchError:
    found, where = error.errors(include_url=False), model.__name__
    unknown = [".".join(map(str, entry["loc"])) for entry in found if entry["type"] == "extra_forbidden"]
    if unknown:
        known = ", ".join(model.model_fields)
        return WorkbenchError(f"unknown key {', '.join(map(repr, unknown))}", where=where, remedy=f"It knows {known}")
    told = "; ".join(f"{'.'.join(map(str, entry['loc'])) or 'value'}: {entry['msg'].removeprefix('Value error, ')}" for entry in found)
    return WorkbenchError(told, where=where)


def names_of(value: Any) -> Any:
    """One name or several, once each, in the order given."""
    if isinstance(value, str):
        return (value,)
    return tuple(dict.fromkeys(value)) if isinstance(value, (list, tuple, set, frozenset)) else value


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
