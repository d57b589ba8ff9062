"""What a result owes to length: the numbers of the Verbosity screen, each from results as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ..axes import PairSide
from ..errors import WorkbenchError
from ..evaluate import verbosity
from ..evaluate.inference import DRAWS
from ..evaluate.metrics import ACCURACY, metric_table, slices
from .compare import compare, same_pairs
from .inputs import LENGTH, prepare
from .result import Result

BASELINE, CANDIDATE, DIFFERENCE = "baseline", "candidate", "difference"
COLUMNS = ("slice", "series", "value", "low", "high", "p", "p_holm", "n", "families", "seeds", "words", "caliper")


def rewards_of(result: Result) -> PairSide:
    """R = Σ_k g_k(x) r'_k of both answers [pair side], mean over seeds; chosen − rejected is the result's margin."""
    return result.rewards


def lengths_of(result: Result) -> PairSide:
    """Words of both answers of the result's pairs. WorkbenchError for a study without text."""
    length = prepare(result.study).length(result.split)
    if length is None:
        raise WorkbenchError("no length is known", where=result.study.name, remedy=f"Use a study with text, or a column {LENGTH!r}")
    return length


def verbosity_by_slice(result: Result, *, by: tuple[str, ...] = ("section",), **options) -> pd.DataFrame:
    """Each objective's correlation with words before and after debias, all pairs and by slice (`evaluate.verbosity_by_slice`)."""
    return verbosity.verbosity_by_slice(result.raw, result.scores, lengths_of(result), result.pairs, by=by, **options)


def reward_correlation(result: Result, **options) -> pd.DataFrame:
    """The reward's correlation with words (`evaluate.reward_correlation`)."""
    return verbosity.reward_correlation(rewards_of(result), lengths_of(result), result.families, **options)


def reward_points(result: Result) -> pd.DataFrame:
    """Reward and words of every answer (`evaluate.reward_points`); thin them out with `evaluate.reward_density`."""
    return verbosity.reward_points(rewards_of(result), lengths_of(result), result.pairs)


def length_matched(baseline: Result, candidate: Result | None = None, *, caliper: float = verbosity.CALIPER,
                   by: tuple[str, ...] = ("section",), draws: int = DRAWS) -> pd.DataFrame:
    """Accuracy on the pairs whose answers are about as long, |Δ log words| ≤ caliper: what is left when length cannot decide.

    Rows: slice × series ("baseline"; with a candidate also "candidate" and the paired "difference", whose words and p are
    `compare`'s on those pairs). Columns: slice, series, value, low, high, p, p_holm, n, families, seeds, words, caliper.
    Oracle: leave the other pairs out, then measure and compare. Raises WorkbenchError where no pair is matched.
    """
    kept = verbosity.as_long(lengths_of(baseline), baseline.pairs, caliper=caliper)
    if not kept.any():
        raise WorkbenchError(f"no pair of answers within |Δ log words| {caliper:g}", where=baseline.study.name, remedy="Widen the caliper")
    paired = None
    if candidate is not None:
        same_pairs(baseline, candidate)
        paired = compare(_rows(baseline, kept), _rows(candidate, kept), by=by, draws=draws)
    parts = []
    for series, result in ((BASELINE, baseline), (CANDIDATE, candidate)):
        if result is not None:
            table = metric_table(result.margins[:, kept], result.pairs[kept], by=by, draws=draws)
            parts.append(table[table["metric"] == ACCURACY].assign(series=series))
    if paired is not None:
        parts.append(paired.rename(columns={"difference": "value"}).assign(series=DIFFERENCE))
    table = pd.concat(parts, ignore_index=True).assign(caliper=caliper)
    first = pd.Categorical(table["slice"], categories=list(dict.fromkeys(table["slice"])))
    return table.assign(order=first.codes).sort_values("order", kind="stable", ignore_index=True).reindex(columns=list(COLUMNS))


def _rows(result: Result, mask: np.ndarray) -> Result:
    """Some pairs of a result: enough of it to compare by."""
    about = {"families": lambda: result.families[mask], "slices": lambda: slices(pairs)}
    pairs = result.pairs[mask].reset_index(drop=True)
    return replace(result, pairs=pairs, margins=result.margins[:, mask], make={**result.make, **about})
