"""Take what is only length out of every objective: r'_i = r_i − λ_i r_v with no rank correlation left (ArmoRM, arXiv 2406.12845)."""

from __future__ import annotations

import json
import warnings
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from ..axes import Obj, ObjObj, Row, RowDim
from ..errors import WorkbenchError, listing
from ..scores import Scores
from .ranks import against, unit_ranks

GRID = (0.0, 0.01, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, *(round(0.05 * step, 2) for step in range(4, 20)))
GRID_LIMIT = 0.03  # the release stops at the first λ whose (one-sided) correlation is no higher
SEVERAL_LIMIT = 0.01  # largest correlation left when there are several nuisances
ROUNDS = 60  # steps towards it
FLAT = 1e-12  # a spread this small beside its terms is rounding, not order
METHODS, GIVEN = ("exact", "grid"), "given"  # how it is fitted; where it came with a model
SOME = 4096  # rows that a first guess at λ is made from, where there are many
NARROW = 1e-7  # of a unit of λ: a bracket in which few rows change places


@dataclass(frozen=True, eq=False)
class Debiased:
    """The penalty λ of each objective, and the map r' = r @ matrix that applies it.

    penalty [obj] (or [nuisance obj] for several): where it was fitted, its nuisance's own entry is 1, so that column becomes
    0; matrix [obj obj]: the identity with the nuisance's row reduced by λ; before, residual [obj]: Spearman with the nuisance
    on the reference, without and with the penalty (for several, the one farthest from 0), NaN where there was none.
    A negative λ rewards the nuisance in that objective.
    """

    penalty: Obj | Float[np.ndarray, "nuisance obj"]
    names: tuple[str, ...]
    against: tuple[str, ...]
    before: Obj
    residual: Obj
    method: str = "exact"

    @classmethod
    def fit(cls, scores: Scores, *, against: str | tuple[str, ...] | list[str] = "verbosity", method: str = "exact",
            reference: Scores | None = None, nonnegative: bool = False) -> Debiased:
        """Find λ on `reference` (default: the scores themselves), both sides of its pairs pooled.

        "exact": the root of Spearman(r_i − λ r_v, r_v) = 0, the paper's equation (arXiv 2406.12845), found where the
        correlation, a falling step function of λ, changes sign; negative unless `nonnegative` where the objective
        dislikes the nuisance. Several nuisances: least squares in rank space, repeated until every |ρ| < 0.01.
        "grid": the released rule, for one nuisance and scores on the scale of [0, 1].
        Raises WorkbenchError for an unknown or constant nuisance, an unknown method, or no pairs.
        """
        against = (against,) if isinstance(against, str) else tuple(against)
        columns = [scores.index(name) for name in against]
        if not against or len(set(against)) != len(against):
            raise WorkbenchError(f"nuisances {listing(against) or 'none'}", remedy="Name one nuisance, or several different ones")
        if method not in METHODS or (method == "grid" and len(against) > 1):
            what = f"debias method {method!r} for {len(against)} nuisance(s)"
            raise WorkbenchError(what, remedy="Use 'exact'; 'grid' is for one nuisance")
        table = _pooled(scores if reference is None else reference.select(scores.names))
        nuisance = table[:, columns]
        for name, column in zip(against, nuisance.T):
            if np.ptp(column) <= FLAT * np.abs(column).max():
                raise WorkbenchError(f"nuisance {name!r} is constant", remedy="Choose a column that differs between responses")
        penalty = np.zeros((len(against), len(scores.names)))
        penalty[np.arange(len(against)), columns] = 1.0
        fixed, rest = unit_ranks(nuisance), [k for k in range(len(scores.names)) if k not in columns]
        for k in rest:
            if method == "grid":
                penalty[0, k] = first_on_grid(table[:, k], nuisance[:, 0], fixed[:, 0])
            else:
                penalty[:, k] = _penalties(table[:, k], nuisance, fixed, nonnegative)
        before, after = farthest(table, nuisance, np.zeros_like(penalty)), farthest(table, nuisance, penalty)
        left = [scores.names[k] for k in rest if (after[k] if nonnegative else abs(after[k])) >= SEVERAL_LIMIT]
        if left and len(against) > 1:
            warnings.warn(f"correlation of {SEVERAL_LIMIT} or more is left in {listing(left)}: see .residual", stacklevel=2)
        return cls(penalty[0] if len(against) == 1 else penalty, scores.names, against, before, after, method)

    @classmethod
    def from_matrix(cls, matrix: ObjObj, names: Iterable[str], *, reference: Scores | None = None) -> Debiased | None:
        """The debias that a published matrix T makes, r' = r @ T; None for the identity, which takes nothing.

        Nuisances are the objectives whose row is not the identity's, so that any T can be said; method "given". Correlations
        are measured on `reference`. WorkbenchError for a matrix that does not fit the names, or is not finite.
        """
        matrix, names = np.asarray(matrix, np.float64), tuple(names)
        if matrix.shape != (len(names), len(names)) or not np.isfinite(matrix).all():
            raise WorkbenchError(f"a transform of {matrix.shape} for {len(names)} objectives", remedy="One finite row and column for each")
        taken = np.eye(len(names)) - matrix
        rows = np.flatnonzero(taken.any(axis=1))
        if not len(rows):
            return None
        penalty, before, after = taken[rows], np.full(len(names), np.nan), np.full(len(names), np.nan)
        if reference is not None:
            table = _pooled(reference.select(names))
            before, after = (farthest(table, table[:, rows], each) for each in (np.zeros_like(penalty), penalty))
        return cls(penalty[0] if len(rows) == 1 else penalty, names, tuple(names[row] for row in rows), before, after, GIVEN)

    @property
    def matrix(self) -> ObjObj:
        """T of r' = r @ T."""
        matrix = np.eye(len(self.names))
        matrix[[self.names.index(name) for name in self.against]] -= np.atleast_2d(self.penalty)
        return matrix

    def __call__(self, scores: Scores) -> Scores:
        """The scores without the nuisance, whose own column is 0 where its λ is 1. WorkbenchError for other objectives."""
        if set(scores.names) != set(self.names):
            odd = set(scores.names) ^ set(self.names)
            raise WorkbenchError(f"debias was fitted on other objectives: {listing(sorted(odd))}", remedy="Fit it again, or select them")
        columns = [scores.index(name) for name in self.against]
        penalty = np.atleast_2d(self.penalty)[:, [self.names.index(name) for name in scores.names]]
        values = scores.values.astype(np.float64)
        return Scores(values - values[..., columns] @ penalty, scores.names)

    def state(self) -> dict[str, np.ndarray]:
        """Numeric arrays alone (the names as JSON bytes), for safetensors."""
        words = json.dumps({"names": self.names, "against": self.against, "method": self.method}).encode()
        arrays = {"penalty": self.penalty, "before": self.before, "residual": self.residual}
        return {**arrays, "words": np.frombuffer(words, np.uint8).copy()}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Debiased:
        """The debias that `state` was taken from."""
        words = json.loads(bytes(np.asarray(state["words"], np.uint8)))
        penalty, before, residual = (np.asarray(state[name], np.float64) for name in ("penalty", "before", "residual"))
        return cls(penalty, tuple(words["names"]), tuple(words["against"]), before, residual, words["method"])


