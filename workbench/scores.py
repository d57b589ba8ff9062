"""Scores: what everything upstream makes and everything downstream takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .axes import CHOSEN, REJECTED, Obj, PairObj, PairSide, PairSideObj
from .errors import WorkbenchError, listing


@dataclass(frozen=True, eq=False)
class Scores:
    """Objective scores of both sides of each pair.

    values [pair side obj] (side 0 = chosen), finite; names: one per objective, no two alike.
    Raises WorkbenchError for a wrong shape, a non-finite value or a repeated name.
    """

    values: PairSideObj
    names: tuple[str, ...]

    def __post_init__(self):
        values = np.asarray(self.values)
        if not np.issubdtype(values.dtype, np.floating):
            values = values.astype(np.float64)
        names = tuple(self.names)
        if values.ndim != 3 or values.shape[1] != 2 or values.shape[2] != len(names):
            raise WorkbenchError(
                f"scores have shape {values.shape}, wanted [pair, 2, {len(names)}]",
                remedy="Side 0 is the chosen answer, side 1 the rejected one; the last axis follows `names`",
            )
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise WorkbenchError(f"objective named twice: {listing(twice)}", remedy="Rename one of them")
        finite = np.isfinite(values).all(axis=(0, 1))
        if not finite.all():
            bad = [name for name, ok in zip(names, finite) if not ok]
            raise WorkbenchError(f"NaN or infinite score in {listing(bad)}", remedy="Leave those pairs or objectives out")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "names", names)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def margins(self) -> PairObj:
        """Chosen minus rejected, per objective."""
        return self.values[:, CHOSEN] - self.values[:, REJECTED]

    def index(self, name: str) -> int:
        """Position of an objective; WorkbenchError if there is none of that name."""
        try:
            return self.names.index(name)
        except ValueError:
            raise WorkbenchError(f"unknown objective {name!r}", remedy=f"Known: {', '.join(self.names)}") from None

    def column(self, name: str) -> PairSide:
        return self.values[:, :, self.index(name)]

    def select(self, names: Iterable[str]) -> Scores:
        """The named objectives, in the order asked for."""
        names = tuple(names)
        return Scores(self.values[:, :, [self.index(name) for name in names]], names)

    def join(self, other: Scores) -> Scores:
        """Both sets of objectives over the same pairs."""
        if len(self) != len(other):
            raise WorkbenchError(f"cannot join scores of {len(self)} and {len(other)} pairs", remedy="Align them by pair_id")
        return Scores(np.concatenate([self.values, other.values], axis=2), self.names + other.names)

    def replace(self, name: str, column: PairSide) -> Scores:
        """The same objectives with other values in one of them."""
        values = self.values.copy()
        values[:, :, self.index(name)] = column
        return Scores(values, self.names)

    def rows(self, index) -> Scores:
        """Some of the pairs, by position or mask."""
        return Scores(self.values[index], self.names)

    def scaled(self, factor: Obj) -> Scores:
        """Each objective divided by its factor, e.g. its training standard deviation."""
        return Scores(self.values / np.asarray(factor, self.values.dtype), self.names)

    def std(self) -> Obj:
        """Standard deviation of each objective over all responses; 1 where an objective is constant."""
        std = self.values.std(axis=(0, 1), dtype=np.float64)
        return np.where(std > 0, std, 1.0)
