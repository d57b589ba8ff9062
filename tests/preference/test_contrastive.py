"""Contrastive losses against loops in plain Python, their training against a loop written out, and a small transformer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from workbench.errors import WorkbenchError
from workbench.preference import contrastive
from workbench.preference.batches import Order
from workbench.preference.bradley_terry import Supervision, cross_entropy
from workbench.preference.contrastive import Contrastive, FeatureDropout, FeatureNetwork, simcse, sinkhorn, swav
from workbench.preference.difference import MetaStep
from workbench.preference.fit import fit

KINDS = [("simcse", "pairs"), ("simcse", "differences"), ("swav", "pairs"), ("swav", "differences")]


# -- the losses ------------------------------------------------------------------------------------


def cosine(a, b):
    return (a * b).sum() / (a.square().sum().sqrt() * b.square().sum().sqrt())


def slow_simcse(first, second, temperature):
    """One i and one j after another."""
    total = 0.0
    for i, view in enumerate(first):
        raised = [torch.exp(cosine(view, other) / temperature) for other in second]
        total = total - torch.log(raised[i] / sum(raised))
    return total / len(first)


def slow_sinkhorn(scores, epsilon, iterations):
    """Each column, then each row, divided by its own sum."""
    codes = [[math.exp(value / epsilon) for value in row] for row in scores.tolist()]
    for _ in range(iterations):
        sums = [sum(column) for column in zip(*codes)]
        codes = [[value / total for value, total in zip(row, sums)] for row in codes]
        codes = [[value / sum(row) for value in row] for row in codes]
    return codes


def slow_swav(first, second, prototypes, temperature, epsilon, iterations):
    scores = [torch.stack([torch.stack([cosine(h, c) for c in prototypes]) for h in view]) for view in (first, second)]
    total = 0.0
    for score, other in (scores, scores[::-1]):
        for row, code in zip(score, slow_sinkhorn(other.detach(), epsilon, iterations)):
            raised = [torch.exp(value / temperature) for value in row]
            total = total - sum(q * torch.log(value / sum(raised)) for q, value in zip(code, raised))
    return total / len(first)


def drawn(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 6), width=st.integers(1, 5), temperature=st.floats(0.05, 2), seed=st.integers(0, 99))
def test_simcse_is_the_plain_loop(n, width, temperature, seed):
    first, second = drawn(n, width, seed=seed), drawn(n, width, seed=seed + 100)
    found = simcse(first, second, temperature=temperature)
    assert found.shape == () and float(found) == pytest.approx(float(slow_simcse(first, second, temperature)), abs=1e-4)
    assert float(simcse(3 * first, 0.5 * second, temperature=temperature)) == pytest.approx(float(found), abs=1e-4)
    turn = torch.from_numpy(np.random.default_rng(seed).permutation(n))
    assert float(simcse(first[turn], second[turn], temperature=temperature)) == pytest.approx(float(found), abs=1e-4)
    if n == 1:
        assert float(found) == 0


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 7), k=st.integers(1, 6), iterations=st.integers(1, 4), seed=st.integers(0, 99))
def test_codes_are_the_plain_loop(n, k, iterations, seed):
    scores = drawn(n, k, seed=seed).tanh()
    found = sinkhorn(scores, epsilon=0.2, iterations=iterations)
    assert found.numpy() == pytest.approx(np.array(slow_sinkhorn(scores.double(), 0.2, iterations)), abs=1e-4)
    assert found.sum(1).numpy() == pytest.approx(1, abs=1e-5)


def test_codes_are_doubly_normalised():
    scores = drawn(40, 8).tanh().requires_grad_()
    many, one = (sinkhorn(scores, epsilon=0.3, iterations=count) for count in (300, 1))
    assert many.sum(0).numpy() == pytest.approx(5, abs=1e-3) and many.sum(1).numpy() == pytest.approx(1, abs=1e-5)
    assert (one.sum(0) - 5).abs().max() > 0.1 and not many.requires_grad
    assert torch.isfinite(sinkhorn(scores, epsilon=1e-4)).all()  # exp(1 / ε) is no number


def test_swav_by_hand():
    """Two answers, each on its own prototype: codes a / (a + 1) with a = exp(1 / ε), predicted with σ(1 / τ)."""
    one = torch.eye(2)
    q, p = math.exp(2) / (math.exp(2) + 1), 1 / (1 + math.exp(-4))
    wanted = -2 * (q * math.log(p) + (1 - q) * math.log(1 - p))
    assert float(swav(one, 3 * one, 5 * one, temperature=0.25, epsilon=0.5)) == pytest.approx(wanted, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 4), k=st.integers(2, 4), seed=st.integers(0, 99))
def test_swav_and_its_gradient_are_those_of_the_plain_loop(n, k, seed):
    """The codes are constants there: no gradient goes through them."""
    gradients = []
    for loss in (swav, slow_swav):
        leaves = [drawn(*shape, seed=seed + number).requires_grad_() for number, shape in enumerate([(n, 3), (n, 3), (k, 3)])]
        found = loss(*leaves, **dict(temperature=0.3, epsilon=0.2, iterations=2))
        gradients.append([found.detach(), *torch.autograd.grad(found, leaves)])
    for ours, plain in zip(*gradients):
        assert ours.numpy() == pytest.approx(plain.numpy(), abs=1e-4)


def test_wrong_shapes_and_numbers_are_named():
    four, five, line = drawn(4, 3), drawn(5, 3), drawn(4)
    for call in (lambda: simcse(four, five), lambda: simcse(line, line), lambda: swav(four, five, four),
                 lambda: swav(four, four, drawn(6, 2))):
        with pytest.raises((WorkbenchError, TypeError)):
            call()
    for first, second, prototypes, said in ((four, five, None, "two views of shapes"), (line, line, None, "two views"),
                                            (four[:0], four[:0], None, "two views"), (four, four, drawn(6, 2), "prototypes of shape")):
        with pytest.raises(WorkbenchError, match=said):  # where annotations are not enforced
            contrastive._alike(first, second, prototypes)
    for call, said in ((lambda: simcse(four, four, temperature=0.0), "temperature 0.0"), (lambda: sinkhorn(four, epsilon=-1.0), "epsilon"),
                       (lambda: sinkhorn(four, iterations=0), "0 Sinkhorn"), (lambda: swav(four, four, five, temperature=math.nan), "nan")):
        with pytest.raises(WorkbenchError, match=said):
            call()


# -- the module and the loop -----------------------------------------------------------------------


def network(method="simcse", on="pairs", *, seed=0, dim=6, **how):
    return FeatureNetwork(dim, (5,), **{"dropout": 0.2, "decay": 0.1, "seed": seed, "method": method, "on": on, **how})


def slow_steps(module, x, made, on, auxiliary, *, steps, batch, lr, pieces=1):
    """AdamW on L_rm + β L_cl + penalty with two passes of the trunk, one piece after another; auxiliary: two views → β L_cl."""
    order, optimizer = Order(np.arange(len(x)), batch, 3), torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=0.0)
    given = made.tensors()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        index = order.block(1)[0]
        total = 0.05 * sum(p.square().sum() for p in (module.trunk[1].weight, module.weight))
        for part in index.tensor_split(pieces):
            views = [module.trunk(x[part].flatten(0, 1)).unflatten(0, (-1, 2)) for _ in range(2)]
            margins = (views[0][:, 0] - views[0][:, 1]) @ module.weight
            total = total + (given.weight[part] * cross_entropy(margins, given, part)).sum() / given.weight[index].sum()
            views = [view[:, 0] - view[:, 1] if on == "differences" else view.flatten(0, 1) for view in views]
            total = total + auxiliary(*views) * len(part) / batch
        optimizer.zero_grad()
        total.backward()
        optimizer.step()


@pytest.mark.parametrize(("method", "on"), KINDS)
@pytest.mark.parametrize("pieces", [1, 2])
def test_the_loop_is_the_plain_loop(method, on, pieces, monkeypatch):
    """Gradients are those of L_rm + β L_cl, of the same views and batches; of a batch in pieces, of each piece by its share."""
    batch, steps = 40 if pieces > 1 else 4, 2
    x, made = drawn(50, 2, 6), Supervision.hard(50).with_weight(np.linspace(0.5, 2, 50))
    how = dict(beta=0.7, temperature=0.5) | (dict(prototypes=3, epsilon=0.3, iterations=2) if method == "swav" else {})
    ours, plain = (network(method, on, **how) for _ in range(2))
    if pieces > 1:
        monkeypatch.setattr("workbench.preference.step.PIECE", 1.0)  # 32 pairs, and those that are left
    fit(ours, [x], made, steps=steps, batch_size=batch, lr=1e-2, seed=3)

    def auxiliary(first, second):
        if method == "simcse":
            return 0.7 * (slow_simcse if pieces == 1 else simcse)(first, second, temperature=0.5)
        return 0.7 * (slow_swav if pieces == 1 else swav)(first, second, plain.prototypes, temperature=0.5, epsilon=0.3, iterations=2)

    slow_steps(plain, x, made, on, auxiliary, steps=steps, batch=batch, lr=1e-2, pieces=pieces)
    begun = network(method, on, **how)
    for (name, one), other, start in zip(ours.named_parameters(), plain.parameters(), begun.parameters()):
        assert one.detach().numpy() == pytest.approx(other.detach().numpy(), abs=2e-5), name
        assert (one - start).abs().max() > 1e-3, name


class Alone(nn.Module):
    """A module without what it wraps: no auxiliary loss."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.penalty = inner, inner.penalty

    def forward(self, rows):
        return self.inner(rows)


