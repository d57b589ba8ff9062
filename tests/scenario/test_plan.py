"""Swap → scale → debias → drop and multiply, against loops; nothing but train decides a penalty."""

from __future__ import annotations

import numpy as np
import pytest
from planted import NAMES

from workbench.errors import WorkbenchError
from workbench.objectives.debias import exact_root, first_on_grid
from workbench.objectives.ranks import spearman
from workbench.scenario.inputs import prepare
from workbench.scenario.plan import Plan
from workbench.scenario.recipe import Scenario

LENGTH = "n_words"


def make(study, **edits) -> Plan:
    return Plan.make(Scenario(**edits), prepare(study))


def slow_scores(study, scenario: Scenario, split: str) -> np.ndarray:
    """The same, one objective and one step at a time."""
    made, fitted_on = prepare(study), "train" if split == "train" else "reference"

    def values(name, where):
        if name in NAMES:
            return made.split(where).scores.values[..., NAMES.index(name)]
        return study.column_scores((name,), "train" if where == "reference" else where).values[..., 0]

    out = []
    for name in NAMES:
        if name in scenario.drop or (scenario.keep and name not in scenario.keep):
            continue
        source = scenario.swap.get(name, name)
        deviation = values(source, fitted_on).std()
        column = values(source, split) / deviation
        for nuisance in scenario.nuisances:
            there = scenario.swap.get(nuisance, nuisance)
            spread = values(there, fitted_on).std()
            penalty = 1.0 if there == source else exact_root(
                (values(source, fitted_on) / deviation).ravel(), (values(there, fitted_on) / spread).ravel()
            )
            penalty = max(penalty, 0.0) if scenario.nonnegative else penalty
            column = column - penalty * values(there, split) / spread
        out.append(column * scenario.multiply.get(name, 1.0))
    return np.stack(out, axis=-1)


@pytest.mark.parametrize("edits", [
    {}, {"drop": ("safety",)}, {"keep": ("safety", "verbosity")}, {"multiply": {"safety": 0.5, "verbosity": 0.0}},
    {"swap": {"verbosity": LENGTH}}, {"swap": {"correctness": "safety"}}, {"debias": "verbosity"}, {"debias": LENGTH},
    {"debias": "verbosity", "nonnegative": True}, {"debias": "verbosity", "drop": ("verbosity",)},
    {"debias": "verbosity", "swap": {"verbosity": LENGTH}},
    {"debias": LENGTH, "swap": {"safety": LENGTH}, "multiply": {"helpfulness": 2.0}, "drop": ("correctness",)},
], ids=str)
@pytest.mark.parametrize("split", ["train", "dev"])
def test_columns_equal_their_loop(wide, edits, split):
    scenario = Scenario(**edits)
    plan = make(wide.study, **edits)
    expected = slow_scores(wide.study, scenario, split)
    scores = plan.scores(split)
    assert scores.names == scenario.kept(NAMES)
    np.testing.assert_allclose(scores.values, expected, atol=1e-9)
    weights = np.random.default_rng(0).uniform(size=(2, len(expected), len(scores.names)))
    margins, factor = plan.margins(weights, scores.names, split)
    np.testing.assert_allclose(margins, (weights * (expected[:, 0] - expected[:, 1])).sum(axis=-1), atol=1e-9)
    assert factor is None
    np.testing.assert_allclose(plan.differences(split), expected[:, 0] - expected[:, 1], atol=1e-9)
    assert not plan.differences(split)[:, [name in plan.null for name in plan.names]].any()
    np.testing.assert_allclose(plan.rewards(weights[0], split), np.einsum("pk,psk->ps", weights[0], expected), atol=1e-9)
    length = prepare(wide.study).column(LENGTH, split).ravel()
    flat = np.where(np.abs(expected) < 1e-9, 0.0, expected).reshape(-1, expected.shape[-1])  # what debias makes zero, rounding aside
    np.testing.assert_allclose(plan.correlations(LENGTH, split), spearman(flat, length), atol=1e-9)
    assert plan.raw(split).names == scores.names


def test_a_source_is_ranked_once_whatever_its_multiplier(wide, monkeypatch):
    make(wide.study, debias=LENGTH).correlations(LENGTH, "dev")
    monkeypatch.setattr("workbench.scenario.plan.against", lambda *a: pytest.fail("ranked again"))
    found = make(wide.study, debias=LENGTH, drop=("correctness",), multiply={"safety": 2.0, "verbosity": 0.0}).correlations(LENGTH, "dev")
    plain = dict(zip(NAMES, make(wide.study, debias=LENGTH).correlations(LENGTH, "dev")))
    np.testing.assert_array_equal(found, [0.0 if name == "verbosity" else plain[name] for name in NAMES if name != "correctness"])


