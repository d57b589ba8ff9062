"""Rows left on disk are the rows themselves, whatever is asked of them; what cannot be read is one clear error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import planted
from scenario.test_inputs import rewritten, score_table
from test_features import refuse, store

from workbench import budget, rows, shards
from workbench.bundle import sha256
from workbench.errors import WorkbenchError
from workbench.features import FeatureStore, as_float32, compose, open_tensor, tensor_bytes
from workbench.rows import Centred, Repeated, Stored, blocks, mean_row
from workbench.study import Study

ROOT = Path(__file__).parent.parent
BOTH = ("response", "prompt*response")


@pytest.fixture(scope="module", params=["F16", "BF16", "F32"])
def stored(request, tmp_path_factory):
    """A store of 40 rows in shards of 7, and its tensors as they lie there."""
    folder = tmp_path_factory.mktemp(request.param)
    opened, _ = store(folder, rows=40, per_shard=7, dtype=request.param)
    whole = {kind: np.concatenate([as_float32(np.array(open_tensor(path, kind))) for path in sorted(folder.glob(f"{kind}-*"))])
             for kind in ("prompt", "response")}
    return opened, whole


def slow(whole, prompt, response, recipe):
    """Everything in memory, composed at once."""
    return compose(whole["prompt"][prompt], whole["response"][response], recipe)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_stream_is_the_rows_themselves(stored, data):
    opened, whole = stored
    places = st.lists(st.integers(0, 39), max_size=30)
    response = np.array(data.draw(places), int)
    prompt = np.array(data.draw(st.lists(st.integers(0, 39), min_size=len(response), max_size=len(response))), int)
    recipe = data.draw(st.sampled_from([("response",), BOTH, BOTH[::-1], ("prompt*response",), ("response", "response")]))
    stream, wanted, n = Stored(opened, prompt, response, recipe), slow(whole, prompt, response, recipe), len(response)
    assert stream.shape == wanted.shape and len(stream) == n and stream.dtype == np.float32
    ends = sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n))))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    some = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=9)) if n else [], int)
    centre = np.linspace(-1, 1, wanted.shape[1], dtype=np.float32)
    for index in (slice(*ends), slice(None), mask, some):
        np.testing.assert_array_equal(stream[index], wanted[index])
        np.testing.assert_array_equal(Centred(stream, centre)[index], wanted[index] - centre)
        np.testing.assert_array_equal(Centred(wanted, centre)[index], wanted[index] - centre)
    np.testing.assert_array_equal(np.asarray(stream), wanted)


def test_reads_of_every_size_give_the_same(tmp_path, monkeypatch):
    opened, _ = store(tmp_path, rows=60, per_shard=25)
    wanted = opened.rows("response", np.arange(60))
    for block, gap in ((8, 0), (24, 8), (100, 16), (10**6, 10**6)):
        monkeypatch.setattr(shards, "BLOCK", block)
        monkeypatch.setattr(shards, "GAP", gap)
        for index in (np.arange(60), np.arange(0, 60, 3), np.array([59, 0, 31, 31, 2, 58]), np.arange(24, 26)):
            np.testing.assert_array_equal(FeatureStore.open(tmp_path).rows("response", index), wanted[index])


def test_a_stream_says_what_it_cannot_give(stored):
    stream = Stored(stored[0], np.arange(5), np.arange(5), BOTH)
    for index, words in ((np.array([0, 5]), "row 5 of a stream of 5"), (np.array([-1]), "row -1"),
                         (np.ones(4, bool), "mask of (4,) for 5"), (np.array([0.5]), "positions float64"),
                         (3, "positions int64"), (np.zeros((2, 2), int), "positions")):
        refuse(lambda index=index: stream[index], words)
    for place in (40, -1):
        refuse(lambda place=place: Stored(stored[0], np.array([0]), np.array([place]), BOTH)[:], f"row {place} of 40 response features")


def test_bytes_and_values_are_checked_once_in_each_state_of_a_file(tmp_path, monkeypatch):
    opened, _ = store(tmp_path, rows=8, per_shard=8)
    path, hashed, real = tmp_path / "response-00000.safetensors", [], shards.hashlib.sha256
    monkeypatch.setattr(shards.hashlib, "sha256", lambda *given: hashed.append(1) or real(*given))
    stream = Stored(opened, np.arange(8), np.arange(8), ("response",))
    stream[:], stream[2:3], FeatureStore.open(tmp_path).rows("response", np.array([1]))
    assert len(hashed) == 1  # whoever opened it, and however often
    bits = bytearray(path.read_bytes())
    bits[-1] ^= 1
    path.write_bytes(bytes(bits))
    os.utime(path, ns=(1, 1))
    refuse(lambda: stream[0:1], path.name, "hash does not match", "Restore")
    assert len(hashed) == 2


def test_a_shard_cut_short_while_it_is_streamed(tmp_path):
    opened, _ = store(tmp_path, rows=8, per_shard=8)
    stream = Stored(opened, np.arange(8), np.arange(8), ("response",))
    stream[0:2]
    with open(tmp_path / "response-00000.safetensors", "r+b") as file:
        file.truncate(path_size := file.seek(0, 2) - 5)
    assert path_size > 0
    refuse(lambda: stream[6:8], "response-00000.safetensors", "truncated shard", "Write the shard again")
    (tmp_path / "response-00000.safetensors").unlink()
    refuse(lambda: stream[0:1], "response-00000.safetensors", "shard is missing")


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32"])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_value_that_is_no_number_is_met_before_any_row_is_given(tmp_path, dtype, value):
    opened, meant = store(tmp_path, rows=8, per_shard=8, dtype=dtype)
    bad, path = meant["response"].copy(), tmp_path / "response-00000.safetensors"
    bad[5, 1] = value
    path.write_bytes(tensor_bytes("response", bad, dtype))
    index = json.loads((tmp_path / "index.json").read_text())
    index["kinds"]["response"]["shards"][0]["sha256"] = sha256(path)
    (tmp_path / "index.json").write_text(json.dumps(index))
    stream = Stored(FeatureStore.open(tmp_path), np.arange(8), np.arange(8), ("response",))
    refuse(lambda: stream[0:2], path.name, "NaN or infinite response feature in rows 5", "Extract these rows again")


def test_the_largest_finite_numbers_are_finite():
    for dtype, most in (("F16", 65504.0), ("BF16", 3.3895314e38), ("F32", np.finfo(np.float32).max)):
        bits = shards.to_stored(np.array([[most, -most], [np.inf, 0], [0, -np.nan], [0, 0]], np.float32), dtype)
        assert shards._not_finite(bits, dtype).tolist() == [1, 2]
        assert shards._not_finite(bits[[0, 3]], dtype).tolist() == []


def test_rows_held_once():
    table = np.arange(12.0).reshape(4, 3)
    for keys in (np.array([3, 1, 1, 0, 3]), np.array([[3, 1], [1, 0], [3, 3]])):
        read = []
        shared = Repeated.once(keys, lambda places: read.append(places) or table[places])
        assert [places.tolist() for places in read] == [[0, 1, 3]]
        assert shared.shape == (*keys.shape, 3) and len(shared) == len(keys) and shared.ndim == keys.ndim + 1
        assert shared.dtype == table.dtype
        np.testing.assert_array_equal(np.asarray(shared), table[keys])
        np.testing.assert_array_equal(np.asarray(shared[1:]), table[keys[1:]])
        np.testing.assert_array_equal(np.asarray(shared[np.array([2, 0])]), table[keys[[2, 0]]])
        assert shared[1:].rows is shared.rows and shared.mask is None


def test_a_mean_by_the_block(monkeypatch):
    monkeypatch.setattr(rows, "BLOCK", 3)
    monkeypatch.setattr(rows, "LEAST", 1)
    x, among = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32), np.arange(10) % 3 > 0
    np.testing.assert_allclose(mean_row(x, among), x[among].mean(axis=0, dtype=np.float64), rtol=1e-12)
    assert [(s.start, s.stop) for s in blocks(x)] == [(0, 3), (3, 6), (6, 9), (9, 10)] and list(blocks(x[:0])) == []


def test_blocks_follow_the_budget_and_a_row_too_wide_is_told(monkeypatch):
    x = np.empty((100_000, 50), np.float32)
    assert rows.block_of(x, memory=8 * 200 * 1000) == 1000 and rows.block_of(x, memory=1) == rows.LEAST
    assert rows.block_of(x, memory=2**40) == rows.BLOCK and rows.block_of(np.empty((9, 2**20), np.float16), memory=2**40) == rows.LEAST
    monkeypatch.setattr(budget, "_KEEPERS", type(budget._KEEPERS)())
    monkeypatch.setenv(budget.VARIABLE, "400KiB")
    assert rows.block_of(x) == 256
    monkeypatch.setenv(budget.VARIABLE, "50KiB")
    refuse(lambda: list(blocks(x)), "reading features 64 rows at a time would fill 100 KiB", "budget is 50 KiB", "WORKBENCH_MEMORY=110KiB")


# -- of a study --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """With a response and a prompt that were skipped."""
    whole = planted(tmp_path_factory.mktemp("whole") / "s", families=20, per_family=2).study
    made = rewritten(whole, tmp_path_factory.mktemp("skipped") / "s", skipped=9)
    return made


@pytest.mark.parametrize("split", ["train", "dev", None])
def test_a_studys_streams_are_its_features(study, split):
    responses, pairs = study.features(split, of="responses"), study.features(split)
    stream, both = study.stream(split), study.stream(split, of="pairs")
    np.testing.assert_array_equal(stream[:], responses.response)
    np.testing.assert_array_equal(stream.mask, responses.mask)
    np.testing.assert_array_equal(np.asarray(both), pairs.response)
    np.testing.assert_array_equal(both.mask, pairs.mask)
    assert both.shape == pairs.response.shape and len(both.rows) == len(np.unique(study.split_pairs(split)[["chosen", "rejected"]]))
    prompts = study.prompt_rows(study.split_pairs(split)["prompt_id"])
    np.testing.assert_array_equal(np.asarray(prompts), pairs.prompt)
    assert len(prompts.rows) == study.split_pairs(split)["prompt_id"].nunique()
    assert (split is not None) or (~stream.mask).sum() == 1


def test_an_empty_split_streams_nothing(study):
    nobody = study.stream("train").__class__(study.store, np.array([], int), np.array([], int), BOTH)
    assert nobody[:].shape == (0, 24) and nobody[np.array([], int)].shape == (0, 24) and len(nobody.mask) == 0


def test_what_does_not_fit_is_refused_before_it_is_read(study, monkeypatch):
    monkeypatch.setattr(budget, "_KEEPERS", type(budget._KEEPERS)())
    pairs = len(study.split_pairs("train"))
    size = 4 * pairs * (2 * 24 + 12)
    monkeypatch.setenv(budget.VARIABLE, str(size // 2))
    refuse(lambda: study.features("train"), f"features of {pairs:,} train pairs of rewritten would fill", f"at most {pairs // 2} pairs",
           budget.VARIABLE)
    prompts = study.split_pairs("train")["prompt_id"]
    monkeypatch.setenv(budget.VARIABLE, str(4 * 12 * prompts.nunique()))
    study.prompt_rows(prompts)
    monkeypatch.setenv(budget.VARIABLE, str(4 * 12 * prompts.nunique() - 1))
    refuse(lambda: study.prompt_rows(prompts), f"features of {prompts.nunique()} prompts", f"at most {prompts.nunique() - 1} prompts")
    monkeypatch.setenv(budget.VARIABLE, "100")
    refuse(lambda: np.asarray(study.stream("train")), "features of", "responses would fill")


def test_two_kernels_read_one_study(study):
    code = f"""
from workbench.rows import blocks
from workbench.study import Study

x = Study.load({str(study.folder)!r}).stream("train")
print(repr(float(sum(x[some].sum(dtype="float64") for some in blocks(x)))))
"""
    kernels = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    found = [float(kernel.communicate(timeout=60)[0]) for kernel in kernels]
    assert found[0] == found[1] == pytest.approx(float(study.features("train", of="responses").response.sum(dtype=np.float64)))


def test_tables_that_can_be_read_again_are_let_go(study):
    again = Study.load(study.folder)
    pairs = again.pairs
    assert again.held() > 0 and again in budget._KEEPERS
    before = again.held()
    again.let_go(10**12)
    assert again.held() < before and not again.tables
    assert again.pairs.equals(pairs)
    in_memory = Study.from_scores(score_table())
    in_memory.let_go(10**12)
    assert len(in_memory.pairs)


def test_opening_reads_no_text(study):
    again = Study.load(study.folder)
    again.split_responses("train", text=False), again.split_pairs("dev"), again.stream("train")[:3]
    assert again.has_text and not {"prompts", "responses"} & set(again.tables)
    assert "text" in again.responses
    with pytest.raises(WorkbenchError, match="unknown split"):
        again.split_responses("valid", text=False)
