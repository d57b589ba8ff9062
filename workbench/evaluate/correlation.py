"""Rank correlations with intervals: objectives with length, before and after debias, and with one another.

A resample is a set of counts on rows. Each column is sorted once; the ranks of all resamples follow from cumulated
counts, which gives exactly the Spearman correlation of the resampled table with its ties. Of more families than
`inference.BUNDLES`, what is resampled is the correlation's linear part (`influence`), a mean like any other.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from ..axes import CHOSEN, REJECTED, PairSide, Row
from ..errors import WorkbenchError
from ..objectives.debias import exact_root
from ..objectives.ranks import spearman
from ..scores import Scores
from . import inference
from .inference import FEWEST, family_codes, interval, resampling_weights, too_few

DRAWS, CELLS = 400, 250_000  # resamples; cells of one block of them, which stay in the caches of a core
MARGIN, GRID = 0.10, 9
JUMP = 1e-9  # of a unit of λ: what parts the ties of a column, and moves nothing else
POOLED, WITHIN = "pooled", "within prompts"

Columns = Float[np.ndarray, "row column"]
Draws = Integer[np.ndarray, "draw row"]


def _order(values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows in rising order, and where each run of ties starts; None where there are no ties."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(values[order]) != 0]))
    return order, starts if len(starts) < len(values) else None


def _of_runs(cells: np.ndarray, order: np.ndarray, starts: np.ndarray | None) -> np.ndarray:
    """[draw run] sums of [draw row] over each run of ties, in rising order."""
    cells = np.take(cells, order, axis=1)
    return cells if starts is None else np.add.reduceat(cells, starts, axis=1)


def _twice_ranks(counts: np.ndarray, order: np.ndarray, starts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """[draw run] 2 × the mid-ranks about their mean, whole numbers, and [draw] the sum of their squares over rows.

    That sum is (N³ − Σ m³) / 3 of N rows in runs of m.
    """
    mass = _of_runs(counts, order, starts)
    rank = np.cumsum(mass, axis=1, dtype=np.int32)
    total = rank[:, -1:].copy()
    rank *= 2
    rank -= mass
    rank -= total
    mass = mass.astype(np.float64)
    return rank, (total[:, 0].astype(np.float64) ** 3 - np.einsum("dr,dr,dr->d", mass, mass, mass)) / 3


def weighted_spearman(values: Columns, other: Row, weights: Draws) -> Float[np.ndarray, "draw column"]:
    """Spearman of each column with `other` in each resample; NaN where either is constant there.

    weights [draw row]: how often each row occurs. Oracle: repeat the rows, rank, correlate.
    """
    return _resampled(values, other, weights, np.arange(len(other)))


def _resampled(values: np.ndarray, other: np.ndarray, weights: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """[draw column] under weights [draw unit] of the units `codes` that rows belong to; a block of resamples at a time."""
    columns, (order, starts) = [_order(column) for column in values.T], _order(other)
    run = np.arange(len(other)) if starts is None else np.repeat(np.arange(len(starts)), np.diff(starts, append=len(other)))
    back = np.empty(len(other), np.int64)
    back[order] = run
    out, block = np.full((len(weights), len(columns)), np.nan), max(1, CELLS // len(other))
    for at in range(0, len(weights), block):
        counts = np.take(weights[at : at + block].astype(np.int32), codes, axis=1)
        base, power = _twice_ranks(counts, order, starts)
        weighted = counts * np.take(base, back, axis=1).astype(np.float64)
        for k, column in enumerate(columns):
            rank, own = _twice_ranks(counts, *column)
            size = np.sqrt(power * own)
            product = np.einsum("dr,dr->d", rank, _of_runs(weighted, *column))
            np.divide(product, size, out=out[at : at + block, k], where=size > 1e-9)
    return out


def row_weights(groups, draws: int, seed: int) -> Draws:
    """How often each row occurs in each family resample."""
    codes, families = family_codes(groups)
    return resampling_weights(families, draws, np.random.default_rng(seed))[:, codes]


def spearman_draws(values: Columns, other: Row, groups, *, draws: int = DRAWS, seed: int = 0) -> Float[np.ndarray, "draw column"]:
    """Spearman of each column with `other` over resampled families; of more than BUNDLES of them, its linear part.

    Oracle: `weighted_spearman` under `row_weights`, and of many families its spread.
    """
    return _seen_and_drawn(values, other, groups, draws, seed)[1]


def _seen_and_drawn(values: np.ndarray, other: np.ndarray, groups, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """[column] the correlation of all rows, NaN or 0 where there is none, and [draw column] that of the resamples."""
    codes, families = family_codes(groups)
    if families <= inference.BUNDLES:
        weights = resampling_weights(families, draws, np.random.default_rng(seed))
        found = _resampled(values, other, np.vstack([np.ones_like(weights[:1]), weights]), codes)
        return found[0], found[1:]
    rho, parts = zip(*((rho, inference.bootstrap(part[None], codes, draws=draws, seed=seed)) for rho, part in influence(values, other)))
    return np.array(rho), np.clip(np.stack(parts, axis=1) + rho, -1, 1)


def influence(values: Columns, other: Row):
    """Of each column: its Spearman correlation with `other`, and the influence of each row on it [row], whose mean is 0.

    The derivative of the mid-rank correlation in the weights of the rows (Hampel 1974): a resample's correlation is rho plus
    the mean influence of its rows, but for terms of 1 / rows. 0 and zeros where either is constant.
    """
    seen = _Ranked.of(other)
    for column in values.T:
        own = _Ranked.of(column)
        size, product = np.sqrt(own.power * seen.power), float((own.ranks * seen.ranks).mean())
        if size <= 1e-12:
            yield 0.0, np.zeros(len(other))
            continue
        rho = product / size
        moved = own.ranks * seen.ranks + own.passed(seen.ranks) + seen.passed(own.ranks) - 3 * product
        yield rho, moved / size - rho / 2 * (own.spread / own.power + seen.spread / seen.power)


class _Ranked:
    """A column's centred mid-ranks in shares of all rows, their mean square, and each row's influence on that."""

    def __init__(self, order: np.ndarray, starts: np.ndarray, sizes: np.ndarray):
        self.order, self.starts, self.sizes = order, starts, sizes
        self.ranks = self._back((starts + sizes / 2) / len(order) - 0.5)
        self.power = float((self.ranks**2).mean())
        self.spread = self.ranks**2 + 2 * self.passed(self.ranks) - 3 * self.power

    @classmethod
    def of(cls, values: np.ndarray) -> _Ranked:
        order, starts = _order(values)
        starts = np.arange(len(values)) if starts is None else starts
        return cls(order, starts, np.diff(starts, append=len(values)))

    def _back(self, of_runs: np.ndarray) -> np.ndarray:
        out = np.empty(len(self.order))
        out[self.order] = np.repeat(of_runs, self.sizes)
        return out

    def passed(self, weight: np.ndarray) -> np.ndarray:
        """Half the mean of sign(x_i − x_k) weight_i over rows i, for each row k: what moves when row k counts for more."""
        sums = np.add.reduceat(weight[self.order], self.starts)
        below = np.cumsum(sums)
        return self._back((below[-1] - 2 * below + sums) / (2 * len(weight)))


def _rows(values: Float[np.ndarray, "pair side obj"], view: str) -> np.ndarray:
    """[row obj]: both sides of all pairs, or the differences within each prompt."""
    values = values.astype(np.float64, copy=False)
    return values.reshape(-1, values.shape[-1]) if view == POOLED else values[:, CHOSEN] - values[:, REJECTED]


def correlation_table(scores: Scores, length: PairSide, groups, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Spearman of each objective with a length: objective, view, rho, low, high, n, families, words.

    view "pooled" takes both sides of every pair, "within prompts" Spearman(Δr', Δlength). Intervals by family; no number
    under six families, or where the objective is constant.
    """
    (groups, families), frames = family_codes(groups), []
    for view in (POOLED, WITHIN):
        values, other = _rows(scores.values, view), _rows(length[:, :, None], view)[:, 0]
        belongs = np.repeat(groups, 2) if view == POOLED else groups
        moves = (np.ptp(values, axis=0) > 0) & bool(np.ptp(other) > 0) & (families >= FEWEST)
        rho, bounds = np.full(len(moves), np.nan), np.full((len(moves), 2), np.nan)
        if moves.any():
            rho[moves], drawn = _seen_and_drawn(values[:, moves], other, belongs, draws, seed)
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
    belongs = [np.repeat(family_codes(each)[0], 2) for each in (reference_groups, groups)]
    families, rows = int(min(codes.max(initial=-1) + 1 for codes in belongs)), []
    for k, name in enumerate(scores.names):
        row = {"objective": name, "penalty": np.nan, "rho": np.nan, "low": np.nan, "high": np.nan, "equivalent": False}
        itself = np.array_equal(fitted[:, k], there)
        if families >= FEWEST and np.ptp(seen[:, k]) > 0 and not itself:
            row["penalty"] = exact_root(fitted[:, k], there)
            row["rho"] = spearman(seen[:, k] - row["penalty"] * here, here)
            drawn = _refitted(fitted[:, k], there, belongs[0], seen[:, k], here, belongs[1], row["penalty"], draws=draws, seed=seed)
            row["low"], row["high"] = interval(drawn, families - 1, level=0.90)
            inside = -margin < row["low"] and row["high"] < margin and abs(row["rho"]) < margin
            row["equivalent"] = bool(not too_few(families) and inside)
        shown = f"|rho| < {margin:.2f}" if row["equivalent"] else f"not shown: |rho| < {margin:.2f}"
        rows.append({**row, "families": families, "words": too_few(families) or ("the nuisance itself" if itself else shown)})
    return pd.DataFrame(rows)


