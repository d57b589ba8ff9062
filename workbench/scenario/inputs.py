"""What every scenario on a study needs and none decides: scores, prompts, lengths, families; made once and kept."""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..axes import PairDim, PairObj, PairSide
from ..bundle import pack, unpack
from ..errors import WorkbenchError, listing
from ..features import Features
from ..objectives.debias import Debiased
from ..objectives.probes import LinearProbes, cross_fit
from ..scores import Scores
from ..study import Study
from . import cache

LENGTH = "n_words"
FOLDS = 5
_MADE: dict[tuple, Inputs] = {}
_LOCK = threading.RLock()


@dataclass(frozen=True, eq=False)
class Split:
    """One split: its pairs with features, objective scores before scaling, and prompt features where there are any."""

    pairs: pd.DataFrame
    scores: Scores
    prompt: PairDim | None
    features: Features | None
    left_out: int = 0

    @property
    def families(self) -> np.ndarray:
        return self.pairs["family"].to_numpy()


@dataclass(frozen=True, eq=False)
class Inputs:
    """Scores of a study's pairs as probes or columns give them, the training deviation of each, and penalties asked for.

    names: objectives; probes: fitted on all train ratings, with the offset [obj] that puts them on the ratings' scale, None
    for a study of scores; train_predictions: by response_id, from probes that never saw its family. Columns come divided
    by their deviation on train, `split(...).scores` as they are.

    Train pairs are scored twice. "train", what gates learn from: out of family, by probes of the folds. "reference": by
    the probes that score dev, test and every later pair, so deviations and penalties used there are fitted there. The
    folds' probes are others, with another spread and another share of length; they have deviations and penalties of their own.
    """

    study: Study
    names: tuple[str, ...]
    probes: LinearProbes | None
    offset: Float[np.ndarray, " obj"] | None
    train_predictions: pd.DataFrame | None
    kept: dict = field(default_factory=dict, repr=False)  # what was asked for before

    def split(self, name: str) -> Split:
        """train (out-of-family scores), reference (the same pairs by the final probes), dev or test."""
        return self._once(("split", name), lambda: _split(self, name))

    def has(self, column: str) -> bool:
        return column in self.names or column in self.study.columns

    def column(self, column: str, split: str) -> PairSide:
        """An objective's or a measured column's values over its training deviation."""
        return self._once((column, split), lambda: self._values(column, split) / self.deviation(column, split))

    def deviation(self, column: str, split: str = "reference") -> float:
        """Standard deviation over both sides of the train pairs, scored as `split` is; 1 where it is constant."""
        def spread():
            std = float(self._values(column, basis(split)).std())
            return std if std > 0 else 1.0

        return self._once(("deviation", column, basis(split)), spread)

    @cached_property
    def scale(self) -> Float[np.ndarray, " obj"]:
        """Training deviation of each objective, for the final probes."""
        return np.array([self.deviation(name) for name in self.names])

    def table(self, split: str) -> Scores:
        """All objectives, scaled."""
        return self._once(("table", split), lambda: self.split(split).scores.scaled(
            np.array([self.deviation(name, split) for name in self.names])))

    def margins(self, split: str) -> PairObj:
        """Chosen − rejected of `table`, kept because every preview reads it."""
        return self._once(("margins", split), lambda: np.ascontiguousarray(self.table(split).margins))

    def length(self, split: str) -> PairSide | None:
        """Words of both answers, None where the study has no text."""
        return self._values(LENGTH, split) if self.has(LENGTH) else None

    def penalty(self, column: str, nuisances: tuple[str, ...], method: str, nonnegative: bool,
                split: str = "reference") -> Float[np.ndarray, " nuisance"]:
        """λ of one scaled column against scaled nuisances, fitted on the train pairs scored as `split` is; 1 against itself."""
        if column in nuisances:
            return np.array([float(column == name) for name in nuisances])
        asked = (column, nuisances, method, nonnegative, basis(split))
        return self._once(("λ", *asked), lambda: self._solve(*asked))

    def _solve(self, column, nuisances, method, nonnegative, split) -> np.ndarray:
        names = (column, *nuisances)
        as_rated = method == "grid" and all(name in self.names for name in names)  # the grid is meant for scores on [0, 1]
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
        return self._once(("measured", column, split), lambda: _measured(self.study, column, split, data.pairs))

    def _once(self, key, make):
        if key not in self.kept:
            with _LOCK:
                if key not in self.kept:
                    self.kept[key] = make()
        return self.kept[key]


def basis(split: str) -> str:
    """Whose deviations and penalties a split goes by."""
    return "train" if split == "train" else "reference"


def prepare(study: Study, *, store: bool = True) -> Inputs:
    """Everything a scenario needs that does not depend on it, from memory, from disk, or made now.

    Probes are fitted on train ratings mapped to [0, 1] by declared range; train pairs are scored by probes that never saw
    their family. A study without features or ratings offers its columns of scores as objectives.
    """
    key = (study.hash, str(study.folder), cache.code_hash())
    with _LOCK:
        if key not in _MADE:
            if len(_MADE) >= 4:
                _MADE.pop(next(iter(_MADE)))
            _MADE[key] = _prepare(study, store)
        return _MADE[key]


