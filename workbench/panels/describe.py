"""What the What-if panel shows, as plain values that become JSON: everything the browser draws, nothing it must reckon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import WorkbenchError
from ..evaluate.attribution import decisive_shares
from ..evaluate.metrics import accuracy
from ..objectives.ranks import spearman
from ..scenario.edits import on, recipe_key
from ..scenario.job import is_partial
from ..scenario.recipe import Scenario
from ..scenario.result import Result
from ..session import Session
from ..study import Study
from .versus import comparison, waiting
from .words import edit_list, in_words, trained_words

SLOTS = ("instruction", "helpful", "truth", "safety", "code", "form")
SEEDS = (1, 3, 5, 10)
FIRST_NUISANCES = ("verbosity", "n_words")
STEPS_SHOWN = 9


def describe(session: Session) -> dict:
    """The panel's whole state but for the running job and what went wrong."""
    study, draft, pinned, history = session.study, session.draft, session.baseline_scenario, session.history
    shown = _Shown.of(session)
    edits = edit_list(study, draft, pinned)
    return {
        "revision": session.revision,
        "study": {"name": study.name, "hash": study.hash},
        "baseline": {"label": pinned.name or in_words(study, pinned, history.steps[0].scenario)},
        "candidate": _candidate(session),
        "objectives": _objectives(session, shown),
        "axis": shown.reach,
        "length": shown.word,
        "retrained": session.retrained,
        "summary": _summary(session, edits),
        "swaps": _columns(study),
        "debias": {
            "value": " + ".join(draft.nuisances) or None, "options": _columns(study, FIRST_NUISANCES),
            "edited": draft.nuisances != pinned.nuisances,
        },
        "seeds": {"value": len(draft.seeds), "options": sorted({*SEEDS, len(draft.seeds)})},
        "edits": edits,
        "preview": {"error": shown.error} if shown.error else _preview(session, shown),
        "comparison": comparison(session),
        "waiting": waiting(session),
        "history": {"undo": history.can_undo, "redo": history.can_redo, "steps": _steps(session)},
        "action": "Retrain" if session.baseline is not None else "Train both" if edits else "Train baseline",
    }


@dataclass(frozen=True)
class _Shown:
    """The baseline and the draft (as trained, else as previewed), with the correlations of both with length."""

    baseline: Result | None = None
    draft: Result | None = None
    error: str | None = None
    seconds: float | None = None
    word: str | None = None
    lengths: np.ndarray | None = None
    before: dict | None = None
    after: dict | None = None

    @classmethod
    def of(cls, session: Session) -> _Shown:
        word, column = length_of(session.study)
        baseline, draft, error, seconds = session.baseline, None, None, None
        if baseline is None:
            return cls(word=word)
        draft = session.result_of(session.draft)
        if draft is None:
            try:
                preview = session.preview()
                draft, seconds = preview.result, preview.seconds
            except WorkbenchError as problem:
                error = str(problem)
        lengths = _lengths(column, baseline)
        before, after = correlations(baseline, lengths), {} if draft is None else correlations(draft, lengths)
        return cls(baseline, draft, error, seconds, word, lengths, before, after)

    @property
    def reach(self) -> float:
        """End of the one axis of all rows: the largest correlation, rounded up to a fifth."""
        found = [abs(rho) for each in (self.before, self.after) for rho in (each or {}).values()]
        return min(1.0, max(0.4, math.ceil(5 * max(found) - 1e-9) / 5)) if found else 0.8


# -- objectives -----------------------------------------------------------------------------------------------------


def length_of(study: Study) -> tuple[str | None, str | None]:
    """What stands for length, and its column: measured words, else an objective called verbosity, else nothing."""
    if "n_words" in study.columns:
        return "length", "n_words"
    return ("verbosity", "verbosity") if "verbosity" in study.objectives else (None, None)


@lru_cache(maxsize=4)
def _lengths(column: str | None, baseline: Result) -> np.ndarray | None:
    """[pair side] of the dev pairs, or None."""
    if column in baseline.study.columns:
        known = baseline.study.column(column)
        return np.stack([known.loc[baseline.pairs[side]].to_numpy(np.float64) for side in ("chosen", "rejected")], axis=1)
    return baseline.raw.column(column) if column in baseline.raw.names else None


def correlations(result: Result, lengths: np.ndarray | None) -> dict[str, float]:
    """Spearman of each objective with length over both sides of the dev pairs; none for what debias made zero."""
    names = result.scores.names
    if lengths is None or not names:
        return {}
    null, found = result.null, spearman(result.scores.values.reshape(-1, len(names)), lengths.reshape(-1))
    return {name: float(rho) for name, rho in zip(names, found) if name not in null}


