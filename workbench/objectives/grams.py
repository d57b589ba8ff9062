"""XᵀX and XᵀY of many overlapping sets of rows in one pass over them, each row multiplied as seldom as pays.

Objectives that are rated on the same rows share a *mask*. Rows that carry the same masks form a block, whose product is
made once and added to every mask that holds it. Each row also belongs to one *part* (training or held-out families, or a
fold): a fit adds the parts it may see, which loses no digits, where a difference would.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import WorkbenchError, listing
from .host import Host

ADDITION = 100  # rows whose product costs about as much as adding one block to one mask
BLOCKS = 64  # blocks of several masks at most: each has rows waiting in memory
TILE = 512
ROWS = 2048  # multiplied together, or one per dim where that is more: adding a product up is then little beside making it
FEWEST = 128


@dataclass(frozen=True, eq=False)
class Masks:
    """Which rows are rated: rated [row mask], and `of` [obj], the mask of each objective."""

    rated: np.ndarray
    of: np.ndarray

    @classmethod
    def find(cls, y: np.ndarray) -> Masks:
        """The distinct columns of ~isnan(y)."""
        rated = ~np.isnan(y)
        _, first, of = np.unique(np.packbits(rated, axis=0).T, axis=0, return_index=True, return_inverse=True)
        return cls(rated[:, first], of.reshape(-1))

    def __len__(self) -> int:
        return self.rated.shape[1]

    def objectives(self, mask: int) -> np.ndarray:
        return np.flatnonzero(self.of == mask)


@dataclass(frozen=True, eq=False)
class Triangle:
    """A symmetric [dim dim] matrix in float64, as the bands of its lower triangle: about half the memory and work."""

    bands: list

    @classmethod
    def zeros(cls, dim: int, engine) -> Triangle:
        return cls([engine.zeros(min(TILE, dim - start), min(start + TILE, dim)) for start in range(0, dim, TILE)])

    @staticmethod
    def size(dim: int) -> int:
        """Bytes of one."""
        return 8 * sum(min(TILE, dim - start) * min(start + TILE, dim) for start in range(0, dim, TILE))

    @property
    def trace(self) -> float:
        return float(sum(band[:, -len(band) :].diagonal().sum() for band in self.bands))

    def quadratic(self, weights):
        """w·Aw [...] of weights [... dim]."""
        total = 0.0
        for at, band in enumerate(self.bands):
            start, end = TILE * at, TILE * at + len(band)
            through = weights[..., start:end] @ band
            through[..., :start] *= 2.0
            total = total + (through * weights[..., :end]).sum(-1)
        return total


def whole(triangles: list[Triangle], engine):
    """The sum of some, as a full matrix [dim dim]."""
    dim = TILE * (len(triangles[0].bands) - 1) + len(triangles[0].bands[-1])
    full = engine.zeros(dim, dim)
    for at, bands in enumerate(zip(*(one.bands for one in triangles))):
        start, end = TILE * at, TILE * at + len(bands[0])
        for band in bands:
            full[start:end, :end] += band
        full[:start, start:end] = full[start:end, :start].T
    return full


def add_product(triangles: list[Triangle], rows, engine) -> None:
    """rowsᵀ rows added to each; made in the dtype of the rows, band by band, added in float64."""
    for at, bands in enumerate(zip(*(one.bands for one in triangles))):
        start, end = TILE * at, TILE * at + len(bands[0])
        mine = rows[:, start:end].T
        square = engine.product(mine, mine.T)  # the same memory twice: numpy makes half of it and mirrors it
        beside = engine.product(mine, rows[:, :start]) if start else None
        for band in bands:
            band[:, start:] += square
            if start:
                band[:, :start] += beside


@dataclass(frozen=True, eq=False)
class Grams:
    """What a pass leaves: gram [mask][part], XᵀX; moment [part dim obj], XᵀY of each part's rated rows; count [part obj];
    length: the mean |x|² of the rated rows; double [mask]: whether its products were made in float64."""

    gram: list[list[Triangle]]
    moment: np.ndarray
    count: np.ndarray
    length: float
    double: np.ndarray
    engine: Host

    @classmethod
    def of(cls, x, y: np.ndarray, masks: Masks, part: np.ndarray, parts: int, *, double: np.ndarray | None = None,
           memory: int | None = None, engine: Host | None = None) -> Grams:
        """x [row dim], an array or a stream, read once in the order of its rows; y [row obj]; part [row] in 0 … parts − 1.

        double [mask]: float64 products (default: all), else float32 ones of some thousand rows at a time, summed in
        float64. memory: bytes that the matrices and the rows waiting for their block may fill (default: the budget).
        The same x, y, part and memory give the same bytes, however the rows are read. Raises WorkbenchError for a
        non-finite feature, and where the matrices do not fit.
        """
        engine, dim = engine or Host(), x.shape[1]
        double = np.ones(len(masks), bool) if double is None else double
        groups = _groups(masks, part)
        wide = [bool(double[list(within)].any()) for within, _ in groups]
        most = _batch(dim, [len(rows) * (1 + w) for rows, w in zip(groups.values(), wide)], len(masks) * parts, memory, engine)
        gram = [[Triangle.zeros(dim, engine) for _ in range(parts)] for _ in range(len(masks))]
        pools = []
        for ((within, p), rows), w in zip(groups.items(), wide):
            columns = np.flatnonzero(np.isin(masks.of, within))
            labels = engine.labels(y[np.ix_(rows, columns)], w)
            buffer = engine.buffer(min(max(most // (1 + w), 1), len(rows)), dim, w)
            pools.append(_Pool(rows, p, columns, labels, buffer, [gram[mask][p] for mask in within], engine))
        for start, chunk in engine.chunks(x, memory):
            bad = engine.broken(chunk)
            if len(bad):
                raise WorkbenchError(f"NaN or infinite feature in rows {listing(start + bad)}", remedy="Leave those rows out")
            _feed(pools, chunk, start)
        moment = np.zeros((parts, dim, y.shape[1]))
        for pool in pools:
            pool.empty()
            moment[pool.part][:, pool.columns] += engine.host(pool.moment)
        count = np.stack([(~np.isnan(y[part == p])).sum(axis=0) for p in range(parts)])
        length = sum(one.trace for row in gram for one in row) / max(int(masks.rated.sum()), 1)
        return cls(gram, moment, count, length, double, engine)

    def over(self, mask: int, objectives: np.ndarray, parts: tuple[int, ...]) -> tuple:
        """XᵀX [dim dim] of a mask, where the engine has it, and XᵀY [dim obj] of its objectives, summed over parts."""
        return whole([self.gram[mask][p] for p in parts], self.engine), sum(self.moment[p][:, objectives] for p in parts)

    def squared(self, mask: int, part: int, weights: np.ndarray) -> np.ndarray:
        """Sum of squared predictions [alpha obj] of weights [alpha obj dim] on a mask's rows of a part."""
        return self.engine.host(self.gram[mask][part].quadratic(self.engine.put_over(weights)))


