"""The What-if screen's menus as plain values: debias targets, the gate, the labels; what cannot be chosen says why."""

from __future__ import annotations

import re

from ..errors import WorkbenchError
from ..scenario.edits import to_train
from ..scenario.given import model_of
from ..scenario.labels import LABELS, LabelSpec
from ..scenario.recipe import GIVEN, KINDS, GateSpec, Scenario
from ..scenario.result import HEAD, Result
from ..study import Study
from .words import GATE_KINDS, START_WORDS, called, called_start, gate_words, labels_words

FIRST_NUISANCES = ("verbosity", "n_words")
SETTINGS = ("hidden", "temperature", "steps", "batch_size", "lr", "start")
USED = {"softmax": SETTINGS, "bradley-terry": ("hidden", "steps", "batch_size", "lr"), "global": (), "uniform": (), "given": ()}
LACKS = {"softmax": "A softmax gate reads prompt features, and this study has none.",
         "bradley-terry": "A Bradley–Terry head reads features, and this study has none."}
SAYS = {"softmax": "A network reads the prompt and weighs the objectives.",
        "global": "One weight per objective for every prompt, solved at once.",
        "uniform": "Every objective weighs the same: nothing is trained.",
        "bradley-terry": "A plain head on the features, without objectives.",
        "given": "The gate of the study’s model as it was published: nothing is trained."}
CUSTOM = "custom"
MOST_LAYERS = 16


def columns(study: Study, first: tuple[str, ...] = ()) -> list[dict]:
    """What can be swapped in or taken out, by group: measured columns, then objectives; `first` leads as the usual ones."""
    groups = [("Measured", tuple(study.columns)), ("Objectives", study.objectives)]
    if first:
        groups = [("Usual", tuple(name for name in first if name in study.columns or name in study.objectives)), *groups]
    seen: set[str] = set()
    out = []
    for label, names in groups:
        fresh = [name for name in names if name not in seen]
        seen.update(fresh)
        if fresh:
            out.append({"label": label, "names": fresh})
    return out


def debias(study: Study, draft: Scenario, pinned: Scenario) -> dict:
    return {"value": list(draft.nuisances), "options": columns(study, FIRST_NUISANCES), "edited": draft.nuisances != pinned.nuisances}


def debias_notes(study: Study, draft: Scenario, shown: Result | None) -> list[str]:
    """What the numbers of a debias do not say: a root below zero, and a column that no published model has."""
    said = []
    if shown is not None and shown.penalty is not None and shown.names != (HEAD,):
        rows = shown.penalty.reshape(len(draft.nuisances), -1)
        for nuisance, row in zip(draft.nuisances, rows):
            below = [name for name, root in zip(shown.names, row) if root < 0]
            if below:
                said.append(f"Rewards {called(nuisance)} for {_some(below)}: the root is below zero there.")
    measured = [name for name in draft.nuisances if name not in study.objectives]
    if measured:
        verb = "is" if len(measured) == 1 else "are"
        said.append(f"{' and '.join(measured)} {verb} measured: this edit cannot be folded into the published layout.")
    elif draft.swap:
        said.append("A swapped column cannot be folded into the published layout.")
    if draft.debias and draft.debias_method == GIVEN:
        foreign = [called(column) for column in draft.swap.values() if column not in study.objectives]
        said += [f"No published penalty for {_some(foreign)}: taken as it is."] if foreign else []
    return said


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} others" if len(names) > most else "")


def gate_notes(draft: Scenario, pinned: Scenario) -> list[str]:
    """What Retrain does to a gate that is not trained."""
    if not draft.gate.kind == pinned.gate.kind == GIVEN:
        return []
    return [f"The gate is the published one. Retrain trains {gate_words(to_train(draft).gate)} in its place, on this study’s pairs."]


def gate(study: Study, draft: Scenario, pinned: Scenario) -> dict:
    """The gate in words and in full, and every kind with the settings it would begin with."""
    kinds = []
    for kind in KINDS if study.has_model else KINDS[:KINDS.index(GIVEN)]:
        spec = draft.gate if kind == draft.gate.kind else pinned.gate if kind == pinned.gate.kind else GateSpec(kind=kind)
        kinds.append({"kind": kind, "label": GATE_KINDS[kind], "says": SAYS[kind], "why": impossible(study, kind), "used": list(USED[kind]),
                      "spec": {**spec.model_dump(mode="json"), "hidden": layers_text(spec.hidden)}})
    return {"kind": draft.gate.kind, "words": gate_words(draft.gate), "kinds": kinds, "starts": starts(draft, pinned, study),
            "edited": draft.gate != pinned.gate}