def exact_root(values: Row, nuisance: Row, *, start: float = 0.0, fixed: Row | None = None) -> float:
    """λ where Spearman(values − λ nuisance, nuisance) changes sign; `start` is a guess that may save steps.

    The correlation never rises with λ: the bracket is widened until it holds a sign change, then narrowed to it by
    secant steps where they help and bisection where the steps of the function mislead them. The first guess comes from some
    of many rows; in a narrow bracket only the rows that change places in it are sorted again. fixed: `unit_ranks(nuisance)`.
    """
    from scipy.optimize import brentq

    values, nuisance = values.astype(np.float64), nuisance.astype(np.float64)
    if np.ptp(values) <= FLAT * np.abs(values).max():
        return 0.0
    if start == 0 and len(values) > 4 * SOME:
        start = _guess(values, nuisance)
    fixed = unit_ranks(nuisance) if fixed is None else fixed
    scale = values.std() / nuisance.std()  # a unit of λ for the search

    @lru_cache(maxsize=4)
    def look(step: float) -> tuple[np.ndarray, float]:
        return _look(values, nuisance, fixed, step * scale)

    def rho(step: float) -> float:
        return look(step)[1]

    begin = start / scale
    if rho(begin) == 0.0:
        return float(start)
    root = brentq(rho, *_bracket(rho, begin, 1.5 * abs(rho(begin))), xtol=NARROW)
    if rho(root) != 0:
        ends = _bracket(rho, root, NARROW)
        known, between = {end: rho(end) for end in ends}, _among_moved(values, nuisance, fixed, *(look(end)[0] for end in ends))
        root = brentq(lambda step: known[step] if step in known else between(step * scale), *ends, xtol=1e-14,
                      rtol=8 * np.finfo(float).eps, maxiter=300)
    return float(root * scale)


def _guess(values: np.ndarray, nuisance: np.ndarray) -> float:
    """The root of some rows, 0 where they do not show one."""
    rows = np.random.default_rng(0).integers(0, len(values), SOME)
    return exact_root(values[rows], nuisance[rows]) if np.ptp(nuisance[rows]) > 0 else 0.0


def _bracket(rho, near: float, width: float) -> tuple[float, float]:
    """Two places with a sign change between them, the first where its search began or came by."""
    direction = np.sign(rho(near))
    for _ in range(200):
        far = near + direction * width
        if far == near or rho(far) * direction > 0:
            near, width = far, width * 4
        else:
            return near, far
    raise WorkbenchError("no penalty removes the correlation", remedy="Look for extreme values in the nuisance or the objective")


