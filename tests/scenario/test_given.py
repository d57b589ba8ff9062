"""A study that comes with a model shows that very model, against a loop over pairs of the published equations (arXiv 2406.12845)."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from planted import NAMES, planted, published_model

from workbench.errors import WorkbenchError
from workbench.figures.tidy import coefficients
from workbench.objectives.debias import Debiased
from workbench.objectives.ranks import spearman
from workbench.scalarize.weights import FixedWeights, UniformWeights
from workbench.scenario import fitted, given, inputs, seeds
from workbench.scenario.blame import blame
from workbench.scenario.compare import compare, noise_floor, seed_differences
from workbench.scenario.edits import checked, debiased, to_train
from workbench.scenario.given import gate_over, model_of, published
from workbench.scenario.inputs import prepare
from workbench.scenario.kept import folder_of, load
from workbench.scenario.preview import preview
from workbench.scenario.recipe import GateSpec, Scenario
from workbench.scenario.run import run, training_scores
from workbench.scores import Scores
from workbench.study import Study
from workbench.tables import Tables

V = NAMES.index("verbosity")
GENERAL = np.eye(4) + np.array([[0, 0, 0, 0], [0, 0, 0, 0], [-0.3, 0.1, -0.6, 0.25], [0, 0.2, -0.4, 0.0]])  # rows not in order of name
QUICK = {"kind": "softmax", "hidden": (8,), "steps": 30, "batch_size": 128}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A preference set without a model."""
    return planted(tmp_path_factory.mktemp("plain") / "study", families=150, per_family=1).study


@pytest.fixture(scope="module")
def model(plain):
    return published_model(plain)


@pytest.fixture(scope="module")
def study(plain, model, tmp_path_factory):
    return plain.with_model(model, tmp_path_factory.mktemp("given") / "study")


@pytest.fixture(scope="module")
def shown(study):
    return run(published(study), study)


def slow(model, features, edit=None) -> tuple[np.ndarray, np.ndarray]:
    """Rewards [pair side] and weights [pair obj], pair by pair: r = W h, r' = r T, g = β softmax(MLP(p) / temperature), Σ g r'.

    edit(r, p, s): what stands in the place of the raw rewards.
    """
    matrix = np.eye(len(model.probes.names)) if model.debias is None else model.debias.matrix
    rewards, weights = np.zeros(features.response.shape[:2]), np.zeros((len(features), len(model.names)))
    for p in range(len(features)):
        hidden = features.prompt[p].astype(np.float64)
        if hasattr(model.gate, "layers"):
            for weight, bias in model.gate.layers[:-1]:
                hidden = np.array([max(0.0, float(row @ hidden + b)) for row, b in zip(weight.astype(np.float64), bias)])
            weight, bias = model.gate.layers[-1]
            logits = (weight.astype(np.float64) @ hidden + bias) / model.gate.temperature
            raised = [np.exp(logit) for logit in logits]
            weights[p] = [model.gate.logit_scale * one / sum(raised) for one in raised]
        else:
            weights[p] = model.gate.values
        for s in (0, 1):
            raw = [float(w @ features.response[p, s].astype(np.float64)) / model.scale[k] for k, w in enumerate(model.probes.weight)]
            after = [sum(raw[i] * matrix[i, j] for i in range(len(raw))) for j in range(len(raw))]
            for k, name in enumerate(model.names):
                factor = (model.multiplier or {}).get(name, 1.0)
                rewards[p, s] += weights[p, k] * factor * after[model.probes.names.index(name)]
    return rewards, weights


MODELS = {
    "verbosity": {}, "multiplier": {"multiplier": {"safety": 0.5, "correctness": 2.0}}, "no transform": {"matrix": np.eye(4)},
    "general transform": {"matrix": GENERAL}, "scale": {"scale": np.array([0.5, 2.0, 1.0, 3.0])},
    "weights for all": {"gate": FixedWeights(np.array([0.5, 1.0, 0.2, 2.0]), NAMES)},
    "narrow": {"gate": UniformWeights(("safety", "helpfulness"), 2.0)},
    "another order": {"gate": FixedWeights(np.arange(1.0, 5), NAMES[::-1])},
}