class _Pool:
    """The rows of one set of masks and part, waiting in a buffer to be multiplied together."""

    def __init__(self, rows, part, columns, labels, buffer, triangles, engine):
        self.rows, self.part, self.columns, self.labels = rows, part, columns, labels
        self.buffer, self.triangles, self.engine = buffer, triangles, engine
        self.index, self.moment = engine.index(rows), engine.zeros(buffer.shape[1], len(columns))
        self.held = self.done = 0  # rows that wait, and those that came

    @property
    def full_at(self) -> int:
        """The row that fills the buffer; one past all where none does."""
        last = self.done + len(self.buffer) - self.held - 1
        return int(self.rows[last]) if last < len(self.rows) else np.iinfo(np.int64).max

    def take(self, chunk, start: int, stop: int) -> None:
        """Copy what a chunk has of these rows before `stop`: never more than the buffer holds."""
        some = int(np.searchsorted(self.rows, stop)) - self.done
        if some:
            self.engine.put(self.buffer, self.held, chunk, self.index[self.done : self.done + some] - start)
            self.held, self.done = self.held + some, self.done + some

    def empty(self) -> None:
        if self.held:
            rows = self.buffer[: self.held]
            add_product(self.triangles, rows, self.engine)
            self.moment += self.engine.product(rows.T, self.labels[self.done - self.held : self.done])
            self.held = 0


