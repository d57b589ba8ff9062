"""A reward model and a transformer merged into one folder of the published layout, streamed, there whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..backbone import model_folder
from ..backbone.chat import Chat
from ..backbone.reading import read_tokenizer
from ..budget import words
from ..bundle import write_atomic
from ..errors import WorkbenchError, listing
from ..model import RewardModel
from ..shards import BLOCK, DTYPES, Shard
from .checkpoint import AGAIN, CONFIG, INDEX, TRANSFORMER, Layout, check_shapes, read_config, stored, transformer_shapes
from .parts import folded

BESIDE = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "*.model", "chat_template*",
          "LICENSE*", "NOTICE*")  # what goes along with a transformer


def export_armorm(model: RewardModel, path: str | Path, *, base: str | Path, gating_pattern: Sequence[int] | str | None = None) -> Path:
    """Merge probes, debias and gate with the transformer `base` they were fitted on into a new folder that `ArmoRM` reads.

    base: the folder or hub id of a checkpoint; its transformer's tensors are copied as they are stored, other heads left out.
    Scale and multiplier are folded into the regression and the matrix; an objective that the gate does not weigh keeps its
    reward at weight 0; constant weights become a gate that does not read. gating_pattern: None takes that of base's config
    or its template. Writing what was read gives the same bytes. WorkbenchError for what the layout cannot hold (features that
    are not the transformer's own hidden states, unequal hidden layers), a base with missing tensors, a path where something
    is, a disk that is full: then nothing is left there.
    """
    path, (layout, heads), folder = Path(path), folded(model), model_folder(base)
    if path.exists():
        raise WorkbenchError("something is here already", where=str(path), remedy="Nothing is overwritten: choose another folder")
    about = read_config(folder)
    if about.get("hidden_size") != layout.dim:
        raise WorkbenchError(f"probes on features of {layout.dim} dims, the transformer's hidden states have {about.get('hidden_size')}",
                             where=str(folder), remedy="Features composed with the prompt, or another backbone's, have no place in this "
                             "layout: fit probes and gate on the hidden states of this one")
    family, kept = _transformer(folder)
    pattern = Chat.load(read_tokenizer(folder), pattern=gating_pattern or about.get("gating_pattern")).pattern
    config = _config(about, family, layout, pattern)
    _write_whole(path, config, [*_by_file(kept), heads], [file for glob in BESIDE for file in sorted(folder.glob(glob))])
    return path


def _transformer(folder: Path) -> tuple[str, dict[str, Shard]]:
    """Family and tensors of a base, under the names of the layout; its other heads are left out."""
    family, wanted = transformer_shapes(folder)
    found = stored(folder)
    if not any(name in found for name in wanted):  # a transformer that was saved without a head has no prefix
        found = {TRANSFORMER + name: shard for name, shard in found.items()}
    if missing := [name for name in wanted if name not in found]:
        raise WorkbenchError(f"no tensor {listing(missing)}", where=str(folder), remedy=AGAIN)
    check_shapes(found, wanted)
    return family, {name: found[name] for name in wanted}


def _config(about: dict, family: str, layout: Layout, pattern: Sequence[int]) -> dict:
    kept = {key: value for key, value in about.items() if key != "auto_map"}  # which names code that does not come along
    return {**kept, "architectures": [f"{family}ForRewardModelWithGating"], "num_objectives": len(layout.names),
            "gating_temperature": layout.temperature, "gating_n_hidden": len(layout.hidden),
            "gating_hidden_dim": layout.hidden[0] if layout.hidden else 0, "objective_names": list(layout.names),
            "gating_pattern": list(pattern)}


def _by_file(tensors: Mapping[str, Shard]) -> list[dict[str, Shard]]:
    files: dict[Path, dict[str, Shard]] = {}
    for name, shard in tensors.items():
        files.setdefault(shard.path, {})[name] = shard
    return [files[path] for path in sorted(files)]


def _write_whole(path: Path, config: dict, files: list[Mapping[str, Shard | np.ndarray]], beside: list[Path]) -> None:
    """Everything into a hidden folder beside, synced, then renamed."""
    total, part = sum(_size(value) for tensors in files for value in tensors.values()), None
    names = [f"model-{number:05d}-of-{len(files):05d}.safetensors" for number in range(1, len(files) + 1)]
    index = {"metadata": {"total_size": total},
             "weight_map": {name: file for file, tensors in zip(names, files) for name in sorted(tensors)}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        shutil.copymode(path.parent, part)  # as open to others as the folder it lies in
        for file, tensors in zip(names, files):
            _write(part / file, tensors)
        for file in beside:
            if file.is_file() and file.suffix != ".py":
                write_atomic(part / file.name, file.read_bytes())
        for name, content in ((INDEX, index), (CONFIG, config)):
            write_atomic(part / name, json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")
        os.rename(part, path)
    except OSError as error:
        raise WorkbenchError(f"not written, and nothing is left of it: {error.strerror or error}", where=str(path),
                             remedy=f"It takes {words(total)}: make room, or choose another disk") from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def _write(path: Path, tensors: Mapping[str, Shard | np.ndarray]) -> None:
    """One safetensors file, wide types first so that each number lies at a multiple of its size."""
    ordered, header, end = sorted(tensors.items(), key=lambda item: (-DTYPES[_dtype(item[1])].itemsize, item[0])), {}, 0
    for name, value in ordered:
        header[name] = {"dtype": _dtype(value), "shape": list(value.shape), "data_offsets": [end, end := end + _size(value)]}
    head = json.dumps({"__metadata__": {"format": "pt"}, **header}, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as out:
        out.write(len(head).to_bytes(8, "little") + head)
        for _, value in ordered:
            if isinstance(value, Shard):
                _copy(value, out)
            else:
                out.write(value.astype("<f4").tobytes())
        out.flush()
        os.fsync(out.fileno())


def _copy(shard: Shard, out) -> None:
    """A tensor's bytes, a block at a time."""
    left = _size(shard)
    with open(shard.path, "rb") as file:
        file.seek(shard.start)
        while left:
            block = file.read(min(BLOCK, left))
            if not block:
                raise WorkbenchError(f"cut short within {shard.name}", where=str(shard.path), remedy=AGAIN)
            out.write(block)
            left -= len(block)


def _dtype(value: Shard | np.ndarray) -> str:
    return value.dtype if isinstance(value, Shard) else "F32"


def _size(value: Shard | np.ndarray) -> int:
    return int(np.prod(value.shape, dtype=np.int64)) * DTYPES[_dtype(value)].itemsize
