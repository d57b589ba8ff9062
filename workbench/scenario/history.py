"""The tree of edits: an edit makes a child, undo goes to the parent, redo to the child last visited."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import WorkbenchError
from .recipe import Scenario


@dataclass(frozen=True)
class Step:
    """One scenario of the tree; gesture: the drag it belongs to, if any."""

    scenario: Scenario
    parent: int | None = None
    gesture: str | None = None
    redo: int | None = None


@dataclass(frozen=True)
class History:
    """A frozen tree of scenarios; `here` is the step being edited. Every method returns another tree."""

    steps: tuple[Step, ...]
    here: int = 0

    @classmethod
    def start(cls, scenario: Scenario) -> History:
        return cls((Step(scenario),))

    @property
    def scenario(self) -> Scenario:
        return self.steps[self.here].scenario

    @property
    def can_undo(self) -> bool:
        return self.steps[self.here].parent is not None

    @property
    def can_redo(self) -> bool:
        return self.steps[self.here].redo is not None

    def edit(self, scenario: Scenario, *, gesture: str | None = None) -> History:
        """Add a child and stand on it. The moves of one gesture share one step."""
        current = self.steps[self.here]
        if gesture is not None and gesture == current.gesture and current.redo is None:
            return replace(self, steps=self._with(self.here, replace(current, scenario=scenario)))
        new = len(self.steps)
        steps = self._with(self.here, replace(current, redo=new))
        return History((*steps, Step(scenario, self.here, gesture)), new)

    def at(self, step: int) -> Step:
        """Any step; WorkbenchError for one that there is not."""
        if not 0 <= step < len(self.steps):
            raise WorkbenchError(f"no step {step}", where="history", remedy=f"Steps are 0 to {len(self.steps) - 1}")
        return self.steps[step]

    def annotate(self, step: int, *, name: str | None = None, note: str | None = None) -> History:
        """Another name or note for a step; None leaves what there is."""
        found = self.at(step)
        words = {key: value for key, value in (("name", name), ("note", note)) if value is not None}
        fields = {key: getattr(found.scenario, key) for key in type(found.scenario).model_fields}
        return replace(self, steps=self._with(step, replace(found, scenario=type(found.scenario)(**{**fields, **words}))))

    def undo(self) -> History:
        """Stand on the parent, which remembers where it came from."""
        parent = self.steps[self.here].parent
        if parent is None:
            raise WorkbenchError("nothing to undo", where="history")
        return History(self._with(parent, replace(self.steps[parent], redo=self.here)), parent)

    def redo(self) -> History:
        """Stand on the child last visited."""
        child = self.steps[self.here].redo
        if child is None:
            raise WorkbenchError("nothing to redo", where="history")
        return replace(self, here=child)

    def go(self, step: int) -> History:
        """Stand on any step; redo afterwards follows the way that was taken."""
        self.at(step)
        steps, child = list(self.steps), step
        while (parent := steps[child].parent) is not None:
            steps[parent] = replace(steps[parent], redo=child)
            child = parent
        return History(tuple(steps), step)

    def path(self, step: int | None = None) -> tuple[int, ...]:
        """A step (the current one) and its ancestors, nearest first."""
        out, at = [], self.here if step is None else step
        while at is not None:
            out.append(at)
            at = self.steps[at].parent
        return tuple(out)

    def _with(self, at: int, step: Step) -> tuple[Step, ...]:
        return (*self.steps[:at], step, *self.steps[at + 1 :])
