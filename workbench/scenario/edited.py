"""Texts that are in no study, scored by a result as it scores its own pairs: what an edit of a prompt or an answer gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..axes import SIDES, RowDim
from ..backbone import PACKAGES, CausalBackbone, load, model_folder
from ..backbone.conversations import Group
from ..errors import WorkbenchError, listing
from ..extract import Backbone, Encoder, as_backbone
from ..features import Features, as_float32, compose, to_stored
from ..measured import COLUMNS, measure
from ..readers.messages import messages_of, retold
from ..scores import Scores
from ..study import Study
from .inputs import Inputs, Split, prepare
from .result import HEAD, Result, assemble

EDITED = "edited"  # the split that it stands in for, and the id of its one pair


@dataclass(frozen=True, eq=False)
class Edited:
    """One pair of texts under a result's gates.

    result: those gates on this pair alone, so that `decompose(0)` and `certificate(0)` are the edited margin's; rewards
    [seed side]; cut: which of "prompt", "chosen", "rejected" the encoder did not read to the end.
    """

    result: Result
    rewards: Float[np.ndarray, "seed side"]
    cut: tuple[str, ...] = ()

    @property
    def margin(self) -> float:
        """Chosen − rejected, mean over seeds."""
        return float(self.result.margin[0])

    @property
    def scores(self) -> Float[np.ndarray, "side obj"]:
        """What the weights weigh: scaled, debiased, multiplied."""
        return self.result.scores.values[0]

    @property
    def weights(self) -> Float[np.ndarray, "seed obj"]:
        """Gate weights that the edited prompt gets."""
        return self.result.weights[:, 0]


def rescore(result: Result, study: Study, *, prompt: str, chosen: str, rejected: str,
            encoder: Encoder | Backbone | None = None) -> Edited:
    """Score three texts as `result` scores a pair of its study: its backbone, probes, penalties, and every seed's gate.

    Nothing is trained or kept. A text that the study has keeps the features stored for it; another one's are rounded as
    those are (its own texts, encoded again, give rewards within 1e-4 of what they are). Columns measured on text (n_words …)
    are measured on these. encoder: the study's own when None (`encoder_of`). Raises WorkbenchError for a conversation that
    its backbone cannot read, and where `rescorable` or the encoder does.
    """
    rescorable(result, study)
    backbone = _fitting(as_backbone(encoder_of(study) if encoder is None else encoder, {}), study)
    features, cut = _features(study, backbone, prompt, (chosen, rejected))
    inputs = _with(prepare(study), features, measure([chosen, rejected]))
    found = assemble(result.scenario, inputs, result.gates, result.seeds, split=EDITED)
    if found.names == (HEAD,):
        rewards = np.stack([gate(inputs.split(EDITED).features)[0] for gate in result.gates])
    else:
        rewards = found.weights[:, 0] @ found.scores.values[0].T
    return Edited(found, rewards.astype(np.float64), cut)


def rescorable(result: Result, study: Study) -> None:
    """Raise WorkbenchError, which says why, where texts cannot be scored under a result; loads no encoder."""
    if result.study_hash != study.hash:
        raise WorkbenchError(f"the result is of study {result.study_hash}, this is {study.hash}", remedy="Run its scenario on this study")
    if not study.has_text:
        raise WorkbenchError("this study has no texts to edit", where=study.name)
    if study.store is None:
        raise WorkbenchError("this study has no features: the scores of its texts come from elsewhere", where=study.name,
                             remedy="Extract its features to score another text")
    if not result.retrained:
        raise WorkbenchError("a preview has no gate of its own", where=study.name, remedy="Retrain to score another text")
    if result.names == (HEAD,):
        return
    scenario, probes = result.scenario, prepare(study).probes
    columns = dict.fromkeys(scenario.swap.get(name, name) for name in (*result.names, *scenario.nuisances))
    ours = {*(probes.names if probes else ()), *(COLUMNS if "scores/measured.parquet" in study.info["files"] else ())}
    if foreign := [name for name in columns if name not in ours]:
        raise WorkbenchError(f"{listing(foreign)}: known of the study's own texts alone", where=study.name,
                             remedy="A scenario over rated objectives and measured columns scores other texts too")


def encoder_of(study: Study) -> Encoder | Backbone:
    """The backbone that made a study's features: one that this process holds, else loaded once; WorkbenchError where it is not here."""
    name, told = encoder_is_here(study), study.info["features"]
    options = {key: told.get(key) for key in ("max_tokens", "overlong")} | {"gating_pattern": tuple(told.get("gating_pattern", ()))}
    return CausalBackbone.loaded(name) or _loaded(name, tuple((key, value) for key, value in options.items() if value))


