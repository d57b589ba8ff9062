"""A study folder: written once, whole or not at all, read as it was written, split by family."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted import NAMES, planted, published_model

from workbench import bundle, writing
from workbench.check import check
from workbench.errors import WorkbenchError
from workbench.features import compose, write_index, write_shard
from workbench.measured import n_words
from workbench.model import RewardModel
from workbench.scalarize.weights import FixedWeights
from workbench.study import Study
from workbench.tables import Objective, Tables


def tables(n=6) -> Tables:
    ids = [f"p{i}" for i in range(n)]
    prompts = pd.DataFrame({"prompt_id": ids, "family": ids, "text": [f"what is {i}?" for i in range(n)]})
    responses = pd.DataFrame(
        {"response_id": [f"r{i}" for i in range(2 * n)], "prompt_id": np.repeat(ids, 2), "text": [f"answer {i}" for i in range(2 * n)]}
    )
    pairs = pd.DataFrame(
        {
            "pair_id": [f"c{i}" for i in range(n)],
            "prompt_id": ids,
            "chosen": [f"r{2 * i}" for i in range(n)],
            "rejected": [f"r{2 * i + 1}" for i in range(n)],
        }
    )
    ratings = pd.DataFrame({"response_id": responses["response_id"], "help": np.linspace(1, 5, 2 * n)})
    return Tables(prompts, responses, pairs, ratings, (Objective("help", 1, 5, "raters", "Helpful"),))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_is_written_is_what_is_read(tmp_path):
    t = tables()
    scores = pd.DataFrame({"response_id": t.responses["response_id"], "other": np.arange(12.0)})
    study = Study.write(t, tmp_path / "s", name="mine", scores={"elsewhere": scores}, licence="CC0")
    again = Study.load(tmp_path / "s")
    assert (again.name, again.hash, again.info["licence"]) == ("mine", study.hash, "CC0")
    pd.testing.assert_frame_equal(again.ratings, t.ratings, check_dtype=False)
    pd.testing.assert_frame_equal(again.table("pairs"), t.pairs, check_dtype=False)
    assert again.objectives == ("help",) and again.objective_info["help"] == t.objectives[0]
    assert set(again.columns) == {"other", "n_words", "repetition", "list_share", "markdown_share"}
    assert again.column("n_words").loc["r3"] == n_words("answer 3")
    got = again.column_scores(["other"])
    np.testing.assert_array_equal(got.values[:, :, 0], np.arange(12.0).reshape(6, 2))
    with pytest.raises(WorkbenchError, match="unknown column 'length'.*n_words"):
        again.column("length")
    with pytest.raises(WorkbenchError, match="no features.*workbench extract"):
        again.features()


def test_tables_are_the_callers_own(tmp_path):
    study = Study.write(tables(), tmp_path / "s")
    pairs, ratings = study.pairs, study.ratings
    pairs["chosen"], ratings["help"] = "spoiled", 0.0
    assert study.pairs["chosen"].tolist() == tables().pairs["chosen"].tolist()
    assert study.ratings["help"].max() == 5


def test_the_hash_follows_the_content(tmp_path):
    one, same = Study.write(tables(), tmp_path / "a"), Study.write(tables(), tmp_path / "b")
    changed = tables()
    changed.ratings.loc[0, "help"] = 2.0
    assert one.hash == same.hash != Study.write(changed, tmp_path / "c").hash


def test_a_study_is_never_overwritten(tmp_path):
    Study.write(tables(), tmp_path / "s")
    before = contents(tmp_path / "s")
    with pytest.raises(WorkbenchError, match="a study is here already.*never overwritten"):
        Study.write(tables(8), tmp_path / "s")
    assert contents(tmp_path / "s") == before


def test_bad_tables_write_nothing(tmp_path):
    bad = tables()
    bad.ratings.loc[0, "help"] = 9.0
    with pytest.raises(WorkbenchError, match="rating 9 outside 1 to 5 in rows 0"):
        Study.write(bad, tmp_path / "s")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("after", range(7))
def test_killed_in_the_middle_of_a_write_leaves_nothing_visible(tmp_path, monkeypatch, after):
    calls = 0
    write = bundle.write_atomic

    def dying(path, data):
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyboardInterrupt
        write(path, data)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        for module in (bundle, writing):
            patch.setattr(module, "write_atomic", dying)
        Study.write(tables(), tmp_path / "s")
    with pytest.raises(WorkbenchError, match="no study here"):  # six tables, then study.json
        Study.load(tmp_path / "s")
    Study.write(tables(), tmp_path / "s", name="s")
    Study.write(tables(), tmp_path / "whole", name="s")
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


WRITER = """
import sys
sys.path[:0] = {paths!r}
import test_study
from workbench import bundle, study