@pytest.mark.parametrize("made", [lambda: network(beta=0.0), lambda: network("swav", beta=0.0), lambda: network(None)])
def test_no_weight_is_no_auxiliary_loss(made):
    """The same bytes, dropout's draws included."""
    x, found = drawn(60, 2, 6), []
    for module in (made(), Alone(network())):
        fit(module, [x], Supervision.hard(60), steps=5, batch_size=16, lr=1e-2)
        found.append(getattr(module, "inner", module).trunk[1].weight.detach().numpy().tobytes())
    assert found[0] == found[1]


def test_the_forward_pass_is_one_of_the_views():
    module, x = network().train(), drawn(8, 2, 6)
    module(x)
    module.auxiliary(x)
    assert module.passes == 2
    module(x)
    module.auxiliary(x.clone())  # of others than the forward's
    assert module.passes == 5
    module.auxiliary(x)  # what was kept is gone
    assert module.passes == 7


def test_losses_are_of_full_precision():
    """Where the loop's products run in bfloat16, a trunk without products gives the same loss to the bit."""
    x, values = drawn(8, 2, 6), []
    for low in (False, True):
        module = Contrastive(FeatureDropout(0.2, 0), 6).train()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            values.append(float(module.auxiliary(x)))
    assert values[0] == values[1] > 0