def test_debias_comes_before_drop(wide):
    """Dropping the nuisance leaves the other objectives exactly as they are with it."""
    whole, dropped = make(wide.study, debias="verbosity"), make(wide.study, debias="verbosity", drop=("verbosity",))
    np.testing.assert_array_equal(whole.scores("dev").select(dropped.names).values, dropped.scores("dev").values)
    assert whole.null == ("verbosity",) and dropped.null == ()
    assert (whole.scores("dev").column("verbosity") == 0).all()
    assert dropped.nuisance("dev").names == ("verbosity",)


def test_penalty_is_the_root_on_train_alone(wide):
    plan = make(wide.study, debias=LENGTH)
    length = prepare(wide.study).column(LENGTH, "train").ravel()
    left = spearman(plan.scores("train").values.reshape(-1, 4), length)
    assert np.abs(left).max() < 0.005
    on_dev = spearman(plan.scores("dev").values.reshape(-1, 4), prepare(wide.study).column(LENGTH, "dev").ravel())
    assert np.abs(on_dev).max() > 1e-3  # not fitted there


def test_a_measured_nuisance_is_no_objective_afterwards(wide):
    plan = make(wide.study, debias=LENGTH)
    assert plan.names == NAMES and plan.null == () and plan.nuisance("dev").names == (LENGTH,)


def test_several_nuisances(wide):
    plan = make(wide.study, debias=("verbosity", "safety"))
    assert plan.penalty.shape == (2, 4) and plan.null == ("verbosity", "safety")
    nuisances = plan.nuisance("train").values.reshape(-1, 2)
    left = spearman(plan.scores("train").select(("helpfulness", "correctness")).values.reshape(-1, 2), nuisances)
    assert np.abs(left).max() < 0.01
    assert (plan.scores("dev").select(plan.null).values == 0).all()


def test_the_grid_is_read_on_ratings(wide):
    """The release's 24 points are meant for scores on [0, 1]; a measured column is put on deviations first."""
    made = prepare(wide.study)
    raw = made.split("reference").scores
    verbosity = raw.column("verbosity").ravel()
    plan = make(wide.study, debias="verbosity", debias_method="grid")
    for k, name in enumerate(NAMES):
        if name != "verbosity":
            expected = first_on_grid(raw.column(name).ravel(), verbosity) * made.deviation("verbosity") / made.deviation(name)
            assert plan.penalty[0, k] == pytest.approx(expected)
    measured = make(wide.study, debias=LENGTH, debias_method="grid")
    values, length = (made.column(name, "reference").ravel() for name in ("helpfulness", LENGTH))
    assert measured.penalty[0, 0] == first_on_grid(values, length)


def test_penalties_are_solved_once(wide, monkeypatch):
    make(wide.study, debias=LENGTH)
    monkeypatch.setattr("workbench.scenario.inputs.Debiased.fit", lambda *a, **k: pytest.fail("solved again"))
    make(wide.study, debias=LENGTH, drop=("safety",), multiply={"helpfulness": 2.0})


def test_the_same_map_as_one_matrix(wide):
    for edits in ({"debias": "verbosity"}, {"debias": ("verbosity", "safety")}, {"debias": "verbosity", "drop": ("safety",)}):
        scenario = Scenario(**edits)
        plan = make(wide.study, **edits)
        whole = plan.debiased(scenario)
        got = whole(prepare(wide.study).table("dev")).select(plan.names)
        np.testing.assert_allclose(got.values, plan.scores("dev").values, atol=1e-12)
        assert np.abs(whole.residual).max() < 0.01 < np.abs(whole.before).max()
    assert make(wide.study).debiased(Scenario()) is None


def test_names_that_nobody_knows(wide):
    for edits in ({"drop": ("x",)}, {"swap": {"safety": "x"}}, {"debias": "x"}, {"multiply": {LENGTH: 2}}):
        with pytest.raises(WorkbenchError, match="Known"):
            make(wide.study, **edits)


def test_without_edits_the_table_is_not_copied(wide):
    plan = make(wide.study)
    assert plan.raw("dev") is prepare(wide.study).table("dev")
    assert plan._gaps({}, NAMES, "dev") is prepare(wide.study).margins("dev")
