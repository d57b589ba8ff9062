"""Rank correlations with intervals: objectives with length, before and after debias, and with one another.

A resample is a set of weights on rows. Each column is sorted once; the ranks of all resamples follow from cumulated
weights, which gives exactly the Spearman correlation of the resampled table with its ties.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..axes import CHOSEN, REJECTED, PairSide, Row
from ..errors import WorkbenchError
from ..objectives.debias import exact_root
from ..objectives.ranks import spearman
from ..scores import Scores
from .inference import FEWEST, family_codes, interval, resampling_weights, too_few

DRAWS, CELLS = 400, 4_000_000  # resamples; the most cells of one block of them
MARGIN, GRID = 0.10, 9
JUMP = 1e-9  # of a unit of λ: what parts the ties of a column, and moves nothing else
POOLED, WITHIN = "pooled", "within prompts"

Draws = Float[np.ndarray, "draw row"]


def _order(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows in rising order, where each run of ties starts, and the run of each row."""
    order = np.argsort(values, kind="stable")
    first = np.concatenate([[True], np.diff(values[order]) != 0])
    run = np.empty(len(values), np.int64)
    run[order] = np.cumsum(first) - 1
    return order, np.flatnonzero(first), run


def _centred_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[draw row] weighted mid-ranks about their mean."""
    order, starts, run = _order(values)
    mass = np.add.reduceat(weights[:, order], starts, axis=1)
    total = np.cumsum(mass, axis=1)
    return (total - mass / 2 - total[:, -1:] / 2)[:, run]


def weighted_spearman(values: Float[np.ndarray, "row column"], other: Row, weights: Draws) -> Float[np.ndarray, "draw column"]:
    """Spearman of each column with `other` in each resample; NaN where either is constant there.

    weights [draw row]: how often each row occurs. Oracle: repeat the rows, rank, correlate.
    """
    base = _centred_ranks(other, weights)
    weighted = weights * base
    power = (weighted * base).sum(axis=1)
    out = np.full((len(weights), values.shape[1]), np.nan)
    for k in range(values.shape[1]):
        ranked = _centred_ranks(values[:, k], weights)
        size = np.sqrt(power * (weights * ranked**2).sum(axis=1))
        np.divide((weighted * ranked).sum(axis=1), size, out=out[:, k], where=size > 1e-9)
    return out


def row_weights(groups, draws: int, seed: int) -> Draws:
    """How often each row occurs in each family resample."""
    codes, families = family_codes(groups)
    return resampling_weights(families, draws, np.random.default_rng(seed)).astype(np.float64)[:, codes]


def spearman_draws(values: Float[np.ndarray, "row column"], other: Row, groups, *, draws: int = DRAWS,
                   seed: int = 0) -> Float[np.ndarray, "draw column"]:
    """Spearman of each column with `other` over resampled families, in blocks that bound memory."""
    codes, families = family_codes(groups)
    counts = resampling_weights(families, draws, np.random.default_rng(seed)).astype(np.float64)
    block = max(1, CELLS // max(1, len(codes)))
    return np.concatenate([weighted_spearman(values, other, counts[at : at + block][:, codes]) for at in range(0, draws, block)])


def _rows(values: Float[np.ndarray, "pair side obj"], view: str) -> np.ndarray:
    """[row obj]: both sides of all pairs, or the differences within each prompt."""
    values = np.asarray(values, np.float64)
    return values.reshape(-1, values.shape[-1]) if view == POOLED else values[:, CHOSEN] - values[:, REJECTED]


def correlation_table(scores: Scores, length: PairSide, groups, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Spearman of each objective with a length: objective, view, rho, low, high, n, families, words.

    view "pooled" takes both sides of every pair, "within prompts" Spearman(Δr', Δlength). Intervals by family; no number
    under six families, or where the objective is constant.
    """
    families, frames = family_codes(groups)[1], []
    for view in (POOLED, WITHIN):
        values, other = _rows(scores.values, view), _rows(length[:, :, None], view)[:, 0]
        belongs = np.repeat(np.asarray(groups), 2) if view == POOLED else np.asarray(groups)
        moves = (np.ptp(values, axis=0) > 0) & bool(np.ptp(other) > 0) & (families >= FEWEST)
        rho = np.where(moves, spearman(values, other), np.nan)
        bounds = np.full((len(scores.names), 2), np.nan)
        if moves.any():
            drawn = spearman_draws(values[:, moves], other, belongs, draws=draws, seed=seed)
            bounds[moves] = [interval(column, families - 1) for column in drawn.T]
        frames.append(pd.DataFrame({
            "objective": scores.names, "view": view, "rho": rho, "low": bounds[:, 0], "high": bounds[:, 1],
            "n": len(values), "families": families, "words": too_few(families),
        }))
    return pd.concat(frames, ignore_index=True)


