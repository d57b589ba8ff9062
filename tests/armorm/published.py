"""Tiny checkpoints in ArmoRM's published layout, and the slow forward pass that ours is held to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tiny
import torch
from safetensors.torch import load_file, save_file

HEADS = ("regression_layer.", "reward_transform_matrix", "gating.")
TALKS = [
    [{"role": "user", "content": "Why is the sky blue?"}, {"role": "assistant", "content": "Air scatters blue light more than red."}],
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."},
     {"role": "user", "content": "Name a colour, and say why."},
     {"role": "assistant", "content": "Green: it is the colour of leaves, and leaves are many."}],
    [{"role": "user", "content": "Why is the sky blue?"}, {"role": "assistant", "content": "No idea"}],
    [{"role": "user", "content": "?"}, {"role": "assistant", "content": ""}],
]


def heads(objectives: int, dim: int, hidden: tuple[int, ...], seed: int = 0) -> dict[str, torch.Tensor]:
    """Random heads of mixed types; the matrix is not symmetric and not a debias alone."""
    random, sizes = torch.Generator().manual_seed(seed), (dim, *hidden, objectives)

    def draw(*shape):
        return torch.randn(*shape, generator=random)

    made = {"regression_layer.weight": draw(objectives, dim) / dim**0.5, "gating.logit_scale": torch.tensor([1.7]),
            "reward_transform_matrix": (torch.eye(objectives) + 0.3 * draw(objectives, objectives)).bfloat16()}
    for i, (wide, out) in enumerate(zip(sizes, sizes[1:])):
        made[f"gating.layers.{i}.weight"] = (4 * draw(out, wide) / wide**0.5).to(torch.bfloat16 if i else torch.float16)
        made[f"gating.layers.{i}.bias"] = draw(out)
    return made


def published(folder: Path, architecture: str = "llama", *, objectives: int = 5, hidden: tuple[int, ...] = (8, 8, 8), files: int = 1,
              dtype=torch.float32, changes: dict | None = None, **about) -> Path:
    """A checkpoint as the release has it. changes: tensor → tensor, or None to leave it out; about: more of config.json."""
    tiny.saved(folder, architecture, dtype=dtype)
    tensors = {f"model.{name}": value for name, value in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    tensors |= heads(objectives, tiny.DIM, hidden)
    for name, value in (changes or {}).items():
        tensors.pop(name, None)
        tensors |= {} if value is None else {name: value}
    write(folder, tensors, files)
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": ["LlamaForRewardModelWithGating"], "num_objectives": objectives, "gating_temperature": 10,
               "gating_hidden_dim": hidden[0] if hidden else 0, "gating_n_hidden": len(hidden), **about}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def write(folder: Path, tensors: dict[str, torch.Tensor], files: int) -> None:
    """One file, or several and their index."""
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    if files == 1:
        return save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    where = {name: f"model-{place * files // len(tensors) + 1:05d}-of-{files:05d}.safetensors"
             for place, name in enumerate(sorted(tensors))}
    for file in set(where.values()):
        save_file({name: value for name, value in tensors.items() if where[name] == file}, folder / file, metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value for file in sorted(folder.glob("*.safetensors")) for name, value in load_file(file).items()}


def head_tensors(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value for name, value in tensors_of(folder).items() if name.startswith(HEADS)}


def slow_judgement(tensors: dict[str, torch.Tensor], hidden: np.ndarray, prompt: np.ndarray, temperature: float = 10.0) -> dict:
    """Rewards, gating, coefficients and score of one row, in loops and float64, from the equations."""
    at = {name: value.double().numpy() for name, value in tensors.items()}
    weight, matrix, scale = at["regression_layer.weight"], at["reward_transform_matrix"], at["gating.logit_scale"][0]
    count = len(weight)
    rewards = [sum(weight[k, i] * hidden[i] for i in range(len(hidden))) for k in range(count)]
    below, depth = list(prompt), sum(name.startswith("gating.layers.") for name in at) // 2
    for layer in range(depth):
        w, b = at[f"gating.layers.{layer}.weight"], at[f"gating.layers.{layer}.bias"]
        above = [b[o] + sum(w[o, i] * below[i] for i in range(len(below))) for o in range(len(b))]
        below = above if layer == depth - 1 else [max(value, 0.0) for value in above]
    raised = [np.exp(value / temperature) for value in below]
    gating = [scale * value / sum(raised) for value in raised]
    debiased = [sum(rewards[j] * matrix[j, k] for j in range(count)) for k in range(count)]
    coefficients = [sum(matrix[j, k] * gating[k] for k in range(count)) for j in range(count)]
    return {"rewards": rewards, "gating": gating, "coefficients": coefficients, "score": sum(g * r for g, r in zip(gating, debiased))}


def slow_states(folder: Path, ids: list[int], pattern: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The hidden state of the last token, and of the first token of the pattern's last occurrence: one row alone, no mask."""
    from transformers import AutoConfig, AutoModel

    model = AutoModel.from_config(AutoConfig.from_pretrained(folder)).eval()
    model.load_state_dict({name.removeprefix("model."): value for name, value in tensors_of(folder).items() if not name.startswith(HEADS)})
    with torch.no_grad():
        states = model(input_ids=torch.tensor([ids])).last_hidden_state[0].double().numpy()
    starts = [start for start in range(len(ids)) if ids[start : start + len(pattern)] == list(pattern)]
    return states[-1], states[max(starts)]


def filled(rows: list[list[int]], side: str, filling: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask [row token] of rows of different length."""
    width, ids, mask = max(map(len, rows)), [], []
    for row in rows:
        gap = width - len(row)
        ids.append([filling] * gap + row if side == "left" else row + [filling] * gap)
        mask.append([0] * gap + [1] * len(row) if side == "left" else [1] * len(row) + [0] * gap)
    return torch.tensor(ids), torch.tensor(mask)
