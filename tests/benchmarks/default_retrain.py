"""How long a retrain takes with every default: run(Scenario(...)) on the shipped study, one and five seeds, CPU and wall.

Run ``python tests/benchmarks/default_retrain.py [--quick]`` (--quick: one seed, once). Nothing is read from a cache but the
probes, whose own first fit is told apart.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import workbench as wb
from workbench.scenario import inputs


def timed(call):
    """(result, wall seconds, CPU seconds)."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--study", help="a study's folder (default: the shipped one)")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--quick", action="store_true")
    chosen = options.parse_args()
    import torch

    torch.set_num_threads(chosen.threads)
    study = wb.Study.load(chosen.study) if chosen.study else wb.demo()
    _, wall, cpu = timed(lambda: inputs.prepare(study, store=False))
    print(f"{study.name} {study.hash}: probes and out-of-family scores, once per study: {wall:.2f} s wall, {cpu:.2f} s CPU")
    print(f"{len(study.split_pairs('train'))} train pairs, {len(study.split_pairs('dev'))} dev pairs, {chosen.threads} thread(s)")
    for seeds in ((0,),) if chosen.quick else ((0,), (0, 1, 2, 3, 4)):
        for label, edits in (("as it stands", {}), ("debiased against n_words", {"debias": "n_words"})):
            repeats = 1 if chosen.quick else chosen.repeats
            found = [timed(lambda: wb.run(wb.Scenario(seeds=seeds, **edits), study, cache=False)) for _ in range(repeats)]
            wall, cpu = (median(times) for times in list(zip(*found))[1:])
            took = f"{wall:6.2f} s wall {cpu:6.2f} s CPU   dev accuracy {found[0][0].accuracy:.3f}"
            print(f"  {len(seeds)} seed{'s' * (len(seeds) > 1)}, {label:26s} {took}")


if __name__ == "__main__":
    main()
