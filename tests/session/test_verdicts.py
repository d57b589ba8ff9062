"""Verdicts by hand: the last line on a pair counts, nothing that was written is ever lost, and only this study's pairs are judged."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from workbench.errors import WorkbenchError
from workbench.session import verdicts as module
from workbench.session.verdicts import VERDICTS, Verdicts
from workbench.study import Study

PAIRS = [f"c{i}" for i in range(6)]


@pytest.fixture(scope="module")
def scores():
    rows = [{"pair": pair, "side": side, "objective": "helpful", "score": float(k)} for pair in PAIRS
            for k, side in enumerate(("rejected", "chosen"))]
    return Study.from_scores(pd.DataFrame(rows), name="six")


@pytest.fixture
def study(scores, tmp_path):
    return replace(scores, folder=tmp_path / "study") if (tmp_path / "study").mkdir() is None else None


def test_a_verdict_is_kept_changed_and_taken_back(study):
    found = Verdicts.of(study)
    assert len(found) == 0 and found.table().columns.tolist() == ["pair_id", "verdict", "note", "at"] and not found.path.exists()
    found.give("c1", "wrong", note="  the answer is to another question ").give("c2", "tie").give("c1", "right").give("c2", None)
    assert found.path == study.folder / "verdicts.jsonl" and found.get("c1") == "right" and found.get("c2") is None
    lines = [json.loads(line) for line in found.path.read_text().splitlines()]
    assert [line["verdict"] for line in lines] == ["wrong", "tie", "right", None], "nothing is written over"
    assert lines[0]["note"] == "the answer is to another question" and lines[0]["at"].endswith("Z")
    assert Verdicts.of(study).table().equals(found.table())


@settings(max_examples=30, deadline=None)
@given(some.lists(some.tuples(some.sampled_from(PAIRS), some.sampled_from([*VERDICTS, None])), max_size=12))
def test_the_last_word_counts_whatever_was_said_before(tmp_path_factory, scores, said):
    found = Verdicts(scores.name, frozenset(PAIRS), (tmp_path_factory.mktemp("said") / "verdicts.jsonl",))
    for pair, verdict in said:
        found.give(pair, verdict)
    oracle = {pair: verdict for pair, verdict in dict(said).items() if verdict is not None}
    assert dict(found.table()[["pair_id", "verdict"]].itertuples(index=False)) == oracle and len(found) == len(oracle)


@pytest.mark.parametrize(("pair", "verdict", "note", "words"), [
    ("c9", "wrong", "", "no pair 'c9' in this study"), ("c1", "bad", "", "One of right, wrong, tie, unclear"),
    ("c1", "wrong", "two\nlines", "One line, at most"), ("c1", "wrong", "x" * 501, "501 characters"),
])
def test_what_is_no_verdict_is_refused_and_nothing_is_written(study, pair, verdict, note, words):
    with pytest.raises(WorkbenchError, match=words):
        Verdicts.of(study).give(pair, verdict, note=note)
    assert not (study.folder / "verdicts.jsonl").exists()


@pytest.mark.parametrize("cut", [1, 20, -2])
def test_a_line_that_a_killed_writer_left_is_skipped_and_stays(study, cut):
    found = Verdicts.of(study).give("c1", "wrong").give("c2", "tie")
    whole = found.path.read_bytes()
    last = whole.splitlines(keepends=True)[1]
    found.path.write_bytes(whole[: -len(last)] + last[:cut])
    with pytest.warns(UserWarning, match="1 line of .* cannot be read"):
        assert (found.get("c1"), found.get("c2"), found.kept.damaged) == ("wrong", None, 1)
    before = found.path.read_bytes()
    found.give("c3", "right")
    assert found.path.read_bytes().startswith(before + b"\n")
    with pytest.warns(UserWarning, match="left as they are"):
        assert (found.get("c1"), found.get("c3"), found.kept.damaged) == ("wrong", "right", 1)


def test_a_last_line_that_lacks_its_end_alone_is_whole(study):
    found = Verdicts.of(study).give("c1", "wrong")
    found.path.write_bytes(found.path.read_bytes().rstrip(b"\n"))
    found.give("c2", "tie")
    assert (len(found), found.kept.damaged) == (2, 0)


@pytest.mark.parametrize("raw", [b"[]", b"{}", b"\xff\xfe", b'{"pair_id": "c1", "verdict": "bad", "note": "", "at": ""}',
                                 b'{"pair_id": 1, "verdict": "tie", "note": "", "at": ""}', b"3"])
def test_lines_that_are_no_verdicts_are_counted(study, raw):
    found = Verdicts.of(study).give("c1", "wrong")
    found.path.write_bytes(raw + b"\n\n" + found.path.read_bytes())
    with pytest.warns(UserWarning, match="cannot be read"):
        assert (found.kept.damaged, found.get("c1")) == (1, "wrong")


def test_pairs_of_another_study_are_counted_and_left_out(study):
    found = Verdicts.of(study).give("c1", "wrong")
    other = replace(found, pairs=frozenset({"z1"}), _seen={}).give("z1", "tie").give("z1", "right")
    assert (len(found), found.kept.unknown, other.kept.unknown, other.get("z1")) == (1, 1, 1, "right")


def test_where_a_folder_cannot_be_written_the_cache_is(study, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    Verdicts.of(study).give("c1", "wrong").give("c2", "tie")
    monkeypatch.setattr("workbench.bundle.os.access", lambda *_: False)
    found = Verdicts.of(study)
    assert found.path == tmp_path / "cache" / study.hash / "verdicts.jsonl" and found.get("c1") == "wrong"
    found.give("c1", "right")
    assert found.get("c1") == "right" and found.get("c2") == "tie", "what came with the folder is read first"
    assert len((study.folder / "verdicts.jsonl").read_text().splitlines()) == 2
    memory = Verdicts.of(replace(study, folder=None))
    assert memory.path == found.path


def test_a_full_disk_is_told_and_what_was_judged_is_kept(study, monkeypatch):
    found = Verdicts.of(study).give("c1", "wrong")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(WorkbenchError, match="cannot be written .No space left"):
        found.give("c2", "tie")
    monkeypatch.undo()
    assert found.get("c1") == "wrong"


ELSEWHERE = """import sys
from pathlib import Path
from workbench.session.verdicts import Verdicts
found = Verdicts("six", frozenset(f"c{i}" for i in range(6)), (Path(sys.argv[1]),))
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    found.give("c3", "tie", note=f"there {number}")
"""


def test_two_kernels_and_two_threads_lose_nothing(study):
    found = Verdicts.of(study)
    other = subprocess.Popen([sys.executable, "-c", ELSEWHERE, str(found.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    threads = [threading.Thread(target=lambda who=who: [Verdicts.of(study).give("c1", "wrong", note=f"{who} {n}") for n in range(30)])
               for who in ("a", "b")]
    assert other.stdout.readline() == "ready\n"
    other.stdin.write("go\n")
    other.stdin.flush()
    for thread in threads:
        thread.start()
    seen = [len(found) for _ in range(20)]
    for thread in threads:
        thread.join()
    assert other.wait(30) == 0 and seen == sorted(seen)
    notes = [json.loads(line)["note"] for line in found.path.read_text().splitlines()]
    assert sorted(notes) == sorted([*(f"there {n}" for n in range(60)), *(f"{who} {n}" for who in "ab" for n in range(30))])
    assert found.kept.damaged == 0 and found.table()["pair_id"].tolist() in (["c1", "c3"], ["c3", "c1"])


def test_a_table_is_exported_by_its_ending(study, tmp_path):
    found = Verdicts.of(study)
    with pytest.raises(WorkbenchError, match="no verdict yet"):
        found.export(tmp_path / "a.csv")
    found.give("c1", "wrong", note='says "no", then yes').give("c2", "unclear")
    readers = {".csv": lambda path: pd.read_csv(path, keep_default_na=False), ".jsonl": lambda path: pd.read_json(path, lines=True)}
    for ending, read in readers.items():
        back = read(found.export(tmp_path / "out" / f"six{ending}"))
        assert np.array_equal(back[["pair_id", "verdict", "note"]], found.table()[["pair_id", "verdict", "note"]])
    with pytest.raises(WorkbenchError, match="End in .csv or .jsonl"):
        found.export(tmp_path / "a.xlsx")
    with pytest.raises(WorkbenchError, match="cannot be written"):
        (tmp_path / "file").write_text("")
        found.export(tmp_path / "file" / "a.csv")


def test_verdicts_do_not_change_the_study(planted_study, tmp_path):
    study = planted_study.study
    before = {path.name: path.read_bytes() for path in study.folder.iterdir() if path.is_file()}
    found = replace(Verdicts.of(study), paths=(tmp_path / "verdicts.jsonl",)).give(str(study.table("pairs")["pair_id"].iloc[0]), "tie")
    assert len(found) == 1 and Study.load(study.folder).hash == study.hash
    assert before == {path.name: path.read_bytes() for path in study.folder.iterdir() if path.is_file()}
