"""The published way to train the gate, rewritten plainly, its softmax over objectives: what the gate benchmarks measure against.

Prompts are kept as [pair, 2, dim] and both (equal) rows go through the MLP; both sides' scores are multiplied and subtracted
at the end; AdamW as torch has it by default, 2 000 steps of 1 024 pairs drawn with replacement, learning rate 1e-3 with a
cosine to 0, temperature 10, scale from 1, the last state kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn


class ReleasedGate(nn.Module):
    """Weights [… obj] of prompts [… dim]."""

    def __init__(self, dim: int, hidden: Sequence[int], objectives: int, temperature: float = 10.0):
        super().__init__()
        sizes = [dim, *hidden, objectives]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.logit_scale, self.temperature = nn.Parameter(torch.ones(1)), temperature

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.logit_scale * torch.softmax(self.layers[-1](x) / self.temperature, dim=-1)


def released_loop(prompts: torch.Tensor, rewards: torch.Tensor, hidden: Sequence[int], *, steps: int, batch: int = 1024, lr: float = 1e-3,
                  seed: int = 0, look: Callable | None = None) -> ReleasedGate:
    """Prompts [pair 2 dim] and rewards [pair 2 obj], chosen first, both on the device to train on. look(step, gate) after each step."""
    torch.manual_seed(seed)
    gate = ReleasedGate(prompts.shape[-1], hidden, rewards.shape[-1]).to(prompts.device)
    optimizer = torch.optim.AdamW(gate.parameters(), lr=lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for step in range(1, steps + 1):
        index = torch.randint(0, len(prompts), (batch,), device=prompts.device)
        optimizer.zero_grad()
        scores = (gate(prompts[index]) * rewards[index]).sum(dim=-1)
        loss = -nn.functional.logsigmoid(scores[:, 0] - scores[:, 1]).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        if look is not None:
            look(step, gate)
    return gate


def margins_of(gate: ReleasedGate, prompt: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Reward margins [pair] of prompts [pair dim] and scores [pair side obj]."""
    device = gate.logit_scale.device
    with torch.no_grad():
        weights = gate(torch.as_tensor(prompt, dtype=torch.float32, device=device)).double().cpu().numpy()
    return (weights * (values[:, 0] - values[:, 1])).sum(axis=1)


def step_products(dim: int, hidden: Sequence[int], objectives: int, batch: int) -> float:
    """FLOP that the matrix products of one step need at least, each prompt read once: forward, and both gradients but the input's."""
    sizes = [dim, *hidden, objectives]
    layers = [a * b for a, b in zip(sizes, sizes[1:])]
    return 2.0 * batch * (3 * sum(layers) - layers[0])


def parameters(dim: int, hidden: Sequence[int], objectives: int) -> int:
    sizes = [dim, *hidden, objectives]
    return sum(a * b + b for a, b in zip(sizes, sizes[1:]))