def _refitted(values, nuisance, fit_groups, seen, here, groups, start: float, *, draws: int, seed: int) -> np.ndarray:
    """[draw] correlation left in each resample by the λ of that resample, both read off a grid of λ around the fit.

    The smallest λ parts the ties of a column by length: its correlation jumps at 0, where nothing lies between the two sides.
    """
    unit, width = values.std() / nuisance.std(), 0.05
    while True:
        grid = start + unit * width * np.linspace(-1, 1, GRID)
        if grid[0] < 0 < grid[-1]:
            grid = np.union1d(grid, unit * JUMP * np.array([-1.0, 0.0, 1.0]))
        fit = spearman_draws(values[:, None] - nuisance[:, None] * grid, nuisance, fit_groups, draws=draws, seed=seed)
        if width > 50 or ((fit[:, 0] > 0) & (fit[:, -1] < 0)).all():
            break
        width *= 2
    left = spearman_draws(seen[:, None] - here[:, None] * grid, here, groups, draws=draws, seed=seed + 1)
    row = np.arange(len(fit))
    at = np.clip((fit > 0).sum(axis=1) - 1, 0, len(grid) - 2)
    gap = fit[row, at] - fit[row, at + 1]
    share = np.clip(np.divide(fit[row, at], gap, out=np.full(len(row), 0.5), where=gap > 0), 0, 1)
    jumps = grid[at + 1] - grid[at] < 2 * unit * JUMP
    share = np.where(jumps, np.abs(fit[row, at]) > np.abs(fit[row, at + 1]), share)  # a root there is the better of two sides
    return (1 - share) * left[row, at] + share * left[row, at + 1]
