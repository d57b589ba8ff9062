"""The closed form of an edit, against a loop over pairs; nothing is trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted import NAMES

from workbench.errors import WorkbenchError
from workbench.evaluate.attribution import decisive_shares
from workbench.scenario import gates
from workbench.scenario.compare import compare
from workbench.scenario.inputs import prepare
from workbench.scenario.plan import Plan
from workbench.scenario.preview import preview
from workbench.scenario.recipe import GateSpec
from workbench.scenario.run import run


@pytest.fixture(scope="module")
def base(wide, quick):
    return run(quick, wide.study)


def slow_margins(base, scenario, study) -> np.ndarray:
    """Pair by pair: mask, renormalise, weigh."""
    plan = Plan.make(scenario, prepare(study))
    scores = plan.scores("dev")
    out = np.zeros_like(base.margins)
    for s in range(len(base.seeds)):
        for p in range(base.margins.shape[1]):
            weights = {name: base.weights[s, p, k] for k, name in enumerate(base.names) if name in scores.names}
            scale = base.weights[s, p].sum() / sum(weights.values())
            for name, weight in weights.items():
                k = scores.names.index(name)
                out[s, p] += scale * weight * (scores.values[p, 0, k] - scores.values[p, 1, k])
    return out


@pytest.mark.parametrize("edits", [
    {}, {"drop": ("safety",)}, {"drop": ("safety", "helpfulness", "correctness")}, {"keep": ("verbosity", "helpfulness")},
    {"multiply": {"safety": 0.0, "helpfulness": 1.7}}, {"swap": {"verbosity": "n_words", "safety": "helpfulness"}}, {"debias": "verbosity"},
    {"debias": "n_words", "drop": ("verbosity",), "multiply": {"safety": 0.5}}, {"debias": ("verbosity", "n_words")},
], ids=str)
def test_margins_equal_their_loop(wide, quick, base, edits, monkeypatch):
    monkeypatch.setattr(gates, "train", lambda *a, **k: pytest.fail("a preview trains nothing"))
    scenario = quick.child(**edits)
    shown = preview(base, scenario, wide.study)
    np.testing.assert_allclose(shown.margins, slow_margins(base, scenario, wide.study), atol=1e-9)
    np.testing.assert_allclose((shown.weights * shown.scores.margins).sum(axis=-1), shown.margins, atol=1e-9)
    np.testing.assert_allclose(shown.weights.sum(axis=-1), base.weights.sum(axis=-1))
    np.testing.assert_allclose(shown.shares.sum(axis=1), 1)
    np.testing.assert_allclose(shown.mean_weights, shown.weights.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(shown.differences, shown.scores.margins, atol=1e-9)
    np.testing.assert_allclose(shown.rewards[:, 0] - shown.rewards[:, 1], shown.margin, atol=1e-9)
    np.testing.assert_allclose(shown.decisive, decisive_shares(shown.mean_weights, shown.scores).mean(axis=0), atol=1e-9)
    assert not shown.retrained and shown.seeds == base.seeds and shown.scenario == scenario
    assert shown.names == scenario.kept(NAMES)


def test_an_edit_that_changes_nothing_changes_nothing(wide, quick, base):
    shown = preview(base, quick.child(multiply={"safety": 1.0}), wide.study)
    np.testing.assert_array_equal(shown.margins, base.margins)
    table = compare(base, shown)
    assert (table["difference"] == 0).all() and (table["p"] == 1).all()


def test_a_multiplier_scales_its_contribution_alone(wide, quick, base):
    shown = preview(base, quick.child(multiply={"safety": 3.0}), wide.study)
    k = NAMES.index("safety")
    extra = 2 * base.weights[:, :, k] * base.scores.margins[:, k]
    np.testing.assert_allclose(shown.margins - base.margins, extra, atol=1e-9)
    np.testing.assert_array_equal(shown.weights, base.weights)


def test_an_objective_the_gate_never_saw(wide, quick):
    narrow = run(quick.child(drop=("safety",)), wide.study)
    shown = preview(narrow, quick, wide.study)
    np.testing.assert_allclose(shown.margins, narrow.margins, atol=1e-9)
    assert shown.names == NAMES and (shown.weights[:, :, NAMES.index("safety")] == 0).all()
    assert any("no weight for safety until retrained" in note for note in shown.notes)
    with pytest.raises(WorkbenchError, match="none of the objectives kept"):
        preview(narrow, quick.child(keep=("safety",)), wide.study)


def test_what_is_left_must_weigh_something(wide, quick):
    """Global weights can leave an objective out altogether."""
    base = run(quick.child(gate={"kind": "global"}, seeds=(0,)), wide.study)
    alone = np.zeros_like(base.weights)
    alone[:, :, NAMES.index("safety")] = 1.0
    base = replace(base, make={**base.make, "weights": lambda: alone})
    with pytest.raises(WorkbenchError, match="no weight to the objectives kept"):
        preview(base, base.scenario.child(drop=("safety",)), wide.study)


def test_a_preview_of_a_preview(wide, quick, base):
    first = preview(base, quick.child(drop=("safety",)), wide.study)
    second = preview(first, quick.child(drop=("safety", "verbosity")), wide.study)
    direct = preview(base, quick.child(drop=("safety", "verbosity")), wide.study)
    np.testing.assert_allclose(second.margins, direct.margins, atol=1e-9)


def test_what_cannot_be_previewed(wide, quick, base, planted_study):
    with pytest.raises(WorkbenchError, match="study"):
        preview(base, quick, planted_study.study)
    head = run(quick.child(gate=GateSpec(kind="bradley-terry", steps=40), seeds=(0,)), wide.study)
    with pytest.raises(WorkbenchError, match="no objectives to edit"):
        preview(head, quick, wide.study)
    with pytest.raises(WorkbenchError, match="unknown column 'x'"):
        preview(base, quick.child(debias="x"), wide.study)
    with pytest.raises(WorkbenchError, match="retrained"):
        preview(base, quick, wide.study).final()