write = bundle.write_atomic
def slow(path, data):
    if path.name == "pairs.parquet":
        print("writing", flush=True)
        sys.stdin.readline()
    write(path, data)
bundle.write_atomic = slow
study.Study.write(test_study.tables(9), {folder!r}, name="first")
print("done", flush=True)
"""


def test_two_processes_do_not_mix(tmp_path):
    here = Path(__file__).parent
    script = WRITER.format(paths=[str(here), str(here.parent)], folder=str(tmp_path / "s"))
    first = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "writing\n"
    with pytest.raises(WorkbenchError, match="another process is writing here.*Wait"):
        Study.write(tables(), tmp_path / "s", name="second")
    first.communicate("go\n", timeout=30)
    study = Study.load(tmp_path / "s")
    assert study.name == "first" and len(study.table("pairs")) == 9
    with pytest.raises(WorkbenchError, match="a study is here already"):
        Study.write(tables(), tmp_path / "s", name="second")
    assert not (tmp_path / "s" / ".lock").exists()


def test_pairs_and_responses_carry_family_and_split(planted_study):
    study = planted_study.study
    for frame in (study.pairs, study.responses):
        by = frame.groupby("family")["split"].nunique()
        assert (by == 1).all() and set(frame["split"]) == {"train", "dev", "test"}
    parts = [study.split_pairs(split) for split in ("train", "dev", "test")]
    assert sum(map(len, parts)) == len(study.split_pairs()) == len(study.pairs)
    assert not set(parts[0]["family"]) & set(parts[1]["family"]) | set(parts[1]["family"]) & set(parts[2]["family"])
    with pytest.raises(WorkbenchError, match="unknown split 'valid'.*train, dev, test"):
        study.split_pairs("valid")


def test_features_follow_the_rows_of_pairs_and_responses(planted_study):
    study = planted_study.study
    raw = {kind: study.store.rows(kind, np.arange(study.store.rows_of(kind))) for kind in ("prompt", "response")}
    prompts, responses = list(study.table("prompts")["prompt_id"]), list(study.table("responses")["response_id"])
    pairs, got = study.split_pairs("dev"), study.features("dev")
    assert got.response.shape == (len(pairs), 2, 24)
    for row in (0, 7, len(pairs) - 1):
        p = raw["prompt"][prompts.index(pairs.loc[row, "prompt_id"])]
        np.testing.assert_array_equal(got.prompt[row], p)
        for side, word in enumerate(("chosen", "rejected")):
            r = raw["response"][responses.index(pairs.loc[row, word])]
            np.testing.assert_array_equal(got.response[row, side], compose(p, r, ("response", "prompt*response")))
    table, rows = study.split_responses("dev"), study.features("dev", of="responses")
    r = raw["response"][responses.index(table.loc[5, "response_id"])]
    np.testing.assert_array_equal(rows.response[5, :12], r)
    with pytest.raises(WorkbenchError, match='of="pairs"'):
        study.features("dev", of="prompts")


@pytest.fixture
def folder(tmp_path):
    return planted(tmp_path / "study", families=9, per_family=1).study.folder


def describe(folder, **change):
    path = folder / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


BROKEN = {
    "newer schema": (lambda f: describe(f, schema=2), ["study.json", "study schema 2", "reads up to 1", "Update"]),
    "not JSON": (lambda f: (f / "study.json").write_text("{"), ["study.json", "not a study description", "Restore"]),
    "no schema": (lambda f: (f / "study.json").write_text("{}"), ["study.json", "not a study description"]),
    "gone": (lambda f: shutil.rmtree(f), ["study.json", "no study here", "Name the folder"]),
    "table gone": (lambda f: (f / "pairs.parquet").unlink(), ["pairs.parquet", "file is missing", "Restore"]),
    "shard cut": (
        lambda f: (f / "features/prompt-00000.safetensors").write_bytes(b"\x08" + b"\0" * 20),
        ["prompt-00000.safetensors", "not a safetensors"],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_opening_a_broken_study_is_one_clear_error(folder, case):
    breaks, words = BROKEN[case]
    breaks(folder)
    before = contents(folder) if folder.exists() else None
    with pytest.raises(WorkbenchError) as caught:
        Study.load(folder)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert before is None or contents(folder) == before


def test_a_table_that_is_not_parquet(folder):
    (folder / "ratings.parquet").write_text("[]")
    study = Study.load(folder)  # opening reads headers of features only
    with pytest.raises(WorkbenchError, match="ratings.parquet: hash does not match.*Restore"):
        _ = study.ratings
    with pytest.raises(WorkbenchError, match="ratings.parquet: not a readable parquet file.*Restore"):
        bundle.read_parquet(folder / "ratings.parquet")


def test_a_sound_file_with_other_numbers_is_refused(folder):
    """Or a cached result, found by the study's hash, would stand for numbers it was not made from."""
    changed = pd.read_parquet(folder / "ratings.parquet")
    changed.iloc[::-1].to_parquet(folder / "ratings.parquet", index=False)
    study = Study.load(folder)
    with pytest.raises(WorkbenchError, match="ratings.parquet: hash does not match"):
        _ = study.ratings
    assert len(study.table("pairs"))  # what was not touched is read
    described = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps({**described, "hash": "0" * 12}))
    with pytest.raises(WorkbenchError, match="hash does not match its list of files"):
        Study.load(folder)


