"""The layout of published ArmoRM checkpoints: what config.json says, which tensors there must be, all seen in headers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..backbone.reading import read_config as backbone_config
from ..errors import WorkbenchError, listing
from ..shards import DTYPES, Shard, as_float32

CONFIG, SINGLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
TRANSFORMER = "model."  # what the names of the transformer's tensors begin with
AGAIN = "Fetch the checkpoint again"
OBJECTIVES = (
    "helpsteer-helpfulness", "helpsteer-correctness", "helpsteer-coherence", "helpsteer-complexity", "helpsteer-verbosity",
    "ultrafeedback-overall_score", "ultrafeedback-instruction_following", "ultrafeedback-truthfulness", "ultrafeedback-honesty",
    "ultrafeedback-helpfulness", "beavertails-is_safe", "prometheus-score", "argilla-overall_quality", "argilla-judge_lm",
    "code-complexity", "code-style", "code-explanation", "code-instruction-following", "code-readability",
)  # the published model's, in its order; its files do not name them


@dataclass(frozen=True)
class Layout:
    """What config.json says of the heads: K objectives, the gate's hidden sizes and temperature, where it reads (if stored)."""

    names: tuple[str, ...]
    dim: int
    hidden: tuple[int, ...]
    temperature: float
    pattern: tuple[int, ...] | None = None

    @classmethod
    def read(cls, folder: Path) -> Layout:
        """WorkbenchError for a config that is missing, is not one of a gated reward model, or does not hold together."""
        about, where = read_config(folder), str(folder / CONFIG)
        keys = ("num_objectives", "hidden_size", "gating_n_hidden", "gating_hidden_dim", "gating_temperature")
        if lacking := [key for key in keys if key not in about]:
            raise WorkbenchError(f"no {listing(lacking)}: not the config of a reward model with a gate", where=where,
                                 remedy="Name an ArmoRM checkpoint; `export_armorm` writes one")
        odd = [key for key, least in zip(keys, (1, 1, 0, 0)) if not (type(about[key]) is int and about[key] >= least)]
        heat = about["gating_temperature"]
        odd += ["gating_temperature"] * (not (isinstance(heat, (int, float)) and 0 < heat < np.inf))
        pattern = about.get("gating_pattern")
        if pattern is not None and not (isinstance(pattern, list) and pattern and all(type(one) is int for one in pattern)):
            odd.append("gating_pattern")
        if odd:
            raise WorkbenchError(f"{listing(f'{key} is {about[key]!r}' for key in odd)}", where=where, remedy=AGAIN)
        names = objective_names(about.get("objective_names"), about["num_objectives"], where)
        hidden = (about["gating_hidden_dim"],) * about["gating_n_hidden"]
        return cls(names, about["hidden_size"], hidden, float(heat), None if pattern is None else tuple(pattern))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the tensors beside the transformer's."""
        count, sizes = len(self.names), (self.dim, *self.hidden, len(self.names))
        layers = {f"gating.layers.{i}.{part}": shape for i, (wide, out) in enumerate(zip(sizes, sizes[1:]))
                  for part, shape in (("weight", (out, wide)), ("bias", (out,)))}
        return {"regression_layer.weight": (count, self.dim), "reward_transform_matrix": (count, count), "gating.logit_scale": (1,),
                **layers}


def read_config(folder: Path) -> dict:
    """config.json as it stands; WorkbenchError where there is none that can be read."""
    try:
        about = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        about = None
    if not isinstance(about, dict):
        raise WorkbenchError("missing or not JSON", where=str(folder / CONFIG), remedy="Name the folder of a checkpoint")
    return about


def is_gated(folder: Path) -> bool:
    """Whether a checkpoint says that it is a reward model with a gate."""
    return "num_objectives" in read_config(folder)


def objective_names(given, count: int, where: str) -> tuple[str, ...]:
    if given is None:
        return OBJECTIVES if count == len(OBJECTIVES) else tuple(f"objective-{k:02d}" for k in range(count))
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given) or len(set(given)) != len(given):
        raise WorkbenchError("objective_names are not different texts", where=where, remedy=AGAIN)
    if len(given) != count:
        raise WorkbenchError(f"{len(given)} objective_names for num_objectives {count}", where=where, remedy="Name each objective once")
    return tuple(given)