def _objectives(session: Session, shown: _Shown) -> list[dict]:
    study, draft, pinned, shares = session.study, session.draft, session.baseline_scenario, {}
    before, after = shown.before or {}, shown.after or {}
    null = () if shown.draft is None else shown.draft.null
    if shown.draft is not None and shown.draft.names:
        mean = decisive_shares(shown.draft.weights.mean(axis=0), shown.draft.scores).mean(axis=0)
        shares = dict(zip(shown.draft.names, mean.tolist()))
    rows = []
    for name in session.objectives:
        group = study.objective_info[name].group or "Objectives"
        rows.append({
            "name": name, "group": group, "slot": group.lower() if group.lower() in SLOTS else "other", "first": 0,
            "on": on(draft, name), "multiplier": draft.multiply.get(name, 1.0), "swap": draft.swap.get(name),
            "edited": _edits_of(draft, name) != _edits_of(pinned, name),
            "before": before.get(name), "after": after.get(name), "share": shares.get(name), "null": name in null,
        })
    groups = list(dict.fromkeys(row["group"] for row in rows))
    rows.sort(key=lambda row: groups.index(row["group"]))
    for group in groups:
        members = [row for row in rows if row["group"] == group]
        members[0]["first"] = len(members)
    return rows


def _edits_of(scenario: Scenario, name: str) -> tuple:
    return on(scenario, name), scenario.multiply.get(name), scenario.swap.get(name)


def _columns(study: Study, first: tuple[str, ...] = ()) -> list[dict]:
    groups = [("Measured", tuple(study.columns)), ("Objectives", study.objectives)]
    if first:
        usual = tuple(name for name in first if name in study.columns or name in study.objectives)
        groups = [("Usual", usual), *((label, tuple(n for n in names if n not in usual)) for label, names in groups)]
    seen: set[str] = set()
    out = []
    for label, names in groups:
        fresh = [name for name in names if name not in seen]
        seen.update(fresh)
        if fresh:
            out.append({"label": label, "names": fresh})
    return out


def _summary(session: Session, edits: list[dict]) -> str:
    left, whole = sum(on(session.draft, name) for name in session.objectives), len(session.objectives)
    return f"{left} of {whole} on" + (f", {len(edits)} edit{'s' if len(edits) > 1 else ''}" if edits else "")


# -- preview and candidate ------------------------------------------------------------------------------------------


def _preview(session: Session, shown: _Shown) -> dict | None:
    baseline, draft = shown.baseline, shown.draft
    if baseline is None or draft is None:
        return None
    before, after = baseline.margins.mean(axis=0) > 0, draft.margins.mean(axis=0) > 0
    lengths = shown.lengths
    with_length = [None] if lengths is None else [reward_correlation(result, lengths) for result in (baseline, draft)]
    if not draft.retrained:
        note = "Same gate as the baseline, edited scores. Retrain before you conclude."
    elif draft is baseline:
        note = "This is the baseline. Edit an objective to see what would change."
    elif is_partial(draft):
        note = "It was stopped early: what was trained by then is kept. Retrain before you conclude."
    else:
        note = "Trained on the edited scores. What is more than noise is said below."
    return {
        "title": "Preview" if not draft.retrained else "Baseline" if draft is baseline else "Retrained",
        "retrained": bool(draft.retrained), "ms": None if shown.seconds is None else 1000 * shown.seconds,
        "seeds": trained_words(draft), "accuracy": [accuracy(baseline.margins), accuracy(draft.margins)],
        "flips": [int((before != after).sum()), len(before)], "length": None if None in with_length else with_length, "note": note,
    }


def reward_correlation(result: Result, lengths: np.ndarray) -> float | None:
    """Spearman of the reward with length, pooled over both sides of the dev pairs; None without objectives."""
    if not len(result.names):
        return None
    rewards = np.einsum("po,pso->ps", result.weights.mean(axis=0), result.scores.values)
    return float(spearman(rewards.reshape(-1), lengths.reshape(-1)))


def _candidate(session: Session) -> dict | None:
    found = session.candidate
    if found is None:
        return None
    notes = ["partial"] if is_partial(found) else []
    if not session.retrained:
        notes.append("before the last edits")
    return {"label": in_words(session.study, found.scenario, session.baseline_scenario), "note": ", ".join(notes)}


def _steps(session: Session) -> list[dict]:
    """The tree to draw: its root, what was trained, and where the draft stands; untrained steps between are passed over."""
    history, pinned = session.history, recipe_key(session.baseline_scenario)
    keys = [recipe_key(step.scenario) for step in history.steps]
    trained = [at for at, key in enumerate(keys) if session.result_of(history.steps[at].scenario) is not None]
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
        found = session.result_of(scenario)
        kind = "base" if keys[at] == pinned else "ghost" if found is None else "cand" if found is session.candidate else "past"
        label = "Baseline" if keys[at] == pinned else in_words(session.study, scenario, session.baseline_scenario)
        out.append({"at": at, "parent": parent, "lane": lanes[at], "kind": kind, "here": at == here, "label": label})
    return out