def test_feature_dropout():
    module, x = FeatureDropout(0.2, 0), drawn(300, 20)
    first, second = module(x), module(x)
    for view in (first, second):
        gone = view == 0
        assert abs(gone.float().mean() - 0.2) < 0.02 and torch.allclose(view[~gone], x[~gone] / 0.8)
    assert not torch.equal(first, second) and module.eval()(x) is x


def test_margins_are_differences_of_rewards():
    module, x = network().eval(), drawn(8, 2, 6)
    with torch.no_grad():
        module.weight.copy_(drawn(5))
        assert module(x).numpy() == pytest.approx((module.rewards(x[:, 0]) - module.rewards(x[:, 1])).numpy(), abs=1e-6)


def test_constants_are_the_papers():
    found = [(m.beta, len(getattr(m, "prototypes", ()))) for m in (network(*kind) for kind in KINDS)]
    assert found == [(1.0, 0), (1.0, 0), (0.1, 50), (0.5, 20)]
    assert network("swav").prototypes.square().sum(1).detach().numpy() == pytest.approx(1, abs=1e-6)
    assert [network(method).how["temperature"] for method in ("simcse", "swav")] == [0.05, 0.1]


def test_wrong_tensors_are_named():
    module = Contrastive(nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.1)), 5).train()
    for x, said in ((drawn(8, 2, 6), r"the trunk gives \[16, 4\]"), (drawn(8, 3, 6), r"pairs have shape \[8, 3, 6\]"),
                    (drawn(8), "pairs have")):
        with pytest.raises(WorkbenchError, match=said):
            module(x)
    with pytest.raises(WorkbenchError, match="not in training"):
        network().eval().auxiliary(drawn(8, 2, 6))


