"""Extraction: killed at any shard it goes on and ends at the same bytes; identical texts are encoded once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from extract.letters import Tiny, tables

from workbench.check import check
from workbench.errors import WorkbenchError
from workbench.extract import extract
from workbench.study import Study
from workbench.tables import Tables


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("shard_rows", [1, 4, 100])  # repeats in another shard, and in the same
def test_features_follow_the_rows_and_repeats_are_encoded_once(tmp_path, shard_rows):
    encoder, t = Tiny(), tables()
    study = extract(t, tmp_path / "s", backbone=encoder, shard_rows=shard_rows, dtype="F32")
    assert sorted(encoder.seen) == sorted({*t.prompts["text"], *t.responses["text"]})
    oracle = {kind: Tiny().encode(list(getattr(t, f"{kind}s")["text"])) for kind in ("prompt", "response")}
    for kind, rows in oracle.items():
        np.testing.assert_allclose(study.store.rows(kind, np.arange(len(rows))), rows, atol=1e-7)
    got = study.features(of="pairs")
    np.testing.assert_allclose(
        got.response[2, 1], np.concatenate([oracle["response"][5], oracle["prompt"][2] * oracle["response"][5]]), atol=1e-6
    )
    assert study.info["features"]["backbone"] == "tiny" and study.info["features"]["truncated"] == {"prompt": 0, "response": 0}
    assert check(study.folder).ok


@pytest.mark.parametrize("dies_at", [1, 2, 4])  # a unit is two prompts with their answers: four of them
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, dies_at):
    extract(tables(), tmp_path / "whole", backbone=Tiny(), shard_rows=4, name="s")
    dying = Tiny(dies_at=dies_at)
    with pytest.raises(KeyboardInterrupt):
        extract(tables(), tmp_path / "broken", backbone=dying, shard_rows=4, name="s")
    with pytest.raises(WorkbenchError, match="no study here"):
        Study.load(tmp_path / "broken")
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "broken" / "features").glob("*.safetensors")}
    assert len(kept) == 2 * (dies_at - 1)  # all but the unit it died in
    second = Tiny()
    extract(tables(), tmp_path / "broken", backbone=second, shard_rows=4, name="s")
    assert second.calls == 4 - len(kept) // 2 and not set(second.seen) & set(dying.seen)
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")
    for name, when in kept.items():
        assert (tmp_path / "broken" / "features" / name).stat().st_mtime_ns == when


KILLED = """
import sys, time
sys.path[:0] = {paths!r}
from test_extract import Tiny, tables
from workbench.extract import extract

class Slow(Tiny):
    def encode(self, texts):
        if self.calls == 3:
            print("now", flush=True)
            time.sleep(60)
        return super().encode(texts)

extract(tables(), {folder!r}, backbone=Slow(), shard_rows=4, name="s")
"""


def test_a_process_killed_hard_leaves_whole_shards_and_no_study(tmp_path):
    here = Path(__file__).parent
    folder = tmp_path / "killed"
    script = KILLED.format(paths=[str(here), str(here.parent)], folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "now\n"
    with pytest.raises(WorkbenchError, match="another process is writing here"):
        extract(tables(), folder, backbone=Tiny(), shard_rows=4, name="s")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "study.json").exists()
    (folder / "features" / ".response-00001.safetensors.1.part").write_bytes(b"half")  # what a kill inside a write leaves
    extract(tables(), folder, backbone=Tiny(), shard_rows=4, name="s")
    extract(tables(), tmp_path / "whole", backbone=Tiny(), shard_rows=4, name="s")
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"tables": tables(6)}, "texts"),
        ({"shard_rows": 5}, "shard_rows"),
        ({"dtype": "F32"}, "dtype"),
    ],
)
def test_going_on_with_other_input_is_refused(tmp_path, change, words):
    with pytest.raises(KeyboardInterrupt):
        extract(tables(), tmp_path / "s", backbone=Tiny(dies_at=3), shard_rows=4)
    before = contents(tmp_path / "s")
    call = {"tables": tables(), "backbone": Tiny(), "shard_rows": 4} | change
    with pytest.raises(WorkbenchError, match=f"begun with other {words}.*Call it as before"):
        extract(call.pop("tables"), tmp_path / "s", **call)
    assert contents(tmp_path / "s") == before


def test_shards_of_somebody_else_are_refused(tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "prompt-00000.safetensors").write_bytes(b"x")
    with pytest.raises(WorkbenchError, match="unknown extraction"):
        extract(tables(), tmp_path, backbone=Tiny())


def test_a_study_is_never_extracted_over(tmp_path):
    extract(tables(), tmp_path / "s", backbone=Tiny())
    before = contents(tmp_path / "s")
    with pytest.raises(WorkbenchError, match="a study is here already"):
        extract(tables(), tmp_path / "s", backbone=Tiny())
    assert contents(tmp_path / "s") == before


def test_a_row_without_a_finite_vector_is_masked_not_lost(tmp_path):
    study = extract(tables(), tmp_path / "s", backbone=Tiny(blind="never"), shard_rows=4)
    blind = np.flatnonzero(tables().responses["text"] == "never")
    assert study.store.skipped("response") == {row: "the encoder gave no finite vector" for row in blind}
    assert np.flatnonzero(~study.features().mask).tolist() == (blind // 2).tolist()


def test_progress_counts_every_row_and_cancel_stops_between_shards(tmp_path):
    seen, cancel = [], threading.Event()

    def progress(at):
        seen.append(at)
        if at.step >= 11:
            cancel.set()

    with pytest.raises(WorkbenchError, match="cancelled.*goes on"):
        extract(tables(), tmp_path / "s", backbone=Tiny(), shard_rows=4, progress=progress, cancel=cancel)
    assert [at.step for at in seen] == [6, 11, 12] and {at.steps for at in seen} == {21}  # the last one repeats another
    assert seen[0].rate > 0 and seen[0].seconds_left > 0 and "features: 6 of 21 rows" in str(seen[0]) and "tokens/s" in str(seen[0])
    extract(tables(), tmp_path / "s", backbone=Tiny(), shard_rows=4, progress=seen.append)
    assert seen[-1].step == 21


def test_text_is_needed(tmp_path):
    t = tables()
    with pytest.raises(WorkbenchError, match="responses, column text: no text to encode"):
        extract(Tables(t.prompts, t.responses.drop(columns="text"), t.pairs), tmp_path / "s", backbone=Tiny())
