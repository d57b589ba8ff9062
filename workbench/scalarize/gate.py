"""The softmax gate: which objectives count, as the prompt decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..axes import PairObj, PairSide
from ..errors import WorkbenchError
from ..preference.bradley_terry import Supervision
from ..preference.data import ROWS
from ..preference.fit import Fit
from ..rows import Repeated
from ..scores import Scores
from .base import Prompts, active_mask, aligned, rewards

STARTS = ("uniform", "global")


@dataclass(frozen=True, eq=False)
class SoftmaxGate:
    """Weights per prompt: β · softmax(MLP(x) / temperature) over objectives (arXiv 2406.12845).

    names: objectives in order; layers: weight [out in] and bias [out] of each layer, ReLU between; active [obj]: an
    objective that is not active has weight exactly 0 (its logit is masked, the others renormalised).

    reward = Σ_k weights_k r'_k. A score that is the same for both sides of every pair (the debiased nuisance is zero
    everywhere) changes no reward margin, yet takes its share of the softmax: a null expert. Its mass lets the gate turn
    down the sharpness of a single prompt, so it stays in; displays leave it out and say so, or fit with `active` without it.
    """

    names: tuple[str, ...]
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    logit_scale: float
    temperature: float
    active: np.ndarray
    fit_report: Fit | None = field(default=None, repr=False)

    @classmethod
    def fit(cls, scores: Scores, prompt: Prompts, *, hidden: Sequence[int] = (1024, 1024, 1024), temperature: float = 10.0,
            steps: int = 2000, batch_size: int = 1024, lr: float = 1e-3, scale_lr: float | None = None, weight_decay: float = 0.0,
            dropout: float = 0.0, start: str | SoftmaxGate | tuple[SoftmaxGate, ...] = "uniform", active: Sequence[str] | None = None,
            supervision: Supervision | None = None, groups=None, held_out: float = 0.2, every: int = 25, patience: int | None = 8,
            seed: int | Sequence[int] = 0, device: str = "auto", precision: str = "auto", progress: Callable | None = None, cancel=None,
            label: str = "gate") -> SoftmaxGate | tuple[SoftmaxGate, ...]:
        """Train the gate on pairs: Bradley–Terry loss, AdamW, cosine to 0.

        scores [pair side obj], debiased and divided by their training deviation; prompt [pair dim], one row per pair
        (`Repeated` holds a prompt of several pairs once). A share `held_out` of the families in `groups` [pair] (None: every
        pair is one) is kept aside, the state that does best there is kept, and `patience` × `every` steps without a better
        one stop it (held_out=0: the last state). The scale starts from a one-parameter fit on uniform weights and learns at
        `scale_lr` (default 10 lr): a scale that lags makes the softmax sharpen in its place, and the weights are read wrong.
        start="global" begins at the best single set of weights instead (`GlobalWeights`), so that few families teach
        departures from it, not the set anew; a trained gate (or one for each seed) at its state. active: names of the
        objectives that may weigh anything. Prompts are standardised for training, and that is folded into the first layer.
        precision: of the products (see `preference.fit`). Several seeds give as many gates, trained as one job, with their own held-out
        families, batches and best state; they stop together. Deterministic for one seed, device, precision and shape.
        Raises WorkbenchError for shapes that disagree, unknown names, a start of another shape.
        """
        from .training import Shape, train

        prompt, supervision = _prompt(prompt), supervision or Supervision.hard(len(scores))
        if not len(prompt) == len(scores) == len(supervision):
            raise WorkbenchError(
                f"{len(prompt)} prompts, {len(scores)} pairs of scores, {len(supervision)} of supervision",
                remedy="One row per pair in each",
            )
        if not temperature > 0:
            raise WorkbenchError(f"temperature {temperature}", remedy="A temperature is positive")
        if isinstance(start, str) and start not in STARTS:
            raise WorkbenchError(f"unknown start {start!r}", remedy=f"Known: {', '.join(STARTS)}, or a trained gate")
        mask = active_mask(scores.names, active)
        shape = Shape(tuple(hidden), float(temperature), dropout, mask, start)
        found = train(
            shape, scores, prompt, supervision, (seed,) if np.ndim(seed) == 0 else tuple(seed), groups=groups, held_out=held_out, lr=lr,
            scale_lr=scale_lr, batch_size=batch_size, device=device, precision=precision, steps=steps, weight_decay=weight_decay,
            every=every, patience=patience, progress=progress, cancel=cancel, label=label,
        )
        gates = tuple(cls(scores.names, one.layers, one.scale, float(temperature), mask, one.report) for one in found)
        return gates[0] if np.ndim(seed) == 0 else gates

    def shares(self, prompt: Prompts) -> PairObj:
        """softmax over objectives [pair obj]: ≥ 0, rows sum to 1; float64."""
        prompt = _prompt(prompt, self.layers[0][0].shape[1])
        if isinstance(prompt, Repeated):
            return self.shares(prompt.rows)[prompt.of] if len(prompt) > len(prompt.rows) else self.shares(np.asarray(prompt))
        out = np.empty((len(prompt), len(self.names)))
        for start in range(0, len(prompt), ROWS):
            hidden = prompt[start : start + ROWS].astype(np.float32, copy=False)
            for weight, bias in self.layers[:-1]:
                hidden = np.maximum(hidden @ weight.T + bias, 0)
            weight, bias = self.layers[-1]
            logits = (hidden @ weight.T + bias).astype(np.float64) / self.temperature
            logits[:, ~self.active] = -np.inf
            raised = np.exp(logits - logits.max(axis=1, keepdims=True))
            out[start : start + ROWS] = raised / raised.sum(axis=1, keepdims=True)
        return out

    def weights(self, prompt: Prompts) -> PairObj:
        """Weights [pair obj] ≥ 0 whose rows sum to logit_scale."""
        return self.logit_scale * self.shares(prompt)

    def __call__(self, scores: Scores, prompt: Prompts) -> PairSide:
        """Rewards [pair side] = Σ_k weights_k r'_k, exactly."""
        return rewards(self.weights(prompt), aligned(scores, self.names))

    def restrict(self, active: Sequence[str]) -> SoftmaxGate:
        """The same gate with only these objectives: the other logits masked, the rest renormalised; no training."""
        return replace(self, active=active_mask(self.names, active), fit_report=None)

    def state(self) -> dict[str, np.ndarray]:
        """Arrays by name: logit_scale [1], layers.{i}.weight and .bias as published, temperature [1], active [obj]."""
        arrays = {"logit_scale": np.array([self.logit_scale]), "temperature": np.array([self.temperature]), "active": self.active.copy()}
        for i, (weight, bias) in enumerate(self.layers):
            arrays[f"layers.{i}.weight"], arrays[f"layers.{i}.bias"] = weight.copy(), bias.copy()
        return arrays

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray], names: Sequence[str], *, temperature: float = 10.0) -> SoftmaxGate:
        """Undo `state`. A published gate has no temperature and no mask: 10 and all active are taken."""
        names, depth = tuple(names), sum(key.startswith("layers.") and key.endswith(".weight") for key in state)
        try:
            layers = tuple((np.asarray(state[f"layers.{i}.weight"]), np.asarray(state[f"layers.{i}.bias"])) for i in range(depth))
            scale = float(np.ravel(state["logit_scale"])[0])
        except KeyError as error:
            raise WorkbenchError(f"a gate's state lacks {error.args[0]!r}", remedy="Take what `state()` gave") from None
        if not layers or layers[-1][0].shape[0] != len(names):
            outputs = layers[-1][0].shape[0] if layers else 0
            raise WorkbenchError(f"a gate over {outputs} objectives with {len(names)} names", remedy="Name them in the gate's order")
        active = np.asarray(state.get("active", np.ones(len(names), bool))).astype(bool)
        return cls(names, layers, scale, float(np.ravel(state.get("temperature", temperature))[0]), active)


def _prompt(prompt, dim: int | None = None) -> np.ndarray | Repeated:
    prompt = prompt if isinstance(prompt, Repeated) else np.asarray(prompt)
    if prompt.ndim != 2:
        raise WorkbenchError(
            f"prompt features have shape {list(prompt.shape)}, wanted [pair, dim]",
            remedy="One row per pair: both sides have the same prompt (of [pair, 2, dim] take [:, 0])",
        )
    if dim is not None and prompt.shape[1] != dim:
        raise WorkbenchError(f"prompt features of {prompt.shape[1]} dims, the gate reads {dim}", remedy="Use its own backbone")
    return prompt
