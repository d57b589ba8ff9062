"""Bradley–Terry heads against scikit-learn and plain numpy."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from comparisons import planted_flips
from sklearn.linear_model import LogisticRegression

from workbench.errors import WorkbenchError
from workbench.features import Features
from workbench.preference.bradley_terry import Supervision
from workbench.preference.heads import BradleyTerryHead, HeadStack, _best


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
    given = dict(groups=data.families, decays=(0.01,), held_out=0, steps=50)
    masked = BradleyTerryHead.fit(Features(data.features.prompt, response, mask), **given)
    response[~mask] = 1e3 * np.random.default_rng(0).normal(size=response[~mask].shape)
    again = BradleyTerryHead.fit(Features(data.features.prompt, response, mask), **given)
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


def test_one_head_of_a_stack(data):
    stack = HeadStack.fit(data.features.response, Supervision.hard(600), hidden=(4,), seeds=[1, 2, 3], orders=[0], decay=[0.01] * 3,
                          held_out=np.zeros(600, bool), steps=10, batch_size=64, lr=1e-2)
    assert stack(data.features.response).shape == (3, 600, 2)
    assert stack.head(1)(data.features.response)[0] == pytest.approx(stack(data.features.response)[1], abs=1e-6)
