"""How fast the gate trains: one step of ours against the released step with its axis corrected.

Run ``python tests/benchmarks/gate_steps.py [--paper] [--quick]``. The released step keeps prompts as [pair, 2, dim], runs the
MLP on both (equal) rows, multiplies with both sides' scores and subtracts at the end; here its softmax runs over objectives.
CPU seconds of this process, median over rounds that alternate between the two.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import nn

from workbench.preference.bradley_terry import Supervision
from workbench.preference.fit import fit
from workbench.scalarize.network import GateNetwork


class Released(nn.Module):
    """The published gate, softmax over the last axis."""

    def __init__(self, dim, hidden, objectives, temperature=10.0):
        super().__init__()
        sizes = [dim, *hidden, objectives]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.logit_scale, self.temperature = nn.Parameter(torch.ones(1)), temperature

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.logit_scale * torch.softmax(self.layers[-1](x) / self.temperature, dim=-1)


def released_steps(prompts, rewards, hidden, batch, steps) -> float:
    """CPU seconds per step: random batch, [pair, 2, dim] through the MLP, −log σ of the difference, AdamW, cosine."""
    gate = Released(prompts.shape[-1], hidden, rewards.shape[-1])
    optimizer = torch.optim.AdamW(gate.parameters(), lr=1e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    begin = time.process_time()
    for _ in range(steps):
        index = torch.randint(0, len(prompts), (batch,))
        optimizer.zero_grad()
        scores = (gate(prompts[index]) * rewards[index]).sum(dim=-1)
        loss = -nn.functional.logsigmoid(scores[:, 0] - scores[:, 1]).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
    return (time.process_time() - begin) / steps


def our_steps(prompt, margins, hidden, batch, steps) -> float:
    network = GateNetwork(prompt.shape[1], hidden, np.ones(margins.shape[1], bool), 10.0, 0.0, scale=1.0, seed=0)
    begin = time.process_time()
    fit(network, [prompt, margins], Supervision.hard(len(prompt)), steps=steps, batch_size=batch, lr=1e-3, device="cpu")
    return (time.process_time() - begin) / steps


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform

        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paper", action="store_true", help="4096 dims and hidden 1024 × 3, as published (default 384 and 256 × 3)")
    parser.add_argument("--quick", action="store_true", help="few steps and rounds")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--objectives", type=int, default=19)
    asked = parser.parse_args()
    dim, hidden = (4096, (1024,) * 3) if asked.paper else (384, (256,) * 3)
    rounds, steps = (3, 2 if asked.paper else 10) if asked.quick else (7, 5 if asked.paper else 40)
    pairs, rng = 4 * asked.batch, np.random.default_rng(0)
    prompt = rng.normal(size=(pairs, dim)).astype(np.float32)
    values = rng.normal(size=(pairs, 2, asked.objectives)).astype(np.float32)
    both, rewards = torch.tensor(np.repeat(prompt[:, None], 2, axis=1)), torch.tensor(values)
    margins = values[:, 0] - values[:, 1]
    released_steps(both, rewards, hidden, asked.batch, 1), our_steps(prompt, margins, hidden, asked.batch, 1)
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(released_steps(both, rewards, hidden, asked.batch, steps))
        ours.append(our_steps(prompt, margins, hidden, asked.batch, steps))
    print(f"{cpu_model()}, {torch.get_num_threads()} thread(s), torch {torch.__version__}")
    print(f"batch {asked.batch}, {dim} dims, hidden {' × '.join(map(str, hidden))}, {asked.objectives} objectives; "
          f"{rounds} rounds of {steps} steps, CPU ms per step")
    print(f"{'':34}{'median':>10}{'lowest':>10}{'highest':>10}")
    for name, seconds in (("released step, axis corrected", theirs), ("workbench", ours)):
        print(f"{name:34}" + "".join(f"{1e3 * of(seconds):10.2f}" for of in (statistics.median, min, max)))
    print(f"{'ratio of medians':34}{statistics.median(theirs) / statistics.median(ours):10.2f}")


if __name__ == "__main__":
    main()
