"""What every scenario on a study needs and none decides: scores, prompts, lengths, families; made once and kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float

from .. import budget
from ..axes import SIDES, PairObj, PairSide
from ..bundle import pack, unpack
from ..errors import WorkbenchError, listing
from ..evaluate.inference import family_codes
from ..evaluate.metrics import slices
from ..features import KINDS, Features
from ..model import RewardModel
from ..objectives.debias import Debiased
from ..objectives.probes import LinearProbes
from ..rows import Prompts
from ..scores import Scores
from ..study import Study
from . import cache, given
from .fitted import fit_probes, rating_rows
from .recipe import GIVEN

__all__ = ["LENGTH", "Inputs", "Split", "basis", "made", "prepare", "rating_rows"]
LENGTH = "n_words"
_MADE: dict[tuple, Inputs] = {}
_LOCK = threading.RLock()


@dataclass(frozen=True, eq=False)
class Split:
    """One split: its pairs with features and objective scores before scaling; features are read when they are asked for.

    read_prompts, read_features: None where there are no features. prompt: one row in memory for each distinct prompt, what
    gates read; features: of both answers of every pair, what heads and strength read. WorkbenchError where either does not
    fit the memory budget.
    """

    pairs: pd.DataFrame
    scores: Scores
    read_prompts: Callable[[], Prompts] | None
    read_features: Callable[[], Features] | None
    left_out: int = 0

    @property
    def prompt(self) -> Prompts | None:
        return None if self.read_prompts is None else self.read_prompts()

    @property
    def features(self) -> Features | None:
        return None if self.read_features is None else self.read_features()

    @property
    def families(self) -> np.ndarray:
        return self.pairs["family"].to_numpy()

    @cached_property
    def family_codes(self) -> np.ndarray:
        """The same as numbers, in order of appearance."""
        return family_codes(self.pairs["family"])[0]

    @cached_property
    def slices(self) -> dict[str, np.ndarray]:
        """All pairs, then each section, as masks [pair]."""
        return slices(self.pairs)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Scores of a study's pairs as probes or columns give them, the training deviation of each, and penalties asked for.

    names: objectives, those of the probes and then those that are scores from elsewhere (`Study.scored`); probes: fitted on all
    train ratings, with the offset [obj] that puts them on the ratings' scale, None for a study of scores; train_predictions: by
    response_id, from probes that never saw its family; predictions: of every response, by the final probes. Columns come divided
    by their deviation on train, `split(...).scores` as they are.

    Train pairs are scored twice. "train", what gates learn from: out of family, by probes of the folds. "reference": by
    the probes that score dev, test and every later pair, so deviations and penalties used there are fitted there. The
    folds' probes are others, with another spread and another share of length; they have deviations and penalties of their own.
    model: what the study comes with, if anything: its probes score all pairs alike, and its own scale stands for deviations.
    """

    study: Study
    names: tuple[str, ...]
    probes: LinearProbes | None
    offset: Float[np.ndarray, " obj"] | None
    train_predictions: pd.DataFrame | None
    predictions: pd.DataFrame | None = None
    kept: dict = field(default_factory=dict, repr=False)  # what was asked for before
    model: RewardModel | None = None

    def split(self, name: str) -> Split:
        """train (out-of-family scores), reference (the same pairs by the final probes), dev or test."""
        return self.once(("split", name), lambda: _split(self, name))

    def has(self, column: str) -> bool:
        return column in self.names or column in self.study.columns

    def column(self, column: str, split: str) -> PairSide:
        """An objective's or a measured column's values over its training deviation."""
        return self.once((column, split), lambda: self._values(column, split) / self.deviation(column, split))

    def deviation(self, column: str, split: str = "reference") -> float:
        """Standard deviation over both sides of the train pairs, scored as `split` is; 1 where it is constant. A model has its own."""
        if self.model is not None and column in self.probes.names:
            return float(self.model.scale[self.names.index(column)])
        return self.once(("deviation", column, basis(split)), lambda: float(self._values(column, basis(split)).std()) or 1.0)

    @cached_property
    def scale(self) -> Float[np.ndarray, " obj"]:
        """Training deviation of each objective, for the final probes."""
        return np.array([self.deviation(name) for name in self.names])

    def table(self, split: str) -> Scores:
        """All objectives, scaled."""
        return self.once(("table", split), lambda: self.split(split).scores.scaled(
            np.array([self.deviation(name, split) for name in self.names])))

    def margins(self, split: str) -> PairObj:
        """Chosen − rejected of `table`, kept because every preview reads it."""
        return self.once(("margins", split), lambda: np.ascontiguousarray(self.table(split).margins))

    def length(self, split: str) -> PairSide | None:
        """Words of both answers, None where the study has no text."""
        return self._values(LENGTH, split) if self.has(LENGTH) else None

    def penalty(self, column: str, nuisances: tuple[str, ...], method: str, nonnegative: bool,
                split: str = "reference") -> Float[np.ndarray, " nuisance"]:
        """λ of one scaled column against scaled nuisances, by the train pairs scored as `split` is; 1 against itself. Or the model's."""
        if method == GIVEN:
            return given.penalty(self.model, column, nuisances)
        if column in nuisances:
            return np.array([float(column == name) for name in nuisances])
        asked = (column, nuisances, method, nonnegative, basis(split))
        return self.once(("λ", *asked), lambda: self._solve(*asked))

    def _solve(self, column, nuisances, method, nonnegative, split) -> np.ndarray:
        names = (column, *nuisances)
        as_rated = method == "grid" and all(name in (self.probes or self).names for name in names)  # the grid is meant for [0, 1]
        read = self._values if as_rated else self.column
        scores = Scores(np.stack([read(name, split) for name in names], axis=-1), names)
        found = Debiased.fit(scores, against=nuisances, method=method, nonnegative=nonnegative)
        penalty = np.atleast_2d(found.penalty)[:, 0]
        if as_rated:
            penalty = penalty * np.array([self.deviation(name, split) for name in nuisances]) / self.deviation(column, split)
        return penalty

    def _values(self, column: str, split: str) -> np.ndarray:
        data = self.split(split)
        if column in self.names:
            return data.scores.column(column)
        return self.once(("measured", column, split), lambda: _measured(self.study, column, split, data.pairs))

    def once(self, key: tuple, make: Callable):
        """What was made for a key before, or is made now."""
        found = self.kept.get(key, _LOCK)
        if found is _LOCK:  # nothing, that is
            with _LOCK:
                found = self.kept.get(key, _LOCK)
                if found is _LOCK:
                    found = self.kept[key] = make()
        return found

    def parts(self) -> dict[str, int]:
        """Bytes held in memory: of prompts, of both answers' features, and of scores, pairs and everything else."""
        seen: dict = {}
        kinds = {kind: [value for key, value in list(self.kept.items()) if key[0] == kind] for kind in ("prompt", "features")}
        found = {kind: budget.size_of(values, but=(Study,), seen=seen) for kind, values in kinds.items()}
        return {"prompts": found["prompt"], "features": found["features"], "scores": budget.size_of(self, but=(Study,), seen=seen)}

    def held(self) -> int:
        """Bytes held in memory, the study's tables apart."""
        return sum(self.parts().values())

    def let_go(self, size: int) -> None:
        """Forget features, then prompts: they are read again when they are asked for."""
        for kind in ("strength", "features", "prompt"):
            for key in [key for key in list(self.kept) if key[0] == kind]:
                if size > 0:
                    size -= budget.size_of(self.kept.pop(key, None))


