"""How long a retrain takes with every default, `run(Scenario(...))` on the shipped study, and whether its accuracy pays for that.

    python tests/benchmarks/default_retrain.py [--quick | --full] [--study FOLDER] [--threads N] [--json FILE]

Nothing is read from a cache but the probes, fitted beforehand and told apart. The accuracy is held against `SoftmaxGate.fit` with
its own default arguments (1024 × 3, from uniform weights) on the same scores: dev pairs, paired, by family and seed.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench
import torch

import workbench as wb
from workbench.evaluate.inference import estimate
from workbench.evaluate.metrics import correct
from workbench.scalarize.gate import SoftmaxGate
from workbench.scenario import inputs
from workbench.scenario.plan import Plan
from workbench.scenario.result import assemble

LIMITS = {1: 2.0, 5: 5.0}  # seconds by the clock on two cores, by the number of seeds


def once(folder: str, seeds: tuple[int, ...]) -> None:
    """A retrain with all it loads, for its memory."""
    wb.run(wb.Scenario(seeds=seeds), wb.Study.load(folder), cache=False)


def plain(scenario: wb.Scenario, study: wb.Study, **given) -> wb.Result:
    """The same scenario with gates of `SoftmaxGate.fit` as it comes."""
    prepared = inputs.prepare(study, store=False)
    plan, data = Plan.make(scenario, prepared), prepared.split("train")
    gates = [SoftmaxGate.fit(plan.scores("train"), data.prompt, groups=data.families, seed=seed, **given) for seed in scenario.seeds]
    return assemble(scenario, prepared, tuple(gates), scenario.seeds)


def compared(study: wb.Study, seeds: tuple[int, ...], tiny: bool, whole: bool) -> bench.Row:
    scenario = wb.Scenario(seeds=seeds)
    ours = bench.timed(lambda: wb.run(scenario, study, cache=False))
    theirs = bench.timed(lambda: plain(scenario, study, **({"hidden": (16,), "steps": 20} if tiny else {})))
    gain = correct(ours.value.margins) - correct(theirs.value.margins)
    found = estimate(gain, ours.value.pairs["family"])
    words = f"{ours.value.accuracy:.4f} less {theirs.value.accuracy:.4f}: {found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    return bench.Row(
        f"dev accuracy of the default retrain less SoftmaxGate.fit's, {len(seeds)} seed(s), {found.n} pairs, {found.families} families",
        theirs, ours, must="interval above −0.01", met=bool(found.low > -0.01) if whole else None, naive_is="SoftmaxGate.fit, its defaults",
        ours_is="run(Scenario()), its defaults", agreement=f"{words} {found.words}".rstrip())


def main() -> None:
    options = bench.parser(__doc__)
    options.add_argument("--study", help="a study's folder (default: the shipped one)")
    options.add_argument("--threads", type=int, default=2)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    study = wb.Study.load(asked.study) if asked.study else wb.demo()
    first = bench.timed(lambda: inputs.prepare(study, store=False))
    print(f"{study.name} {study.hash}: probes and out-of-family scores, once per study: {bench.words(first.wall)} wall, "
          f"{bench.words(first.cpu)} CPU; {len(study.split_pairs('train'))} train pairs, {len(study.split_pairs('dev'))} dev pairs")
    repeats = {"tiny": 1, "quick": 1, "middle": 3, "full": 7}[asked.size]
    whole, small = asked.size == "full", asked.size in ("tiny", "quick")
    edits, rows = {"as it stands": {}} | ({} if small else {"debiased against n_words": {"debias": "n_words"}}), []
    for seeds in ((0,),) if asked.size == "tiny" else ((0,), (0, 1, 2, 3, 4)):
        for label, given in edits.items():
            scenario, limit = wb.Scenario(seeds=seeds, **given), None if asked.study else LIMITS[len(seeds)]
            took = bench.alternate({"run": lambda s=scenario: wb.run(s, study, cache=False)}, repeats, warm=not small)["run"]
            rows.append(bench.Row(
                f"default retrain of {study.name}, {len(seeds)} seed(s), {label}", ours=took,
                must=f"≤ {limit:g} s by the clock" if limit else "",
                met=took.wall <= limit if limit and whole else None, agreement=f"dev accuracy {took.value.accuracy:.3f}",
                ours_is=f"{asked.threads} thread(s), median of {repeats}",
                peak=bench.peak(once, str(study.folder), seeds) if whole and not given else None))
    if asked.size != "quick":
        rows.append(compared(study, {"tiny": (0,), "middle": (0,)}.get(asked.size, (0, 1, 2, 3, 4)), asked.size == "tiny", whole))
    bench.report(rows, asked)


if __name__ == "__main__":
    main()
