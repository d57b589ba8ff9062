"""Units of work: some prompts with all their answers, which become one shard of each. What is there twice is computed once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from ..backbone.conversations import Group
from ..readers.messages import messages_of
from ..tables import Tables

PAD = 16  # characters that a row costs beside its own


@dataclass(frozen=True)
class Unit:
    """Prompts first … and responses first …, by their rows; slots count its prompts, then its responses."""

    number: int
    prompts: range
    responses: range

    @property
    def rows(self) -> int:
        return len(self.prompts) + len(self.responses)


@dataclass(frozen=True, eq=False)
class Plan:
    """All rows of a study in units, responses in the order of their prompts.

    separate: texts are read one by one, so that equal ones are one vector whatever they answer; else what an answer
    is one with is its whole conversation.
    """

    prompts: pd.DataFrame = field(repr=False)
    responses: pd.DataFrame = field(repr=False)
    shard_rows: int
    separate: bool

    @classmethod
    def make(cls, tables: Tables, shard_rows: int, separate: bool) -> Plan:
        return cls(tables.prompts, tables.responses, shard_rows, separate)

    @cached_property
    def messages(self) -> list[list[dict]]:
        return messages_of(self.prompts)

    @cached_property
    def owner(self) -> np.ndarray:
        """Row of each response's prompt; it never falls."""
        return pd.Index(self.prompts["prompt_id"]).get_indexer(self.responses["prompt_id"])

    @cached_property
    def units(self) -> list[Unit]:
        """As many whole prompts as fit in a shard; one with more answers than that is a unit of its own."""
        ends = np.searchsorted(self.owner, np.arange(len(self.prompts)), side="right")
        out, first, begin = [], 0, 0
        for prompt, end in enumerate(ends):
            if prompt > first and (end - begin > self.shard_rows or prompt - first >= self.shard_rows):
                out.append(Unit(len(out), range(first, prompt), range(begin, int(ends[prompt - 1]))))
                first, begin = prompt, int(ends[prompt - 1])
        return [*out, Unit(len(out), range(first, len(self.prompts)), range(begin, len(self.responses)))]

    @cached_property
    def origin(self) -> dict[str, np.ndarray]:
        """For each prompt and response, the first row with the same vector."""
        asked, text = self._asked, self.responses["text"]
        answers = [_digest(said if self.separate else f"{asked[owner].hex()} {said}") for owner, said in zip(self.owner, text)]
        return {"prompt": _first(asked), "response": _first(answers)}

    @cached_property
    def _asked(self) -> list[bytes]:
        """A digest of what is read of each prompt."""
        return [_digest(said) for said in (self.prompts["text"] if self.separate else map(json.dumps, self.messages))]

    @cached_property
    def cost(self) -> dict[str, np.ndarray]:
        """What each row costs, roughly: its characters and something more; nothing for one that repeats another."""
        texts = {"prompt": self.prompts["text"], "response": self.responses["text"]}
        sizes = {kind: np.array([PAD + len(said) for said in text], np.int64) for kind, text in texts.items()}
        return {kind: size * (self.origin[kind] == np.arange(len(size))) for kind, size in sizes.items()}

    def characters(self, unit: Unit) -> int:
        """What a unit costs, in characters."""
        return int(sum(self.cost[kind][list(getattr(unit, f"{kind}s"))].sum() for kind in ("prompt", "response")))

    def groups(self, unit: Unit) -> list[Group]:
        """What has to be computed: each first-met prompt and answer, those of one conversation together."""
        answers: dict[int, list[tuple[int, str]]] = {}
        text = self.responses["text"]
        for row in unit.responses:
            if self.origin["response"][row] == row:
                home = self.origin["prompt"][self.owner[row]]  # prompts that are alike share their answers' group
                answers.setdefault(int(home), []).append((len(unit.prompts) + row - unit.responses.start, text.iat[row]))
        fresh = [row for row in unit.prompts if self.origin["prompt"][row] == row]
        out = []
        for home in dict.fromkeys([*fresh, *answers]):
            slot = home - unit.prompts.start if home in unit.prompts else None
            out.append(Group(self.prompts["text"].iat[home], self.messages[home], slot, tuple(answers.get(home, ()))))
        return out

    def repeats(self, unit: Unit, kind: str) -> Iterator[tuple[int, int]]:
        """(row, first row like it) of what is not computed in this unit."""
        for row in getattr(unit, f"{kind}s"):
            if self.origin[kind][row] != row:
                yield row, int(self.origin[kind][row])

    @cached_property
    def digest(self) -> str:
        """Of everything that is read: prompts as messages, responses, and which belongs to which."""
        found = hashlib.sha256()
        for key in self._asked:
            found.update(key + b"p")
        for owner, said in zip(self.owner, self.responses["text"]):
            found.update(f"{owner} ".encode() + _digest(said))
        return found.hexdigest()


def in_prompt_order(tables: Tables) -> pd.DataFrame:
    """The responses, those of one prompt side by side, in the order of the prompts."""
    owner = pd.Index(tables.prompts["prompt_id"]).get_indexer(tables.responses["prompt_id"])
    return tables.responses.iloc[np.argsort(owner, kind="stable")].reset_index(drop=True)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _first(keys: list[bytes]) -> np.ndarray:
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(key, row) for row, key in enumerate(keys)], np.int64)
