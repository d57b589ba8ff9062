"""Texts that are in no study, scored by a result as it scores its own pairs: what an edit of a prompt or an answer gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..axes import SIDES, RowDim
from ..backbone import SentenceEncoder, model_folder
from ..errors import WorkbenchError, listing
from ..extract import Encoder
from ..features import Features, as_float32, compose, to_stored
from ..measured import COLUMNS, measure
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


def rescore(result: Result, study: Study, *, prompt: str, chosen: str, rejected: str, encoder: Encoder | None = None) -> Edited:
    """Score three texts as `result` scores a pair of its study: its backbone, probes, penalties, and every seed's gate.

    Nothing is trained or kept. A text that the study has keeps the features stored for it; another one's are rounded as
    those are (its own texts, encoded again, give rewards within 1e-4 of what they are). Columns measured on text (n_words …)
    are measured on these. encoder: the study's own when None, from its installed package (`encoder_of`). Raises
    WorkbenchError where `rescorable` or the encoder does.
    """
    rescorable(result, study)
    encoder = _fitting(encoder_of(study) if encoder is None else encoder, study)
    texts = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    long = encoder.token_counts(list(texts.values())) > encoder.max_tokens
    inputs = _with(prepare(study), _features(study, encoder, *texts.values()), measure([chosen, rejected]))
    found = assemble(result.scenario, inputs, result.gates, result.seeds, split=EDITED)
    if found.names == (HEAD,):
        rewards = np.stack([gate(inputs.split(EDITED).features)[0] for gate in result.gates])
    else:
        rewards = found.weights[:, 0] @ found.scores.values[0].T
    return Edited(found, rewards.astype(np.float64), tuple(name for name, more in zip(texts, long) if more))


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


def encoder_of(study: Study) -> SentenceEncoder:
    """The encoder that made a study's features, loaded once (seconds); WorkbenchError where it is not installed."""
    return _loaded(encoder_is_here(study), int(study.info["features"].get("max_tokens", 0)))


def encoder_is_here(study: Study) -> str:
    """The name of the encoder that made a study's features; WorkbenchError where it is unknown or not installed. Loads nothing."""
    if not isinstance(name := study.info["features"].get("backbone"), str):
        raise WorkbenchError("the study does not say which encoder made its features", where=study.name)
    model_folder(name)
    return name


@lru_cache(maxsize=1)
def _loaded(name: str, max_tokens: int) -> SentenceEncoder:
    return SentenceEncoder.load(name, device="cpu", **({"max_tokens": max_tokens} if max_tokens else {}))


def _fitting(encoder: Encoder, study: Study) -> Encoder:
    """The encoder itself, if its vectors are of the kind that the study holds."""
    wanted = study.info["features"].get("weights", encoder.fingerprint), *(study.store.dim(kind) for kind in ("prompt", "response"))
    if wanted != (encoder.fingerprint, encoder.dim, encoder.dim):
        raise WorkbenchError(f"{encoder.name} is not the encoder that made this study's features", where=study.name,
                             remedy=f"They are by {study.info['features'].get('backbone')} {wanted[0]}")
    return encoder


def _features(study: Study, encoder: Encoder, *texts: str) -> Features:
    """Of one pair."""
    prompt, answers = _rows(study, encoder, "prompt", texts[:1]), _rows(study, encoder, "response", texts[1:])
    return Features(prompt, compose(prompt[:, None], answers[None], tuple(study.info["features"]["compose"])))


def _rows(study: Study, encoder: Encoder, kind: str, texts: tuple[str, ...]) -> RowDim:
    """A text of the study has the row that the study holds, so that what was not edited stays as it is; others are encoded."""
    store, known, out = study.store, study.table(f"{kind}s")["text"], []
    for text in texts:
        at = np.setdiff1d(np.flatnonzero(known == text), list(store.skipped(kind)))
        row = store.rows(kind, at[:1]) if len(at) else np.asarray(encoder.encode([text]), np.float32)
        out.append(as_float32(to_stored(row, store.index["kinds"][kind]["dtype"])))
    return np.concatenate(out)


def _with(inputs: Inputs, features: Features, measured: pd.DataFrame) -> Inputs:
    """The study's inputs with one split more, of this pair: deviations and penalties stay those of train."""
    pairs = pd.DataFrame({name: [EDITED] for name in ("pair_id", "prompt_id", "family", *SIDES)})
    columns = {name: measured[name].to_numpy(np.float64)[None] for name in COLUMNS}
    if inputs.probes is None:
        values = np.stack([columns.get(name, np.zeros((1, 2))) for name in inputs.names], axis=-1)
    else:
        values = inputs.probes(features).values + inputs.offset
    split = Split(pairs, Scores(values, inputs.names), lambda: features.prompt, lambda: features)
    return replace(inputs, kept={**inputs.kept, ("split", EDITED): split, **{("measured", name, EDITED): c for name, c in columns.items()}})
