"""Small planted studies for the tests: the gate, the biases and the flips are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.features import write_index, write_shard
from workbench.model import RewardModel
from workbench.objectives.debias import Debiased
from workbench.objectives.probes import LinearProbes
from workbench.scalarize.gate import SoftmaxGate
from workbench.scenario.recipe import Scenario
from workbench.study import Study
from workbench.tables import Objective, Tables

SMALL = Scenario(name="small", gate={"hidden": (8,), "steps": 30, "batch_size": 128}, seeds=(0, 1))  # trains in a moment
NAMES = ("helpfulness", "correctness", "verbosity", "safety")
SECTIONS = ("Chat", "Safety")


@dataclass(frozen=True)
class Planted:
    """A study and what is true of it: values [response obj], weights [section obj], clean label [pair]."""

    study: Study
    values: np.ndarray
    weights: np.ndarray
    flipped: np.ndarray


def planted(folder: Path, *, families: int = 60, per_family: int = 2, dim: int = 12, beta: float = 4.0,
            flips: float = 0.1, noise: float = 0.3, seed: int = 0, text: bool = True, compared: int = 4) -> Planted:
    """Families of prompts in two sections; four responses each, `compared` of them paired; features are a linear picture of the truth."""
    rng = np.random.default_rng(seed)
    n = families * per_family
    family = np.repeat(np.arange(families), per_family)
    section = family % 2
    prompts = pd.DataFrame({
        "prompt_id": [f"p{i:04d}" for i in range(n)], "family": [f"f{i:03d}" for i in family],
        "section": [SECTIONS[s] for s in section], "domain": [SECTIONS[s].lower() for s in section],
        "query": "open-ended", "text": [f"Question {i} about {SECTIONS[section[i]].lower()}?" for i in range(n)],
    })
    values = rng.uniform(size=(n * 4, len(NAMES)))
    lengths = (10 + 60 * values[:, 2]).round().astype(int)
    responses = pd.DataFrame({
        "response_id": [f"r{i:05d}" for i in range(n * 4)], "prompt_id": np.repeat(prompts["prompt_id"], 4).to_numpy(),
        "text": [" ".join(f"w{(i * 7 + j) % 997}" for j in range(k)) for i, k in enumerate(lengths)],
        "model": np.tile(list("abcd"), n),
    })
    if not text:
        prompts, responses = prompts.drop(columns="text"), responses.drop(columns="text")
    weights = np.array([[0.6, 0.3, 0.0, 0.1], [0.1, 0.2, 0.0, 0.7]])
    rows, flipped = [], []
    for i in range(n):
        for a in range(compared):
            for b in range(a + 1, compared):
                left, right = 4 * i + a, 4 * i + b
                gap = beta * weights[section[i]] @ (values[left] - values[right]) / values.std(axis=0).mean()
                if rng.uniform() > 1 / (1 + np.exp(-gap)):
                    left, right = right, left
                flip = rng.uniform() < flips
                flipped.append(flip)
                if flip:
                    left, right = right, left
                rows.append((f"c{len(rows):05d}", f"p{i:04d}", f"r{left:05d}", f"r{right:05d}", "planted"))
    pairs = pd.DataFrame(rows, columns=["pair_id", "prompt_id", "chosen", "rejected", "source"])
    ratings = np.clip(values + noise * rng.normal(size=values.shape) * 0.5, 0, 1)
    ratings[rng.uniform(size=ratings.shape) < 0.3] = np.nan
    table = pd.DataFrame(ratings, columns=list(NAMES))
    table.insert(0, "response_id", responses["response_id"])
    mix = rng.normal(size=(len(NAMES), dim)) / np.sqrt(len(NAMES))
    response_rows = (values - 0.5) @ mix + 0.05 * rng.normal(size=(n * 4, dim))
    prompt_rows = np.where(section[:, None] == 1, 1.0, -1.0) * np.eye(dim)[0] + 0.2 * rng.normal(size=(n, dim))
    kinds = {}
    for kind, features in (("prompt", prompt_rows), ("response", response_rows)):
        shard = write_shard(folder / "features", kind, 0, features.astype(np.float32))
        kinds[kind] = {"dim": dim, "dtype": "F16", "shards": [shard], "skipped": {}}
    write_index(folder / "features", kinds)
    objectives = tuple(Objective(name, 0.0, 1.0, source="raters", group="Helpful") for name in NAMES)
    study = Study.write(
        Tables(prompts, responses, pairs, table, objectives), folder, name="planted",
        features={"compose": ["response", "prompt*response"], "backbone": "planted"},
    )
    return Planted(study, values, weights, np.array(flipped))


def published_model(study: Study, *, matrix: np.ndarray | None = None, gate=None, multiplier: dict | None = None, seed: int = 0,
                    scale: np.ndarray | None = None, name: str = "planted model") -> RewardModel:
    """A model as somebody else may have published it: its probes read the study's features, its gate the section in a prompt."""
    rng = np.random.default_rng([seed, 9])
    wide, dim = (len(study.info["features"]["compose"]) * study.store.dim("response"), study.store.dim("prompt"))
    labels = np.full(len(NAMES), np.nan)
    nothing = {"alpha": labels, "alphas": np.empty(0), "r2": labels, "error": np.empty((0, len(NAMES))), "count": np.zeros(len(NAMES), int)}
    probes = LinearProbes((rng.normal(size=(len(NAMES), wide)) / 10).astype(np.float32), NAMES, **nothing)
    if matrix is None:
        matrix = np.eye(len(NAMES))
        matrix[NAMES.index("verbosity")] -= [0.3, -0.2, 1.0, 0.15]
    if gate is None:
        sizes = (dim, 6, 5, len(NAMES))
        layers = tuple((rng.normal(size=(out, into)).astype(np.float32), rng.normal(size=out).astype(np.float32))
                       for into, out in zip(sizes, sizes[1:]))
        gate = SoftmaxGate(NAMES, layers, 2.5, 10.0, np.ones(len(NAMES), bool))
    scale = np.ones(len(NAMES)) if scale is None else scale
    return RewardModel(probes, scale, Debiased.from_matrix(matrix, NAMES), gate, multiplier, name)
