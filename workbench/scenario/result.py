"""Result: what a scenario gave on a study, per seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ..axes import Obj, Pair, PairObj, PairSide, SeedPair, SeedPairObj
from ..errors import WorkbenchError, listing
from ..evaluate.attribution import decisive_shares, decompose, flip_certificates, mass_moves
from ..evaluate.correlation import equivalence_table, verbosity_table
from ..evaluate.inference import family_codes
from ..evaluate.metrics import accuracy, metric_table, slices
from ..model import RewardModel
from ..objectives.ranks import spearman
from ..scores import Scores
from ..study import Study
from . import cache, given
from .gates import weights_of
from .inputs import Inputs, prepare
from .plan import Plan
from .recipe import GIVEN, Scenario

HEAD = "reward"  # the one column of a Bradley–Terry head


@dataclass(frozen=True, eq=False)
class Result:
    """A scenario on one split of a study.

    names: objectives that take part; seeds: those trained; pairs: one row per pair; margins [seed pair]; penalty λ [obj]
    ([nuisance obj] for several), in training deviations, None without debias; gates: one per seed; stopped: "finished",
    or "cancelled" with what was trained by then; notes: what a reader must know; retrained False: a preview.
    Made on first use: weights [seed pair obj], scale, shares [pair obj], scores, raw, nuisance, metrics.
    """

    scenario: Scenario
    study: Study = field(repr=False)
    names: tuple[str, ...]
    seeds: tuple[int, ...]
    pairs: pd.DataFrame = field(repr=False)
    margins: SeedPair = field(repr=False)
    penalty: np.ndarray | None
    multiplier: Obj = field(repr=False)
    make: dict[str, Callable] = field(repr=False)
    gates: tuple = field(default=(), repr=False)
    retrained: bool = True
    stopped: str = "finished"
    split: str = "dev"
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    openings: int = 0  # how often the test split had been opened, this time included; 0 on dev

    @property
    def study_hash(self) -> str:
        return self.study.hash

    @cached_property
    def families(self) -> np.ndarray:
        """Family of each pair, as a number in order of appearance; its name is in `pairs`."""
        return self.make["families"]() if "families" in self.make else family_codes(self.pairs["family"])[0]

    @cached_property
    def slices(self) -> dict[str, np.ndarray]:
        """All pairs, then each section, as masks [pair]."""
        return self.make["slices"]() if "slices" in self.make else slices(self.pairs)

    @cached_property
    def mean_weights(self) -> PairObj:
        """Weights, mean over seeds: Σ_k of them times Δscore_k is the mean margin."""
        return self.make["mean weights"]() if "mean weights" in self.make else self.weights.mean(axis=0)

    @cached_property
    def weights(self) -> SeedPairObj:
        """Gate weights ≥ 0; rows sum to the gate's scale, and Σ_k weight_k Δscore_k is the margin."""
        return self.make["weights"]()

    @cached_property
    def scale(self) -> float:
        """Mean over seeds and pairs of the weights' row sums; 1.0 for a Bradley–Terry head, or where it is 0. Margins divided
        by it are in training deviations of the scores."""
        return 1.0 if self.names == (HEAD,) else float(self.weights.sum(axis=-1, dtype=np.float64).mean()) or 1.0

    @cached_property
    def shares(self) -> PairObj:
        """Weights as shares, mean over seeds: rows sum to 1."""
        return np.mean([weights / weights.sum(axis=1, keepdims=True) for weights in self.weights], axis=0)

    @cached_property
    def scores(self) -> Scores:
        """Scaled, debiased, multiplied scores: what the weights weigh."""
        return self.make["scores"]()

    @cached_property
    def differences(self) -> PairObj:
        """Chosen − rejected of the scores."""
        return self.make["differences"]() if "differences" in self.make else self.scores.margins

    @cached_property
    def rewards(self) -> PairSide:
        """R = Σ_k g_k(x) r'_k of both answers, mean over seeds; chosen − rejected is the margin."""
        if "rewards" in self.make:
            return self.make["rewards"](self.mean_weights)
        return np.einsum("pk,psk->ps", self.mean_weights, self.scores.values.astype(np.float64, copy=False))

    @cached_property
    def decisive(self) -> Obj:
        """Mean over pairs of each objective's share of |g_k Δr'_k| (`evaluate.decisive_shares`)."""
        return decisive_shares(self.mean_weights, self.differences).mean(axis=0)

    @cached_property
    def raw(self) -> Scores:
        """The same objectives scaled, before debias and multiplier."""
        return self.make["raw"]()

    @cached_property
    def nuisance(self) -> Scores | None:
        """Nuisance columns, scaled; None without debias."""
        return self.make["nuisance"]()

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """slice, metric, value, low, high, n, families, seeds, words: accuracy, log loss, "the longer wins"."""
        return self.make["metrics"]() if "metrics" in self.make else self._measured()

    def _measured(self) -> pd.DataFrame:
        return metric_table(self.margins, self.pairs, length=self.make["length"](), groups=self.families, parts=self.slices)

    @property
    def accuracy(self) -> float:
        """Share of pairs won, mean over seeds."""
        return accuracy(self.margins)

    @property
    def margin(self) -> Pair:
        """Mean margin over seeds."""
        return self.margins.mean(axis=0)

    @property
    def null(self) -> tuple[str, ...]:
        """Objectives that are zero after debias: the gate's mass on them is a null expert."""
        return self.make["null"]()

    def decompose(self, pair: int) -> pd.DataFrame:
        """One pair's mean margin: objective, weight, difference, contribution (`evaluate.decompose`)."""
        return decompose(self.mean_weights, self.scores, pair)

    def certificates(self) -> pd.DataFrame:
        """What would flip each pair (`evaluate.flip_certificates`), from weights averaged over seeds."""
        spread = self.margins.std(axis=0, ddof=1) if len(self.seeds) > 1 else None
        return flip_certificates(
            self.mean_weights, self.scores, self.raw, self.nuisance, self.penalty, multiplier=self.multiplier, spread=spread,
        )

    def certificate(self, pair: int) -> tuple[pd.Series, tuple[list[tuple[str, float]], str] | None]:
        """What would flip one pair: its row of `certificates`, and which objectives' mass is moved where; None where none would do."""
        weights, here = self.weights[:, pair : pair + 1].mean(axis=0), np.array([pair])
        scores, raw = self.scores.rows(here), self.raw.rows(here)
        spread = self.margins[:, pair : pair + 1].std(axis=0, ddof=1) if len(self.seeds) > 1 else None
        nuisance = None if self.nuisance is None else self.nuisance.rows(here)
        row = flip_certificates(weights, scores, raw, nuisance, self.penalty, multiplier=self.multiplier, spread=spread).iloc[0]
        found = mass_moves((weights / weights.sum(axis=1, keepdims=True))[0].astype(np.float64), scores.margins[0].astype(np.float64))
        return row, found and ([(self.names[at], mass) for at, mass in found[0]], self.names[found[1]])

    def correlations(self, column: str) -> Obj:
        """Spearman of each objective with a column, both answers of all pairs pooled; 0 for one that is zero."""
        if "plan" in self.make:
            return self.make["plan"]().correlations(column, self.split)
        other = prepare(self.study).column(column, self.split)
        return spearman(self.scores.values.reshape(other.size, -1), other.reshape(-1))

    def reward_correlation(self, column: str) -> float:
        """Spearman of the reward with a column, both answers of all pairs pooled."""
        if "plan" in self.make:
            return self.make["plan"]().against(self.rewards, column, self.split)
        return spearman(self.rewards.reshape(-1), prepare(self.study).column(column, self.split).reshape(-1))

    def verbosity(self, **options) -> pd.DataFrame:
        """Correlation of each objective with length before and after debias (`evaluate.verbosity_table`)."""
        length = self.make["length"]()
        if length is None and self.nuisance is None:
            raise WorkbenchError("no length is known", where=self.study.name, remedy="Debias against a column, or use a study with text")
        length = self.nuisance.values[:, :, 0] if length is None else length
        return verbosity_table(self.raw, self.scores, length, self.families, **options)

    def equivalence(self, **options) -> pd.DataFrame:
        """Is what debias leaves below |rho| 0.10 (`evaluate.equivalence_table`)? For one nuisance; its λ is fitted again on train."""
        plan = Plan.make(self.scenario, prepare(self.study))
        exact = self.scenario.debias_method == "exact" and not self.scenario.nonnegative  # what is fitted again
        if len(plan.nuisances) != 1 or self.names == (HEAD,) or not exact:
            raise WorkbenchError("equivalence is asked of an exact debias, of either sign, against one nuisance", where="scenario, debias")
        seen, there = (plan.nuisance(split).values[:, :, 0] for split in (self.split, "reference"))
        return equivalence_table(plan.raw(self.split), seen, self.families, reference=plan.raw("reference"), reference_nuisance=there,
                                 reference_groups=plan.inputs.split("train").families, **options)

    def tested(self) -> Result:
        """The same gates on the test split, opened and counted in runs/openings.json. WorkbenchError for a preview."""
        if not self.retrained or self.stopped != "finished":
            raise WorkbenchError("only a finished, retrained result opens the test split", remedy="Retrain it first")
        openings = cache.count_opening(self.study, self.scenario.id)
        inputs = prepare(self.study)
        return assemble(self.scenario, inputs, self.gates, self.seeds, split="test", seconds=self.seconds, openings=openings)

    def final(self) -> pd.DataFrame:
        """Metrics on the test split; `attrs["openings"]` says how often it has been opened on this study so far."""
        tested = self.tested()
        tested.metrics.attrs["openings"] = tested.openings
        return tested.metrics

    def reward_model(self, seed: int | None = None) -> RewardModel:
        """Probes, scale, debias and one seed's gate as one model. WorkbenchError where a measured column, or a score, is part of it."""
        plan = Plan.make(self.scenario, prepare(self.study))
        if not self.gates or self.names == (HEAD,) or plan.inputs.probes is None:
            raise WorkbenchError("no probes and gate to make a model of", remedy="Train a gate over objectives on a study with features")
        if plan.sources != plan.names or any(name not in plan.inputs.names for name in plan.nuisances):
            raise WorkbenchError("a swapped or measured column cannot be folded into the model", where="scenario",
                                 remedy="Use objectives alone, swapped for nothing, to export")
        if seed not in (None, *self.seeds):
            raise WorkbenchError(f"no gate of seed {seed}", remedy=f"Trained are {', '.join(map(str, self.seeds))}")
        gate, probes = self.gates[0 if seed is None else self.seeds.index(seed)], plan.inputs.probes
        if scored := [name for name in dict.fromkeys((*plan.names, *plan.nuisances)) if name not in probes.names]:
            raise WorkbenchError(f"{listing(scored)}: scores from elsewhere, which no model computes from features", where="scenario",
                                 remedy="Train without them to export")
        plan, factors = replace(plan, inputs=_probed(plan.inputs)), {n: by for n, by in self.scenario.multiply.items() if n in probes.names}
        return RewardModel(probes, plan.inputs.scale, plan.debiased(self.scenario), gate, factors or None)