@pytest.mark.parametrize("change", MODELS, ids=str)
def test_margins_and_weights_are_the_published_models(plain, change, tmp_path):
    model = published_model(plain, **MODELS[change])
    study = plain.with_model(model, tmp_path / "study")
    features, result = study.features("dev"), run(published(study), study)
    rewards, weights = slow(model, features)
    place = [model.names.index(name) for name in result.names]
    np.testing.assert_allclose(result.margins[0], rewards[:, 0] - rewards[:, 1], atol=1e-6)
    np.testing.assert_allclose(result.margins[0], model(features) @ [1, -1], atol=1e-9)
    np.testing.assert_allclose(result.rewards, model(features), atol=1e-9)
    np.testing.assert_allclose(result.weights[0], weights[:, place], atol=1e-6)
    np.testing.assert_allclose(result.weights[0], model.weights(features)[:, place], atol=1e-12)
    np.testing.assert_allclose((result.weights * result.scores.margins).sum(axis=-1), result.margins, atol=1e-9)
    np.testing.assert_allclose(result.scores.values, model.scores(features).select(result.names).values, atol=1e-9)
    assert result.margins.dtype == np.float64 and result.seeds == (0,) and result.retrained and result.split == "dev"
    assert result.notes[-1] == "the gate as published: not trained here"
    back = result.reward_model()
    np.testing.assert_allclose(back(features), result.rewards, atol=1e-9)
    again = load(published(study), study)
    np.testing.assert_array_equal(again.margins, result.margins)
    np.testing.assert_array_equal(again.reward_model()(features), back(features))
    assert again.notes == result.notes


def test_the_trap_of_standardised_scores_would_show(plain, model, shown, study, monkeypatch, tmp_path):
    """Scores of a published model are not divided by their deviation on this study."""
    monkeypatch.setattr(inputs.Inputs, "deviation", lambda self, column, split="reference": float(self._values(column, split).std()))
    monkeypatch.setattr(inputs, "_MADE", {})
    wrong = run(published(study), study, cache=False)
    assert np.abs(wrong.margins - shown.margins).max() > 0.1


def test_the_published_recipe(study, model):
    scenario = published(study)
    assert scenario.name == "as published" and scenario.gate == GateSpec(kind="given") and scenario.seeds == (0,)
    assert (scenario.debias, scenario.debias_method, scenario.keep) == ("verbosity", "given", None)
    assert Scenario.from_json(scenario.to_json()) == scenario and study.objectives == NAMES
    assert Scenario(debias="verbosity", debias_method="given", gate={"kind": "given"}, seeds=(0,)).id == scenario.id
    narrow = Scenario(gate={"kind": "given"}, seeds=(7, 8))
    assert narrow.seeds == (0,) and narrow.id == Scenario(gate={"kind": "given"}).id  # every seed would be the same gate
    assert scenario.child(gate={"kind": "softmax"}).seeds == (0, 1, 2, 3, 4) == Scenario().seeds  # it has none to hand on
    assert Scenario(seeds=(3, 4)).child(gate={"kind": "given"}).seeds == (0,)
    with pytest.raises(WorkbenchError, match="the study's own gate is as it is: leave out hidden, steps"):
        GateSpec(kind="given", hidden=(3,), steps=4)


def test_recipes_without_a_model_keep_their_ids():
    """What was trained and kept before goes by these."""
    assert Scenario().id == "74e7dce32413" and Scenario(debias="verbosity", labels="flip").id == "265abd30b21d"


# -- scores and penalties ---------------------------------------------------------------------------------------------


