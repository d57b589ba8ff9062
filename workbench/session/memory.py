"""What a session fills of the memory budget, said in words."""

from __future__ import annotations

from dataclasses import dataclass

from .. import budget
from ..scenario.inputs import made
from ..study import Study
from .answers import Memo
from .training import Results


@dataclass(frozen=True)
class Memory:
    """Bytes: the budget, what is held of it by kind, and the features that lie on disk; past: results that left memory.

    kinds: prompts, features (of both answers of pairs), scores (with everything worked out from them), results, tables, and
    "other work" of this process.
    """

    budget: int
    held: dict[str, int]
    on_disk: int = 0
    past: int = 0

    @classmethod
    def of(cls, study: Study, results: Results, memo: Memo) -> Memory:
        """As it is now."""
        inputs = made(study)
        held = {**({} if inputs is None else inputs.parts()), "results": results.held() + memo.held(), "tables": study.held()}
        held["other work"] = max(budget.held() - sum(held.values()), 0)
        stored = 0 if study.store is None else sum(study.store.stored_bytes(kind) for kind in ("prompt", "response"))
        return cls(budget.limit(), held, stored, results.past)

    @property
    def total(self) -> int:
        """Bytes held."""
        return sum(self.held.values())

    @property
    def clause(self) -> str:
        """ "memory 0.5 of 11.6 GiB"."""
        return f"memory {budget.words(self.total)} of {budget.words(self.budget)}"

    def __str__(self) -> str:
        parts = ", ".join(f"{kind} {budget.words(size)}" for kind, size in self.held.items() if size)
        said = [f"memory: budget {budget.words(self.budget)}", f"{parts or 'nothing'} held"]
        said += [f"features stay on disk ({budget.words(self.on_disk)})"] if self.on_disk and not self.held.get("features") else []
        said += [f"{self.past} older result{'s are' if self.past > 1 else ' is'} on disk alone"] if self.past else []
        return "; ".join(said)
