"""On the planted study the answers are known: what the method finds is held against them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import workbench as wb
from workbench import evaluate
from workbench.scenario.inputs import prepare

sys.path.insert(0, str(Path(__file__).parent.parent / "data"))
import recipe

GATE = {"hidden": (64,), "temperature": 1.0, "steps": 600, "batch_size": 512, "start": "global"}


class Truth:
    """True objective values of the train and dev pairs as scores, planted weights on their scale, and cells."""

    def __init__(self):
        self.study = wb.demo()
        self.names = self.study.objectives
        self.pairs = {split: self.study.split_pairs(split) for split in ("train", "dev")}
        self.features = {split: self.study.features(split) for split in ("train", "dev")}
        values = self.study.truth.set_index("response_id")[list(self.names)]
        raw = {
            split: wb.Scores(np.stack([values.loc[pairs[side]].to_numpy(float) for side in ("chosen", "rejected")], axis=1), self.names)
            for split, pairs in self.pairs.items()
        }
        self.scale = raw["train"].std()
        self.scores = {split: scores.scaled(self.scale) for split, scores in raw.items()}
        unit = np.array([recipe.UNIT[name] for name in self.names])
        self.planted = {cell: weights / unit * self.scale for cell, weights in recipe.planted_gate().items()}
        self.covariance = np.cov(self.scores["train"].margins.T)
        self.flipped = self.study.table("truth_pairs").set_index("pair_id")["flipped"]

    def cells(self, split: str) -> np.ndarray:
        pairs = self.pairs[split]
        return np.where(pairs["risk"] == "benign", "benign", pairs["domain"]).astype(str)

    def families(self, split: str) -> np.ndarray:
        return self.pairs[split]["family"].to_numpy()

    def cosine(self, weights: np.ndarray, cell: str) -> float:
        """wᵀΣv / √(wᵀΣw · vᵀΣv): do they order pairs alike?"""
        planted, sigma = self.planted[cell], self.covariance
        return weights @ sigma @ planted / np.sqrt((weights @ sigma @ weights) * (planted @ sigma @ planted))


@pytest.fixture(scope="module")
def truth():
    return Truth()


@pytest.fixture(scope="module")
def gates(truth):
    """Five gates on the true objective values."""
    return [
        wb.SoftmaxGate.fit(truth.scores["train"], truth.features["train"].prompt, groups=truth.families("train"), seed=seed, **GATE)
        for seed in range(5)
    ]


def right(model, truth) -> np.ndarray:
    rewards = model(truth.scores["dev"], truth.features["dev"].prompt)
    return (rewards[:, 0] > rewards[:, 1]).astype(float)


def test_a_gate_on_true_values_beats_uniform_and_global_weights(truth, gates):
    gated, families = np.stack([right(gate, truth) for gate in gates]), truth.families("dev")
    train = truth.scores["train"]
    for rival in (wb.UniformWeights.fit(train), wb.GlobalWeights.fit(train)):
        difference = gated - right(rival, truth)
        estimate = evaluate.estimate(difference, families)
        assert estimate.low > 0, (rival, estimate)


def test_a_gate_that_is_told_the_cell_recovers_its_weights_as_well_as_a_fit_per_cell(truth):
    train, cells, known = truth.scores["train"], truth.cells("train"), list(truth.planted)
    told = (cells[:, None] == np.array(known)).astype(np.float32)
    gate = wb.SoftmaxGate.fit(train, told, hidden=(64,), temperature=1.0, steps=1500, batch_size=512, held_out=0.0, seed=0)
    weights = gate.weights(np.eye(len(known), dtype=np.float32))
    found = np.mean([truth.cosine(weights[i], cell) for i, cell in enumerate(known)])
    ceiling = np.mean([truth.cosine(wb.GlobalWeights.fit(train.rows(cells == cell)).values, cell) for cell in known])
    assert found > ceiling - 0.05, (found, ceiling)


def test_weights_read_from_unseen_prompts_are_nearer_the_planted_ones_than_any_single_set(truth, gates):
    weights = np.mean([gate.weights(truth.features["dev"].prompt) for gate in gates], axis=0)
    cells, best = truth.cells("dev"), wb.GlobalWeights.fit(truth.scores["train"]).values
    found = np.mean([truth.cosine(weights[cells == cell].mean(axis=0), cell) for cell in truth.planted])
    single = np.mean([truth.cosine(best, cell) for cell in truth.planted])
    assert found > 0.7 and found > single + 0.15, (found, single)


def test_strength_ranks_flipped_labels_nearly_as_well_as_heads_that_saw_clean_ones(truth):
    features, families = truth.features["train"], truth.families("train")
    flipped = truth.flipped.loc[truth.pairs["train"]["pair_id"]].to_numpy()
    strength = wb.Strength.fit(features, groups=families, seed=0).mean
    turned = np.where(flipped[:, None, None], features.response[:, ::-1], features.response)
    clean = wb.Strength.fit(wb.Features(prompt=features.prompt, response=turned), groups=families, seed=0).mean
    clean = np.where(flipped, -clean, clean)
    elsewhere = (truth.pairs["train"]["domain"] != recipe.LENGTH_FLIPS).to_numpy()
    ours, ceiling = (roc_auc_score(flipped[elsewhere], -margin[elsewhere]) for margin in (strength, clean))
    assert ours > ceiling - 0.05 and ours > 0.6
    lowest = np.argsort(strength)[: len(strength) // 20]
    assert flipped[lowest].mean() > 1.8 * flipped.mean()


def test_debias_leaves_no_pooled_correlation_on_the_reference(truth):
    inputs = prepare(truth.study)
    scores = inputs.probes(truth.features["train"])
    length, families = scores.column("verbosity"), truth.families("train")
    table = evaluate.equivalence_table(scores, length, families, reference=scores, reference_nuisance=length, reference_groups=families)
    assert table.query("objective != 'verbosity'")["equivalent"].all(), table


def test_correctness_is_what_the_encoder_cannot_see(truth):
    probes = prepare(truth.study).probes
    r2 = dict(zip(probes.names, probes.r2))
    assert r2["correctness"] < 0.05 < 0.15 < r2["complexity"]


@pytest.mark.parametrize("edit", [{"name": "another name"}, {"note": "said twice"}, {"multiply": {"safety": 1.0}}])
def test_a_scenario_that_changes_nothing_changes_nothing(truth, edit):
    baseline = wb.run(wb.Scenario(name="baseline", seeds=(0, 1)), truth.study)
    table = wb.compare(baseline, wb.run(wb.Scenario(**{"name": "baseline", "seeds": (0, 1), **edit}), truth.study))
    assert (table["difference"] == 0).all() and (table["words"].str.contains("no detectable change")).all()