def test_nothing_is_fitted_and_no_rating_is_needed(plain, model, tmp_path, monkeypatch):
    for module, name in ((inputs, "fit_probes"), (fitted, "cross_fit"), (seeds, "train"), (Debiased, "fit")):
        monkeypatch.setattr(module, name, lambda *a, **k: pytest.fail("fitted"))
    tables = Tables(*(plain.table(name) for name in ("prompts", "responses", "pairs")), splits=plain.table("splits"))
    folder = tmp_path / "unrated"
    folder.mkdir()
    (folder / "features").symlink_to(plain.folder / "features")
    study = Study.write(tables, folder, features=plain.info["features"], model=model)
    result, made = run(published(study), study), prepare(study)
    np.testing.assert_array_equal(result.margins, run(published(study), study, cache=False).margins)
    assert study.objectives == NAMES == made.names and study.info["objectives"] == []
    assert (made.offset == 0).all() and (made.scale == 1).all()
    everything = model.probes.predict(study.features(of="responses").response)
    np.testing.assert_array_equal(made.predictions.to_numpy(), everything)
    train = study.responses["split"].to_numpy() == "train"
    np.testing.assert_array_equal(made.train_predictions.to_numpy(), everything[train])
    assert made.train_predictions.index.tolist() == study.responses["response_id"][train].tolist()
    np.testing.assert_array_equal(made.table("train").values, made.table("reference").values)
    monkeypatch.setattr(inputs, "_MADE", {})
    monkeypatch.setattr(type(model.probes), "predict", lambda *a: pytest.fail("scored again"))
    np.testing.assert_array_equal(prepare(study).predictions.to_numpy(), everything)


def test_scores_stay_as_published_and_columns_are_measured(study):
    made, features = prepare(study), study.features("dev")
    np.testing.assert_allclose(made.table("dev").values, model_of(study).probes(features).values, atol=1e-12)
    assert made.deviation("n_words") == pytest.approx(study.column_scores(("n_words",), "train").values.std())


def test_a_transform_is_a_penalty_of_every_row_that_differs():
    rng = np.random.default_rng(0)
    values = Scores(rng.normal(size=(30, 2, 4)), NAMES)
    diagonal, dense = np.diag([1.0, 1, 0, 1]), rng.normal(size=(4, 4))
    for matrix, against in ((GENERAL, ("verbosity", "safety")), (diagonal, ("verbosity",)), (dense, NAMES)):
        found = Debiased.from_matrix(matrix, NAMES)
        assert found.against == against and found.method == "given" and np.isnan(found.residual).all()
        np.testing.assert_allclose(found.matrix, matrix, atol=1e-15)
        np.testing.assert_allclose(found(values).values, values.values @ matrix, atol=1e-12)
        again = Debiased.from_state(found.state())
        np.testing.assert_array_equal(again.matrix, found.matrix)
    only = Debiased.from_matrix(diagonal, NAMES, reference=values)
    assert only.penalty.tolist() == [0, 0, 1, 0] and only.residual[V] == 0
    rho = [spearman(values.values[..., k].ravel(), values.values[..., V].ravel()) for k in range(4)]
    np.testing.assert_allclose(only.before, rho, atol=1e-12)
    assert Debiased.from_matrix(np.eye(4), NAMES) is None
    for wrong in (np.eye(3), np.full((4, 4), np.nan)):
        with pytest.raises(WorkbenchError, match="a transform of .* for 4 objectives"):
            Debiased.from_matrix(wrong, NAMES)


def test_null_experts_are_what_the_transform_makes_zero(plain, shown, tmp_path):
    assert shown.null == ("verbosity",) and (shown.scores.column("verbosity") == 0).all()
    study = plain.with_model(published_model(plain, matrix=GENERAL), tmp_path / "study")
    result = run(published(study), study)
    assert result.null == () and np.ptp(result.scores.column("verbosity")) > 0
    rho = [spearman(result.scores.values[..., k].ravel(), result.raw.values[..., V].ravel()) for k in range(4)]
    np.testing.assert_allclose(result.correlations("verbosity"), rho, atol=1e-9)
    signed = coefficients(result.weights[:, 0], NAMES, result.penalty, result.scenario.nuisances, result.multiplier)
    np.testing.assert_allclose(signed.to_numpy(), result.weights[:, 0] @ GENERAL.T, atol=1e-12)  # c = T g
    assert signed.to_numpy()[0] @ result.raw.margins[0] == pytest.approx(result.margin[0], abs=1e-9)


# -- edits ------------------------------------------------------------------------------------------------------------

