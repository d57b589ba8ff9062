"""Preference strength of a study's pairs, from heads, scores or ratings; fitted once and kept, read by runs and by screens."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd

from ..axes import CHOSEN, REJECTED, SIDES, PairMask, PairSide
from ..bundle import pack, unpack
from ..errors import WorkbenchError, listing
from ..evaluate.strength import JUDGED, StrengthTable, judgements
from ..preference.bradley_terry import Supervision
from ..preference.heads import HeadStack
from ..preference.matched import matched
from ..preference.strength import Strength
from ..study import Study
from . import cache
from .ensembles import StrengthSpec, strength_spec
from .inputs import Inputs, prepare
from .noise import NoiseSpec, turned
from .values import canonical

TRUTH = "truth_pairs"
TEN_MODELS = re.compile(r"rm-\d+")


def strength_of(study: Study, spec: StrengthSpec | dict | str | None = None, *, split: str = "train", noise: NoiseSpec | None = None,
                device: str = "auto", progress=None, cancel=None, store: bool = True) -> StrengthTable:
    """Preference strength of a split's pairs, as label treatments read it; spec: where it comes from, an ensemble of heads for None.

    Heads: train, each pair by heads that saw no pair of its family; dev, by the same heads, none of which saw dev. They
    are fitted once per study and spec, and with store kept under its runs/; progress and cancel as for `run`. From ratings, the
    table holds the pairs whose answers are both rated. noise: train labels turned round on purpose; strength, truth, lengths and a
    judge's word are then of the labels as they are taught, dev's of its own as they stand. Raises WorkbenchError for a
    study without features, scores or ratings, as the spec asks, a fit that was cancelled, and the test split.
    """
    if split not in ("train", "dev"):
        raise WorkbenchError(f"strength of {split!r}", where=study.name, remedy='Ask for split="train" or split="dev"; test stays closed')
    inputs, spec = prepare(study, store=store), strength_spec(spec)
    pairs = inputs.split(split).pairs
    found, known = strength(inputs, spec, split=split, noise=noise, device=device, progress=progress, cancel=cancel, store=store)
    if found.fit_report is not None and found.fit_report.stopped == "cancelled":
        raise WorkbenchError("cancelled before the ensemble was fitted", where=study.name, remedy="Ask again: nothing was kept")
    pairs, length, truth = _as_taught(pairs, inputs.length(split), truth_of(study, pairs), _turned(inputs, noise, split))
    if not known.all():
        pairs, length = pairs[known].reset_index(drop=True), None if length is None else length[known]
        truth = None if truth is None else truth[known].reset_index(drop=True)
    return StrengthTable(pairs, found, length, truth, split=split, study_hash=study.hash)


def _turned(inputs: Inputs, noise: NoiseSpec | None, split: str) -> PairMask:
    """Mask [pair] of the labels that noise turns round: of train, for nobody is taught those of dev."""
    count = len(inputs.split(split).pairs)
    return np.zeros(count, bool) if noise is None or split != "train" else turned(noise, count, inputs.length(split))


def _as_taught(pairs: pd.DataFrame, length: PairSide | None, truth: pd.DataFrame | None, mask: PairMask) -> tuple:
    """Pairs, lengths and truth as they are said of labels that were turned round."""
    if not mask.any():
        return pairs, length, truth
    chosen, rejected = (pairs[side].to_numpy() for side in SIDES)
    pairs = pairs.assign(chosen=np.where(mask, rejected, chosen), rejected=np.where(mask, chosen, rejected))
    if (judged := judgements(pairs)) is not None:
        pairs = pairs.assign(**{JUDGED: np.where(mask, 1 - judged, judged)})
    if truth is not None and "gap" in truth:
        truth = truth.assign(gap=np.where(mask, -1.0, 1.0) * truth["gap"])
    if truth is not None and "flipped" in truth:
        truth = truth.assign(flipped=truth["flipped"].to_numpy() ^ mask)
    return pairs, None if length is None else np.where(mask[:, None], length[:, ::-1], length), truth


def strength(inputs: Inputs, spec: StrengthSpec, *, split: str = "train", noise: NoiseSpec | None = None,
             without: PairMask | None = None, **fitted) -> tuple[Strength, PairMask]:
    """Strength of the pairs of a split of which it is known, of train labels as noise leaves them, and which pairs those are;
    without: mask of the train pairs that no head may see."""
    pairs, length = inputs.split(split).pairs, inputs.length(split)
    if spec.source == "heads":
        found, known = ensemble(inputs, spec, noise=noise, without=without, **fitted), np.ones(len(pairs), bool)
        if split != "train":
            data = inputs.split(split)
            key = ("strength", spec, noise, fitted.get("device", "auto"), _digest(without), split)
            if found.fit_report is None or found.fit_report.stopped != "cancelled":  # half an ensemble is not kept
                found = inputs.once(key, lambda: found.on(data.features, groups=data.families))
    else:
        margins, known = _given(inputs, spec, split)
        found = Strength(margins[known])
    sign = np.where(_turned(inputs, noise, split), -1.0, 1.0)[known]
    if (sign < 0).any():
        found = replace(found, members=found.members * sign[:, None])
    if spec.length_matched:
        if length is None:
            raise WorkbenchError("length-matched strength, and no length is known", where=inputs.study.name, remedy="Use a study with text")
        longer = sign * (length[known, CHOSEN] - length[known, REJECTED]).astype(np.float64)
        found = replace(found, members=matched(found.members, longer))
    return found, known


def ensemble(inputs: Inputs, spec: StrengthSpec, *, noise: NoiseSpec | None = None, without: PairMask | None = None, device: str = "auto",
             progress=None, cancel=None, store: bool = True) -> Strength:
    """The heads of a spec on the study's train pairs, in their stored order: from memory, from disk, or fitted now; a cancelled
    fit is not kept. noise: with those labels turned round for the fit; without: mask of train pairs that are left out of it."""
    data = inputs.split("train")
    spec = spec.model_copy(update={"length_matched": False})
    if data.read_features is None:
        raise WorkbenchError(
            "preference strength needs features, and this study has none", where=inputs.study.name,
            remedy='Extract features, take strength from columns of scores (source="scores"), or use labels="hard"',
        )
    key = ("strength", spec, noise, device, _digest(without))
    if key not in inputs.kept:
        recipe = canonical([spec.model_dump(mode="json"), noise and noise.model_dump(mode="json"), _digest(without)])
        folder = cache.runs_folder(inputs.study) / f"strength-{inputs.study.hash}-{cache.code_hash()}-{cache.short_hash(recipe)}"
        found = _loaded(cache.load(folder)) if store and device == "auto" else None
        if found is None:
            taught = Supervision.hard(len(data.pairs)).turned(_turned(inputs, noise, "train"))
            taught = taught if without is None else taught.dropped(without)
            found = Strength.fit(data.features, groups=data.families, kind=spec.kind, members=spec.members, folds=spec.folds,
                                 hidden=spec.hidden, seed=spec.seed, supervision=taught, device=device, progress=progress, cancel=cancel)
            if found.fit_report.stopped == "cancelled":
                return found
            if store and device == "auto":
                about = {"study": inputs.study.hash, "strength": json.loads(recipe)}
                cache.keep(folder, {"strength.safetensors": pack(_arrays(found))}, about)
        inputs.kept[key] = found
    return inputs.kept[key]


def _digest(mask: PairMask | None) -> str:
    return "" if mask is None else cache.short_hash(np.packbits(mask).tobytes().hex())


def score_columns(study: Study) -> tuple[str, ...]:
    """The columns of the public ten-model schema that a study has, rm-00 …"""
    return tuple(sorted(name for name in study.columns if TEN_MODELS.fullmatch(name)))


def _given(inputs: Inputs, spec: StrengthSpec, split: str) -> tuple[np.ndarray, PairMask]:
    """Margins [pair member] of columns of scores, or gaps of ratings, and of which pairs they are known."""
    study = inputs.study
    margins = inputs.once(("strength", spec.source, spec.columns, split), lambda: (_rated if spec.source == "ratings" else _scored)(
        inputs, spec.columns, split))
    known = np.isfinite(margins).all(axis=1)
    if not known.any():
        raise WorkbenchError(f"no {split} pair has {spec.source} of both answers", where=study.name, remedy="Take strength from heads")
    if split == "train" and np.ptp(margins[known].mean(axis=1)) == 0:
        raise WorkbenchError(f"{spec.source} give every train pair the same strength", where=study.name,
                             remedy="Nothing tells its labels apart: take other columns, or strength from heads")
    return margins, known


def _scored(inputs: Inputs, columns: tuple[str, ...], split: str) -> np.ndarray:
    study, schema = inputs.study, score_columns(inputs.study)
    if not columns and not schema:
        raise WorkbenchError("no score lists of several reward models in this study", where=study.name,
                             remedy="Name the columns of scores to take as members")
    unknown = [name for name in columns if name not in study.columns]
    if unknown:
        raise WorkbenchError(f"no column {listing(unknown)}", where="labels, strength", remedy=f"Known: {listing(study.columns, 20)}")

    def gaps(name: str, of: str) -> np.ndarray:
        known, pairs = study.column(name), inputs.split(of).pairs
        return np.subtract(*(known.reindex(pairs[side]).to_numpy(np.float64) for side in SIDES))

    found = []
    for name in columns or schema:
        scale = 1.0
        if columns and not (scale := float(np.nanstd(gaps(name, "train")))) > 0:
            raise WorkbenchError(f"column {name!r} is constant on train pairs", where="labels, strength", remedy="Take another column")
        found.append(gaps(name, split) / scale)
    return np.stack(found, axis=1)


def _rated(inputs: Inputs, columns: tuple[str, ...], split: str) -> np.ndarray:
    """Gaps of ratings on [0, 1]; with several objectives the mean of those rated on both sides, as one member."""
    study = inputs.study
    if "ratings" not in study.tables and "ratings.parquet" not in study.info["files"]:
        raise WorkbenchError("strength from ratings, and this study has none", where=study.name, remedy="Take strength from heads")
    info = study.objective_info
    names = columns or tuple(name for name in study.objectives if name not in study.scored)
    unknown = [name for name in names if name not in info or name in study.scored]
    if unknown:
        rated = listing(study.objectives, 20)
        raise WorkbenchError(f"no ratings of {listing(unknown)}", where="labels, strength", remedy=f"Rated: {rated}")
    table, pairs, gaps = study.ratings.set_index("response_id"), inputs.split(split).pairs, []
    for name in names:
        width = (info[name].high - info[name].low) or 1.0
        sides = [table[name].reindex(pairs[side]).to_numpy(np.float64, na_value=np.nan) for side in SIDES]
        gaps.append((sides[0] - sides[1]) / width)
    known = np.isfinite(np.stack(gaps, axis=1))
    total, count = np.nansum(gaps, axis=0), known.sum(axis=1)
    return np.divide(total, count, out=np.full(len(pairs), np.nan), where=count > 0)[:, None]


def truth_of(study: Study, pairs: pd.DataFrame) -> pd.DataFrame | None:
    """gap and flipped of some pairs of a planted study, in their order; None where nothing is known."""
    if TRUTH not in study.tables and f"{TRUTH}.parquet" not in study.info["files"]:
        return None
    known = study.table(TRUTH).set_index("pair_id")
    missing = pairs.loc[~pairs["pair_id"].isin(known.index), "pair_id"]
    if len(missing):
        raise WorkbenchError(f"no truth for {listing(missing)}", where=f"{study.name}, {TRUTH}")
    return known.loc[pairs["pair_id"], [name for name in ("gap", "flipped") if name in known]].reset_index(drop=True)


def _arrays(found: Strength) -> dict[str, np.ndarray]:
    return {**found.heads.state(), "members": found.members, "about": np.array([found.decay, found.folds, found.seed])}


def _loaded(kept) -> Strength | None:
    if kept is None:
        return None
    arrays = unpack(kept[1]["strength.safetensors"])
    decay, folds, seed = arrays["about"]
    return Strength(arrays["members"], float(decay), int(folds), HeadStack.from_state(arrays), int(seed))