def verbosity_table(before: Scores, after: Scores, length: PairSide, groups, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """`correlation_table` of the scores before and after debias, one below the other, with a column `when`."""
    tables = [correlation_table(scores, length, groups, draws=draws, seed=seed) for scores in (before, after)]
    for table, when in zip(tables, ("before", "after")):
        table.insert(2, "when", when)
    return pd.concat(tables, ignore_index=True)


def objective_correlation(scores: Scores, *, view: str = POOLED) -> pd.DataFrame:
    """Spearman of every objective with every other: a square table, 0 where one is constant."""
    values = _rows(scores.values, view)
    square = spearman(values, values)
    np.fill_diagonal(square, 1.0)
    return pd.DataFrame(square, index=list(scores.names), columns=list(scores.names))


def equivalence_table(
    scores: Scores, nuisance: PairSide, groups, *, reference: Scores, reference_nuisance: Float[np.ndarray, "other side"], reference_groups,
    margin: float = MARGIN, draws: int = 200, seed: int = 0,
) -> pd.DataFrame:
    """Is the pooled |rho| left by debias below `margin`? λ is fitted again in each resample of the reference.

    Two one-sided tests at 5 %: the 90 % interval of rho (families of the scores and of the reference resampled) lies
    inside ±margin, and rho itself does. Columns: objective, penalty, rho, low, high, equivalent, families, words; the scores are raw ones.
    """
    if scores.names != reference.names:
        raise WorkbenchError("the reference has other objectives than the scores", remedy="Select the same objectives, in one order")
    fitted, seen = (_rows(s.values, POOLED) for s in (reference, scores))
    there, here = (np.asarray(side, np.float64).reshape(-1) for side in (reference_nuisance, nuisance))
    fit_weights = row_weights(np.repeat(np.asarray(reference_groups), 2), draws, seed)
    weights = row_weights(np.repeat(np.asarray(groups), 2), draws, seed + 1)
    families, rows = min(family_codes(groups)[1], family_codes(reference_groups)[1]), []
    for k, name in enumerate(scores.names):
        row = {"objective": name, "penalty": np.nan, "rho": np.nan, "low": np.nan, "high": np.nan, "equivalent": False}
        itself = np.array_equal(fitted[:, k], there)
        if families >= FEWEST and np.ptp(seen[:, k]) > 0 and not itself:
            row["penalty"] = exact_root(fitted[:, k], there)
            row["rho"] = spearman(seen[:, k] - row["penalty"] * here, here)
            drawn = _refitted(fitted[:, k], there, fit_weights, seen[:, k], here, weights, row["penalty"])
            row["low"], row["high"] = interval(drawn, families - 1, level=0.90)
            inside = -margin < row["low"] and row["high"] < margin and abs(row["rho"]) < margin
            row["equivalent"] = bool(not too_few(families) and inside)
        shown = f"|rho| < {margin:.2f}" if row["equivalent"] else f"not shown: |rho| < {margin:.2f}"
        rows.append({**row, "families": families, "words": too_few(families) or ("the nuisance itself" if itself else shown)})
    return pd.DataFrame(rows)


def _refitted(values, nuisance, fit_weights, seen, here, weights, start: float) -> np.ndarray:
    """[draw] correlation left in each resample by the λ of that resample, both read off a grid of λ around the fit.

    The smallest λ parts the ties of a column by length: its correlation jumps at 0, where nothing lies between the two sides.
    """
    unit, width = values.std() / nuisance.std(), 0.05
    while True:
        grid = start + unit * width * np.linspace(-1, 1, GRID)
        if grid[0] < 0 < grid[-1]:
            grid = np.union1d(grid, unit * JUMP * np.array([-1.0, 0.0, 1.0]))
        fit = weighted_spearman(values[:, None] - nuisance[:, None] * grid, nuisance, fit_weights)
        if width > 50 or ((fit[:, 0] > 0) & (fit[:, -1] < 0)).all():
            break
        width *= 2
    left = weighted_spearman(seen[:, None] - here[:, None] * grid, here, weights)
    row = np.arange(len(fit))
    at = np.clip((fit > 0).sum(axis=1) - 1, 0, len(grid) - 2)
    gap = fit[row, at] - fit[row, at + 1]
    share = np.clip(np.divide(fit[row, at], gap, out=np.full(len(row), 0.5), where=gap > 0), 0, 1)
    jumps = grid[at + 1] - grid[at] < 2 * unit * JUMP
    share = np.where(jumps, np.abs(fit[row, at]) > np.abs(fit[row, at + 1]), share)  # a root there is the better of two sides
    return (1 - share) * left[row, at] + share * left[row, at + 1]
