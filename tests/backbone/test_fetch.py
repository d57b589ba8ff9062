"""Where models are looked for, and what is said at once where they are not."""

from __future__ import annotations

import shutil
import socket
import time

import pytest
import tiny

from workbench.backbone.fetch import model_folder, weights_digest
from workbench.bundle import sha256
from workbench.errors import WorkbenchError


@pytest.fixture
def folder(tmp_path):
    return tiny.saved(tmp_path / "model", "llama", shard="20KB")


def test_a_folder_and_its_digest(folder):
    assert model_folder(folder) == model_folder(str(folder)) == folder
    assert len(list(folder.glob("*.safetensors"))) > 1
    before = weights_digest(folder)
    shard = sorted(folder.glob("*.safetensors"))[1]
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    assert weights_digest(folder) != before


def test_names_in_the_hubs_cache_are_hashes_already(folder, tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir(), snapshot.mkdir()
    for shard in folder.glob("*.safetensors"):
        shutil.copy(shard, blobs / sha256(shard))
        (snapshot / shard.name).symlink_to(blobs / sha256(shard))
    assert weights_digest(snapshot) == weights_digest(folder)


def test_a_hub_that_cannot_be_reached_is_said_at_once(monkeypatch):
    from huggingface_hub import constants

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(WorkbenchError, match="hub cannot be reached for 'nobody/nothing'.*name its folder"):
            model_folder("nobody/nothing")
        assert time.monotonic() - start < 8


def test_what_is_no_checkpoint(tmp_path, folder):
    with pytest.raises(WorkbenchError, match="no model 'somewhere'"):
        model_folder("somewhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WorkbenchError, match="config.json is missing"):
        model_folder(tmp_path / "empty")
    shutil.copy(folder / "config.json", tmp_path / "empty")
    with pytest.raises(WorkbenchError, match="no weights.*safetensors"):
        model_folder(tmp_path / "empty")
    (tmp_path / "empty" / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(WorkbenchError, match="only pickled weights, which may run code.*safetensors"):
        model_folder(tmp_path / "empty")
    shard = sorted(folder.glob("*.safetensors"))[0]
    shard.unlink()
    with pytest.raises(WorkbenchError, match=f"{shard.name} is missing, which the index names"):
        model_folder(folder)
    (folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(WorkbenchError, match="not a checkpoint's index"):
        model_folder(folder)
