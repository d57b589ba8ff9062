"""Why a pair came out as it did: the exact decomposition of its margin, and what would flip it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ..axes import Obj, ObjObj, Pair, PairObj
from ..errors import WorkbenchError
from ..scores import Scores


def contributions(weights: PairObj, scores: Scores | np.ndarray) -> PairObj:
    """Weight × score difference: rows sum to the margins. scores: or their differences [pair obj]."""
    difference = scores.margins if isinstance(scores, Scores) else scores
    if weights.shape != difference.shape:
        raise WorkbenchError("weights {} × {} beside scores of {} pairs × {} objectives".format(*weights.shape, *difference.shape))
    return weights * difference


def null_experts(scores: Scores) -> tuple[str, ...]:
    """Objectives whose scores are the same everywhere, as the debiased nuisance's are: their weight moves nothing."""
    return tuple(np.asarray(scores.names)[np.ptp(scores.values, axis=(0, 1)) == 0])


def decompose(weights: PairObj, scores: Scores, pair: int) -> pd.DataFrame:
    """One pair's margin: objective, weight (≥ 0), score difference, contribution; contributions sum to the margin."""
    weight, difference = weights[pair].astype(np.float64), scores.values[pair].astype(np.float64)
    difference = difference[0] - difference[1]
    return pd.DataFrame(
        {"objective": scores.names, "weight": weight, "difference": difference, "contribution": weight * difference}
    )


def decisive_shares(weights: PairObj, scores: Scores | np.ndarray) -> PairObj:
    """Share of |g_k Δr'_k| that each objective has in each pair [pair obj]; rows sum to 1, or to 0 where nothing differs."""
    size = contributions(weights, scores)
    np.abs(size, out=size)
    total = size.sum(axis=1, keepdims=True)
    total[total == 0] = 1.0
    size /= total
    return size


def effective_coefficients(weights: PairObj, matrix: ObjObj) -> PairObj:
    """c(x) = T g(x), signed: what each objective's score before debias adds to the reward (ArmoRM, arXiv 2406.12845).

    weights [pair obj] and matrix [obj obj] (r' = r @ T) over the same objectives. Raw scores r give Σ_k c_k r_k.
    """
    if matrix.shape[0] != weights.shape[1]:
        raise WorkbenchError(f"a {matrix.shape} matrix beside weights over {weights.shape[1]} objectives")
    return weights @ matrix.T


def penalty_certificate(plain: Pair, penalty: Pair) -> Pair:
    """t* = gᵀΔr / (gᵀλ Δr_v): the common factor on all debias penalties at which the pair would flip.

    plain [pair] the margin without debias, penalty [pair] what debias takes from it (margin = plain − penalty at
    t = 1). NaN where the penalty is zero: no factor flips the pair.
    """
    return np.divide(plain, penalty, out=np.full(plain.shape, np.nan), where=penalty != 0)


def mass_certificate(shares: PairObj, difference: PairObj) -> Pair:
    """The least total variation of the gate that brings the margin to zero, or NaN where no gate can take it past zero.

    shares [pair obj] rows sum to 1; difference [pair obj] signed Δr'. A pair that wins loses mass from the largest Δr'
    first, all of it to the smallest; a pair that loses, the other way round. Exact: a fractional knapsack.
    """
    margin = (shares * difference).sum(axis=1)
    sign = np.where(margin >= 0, 1.0, -1.0)[:, None]
    order = np.argsort(-sign * difference, axis=1, kind="stable")
    worth = np.take_along_axis(sign * difference, order, axis=1)
    mass = np.take_along_axis(shares, order, axis=1)
    drop = worth - worth[:, -1:]  # what one unit of mass takes from the margin
    taken = np.cumsum(mass * drop, axis=1)
    wanted = np.abs(margin)
    at = np.minimum((taken < wanted[:, None]).sum(axis=1), worth.shape[1] - 1)
    row = np.arange(len(at))
    before = np.where(at > 0, taken[row, at - 1], 0.0)
    moved = np.where(at > 0, np.cumsum(mass, axis=1)[row, at - 1], 0.0)
    step = drop[row, at]
    rest = np.divide(wanted - before, step, out=np.zeros_like(wanted), where=step > 0)
    return np.where((worth[:, -1] < 0) | (margin == 0), moved + rest, np.nan)


def mass_moves(shares: Obj, difference: Obj) -> tuple[list[tuple[int, float]], int] | None:
    """Whose gate mass the certificate of one pair moves, [(objective, mass)…] in the order taken, and to which objective.

    None where no gate can take the pair past zero; the masses add up to `mass_certificate`.
    """
    total = mass_certificate(shares[None], difference[None])[0]
    if np.isnan(total):
        return None
    sign = 1.0 if float(shares @ difference) >= 0 else -1.0
    order, left, moves = np.argsort(-sign * difference, kind="stable"), float(total), []
    for at in order[:-1]:
        part = min(float(shares[at]), left)
        if part > 0:
            moves.append((int(at), part))
        left -= part
    return moves, int(order[-1])


def flip_certificates(
    weights: PairObj, scores: Scores, raw: Scores, nuisance: Scores | None = None, penalty: np.ndarray | None = None,
    *, multiplier: Obj | None = None, spread: Pair | None = None,
) -> pd.DataFrame:
    """Both certificates of every pair: margin, spread, penalty, mass, words.

    weights [pair obj] of the gate; scores, raw: after and before debias; nuisance: its columns over the same pairs,
    penalty [nuisance obj] their λ; multiplier [obj] on the scores; spread [pair] over seeds, to be read beside them.
    """
    weights = weights.astype(np.float64)
    margin = contributions(weights, scores).sum(axis=1)
    factor = np.ones(weights.shape[1]) if multiplier is None else multiplier
    if nuisance is None:
        scaling = np.full(len(margin), np.nan)
    else:
        plain = (weights * factor * raw.margins).sum(axis=1)
        taken = (weights * factor * (nuisance.margins @ np.atleast_2d(penalty))).sum(axis=1)
        scaling = penalty_certificate(plain, taken)
    mass = mass_certificate(weights / weights.sum(axis=1, keepdims=True), scores.margins.astype(np.float64))
    return pd.DataFrame({
        "margin": margin, "spread": np.full(len(margin), np.nan) if spread is None else spread, "penalty": scaling, "mass": mass,
        "words": _each(scaling, 2, lambda t: "none by scaling the penalties" if np.isnan(t) else f"would flip at {t:.2f} × the penalties")
        + _each(100 * mass, 0, lambda v: "; none by moving the gate" if np.isnan(v) else f"; would flip at {v:.0f} % of the gate moved"),
    })


def _each(values: Pair, decimals: int, words: Callable[[float], str]) -> np.ndarray:
    """The words of every number, made once for those that print alike."""
    distinct, of = np.unique(np.round(values, decimals), return_inverse=True)
    return np.array([words(value) for value in distinct], object)[of]
