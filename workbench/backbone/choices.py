"""What every kind of model is asked: on which device, in which numbers, how much at once, and what it is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import WorkbenchError, listing

DTYPES = ("float32", "bfloat16", "float16")
BATCH_TOKENS = {"cpu": 2048, "cuda": 16384}


def shown(name: str | Path) -> str:
    """What a model is called: its hub id or package, or the name of its folder."""
    return str(name) if not Path(name).is_dir() else Path(name).resolve().name


def chosen_device(device: str) -> str:
    """cuda where there is one, for "auto"."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise WorkbenchError(f"device {device!r}, and torch sees no GPU", remedy='Use device="cpu", or install a CUDA build of torch')
    return device


def chosen_dtype(dtype: str, auto: str) -> str:
    """`auto` for "auto"; WorkbenchError for one that nothing is computed in."""
    dtype = auto if dtype == "auto" else dtype
    if dtype not in DTYPES:
        raise WorkbenchError(f"dtype {dtype!r}", remedy=f"Known: auto, {listing(DTYPES)}")
    return dtype


def chosen_batch(batch_tokens: int | None, device: str) -> int:
    """Tokens that are computed at once at most; the device's own where None."""
    return batch_tokens or BATCH_TOKENS.get(device.split(":")[0], BATCH_TOKENS["cpu"])


def again(kind: Any, folder: Path, name: str, options: dict) -> Any:
    """In another process a model is loaded again: what `__reduce__` asks for."""
    return replace(kind.load(folder, **options), name=name)
