"""Gates as one torch module with gradients written by hand, for training only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

Rows, RowObj = Float[Tensor, "order row dim"], Float[Tensor, "head row obj"]
Gaps, HeadPair = Float[Tensor, "order pair obj"], Float[Tensor, "head pair"]
Place = Integer[Tensor, "pair"] | None

FLOOR = 0.02  # least share at the start: a softmax hardly grows out of 0
DAMP = 0.1  # how much of the last layer's random weights is left, so that prompts begin almost alike


class Layer(nn.Module):
    """weight [head out in] and bias [head 1 out], drawn uniformly within 1/√in, each head from its own seed."""

    def __init__(self, wide: int, out: int, draws: Sequence[np.random.Generator]):
        super().__init__()
        bound = wide**-0.5
        drawn = [[rng.uniform(-bound, bound, shape).astype(np.float32) for shape in ((out, wide), (1, out))] for rng in draws]
        self.weight, self.bias = (nn.Parameter(torch.from_numpy(np.stack(part))) for part in zip(*drawn))


class GateNetwork(nn.Module):
    """H gates side by side: prompts and score gaps → reward margins β Σ_k softmax(MLP(x) / temperature)_k Δr'_k.

    Head h reads the batches of order h. forward is what autograd sees; `learn` gives the same gradients by hand, in one
    pass over the layers and with products in `low` (the weights stay float32, the last layer too). A batch may give each
    distinct prompt once, with `place` [pair] saying which one a pair has.
    """

    shares_rows = 0  # the tensor that may come once per distinct row

    def __init__(self, dim: int, hidden: Sequence[int], active: np.ndarray, temperature: float, dropout: float,
                 scale: float | Sequence[float], seed: int | Sequence[int]):
        super().__init__()
        self.seeds = [seed] if np.ndim(seed) == 0 else list(seed)
        self.heads = self.orders = len(self.seeds)
        sizes, draws = [dim, *hidden, len(active)], [np.random.default_rng([one, 4]) for one in self.seeds]
        self.layers = nn.ModuleList(Layer(wide, out, draws) for wide, out in zip(sizes, sizes[1:]))
        self.log_scale = nn.Parameter(torch.from_numpy(np.log(np.broadcast_to(scale, self.heads)).astype(np.float32)))
        self.register_buffer("closed", torch.from_numpy(~active))
        self.temperature, self.dropout, self.low = temperature, dropout, torch.float32
        self.random: torch.Generator | None = None  # dropout's own, so that another thread's draws change nothing

    def begin_at(self, head: int, weights: np.ndarray) -> None:
        """Start a head near one set of weights [obj] for every prompt: their shares as biases, their sum as scale."""
        shares = np.maximum(weights / weights.sum(), FLOOR)
        with torch.no_grad():
            last = self.layers[-1]
            last.weight[head].mul_(DAMP)
            last.bias[head, 0].copy_(torch.from_numpy(self.temperature * np.log(shares)).float())
            self.log_scale[head] = float(np.log(weights.sum()))

    def begin_from(self, head: int, layers: Sequence[tuple[np.ndarray, np.ndarray]], scale: float) -> None:
        """Start a head from trained layers, weight [out in] and bias [out] each."""
        with torch.no_grad():
            for layer, (weight, bias) in zip(self.layers, layers):
                layer.weight[head].copy_(torch.from_numpy(weight))
                layer.bias[head, 0].copy_(torch.from_numpy(bias))
            self.log_scale[head] = float(np.log(scale))

    def shares(self, prompt: Rows) -> RowObj:
        return self._shares(self._climb(prompt)[0][-1])

    def forward(self, prompt: Rows, gaps: Gaps, place: Place = None) -> HeadPair:
        shares = self.shares(prompt)
        shares = shares if place is None else shares[:, place]
        return self.log_scale.exp()[:, None] * (shares * gaps).sum(-1)

    @torch.no_grad()
    def learn(self, slope: Callable[[Tensor], Tensor], prompt: Rows, gaps: Gaps, place: Place = None, *, first: bool = True) -> None:
        """Put the gradients into `.grad` (first) or add them; slope: reward margins [head pair] → d loss / d margin."""
        outputs, weights = self._climb(prompt)
        shares = self._shares(outputs[-1])
        picked = shares if place is None else shares[:, place]
        plain = (picked * gaps).sum(-1)
        scaled = self.log_scale.exp()[:, None] * plain
        fall = slope(scaled)
        _put(self.log_scale, (fall * scaled).sum(1), first)
        factor = fall * self.log_scale.exp()[:, None] / self.temperature
        gradient = picked * (gaps - plain[..., None]) * factor[..., None]  # of the logits before the temperature
        if place is not None:
            gradient = torch.zeros_like(shares).index_add_(1, place, gradient)
        weights.append(self.layers[-1].weight)
        for depth in range(len(self.layers) - 1, -1, -1):
            layer, below = self.layers[depth], outputs[depth]
            _put(layer.weight, torch.bmm(gradient.mT, below.to(gradient.dtype)), first)
            _put(layer.bias, gradient.sum(1, keepdim=True), first)
            if depth:
                gradient = torch.bmm(gradient, weights[depth]).to(self.low)
                gradient = torch.ops.aten.threshold_backward(gradient, below, 0)  # 0 where ReLU or dropout closed it
                if self.training and self.dropout:
                    gradient = gradient / (1 - self.dropout)

    def _climb(self, prompt: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """What goes into each layer, the prompt first, and the weights of all but the last, in low precision."""
        outputs = [prompt.to(self.low).expand(self.heads, -1, -1)]
        weights = [layer.weight.to(self.low) for layer in self.layers[:-1]]
        for weight, layer in zip(weights, self.layers):
            above = torch.baddbmm(layer.bias.to(self.low), outputs[-1], weight.mT)
            outputs.append(self._dropped(above.relu() if torch.is_grad_enabled() else above.relu_()))
        return outputs, weights

    def _shares(self, hidden: Tensor) -> Tensor:
        last = self.layers[-1]
        logits = torch.baddbmm(last.bias, hidden.float(), last.weight.mT) / self.temperature
        logits = logits.masked_fill(self.closed, -torch.inf)
        raised = (logits - logits.detach().amax(-1, keepdim=True)).exp()  # on so few objectives a third of softmax's time
        return raised / raised.sum(-1, keepdim=True)

    def _dropped(self, hidden: Tensor) -> Tensor:
        if not self.training or self.dropout == 0:
            return hidden
        if self.random is None or self.random.device != hidden.device:
            self.random = torch.Generator(hidden.device).manual_seed(self.seeds[0])
        kept = torch.rand(hidden.shape, generator=self.random, device=hidden.device) >= self.dropout
        return hidden * kept / (1 - self.dropout)


def _put(parameter: nn.Parameter, gradient: Tensor, first: bool) -> None:
    """Into memory that stays where it is: fresh tensors of this size cost page faults, and a captured step needs addresses."""
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    if first:
        parameter.grad.copy_(gradient)
    else:
        parameter.grad.add_(gradient)