def basis(split: str) -> str:
    """Whose deviations and penalties a split goes by."""
    return "train" if split == "train" else "reference"


def prepare(study: Study, *, store: bool = True) -> Inputs:
    """Everything a scenario needs that does not depend on it, from memory, from disk, or made now.

    Probes are fitted on train ratings mapped to [0, 1] by declared range; train pairs are scored by probes that never saw
    their family. A study without features or ratings offers its columns of scores as objectives; one with a model is scored
    by that model. Objectives that are scores from elsewhere come beside those of the probes.
    """
    key = _key(study)
    with _LOCK:
        if key not in _MADE:
            while len(_MADE) >= 4 or (_MADE and budget.room() < 0):
                _MADE.pop(next(iter(_MADE)))
            _MADE[key] = _joined(_prepare(study, store))
            budget.keeper(_MADE[key])
        return _MADE[key]


def made(study: Study) -> Inputs | None:
    """What `prepare` has made of a study in this process, if anything."""
    return _MADE.get(_key(study))


def _key(study: Study) -> tuple:
    return study.hash, str(study.folder), cache.code_hash()


def _prepare(study: Study, store: bool) -> Inputs:
    if study.has_model:  # no cross-fitting: its probes were not fitted to this study, so train responses are as new to them as those of dev
        model, scores = given.scored(study, store=store)
        train, names = scores.loc[study.split_responses("train", text=False)["response_id"]], model.probes.names
        return Inputs(study, names, model.probes, np.zeros(len(names)), train, scores, model=model)
    rated = "ratings" in study.tables or "ratings.parquet" in study.info["files"]
    if study.store is None or not rated:
        names = tuple(name for name in study.objectives if name in study.columns) or study.columns
        if not names:
            raise WorkbenchError("neither ratings with features nor scores", where=study.name, remedy="Add ratings, or columns of scores")
        return Inputs(study, names, None, None, None)
    folder = cache.runs_folder(study) / f"inputs-{study.hash}-{cache.code_hash()}"
    found = cache.load(folder) if store else None
    if found is None:
        probes, offset, crossed, final = fit_probes(study)
        if store:
            arrays = {"offset": offset, "train": crossed, "all": final, **{f"probes.{name}": v for name, v in probes.state().items()}}
            cache.keep(folder, {"inputs.safetensors": pack(arrays)}, {"study": study.hash})
    else:
        arrays = unpack(found[1]["inputs.safetensors"])
        offset, crossed, final = (arrays.pop(name) for name in ("offset", "train", "all"))
        probes = LinearProbes.from_state({name.removeprefix("probes."): value for name, value in arrays.items()})
    tables = [pd.DataFrame(values, study.split_responses(split, text=False)["response_id"], list(probes.names), copy=False)
              for values, split in ((crossed, "train"), (final, None))]
    return Inputs(study, probes.names, probes, offset, *tables)


