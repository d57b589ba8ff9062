"""Edited texts: those of the study give its own rewards again, others what the model's parts give when put together by hand."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lettered import Lettered, lettered
from planted import SMALL, planted

from workbench.errors import WorkbenchError
from workbench.extract import as_backbone, extract
from workbench.features import Features, as_float32, compose, to_stored
from workbench.measured import measure
from workbench.scenario import edited
from workbench.scenario.edited import rescorable, rescore
from workbench.scenario.inputs import prepare
from workbench.scenario.preview import preview
from workbench.scenario.recipe import Scenario
from workbench.scenario.result import HEAD
from workbench.scenario.run import run
from workbench.shipped import demo
from workbench.study import Study
from workbench.tables import Objective, Tables

PLAIN = {"gate": {"kind": "global"}}
EDITS = {
    "as rated": {}, "against a column": {"debias": "n_words", **PLAIN}, "against two": {"debias": ("n_words", "verbosity"), **PLAIN},
    "edited": {"drop": ("safety",), "multiply": {"helpfulness": 1.7}, "debias": "verbosity"},
    "swapped": {"swap": {"verbosity": "n_words"}, "debias": "n_words", **PLAIN}, "head": {"gate": {"kind": "bradley-terry", "steps": 20}},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return lettered(tmp_path_factory.mktemp("lettered"), families=30)


@pytest.fixture(scope="module")
def results(study):
    return {name: run(SMALL.child(**edits), study, cache=False) for name, edits in EDITS.items()}


def texts(study, result, at: int) -> dict[str, str]:
    pair, said = result.pairs.iloc[at], study.table("responses").set_index("response_id")["text"]
    asked = study.table("prompts").set_index("prompt_id")["text"]
    return {"prompt": asked[pair["prompt_id"]], "chosen": said[pair["chosen"]], "rejected": said[pair["rejected"]]}


def own_rewards(result, at: int) -> np.ndarray:
    if result.names == (HEAD,):
        return np.stack([gate(result.study.features("dev"))[at] for gate in result.gates])
    return np.stack([[sum(w * v for w, v in zip(weights[at], side)) for side in result.scores.values[at]] for weights in result.weights])


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("encoded", [False, True], ids=["known", "encoded again"])
def test_the_texts_of_an_item_give_its_own_rewards(study, results, name, encoded):
    result = results[name]
    for at in (0, 7, len(result.pairs) - 1):
        same = {field: text + "  " * encoded for field, text in texts(study, result, at).items()}  # other text, same words
        encoder = Lettered()
        found = rescore(result, study, **same, encoder=encoder)
        assert len(encoder.seen) == 3 * encoded
        np.testing.assert_allclose(found.rewards, own_rewards(result, at), atol=1e-4)
        assert found.margin == pytest.approx(result.margin[at], abs=1e-5)
        np.testing.assert_allclose(found.weights, result.weights[:, at], atol=1e-5)
        np.testing.assert_allclose(found.scores, result.scores.values[at], atol=1e-4)


@pytest.mark.parametrize("name", ["as rated", "edited"])
def test_an_edit_is_scored_as_the_exported_model_scores_it(study, results, name):
    result = results[name]
    now = texts(study, result, 3) | {"prompt": "What now?", "chosen": "w1 w2 w3 and nothing else"}
    found = rescore(result, study, **now, encoder=Lettered())
    rows = Lettered().encode(list(now.values())).astype(np.float16).astype(np.float32)
    features = Features(rows[:1], compose(rows[:1, None], rows[None, 1:], ("response", "prompt*response")))
    for number, seed in enumerate(result.seeds):
        rewards = result.reward_model(seed)(features)[0]
        assert np.subtract(*found.rewards[number]) == pytest.approx(np.subtract(*rewards), abs=1e-6)
    assert np.subtract(*found.rewards.mean(axis=0)) == pytest.approx(found.margin, abs=1e-6)
    assert found.result.decompose(0)["contribution"].sum() == pytest.approx(found.margin, abs=1e-6)
    assert abs(found.margin - result.margin[3]) > 1e-3


def test_measured_columns_are_measured_on_the_edit(study, results):
    result, inputs = results["against a column"], prepare(study)
    now = texts(study, result, 3) | {"rejected": "short " * 3}
    found = rescore(result, study, **now, encoder=Lettered())
    words = measure([now["chosen"], now["rejected"]])["n_words"] / inputs.deviation("n_words")
    np.testing.assert_allclose(found.result.nuisance.values[0, :, 0], words)
    for k, name in enumerate(result.names):
        raw = found.result.raw.column(name)[0]
        np.testing.assert_allclose(found.scores[:, k], raw - result.penalty[k] * words, atol=1e-9)
    assert found.result.certificate(0)[0]["penalty"] == pytest.approx(float(found.result.certificates()["penalty"].iat[0]))


def test_what_is_not_edited_stays_and_nothing_is_kept(study, results):
    result, encoder = results["as rated"], Lettered()
    before, kept = texts(study, result, 5), dict(prepare(study).kept)
    found = rescore(result, study, **before | {"chosen": "another answer"}, encoder=encoder)
    assert encoder.seen == ["another answer"] and found.rewards[:, 1] == pytest.approx(own_rewards(result, 5)[:, 1], rel=1e-7)
    assert {key for key in prepare(study).kept if edited.EDITED in key} == set() and set(kept) <= set(prepare(study).kept)


@pytest.mark.parametrize("text", ["", "  \n", "مرحبا كيف حالك", "<script>alert(1)</script>", "🫖\u200d", "kilometre " * 5000])
def test_any_text_is_scored_and_what_was_not_read_is_said(study, results, text):
    found = rescore(results["against a column"], study, **texts(study, results["as rated"], 0) | {"rejected": text}, encoder=Lettered())
    assert np.isfinite(found.rewards).all() and found.cut == (("rejected",) if len(text) > 1000 else ())


def test_reasons_why_not(study, results, tmp_path):
    result, now = results["as rated"], texts(study, results["as rated"], 0)
    with pytest.raises(WorkbenchError, match="no model 'lettered'. Hold it in this kernel: .*load.'lettered'.*or load its folder"):
        rescore(result, study, **now)
    with pytest.raises(WorkbenchError, match="is of study"):
        rescorable(result, replace(study, info={**study.info, "hash": "another"}))
    with pytest.raises(WorkbenchError, match="preview has no gate"):
        rescorable(preview(result, result.scenario.child(drop=("safety",)), study), study)
    other = Lettered()
    other.fingerprint = "1" * 12
    with pytest.raises(WorkbenchError, match="not the encoder that made"):
        rescore(result, study, **now, encoder=other)
    plain = planted(tmp_path / "plain", families=30, per_family=1, text=False).study
    with pytest.raises(WorkbenchError, match="no texts to edit"):
        rescorable(run(SMALL.child(**PLAIN), plain, cache=False), plain)
    rows = [{"pair": f"p{i}", "side": side, "objective": "a", "score": float(i % 3) + (side == "chosen")} for i in range(60)
            for side in ("chosen", "rejected")]
    scores = Study.from_scores(pd.DataFrame(rows))
    found = run(SMALL.child(gate={"kind": "global"}), scores, cache=False)
    with pytest.raises(WorkbenchError, match="no texts to edit"):
        rescorable(found, scores)
    worded = replace(scores, tables={**scores.tables, "responses": scores.table("responses").assign(text="so")})
    with pytest.raises(WorkbenchError, match="no features"):
        rescorable(replace(found, study=worded), worded)


def test_a_column_from_elsewhere_is_known_of_the_study_alone(study, tmp_path):
    tables = ("prompts", "responses", "pairs", "ratings")
    folder = tmp_path / "more"
    shutil.copytree(study.folder / "features", folder / "features")
    judged = study.table("responses")[["response_id"]].assign(judge=np.arange(len(study.table("responses")), dtype=float))
    more = Study.write(Tables(*(study.table(name) for name in tables), tuple(study.objective_info.values())), folder, name="more",
                         features=study.info["features"], scores={"judge": judged})
    result = run(SMALL.child(swap={"safety": "judge"}, **PLAIN), more, cache=False)
    with pytest.raises(WorkbenchError, match="judge: known of the study's own texts alone"):
        rescorable(result, more)
    rescorable(run(SMALL.child(**PLAIN), more, cache=False), more)


def test_the_encoder_of_the_package_makes_the_rows_that_the_study_holds():
    pytest.importorskip("transformers")
    study = demo()
    try:
        edited.encoder_is_here(study)
    except WorkbenchError as error:
        pytest.skip(str(error))
    encoder = edited.encoder_of(study)
    assert edited.encoder_of(study) is encoder and encoder.max_tokens == study.info["features"]["max_tokens"]
    assert edited._fitting(as_backbone(encoder, {}), study).encoder is encoder
    for kind, row in (("prompt", 7), ("response", 9)):
        text = study.table(f"{kind}s")["text"].iat[row]
        found = as_float32(to_stored(encoder.encode([text + " "]), "F16"))
        np.testing.assert_allclose(found, study.store.rows(kind, np.array([row])), atol=4e-5)
        assert np.array_equal(edited._held(study, kind, text), study.store.rows(kind, np.array([row])))


def test_conversations_are_scored_by_the_backbone_that_the_kernel_holds(tmp_path):
    import tiny
    from extract.talks import talks

    from workbench.backbone import CausalBackbone

    backbone = CausalBackbone.load(tiny.saved(tmp_path / "held", "llama"))
    tables = talks(tmp_path, 24)
    rated = tables.responses[["response_id"]].assign(long=tables.responses["text"].str.len() / 200)
    study = extract(replace(tables, ratings=rated, objectives=(Objective("long"),)), tmp_path / "s", backbone=backbone, dtype="F32")
    result = run(Scenario(gate={"kind": "global"}, seeds=(0,)), study, cache=False)
    for at in range(len(result.pairs)):
        now = texts(study, result, at)
        found = rescore(result, study, **now)  # nothing is given: the kernel holds it
        np.testing.assert_allclose(found.rewards, own_rewards(result, at), atol=1e-4)
        again = rescore(result, study, **now | {"chosen": now["chosen"] + " "})  # the template trims: the same conversation
        np.testing.assert_allclose(again.rewards, found.rewards, atol=1e-4)
        longer = rescore(result, study, **now | {"prompt": now["prompt"] + " Be brief."})
        assert np.abs(longer.rewards - found.rewards).max() > 1e-4  # an answer is read after its prompt
    system = next(at for at in range(len(result.pairs)) if texts(study, result, at)["prompt"].startswith("System: "))
    now = texts(study, result, system)
    assert edited._messages(study, now["prompt"] + "!")[0]["role"] == "system"
    with pytest.raises(WorkbenchError, match="edit cannot be read: .* tokens, more than 2048"):
        rescore(result, study, **now | {"chosen": "word " * 3000})
    del backbone