EDITS = [
    {"drop": ("helpfulness",)}, {"drop": ("verbosity", "safety")}, {"multiply": {"safety": 0.0, "helpfulness": 1.7}},
    {"swap": {"safety": "helpfulness"}}, {"swap": {"safety": "n_words"}}, {"debias": None}, {"debias": "n_words", "debias_method": "exact"},
    {"debias_method": "exact"}, {"debias_method": "grid"}, {"keep": ("correctness",)},
]


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_edits_of_the_given_gate_are_its_preview(study, shown, edit):
    scenario = published(study).child(**edit)
    result, closed = run(scenario, study), preview(shown, scenario, study)
    np.testing.assert_allclose(result.margins, closed.margins, atol=1e-9)
    np.testing.assert_allclose(result.weights, closed.weights, atol=1e-9)
    np.testing.assert_allclose(result.weights.sum(axis=-1), 2.5)
    assert result.retrained and not closed.retrained and "not trained here" not in " ".join(closed.notes)
    np.testing.assert_array_equal(load(scenario, study).margins, result.margins)
    trained = preview(shown, scenario.child(gate={"kind": "softmax"}), study)
    np.testing.assert_array_equal(trained.margins, closed.margins)


def test_a_dropped_objective_against_a_loop(study, shown, model):
    features = study.features("dev")
    _, weights = slow(model, features)
    result = run(published(study).child(drop=("safety",), multiply={"correctness": 3.0}), study)
    kept, factor = [k for k, name in enumerate(NAMES) if name != "safety"], {"correctness": 3.0}
    after = model.probes(features).values @ model.debias.matrix
    for p in range(len(features)):
        share = weights[p].sum() / weights[p, kept].sum()
        margin = sum(share * weights[p, k] * factor.get(NAMES[k], 1.0) * (after[p, 0, k] - after[p, 1, k]) for k in kept)
        assert result.margins[0, p] == pytest.approx(margin, abs=1e-6)


def test_a_measured_column_has_no_published_penalty(study, shown):
    result = run(published(study).child(swap={"safety": "n_words"}), study)
    np.testing.assert_array_equal(result.scores.column("safety"), prepare(study).column("n_words", "dev"))
    assert "n_words: the model has no penalty for it, it is taken as it is" in result.notes
    assert run(published(study).child(labels="flip"), study).notes[-1] == "labels as treated teach nothing: nothing was trained on them"


def test_what_is_asked_of_a_result_is_told(study, shown, model):
    table = shown.certificates()
    np.testing.assert_allclose(table["margin"], shown.margin, atol=1e-9)
    pair = int(np.flatnonzero(table["penalty"].between(0.1, 5))[0])
    scaled = published_model(study, matrix=np.eye(4) - table["penalty"][pair] * (np.eye(4) - model.debias.matrix))
    features = study.features("dev")
    assert scaled(features)[pair] @ [1, -1] == pytest.approx(0, abs=1e-9)  # the pair ties where its certificate says
    assert len(shown.verbosity(draws=20)) and {"accuracy"} <= set(shown.metrics["metric"])
    np.testing.assert_allclose(shown.decompose(3)["contribution"].sum(), shown.margin[3], atol=1e-9)
    tested = shown.tested()
    np.testing.assert_allclose(tested.margins[0], model(study.features("test")) @ [1, -1], atol=1e-9)
    with pytest.raises(WorkbenchError, match="exact debias"):
        shown.equivalence()


# -- training from it -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(study):
    return run(published(study).child(drop=("correctness",), gate=QUICK, seeds=(0, 1)), study)


def test_a_softmax_gate_learns_from_the_models_scores(study, model, trained):
    features = study.features("train")
    wanted = model.debias(model.probes(features)).select([name for name in NAMES if name != "correctness"])
    np.testing.assert_allclose(training_scores(trained.scenario, study).values, wanted.values, atol=1e-9)
    assert len(trained.gates) == 2 and "not trained" not in " ".join(trained.notes)
    back = trained.reward_model(seed=1)
    assert back.debias.method == "given" and (back.scale == 1).all()
    rewards = np.einsum("pk,psk->ps", trained.weights[1], trained.scores.values)
    np.testing.assert_allclose(back(study.features("dev")), rewards, atol=1e-9)


def test_a_gate_that_was_not_trained_is_compared_with_every_seed(study, shown, trained):
    table = compare(shown, trained)
    won = (trained.margins > 0).mean() - (shown.margins > 0).mean()
    assert table["difference"][0] == pytest.approx(won) and table["seeds"][0] == 2
    each = seed_differences(shown, trained)["All pairs"]
    np.testing.assert_allclose(each, [(row > 0).mean() - (shown.margins[0] > 0).mean() for row in trained.margins])
    assert compare(trained, shown)["difference"][0] == pytest.approx(-won)


