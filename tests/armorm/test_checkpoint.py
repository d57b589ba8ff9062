"""Reading the layout: one file or several, any types; what does not fit is one error before anything large is read."""

from __future__ import annotations

import json

import pytest
import torch
from published import TALKS, published, tensors_of

from workbench.armorm import checkpoint
from workbench.armorm.checkpoint import OBJECTIVES, Layout
from workbench.armorm.model import ArmoRM
from workbench.backbone import CausalBackbone
from workbench.errors import WorkbenchError


@pytest.fixture
def unread(monkeypatch):
    """Nothing beyond headers may be read."""
    monkeypatch.setattr(CausalBackbone, "load", lambda *_, **__: pytest.fail("the transformer was read"))
    monkeypatch.setattr(checkpoint, "head", lambda *_: pytest.fail("a tensor was read"))
    monkeypatch.setattr("workbench.armorm.model.head", lambda *_: pytest.fail("a tensor was read"))


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("architecture", ["llama", "gemma3", "qwen3"])
def test_any_number_of_files_and_any_decoder(architecture, files, tmp_path):
    model = ArmoRM.from_pretrained(published(tmp_path / "it", architecture, files=files), device="cpu")
    state = model.heads.state_dict()
    for name, value in tensors_of(tmp_path / "it").items():
        if name in state:
            assert torch.equal(state.pop(name), value.float())
    assert not state and model.score(TALKS[:1]).rewards.shape == (1, 5)


def test_what_the_config_says():
    layout = Layout(OBJECTIVES, 4096, (1024,) * 3, 10.0)
    assert len(set(OBJECTIVES)) == 19 and OBJECTIVES[4] == "helpsteer-verbosity"
    assert layout.shapes["gating.layers.0.weight"] == (1024, 4096) and layout.shapes["gating.layers.3.bias"] == (19,)
    assert layout.shapes["regression_layer.weight"] == (19, 4096) and len(layout.shapes) == 3 + 8


@pytest.mark.parametrize(("changes", "about", "said"), [
    ({"regression_layer.weight": None}, {}, r"model.safetensors: no tensor regression_layer.weight"),
    ({"gating.layers.2.bias": None}, {}, "no tensor gating.layers.2.bias"),
    ({"model.layers.1.mlp.up_proj.weight": None}, {}, "no tensor model.layers.1.mlp.up_proj.weight"),
    ({"score.weight": torch.zeros(1, 32)}, {}, "model.safetensors: score.weight is not of this layout"),
    ({}, {"num_objectives": 4}, r"weight has shape \[5, 32\], config.json says \[4, 32\]"),
    ({"reward_transform_matrix": torch.eye(6)}, {}, r"reward_transform_matrix has shape \[6, 6\], config.json says \[5, 5\]"),
    ({}, {"gating_hidden_dim": 9}, r"gating.layers.0.weight has shape \[8, 32\], config.json says \[9, 32\]"),
    ({}, {"gating_n_hidden": 2}, "gating.layers.3.bias, gating.layers.3.weight are not of this layout"),
    ({}, {"vocab_size": 500}, r"model.embed_tokens.weight has shape \[384, 32\], config.json says \[500, 32\]"),
    ({"gating.logit_scale": torch.tensor([2])}, {}, "gating.logit_scale is stored as I64"),
    ({}, {"num_objectives": "five"}, "config.json: num_objectives is 'five'"),
    ({}, {"gating_temperature": 0}, "gating_temperature is 0"),
    ({}, {"gating_pattern": []}, r"gating_pattern is \[\]"),
    ({}, {"objective_names": ["a", "b"]}, "2 objective_names for num_objectives 5"),
    ({}, {"objective_names": ["a"] * 5}, "objective_names are not different texts"),
    ({}, {"model_type": "nobodys"}, "config.json|nobodys"),
], ids=lambda value: str(value)[:60])
def test_what_does_not_fit_is_seen_in_the_headers(changes, about, said, tmp_path, unread):
    folder = published(tmp_path / "it", changes=changes, **about)
    with pytest.raises(WorkbenchError, match=said):
        ArmoRM.from_pretrained(folder)


