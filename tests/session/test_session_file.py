"""A session in a file: what comes back, and every file that is refused."""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from planted import SMALL

from workbench.errors import WorkbenchError
from workbench.session import Session, file
from workbench.study import Study


@pytest.fixture
def study(planted_study):
    return planted_study.study


@pytest.fixture
def used(session, quick):
    """A session in which something of everything was done."""
    session.set_multiplier("safety", 2).annotate(name="safer", note="tried first").set_objective("verbosity", on=False)
    session.set_labels({"kind": "flip", "flip_share": 0.05, "drop_share": 0.1}).set_gate(steps=40).undo()
    session.select([5, 1, 3], kind="lasso", label="lasso", primary=session.items["pair_id"][1])
    session.save_slice(note="odd ones")
    session.remember("table", sort="margin").set_tray([{"figure": "gate", "options": {}}])
    return session


def state_of(session) -> dict:
    kept = json.loads(session._json())
    assert kept.pop("trained") is not None
    return kept


def test_what_is_saved_comes_back(used, study, tmp_path):
    path = used.save(tmp_path / "a.session.json")
    back = Session.load(path, study)
    assert state_of(back) == state_of(used) and back.id == used.id and back.revision == 0
    assert back.history == used.history and back.selection.same(used.selection) and back.slices == used.slices
    assert back.redo().draft.gate.steps == 40 and back.draft.labels.flip_share == 0.05
    assert back.select("lasso").selection.n == 3 and list(tmp_path.iterdir()) == [path]


def test_a_save_that_fails_leaves_what_was_there(used, study, tmp_path, monkeypatch):
    path = used.save(tmp_path / "a.session.json")
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *args: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(WorkbenchError, match="a.session.json: cannot be written .Input/output error"):
        used.set_seeds(7).save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_the_study_is_found_in_its_folder_or_is_the_demo(used, study, tmp_path, monkeypatch):
    path = used.save(tmp_path / "a.session.json")
    assert Session.load(path).study.folder.resolve() == study.folder.resolve()
    kept = json.loads(path.read_text())
    kept["study"]["folder"] = str(tmp_path / "gone")
    path.write_text(json.dumps(kept))
    with pytest.raises(WorkbenchError, match=rf"a.session.json: study planted {study.hash} is not where it was.*Session.load"):
        Session.load(path)
    monkeypatch.setattr(file, "demo", lambda: study)
    assert Session.load(path).study is study


def another(study) -> Study:
    return Study({**study.info, "hash": "0" * 12}, study.folder)


def edit(path: Path, change) -> None:
    kept = json.loads(path.read_text())
    change(kept)
    path.write_text(json.dumps(kept))