def _probed(inputs: Inputs) -> Inputs:
    """Without objectives that are scores from elsewhere."""
    if inputs.names == (names := inputs.probes.names):
        return inputs
    train, every = (table[list(names)] for table in (inputs.train_predictions, inputs.predictions))
    return replace(inputs, names=names, train_predictions=train, predictions=every, kept={})


def assemble(scenario: Scenario, inputs, gates: tuple, seeds: tuple[int, ...], *, split: str = "dev", weights: SeedPairObj | None = None,
             margins: SeedPair | None = None, **about) -> Result:
    """A Result from trained gates; weights and margins are worked out unless they are given."""
    plan, data = Plan.make(scenario, inputs), inputs.split(split)
    make = {"raw": lambda: plan.raw(split), "scores": lambda: plan.scores(split), "nuisance": lambda: plan.nuisance(split),
            "length": lambda: inputs.length(split), "null": lambda: plan.null,
            "families": lambda: data.family_codes, "slices": lambda: data.slices, "differences": lambda: plan.differences(split),
            "rewards": lambda weights: plan.rewards(weights, split), "plan": lambda: plan}
    names, penalty, multiplier = plan.names, plan.penalty, plan.multiplier
    if penalty is not None and len(penalty) == 1:
        penalty = penalty[0]
    if scenario.gate.kind == "bradley-terry":
        names, penalty, multiplier = (HEAD,), None, np.ones(1)
        rewards = np.mean([gate(data.features) for gate in gates], axis=0)
        make |= {"scores": lambda: Scores(rewards[:, :, None], names), "nuisance": lambda: None, "null": lambda: ()}
        make["raw"] = make["scores"]
        for known in ("differences", "rewards", "plan"):
            del make[known]
    if margins is None:
        weights = np.stack([weights_of(gate, data) for gate in gates])
        if scenario.gate.kind == "bradley-terry":
            margins = np.stack([gate.margins(data.features) for gate in gates])
        else:
            margins, _ = plan.margins(weights, names, split)
    notes = _notes(plan, data) if names == plan.names else ()
    if scenario.gate.kind == GIVEN and about.get("retrained", True):
        notes += given.notes(scenario, inputs.model, names)
    make["weights"] = lambda: weights
    notes += about.pop("notes", ())
    return Result(scenario, inputs.study, names, tuple(seeds), data.pairs, margins, penalty, multiplier, make, tuple(gates), split=split,
                  notes=notes, **about)


def _notes(plan: Plan, data) -> tuple[str, ...]:
    said = [f"{', '.join(plan.null)}: zero after debias, its gate mass is a null expert"] if plan.null else []
    if plan.penalty is not None:
        negative = [name for name, column in zip(plan.names, plan.penalty.T) if (column < 0).any()]
        said += [f"negative penalty: debias rewards {' or '.join(plan.nuisances)} for {', '.join(negative)}"] if negative else []
    edge = [name for name in (plan.inputs.probes.at_edge if plan.inputs.probes else ()) if name in plan.sources]
    said += [f"{', '.join(edge)}: the probe's best alpha is at the edge of its grid"] if edge else []
    as_is = [source for source in plan.sources if source not in plan.inputs.probes.names] if plan.how[0] == GIVEN else []
    said += [f"{', '.join(as_is)}: the model has no penalty for it, it is taken as it is"] if as_is else []
    said += [f"{data.left_out} pairs without features left out"] if data.left_out else []
    return tuple(said)
