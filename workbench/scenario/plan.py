"""A scenario's columns on a study: swap → scale → debias → drop and multiply, for any split and without training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from ..axes import Obj, PairObj, PairSide, SeedPair, SeedPairObj
from ..errors import WorkbenchError
from ..objectives.debias import Debiased, farthest
from ..objectives.ranks import against, unit_ranks
from ..scores import Scores
from .inputs import Inputs
from .recipe import GIVEN, Scenario

BLOCK = 16_384  # pairs of a time


@dataclass(frozen=True, eq=False)
class Plan:
    """What stands in each kept objective's place, what is taken from it, and its multiplier.

    names, sources, multiplier [obj]; nuisances: columns; penalty [nuisance obj], in units of training deviations, None
    without debias; how: its method, and whether it is kept from being negative. A source may be another objective or a
    measured column; debias comes before drop.
    """

    inputs: Inputs
    names: tuple[str, ...]
    sources: tuple[str, ...]
    multiplier: Obj
    nuisances: tuple[str, ...] = ()
    penalty: Float[np.ndarray, "nuisance obj"] | None = None
    how: tuple[str, bool] = ("exact", False)

    @classmethod
    def make(cls, scenario: Scenario, inputs: Inputs) -> Plan:
        """Raises WorkbenchError for a name that is no objective, or no column, of the study."""
        names = scenario.kept(inputs.names)
        for field, columns in (("swap", scenario.swap.values()), ("debias", scenario.nuisances)):
            for column in columns:
                if not inputs.has(column):
                    known = ", ".join(dict.fromkeys((*inputs.names, *inputs.study.columns)))
                    raise WorkbenchError(f"unknown column {column!r}", where=f"scenario, {field}", remedy=f"Known: {known}")
        sources = tuple(scenario.swap.get(name, name) for name in names)
        multiplier = np.array([float(scenario.multiply.get(name, 1.0)) for name in names])
        if not scenario.debias:
            return cls(inputs, names, sources, multiplier)
        nuisances = tuple(dict.fromkeys(scenario.swap.get(name, name) for name in scenario.nuisances))
        how = scenario.debias_method, scenario.nonnegative
        return cls(inputs, names, sources, multiplier, nuisances, _solved(inputs, sources, nuisances, how, "reference"), how)

    @cached_property
    def train_penalty(self) -> Float[np.ndarray, "nuisance obj"] | None:
        """The penalties of the out-of-family scores that gates learn from: solved when a gate is to be trained, not for a preview."""
        return None if self.penalty is None else _solved(self.inputs, self.sources, self.nuisances, self.how, "train")

    @cached_property
    def null(self) -> tuple[str, ...]:
        """Objectives that debias makes zero, nuisances with a λ of 1 on themselves: the gate's mass on them is a null expert."""
        if self.penalty is None:
            return ()
        return tuple(name for name, source, taken in zip(self.names, self.sources, self.penalty.T)
                     if source in self.nuisances and np.array_equal(taken, [source == nuisance for nuisance in self.nuisances]))

    def _penalty(self, split: str) -> np.ndarray:
        return self.train_penalty if split == "train" else self.penalty

    def raw(self, split: str) -> Scores:
        """The kept objectives before debias and multiplier, scaled."""
        if self.sources == self.inputs.names:
            return self.inputs.table(split)
        return Scores(np.stack([self.inputs.column(source, split) for source in self.sources], axis=-1), self.names)

    def nuisance(self, split: str) -> Scores | None:
        """The nuisance columns, scaled."""
        if not self.nuisances:
            return None
        return Scores(np.stack([self.inputs.column(name, split) for name in self.nuisances], axis=-1), self.nuisances)

    def scores(self, split: str) -> Scores:
        """What the gate reads: debiased, scaled, multiplied."""
        values = self.raw(split).values
        if self.penalty is not None:
            values = values - self.nuisance(split).values @ self._penalty(split)
            values[..., [name in self.null for name in self.names]] = 0.0
        return Scores(values * self.multiplier, self.names)

    def debiased(self, scenario: Scenario) -> Debiased | None:
        """The same penalties over all objectives as one map r' = r @ T on scaled scores; None without debias."""
        if self.penalty is None:
            return None
        if self.how[0] == GIVEN:
            return self.inputs.model.debias
        names, table = self.inputs.names, self.inputs.table("reference").values
        solved = [self.inputs.penalty(name, self.nuisances, scenario.debias_method, scenario.nonnegative) for name in names]
        penalty = np.stack(solved, axis=1)
        nuisance = np.stack([self.inputs.column(name, "reference") for name in self.nuisances], axis=-1)
        table, nuisance = (values.reshape(-1, values.shape[-1]) for values in (table, nuisance))
        before, left = (farthest(table, nuisance, taken) for taken in (np.zeros_like(penalty), penalty))
        return Debiased(penalty[0] if len(penalty) == 1 else penalty, names, self.nuisances, before, left, scenario.debias_method)

    def margins(self, weights: SeedPairObj, over: tuple[str, ...], split: str) -> tuple[SeedPair, np.ndarray | None]:
        """Σ_k weight_k Δscore_k under weights over the objectives `over`, without making the scores.

        An objective of `over` that is not kept is masked and the others scaled to the same sum: that factor [seed pair]
        comes with the margins, None where nothing is masked. One that has no weight adds nothing. For dev and test, whose
        penalties are the final ones.
        Oracle: Σ_k of weights × `scores(split).margins`, pair by pair.
        """
        place = [over.index(name) if name in over else -1 for name in self.names]
        there = [k for k, at in enumerate(place) if at >= 0]
        at = np.array([place[k] for k in there], np.int64)
        factor = np.zeros(len(over))
        factor[at] = self.multiplier[there]
        gaps = self._gaps({over[place[k]]: self.sources[k] for k in there}, over, split)
        masked = len(there) < len(over)
        taken = np.zeros((len(over), len(self.nuisances) + 2 * masked))  # everything else that weights are summed with
        if self.penalty is not None:
            taken[at, : len(self.nuisances)] = (self._penalty(split)[:, there] * self.multiplier[there]).T
        if masked:
            taken[at, -2] = taken[:, -1] = 1.0
        margins, sums = np.empty(weights.shape[:2]), np.empty((*weights.shape[:2], taken.shape[1]))
        for begin in range(0, len(gaps), BLOCK):  # weights are read once: what is in the caches serves both sums
            rows = slice(begin, begin + BLOCK)
            shown = gaps[rows] if (factor == 1).all() else gaps[rows] * factor
            for seed, one in enumerate(weights):
                np.einsum("pk,pk->p", one[rows], shown, out=margins[seed, rows])
                if taken.size:
                    np.matmul(one[rows], taken, out=sums[seed, rows])
        for j, name in enumerate(self.nuisances):
            margins -= sums[..., j] * _gap(self.inputs.column(name, split))
        if not masked:
            return margins, None
        share = np.divide(sums[..., -1], sums[..., -2], out=np.zeros_like(margins), where=sums[..., -2] > 0)
        return margins * share, share

    def differences(self, split: str) -> PairObj:
        """Chosen − rejected of `scores(split)`, which are not made for it."""
        gaps = self._gaps(dict(zip(self.names, self.sources)), self.names, split)
        if self.penalty is not None:
            gaps = gaps - np.stack([_gap(self.inputs.column(name, split)) for name in self.nuisances], axis=1) @ self._penalty(split)
        return gaps if (self.multiplier == 1).all() else gaps * self.multiplier

    def rewards(self, weights: PairObj, split: str) -> PairSide:
        """Σ_k weight_k score_k of both answers. Oracle: the same over `scores(split)`, which are not made for it."""
        known, over = self.inputs.names, np.zeros((len(self.names), len(self.inputs.names)))
        measured = [k for k, source in enumerate(self.sources) if source not in known]
        for k, source in enumerate(self.sources):
            if source in known:
                over[k, known.index(source)] = self.multiplier[k]
        found = np.einsum("pk,psk->ps", weights @ over, self.inputs.table(split).values)
        for k in measured:
            found += (weights[:, k] * self.multiplier[k])[:, None] * self.inputs.column(self.sources[k], split)
        if self.penalty is not None:
            taken = weights @ (self._penalty(split) * self.multiplier).T
            for j, name in enumerate(self.nuisances):
                found -= taken[:, j : j + 1] * self.inputs.column(name, split)
        return found

    def correlations(self, column: str, split: str) -> Obj:
        """Spearman of each of `scores(split)` with a column, both answers pooled; 0 for what debias makes zero.

        No multiplier above 0 changes a rank: each source is ranked once for each debias, and kept.
        """
        found = [0.0 if name in self.null else self._correlation(source, column, split) for name, source in zip(self.names, self.sources)]
        return np.array(found) * np.sign(self.multiplier)

    def _correlation(self, source: str, column: str, split: str) -> float:
        def ranked() -> float:
            values = self.inputs.column(source, split)
            if self.nuisances:
                values = values - self.nuisance(split).values @ self._penalty(split)[:, self.sources.index(source)]
            return self.against(values, column, split)

        return self.inputs.once(("rho", source, self.nuisances, self.how, column, split), ranked)

    def against(self, values: PairSide, column: str, split: str) -> float:
        """Spearman of any values with a column, both answers pooled; the column's ranks are kept."""
        ranks = self.inputs.once(("ranks", column, split), lambda: unit_ranks(self.inputs.column(column, split).reshape(-1)))
        return float(against(values.reshape(-1), ranks)[1])

    def _gaps(self, sources: dict[str, str], over: tuple[str, ...], split: str) -> PairObj:
        """Chosen − rejected of each source, in the order of `over`; the kept table itself where they are its columns."""
        table, known = self.inputs.margins(split), self.inputs.names
        if over != known:
            table = np.take(table, [known.index(name) if name in known else 0 for name in over], axis=1)
        swapped = [name for name, source in sources.items() if source != name]
        if swapped:
            table = table.copy()
            for name in swapped:
                table[:, over.index(name)] = _gap(self.inputs.column(sources[name], split))
        return table


def _solved(inputs: Inputs, sources: tuple[str, ...], nuisances: tuple[str, ...], how: tuple[str, bool], split: str) -> np.ndarray:
    return np.stack([inputs.penalty(source, nuisances, *how, split) for source in sources], axis=1)


def _gap(values: np.ndarray) -> np.ndarray:
    return values[:, 0] - values[:, 1]