@pytest.mark.parametrize(("change", "words"), [
    (lambda kept: kept.update(schema=2), "session schema 2, this version reads up to 1. Update"),
    (lambda kept: kept.pop("schema"), "damaged, or no session"),
    (lambda kept: kept.update(schema="one"), "damaged, or no session"),
    (lambda kept: kept.update(mood="good"), "unknown key 'mood'"),
    (lambda kept: kept["baseline"].update(oracle=1), "unknown key"),
    (lambda kept: kept["history"]["steps"][1].update(x=1), "unknown key"),
    (lambda kept: kept["history"].update(here=99), "no step 99"),
    (lambda kept: kept["history"]["steps"][2].update(parent=2, redo=None), "step [12] "),
    (lambda kept: kept["history"]["steps"][0].update(parent=0), "step 0 has no parent before it"),
    (lambda kept: kept["history"]["steps"][0].update(redo=3), "step 0 leads to no child"),
    (lambda kept: kept["history"]["steps"][0]["scenario"].update(seeds=[]), "seeds"),
    (lambda kept: kept["slices"][0].update(ids=5), "ids"),
    (lambda kept: kept.pop("history"), "history"),
])
def test_a_file_that_is_not_right_is_one_clear_error_and_stays(used, study, tmp_path, change, words):
    path = used.save(tmp_path / "a.session.json")
    edit(path, change)
    before = path.read_bytes()
    with pytest.raises(WorkbenchError, match=f"a.session.json: .*{words}"):
        Session.load(path, study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fresh = Session.restore(study, path)
    assert fresh.id != used.id and not fresh.slices
    fresh.set_seeds(4).autosave()
    assert before in {other.read_bytes() for other in tmp_path.iterdir()}, "what was there is kept"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema": 1}', b"7"])
def test_damaged_bytes_are_one_clear_error(study, tmp_path, data):
    path = tmp_path / "a.session.json"
    path.write_bytes(data)
    with pytest.raises(WorkbenchError, match="a.session.json"):
        Session.load(path, study)
    with pytest.raises(WorkbenchError, match="cannot be read"):
        Session.load(tmp_path / "none.session.json", study)


def test_a_session_of_another_study_is_refused(used, study, tmp_path):
    path = used.save(tmp_path / "a.session.json")
    with pytest.raises(WorkbenchError, match=f"of study planted {study.hash}, this is 000000000000"):
        Session.load(path, another(study))


def test_a_slice_that_became_empty_stays_and_says_so(used, study, tmp_path):
    path = used.save(tmp_path / "a.session.json")

    def gone(kept):
        some = kept["slices"][0]
        kept["slices"] = [{**some, "ids": ["x1", "x2"]}, {**some, "name": "half", "ids": [*some["ids"][:1], "x1"]}]
        kept["selection"].update(ids=["x1"], primary="x1", kind="slice", label="lasso")

    edit(path, gone)
    back = Session.load(path, study)
    assert list(back.slices) == ["lasso", "half"] and back.selection.kind == "all" and back.selection.primary is None
    with pytest.raises(WorkbenchError, match="slice 'lasso': none of its 2 pairs is in this study. The selection stays"):
        back.select("lasso")
    assert back.select("half").selection.n == 1 and back.selection.label == "half (1 of 2)"
    assert back.save(path) and list(Session.load(path, study).slices) == ["lasso", "half"]


def test_a_file_that_is_no_session_is_not_touched(used, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(WorkbenchError, match="a file that is no session.*session.json"):
        used.save(notes)
    with pytest.raises(WorkbenchError, match="cannot be written"):
        used.save(notes / "a.session.json")
    assert notes.read_text() == "mine" and list(tmp_path.iterdir()) == [notes]


# -- by itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "wanted"), [
    ("{folder}/my study.ipynb", "{folder}/my study.session.json"), ("/nowhere/at/all/b.ipynb", "{cwd}/b.session.json"),
    ("b.ipynb", "{cwd}/b.session.json"), ("{folder}/console-1-8d7c", "{cwd}/workbench.session.json"),
    (None, "{cwd}/workbench.session.json"),
])
def test_it_lies_beside_the_notebook(tmp_path, monkeypatch, session, name, wanted):
    folder, here = tmp_path / "books", tmp_path / "here"
    folder.mkdir(), here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if name is not None:
        monkeypatch.setenv("JPY_SESSION_NAME", name.format(folder=folder))
    assert session.autosave() == Path(wanted.format(folder=folder, cwd=here)) and session.autosave().exists()


def wait_for(path: Path, told) -> float:
    begun = time.monotonic()
    while not (path.exists() and told(json.loads(path.read_bytes()))):
        assert time.monotonic() - begun < 5
        time.sleep(0.02)
    return time.monotonic() - begun


def test_it_is_written_soon_after_a_revision_and_once(session, tmp_path, monkeypatch):
    path = session.autosave(tmp_path / "a.session.json")
    written, put = [], file.write_atomic
    monkeypatch.setattr(file, "write_atomic", lambda *args: written.append(args) or put(*args))
    before = threading.active_count()
    for number in range(20):
        session.set_multiplier("safety", 1 + number / 10)
    assert threading.active_count() <= before + 1
    assert wait_for(path, lambda kept: kept["history"]["here"] == 20 - 1) < 1.5
    assert len(written) == 1
    session.remember("table", sort="margin")
    assert wait_for(path, lambda kept: kept["view"] == {"table": {"sort": "margin"}}) < 1.5


def test_a_place_that_cannot_be_written_is_told_once_and_the_session_goes_on(session, tmp_path, monkeypatch):
    session.autosave(tmp_path / "a.session.json")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file, "write_atomic", full)
    session.set_multiplier("safety", 2)
    with pytest.warns(UserWarning, match="not saved.*No space left"):
        session._saver.flush()
    assert session.set_multiplier("safety", 3).draft.multiply == {"safety": 3.0} and "No space" in session._saver.trouble
    session._saver.flush()
    monkeypatch.undo()
    session.set_multiplier("safety", 4)
    session._saver.flush()
    assert session._saver.trouble is None
    with pytest.raises(WorkbenchError, match="cannot be written"):
        session.autosave("/proc/none/a.session.json")


