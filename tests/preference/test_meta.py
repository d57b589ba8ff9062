"""MetaRM's step against gradients written out, and what it promises: weights put back, plain at η = 0, same bytes."""

from __future__ import annotations

import copy
import itertools
import math
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from comparisons import planted_flips
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call
from torch.nn.functional import logsigmoid

from workbench.errors import WorkbenchError
from workbench.features import Features
from workbench.preference.bradley_terry import Supervision
from workbench.preference.difference import MetaStep, curvature, difference, objective
from workbench.preference.fit import fit
from workbench.preference.heads import BradleyTerryHead, HeadStack
from workbench.preference.meta import alignment, default_eta, fit_meta, meta_rounds, sampled, told_apart
from workbench.preference.network import Heads

DIM = 6
FIXED = dict(steps=8, batch_size=64, lr=1e-2)


class Curved(nn.Module):
    """A reward that is smooth in its weights, and one weight that nothing reads."""

    def __init__(self, dim: int = DIM, dropout: float = 0.0, seed: int = 0):
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.first = nn.Parameter(0.5 * torch.randn(dim, 3, generator=draw))
        self.last = nn.Parameter(torch.randn(3, generator=draw))
        self.idle, self.dropout = nn.Parameter(torch.ones(1)), nn.Dropout(dropout)

    def rewards(self, answers):
        return torch.tanh(self.dropout(answers) @ self.first) @ self.last

    def forward(self, both):
        return self.rewards(both[:, 0]) - self.rewards(both[:, 1])


