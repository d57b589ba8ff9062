"""Linear probes of features that lie on a GPU: 585 000 × 4096 bfloat16, 19 objectives, nine α with validation, a refit.

    python tests/benchmarks/probes_gpu.py [--quick | --full] [--device cuda] [--json FILE]

The features are there beforehand, the labels on the host; ours ends when the weights are on the host. Beside it one objective as
released on the same GPU: a Gram matrix and a solve for each of its nine α and the refit, in float32, times 19. Without a GPU the
row says "not measured".
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench
import torch
from probes import NAMES, OBJECTIVES, PER_FAMILY, labels, ours, sources

SIZES = {"tiny": (3_000, 24), "quick": (60_000, 1024), "middle": (585_000, 4096), "full": (585_000, 4096)}
WORK, MUST = "ridge, 585,000 × 4096 bfloat16 resident on a GPU", "≤ 10 s with validation"
MADE = 2**14  # rows made at once


def table(rows: int, dim: int, device: str) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Features [row dim] on the device, labels [row obj], centred, and the family of each row."""
    made = torch.Generator(device).manual_seed(0)
    x = torch.empty((rows, dim), dtype=torch.bfloat16, device=device)
    weight = torch.randn((dim, OBJECTIVES), generator=made, device=device) / dim**0.5
    clean = []
    for start in range(0, rows, MADE):
        some = x[start : start + MADE]
        some[...] = torch.randn(some.shape, generator=made, device=device)
        clean.append((some.float() @ weight).cpu().numpy())
    return x, labels(np.concatenate(clean), sources(rows), np.random.default_rng(1)) - 0.5, np.arange(rows) // PER_FAMILY


def released(x: torch.Tensor, column: np.ndarray, apart: np.ndarray, alphas: np.ndarray) -> tuple[torch.Tensor, float]:
    """One objective: a ridge for each α on the training rows it has, the best by held-out error again on all: weights [dim], α."""
    def fit(rows: np.ndarray, alpha: float) -> torch.Tensor:
        some = x[torch.from_numpy(np.flatnonzero(rows)).to(x.device)].float()
        label = torch.from_numpy(column[rows]).to(x.device, torch.float32)
        gram = some.T @ some
        gram.diagonal().add_(alpha)
        return torch.linalg.solve(gram, some.T @ label)

    rated, errors = ~np.isnan(column), []
    unseen = x[torch.from_numpy(np.flatnonzero(rated & apart)).to(x.device)].float()
    for alpha in alphas.tolist():
        left = unseen @ fit(rated & ~apart, alpha) - torch.from_numpy(column[rated & apart]).to(x.device, torch.float32)
        errors.append(float((left**2).mean()))
    alpha = float(alphas[int(np.argmin(errors))])
    return fit(rated, alpha), alpha


def measured(size: str, device: str) -> bench.Row:
    from workbench.objectives.families import held_out_families

    rows, dim = SIZES[size]
    x, y, groups = table(rows, dim, device)
    on_gpu = device.startswith("cuda")
    ours(x[:2000, :64].contiguous(), y[:2000], groups[:2000])  # imports and libraries
    rounds = bench.alternate({"ours": lambda: ours(x, y, groups)}, 3 if size != "tiny" else 1, warm=True, device=device)
    took, probes = rounds["ours"], rounds["ours"].value
    apart = held_out_families(groups, ~np.isnan(y), 0.2, 0)
    each = []
    for k in range(OBJECTIVES) if size in ("tiny", "full") else (0, 5, 11):
        each.append((k, bench.timed(lambda: released(x, y[:, k], apart, probes.alphas), device=device)))  # noqa: B023
    naive = bench.Timing(*(OBJECTIVES * float(np.mean([getattr(one, clock) for _, one in each])) for clock in ("cpu", "wall")))
    far = max(float(np.abs(one.value[0].cpu().numpy() - probes.weight[k]).max() / np.abs(probes.weight[k]).max()) for k, one in each)
    same = sum(np.isclose(one.value[1], probes.alpha[k]) for k, one in each)
    speed, rated = bench.rate("bfloat16", dim, 4096, dim, device=device), int((~np.isnan(y)).any(axis=1).sum())
    some = "" if len(each) == OBJECTIVES else f", from {len(each)} objectives"
    return bench.Row(
        WORK if size in ("middle", "full") else f"ridge, {rows:,} × {dim} bfloat16 resident on {device}", naive, took,
        must=MUST, met=took.wall <= 10 if size in ("middle", "full") and on_gpu else None,
        naive_is=f"{10 * OBJECTIVES} fits on the same device in float32{some}",
        ours_is=f"LinearProbes.fit of {len(NAMES)} objectives, products of bfloat16 numbers summed in float32 and float64",
        floor=rated * dim * (dim + 1) / speed, floor_of=f"of the device: XᵀX once per rated row, bfloat16 at {speed / 1e12:.3g} TFLOP/s",
        agreement=f"same α for {same} of {len(each)}; weights differ by {far:.1e} of the largest",
        peak=torch.cuda.max_memory_allocated(device) if on_gpu else None, note="peak: of the device, features included" if on_gpu else "")


def main() -> None:
    bench.on_a_gpu(__doc__, measured, WORK, MUST)


if __name__ == "__main__":
    main()
