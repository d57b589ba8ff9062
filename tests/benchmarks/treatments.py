"""What treating labels by preference strength gains, where labels are corrupted on purpose, beside none and beside oracles.

    python tests/benchmarks/treatments.py [STUDY] [--rate 0.2] [--follows chance|length] [--seeds N] [--gate] [--json FILE]

Every treatment of the paper and of those that came later teaches Bradley–Terry heads on the study's features, 10 seeds, each with
its own corruption and its own cross-fitted ensemble; accuracy on dev, on labels as they were, on labels corrupted in the same way, and on
the truth where it is known; paired differences from none. --gate adds the default gate, one scenario for each seed. Then what was
found: AUROC of the corrupted labels beside heads trained on labels as they were, and the shapes that the paper describes. Intervals
resample families and seeds, not the training sample. STUDY: a folder, or "demo" (the default).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bench
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

LABELS = {
    "drop 10 %": {"kind": "drop", "quantile": 0.1}, "drop 20 %": {"kind": "drop", "quantile": 0.2},
    "drop below 0": {"kind": "drop", "below": 0}, "flip 10 %": {"kind": "flip", "quantile": 0.1},
    "flip 20 %": {"kind": "flip", "quantile": 0.2}, "flip below 0": {"kind": "flip", "below": 0},
    "flip 10 %, drop next 10 %": {"kind": "flip", "flip_share": 0.1, "drop_share": 0.1},
    "smooth all, 0.1": "smooth", "smooth 20 %, 0.3": {"kind": "smooth", "quantile": 0.2, "alpha": 0.3},
    "soft": "soft", "soft, τ 0.5": {"kind": "soft", "tau": 0.5}, "margin": "margin", "scaled": "scaled", "flip + margin": "flip+margin",
    "smooth + margin": "smooth+margin", "soft + margin": "soft+margin",
    "flip 10 %, length-matched": {"kind": "flip", "quantile": 0.1, "strength": {"length_matched": True}},
    "flip 10 %, MLP heads": {"kind": "flip", "quantile": 0.1, "strength": {"kind": "mlp"}},
    "flip 10 %, in-sample": {"kind": "flip", "quantile": 0.1, "strength": {"folds": 1}},
}
STRENGTHS = {"cross-fitted": {}, "in-sample": {"folds": 1}, "length-matched": {"length_matched": True}, "MLP heads": {"kind": "mlp"},
             "MLP heads, in-sample": {"kind": "mlp", "folds": 1}, "feature subspaces": {"kind": "subspace"}}
TINY = {"members": 2, "folds": 2}
CLEAN, GATED = "trained on clean labels", ("drop 10 %", "flip 10 %", "soft", "margin", "flip + margin")


def found(lab, noise: dict, kinds: dict) -> pd.DataFrame:
    """AUROC of the corrupted labels under strengths of these kinds (None: heads trained on labels as they were), means over seeds; with the
    share of labels below zero."""
    from workbench.evaluate.detectors import detection
    from workbench.scenario.ensembles import strength_spec
    from workbench.scenario.noise import NoiseSpec
    from workbench.scenario.strength import strength

    data, rows = lab.inputs.split("train"), []
    for seed in lab.seeds:
        corrupted, each = lab.noisy(NoiseSpec(**noise))[seed], {}
        for name, options in kinds.items():
            spec = strength_spec({**(options or {}), "seed": seed})
            here = NoiseSpec(**noise, seed=seed) if options is not None else None
            mean = strength(lab.inputs, spec, noise=here, store=False)[0].mean
            each[name] = mean if options is not None else np.where(corrupted, -mean, mean)
        table = detection(each, corrupted.astype(float), data.families, against=CLEAN)
        below = [float((mean < 0).mean()) for mean in each.values()]
        rows.append(table.assign(seed=seed, below=below))
    every = pd.concat(rows)
    return every.groupby("of", sort=False)[["value", "low", "high", "difference", "d_low", "d_high", "below"]].mean().reset_index()


def gates(study, noise: dict, seeds: int) -> pd.DataFrame:
    """The default gate under some treatments: one scenario a seed, whose corruption and ensemble are its own."""
    import workbench as wb
    from workbench.scenario.strength import truth_of
    from workbench.scenario.trial import Trial, references

    named, margins, pairs = {"none": "hard", **{name: LABELS[name] for name in GATED}}, {}, None
    for name, spec in named.items():
        for seed in range(seeds):
            one = {"kind": "hard"} if spec == "hard" else {"kind": spec} if isinstance(spec, str) else dict(spec)
            strength = {} if spec == "hard" else {"strength": {"seed": seed}}
            result = wb.run(wb.Scenario(labels={**one, **strength, "noise": {**noise, "seed": seed}}, seeds=(seed,)), study, cache=False)
            margins.setdefault(name, []).append(result.margins[0])
            pairs = result.pairs
    truth, made = truth_of(study, pairs), np.array([margins[name] for name in named])
    gap = None if truth is None else truth["gap"].to_numpy(np.float64)
    return Trial(tuple(named), made, pairs, references(pairs, gap, None), np.zeros((seeds, 1), bool)).table()


def said(table: pd.DataFrame) -> str:
    shown = table[[name for name in table if name not in ("of", "p", "seeds", "families")]].round(3)
    return shown.to_string(index=False)


def main() -> None:
    parser = bench.parser(__doc__)
    parser.add_argument("study", nargs="?", default="demo", help='a study folder, or "demo" (the default)')
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--follows", choices=("chance", "length"), default="chance")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--gate", action="store_true")
    asked = parser.parse_args()
    if asked.size in ("tiny", "quick"):
        asked.seeds = 2
    import workbench as wb

    study = wb.demo() if asked.study == "demo" else wb.Study.load(asked.study)
    lab, noise = wb.Laboratory.of(study, seeds=asked.seeds, store=False), {"rate": asked.rate, "follows": asked.follows}
    labels, kinds, spec = LABELS, {**STRENGTHS, CLEAN: None}, None
    if asked.size == "tiny":
        labels, kinds, spec = {"drop 10 %": {**LABELS["drop 10 %"], "strength": TINY}}, {"cross-fitted": TINY, CLEAN: None}, TINY
    tables = {"treatments": lab.treatments(labels, noise=noise).table(), "bands": lab.by_band(noise=noise, spec=spec),
              "found": found(lab, noise, kinds)}
    if asked.gate:
        tables["gate"] = gates(study, noise, asked.seeds)
    by = f"{100 * asked.rate:g} % of labels corrupted by {asked.follows}"
    print(f"{study.name} {study.hash}: {by}, {asked.seeds} seeds, L2 penalty {lab.decay:g}")
    for name, table in tables.items():
        for of, part in table.groupby("of", sort=False) if name != "found" else [("AUROC of corrupted labels", table)]:
            print(f"\n{name}: {of}\n{said(part) if name != 'found' else table.round(3).to_string(index=False)}")
    if asked.json:
        kept = {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}
        asked.json.write_text(json.dumps({"study": study.hash, "noise": noise, "seeds": asked.seeds, **kept}, indent=1))


if __name__ == "__main__":
    main()
