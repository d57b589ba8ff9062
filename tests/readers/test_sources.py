"""Rows come from files, folders, folders saved by `datasets` and names on the hub; what is missing is said at once."""

from __future__ import annotations

import json
import socket
import time

import pandas as pd
import pyarrow as pa
import pytest
from test_read import put, texts

from workbench import readers
from workbench.errors import WorkbenchError
from workbench.readers import hub
from workbench.readers.files import lines_of
from workbench.readers.names import complete, split_of
from workbench.readers.sources import NAME


def rows(*numbers):
    return [{"prompt": f"q{i}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in numbers]


WANTED = [("q0", "good 0", "bad 0"), ("q1", "good 1", "bad 1"), ("q2", "good 2", "bad 2")]


def saved(folder, parts, split=None, **state):
    """A folder as Dataset.save_to_disk writes it."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{len(parts):05d}.arrow" for i in range(len(parts))]
    for name, part in zip(names, parts):
        table = pa.Table.from_pylist(part)
        with pa.ipc.new_stream(str(folder / name), table.schema) as stream:
            stream.write_table(table, max_chunksize=1)
    (folder / "dataset_info.json").write_text(json.dumps({"features": {}}))
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names], "_split": split} | state))
    return folder


def divided(folder, parts):
    """A folder as DatasetDict.save_to_disk writes it."""
    for name, part in parts.items():
        saved(folder / name, [part], name)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(parts)}))
    return folder


def splits(tables):
    return None if tables.splits is None else tables.prompts.merge(tables.splits, on="family").set_index("text")["split"].to_dict()


def refused(path, *words):
    with pytest.raises(WorkbenchError) as caught:
        readers.read(path)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert caught.value.remedy


# -- folders -----------------------------------------------------------------------------------------


def test_a_saved_data_set(tmp_path):
    tables = readers.read(saved(tmp_path / "d", [rows(0, 1), rows(2)], "train"))
    assert texts(tables) == WANTED and tables.splits is None
    assert list(tables.notes["layouts"]) == ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]


def test_a_saved_dictionary_brings_its_splits(tmp_path):
    tables = readers.read(divided(tmp_path / "d", {"train": rows(0), "validation": rows(1), "test": rows(2)}))
    assert texts(tables) == WANTED
    assert splits(tables) == {"q0": "train", "q1": "dev", "q2": "test"}
    assert list(tables.notes["layouts"])[1] == "validation/data-00000-of-00001.arrow"


def test_rows_know_their_split_better_than_their_place(tmp_path):
    mixed = [rows(0)[0] | {"split": "test"}, rows(1)[0] | {"split": None}]
    tables = readers.read(divided(tmp_path / "d", {"train_prefs": mixed, "test_prefs": rows(2)}))
    assert splits(tables) == {"q0": "test", "q1": "train", "q2": "test"}


@pytest.mark.parametrize("several", [False, True])
def test_one_split_alone_says_nothing(tmp_path, several):
    parts = {"train": rows(0, 1)} | ({"test": rows(2)} if several else {})
    assert (readers.read(divided(tmp_path / "d", parts)).splits is None) != several


def test_a_folder_of_files(tmp_path):
    folder = tmp_path / "d"
    (folder / "more").mkdir(parents=True)
    put(folder / "train.jsonl", rows(0))
    pd.DataFrame(rows(1)).to_parquet(folder / "more" / "validation-00000-of-00001.parquet")
    put(folder / "more" / ".hidden.jsonl", [{"nothing": 1}])
    (folder / "dataset_infos.json").write_text("{}")
    (folder / "README.md").write_text("about")
    tables = readers.read(folder)
    assert sorted(texts(tables)) == WANTED[:2] and splits(tables) == {"q0": "train", "q1": "dev"}
    assert set(tables.notes["layouts"]) == {"train.jsonl", "more/validation-00000-of-00001.parquet"}
    put(folder / "extra.jsonl", rows(2))
    with pytest.raises(WorkbenchError, match="no split for family"):  # one file's name says nothing, the others' do
        readers.read(folder)


def test_places_name_the_folder_of_a_bad_row(tmp_path):
    folder = divided(tmp_path / "d", {"train": rows(0), "test": [rows(1)[0] | {"chosen": ""}]})
    refused(folder, "test/data-00000-of-00001.arrow, row 1, column chosen", "empty chosen")


def arrow(tmp_path):
    return saved(tmp_path / "d", [rows(0, 1), rows(2)]) / "data-00001-of-00002.arrow"


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def test_what_is_wrong_with_a_saved_folder(tmp_path):
    path = arrow(tmp_path)
    whole = path.read_bytes()
    cut(path, -100)
    refused(path.parent, "damaged arrow", path.name)
    cut(path, -8)  # between two batches: it would read as a shorter file
    path.write_bytes(whole[:-8])
    refused(path.parent, "damaged arrow (cut short)", path.name)
    path.unlink()
    refused(path.parent, "file is missing: data-00001-of-00002.arrow", "copy all of it")
    (path.parent / "state.json").write_text("{")
    refused(path.parent, "state.json", "not a JSON object")
    refused(saved(tmp_path / "e", [rows(0)], _indices_data_files=[{"filename": "indices.arrow"}]), "selection of rows", "flatten_indices")
    folder = divided(tmp_path / "f", {"train": rows(0), "test": rows(1)})
    (folder / "test" / "state.json").unlink()
    refused(folder, "test/state.json", "missing")


def test_what_is_wrong_with_a_folder(tmp_path):
    (tmp_path / "none").mkdir()
    refused(tmp_path / "none", "no data files here", ".parquet")
    (tmp_path / "none" / "study.json").write_text("{}")
    refused(tmp_path / "none", "a study, not a data set", "Study.load")
    (tmp_path / "part").mkdir()
    for number in (0, 2):
        pd.DataFrame(rows(number)).to_parquet(tmp_path / "part" / f"train-{number:05d}-of-00004.parquet")
    refused(tmp_path / "part", "shard missing: train-00001-of-00004, train-00003-of-00004")


def test_arrow_files_of_both_formats(tmp_path):
    table = pa.Table.from_pylist(rows(0, 1))
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), table.schema) as file:
        file.write_table(table)
    with pa.ipc.new_stream(str(tmp_path / "b.arrow"), table.schema) as stream:
        stream.write_table(table)
    assert [line.data for line in lines_of(tmp_path / "a.arrow")] == [line.data for line in lines_of(tmp_path / "b.arrow")] == rows(0, 1)
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([b"caf\xe9"], pa.binary()).buffers())
    with pa.ipc.new_stream(str(tmp_path / "c.arrow"), pa.schema([("prompt", pa.string())])) as stream:
        stream.write_table(pa.table({"prompt": bad}))
    refused(tmp_path / "c.arrow", "c.arrow, row 0, column prompt", "byte 4", "0xe9")
    (tmp_path / "d.arrow").write_bytes(b"PAR1")
    refused(tmp_path / "d.arrow", "damaged arrow")


@pytest.mark.parametrize(
    "name, split",
    [
        ("data/train-00000-of-00002.parquet", "train"), ("validation.jsonl.gz", "dev"), ("main/test/0000.parquet", "test"),
        ("train/eval_rows.jsonl", "test"), ("test_prefs-00000-of-00001.parquet", "test"), ("filtered.parquet", None),
        ("trainer.json", None),
    ],
)  # fmt: skip
def test_splits_in_names(name, split):
    assert split_of(name) == split


def test_shards_are_counted_from_nought_or_one():
    for first in (0, 1):
        complete(f"a-{number:05d}-of-00003.x" for number in range(first, first + 3))
    with pytest.raises(WorkbenchError, match="shard missing: a-00003-of-00003"):
        complete(f"a-{number:05d}-of-00003.x" for number in (1, 2))


# -- the hub -----------------------------------------------------------------------------------------

SHA = "0" * 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a hub that nobody answers for."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{port}")
    return tmp_path / "hub"


def kept(cache, files, name="owner/name"):
    home = cache / f"datasets--{name.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(SHA)
    for file, content in files.items():
        path = home / "snapshots" / SHA / file
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(content).to_parquet(path) if file.endswith(".parquet") else put(path, content)


def test_what_the_cache_holds_is_read_from_there(cache):
    kept(cache, {"data/train-00000-of-00001.parquet": rows(0, 1), "data/test-00000-of-00001.parquet": rows(2), "old.jsonl": [{"x": 1}]})
    tables = readers.read("owner/name")
    assert sorted(texts(tables)) == WANTED and splits(tables) == {"q0": "train", "q1": "train", "q2": "test"}
    tables = readers.read("owner/name:train")
    assert texts(tables) == WANTED[:2] and tables.splits is None
    refused("owner/name:validation", "owner/name", "the hub cannot be reached")


def test_configurations_are_folders(cache):
    kept(cache, {"a/train.jsonl": rows(0, 4), "a/test.jsonl": rows(1, 5), "b/train.jsonl": rows(2, 6)})
    refused("owner/name", "several configurations: a, b", "owner/name:a")
    refused("owner/name:train", "several configurations: a, b")
    assert splits(readers.read("owner/name:a")) == {"q0": "train", "q4": "train", "q1": "test", "q5": "test"}
    assert [row[0] for row in texts(readers.read("owner/name:a/test"))] == ["q1", "q5"]
    kept(cache, {"train.jsonl": rows(0, 1), "more/train.jsonl": rows(2, 3)}, "owner/other")
    assert [row[0] for row in texts(readers.read("owner/other"))] == ["q0", "q1"]


def test_a_missing_shard_in_the_cache(cache):
    kept(cache, {"data/train-00000-of-00002.parquet": rows(0)})
    refused("owner/name", "shard missing: data/train-00001-of-00002")


def test_an_unreachable_hub_is_said_at_once(cache, monkeypatch):
    asked = []
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **kwargs: asked.append(kwargs) or (_ for _ in ()).throw(OSError))
    refused("owner/name", "owner/name", "the hub cannot be reached (OSError)", "download the data set and name its folder")
    assert asked == [{"timeout": hub.WAIT}]  # one attempt


@pytest.mark.parametrize("answer", [False, True])
def test_a_hub_that_is_silent_is_not_waited_for(cache, monkeypatch, answer):
    """A closed port, and one that takes the question and never answers."""
    monkeypatch.setattr(hub, "WAIT", 0.5)
    with socket.socket() as silent:
        if answer:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        refused("owner/name", "the hub cannot be reached", "name its folder")
        assert time.monotonic() - start < 3


def test_a_host_is_not_looked_up_forever(cache, monkeypatch):
    """The look-up of a name takes no time limit: the question is left behind."""
    monkeypatch.setattr(hub, "WAIT", 0.1)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: time.sleep(2))
    start = time.monotonic()
    refused("owner/name", "the hub cannot be reached (TimeoutError)")
    assert time.monotonic() - start < 1.5


def test_an_unknown_name_is_no_lack_of_a_hub(cache, monkeypatch):
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    for kind in (RepositoryNotFoundError, GatedRepoError):
        error = kind.__new__(kind)
        monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
        refused("owner/name", "no data set of that name that the hub lets you read", kind.__name__, "check it")


def test_files_that_hold_no_rows(cache, monkeypatch):
    class Listed:
        siblings = [type("File", (), {"rfilename": name})() for name in ("README.md", "train.csv", "dataset_infos.json")]

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: Listed)
    refused("owner/name", "no rows in parquet or JSON", "name its folder")
    refused("owner/name:test", "no rows of 'test'")


def test_paths_are_never_taken_for_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "fetch", lambda *_: pytest.fail("asked the hub"))
    for path in ("none.jsonl", "data/none.jsonl", "./a/b", str(tmp_path / "none"), "a/b/c"):
        refused_path = pytest.raises(WorkbenchError, match="no such file")
        with refused_path:
            readers.read(path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    put(tmp_path / "owner" / "name" / "a.jsonl", rows(0, 1))
    assert texts(readers.read("owner/name")) == WANTED[:2]
    assert NAME.fullmatch("owner/name:config/split").groups() == ("owner/name", "config/split")
