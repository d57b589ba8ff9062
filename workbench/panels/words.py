"""Scenarios and runs in a few words."""

from __future__ import annotations

from ..scenario.edits import on
from ..scenario.job import is_partial
from ..scenario.recipe import Scenario
from ..scenario.result import Result
from ..study import Study


def edit_list(study: Study, draft: Scenario, pinned: Scenario) -> list[dict]:
    """How the draft differs from the baseline: verb, name, and the rest of the sentence."""
    edits = []
    if draft.nuisances != pinned.nuisances:
        if draft.nuisances:
            kept = sum(on(draft, name) for name in study.objectives if name not in draft.nuisances)
            edits.append(_said("remove", " and ".join(draft.nuisances), f"from {kept} objectives", f"{draft.debias_method} root"))
        else:
            edits.append(_said("keep", " and ".join(pinned.nuisances), "in the objectives"))
    for name in study.objectives:
        if on(draft, name) != on(pinned, name):
            edits.append(_said("on" if on(draft, name) else "off", name))
        if (factor := draft.multiply.get(name, 1.0)) != pinned.multiply.get(name, 1.0):
            edits.append(_said(f"×{factor:g}", name))
        if (column := draft.swap.get(name)) != pinned.swap.get(name):
            edits.append(_said("swap", name, f"→ {column}") if column else _said("no swap", name))
    if draft.labels != pinned.labels:
        edits.append(_said("labels", draft.labels))
    if draft.gate != pinned.gate:
        edits.append(_said("gate", draft.gate.kind if draft.gate.kind != pinned.gate.kind else "settings"))
    return edits


def _said(verb: str, name: str, rest: str = "", note: str = "") -> dict:
    return {"verb": verb, "name": name, "rest": rest, "note": note}


def in_words(study: Study, scenario: Scenario, pinned: Scenario | None = None) -> str:
    """A scenario in a few words, against another or against every objective as rated."""
    parts = []
    for edit in edit_list(study, scenario, pinned or Scenario()):
        verb, name, rest = edit["verb"], edit["name"], edit["rest"]
        parts.append({"remove": f"{name} removed", "off": f"no {name}", "on": f"{name} back", "swap": f"{name} {rest}"}.get(
            verb, f"{name} {verb}" if verb.startswith("×") else f"{verb} {name}"))
    return ", ".join(parts) or "no edits"


def trained_words(result: Result) -> str:
    n, asked = len(result.margins), len(result.scenario.seeds)
    if is_partial(result):
        return f"partial: {n} of {asked} seed{'s' if asked > 1 else ''}, stopped early"
    return f"{n} seed{'s' if n > 1 else ''}"