def _feed(pools: list[_Pool], chunk, start: int) -> None:
    """A chunk to all pools. Full buffers are multiplied in the order of the rows that filled them, wherever chunks end."""
    stop = start + len(chunk)
    while pools and (row := (first := min(pools, key=lambda pool: pool.full_at)).full_at) < stop:
        first.take(chunk, start, row + 1)
        first.empty()
    for pool in pools:
        pool.take(chunk, start, stop)


def _groups(masks: Masks, part: np.ndarray) -> dict[tuple[tuple[int, ...], int], np.ndarray]:
    """(masks, part) → rows, ascending."""
    found: dict[tuple, list[np.ndarray]] = {}
    for rows, within, p in blocks(masks.rated, part):
        found.setdefault((tuple(within.tolist()), p), []).append(rows)
    return {key: np.sort(np.concatenate(rows)) for key, rows in found.items()}


def _batch(dim: int, sizes: list[int], triangles: int, memory: int | None, engine: Host) -> int:
    """Rows of float32 that may wait for each group; WorkbenchError where not even a few fit beside the matrices."""
    def needed(rows: int) -> int:
        return triangles * Triangle.size(dim) + 4 * dim * (sum(min(rows, size) for size in sizes) + 6 * dim)  # solving takes three matrices

    most = max(ROWS, dim)
    while most > FEWEST and needed(most) > engine.room(memory):
        most //= 2
    of = "matrices: one per set of rated rows and part (fewer folds; objectives rated on the same rows)"
    engine.claim(needed(most), f"{triangles} matrices of {dim:,} × {dim:,} for probes", memory, count=triangles, of=of)
    return most


def blocks(rated: np.ndarray, part: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """(rows, masks, part) in which each row meets each of its masks exactly once.

    A pattern of masks becomes a block where sharing its product saves more than the additions cost (of many the largest
    BLOCKS); the rows of all other patterns are taken again for each mask.
    """
    parts = int(part.max()) + 1
    held, of = _patterns(rated)
    key = of * parts + part
    size = np.bincount(key, minlength=len(held) * parts)
    wide = held.sum(axis=1).repeat(parts)
    saved = np.where(wide > 1, size * (wide - 1) - ADDITION * wide, 0)
    saved[np.argsort(-saved, kind="stable")[BLOCKS:]] = 0
    order = np.argsort(key, kind="stable")
    loose = [np.empty(0, np.int64)]
    for rows in np.split(order, np.cumsum(size)[:-1]):
        if not len(rows):
            continue
        within = np.flatnonzero(held[of[rows[0]]])
        if len(within) == 1 or saved[key[rows[0]]] > 0:
            yield rows, within, int(part[rows[0]])
        elif len(within):
            loose.append(rows)
    rest = np.sort(np.concatenate(loose))
    for p in np.unique(part[rest]):
        here = rest[part[rest] == p]
        for mask in range(rated.shape[1]):
            rows = here[rated[here, mask]]
            if len(rows):
                yield rows, np.array([mask]), int(p)


def _patterns(rated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows [pattern mask] and which of them each row is [row]."""
    code = np.zeros(len(rated), np.int64)
    for start in range(0, rated.shape[1], 32):  # more bits than an integer has are taken in turns
        for column in rated.T[start : start + 32]:
            code = 2 * code + column
        code = np.unique(code, return_inverse=True)[1].reshape(-1)
    _, first, of = np.unique(code, return_index=True, return_inverse=True)
    return rated[first], of.reshape(-1)