def encoder_is_here(study: Study) -> str:
    """The name of the backbone that made a study's features; WorkbenchError where it is unknown or not on this machine. Loads nothing."""
    if not isinstance(name := study.info["features"].get("backbone"), str):
        raise WorkbenchError("the study does not say which encoder made its features", where=study.name)
    if CausalBackbone.loaded(name) is None:
        try:
            model_folder(name, fetch=False)
        except WorkbenchError as error:
            if name in PACKAGES:
                raise
            remedy = f"Hold it in this kernel: model = wb.backbone.load({name!r}), or load its folder"
            raise WorkbenchError(error.what, remedy=remedy) from None
    return name


@lru_cache(maxsize=1)
def _loaded(name: str, options: tuple) -> Encoder | Backbone:
    return load(name, **dict(options))


def _fitting(backbone: Backbone, study: Study) -> Backbone:
    """The backbone itself, if its vectors are of the kind that the study holds."""
    told = study.info["features"]
    wanted = told.get("weights", backbone.fingerprint), *(study.store.dim(kind) for kind in ("prompt", "response")), told.get("chat")
    if wanted != (backbone.fingerprint, backbone.dim, backbone.dim, backbone.identity.get("chat")):
        raise WorkbenchError(f"{backbone.name} is not the encoder that made this study's features", where=study.name,
                             remedy=f"They are by {told.get('backbone')} {wanted[0]}")
    return backbone


def _features(study: Study, backbone: Backbone, prompt: str, answers: tuple[str, str]) -> tuple[Features, tuple[str, ...]]:
    """Of one pair, and which of its texts were not read to the end. What the study holds stays as it is; the rest is computed."""
    rows = [_held(study, "prompt", prompt), *(_held(study, "response", answer, prompt) for answer in answers)]
    wanted = tuple((slot, answer) for slot, answer in enumerate(answers, 1) if rows[slot] is None)
    group = Group(prompt, _messages(study, prompt), 0 if rows[0] is None else None, wanted)
    work = backbone.plan([group])
    if why := next(iter(work.skipped.values()), None):
        raise WorkbenchError(f"the edit cannot be read: {why}", where=study.name, remedy="Make it shorter, or another conversation")
    for batch in work.batches:
        for slot, vector in zip(batch.slots, backbone.run(batch)):
            kind = "response" if slot else "prompt"
            rows[slot] = as_float32(to_stored(np.asarray(vector, np.float32)[None], study.store.index["kinds"][kind]["dtype"]))
    found = Features(rows[0], compose(rows[0][:, None], np.concatenate(rows[1:])[None], tuple(study.info["features"]["compose"])))
    whole = backbone.plan([Group(prompt, group.messages, 0, tuple(enumerate(answers, 1)))])
    return found, tuple(name for slot, name in enumerate(("prompt", *SIDES)) if slot in whole.cut)


def _held(study: Study, kind: str, text: str, prompt: str | None = None) -> RowDim | None:
    """The row that the study holds for a text (of an answer to that prompt, where features read both), or None."""
    table = study.table(f"{kind}s")
    at = table["text"] == text
    if kind == "response" and study.info["features"]["compose"] == ["response"]:
        prompts = study.table("prompts")
        at &= table["prompt_id"].isin(prompts.loc[prompts["text"] == prompt, "prompt_id"])
    places = np.setdiff1d(np.flatnonzero(at), list(study.store.skipped(kind)))
    return study.store.rows(kind, places[:1]) if len(places) else None


def _messages(study: Study, prompt: str) -> list[dict]:
    """The study's own conversation of that text; else the text read as it is told (`readers.messages.retold`)."""
    prompts = study.table("prompts")
    known = prompts[prompts["text"] == prompt]
    return messages_of(known)[0] if len(known) else retold(prompt)


def _with(inputs: Inputs, features: Features, measured: pd.DataFrame) -> Inputs:
    """The study's inputs with one split more, of this pair: deviations and penalties stay those of train."""
    pairs = pd.DataFrame({name: [EDITED] for name in ("pair_id", "prompt_id", "family", *SIDES)})
    columns = {name: measured[name].to_numpy(np.float64)[None] for name in COLUMNS}
    if inputs.probes is None:
        values = np.stack([columns.get(name, np.zeros((1, 2))) for name in inputs.names], axis=-1)
    else:
        values = inputs.probes(features).values + inputs.offset
        foreign = len(inputs.names) - values.shape[-1]  # objectives scored elsewhere, which take no part: `rescorable` refuses that
        values = np.concatenate([values, np.zeros((1, 2, foreign))], axis=-1)
    split = Split(pairs, Scores(values, inputs.names), lambda: features.prompt, lambda: features)
    return replace(inputs, kept={**inputs.kept, ("split", EDITED): split, **{("measured", name, EDITED): c for name, c in columns.items()}})
