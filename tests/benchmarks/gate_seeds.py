"""Several seeds of one gate: in turn, side by side as one job, and one to a core. It is what `scenario/seeds.py` goes by.

    python tests/benchmarks/gate_seeds.py [--quick | --full] [--threads N] [--json FILE]

Naive is in turn, each step on all cores where it is large (`preference/threads.py` says from when on). All take the same steps, with
no early stop. Threads of one process take turns at Python's own work, so small steps gain little from a core each. Other work on the
machine shows: run it on an idle one before a choice is built on it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench
import torch
from released import parameters, step_products

from workbench.preference.step import is_low
from workbench.preference.threads import ALONE, one_core
from workbench.scalarize.gate import SoftmaxGate
from workbench.scores import Scores

OBJECTIVES = 19


@dataclass(frozen=True)
class Gates:
    """Gates of one shape on planted pairs, one per seed."""

    dim: int
    hidden: tuple[int, ...]
    pairs: int
    batch: int
    steps: int
    seeds: int

    @property
    def work(self) -> float:
        return self.batch * parameters(self.dim, self.hidden, OBJECTIVES)

    def data(self) -> tuple[Scores, np.ndarray]:
        rng = np.random.default_rng(0)
        values = rng.normal(size=(self.pairs, 2, OBJECTIVES))
        values[:, 0] += 0.1
        return Scores(values, tuple(f"o{k}" for k in range(OBJECTIVES))), rng.normal(size=(self.pairs, self.dim)).astype(np.float32)

    def fit(self, scores: Scores, prompt: np.ndarray, seed: int | Sequence[int]):
        return SoftmaxGate.fit(scores, prompt, hidden=self.hidden, steps=self.steps, batch_size=self.batch, seed=seed, patience=None,
                               lr=2e-3, start="global", device="cpu")


def in_turn(gates: Gates, scores: Scores, prompt: np.ndarray) -> list[SoftmaxGate]:
    return [gates.fit(scores, prompt, seed) for seed in range(gates.seeds)]


def side_by_side(gates: Gates, scores: Scores, prompt: np.ndarray) -> list[SoftmaxGate]:
    return list(gates.fit(scores, prompt, tuple(range(gates.seeds))))


def one_to_a_core(gates: Gates, scores: Scores, prompt: np.ndarray, cores: int) -> list[SoftmaxGate]:
    return _on_cores(lambda seed: [gates.fit(scores, prompt, seed)], range(gates.seeds), cores)


def a_job_to_a_core(gates: Gates, scores: Scores, prompt: np.ndarray, cores: int) -> list[SoftmaxGate]:
    """Seeds side by side in as many jobs as there are cores."""
    shares = [tuple(map(int, share)) for share in np.array_split(np.arange(gates.seeds), min(cores, gates.seeds))]
    return _on_cores(lambda seeds: list(gates.fit(scores, prompt, seeds)), shares, cores)


def _on_cores(fit: Callable, jobs: Sequence, cores: int) -> list[SoftmaxGate]:
    def alone(job) -> list[SoftmaxGate]:
        with one_core():
            return fit(job)

    with ThreadPoolExecutor(cores) as pool:
        return [gate for found in pool.map(alone, jobs) for gate in found]


def apart(some: list[SoftmaxGate], others: list[SoftmaxGate], prompt: np.ndarray) -> str:
    """Largest difference of weights that two ways give to a few prompts."""
    most = max(np.abs(one.weights(prompt[:64]) - other.weights(prompt[:64])).max() for one, other in zip(some, others))
    return "the same bytes as in turn" if most == 0 else f"weights differ from those in turn by at most {most:.1e}"


def measured(gates: Gates, cores: int, rounds: int) -> list[bench.Row]:
    scores, prompt = gates.data()
    ways = {"in turn": lambda: in_turn(gates, scores, prompt), "side by side as one job": lambda: side_by_side(gates, scores, prompt),
            "one to a core": lambda: one_to_a_core(gates, scores, prompt, cores),
            "side by side, one job to a core": lambda: a_job_to_a_core(gates, scores, prompt, cores)}
    found = bench.alternate(ways, rounds, warm=True)
    low = is_low("auto", "cpu", gates.work, True)
    kind = "bfloat16" if low else "float32"
    with one_core():
        speed = bench.rate(kind, gates.batch, gates.dim, gates.hidden[0])
    floor = gates.seeds * gates.steps * step_products(gates.dim, gates.hidden, OBJECTIVES, gates.batch) / speed
    chosen = "one to a core" if gates.work < ALONE else "in turn"
    layers = " × ".join(map(str, gates.hidden))
    shape = f"{gates.seeds} seeds of {layers}, d {gates.dim}, {gates.pairs:,} pairs, {gates.steps} steps of {gates.batch}"
    return [bench.Row(
        f"{shape}, {way}", found["in turn"], found[way], naive_is=f"in turn, products in {kind}",
        ours_is=f"{way}, {cores} core(s)", floor=floor, floor_of=f"products at {speed / 1e9:.0f} GFLOP/s a core",
        agreement=apart(found["in turn"].value, found[way].value, prompt),
        note=f"medians of {rounds} round(s); scenario/seeds.py takes: {chosen}") for way in list(ways)[1:]]


def main() -> None:
    options = bench.parser(__doc__)
    options.add_argument("--threads", type=int, default=2)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    seeds, steps, rounds = {"tiny": (2, 2, 1), "quick": (5, 100, 1), "middle": (5, 400, 1), "full": (5, 400, 3)}[asked.size]
    shapes = [Gates(16, (8,), 64, 32, steps, seeds)] if asked.size == "tiny" else [
        Gates(384, (64,), 3456, 512, steps, seeds), Gates(384, (256,) * 3, 3456, 512, steps // 4, seeds)]
    bench.report([row for gates in shapes for row in measured(gates, asked.threads, rounds)], asked)


if __name__ == "__main__":
    main()
