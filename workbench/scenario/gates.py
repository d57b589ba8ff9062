"""One way to train, read and keep every kind of scalarizer that a scenario can name."""

from __future__ import annotations

import numpy as np

from ..axes import PairObj
from ..errors import WorkbenchError
from ..preference.augmented import ContrastiveHead
from ..preference.bradley_terry import Supervision
from ..preference.heads import DECAYS, BradleyTerryHead, HeadStack
from ..preference.meta import fit_meta
from ..scalarize.gate import SoftmaxGate
from ..scalarize.weights import GlobalWeights, UniformWeights
from ..scores import Scores
from .inputs import Split
from .recipe import GateSpec

GATES = {"softmax": SoftmaxGate, "global": GlobalWeights, "uniform": UniformWeights}


def train(spec: GateSpec, scores: Scores, data: Split, supervision: Supervision, *, seed: int | tuple[int, ...], start=None,
          shifted: np.ndarray | None = None, device: str = "auto", progress=None, cancel=None, label: str = ""):
    """Fit one scalarizer on train pairs, or a softmax gate for each of several seeds; start: the gate, or gates, to begin from.

    shifted [prompt k dim]: the answers that a meta step tells apart.

    WorkbenchError where the study has no prompts (softmax) or features (head).
    """
    taught = {"supervision": supervision, "groups": data.families, "seed": seed}
    loop = {"device": device, "progress": progress, "cancel": cancel, "label": label}
    size = {"steps": spec.steps, "batch_size": spec.batch_size, "lr": spec.lr}
    if spec.kind == "softmax":
        _needs(data.prompt, "a softmax gate reads prompt features, and this study has none", 'Use the gate kind "global" or "uniform"')
        shape = {"hidden": spec.hidden, "temperature": spec.temperature, "start": start or spec.start}
        return SoftmaxGate.fit(scores, data.prompt, **shape, **size, **taught, **loop)
    if spec.kind == "bradley-terry":
        _needs(data.features, "a Bradley–Terry head reads features, and this study has none", 'Use the gate kind "global" or "uniform"')
        how = {"hidden": spec.hidden, **size, **taught, **loop}
        if spec.contrastive is not None:
            asked = spec.contrastive
            method = None if asked.method == "none" else asked.method
            return ContrastiveHead.fit(data.features, method=method, on=asked.on, beta=asked.beta, dropout=asked.dropout, **how)
        if spec.meta is not None:
            return fit_meta(data.features, shifted, order=spec.meta.order, eta=spec.meta.eta, prompts=spec.meta.prompts, **how)
        return BradleyTerryHead.fit(data.features, **how)
    return (GlobalWeights if spec.kind == "global" else UniformWeights).fit(scores, supervision=supervision)


def work(spec: GateSpec, scores: Scores, data: Split) -> float:
    """Rows × parameters of one training step, 0 where nothing is trained step by step."""
    if spec.kind not in ("softmax", "bradley-terry"):
        return 0.0
    reads = data.prompt if spec.kind == "softmax" else data.features
    if reads is None:
        return 0.0
    dim, out, heads = (reads.shape[-1], len(scores.names), 1) if spec.kind == "softmax" else (reads.response.shape[-1], 1, len(DECAYS))
    sizes = [dim, *spec.hidden, out]
    return float(min(spec.batch_size, len(scores)) * heads * sum((wide + 1) * next_ for wide, next_ in zip(sizes, sizes[1:])))


def _needs(value, what: str, remedy: str) -> None:
    if value is None:
        raise WorkbenchError(what, where="scenario, gate", remedy=remedy)


def weights_of(gate, data: Split) -> PairObj:
    """Weights [pair obj] on a split; ones for a head, which has no objectives to weigh."""
    if isinstance(gate, BradleyTerryHead):
        return np.ones((len(data.pairs), 1))
    prompt = data.prompt if isinstance(gate, SoftmaxGate) else None  # the others weigh every prompt alike: none is read
    prompt = np.zeros((len(data.pairs), 0), np.float32) if prompt is None else prompt
    return np.asarray(gate.weights(prompt), np.float64)


def state_of(gate) -> dict[str, np.ndarray]:
    """Arrays by name, for safetensors."""
    if not isinstance(gate, BradleyTerryHead):
        return gate.state()
    return {**gate.heads.state(), "decay": np.array([gate.decay])}


def from_state(kind: str, state: dict[str, np.ndarray], names: tuple[str, ...]):
    """Undo `state_of`."""
    if kind != "bradley-terry":
        return GATES[kind].from_state(state, names)
    return BradleyTerryHead(HeadStack.from_state(state), float(state["decay"][0]), {})
