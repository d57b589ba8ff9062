"""What a warm start brings: retrains after an edit that begin from the baseline's gates, against ones that begin from global weights.

    python tests/benchmarks/gate_warm.py [--quick | --full] [--study FOLDER] [--json FILE]

Naive is the default start here. Both train until no held-out family gains any more; accuracy is compared on dev, paired, by family.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench
import numpy as np

import workbench as wb
from workbench.evaluate.inference import estimate
from workbench.evaluate.metrics import correct


def steps(result: wb.Result) -> str:
    """Steps taken, and the step of the state kept: means over seeds."""
    reports = [gate.fit_report for gate in result.gates]
    return f"{np.mean([report.history['step'][-1] for report in reports]):.0f} steps, best at {np.mean([r.best_step for r in reports]):.0f}"


def loss(result: wb.Result) -> float:
    return float(np.mean([gate.fit_report.head_losses[0] for gate in result.gates]))


def main() -> None:
    options = bench.parser(__doc__)
    options.add_argument("--study", help="a study's folder (default: the shipped one)")
    asked = options.parse_args()
    source = wb.Study.load(asked.study) if asked.study else wb.demo()
    seeds, repeats = {"tiny": ((0,), 1), "quick": ((0, 1), 1)}.get(asked.size, ((0, 1, 2, 3, 4), 3))
    baseline = wb.Scenario(seeds=seeds, gate={"steps": 20} if asked.size == "tiny" else {})
    leads = source.objectives[:3]
    edits = {f"without {leads[0]}": {"drop": leads[:1]}, f"{leads[1]} × 2": {"multiply": {leads[1]: 2.0}},
             "debiased": {"debias": "n_words"}}
    rows = []
    with tempfile.TemporaryDirectory() as folder:  # a copy, in whose runs/ a warm start finds the baseline
        study = wb.Study.load(shutil.copytree(source.folder, Path(folder) / "study", ignore=shutil.ignore_patterns("runs")))
        wb.run(baseline, study)
        for label, edit in list(edits.items())[: 1 if asked.size == "tiny" else None]:
            cold, warm = baseline.child(**edit), baseline.child(**edit, gate={"start": baseline.id})
            found = bench.alternate({"cold": lambda: wb.run(cold, study, cache=False), "warm": lambda: wb.run(warm, study, cache=False)},
                                    repeats)
            one, other = (found[name].value for name in ("cold", "warm"))
            gain = estimate(correct(other.margins) - correct(one.margins), one.pairs["family"])
            rows.append(bench.Row(
                f"retrain from the baseline's gates, {label}, {len(seeds)} seed(s)", found["cold"], found["warm"],
                naive_is=f"from global weights: {steps(one)}, held-out loss {loss(one):.4f}",
                ours_is=f"warm: {steps(other)}, held-out loss {loss(other):.4f}",
                agreement=f"dev accuracy {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}], {gain.n} pairs, {gain.families} families"))
    bench.report(rows, asked)


if __name__ == "__main__":
    main()
