"""The numbers behind the probes: ridge weights along a path of α from one Gram matrix, and their errors on another. All float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LARGE = 512  # dims from which a Krylov space is cheaper than a factorisation
STEPS = 48  # of the Krylov space: at 1024 dims they cost what one factorisation does
RESIDUAL = 1e-11  # of the moment
CORRECTIONS, SHRINK = 4, 1e3  # they are made while each divides the residual by about that much


def path(gram: np.ndarray, moment: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Weights [alpha obj dim], (XᵀX + αI)⁻¹ XᵀY, of objectives that share one Gram matrix; alphas ascending.

    The α that a short Krylov space settles come from there; of the others one that differs little from the last is
    reached from its Cholesky factor, and the rest take a factorisation each.
    """
    weights, settled = np.empty((len(alphas), moment.shape[1], len(gram))), np.zeros(len(alphas), bool)
    if len(gram) >= LARGE:
        weights[:], settled = krylov(gram, moment, alphas)
    solve, weight = None, None
    for at in np.flatnonzero(~settled):
        weight = solve and corrected(solve, gram, moment, alphas[at], weight)
        if weight is None:
            solve = solver(gram, alphas[at])
            weight = solve(moment)
        weights[at] = weight.T
    return weights


def solver(gram: np.ndarray, alpha: float) -> Callable[[np.ndarray], np.ndarray]:
    """(XᵀX + αI)⁻¹ of [dim obj]; where Cholesky fails, directions below rounding get no weight."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh

    system = gram.copy()
    system[np.diag_indices_from(system)] += alpha
    try:
        factor = cho_factor(system.T, lower=True, overwrite_a=True, check_finite=False)  # symmetric: .T is LAPACK's own order
        return lambda moment: cho_solve(factor, moment, check_finite=False)
    except LinAlgError:
        values, vectors = eigh(gram)
        known = values > values[-1] * len(values) * np.finfo(np.float64).eps
        return lambda moment: (vectors[:, known] / (values[known] + alpha)) @ (vectors[:, known].T @ moment)


def corrected(solve, gram: np.ndarray, moment: np.ndarray, alpha: float, weight: np.ndarray) -> np.ndarray | None:
    """Weights [dim obj] at α by the inverse at a smaller one; None where a few corrections will not do.

    Each shrinks the error by the difference of the two α over the least eigenvalue.
    """
    size = np.linalg.norm(moment, axis=0).max()
    for left in range(CORRECTIONS, -1, -1):
        residual = moment - gram @ weight - alpha * weight
        far = np.linalg.norm(residual, axis=0).max() / size if size else 0.0
        if far <= RESIDUAL:
            return weight
        if far > SHRINK**left * RESIDUAL * 100:
            return None
        weight = weight + solve(residual)
    return None


def krylov(gram: np.ndarray, moment: np.ndarray, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [alpha obj dim] within the Krylov space of each moment, and [alpha] whether their residual is below RESIDUAL.

    Adding αI does not change the space, so one run of Lanczos (with full reorthogonalisation) serves every α: the large
    ones always, all of them where the features are well conditioned. It ends when all have converged, or those that have
    not are too far behind to do so within STEPS.
    """
    count, dim = moment.shape[1], len(gram)
    size = np.linalg.norm(moment, axis=0)
    unit = np.where(size > 0, size, 1.0)
    basis = np.zeros((count, STEPS + 1, dim))
    basis[:, 0] = (moment / unit).T
    pivots, sides, beside = [], [], []  # the tridiagonal matrix + αI as LDLᵀ, one row longer each step
    for step in range(STEPS):
        new = basis[:, step] @ gram
        pivot, side = (new * basis[:, step]).sum(axis=1) + alphas[:, None], np.broadcast_to(size, (len(alphas), count))
        if step:
            pivot, side = pivot - beside[-1] ** 2 / pivots[-1], -beside[-1] / pivots[-1] * sides[-1]
        known = basis[:, : step + 1]
        for _ in range(2):  # twice is enough
            new -= ((known @ new[:, :, None]).transpose(0, 2, 1) @ known)[:, 0]
        pivots.append(pivot)
        sides.append(side)
        beside.append(np.linalg.norm(new, axis=1))
        basis[:, step + 1] = new / np.where(beside[-1] > 0, beside[-1], 1.0)[:, None]
        residual = (np.abs(side / pivot) * beside[-1] / unit).max(axis=1)
        if ((residual <= RESIDUAL) | (residual > 100 * RESIDUAL ** ((step + 1) / STEPS))).all():
            break
    inside = np.array(sides) / np.array(pivots)  # [step alpha obj]
    for step in range(len(pivots) - 2, -1, -1):
        inside[step] -= beside[step] / pivots[step] * inside[step + 1]
    weights = inside.transpose(2, 1, 0) @ basis[:, : len(pivots)]
    return weights.transpose(1, 0, 2), residual <= RESIDUAL


def best_alpha(error: np.ndarray) -> np.ndarray:
    """[obj] position of the least error, of equals the largest α; the middle of the grid where nothing was held out."""
    blind = np.isnan(error).any(axis=0)
    last = len(error) - 1 - np.argmin(np.where(blind, 0.0, error)[::-1], axis=0)
    return np.where(blind, len(error) // 2, last)