def test_blame_runs_the_given_gate_where_the_gate_is_not_edited(study, shown, trained):
    table = blame(shown.scenario, trained.scenario, study)
    alone = run(published(study).child(drop=("correctness",)), study)
    assert table["value"][0] == pytest.approx((alone.margins > 0).mean() - (shown.margins > 0).mean())
    assert table["value"].sum() == pytest.approx((trained.margins > 0).mean() - (shown.margins > 0).mean())
    assert (table["seeds"] == 2).all()
    back = blame(trained.scenario, shown.scenario, study)
    assert back["value"].sum() == pytest.approx(-table["value"].sum())


def test_training_may_start_from_the_published_gate(study, shown):
    same = {"kind": "softmax", "hidden": (6, 5), "temperature": 10.0, "start": shown.scenario.id, "steps": 1, "lr": 1e-9}
    scenario = published(study).child(gate=same, seeds=(0, 1))
    result = run(scenario, study, cache=False)
    np.testing.assert_allclose(result.weights, np.broadcast_to(shown.weights, result.weights.shape), atol=1e-3)
    with pytest.raises(WorkbenchError, match=r"hidden layers \[6, 5\] for a gate with \[8\]"):
        run(scenario.child(gate={"hidden": (8,)}), study, cache=False)


def test_no_gate_is_kept_twice(study, shown):
    assert shown.gates[0] is model_of(study).gate
    folder = folder_of(shown.scenario, study)
    assert (folder / "arrays.safetensors").stat().st_size < shown.margins.nbytes + shown.weights.nbytes + 1000
    assert "gates" not in json.loads((folder / "index.json").read_text())


def test_edits_in_words_and_to_train(study):
    first = published(study)
    assert first.child(drop=("safety",)).edits_from(first) == ("without safety",)
    edited = first.child(drop=("safety",), name="mine", note="why")
    train = to_train(edited)
    assert train.gate == GateSpec() and train.drop == ("safety",) and train.debias_method == "given"
    assert (train.name, train.note, train.parent) == ("mine", "why", edited.id) and len(train.seeds) == 5
    assert to_train(first).name == "" and to_train(train) is train
    assert "gate kind softmax" in train.edits_from(edited)


def test_which_penalties_another_nuisance_gets(study, plain):
    first, own = published(study), Scenario(debias=("n_words",), debias_method="grid", nonnegative=True)

    def way(scenario, nuisance, pinned=first, of=study):
        made = scenario.child(**debiased(scenario, nuisance, pinned, of))
        return made.debias, made.debias_method if made.debias else None

    off = first.child(**debiased(first, None, first, study))
    assert way(first, None) == (None, None) and way(off, "verbosity") == ("verbosity", "given")
    length = first.child(**debiased(first, "n_words", first, study))
    assert way(first, "n_words") == ("n_words", "exact") and way(length, "verbosity") == ("verbosity", "given")
    assert way(first, ("verbosity", "n_words")) == (("n_words", "verbosity"), "exact")
    assert way(first, "n_words", pinned=own) == ("n_words", "grid") and way(off, "n_words") == ("n_words", "exact")
    assert way(Scenario(debias_method="grid"), "verbosity", of=plain, pinned=Scenario()) == ("verbosity", "grid")  # as it always was


# -- what is refused --------------------------------------------------------------------------------------------------


def test_a_study_without_a_model_gives_none(plain):
    gate, penalties = Scenario(gate={"kind": "given"}), Scenario(debias="verbosity", debias_method="given")
    for scenario, said in ((gate, "no gate is given: this study comes without a model"),
                           (penalties, "this study comes without a model: none are given.*exact")):
        with pytest.raises(WorkbenchError, match=said):
            run(scenario, plain, cache=False)
        with pytest.raises(WorkbenchError, match="comes without a model.*with_model"):
            checked(scenario, plain)
    assert checked(Scenario(debias_method="given"), plain)  # nothing is taken out, so no way of doing so is asked for
    with pytest.raises(WorkbenchError, match="comes without a model"):
        published(plain)


