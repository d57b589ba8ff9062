"""Uniform, fixed and global weights."""

from __future__ import annotations

import numpy as np
import pytest
from comparisons import planted_gate

from workbench.errors import WorkbenchError
from workbench.preference.bradley_terry import Supervision
from workbench.scalarize.base import Gate
from workbench.scalarize.weights import FixedWeights, GlobalWeights, UniformWeights
from workbench.scores import Scores


@pytest.fixture(scope="module")
def data():
    return planted_gate(2.0, pairs=600)


def mean_loss(values, scores, supervision=None) -> float:
    """Bradley–Terry loss, one pair at a time."""
    supervision = supervision or Supervision.hard(len(scores))
    total = 0.0
    for pair in range(len(scores)):
        x = sum(values[k] * scores.margins[pair, k] for k in range(len(values))) - supervision.margin[pair]
        t = supervision.target[pair]
        total += supervision.weight[pair] * (t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x)))
    return total / supervision.weight.sum()


@pytest.mark.parametrize("made", [
    lambda s: UniformWeights(s.names, 2.0), lambda s: FixedWeights(np.array([1.0, 0.0, 3.0, 2.0]), s.names), lambda s: GlobalWeights.fit(s),
], ids=["uniform", "fixed", "global"])
def test_one_interface(data, made):
    gate = made(data.scores)
    weights = gate.weights(data.prompt)
    assert isinstance(gate, Gate) and gate.names == data.scores.names
    assert weights.shape == (600, 4) and (weights >= 0).all() and weights.sum(axis=1) == pytest.approx(gate.logit_scale)
    assert gate.shares(np.zeros((600, 0))).sum(axis=1) == pytest.approx(1.0)
    by_hand = [[sum(weights[p, k] * data.scores.values[p, s, k] for k in range(4)) for s in (0, 1)] for p in range(5)]
    assert gate(data.scores, data.prompt)[:5] == pytest.approx(np.array(by_hand), abs=1e-12)
    assert gate(data.scores) == pytest.approx(gate(data.scores, data.prompt))
    again = type(gate).from_state(gate.state(), gate.names)
    assert again.weights(data.prompt).tobytes() == weights.tobytes() and type(again) is type(gate)


def test_restrict(data):
    gate = FixedWeights(np.array([1.0, 0.0, 3.0, 2.0]), data.scores.names).restrict(data.scores.names[1:3])
    assert gate.values == pytest.approx([0, 0, 6, 0])
    with pytest.raises(WorkbenchError, match="no weight"):
        FixedWeights(np.array([1.0, 0.0, 3.0, 2.0]), data.scores.names).restrict(["objective 1"])
    assert UniformWeights(data.scores.names, 2.0).restrict(["objective 1"]).values == pytest.approx([0, 2, 0, 0])


def test_uniform_scale_is_fitted(data):
    gate = UniformWeights.fit(data.scores)
    here = mean_loss(gate.values, data.scores)
    assert all(here < mean_loss(gate.values * factor, data.scores) for factor in (0.9, 1.1))


def test_global_weights_are_the_optimum(data):
    """No small step that keeps weights ≥ 0 lowers the loss (plain loop), and another start finds the same place."""
    gate = GlobalWeights.fit(data.scores, ridge=0.0)
    here = mean_loss(gate.values, data.scores)
    for k in range(4):
        for step in (-0.05, 0.05):
            moved = gate.values.copy()
            moved[k] = max(moved[k] + step, 0)
            assert mean_loss(moved, data.scores) >= here
    assert here < mean_loss(UniformWeights.fit(data.scores).values, data.scores)


def test_global_weights_with_margins_and_soft_targets(data):
    made = Supervision.soft(np.linspace(-1, 3, 600)).with_margin(np.linspace(0.5, -0.5, 600)).with_weight(np.linspace(0, 1, 600))
    gate = GlobalWeights.fit(data.scores, supervision=made, ridge=0.0)
    here = mean_loss(gate.values, data.scores, made)
    assert all(mean_loss(gate.values + step, data.scores, made) >= here for step in 0.05 * np.eye(4))


def test_global_weights_recover_a_planted_set():
    rng, truth = np.random.default_rng(0), np.array([3.0, 1.0, 0.0, 0.5])
    values = rng.normal(size=(4000, 2, 4))
    turned = rng.uniform(size=4000) > 1 / (1 + np.exp(-(values[:, 0] - values[:, 1]) @ truth))
    values[turned] = values[turned][:, ::-1]
    assert GlobalWeights.fit(Scores(values, tuple("abcd"))).values == pytest.approx(truth, abs=0.2)


def test_global_weights_leave_out_what_is_not_active(data):
    gate = GlobalWeights.fit(data.scores, active=data.scores.names[:2])
    assert (gate.values[2:] == 0).all() and (gate.values[:2] > 0).any()


def test_nothing_agrees_with_the_labels(data):
    turned = GlobalWeights.fit(data.scores, supervision=Supervision.hard(600).flipped(np.ones(600, bool)))
    assert turned.logit_scale > 0 and len(set(turned.values)) == 1  # uniform, at the least scale


@pytest.mark.parametrize("values, said", [
    ([1.0, -1.0], "negative"), ([0.0, 0.0], "only zero"), ([1.0, np.nan], "missing"), ([1.0], "for 2 objectives"),
])
def test_wrong_weights_are_named(values, said):
    with pytest.raises(WorkbenchError, match=said):
        FixedWeights(np.array(values), ("a", "b"))


def test_wrong_scale_is_named():
    for scale in (0.0, -1.0, np.inf):
        with pytest.raises(WorkbenchError, match="scale"):
            UniformWeights(("a", "b"), scale)
