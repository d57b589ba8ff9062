"""Every way a study can be broken is one clear line of the report; checking never raises and changes nothing."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted import planted, published_model

from workbench.bundle import content_hash, sha256
from workbench.check import check
from workbench.features import as_float32, open_tensor, tensor_bytes
from workbench.study import Study


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("sound") / "study", families=12, per_family=1).study.folder


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "study"))


def reseal(folder: Path) -> None:
    """Make the hashes match again, so that only the defect itself is left to find."""
    path = folder / "study.json"
    info = json.loads(path.read_text())
    index = folder / "features" / "index.json"
    kinds = json.loads(index.read_text())
    for kind in kinds["kinds"].values():
        for shard in kind["shards"]:
            shard["sha256"] = sha256(folder / "features" / shard["file"])
    index.write_text(json.dumps(kinds))
    info["files"] = {name: sha256(folder / name) for name in info["files"]}
    info["hash"] = content_hash(info["files"])
    path.write_text(json.dumps(info))


def edit(folder: Path, name: str, change) -> None:
    path = folder / f"{name}.parquet"
    frame = pd.read_parquet(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        change(frame).to_parquet(path, index=False)
    reseal(folder)


def at(column, row, value):
    def change(frame):
        frame = frame.astype({column: object}) if isinstance(value, str) else frame
        frame.loc[row, column] = value
        return frame

    return change


def shard(folder: Path, change) -> None:
    path = folder / "features" / "response-00000.safetensors"
    rows = as_float32(np.array(open_tensor(path, "response")))
    path.write_bytes(tensor_bytes("response", change(rows)))
    reseal(folder)


def put_nan(rows):
    rows[5, 3] = np.nan
    return rows


def put_infinity(rows):
    rows[7, 0] = np.inf
    return rows


def describe(folder: Path, **change) -> None:
    path = folder / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def truncate(folder: Path) -> None:
    path = folder / "features" / "response-00000.safetensors"
    path.write_bytes(path.read_bytes()[:-20])


def flip_a_byte(folder: Path) -> None:
    path = folder / "features" / "prompt-00000.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def latin1(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "prompts.parquet")
    raw = [text.encode() for text in table["text"].to_pylist()]
    raw[4] = b"caf\xe9"
    array = pa.array(raw, pa.binary())
    table = table.set_column(table.column_names.index("text"), "text", pa.Array.from_buffers(pa.string(), len(raw), array.buffers()))
    pq.write_table(table, folder / "prompts.parquet")
    reseal(folder)


BROKEN = {
    "missing column": (
        lambda f: edit(f, "pairs", lambda t: t.drop(columns="chosen")),
        ["pairs", "missing column 'chosen'", "It has pair_id"],
    ),
    "missing family": (lambda f: edit(f, "prompts", lambda t: t.drop(columns="family")), ["prompts", "missing column 'family'"]),
    "missing key": (lambda f: edit(f, "responses", lambda t: t.drop(columns="response_id")), ["responses", "missing column 'response_id'"]),
    "duplicate id": (lambda f: edit(f, "pairs", at("pair_id", 1, "c00000")), ["pairs", "duplicate pair_id c00000", "unique"]),
    "no id": (lambda f: edit(f, "pairs", at("pair_id", 1, None)), ["pairs", "no pair_id in rows 1"]),
    "empty prompt": (lambda f: edit(f, "prompts", at("text", 3, " ")), ["prompts, column text", "empty prompt text", "rows 3"]),
    "empty response": (lambda f: edit(f, "responses", at("text", 9, "")), ["responses, column text", "empty response text", "r00009"]),
    "same sides": (
        lambda f: edit(f, "pairs", lambda t: t.assign(rejected=t["chosen"])),
        ["pairs", "chosen and rejected are the same", "rows 0"],
    ),
    "no known response": (lambda f: edit(f, "pairs", at("chosen", 0, "r9")), ["pairs, column chosen", "no known response", "c00000"]),
    "NaN feature": (
        lambda f: shard(f, put_nan),
        ["features/response-00000.safetensors", "NaN or infinite response feature", "rows 5", "Extract"],
    ),
    "infinite feature": (lambda f: shard(f, put_infinity), ["features/response-00000.safetensors", "NaN or infinite", "rows 7"]),
    "wrong dimension": (
        lambda f: shard(f, lambda r: r[:, :-1]),
        ["response-00000.safetensors", "shape (48, 11), wanted (48, 12)", "Extract"],
    ),
    "wrong rows": (lambda f: shard(f, lambda r: r[:-1]), ["response-00000.safetensors", "shape (47, 12), wanted (48, 12)"]),
    "truncated shard": (truncate, ["features/response-00000.safetensors", "truncated shard", "wanted", "Write the shard again"]),
    "missing shard": (lambda f: (f / "features" / "prompt-00000.safetensors").unlink(), ["features/prompt-00000.safetensors", "missing"]),
    "not a shard": (lambda f: (f / "features" / "prompt-00000.safetensors").write_bytes(b"{}"), ["not a safetensors file"]),
    "no index": (lambda f: (f / "features" / "index.json").write_text("{"), ["features/index.json", "not readable", "Extract"]),
    "changed shard": (flip_a_byte, ["features/prompt-00000.safetensors", "hash does not match", "Restore"]),
    "changed table": (
        lambda f: pd.read_parquet(f / "pairs.parquet").head(9).to_parquet(f / "pairs.parquet"),
        ["pairs.parquet", "hash does not match"],
    ),
    "stale hash": (lambda f: describe(f, hash="0" * 12), ["study.json, key hash", "does not match its list of files"]),
    "unknown objective": (
        lambda f: edit(f, "ratings", lambda t: t.assign(charm=0.5)),
        ["ratings", "unknown objective 'charm'", "Declare it"],
    ),
    "objective gone": (lambda f: edit(f, "ratings", lambda t: t.drop(columns="safety")), ["ratings", "objective 'safety' has no column"]),
    "all-NaN objective": (
        lambda f: edit(f, "ratings", lambda t: t.assign(safety=np.nan)),
        ["ratings, column safety", "no rating at all", "Drop"],
    ),
    "outside the scale": (
        lambda f: edit(f, "ratings", at("safety", 6, 1.5)),
        ["ratings, column safety", "rating 1.5 outside 0 to 1", "rows 6"],
    ),
    "infinite rating": (lambda f: edit(f, "ratings", at("safety", 6, np.inf)), ["ratings, column safety", "infinite rating in rows 6"]),
    "words for ratings": (lambda f: edit(f, "ratings", lambda t: t.assign(safety="high")), ["ratings, column safety", "not numbers"]),
    "two splits": (
        lambda f: edit(
            f,
            "splits",
            lambda t: pd.concat([t, pd.DataFrame({"family": ["f000"], "split": ["dev" if t["split"][0] != "dev" else "test"]})]),
        ),
        ["splits", "family f000 in two splits", "whole"],
    ),
    "no split": (lambda f: edit(f, "splits", lambda t: t[t["family"] != "f003"]), ["splits", "no split for family f003"]),
    "odd split": (lambda f: edit(f, "splits", at("split", 2, "half")), ["splits", "unknown split for f002", "train, dev, test"]),
    "not UTF-8": (latin1, ["prompts.parquet, row 4, column text", "not UTF-8", "byte 4", "0xe9"]),
    "parquet that is JSON": (
        lambda f: (f / "pairs.parquet").write_text("[{}]"),
        ["pairs.parquet", "not a readable parquet file", "Restore"],
    ),
    "missing table": (lambda f: (f / "pairs.parquet").unlink(), ["pairs.parquet", "missing", "Restore"]),
    "newer schema": (lambda f: describe(f, schema=99), ["study.json", "study schema 99", "reads up to 1", "Update the workbench"]),
    "not a description": (lambda f: (f / "study.json").write_text("[]"), ["study.json", "not a study description"]),
    "not JSON": (lambda f: (f / "study.json").write_bytes(b"\xff\xfe"), ["study.json", "not a study description"]),
    "no description": (lambda f: (f / "study.json").unlink(), ["study.json", "no study here", "Name the folder"]),
    "unknown compose": (
        lambda f: describe(f, features={"compose": ["sum"], "backbone": "x"}),
        ["study.json, key features", "unknown feature part sum"],
    ),
    "score of nobody": (
        lambda f: edit(f, "scores/measured", at("response_id", 0, "r9")),
        ["scores/measured.parquet", "r9", "no known responses"],
    ),
    "score twice": (
        lambda f: edit(f, "scores/measured", at("response_id", 0, "r00001")),
        ["scores/measured.parquet", "duplicate response_id r00001"],
    ),
    "infinite score": (
        lambda f: edit(f, "scores/measured", at("n_words", 4, np.inf)),
        ["scores/measured.parquet, column n_words", "rows 4"],
    ),
}


def test_a_sound_study(folder):
    report = check(folder)
    assert report.ok and report.problems == ()
    assert report.counts["pairs"] == 72 and report.features["response"] == {
        "rows": 48,
        "dim": 12,
        "dtype": "F16",
        "shards": 1,
        "skipped": 0,
    }
    ratings, splits = pd.read_parquet(folder / "ratings.parquet"), pd.read_parquet(folder / "splits.parquet").set_index("family")["split"]
    split = [splits[f"f{int(response[1:]) // 4:03d}"] for response in ratings["response_id"]]
    for name in report.coverage.index:  # counted again, one by one
        for column in ("train", "dev", "test"):
            assert report.coverage.loc[name, column] == sum(s == column and not np.isnan(v) for s, v in zip(split, ratings[name]))
    assert "no problems" in str(report) and report.hash in str(report)
    assert json.loads(json.dumps(report.to_dict()))["coverage"]["safety"]["train"] == report.coverage.loc["safety", "train"]


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_study_is_reported_and_left_alone(folder, case):
    breaks, words = BROKEN[case]
    breaks(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    report = check(folder)
    found = [str(problem) for problem in report.problems]
    assert any(all(word in line for word in words) for line in found), found
    assert not report.ok and str(report).count("\n  - ") == len(found) == len(set(found))
    json.dumps(report.to_dict())
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_study_of_one_prompt(tmp_path, folder):
    for name, change in {
        "prompts": lambda t: t.head(1),
        "responses": lambda t: t.head(4),
        "pairs": lambda t: t.head(6),
        "ratings": lambda t: t.head(4),
        "splits": lambda t: t.head(1),
        "scores/measured": lambda t: t.head(4),
    }.items():
        edit(folder, name, change)
    found = [str(problem) for problem in check(folder).problems]
    assert any("a study of one prompt" in line and "add prompts" in line for line in found), found


def test_every_defect_at_once(folder):
    edit(folder, "pairs", at("pair_id", 1, "c00000"))
    edit(folder, "ratings", at("safety", 6, 1.5))
    truncate(folder)
    found = "\n".join(str(problem) for problem in check(folder).problems)
    for word in ("duplicate pair_id", "outside 0 to 1", "truncated shard", "hash does not match"):
        assert word in found


def test_a_study_of_scores_alone_has_nothing_to_miss(tmp_path):
    study = planted(tmp_path / "s", families=9, per_family=1, text=False).study
    assert check(study.folder).ok


def reworded(folder: Path) -> None:
    """A model whose own list of hashes is not that of its files any more, though the study's is."""
    path = folder / "model" / "index.json"
    path.write_text(path.read_text().replace("planted model", "another model"))
    reseal(folder)


MODELS = {
    "changed": (lambda f: (f / "model" / "model.safetensors").write_bytes(b"x"), "model/model.safetensors: hash does not match"),
    "missing": (lambda f: (f / "model" / "model.safetensors").unlink(), "model/model.safetensors: file is missing. Restore"),
    "no index": (lambda f: (f / "model" / "index.json").unlink(), "model/index.json: file is missing. Restore"),
    "damaged when it was written": (reworded, "model/index.json: damaged or incomplete. Restore"),
    "another": (lambda f: describe(f, model={"name": "x", "objectives": ["a"]}), "study.json, key model: the model scores other"),
    "not described": (lambda f: describe(f, model=True), "model: cannot be read further"),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_damaged_model_is_one_clear_line(original, tmp_path, case):
    study = Study.load(original).with_model(published_model(Study.load(original)), tmp_path / "given")
    report = check(study.folder)
    assert report.ok and report.notes["model"] == "planted model" and "model: planted model" in str(report)
    breaks, said = MODELS[case]
    breaks(study.folder)
    found = [str(problem) for problem in check(study.folder).problems]
    assert len(found) == 1 and said in found[0], found
