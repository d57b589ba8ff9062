"""A what-if as it is dragged: preview, metrics by section, resamples, and all that the What-if screen asks of it.

100 000 pairs × 19 objectives, 5 seeds, 4 pairs a family, 5 sections; penalties known already. The plain form goes pair by pair
and objective by objective, and draws families one by one; it is timed on a part and scaled up.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

import bench  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from bench import Row, Timing  # noqa: E402

from workbench.evaluate.metrics import metric_table  # noqa: E402
from workbench.scenario import inputs as prepared  # noqa: E402
from workbench.scenario.compare import compare  # noqa: E402
from workbench.scenario.inputs import Inputs, Split, prepare  # noqa: E402
from workbench.scenario.plan import Plan  # noqa: E402
from workbench.scenario.preview import preview  # noqa: E402
from workbench.scenario.recipe import Scenario  # noqa: E402
from workbench.scenario.result import Result, assemble  # noqa: E402
from workbench.scores import Scores  # noqa: E402
from workbench.study import Study  # noqa: E402

SIZES = {"tiny": 600, "quick": 20_000, "middle": 100_000, "full": 100_000}
FLOOR = "to read weights and differences once"
STATED, OBJECTIVES, SEEDS, SECTIONS, DRAWS, PART = 100_000, 19, 5, 5, 1000, 1000
EDITS = {
    "drop one": {"drop": ("o03",)}, "multiplier": {"multiply": {"o03": 0.5}}, "swap": {"swap": {"o03": "o07"}}, "debias": {"debias": "o04"},
    "debias, drop, multiplier": {"debias": "o04", "drop": ("o04", "o09"), "multiply": {"o01": 2.0}},
}


def make(pairs: int, objectives: int = OBJECTIVES, seeds: int = SEEDS) -> tuple[Result, Study]:
    """A baseline over random scores, without a study on disk."""
    rng, names = np.random.default_rng(0), tuple(f"o{k:02d}" for k in range(objectives))
    study = Study({"hash": f"benchmark{pairs}", "name": "benchmark", "objectives": [], "files": {}}, None,
                  {"responses": pd.DataFrame({"response_id": []})})
    made = Inputs(study, names, None, None, None)
    for split, n in (("train", min(pairs, 5000)), ("dev", pairs)):
        values, family = rng.normal(size=(n, 2, 1)) + rng.normal(size=(n, 2, objectives)), np.arange(n) // 4
        section = np.array([f"section {k}" for k in range(SECTIONS)], object)[rng.integers(SECTIONS, size=n)[family]]
        table = pd.DataFrame({"pair_id": [f"c{i}" for i in range(n)], "prompt_id": [f"p{i // 2}" for i in range(n)],
                              "family": [f"f{i}" for i in family], "section": section})
        made.kept[("split", split)] = Split(table, Scores(values, names), None, None)
    prepared._MADE[prepared._key(study)] = made
    shares = rng.dirichlet(np.ones(objectives), size=(seeds, pairs))
    baseline = Scenario(seeds=tuple(range(seeds)), gate={"kind": "global"})
    margins, _ = Plan.make(baseline, made).margins(shares, names, "dev")
    return assemble(baseline, made, (), baseline.seeds, weights=shares, margins=margins), study


# -- the plain form ---------------------------------------------------------------------------------------------------


def loop(result: Result, scenario: Scenario, study: Study, pairs: int) -> np.ndarray:
    """The margins of the first pairs, pair by pair and objective by objective, for the first seed."""
    plan = Plan.make(scenario, prepare(study))
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


def plain_metrics(margins: np.ndarray, pairs: pd.DataFrame, draws: int = 0) -> dict:
    """Accuracy and log loss of all pairs and of each section, and resampled values of both, pair by pair."""
    section, family, found = pairs["section"].tolist(), pairs["family"].tolist(), {}
    for label in ("All pairs", *dict.fromkeys(section)):
        rows = [i for i in range(len(section)) if label in ("All pairs", section[i])]
        values = {"accuracy": [[float(seed[i] > 0) for i in rows] for seed in margins],
                  "log loss": [[float(np.logaddexp(0, -seed[i])) for i in rows] for seed in margins]}
        members: dict[str, list[int]] = {}
        for at, i in enumerate(rows):
            members.setdefault(family[i], []).append(at)
        names, seeds = list(members), range(len(margins))
        chosen = np.random.default_rng([0, len(names), 0]).integers(0, len(names), (draws, len(names) - 1), np.uint16)
        runs = np.random.default_rng([0, len(margins), 1]).integers(0, len(margins), (draws, len(margins) - 1), np.uint16)
        for metric, each in values.items():
            drawn = []
            for families, resampled in zip(chosen, runs if len(margins) >= 5 else [seeds] * draws):
                at = [i for one in families for i in members[names[one]]]
                drawn.append(sum(each[seed][i] for seed in resampled for i in at) / (len(resampled) * len(at)))
            found[label, metric] = (sum(map(sum, each)) / (len(each) * len(rows)), drawn)
    return found


# -- ours ----------------------------------------------------------------------------------------------------------------


def measured(result: Result, scenario: Scenario, study: Study, draws: int) -> tuple[Result, pd.DataFrame]:
    found = preview(result, scenario, study)
    return found, metric_table(found.margins, found.pairs, groups=found.families, parts=found.slices, draws=draws)


def screen(result: Result, scenario: Scenario, study: Study) -> Result:
    """What the What-if screen shows of an edit: accuracy, flips, shares, correlations with a column, of the reward as well."""
    found = preview(result, scenario, study)
    _ = found.accuracy, (found.margin > 0) != (result.margin > 0), found.decisive
    _ = found.correlations("o04"), found.reward_correlation("o04")
    return found


def once(pairs: int, what: str) -> None:
    """For the peak of a process that does nothing else."""
    result, study = make(pairs)
    scenario = result.scenario.child(**EDITS["debias, drop, multiplier"])
    if what == "metrics":
        measured(result, scenario, study, DRAWS)
    elif what == "screen":
        screen(result, scenario, study)


# -- the table -------------------------------------------------------------------------------------------------------------


def sized(pairs: int) -> str:
    return f"{pairs:,} pairs × {OBJECTIVES}, {SEEDS} seeds"


def timed_edits(result: Result, study: Study, rounds: int, read: float) -> list[Row]:
    pairs, part, rows = result.margins.shape[1], min(PART, result.margins.shape[1]), []
    for label, edits in EDITS.items():
        scenario = result.scenario.child(**edits)
        shown = preview(result, scenario, study)  # penalties are solved here
        slow = bench.timed(lambda scenario=scenario: loop(result, scenario, study, part))
        ours = bench.alternate({"ours": lambda scenario=scenario: preview(result, scenario, study).margin}, rounds, warm=True)["ours"]
        apart = np.abs(slow.value - shown.margins[0, :part]).max()
        rows.append(Row(f"{sized(pairs)}: preview, {label}", slow * (pairs / part * SEEDS), ours, agreement=f"margins to {apart:.0e}",
                        naive_is=f"{part} pairs, one seed, scaled up", floor=read, floor_of=FLOOR))
    return rows


def timed_metrics(result: Result, study: Study, rounds: int, read: float, stated: bool) -> list[Row]:
    pairs, part = result.margins.shape[1], min(PART, result.margins.shape[1])
    scenario, rows = result.scenario.child(**EDITS["debias, drop, multiplier"]), []
    some = result.pairs.iloc[:part]
    for draws, must, most in ((0, "100 ms, aim 30 ms", 0.1), (DRAWS, "1 s", 1.0)):
        few = min(draws, 2)
        slow = bench.timed(lambda few=few: plain_metrics(result.margins[:, :part], some, few))
        bare = bench.timed(lambda: plain_metrics(result.margins[:, :part], some)) if few else slow
        drawing = (slow - bare) * (draws / few) if few else Timing(0.0, 0.0)
        naive = Timing(bare.cpu + drawing.cpu, bare.wall + drawing.wall) * (pairs / part)
        ours = bench.alternate({"ours": lambda draws=draws: measured(result, scenario, study, draws)[1]}, rounds, warm=True)["ours"]
        exact = metric_table(result.margins[:, :part], some, draws=max(few, 1)).set_index(["slice", "metric"])["value"]
        apart = max(abs(exact[key] - value) for key, (value, _) in slow.value.items())
        work = f"{sized(pairs)}: preview, metrics by section" + (f", {draws:,} resamples" if draws else "")
        rows.append(Row(work, naive, ours, must=must if stated else "", met=ours.wall <= most if stated else None,
                        floor=read, floor_of=FLOOR, naive_is=f"metrics alone, of {part} pairs, {few} resamples, scaled up",
                        agreement=f"values to {apart:.0e}" + _drawn(slow, result, part)))
    return rows


def _drawn(slow: Timing, result: Result, part: int) -> str:
    """How far resamples are from those drawn and counted one by one, of all pairs of the part."""
    from workbench.evaluate.inference import bootstrap
    from workbench.evaluate.metrics import METRICS

    found = {metric: slow.value["All pairs", metric][1] for metric in METRICS}
    if not found["accuracy"]:
        return ""
    margins, families = result.margins[:, :part], result.families[:part]
    apart = max(np.abs(bootstrap(of(margins), families, draws=len(found[metric])) - found[metric]).max() for metric, of in METRICS.items())
    return f", the resamples of {part} pairs to {apart:.0e}"


def main() -> None:
    options = bench.parser(__doc__)
    options.add_argument("--pairs", type=int, help="another number of pairs")
    asked = options.parse_args()
    pairs, rounds = asked.pairs or SIZES[asked.size], 3 if asked.size in ("tiny", "quick") else 9
    result, study = make(pairs)
    read = 8 * (result.weights.size + pairs * OBJECTIVES) / bench.bandwidth()
    rows = timed_edits(result, study, rounds, read)
    rows += timed_metrics(result, study, rounds, read, pairs == STATED)
    step = {"multiply": {"o03": 0.5}, "debias": "o04"}
    ways = {"all on": result.scenario.child(**step), "one off": result.scenario.child(**step, drop=("o09",))}
    for label, scenario in ways.items():
        ours = bench.alternate({"ours": lambda scenario=scenario: screen(result, scenario, study)}, rounds, warm=True)["ours"]
        rows.append(Row(f"{sized(pairs)}: all that the What-if screen shows after a slider's step, {label}", ours=ours,
                        peak=bench.peak(once, pairs, "screen") if label == "one off" else None))
    other = preview(result, ways["one off"], study)
    ours = bench.alternate({"ours": lambda: compare(result, other)}, rounds, warm=True)["ours"]
    rows.append(Row(f"{sized(pairs)}: difference by section, 2,000 resamples and 9,999 sign flips", ours=ours,
                    peak=bench.peak(once, pairs, "metrics"),
                    note=f"inputs and imports alone take {bench.size_words(bench.peak(once, pairs, 'inputs'))}"))
    bench.report(rows, asked)


if __name__ == "__main__":
    main()
