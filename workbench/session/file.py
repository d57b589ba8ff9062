"""A session as a file: JSON, written whole, read strictly; what another session wrote is never lost."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import model_validator

from ..bundle import lock, write_atomic
from ..errors import WorkbenchError
from ..scenario.history import History, Step
from ..scenario.recipe import Scenario
from ..scenario.values import Frozen
from ..shipped import demo
from ..study import Study
from .selection import Selection, Slice, frozen
from .state import State

SCHEMA = 1
ENDING = ".session.json"
KEPT = "The file is left as it is"


class StudyName(Frozen):
    hash: str
    name: str
    folder: str | None


class StepPart(Frozen):
    scenario: Scenario
    parent: int | None = None
    gesture: str | None = None
    redo: int | None = None


class HistoryPart(Frozen):
    steps: tuple[StepPart, ...]
    here: int

    @model_validator(mode="after")
    def _tree(self) -> HistoryPart:
        def known(at: int | None, above: int) -> bool:
            return at is None or above <= at < len(self.steps)

        for number, step in enumerate(self.steps):
            if not (step.parent is None if number == 0 else step.parent is not None and 0 <= step.parent < number):
                raise ValueError(f"step {number} has no parent before it")
            if not known(step.redo, number + 1) or (step.redo is not None and self.steps[step.redo].parent != number):
                raise ValueError(f"step {number} leads to no child of its own")
        if not 0 <= self.here < len(self.steps):
            raise ValueError(f"no step {self.here}")
        return self


class SelectionPart(Frozen):
    ids: tuple[str, ...] | None  # None: all
    primary: str | None
    kind: str
    label: str


class SlicePart(Frozen):
    name: str
    kind: str
    label: str
    ids: tuple[str, ...]
    note: str


class SessionFile(Frozen):
    """What a session's file holds. trained: scenarios whose results are in the study's runs/; noise: baselines trained twice."""

    id: str
    study: StudyName
    baseline: Scenario
    history: HistoryPart
    selection: SelectionPart
    slices: tuple[SlicePart, ...] = ()
    view: dict[str, dict] = {}
    tray: tuple[dict, ...] = ()
    trained: tuple[Scenario, ...] = ()
    noise: tuple[Scenario, ...] = ()


# -- between a session and its bytes ---------------------------------------------------------------


def written(session_id: str, study: Study, state: State, results: dict[str, list[Scenario]], ids: pd.Index) -> bytes:
    """The session as JSON."""
    chosen = state.selection
    whole = {
        "schema": SCHEMA, "id": session_id,
        "study": {"hash": study.hash, "name": study.name, "folder": None if study.folder is None else str(study.folder.resolve())},
        "baseline": plainly(state.pinned),
        "history": {"here": state.history.here, "steps": [
            {"scenario": plainly(step.scenario), "parent": step.parent, "gesture": step.gesture, "redo": step.redo}
            for step in state.history.steps]},
        "selection": {"ids": None if chosen.mask.all() else list(ids[chosen.mask]), "primary": chosen.primary, "kind": chosen.kind,
                      "label": chosen.label},
        "slices": [vars(kept) for kept in state.slices],
        "view": state.view, "tray": list(state.tray),
        **{what: [plainly(scenario) for scenario in named] for what, named in results.items()},
    }
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in whole.items())
    return f"{{\n{lines}\n}}\n".encode(errors="replace")  # half a character, as a page may send it, is no reason not to save


def plainly(scenario: Scenario) -> dict:
    return scenario.model_dump(mode="json")


def read(path: Path) -> SessionFile:
    """A session's file; WorkbenchError names what is wrong with it, and nothing is changed."""
    try:
        return parsed(path.read_bytes())
    except WorkbenchError as error:
        raise WorkbenchError(error.what, where=str(path), remedy=error.remedy or KEPT) from None
    except OSError as error:
        raise WorkbenchError(f"cannot be read ({error.strerror})", where=str(path), remedy="Name a file that session.save wrote") from None