class Tokens(nn.Module):
    """A transformer of one layer on token ids, with dropout."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.table, self.out = nn.Embedding(11, 8), nn.Linear(8, 1, bias=False)
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.05, batch_first=True)

    def rewards(self, ids):
        return self.out(self.layer(self.table(ids)).mean(1))[:, 0]

    def forward(self, both):
        return self.rewards(both[:, 0]) - self.rewards(both[:, 1])


@pytest.fixture(scope="module")
def both():
    return planted_flips(pairs=100, dim=DIM).features.response


@pytest.fixture(scope="module")
def pool():
    return torch.from_numpy(np.random.default_rng(1).normal(size=(5, 4, DIM)).astype(np.float32))


@pytest.fixture(scope="module")
def data():
    return planted_flips(pairs=200, dim=DIM)


@pytest.fixture(scope="module")
def shifted():
    return np.random.default_rng(2).normal(1, 2, size=(9, 4, DIM)).astype(np.float32)


def plainly(rewards) -> float:
    """J by a double loop."""
    total = 0.0
    for row in rewards:
        k = len(row)
        for i, j in itertools.combinations(range(k), 2):
            total += 2 / k**2 / (1 + math.exp(-abs(row[i] - row[j])))
    return total / len(rewards)


def whole(module, both, pool, eta, penalty=None):
    """L(θ + η ∇J(θ)) with its graph, L(θ'), and θ' itself: what both orders differentiate, by plain autograd."""
    named = dict(module.named_parameters())
    j = difference(module.rewards(pool.flatten(0, 1)).view(pool.shape[:2]))
    slope = torch.autograd.grad(j, list(named.values()), create_graph=True, allow_unused=True)
    moved = {name: value if part is None else value + eta * part for (name, value), part in zip(named.items(), slope)}
    return -logsigmoid(functional_call(module, moved, (both,))).mean(), moved


def oracle_gradient(module, both, pool, eta, order):
    loss, moved = whole(module, both, pool, eta)
    if order == 2:
        return torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)
    return torch.autograd.grad(loss, list(moved.values()), allow_unused=True)


# -- the difference loss ---------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(prompts=st.integers(1, 4), k=st.integers(2, 6), seed=st.integers(0, 99), scale=st.sampled_from([0.0, 1.0, 30.0]))
def test_difference_is_the_double_loop_within_its_bounds(prompts, k, seed, scale):
    rewards = scale * np.random.default_rng(seed).normal(size=(prompts, k))
    found = float(difference(torch.tensor(rewards)))
    assert found == pytest.approx(plainly(rewards), abs=1e-12)
    assert (k - 1) / (2 * k) - 1e-12 <= found <= (k - 1) / k


def test_equal_rewards_have_no_slope():
    rewards = torch.full((2, 3), 0.7, requires_grad=True)
    value = difference(rewards)
    value.backward()
    assert float(value.detach()) == pytest.approx(1 / 3) and not rewards.grad.any()


@pytest.mark.parametrize("shape", [(4,), (3, 1), (0, 4), (2, 3, 4)])
def test_difference_refuses_other_shapes(shape):
    with pytest.raises(WorkbenchError, match="k at least 2"):
        difference(torch.zeros(shape))


def test_difference_refuses_nan():
    with pytest.raises(WorkbenchError, match="NaN among the rewards of prompts 1"):
        difference(torch.tensor([[0.0, 1.0], [math.nan, 0.0]]))


# -- one step --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_are_those_written_out(order, both, pool):
    module, both = Curved(), torch.from_numpy(both)
    rule, before = MetaStep(pool, eta=0.7, order=order).fresh(module), copy.deepcopy(module.state_dict())
    with rule.moved(module):
        assert not torch.equal(module.first, before["first"])
        (-logsigmoid(module(both)).mean()).backward()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    for parameter, wanted in zip(module.parameters(), oracle_gradient(module, both, pool, 0.7, order)):
        assert (parameter.grad is None) == (wanted is None)
        assert wanted is None or torch.allclose(parameter.grad, wanted, atol=1e-6)


def test_equation_17_is_order_2_but_for_the_square_of_eta(both, pool):
    module, both, pool = Curved().double(), torch.from_numpy(both).double(), pool.double()
    parameters, away = [module.first, module.last], []
    for eta in (0.04, 0.02, 0.01):
        j = difference(module.rewards(pool.flatten(0, 1)).view(pool.shape[:2]))
        loss = -logsigmoid(module(both)).mean()
        up, down = (torch.autograd.grad(value, parameters, create_graph=True) for value in (j, loss))
        expanded = torch.autograd.grad(loss + eta * sum((a * b).sum() for a, b in zip(up, down)), parameters)
        exact = oracle_gradient(module, both, pool, eta, 2)
        away.append(math.sqrt(sum(((a - b) ** 2).sum().item() for a, b in zip(expanded, exact))))
    assert away[0] / away[1] == pytest.approx(4, abs=0.4) and away[1] / away[2] == pytest.approx(4, abs=0.4)


@pytest.mark.parametrize("order", [1, 2])
def test_a_fit_is_the_loop_written_out(order, both, pool):
    """With AdamW and cosine rates on top, all pairs and all prompts in each step."""
    module, slow = Curved(), Curved()
    given = dict(FIXED, batch_size=len(both))
    fit(module, [both], Supervision.hard(len(both)), rule=MetaStep(pool, eta=0.5, order=order), device="cpu", **given)
    optimizer = torch.optim.AdamW([slow.first, slow.last], lr=1e-2, weight_decay=0)
    for step in range(8):
        optimizer.param_groups[0]["lr"] = 1e-2 * 0.5 * (1 + math.cos(math.pi * step / 8))
        slow.first.grad, slow.last.grad, _ = oracle_gradient(slow, torch.from_numpy(both), pool, 0.5, order)
        optimizer.step()
    assert torch.allclose(module.first, slow.first, atol=1e-5) and torch.allclose(module.last, slow.last, atol=1e-5)
    assert not torch.allclose(module.first, Curved().first, atol=1e-3)


@pytest.mark.parametrize("order", [1, 2])
def test_token_ids_through_attention(order):
    """Order 2 needs a derivative that fused attention does not have; J and H_J are read without dropout."""
    draw = torch.Generator().manual_seed(0)
    module, pool = Tokens(), torch.randint(0, 11, (3, 4, 5), generator=draw)
    pairs = torch.randint(0, 11, (40, 2, 5), generator=draw)
    fit(module, [pairs], Supervision.hard(40), rule=MetaStep(pool, eta=0.1, order=order), device="cpu", steps=3, batch_size=8, lr=1e-2)
    named = {name: value.detach() for name, value in module.named_parameters()}
    found = curvature(module, objective(module, pool), named, named)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        j = difference(module.rewards(pool.flatten(0, 1)).view(3, 4))
        slope = torch.autograd.grad(j, list(module.parameters()), create_graph=True)
        along = sum((a * b.detach()).sum() for a, b in zip(slope, module.parameters()))
        wanted = torch.autograd.grad(along, list(module.parameters()), allow_unused=True)
    for value, part in zip(found.values(), wanted):
        assert torch.allclose(value, torch.zeros_like(value) if part is None else part, atol=1e-5)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("hidden", [(), (5,)])
def test_heads_learn_by_hand_what_autograd_says(hidden, order, both, pool):
    """A stack of heads, its penalties in L: every head has a J of its own."""
    x = torch.from_numpy(both if hidden else both[:, 0] - both[:, 1])[None]
    decays, slope = [0.0, 0.3], lambda margins: (torch.sigmoid(margins) - 1) / len(both)
    module = Heads(DIM, hidden, [0, 1], 1, decays)
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
    with MetaStep(pool, eta=0.6, order=order).fresh(module).moved(module):
        module.learn(slope, x)
    named = dict(module.named_parameters())
    rewards = module.rewards(pool.flatten(0, 1)).view(2, *pool.shape[:2])
    up = torch.autograd.grad(sum(difference(part) for part in rewards), list(named.values()), create_graph=True)
    moved = {name: value + 0.6 * part for (name, value), part in zip(named.items(), up)}
    penalty = sum((module.decay / 2 * value**2).sum() for name, value in moved.items() if name.startswith("weights"))
    loss = -logsigmoid(functional_call(module, moved, (x,))).mean(1).sum() + penalty
    wanted = torch.autograd.grad(loss, list(named.values() if order == 2 else moved.values()))
    assert all(torch.allclose(parameter.grad, part, atol=1e-6) for parameter, part in zip(named.values(), wanted))


def test_a_head_takes_no_step_along_features_it_does_not_see(data, shifted):
    shown = np.arange(DIM) < np.array([[4], [2]])
    rule = MetaStep(torch.from_numpy(shifted), eta=0.5, order=2)
    stack = HeadStack.fit(data.features.response, Supervision.hard(200), hidden=(), seeds=[0, 1], orders=[0], decay=[0.1, 0.1], shown=shown,
                          held_out=np.zeros(200, bool), rule=rule, device="cpu", **FIXED)
    assert ((stack.weights[0][..., 0] != 0) == shown).all()


def test_rewards_of_heads_differ_by_their_margins(both):
    for hidden, orders in (((), 1), ((5,), 1), ((5, 4), 2)):
        module = Heads(DIM, hidden, [0, 1, 2, 3], orders, [0.1] * 4)
        module.weights[-1].data.normal_(generator=torch.Generator().manual_seed(0))
        x = torch.from_numpy(both)
        margins = module((x if hidden else x[:, 0] - x[:, 1])[None])
        assert torch.allclose(module.rewards(x[:, 0]) - module.rewards(x[:, 1]), margins, atol=1e-5)


# -- what a fit promises ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
def test_no_eta_is_the_plain_fit_to_the_byte(order, both, pool):
    """Dropout too: the step draws none of the module's random numbers."""
    for make, rows in ((lambda: Heads(DIM, (5,), [0, 1], 1, [0.0, 0.1]), both), (lambda: Curved(dropout=0.3), both)):
        states = []
        for rule in (None, MetaStep(pool, eta=0.0, order=order)):
            module = make()
            with torch.random.fork_rng():
                torch.manual_seed(0)
                fit(module, [rows], Supervision.hard(len(rows)), rule=rule, device="cpu", **FIXED)
            states.append(b"".join(value.numpy().tobytes() for value in module.state_dict().values()))
        assert states[0] == states[1]


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_a_stack_is_its_heads_one_by_one(hidden, data, shifted):
    given = dict(hidden=hidden, orders=[3], held_out=np.zeros(200, bool), device="cpu", **FIXED)
    pool, made = torch.from_numpy(shifted), Supervision.hard(200)
    rule = MetaStep(pool, eta=0.3, order=2, prompts=2)
    together = HeadStack.fit(data.features.response, made, seeds=[0, 1], decay=[0.0, 0.2], rule=rule, **given)
    for number, decay in enumerate((0.0, 0.2)):
        alone = HeadStack.fit(data.features.response, made, seeds=[number], decay=[decay], rule=rule, **given)
        for mine, its in zip(together.head(number).weights, alone.weights):
            assert mine == pytest.approx(its, abs=1e-5)


def test_cancelled_within_a_step_the_weights_stay(both, pool, monkeypatch):
    monkeypatch.setattr("workbench.preference.step.PIECE", 1.0)
    asked = itertools.count()
    late = SimpleNamespace(is_set=lambda: next(asked) >= 2)  # once before the step, then between its pieces
    module = Curved()
    report = fit(module, [both], Supervision.hard(len(both)), rule=MetaStep(pool, eta=5.0), cancel=late, device="cpu", steps=5,
                 batch_size=len(both), lr=1e-2)
    assert report.stopped == "cancelled" and next(asked) > 2
    assert all(torch.equal(value, Curved().state_dict()[name]) for name, value in module.state_dict().items())


def test_an_error_within_a_step_leaves_the_weights(pool):
    module = Curved()
    with pytest.raises(KeyboardInterrupt), MetaStep(pool, eta=5.0).fresh(module).moved(module):
        raise KeyboardInterrupt
    assert torch.equal(module.first, Curved().first)


def test_seeds(both, pool):
    def trained(rule):
        module = Curved()
        fit(module, [both], Supervision.hard(len(both)), rule=rule, device="cpu", **FIXED)
        return module.first.detach().numpy().tobytes()

    rule = MetaStep(pool, eta=0.5, prompts=2)
    first = trained(rule)
    assert trained(rule) == first == trained(MetaStep(pool, eta=0.5, prompts=2))  # a rule begins anew in each fit
    assert trained(MetaStep(pool, eta=0.5, prompts=2, seed=1)) != first
    assert trained(MetaStep(pool, eta=0.5, prompts=9)) == trained(MetaStep(pool, eta=0.5, prompts=5, seed=1))  # all there are


def test_the_resting_point_is_plain_at_theta_prime(both, pool):
    """Why first order tells shifted answers less apart: θ + η ∇J(θ) ends where the plain fit does."""
    gap, weights = both[:, 0] - both[:, 1], []
    for rule in (None, MetaStep(pool, eta=0.5)):
        module = Heads(DIM, (), [0], 1, [0.0])
        fit(module, [gap], Supervision.hard(len(gap)), rule=rule, device="cpu", steps=120, batch_size=300, lr=0.1)
        weights.append(module)
    plain, short = weights
    with MetaStep(pool, eta=0.5).fresh(short).moved(short):
        assert torch.allclose(short.weights[0], plain.weights[0], atol=2e-3)
    apart = [float(difference(module.rewards(pool.flatten(0, 1)).view(5, 4)).detach()) for module in weights]
    assert apart[1] < apart[0] - 1e-3


def test_wrong_rules_are_named(both, pool):
    for rows, match in ((pool[:, :1], "k at least 2"), (pool[:0], "k at least 2"), (pool[:, 0, 0], "k at least 2"),
                        (torch.where(torch.arange(5)[:, None, None] == 3, math.nan, pool), "shifted answers to prompts 3")):
        with pytest.raises(WorkbenchError, match=match):
            MetaStep(rows, eta=0.1)
    for wrong in (dict(eta=-1.0), dict(eta=math.nan), dict(eta=math.inf), dict(eta=0.1, prompts=0), dict(eta=0.1, order=3)):
        with pytest.raises(WorkbenchError, match="eta|order"):
            MetaStep(pool, **wrong)
    with pytest.raises(WorkbenchError, match="cannot tell the reward"):
        fit(nn.Linear(DIM, 1), [both[:, 0]], Supervision.hard(len(both)), rule=MetaStep(pool, eta=0.1), device="cpu", **FIXED)
    module = Curved()
    module.rewards = lambda answers: answers[:, :1]
    with pytest.raises(WorkbenchError, match="One reward per answer"):
        fit(module, [both], Supervision.hard(len(both)), rule=MetaStep(pool, eta=0.1), device="cpu", **FIXED)


# -- on frozen features ----------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_fit_meta_without_eta_is_the_plain_head(hidden, data, shifted):
    given = dict(groups=data.families, hidden=hidden, decays=(1e-2, 1e-1), device="cpu", **FIXED)
    plain, meta = BradleyTerryHead.fit(data.features, **given), fit_meta(data.features, shifted, eta=0.0, **given)
    assert meta.decay == plain.decay and meta.losses == plain.losses
    assert [w.tobytes() for w in meta.heads.weights] == [w.tobytes() for w in plain.heads.weights]
    moved = fit_meta(data.features, shifted, **given)
    assert moved.heads.weights[0].tobytes() != plain.heads.weights[0].tobytes()
    assert moved.heads.weights[0].tobytes() == fit_meta(data.features, shifted, **given).heads.weights[0].tobytes()


def test_shifted_answers_are_read_on_the_scale_of_the_head(data, shifted):
    """Features in other units, pool with them: the same head."""
    given = dict(decays=(0.1,), held_out=0, device="cpu", **FIXED)
    first = fit_meta(data.features, shifted, eta=0.2, **given)
    response, move = data.features.response, np.float32(3.0)
    other = fit_meta(Features(data.features.prompt, 8 * response + move), 8 * shifted + move, eta=0.2, **given)
    assert other.margins(8 * response + move) == pytest.approx(first.margins(response), abs=1e-4)


def test_default_eta_is_the_largest_eigenvalue(shifted):
    gaps = [row[i] - row[j] for row in shifted.astype(float) for i, j in itertools.combinations(range(4), 2)]
    largest = np.linalg.eigvalsh(np.mean([np.outer(gap, gap) for gap in gaps], axis=0))[-1]
    assert default_eta(shifted) == pytest.approx(1 / largest, rel=2e-2)
    assert default_eta(10 * shifted) == pytest.approx(default_eta(shifted) / 100, rel=1e-4)


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_alignment_is_the_plain_loop(hidden, data, shifted):
    mask = np.arange(200) != 7
    features = Features(data.features.prompt, data.features.response, mask)
    head = BradleyTerryHead.fit(features, hidden=hidden, decays=(0.01,), held_out=0, device="cpu", **FIXED)
    table = alignment(head, features, shifted, eta=0.8)
    assert list(table) == ["pair", "alignment", "weight", "reweighted", "margin"] and table.pair.tolist() == np.flatnonzero(mask).tolist()

    def leaves(stack):
        return [torch.tensor(value, requires_grad=True) for value in (*stack.weights, *stack.biases)]

    def rewards(parameters, x):
        hidden = (torch.tensor(x, dtype=torch.float32) - torch.tensor(head.heads.centre)) / torch.tensor(head.heads.spread)
        hidden, depth = hidden.float(), len(head.heads.weights)
        for weight, bias in itertools.zip_longest(parameters[:depth], parameters[depth:]):
            hidden = hidden @ weight[0] if bias is None else torch.relu(hidden @ weight[0] + bias[0])
        return hidden[..., 0]

    at = leaves(head.heads)
    up = torch.autograd.grad(difference(rewards(at, shifted)), at)
    there = [(value + 0.8 * part).detach() for value, part in zip(at, up)]
    for row in table.iloc[::25].itertuples():
        answers = data.features.response[row.pair]
        margin = rewards(at, answers[0]) - rewards(at, answers[1])
        down = torch.autograd.grad(-logsigmoid(margin), at)
        after = rewards(there, answers[0]) - rewards(there, answers[1])
        assert row.alignment == pytest.approx(sum((a * b).sum().item() for a, b in zip(down, up)), abs=1e-5)
        assert (row.margin, row.weight, row.reweighted) == pytest.approx(
            (margin.item(), torch.sigmoid(-margin).item(), torch.sigmoid(-after).item()), abs=1e-5)


def test_what_costs_the_difference_gains_weight(data, shifted):
    """Along ∇J a loss rises where its gradient agrees with it: those pairs gain weight, a linear head's without exception."""
    head = BradleyTerryHead.fit(data.features, decays=(0.01,), held_out=0, device="cpu", **FIXED)
    table = alignment(head, data.features, shifted)
    clear = table[table.alignment.abs() > 1e-4]
    assert len(clear) > 100 and (np.sign(clear.alignment) == np.sign(clear.reweighted - clear.weight)).all()


def test_told_apart(data, shifted):
    head = BradleyTerryHead.fit(data.features, decays=(0.01,), held_out=0, device="cpu", **FIXED)
    table, rewards = told_apart(head, shifted), head(shifted)
    assert table.j.mean() == pytest.approx(plainly(rewards)) and len(table) == 9
    assert table.difference[2] == pytest.approx(np.mean([abs(a - b) for a, b in itertools.combinations(rewards[2], 2)]))


def test_sampled_answers_follow_the_reward(data, shifted):
    head = BradleyTerryHead.fit(data.features, decays=(0.01,), held_out=0, device="cpu", **FIXED)
    some = sampled(shifted, head, answers=3, beta=0.2)
    assert some.shape == (9, 3, DIM) and all(any((answer == one).all() for one in shifted[3]) for answer in some[3])
    best = sampled(shifted, head, answers=1, beta=1e-9)
    assert head(np.repeat(best, 2, axis=1))[:, 0] == pytest.approx(head(shifted).max(axis=1))
    many = np.repeat(shifted[:1], 4000, axis=0)
    often = (sampled(many, head, answers=1, beta=0.5) == many[:, :1]).all(axis=(1, 2)).mean()
    chance = np.exp(head(shifted[:1])[0] / 0.5)
    assert often == pytest.approx(chance[0] / chance.sum(), abs=0.03)
    for wrong in (dict(answers=5), dict(answers=0), dict(answers=2, beta=0.0)):
        with pytest.raises(WorkbenchError, match="beta"):
            sampled(shifted, head, **wrong)


def test_rounds_go_on_from_each_other(data, shifted):
    given = dict(groups=data.families, decays=(1e-2, 1e-1), device="cpu", **FIXED)
    rounds = meta_rounds(data.features, shifted, rounds=3, answers=2, **given)
    assert len(rounds) == 3 and len({head.decay for head in rounds}) == 1
    again = fit_meta(data.features, sampled(shifted, rounds[0], answers=2, seed=_seed(1)), start=rounds[0], seed=_seed(1), **given)
    assert again.heads.weights[0].tobytes() == rounds[1].heads.weights[0].tobytes()
    still = fit_meta(data.features, shifted, start=rounds[0], **{**given, "lr": 1e-12})
    assert still.heads.weights[0] == pytest.approx(rounds[0].heads.weights[0], abs=1e-6)


def _seed(number):
    return int(np.random.SeedSequence([0, number]).generate_state(1)[0])


def test_cancelled_rounds_end_with_a_whole_one(data, shifted):
    cancel = threading.Event()

    def stop(progress):
        if "round 2" in progress.label:
            cancel.set()

    given = dict(decays=(1e-2,), device="cpu", every=2, progress=stop, cancel=cancel, **FIXED)
    rounds = meta_rounds(data.features, shifted, rounds=3, **given)
    assert len(rounds) == 1 and rounds[0].fit_report.stopped == "finished"
    cancel.set()
    assert len(meta_rounds(data.features, shifted, rounds=3, **given)) == 1


def test_wrong_pools_are_named(data, shifted):
    given = dict(decays=(0.1,), held_out=0, device="cpu", **FIXED)
    for pool, match in ((shifted[:, :1], "k at least 2"), (shifted[:0], "k at least 2"), (shifted[:, :, :4], f"k, {DIM}"),
                        (np.where(np.arange(9)[:, None, None] == 4, np.float32(np.nan), shifted), "prompts 4"),
                        (np.repeat(shifted[:, :1], 4, axis=1), "the same features")):
        with pytest.raises(WorkbenchError, match=match):
            fit_meta(data.features, pool, **given)
    head = fit_meta(data.features, shifted, **given)
    with pytest.raises(WorkbenchError, match="other layers"):
        fit_meta(data.features, shifted, start=head, hidden=(3,), **given)
    with pytest.raises(WorkbenchError, match="another scale"):
        fit_meta(data.features.rows(slice(0, 100)), shifted, start=head, **given)
    with pytest.raises(WorkbenchError, match="0 rounds"):
        meta_rounds(data.features, shifted, rounds=0, **given)
    for ask in (alignment, lambda head, _, pool: told_apart(head, pool)):
        with pytest.raises(WorkbenchError, match=f"k, {DIM}"):
            ask(head, data.features, shifted[:, :, :4])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("order", [1, 2])
def test_on_a_gpu_it_is_the_same_step(order, data, shifted):
    given = dict(hidden=(5,), decays=(0.01,), held_out=0, order=order, eta=0.3, prompts=9, precision="float32",
                 **dict(FIXED, batch_size=200))
    gpu, cpu = (fit_meta(data.features, shifted, device=device, **given) for device in ("cuda", "cpu"))
    assert gpu.margins(data.features) == pytest.approx(cpu.margins(data.features), abs=1e-3)
