"""What ArmoRM puts on a transformer: regression, debias and gate, as one torch module whose state is the published one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .checkpoint import Layout

RowDim, RowObj, Row = Float[Tensor, "row dim"], Float[Tensor, "row obj"], Float[Tensor, " row"]


class Gating(nn.Module):
    """Weights per prompt: logit_scale · softmax(MLP(x) / temperature) over objectives, the last axis."""

    def __init__(self, dim: int, hidden: Sequence[int], objectives: int, temperature: float):
        super().__init__()
        sizes = (dim, *hidden, objectives)
        self.layers = nn.ModuleList(nn.Linear(wide, out) for wide, out in zip(sizes, sizes[1:]))
        self.logit_scale, self.temperature = nn.Parameter(torch.ones(1)), temperature

    def forward(self, prompt: RowDim) -> RowObj:
        for layer in self.layers[:-1]:
            prompt = layer(prompt).relu()
        return self.logit_scale * torch.softmax(self.layers[-1](prompt) / self.temperature, dim=-1)


class Heads(nn.Module):
    """Rewards r = W h, weights g = gate(p), coefficients c = T g of the raw rewards: score = Σ_k g_k (r T)_k = Σ_j c_j r_j.

    float32 throughout, over a backbone of any type (ArmoRM, arXiv 2406.12845).
    """

    def __init__(self, layout: Layout):
        super().__init__()
        count = len(layout.names)
        self.regression_layer = nn.Linear(layout.dim, count, bias=False)
        self.register_buffer("reward_transform_matrix", torch.eye(count))
        self.gating = Gating(layout.dim, layout.hidden, count, layout.temperature)

    def forward(self, hidden: RowDim, prompt: RowDim) -> tuple[RowObj, RowObj, RowObj, Row]:
        """Rewards, gating, coefficients [row obj] and score [row]."""
        with torch.autocast(hidden.device.type, enabled=False):
            rewards, gating = self.regression_layer(hidden.float()), self.gating(prompt.float())
            coefficients = gating @ self.reward_transform_matrix.T
            return rewards, gating, coefficients, (rewards * coefficients).sum(dim=-1)
