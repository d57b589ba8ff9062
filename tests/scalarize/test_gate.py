"""The softmax gate: its forward pass written out, planted weights recovered, and the traps of the released training."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from comparisons import planted_gate

from workbench.errors import WorkbenchError
from workbench.preference.bradley_terry import Supervision, fit_scale
from workbench.preference.fit import fit
from workbench.scalarize.base import Gate, Scalarizer
from workbench.scalarize.gate import SoftmaxGate, _prompt
from workbench.scalarize.network import GateNetwork
from workbench.scalarize.weights import GlobalWeights
from workbench.scores import Scores

SMALL = dict(hidden=(32, 32), steps=400, batch_size=512, lr=2e-3)


@pytest.fixture(scope="module")
def data():
    return planted_gate(3.0)


@pytest.fixture(scope="module")
def gate(data):
    return SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, **SMALL)


def slow_weights(state, prompt) -> np.ndarray:
    """β · softmax(MLP(x) / temperature), one prompt and one unit at a time."""
    rows = []
    for x in prompt:
        hidden = [float(v) for v in x]
        depth = sum(key.endswith(".weight") for key in state)
        for i in range(depth):
            weight, bias = state[f"layers.{i}.weight"], state[f"layers.{i}.bias"]
            hidden = [sum(float(w) * h for w, h in zip(row, hidden)) + float(b) for row, b in zip(weight, bias)]
            if i < depth - 1:
                hidden = [max(h, 0.0) for h in hidden]
        raised = [math.exp(h / state["temperature"][0]) * on for h, on in zip(hidden, state["active"])]
        rows.append([state["logit_scale"][0] * r / sum(raised) for r in raised])
    return np.array(rows)


def test_forward_is_the_formula(data, gate):
    assert gate.weights(data.prompt[:5]) == pytest.approx(slow_weights(gate.state(), data.prompt[:5]), abs=1e-5)


def test_weights_shares_and_rewards(data, gate):
    weights, shares, rewards = gate.weights(data.prompt), gate.shares(data.prompt), gate(data.scores, data.prompt)
    assert (weights >= 0).all() and weights.sum(axis=1) == pytest.approx(gate.logit_scale, abs=1e-9)
    assert shares.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    for pair in (0, 500):
        for side in (0, 1):
            by_hand = sum(weights[pair, k] * data.scores.values[pair, side, k] for k in range(4))
            assert rewards[pair, side] == pytest.approx(by_hand, abs=1e-12)
    contributions = weights * data.scores.margins
    assert np.abs(contributions.sum(axis=1) - (rewards[:, 0] - rewards[:, 1])).max() < 1e-6
    assert isinstance(gate, Gate) and isinstance(gate, Scalarizer)


def test_one_prompt_or_many(data, gate, monkeypatch):
    together = gate.weights(data.prompt)
    assert gate.weights(data.prompt[7:8])[0] == pytest.approx(together[7], abs=1e-5)
    monkeypatch.setattr("workbench.scalarize.gate.ROWS", 100)
    assert gate.weights(data.prompt) == pytest.approx(together, abs=1e-5)


@pytest.mark.parametrize("beta", [1.0, 3.0, 6.0])
def test_planted_weights_and_scale_are_read_right(beta):
    data = planted_gate(beta, pairs=4800)
    found = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, **SMALL)
    shares = found.shares(data.prompt)
    for truth in np.unique(data.shares, axis=0):
        here = (data.shares == truth).all(axis=1)
        assert np.abs(shares[here].mean(axis=0) - truth).max() < 0.1
    assert found.logit_scale == pytest.approx(beta, rel=0.2)


def test_trap_a_scale_that_starts_at_one_and_lags():
    """As released, the scale starts at 1 and learns at 1e-3: the softmax sharpens in its place and the shares are wrong."""
    data = planted_gate(6.0, pairs=2400)
    network = GateNetwork(8, (32, 32), np.ones(4, bool), temperature=10.0, dropout=0.0, scale=1.0, seed=0)
    fit(network, [data.prompt, data.scores.margins.astype(np.float32)], Supervision.hard(2400), steps=600, batch_size=512, lr=2e-3,
        rates={"log_scale": 1e-3}, held_out=0.2, groups=data.families)
    ours = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, **SMALL)

    def reads_right(scale, shares):
        return abs(scale / data.beta - 1) < 0.2 and np.abs(shares - data.shares).sum(axis=1).mean() < 0.2

    assert reads_right(ours.logit_scale, ours.shares(data.prompt))
    with torch.no_grad():
        assert not reads_right(network.log_scale.exp().item(), network.shares(torch.tensor(data.prompt)[None])[0].double().numpy())


class ReleasedGate(torch.nn.Module):
    """The forward pass as released: prompts [pair, 2, dim], softmax over dim=1, which is the side and not the objective."""

    def __init__(self, layers, scale, temperature):
        super().__init__()
        self.layers, self.scale, self.temperature = layers, scale, temperature

    def forward(self, x):
        for weight, bias in self.layers[:-1]:
            x = torch.relu(x @ weight.T + bias)
        weight, bias = self.layers[-1]
        return self.scale * torch.softmax((x @ weight.T + bias) / self.temperature, dim=1)


def test_trap_softmax_over_the_sides(data, gate):
    """Equal prompts on both sides make every released weight half the scale: nothing depends on prompt or objective."""
    layers = [(torch.tensor(w), torch.tensor(b)) for w, b in gate.layers]
    both = torch.tensor(np.stack([data.prompt, data.prompt], axis=1))
    released = ReleasedGate(layers, gate.logit_scale, gate.temperature)(both)[:, 0].double().numpy()

    def is_a_distribution_over_objectives(weights):
        return np.allclose(weights.sum(axis=1), gate.logit_scale, rtol=1e-5)

    def depends_on_the_prompt(weights):
        return weights.std(axis=0).max() > 0.01

    ours = gate.weights(data.prompt)
    assert is_a_distribution_over_objectives(ours) and depends_on_the_prompt(ours)
    assert not is_a_distribution_over_objectives(released) and not depends_on_the_prompt(released)
    assert released == pytest.approx(0.5 * gate.logit_scale, abs=1e-5)


def test_trap_released_input_shape_is_rejected(data, gate):
    both = np.stack([data.prompt, data.prompt], axis=1)
    for call in (gate.weights, gate.shares, lambda p: gate(data.scores, p), lambda p: SoftmaxGate.fit(data.scores, p)):
        with pytest.raises((WorkbenchError, TypeError)):  # the annotation speaks first in tests
            call(both)
    with pytest.raises(WorkbenchError, match=r"\[1200, 2, 8\], wanted \[pair, dim\]"):
        _prompt(both)
    with pytest.raises(WorkbenchError, match="3 dims, the gate reads 8"):
        gate.weights(data.prompt[:, :3])


def test_gate_beats_one_set_of_weights(data, gate):
    new = planted_gate(3.0, seed=1)
    margins = np.diff(gate(new.scores, new.prompt), axis=1)[:, 0]
    uniform = new.scores.margins.mean(axis=1)
    best = np.einsum("pk,pk->p", new.shares, new.scores.margins)
    assert (margins < 0).mean() > (uniform > 0).mean() + 0.03
    assert (margins < 0).mean() > (best > 0).mean() - 0.02


def test_prompts_of_any_scale_train_alike(data):
    """Standardising is folded into the first layer: raw prompts far from zero are read as well as small ones."""
    moved = (200 + 50 * data.prompt).astype(np.float32)
    found = SoftmaxGate.fit(data.scores, moved, groups=data.families, **SMALL)
    plain = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, **SMALL)
    assert found.shares(moved) == pytest.approx(plain.shares(data.prompt), abs=0.02)


def test_inactive_objectives_weigh_exactly_nothing(data):
    kept = data.scores.names[:3]
    found = SoftmaxGate.fit(data.scores, data.prompt, active=kept, groups=data.families, **SMALL)
    assert (found.weights(data.prompt)[:, 3] == 0).all()
    assert found.shares(data.prompt).sum(axis=1) == pytest.approx(1.0)
    with pytest.raises(WorkbenchError, match="unknown objective wit"):
        SoftmaxGate.fit(data.scores, data.prompt, active=("wit",))
    with pytest.raises(WorkbenchError, match="no objective is active"):
        SoftmaxGate.fit(data.scores, data.prompt, active=())


def test_inactive_is_as_if_it_were_not_there(data):
    """The last layer's row of an inactive objective never matters: its scores may be anything."""
    noise = data.scores.replace(data.scores.names[3], 100 * np.random.default_rng(0).normal(size=(1200, 2)))
    given = dict(active=data.scores.names[:3], groups=data.families, **SMALL)
    one, other = SoftmaxGate.fit(data.scores, data.prompt, **given), SoftmaxGate.fit(noise, data.prompt, **given)
    assert one.weights(data.prompt) == pytest.approx(other.weights(data.prompt), abs=1e-7)