def _prepare(study: Study, store: bool) -> Inputs:
    rated = "ratings" in study.tables or "ratings.parquet" in study.info["files"]
    if study.store is None or not rated:
        names = tuple(name for name in study.objectives if name in study.columns) or study.columns
        if not names:
            raise WorkbenchError("neither ratings with features nor scores", where=study.name, remedy="Add ratings, or columns of scores")
        return Inputs(study, names, None, None, None)
    folder = cache.runs_folder(study) / f"inputs-{study.hash}-{cache.code_hash()}"
    found = cache.load(folder) if store else None
    if found is None:
        probes, offset, predictions = _fit(study)
        if store:
            arrays = {f"probes.{name}": value for name, value in probes.state().items()}
            packed = pack({**arrays, "offset": offset, "train": predictions})
            cache.keep(folder, {"inputs.safetensors": packed}, {"study": study.hash})
    else:
        arrays = unpack(found[1]["inputs.safetensors"])
        offset, predictions = arrays.pop("offset"), arrays.pop("train")
        probes = LinearProbes.from_state({name.removeprefix("probes."): value for name, value in arrays.items()})
    index = study.split_responses("train")["response_id"]
    return Inputs(study, probes.names, probes, offset, pd.DataFrame(predictions, index=index, columns=list(probes.names)))


def rating_rows(study: Study, responses: pd.DataFrame) -> Float[np.ndarray, "row obj"]:
    """Ratings of some responses on [0, 1] by declared range, NaN where unrated."""
    names, info = study.objectives, study.objective_info
    table = study.ratings.set_index("response_id").reindex(responses["response_id"])[list(names)]
    low, high = (np.array([getattr(info[name], end) for name in names]) for end in ("low", "high"))
    return (table.to_numpy(np.float64, na_value=np.nan) - low) / np.where(high > low, high - low, 1.0)


def _fit(study: Study) -> tuple[LinearProbes, np.ndarray, np.ndarray]:
    """Probes on all train ratings, their offsets [obj], and out-of-family predictions [row obj] of every train response.

    Features and ratings are centred for the fit, which is a ridge with a free intercept: sentence embeddings have no
    constant direction, and an offset is the same for both sides of a pair, so no margin depends on it.
    """
    responses, features = study.split_responses("train"), study.features("train", of="responses")
    x, y, groups = features.response, rating_rows(study, responses), responses["family"].to_numpy()
    if features.mask is not None:
        y[~features.mask] = np.nan
    names = [name for name, column in zip(study.objectives, y.T) if not np.isnan(column).all()]
    y = y[:, [study.objectives.index(name) for name in names]]
    rated = ~np.isnan(y)
    centre, mean = x[rated.any(axis=1)].mean(axis=0, dtype=np.float64), np.nanmean(y, axis=0)
    shown, wanted, families = (x - centre).astype(np.float32), y - mean, len(np.unique(groups[rated.any(axis=1)]))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the best alpha is at the edge", UserWarning)  # every result's notes say so
        crossed = cross_fit(shown, wanted, names=names, groups=groups, folds=min(FOLDS, families))
        kept = [names.index(name) for name in crossed.names]  # those that every response can be scored on
        probes = LinearProbes.fit(shown, wanted[:, kept], names=crossed.names, groups=groups)
    return probes, mean[kept] - probes.weight @ centre, crossed.predictions + mean[kept]


def _split(inputs: Inputs, name: str) -> Split:
    if name == "reference":
        train = inputs.split("train")
        return train if inputs.probes is None else replace(train, scores=_scored(inputs, train.features))
    study, pairs = inputs.study, inputs.study.split_pairs(name)
    if not len(pairs):
        raise WorkbenchError(f"no pairs in {name}", where=study.name, remedy="Every split needs pairs")
    features = study.features(name) if study.store is not None else None
    whole = None if features is None or features.mask is None or features.mask.all() else features.mask
    if whole is not None:
        pairs, features = pairs[whole].reset_index(drop=True), features.rows(whole)
    if inputs.probes is None:
        scores = Scores(np.stack([_measured(study, n, name, pairs) for n in inputs.names], axis=-1), inputs.names)
    elif name == "train":
        table = inputs.train_predictions
        scores = Scores(np.stack([table.loc[pairs[side]].to_numpy() for side in ("chosen", "rejected")], axis=1), inputs.names)
    else:
        scores = _scored(inputs, features)
    values = Scores(scores.values.astype(np.float64), scores.names)
    left_out = 0 if whole is None else int((~whole).sum())
    return Split(pairs, values, None if features is None else features.prompt, features, left_out)


def _scored(inputs: Inputs, features: Features) -> Scores:
    """By the final probes, on the ratings' scale."""
    scores = inputs.probes(features)
    return Scores(scores.values.astype(np.float64) + inputs.offset, scores.names)


def _measured(study: Study, column: str, split: str, pairs: pd.DataFrame) -> np.ndarray:
    known = study.column(column)
    values = np.stack([known.loc[pairs[side]].to_numpy(np.float64) for side in ("chosen", "rejected")], axis=-1)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise WorkbenchError(f"column {column!r} has no number for {split} pairs {listing(pairs.loc[bad, 'pair_id'])}", where=study.name,
                             remedy="Choose a column that is known of every response")
    return values
