"""What stands above every screen: study, baseline, candidate, tree of edits, selection, seeds, running job."""

from __future__ import annotations

from ..scenario.edits import recipe_key
from ..scenario.job import is_partial
from ..session import Session
from .progress import job_of
from .words import in_words

STEPS_SHOWN = 9


def describe_head(session: Session) -> dict:
    """Plain JSON values for the header and the row of tabs."""
    pinned, history, selection = session.baseline_scenario, session.history, session.selection
    return {
        "study": {"name": session.study.name, "hash": session.study.hash},
        "baseline": {"label": pinned.name or in_words(session.study, pinned, history.steps[0].scenario)},
        "candidate": _candidate(session),
        "history": {"undo": history.can_undo, "redo": history.can_redo, "steps": steps(session)},
        "selection": {"n": int(selection.n), "of": len(session.items), "label": selection.label, "kind": selection.kind},
        "seeds": len(session.draft.seeds),
        "job": job_of(session, session.job),
        "queued": sum(job.state == "queued" for job in session.jobs),
    }


def _candidate(session: Session) -> dict | None:
    found = session.candidate
    if found is None:
        return None
    notes = ["partial"] if is_partial(found) else []
    if not session.retrained:
        notes.append("before the last edits")
    return {"label": found.scenario.name or in_words(session.study, found.scenario, session.baseline_scenario), "note": ", ".join(notes)}


def steps(session: Session) -> list[dict]:
    """The tree to draw: its root, what was trained, and where the draft stands; untrained steps between are passed over."""
    history, pinned = session.history, recipe_key(session.baseline_scenario)
    keys = [recipe_key(step.scenario) for step in history.steps]
    trained = [at for at, key in enumerate(keys) if session.trained(history.steps[at].scenario)]
    candidate = None if session.candidate is None else recipe_key(session.candidate.scenario)
    first = {key: at for at, key in reversed([(at, keys[at]) for at in trained])}
    here = first.get(keys[history.here], history.here)
    chosen = sorted({0, here, *first.values()})
    chosen = [0, *chosen[1 - STEPS_SHOWN:]] if len(chosen) > STEPS_SHOWN else chosen
    lanes, out, children = {}, [], {}
    for at in chosen:
        parent = next((up for up in history.path(at)[1:] if up in chosen), None)
        nth = children[parent] = children.get(parent, -1) + 1
        lanes[at] = 0 if parent is None else min(3, max(lanes[parent], 0) + nth)
        scenario = history.steps[at].scenario
        kind = "base" if keys[at] == pinned else "ghost" if not session.trained(scenario) else "cand" if keys[at] == candidate else "past"
        label = "Baseline" if keys[at] == pinned else scenario.name or in_words(session.study, scenario, session.baseline_scenario)
        out.append({"at": at, "parent": parent, "lane": lanes[at], "kind": kind, "here": at == here, "label": label, "note": scenario.note})
    return out