def _among_moved(values: np.ndarray, nuisance: np.ndarray, fixed: np.ndarray, one: np.ndarray, other: np.ndarray):
    """λ → a number with the sign of the correlation, for λ between two where the rows stand in the orders `one` and `other`.

    Two rows change places at one λ at most. So where both orders have the same rows up to some place, none of them crosses
    it in between: a row that is alone between two such places stays, and only the others are sorted.
    """
    place = np.empty(len(one), np.int64)
    place[other] = np.arange(len(one))
    place = place[one]  # where the first, second … of `one` stand in `other`
    closed = np.maximum.accumulate(place) == np.arange(len(one))
    moves = ~(closed & np.concatenate([[True], closed[:-1]]))
    middle, rows, at = (len(one) - 1) / 2, one[moves], np.flatnonzero(moves)
    rest = (np.flatnonzero(~moves) - middle) @ fixed[one[~moves]]
    v, n, ranked = values[rows], nuisance[rows], fixed[rows]
    return lambda penalty: float(rest + (at - middle) @ ranked[np.argsort(v - penalty * n)])


def first_on_grid(values: Row, nuisance: Row, fixed: Row | None = None) -> float:
    """The released rule: the first λ of GRID with a correlation of 0.03 or less, however negative; else 1. fixed: the nuisance's ranks."""
    fixed = unit_ranks(nuisance) if fixed is None else fixed
    at = bisect_left(GRID, True, key=lambda step: _look(values, nuisance, fixed, step)[1] <= GRID_LIMIT)  # it never rises
    return GRID[at] if at < len(GRID) else 1.0


def _left(values: np.ndarray, nuisance: np.ndarray, penalty: float | np.ndarray) -> tuple[np.ndarray, bool]:
    """values − nuisance · λ, and whether only rounding is left to rank."""
    taken = nuisance @ penalty if nuisance.ndim == 2 else nuisance * penalty
    left = values - taken
    return left, bool(np.ptp(left) <= FLAT * (np.abs(values).max() + np.abs(taken).max()))


def _look(values: np.ndarray, nuisance: np.ndarray, fixed: np.ndarray, penalty: float | np.ndarray):
    """The order of the rows by values − nuisance · λ, and the Spearman correlation of that with the nuisance (with each of several)."""
    left, flat = _left(values, nuisance, penalty)
    order, rho = against(left, fixed)
    return order, 0 * rho if flat else rho


def farthest(table: np.ndarray, nuisance: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """[obj]: of the correlations left with each nuisance, the one farthest from 0."""
    fixed = unit_ranks(nuisance)
    rho = np.stack([_look(column, nuisance, fixed, taken)[1] for column, taken in zip(table.T, penalty.T)])
    return rho[np.arange(len(rho)), np.abs(rho).argmax(axis=1)]


def joint_root(values: Row, nuisance: RowDim, fixed: RowDim | None = None) -> Float[np.ndarray, " dim"]:
    """λ [nuisance] that leaves no rank correlation with any of several nuisances [row nuisance], as far as 0.001.

    Steps from a regression of ranks on ranks; where one would not help (heavy tails), the exact root in each nuisance
    in turn. The best λ seen is given back. fixed: `unit_ranks(nuisance)`.
    """
    fixed, spread = unit_ranks(nuisance) if fixed is None else fixed, nuisance.std(axis=0)

    def look(penalty):
        left, flat = _left(values, nuisance, penalty)
        ranked = np.zeros_like(left) if flat else unit_ranks(left)
        return np.abs(fixed.T @ ranked).max(), penalty, left, ranked

    best = look(np.zeros(nuisance.shape[1]))
    for _ in range(ROUNDS):
        worst, penalty, left, ranked = best
        if worst < SEVERAL_LIMIT / 10:
            break
        trial = look(penalty + np.linalg.lstsq(fixed, ranked, rcond=1e-9)[0] * left.std() / spread)
        if trial[0] > worst / 2:
            turn = penalty.copy()
            for q, column in enumerate(nuisance.T):
                turn[q] += exact_root(values - nuisance @ turn, column, fixed=fixed[:, q])
            trial = min(trial, look(turn), key=lambda seen: seen[0])
        if trial[0] >= worst:
            break
        best = trial
    return best[1]


def _penalties(values: np.ndarray, nuisance: np.ndarray, fixed: np.ndarray, nonnegative: bool) -> np.ndarray:
    """λ [nuisance] of one objective; with `nonnegative` the most negative one is set to 0 until none is left."""
    free, penalty = np.arange(nuisance.shape[1]), np.zeros(nuisance.shape[1])
    while len(free):
        some, one = (nuisance[:, free], fixed[:, free]), free[0]
        found = joint_root(values, *some) if len(free) > 1 else np.array([exact_root(values, nuisance[:, one], fixed=fixed[:, one])])
        if not nonnegative or (found >= 0).all():
            penalty[free] = found
            break
        free = np.delete(free, found.argmin())
    return penalty


def _pooled(scores: Scores) -> np.ndarray:
    """[row obj] float64: both sides of all pairs."""
    if not len(scores):
        raise WorkbenchError("no pairs to fit the penalty on", remedy="Give a reference with pairs in it")
    return scores.values.reshape(-1, len(scores.names)).astype(np.float64)