def test_restrict_renormalises(data, gate):
    kept = gate.restrict([name for name in gate.names if name != "objective 1"])
    shares = gate.shares(data.prompt)
    shares[:, 1] = 0
    assert kept.shares(data.prompt) == pytest.approx(shares / shares.sum(axis=1, keepdims=True), abs=1e-12)
    assert kept.logit_scale == gate.logit_scale and (kept.weights(data.prompt)[:, 1] == 0).all()


def test_a_score_of_zero_is_a_null_expert(data):
    """After debias the nuisance is zero: it moves no margin and still takes mass, unless it is left out of `active`."""
    zero = Scores(np.concatenate([data.scores.values, np.zeros((1200, 2, 1))], axis=2), (*data.scores.names, "nuisance"))
    found = SoftmaxGate.fit(zero, data.prompt, groups=data.families, **SMALL)
    assert found.shares(data.prompt)[:, 4].min() > 0
    weights = found.weights(data.prompt)
    assert found(zero, data.prompt) == pytest.approx(np.einsum("pk,psk->ps", weights[:, :4], data.scores.values))
    without = SoftmaxGate.fit(zero, data.prompt, groups=data.families, active=data.scores.names, **SMALL)
    assert (without.shares(data.prompt)[:, 4] == 0).all() and without.logit_scale == pytest.approx(3.0, rel=0.25)


