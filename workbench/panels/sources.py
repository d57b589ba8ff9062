"""Where the Strength screen takes preference strength from: kinds of heads, columns of scores, ratings; and noise on purpose."""

from __future__ import annotations

from dataclasses import replace

from ..errors import WorkbenchError
from ..evaluate.strength import StrengthTable
from ..preference.strength import KINDS
from ..scenario.ensembles import StrengthSpec
from ..scenario.noise import FOLLOWS, NoiseSpec
from ..scenario.strength import score_columns
from ..study import Study
from .cuts import Cuts

HEADS = {"bootstrap": "Heads, bootstrap", "mlp": "Heads, small MLPs", "subspace": "Heads, feature subspaces", "linear": "Heads, linear"}
CUSTOM = "custom"
FOLDS = 5
WARNS = {
    "linear": "Seeds do not tell linear heads apart: their spread is that of the folds alone.",
    "in-sample": "In-sample heads have seen the labels that they judge: they agree with wrong ones, and hardly any lies below zero.",
    "scores": "Scores as they are given: whether their models saw these labels is not known here.",
    "ratings": "The gap between both answers’ ratings: one member, no spread.",
}


def offered(study: Study) -> dict[str, tuple[str, StrengthSpec]]:
    """name → (words, spec) of what a study has to take strength from, the usual one first; empty for nothing."""
    found = {kind: (HEADS[kind], StrengthSpec(kind=kind)) for kind in KINDS} if study.store is not None else {}
    if given := score_columns(study):
        found["scores"] = (f"{len(given)} score columns", StrengthSpec(source="scores"))
    elif found and len(study.scored) > 1:
        found["scores"] = (f"{len(study.scored)} score columns", StrengthSpec(source="scores", columns=study.scored))
    if "ratings" in study.tables or "ratings.parquet" in study.info["files"]:
        found["ratings"] = ("Gaps of ratings", StrengthSpec(source="ratings"))
    return found


def first(study: Study) -> StrengthSpec:
    """What is taken until something else is asked for. WorkbenchError for a study that has nothing to take strength from."""
    known = offered(study)
    if not known:
        raise WorkbenchError(
            "preference strength needs features, and this study has none", where=study.name,
            remedy="Columns of scores are no ensemble of reward models. Run `workbench extract` on its texts, and open it again",
        )
    return next(iter(known.values()))[1]


def told(study: Study, cuts: Cuts, table: StrengthTable | None) -> dict:
    """The choices, what is chosen, and what is to be known of it; table: the one that is shown."""
    spec, known = cuts.strength, offered(study)
    bare = spec.model_copy(update={"length_matched": False, "folds": StrengthSpec().folds})
    value = next((name for name, (_, usual) in known.items() if usual == bare), CUSTOM)
    options = [[name, words] for name, (words, _) in known.items()] + ([[CUSTOM, spec.words]] if value == CUSTOM else [])
    heads = spec.source == "heads"
    warns = [WARNS[spec.source]] if not heads else [WARNS["linear"]] * (spec.kind == "linear") + [WARNS["in-sample"]] * (spec.folds == 1)
    return {"value": value, "options": options, "heads": heads, "crossed": spec.folds > 1, "matched": spec.length_matched,
            "matches": table is None or table.length is not None, "words": spec.words, "warns": " ".join(warns),
            "noise": None if cuts.noise is None else {"rate": round(100 * cuts.noise.rate, 4), "follows": cuts.noise.follows}}


def members_words(spec: StrengthSpec, table: StrengthTable) -> str:
    """Who the members are: "10 reward models; each judges families it has not seen"."""
    members = table.members.shape[1]
    if spec.source == "ratings":
        return "the gap of ratings as the one reward model"
    if spec.source == "scores":
        return f"{members} columns of scores as reward models"
    seen = "each judges families it has not seen" if spec.folds > 1 else "each has seen the pairs that it judges"
    return f"{members} reward models; {seen}"


# -- gestures --------------------------------------------------------------------------------------


def do(study: Study, cuts: Cuts, table: StrengthTable, message: dict) -> Cuts | None:
    """Other cuts for "source", "folds", "matched" and "noise"; None for other gestures."""
    asked, spec = message.get("do"), cuts.strength
    if asked == "source":
        known = offered(study)
        if message["value"] not in known:
            raise WorkbenchError(f"strength from {message['value']!r}", where=study.name, remedy=f"One of {', '.join(known)}")
        wanted = known[message["value"]][1]
        keeps = {"length_matched": spec.length_matched} | ({"folds": spec.folds} if wanted.source == spec.source == "heads" else {})
        return cuts.from_source(table, wanted.model_copy(update=keeps))
    if asked == "folds":
        if spec.source != "heads":
            raise WorkbenchError("only heads are cross-fitted", where="strength", remedy="Take strength from heads")
        return cuts.from_source(table, spec.model_copy(update={"folds": FOLDS if message["on"] else 1}))
    if asked == "matched":
        return cuts.from_source(table, spec.model_copy(update={"length_matched": bool(message["on"])}))
    if asked == "noise":
        rate = message.get("rate")
        if message["follows"] not in FOLLOWS:
            raise WorkbenchError(f"noise that follows {message['follows']!r}", where="strength", remedy=f"One of {', '.join(FOLLOWS)}")
        noise = None if not rate else NoiseSpec(rate=float(rate) / 100, follows=message["follows"])
        return cuts if noise == cuts.noise else replace(cuts.from_source(table, spec), noise=noise)
    return None