def test_a_plain_language_model_is_none(tmp_path, unread):
    import tiny

    with pytest.raises(WorkbenchError, match="config.json: no num_objectives.*not the config of a reward model with a gate"):
        ArmoRM.from_pretrained(tiny.saved(tmp_path / "plain"))
    (tmp_path / "plain" / "config.json").write_text("[1")
    with pytest.raises(WorkbenchError, match=r"config\.json: missing or not JSON"):
        ArmoRM.from_pretrained(tmp_path / "plain")


def test_a_value_that_is_no_number_is_named_with_its_file(tmp_path):
    for name, value in (("regression_layer.weight", float("nan")), ("gating.layers.1.weight", float("inf"))):
        folder = published(tmp_path / name)
        bad = tensors_of(folder)[name]
        bad[1, 2] = value
        published(folder, changes={name: bad})
        with pytest.raises(WorkbenchError, match=rf"model\.safetensors: NaN or infinite value in {name}"):
            ArmoRM.from_pretrained(folder)


def test_damaged_files(tmp_path, unread):
    folder = published(tmp_path / "cut", files=3)
    shard = folder / "model-00002-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(WorkbenchError, match="model-00002-of-00003.safetensors: cut short or no safetensors"):
        ArmoRM.from_pretrained(folder)
    shard.write_bytes(b"not at all")
    with pytest.raises(WorkbenchError, match="model-00002-of-00003.safetensors: cut short or no safetensors"):
        ArmoRM.from_pretrained(folder)
    shard.unlink()
    with pytest.raises(WorkbenchError, match="model-00002-of-00003.safetensors"):
        ArmoRM.from_pretrained(folder)


def test_an_index_that_says_what_is_not_so(tmp_path, unread):
    folder = published(tmp_path / "it", files=2)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["weight_map"]["gating.layers.9.weight"] = "model-00001-of-00002.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WorkbenchError, match="index.json: gating.layers.9.weight is not in the files named"):
        ArmoRM.from_pretrained(folder)
    (folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(WorkbenchError, match="index"):
        ArmoRM.from_pretrained(folder)
    with pytest.raises(WorkbenchError, match="missing or no index of tensors"):
        checkpoint.stored(folder)


def test_a_tensor_in_two_files(tmp_path):
    folder = published(tmp_path / "it", files=2)
    (folder / "model-00002-of-00002.safetensors").write_bytes((folder / "model-00001-of-00002.safetensors").read_bytes())
    with pytest.raises(WorkbenchError, match=r"00002-of-00002\.safetensors: .* is in model-00001-of-00002\.safetensors too"):
        checkpoint.stored(folder)


def test_pickles_are_refused(tmp_path):
    folder = published(tmp_path / "it")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(WorkbenchError, match="pickled.*[Cc]onvert"):
        ArmoRM.from_pretrained(folder)


def test_no_code_of_a_checkpoint_is_run(tmp_path):
    code = {"auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model", "AutoModelForSequenceClassification": "evil.Model"}}
    folder = published(tmp_path / "it", **code)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\nclass Model: pass\n")
    ArmoRM.from_pretrained(folder)
    assert not (tmp_path / "ran").exists()


def test_a_hub_that_cannot_be_reached_is_said_at_once(monkeypatch, tmp_path):
    from huggingface_hub import HfApi

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(HfApi, "model_info", lambda *_, **__: (_ for _ in ()).throw(ConnectionError("no route")))
    with pytest.raises(WorkbenchError, match="nobody/nothing"):
        ArmoRM.from_pretrained("nobody/nothing")
    with pytest.raises(WorkbenchError, match="no model"):
        ArmoRM.from_pretrained(tmp_path / "nowhere")
