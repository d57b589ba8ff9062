"""preview: an edit in closed form, with the gate as it stands. Nothing is trained, and the result says so."""

from __future__ import annotations

import numpy as np

from ..errors import WorkbenchError
from ..study import Study
from .inputs import prepare
from .plan import Plan
from .recipe import Scenario
from .result import HEAD, Result, assemble


def preview(result: Result, scenario: Scenario, study: Study) -> Result:
    """What a scenario would give with the gate of `result`: a Result with retrained=False.

    Drop masks an objective's weight and scales the others so that they keep their sum; a multiplier scales its
    contribution; swap and debias change the scores (λ fitted on train). Labels, gate and seeds stay those of `result`.
    Raises WorkbenchError for another study, a head without objectives on either side, or when the gate weighs none of what is kept.
    """
    if result.study_hash != study.hash:
        raise WorkbenchError(f"the result is of study {result.study_hash}, this is {study.hash}", remedy="Run its scenario on this study")
    if result.names == (HEAD,):
        raise WorkbenchError("a Bradley–Terry head has no objectives to edit", where="preview", remedy="Preview from a gate")
    if scenario.gate.kind == "bradley-terry":
        raise WorkbenchError("a Bradley–Terry head has no closed form", where="preview", remedy="Retrain")
    plan = Plan.make(scenario, prepare(study))
    place = np.array([result.names.index(name) if name in result.names else -1 for name in plan.names])
    if (place < 0).all():
        raise WorkbenchError("the gate weighs none of the objectives kept", where="preview", remedy="Retrain")
    weights = result.weights
    margins, factor = plan.margins(weights, result.names, result.split)
    if factor is not None and not factor.any():
        raise WorkbenchError("the gate gives no weight to the objectives kept", where="preview", remedy="Retrain, or keep others")
    new = [name for name, at in zip(plan.names, place) if at < 0]
    found = assemble(
        scenario, plan.inputs, result.gates, result.seeds, split=result.split, margins=margins, retrained=False,
        notes=(f"no weight for {', '.join(new)} until retrained",) if new else (),
    )
    found.make["weights"] = lambda: _restricted(weights, place, factor)
    found.make["mean weights"] = lambda: _mean_restricted(result, place, factor)
    return found


def _restricted(weights: np.ndarray, place: np.ndarray, factor: np.ndarray | None) -> np.ndarray:
    """[… pair obj] the weights of the objectives kept, 0 for one that the gate does not know."""
    if factor is None and np.array_equal(place, np.arange(weights.shape[-1])):
        return weights
    out = np.take(weights, place, axis=-1)
    out[..., place < 0] = 0.0
    return out if factor is None else np.multiply(out, factor[..., None], out=out)


def _mean_restricted(result: Result, place: np.ndarray, factor: np.ndarray | None) -> np.ndarray:
    """[pair obj] the mean over seeds of the same, which is not made for it."""
    if factor is None:
        return _restricted(result.mean_weights, place, None)
    return _restricted(np.einsum("spk,sp->pk", result.weights, factor / len(factor)), place, None)
