"""Gradients written by hand against autograd; heads side by side against one by one; low precision against full."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from comparisons import planted_gate
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.preference.bradley_terry import Supervision, bradley_terry_loss
from workbench.preference.fit import fit
from workbench.rows import Repeated
from workbench.scalarize.gate import SoftmaxGate
from workbench.scalarize.network import GateNetwork

SMALL = dict(hidden=(32, 32), steps=400, batch_size=512, lr=2e-3)


def by_autograd(network: GateNetwork, prompt, gaps, supervision) -> list[np.ndarray]:
    """Every head's gradients of the mean loss, from the forward pass alone."""
    plain = copy.deepcopy(network)
    margins, n = plain(prompt, gaps), gaps.shape[1]
    sum(bradley_terry_loss(margins[head], supervision, torch.arange(n)) for head in range(plain.heads)).backward()
    return [parameter.grad.numpy() for parameter in plain.parameters()]


def by_hand(network: GateNetwork, prompt, gaps, supervision, place=None, pieces: int = 1) -> list[np.ndarray]:
    made, share = supervision.tensors(), 1 / supervision.weight.sum()

    def gradient(part):
        def slope(margins):
            return share * made.weight[part] * (torch.sigmoid(margins - made.margin[part]) - made.target[part])
        return slope

    for number, part in enumerate(torch.arange(gaps.shape[1]).tensor_split(pieces)):
        rows = prompt if place is not None else prompt[:, part]
        network.learn(gradient(part), rows, gaps[:, part], None if place is None else place[part], first=number == 0)
    return [parameter.grad.numpy() for parameter in network.parameters()]


@settings(max_examples=40, deadline=None)
@given(heads=st.integers(1, 3), depth=st.integers(0, 3), n=st.integers(1, 9), objectives=st.integers(1, 4), closed=st.integers(0, 2),
       temperature=st.sampled_from([0.5, 1.0, 10.0]), pieces=st.integers(1, 3), seed=st.integers(0, 99))
def test_gradients_by_hand_are_those_of_autograd(heads, depth, n, objectives, closed, temperature, pieces, seed):
    rng = np.random.default_rng(seed)
    active = np.arange(objectives) >= min(closed, objectives - 1)
    scales = rng.uniform(0.2, 5, heads).tolist()
    network = GateNetwork(5, (4, 6, 3)[:depth], active, temperature, 0.0, scale=scales, seed=list(range(heads)))
    prompt, gaps = (torch.tensor(rng.normal(size=(heads, n, wide)), dtype=torch.float32) for wide in (5, objectives))
    made = Supervision(rng.uniform(size=n), rng.normal(size=n), rng.uniform(0.1, 2, size=n))
    for hand, auto in zip(by_hand(network, prompt, gaps, made, pieces=min(pieces, n)), by_autograd(network, prompt, gaps, made)):
        assert hand == pytest.approx(auto, abs=2e-6, rel=1e-4)


def test_a_prompt_read_once_teaches_as_often_as_it_occurs():
    rng, network = np.random.default_rng(0), GateNetwork(5, (8,), np.ones(3, bool), 1.0, 0.0, scale=1.0, seed=0)
    distinct, place = torch.tensor(rng.normal(size=(1, 4, 5)), dtype=torch.float32), torch.tensor(rng.integers(0, 4, 30))
    gaps = torch.tensor(rng.normal(size=(1, 30, 3)), dtype=torch.float32)
    once = copy.deepcopy(by_hand(network, distinct, gaps, Supervision.hard(30), place))
    for hand, auto in zip(once, by_autograd(network, distinct[:, place], gaps, Supervision.hard(30))):
        assert hand == pytest.approx(auto, abs=2e-6)


def test_dropped_units_teach_nothing_and_the_rest_more():
    """With dropout the gradients by hand are those of the very same draw."""
    network = GateNetwork(5, (16, 16), np.ones(3, bool), 1.0, 0.4, scale=1.0, seed=0)
    rng = np.random.default_rng(0)
    prompt, gaps = (torch.tensor(rng.normal(size=(1, 20, wide)), dtype=torch.float32) for wide in (5, 3))
    hand = copy.deepcopy(by_hand(network, prompt, gaps, Supervision.hard(20)))
    network.random = None  # the same draws again
    plain = GateNetwork(5, (16, 16), np.ones(3, bool), 1.0, 0.4, scale=1.0, seed=0)
    plain.load_state_dict(network.state_dict())
    bradley_terry_loss(plain(prompt, gaps)[0], Supervision.hard(20), torch.arange(20)).backward()
    for a, b in zip(hand, plain.parameters()):
        assert a == pytest.approx(b.grad.numpy(), abs=2e-6)


@pytest.fixture(scope="module")
def data():
    return planted_gate(3.0)


def test_shared_prompts_train_the_same_gate(data):
    """Prompts given once per family and pointed to: the same gate as a row per pair, to rounding."""
    prompt = data.prompt[data.families * 4]  # four pairs of a family have one prompt
    shared = Repeated(data.prompt[::4], data.families)
    one = SoftmaxGate.fit(data.scores, prompt, groups=data.families, **SMALL)
    other = SoftmaxGate.fit(data.scores, shared, groups=data.families, **SMALL)
    assert other.shares(prompt) == pytest.approx(one.shares(prompt), abs=5e-3)
    assert other.shares(shared) == pytest.approx(other.shares(prompt), abs=1e-6)
    assert one.fit_report.head_losses == pytest.approx(other.fit_report.head_losses, abs=1e-4)


