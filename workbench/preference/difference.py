"""MetaRM: how far apart a model puts the answers of a shifted distribution, and a step towards that before each update."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, grad, vjp
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import WorkbenchError, listing
from .batches import Order
from .data import derived, pieces

Parameters = dict[str, Tensor]
_ONE = threading.Lock()


def difference(rewards: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """J = mean over prompts of 2/k² Σ_{i<j} σ(|r_i − r_j|): how far apart rewards [prompt k] stand (arXiv 2405.00438).

    In [(k−1)/(2k), (k−1)/k): the lower end where all are equal, and there its gradient counts as 0. Raises WorkbenchError for
    another shape, fewer than two answers to a prompt, no prompt, and NaN.
    """
    if rewards.ndim != 2 or not len(rewards) or rewards.shape[1] < 2:
        raise WorkbenchError(f"rewards of shifted answers have shape {list(rewards.shape)}", remedy="Wanted [prompt, k], k at least 2")
    if bad := torch.isnan(rewards).any(1).nonzero().flatten().tolist():
        raise WorkbenchError(f"NaN among the rewards of prompts {listing(bad)}")
    return _apart(rewards)


def _apart(rewards: Float[Tensor, "*head prompt k"]) -> Float[Tensor, "*head"]:
    """J of each head."""
    k = rewards.shape[-1]
    first, second = torch.triu_indices(k, k, 1, device=rewards.device)
    return torch.sigmoid((rewards[..., first] - rewards[..., second]).abs()).sum(-1).mean(-1) * (2 / k**2)


class MetaStep:
    """The step rule of MetaRM for `fit`: gradients of the loss are taken at θ' = θ + η ∇J(θ), and move θ (algorithm 1).

    rows [prompt k …]: what the module reads of k sampled answers to each prompt of the shifted distribution (features, or
    token ids). Each update draws `prompts` of them from `seed` (all where there are fewer). The module's `rewards` gives
    [m …] → [m], or [head m]: then each head has a J of its own. order=1 is the published algorithm; order=2 adds η H_J(θ) g'
    to g' = ∇L(θ'), which is the whole gradient of L(θ + η ∇J(θ)), penalty included; the paper's equation 17 is that but for O(η²).
    J is read without dropout. Raises WorkbenchError for fewer than two answers, no prompt, NaN, and numbers out of range.
    """

    def __init__(self, rows: Tensor, *, eta: float, order: int = 1, prompts: int = 8, seed: int = 0):
        if rows.ndim < 2 or not len(rows) or rows.shape[1] < 2:
            raise WorkbenchError(f"shifted answers have shape {list(rows.shape)}", remedy="Wanted [prompt, k, …], k at least 2")
        if bad := [n for some in pieces(rows) for n in some.start + np.flatnonzero(~rows[some].flatten(1).isfinite().all(1).cpu())]:
            raise WorkbenchError(f"NaN or infinite among the shifted answers to prompts {listing(bad)}")
        if order not in (1, 2):
            raise WorkbenchError(f"order {order}", remedy="1 is the published algorithm, 2 its own equation")
        if not 0 <= eta < math.inf or prompts < 1:
            raise WorkbenchError(f"eta {eta}, {prompts} prompts a step", remedy="Give eta from 0 up, and one prompt or more")
        self.rows, self.eta, self.order, self.prompts, self.seed = rows, eta, order, prompts, seed

    def fresh(self, module: nn.Module) -> MetaStep:
        """The same rule before its first draw, for a fit of its own."""
        if not hasattr(module, "rewards"):
            raise WorkbenchError("this module cannot tell the reward of one answer", where="MetaRM",
                                 remedy="Give it a method rewards: [m …] → [m] or [head m]")
        rule = copy.copy(self)
        rule.draws = Order(np.arange(len(self.rows)), self.prompts, derived(self.seed, 7))
        return rule

    @contextmanager
    def moved(self, module: nn.Module) -> Iterator[None]:
        """Inside, the module stands at θ'; afterwards at θ again, to the byte, and for order 2 its gradients are the whole ones."""
        place = next(module.parameters()).device
        j = objective(module, self.rows[self.draws.block(1)[0]].to(place))
        slope = ascent(module, j)
        named = dict(module.named_parameters())
        before = {name: named[name].detach().clone() for name in slope}
        try:
            with torch.no_grad():
                for name, change in slope.items():
                    named[name].add_(change, alpha=self.eta)
            yield
        finally:
            with torch.no_grad():
                for name, value in before.items():
                    named[name].copy_(value)
        if self.order == 2:
            bent = curvature(module, j, before, {name: _held(named[name]) for name in before})
            for name, change in bent.items():
                named[name].grad = _held(named[name]).add_(change, alpha=self.eta)


def objective(module: nn.Module, pool: Tensor) -> Callable[[Parameters], Tensor]:
    """J of answers [prompt k …] as a function of parameters by name, summed over heads: each has parameters of its own."""
    read = _Rewards(module)

    def j(parameters: Parameters) -> Tensor:
        found = functional_call(read, {f"module.{name}": value for name, value in parameters.items()}, (pool.flatten(0, 1),))
        if found.ndim > 2 or found.shape[-1] != len(pool) * pool.shape[1]:
            raise WorkbenchError(f"rewards of {len(pool) * pool.shape[1]} answers have shape {list(found.shape)}", where="MetaRM",
                                 remedy="One reward per answer, [m] or [head m]")
        return _apart(found.unflatten(-1, pool.shape[:2])).sum()

    return j


def ascent(module: nn.Module, j: Callable[[Parameters], Tensor]) -> Parameters:
    """∇J by name at the module's parameters; those that J does not read, or that do not learn, are not there."""
    learn = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    with _still(module), torch.enable_grad():
        found = torch.autograd.grad(j(learn), list(learn.values()), allow_unused=True)
    return {name: slope for name, slope in zip(learn, found) if slope is not None}


def curvature(module: nn.Module, j: Callable[[Parameters], Tensor], at: Parameters, along: Parameters) -> Parameters:
    """H_J(at) · along, a product with the Hessian that is never made."""
    with _still(module), _twice(module):
        return vjp(grad(j), at)[1](along)[0]  # the Hessian is symmetric


def pulls(module: nn.Module, tensors: Sequence[Tensor], slope: Parameters) -> tuple[Tensor, Tensor]:
    """Reward margins Δ [head n] or [n] of pairs, and ∇Δ · slope of each: one pass, no gradient of a single pair is made."""
    at = {name: parameter.detach() for name, parameter in module.named_parameters() if name in slope}
    with _still(module), _twice(module):
        margins, back = vjp(lambda parameters: functional_call(module, parameters, tuple(tensors)), at)
        pull = grad(lambda share: sum((part * slope[name]).sum() for name, part in back(share)[0].items()))  # linear in the shares
        return margins, pull(torch.zeros_like(margins))


class _Rewards(nn.Module):
    """A module whose forward is another's `rewards`, as a functional call wants it."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, answers: Tensor) -> Tensor:
        return self.module.rewards(answers)


@contextmanager
def _still(module: nn.Module) -> Iterator[None]:
    """Without dropout: J and its Hessian are then of one function, and the module's random numbers stay its own."""
    was = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was)


@contextmanager
def _twice(module: nn.Module) -> Iterator[None]:
    """Attention by the one kernel that has a second derivative. Which kernel runs is the process's own: one thread at a time asks."""
    if hasattr(module, "learn"):  # no attention in there
        yield
        return
    with _ONE, sdpa_kernel(SDPBackend.MATH):
        yield


def _held(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
