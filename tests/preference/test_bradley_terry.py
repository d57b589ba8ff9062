"""The Bradley–Terry loss against a plain loop, its treatments, and the traps of published code."""

from __future__ import annotations

import math
import pickle
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.preference.bands import bands
from workbench.preference.bradley_terry import Supervision, bradley_terry_loss, cross_entropy, fit_scale

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
    return float(bradley_terry_loss(torch.tensor(reward_margin), supervision, torch.arange(len(reward_margin))))


@pytest.fixture
def margins():
    return np.random.default_rng(3).normal(size=N)


@pytest.mark.parametrize("made", [
    Supervision.hard(N), Supervision.hard(N).dropped(np.arange(N) % 3 == 0), Supervision.hard(N).flipped(np.arange(N) % 2 == 0),
    Supervision.hard(N).smoothed(0.2), Supervision.hard(N).smoothed(np.linspace(0, 0.5, N)), Supervision.soft(np.linspace(-2, 2, N)),
    Supervision.hard(N).with_margin(np.linspace(-1, 1, N)), Supervision.soft(np.linspace(-2, 2, N)).with_margin(np.linspace(-2, 2, N)),
    Supervision.hard(N).flipped(np.arange(N) > 3).with_margin(np.linspace(1, -1, N)).with_weight(np.linspace(0, 2, N)),
], ids=["hard", "drop", "flip", "smooth", "smooth by pair", "soft", "margin", "soft + margin", "flip + margin + weight"])
def test_loss_is_the_plain_loop(made, margins):
    assert fast_loss(margins, made) == pytest.approx(slow_loss(margins, made), rel=1e-6)


def test_batch_by_position(margins):
    made = Supervision.hard(N).flipped(np.arange(N) > 3).with_margin(np.linspace(1, -1, N))
    index = np.array([5, 0, 5, 2])
    found = float(bradley_terry_loss(torch.tensor(margins[index]), made, torch.tensor(index)))
    assert found == pytest.approx(slow_loss(margins[index], made.rows(index)), rel=1e-6)


def test_heads_each_have_their_own_mean(margins):
    made, index = Supervision.hard(N).flipped(np.arange(N) > 3), torch.arange(N).expand(2, N)
    both = bradley_terry_loss(torch.tensor(np.stack([margins, 2 * margins])), made, index)
    assert both.tolist() == pytest.approx([slow_loss(margins, made), slow_loss(2 * margins, made)], rel=1e-6)


def test_constructors_say_what_they_mean():
    keep = np.array([True, False, True])
    assert Supervision.hard(3).dropped(~keep).weight.tolist() == [1, 0, 1]
    assert Supervision.hard(3).flipped(~keep).target.tolist() == [1, 0, 1]
    assert Supervision.hard(2).smoothed(0.1).target.tolist() == [0.9, 0.9]
    assert Supervision.soft(np.array([0.0, 40.0, -1e4])).target == pytest.approx([0.5, 1.0, 0.0])
    assert Supervision.hard(3).with_weight(np.array([1.0, 2.0, 0.0])).weight.tolist() == [1, 2, 0]
    with pytest.raises(FrozenInstanceError):
        Supervision.hard(2).weight = np.zeros(2)


def test_dropped_is_as_if_it_were_not_there(margins):
    keep = np.arange(N) % 3 > 0
    kept = Supervision.hard(int(keep.sum()))
    assert fast_loss(margins, Supervision.hard(len(keep)).dropped(~keep)) == pytest.approx(fast_loss(margins[keep], kept), rel=1e-6)


def test_flip_with_its_margin_is_the_pair_turned_round(margins):
    """After a flip the margin is −μ̂: the loss is that of the pair with its sides exchanged and margin −μ̂."""
    strength = -np.abs(np.linspace(0.2, 2, N))
    flipped = Supervision.margin(strength, base=Supervision.flip(strength, below=0.0))
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
    ours = gradient(lambda r: bradley_terry_loss(r, Supervision.hard(3).with_margin(strength.numpy()), torch.arange(3)))

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
        bradley_terry_loss(rewards, made, torch.arange(4))
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
        Supervision.hard(3).flipped(np.array([0, 1, 1]))


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
    dropped = Supervision.hard(3).dropped(np.array([False, False, True]))
    assert fit_scale(np.array([1.0, -0.5, -9.0]), dropped) == pytest.approx(fit_scale(np.array([1.0, -0.5])))


STRENGTH = np.array([-1.0, 0.5, -0.2, 2.0, 0.1])


