"""Export: everything folded into the published layout, back to the same bits, the same bytes again, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from published import TALKS, published, tensors_of, write
from safetensors.torch import load_file, save_file

from workbench.armorm import export
from workbench.armorm.checkpoint import Layout
from workbench.armorm.export import export_armorm
from workbench.armorm.model import ArmoRM
from workbench.armorm.parts import folded, reward_model_from
from workbench.errors import WorkbenchError
from workbench.features import Features
from workbench.model import RewardModel
from workbench.objectives.debias import Debiased
from workbench.scalarize.gate import SoftmaxGate
from workbench.scalarize.weights import FixedWeights, GlobalWeights, UniformWeights
from workbench.shards import Shard

NAMES = ("kind", "true", "verbosity", "short", "safe")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.saved(tmp_path_factory.mktemp("base") / "llama", dtype=torch.bfloat16, shard="30KB")


def gate(names=NAMES, hidden=(8, 8), dim=tiny.DIM, seed=3, temperature=4.0, active=None) -> SoftmaxGate:
    random, sizes = np.random.default_rng(seed), (dim, *hidden, len(names))
    layers = tuple((random.normal(size=(out, wide)).astype(np.float32), random.normal(size=out).astype(np.float32))
                   for wide, out in zip(sizes, sizes[1:]))
    return SoftmaxGate(names, layers, 2.3, temperature, np.ones(len(names), bool) if active is None else np.array(active, bool))


def model(dim=tiny.DIM, **changes) -> RewardModel:
    """Every part at work: scale, debias in an order of its own, multiplier, gate."""
    random = np.random.default_rng(5)
    order = NAMES[::-1]
    penalty = np.where(np.array(order) == "verbosity", 1.0, random.uniform(-0.3, 0.6, len(order)))
    probes = reward_model_from(random.normal(size=(len(NAMES), dim)), NAMES, gate=UniformWeights(NAMES)).probes
    parts = {"probes": probes, "scale": random.uniform(0.1, 3, len(NAMES)), "gate": gate(),
             "debias": Debiased(penalty, order, ("verbosity",), penalty, penalty), "multiplier": {"true": 1.7, "safe": -0.5}}
    return RewardModel(**(parts | changes))


GATES = {
    "all": gate(), "other order": gate(NAMES[::-1]), "fewer": gate(NAMES[1:4]), "masked": gate(active=[1, 0, 1, 1, 0]),
    "fewer and masked": gate(("safe", "kind", "true"), active=[1, 0, 1]), "linear": gate(hidden=()),
    "uniform": UniformWeights(NAMES[:3], 2.0), "global": GlobalWeights(np.array([0.5, 0.0, 1.5]), ("safe", "kind", "true")),
    "fixed": FixedWeights(np.array([1.0, 0, 0, 0, 1e-9]), NAMES),
}


@pytest.mark.parametrize("name", GATES)
def test_what_is_exported_scores_the_same(name, base, tmp_path):
    ours = model(gate=GATES[name], multiplier={"true": 1.7, "safe": -0.5} if name == "all" else None)
    theirs = ArmoRM.from_pretrained(export_armorm(ours, tmp_path / "out", base=base), device="cpu")
    judged = theirs.score(TALKS)
    hidden = judged.hidden_state.numpy()
    features = Features(judged.prompt_embedding.numpy(), np.stack([hidden, hidden[::-1]], axis=1))
    np.testing.assert_allclose(judged.score, ours(features)[:, 0], rtol=1e-5, atol=1e-5)
    weights = np.zeros((len(TALKS), len(NAMES)))
    weights[:, [NAMES.index(one) for one in ours.names]] = ours.weights(features)
    np.testing.assert_allclose(judged.gating, weights, rtol=1e-5, atol=1e-7)
    assert (judged.gating.numpy()[weights == 0] == 0).all()  # exactly: nothing leaks through a closed gate
    np.testing.assert_allclose(theirs.reward_model()(features), ours(features), rtol=1e-5, atol=1e-5)
    assert theirs.names == NAMES


def test_back_to_the_same_bits_and_the_same_bytes_again(base, tmp_path):
    first = export_armorm(model(), tmp_path / "first", base=base)
    _, written = folded(model())
    read = ArmoRM.from_pretrained(first, device="cpu")
    for name, value in read.heads.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), written[name], err_msg=name)
    second = read.export(tmp_path / "second")
    third = export_armorm(read.reward_model(), tmp_path / "third", base=second)
    for folder in (second, third):
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {path.name: path.read_bytes() for path in first.iterdir()}


@pytest.mark.parametrize("name", GATES)
def test_any_gate_comes_back_to_the_same_bytes(name, base, tmp_path):
    first = export_armorm(model(gate=GATES[name], multiplier={"kind": 0.0}), tmp_path / "first", base=base)
    second = ArmoRM.from_pretrained(first, device="cpu").export(tmp_path / "second")
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {path.name: path.read_bytes() for path in second.iterdir()}


def test_the_folder_is_as_published(base, tmp_path):
    folder = export_armorm(model(), tmp_path / "deep" / "out", base=base)
    config, source = (json.loads((where / "config.json").read_text()) for where in (folder, base))
    assert config["architectures"] == ["LlamaForRewardModelWithGating"] and config["model_type"] == "llama"
    assert (config["num_objectives"], config["gating_temperature"], config["gating_n_hidden"], config["gating_hidden_dim"]) == (5, 4, 2, 8)
    assert config["objective_names"] == list(NAMES) and len(config["gating_pattern"]) > 2
    assert {key: config[key] for key in source if key != "architectures"} == {key: source[key] for key in source if key != "architectures"}
    index, tensors = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"], tensors_of(folder)
    assert set(index) == set(tensors) and len(set(index.values())) == len(list(base.glob("*.safetensors"))) + 1 > 2
    assert set(index) - set(Layout.read(folder).shapes) == {f"model.{name}" for name in tensors_of(base)}
    for name, value in tensors_of(base).items():
        assert value.dtype == torch.bfloat16 and torch.equal(tensors[f"model.{name}"], value)
    assert (folder / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["out"]  # nothing is left beside it


@pytest.mark.parametrize("prefixed", [True, False])
def test_other_heads_of_the_base_are_left_out(prefixed, tmp_path):
    """A causal language model has lm_head, a Bradley–Terry model score; the transformer keeps its mixed types."""
    base = tiny.saved(tmp_path / "base", dtype=torch.bfloat16)
    tensors = tensors_of(base)
    tensors["norm.weight"] = tensors["norm.weight"].float()
    tensors = {f"model.{name}" if prefixed else name: value for name, value in tensors.items()}
    write(base, tensors | {"score.weight": torch.zeros(1, 32), "lm_head.weight": torch.zeros(384, 32).half()}, 1)
    (base / "code.py").write_text("raise SystemExit")
    (base / "LICENSE").write_text("Terms.")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "code.Model"}}))
    folder = export_armorm(model(), tmp_path / "out", base=base)
    ArmoRM.from_pretrained(folder, device="cpu")
    assert not {"score.weight", "lm_head.weight"} & set(tensors_of(folder)) and "auto_map" not in (folder / "config.json").read_text()
    assert tensors_of(folder)["model.norm.weight"].dtype == torch.float32 != tensors_of(folder)["model.embed_tokens.weight"].dtype
    assert (folder / "LICENSE").read_text() == "Terms." and not list(folder.glob("*.py"))


def test_another_published_model_is_a_base_too(tmp_path):
    base = published(tmp_path / "base", "qwen2", files=2, objectives=3)
    theirs = ArmoRM.from_pretrained(export_armorm(model(), tmp_path / "out", base=base), device="cpu")
    assert theirs.names == NAMES and json.loads((tmp_path / "out" / "config.json").read_text())["architectures"][0].startswith("Qwen2For")
    torch.testing.assert_close(theirs.score(TALKS).hidden_state, ArmoRM.from_pretrained(base, device="cpu").score(TALKS).hidden_state)


def test_a_pattern_of_ones_own_goes_along(base, tmp_path):
    derived = ArmoRM.from_pretrained(export_armorm(model(), tmp_path / "a", base=base)).backbone.chat.pattern
    folder = export_armorm(model(), tmp_path / "b", base=base, gating_pattern=derived[1:])
    assert ArmoRM.from_pretrained(folder).backbone.chat.pattern == derived[1:]


def test_merging_what_two_stages_leave(base, tmp_path):
    """Regression weights and a gate's state as torch saves them, T, and a transformer: the published layout."""
    random = torch.Generator().manual_seed(1)
    weight, matrix = (torch.randn(*shape, generator=random) for shape in ((5, tiny.DIM), (5, 5)))
    state = {name.removeprefix("gating."): torch.from_numpy(value) for name, value in folded(model())[1].items()
             if name.startswith("gating.")}
    merged = reward_model_from(weight, NAMES, transform=matrix, gate=state)
    theirs = ArmoRM.from_pretrained(export_armorm(merged, tmp_path / "out", base=base), device="cpu")
    assert torch.equal(theirs.heads.regression_layer.weight, weight) and theirs.heads.gating.temperature == 10
    assert torch.equal(theirs.heads.reward_transform_matrix, matrix)
    assert all(torch.equal(theirs.heads.gating.state_dict()[name], value) for name, value in state.items())
    assert reward_model_from(weight, NAMES, gate=state).debias is None
    for wrong in ({"weight": weight[:3]}, {"weight": weight[0]}, {"transform": matrix[:2]}, {"weight": weight * torch.inf}):
        with pytest.raises(WorkbenchError, match=f"{next(iter(wrong))} .* for 5 names, or not finite"):
            reward_model_from(**({"weight": weight, "names": NAMES, "gate": state} | wrong))
    with pytest.raises(WorkbenchError, match="one name"):
        reward_model_from(weight, ("a",) * 5, gate=state)


