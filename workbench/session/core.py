"""Session: the one mutable object. Views dispatch to it and observe it; it knows no widget."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import WorkbenchError
from ..scenario.compare import other_seeds
from ..scenario.edits import checked, debiased, multiplied, recipe_key, seeds_of, swapped, switched, to_train
from ..scenario.given import published
from ..scenario.job import Job
from ..scenario.recipe import GIVEN, Scenario
from ..scenario.result import Result
from ..study import Study
from . import answers, autosave, file
from .changing import Changing
from .code import cell
from .selection import KEEP, Slice
from .state import State, plain
from .training import Results


class Session(Changing):
    """A study, a pinned baseline, the scenario being edited, what is selected, what was retrained, and the jobs.

    baseline: a Result, or a Scenario that `start` (or the first `retrain`) runs; None is every objective as rated, or the
    study's model as it was published, where it comes with one.
    One gesture makes one revision; `changed` tells observers (revision, origin), `progressed` tells them of a job's
    steps, from the job's own thread. What is so already makes no revision. Undo, redo and go move the draft only: the
    selection, slices and the baseline are not in the history. Bad input raises WorkbenchError and leaves everything as
    it was. id: 12 hexadecimal digits, kept by save and load.
    """

    def __init__(self, study: Study, baseline: Result | Scenario | None = None):
        pinned = baseline.scenario if isinstance(baseline, Result) else baseline
        if pinned is None and study.has_model:
            pinned = published(study)
        elif pinned is None:
            gate = {} if study.store is not None else {"gate": {"kind": "global"}}  # a softmax gate reads prompt features
            pinned = Scenario(name="as rated", **gate)
        super().__init__(study, pinned)
        if isinstance(baseline, Result):
            self._take(baseline)

    def __repr__(self) -> str:
        said = [f"baseline {_words(self.baseline_scenario, Scenario())}"]
        said += [f"candidate {_words(self.candidate.scenario, self.baseline_scenario)}"] if self.candidate is not None else []
        chosen, total = int(self.selection.mask.sum()), len(self.items)
        said += [f"{chosen:,} of {total:,} selected".replace(",", "\N{THIN SPACE}"), self.memory.clause]
        return f"Session on {self.study.name} {self.study.hash[:4]}\N{HORIZONTAL ELLIPSIS}: {', '.join(said)}"

    # -- the draft: each edit one gesture, one revision ---------------------------------------------

    def set_objective(self, name: str, *, on: bool, origin: str = "") -> Session:
        """Switch an objective off or on again. The last one stays on."""
        return self._edit(origin, lambda draft: switched(draft, name, on, self.objectives), objective=name)

    def set_multiplier(self, name: str, value: float, *, origin: str = "", gesture: str | None = None) -> Session:
        """Scale an objective's contribution; 1 takes the edit back. One drag names one `gesture`: one step of history."""
        return self._edit(origin, lambda draft: multiplied(draft, name, value), objective=name, gesture=gesture)

    def set_swap(self, name: str, column: str | None, *, origin: str = "") -> Session:
        """Put another objective or a measured column in an objective's place; None takes the edit back."""
        return self._edit(origin, lambda draft: swapped(draft, name, column), objective=name)

    def set_debias(self, nuisance: str | Iterable[str] | None, *, origin: str = "") -> Session:
        """Take what depends on the nuisance (an objective or measured column, or several) out of the objectives.

        What the baseline takes out is taken out in its way, and what a study's model does by the model's own penalties.
        """
        named = nuisance if nuisance is None or isinstance(nuisance, str) else tuple(nuisance)
        return self._edit(origin, lambda draft: debiased(draft, named, self.baseline_scenario, self.study))

    def set_gate(self, *, origin: str = "", **spec) -> Session:
        """Which gate, and how it is trained: kind, hidden, temperature, steps, batch_size, lr, start."""
        return self._edit(origin, lambda draft: {"gate": spec})

    def set_labels(self, treatment: Any, *, origin: str = "") -> Session:
        """What is done with labels of weak preference: a value of `Scenario.labels`."""
        return self._edit(origin, lambda draft: {"labels": treatment})

    def set_seeds(self, seeds: int | Iterable[int], *, origin: str = "") -> Session:
        """How many gates are trained, or which seeds. WorkbenchError for a gate that is given, which is not trained."""
        chosen = seeds_of(seeds)
        if self.draft.gate.kind == GIVEN:
            raise WorkbenchError("the gate as published is one: seeds are of gates that are trained", where="seeds",
                                 remedy="Choose another kind of gate first, or give them to retrain")
        return self._edit(origin, lambda draft: {"seeds": chosen})

    def set_draft(self, scenario: Scenario, *, origin: str = "") -> Session:
        """Any scenario as the next draft."""
        return self._do(origin, lambda state: state.edited(checked(scenario, self.study)))

    def reset(self, *, origin: str = "") -> Session:
        """Back to the baseline's recipe, with the seeds chosen; undo brings the edits back."""
        return self._do(origin, lambda state: state.edited(state.pinned.child(seeds=state.history.scenario.seeds)))

    def undo(self, *, origin: str = "") -> Session:
        """Stand on the step that the draft was made from."""
        return self._do(origin, lambda state: state.moved(state.history.undo()))

    def redo(self, *, origin: str = "") -> Session:
        """Stand on the step last undone."""
        return self._do(origin, lambda state: state.moved(state.history.redo()))

    def go(self, step: int, *, origin: str = "") -> Session:
        """Stand on any step of the history."""
        return self._do(origin, lambda state: state.moved(state.history.go(step)))

    def annotate(self, step: int | None = None, *, name: str | None = None, note: str | None = None, origin: str = "") -> Session:
        """Name and note of a step of the history, the current one by default. They are no part of its recipe."""
        return self._do(origin, lambda state: state.annotated(state.history.here if step is None else step, name, note))

    def pin(self, result: Result | None = None, *, step: int | None = None, origin: str = "") -> Session:
        """Make the candidate, the result given, or a step of the history the baseline that everything is held against.

        A step that was never trained is trained by the next `start` or `retrain`.
        """
        def change(state: State) -> State:
            if step is not None:
                return state.pin(state.history.at(step).scenario)
            chosen = self.candidate if result is None else result
            if chosen is None:
                raise WorkbenchError("no candidate to pin", remedy="Edit and retrain first")
            if chosen is self.baseline:
                return state
            self._take(chosen)
            return replace(state, pinned=chosen.scenario)

        return self._do(origin, change)

    # -- what is looked at -------------------------------------------------------------------------

    @Changing.selection.setter
    def selection(self, which: Any) -> None:
        self.select(which)

    def select(self, which: Any, *, primary: Any = KEEP, kind: str = "python", label: str = "", origin: str = "") -> Session:
        """Select items: None (all), pair ids, a bool mask [item], positions, a frame with pair_id, or a slice's name.

        primary: a pair id, or None, as well; label: words for a chip. Nothing at all, or an unknown id, is refused.
        """
        return self._do(origin, lambda state: state.select(which, self._ids, primary=primary, kind=kind, label=label))

    def look_at(self, pair_id: str | None, *, origin: str = "") -> Session:
        """The item that is read and drawn in full."""
        return self._do(origin, lambda state: state.look_at(pair_id, self._ids))

    def save_slice(self, name: str | None = None, *, note: str = "", origin: str = "") -> Slice:
        """Keep the selection by a name of its own, made from its label where none is given; the slice."""
        made = []

        def change(state: State) -> State:
            state = state.with_slice(name, note, self.items)
            made.append(state.slices[-1])
            return state

        self._do(origin, change)
        return made[0]

    def rename_slice(self, old: str, new: str, *, origin: str = "") -> Session:
        return self._do(origin, lambda state: state.renamed(old, new, self.items))

    def remove_slice(self, name: str, *, origin: str = "") -> Session:
        return self._do(origin, lambda state: state.without_slice(name))

    def set_tray(self, cards: Iterable[dict], *, origin: str = "") -> Session:
        """The cards of figures, all of them, as JSON has them."""
        cards = tuple(plain(list(cards), "tray"))
        return self._do(origin, lambda state: state if cards == state.tray else replace(state, tray=cards))

    def remember(self, screen: str, /, **settings) -> Session:
        """Keep settings of a view (open tab, sort order), as JSON has them: saved, told to nobody, no revision."""
        told = plain(settings, f"view {screen!r}")
        with self._lock:
            view = self._state.view
            self._state = replace(self._state, view={**view, screen: {**view.get(screen, {}), **told}})
        self._touch()
        return self

    # -- training ----------------------------------------------------------------------------------

    def start(self, *, origin: str = "") -> Job | None:
        """Train what is missing: the baseline, and what a file says was trained. The running job; None when all is there."""
        if self.jobs:
            return self.jobs[0]
        baseline = self.baseline
        pinned = baseline.scenario if baseline is not None else self._results.lost(self.baseline_scenario) or self.baseline_scenario
        candidate = answers.nearest(self.history, pinned, lambda step: self.result_of(step) or self._results.lost(step))
        missing = [("retrain", candidate)] if isinstance(candidate, Scenario) else [("baseline", pinned)] if baseline is None else []
        missing += [("noise", pinned)] if self._results.lost_noise(pinned) else []
        begun = [self._launch(what, origin, lambda state: (state, scenario)) for what, scenario in missing]
        return begun[0] if begun else None

    def retrain(self, seeds: int | Iterable[int] | None = None, *, origin: str = "") -> Job:
        """Train the draft in a thread, the baseline first where it is missing. It waits while another job runs.

        A recipe that runs or waits already is not trained twice: its job is returned. Where the baseline has the gate as
        published and so has the draft, there is nothing to train: the draft becomes its child with a softmax gate (`to_train`).
        """
        chosen = {} if seeds is None else {"seeds": seeds_of(seeds)}

        def asked(state: State) -> tuple[State, Scenario]:
            draft, first = state.history.scenario, state.pinned
            if first.gate.kind == GIVEN and (self.baseline is not None or recipe_key(draft) != recipe_key(first)):
                state = state.edited(to_train(draft, **chosen))
            elif chosen:
                state = state.edited(draft.child(**chosen))
            return state, state.history.scenario

        return self._launch("retrain", origin, asked)

    def measure_noise(self, *, origin: str = "") -> Job:
        """Train the baseline's recipe with other seeds too: `noise` and `comparison` then say what change is mere noise."""
        other_seeds(self.baseline_scenario)  # raises where there are none
        return self._launch("noise", origin, lambda state: (state, state.pinned if self.baseline is None else self.baseline.scenario))

    def cancel(self, job: Job | None = None) -> Session:
        """Stop the running job, or the one given, waiting ones included; harmless for one that has ended."""
        job = self._queue.running if job is None else job
        if job is not None:
            job.cancel()
        return self

    # -- files -------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write the session as JSON, whole or not at all; results of cancelled runs are not kept. Another session's file is, renamed."""
        return file.write(Path(path), self._json(), self.id)

    @classmethod
    def load(cls, path: str | Path, study: Study | None = None) -> Session:
        """A saved session; its study is the one given, else the folder that the file names, else the demo.

        Results come from the study's runs/; those that are not there are trained again by `start`. WorkbenchError for
        another study, a newer schema, unknown keys or a damaged file.
        """
        kept = file.read(Path(path))
        session = cls(file.study_of(kept, Path(path), study), kept.baseline)
        session.id, session._results = kept.id, Results(session.study, kept.trained, kept.noise)
        session._state = file.state_of(kept, session._ids)
        return session

    def autosave(self, path: str | Path | None = None) -> Path:
        """Save now, within a second of each revision, and at exit; beside the notebook where no path is given."""
        place = file.beside_notebook() if path is None else Path(path).absolute()
        if self._saver is None or (path is not None and self._saver.asked != place):
            self._saver = autosave.Saver(self, place)
        self._saver.write()
        return self._saver.path

    @classmethod
    def restore(cls, study: Study, path: str | Path | None = None) -> Session:
        """This notebook's session on this study as it was left, or a new one; autosave is on. In one process, the living one."""
        return autosave.restored(cls, study, file.beside_notebook() if path is None else Path(path).absolute())

    def recall(self, *scenarios: Scenario) -> Session:
        """Take these recipes' results from the study's runs/ where they are kept; `start` trains those that are not."""
        self._results.look_for([checked(scenario, self.study) for scenario in scenarios])
        return self

    def code(self) -> str:
        """The cell that makes this view again: study, baseline, edits, training, selection. It runs as it stands."""
        return cell(self, self._saver.path if self._saver else file.beside_notebook())

    # -- inner -------------------------------------------------------------------------------------

    def _edit(self, origin: str, fields: Callable[[Scenario], dict], *, objective: str | None = None,
              gesture: str | None = None) -> Session:
        if objective is not None and objective not in self.objectives:
            raise WorkbenchError(f"unknown objective {objective!r}", where=self.study.name, remedy=f"Known: {', '.join(self.objectives)}")

        def change(state: State) -> State:
            draft = state.history.scenario
            return state.edited(checked(draft.child(**fields(draft)), self.study), gesture)

        return self._do(origin, change)

    def _take(self, result: Result) -> None:
        """A result from elsewhere, if it is one to hold others against."""
        if result.study_hash != self.study.hash:
            raise WorkbenchError(
                f"the baseline was made on study {result.study_hash}, this is {self.study.hash}",
                remedy="Run the baseline's scenario on this study",
            )
        if not result.retrained or result.split != "dev":
            raise WorkbenchError("a preview, or a result on test, is no baseline", where="pin", remedy="Retrain, and pin that")
        self._results.take(result)


def _words(scenario: Scenario, other: Scenario) -> str:
    return scenario.name or "; ".join(scenario.edits_from(other.child(seeds=scenario.seeds))) or "as rated"
