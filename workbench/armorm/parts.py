"""Between a RewardModel and the tensors of the published layout: everything folded into a regression, a matrix and a gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ..errors import WorkbenchError, listing
from ..model import RewardModel
from ..objectives.debias import Debiased
from ..objectives.probes import LinearProbes
from ..scalarize.gate import SoftmaxGate
from .checkpoint import Layout

CLOSED = -1e30  # a logit whose weight is exactly 0, whatever the others are, and that is a finite number
TEMPERATURE = 10.0  # of a gate that has none: the published one


def reward_model_from(weight, names: Iterable[str], *, transform=None, gate, name: str = "") -> RewardModel:
    """A RewardModel from what two stages of training leave behind (arXiv 2406.12845).

    weight [obj dim]: of the regression, as it scores raw features; names: one per row; transform [obj obj]: T of r' = r @ T;
    gate: over these names or some of them, or the state of a published one (arrays by name, `SoftmaxGate.from_state`, at
    temperature 10 where it says none); name: what the model is called.
    Nothing is known of the fit behind the weights: the probes' α and r² are NaN, their grid is empty and their labels 0.
    WorkbenchError for shapes that do not agree and values that are not finite.
    """
    weight, names = np.asarray(weight), tuple(names)
    count = len(names)
    transform = np.eye(count) if transform is None else np.asarray(transform)
    for what, value, axes, wanted in (("weight", weight, "[obj, dim]", (count, *weight.shape[1:2])),
                                      ("transform", transform, "[obj, obj]", (count, count))):
        if value.shape != wanted or value.ndim != 2 or not np.isfinite(value).all():
            raise WorkbenchError(f"{what} {list(value.shape)} for {count} names, or not finite", remedy=f"Give finite numbers {axes}")
    if len(set(names)) != count:
        raise WorkbenchError("objectives of one name", remedy="Name each once")
    unknown = np.full(count, np.nan)
    probes = LinearProbes(weight, names, unknown, np.empty(0), unknown, np.empty((0, count)), np.zeros(count, np.int64))
    debias = Debiased.from_matrix(transform.astype(np.float64), names)
    if isinstance(gate, Mapping):
        gate = SoftmaxGate.from_state({name: np.asarray(value) for name, value in gate.items()}, names, temperature=TEMPERATURE)
    return RewardModel(probes, np.ones(count), debias, gate, name=name)


def folded(model: RewardModel) -> tuple[Layout, dict[str, np.ndarray]]:
    """The layout and its float32 tensors: scale in the regression, multiplier in T's columns, what is off at a closed logit.

    WorkbenchError for a gate that the layout has no place for, and for values that float32 cannot hold.
    """
    names, gate = model.probes.names, model.gate
    matrix = np.eye(len(names))
    if model.debias is not None:
        order = [model.debias.names.index(name) for name in names]
        matrix = model.debias.matrix[np.ix_(order, order)]
    factors = np.array([float((model.multiplier or {}).get(name, 1.0)) for name in names])
    dim = model.probes.weight.shape[1]
    layers = gate.layers if isinstance(gate, SoftmaxGate) else _constant(gate, dim)
    active = gate.active if isinstance(gate, SoftmaxGate) else gate.values > 0
    temperature = gate.temperature if isinstance(gate, SoftmaxGate) else TEMPERATURE
    layers = [*layers[:-1], _placed(*layers[-1], [names.index(name) for name in gate.names], active, len(names))]
    hidden = tuple(len(bias) for _, bias in layers[:-1])
    if len(set(hidden)) > 1:
        raise WorkbenchError(f"a gate with hidden layers {list(hidden)}: the published layout has one size for all",
                             remedy="Train it with equal ones, such as hidden=(1024, 1024, 1024)")
    if layers[0][0].shape[1] != dim:
        raise WorkbenchError(f"a gate on features of {layers[0][0].shape[1]} dims beside probes on {dim}",
                             remedy="The published layout reads both in one transformer: fit them on its own features")
    arrays = {"regression_layer.weight": model.probes.weight / model.scale[:, None], "reward_transform_matrix": matrix * factors + 0.0,
              "gating.logit_scale": np.array([gate.logit_scale])}  # + 0.0: no negative zeros
    for i, (weight, bias) in enumerate(layers):
        arrays |= {f"gating.layers.{i}.weight": weight, f"gating.layers.{i}.bias": bias}
    with np.errstate(over="ignore"):
        arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in arrays.items()}
    if bad := [name for name, value in arrays.items() if not np.isfinite(value).all()]:
        raise WorkbenchError(f"{listing(bad)} cannot be written in float32: not finite, or too large",
                             remedy="Look at the scale of the scores")
    return Layout(names, dim, hidden, float(temperature)), arrays


def _constant(gate, dim: int) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """One layer that gives the gate's shares whatever it reads."""
    with np.errstate(divide="ignore"):
        return ((np.zeros((len(gate.names), dim)), TEMPERATURE * np.log(gate.values / gate.logit_scale)),)


def _placed(weight: np.ndarray, bias: np.ndarray, places: list[int], active: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A last layer over all objectives: those that the gate does not weigh are closed."""
    wide, full = np.zeros((count, weight.shape[1]), weight.dtype), np.full(count, CLOSED, bias.dtype)
    open_ = np.array(places)[active]
    wide[open_], full[open_] = weight[active], bias[active]
    return wide, full
