"""Commands that trade with other tools: import, of caches; export, of data sets and checkpoints; rewardbench, of its scores."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import WorkbenchError
from . import reading
from .printing import about, finish, records, say, table

if TYPE_CHECKING:
    import pandas as pd

    from ..study import Study


def import_(args: Namespace) -> int:
    """Feature caches → a study; with the weights that were trained on them, one that comes with that model."""
    from ..caches import diagnose_gate, import_caches

    model = _trained(args) if args.regression or args.gate else None
    named = {"stage1": args.stage1, "stage2": args.stage2}
    stages = {name: files[0] if len(files) == 1 else files for name, files in named.items() if files}  # one may be a folder
    study = import_caches(reading.folder(args.out), **stages, objectives=args.objectives, name=args.name,
                          **({} if model is None else {"model": model}))
    counts, said = {name: study.info["counts"][name] for name in ("prompts", "responses", "pairs")}, {}
    if args.gate and counts["pairs"]:
        found = diagnose_gate(model.gate, study.prompt_rows(study.table("pairs")["prompt_id"].unique()))
        said = {"gate": {"wrong_axis": found.wrong_axis, "sentence": found.sentence}}
    if args.json:
        say({"study": about(study), "counts": counts, **said})
    else:
        say(f"{study.folder}: " + ", ".join(f"{n} {name}" for name, n in counts.items()) + f"; study {study.name} {study.hash}")
        for one in said.values():
            say(f"gate: {one['sentence']}")
    return 0


def _trained(args: Namespace):
    """The model of a regression's weights and a gate over them, all weighed alike where there is no gate."""
    from ..armorm.checkpoint import objective_names
    from ..armorm.parts import reward_model_from
    from ..caches import read_gate, read_regression
    from ..scalarize.weights import FixedWeights

    if not args.regression:
        raise WorkbenchError("--gate without --regression", remedy="A gate weighs the scores of a regression: name both")
    weight = read_regression(args.regression)
    names = objective_names(args.objectives, len(weight), args.regression)
    gate = read_gate(args.gate, names) if args.gate else FixedWeights(np.full(len(names), 1 / len(names)), names)
    return reward_model_from(weight, names, gate=gate)


def export(args: Namespace) -> int:
    """A study as a data set folder; or with --base, a scenario's model as a checkpoint in ArmoRM's layout."""
    folder, study = reading.folder(args.out), reading.study(args.study)
    if args.base is None:
        from ..publish import export_dataset

        made = export_dataset(study, folder)
    else:
        from ..armorm.export import export_armorm

        result = reading.result(reading.scenario(args.scenario, study, args), study, args)
        made = export_armorm(result.reward_model(args.seed), folder, base=args.base)
    files = sorted(str(path.relative_to(made)) for path in made.rglob("*") if path.is_file())
    say({"study": about(study), "folder": str(made), "files": files} if args.json else f"{made}: {len(files)} files")
    return 0


def rewardbench(args: Namespace) -> int:
    """A study's model (or a scenario's, trained on it) on its benchmark pairs: RewardBench, RewardBench 2 or RM-Bench."""
    from ..evaluate import published_table

    study = reading.study(args.study)
    result = reading.result(reading.scenario(args.scenario, study, args), study, args)
    finish()
    margins, pairs, lengths = _judged(result.reward_model(args.seed), study)
    name, found = _table_of(margins, pairs, lengths)
    beside = published_table() if name == "RewardBench" else None
    if args.json:
        say({"study": about(study), "benchmark": name, "scenario": result.scenario.id, "table": records(found),
             **({} if beside is None else {"published": records(beside)})})
    else:
        say(f"{name}: {result.scenario.name or result.scenario.id} on {study.name} {study.hash}, {len(pairs)} pairs of all splits")
        table(found)
        if beside is not None:
            say("published:")
            table(beside)
    return 0


def _judged(model, study: Study) -> tuple[np.ndarray, pd.DataFrame, np.ndarray | None]:
    """Margins [pair] of every pair that has features, those pairs, and the words of both answers."""
    features, pairs = study.features(), study.split_pairs()
    lengths = study.column_scores(["n_words"]).values[..., 0] if "n_words" in study.columns else None
    there = np.ones(len(pairs), bool) if features.mask is None else features.mask
    rewards = model(features.rows(there))
    return rewards[:, 0] - rewards[:, 1], pairs[there].reset_index(drop=True), None if lengths is None else lengths[there]


def _table_of(margins: np.ndarray, pairs: pd.DataFrame, lengths: np.ndarray | None) -> tuple[str, pd.DataFrame]:
    """Which benchmark the pairs are of, by their columns, and its table."""
    from .. import evaluate

    if "chosen_style" in pairs:
        return "RM-Bench", evaluate.rmbench_table(margins, pairs, lengths=lengths)
    if "item" in pairs:
        return "RewardBench 2", evaluate.rewardbench2_table(*evaluate.item_scores(margins, pairs))
    if "subset" in pairs:
        return "RewardBench", evaluate.rewardbench_table(margins, pairs, lengths=lengths)
    raise WorkbenchError("no pairs of a benchmark: neither subset, item nor styles", where="pairs",
                         remedy="Extract a study from RewardBench's, RewardBench 2's or RM-Bench's rows")