def test_scores_that_would_be_lost_or_renamed_write_nothing(tmp_path):
    ids = tables().responses["response_id"]
    frame = pd.DataFrame({"response_id": ids, "other": np.arange(12.0)})
    refused = {
        "'measured'": {"measured": frame},
        "column 'other' is in scores/a.parquet too": {"a": frame, "b": frame},
        "column 'n_words' is in scores/a.parquet too": {"a": frame.rename(columns={"other": "n_words"})},
        "are no known responses": {"a": frame.assign(response_id="x" + ids)},
        "duplicate response_id": {"a": pd.concat([frame, frame])},
        "not numbers": {"a": frame.assign(other="high")},
    }
    for words, scores in refused.items():
        with pytest.raises(WorkbenchError, match=words):
            Study.write(tables(), tmp_path / "s", scores=scores)
        assert not (tmp_path / "s").exists()


def test_features_of_another_table_write_no_study(tmp_path):
    kinds = {}
    for kind, rows in (("prompt", 6), ("response", 13)):
        shard = write_shard(tmp_path / "s" / "features", kind, 0, np.ones((rows, 4), np.float32))
        kinds[kind] = {"dim": 4, "dtype": "F16", "shards": [shard], "skipped": {}}
    write_index(tmp_path / "s" / "features", kinds)
    with pytest.raises(WorkbenchError, match="13 response features for 12 rows of responses"):
        Study.write(tables(), tmp_path / "s", features={"compose": ["response"]})
    assert not (tmp_path / "s" / "study.json").exists()


