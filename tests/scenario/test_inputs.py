"""What every scenario reads: out-of-family scores of train, ratings by declared range, nothing from dev."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from planted import NAMES, planted

from workbench import budget
from workbench.errors import WorkbenchError
from workbench.objectives.probes import LinearProbes
from workbench.scenario import cache, inputs
from workbench.scenario.inputs import prepare, rating_rows
from workbench.study import Study
from workbench.tables import Objective, Tables


def rewritten(study: Study, folder, *, ratings=None, objectives=None, skipped=None, **more) -> Study:
    """The same study with other ratings, other columns, or a response that could not be encoded."""
    shutil.copytree(study.folder / "features", folder / "features")
    if skipped is not None:
        index = json.loads((folder / "features" / "index.json").read_text())
        index["kinds"]["response"]["skipped"] = {str(skipped): "too long"}
        (folder / "features" / "index.json").write_text(json.dumps(index))
    objectives = objectives or tuple(study.objective_info.values())
    ratings = study.ratings if ratings is None else ratings
    tables = Tables(*(study.table(name) for name in ("prompts", "responses", "pairs")), ratings, objectives, study.table("splits"))
    return Study.write(tables, folder, name="rewritten", features=study.info["features"], **more)


def fit_to_ratings(study: Study, predicted: pd.DataFrame) -> float:
    """Mean correlation of train predictions with the train ratings."""
    responses = study.split_responses("train")
    y = pd.DataFrame(rating_rows(study, responses), index=responses["response_id"], columns=list(study.objectives))
    return float(np.mean([predicted[name].corr(y.loc[predicted.index, name]) for name in predicted]))


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Ratings that mean nothing: whatever predicts them has seen them."""
    study = planted(tmp_path_factory.mktemp("noise") / "a", families=60, per_family=1, dim=40).study
    ratings = study.ratings
    ratings[list(NAMES)] = np.random.default_rng(77).uniform(size=(len(ratings), len(NAMES)))
    return rewritten(study, tmp_path_factory.mktemp("noise") / "b", ratings=ratings)


def test_train_scores_are_out_of_family(noise):
    made = prepare(noise)
    assert fit_to_ratings(noise, made.train_predictions) < 0.05


def test_scores_by_probes_that_saw_the_ratings_would_fail_that_test(noise):
    """The trap: probes fitted on all train rows, applied to train rows."""
    made, responses = prepare(noise), noise.split_responses("train")
    leaked = made.probes.predict(noise.features("train", of="responses").response)
    assert fit_to_ratings(noise, pd.DataFrame(leaked, index=responses["response_id"], columns=list(made.names))) > 0.15


def test_nothing_of_dev_or_test_is_used(wide, tmp_path):
    ratings = wide.study.ratings.merge(wide.study.responses[["response_id", "split"]], on="response_id")
    ratings.loc[ratings["split"] != "train", list(NAMES)] = np.nan
    blind = rewritten(wide.study, tmp_path / "blind", ratings=ratings.drop(columns="split"))
    first, second = prepare(wide.study), prepare(blind)
    np.testing.assert_array_equal(first.probes.weight, second.probes.weight)
    np.testing.assert_array_equal(first.split("dev").scores.values, second.split("dev").scores.values)


def test_families_are_whole(wide):
    made = prepare(wide.study)
    seen = [set(made.split(name).families) for name in ("train", "dev", "test")]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_ratings_map_by_declared_range(wide, tmp_path):
    """Seven-point ratings of the same thing give the same scores."""
    ratings = wide.study.ratings
    ratings["safety"] = 1 + 6 * ratings["safety"]
    objectives = tuple(Objective(n, 1.0, 7.0) if n == "safety" else Objective(n, 0.0, 1.0) for n in NAMES)
    other = rewritten(wide.study, tmp_path / "seven", ratings=ratings, objectives=objectives)
    rows = [rating_rows(study, study.split_responses("train")) for study in (wide.study, other)]
    np.testing.assert_allclose(*rows)
    values = [prepare(study).split("dev").scores.values for study in (wide.study, other)]
    np.testing.assert_allclose(*values, atol=1e-5)
    assert 0 < values[0].mean() < 1  # on the ratings' scale, not about zero


