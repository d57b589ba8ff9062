"""Time to a held-out loss: ours against what the released recipe, its axis corrected, ends at; and the accuracy of both.

    python tests/benchmarks/gate_loss.py [--quick | --full] [--json FILE]

Planted pairs: five kinds of prompts blend into one another, each with its own weights over 19 objectives that agree in part; a
label is a coin with the planted reward margin as its logit, so that a scale which starts at 1, as released, starts right. A fifth
of the families is held out of training by both, other families are for the accuracy alone. The released recipe (2 000 steps)
runs once per seed. Ours is `SoftmaxGate.fit(start="global", precision="auto")` with its early stop; its CPU seconds count from
the call until the held-out loss is first at the target: standardising, the fit of the scale and of the start, and every look.
"""

from __future__ import annotations

import inspect
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench
import torch
from released import margins_of, released_loop

from workbench.evaluate.inference import estimate
from workbench.preference.data import hold_out
from workbench.scalarize.gate import SoftmaxGate
from workbench.scores import Scores

OBJECTIVES, KINDS, PER_FAMILY, HELD = 19, 5, 5, 0.2
NAMES = tuple(f"o{k:02d}" for k in range(OBJECTIVES))
PRECISIONS = "precision" in inspect.signature(SoftmaxGate.fit).parameters


@dataclass(frozen=True)
class Data:
    """Prompts [pair dim], scores [pair side obj] (chosen first), families [pair]."""

    prompt: np.ndarray
    values: np.ndarray
    families: np.ndarray

    def part(self, mask: np.ndarray) -> Data:
        return Data(self.prompt[mask], self.values[mask], self.families[mask])

    @property
    def scores(self) -> Scores:
        return Scores(self.values, NAMES)


def planted(pairs: int, dim: int, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    families = np.arange(pairs) // PER_FAMILY
    kind = rng.dirichlet(np.full(KINDS, 0.4), size=families.max() + 1)
    centres = 3 * rng.normal(size=(KINDS, dim)) / np.sqrt(dim) * 4
    prompt = (kind @ centres)[families] + rng.normal(size=(families.max() + 1, dim))[families]
    weights = rng.dirichlet(np.full(OBJECTIVES, 0.15), size=KINDS)
    values = 0.5 * rng.normal(size=(pairs, 2, 1)) + rng.normal(size=(pairs, 2, OBJECTIVES))
    margin = ((kind @ weights)[families] * (values[:, 0] - values[:, 1])).sum(axis=1)
    wrong = rng.uniform(size=pairs) > 1 / (1 + np.exp(-margin))
    values[wrong] = values[wrong, ::-1]
    return Data((prompt / prompt.std()).astype(np.float32), values.astype(np.float32), families)


def loss(margins: np.ndarray) -> float:
    return float(np.logaddexp(0, -margins).mean())


def released(train: Data, held: Data, hidden, steps: int, batch: int, seed: int):
    """(gate, [(timing so far, held-out loss)] by look): the looks at the held-out families are not charged."""
    both, rewards = torch.tensor(np.repeat(train.prompt[:, None], 2, axis=1)), torch.tensor(train.values)
    looks, begun, free = [], (time.process_time(), time.perf_counter()), bench.Timing(0, 0)

    def look(step: int, gate) -> None:
        nonlocal free
        if step % 25 == 0 or step == steps:
            so_far = bench.Timing(time.process_time() - begun[0], time.perf_counter() - begun[1]) - free
            one = bench.timed(lambda: loss(margins_of(gate, held.prompt, held.values)))
            free = bench.Timing(free.cpu + one.cpu, free.wall + one.wall)
            looks.append((so_far, one.value))

    return released_loop(both, rewards, hidden, steps=steps, batch=batch, seed=seed, look=look), looks


def ours(data: Data, hidden, steps: int, batch: int, seed: int, precision: str):
    """(gate, [(timing so far, held-out loss)] by look)."""
    looks, cpu, wall = [], time.process_time(), time.perf_counter()

    def told(update) -> None:
        looks.append((bench.Timing(time.process_time() - cpu, time.perf_counter() - wall), update.held_out))

    chosen = {"precision": precision} if PRECISIONS else {}
    gate = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, held_out=HELD, seed=seed, hidden=hidden, steps=steps,
                           batch_size=batch, start="global", every=10, patience=20, device="cpu", progress=told, **chosen)
    return gate, looks


def reached(looks, target: float) -> bench.Timing | None:
    """When a look first showed the target; None: never."""
    return next((timing for timing, seen in looks if seen is not None and seen <= target), None)


