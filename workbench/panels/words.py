"""Scenarios and runs in a few words."""

from __future__ import annotations

from ..scenario.edits import on
from ..scenario.job import is_partial
from ..scenario.labels import LabelSpec, label_words
from ..scenario.recipe import GateSpec, Scenario
from ..scenario.result import Result
from ..study import Study

GATE_KINDS = {"softmax": "softmax", "global": "global weights", "uniform": "uniform weights", "bradley-terry": "Bradley–Terry head",
              "given": "as published"}
DEBIAS_WORDS = {"exact": "exact root", "grid": "grid root", "given": "published penalties"}
SETTINGS = {"temperature": "temperature {:g}", "steps": "{:,} steps", "batch_size": "batch {:,}", "lr": "rate {:g}", "start": "start {}"}
START_WORDS = ("global", "uniform")


def edit_list(study: Study, draft: Scenario, pinned: Scenario) -> list[dict]:
    """How the draft differs from the baseline: verb, name, and the rest of the sentence."""
    edits = []
    if draft.nuisances != pinned.nuisances:
        if draft.nuisances:
            kept = sum(on(draft, name) for name in study.objectives if name not in draft.nuisances)
            rest = f"from {kept} objective{'s' if kept != 1 else ''}"
            edits.append(_said("remove", " and ".join(draft.nuisances), rest, DEBIAS_WORDS[draft.debias_method]))
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
        edits.append(_said("labels", labels_words(draft.labels)))
    if draft.gate != pinned.gate:
        edits.append(_said("gate", *_gate_edit(draft.gate, pinned.gate)))
    return edits


def _said(verb: str, name: str, rest: str = "", note: str = "") -> dict:
    return {"verb": verb, "name": name, "rest": rest, "note": note}


def in_words(study: Study, scenario: Scenario, pinned: Scenario | None = None) -> str:
    """A scenario in a few words, against another or against every objective as rated."""
    parts = []
    for edit in edit_list(study, scenario, pinned or Scenario()):
        verb, name, rest = edit["verb"], edit["name"], edit["rest"]
        parts.append({"remove": f"{name} removed", "off": f"no {name}", "on": f"{name} back", "swap": f"{name} {rest}",
                      "gate": f"gate {name}{', ' if rest else ''}{rest}"}.get(
            verb, f"{name} {verb}" if verb.startswith("×") else f"{verb} {name}"))
    return ", ".join(parts) or "no edits"


def called(column: str) -> str:
    """What people call a column."""
    return "length" if column == "n_words" else column


def layer_words(hidden: tuple[int, ...]) -> str:
    """Hidden layers: "64", "3 × 1 024", "linear" for none."""
    sizes = [_thin(f"{size:,}") for size in hidden]
    return f"{len(sizes)} × {sizes[0]}" if len(sizes) > 1 and len(set(sizes)) == 1 else ", ".join(sizes) or "linear"


def _thin(text: str) -> str:
    return text.replace(",", "\u2009")


def gate_words(gate: GateSpec) -> str:
    """Size and kind: "64 · softmax", "global weights"."""
    return GATE_KINDS[gate.kind] if gate.kind in ("global", "uniform", "given") else f"{layer_words(gate.hidden)} · {GATE_KINDS[gate.kind]}"


def called_start(start: str) -> str:
    """Where a gate begins, to stand behind the word "start"."""
    return start if start in START_WORDS else f"from the gates of {start}"


def _gate_edit(gate: GateSpec, pinned: GateSpec) -> tuple[str, str]:
    """What it is now where its shape differs, and the settings that do."""
    first = pinned if pinned.kind == gate.kind else GateSpec(kind=gate.kind)
    changed = [_thin(text.format(called_start(gate.start) if name == "start" else getattr(gate, name))) for name, text in SETTINGS.items()
               if getattr(gate, name) != getattr(first, name)]
    lessons = [getattr(gate, name) for name in ("contrastive", "meta") if getattr(gate, name) != getattr(pinned, name)]
    changed += [lesson.words for lesson in lessons if lesson is not None]
    if (gate.kind, gate.hidden) != (pinned.kind, pinned.hidden) or not changed:
        return gate_words(gate), ", ".join(changed)
    return ", ".join(changed), ""


def labels_words(labels: LabelSpec | str) -> str:
    """What is done to the labels, to stand behind the word "labels"."""
    return label_words(labels) if isinstance(labels, LabelSpec) else "as they stand"


def trained_words(result: Result) -> str:
    n, asked = len(result.margins), len(result.scenario.seeds)
    if is_partial(result):
        return f"partial: {n} of {asked} seed{'s' if asked > 1 else ''}, stopped early"
    return f"{n} seed{'s' if n > 1 else ''}"
