"""What the What-if screen shows, as plain values that become JSON: everything the browser draws, nothing it must reckon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import WorkbenchError
from ..evaluate.metrics import accuracy
from ..scenario.edits import on
from ..scenario.job import is_partial
from ..scenario.recipe import GIVEN, Scenario
from ..scenario.result import Result
from ..session import Session
from ..study import Study
from . import options
from .groups import by_group, slot_of
from .words import edit_list, trained_words

SEEDS = (1, 3, 5, 10)


def describe(session: Session) -> dict:
    """The screen's state but for what is running or waiting to."""
    study, draft, pinned = session.study, session.draft, session.baseline_scenario
    shown, menus = _Shown.of(session), (study, draft, pinned)
    edits = edit_list(*menus)
    return {
        "objectives": _objectives(session, shown),
        "axis": shown.reach,
        "length": shown.word,
        "retrained": session.retrained,
        "summary": _summary(session, edits),
        "swaps": options.columns(study),
        "debias": options.debias(*menus), "gate": options.gate(*menus), "labels": options.labels(*menus),
        "seeds": {"value": len(draft.seeds), "options": sorted({*SEEDS, len(draft.seeds)})},
        "name": draft.name, "note": draft.note, "edits": edits,
        "notes": [*options.debias_notes(study, draft, shown.draft), *options.gate_notes(draft, pinned)],
        "preview": {"error": shown.error} if shown.error else _preview(session, shown),
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
                error = ". ".join(part[:1].upper() + part[1:] for part in (problem.what, problem.remedy) if part) + "."
        before, after = (None if one is None else _correlations(one, column, baseline) for one in (baseline, draft))
        return cls(baseline, draft, error, seconds, word, _lengths(column, baseline), before, after)

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


@lru_cache(maxsize=8)
def _correlations(result: Result, column: str | None, baseline: Result) -> dict[str, float]:
    """Spearman of each objective with length over both sides of the dev pairs; none for what debias made zero."""
    if _lengths(column, baseline) is None or not result.names:
        return {}
    found, null = result.correlations(_source(column, baseline)), result.null
    return {name: float(rho) for name, rho in zip(result.names, found) if name not in null}


def _source(column: str, baseline: Result) -> str:
    """What the baseline has in the place of the objective that stands for length."""
    return column if column in baseline.study.columns else baseline.scenario.swap.get(column, column)


def _objectives(session: Session, shown: _Shown) -> list[dict]:
    study, draft, pinned, shares = session.study, session.draft, session.baseline_scenario, {}
    before, after = shown.before or {}, shown.after or {}
    null = () if shown.draft is None else shown.draft.null
    if shown.draft is not None and shown.draft.names:
        shares = dict(zip(shown.draft.names, shown.draft.decisive.tolist()))
    rows = []
    for name in session.objectives:
        group = study.objective_info[name].group or "Objectives"
        rows.append({
            "name": name, "group": group, "slot": slot_of(group), "first": 0,
            "on": on(draft, name), "multiplier": draft.multiply.get(name, 1.0), "swap": draft.swap.get(name),
            "edited": _edits_of(draft, name) != _edits_of(pinned, name),
            "before": before.get(name), "after": after.get(name), "share": shares.get(name), "null": name in null,
        })
    return by_group(rows)


def _edits_of(scenario: Scenario, name: str) -> tuple:
    return on(scenario, name), scenario.multiply.get(name), scenario.swap.get(name)


def _summary(session: Session, edits: list[dict]) -> str:
    left, whole = sum(on(session.draft, name) for name in session.objectives), len(session.objectives)
    return f"{left} of {whole} on" + (f", {len(edits)} edit{'s' if len(edits) > 1 else ''}" if edits else "")


# -- preview and candidate ------------------------------------------------------------------------------------------


def _preview(session: Session, shown: _Shown) -> dict | None:
    baseline, draft = shown.baseline, shown.draft
    if baseline is None or draft is None:
        return None
    before, after = baseline.margins.mean(axis=0) > 0, draft.margins.mean(axis=0) > 0
    column = None if shown.lengths is None else length_of(session.study)[1]
    with_length = [None] if column is None else [reward_correlation(result, column, baseline) for result in (baseline, draft)]
    if not draft.retrained:
        note = f"Same gate as the baseline, edited scores.{_unseen(session)} Retrain before you conclude."
    elif draft is baseline:
        note = "This is the baseline. Edit an objective to see what would change."
    elif draft.scenario.gate.kind == GIVEN:
        note = "The published gate on the edited scores: not trained here."
    elif is_partial(draft):
        note = "It was stopped early: what was trained by then is kept. Retrain before you conclude."
    else:
        note = "Trained on the edited scores. Compare says what is more than noise."
    return {
        "title": "Preview" if not draft.retrained else "Baseline" if draft is baseline else _called(draft),
        "retrained": bool(draft.retrained), "ms": None if shown.seconds is None else 1000 * shown.seconds,
        "seeds": trained_words(draft), "accuracy": [accuracy(baseline.margins), accuracy(draft.margins)],
        "flips": [int((before != after).sum()), len(before)], "length": None if None in with_length else with_length, "note": note,
    }


def _called(result: Result) -> str:
    return "As published" if result.scenario.gate.kind == GIVEN else "Retrained"


def _unseen(session: Session) -> str:
    """What a preview leaves out of this edit."""
    draft, pinned = session.draft, session.baseline_scenario
    left = [word for word, changed in (("labels", draft.labels != pinned.labels), ("gate", draft.gate != pinned.gate)) if changed]
    return f" The new {' and '.join(left)} {'act' if len(left) > 1 or 'labels' in left else 'acts'} once it is trained." if left else ""


@lru_cache(maxsize=8)
def reward_correlation(result: Result, column: str, baseline: Result) -> float | None:
    """Spearman of the reward with length, pooled over both sides of the dev pairs; None without objectives."""
    return result.reward_correlation(_source(column, baseline)) if len(result.names) else None
