"""How long a preview takes: 100 000 pairs × 19 objectives, penalties already known, against a plain loop over pairs.

Run ``python tests/benchmarks/preview.py [--quick]``. The loop is timed on a part of the pairs and scaled up.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from workbench.scenario import inputs as prepared
from workbench.scenario.cache import code_hash
from workbench.scenario.inputs import Inputs, Split
from workbench.scenario.plan import Plan
from workbench.scenario.preview import preview
from workbench.scenario.recipe import Scenario
from workbench.scenario.result import assemble
from workbench.scores import Scores
from workbench.study import Study

EDITS = {
    "drop one": {"drop": ("o03",)}, "multiplier": {"multiply": {"o03": 0.5}}, "swap": {"swap": {"o03": "o07"}}, "debias": {"debias": "o04"},
    "debias, drop, multiplier": {"debias": "o04", "drop": ("o04", "o09"), "multiply": {"o01": 2.0}},
}


def make(pairs: int, objectives: int, seeds: int):
    """A baseline over random scores, without a study on disk."""
    rng, names = np.random.default_rng(0), tuple(f"o{k:02d}" for k in range(objectives))
    info = {"hash": "benchmark", "name": "benchmark", "objectives": [], "files": {}}
    study = Study(info, None, {"responses": pd.DataFrame({"response_id": []})})
    made = Inputs(study, names, None, None, None)
    for split, n in (("train", 5000), ("dev", pairs)):
        values = rng.normal(size=(n, 2, 1)) + rng.normal(size=(n, 2, objectives))
        table = pd.DataFrame({"pair_id": np.arange(n), "family": np.arange(n) // 2, "section": "all"})
        made.kept[("split", split)] = Split(table, Scores(values, names), None, None)
    prepared._MADE[(study.hash, str(study.folder), code_hash())] = made
    shares = rng.dirichlet(np.ones(objectives), size=(seeds, pairs))
    baseline = Scenario(seeds=tuple(range(seeds)), gate={"kind": "global"})
    margins, _ = Plan.make(baseline, made).margins(shares, names, "dev")
    return assemble(baseline, made, (), baseline.seeds, weights=shares, margins=margins), study


def loop(result, scenario: Scenario, study: Study, pairs: int) -> np.ndarray:
    """The same margins, pair by pair and objective by objective, for the first seed."""
    plan = Plan.make(scenario, prepared.prepare(study))
    table, out = plan.inputs.table("dev"), []
    place = [result.names.index(name) for name in plan.names]
    source = [table.names.index(name) for name in plan.sources]
    nuisance = [table.names.index(name) for name in plan.nuisances]
    for p in range(pairs):
        total, kept = 0.0, 0.0
        for k in range(len(plan.names)):
            gap = table.values[p, 0, source[k]] - table.values[p, 1, source[k]]
            for j, column in enumerate(nuisance):
                gap -= plan.penalty[j, k] * (table.values[p, 0, column] - table.values[p, 1, column])
            weight = result.weights[0, p, place[k]]
            kept += weight
            total += weight * gap * plan.multiplier[k]
        out.append(total * sum(result.weights[0, p]) / kept)
    return np.array(out)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pairs", type=int, default=100_000)
    options.add_argument("--objectives", type=int, default=19)
    options.add_argument("--seeds", type=int, nargs="*", default=(1, 5))
    options.add_argument("--quick", action="store_true", help="10 000 pairs")
    chosen = options.parse_args()
    pairs = 10_000 if chosen.quick else chosen.pairs
    for seeds in chosen.seeds:
        result, study = make(pairs, chosen.objectives, seeds)
        print(f"{pairs} pairs × {chosen.objectives} objectives, {seeds} seed{'s' * (seeds > 1)}")
        for label, edits in EDITS.items():
            scenario = result.scenario.child(**edits)
            shown = preview(result, scenario, study)  # penalties are solved here
            times, busy = [], []
            for _ in range(9):
                began, cpu = time.perf_counter(), time.process_time()
                found = preview(result, scenario, study)
                found.accuracy, (found.margin > 0) != (result.margin > 0)  # what the screen shows
                times.append(time.perf_counter() - began)
                busy.append(time.process_time() - cpu)
            some = min(pairs, 2000)
            cpu = time.process_time()
            plain = loop(result, scenario, study, some)
            slow = (time.process_time() - cpu) * pairs / some * seeds
            gap = np.abs(plain - shown.margins[0, :some]).max()
            print(f"  {label:26s} {1e3 * np.median(times):7.1f} ms wall {1e3 * np.median(busy):7.1f} ms CPU   "
                  f"plain loop {1e3 * slow:9.0f} ms CPU "
                  f"(× {slow / np.median(busy):.0f})   largest disagreement {gap:.1e}")


if __name__ == "__main__":
    main()
