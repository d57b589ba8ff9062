"""How long preference strength takes: members × folds heads trained together against the same heads one by one.

Run ``python tests/benchmarks/strength_heads.py [--hidden 16] [--quick]``. Both see the same seeds, bootstraps, penalty and
steps; one by one, each head runs on its own pairs. CPU seconds of this process, medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
from gate_steps import cpu_model

from workbench.features import Features
from workbench.preference.bradley_terry import Supervision
from workbench.preference.data import bootstrap, derived, fold_of
from workbench.preference.heads import HeadStack
from workbench.preference.strength import Strength

DECAY, STEPS, BATCH = 0.1, 200, 512


def together(response, families, members, folds, hidden) -> tuple[float, np.ndarray]:
    begin = time.process_time()
    found = Strength.fit(Features(response[:, 0], response), groups=families, members=members, folds=folds, decay=DECAY, hidden=hidden,
                         steps=STEPS, batch_size=BATCH, lr=1e-2, device="cpu")
    return time.process_time() - begin, found.mean


def one_by_one(response, families, members, folds, hidden) -> tuple[float, np.ndarray]:
    begin, n = time.process_time(), len(response)
    margins = np.zeros((members, n))
    for member in range(members):
        seed = derived(0, member)
        fold = fold_of(families, n, folds, seed)
        for number in range(folds):
            times = bootstrap(families, fold != number, [seed, number, 6])
            stack = HeadStack.fit(response, Supervision.hard(n), hidden=hidden, seeds=[seed], orders=[seed if hidden else derived(0, 0)],
                                  decay=[DECAY], held_out=np.zeros(n, bool), weight=times[None].astype(float), steps=STEPS,
                                  batch_size=BATCH, lr=1e-2, device="cpu")
            rewards = stack(response[fold == number])[0]
            margins[member, fold == number] = rewards[:, 0] - rewards[:, 1]
    return time.process_time() - begin, margins.mean(axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, nargs="*", default=[], help="sizes of the heads' hidden layers (default: linear)")
    parser.add_argument("--quick", action="store_true", help="fewer pairs, members and rounds")
    asked = parser.parse_args()
    pairs, dim, members, folds, rounds = (1000, 128, 4, 5, 1) if asked.quick else (4000, 768, 10, 5, 3)
    rng = np.random.default_rng(0)
    response = rng.normal(size=(pairs, 2, dim)).astype(np.float32)
    response[:, 0] += 0.3 * rng.normal(size=dim).astype(np.float32)
    families, hidden = np.arange(pairs) // 4, tuple(asked.hidden)
    together(response[:200], families[:200], 2, 2, hidden)
    runs = {name: [run(response, families, members, folds, hidden) for _ in range(rounds)] for name, run in
            (("one by one", one_by_one), ("together", together))}
    medians = {name: statistics.median(seconds for seconds, _ in found) for name, found in runs.items()}
    print(f"{cpu_model()}, {torch.get_num_threads()} thread(s), torch {torch.__version__}")
    print(f"{pairs} pairs, {dim} dims, {members} members × {folds} folds, {'hidden ' + str(hidden) if hidden else 'linear'}, "
          f"{STEPS} steps of {BATCH}; {rounds} round(s), CPU seconds")
    for name, seconds in medians.items():
        print(f"{name:20}{seconds:10.2f}")
    print(f"{'ratio':20}{medians['one by one'] / medians['together']:10.2f}")
    print(f"correlation of the two strengths {np.corrcoef(runs['one by one'][0][1], runs['together'][0][1])[0, 1]:.4f}")


if __name__ == "__main__":
    main()
