"""The model that a study comes with: its scores, penalties and gate as they were published, before anything is trained."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..bundle import DESCRIBED, RESTORE, pack, sha256, unpack
from ..errors import WorkbenchError, listing
from ..model import RewardModel
from ..scalarize.base import Gate
from ..scalarize.gate import SoftmaxGate
from ..scalarize.weights import FixedWeights
from ..study import Study
from ..writing import MODEL
from . import cache
from .recipe import GIVEN, Scenario

PUBLISHED = "as published"


def model_of(study: Study) -> RewardModel:
    """The model that the study comes with. WorkbenchError where there is none, it is damaged, or cannot read the study's features."""
    if not study.has_model:
        raise WorkbenchError("this study comes without a model", where=study.name, remedy="Attach one: study.with_model(model, folder)")
    model = _loaded(study.folder / MODEL, study.info["files"][f"{MODEL}/{DESCRIBED}"])
    wide = len(study.info["features"]["compose"]) * study.store.dim("response")
    reads = [("response", model.probes.weight.shape[1], wide)]
    if isinstance(model.gate, SoftmaxGate):
        reads.append(("prompt", model.gate.layers[0][0].shape[1], study.store.dim("prompt")))
    for kind, wanted, there in reads:
        if wanted != there:
            raise WorkbenchError(f"the model reads {kind} features of {wanted} dims, this study has {there}", where=study.name,
                                 remedy="Extract the features with the model's own backbone")
    return model


@lru_cache(maxsize=2)
def _loaded(folder: Path, digest: str) -> RewardModel:
    if sha256(folder / DESCRIBED) != digest:
        what = "hash does not match: it was changed after the study was written"
        raise WorkbenchError(what, where=str(folder / DESCRIBED), remedy=RESTORE)
    return RewardModel.load(folder)


def published(study: Study) -> Scenario:
    """The recipe that is the study's model as it was published: its objectives, and no others, penalties, multipliers and gate."""
    model = model_of(study)
    keep = None if set(model.names) == set(study.objectives) else model.names
    debias = {} if model.debias is None else {"debias": model.debias.against, "debias_method": GIVEN}
    return Scenario(name=PUBLISHED, keep=keep, multiply=dict(model.multiplier or {}), gate={"kind": GIVEN}, **debias)


def scored(study: Study, *, store: bool = True) -> tuple[RewardModel, pd.DataFrame]:
    """The model and its probes' scores of every response, by response_id; features are read by the block, and scores kept on disk."""
    model = model_of(study)
    folder = cache.runs_folder(study) / f"inputs-{study.hash}-{cache.code_hash()}"
    found = cache.load(folder) if store else None
    if found is None:
        values = model.probes.predict(study.stream())
        if store:
            cache.keep(folder, {"inputs.safetensors": pack({"all": values})}, {"study": study.hash})
    else:
        values = unpack(found[1]["inputs.safetensors"])["all"]
    responses = study.split_responses(text=False)["response_id"]
    return model, pd.DataFrame(values, index=responses, columns=list(model.probes.names), copy=False)


def penalty(model: RewardModel | None, column: str, nuisances: tuple[str, ...]) -> Float[np.ndarray, " nuisance"]:
    """The model's own λ of one column; a measured column has none, and is taken as it is.

    WorkbenchError without a model that has penalties, and for nuisances that they were not made against.
    """
    debias, where = None if model is None else model.debias, "scenario, debias_method"
    if debias is None:
        said = "this study comes without a model" if model is None else "the study's model has no penalties of its own"
        raise WorkbenchError(f"{said}: none are given", where=where, remedy='Take debias_method="exact"')
    if set(nuisances) != set(debias.against):
        raise WorkbenchError(f"the model's penalties are against {listing(debias.against)}, not {listing(nuisances)}", where=where,
                             remedy='Take debias_method="exact", which solves for them')
    if column not in debias.names:
        return np.zeros(len(nuisances))
    return np.atleast_2d(debias.penalty)[[debias.against.index(name) for name in nuisances], debias.names.index(column)]


def gate_over(model: RewardModel | None, names: tuple[str, ...]) -> Gate:
    """The model's gate over these objectives alone: what others weigh is shared out among them, as `preview` does it.

    One that the gate does not know weighs nothing. WorkbenchError without a model, and where none of them weighs anything.
    """
    if model is None:
        raise WorkbenchError("no gate is given: this study comes without a model", where="scenario, gate",
                             remedy='Take another kind, such as "softmax"')
    gate = model.gate
    if names == gate.names:
        return gate
    place = np.array([gate.names.index(name) if name in gate.names else -1 for name in names])
    known = place >= 0
    if isinstance(gate, SoftmaxGate):
        weight, bias = gate.layers[-1]
        last, active = (np.where(known[:, None], weight[place], 0.0), np.where(known, bias[place], 0.0)), known & gate.active[place]
        if active.any():
            return replace(gate, names=names, layers=(*gate.layers[:-1], last), active=active, fit_report=None)
    else:
        values = np.where(known, gate.values[place], 0.0)
        if values.any():
            return FixedWeights(values * (gate.logit_scale / values.sum()), names)
    raise WorkbenchError("the published gate gives no weight to the objectives kept", where="scenario, gate",
                         remedy="Keep others, or train a gate")


def notes(scenario: Scenario, model: RewardModel, names: tuple[str, ...]) -> tuple[str, ...]:
    """What a reader of the model's own gate must know."""
    said, unknown = ["the gate as published: not trained here"], [name for name in names if name not in model.gate.names]
    said += [f"{', '.join(unknown)}: no weight in the published gate"] if unknown else []
    said += ["labels as treated teach nothing: nothing was trained on them"] if scenario.labels != "hard" else []
    return tuple(said)
