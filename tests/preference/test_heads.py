"""Bradley–Terry heads against scikit-learn and plain numpy."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
import torch
from comparisons import planted_flips
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from workbench.errors import WorkbenchError
from workbench.features import Features
from workbench.preference import data as data_module
from workbench.preference.bradley_terry import Supervision
from workbench.preference.heads import BradleyTerryHead, HeadStack, _best
from workbench.preference.network import Heads
from workbench.preference.strength import Strength


@pytest.fixture(scope="module")
def data():
    return planted_flips(pairs=600)


@pytest.fixture(scope="module")
def head(data):
    return BradleyTerryHead.fit(data.features.rows(slice(0, 480)), groups=data.families[:480], steps=200)


def test_linear_head_is_ridge_logistic_regression(data):
    """With one penalty and nothing held out, the head is the convex optimum: scikit-learn's without an intercept."""
    response, decay = data.features.response, 0.05
    fitted = BradleyTerryHead.fit(data.features, decays=(decay,), held_out=0, steps=600, batch_size=600, lr=3e-2)
    scale = response.reshape(-1, response.shape[-1]).std(axis=0)
    x = (response[:, 0] - response[:, 1]) / scale
    oracle = LogisticRegression(C=1 / (decay * 2 * len(x)), fit_intercept=False, tol=1e-8, max_iter=2000)
    oracle.fit(np.concatenate([x, -x]), np.repeat([1, 0], len(x)))
    assert fitted.heads.weights[0][0, :, 0] == pytest.approx(oracle.coef_[0], abs=2e-3)
    assert fitted.margins(data.features) == pytest.approx(x @ oracle.coef_[0], abs=2e-2)


def test_head_agrees_with_clean_labels_of_new_families(data, head):
    margins = head.margins(data.features.rows(slice(480, None))) * np.where(data.flipped[480:], -1, 1)
    assert (margins > 0).mean() > 0.85
    assert set(head.losses) and head.losses[head.decay] == min(head.losses.values())


def test_rewards_are_the_plain_mlp(data):
    fitted = BradleyTerryHead.fit(data.features, groups=data.families, hidden=(6, 5), decays=(1e-3, 1e-2), steps=40, lr=3e-3)
    stack, x = fitted.heads, data.features.response[3, 1].astype(float)
    hidden = (x - stack.centre) / stack.spread
    for depth, weight in enumerate(stack.weights):
        hidden = hidden @ weight[0].astype(float)
        if depth < len(stack.biases):
            hidden = np.maximum(hidden + stack.biases[depth][0, 0], 0)
    assert fitted(data.features)[3, 1] == pytest.approx(hidden[0], abs=1e-5)


def test_pairs_and_rows_and_masks(data, head):
    response = data.features.response
    rewards = head(data.features)
    assert rewards.shape == (600, 2) and head(response[:, 0]) == pytest.approx(rewards[:, 0])
    mask = np.arange(600) % 2 == 0
    masked = head(Features(data.features.prompt, response, mask))
    assert not masked[~mask].any() and masked[mask] == pytest.approx(rewards[mask])


def test_a_skipped_pair_teaches_nothing(data):
    mask = np.arange(600) >= 100
    response = data.features.response.copy()
    response[~mask] = 0
    fixed = dict(groups=data.families, decays=(0.01,), held_out=0, steps=50)
    masked = BradleyTerryHead.fit(Features(data.features.prompt, response, mask), **fixed)
    response[~mask] = 1e3 * np.random.default_rng(0).normal(size=response[~mask].shape)
    again = BradleyTerryHead.fit(Features(data.features.prompt, response, mask), **fixed)
    assert masked.heads.weights[0].tobytes() == again.heads.weights[0].tobytes()


def test_same_seed_same_bytes(data, head):
    again = BradleyTerryHead.fit(data.features.rows(slice(0, 480)), groups=data.families[:480], steps=200)
    assert again.heads.weights[0].tobytes() == head.heads.weights[0].tobytes() and again.decay == head.decay


def test_without_a_penalty_it_learns_noise_by_heart(data):
    """Why the penalty is chosen on held-out families: in many dims an unpenalised head is right on every wrong label."""
    noise = np.random.default_rng(0).normal(size=(200, 2, 300)).astype(np.float32)
    free = BradleyTerryHead.fit(Features(noise[:, 0], noise), decays=(0.0,), held_out=0, steps=200)
    chosen = BradleyTerryHead.fit(Features(noise[:, 0], noise), steps=200)
    assert (free.margins(noise) > 0).mean() == 1
    assert chosen.decay >= 1 and np.abs(chosen.margins(noise)).mean() < 0.2 * np.abs(free.margins(noise)).mean()


def test_cancel_keeps_a_head(data):
    cancel, told = threading.Event(), []

    def stop(progress):
        told.append(progress)
        cancel.set()

    fitted = BradleyTerryHead.fit(data.features, groups=data.families, progress=stop, cancel=cancel)
    assert fitted.fit_report.stopped == "cancelled" and len(told) == 1
    assert np.isfinite(fitted(data.features)).all() and np.abs(fitted(data.features)).sum() > 0


def test_equal_losses_take_the_largest_penalty():
    decays = np.array([1e-3, 1.0, 0.1])
    assert _best(np.array([0.5, 0.5, 0.6]), decays) == 1
    assert _best(np.array([0.5, 0.5, 0.4]), decays) == 2
    assert _best(np.full(3, np.nan), decays) == 2  # nothing held out: the plain penalty