def stored(folder: Path) -> dict[str, Shard]:
    """Every tensor of a checkpoint by name: its file, type, shape and place. Reads headers alone.

    WorkbenchError for a file that is missing, cut short or no safetensors, and for tensors that occur twice or never.
    """
    found: dict[str, Shard] = {}
    index = {} if (folder / SINGLE).is_file() else _index(folder)
    for path in [folder / file for file in sorted(set(index.values()))] or [folder / SINGLE]:
        for name in _in_header(path):
            if name in found:
                raise WorkbenchError(f"{name} is in {found[name].path.name} too", where=str(path), remedy=AGAIN)
            found[name] = Shard.open(path, name)
    if lost := [name for name in index if name not in found]:
        raise WorkbenchError(f"{listing(lost)} {'is' if len(lost) == 1 else 'are'} not in the files named",
                             where=str(folder / INDEX), remedy=AGAIN)
    return found


def _index(folder: Path) -> dict[str, str]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, KeyError, TypeError):
        index = None
    if not isinstance(index, dict) or not all(isinstance(file, str) for file in index.values()):
        raise WorkbenchError("missing or no index of tensors", where=str(folder / INDEX), remedy=AGAIN)
    return index


def _in_header(path: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return list(file.keys())
    except FileNotFoundError:
        raise WorkbenchError("missing, though the index names it", where=str(path), remedy=AGAIN) from None
    except (SafetensorError, OSError) as error:
        raise WorkbenchError(f"cut short or no safetensors file ({error})", where=str(path), remedy=AGAIN) from None


def transformer_shapes(folder: Path) -> tuple[str, dict[str, tuple[int, ...]]]:
    """Family of the transformer that config.json describes ("Llama"), and name → shape of its tensors; no numbers are made or read."""
    import torch
    from transformers import AutoModel

    config = backbone_config(folder)
    try:
        with torch.device("meta"):
            model = AutoModel.from_config(config, trust_remote_code=False)
    except (ValueError, TypeError) as error:
        raise WorkbenchError(f"model_type {config.model_type!r} is no transformer known here ({type(error).__name__})",
                             where=str(folder / CONFIG), remedy="Use a decoder that transformers holds itself") from None
    shapes = {TRANSFORMER + name: tuple(value.shape) for name, value in model.state_dict().items()}
    return type(model).__name__.removesuffix("Model"), shapes


def checked(folder: Path, layout: Layout) -> dict[str, Shard]:
    """The checkpoint's tensors, names and shapes held against its config. WorkbenchError names the first that do not fit."""
    found, wanted = stored(folder), transformer_shapes(folder)[1] | layout.shapes
    where = str(folder / (SINGLE if (folder / SINGLE).is_file() else INDEX))
    if missing := [name for name in wanted if name not in found]:
        raise WorkbenchError(f"no tensor {listing(missing)}", where=where,
                             remedy="Fetch the checkpoint again, or merge it with `export_armorm`")
    if extra := [name for name in found if name not in wanted]:
        raise WorkbenchError(f"{listing(extra)} {'is' if len(extra) == 1 else 'are'} not of this layout", where=str(found[extra[0]].path),
                             remedy="Export the model again: a tensor that nobody reads is a sign of another model")
    check_shapes(found, wanted)
    return found


def check_shapes(found: Mapping[str, Shard], wanted: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in wanted.items():
        if found[name].shape != shape:
            raise WorkbenchError(f"{name} has shape {list(found[name].shape)}, config.json says {list(shape)}",
                                 where=str(found[name].path), remedy="One of the two belongs to another model")


def head(shard: Shard) -> np.ndarray:
    """One tensor of the heads as float32. WorkbenchError for a value that is no finite number, or a file cut short since."""
    kind = DTYPES[shard.dtype]
    with open(shard.path, "rb") as file:
        file.seek(shard.start)
        data = file.read(int(np.prod(shard.shape, dtype=np.int64)) * kind.itemsize)
    try:
        value = as_float32(np.frombuffer(data, kind).reshape(shard.shape))
    except ValueError:
        raise WorkbenchError(f"cut short within {shard.name}", where=str(shard.path), remedy=AGAIN) from None
    if not np.isfinite(value).all():
        raise WorkbenchError(f"NaN or infinite value in {shard.name}", where=str(shard.path), remedy=AGAIN)
    return value
