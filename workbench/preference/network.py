"""Many reward heads side by side as one torch module, for training only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

OrderItems, OrderRowDim = Float[Tensor, "order n *side dim"], Float[Tensor, "order row dim"]
Head, HeadPair, HeadRow = Float[Tensor, "head"], Float[Tensor, "head n"], Float[Tensor, "head row"]


class Heads(nn.Module):
    """H small MLPs (or linear maps) on features, trained together by batched matrix products.

    Heads of one order (H / orders of them, next to each other) read the same batches. A linear head reads differences
    of features, [order n dim], of which its reward margin is the product; an MLP reads both sides, [order n side dim].
    An order axis of length 1 stands for all orders. `penalty` is decay/2 · |weights|² per head.
    """

    def __init__(self, dim: int, hidden: Sequence[int], seeds: Sequence[int], orders: int, decay: Sequence[float]):
        super().__init__()
        self.heads, self.orders, self.linear = len(seeds), orders, not hidden
        sizes, draws = [dim, *hidden, 1], [np.random.default_rng([seed, 5]) for seed in seeds]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for depth, (wide, out) in enumerate(zip(sizes, sizes[1:])):
            last = depth == len(sizes) - 2
            bound = 0.0 if last else wide**-0.5  # rewards start at zero, whatever the seed
            weight = np.stack([rng.uniform(-bound, bound, (wide, out)) for rng in draws])
            self.weights.append(nn.Parameter(torch.from_numpy(weight.astype(np.float32))))
            if not last:  # a bias of the last layer cancels between the sides
                bias = np.stack([rng.uniform(-bound, bound, (1, out)) for rng in draws])
                self.biases.append(nn.Parameter(torch.from_numpy(bias.astype(np.float32))))
        self.register_buffer("decay", torch.tensor(list(decay), dtype=torch.float32))

    def forward(self, features: OrderItems) -> HeadPair:
        if self.linear:
            return self.rewards(features)
        rewards = self.rewards(features.flatten(1, 2)).unflatten(1, (-1, 2))
        return rewards[:, :, 0] - rewards[:, :, 1]

    def rewards(self, features: OrderRowDim) -> HeadRow:
        hidden = self._first(features, self.weights[0])
        for weight, bias in zip(self.weights[1:], self.biases):
            hidden = torch.bmm(torch.relu(hidden + bias), weight)
        return hidden.squeeze(-1)

    def penalty(self) -> Head:
        return self.decay / 2 * sum(weight.square().sum((1, 2)) for weight in self.weights)

    def _first(self, features: Tensor, weight: Tensor) -> Tensor:
        """The wide layer, one product for all heads that read the same rows: [head row out]."""
        orders, heads = len(features), self.heads
        dim, out = weight.shape[1:]
        side_by_side = weight.view(orders, heads // orders, dim, out).permute(0, 2, 1, 3).reshape(orders, dim, -1)
        hidden = torch.bmm(features, side_by_side)
        return hidden.view(orders, -1, heads // orders, out).permute(0, 2, 1, 3).reshape(heads, -1, out)