def test_families_may_be_numbers(tmp_path):
    whole = tables()
    whole.prompts["family"] = [0, 0, 1, 2, 3, 4]
    study = Study.write(whole, tmp_path / "s")
    assert study.pairs["split"].notna().all() and study.pairs["split"][0] == study.pairs["split"][1]


def test_opening_is_light():
    script = "import sys, workbench as wb; wb.Study, wb.readers; assert not {'torch', 'plotly', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parent.parent)


# -- a model -----------------------------------------------------------------------------------------


def encoded(folder: Path) -> Tables:
    """Tables of which the features are in the folder already."""
    t = tables()
    kinds = {}
    for kind, rows in (("prompt", 6), ("response", 12)):
        values = np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32)
        kinds[kind] = {"dim": 4, "dtype": "F16", "shards": [write_shard(folder / "features", kind, 0, values)], "skipped": {}}
    write_index(folder / "features", kinds)
    return Tables(t.prompts, t.responses, t.pairs, objectives=tuple(Objective(name, group="Helpful") for name in NAMES))


def test_a_study_comes_with_a_model(tmp_path, planted_study):
    model, features = published_model(planted_study.study), {"compose": ["response"], "backbone": "none"}
    bare = Study.write(encoded(tmp_path / "bare"), tmp_path / "bare", features=features)
    one = Study.write(encoded(tmp_path / "one"), tmp_path / "one", features=features, model=model)
    saved = model.save(tmp_path / "published")
    two = Study.write(encoded(tmp_path / "two"), tmp_path / "two", name="one", features=features, model=saved)
    assert one.info["model"] == {"name": "planted model", "objectives": list(model.probes.names)} and one.has_model and not bare.has_model
    assert "model" not in bare.info and bare.hash != one.hash == two.hash and contents(one.folder) == contents(two.folder)
    assert {"model/index.json", "model/model.safetensors"} <= set(one.info["files"])
    assert one.objectives == model.probes.names and one.objective_info["safety"].group == "Helpful"
    assert not list(one.folder.rglob("*.lock"))
    other = published_model(planted_study.study, seed=1)
    changed = Study.write(encoded(tmp_path / "other"), tmp_path / "other", features=features, model=other)
    assert changed.hash != one.hash  # what is computed of one is not taken for what is computed of the other
    unnamed = published_model(planted_study.study, name="").save(tmp_path / "ArmoRM")
    assert Study.write(encoded(tmp_path / "x"), tmp_path / "x", features=features, model=unnamed).info["model"]["name"] == "ArmoRM"


