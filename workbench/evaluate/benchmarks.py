"""What the benchmark tables share: several models over the same rows, and means of means with the intervals of any other mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..axes import Pair, SeedPair
from ..errors import WorkbenchError, listing
from .inference import FEWEST, Estimate, Statistic, estimates, family_codes, wilson

MODEL = "model"  # the name of one that has none
NUMBERS = ("value", "low", "high", "n", "families", "seeds", "ties", "words")


@dataclass(frozen=True, eq=False)
class Outcome:
    """One model over the rows of a benchmark: what each row earned (0 to 1), where it was a tie, and whether seeds were trained."""

    values: SeedPair
    ties: Bool[np.ndarray, "seed pair"]
    trained: bool


@dataclass(frozen=True)
class Slice:
    """A row of a table: the columns that name it, the weight of each stratum in it, what each stratum is called, further words."""

    about: Mapping[str, object]
    weights: Mapping[str, float]
    called: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def models_of(given: np.ndarray | Mapping[str, np.ndarray], ids: np.ndarray, *,
              what: str = "margins") -> dict[str, tuple[np.ndarray, bool]]:
    """Name → (numbers [seed row], whether seeds were trained). An array [row] is one fixed model, [seed row] a trained one.

    ids [row] name the rows in the error for a number that is not finite. WorkbenchError for another shape, too.
    """
    models = {}
    for name, values in (given if isinstance(given, Mapping) else {MODEL: given}).items():
        trained, values = np.ndim(values) == 2, np.atleast_2d(np.asarray(values, np.float64))
        if values.ndim != 2 or values.shape[1] != len(ids) or not len(values):
            raise WorkbenchError(f"{what} of shape {list(values.shape)} beside a table of {len(ids)} rows", where=str(name),
                                 remedy="Pass one number a row, or a row of them per seed")
        if (wrong := ~np.isfinite(values).all(axis=0)).any():
            raise WorkbenchError(f"{what} that are no finite numbers: {listing(ids[wrong])}", where=str(name),
                                 remedy="Score these rows again, or leave them out")
        models[str(name)] = (values, trained)
    if not models:
        raise WorkbenchError("no model to score", where="benchmark", remedy=f"Pass {what}, or name → {what}")
    return models


def needed(frame: pd.DataFrame, *columns: str, what: str) -> None:
    """WorkbenchError for a column that is not there, and for a table without rows."""
    if lost := [column for column in columns if column not in frame.columns]:
        raise WorkbenchError(f"no column {lost[0]!r}", where=what, remedy=f"It has {', '.join(map(str, frame.columns))}")
    if not len(frame):
        raise WorkbenchError("a table without rows", where=what, remedy="Pass the rows of the benchmark")


def ids_of(frame: pd.DataFrame, column: str = "pair_id") -> np.ndarray:
    """What the rows are called in an error: by the column, else "row 0" …"""
    return frame[column].to_numpy() if column in frame.columns else np.array([f"row {i}" for i in range(len(frame))], object)


def row_weights(strata: np.ndarray, weights: Mapping[str, float]) -> Pair:
    """What each row counts, 1 on average: the plain mean of values × these is Σ_s w_s · (mean of stratum s), Σ w = 1.

    strata [row]: names; weights: of each, on any scale. WorkbenchError for a stratum without rows.
    """
    codes, names = pd.factorize(np.asarray(strata, object))
    if lost := [name for name in weights if name not in set(names)]:
        raise WorkbenchError(f"no rows of {listing(lost)}", where="weighted mean")
    each = np.array([weights[name] for name in names], np.float64)
    return (len(codes) * each / each.sum() / np.bincount(codes))[codes]


def linear_part(values: Statistic, strata: np.ndarray, weights: Mapping[str, float]) -> Float[np.ndarray, "_ pair"]:
    """Numbers whose plain mean is the weighted mean of stratum means, and whose resampled mean spreads as it does.

    To first order: what resampling does to the number of rows in a stratum moves a mean of it less than what it does to the
    values (the influence function). Oracle: resample families, take every stratum's mean, average them.
    """
    codes = pd.factorize(np.asarray(strata, object))[0]
    if len(weights) == 1:
        return values
    each = row_weights(strata, weights)
    means = np.stack([np.bincount(codes, weights=row) for row in values]) / np.bincount(codes)
    return each * (values - means[:, codes]) + (values * each).mean(axis=1, keepdims=True)


def weighted_estimates(values: Sequence[Statistic], groups, strata: np.ndarray, weights: Mapping[str, float], *,
                       limits: tuple[float, float] = (0.0, 1.0), **options) -> list[Estimate]:
    """`estimates` of means of stratum means under fixed weights; nothing lies beyond the limits of what can be."""
    found = estimates([linear_part(each, strata, weights) for each in values], groups, **options)
    ends = ("value", "low", "high")
    return [replace(one, **{name: float(np.clip(getattr(one, name), *limits)) for name in ends}) for one in found]


def enough(strata: np.ndarray, groups: np.ndarray) -> set[str]:
    """Strata with families enough for a number."""
    counts = pd.DataFrame({"stratum": np.asarray(strata, object), "family": groups}).groupby("stratum")["family"].nunique()
    return set(counts.index[counts >= FEWEST])


def benchmark_rows(models: Mapping[str, Outcome], slices: Sequence[Slice], strata: np.ndarray, groups, *, draws: int, seed: int,
                   limits: tuple[float, float] = (0.0, 1.0)) -> pd.DataFrame:
    """A row per slice and model: series, what names the slice, then NUMBERS.

    A slice that lacks a stratum (not there, or of fewer than six families) has no value; words name what it lacks. Intervals by
    family and seed; Wilson's where one fixed model is right or wrong on one row per family, all of equal weight.
    """
    groups, strata = family_codes(groups)[0], np.asarray(strata, object)
    known, rows = enough(strata, groups), []
    for one in slices:
        mask = np.isin(strata, list(one.weights))
        lacks = [name for name in one.weights if name not in known]
        some = {name: (model.values[:, mask], model.ties[:, mask], model.trained) for name, model in models.items()}
        if lacks:
            found = [_unknown(one, lacks, values.shape, trained, groups[mask]) for values, _, trained in some.values()]
        else:
            trained = [model[2] for model in some.values()]
            found = weighted_estimates([model[0] for model in some.values()], groups[mask], strata[mask], one.weights, limits=limits,
                                       draws=draws, seed=seed, trained=trained)
            found = [_exact(est, model, groups[mask], strata[mask], one.weights) for est, model in zip(found, some.values())]
        for (name, (_, ties, _)), est in zip(some.items(), found):
            words = "; ".join(filter(None, (est.words, *one.notes) if lacks else (*one.notes, est.words)))
            rows.append({"series": name, **one.about, **vars(est), "ties": float(ties.sum()) / len(ties), "words": words})
    return pd.DataFrame(rows)


def lacking(one: Slice, lacks: Sequence[str]) -> str:
    """The words for a slice of several strata that lacks some of them."""
    names = list(dict.fromkeys(one.called.get(name, name) for name in lacks))
    every = len(lacks) == len(one.weights) and len(names) > 2
    return f"lacks all of its {len(names)} parts" if every else f"lacks {listing(names, 2)}"


def _unknown(one: Slice, lacks: list[str], shape: tuple[int, ...], trained: bool, groups: np.ndarray) -> Estimate:
    """No number, and why."""
    words = lacking(one, lacks) if len(one.weights) > 1 else f"fewer than {FEWEST} families" if shape[1] else "not there"
    return Estimate(np.nan, np.nan, np.nan, shape[1], len(np.unique(groups)), shape[0] if trained else 0, words)


def _exact(found: Estimate, model: tuple, groups: np.ndarray, strata: np.ndarray, weights: Mapping[str, float]) -> Estimate:
    """Wilson's interval in place of the bootstrap's where it holds: that of 28 right out of 28 is no point."""
    values, _, trained = model
    if trained or found.families < found.n or np.isnan(found.low) or np.ptp(row_weights(strata, weights)) > 1e-9:
        return found
    if not np.isin(values, (0.0, 1.0)).all():
        return found
    low, high = wilson(values[0] == 1, groups)
    return replace(found, low=low, high=high)