@pytest.mark.parametrize(("trunk", "drops"), [
    (nn.Linear(6, 4), False), (nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.0)), False), (FeatureDropout(0.0, 0), False),
    (nn.Sequential(nn.Dropout(0.1)), True), (nn.MultiheadAttention(4, 2, dropout=0.1), True), (nn.MultiheadAttention(4, 2), False),
])
def test_a_trunk_must_drop_something(trunk, drops):
    if drops:
        Contrastive(trunk, 4)
    else:
        with pytest.raises(WorkbenchError, match="nothing drops"):
            Contrastive(trunk, 4)
    Contrastive(trunk, 4, method=None)


def test_nan_is_divergence():
    x = drawn(40, 2, 6)
    x[3, 1, 2] = math.nan
    with pytest.raises(WorkbenchError, match="diverged"):
        fit(network(), [x], Supervision.hard(40), steps=4, batch_size=40, lr=1e-2)


# -- a backbone that learns ------------------------------------------------------------------------

WORDS, LENGTH, GOOD = 12, 6, 3


class Backbone(nn.Module):
    """A transformer of one layer on token ids [m length], the mean of its states; dropout from torch's own generator."""

    def __init__(self, dropout=0.05, width=16):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.embed = nn.Embedding(WORDS, width)
            self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout, batch_first=True)

    def forward(self, tokens):
        return self.layer(self.embed(tokens)).mean(1)


@pytest.fixture(scope="module")
def tokens():
    """Pairs [pair side length]: the chosen answer has more of the words that are good."""
    drawn = np.random.default_rng(0).integers(0, WORDS, size=(400, 2, LENGTH))
    count = (drawn < GOOD).sum(-1)
    drawn[count[:, 0] < count[:, 1]] = drawn[count[:, 0] < count[:, 1]][:, ::-1]
    return torch.from_numpy(drawn[count[:, 0] != count[:, 1]])


def auxiliary(module, tokens):
    module.train()
    with torch.no_grad():
        return float(np.mean([float(module.auxiliary(tokens)) for _ in range(3)]))


@pytest.mark.parametrize(("method", "on"), KINDS)
def test_a_backbone_learns_with_its_own_dropout(tokens, method, on):
    """Strong dropout, so that L_cl has far to fall in a few steps."""
    module, state = Contrastive(Backbone(0.2), 16, method=method, on=on, beta=1.0), torch.random.get_rng_state()
    before, start = auxiliary(module, tokens[:100]), {name: value.detach().clone() for name, value in module.named_parameters()}
    report = fit(module, [tokens], Supervision.hard(len(tokens)), steps=40, batch_size=64, lr=1e-2, every=20, held_out=0.2, patience=None)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert report.head_losses[0] < 0.6 and auxiliary(module, tokens[:100]) < 0.8 * before
    with torch.no_grad():
        assert (module.eval()(tokens) > 0).float().mean() > 0.8
    assert all((value - start[name]).abs().max() > 1e-3 for name, value in module.named_parameters())


def test_views_differ_and_reach_the_backbone(tokens):
    module = Contrastive(Backbone(), 16).train()
    first, second = (module._both([tokens[:20]]) for _ in range(2))
    assert not torch.equal(first, second) and torch.equal(*(module.eval()._both([tokens[:20]]) for _ in range(2)))
    module.train().auxiliary(tokens[:20]).backward()
    assert module.weight.grad is None and all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.trunk.parameters())


def test_a_backbone_gives_the_same_bytes(tokens):
    def trained(seed=0, **how):
        module = Contrastive(Backbone(), 16, seed=seed)
        fit(module, [tokens], Supervision.hard(len(tokens)), steps=4, batch_size=32, lr=1e-2, **how)
        return module.trunk.embed.weight.detach().numpy().tobytes()

    first = trained()
    torch.rand(3)
    assert first == trained() != trained(seed=1)
    pool = tokens[:8].flatten(0, 1).view(4, 4, LENGTH)
    assert trained(rule=MetaStep(pool, eta=0.0)) == first  # a step rule reads rewards without dropout
    assert trained(rule=MetaStep(pool, eta=0.1)) != first
    assert trained(precision="bfloat16") != first