def test_a_model_is_attached_to_a_study_that_is_there(planted_study, tmp_path, monkeypatch):
    study, model = planted_study.study, published_model(planted_study.study)
    before = {name: (study.folder / name).read_bytes() for name in study.info["files"]}
    with_model = study.with_model(model, tmp_path / "new", name="mine")
    assert (with_model.name, with_model.info["model"]["name"]) == ("mine", "planted model") and with_model.hash != study.hash
    assert {name: (with_model.folder / name).read_bytes() for name in study.info["files"]} == before
    for kind in ("prompt", "response"):
        shard = f"features/{kind}-00000.safetensors"
        assert (with_model.folder / shard).samefile(study.folder / shard)
    pd.testing.assert_frame_equal(with_model.ratings, study.ratings)
    np.testing.assert_array_equal(with_model.features("dev").response, study.features("dev").response)
    again = with_model.with_model(published_model(study, seed=3), tmp_path / "again")  # another in its place
    assert again.hash != with_model.hash and set(again.info["files"]) == set(with_model.info["files"])
    monkeypatch.setattr(writing.os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    assert study.with_model(model, tmp_path / "copied").hash == with_model.hash
    with pytest.raises(WorkbenchError, match="a study is here already"):
        study.with_model(model, tmp_path / "new")


def test_a_model_that_cannot_be_of_a_study(planted_study, tmp_path):
    model = published_model(planted_study.study)
    with pytest.raises(WorkbenchError, match="a model for a study without features: it would have nothing to read"):
        Study.write(tables(), tmp_path / "a", model=model)
    assert not (tmp_path / "a").exists()
    plain = Study.write(tables(), tmp_path / "b")
    with pytest.raises(WorkbenchError, match="without features"):
        plain.with_model(model, tmp_path / "c")
    held = Study(planted_study.study.info, None, {})
    with pytest.raises(WorkbenchError, match="held in memory.*Study.write"):
        held.with_model(model, tmp_path / "c")
    saved = model.save(tmp_path / "saved")
    (saved / "model.safetensors").write_bytes(b"x")
    for wrong, said in ((saved, r"saved/model\.safetensors: bytes are not .*save the model again"), (tmp_path / "none", "no model here"),
                        (str(tmp_path), r"index\.json: damaged or incomplete")):
        with pytest.raises(WorkbenchError, match=said):
            planted_study.study.with_model(wrong, tmp_path / "d")
    assert not (tmp_path / "d" / "study.json").exists()
    planted_study.study.with_model(model, tmp_path / "d")  # what a failed attempt left behind is no hindrance


# -- scores from elsewhere -----------------------------------------------------------------------------


def judged(study: Study, name: str = "judge") -> pd.DataFrame:
    ids = study.table("responses")["response_id"]
    return pd.DataFrame({"response_id": ids, name: np.random.default_rng(1).normal(size=len(ids))})


def test_scores_make_a_study_of_more_objectives(planted_study, tmp_path):
    study = planted_study.study
    before, scores = contents(study.folder), judged(study, "hub/judge v2")
    made = study.with_scores(scores.sample(frac=1, random_state=1), tmp_path / "new", name="more")
    assert (made.name, made.scored, made.objectives) == ("more", ("hub/judge v2",), (*NAMES, "hub/judge v2")) and made.hash != study.hash
    assert made.objective_info["hub/judge v2"] == Objective("hub/judge v2", group="Scores", kind="score")
    assert "scores/hub-judge-v2.parquet" in made.info["files"] and made.info["objectives"][:4] == study.info["objectives"]
    np.testing.assert_array_equal(made.column("hub/judge v2").loc[scores["response_id"]], scores["hub/judge v2"])
    for kind in ("prompt", "response"):
        assert (made.folder / f"features/{kind}-00000.safetensors").samefile(study.folder / f"features/{kind}-00000.safetensors")
    assert check(made.folder).ok and {name: contents(study.folder)[name] for name in before} == before
    pd.testing.assert_frame_equal(made.ratings, study.ratings)
    again = made.with_scores(judged(study, "hub judge v2"), tmp_path / "again")  # another file, though the names are alike
    assert again.scored == ("hub/judge v2", "hub judge v2") and "scores/hub-judge-v2-2.parquet" in again.info["files"]
    assert set(again.columns) == {*study.columns, *again.scored} and check(again.folder).ok


def test_ids_in_any_order_and_any_file_give_the_same_study(planted_study, tmp_path):
    study, scores = planted_study.study, judged(planted_study.study)
    scores.sample(frac=1, random_state=2).to_parquet(tmp_path / "judge.parquet", index=False)
    scores.sample(frac=1, random_state=3).to_csv(tmp_path / "judge.csv", index=False)
    made = [study.with_scores(source, tmp_path / f"s{at}") for at, source in
            enumerate((scores, scores[::-1], tmp_path / "judge.parquet", str(tmp_path / "judge.csv")))]
    assert len({one.hash for one in made}) == 1 and contents(made[0].folder) == contents(made[1].folder)
    assert [one.objective_info["judge"].source for one in made] == ["", "", "judge.parquet", "judge.csv"]
    columns = study.with_scores(scores, tmp_path / "column", objectives=False)
    assert columns.scored == () and columns.objectives == study.objectives and "judge" in columns.columns
    assert columns.hash not in (made[0].hash, study.hash)  # what is computed of one is not taken for what is computed of the other


def test_scores_that_cannot_join_a_study_write_nothing(planted_study, tmp_path):
    study, scores = planted_study.study, judged(planted_study.study)
    refused = {"no number for .* responses of pairs": scores.drop(index=3),
               "safety: a column or an objective of this study already. Rename": scores.rename(columns={"judge": "safety"}),
               "n_words: a column": scores.rename(columns={"judge": "n_words"}),
               "no responses of this study": scores.assign(response_id="x" + scores["response_id"])}
    for words, frame in refused.items():
        with pytest.raises(WorkbenchError, match=words):
            study.with_scores(frame, tmp_path / "new")
    with pytest.raises(WorkbenchError, match="held in memory.*Study.write"):
        alone = Study.from_scores(pd.DataFrame([(f"c{i}", side, "a", i) for i in range(9) for side in ("chosen", "rejected")],
                                               columns=["pair", "side", "objective", "score"]))
        alone.with_scores(judged(alone), tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(WorkbenchError, match="a study is here already"):
        study.with_scores(scores, study.folder)
    with pytest.warns(UserWarning, match="can be no objective"):
        made = study.with_scores(scores.drop(index=3), tmp_path / "gaps", objectives=False)
    assert made.column("judge").isna().sum() == 1 and check(made.folder).ok


def test_objectives_of_scores_are_written_and_held_to_their_columns(tmp_path):
    whole, ids = tables(), tables().responses["response_id"]
    frame = pd.DataFrame({"response_id": ids, "judge": np.arange(12.0)})
    more = Tables(whole.prompts, whole.responses, whole.pairs, whole.ratings, (Objective("judge", kind="score"), *whole.objectives))
    study = Study.write(more, tmp_path / "s", scores={"a": frame})
    assert study.objectives == ("help", "judge") and study.scored == ("judge",) and check(study.folder).ok
    assert "kind" not in study.info["objectives"][1]  # studies of ratings alone are described as they were
    for words, scores, objective in (("'judge' has no column", {}, "judge"), ("no number for 1 of 12", {"a": frame.drop(index=2)}, "judge"),
                                     ("'grade' is of kind 'grade'. Known: rating, score", {"a": frame}, None)):
        odd = more if objective else Tables(whole.prompts, whole.responses, whole.pairs, objectives=(Objective("grade", kind="grade"),))
        with pytest.raises(WorkbenchError, match=words):
            Study.write(odd, tmp_path / "odd", scores=scores)
        assert not (tmp_path / "odd").exists()
    path = study.folder / "study.json"
    path.write_text(path.read_text().replace('"judge"', '"judged"'))
    assert [str(problem) for problem in check(study.folder).problems] == ["scores: objective 'judged' has no column. Add its scores"]


def test_a_model_beside_scores(planted_study, tmp_path):
    study, model = planted_study.study, published_model(planted_study.study)
    made = study.with_scores(judged(study), tmp_path / "scores").with_model(model, tmp_path / "both")
    assert made.objectives == (*model.probes.names, "judge") == study.with_model(model, tmp_path / "m").with_scores(
        judged(study), tmp_path / "turned").objectives
    assert made.hash == Study.load(tmp_path / "turned").hash and check(made.folder).ok
    named = study.with_scores(judged(study, "charm"), tmp_path / "charm")
    model = published_model(study)
    names = ("helpfulness", "charm", "verbosity", "safety")
    parts = replace(model.probes, names=names), model.scale, None, FixedWeights(np.ones(4), names)
    with pytest.raises(WorkbenchError, match="the model scores charm, which the study has as scores from elsewhere"):
        named.with_model(RewardModel(*parts), tmp_path / "twice")
