"""Objectives that are scores from elsewhere: beside those of the probes, or of a study's own model, in all that a scenario does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from planted import NAMES, planted, published_model

from workbench.errors import WorkbenchError
from workbench.evaluate.metrics import accuracy
from workbench.objectives.debias import Debiased
from workbench.scalarize.weights import FixedWeights
from workbench.scenario import inputs
from workbench.scenario.blame import blame, edits_between
from workbench.scenario.compare import compare
from workbench.scenario.edits import checked, switched, to_train
from workbench.scenario.given import published
from workbench.scenario.inputs import prepare
from workbench.scenario.kept import load
from workbench.scenario.preview import preview
from workbench.scenario.recipe import Scenario
from workbench.scenario.run import run, training_scores
from workbench.scores import Scores
from workbench.study import Study
from workbench.tables import Tables


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A study whose ratings say little, so that a column that knows the truth has something to add."""
    return planted(tmp_path_factory.mktemp("plain") / "study", families=150, per_family=1, noise=3.0, beta=8.0, flips=0.0)


@pytest.fixture(scope="module")
def columns(plain):
    """The true reward of every response, and noise."""
    responses = plain.study.responses.merge(plain.study.prompts[["prompt_id", "section"]], on="prompt_id")
    section = (responses["section"] == "Safety").to_numpy(int)
    rng = np.random.default_rng(4)
    return pd.DataFrame({"response_id": responses["response_id"], "oracle": (plain.values * plain.weights[section]).sum(axis=1) * 7 + 3,
                         "noise": rng.normal(size=len(responses))})


@pytest.fixture(scope="module")
def study(plain, columns, tmp_path_factory):
    shuffled = columns.sample(frac=1, random_state=0)
    return plain.study.with_scores(shuffled, tmp_path_factory.mktemp("scored") / "study")


@pytest.fixture(scope="module")
def quick():
    """A scenario of two seeds that train in a fraction of a second."""
    return Scenario(gate={"hidden": (8,), "steps": 60, "batch_size": 256, "lr": 5e-3}, seeds=(0, 1))


@pytest.fixture(scope="module")
def shown(study, quick):
    return run(quick, study)


def by_hand(study, columns, name, split) -> np.ndarray:
    """[pair side] one column over its deviation on the train pairs."""
    known, pairs = columns.set_index("response_id")[name].to_dict(), {at: study.split_pairs(at) for at in (split, "train")}
    values = {at: np.array([[known[row.chosen], known[row.rejected]] for row in some.itertuples()]) for at, some in pairs.items()}
    return values[split] / values["train"].std()


def test_they_come_beside_the_probes_and_are_fitted_nowhere(plain, study, columns):
    made, bare = prepare(study), prepare(plain.study)
    assert made.names == (*NAMES, "oracle", "noise") == study.objectives and made.probes.names == bare.names == NAMES
    np.testing.assert_array_equal(made.probes.weight, bare.probes.weight)
    for split in ("train", "reference", "dev", "test"):
        found, wanted = made.table(split), bare.table(split)
        np.testing.assert_array_equal(found.values[..., :4], wanted.values)
        own = "train" if split == "reference" else split
        for name in ("oracle", "noise"):
            np.testing.assert_allclose(found.column(name), by_hand(study, columns, name, own), atol=1e-12)
    np.testing.assert_array_equal(made.table("train").column("oracle"), made.table("reference").column("oracle"))
    assert list(made.predictions) == list(made.train_predictions) == list(made.names)
    assert made.predictions.loc["r00007", "oracle"] == columns["oracle"][7]
    assert prepare(Study.load(study.folder)) is made


def test_it_is_kept_on_disk_and_joined_again(study, monkeypatch):
    first = prepare(study)
    monkeypatch.setattr(inputs, "_MADE", {})
    monkeypatch.setattr(inputs, "fit_probes", lambda study: pytest.fail("fitted again"))
    np.testing.assert_array_equal(prepare(study).table("dev").values, first.table("dev").values)


def test_an_oracle_raises_accuracy_and_noise_does_not(plain, study, quick, shown):
    before = run(quick, plain.study)
    assert shown.names == (*NAMES, "oracle", "noise") and shown.notes == before.notes
    assert shown.accuracy > before.accuracy + 0.05
    noise = run(quick.child(drop=("oracle",)), study)
    assert abs(noise.accuracy - before.accuracy) < 0.04
    decisive = dict(zip(shown.names, shown.decisive))
    assert max(decisive, key=decisive.get) == "oracle"
    alone = run(quick.child(keep=("oracle",)), study)
    assert alone.accuracy == pytest.approx(accuracy(prepare(study).table("dev").margins[None, :, 4]))


