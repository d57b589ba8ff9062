"""One step of gate training: ours against the released step with its axis corrected, fixed costs subtracted.

    python tests/benchmarks/gate_steps.py [--quick | --full] [--threads N] [--json FILE]

A step is the difference between a run of 2n steps and one of n, divided by n. Both read 4 096 pairs in batches of 1 024.
Floor: the step's matrix products at the rate of the same precision measured here, and AdamW's bytes at the measured bandwidth.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench
import torch
from released import ReleasedGate, margins_of, parameters, released_loop, step_products

from workbench.scalarize.gate import SoftmaxGate
from workbench.scores import Scores

PAPER, SMALL, TINY = (4096, (1024,) * 3), (384, (256,) * 3), (32, (16,) * 3)
MUST = {(4096, "float32"): 2, (4096, "bfloat16"): 4, (384, "float32"): 2, (384, "bfloat16"): 3}
ADAM_BYTES = 4 * 7  # of one parameter: read it, its gradient and both moments, write it and both moments
PRECISIONS = "precision" in inspect.signature(SoftmaxGate.fit).parameters


def has_bfloat16() -> bool:
    """Whether products in bfloat16 are faster here than in float32: an emulated one is slower."""
    return bench.rate("bfloat16", 512, 512, 512, times=3) > 1.2 * bench.rate("float32", 512, 512, 512, times=3)


def data(dim: int, objectives: int, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(pairs, dim)).astype(np.float32), rng.normal(size=(pairs, 2, objectives)).astype(np.float32)


def ours(prompt, values, hidden, batch: int, steps: int, precision: str) -> None:
    chosen = {"precision": precision} if PRECISIONS else {}
    scores = Scores(values, names(values))
    SoftmaxGate.fit(scores, prompt, hidden=hidden, steps=steps, batch_size=batch, held_out=0.0, device="cpu", **chosen)


def names(values: np.ndarray) -> tuple[str, ...]:
    return tuple(f"o{k}" for k in range(values.shape[2]))


def once(shape, objectives: int, batch: int, steps: int, precision: str) -> None:
    """A whole run with its inputs, for its memory."""
    ours(*data(shape[0], objectives, 4 * batch), shape[1], batch, steps, precision)


def agreement(shape, prompt: np.ndarray, values: np.ndarray) -> str:
    """Largest difference of reward margins where our gate has the released one's weights."""
    some, theirs = values[:256], ReleasedGate(shape[0], shape[1], values.shape[2])
    layers = tuple((layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in theirs.layers)
    rewards = SoftmaxGate(names(values), layers, 1.0, 10.0, np.ones(values.shape[2], bool))(Scores(some, names(values)), prompt[:256])
    apart = np.abs(margins_of(theirs, prompt[:256], some) - (rewards[:, 0] - rewards[:, 1])).max()
    return f"margins of the same weights differ by at most {apart:.1e}"


def measured(shape, objectives: int, batch: int, steps: int, rounds: int, precisions: list[str], check: bool) -> list[bench.Row]:
    dim, hidden = shape
    prompt, values = data(dim, objectives, 4 * batch)
    rewards = torch.tensor(values)
    both = torch.tensor(np.repeat(prompt[:, None], 2, axis=1))
    calls = {}
    for times in (1, 2):
        calls["released", times] = lambda n=times * steps: released_loop(both, rewards, hidden, steps=n, batch=batch)
        for kind in precisions:
            calls[kind, times] = lambda n=times * steps, kind=kind: ours(prompt, values, hidden, batch, n, kind)
    found = bench.alternate(calls, rounds, warm=True)
    step = {name: (found[name, 2] - found[name, 1]) * (1 / steps) for name in ("released", *precisions)}
    copying, rows = bench.bandwidth(), []
    for kind in precisions:
        speed = bench.rate(kind, batch, hidden[0], hidden[0])
        floor = step_products(dim, hidden, objectives, batch) / speed + ADAM_BYTES * parameters(dim, hidden, objectives) / copying
        must = MUST.get((dim, kind))
        met = step["released"].cpu / step[kind].cpu >= must if must and check else None
        rows.append(bench.Row(
            f"gate step, d {dim}, {' × '.join(map(str, hidden))}, batch {batch}, {kind}", step["released"], step[kind],
            must=f"≥ {must}×" if must else "", met=met, naive_is="released step, float32", ours_is="one step, fixed costs subtracted",
            floor=floor, floor_of=f"products at {speed / 1e9:.0f} GFLOP/s a core, AdamW at {copying / 1e9:.0f} GB/s",
            agreement=agreement(shape, prompt, values), peak=bench.peak(once, shape, objectives, batch, steps, kind),
            note=f"medians of {rounds} rounds of {steps} and {2 * steps} steps",
        ))
    return rows


def main() -> None:
    options = bench.parser(__doc__)
    options.add_argument("--threads", type=int, default=1)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    precisions = ["float32"] + ["bfloat16"] * (PRECISIONS and (has_bfloat16() or asked.size == "tiny"))
    shapes, steps, rounds = {"tiny": ((TINY,), 2, 1), "quick": ((SMALL, PAPER), 3, 1), "middle": ((SMALL, PAPER), 6, 3),
                             "full": ((SMALL, PAPER), 20, 3)}[asked.size]
    batch = 64 if asked.size == "tiny" else 1024
    rows = [row for shape in shapes
            for row in measured(shape, 19, batch, steps * (5 if shape == SMALL else 1), rounds, precisions, asked.size == "full")]
    bench.report(rows, asked)


if __name__ == "__main__":
    main()
