"""The numbers behind the probes: Cholesky factors along a path of α, and errors on held-out rows.

All in float64: float32 products would save a seventh of the time and lose the small α on collinear features.
"""

from __future__ import annotations

import numpy as np

CHUNK = 8192


def solve(gram: np.ndarray, moment: np.ndarray, alpha: float) -> np.ndarray:
    """(XᵀX + αI)⁻¹ XᵀY [dim obj]; where Cholesky fails, eigenvalues below rounding count as 0."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh

    system = gram.copy()
    system[np.diag_indices_from(system)] += alpha
    try:
        factor = cho_factor(system.T, lower=True, overwrite_a=True, check_finite=False)  # symmetric: .T is LAPACK's own order
        return cho_solve(factor, moment, check_finite=False)
    except LinAlgError:
        values, vectors = eigh(gram)
        values[values < values[-1] * len(values) * np.finfo(np.float64).eps] = 0.0
        return vectors @ ((vectors.T @ moment) / (values + alpha)[:, None])


def path(gram: np.ndarray, moment: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Weights [alpha obj dim] of objectives that share one Gram matrix: one Cholesky per α."""
    return np.stack([solve(gram, moment, alpha).T for alpha in alphas])


def held_out_errors(x: np.ndarray, y: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared error [alpha obj] and variance of the labels [obj] on some rows; NaN without a label there.

    Every α and objective in one product per chunk of rows.
    """
    alphas, objectives, dim = weights.shape
    flat = weights.reshape(-1, dim).T
    rows = rows[~np.isnan(y[rows]).all(axis=1)]
    total = np.zeros((alphas, objectives))
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        predicted = (x[some].astype(np.float64) @ flat).reshape(len(some), alphas, objectives)
        total += np.nansum((predicted - y[some][:, None]) ** 2, axis=0)
    labels = y[rows]
    count = (~np.isnan(labels)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = labels - np.nansum(labels, axis=0) / count
        return total / count, np.nansum(centred**2, axis=0) / np.where(count > 0, count, np.nan)


def best_alpha(error: np.ndarray) -> np.ndarray:
    """[obj] position of the least error, of equals the largest α; the middle of the grid where nothing was held out."""
    blind = np.isnan(error).any(axis=0)
    last = len(error) - 1 - np.argmin(np.where(blind, 0.0, error)[::-1], axis=0)
    return np.where(blind, len(error) // 2, last)
