"""A scenario's columns on a study: swap → scale → debias → drop and multiply, for any split and without training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..axes import Obj, PairObj, SeedPair, SeedPairObj
from ..errors import WorkbenchError
from ..objectives.debias import Debiased, farthest
from ..scores import Scores
from .inputs import Inputs
from .recipe import Scenario


@dataclass(frozen=True, eq=False)
class Plan:
    """What stands in each kept objective's place, what is taken from it, and its multiplier.

    names, sources, multiplier [obj]; nuisances: columns; penalty [nuisance obj], in units of training deviations, None
    without debias (train_penalty: the same for the out-of-family scores that gates learn from). A source may be another
    objective or a measured column; debias comes before drop.
    """

    inputs: Inputs
    names: tuple[str, ...]
    sources: tuple[str, ...]
    multiplier: Obj
    nuisances: tuple[str, ...] = ()
    penalty: Float[np.ndarray, "nuisance obj"] | None = None
    train_penalty: Float[np.ndarray, "nuisance obj"] | None = None

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
        how = (nuisances, scenario.debias_method, scenario.nonnegative)
        final, train = (np.stack([inputs.penalty(source, *how, split) for source in sources], axis=1) for split in ("reference", "train"))
        return cls(inputs, names, sources, multiplier, nuisances, final, train)

    @property
    def null(self) -> tuple[str, ...]:
        """Objectives that debias makes zero: the gate's mass on them is a null expert."""
        return tuple(name for name, source in zip(self.names, self.sources) if source in self.nuisances)

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
        shown = gaps if (factor == 1).all() else gaps * factor
        margins = np.stack([np.einsum("pk,pk->p", one, shown) for one in weights])
        masked = len(there) < len(over)
        taken = np.zeros((len(over), len(self.nuisances) + 2 * masked))  # everything else that weights are summed with
        if self.penalty is not None:
            taken[at, : len(self.nuisances)] = (self._penalty(split)[:, there] * self.multiplier[there]).T
        if masked:
            taken[at, -2] = taken[:, -1] = 1.0
        sums = weights @ taken if taken.size else None
        for j, name in enumerate(self.nuisances):
            margins -= sums[..., j] * _gap(self.inputs.column(name, split))
        if not masked:
            return margins, None
        share = np.divide(sums[..., -1], sums[..., -2], out=np.zeros_like(margins), where=sums[..., -2] > 0)
        return margins * share, share

    def _gaps(self, sources: dict[str, str], over: tuple[str, ...], split: str) -> PairObj:
        """Chosen − rejected of each source, in the order of `over`; the kept table itself where they are its columns."""
        table, known = self.inputs.margins(split), self.inputs.names
        if over != known:
            table = table[:, [known.index(name) if name in known else 0 for name in over]]
        swapped = [name for name, source in sources.items() if source != name]
        if swapped:
            table = table.copy()
            for name in swapped:
                table[:, over.index(name)] = _gap(self.inputs.column(sources[name], split))
        return table


def _gap(values: np.ndarray) -> np.ndarray:
    return values[:, 0] - values[:, 1]
