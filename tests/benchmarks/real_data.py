"""Held-out accuracy on real preference data, with intervals, beside the baselines that a reward model has to beat.

    workbench extract $WORKBENCH_REAL_DATA/ratings.jsonl.gz $WORKBENCH_REAL_DATA/pairs_train.jsonl.gz \\
        $WORKBENCH_REAL_DATA/pairs_eval_open.jsonl.gz --out runs/real          # about 25 minutes on one idle core
    workbench check runs/real
    python tests/benchmarks/real_data.py runs/real [--split test] [--seeds N] [--json FILE]

dev: the data's own validation prompts; test: its test prompts and the file for evaluation only, each section apart
(their total is no RewardBench score). Intervals resample prompt families and seeds, not the training sample. The same
recipes run on the shipped study: name "demo". The data stay where they are; nothing here writes any of them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import bench
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

LENGTH = "n_words"


def recipes(seeds: tuple[int, ...]) -> dict:
    """Every learned combination in the table, by the name it has there."""
    from workbench.scenario.recipe import GateSpec, Scenario

    return {
        "uniform weights": Scenario(gate=GateSpec(kind="uniform"), seeds=seeds),
        "global weights": Scenario(gate=GateSpec(kind="global"), seeds=seeds),
        "gate": Scenario(seeds=seeds),
        f"gate, debiased against {LENGTH}": Scenario(debias=LENGTH, seeds=seeds),
        "Bradley–Terry head": Scenario(gate=GateSpec(kind="bradley-terry"), seeds=seeds),
    }


def alone(study, split: str) -> dict[str, np.ndarray]:
    """Margins [pair] of each objective by itself, and of the longer answer."""
    from workbench.scenario.inputs import prepare

    data = prepare(study).split(split)
    margins = {f"only {name}": data.scores.margins[:, k] for k, name in enumerate(data.scores.names)}
    length = study.column_scores([LENGTH], split).margins[:, 0]
    return {"the longer wins": length, **margins}


def row(name: str, label: str, margins: np.ndarray, pairs: pd.DataFrame, mask: np.ndarray, trained: bool) -> dict:
    """Accuracy of margins [seed pair] on some pairs, with its interval."""
    from workbench.evaluate.inference import estimate

    found = estimate((margins[:, mask] > 0).astype(np.float64), pairs["family"].to_numpy()[mask], trained=trained)
    return {
        "method": name,
        "slice": label,
        "accuracy": found.value,
        "low": found.low,
        "high": found.high,
        "pairs": found.n,
        "families": found.families,
        "seeds": found.seeds,
        "words": found.words,
    }


def table(study, split: str, seeds: tuple[int, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracies (method × slice), and the paired differences between neighbours of the ladder."""
    import workbench as wb
    from workbench.evaluate.metrics import slices

    pairs = study.split_pairs(split)
    declared = slices(pairs)
    rows = [
        row(name, label, margins[None], pairs, mask, trained=False)
        for name, margins in alone(study, split).items()
        for label, mask in declared.items()
    ]
    results = {}
    for name, scenario in recipes(seeds).items():
        start = time.monotonic()
        found = wb.run(scenario, study)
        results[name] = found if split == "dev" else found.tested()
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        trained = scenario.gate.kind != "uniform"
        rows += [row(name, label, results[name].margins, pairs, mask, trained) for label, mask in declared.items()]
    names = list(results)
    differences = [
        wb.compare(results[before], results[after]).assign(step=f"{after} − {before}")
        for before, after in ((names[0], names[1]), (names[1], names[2]), (names[2], names[3]), (names[4], names[2]))
    ]
    return pd.DataFrame(rows), pd.concat(differences, ignore_index=True)


def main() -> None:
    parser = bench.parser(__doc__)
    parser.add_argument("study", nargs="?", default="demo", help='a study folder, or "demo" (the default)')
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    asked.seeds = 1 if asked.size in ("tiny", "quick") else asked.seeds
    import workbench as wb

    study = wb.demo() if asked.study == "demo" else wb.Study.load(asked.study)
    rows, steps = table(study, asked.split, tuple(range(asked.seeds)))
    print(f"{study.name} {study.hash}, {asked.split}: {study.info['features']}")
    for label, part in rows.groupby("slice", sort=False):
        ordered = part.sort_values("accuracy", ascending=False)
        print(f"\n{label}: {part['pairs'].iloc[0]} pairs, {part['families'].iloc[0]} families")
        print(ordered[["method", "accuracy", "low", "high", "words"]].round(3).to_string(index=False))
    print("\npaired differences in accuracy")
    print(steps[["step", "slice", "difference", "low", "high", "p_holm", "families", "words"]].round(3).to_string(index=False))
    if asked.json:
        kept = {name: json.loads(frame.to_json(orient="records")) for name, frame in (("rows", rows), ("steps", steps))}
        asked.json.write_text(json.dumps({"study": study.hash, "split": asked.split, **kept}, indent=1))


if __name__ == "__main__":
    main()
