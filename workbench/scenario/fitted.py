"""Probes of a study: fitted on its train ratings, applied to every response, with the features left on disk."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from .. import budget
from ..objectives.probes import LinearProbes, cross_fit
from ..rows import Centred, mean_row
from ..study import Study

FOLDS = 5


def rated_names(study: Study) -> tuple[str, ...]:
    """The objectives that are rated: others are scores from elsewhere, which no probe is fitted to."""
    return tuple(name for name in study.objectives if name not in study.scored)


def rating_rows(study: Study, responses: pd.DataFrame) -> Float[np.ndarray, "row obj"]:
    """Ratings of some responses on [0, 1] by declared range, NaN where unrated."""
    names, info = rated_names(study), study.objective_info
    table = study.ratings.set_index("response_id").reindex(responses["response_id"])[list(names)]
    low, high = (np.array([getattr(info[name], end) for name in names]) for end in ("low", "high"))
    return (table.to_numpy(np.float64, na_value=np.nan) - low) / np.where(high > low, high - low, 1.0)


def fit_probes(study: Study) -> tuple[LinearProbes, np.ndarray, np.ndarray, np.ndarray]:
    """Probes on all train ratings, their offsets [obj], out-of-family predictions [row obj] of every train response, and
    the probes' own [row obj] of every response. Features stay on disk: each pass reads them by the block.

    Features and ratings are centred for the fit, which is a ridge with a free intercept: sentence embeddings have no
    constant direction, and an offset is the same for both sides of a pair, so no margin depends on it.
    """
    responses, x = study.split_responses("train", text=False), study.stream("train")
    objectives = rated_names(study)
    every = len(responses) * len(objectives)
    budget.claim(6 * 8 * every, f"ratings of {len(responses):,} responses", count=len(responses), of="responses")  # and what follows
    y, groups = rating_rows(study, responses), responses["family"].to_numpy()
    if x.mask is not None:
        y[~x.mask] = np.nan
    names = [name for name, column in zip(objectives, y.T) if not np.isnan(column).all()]
    y = y[:, [objectives.index(name) for name in names]]
    rated = ~np.isnan(y).all(axis=1)
    centre, mean = mean_row(x, rated).astype(np.float32), np.nanmean(y, axis=0)
    y -= mean
    shown, families = Centred(x, centre), len(np.unique(groups[rated]))
    crossed = cross_fit(shown, y, names=names, groups=groups, folds=min(FOLDS, families))
    kept, probes = [names.index(name) for name in crossed.names], crossed.whole  # those that every response can be scored on
    offset = mean[kept] - probes.weight @ centre.astype(np.float64)
    return probes, offset, crossed.predictions + mean[kept], probes.predict(study.stream()) + offset
