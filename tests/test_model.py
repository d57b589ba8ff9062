"""RewardModel: one equation, saved whole, loaded only whole."""

from __future__ import annotations

import json

import numpy as np
import pytest
from planted import NAMES

from workbench.errors import WorkbenchError
from workbench.model import RewardModel
from workbench.objectives.debias import Debiased
from workbench.objectives.probes import LinearProbes
from workbench.scalarize.gate import SoftmaxGate
from workbench.scalarize.weights import FixedWeights, UniformWeights


@pytest.fixture(scope="module")
def parts(planted_study):
    study = planted_study.study
    responses = study.split_responses("train")
    y = study.ratings.set_index("response_id").loc[responses["response_id"]].to_numpy(float)
    probes = LinearProbes.fit(study.features("train", of="responses").response, y, names=NAMES, groups=responses["family"].to_numpy())
    train = study.features("train")
    scale = probes(train).std()
    debias = Debiased.fit(probes(train).scaled(scale), against="verbosity")
    scores = debias(probes(train).scaled(scale))
    gate = SoftmaxGate.fit(scores, train.prompt, hidden=(6,), temperature=1.0, steps=20, batch_size=128)
    return probes, scale, debias, gate, study.features("dev")


def slow_rewards(model: RewardModel, features) -> np.ndarray:
    """Response by response, from the equation."""
    weights, out = model.gate.weights(features.prompt), np.zeros(features.response.shape[:2])
    matrix = model.debias.matrix if model.debias else np.eye(len(model.probes.names))
    for p in range(len(features)):
        for s in (0, 1):
            debiased = (features.response[p, s] @ model.probes.weight.T / model.scale) @ matrix
            for k, name in enumerate(model.names):
                factor = (model.multiplier or {}).get(name, 1.0)
                out[p, s] += weights[p, k] * factor * debiased[model.probes.names.index(name)]
    return out


def make(parts, **changes) -> RewardModel:
    fields = dict(zip(("probes", "scale", "debias", "gate"), parts)) | changes
    return RewardModel(**fields)


NARROW = UniformWeights(("safety", "helpfulness"), 2.0)


@pytest.mark.parametrize("changes", [{}, {"debias": None}, {"multiplier": {"safety": 0.3}}, {"gate": NARROW}], ids=str)
def test_rewards_equal_the_equation(parts, changes):
    model = make(parts, **changes)
    np.testing.assert_allclose(model(parts[4]), slow_rewards(model, parts[4]), atol=1e-5)
    assert model.scores(parts[4]).names == model.names


@pytest.mark.parametrize("changes", [{}, {"debias": None, "multiplier": {"safety": 0.3}}, {"gate": NARROW}, {"name": "ours"},
                                     {"gate": FixedWeights(np.array([1.0, 2.0]), ("safety", "verbosity"))}], ids=str)
def test_round_trip(parts, changes, tmp_path):
    model = make(parts, **changes)
    again = RewardModel.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(model(parts[4]), again(parts[4]))
    assert again.names == model.names and again.multiplier == model.multiplier and type(again.gate) is type(model.gate)
    assert again.name == model.name
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["index.json", "model.safetensors"]
    with pytest.raises(WorkbenchError, match="here already"):
        model.save(tmp_path / "model")


def test_what_is_damaged_is_not_loaded(parts, tmp_path):
    model = make(parts)
    with pytest.raises(WorkbenchError, match="no model here"):
        RewardModel.load(tmp_path / "nowhere")
    for number, damage in enumerate((lambda f: (f / "model.safetensors").write_bytes(b"x"), lambda f: (f / "index.json").unlink(),
                                     lambda f: (f / "index.json").write_text("{}"))):
        folder = model.save(tmp_path / f"model{number}")
        damage(folder)
        with pytest.raises(WorkbenchError, match=r"(index\.json|model\.safetensors): .*Restore it from a copy, or save the model again"):
            RewardModel.load(folder)


def test_a_newer_model_is_refused(parts, tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.model.SCHEMA", 2)
    folder = make(parts).save(tmp_path / "model")
    monkeypatch.undo()
    with pytest.raises(WorkbenchError, match="Update the workbench"):
        RewardModel.load(folder)
    assert json.loads((folder / "index.json").read_text())["model"] == 2


def test_parts_must_fit(parts):
    with pytest.raises(WorkbenchError, match="scale"):
        make(parts, scale=parts[1][:2])
    with pytest.raises(WorkbenchError, match="scale"):
        make(parts, scale=np.zeros(4))
    with pytest.raises(WorkbenchError, match="gate names x"):
        make(parts, gate=UniformWeights(("x",), 1.0))
    with pytest.raises(WorkbenchError, match="multiplier names x"):
        make(parts, multiplier={"x": 2.0})
    with pytest.raises(WorkbenchError, match="other objectives"):
        make(parts, debias=Debiased.fit(parts[0](parts[4]).select(NAMES[:3]), against="verbosity"))