@pytest.mark.parametrize(("made", "target", "margin", "weight"), [
    (lambda s: Supervision.drop(s, below=0.0), [1, 1, 1, 1, 1], [0] * 5, [0, 1, 0, 1, 1]),
    (lambda s: Supervision.drop(s, quantile=0.2), [1, 1, 1, 1, 1], [0] * 5, [0, 1, 1, 1, 1]),
    (lambda s: Supervision.drop(s, band=(0.2, 0.6)), [1, 1, 1, 1, 1], [0] * 5, [1, 1, 0, 1, 0]),
    (lambda s: Supervision.flip(s, below=0.0), [0, 1, 0, 1, 1], [0] * 5, [1] * 5),
    (lambda s: Supervision.flip(s, below=0.0, among=np.arange(5) > 0), [1, 1, 0, 1, 1], [0] * 5, [1] * 5),
    (lambda s: Supervision.smooth(s, alpha=0.1), [0.9] * 5, [0] * 5, [1] * 5),
    (lambda s: Supervision.smooth(s, below=0.0, alpha=0.2), [0.8, 1, 0.8, 1, 1], [0] * 5, [1] * 5),
    (lambda s: Supervision.soft(s, tau=0.5), (1 / (1 + np.exp(-2 * STRENGTH))).tolist(), [0] * 5, [1] * 5),
    (lambda s: Supervision.margin(s, scale=2.0), [1] * 5, [-2, 1, -0.4, 4, 0.2], [1] * 5),
    (lambda s: Supervision.margin(s, base=Supervision.smooth(s, alpha=0.1)), [0.9] * 5, STRENGTH.tolist(), [1] * 5),
    (lambda s: Supervision.scaled(s), [1] * 5, [0] * 5, [0, 0.5, 0, 2, 0.1]),
    (lambda s: Supervision.scaled(s, base=Supervision.flip(s, below=0.0)), [0, 1, 0, 1, 1], [0] * 5, [1, 0.5, 0.2, 2, 0.1]),
], ids=["drop", "drop lowest", "drop band", "flip", "flip slice", "smooth", "smooth some", "soft", "margin", "smooth + margin", "scaled",
        "flip + scaled"])
def test_treatments_by_strength(made, target, margin, weight):
    """Each by hand, of an array and of whatever has a mean."""
    for given in (STRENGTH, SimpleNamespace(mean=STRENGTH)):
        found = made(given)
        assert found.target == pytest.approx(target) and found.margin == pytest.approx(margin) and found.weight == pytest.approx(weight)


def test_a_pair_stored_the_other_way_round_teaches_the_same(margins):
    made = Supervision.margin(np.linspace(-1, 1, N), base=Supervision.hard(N).smoothed(0.1)).with_weight(np.linspace(0, 2, N))
    mask = np.arange(N) % 2 == 0
    assert fast_loss(np.where(mask, -margins, margins), made.turned(mask)) == pytest.approx(fast_loss(margins, made), rel=1e-6)


def test_the_class_makes_a_margin_and_an_instance_has_one():
    made = Supervision.margin(STRENGTH)
    assert isinstance(made.margin, np.ndarray) and replace(made, weight=np.ones(5)).margin.tolist() == STRENGTH.tolist()
    assert pickle.loads(pickle.dumps(made)).margin.tolist() == STRENGTH.tolist()


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda: Supervision.drop(STRENGTH, below=99.0), "every pair would be dropped"),
    (lambda: Supervision.drop(STRENGTH, quantile=1.0), "every pair would be dropped"),
    (lambda: Supervision.drop(STRENGTH, below=0.0, quantile=0.1), "more than one"),
    (lambda: Supervision.drop(STRENGTH, below=float("nan")), "below nan"),
    (lambda: Supervision.flip(STRENGTH, quantile=1.5), "quantile 1.5"),
    (lambda: Supervision.flip(STRENGTH, band=(0.4, 0.2)), "band 0.4 to 0.2"),
    (lambda: Supervision.smooth(STRENGTH, alpha=1.5), "α outside"),
    (lambda: Supervision.soft(STRENGTH, tau=0.0), "tau 0"),
    (lambda: Supervision.margin(STRENGTH, scale=-1.0), "scale -1"),
    (lambda: Supervision.margin(STRENGTH, base=Supervision.hard(4)), "5 pairs, a supervision of 4"),
    (lambda: Supervision.scaled(-np.abs(STRENGTH)), "no pair has a positive strength"),
    (lambda: Supervision.soft(np.array([1.0, np.nan])), "NaN"),
    (lambda: Supervision.drop(STRENGTH, quantile=0.6, base=Supervision.drop(-STRENGTH, quantile=0.6)), "every pair would be dropped"),
    (lambda: Supervision.soft(STRENGTH, base=Supervision.flip(STRENGTH, below=0.0)), "soft labels over flipped"),
    (lambda: Supervision.flip(np.zeros(5), quantile=0.2), "the same strength"),
    (lambda: bands(STRENGTH, flip_share=0.1, smooth_share=0.1), "flipped and smoothed"),
    (lambda: Supervision.soft(STRENGTH[:, None]), "shape"),
    (lambda: Supervision.hard(4).with_margin(np.ones(3)), "margins of shape"),
])
def test_treatments_that_cannot_be(wrong, said):
    with pytest.raises(WorkbenchError, match=said):
        wrong()
