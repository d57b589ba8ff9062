"""Which reward a scenario trains, as one choice on the Strength screen: the gate, a head, or a head that learns more than its pairs."""

from __future__ import annotations

from ..errors import WorkbenchError
from ..scenario.heads import ContrastiveSpec, MetaSpec
from ..scenario.recipe import GateSpec, Scenario
from ..study import Study

GATE, HEAD = "gate", "bradley-terry"
EXTRAS = {
    "none pairs": ("Head with feature dropout", {"contrastive": ContrastiveSpec(method="none")}),
    "simcse pairs": ("Head + SimCSE (pairs)", {"contrastive": ContrastiveSpec(method="simcse")}),
    "simcse differences": ("Head + SimCSE (differences)", {"contrastive": ContrastiveSpec(method="simcse", on="differences")}),
    "swav pairs": ("Head + SwAV (pairs)", {"contrastive": ContrastiveSpec(method="swav")}),
    "swav differences": ("Head + SwAV (differences)", {"contrastive": ContrastiveSpec(method="swav", on="differences")}),
    "meta 1": ("Head + MetaRM, order 1", {"meta": MetaSpec()}),
    "meta 2": ("Head + MetaRM, order 2", {"meta": MetaSpec(order=2)}),
}
WORDS = {GATE: "Gate over objectives", HEAD: "Bradley–Terry head", **{name: words for name, (words, _) in EXTRAS.items()}}
CARRIED = ("steps", "batch_size")  # of a head, whatever it learns besides


def told(study: Study, draft: Scenario, pinned: Scenario) -> dict:
    """The choices and the draft's; a head with other settings of its own is told by what it learns."""
    gate, says = draft.gate, ""
    if gate.contrastive is not None:
        value, says = f"{gate.contrastive.method} {gate.contrastive.on}", gate.contrastive.words
    elif gate.meta is not None:
        value, says = f"meta {gate.meta.order}", gate.meta.words
    else:
        value = HEAD if gate.kind == HEAD else GATE
    why = None if study.store is not None else "A head reads features, and this study has none."
    return {"value": value, "options": list(WORDS.items()), "why": why, "says": says, "edited": gate != pinned.gate}


def wanted(study: Study, draft: Scenario, pinned: Scenario, value: str) -> dict:
    """The gate that a choice means, every field that differs among heads named. WorkbenchError for another choice, or without features."""
    if value not in WORDS:
        raise WorkbenchError(f"a reward called {value!r}", where="strength", remedy=f"One of {', '.join(WORDS)}")
    if value == GATE:
        spec = pinned.gate if pinned.gate.kind != HEAD else GateSpec(kind="softmax" if study.store is not None else "global")
        return dict(spec)
    if study.store is None:
        raise WorkbenchError("a head reads features, and this study has none", where=study.name, remedy="Keep the gate over objectives")
    extra = EXTRAS[value][1] if value != HEAD else {}
    spec = GateSpec(kind=HEAD, **{name: part.model_dump() for name, part in extra.items()},
                    **{name: getattr(draft.gate, name) for name in CARRIED if draft.gate.kind == HEAD})
    return dict(spec)
