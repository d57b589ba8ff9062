"""Linear probes: one ridge regression per objective on frozen features (the first stage of ArmoRM, arXiv 2406.12845)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from ..axes import Obj, ObjDim, RowDim, RowObj
from ..errors import WorkbenchError, listing
from ..features import Features
from ..preference.data import family_codes
from ..scores import Scores
from .families import family_folds, held_out_families
from .grams import Grams, Masks
from .ridge import best_alpha, held_out_errors, path, solve

ALPHAS = tuple(10.0**power for power in range(-4, 5))
ARRAYS = ("weight", "alpha", "alphas", "r2", "error", "count")
CHUNK = 8192


@dataclass(frozen=True, eq=False)
class LinearProbes:
    """What each objective reads in a feature: score = weight · x, no intercept.

    weight [obj dim]; alpha [obj] chosen from alphas [alpha]; r2 [obj] and error [alpha obj] (mean squared) on the
    held-out families, NaN where an objective has no label there; count [obj] labels behind the weights; skipped: the
    objectives left out for want of labels. Without an intercept r2 can be far below 0 where no direction of the
    features is nearly constant (sentence encoders), even when it ranks responses well.
    """

    weight: ObjDim
    names: tuple[str, ...]
    alpha: Obj
    alphas: Float[np.ndarray, " alpha"]
    r2: Obj
    error: Float[np.ndarray, "alpha obj"]
    count: Integer[np.ndarray, " obj"]
    skipped: tuple[str, ...] = ()

    @classmethod
    def fit(cls, x: RowDim, y: RowObj, *, names: Iterable[str], groups=None, seed: int = 0,
            alphas: Iterable[float] = ALPHAS, held_out: float = 0.2, refit: bool = True) -> LinearProbes:
        """Ridge without intercept per objective on its rated rows, the multi-objective regression of arXiv 2406.12845.

        x [row dim] finite; y [row obj], NaN = unrated, meant on [0, 1]; groups [row]: the prompt family of each row
        (default: each row its own). α is the one with the least squared error on a share `held_out` of the families.
        The weights are then fitted to all rows; `refit=False` keeps the paper's choice, the weights from the training
        80 %. `r2` and `error` come from the training part either way. An objective without labels is left out and
        named in `.skipped`. Warns where the best α is at the end of the grid. Raises WorkbenchError for shapes that
        do not agree, a non-finite feature, an infinite label, no labels at all, or fewer than two families.
        """
        x, y, names, skipped, alphas = _checked(x, y, names, alphas)
        if not 0 < held_out < 1:
            raise WorkbenchError(f"held_out is {held_out}", remedy="Give a share of the families between 0 and 1, such as 0.2")
        apart = held_out_families(family_codes(groups, len(x)), ~np.isnan(y), held_out, seed)
        work = _Work.prepare(x, y, names, skipped, alphas, apart.astype(np.int64), 2)
        probes = work.fit(inner=(0,), validate=1, outer=(0, 1) if refit else (0,))
        _warn([probes])
        return probes

    @property
    def at_edge(self) -> tuple[str, ...]:
        """Objectives whose best α is the first or last of the grid: a better one may lie beyond."""
        ends = (self.alpha == self.alphas.min()) | (self.alpha == self.alphas.max())
        seen = ~np.isnan(self.error).any(axis=0) & (len(self.alphas) > 1)
        return tuple(name for name, end in zip(self.names, ends & seen) if end)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Objectives without a training or a held-out label: their α is the middle of the grid."""
        return tuple(name for name, blind in zip(self.names, np.isnan(self.error).any(axis=0)) if blind)

    def predict(self, x: RowDim) -> RowObj:
        """Scores of single responses: x [row dim] → [row obj], float64. WorkbenchError for other dims."""
        x = np.asarray(x)
        if x.shape[-1] != self.weight.shape[1]:
            what = f"features of {x.shape[-1]} dims for probes of {self.weight.shape[1]}"
            raise WorkbenchError(what, remedy="Use the backbone they were fitted on")
        out = np.empty((len(x), len(self.names)))
        for start in range(0, len(x), CHUNK):
            out[start : start + CHUNK] = x[start : start + CHUNK].astype(np.float64) @ self.weight.T
        return out

    def __call__(self, features: Features) -> Scores:
        """Scores [pair side obj] of both responses of each pair. WorkbenchError for features of single responses."""
        if features.response.ndim != 3:
            remedy = 'Use probes.predict(features.response), or features(split, of="pairs")'
            raise WorkbenchError("features of single responses", remedy=remedy)
        pairs, sides, dim = features.response.shape
        return Scores(self.predict(features.response.reshape(-1, dim)).reshape(pairs, sides, len(self.names)), self.names)

    def state(self) -> dict[str, np.ndarray]:
        """Numeric arrays alone (the names as JSON bytes), for safetensors."""
        words = json.dumps({"names": self.names, "skipped": self.skipped}).encode()
        return {**{name: getattr(self, name) for name in ARRAYS}, "words": np.frombuffer(words, np.uint8).copy()}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> LinearProbes:
        """The probes that `state` was taken from."""
        words = json.loads(bytes(np.asarray(state["words"], np.uint8)))
        arrays = {name: np.asarray(state[name]) for name in ARRAYS}
        return cls(**arrays, names=tuple(words["names"]), skipped=tuple(words["skipped"]))


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Out-of-family predictions [row obj], the models behind them (one per fold) and the fold of each row.

    ``predictions, models = cross_fit(…)`` unpacks it.
    """

    predictions: RowObj
    models: tuple[LinearProbes, ...]
    fold: Integer[np.ndarray, " row"]

    @property
    def names(self) -> tuple[str, ...]:
        return self.models[0].names

    @property
    def skipped(self) -> tuple[str, ...]:
        return self.models[0].skipped

    def __iter__(self):
        return iter((self.predictions, self.models))


def cross_fit(x: RowDim, y: RowObj, *, names: Iterable[str], groups, folds: int = 5, seed: int = 0,
              alphas: Iterable[float] = ALPHAS) -> CrossFit:
    """Predict each row by probes that saw no label of its family.

    Arguments as for `LinearProbes.fit`; rows without any label are predicted too. The model of fold k chooses α on
    fold k + 1, fitted without both, and is refitted on all but k; the Gram matrices of the folds are made once and
    added. Left out and named in `.skipped`: objectives without labels, or with all their labels in one fold.
    """
    x, y, names, skipped, alphas = _checked(x, y, names, alphas)
    fold = family_folds(groups, ~np.isnan(y), folds=folds, seed=seed)
    spread = np.array([len(np.unique(fold[~np.isnan(column)])) > 1 for column in y.T])
    skipped += tuple(name for name, ok in zip(names, spread) if not ok)
    names = tuple(name for name, ok in zip(names, spread) if ok)
    if not names:
        raise WorkbenchError("every objective has its labels in one fold", remedy="Rate more prompts, or change the seed")
    work = _Work.prepare(x, y[:, spread], names, skipped, alphas, fold, folds)
    predictions, models = np.empty((len(x), len(names))), []
    for k in range(folds):
        outer, after = tuple(f for f in range(folds) if f != k), (k + 1) % folds
        models.append(work.fit(inner=tuple(f for f in outer if f != after), validate=after, outer=outer))
        predictions[fold == k] = models[-1].predict(x[fold == k])
    _warn(models)
    return CrossFit(predictions, tuple(models), fold)


@dataclass(frozen=True, eq=False)
class _Work:
    """What all fits on one table share: its data, the part of each row, and the Gram matrices by mask and part."""

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]
    skipped: tuple[str, ...]
    alphas: np.ndarray
    part: np.ndarray
    masks: Masks
    grams: Grams

    @classmethod
    def prepare(cls, x, y, names, skipped, alphas, part, parts) -> _Work:
        masks = Masks.find(y)
        return cls(x, y, names, skipped, alphas, part, masks, Grams.of(x, y, masks, part, parts))

    def fit(self, *, inner: tuple[int, ...], validate: int, outer: tuple[int, ...]) -> LinearProbes:
        """α by the error on part `validate` of weights from the parts `inner`; then weights from the parts `outer`."""
        weights = np.empty((len(self.alphas), len(self.names), self.x.shape[1]))
        for mask in range(len(self.masks)):
            mine = self.masks.objectives(mask)
            weights[:, mine] = path(*self.grams.over(mask, mine, inner), self.alphas)
        error, variance = held_out_errors(self.x, self.y, np.flatnonzero(self.part == validate), weights)
        error[:, sum(self.grams.count[p] for p in inner) == 0] = np.nan
        best = best_alpha(error)
        weight = np.empty(weights.shape[1:])
        for mask in range(len(self.masks)):
            mine = self.masks.objectives(mask)
            for at in np.unique(best[mine]):
                some = mine[best[mine] == at]
                weight[some] = solve(*self.grams.over(mask, some, outer), self.alphas[at]).T
        least = error[best, np.arange(len(best))]
        r2 = 1 - least / np.where(variance > 0, variance, np.nan)
        count = sum(self.grams.count[p] for p in outer)
        return LinearProbes(weight, self.names, self.alphas[best], self.alphas, r2, error, count, self.skipped)


def _checked(x, y, names, alphas) -> tuple[np.ndarray, np.ndarray, tuple, tuple, np.ndarray]:
    """Arrays that agree, without the objectives that have no label, and the names of those."""
    x, y, names = np.asarray(x), np.asarray(y, np.float64), tuple(names)
    alphas = np.array(sorted(alphas), np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or y.shape[1] != len(names):
        raise WorkbenchError(
            f"features {x.shape}, labels {y.shape} and {len(names)} names do not agree",
            remedy="x is [row, dim], y is [row, objective] with NaN where unrated, names has one per column of y",
        )
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise WorkbenchError(f"objective named twice: {listing(twice)}", remedy="Rename one of them")
    if not len(alphas) or alphas[0] <= 0 or not np.isfinite(alphas).all():
        raise WorkbenchError(f"alphas {listing(alphas) or 'none'}", remedy="Give positive numbers")
    for start in range(0, len(x), CHUNK):
        bad = ~np.isfinite(x[start : start + CHUNK]).all(axis=1)
        if bad.any():
            raise WorkbenchError(f"NaN or infinite feature in rows {listing(start + np.flatnonzero(bad))}", remedy="Leave those rows out")
    infinite = [name for name, column in zip(names, y.T) if np.isinf(column).any()]
    if infinite:
        raise WorkbenchError(f"infinite label of {listing(infinite)}", remedy="Use NaN where a response is unrated")
    labelled = ~np.isnan(y).all(axis=0)
    if not labelled.any():
        raise WorkbenchError("no objective has a label", remedy="Give ratings, or work on scores from elsewhere")
    skipped = tuple(name for name, some in zip(names, labelled) if not some)
    return x, y[:, labelled], tuple(name for name, some in zip(names, labelled) if some), skipped, alphas


def _warn(models: list[LinearProbes]) -> None:
    edge = sorted({name for model in models for name in model.at_edge})
    blind = sorted({name for model in models for name in model.unchecked})
    if edge:
        warnings.warn(f"the best alpha is at the edge of the grid for {listing(edge)}: widen `alphas`", stacklevel=3)
    if blind:
        warnings.warn(f"too few families rate {listing(blind)}: alpha could not be checked on held-out ones", stacklevel=3)
