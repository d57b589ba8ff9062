"""What is exported opens as a data set of the hub does, and is read back as the study it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from workbench import readers
from workbench.errors import WorkbenchError
from workbench.publish import export_dataset
from workbench.readers.messages import messages_of
from workbench.study import Study
from workbench.tables import Objective, Tables

TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which tree, “ash”?"}]


def tables(count: int = 9) -> Tables:
    """Three splits, a conversation, answers in no pair, ratings on two scales, scores in two frames, more known of pairs."""
    prompts = pd.DataFrame({
        "prompt_id": [f"p{i}" for i in range(count)], "family": [f"f{i // 2}" for i in range(count)],
        "section": ["Chat", "Safety", None] * (count // 3), "text": [f"Question {i}?" for i in range(count)],
        "messages": [json.dumps(TALK, ensure_ascii=False) if i == 0 else None for i in range(count)],
        "reference": ["Ash." if i == count - 1 else None for i in range(count)],
    })
    prompts.loc[0, "text"] = "System: Be brief.\n\nUser: Which tree, “ash”?"
    ids = [(f"r{i}-{k}", f"p{i}") for i in range(count) for k in range(3)]
    responses = pd.DataFrame(ids, columns=["response_id", "prompt_id"])
    responses["text"], responses["model"] = responses["response_id"] + " says", ["m", None, "n"] * count
    pairs = pd.DataFrame({
        "pair_id": [f"c{i}" for i in range(count)], "prompt_id": prompts["prompt_id"],
        "chosen": [f"r{i}-0" for i in range(count)], "rejected": [f"r{i}-1" for i in range(count)], "source": "made",
        "annotator": [f"a{i % 2}" for i in range(count)], "strength": [i - 2.5 for i in range(count)],
    })
    ratings = pd.DataFrame({"response_id": responses["response_id"], "src-good": [float(i % 5) for i in range(len(ids))], "best": None})
    ratings["best"] = ratings["best"].astype("float64")
    ratings.loc[:2, "best"] = [0.25, 0.5, 1.0]
    objectives = (Objective("src-good", 0.0, 4.0, "people", "Helpful"), Objective("best", 0.0, 1.0, "judge", "Best"))
    splits = pd.DataFrame({"family": prompts["family"].unique(), "split": ["train", "dev", "test", "train", "train"]})
    frame = responses[["response_id"]].assign(a=range(len(ids)))
    scores = {"one": frame, "two": frame.head(4).rename(columns={"a": "b"})}
    return Tables(prompts, responses, pairs, ratings, objectives, splits, {}, scores)


@pytest.fixture
def study(tmp_path):
    return Study.write(tables(), tmp_path / "study", name="Made “up”: a study", licence="CC-BY-4.0")


def by(frame: pd.DataFrame, key: str, *columns: str) -> pd.DataFrame:
    frame = frame.sort_values(key, ignore_index=True)
    return frame[[key, *(columns or sorted(set(frame) - {key}))]].astype(object).where(frame.notna(), None)


def test_the_card_says_which_files_are_which_split(study, tmp_path):
    folder = export_dataset(study, tmp_path / "out" / "set")
    text = (folder / "README.md").read_text(encoding="utf-8")
    _, header, body = text.split("---\n", 2)
    said = yaml.safe_load(header)
    assert said["license"] == "cc-by-4.0" and said["pretty_name"] == "Made “up”: a study"
    assert [(one["config_name"], one.get("default")) for one in said["configs"]] == [("pairs", True), ("responses", None)]
    listed = [entry["path"] for one in said["configs"] for entry in one["data_files"]]
    assert sorted(listed) == sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
    for one, rows in zip(said["configs"], ([5, 2, 2], [15, 6, 6])):
        assert [entry["split"] for entry in one["data_files"]] == ["train", "validation", "test"]
        parts = [pq.read_table(folder / entry["path"]) for entry in one["data_files"]]
        assert [len(part) for part in parts] == rows and all(part.schema.equals(parts[0].schema) for part in parts)
        assert {part["split"][0].as_py() for part in parts} == {"train", "validation", "test"}
    assert "pairs, validation: 2 rows" in body and study.hash in body and "Licence: CC-BY-4.0" in body
    assert not list(folder.parent.glob("*.lock"))


def test_pairs_are_messages(study, tmp_path):
    rows = pq.read_table(export_dataset(study, tmp_path / "set") / "data" / "train-00000-of-00001.parquet").to_pylist()
    assert rows[0]["prompt"] == TALK and rows[1]["prompt"] == [{"role": "user", "content": "Question 1?"}]
    assert rows[0]["chosen"] == [{"role": "assistant", "content": "r0-0 says"}] and rows[0]["chosen_model"] == "m"
    assert (rows[0]["chosen_id"], rows[0]["rejected_id"], rows[0]["annotator"]) == ("r0-0", "r0-1", "a0")
    rated = pq.read_table(tmp_path / "set" / "responses" / "train-00000-of-00001.parquet").to_pylist()
    assert rated[1]["ratings"] == {"src-good": 1.0, "best": 0.5} and rated[5]["scores"] == {"a": 5.0, "b": None}
    assert rated[0]["prompt"] == TALK and "n_words" not in rated[0]["scores"]


def test_it_is_read_back_as_it_was(study, tmp_path):
    again = readers.read(export_dataset(study, tmp_path / "set"))
    pd.testing.assert_frame_equal(by(again.pairs, "pair_id"), by(study.table("pairs"), "pair_id"))
    columns = ("family", "section", "text", "messages", "reference")
    pd.testing.assert_frame_equal(by(again.prompts, "prompt_id", *columns), by(study.table("prompts"), "prompt_id", *columns))
    assert messages_of(again.prompts.sort_values("prompt_id"))[0] == TALK
    pd.testing.assert_frame_equal(by(again.responses, "response_id"), by(study.table("responses"), "response_id"))
    pd.testing.assert_frame_equal(by(again.ratings, "response_id"), by(study.ratings, "response_id"))
    assert again.objectives == tables().objectives and "guessed_ranges" not in again.notes
    pd.testing.assert_frame_equal(by(again.splits, "family"), by(study.table("splits"), "family"))
    written = Study.write(again, tmp_path / "again")
    assert set(written.columns) == set(study.columns)
    for name in study.columns:
        pd.testing.assert_series_equal(written.column(name).sort_index(), study.column(name).sort_index(), check_dtype=False)


def test_ranges_that_are_given_win(study, tmp_path):
    folder = export_dataset(study, tmp_path / "set")
    assert readers.read(folder, ranges={"src-good": (0, 9)}).objectives[0].high == 9
    assert [o.name for o in readers.read(folder, objectives=["best"]).objectives] == ["best"]
    (folder / "index.json").write_text('{"objectives": [{"title": "x"}]}')
    with pytest.raises(WorkbenchError, match="objectives are not described"):
        readers.read(folder)


def test_a_planted_study_goes_round(planted_study, tmp_path):
    study = planted_study.study
    again = readers.read(export_dataset(study, tmp_path / "set"))
    pd.testing.assert_frame_equal(by(again.pairs, "pair_id"), by(study.table("pairs"), "pair_id"))
    rated = study.ratings.dropna(how="all", subset=list(study.objectives))
    pd.testing.assert_frame_equal(by(again.ratings, "response_id"), by(rated, "response_id"))
    assert again.objectives == tuple(study.objective_info.values())
    pd.testing.assert_frame_equal(by(again.splits, "family"), by(study.table("splits"), "family"))


def test_pairs_alone_and_ratings_alone(tmp_path):
    whole = tables()
    pairs = Study.write(replace(whole, ratings=None, objectives=(), scores={}), tmp_path / "pairs")
    folder = export_dataset(pairs, tmp_path / "a")
    assert not (folder / "responses").exists() and "license" not in (folder / "README.md").read_text(encoding="utf-8")
    assert readers.read(folder).ratings is None and len(readers.read(folder).pairs) == 9
    rated = Study.write(replace(whole, pairs=whole.pairs.head(0)), tmp_path / "rated", licence="Ours, ask us")
    folder = export_dataset(rated, tmp_path / "b")
    assert not (folder / "data").exists() and "license: other" in (folder / "README.md").read_text(encoding="utf-8")
    assert len(readers.read(folder).ratings) == 27 and len(readers.read(folder).pairs) == 0
    empty = Study.write(replace(whole, pairs=whole.pairs.head(0), ratings=None, objectives=(), scores={}), tmp_path / "empty")
    with pytest.raises(WorkbenchError, match="neither pairs nor ratings"):
        export_dataset(empty, tmp_path / "c")


def test_nothing_is_overwritten_and_nothing_is_half_written(study, tmp_path, monkeypatch):
    folder = export_dataset(study, tmp_path / "set")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(WorkbenchError, match="something is here already.*choose another folder"):
        export_dataset(study, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    monkeypatch.setattr("workbench.bundle.os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError):
        export_dataset(study, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir() if "other" in path.name and path.is_dir()) == []


def test_a_study_without_text_is_refused(tmp_path):
    rows = [(f"c{i}", side, "good", i) for i in range(3) for side in ("chosen", "rejected")]
    study = Study.from_scores(pd.DataFrame(rows, columns=["pair", "side", "objective", "score"]))
    with pytest.raises(WorkbenchError, match="a study without text"):
        export_dataset(study, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_it_comes_back_whole_from_the_hub(study, tmp_path, monkeypatch):
    snapshot = tmp_path / "hub" / "datasets--owner--name" / "snapshots" / ("0" * 40)
    export_dataset(study, snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    again = readers.read("owner/name")
    assert again.objectives == tables().objectives and len(again.pairs) == 9 and len(again.ratings) == 27


def test_ids_that_mean_two_answers(study, tmp_path):
    folder = export_dataset(study, tmp_path / "set")
    path = folder / "data" / "test-00000-of-00001.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[0]["chosen"][0]["content"] = "another answer"
    pd.DataFrame(rows).to_parquet(path)
    with pytest.raises(WorkbenchError, match="response id 'r4-0' has two texts"):
        readers.read(folder)
    rows[0]["chosen"].insert(0, {"role": "user", "content": "more"})
    pd.DataFrame(rows).to_parquet(path)
    with pytest.raises(WorkbenchError, match="chosen is more than one message"):
        readers.read(folder)
