"""The gate as a torch module, for training only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

PairDim, PairObj, Pair = Float[Tensor, "pair dim"], Float[Tensor, "pair obj"], Float[Tensor, "pair"]

FLOOR = 0.02  # least share at the start: a softmax hardly grows out of 0
DAMP = 0.1  # how much of the last layer's random weights is left, so that prompts begin almost alike


class GateNetwork(nn.Module):
    """Prompts and score margins → reward margins: β Σ_k softmax(MLP(x) / temperature)_k Δr'_k."""

    def __init__(self, dim: int, hidden: Sequence[int], active: np.ndarray, temperature: float, dropout: float, scale: float, seed: int):
        super().__init__()
        sizes, rng = [dim, *hidden, len(active)], np.random.default_rng([seed, 4])
        self.layers = nn.ModuleList()
        for wide, out in zip(sizes, sizes[1:]):
            layer = nn.utils.skip_init(nn.Linear, wide, out)
            bound = wide**-0.5
            for parameter in (layer.weight, layer.bias):
                drawn = rng.uniform(-bound, bound, tuple(parameter.shape)).astype(np.float32)
                parameter.data = torch.from_numpy(drawn)
            self.layers.append(layer)
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(scale))))
        self.register_buffer("closed", torch.from_numpy(~active))
        self.temperature, self.dropout, self.seed = temperature, dropout, seed
        self._random: torch.Generator | None = None

    def begin_at(self, weights: np.ndarray) -> None:
        """Start near one set of weights [obj] for every prompt: their shares as biases, their sum as scale."""
        shares = np.maximum(weights / weights.sum(), FLOOR)
        with torch.no_grad():
            last = self.layers[-1]
            last.weight.mul_(DAMP)
            last.bias.copy_(torch.from_numpy(self.temperature * np.log(shares)).float())
            self.log_scale.fill_(float(np.log(weights.sum())))

    def shares(self, prompt: PairDim) -> PairObj:
        hidden = prompt
        for layer in self.layers[:-1]:
            hidden = self._dropped(F.relu(layer(hidden), inplace=True))
        logits = self.layers[-1](hidden) / self.temperature
        return logits.masked_fill(self.closed, -torch.inf).softmax(-1)

    def forward(self, prompt: PairDim, margins: PairObj) -> Pair:
        return self.log_scale.exp() * (self.shares(prompt) * margins).sum(-1)

    def _dropped(self, hidden: Tensor) -> Tensor:
        """Dropout from a generator of its own, so that another thread's draws change nothing."""
        if not self.training or self.dropout == 0:
            return hidden
        if self._random is None or self._random.device != hidden.device:
            self._random = torch.Generator(hidden.device).manual_seed(self.seed)
        kept = torch.rand(hidden.shape, generator=self._random, device=hidden.device) >= self.dropout
        return hidden * kept / (1 - self.dropout)