# -- what the layout cannot hold -------------------------------------------------------------------


def test_what_the_layout_cannot_hold(base, tmp_path):
    with pytest.raises(WorkbenchError, match=r"hidden layers \[8, 6\].*one size.*equal"):
        export_armorm(model(gate=gate(hidden=(8, 6))), tmp_path / "out", base=base)
    with pytest.raises(WorkbenchError, match="probes on features of 64 dims.*32.*composed"):
        export_armorm(model(dim=64, gate=gate(dim=64)), tmp_path / "out", base=base)
    with pytest.raises(WorkbenchError, match="a gate on features of 32 dims beside probes on 64"):
        export_armorm(model(dim=64), tmp_path / "out", base=base)
    with pytest.raises(WorkbenchError, match="regression_layer.weight cannot be written in float32"):
        export_armorm(model(scale=np.full(5, 1e-300)), tmp_path / "out", base=base)
    flat = Debiased(np.ones(6), (*NAMES, "n_words"), ("n_words",), np.ones(6), np.ones(6))
    with pytest.raises(WorkbenchError, match="other objectives"):  # a measured length is not in the transformer
        model(debias=flat)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(base, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(WorkbenchError, match="something is here already"):
        export_armorm(model(), tmp_path / "out", base=base)


def test_a_base_that_lacks_a_tensor_or_is_none(tmp_path):
    base = tiny.saved(tmp_path / "base")
    tensors = tensors_of(base)
    write(base, {name: value for name, value in tensors.items() if name != "norm.weight"}, 1)
    with pytest.raises(WorkbenchError, match="no tensor model.norm.weight"):
        export_armorm(model(), tmp_path / "out", base=base)
    write(base, tensors | {"norm.weight": torch.ones(31)}, 1)
    with pytest.raises(WorkbenchError, match=r"model.norm.weight has shape \[31\]"):
        export_armorm(model(), tmp_path / "out", base=base)
    with pytest.raises(WorkbenchError, match="no model"):
        export_armorm(model(), tmp_path / "out", base=tmp_path / "nowhere")
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


# -- whole or not at all ---------------------------------------------------------------------------


class Full:
    """A disk that holds so many bytes more."""

    def __init__(self, room: int):
        self.room = room

    def open(self, path, mode="r", **options):
        file = open(path, mode, **options)
        if "w" not in mode:
            return file
        disk, write = self, file.write

        class Writer:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            def write(self, data):
                disk.room -= len(data)
                if disk.room < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return write(data)

            def __getattr__(self, name):
                return getattr(file, name)

        return Writer()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_a_full_disk_leaves_nothing(share, base, tmp_path, monkeypatch):
    size = sum(path.stat().st_size for path in base.glob("*.safetensors"))
    monkeypatch.setattr(export, "open", Full(int(share * size)).open, raising=False)
    with pytest.raises(WorkbenchError, match=r"out: not written, and nothing is left of it: No space left.*It takes \d+.* KiB"):
        export_armorm(model(), tmp_path / "out", base=base)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    export_armorm(model(), tmp_path / "out", base=base)


def test_an_interruption_leaves_nothing(base, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(export.os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        export_armorm(model(), tmp_path / "out", base=base)
    assert not list(tmp_path.iterdir())


def test_tensors_are_streamed(base, tmp_path, monkeypatch):
    """No more than a block of a transformer is in memory at once."""
    seen = []

    class Counted(Full):
        def open(self, path, mode="r", **options):
            file = open(path, mode, **options)
            if "r" in mode:
                seen.append(Path(path).name)
            return file

    monkeypatch.setattr(export, "open", Counted(0).open, raising=False)
    monkeypatch.setattr(export, "BLOCK", 100)
    folder = export_armorm(model(), tmp_path / "out", base=base)
    assert len(seen) == len(tensors_of(base))
    for name, value in tensors_of(base).items():
        assert torch.equal(tensors_of(folder)[f"model.{name}"], value)


def test_numbers_lie_at_multiples_of_their_size(tmp_path):
    save_file({"a": torch.ones(3).bfloat16(), "b": torch.arange(5.0)}, tmp_path / "from.safetensors")
    shards = {name: Shard.open(tmp_path / "from.safetensors", name) for name in "ab"}
    export._write(tmp_path / "to.safetensors", {**shards, "c": np.ones((2, 2), np.float32)})
    for name in "bc":
        assert Shard.open(tmp_path / "to.safetensors", name).start % 4 == 0
    found = load_file(tmp_path / "to.safetensors")
    assert all(torch.equal(found[name], wanted) for name, wanted in
               (("a", torch.ones(3).bfloat16()), ("b", torch.arange(5.0)), ("c", torch.ones(2, 2))))


def test_a_base_cut_short_while_it_is_copied(base, tmp_path, monkeypatch):
    real = export._transformer

    def moved(folder):
        family, kept = real(folder)
        return family, {name: replace(shard, start=shard.path.stat().st_size - 1) for name, shard in kept.items()}

    monkeypatch.setattr(export, "_transformer", moved)
    with pytest.raises(WorkbenchError, match="cut short within"):
        export_armorm(model(), tmp_path / "out", base=base)
    assert not list(tmp_path.iterdir())