def test_seeds_side_by_side_are_seeds_one_by_one(data):
    together = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, seed=(0, 3), **SMALL, patience=None, start="global")
    assert len(together) == 2
    for seed, gate in zip((0, 3), together):
        alone = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, seed=seed, **SMALL, patience=None, start="global")
        assert gate.fit_report.best_step == alone.fit_report.best_step
        assert gate.fit_report.head_losses == pytest.approx(alone.fit_report.head_losses, abs=1e-4)
        assert gate.shares(data.prompt) == pytest.approx(alone.shares(data.prompt), abs=5e-3)
    assert np.abs(together[0].shares(data.prompt) - together[1].shares(data.prompt)).max() > 0.01


def test_low_precision_learns_as_well(data):
    """bfloat16 products over five seeds: held-out accuracy on new pairs within a point of float32's, shares alike."""
    new = planted_gate(3.0, seed=1)

    def right(precision, seed):
        found = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, seed=seed, precision=precision, **SMALL)
        return np.subtract(*found(new.scores, new.prompt).T) > 0, found.shares(new.prompt)

    difference = []
    for seed in range(5):
        (full, shares), (low, shown) = right("float32", seed), right("bfloat16", seed)
        difference.append(low.mean() - full.mean())
        assert np.abs(shares - shown).mean() < 0.02 and not np.array_equal(shares, shown)
    assert np.mean(difference) > -0.01


def test_auto_takes_low_precision_only_where_it_gains(data):
    """A small gate is the same bytes whatever the processor: "auto" stays in float32."""
    auto, full = (SoftmaxGate.fit(data.scores, data.prompt, precision=p, **{**SMALL, "steps": 30}) for p in ("auto", "float32"))
    assert auto.state()["layers.0.weight"].tobytes() == full.state()["layers.0.weight"].tobytes()
    with pytest.raises(WorkbenchError, match="precision 'half'"):
        SoftmaxGate.fit(data.scores, data.prompt, precision="half")


def test_autograd_modules_have_low_precision_too():
    """A module without gradients of its own: autocast, close to float32."""
    class Linear(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.map = torch.nn.Linear(12, 1, bias=False)
            torch.nn.init.zeros_(self.map.weight)

        def forward(self, rows):
            return self.map(rows)[:, 0]

    x = np.random.default_rng(0).normal(0.3, 1, size=(300, 12)).astype(np.float32)
    modules = {p: Linear() for p in ("float32", "bfloat16")}
    for precision, module in modules.items():
        fit(module, [x], Supervision.hard(300), steps=40, batch_size=64, lr=1e-2, precision=precision)
    full, low = (module.map.weight.detach().numpy() for module in modules.values())
    assert low == pytest.approx(full, abs=5e-3) and not np.array_equal(low, full)


def stopped():
    import threading

    event = threading.Event()
    event.set()
    return event


def test_a_warm_start_is_the_gate_it_starts_from(data):
    """Cancelled before its first step, at another temperature and in another order of objectives."""
    parent = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, **SMALL)
    turned = data.scores.select(data.scores.names[::-1])
    for scores, temperature in ((data.scores, 10.0), (data.scores, 2.0), (turned, 10.0)):
        begun = SoftmaxGate.fit(scores, data.prompt, start=parent, temperature=temperature, held_out=0.0, cancel=stopped(), **SMALL)
        back = [scores.names.index(name) for name in parent.names]
        assert begun.shares(data.prompt)[:, back] == pytest.approx(parent.shares(data.prompt), abs=1e-4)
        assert begun.logit_scale == pytest.approx(parent.logit_scale, rel=1e-5)


def test_a_warm_start_without_one_objective_and_with_a_new_one(data):
    names = data.scores.names
    parent = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, active=names[:3], **SMALL)
    fewer = SoftmaxGate.fit(data.scores, data.prompt, start=parent, active=names[:2], held_out=0.0, cancel=stopped(), **SMALL)
    assert fewer.shares(data.prompt) == pytest.approx(parent.restrict(names[:2]).shares(data.prompt), abs=1e-4)
    more = SoftmaxGate.fit(data.scores, data.prompt, start=parent, held_out=0.0, cancel=stopped(), **SMALL)
    shares = more.shares(data.prompt)
    assert shares[:, :3] / shares[:, :3].sum(axis=1, keepdims=True) == pytest.approx(parent.shares(data.prompt)[:, :3], abs=1e-4)
    assert 0.05 < shares[:, 3].mean() < 0.5  # neither nothing nor everything


def test_a_warm_start_is_there_sooner(data):
    cold = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, **SMALL)
    warm = SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, start=cold, **SMALL)
    assert warm.fit_report.best_step < cold.fit_report.best_step
    assert warm.fit_report.head_losses[0] <= cold.fit_report.head_losses[0] + 1e-6  # its first state is the parent's best


@pytest.mark.parametrize("other, said", [
    (dict(hidden=(16, 32)), r"layers \[32, 32\] for a gate with \[16, 32\]"), (dict(hidden=()), "for a gate with none"),
])
def test_a_start_of_another_shape_is_refused(data, other, said):
    parent = SoftmaxGate.fit(data.scores, data.prompt, cancel=stopped(), **SMALL)
    with pytest.raises(WorkbenchError, match=said):
        SoftmaxGate.fit(data.scores, data.prompt, start=parent, **{**SMALL, **other})
