"""A view of a session as a cell of Python."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ..errors import WorkbenchError
from ..scenario.edits import debiased, multiplied, on, swapped, switched
from ..scenario.recipe import GIVEN, GateSpec, Scenario
from ..shipped import demo
from ..study import Study
from .file import stem_of
from .selection import Selection, Slice

MOST = 20  # ids that a cell spells out


def cell(session: Any, beside: Path) -> str:
    """The cell that makes the view again: study, baseline, edits, training, slices, selection.

    Selections of more than 20 pairs are read from a file of their own, written beside `beside`. WorkbenchError for a study
    that has no folder.
    """
    ids, chosen, candidate = session._ids, session.selection, session.candidate
    lines = ["import workbench as wb", "", f"study = {_study(session.study)}"]
    as_rated = type(session)(session.study).baseline_scenario == session.baseline_scenario
    lines.append(f"session = wb.Session(study{'' if as_rated else f', {scenario_code(session.baseline_scenario)}'})")
    draft = pinned = session.baseline_scenario
    if candidate is not None and not pinned.gate.kind == candidate.scenario.gate.kind == GIVEN:  # else its preview says the same
        lines += [*edits(draft, candidate.scenario, session), "session.retrain().wait()"]
        draft = candidate.scenario
    elif session.baseline is not None:
        lines.append("session.start().wait()")
    lines += edits(draft, session.draft, session)
    words = {key: value for key in ("name", "note") if (value := getattr(session.draft, key)) and session.draft.id != draft.id}
    lines += [f"session.annotate({_options(words)})"] if words else []
    lines += ["session.measure_noise().wait()"] if session.noise is not None else []
    return "\n".join([*lines, *_looked_at(session, chosen, list(ids[chosen.mask]), beside)]) + "\n"


def _study(study: Study) -> str:
    if study.folder is None:
        raise WorkbenchError("a study held in memory cannot be opened again by code", where=study.name,
                             remedy="Write it to a folder with Study.write, and work on that")
    try:
        shipped = demo().hash == study.hash
    except WorkbenchError:
        shipped = False
    return "wb.demo()" if shipped else f"wb.Study.load({_place(study.folder)!r})"


def scenario_code(scenario: Scenario) -> str:
    """The call that makes a scenario, with what is not so by itself."""
    short, whole = (scenario.model_dump(exclude={"parent"}, exclude_defaults=short) for short in (True, False))
    same = Scenario(**short).to_json() == scenario.model_copy(update={"parent": None}).to_json()
    return f"wb.Scenario({_options(short if same else whole)})"


def edits(draft: Scenario, wanted: Scenario, session: Any) -> list[str]:
    """The public calls that lead a session from one draft to another."""
    lines, start, objectives = [], draft, session.objectives

    def move(call: str, fields: dict) -> None:
        nonlocal draft
        draft = draft.child(**fields)
        lines.append(f"session.{call}")

    changed = [name for name in objectives if on(draft, name) != on(wanted, name)]
    for name in sorted(changed, key=lambda name: not on(wanted, name)):  # on first: one always stays on
        move(f"set_objective({name!r}, on={on(wanted, name)})", switched(draft, name, on(wanted, name), objectives))
    for name in dict.fromkeys((*draft.multiply, *wanted.multiply)):
        if (value := wanted.multiply.get(name, 1.0)) != draft.multiply.get(name, 1.0):
            move(f"set_multiplier({name!r}, {value!r})", multiplied(draft, name, value))
    for name in dict.fromkeys((*draft.swap, *wanted.swap)):
        if (column := wanted.swap.get(name)) != draft.swap.get(name):
            move(f"set_swap({name!r}, {column!r})", swapped(draft, name, column))
    if wanted.debias != draft.debias:
        move(f"set_debias({wanted.debias!r})", debiased(draft, wanted.debias, session.baseline_scenario, session.study))
    if wanted.gate != draft.gate:
        spec = _gate(draft.gate, wanted.gate)
        move(f"set_gate({_options(spec)})", {"gate": spec})
    if wanted.labels != draft.labels:
        labels = wanted.labels if isinstance(wanted.labels, str) else wanted.labels.model_dump()
        move(f"set_labels({labels!r})", {"labels": labels})
    if wanted.seeds != draft.seeds:
        count = len(wanted.seeds)
        move(f"set_seeds({count if wanted.seeds == tuple(range(count)) else wanted.seeds!r})", {"seeds": wanted.seeds})
    if draft.id == wanted.id:
        return lines
    return [f"session.set_draft({scenario_code(wanted)})"] if start.id != wanted.id else []


def _gate(present: GateSpec, wanted: GateSpec) -> dict:
    """What differs; another kind begins at its own defaults."""
    base = present if present.kind == wanted.kind else GateSpec(kind=wanted.kind)
    spec = {field: value for field, value in wanted.model_dump().items() if value != getattr(base, field)}
    return spec if present.kind == wanted.kind else {"kind": wanted.kind, **spec}


def _looked_at(session: Any, chosen: Selection, ids: list[str], beside: Path) -> list[str]:
    """Slices, then the selection, then the primary item."""
    slices = [kept for kept in session.slices.values() if session._ids.isin(kept.ids).any()]
    long = any(len(kept.ids) > MOST for kept in slices) or (chosen.kind != "all" and len(ids) > MOST)
    lines = [f"kept = wb.Session.load({_place(_snapshot(session, beside))!r}, study)"] if long else []
    for kept in slices:
        which = list(kept.ids) if len(kept.ids) <= MOST else f"kept.slices[{kept.name!r}].ids"
        lines.append(_select(which, kept))
        lines.append(f"session.save_slice({_options({'name': kept.name, **({'note': kept.note} if kept.note else {})})})")
    if chosen.kind == "slice" and chosen.label in session.slices and tuple(ids) == session.slices[chosen.label].ids:
        lines.append(f"session.select({chosen.label!r})")
    elif chosen.kind != "all":
        lines.append(_select(ids if len(ids) <= MOST else "kept.selection.mask", chosen))
    elif slices:
        lines.append("session.select(None)")
    return lines + ([f"session.look_at({chosen.primary!r})"] if chosen.primary is not None else [])


def _select(which: list[str] | str, made: Selection | Slice) -> str:
    return f"session.select({which}, {_options({'kind': made.kind, 'label': made.label})})"


def _snapshot(session: Any, beside: Path) -> Path:
    """A file of the selection and the slices as they are now: autosave goes on, and this one stays."""
    told = [session.study.hash, session.selection.mask.tobytes(), *(repr(vars(kept)) for kept in session.slices.values())]
    digest = hashlib.sha256(repr(told).encode()).hexdigest()[:8]
    path = beside.with_name(f"{stem_of(beside)}.{digest}.view.json")
    return path if path.exists() else session.save(path)


def _place(path: Path) -> str:
    """Relative to the working folder where it lies below it."""
    path, here = path.resolve(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _options(values: dict) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in values.items())
