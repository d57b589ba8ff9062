"""One update of a module: a batch, its gradients, AdamW. On a GPU the whole of it is captured once and replayed."""

from __future__ import annotations

import contextlib

import numpy as np
import torch

from ..errors import WorkbenchError
from .batches import Order, Table
from .bradley_terry import Tensors, cross_entropy

PIECE = 8e9  # rows × parameters between two looks at `cancel`: half a second on one core
WARM = 3  # updates before the capture, which also allocate what it will write to
QUEUE = 64  # replays sent ahead of the GPU before it is waited for
GAIN = 3e7  # rows × parameters of a step from which low precision pays on a CPU


class Batch:
    """Tables, supervision and weights of the pairs that a loop learns from, on its device."""

    def __init__(self, module, tensors, supervision, device: str):
        self.module, self.device = module, device
        self.plain = not hasattr(module, "heads")
        self.heads, self.orders = (1, 1) if self.plain else (module.heads, module.orders)
        self.tables = [Table(tensor, device) for tensor in tensors]
        self.supervision = supervision.tensors(device)
        self.shared = getattr(module, "shares_rows", None)
        self.number = torch.arange(self.orders, device=device)[:, None]

    def rows(self, index: torch.Tensor) -> tuple[list, dict]:
        """What the module reads of pairs [order n]: its tensors, and `place` where one of them comes once per distinct row."""
        if self.plain:
            return [table.take(index[0]) for table in self.tables], {}
        if self.shared is None or len(index) > 1 or not self.tables[self.shared].pays(index.shape[1]):
            return [table.take(index) for table in self.tables], {}
        once, place = self.tables[self.shared].once(index)
        return [once if number == self.shared else table.take(index) for number, table in enumerate(self.tables)], {"place": place}

    def margins(self, index: torch.Tensor) -> torch.Tensor:
        """Reward margins [head n] of pairs [order n], with the graph that autograd needs."""
        rows, how = self.rows(index)
        found = self.module(*rows, **how)
        return found[None] if self.plain else found

    def losses(self, margins: torch.Tensor, given: Tensors) -> torch.Tensor:
        """BCE [head n]; given: targets and margins of the pairs, [head n] too."""
        if self.plain:  # whose shape is the caller's own: [n] it must be
            return cross_entropy(margins[0], Tensors(given.target[0], given.margin[0], None))[None]
        return cross_entropy(margins, given)

    def given(self, index: torch.Tensor) -> Tensors:
        """Targets and margins [head n] of pairs [order n]; heads of one order stand next to each other, each with its own of `Stacked`."""
        both = (self.supervision.target, self.supervision.margin)
        return Tensors(*(self.weights(values, index) if values.ndim == 2 else self.by_head(values[index]) for values in both), None)

    def weights(self, table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """What each head has of pairs [order n] or [1 n], [head n]; table [pair head], so that those of a pair are read together."""
        return self.by_head(table.view(len(table), len(index), -1)[index, self.number[: len(index)]])

    def by_head(self, values: torch.Tensor) -> torch.Tensor:
        """[order n], or one for each head of an order [order n head], → [head n]."""
        values = values.mT if values.ndim == 3 else values[:, None].expand(-1, self.heads // len(values), -1)
        return values.reshape(self.heads, -1)


class Update:
    """Updates of a module, one after another; the batches and rates of a block of them are laid out beforehand."""

    def __init__(self, batch: Batch, weight: torch.Tensor, orders: list[Order], groups: list[dict], block: int, low: bool, rule=None):
        self.batch, self.weight, self.module, self.device, self.orders = batch, weight, batch.module, batch.device, orders
        self.cuda = self.device.startswith("cuda")
        rates = [group.pop("rate") for group in groups]
        self.rates = torch.tensor(rates, dtype=torch.float32)
        for group in groups:  # a rate that stands on the device can change without a new capture
            group["lr"] = torch.zeros((), device=self.device) if self.cuda else 0.0
        self.optimizer = torch.optim.AdamW(groups, fused=not self.device.startswith("mps"), capturable=self.cuda)
        size = sum(parameter.numel() for parameter in self.module.parameters())
        self.piece = orders[0].size if self.cuda else max(32, int(PIECE / max(size, 1)))
        self.index = torch.zeros((len(orders), block, orders[0].size), dtype=torch.int64, device=self.device)
        self.steepness = torch.zeros((block, len(rates)), device=self.device)
        self.loss = torch.zeros(block, device=self.device)
        self.at = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.low, self.graph, self.done = low, None, 0
        self.rule = None if rule is None else rule.fresh(self.module)
        if hasattr(self.module, "learn"):
            self.module.low = torch.bfloat16 if low else torch.float32

    def lay_out(self, begin: int, count: int, steps: int) -> None:
        """Batches and cosine rates of the updates begin … begin + count − 1."""
        cosine = 0.5 * (1 + np.cos(np.pi * np.arange(begin, begin + count) / steps))
        self.steepness[:count] = torch.tensor(cosine, dtype=torch.float32)[:, None] * self.rates
        self.index[:, :count] = torch.stack([order.block(count) for order in self.orders])
        self.at.zero_()

    def __call__(self, cancelled) -> bool:
        """The next update; False where it was cancelled before it was whole, which leaves the weights as they were."""
        self.done += 1
        if not self.cuda or self.batch.plain or self.rule is not None:
            return self._update(cancelled)
        if self.graph is None and self.done > WARM:
            self.graph = self._captured()
        if self.graph is None:
            return self._aside(cancelled)
        self.graph.replay()
        if self.done % QUEUE == 0:
            torch.cuda.synchronize(self.device)
        return True

    def mean_loss(self, count: int) -> float:
        return float(self.loss[:count].mean())

    def _update(self, cancelled=lambda: False) -> bool:
        index = self.index.index_select(1, self.at).squeeze(1)
        weight = self.batch.weights(self.weight, index)
        weight = weight / weight.sum(1, keepdim=True).clamp_min(1e-12)
        total, pieces = torch.zeros((), device=self.device), -(-index.shape[1] // self.piece)
        with contextlib.nullcontext() if self.rule is None else self.rule.moved(self.module):
            for number, (part, share) in enumerate(zip(index.tensor_split(pieces, dim=1), weight.tensor_split(pieces, dim=1))):
                if number and cancelled():
                    return False
                total += self._gradients(part, share, number == 0)
        rates = self.steepness.index_select(0, self.at)[0]
        for group, rate in zip(self.optimizer.param_groups, rates if self.cuda else rates.tolist()):
            if self.cuda:
                group["lr"].copy_(rate)
            else:
                group["lr"] = rate
        self.optimizer.step()
        self.loss.index_copy_(0, self.at, total[None])
        self.at += 1
        return True

    def _gradients(self, part: torch.Tensor, share: torch.Tensor, first: bool) -> torch.Tensor:
        """Gradients of Σ share · BCE over some pairs, share [head pair] of the batch's weight, and of what else the module
        asks for; returns the mean of the BCE over heads."""
        given, kept = self.batch.given(part), []

        def slope(margins):
            kept.append((share * self.batch.losses(margins, given)).sum(1).mean())
            return share * (torch.sigmoid(margins - given.margin) - given.target)

        if hasattr(self.module, "learn"):
            rows, how = self.batch.rows(part)
            self.module.learn(slope, *rows, first=first, **how)
            return kept[0]
        if first:
            self.optimizer.zero_grad(set_to_none=True)
        rows, how = self.batch.rows(part)
        more = [self.module.penalty().sum()] if first and hasattr(self.module, "penalty") else []
        with lowered(self.device, self.low):
            margins = self.module(*rows, **how)
            if hasattr(self.module, "auxiliary"):  # of the same tensors, so that it may keep the forward pass
                more.append(self.module.auxiliary(*rows, **how) * (part.shape[1] / self.index.shape[2]))
        margins = margins[None] if self.batch.plain else margins
        slopes = slope(margins.detach().float()).to(margins.dtype)
        torch.autograd.backward([margins, *more], [slopes, *[None for _ in more]])
        return kept[0]

    def _aside(self, cancelled) -> bool:
        """An update on a stream of its own, as a capture wants the first ones."""
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            whole = self._update(cancelled)
        torch.cuda.current_stream(self.device).wait_stream(stream)
        return whole

    def _captured(self):
        graph = torch.cuda.CUDAGraph()
        if (random := getattr(self.module, "random", None)) is not None:
            graph.register_generator_state(random)
        stream = torch.cuda.Stream(self.device)  # its own: the shared one stands on whatever device came first
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):  # a notebook has other threads
            self._update()
        return graph


def lowered(device: str, low: bool):
    """Autograd's products in bfloat16 where `low`."""
    return torch.autocast(device.split(":")[0], torch.bfloat16) if low else contextlib.nullcontext()


def is_low(precision: str, device: str, work: float, by_hand: bool) -> bool:
    """Whether products run in bfloat16. "auto": where the device multiplies it natively and a step (rows × parameters) is large
    enough to gain, and the module brings its own gradients; WorkbenchError for an unknown precision."""
    if precision not in ("auto", "float32", "bfloat16"):
        raise WorkbenchError(f"precision {precision!r}", remedy='Use "auto", "float32" or "bfloat16"')
    if precision != "auto":
        return precision == "bfloat16"
    if device.startswith("cuda"):
        return by_hand and torch.cuda.is_bf16_supported(including_emulation=False)
    return by_hand and device == "cpu" and work >= GAIN and multiplies_bfloat16()


def multiplies_bfloat16() -> bool:
    """Whether this processor has bfloat16 products of its own."""
    able = getattr(torch.cpu, "get_capabilities", dict)()  # older versions do not say
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))