def test_same_seed_same_bytes(data, gate):
    again = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, **SMALL)
    assert all(again.state()[key].tobytes() == value.tobytes() for key, value in gate.state().items())
    other = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, seed=1, **SMALL)
    assert other.state()["layers.0.weight"].tobytes() != gate.state()["layers.0.weight"].tobytes()


def test_dropout_has_its_own_random_numbers(data):
    given = dict(dropout=0.2, hidden=(16,), steps=30, batch_size=256)
    first = SoftmaxGate.fit(data.scores, data.prompt, **given).state()
    torch.rand(5)
    second = SoftmaxGate.fit(data.scores, data.prompt, **given).state()
    assert first["layers.0.weight"].tobytes() == second["layers.0.weight"].tobytes()
    without = SoftmaxGate.fit(data.scores, data.prompt, **{**given, "dropout": 0.0}).state()
    assert without["layers.0.weight"].tobytes() != first["layers.0.weight"].tobytes()


def test_state_round_trip(data, gate):
    again = SoftmaxGate.from_state(gate.state(), gate.names)
    assert again.weights(data.prompt).tobytes() == gate.weights(data.prompt).tobytes()
    published = {key: value for key, value in gate.state().items() if key not in ("temperature", "active")}
    assert SoftmaxGate.from_state(published, gate.names).weights(data.prompt) == pytest.approx(gate.weights(data.prompt))
    with pytest.raises(WorkbenchError, match="4 objectives with 2 names"):
        SoftmaxGate.from_state(gate.state(), gate.names[:2])
    with pytest.raises(WorkbenchError, match="lacks 'logit_scale'"):
        SoftmaxGate.from_state({key: value for key, value in gate.state().items() if key != "logit_scale"}, gate.names)