def test_wrong_inputs_are_named(data):
    rows = data.features.response[:, 0]
    with pytest.raises(WorkbenchError, match="learn from pairs"):
        BradleyTerryHead.fit(Features(rows, rows))
    with pytest.raises(WorkbenchError, match="600 pairs of features, 3 of supervision"):
        BradleyTerryHead.fit(data.features, supervision=Supervision.hard(3))


def by_autograd(module: Heads, features: torch.Tensor, fall: torch.Tensor) -> list[np.ndarray]:
    """Gradients of Σ fall · margin and of the penalty, from the forward pass alone."""
    plain = copy.deepcopy(module)
    penalty = sum((plain.decay / 2 * weight.square()).sum() for weight in plain.weights)
    ((fall * plain(features)).sum() + penalty).backward()
    return [parameter.grad.numpy() for parameter in plain.parameters()]


def by_hand(module: Heads, features: torch.Tensor, fall: torch.Tensor, pieces: int = 1) -> list[np.ndarray]:
    for number, some in enumerate(torch.arange(features.shape[1]).tensor_split(pieces)):
        module.learn(lambda margins, some=some: fall[:, some], features[:, some], first=number == 0)
    return [parameter.grad.numpy() for parameter in module.parameters()]


def planted_heads(hidden, orders: int, each: int, shared: bool, n: int, seed: int) -> tuple[Heads, torch.Tensor, torch.Tensor]:
    """Heads whose weights are none of them zero, features of 1 or all orders, and slopes [head n]."""
    rng = np.random.default_rng(seed)
    module = Heads(5, hidden, list(range(orders * each)), orders, rng.uniform(0, 2, size=orders * each).tolist())
    with torch.no_grad():
        module.weights[-1].copy_(torch.tensor(rng.normal(size=module.weights[-1].shape)))
    shape = (1 if shared else orders, n, *([2] if hidden else []), 5)
    return module, *(torch.tensor(rng.normal(size=size), dtype=torch.float32) for size in (shape, (orders * each, n)))


@settings(max_examples=40, deadline=None)
@given(hidden=st.sampled_from([(), (4,), (3, 6)]), orders=st.integers(1, 3), each=st.integers(1, 3), shared=st.booleans(),
       n=st.integers(1, 7), pieces=st.integers(1, 3), seed=st.integers(0, 99))
def test_gradients_by_hand_are_those_of_autograd(hidden, orders, each, shared, n, pieces, seed):
    module, features, fall = planted_heads(hidden, orders, each, shared, n, seed)
    for _ in range(2):  # what the first call left behind is gone
        hand = by_hand(module, features, fall, min(pieces, n))
    for one, other in zip(hand, by_autograd(module, features, fall)):
        assert one == pytest.approx(other, abs=1e-5, rel=1e-4)


@pytest.mark.parametrize("hidden", [(), (8,), (8, 6)])
@pytest.mark.parametrize("pieces", [1, 3])
def test_low_precision_gradients_are_close(hidden, pieces):
    """Not nearer than this: about one ReLU in three hundred is open in one and closed in the other."""
    module, features, fall = planted_heads(hidden, 2, 3, False, 256, 0)
    fall = fall / 100  # so that the penalty counts as much
    full = [grad.copy() for grad in by_hand(module, features, fall)]
    module.low = torch.bfloat16
    for one, other, parameter in zip(by_hand(module, features, fall, pieces), full, module.parameters()):
        assert np.linalg.norm(one - other) < (0.3 if parameter.shape[2] == 1 else 0.05) * np.linalg.norm(other)  # sides cancel in a bias
        assert hidden or one == pytest.approx(other, abs=1e-5)  # a linear head's products stay as they are


def test_an_ensemble_in_low_precision_finds_the_same(data):
    fixed = dict(groups=data.families, hidden=(8,), lr=1e-2, decay=0.03, members=4, steps=80)
    low, full = (Strength.fit(data.features, precision=precision, **fixed).mean for precision in ("bfloat16", "float32"))
    assert low.tobytes() != full.tobytes() and np.corrcoef(low, full)[0, 1] > 0.995
    clean = ~data.flipped
    assert abs((low > 0)[clean].mean() - (full > 0)[clean].mean()) < 0.02


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
def test_margins_of_chosen_heads_are_those_of_all(data, hidden, monkeypatch):
    monkeypatch.setattr(data_module, "PIECE", 50_000)  # several pieces
    response, rng = data.features.response, np.random.default_rng(0)
    stack = HeadStack.fit(response, Supervision.hard(600), hidden=hidden, seeds=[1, 2, 3], orders=[0], decay=[0.01] * 3,
                          held_out=np.zeros(600, bool), steps=10, batch_size=64, lr=1e-2)
    chosen, rewards = rng.integers(0, 3, size=(600, 2)), stack(response)
    all_of_them = (rewards[..., 0] - rewards[..., 1]).T
    assert stack.margins(response, chosen) == pytest.approx(np.take_along_axis(all_of_them, chosen, axis=1), abs=1e-5)


def test_one_head_of_a_stack(data):
    stack = HeadStack.fit(data.features.response, Supervision.hard(600), hidden=(4,), seeds=[1, 2, 3], orders=[0], decay=[0.01] * 3,
                          held_out=np.zeros(600, bool), steps=10, batch_size=64, lr=1e-2)
    assert stack(data.features.response).shape == (3, 600, 2)
    assert stack.head(1)(data.features.response)[0] == pytest.approx(stack(data.features.response)[1], abs=1e-6)
