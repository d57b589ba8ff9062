"""Feature shards: what is written is what is read; a damaged one is one clear error and nothing is overwritten."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workbench.bundle import sha256, write_atomic
from workbench.errors import WorkbenchError
from workbench.features import (
    Features,
    FeatureStore,
    as_float32,
    compose,
    open_tensor,
    tensor_bytes,
    write_index,
    write_shard,
)

ROUNDING = {"F32": 0.0, "F16": 2.0**-11, "BF16": 2.0**-8}


def store(folder, rows=10, dim=4, per_shard=4, dtype="F16", seed=0):
    """A small store, and the rows as they were meant."""
    meant, kinds = {}, {}
    for place, kind in enumerate(("prompt", "response")):
        meant[kind] = np.random.default_rng(seed + place).normal(size=(rows, dim)).astype(np.float32)
        shards = [
            write_shard(folder, kind, n, meant[kind][start : start + per_shard], dtype) for n, start in enumerate(range(0, rows, per_shard))
        ]
        kinds[kind] = {"dim": dim, "dtype": dtype, "shards": shards, "skipped": {}}
    write_index(folder, kinds)
    return FeatureStore.open(folder), meant


@pytest.mark.parametrize("dtype", ROUNDING)
def test_rows_come_back_in_any_order_across_shards(tmp_path, dtype):
    opened, meant = store(tmp_path, dtype=dtype)
    index = np.array([9, 0, 4, 4, 3, 8])
    got = opened.rows("response", index)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, meant["response"][index], rtol=ROUNDING[dtype], atol=1e-6)
    assert opened.rows_of("prompt") == 10 and opened.dim("prompt") == 4 and opened.hashes() == []
    assert opened.rows("prompt", np.array([], int)).shape == (0, 4)


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float32, (3, 2), elements=st.floats(-(2.0**15), 2.0**15, width=32)), st.sampled_from(["F16", "BF16", "F32"]))
def test_stored_bits_are_those_of_torch_and_safetensors(rows, dtype):
    from safetensors.torch import load

    kind = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}[dtype]
    got = load(tensor_bytes("x", rows, dtype))["x"]
    assert got.dtype == kind and torch.equal(got, torch.tensor(rows).to(kind))


def test_opening_copies_nothing(tmp_path):
    store(tmp_path)
    assert isinstance(open_tensor(tmp_path / "prompt-00000.safetensors", "prompt"), np.memmap)


def test_bfloat16_reads_back():
    values = np.array([[1.5, -2.25, 3.0e38, 1e-30]], np.float32)
    bits = torch.tensor(values).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
    np.testing.assert_array_equal(as_float32(bits), torch.tensor(values).to(torch.bfloat16).float().numpy())


def refuse(action, *words):
    with pytest.raises(WorkbenchError) as caught:
        action()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_a_shard_is_never_overwritten(tmp_path):
    store(tmp_path)
    before = (tmp_path / "prompt-00000.safetensors").read_bytes()
    refuse(
        lambda: write_shard(tmp_path, "prompt", 0, np.zeros((2, 4), np.float32)),
        "prompt-00000.safetensors",
        "exists already",
        "never overwritten",
    )
    assert (tmp_path / "prompt-00000.safetensors").read_bytes() == before


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_rows_are_not_written(tmp_path, value):
    rows = np.ones((5, 4), np.float32)
    rows[3, 1] = value
    refuse(lambda: write_shard(tmp_path, "prompt", 2, rows), "NaN or infinite prompt feature in rows 3 of shard 2", "Nothing was written")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_rows_on_disk_are_found_at_first_read(tmp_path, value):
    opened, meant = store(tmp_path)
    rows = meant["response"][4:8].copy()
    rows[2, 1] = value
    (tmp_path / "response-00001.safetensors").write_bytes(tensor_bytes("response", rows))
    opened = FeatureStore.open(tmp_path)
    opened.rows("response", np.array([0]))  # another shard is fine
    refuse(lambda: opened.rows("response", np.array([4])), "response-00001.safetensors", "hash does not match", "Restore")
    assert opened.hashes() == ["response-00001.safetensors"]
    opened.index["kinds"]["response"]["shards"][1]["sha256"] = sha256(tmp_path / "response-00001.safetensors")
    write_index(tmp_path, opened.index["kinds"])
    opened = FeatureStore.open(tmp_path)
    refuse(lambda: opened.rows("response", np.array([4])), "response-00001.safetensors", "rows 2", "Extract these rows again")


def test_a_shard_of_the_right_shape_with_other_numbers_is_refused(tmp_path):
    _, meant = store(tmp_path)
    (tmp_path / "response-00001.safetensors").write_bytes(tensor_bytes("response", meant["response"][4:8][::-1]))
    refuse(lambda: FeatureStore.open(tmp_path).rows("response", np.array([5])), "response-00001.safetensors", "hash does not match")


def test_numbers_too_large_for_the_type_are_not_written_as_infinity(tmp_path):
    rows = np.ones((5, 4), np.float32)
    rows[3, 1] = 7e4
    refuse(lambda: write_shard(tmp_path, "prompt", 2, rows, "F16"), "too large for F16", "rows 3 of shard 2", "F32")
    assert list(tmp_path.iterdir()) == []
    assert write_shard(tmp_path, "prompt", 2, rows, "BF16")["rows"] == 5


DAMAGE = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-3]), ["truncated shard", "wanted"]),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"0"), ["truncated shard"]),
    "empty": (lambda path: path.write_bytes(b""), ["not a safetensors file"]),
    "text": (lambda path: path.write_bytes(b"these are not the features you are looking for"), ["not a safetensors file"]),
    "header cut": (lambda path: path.write_bytes(path.read_bytes()[:20]), ["not a safetensors file"]),
    "gone": (lambda path: path.unlink(), ["shard is missing"]),
    "dimension": (
        lambda path: path.write_bytes(tensor_bytes("prompt", np.zeros((4, 5), np.float32))),
        ["shape (4, 5), wanted (4, 4)", "extract again"],
    ),
    "rows": (lambda path: path.write_bytes(tensor_bytes("prompt", np.zeros((3, 4), np.float32))), ["shape (3, 4), wanted (4, 4)"]),
    "other tensor": (
        lambda path: path.write_bytes(tensor_bytes("response", np.zeros((4, 4), np.float32))),
        ["no tensor 'prompt'", "It holds response"],
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_shard_is_found_at_the_door(tmp_path, case):
    store(tmp_path)
    damage, words = DAMAGE[case]
    damage(tmp_path / "prompt-00000.safetensors")
    refuse(lambda: FeatureStore.open(tmp_path), "prompt-00000.safetensors", *words)


def test_a_number_type_that_is_not_read(tmp_path):
    from safetensors.numpy import save_file

    save_file({"x": np.zeros((2, 2), np.int64)}, tmp_path / "x.safetensors")
    refuse(lambda: open_tensor(tmp_path / "x.safetensors", "x"), "stored as I64", "F16, BF16 or F32")


@pytest.mark.parametrize("content", [None, "{", b"\xff"])
def test_an_index_that_cannot_be_read(tmp_path, content):
    store(tmp_path)
    path = tmp_path / "index.json"
    path.unlink() if content is None else path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refuse(lambda: FeatureStore.open(tmp_path), "index.json", "Extract the features again")


def test_rows_beyond_the_end(tmp_path):
    opened, _ = store(tmp_path)
    refuse(lambda: opened.rows("prompt", np.array([10])), "row 10 of 10")


def test_a_write_that_dies_leaves_the_old_file_or_none(tmp_path, monkeypatch):
    path = tmp_path / "a" / "file.bin"

    def dies(_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", dies)
        with pytest.raises(OSError):
            write_atomic(path, b"new")
    assert not path.exists() and list(path.parent.iterdir()) == []
    write_atomic(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda a, b: dies(a))
        with pytest.raises(OSError):
            write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and len(list(path.parent.iterdir())) == 1


def test_the_index_says_what_is_there(tmp_path):
    store(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    assert [shard["rows"] for shard in index["kinds"]["prompt"]["shards"]] == [4, 4, 2]
    assert {path.name for path in tmp_path.iterdir()} == {"index.json", *(s["file"] for k in index["kinds"].values() for s in k["shards"])}


def test_compose_places_the_product_beside_the_response():
    p, r = np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])
    np.testing.assert_array_equal(compose(p, r, ("response", "prompt*response")), [[3, 5, 3, 10]])
    np.testing.assert_array_equal(compose(p, r, ("response",)), r)
    refuse(lambda: compose(p, r, ("sum",)), "unknown feature part sum", "prompt*response")


@pytest.mark.parametrize(
    "prompt, response, words",
    [
        (np.ones((3, 2)), np.ones((4, 2, 2)), ["3 prompt rows beside 4"]),
        (np.ones((3, 2)), np.ones((3, 3, 2)), ["3 sides"]),
        (np.full((3, 2), np.nan), np.ones((3, 2)), ["NaN or infinite prompt feature in rows 0, 1, 2"]),
        (np.ones((3, 2)), np.array([[1, 1], [np.inf, 1], [1, 1]]), ["NaN or infinite response feature in rows 1"]),
    ],
)
def test_features_are_aligned_and_finite(prompt, response, words):
    bare = object.__new__(Features)  # past the checks of shapes that only tests have
    for name, value in (("prompt", prompt), ("response", response), ("mask", None)):
        object.__setattr__(bare, name, value)
    refuse(bare.__post_init__, *words)


def test_rows_of_features_keep_the_mask():
    features = Features(np.arange(6.0).reshape(3, 2), np.arange(12.0).reshape(3, 2, 2), np.array([True, False, True]))
    some = features.rows(np.array([2, 1]))
    assert len(some) == 2 and some.mask.tolist() == [True, False] and some.prompt[0, 0] == 4 and some.response[1, 0, 0] == 4