def test_small_data_is_safe():
    """Forty pairs, a hundred dims, the big default gate: held-out families stop it before it learns the pairs by heart."""
    rng = np.random.default_rng(0)
    values, prompt = rng.normal(size=(40, 2, 4)), rng.normal(size=(40, 100)).astype(np.float32)
    values[:, 0, 0] += 1.5  # one honest objective, and prompts that say nothing
    new = rng.normal(size=(400, 2, 4))
    new[:, 0, 0] += 1.5
    scores, names = Scores(values, tuple("abcd")), tuple("abcd")
    found = SoftmaxGate.fit(scores, prompt, hidden=(128, 128, 128), groups=np.arange(40) // 2)
    margins = np.subtract(*found(Scores(new, names), rng.normal(size=(400, 100)).astype(np.float32)).T)
    free = SoftmaxGate.fit(scores, prompt, hidden=(128, 128, 128), held_out=0.0, steps=300)
    learnt = np.subtract(*free(Scores(new, names), rng.normal(size=(400, 100)).astype(np.float32)).T)
    assert np.logaddexp(0, -margins).mean() < min(0.69, np.logaddexp(0, -learnt).mean())


def test_cancel_and_progress(data):
    cancel, told = threading.Event(), []

    def stop(progress):
        told.append(progress)
        if progress.step >= 50:
            cancel.set()

    found = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, progress=stop, cancel=cancel, label="seed 0", **SMALL)
    assert found.fit_report.stopped == "cancelled" and [p.step for p in told] == [25, 50] and told[0].label == "seed 0"
    assert found.fit_report.best_step == 50 and found.weights(data.prompt).std(axis=0).max() > 0.01


def test_a_gate_that_has_not_moved_is_the_uniform_fit(data):
    cancel = threading.Event()
    cancel.set()
    found = SoftmaxGate.fit(data.scores, data.prompt, held_out=0.0, cancel=cancel, **SMALL)
    assert found.logit_scale == pytest.approx(fit_scale(data.scores.margins.mean(axis=1)), rel=1e-6)
    assert found.shares(data.prompt) == pytest.approx(0.25, abs=0.02)


def test_start_from_the_best_single_set(data):
    """Untrained, the gate from start="global" is the global weights for every prompt; trained, it finds the sections all the same."""
    cancel, best = threading.Event(), GlobalWeights.fit(data.scores)
    cancel.set()
    begun = SoftmaxGate.fit(data.scores, data.prompt, start="global", held_out=0.0, cancel=cancel, **SMALL)
    assert begun.logit_scale == pytest.approx(best.logit_scale, rel=1e-5)
    assert begun.shares(data.prompt) == pytest.approx(best.shares(data.prompt), abs=0.01)
    found = SoftmaxGate.fit(data.scores, data.prompt, start="global", groups=data.families, **SMALL)
    assert np.abs(found.shares(data.prompt) - data.shares).sum(axis=1).mean() < 0.2
    with pytest.raises(WorkbenchError, match="unknown start 'middle'"):
        SoftmaxGate.fit(data.scores, data.prompt, start="middle")


def test_supervision_is_used(data):
    other = Supervision.hard(600).flipped(np.ones(600, bool))
    turned = SoftmaxGate.fit(data.scores.rows(slice(0, 600)), data.prompt[:600], supervision=other, **SMALL)
    assert turned.logit_scale < 0.2  # every label turned round: nothing agrees, the least scale is taken


def test_wrong_inputs_are_named(data, gate):
    with pytest.raises(WorkbenchError, match="7 prompts, 1200 pairs"):
        SoftmaxGate.fit(data.scores, data.prompt[:7])
    with pytest.raises(WorkbenchError, match="temperature 0"):
        SoftmaxGate.fit(data.scores, data.prompt, temperature=0.0)
    with pytest.raises(WorkbenchError, match="lack objective 1"):
        gate(data.scores.select(gate.names[:1]), data.prompt)
    with pytest.raises(WorkbenchError, match="have wit, which it does not know"):
        gate(data.scores.join(Scores(np.zeros((1200, 2, 1)), ("wit",))), data.prompt)
    with pytest.raises(WorkbenchError, match="3 prompts beside 1200"):
        gate(data.scores, data.prompt[:3])


def test_objectives_may_come_in_another_order(data, gate):
    assert gate(data.scores.select(gate.names[::-1]), data.prompt) == pytest.approx(gate(data.scores, data.prompt))


def test_a_gate_is_read_without_torch(gate, tmp_path):
    """A saved gate opens, and gives its weights, in a process that never loads torch."""
    np.savez(tmp_path / "gate.npz", **gate.state())
    code = (
        "import sys, numpy as np, workbench as wb;"
        f"state = dict(np.load({str(tmp_path / 'gate.npz')!r}));"
        f"gate = wb.SoftmaxGate.from_state(state, {gate.names!r});"
        "print(gate.weights(np.zeros((2, 8), np.float32)).shape, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60)
    assert done.stdout.strip() == "(2, 4) False", done.stderr
