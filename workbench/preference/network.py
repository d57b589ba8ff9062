"""Many reward heads side by side as one torch module with gradients written by hand, for training only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

OrderItems = Float[Tensor, "order n *side dim"]
HeadPair = Float[Tensor, "head n"]


class Heads(nn.Module):
    """H small MLPs (or linear maps) on features, and the margins between the rewards that they give to the sides of a pair.

    Heads of one order (H / orders of them, next to each other) read the same batches, by one product. A linear head reads
    differences of features, [order n dim], of which its reward margin is the product; an MLP reads both sides,
    [order n side dim]. An order axis of length 1 stands for all orders. Weights [head out in] and what goes through them
    [head out row] lie so that no product needs a copy. forward is what autograd sees; `learn` gives the same gradients
    by hand, of the loss and of decay/2 · |weights|² of each head; of an MLP with products in `low` (the last layer's, and all
    weights, stay float32). shown: mask [head dim] of the features that a head sees, all for None; the weights of others stay 0.
    """

    def __init__(self, dim: int, hidden: Sequence[int], seeds: Sequence[int], orders: int, decay: Sequence[float],
                 shown: np.ndarray | None = None):
        super().__init__()
        self.heads, self.orders, self.linear, self.low = len(seeds), orders, not hidden, torch.float32
        sizes, draws = [dim, *hidden, 1], [np.random.default_rng([seed, 5]) for seed in seeds]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for wide, out in zip(sizes, sizes[1:-1]):
            self.weights.append(_drawn(draws, (out, wide), wide**-0.5))
            self.biases.append(_drawn(draws, (out, 1), wide**-0.5))
        self.weights.append(_drawn(draws, (1, sizes[-2]), 0.0))  # rewards start at zero; a bias here would cancel between the sides
        self.kept: list[Tensor | None] = [None] * len(self.weights)  # products in `low`, before they are added up in float32
        self.register_buffer("decay", torch.tensor(list(decay), dtype=torch.float32)[:, None, None])
        self.register_buffer("shown", None if shown is None else torch.as_tensor(shown, dtype=torch.float32)[:, None])
        if shown is not None:
            self.weights[0].data *= self.shown

    def forward(self, features: OrderItems) -> HeadPair:
        return self._margins(self._climb(features)[0][-1])

    def rewards(self, answers: Float[Tensor, "m dim"]) -> HeadPair:
        """Rewards [head m] of single answers on the scale of the heads, in float32, as autograd sees them."""
        above = answers.mT[None]
        for depth, weight in enumerate(self.weights):
            weight = weight * self.shown if self.shown is not None and not depth else weight
            above = _side_by_side(weight, above)
            above = (above + self.biases[depth]).relu() if depth < len(self.biases) else above
        return above[:, 0]

    def layers(self) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        """Weights [head in out] and biases [head 1 out] of each layer, copies."""
        both = self.weights, self.biases
        return tuple(tuple(part.detach().cpu().numpy().transpose(0, 2, 1).copy() for part in parts) for parts in both)

    @torch.no_grad()
    def learn(self, slope: Callable[[Tensor], Tensor], features: OrderItems, *, first: bool = True) -> None:
        """Put the gradients into `.grad` (first) or add them; slope: reward margins [head n] → d loss / d margin."""
        outputs, weights = self._climb(features)
        fall = slope(self._margins(outputs[-1]))
        gradient = (fall if self.linear else torch.stack([fall, -fall], dim=-1).flatten(1))[:, None]
        for depth in range(len(self.weights) - 1, -1, -1):
            below = outputs[depth]
            self._add(depth, gradient, below.to(gradient.dtype), first)
            if depth:
                above, bias = weights[depth].mT, self.biases[depth - 1]
                gradient = (above * gradient if gradient.shape[1] == 1 else torch.bmm(above, gradient)).to(below.dtype)
                gradient = torch.ops.aten.threshold_backward(gradient, below, 0)  # 0 where ReLU closed it
                change, held = gradient.sum(2, keepdim=True), _gradient_of(bias)
                _ = held.copy_(change) if first else held.add_(change)
        if self.shown is not None:
            self.weights[0].grad.mul_(self.shown)

    def _climb(self, features: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """What goes into each layer, [order dim row] and then [head out row], rewards [head 1 row] last; the weights it met."""
        outputs = [(features if self.linear else features.to(self.low)).flatten(1, -2).mT]
        weights = [weight if depth == len(self.biases) else weight.to(self.low) for depth, weight in enumerate(self.weights)]
        for weight, bias in zip(weights, self.biases):
            above = _side_by_side(weight, outputs[-1])
            above = above + bias.to(self.low) if torch.is_grad_enabled() else above.add_(bias.to(self.low))
            outputs.append(above.relu() if torch.is_grad_enabled() else above.relu_())
        outputs.append(_side_by_side(weights[-1], outputs[-1].float()))
        return outputs, weights

    def _margins(self, rewards: Tensor) -> Tensor:
        rewards = rewards[:, 0]
        if self.linear:
            return rewards
        both = rewards.unflatten(1, (-1, 2))
        return both[..., 0] - both[..., 1]

    def _add(self, depth: int, gradient: Tensor, below: Tensor, first: bool) -> None:
        """The gradient of a layer's weights from that of its output [head out row] and its input, and with the first the penalty's."""
        weight = self.weights[depth]
        held, gradient = _gradient_of(weight), gradient.reshape(len(below), -1, gradient.shape[2])
        flat = (len(below), -1, weight.shape[2])
        if below.dtype == weight.dtype:
            if first:
                torch.mul(weight, self.decay, out=held)
            held.view(flat).baddbmm_(gradient, below.mT)
            return
        if self.kept[depth] is None:
            self.kept[depth] = torch.empty_like(weight, dtype=below.dtype)
        torch.bmm(gradient, below.mT, out=self.kept[depth].view(flat))
        _ = held.copy_(self.kept[depth]).addcmul_(weight, self.decay) if first else held.add_(self.kept[depth])


def _gradient_of(parameter: nn.Parameter) -> Tensor:
    """Where it is written, always the same: fresh tensors of this size cost page faults, and a captured step needs addresses."""
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad


def _side_by_side(weight: Tensor, below: Tensor) -> Tensor:
    """[head out in] on [order in row], one product for all heads of an order, or on [head in row] → [head out row]."""
    return torch.bmm(weight.view(len(below), -1, weight.shape[2]), below).view(*weight.shape[:2], -1)


def _drawn(draws: Sequence[np.random.Generator], shape: tuple[int, int], bound: float) -> nn.Parameter:
    """[head …], uniform within ±bound, each head from its own seed."""
    return nn.Parameter(torch.from_numpy(np.stack([rng.uniform(-bound, bound, shape).astype(np.float32) for rng in draws])))