def parsed(data: bytes) -> SessionFile:
    try:
        found = json.loads(data)
        schema = found.pop("schema")
        newer = schema > SCHEMA
    except (ValueError, AttributeError, KeyError, TypeError):
        raise WorkbenchError("damaged, or no session", remedy=KEPT) from None
    if newer:
        raise WorkbenchError(f"session schema {schema}, this version reads up to {SCHEMA}", remedy="Update the workbench")
    return SessionFile(**found)


def state_of(kept: SessionFile, ids: pd.Index) -> State:
    """The state that a file holds. Pairs that are not among the items are left out of the selection; slices keep theirs."""
    chosen, mask = kept.selection, np.ones(len(ids), bool)
    if chosen.ids is not None:
        mask = ids.isin(chosen.ids)
    gone = not mask.any()
    selection = Selection(frozen(mask | gone), chosen.primary if chosen.primary in ids else None, *(
        ("all", "") if gone else (chosen.kind, chosen.label)))
    steps = tuple(Step(step.scenario, step.parent, step.gesture, step.redo) for step in kept.history.steps)
    slices = tuple(Slice(each.name, each.kind, each.label, each.ids, each.note) for each in kept.slices)
    return State(kept.baseline, History(steps, kept.history.here), selection, slices, kept.view, kept.tray)


def study_of(kept: SessionFile, path: Path, study: Study | None) -> Study:
    """The study given, else the one in the folder that the file names, else the demo: whichever has the hash."""
    wanted = kept.study
    if study is not None:
        if study.hash != wanted.hash:
            raise WorkbenchError(f"the session is of study {wanted.name} {wanted.hash}, this is {study.hash}", where=str(path),
                                 remedy="Give the study that it was made on")
        return study
    folder = Path(wanted.folder) if wanted.folder is not None else None
    places: list[Callable[[], Study]] = [demo] if folder is None else [lambda: Study.load(folder), demo]
    for place in places:
        try:
            if (found := place()).hash == wanted.hash:
                return found
        except WorkbenchError:
            continue
    raise WorkbenchError(f"study {wanted.name} {wanted.hash} is not where it was", where=str(path),
                         remedy="Open it and give it: Session.load(path, study)")


# -- places ----------------------------------------------------------------------------------------


def beside_notebook() -> Path:
    """Where a notebook's session is kept: beside it by its name, else in the working folder."""
    name = Path(os.environ.get("JPY_SESSION_NAME", ""))
    if name.suffix != ".ipynb":
        return Path.cwd() / f"workbench{ENDING}"
    return (name.parent if name.is_absolute() and name.parent.is_dir() else Path.cwd()) / f"{name.stem}{ENDING}"


def stem_of(path: Path) -> str:
    return path.name.removesuffix(ENDING) if path.name.endswith(ENDING) else path.stem


def free_place(path: Path, session_id: str) -> Path:
    """A place beside, named after a session, where no file is."""
    for number in ("", *(f".{count}" for count in range(2, 10_000))):
        place = path.with_name(f"{stem_of(path)}.{session_id}{number}{ENDING}")
        if not place.exists():
            return place
    raise WorkbenchError("too many sessions are kept here", where=str(path.parent), remedy="Move some away")


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """One writer at a time, in this process or another (the lock lies among temporary files); WorkbenchError where none can write."""
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
    try:
        with lock(Path(tempfile.gettempdir()) / f"workbench-{name}"):
            yield
    except OSError as error:
        raise WorkbenchError(f"cannot be written ({error.strerror or error})", where=str(path), remedy="Save to another place") from None


def present(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def set_aside(path: Path, data: bytes) -> Path:
    """Rename what another session wrote; a file that is no session's is not touched."""
    try:
        name = parsed(data).id
    except WorkbenchError:
        if not path.name.endswith(ENDING):
            raise WorkbenchError("a file that is no session", where=str(path), remedy=f"Choose a name that ends in {ENDING}") from None
        name = "kept"
    place = free_place(path, name)
    os.rename(path, place)
    return place


def write(path: Path, data: bytes, session_id: str) -> Path:
    """Write a session's file; another session's file in that place is kept, renamed."""
    with guarded(path):
        there = present(path)
        if there is not None and _id_of(there) != session_id:
            set_aside(path, there)
        write_atomic(path, data)
    return path


def _id_of(data: bytes) -> str | None:
    try:
        return parsed(data).id
    except WorkbenchError:
        return None