def test_offset_is_a_free_intercept(wide):
    """Against the same ridge with a constant column that is next to unpenalised."""
    made = prepare(wide.study)
    responses, x = wide.study.split_responses("train"), wide.study.features("train", of="responses").response.astype(np.float64)
    y = rating_rows(wide.study, responses)
    for k in range(len(NAMES)):
        rated = ~np.isnan(y[:, k])
        long = np.c_[x[rated], np.full(rated.sum(), 1e4)]
        weight = np.linalg.solve(long.T @ long + made.probes.alpha[k] * np.eye(long.shape[1]), long.T @ y[rated, k])
        np.testing.assert_allclose(made.probes.weight[k], weight[:-1], atol=0.02)
        assert made.offset[k] == pytest.approx(weight[-1] * 1e4, abs=0.02)


def test_pairs_follow_their_responses(wide):
    made = prepare(wide.study)
    data = made.split("train")
    for i in (0, 17, len(data.pairs) - 1):
        for side, column in enumerate(("chosen", "rejected")):
            np.testing.assert_array_equal(data.scores.values[i, side], made.train_predictions.loc[data.pairs[column][i]])
    dev = made.split("dev")
    by_hand = made.probes.predict(dev.features.response[:, 1]) + made.offset
    np.testing.assert_allclose(dev.scores.values[:, 1], by_hand)


def test_scores_come_of_streams_and_features_are_read_when_asked_for(wide, monkeypatch):
    """Against all features in memory at once."""
    monkeypatch.setattr(inputs, "_MADE", {})
    whole = wide.study.features(of="responses").response
    with monkeypatch.context() as patch:
        patch.setattr(Study, "features", lambda *_, **__: pytest.fail("read whole"))
        made = prepare(wide.study, store=False)
        for split in ("train", "reference", "dev", "test"):
            data = made.split(split)
            assert data.scores.values.dtype == np.float64 and len(data.prompt) == len(data.pairs)
            assert len(data.prompt.rows) == data.pairs["prompt_id"].nunique()  # each once
    np.testing.assert_allclose(made.predictions.to_numpy(), made.probes.predict(whole) + made.offset, atol=1e-9)
    train, reference = made.split("train"), made.split("reference")
    assert train.prompt is train.prompt is reference.prompt and train.features is reference.features
    np.testing.assert_array_equal(np.asarray(train.prompt), train.features.prompt)
    np.testing.assert_allclose(reference.scores.values, made.probes(train.features).values + made.offset, atol=1e-9)


def test_what_is_read_again_is_let_go(wide):
    made = prepare(wide.study)
    features, prompt = made.split("dev").features, made.split("dev").prompt
    parts = made.parts()
    assert parts["features"] >= features.prompt.nbytes + features.response.nbytes and parts["prompts"] >= prompt.rows.nbytes
    assert made.held() == sum(parts.values()) > parts["features"] + parts["prompts"]
    made.let_go(1)  # the features of one split, and no prompts
    assert made.parts()["features"] < parts["features"] and made.parts()["prompts"] == parts["prompts"]
    made.let_go(10**12)
    assert made.parts()["features"] == made.parts()["prompts"] == 0 < made.parts()["scores"]
    np.testing.assert_array_equal(made.split("dev").features.response, features.response)
    assert made.split("dev").prompt is not prompt


def test_features_beyond_the_budget_are_refused_and_scores_are_not(wide, monkeypatch):
    monkeypatch.setattr(inputs, "_MADE", {})
    monkeypatch.setattr(budget, "_KEEPERS", type(budget._KEEPERS)())
    made, pairs = prepare(wide.study), len(wide.study.split_pairs("train"))
    made.split("train"), made.split("train").prompt
    monkeypatch.setenv(budget.VARIABLE, str(budget.held() + pairs * 100))
    assert len(made.split("train").scores) == pairs
    with pytest.raises(WorkbenchError, match=f"features of {pairs} train pairs of planted would fill .* held.*at most .* pairs"):
        made.split("train").features


def test_columns_are_over_their_training_deviation(wide):
    made = prepare(wide.study)
    for name in (*made.names, "n_words"):
        assert made.column(name, "train").std() == pytest.approx(1)
    np.testing.assert_allclose(made.table("dev").values[..., 0], made.column(made.names[0], "dev"))
    words = wide.study.column_scores(("n_words",), "dev").values[..., 0]
    np.testing.assert_allclose(made.column("n_words", "dev") * made.deviation("n_words"), words)
    np.testing.assert_array_equal(made.length("dev"), words)


