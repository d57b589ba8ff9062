"""The figures that can be added to the tray: what each shows, and why one is lacking just now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import WorkbenchError
from ..projection import stored_map
from ..scenario.recipe import GIVEN
from ..scenario.result import HEAD
from ..session import Session

UNTRAINED_GATES = ("global", "uniform")


@dataclass(frozen=True)
class Entry:
    """One line of the list. options(session): those of its maker; lacks(session): why it cannot be made, or None."""

    key: str
    figure: str
    label: str
    shows: str
    lacks: Callable[[Session], str | None]
    options: Callable[[Session], dict] = field(default=lambda session: {})


def _shown(session: Session):
    return session.candidate or session.baseline


def _trained(session: Session) -> str | None:
    return None if session.baseline is not None else "Nothing is trained yet."


def _gated(session: Session) -> str | None:
    if session.baseline is None:
        return _trained(session)
    return "A Bradley–Terry head has no objectives and no gate." if _shown(session).names == (HEAD,) else None


def _read(session: Session) -> str | None:
    return _gated(session) or (None if session.selection.primary is not None else "Choose a pair in Explore first.")


def _compared(session: Session) -> str | None:
    return _trained(session) or (None if session.candidate is not None else "No candidate yet: edit and retrain.")


def _debiased(session: Session) -> str | None:
    if lacking := _gated(session):
        return lacking
    return "Nothing was taken out: name a debias target and retrain." if _shown(session).penalty is None else None


def _doubted(session: Session) -> str | None:
    return _trained(session) or ("This study has no features to fit an ensemble on." if session.study.store is None else None)


def _learned(session: Session) -> str | None:
    if session.baseline is None:
        return _trained(session)
    kind = _shown(session).scenario.gate.kind
    if kind == GIVEN:
        return "The gate as published was not trained here: it has no curve."
    return f"A {kind} gate is solved at once: it has no curve." if kind in UNTRAINED_GATES else None


def _mapped(session: Session) -> str | None:
    if lacking := _gated(session):
        return lacking
    try:
        stored_map(session.study)
    except WorkbenchError as error:
        return f"{error.what[:1].upper()}{error.what[1:]}. {error.remedy or ''}".strip()
    return None


def _slices(session: Session) -> dict:
    kept = {name: list(one.ids) for name, one in session.slices.items() if one.ids}
    return ({"slices": kept} if kept else {}) | ({"noise": True} if session.noise is not None else {})


CATALOGUE = (
    Entry("watershed", "watershed", "Gate watershed", "which objective leads on each prompt, and how surely", _gated),
    Entry("watershed-section", "watershed", "Watershed by section", "the same, one small picture per section", _gated,
          lambda session: {"by": "section"}),
    Entry("gate", "gate", "Gate heat map", "mean weight of each objective in each section", _gated),
    Entry("gate-prompt", "gate-prompt", "Gate of one prompt", "the weights of the pair that is read", _read,
          lambda session: {"pair": session.selection.primary}),
    Entry("decomposition", "decomposition", "Why one margin", "weight × score difference of the pair that is read", _read,
          lambda session: {"pair": session.selection.primary}),
    Entry("comparison", "comparison", "Baseline against candidate", "paired difference by section and saved slice", _compared, _slices),
    Entry("sections", "sections", "Accuracy by section", "each with its interval and seeds", _trained),
    Entry("objectives", "objectives", "Objectives among themselves", "their correlations, by group", _gated),
    Entry("verbosity", "verbosity", "Verbosity", "objectives against length, before and after debias", _debiased),
    Entry("prompt-map", "prompt-map", "Map of prompts", "by the objective that leads", _mapped),
    Entry("strength", "strength", "Preference strength", "which train labels are flipped, dropped, kept", _doubted),
    Entry("doubt", "doubt", "Strength and spread", "each train pair: how sure the ensemble is, and how far its members agree", _doubted),
    Entry("learning", "learning", "Learning curves", "held-out loss by step; trained again where not kept", _learned),
)
LABELS = {entry.figure: entry.label for entry in reversed(CATALOGUE)}


def entry_of(key: str) -> Entry:
    """WorkbenchError for one that is not in the list."""
    found = next((entry for entry in CATALOGUE if entry.key == key), None)
    if found is None:
        raise WorkbenchError(f"no figure {key!r}", where="figures", remedy=f"Known: {', '.join(entry.key for entry in CATALOGUE)}")
    return found