def starts(draft: Scenario, pinned: Scenario, study: Study) -> list[list[str]]:
    """Where a softmax gate may begin, with its words: the baseline's gates among them where it has such."""
    known = [["global", "global weights"], ["uniform", "uniform weights"]]
    if (hidden := hidden_of(pinned, study)) is not None:
        known.append([pinned.id, "the baseline’s gates" if pinned.gate.kind != GIVEN else f"the published gate ({layers_text(hidden)})"])
    if draft.gate.warm and draft.gate.start not in (pinned.id, *START_WORDS):
        known.append([draft.gate.start, called_start(draft.gate.start)])
    return known


def hidden_of(pinned: Scenario, study: Study) -> tuple[int, ...] | None:
    """Hidden layers of the baseline's softmax gates; None where it has none."""
    if pinned.gate.kind == "softmax":
        return pinned.gate.hidden
    gate = model_of(study).gate if pinned.gate.kind == GIVEN else None
    return tuple(len(bias) for _, bias in gate.layers[:-1]) if hasattr(gate, "layers") else None


def impossible(study: Study, kind: str) -> str | None:
    """Why a study can have no gate of a kind."""
    if kind == GIVEN and not study.has_model:
        return "This study comes without a model."
    return LACKS.get(kind) if study.store is None else None


def layers_text(hidden: tuple[int, ...]) -> str:
    return f"{len(hidden)} × {hidden[0]}" if len(hidden) > 1 and len(set(hidden)) == 1 else ", ".join(map(str, hidden))


def layers_of(text: str) -> tuple[int, ...]:
    """Sizes of hidden layers from what is typed: "64", "64, 32", "3 × 1024", nothing for none. WorkbenchError otherwise."""
    bare = re.sub(r"(?<=\d)[\s\u2009](?=\d{3}\b)", "", str(text).strip())
    if found := re.fullmatch(r"(\d+)\s*[×x*]\s*(\d+)", bare):
        count, size = map(int, found.groups())
        sizes = (size,) * count if count <= MOST_LAYERS else (0,)
    elif re.fullmatch(r"(\d+([\s,]+\d+)*)?", bare):
        sizes = tuple(map(int, re.findall(r"\d+", bare)))
    else:
        sizes = (0,)
    if 0 in sizes or len(sizes) > MOST_LAYERS:
        raise WorkbenchError(f"hidden layers {text!r}", remedy=f"For example 64, or 64, 32, or 3 × 1024; {MOST_LAYERS} at most")
    return sizes


def asked_gate(study: Study, spec: dict, pinned: Scenario) -> dict:
    """A gate from the form: `GateSpec` fields, the layers as text. WorkbenchError for one that this study cannot train."""
    kind = spec.get("kind")
    if kind not in KINDS:
        raise WorkbenchError(f"gate kind {kind!r}", remedy=f"Choose {', '.join(KINDS)}")
    if why := impossible(study, kind):
        raise WorkbenchError(why.rstrip("."), where=study.name, remedy='Take "global" or "uniform"')
    asked = {name: spec[name] for name in USED[kind] if name in spec}
    if "hidden" in asked:
        asked["hidden"] = layers_of(asked["hidden"])
    first = hidden_of(pinned, study)
    if asked.get("start") == pinned.id and asked.get("hidden", first) != first:
        remedy = f"Take {layers_text(first)}, or another start"
        raise WorkbenchError("the baseline’s gates have other hidden layers", remedy=remedy)
    return {"kind": kind, **asked}


def labels(study: Study, draft: Scenario, pinned: Scenario) -> dict:
    """Treatments of the train labels, each with its own cut; another one, set elsewhere, is "custom"."""
    usual = {"hard": "as they stand", **{kind: LabelSpec(kind=kind).words for kind in LABELS if kind != "keep"}}
    value = next((kind for kind in usual if Scenario(labels=kind).labels == draft.labels), CUSTOM)
    options = [[kind, words] for kind, words in usual.items()] + ([[CUSTOM, labels_words(draft.labels)]] if value == CUSTOM else [])
    why = None if study.store is not None else "Preference strength needs features, and this study has none."
    return {"value": value, "options": options, "words": labels_words(draft.labels), "why": why, "edited": draft.labels != pinned.labels}
