"""The paper's recipe on a GPU: d 4096, 1024 × 3, batch 1 024, 10 000 steps, against the released loop on the same GPU.

    python tests/benchmarks/gate_gpu.py [--quick | --full] [--device cuda] [--json FILE]

Ours is one call of `SoftmaxGate.fit` from arrays on the host: the copy to the device, the capture of the step and the way back
count. The released loop's tensors are on the device beforehand; it is timed on 200 steps and scaled up, at --full it runs all
10 000, for the accuracy of both on pairs that neither has seen. Without a GPU the row says "not measured".
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench
import torch
from gate_loss import PRECISIONS, Data, planted
from released import margins_of, parameters, released_loop, step_products

from workbench.scalarize.gate import SoftmaxGate

WORK, MUST = "gate, the paper's recipe: d 4096, 1024 × 1024 × 1024, batch 1024, 10 000 steps, on a GPU", "≤ 4 s, ≥ 8×"
ADAM_BYTES = 4 * 7  # of one parameter: read it, its gradient and both moments, write it and both moments


def ours(data: Data, hidden, steps: int, batch: int, device: str) -> SoftmaxGate:
    chosen = {"precision": "auto"} if PRECISIONS else {}
    return SoftmaxGate.fit(data.scores, data.prompt, hidden=hidden, steps=steps, batch_size=batch, held_out=0.0, device=device, **chosen)


def released(data: Data, hidden, steps: int, batch: int, device: str) -> bench.Timing:
    """Of the loop alone, with its gate: the tensors are on the device, and it has run before."""
    rewards = torch.tensor(data.values, device=device)
    both = torch.tensor(data.prompt, device=device)[:, None].expand(-1, 2, -1).contiguous()
    released_loop(both, rewards, hidden, steps=5, batch=batch)
    return bench.timed(lambda: released_loop(both, rewards, hidden, steps=steps, batch=batch), device=device)


def measured(size: str, device: str) -> bench.Row:
    pairs, dim, hidden, steps, some, batch = {
        "tiny": (600, 16, (16,) * 3, 20, 10, 64), "quick": (20_000, 4096, (1024,) * 3, 1000, 50, 1024),
        "middle": (50_000, 4096, (1024,) * 3, 10_000, 200, 1024), "full": (100_000, 4096, (1024,) * 3, 10_000, 10_000, 1024)}[size]
    data = planted(pairs + pairs // 10, dim)
    unseen = np.arange(len(data.families)) >= pairs
    train, test = data.part(~unseen), data.part(unseen)
    naive = released(train, hidden, some, batch, device)
    ours(train, hidden, 30, batch, device)  # compiled, captured, warmed
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    took = bench.timed(lambda: ours(train, hidden, steps, batch, device), device=device)
    share = bench.timed(lambda: ours(train, hidden, 2 * steps, batch, device), device=device) - took
    kind = "bfloat16" if on_gpu else "float32"
    speed = bench.rate(kind, batch, hidden[0], hidden[0], device=device)
    copying = bench.bandwidth(2**28 if on_gpu else 2**24, device=device)
    floor = steps * (step_products(dim, hidden, 19, batch) / speed + ADAM_BYTES * parameters(dim, hidden, 19) / copying)
    right = [float((margins > 0).mean()) for margins in (np.subtract(*took.value(test.scores, test.prompt).T),
                                                         margins_of(naive.value, test.prompt, test.values))]
    whole = naive * (steps / some)
    return bench.Row(
        WORK if steps == 10_000 else f"gate on {device}, d {dim}, {hidden[0]} × 3, batch {batch}, {steps} steps", whole, took, must=MUST,
        met=took.wall <= 4 and whole.wall >= 8 * took.wall if size in ("middle", "full") and on_gpu else None,
        naive_is="float32" + ("" if some == steps else f", {some} steps scaled up"), ours_is="one call, from arrays on the host",
        floor=floor, floor_of=f"of the device: products in {kind} at {speed / 1e12:.3g} TFLOP/s, AdamW at {copying / 1e9:.0f} GB/s",
        agreement=f"accuracy on {unseen.sum()} unseen pairs {right[0]:.4f}" + (f", released {right[1]:.4f}" if some == steps else ""),
        peak=torch.cuda.max_memory_allocated(device) if on_gpu else None,
        note=f"{bench.words(share.wall / steps)} a step by the clock, fixed costs subtracted")


def main() -> None:
    bench.on_a_gpu(__doc__, measured, WORK, MUST)


if __name__ == "__main__":
    main()
