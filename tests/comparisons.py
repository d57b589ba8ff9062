"""Small planted comparisons: a gate over sections with a known β, and features whose wrong labels are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.features import Features
from workbench.scores import Scores


@dataclass(frozen=True)
class PlantedGate:
    """Scores, prompts, and the true shares [pair obj] at the true scale beta; families of four pairs."""

    scores: Scores
    prompt: np.ndarray
    shares: np.ndarray
    beta: float
    families: np.ndarray


def planted_gate(beta: float = 3.0, *, pairs: int = 1200, dim: int = 8, noise: float = 0.3, seed: int = 0) -> PlantedGate:
    """Three sections with their own shares; labels drawn from σ(β · shares · margins)."""
    rng = np.random.default_rng(seed)
    shares = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.5, 0.3, 0.1], [0.1, 0.1, 0.1, 0.7]])
    family = np.arange(pairs) // 4
    section = (family % 3).astype(int)
    prompt = 1.5 * np.eye(3, dim)[section] + noise * rng.normal(size=(pairs, dim))
    values = rng.normal(size=(pairs, 2, 4))
    margin = beta * np.einsum("pk,pk->p", shares[section], values[:, 0] - values[:, 1])
    turned = rng.uniform(size=pairs) > 1 / (1 + np.exp(-margin))
    values[turned] = values[turned][:, ::-1]
    names = tuple(f"objective {k}" for k in range(4))
    return PlantedGate(Scores(values, names), prompt.astype(np.float32), shares[section], beta, family)


@dataclass(frozen=True)
class PlantedFlips:
    """Features of pairs, families of four, and which labels are wrong."""

    features: Features
    families: np.ndarray
    flipped: np.ndarray


def planted_flips(*, pairs: int = 800, dim: int = 24, flips: float = 0.15, curve: float = 0.1, seed: int = 0) -> PlantedFlips:
    """Quality is linear in the features with a bend; the better answer is chosen, then some labels are turned round."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(pairs, 2, dim)) * np.arange(1, dim + 1) ** -0.3
    quality = rows @ rng.normal(size=dim) + curve * np.abs(rows @ rng.normal(size=(dim, 3))).sum(axis=-1)
    flipped = rng.uniform(size=pairs) < flips
    turned = (quality[:, 0] < quality[:, 1]) ^ flipped
    rows[turned] = rows[turned][:, ::-1]
    return PlantedFlips(Features(rows[:, 0].astype(np.float32), rows.astype(np.float32)), np.arange(pairs) // 4, flipped)


def auroc(score: np.ndarray, wanted: np.ndarray) -> float:
    """Share of (wanted, other) pairs that the score puts in the right order, ties half: the plain definition."""
    gap = score[wanted][:, None] - score[~wanted][None, :]
    return float((gap > 0).mean() + 0.5 * (gap == 0).mean())
