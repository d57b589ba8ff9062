"""The ensemble behind label treatments: one per study, fitted on train, read by runs and by screens."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..axes import Pair, PairMask
from ..bundle import pack, unpack
from ..errors import WorkbenchError, listing
from ..evaluate.strength import StrengthTable, in_sections
from ..preference.bradley_terry import Supervision, sigmoid
from ..preference.heads import HeadStack
from ..preference.strength import Strength, bands
from ..study import Study
from . import cache
from .inputs import Inputs, prepare
from .labels import LabelSpec

TRUTH = "truth_pairs"


def strength_of(study: Study, *, split: str = "train", device: str = "auto", progress=None, cancel=None,
                store: bool = True) -> StrengthTable:
    """Preference strength of a split's pairs by the ensemble that label treatments use.

    train: each pair by heads that saw no pair of its family; dev: by the same heads, none of which saw dev. The ensemble
    is fitted once per study, and with store kept under its runs/; progress and cancel as for `run`. Raises WorkbenchError
    for a study without features, a fit that was cancelled, and the test split.
    """
    if split not in ("train", "dev"):
        raise WorkbenchError(f"strength of {split!r}", where=study.name, remedy='Ask for split="train" or split="dev"; test stays closed')
    inputs = prepare(study, store=store)
    found = ensemble(inputs, device=device, progress=progress, cancel=cancel, store=store)
    if found.fit_report is not None and found.fit_report.stopped == "cancelled":
        raise WorkbenchError("cancelled before the ensemble was fitted", where=study.name, remedy="Ask again: nothing was kept")
    data = inputs.split(split)
    if split == "dev":
        key = ("strength", split)
        if key not in inputs.kept:
            inputs.kept[key] = found.on(data.features, groups=data.families)
        found = inputs.kept[key]
    return StrengthTable(data.pairs, found, inputs.length(split), _truth(study, data.pairs), split=split, study_hash=study.hash)


def ensemble(inputs: Inputs, *, device: str = "auto", progress=None, cancel=None, store: bool = True) -> Strength:
    """The study's ensemble on its train pairs: from memory, from disk, or fitted now; a cancelled one is not kept."""
    data, key = inputs.split("train"), ("strength",)
    if data.read_features is None:
        raise WorkbenchError(
            "preference strength needs features, and this study has none", where=inputs.study.name,
            remedy='Its columns of scores are no ensemble of reward models: extract features, or use labels="hard"',
        )
    if key not in inputs.kept:
        folder = cache.runs_folder(inputs.study) / f"strength-{inputs.study.hash}-{cache.code_hash()}"
        found = _loaded(cache.load(folder)) if store and device == "auto" else None
        if found is None:
            found = Strength.fit(data.features, groups=data.families, device=device, progress=progress, cancel=cancel)
            if found.fit_report.stopped == "cancelled":
                return found
            if store and device == "auto":
                cache.keep(folder, {"strength.safetensors": pack(_arrays(found))}, {"study": inputs.study.hash})
        inputs.kept[key] = found
    return inputs.kept[key]


def supervision(labels: LabelSpec | str, inputs: Inputs, **fitted) -> Supervision:
    """What a scenario's labels teach on train: as they stand, or treated by strength; `fitted` as for `ensemble`."""
    pairs = inputs.split("train").pairs
    if not isinstance(labels, LabelSpec):
        return Supervision.hard(len(pairs))
    among = in_sections(pairs, labels.where)  # a section that is not there is told before anything is fitted
    return treated(labels, ensemble(inputs, **fitted).mean, among)


def treated(labels: LabelSpec, mean: Pair, among: PairMask) -> Supervision:
    """What labels of strength `mean` teach: treated where `among` [pair] says so, as they stand elsewhere.

    Raises WorkbenchError where every pair would be dropped.
    """
    flip, drop = bands(mean, among=among, **labels.cuts)
    if drop.all():
        raise WorkbenchError("every pair would be dropped", where="scenario, labels", remedy="Lower drop_below")
    target = np.where(among, sigmoid(mean), 1.0) if labels.kind.startswith("soft") else np.where(flip, 0.0, 1.0)
    margin = np.where(among, mean, 0.0) if labels.kind.endswith("margin") else np.zeros(len(mean))
    return Supervision(target, margin, np.where(drop, 0.0, 1.0))


def _truth(study: Study, pairs: pd.DataFrame) -> pd.DataFrame | None:
    """gap and flipped of a planted study's pairs, in their order; None where nothing is known."""
    if TRUTH not in study.tables and f"{TRUTH}.parquet" not in study.info["files"]:
        return None
    known = study.table(TRUTH).set_index("pair_id")
    missing = pairs.loc[~pairs["pair_id"].isin(known.index), "pair_id"]
    if len(missing):
        raise WorkbenchError(f"no truth for {listing(missing)}", where=f"{study.name}, {TRUTH}")
    return known.loc[pairs["pair_id"], [name for name in ("gap", "flipped") if name in known]].reset_index(drop=True)


def _arrays(found: Strength) -> dict[str, np.ndarray]:
    heads = {f"weights.{i}": value for i, value in enumerate(found.heads.weights)}
    heads |= {f"biases.{i}": value for i, value in enumerate(found.heads.biases)}
    about = np.array([found.decay, found.folds, found.seed])
    return {**heads, "members": found.members, "about": about, "centre": found.heads.centre, "spread": found.heads.spread}


def _loaded(kept) -> Strength | None:
    if kept is None:
        return None
    arrays = unpack(kept[1]["strength.safetensors"])
    stacks = [tuple(arrays[f"{part}.{i}"] for i in range(len(arrays)) if f"{part}.{i}" in arrays) for part in ("weights", "biases")]
    decay, folds, seed = arrays["about"]
    return Strength(arrays["members"], float(decay), int(folds), HeadStack(*stacks, arrays["centre"], arrays["spread"]), int(seed))
