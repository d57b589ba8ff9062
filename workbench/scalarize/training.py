"""How gates are trained: prompts made even and laid out once, a start, one seed or several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..budget import claim
from ..errors import WorkbenchError
from ..preference.bradley_terry import Supervision, fit_scale
from ..preference.data import ROWS, hold_out, moments, standardised
from ..preference.fit import Fit, fit
from ..preference.loop import device_of
from ..preference.step import is_low
from ..rows import Repeated
from .network import GateNetwork
from .weights import GlobalWeights


@dataclass(frozen=True, eq=False)
class Trained:
    """One head's layers, which read raw prompts, its scale, and how its fit went."""

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    scale: float
    report: Fit


@dataclass(frozen=True, eq=False)
class Shape:
    """What a gate is made of, and where it starts: "uniform", "global", a trained gate, or one for each seed."""

    hidden: tuple[int, ...]
    temperature: float
    dropout: float
    active: np.ndarray
    start: object


def train(shape: Shape, scores, prompt: np.ndarray | Repeated, supervision: Supervision, seeds: Sequence[int], *, groups, held_out: float,
          lr: float, scale_lr: float | None, batch_size: int, device: str, precision: str, **loop) -> list[Trained]:
    """Gates of one shape on the same pairs, one per seed, in one job; `SoftmaxGate.fit` says what the arguments are."""
    device, margins = device_of(device), scores.margins
    held = np.stack([hold_out(groups, len(scores), held_out, seed) for seed in seeds])
    rows = prompt.rows if isinstance(prompt, Repeated) else prompt
    centre, spread = moments(rows, each=False)
    taught = [supervision.with_weight((~mask).astype(float)) for mask in held]
    scales = [fit_scale(margins[:, shape.active].mean(axis=1), one) for one in taught]
    network = GateNetwork(rows.shape[1], shape.hidden, shape.active, shape.temperature, shape.dropout, scale=scales, seed=seeds)
    _begin(network, shape, scores, taught, centre, spread)
    work = min(batch_size, len(scores)) * sum(parameter[0].numel() for parameter in network.parameters())
    low = is_low(precision, device, work, True)
    table = laid_out(rows, centre, spread, torch.bfloat16 if low else torch.float32)
    report = fit(
        network, [Repeated(table, prompt.of) if isinstance(prompt, Repeated) else table, margins.astype(np.float32)], supervision,
        lr=lr, rates={"log_scale": scale_lr or 10 * lr}, held_out=held, batch_size=batch_size, seed=list(seeds), device=device,
        precision="bfloat16" if low else "float32", **loop,
    )
    return [_read(network, head, centre, spread, report.of(head)) for head in range(len(seeds))]


def laid_out(rows: np.ndarray, centre: np.ndarray, spread: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """(rows − centre) / spread [row dim] as a tensor, a piece at a time. WorkbenchError where it exceeds the memory budget."""
    claim(rows.shape[0] * rows.shape[1] * dtype.itemsize, "prompt features to train on", count=len(rows), of="prompts")
    out = torch.empty(tuple(rows.shape), dtype=dtype)
    for start in range(0, len(rows), ROWS):
        out[start : start + ROWS] = torch.from_numpy(standardised(rows[start : start + ROWS], centre, spread))
    return out


def _begin(network: GateNetwork, shape: Shape, scores, taught: list[Supervision], centre, spread) -> None:
    """Put every head where it starts."""
    names = [name for name, on in zip(scores.names, shape.active) if on]
    sizes = [tuple(layer.weight.shape[1:]) for layer in network.layers]
    for head, one in enumerate(taught):
        start = shape.start[head] if isinstance(shape.start, tuple) else shape.start
        if isinstance(start, str):
            if start == "global":
                network.begin_at(head, GlobalWeights.fit(scores, active=names, supervision=one).values)
        else:
            network.begin_from(head, *warm(start, sizes, scores.names, shape.temperature, centre, spread))


def warm(gate, sizes: list[tuple[int, int]], names: Sequence[str], temperature: float, centre, spread) -> tuple[list, float]:
    """Layers for standardised prompts and the scale of a trained gate; an objective that it did not weigh starts like its mean.

    sizes: [out in] of each layer wanted. WorkbenchError where its hidden layers have others, or it knows none of the names.
    """
    found = [weight.shape for weight, _ in gate.layers]
    if found[:-1] != sizes[:-1] or found[-1][1] != sizes[-1][1]:
        theirs, ours = ([out for out, _ in each[:-1]] or "none" for each in (found, sizes))
        raise WorkbenchError(f"a start with hidden layers {theirs} for a gate with {ours}",
                             remedy='Keep the hidden sizes and the backbone of the start, or take start="global"')
    place = [gate.names.index(name) if name in gate.names and gate.active[gate.names.index(name)] else -1 for name in names]
    known, heat = np.array(place) >= 0, temperature / gate.temperature
    if not known.any():
        raise WorkbenchError("a start that weighs none of these objectives", remedy='Take start="global"')
    weight, bias = gate.layers[0]
    layers = [(weight * spread, bias + weight @ centre), *gate.layers[1:]]
    weight, bias = layers[-1]
    layers[-1] = (heat * np.where(known[:, None], weight[place], weight[gate.active].mean(axis=0)),
                  heat * np.where(known, bias[place], bias[gate.active].mean()))
    return [tuple(np.asarray(part, np.float32) for part in layer) for layer in layers], gate.logit_scale


def _read(network: GateNetwork, head: int, centre, spread, report: Fit) -> Trained:
    """One head's layers, standardisation folded into the first."""
    layers = [(layer.weight[head].detach().numpy().copy(), layer.bias[head, 0].detach().numpy().copy()) for layer in network.layers]
    folded = layers[0][0] / spread
    layers[0] = folded.astype(np.float32), (layers[0][1] - folded @ centre).astype(np.float32)
    return Trained(tuple(layers), float(np.exp(network.log_scale[head].item())), report)
