"""Linear probes: one ridge regression per objective on frozen features (the first stage of ArmoRM, arXiv 2406.12845)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from ..axes import Obj, ObjDim, RowObj
from ..errors import WorkbenchError, listing
from ..features import Features
from ..preference.data import family_codes
from ..scores import Scores
from .device import engine_for
from .families import family_folds, held_out_families
from .grams import Grams, Masks
from .host import Host
from .precision import doubles, scaled, unsteady
from .ridge import best_alpha

ALPHAS = tuple(10.0**power for power in range(-4, 5))  # the paper's grid
FLAT = 1e-2
ARRAYS = ("weight", "alpha", "alphas", "r2", "error", "count")


@dataclass(frozen=True, eq=False)
class LinearProbes:
    """What each objective reads in a feature: score = weight · x, no intercept.

    weight [obj dim]; alpha [obj] chosen from alphas [alpha]; r2 [obj] and error [alpha obj] (mean squared) on the
    held-out families, NaN where an objective has no label there; count [obj] labels behind the weights; skipped: the
    objectives left out for want of labels; precision [obj]: "float32" or "float64", of the products. Without an intercept
    r2 can be far below 0 where no direction of the features is nearly constant (sentence encoders), even when it ranks
    responses well.
    """

    weight: ObjDim
    names: tuple[str, ...]
    alpha: Obj
    alphas: Float[np.ndarray, " alpha"]
    r2: Obj
    error: Float[np.ndarray, "alpha obj"]
    count: Integer[np.ndarray, " obj"]
    skipped: tuple[str, ...] = ()
    precision: tuple[str, ...] = ()

    @classmethod
    def fit(cls, x, y: RowObj, *, names: Iterable[str], groups=None, seed: int = 0, alphas: Iterable[float] | None = None,
            held_out: float = 0.2, refit: bool = True, precision: str = "auto", memory: int | None = None,
            device: str = "auto") -> LinearProbes:
        """Ridge without intercept per objective on its rated rows, the multi-objective regression of arXiv 2406.12845.

        x [row dim] finite: an array, a stream of rows (`workbench.rows`) or a torch tensor, read once in order; y [row
        obj], NaN = unrated, meant on [0, 1]; groups [row]: the prompt family of each row (default: each row its own). α is
        the one with the least squared error on a share `held_out` of the families. The weights are then fitted to all
        rows; `refit=False` keeps the paper's choice, the weights from the training 80 %. `r2` and `error` come from the
        training part either way. An objective without labels is left out and named in `.skipped`.

        alphas: nine decades around the mean squared length of a row (default), or numbers: `ALPHAS` is the paper's grid.
        precision: of the products, "float64", "float32" (sums in float64), or "auto": float64 for features that have it,
        small work, fewer than two rows per dim, and systems too ill-conditioned for the smallest α, else float32, which
        then moves weights by less than 1e-3 of the largest and held-out errors by 1e-5 (1e-6 and 1e-7 where the features are
        well conditioned). memory: bytes to fill at most (default: the budget). device: "auto" is the processor unless a GPU is
        there and rows × dim² is above 1e12, or x is a tensor, which stays where it is; "cpu", "cuda", "cuda:1".

        Warns where the best α lies beyond the grid. Raises WorkbenchError for shapes that do not agree, a non-finite
        feature, an infinite label, no labels at all, fewer than two families, or matrices that do not fit in memory.
        """
        x, y, names, skipped, alphas = _checked(x, y, names, alphas)
        if not 0 < held_out < 1:
            raise WorkbenchError(f"held_out is {held_out}", remedy="Give a share of the families between 0 and 1, such as 0.2")
        apart = held_out_families(family_codes(groups, len(x)), ~np.isnan(y), held_out, seed)
        engine = engine_for(x, device)
        with engine.within():
            work = _Work.prepare(x, y, names, skipped, alphas, apart.astype(np.int64), 2, (0,), precision, memory, engine)
            probes = work.fit(inner=(0,), validate=1, outer=(0, 1) if refit else (0,))
        _warn([probes])
        return probes

    @property
    def at_edge(self) -> tuple[str, ...]:
        """Objectives whose best α is the first or last of the grid while the error still falls towards it: a better one may lie
        beyond. Where the last step changes it by less than a hundredth α is as good as 0, or the weights are: they fall
        with 1 / α, so that all that lies beyond is worth a ninth of the last of nine decades.
        """
        if len(self.alphas) < 2:
            return ()
        order = np.argsort(self.alphas)
        ends = [(self.alpha == self.alphas[end]) & (self.error[near] > (1 + FLAT) * self.error[end])
                for end, near in (order[:2], order[:-3:-1])]
        return tuple(name for name, open_ended in zip(self.names, ends[0] | ends[1]) if open_ended)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Objectives without a training or a held-out label: their α is the middle of the grid."""
        return tuple(name for name, blind in zip(self.names, np.isnan(self.error).any(axis=0)) if blind)

    def predict(self, x) -> RowObj:
        """Scores of single responses: x [row dim], an array, stream or tensor → [row obj], float64. WorkbenchError for other dims."""
        x = np.asarray(x) if isinstance(x, (list, tuple)) else x
        if x.shape[-1] != self.weight.shape[1]:
            what = f"features of {x.shape[-1]} dims for probes of {self.weight.shape[1]}"
            raise WorkbenchError(what, remedy="Use the backbone they were fitted on")
        engine, out = engine_for(x, "cpu"), np.empty((len(x), len(self.names)))
        for start, chunk in engine.chunks(x):
            out[start : start + len(chunk)] = engine.scores(chunk, self.weight)
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
        words = json.dumps({"names": self.names, "skipped": self.skipped, "precision": self.precision}).encode()
        return {**{name: getattr(self, name) for name in ARRAYS}, "words": np.frombuffer(words, np.uint8).copy()}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> LinearProbes:
        """The probes that `state` was taken from."""
        words = json.loads(bytes(np.asarray(state["words"], np.uint8)))
        arrays = {name: np.asarray(state[name]) for name in ARRAYS}
        return cls(**arrays, **{name: tuple(words.get(name, ())) for name in ("names", "skipped", "precision")})


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Out-of-family predictions [row obj], the models behind them (one per fold), the fold of each row, and the model of all
    rows (its α chosen on fold 0), which the same Gram matrices give.

    ``predictions, models = cross_fit(…)`` unpacks it.
    """

    predictions: RowObj
    models: tuple[LinearProbes, ...]
    fold: Integer[np.ndarray, " row"]
    whole: LinearProbes

    @property
    def names(self) -> tuple[str, ...]:
        return self.models[0].names

    @property
    def skipped(self) -> tuple[str, ...]:
        return self.models[0].skipped

    def __iter__(self):
        return iter((self.predictions, self.models))


def cross_fit(x, y: RowObj, *, names: Iterable[str], groups, folds: int = 5, seed: int = 0, alphas: Iterable[float] | None = None,
              precision: str = "auto", memory: int | None = None, device: str = "auto") -> CrossFit:
    """Predict each row by probes that saw no label of its family.

    Arguments as for `LinearProbes.fit`; rows without any label are predicted too. The model of fold k chooses α on
    fold k + 1, fitted without both, and is refitted on all but k; the Gram matrices of the folds are made once, in one
    pass over x, and added; a second pass predicts. Left out and named in `.skipped`: objectives without labels, or with
    all their labels in one fold.
    """
    x, y, names, skipped, alphas = _checked(x, y, names, alphas)
    fold = family_folds(groups, ~np.isnan(y), folds=folds, seed=seed)
    spread = np.array([len(np.unique(fold[~np.isnan(column)])) > 1 for column in y.T])
    skipped += tuple(name for name, ok in zip(names, spread) if not ok)
    names = tuple(name for name, ok in zip(names, spread) if ok)
    if not names:
        raise WorkbenchError("every objective has its labels in one fold", remedy="Rate more prompts, or change the seed")
    engine, first = engine_for(x, device), tuple(range(2, folds))
    with engine.within():
        work = _Work.prepare(x, y[:, spread], names, skipped, alphas, fold, folds, first, precision, memory, engine)
        models = []
        for k in range(folds):
            outer, after = tuple(f for f in range(folds) if f != k), (k + 1) % folds
            models.append(work.fit(inner=tuple(f for f in outer if f != after), validate=after, outer=outer))
        whole = work.fit(inner=tuple(range(1, folds)), validate=0, outer=tuple(range(folds)))
        predictions = np.empty((len(x), len(names)))
        for start, chunk in engine.chunks(x, memory):
            here = fold[start : start + len(chunk)]
            for k, model in enumerate(models):
                predictions[start + np.flatnonzero(here == k)] = engine.scores(chunk[here == k], model.weight)
    _warn([*models, whole])
    return CrossFit(predictions, tuple(models), fold, whole)


@dataclass(frozen=True, eq=False)
class _Work:
    """What all fits on one table share: its labels, the part of each row, and the Gram matrices by mask and part."""

    y: np.ndarray
    names: tuple[str, ...]
    skipped: tuple[str, ...]
    alphas: np.ndarray
    part: np.ndarray
    masks: Masks
    grams: Grams

    @classmethod
    def prepare(cls, x, y, names, skipped, alphas, part, parts, inner, precision, memory, engine: Host) -> _Work:
        """One pass; a second for the objectives whose float32 products turn out too coarse. inner: the parts of the first fit."""
        masks = Masks.find(y)
        double = doubles(x, masks, np.isin(part, inner), precision, None if alphas is None else alphas[0], engine)
        grams = Grams.of(x, y, masks, part, parts, double=double, memory=memory, engine=engine)
        alphas = scaled(grams.length) if alphas is None else alphas
        if precision == "auto" and (again := unsteady(grams, inner, alphas[0])).any():
            grams = Grams.of(x, y, masks, part, parts, double=double | again, memory=memory, engine=engine)
        return cls(y, names, skipped, alphas, part, masks, grams)

    def fit(self, *, inner: tuple[int, ...], validate: int, outer: tuple[int, ...]) -> LinearProbes:
        """α by the error on part `validate` of weights from the parts `inner`; then weights from the parts `outer`."""
        grams, path = self.grams, self.grams.engine.path
        seen, held = (sum(grams.count[p] for p in parts) for parts in (inner, (validate,)))
        square, variance = _moments(self.y[self.part == validate])
        error, alpha = np.full((len(self.alphas), len(self.names)), np.nan), np.empty(len(self.names))
        weight = np.empty((len(self.names), grams.moment.shape[1]))
        for mask in range(len(self.masks)):
            mine = self.masks.objectives(mask)
            if (seen[mine] > 0).all() and (held[mine] > 0).all():
                weights = path(*grams.over(mask, mine, inner), self.alphas)
                cross = (weights * grams.moment[validate][:, mine].T).sum(axis=2)
                residual = grams.squared(mask, validate, weights) - 2 * cross + square[mine]
                error[:, mine] = np.maximum(residual, 0.0) / held[mine]
            best = best_alpha(error[:, mine])
            gram, moment = grams.over(mask, mine, outer)
            for at in np.unique(best):
                some = best == at
                weight[mine[some]] = path(gram, moment[:, some], self.alphas[at : at + 1])[0]
            alpha[mine] = self.alphas[best]
        least = error[best_alpha(error), np.arange(len(alpha))]
        r2 = 1 - least / np.where(variance > 0, variance, np.nan)
        precision = tuple("float64" if double else "float32" for double in grams.double[self.masks.of])
        count = sum(grams.count[p] for p in outer)
        return LinearProbes(weight, self.names, alpha, self.alphas, r2, error, count, self.skipped, precision)


def _moments(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of squares and variance [obj] of the labels of some rows; NaN without any."""
    count = (~np.isnan(y)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(y**2, axis=0), np.nansum((y - np.nansum(y, axis=0) / count) ** 2, axis=0) / np.where(count > 0, count, np.nan)


def _checked(x, y, names, alphas) -> tuple:
    """Arrays that agree, without the objectives that have no label, and the names of those."""
    x = np.asarray(x) if isinstance(x, (list, tuple)) else x
    y, names = np.asarray(y, np.float64), tuple(names)
    alphas = None if alphas is None else np.array(sorted(alphas), np.float64)
    if len(x.shape) != 2 or y.ndim != 2 or len(x) != len(y) or y.shape[1] != len(names):
        raise WorkbenchError(
            f"features {tuple(x.shape)}, labels {y.shape} and {len(names)} names do not agree",
            remedy="x is [row, dim], y is [row, objective] with NaN where unrated, names has one per column of y",
        )
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise WorkbenchError(f"objective named twice: {listing(twice)}", remedy="Rename one of them")
    if alphas is not None and (not len(alphas) or alphas[0] <= 0 or not np.isfinite(alphas).all()):
        raise WorkbenchError(f"alphas {listing(alphas) or 'none'}", remedy="Give positive numbers")
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