def _joined(inputs: Inputs) -> Inputs:
    """With objectives that are scores from elsewhere beside those of the probes, the same for train pairs as for all others."""
    if inputs.probes is None or not inputs.study.scored:
        return inputs
    columns = pd.DataFrame({name: inputs.study.column(name) for name in inputs.study.scored}, dtype=np.float64)
    train, every = (table.join(columns) for table in (inputs.train_predictions, inputs.predictions))
    return replace(inputs, names=(*inputs.names, *columns), train_predictions=train, predictions=every)


def _split(inputs: Inputs, name: str) -> Split:
    if name == "reference":
        train = inputs.split("train")
        return train if inputs.probes is None else replace(train, scores=_of_pairs(inputs.predictions, train.pairs))
    study, pairs = inputs.study, inputs.study.split_pairs(name)
    if not len(pairs):
        raise WorkbenchError(f"no pairs in {name}", where=study.name, remedy="Every split needs pairs")
    there = None
    if study.store is not None and any(study.store.skipped(kind) for kind in KINDS):
        there = study.stream(name, of="pairs").mask
        pairs = pairs[there].reset_index(drop=True)
    left_out = 0 if there is None else int((~there).sum())
    if inputs.probes is None:
        scores = Scores(np.stack([_measured(study, n, name, pairs) for n in inputs.names], axis=-1).astype(np.float64), inputs.names)
    else:
        scores = _of_pairs(inputs.train_predictions if name == "train" else inputs.predictions, pairs)
    if study.store is None:
        return Split(pairs, scores, None, None, left_out)

    def features() -> Features:
        found = study.features(name)
        return found if there is None else found.rows(there)

    return Split(pairs, scores, lambda: inputs.once(("prompt", name), lambda: study.prompt_rows(pairs["prompt_id"])),
                 lambda: inputs.once(("features", name), features), left_out)


def _of_pairs(predictions: pd.DataFrame, pairs: pd.DataFrame) -> Scores:
    """Scores [pair side obj] of both answers, from those of responses by id."""
    return Scores(np.stack([predictions.loc[pairs[side]].to_numpy() for side in SIDES], axis=1), tuple(predictions.columns))


def _measured(study: Study, column: str, split: str, pairs: pd.DataFrame) -> np.ndarray:
    known = study.column(column)
    values = np.stack([known.loc[pairs[side]].to_numpy(np.float64) for side in ("chosen", "rejected")], axis=-1)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise WorkbenchError(f"column {column!r} has no number for {split} pairs {listing(pairs.loc[bad, 'pair_id'])}", where=study.name,
                             remedy="Choose a column that is known of every response")
    return values