def middle(timings) -> bench.Timing | None:
    """Medians; None where one of them never came."""
    if any(timing is None for timing in timings):
        return None
    return bench.Timing(median(t.cpu for t in timings), median(t.wall for t in timings))


def difference(first: list[np.ndarray], second: list[np.ndarray], families) -> tuple[str, bool]:
    """First minus second in accuracy, [seed][pair] margins: words, and whether the interval lies above −0.01."""
    found = estimate((np.array(first) > 0).astype(float) - (np.array(second) > 0), families)
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}] {found.words}".rstrip(), bool(found.low > -0.01)


def main() -> None:
    asked = bench.parser(__doc__).parse_args()
    torch.set_num_threads(1)
    pairs, dim, width, steps, batch, seeds = {
        "tiny": (1500, 16, 16, 30, 64, 2), "quick": (5000, 384, 256, 100, 1024, 1), "middle": (25_000, 384, 256, 1000, 1024, 2),
        "full": (25_000, 384, 256, 2000, 1024, 5)}[asked.size]
    hidden, data = (width,) * 3, planted(pairs + pairs // 5, dim)
    apart = data.families >= pairs // PER_FAMILY
    data, test = data.part(~apart), data.part(apart)
    kinds = ["float32", "auto"] if PRECISIONS else ["float32"]
    looks, margins = {kind: [] for kind in ("released", *kinds)}, {kind: [] for kind in ("released", *kinds)}
    for seed in range(seeds):
        held = hold_out(data.families, pairs, HELD, seed)
        gate, seen = released(data.part(~held), data.part(held), hidden, steps, batch, seed)
        looks["released"].append(seen), margins["released"].append(margins_of(gate, test.prompt, test.values))
        for kind in kinds:
            gate, seen = ours(data, hidden, steps, batch, seed, kind)
            rewards = gate(test.scores, test.prompt)
            looks[kind].append(seen), margins[kind].append(rewards[:, 0] - rewards[:, 1])
        print(f"seed {seed}: " + "; ".join(said(kind, each[-1]) for kind, each in looks.items()), flush=True)
    size = f"d {dim}, {' × '.join(map(str, hidden))}, {pairs} pairs, {seeds} seed(s)"
    bench.report([*races(looks, kinds[-1], size, asked.size == "full"),
                  *accuracies(margins, kinds, test, f"{seeds} seed(s)", asked.size == "full")], asked)


def said(kind: str, looks) -> str:
    timing, least = min(looks, key=lambda look: look[1])
    return f"{kind} best {least:.4f} after {timing.cpu:.1f} CPU s, ends at {looks[-1][1]:.4f} after {looks[-1][0].cpu:.1f}"


def races(looks, kind: str, size: str, whole: bool) -> list[bench.Row]:
    """To the mean final loss of the released loop; and to each seed's best loss, where the released loop is stopped there by an oracle."""
    theirs, rows = looks["released"], []
    bests = [min(seen, key=lambda look: look[1]) for seen in theirs]
    final = mean(seen[-1][1] for seen in theirs)
    for label, targets, naive, what, must in (
        ("mean final held-out loss", [final] * len(theirs), [seen[-1][0] for seen in theirs], "all its steps", "≥ 5×"),
        ("best held-out loss", [least for _, least in bests], [timing for timing, _ in bests], "stopped where it is best, looks free", ""),
    ):
        spent = middle(naive)
        took = middle([reached(seen, target) for seen, target in zip(looks[kind], targets)])
        least = mean(min(loss for _, loss in seen) for seen in looks[kind])
        rows.append(bench.Row(
            f"time to the released loop's {label}, {size}", spent, took, must=must, naive_is=what,
            met=bool(took) and spent.cpu / took.cpu >= 5 if whole and must else None, ours_is=f"precision {kind}, everything until then",
            agreement=f"target {mean(targets):.4f}; ours at its best {least:.4f}",
            note="" if took else "ours did not reach it for every seed"))
    return rows


def accuracies(margins, kinds: list[str], test: Data, size: str, whole: bool) -> list[bench.Row]:
    """Paired differences on pairs that neither has seen."""
    pairs = f"{size}, {len(test.families)} pairs unseen by both"
    words, holds = difference(margins[kinds[-1]], margins["float32"], test.families)
    reduced = bench.Row(f"accuracy, precision auto less float32, {pairs}", agreement=words, must="interval above −0.01",
                        met=holds if whole else None, ours_is="")
    words, _ = difference(margins[kinds[-1]], margins["released"], test.families)
    better = bench.Row(f"accuracy, ours less the released loop's, {pairs}", agreement=words)
    return [reduced, better] if len(kinds) > 1 else [better]


if __name__ == "__main__":
    main()