def test_penalties_are_for_their_own_nuisances(study, plain, tmp_path):
    for edit in ({"debias": "n_words"}, {"debias": ("verbosity", "n_words")}, {"swap": {"verbosity": "n_words"}}):
        with pytest.raises(WorkbenchError, match="the model's penalties are against verbosity, not .*exact"):
            run(published(study).child(**edit), study, cache=False)
    bare = plain.with_model(published_model(plain, matrix=np.eye(4)), tmp_path / "bare")
    assert published(bare).debias is None
    with pytest.raises(WorkbenchError, match="model has no penalties of its own"):
        run(published(bare).child(debias="verbosity", debias_method="given"), bare, cache=False)


def test_several_seeds_and_seed_noise_are_refused(study):
    forced = published(study).model_copy(update={"seeds": (0, 1, 2)})  # as the command line does it
    with pytest.raises(WorkbenchError, match="3 seeds of the gate as published, which is one"):
        run(forced, study, cache=False)
    with pytest.raises(WorkbenchError, match="not trained here: it has no seed noise"):
        noise_floor(published(study), study)


def test_objectives_without_weight_are_refused(plain, tmp_path):
    study = plain.with_model(published_model(plain, gate=FixedWeights(np.array([1.0, 0, 0, 2.0]), NAMES)), tmp_path / "study")
    with pytest.raises(WorkbenchError, match="no weight to the objectives kept"):
        run(published(study).child(keep=("verbosity", "correctness")), study, cache=False)
    narrow = gate_over(published_model(plain, gate=UniformWeights(("safety",), 3.0)), ("helpfulness", "safety"))
    assert narrow.values.tolist() == [0, 3]
    soft = gate_over(model_of(plain.with_model(published_model(plain), tmp_path / "soft")), ("safety", "new"))
    assert soft.weights(np.zeros((1, 12), np.float32))[0] == pytest.approx([2.5, 0])


@pytest.mark.parametrize(("kind", "dim"), [("response", 30), ("prompt", 13)])
def test_a_model_of_another_backbone_is_refused(plain, kind, dim, tmp_path):
    model = published_model(plain)
    if kind == "response":
        object.__setattr__(model.probes, "weight", np.zeros((4, dim), np.float32))
    else:
        layers = ((np.zeros((6, dim), np.float32), np.zeros(6, np.float32)), *model.gate.layers[1:])
        object.__setattr__(model.gate, "layers", layers)
    study = plain.with_model(model, tmp_path / "study")
    with pytest.raises(WorkbenchError, match=f"the model reads {kind} features of {dim} dims, this study has .*own backbone"):
        prepare(study)


@pytest.mark.parametrize("file", ["index.json", "model.safetensors"])
def test_a_damaged_model_is_named(plain, model, tmp_path, file):
    study = plain.with_model(model, tmp_path / "study")
    path = study.folder / "model" / file
    path.write_bytes(path.read_bytes()[:-8] + b"\0" * 8)
    given._loaded.cache_clear()
    with pytest.raises(WorkbenchError, match=rf"model/{file}: .*Restore it from a copy"):
        published(Study.load(study.folder))


def test_another_model_in_its_place_is_refused(plain, model, tmp_path):
    study = plain.with_model(model, tmp_path / "study")
    shutil.rmtree(study.folder / "model")
    published_model(plain, seed=5).save(study.folder / "model")
    with pytest.raises(WorkbenchError, match="model/index.json: hash does not match: it was changed after the study was written"):
        published(Study.load(study.folder))


def test_skipped_responses_leave_their_pairs_out(plain, model, tmp_path):
    from scenario.test_inputs import rewritten

    lost = int(np.flatnonzero(plain.responses["split"] == "dev")[0])
    study = rewritten(plain, tmp_path / "skipped", skipped=lost, model=model)
    result = run(published(study), study)
    gone = study.responses["response_id"][lost]
    assert len(result.pairs) == len(study.split_pairs("dev")) - 3 and gone not in set(result.pairs["chosen"])
    kept = study.features("dev").rows(study.features("dev").mask)
    np.testing.assert_allclose(result.margins[0], model(kept) @ [1, -1], atol=1e-9)
    assert isinstance(result.metrics, pd.DataFrame) and "3 pairs without features left out" in result.notes
