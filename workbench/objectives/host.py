"""What one pass over the rows is made of, in numpy: reading, waiting rows, products. `device.Device` is the same in torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from .. import budget, rows
from ..errors import WorkbenchError
from .ridge import path

READ = 2**22  # bytes of an array looked at together: what is checked is still in the cache when it is copied


class Host:
    """The processor and its memory."""

    def chunks(self, x, memory: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, rows as float32 or float64), in order; views where x is such an array."""
        if isinstance(x, np.ndarray):
            size = max(1, READ // max(1, x.shape[1] * x.itemsize))
            some = (slice(start, min(start + size, len(x))) for start in range(0, len(x), size))
        else:
            some = rows.blocks(x, memory)
        for here in some:
            yield here.start, real(x[here])

    def claim(self, size: int, what: str, memory: int | None, *, count: int, of: str) -> None:
        """WorkbenchError where `size` bytes are more than `memory`, or than the budget."""
        if memory is None:
            budget.claim(size * 4 // 3, what, count=count, of=of)  # `room` says why
        elif size > memory:
            fits = f", or take at most {int(count * memory / size):,} {of}"
            raise WorkbenchError(f"{what} would fill {budget.words(size)}, `memory` is {budget.words(memory)}", remedy=f"Allow more{fits}")

    def room(self, memory: int | None) -> int:
        return max(budget.room(), 0) * 3 // 4 if memory is None else memory  # labels, and rows being read, take the rest

    def zeros(self, height: int, width: int) -> np.ndarray:
        return np.zeros((height, width))

    def buffer(self, height: int, width: int, double: bool) -> np.ndarray:
        return np.empty((height, width), np.float64 if double else np.float32)

    def index(self, positions: np.ndarray) -> np.ndarray:
        return positions

    def labels(self, y: np.ndarray, double: bool) -> np.ndarray:
        return np.ascontiguousarray(y, np.float64 if double else np.float32)

    def put(self, buffer: np.ndarray, at: int, chunk: np.ndarray, some: np.ndarray) -> None:
        """buffer[at:] = chunk[some], as far as it goes."""
        into = buffer[at : at + len(some)]
        if chunk.dtype == buffer.dtype:
            np.take(chunk, some, axis=0, out=into, mode="clip")
        else:
            into[...] = chunk[some]

    def broken(self, chunk: np.ndarray) -> np.ndarray:
        """Positions of rows that are not finite; sums that are not point to them."""
        with np.errstate(over="ignore", invalid="ignore"):
            suspects = np.flatnonzero(~np.isfinite(chunk @ np.ones(chunk.shape[1], chunk.dtype)))
        return suspects[~np.isfinite(chunk[suspects]).all(axis=1)]

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a @ b

    def host(self, value) -> np.ndarray:
        return np.asarray(value)

    def put_over(self, value: np.ndarray) -> np.ndarray:
        return value

    def sample(self, x, some: np.ndarray) -> np.ndarray:
        return real(x[some])

    def scores(self, chunk: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """[row obj] in float64, without a wide copy of all rows at once."""
        out = np.empty((len(chunk), len(weight)))
        for start in range(0, len(chunk), 1024):
            out[start : start + 1024] = chunk[start : start + 1024].astype(np.float64) @ weight.T
        return out

    def rcond(self, gram: np.ndarray, alpha: float) -> float:
        """Reciprocal condition number (1-norm, estimated) of XᵀX + αI as float32 sees it; 0 where it has no Cholesky factor."""
        from scipy.linalg import lapack

        system = gram.T.astype(np.float32)  # symmetric: .T is LAPACK's own order
        system[np.diag_indices_from(system)] += np.float32(alpha)
        norm = np.abs(system).sum(axis=0).max()
        factor, failed = lapack.spotrf(system, lower=1, overwrite_a=1, clean=0)
        return 0.0 if failed else float(lapack.spocon(factor, norm, uplo="L")[0])

    @contextmanager
    def within(self) -> Iterator[None]:
        """What runs out of memory all the same ends as one error."""
        try:
            yield
        except MemoryError:
            free = budget.words(budget.free())
            raise WorkbenchError(f"out of memory, {free} is free", remedy="Free some, or take fewer folds or objectives") from None

    def path(self, gram: np.ndarray, moment: np.ndarray, alphas: np.ndarray) -> np.ndarray:
        """Weights [alpha obj dim]."""
        return path(gram, moment, alphas)


def real(chunk) -> np.ndarray:
    """Rows as an array of float32, or float64 where they are wider."""
    chunk = np.asarray(chunk)
    if chunk.dtype in (np.float32, np.float64):
        return chunk
    return chunk.astype(np.float32 if chunk.dtype == np.float16 else np.float64)
