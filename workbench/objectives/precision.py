"""Which products may be made in float32: where that is a tenth of a second's gain or more, and costs no digit that anyone reads."""

from __future__ import annotations

import numpy as np

from ..errors import WorkbenchError
from .grams import Grams, Masks
from .host import Host

CHOICES = ("auto", "float32", "float64")
SMALL = 1e10  # products of two numbers that float64 makes within a second
ROWS_PER_DIM = 2  # fewer leave directions that only α holds up
LEAST = 1e-6  # reciprocal condition number: weights then move by less than 1e-3 of the largest, held-out errors by 1e-5
SAMPLED = LEAST / 30  # of two rows per dim, whose smallest eigenvalues are smaller than those of many
STRETCHES = 16
DECADES = 10.0 ** np.arange(-4, 5)  # around the mean squared length of a row


def doubles(x, masks: Masks, inner: np.ndarray, precision: str, alpha: float | None, engine: Host) -> np.ndarray:
    """[mask] whether the products are made in float64, as far as that can be said before they are made.

    inner [row]: the rows that the first fit sees; alpha: the smallest (None: of the scaled grid).
    """
    if precision not in CHOICES:
        raise WorkbenchError(f"precision {precision!r}", remedy=f"Choose one of {', '.join(CHOICES)}")
    if precision != "auto":
        return np.full(len(masks), precision == "float64")
    dim, rated = x.shape[1], masks.rated.any(axis=1)
    if str(x.dtype).removeprefix("torch.") == "float64" or rated.sum() * dim**2 < SMALL:
        return np.ones(len(masks), bool)
    few = masks.rated[inner].sum(axis=0) < ROWS_PER_DIM * dim
    return few if few.all() or _steady(x, np.flatnonzero(rated), alpha, engine) else np.ones(len(masks), bool)


def unsteady(grams: Grams, inner: tuple[int, ...], alpha: float) -> np.ndarray:
    """[mask] float32 products whose Gram matrix with αI is too ill-conditioned for them."""
    nothing = np.empty(0, np.int64)
    return np.array([not double and grams.engine.rcond(grams.over(mask, nothing, inner)[0], alpha) < LEAST
                     for mask, double in enumerate(grams.double)])


def scaled(length: float) -> np.ndarray:
    """Nine decades of α around the power of ten nearest to the mean squared length of a row.

    With weights and noise of like size the best α is noise over signal, times that length, whatever the number of rows.
    """
    return DECADES * (10.0 ** round(np.log10(length)) if length > 0 else 1.0)


def _steady(x, rated: np.ndarray, alpha: float | None, engine: Host) -> bool:
    """Whether a sample of rows (a few stretches, as rows lie on disk in order) is far from ill-conditioned."""
    size = 2 * x.shape[1]
    starts = np.linspace(0, max(len(rated) - size // STRETCHES, 0), STRETCHES).astype(int)
    some = rated[np.unique((starts[:, None] + np.arange(size // STRETCHES)).ravel())]
    sample = engine.sample(x, some)
    all_of_it = Masks(np.ones((len(some), 1), bool), np.zeros(1, int))
    grams = Grams.of(sample, np.zeros((len(some), 1)), all_of_it, np.zeros(len(some), int), 1, double=np.zeros(1, bool), engine=engine)
    alpha = scaled(grams.length)[0] if alpha is None else alpha
    gram, _ = grams.over(0, np.empty(0, np.int64), (0,))
    return engine.rcond(gram, alpha * len(some) / len(rated)) >= SAMPLED