def test_without_them_it_is_the_study_that_it_was(plain, study, quick):
    """Same scores, same seeds: the same gates, to the last bit."""
    before, without = run(quick, plain.study), run(quick.child(keep=NAMES), study)
    np.testing.assert_array_equal(before.margins, without.margins)
    np.testing.assert_array_equal(before.weights, without.weights)
    assert Scenario().id == "74e7dce32413"


EDITS = [{"drop": ("noise", "safety")}, {"multiply": {"oracle": 2.5, "helpfulness": 0.0}}, {"swap": {"safety": "oracle"}},
         {"swap": {"oracle": "n_words"}}, {"debias": "n_words"}, {"debias": "oracle"}, {"debias": ("n_words", "oracle")},
         {"debias": "verbosity", "nonnegative": True}, {"debias": "verbosity", "debias_method": "grid"}, {"keep": ("oracle", "noise")}]


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_edits_by_hand(study, columns, shown, quick, edit):
    """Swap, debias and multiply over columns made one by one; weights are the gate's own, masked and scaled."""
    scenario = checked(quick.child(**edit), study)
    result, made = preview(shown, scenario, study), prepare(study)
    named = scenario.debias if isinstance(scenario.debias, tuple) else (scenario.debias,) if scenario.debias else ()

    def column(name, split):
        own = "train" if split == "reference" else split
        return by_hand(study, columns, name, own) if name in ("oracle", "noise") else made.column(name, split)

    kept, scores = [name for name in made.names if name in result.names], []
    for name in kept:
        source = scenario.swap.get(name, name)
        values = column(source, "dev")
        if named and source in named:
            values = values * 0
        elif named:
            table = Scores(np.stack([column(one, "reference") for one in (source, *named)], axis=-1), (source, *named))
            rated = scenario.debias_method == "grid" and source in NAMES
            if rated:
                table = made.split("reference").scores.select((source, *named))
            penalty = np.atleast_2d(Debiased.fit(table, against=named, method=scenario.debias_method,
                                                 nonnegative=scenario.nonnegative).penalty)[:, 0]
            scale = [made.deviation(one) / made.deviation(source) if rated else 1.0 for one in named]
            values = values - sum(by * factor * column(one, "dev") for by, factor, one in zip(penalty, scale, named))
        scores.append(values * scenario.multiply.get(name, 1.0))
    np.testing.assert_allclose(result.scores.values, np.stack(scores, axis=-1), atol=1e-9)
    weights = shown.weights[..., [shown.names.index(name) for name in kept]]
    weights = weights * (shown.weights.sum(axis=-1) / weights.sum(axis=-1))[..., None]
    np.testing.assert_allclose(result.margins, np.einsum("spk,pk->sp", weights, result.scores.margins), atol=1e-6)
    trained = run(scenario.model_copy(update={"seeds": (0,)}), study)
    assert trained.retrained and trained.names == result.names
    np.testing.assert_array_equal(load(trained.scenario, study).margins, trained.margins)
    assert training_scores(scenario, study).names == result.names


def test_they_are_compared_blamed_and_switched(study, quick, shown):
    candidate = quick.child(drop=("oracle",), multiply={"noise": 0.0})
    table = compare(shown, run(candidate, study))
    assert table["difference"][0] < -0.02
    edits = edits_between(quick, candidate, study.objectives)
    assert [(edit.field, edit.name) for edit in edits] == [("on", "oracle"), ("multiply", "noise")]
    found = blame(quick, candidate, study)
    assert found["value"].sum() == pytest.approx(table["difference"][0]) and found["value"][0] < -0.02
    assert switched(quick, "oracle", False, study.objectives)["drop"] == ("oracle",)
    with pytest.raises(WorkbenchError, match="unknown objective 'oracles'.*oracle, noise"):
        run(quick.child(drop=("oracles",)), study)