def test_kept_in_memory_and_on_disk(wide, monkeypatch):
    first = prepare(wide.study)
    assert prepare(Study.load(wide.study.folder)) is first
    monkeypatch.setattr(inputs, "_MADE", {})
    monkeypatch.setattr(inputs, "fit_probes", lambda study: pytest.fail("fitted again"))
    again = prepare(wide.study)
    np.testing.assert_array_equal(first.table("train").values, again.table("train").values)
    np.testing.assert_array_equal(first.table("dev").values, again.table("dev").values)


def test_a_damaged_store_is_made_again(tmp_path, monkeypatch):
    study = planted(tmp_path / "s", families=20, per_family=1).study
    first = prepare(study)
    stored = next((study.folder / "runs").glob("inputs-*/inputs.safetensors"))
    stored.write_bytes(stored.read_bytes()[:-8] + b"\0" * 8)
    monkeypatch.setattr(inputs, "_MADE", {})
    with pytest.warns(UserWarning, match="cache not used.*inputs.safetensors"):
        again = prepare(study)
    np.testing.assert_array_equal(first.table("dev").values, again.table("dev").values)


def score_table(pairs=80, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [(f"p{i}", side, name, rng.normal() + (side == "chosen") * 0.5) for i in range(pairs) for side in ("chosen", "rejected")
            for name in ("a", "b", "c")]
    return pd.DataFrame(rows, columns=["pair", "side", "objective", "score"])


def test_a_study_of_scores_offers_its_columns():
    study = Study.from_scores(score_table())
    made = prepare(study)
    assert made.names == ("a", "b", "c") and made.probes is None
    data = made.split("dev")
    assert data.prompt is None and data.features is None
    np.testing.assert_allclose(data.scores.values, study.column_scores(("a", "b", "c"), "dev").values)
    assert made.length("dev") is None


def test_a_column_with_gaps_is_named(wide, tmp_path):
    gaps = pd.DataFrame({"response_id": wide.study.responses["response_id"][:-5], "judge": 1.0})
    study = rewritten(wide.study, tmp_path, scores={"judge": gaps})
    with pytest.raises(WorkbenchError, match="'judge' has no number for .* pairs"):
        for split in ("train", "dev", "test"):
            prepare(study).column("judge", split)


def test_skipped_rows_leave_their_pairs_out(wide, tmp_path):
    """A response that could not be encoded takes its pairs out of every number, and is counted."""
    lost = int(np.flatnonzero(wide.study.responses["split"] == "dev")[0])
    study = rewritten(wide.study, tmp_path, skipped=lost)
    data = prepare(study).split("dev")
    gone = study.responses["response_id"][lost]
    assert data.left_out == 3 and gone not in set(data.pairs["chosen"]) | set(data.pairs["rejected"])
    assert len(data.pairs) == len(data.scores) == len(data.prompt) == len(study.split_pairs("dev")) - 3


def test_where_runs_are_kept(wide, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    assert cache.runs_folder(wide.study) == wide.study.folder.resolve() / "runs"
    elsewhere = tmp_path / wide.study.hash / "runs"
    monkeypatch.setattr(cache.os, "access", lambda *_: False)
    assert cache.runs_folder(wide.study) == elsewhere
    monkeypatch.undo()
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "PACKAGE", wide.study.folder.resolve().parent)  # the study lies in the package
    assert cache.runs_folder(wide.study) == elsewhere
    assert cache.runs_folder(Study.from_scores(score_table())).parent.parent == tmp_path


def test_probes_report_skipped_objectives(wide, tmp_path):
    ratings, splits = wide.study.ratings, wide.study.responses.set_index("response_id")["split"]
    ratings.loc[splits.loc[ratings["response_id"]].to_numpy() == "train", "safety"] = np.nan  # rated in dev and test alone
    made = prepare(rewritten(wide.study, tmp_path / "partly", ratings=ratings))
    assert made.names == NAMES[:3] and isinstance(made.probes, LinearProbes)
