"""The Bradley–Terry loss against a plain loop, its treatments, and the traps of published code."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.preference.bradley_terry import Supervision, cross_entropy, fit_scale, loss

N = 7


def slow_loss(reward_margin, supervision) -> float:
    """Σ w · −[t log σ(x − m) + (1 − t) log(1 − σ(x − m))] / Σ w, one pair at a time."""
    total, weight = 0.0, 0.0
    for x, t, m, w in zip(reward_margin, supervision.target, supervision.margin, supervision.weight):
        p = 1 / (1 + math.exp(-(x - m)))
        total += w * -(t * math.log(p) + (1 - t) * math.log(1 - p))
        weight += w
    return total / weight


def fast_loss(reward_margin, supervision) -> float:
    return float(loss(torch.tensor(reward_margin), supervision, torch.arange(len(reward_margin))))


@pytest.fixture
def margins():
    return np.random.default_rng(3).normal(size=N)


@pytest.mark.parametrize("made", [
    Supervision.hard(N), Supervision.drop(np.arange(N) % 3 > 0), Supervision.flip(np.arange(N) % 2 == 0), Supervision.smooth(N, 0.2),
    Supervision.smooth(N, np.linspace(0, 0.5, N)), Supervision.soft(np.linspace(-2, 2, N)),
    Supervision.hard(N).with_margin(np.linspace(-1, 1, N)), Supervision.soft(np.linspace(-2, 2, N)).with_margin(np.linspace(-2, 2, N)),
    Supervision.flip(np.arange(N) > 3).with_margin(np.linspace(1, -1, N)).with_weight(np.linspace(0, 2, N)),
], ids=["hard", "drop", "flip", "smooth", "smooth by pair", "soft", "margin", "soft + margin", "flip + margin + weight"])
def test_loss_is_the_plain_loop(made, margins):
    assert fast_loss(margins, made) == pytest.approx(slow_loss(margins, made), rel=1e-6)


def test_batch_by_position(margins):
    made = Supervision.flip(np.arange(N) > 3).with_margin(np.linspace(1, -1, N))
    index = np.array([5, 0, 5, 2])
    found = float(loss(torch.tensor(margins[index]), made, torch.tensor(index)))
    assert found == pytest.approx(slow_loss(margins[index], made.rows(index)), rel=1e-6)


def test_heads_each_have_their_own_mean(margins):
    made, index = Supervision.flip(np.arange(N) > 3), torch.arange(N).expand(2, N)
    both = loss(torch.tensor(np.stack([margins, 2 * margins])), made, index)
    assert both.tolist() == pytest.approx([slow_loss(margins, made), slow_loss(2 * margins, made)], rel=1e-6)


def test_constructors_say_what_they_mean():
    keep = np.array([True, False, True])
    assert Supervision.drop(keep).weight.tolist() == [1, 0, 1]
    assert Supervision.flip(~keep).target.tolist() == [1, 0, 1]
    assert Supervision.smooth(2, 0.1).target.tolist() == [0.9, 0.9]
    assert Supervision.soft(np.array([0.0, 40.0, -1e4])).target == pytest.approx([0.5, 1.0, 0.0])
    assert Supervision.hard(3).with_weight(np.array([1.0, 2.0, 0.0])).weight.tolist() == [1, 2, 0]
    with pytest.raises(FrozenInstanceError):
        Supervision.hard(2).weight = np.zeros(2)


def test_dropped_is_as_if_it_were_not_there(margins):
    keep = np.arange(N) % 3 > 0
    kept = Supervision.hard(int(keep.sum()))
    assert fast_loss(margins, Supervision.drop(keep)) == pytest.approx(fast_loss(margins[keep], kept), rel=1e-6)


def test_flip_with_its_margin_is_the_pair_turned_round(margins):
    """After a flip the margin is −μ̂: the loss is that of the pair with its sides exchanged and margin −μ̂."""
    strength = -np.abs(np.linspace(0.2, 2, N))
    flipped = Supervision.flip(strength < 0).with_margin(strength)
    exchanged = Supervision.hard(N).with_margin(-strength)
    assert fast_loss(margins, flipped) == pytest.approx(fast_loss(-margins, exchanged), rel=1e-6)


def test_trap_margin_outside_the_log_sigmoid_has_no_gradient():
    """The printed formula adds μ̂ outside log σ, where it cannot teach; inside, it moves the gradient of the rewards."""

    def gradient(formula):
        rewards = torch.zeros(3, requires_grad=True)
        formula(rewards).backward()
        return rewards.grad

    strength = torch.tensor([0.0, 1.0, 2.0])
    plain = gradient(lambda r: -torch.nn.functional.logsigmoid(r).mean())
    printed = gradient(lambda r: (-torch.nn.functional.logsigmoid(r) - strength).mean())
    ours = gradient(lambda r: loss(r, Supervision.hard(3).with_margin(strength.numpy()), torch.arange(3)))

    def teaches(found):
        return not torch.allclose(found, plain)

    assert teaches(ours)
    assert not teaches(printed)


def test_trap_margin_against_a_column_of_rewards():
    """[B] against [B, 1] spreads to [B, B] and trains every pair with every margin; here it is an error."""
    rewards, strength = torch.zeros(4, 1), torch.arange(4.0)
    released = -torch.nn.functional.logsigmoid(rewards - strength)
    assert released.shape == (4, 4)
    made = Supervision.hard(4).with_margin(strength.numpy())
    with pytest.raises(WorkbenchError, match="reward margins have shape"):
        loss(rewards, made, torch.arange(4))
    with pytest.raises(WorkbenchError, match="reward margins have shape"):
        cross_entropy(rewards[:, 0], made, torch.arange(4)[:, None])
    with pytest.raises((WorkbenchError, TypeError)):
        Supervision.hard(4).with_margin(np.arange(4.0)[:, None])


@pytest.mark.parametrize("target, margin, weight, said", [
    ([0.5, 1.2], [0, 0], [1, 1], "outside"), ([1, 1], [0, 0], [1, -1], "negative"), ([1, 1], [0, 0], [1], "1 weights"),
    ([1, np.nan], [0, 0], [1, 1], "NaN"), ([[1], [1]], [0, 0], [1, 1], "shape"),
])
def test_wrong_values_are_named(target, margin, weight, said):
    made = object.__new__(Supervision)  # past the annotations, which hold in tests alone
    for name, value in (("target", target), ("margin", margin), ("weight", weight)):
        object.__setattr__(made, name, np.array(value, float))
    with pytest.raises(WorkbenchError, match=said):
        made.__post_init__()


def test_a_mask_is_a_mask():
    with pytest.raises((WorkbenchError, TypeError)):
        Supervision.flip(np.array([0, 1, 1]))


def test_scale_is_where_the_loss_is_lowest():
    rng = np.random.default_rng(0)
    margin = rng.normal(size=400)
    margin *= np.where(rng.uniform(size=400) < 1 / (1 + np.exp(-2 * np.abs(margin))), 1, -1) * np.sign(margin)
    made = Supervision.hard(400).with_weight(rng.uniform(size=400))
    grid = np.linspace(0.1, 6, 600)
    losses = [slow_loss(beta * margin, made) for beta in grid]
    assert fit_scale(margin, made) == pytest.approx(grid[int(np.argmin(losses))], abs=0.01)


def test_scale_stays_finite_and_positive():
    ones = np.ones(5)
    assert fit_scale(ones) == pytest.approx(30.0)  # separable
    assert fit_scale(-2 * ones) == pytest.approx(0.025)  # points the wrong way
    assert fit_scale(0 * ones) == 1.0
    dropped = Supervision.drop(np.array([True, True, False]))
    assert fit_scale(np.array([1.0, -0.5, -9.0]), dropped) == pytest.approx(fit_scale(np.array([1.0, -0.5])))