def test_a_model_with_them_is_not_exported(study, quick, shown, plain):
    with pytest.raises(WorkbenchError, match="oracle, noise: scores from elsewhere, which no model computes from features. Train without"):
        shown.reward_model()
    with pytest.raises(WorkbenchError, match="oracle: scores from elsewhere"):
        run(quick.child(keep=NAMES, debias="oracle"), study).reward_model()
    scenario = quick.child(drop=("oracle", "noise"), debias="verbosity", multiply={"oracle": 3.0, "safety": 0.5})
    result = run(scenario, study)
    model, features = result.reward_model(seed=1), study.features("dev")
    assert model.probes.names == NAMES and model.multiplier == {"safety": 0.5}
    wanted = np.einsum("pk,pk->p", result.weights[1], result.scores.margins)
    np.testing.assert_allclose(model(features) @ [1, -1], wanted, atol=1e-6)
    bare = run(quick.child(debias="verbosity", multiply={"safety": 0.5}), plain.study).reward_model(seed=1)
    np.testing.assert_array_equal(model(features), bare(features))


# -- beside a model that the study comes with -----------------------------------------------------------


@pytest.fixture(scope="module")
def given(study, tmp_path_factory):
    model = published_model(study, scale=np.array([0.5, 2.0, 1.0, 3.0]))
    return study.with_model(model, tmp_path_factory.mktemp("given") / "study")


def test_the_published_scenario_keeps_to_the_models_own(given, study, plain, columns, tmp_path):
    scenario, made = published(given), prepare(given)
    assert scenario.keep == NAMES and made.names == (*NAMES, "oracle", "noise") == given.objectives
    bare = plain.study.with_model(given.folder / "model", tmp_path / "bare")
    result, wanted = run(scenario, given), run(published(bare), bare)
    assert published(bare).keep is None and result.names == NAMES and result.notes == wanted.notes
    np.testing.assert_array_equal(result.margins, wanted.margins)
    assert result.reward_model().probes.names == NAMES
    assert made.scale[:4].tolist() == [0.5, 2.0, 1.0, 3.0]
    for split in ("train", "dev"):
        np.testing.assert_allclose(made.table(split).column("oracle"), by_hand(given, columns, "oracle", split), atol=1e-12)
    narrow = published_model(study, gate=FixedWeights(np.array([1.0, 2.0]), ("safety", "helpfulness")))
    assert published(study.with_model(narrow, tmp_path / "narrow")).keep == ("safety", "helpfulness")


def test_the_given_gate_does_not_weigh_them(given):
    scenario = published(given)
    result = run(scenario.child(keep=None), given)
    assert result.names == given.objectives and (result.weights[..., 4:] == 0).all()
    np.testing.assert_allclose(result.margins, run(scenario, given).margins, atol=1e-9)
    assert "oracle, noise: no weight in the published gate" in result.notes
    assert "oracle, noise: the model has no penalty for it, it is taken as it is" in result.notes
    np.testing.assert_array_equal(result.scores.column("oracle"), prepare(given).table("dev").column("oracle"))
    with pytest.raises(WorkbenchError, match="gives no weight to the objectives kept"):
        run(scenario.child(keep=("oracle",)), given)


def test_a_gate_that_is_trained_learns_to_weigh_them(given, quick):
    alone = to_train(published(given)).child(gate=quick.gate.model_dump(), seeds=(0, 1))
    both = alone.child(keep=None)
    assert run(both, given).accuracy > run(alone, given).accuracy + 0.03
    wanted = prepare(given).table("train").column("oracle")
    np.testing.assert_array_equal(training_scores(both, given).column("oracle"), wanted)


# -- without probes -------------------------------------------------------------------------------------


def test_a_study_without_features_has_scores_alone(plain, columns, quick, tmp_path):
    tables = Tables(*(plain.study.table(name) for name in ("prompts", "responses", "pairs")), splits=plain.study.table("splits"))
    bare = Study.write(tables, tmp_path / "bare")
    made = bare.with_scores(columns, tmp_path / "scored")
    assert prepare(bare).names == bare.columns and prepare(made).names == ("oracle", "noise") == made.objectives
    np.testing.assert_allclose(prepare(made).table("dev").column("oracle"), by_hand(made, columns, "oracle", "dev"), atol=1e-12)
    result = run(quick.child(gate={"kind": "global"}), made)
    assert result.accuracy > 0.8
    with pytest.raises(WorkbenchError, match="no probes and gate to make a model of"):
        result.reward_model()
    rated = Study.write(Tables(tables.prompts, tables.responses, tables.pairs, plain.study.ratings,
                               tuple(plain.study.objective_info.values()), tables.splits), tmp_path / "rated")
    assert prepare(rated.with_scores(columns, tmp_path / "both")).names == ("oracle", "noise")