def test_restore_is_the_session_of_this_study_or_a_new_one(session, study, tmp_path):
    path = tmp_path / "a.session.json"
    first = Session.restore(study, path)
    assert not path.exists()  # nothing to keep yet
    first.set_multiplier("safety", 2).autosave()
    assert Session.restore(study, path) is first  # it lives
    first._saver = None  # as after a restart
    back = Session.restore(study, path)
    assert back is not first and back.id == first.id and back.draft == first.draft
    other = Session.restore(another(study), path)
    assert other.id != back.id and other.autosave() == path
    assert json.loads(path.read_bytes())["study"]["hash"] == "0" * 12
    kept = path.with_name(f"a.{first.id}.session.json")
    assert json.loads(kept.read_bytes())["id"] == first.id
    back.set_multiplier("safety", 3).autosave()
    back._saver = None
    assert Session.restore(study, path).draft.multiply == {"safety": 3.0}, "found beside, where it was set aside"


def test_two_sessions_in_one_place_lose_nothing(study, tmp_path):
    path = tmp_path / "a.session.json"
    one, two = Session(study, SMALL), Session(study, SMALL)
    one.set_multiplier("safety", 2).autosave(path)
    two.set_multiplier("safety", 3).autosave(path)
    for number in range(4):
        one.set_seeds(3 + number).autosave()
        two.set_seeds(3 + number).autosave()
    assert two.autosave() == path and one.autosave() == tmp_path / f"a.{one.id}.session.json"
    kept = [Session.load(found, study) for found in tmp_path.glob("*.json")]
    assert {each.id: each.draft.id for each in kept} == {one.id: one.draft.id, two.id: two.draft.id} and len(kept) == 2
    twin = Session.load(path, study)  # the same id, from the same file
    twin._saver = type(two._saver)(twin, path, path.read_bytes())
    two.set_multiplier("safety", 5).autosave()
    twin.set_multiplier("safety", 7).autosave()
    drafts = {Session.load(found, study).draft.id for found in tmp_path.glob("*.json")}
    assert {one.draft.id, two.draft.id, twin.draft.id} <= drafts


def test_results_come_from_the_disk_or_are_trained_again_to_the_same_bytes(study, tmp_path):
    import shutil

    from workbench.scenario.kept import folder_of

    session = Session(study, SMALL)
    session.start().wait(60)
    session.set_multiplier("safety", 2.31).retrain(seeds=1).wait(60)
    session.measure_noise().wait(60)
    path = session.save(tmp_path / "a.session.json")
    back = Session.load(path, study)
    assert back.start() is None and back.comparison().equals(session.comparison()) and back.candidate is not session.candidate
    for scenario in (SMALL, session.draft, SMALL.child(seeds=(2, 3))):
        shutil.rmtree(folder_of(scenario, study))
    again = Session.load(path, study)
    assert again.baseline is None and again.noise is None and json.loads(again._json()) == json.loads(session._json())
    while (job := again.start()) is not None:
        job.wait(60)
    assert np.array_equal(again.candidate.margins, session.candidate.margins) and again.noise.equals(session.noise)
    assert again.comparison().equals(session.comparison())


def test_a_lost_baseline_is_trained_again_with_the_seeds_that_it_had(study, tmp_path):
    import shutil

    from workbench.scenario.kept import folder_of

    session = Session(study, SMALL)
    session.retrain(seeds=1).wait(60)
    assert session.baseline.seeds == (0,) and session.baseline_scenario.seeds == (0, 1)
    path = session.save(tmp_path / "a.session.json")
    shutil.rmtree(folder_of(session.draft, study))
    back = Session.load(path, study).set_multiplier("safety", 2)
    back.retrain().wait(60)
    assert np.array_equal(back.baseline.margins, session.baseline.margins)


def test_a_place_taken_away_is_written_again(session, tmp_path):
    path = session.autosave(tmp_path / "a.session.json")
    os.remove(path)
    session.set_multiplier("safety", 2)
    session._saver.flush()
    assert session.autosave() == path and path.exists()


def test_what_could_not_be_written_is_written_at_exit(session, tmp_path, monkeypatch):
    path = session.autosave(tmp_path / "a.session.json")
    session.annotate(name="the last gesture")

    def full(*_):
        raise WorkbenchError("no space left")

    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="no space left"):
        patch.setattr(file, "guarded", full)
        session._saver.flush()
    session._saver.flush()
    assert b"the last gesture" in path.read_bytes() and session._saver.trouble is None


def test_a_name_with_brackets_finds_what_was_set_aside(session, study, tmp_path):
    asked = tmp_path / "run [1].session.json"
    session.annotate(name="mine").save(tmp_path / f"run [1].{session.id}.session.json")
    found = Session.restore(study, asked)
    assert found.id == session.id and found.draft.name == "mine"


def test_half_a_character_does_not_keep_a_session_from_being_saved(session, study, tmp_path):
    session.select([0, 1], kind="search", label="found \ud83d").save_slice()
    kept = Session.load(session.save(tmp_path / "a.session.json"), study)
    assert list(kept.slices) == ["found ?"] and kept.selection.n == 2
