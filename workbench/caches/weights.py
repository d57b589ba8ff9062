"""Weights that were trained on such caches: the regression layer and the gate, from torch files that may hold tensors only."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..axes import ObjDim
from ..errors import WorkbenchError, listing
from ..scalarize.gate import SoftmaxGate

AGAIN = "Write the file again, or restore it from a copy"


def read_regression(path: str | Path) -> ObjDim:
    """The weight [K d] of a file {"weight": …}, torch's or safetensors, as float32: rewards are features @ weight.T.

    WorkbenchError for a file without it or with other values than finite numbers, and for a pickle that holds more than tensors.
    """
    path = Path(path)
    state = _state(path)
    if "weight" not in state or state["weight"].ndim != 2:
        shapes = listing(f"{name} {list(value.shape)}" for name, value in state.items())
        raise WorkbenchError("no regression weight [K, d]", where=path.name, remedy=f"It holds {shapes or 'nothing'}")
    return state["weight"]


def read_gate(path: str | Path, names: Sequence[str], *, temperature: float = 10.0) -> SoftmaxGate:
    """The gate of a state dict with logit_scale [1] and layers.{i}.weight and .bias, over the objectives named, in order.

    The file says nothing of the temperature: 10 is what was trained with. `diagnose_gate` says whether it learned. WorkbenchError
    for layers that do not fit one another or the names, and for a pickle that holds more than tensors.
    """
    path = Path(path)
    try:
        gate = SoftmaxGate.from_state(_state(path), names, temperature=temperature)
    except WorkbenchError as error:
        raise error if error.where else WorkbenchError(error.what, where=path.name, remedy=error.remedy) from None
    wide = None
    for at, (weight, bias) in enumerate(gate.layers):
        if weight.ndim != 2 or bias.shape != weight.shape[:1] or wide not in (None, weight.shape[1]):
            what = f"layer {at} has weight {list(weight.shape)} and bias {list(bias.shape)}" + (f" after one of {wide}" if wide else "")
            raise WorkbenchError(what, where=path.name, remedy="Take what the gate's state_dict() gave")
        wide = weight.shape[0]
    return gate


def _state(path: Path) -> dict[str, np.ndarray]:
    """Tensors by name, as float32."""
    if not path.is_file():
        raise WorkbenchError("no such file", where=str(path))
    with open(path, "rb") as file:
        head = file.read(16)
    found = _safetensors(path) if path.suffix == ".safetensors" or head[8:9] == b"{" else _torch(path)
    for name, value in found.items():
        if not np.isfinite(value).all():
            raise WorkbenchError(f"{name} holds NaN or an infinite number", where=path.name, remedy=AGAIN)
    return found


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {name: value.float().numpy() for name, value in load_file(path).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise WorkbenchError(f"not a readable safetensors file ({type(error).__name__})", where=path.name, remedy=AGAIN) from None


def _torch(path: Path) -> dict[str, np.ndarray]:
    """Read with weights_only: whatever else a pickle asks for is refused, and none of it is run."""
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        what = "refused: it holds more than tensors, and reading the rest could run code"
        remedy = "Nothing was run. Save tensors only: torch.save(module.state_dict(), path), or safetensors"
        raise WorkbenchError(what, where=path.name, remedy=remedy) from None
    except Exception as error:  # what torch makes of bytes that are something else has no one type
        raise WorkbenchError(f"not a readable torch file ({type(error).__name__})", where=path.name, remedy=AGAIN) from None
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise WorkbenchError("not tensors by name", where=path.name, remedy="Save a state_dict()")
    return {str(name): value.detach().float().numpy() for name, value in found.items()}
