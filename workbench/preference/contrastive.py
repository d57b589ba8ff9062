"""Contrastive losses beside the preference loss (arXiv 2401.06080 §3): two dropout views of an answer should agree.

The paper names methods and weights β but no temperature and no constants of the codes: those here are the ones that SimCSE
(arXiv 2104.08821) and SwAV (arXiv 2006.09882) were published with. There is no queue of earlier batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, normalize

from ..errors import WorkbenchError
from .data import derived

BETA = {("simcse", "pairs"): 1.0, ("simcse", "differences"): 1.0, ("swav", "pairs"): 0.1, ("swav", "differences"): 0.5}
PROTOTYPES, TEMPERATURE = {"pairs": 50, "differences": 20}, {"simcse": 0.05, "swav": 0.1}


def simcse(first: Float[Tensor, "n width"], second: Float[Tensor, "n width"], *, temperature: float = 0.05) -> Float[Tensor, ""]:
    """Mean of −log exp(sim(h_i, h'_i) / τ) / Σ_j exp(sim(h_i, h'_j) / τ) over two views h, h' [n width]; sim is the cosine.

    Zero for n = 1, which has nothing to be told apart from. Raises WorkbenchError for views of unequal shape and τ ≤ 0.
    """
    _alike(first, second)
    alike = normalize(first, dim=1) @ normalize(second, dim=1).T / _positive("temperature", temperature)
    return cross_entropy(alike, torch.arange(len(alike), device=alike.device))


@torch.no_grad()
def sinkhorn(scores: Float[Tensor, "n k"], *, epsilon: float = 0.05, iterations: int = 3) -> Float[Tensor, "n k"]:
    """Codes [n k] of scores [n k]: exp(scores / ε), its columns and then its rows evened out in turn. No gradient.

    A row sums to 1, and the more iterations, the nearer a column to n / k: each prototype gets its share of the batch. Raises
    WorkbenchError for ε ≤ 0 and fewer than one iteration.
    """
    if iterations < 1:
        raise WorkbenchError(f"{iterations} Sinkhorn iterations", remedy="Take one or more, for example 3")
    logs = scores / _positive("epsilon", epsilon)  # exp(1 / ε) of a small ε would overflow
    for _ in range(iterations):
        logs = log_softmax(log_softmax(logs, dim=0), dim=1)
    return logs.exp()


def swav(first: Float[Tensor, "n width"], second: Float[Tensor, "n width"], prototypes: Float[Tensor, "k width"], *,
         temperature: float = 0.1, epsilon: float = 0.05, iterations: int = 3) -> Float[Tensor, ""]:
    """Mean of ℓ(h, q') + ℓ(h', q) over two views h, h' [n width]: each predicts the code of the other among the prototypes.

    ℓ(h, q) = −Σ_k q_k log softmax_k(zᵀc / τ), z and c [k width] of unit length; codes by `sinkhorn` of zᵀc. Raises
    WorkbenchError for views of unequal shape, prototypes of another width, and τ or ε ≤ 0.
    """
    _alike(first, second, prototypes)
    unit = normalize(prototypes, dim=1)
    scores = [normalize(view, dim=1) @ unit.T for view in (first, second)]
    codes = [sinkhorn(score, epsilon=epsilon, iterations=iterations) for score in reversed(scores)]
    told = [log_softmax(score / _positive("temperature", temperature), dim=1) for score in scores]
    return -sum((code * log).sum(1).mean() for code, log in zip(codes, told))


class Contrastive(nn.Module):
    """A reward model for `fit` that learns L_rm + β L_cl: a trunk, a linear reward without bias, two dropout views of a batch.

    trunk: what is read of answers, [m …] each → representations [m width], with dropout, the paper's augmentation (0.05).
    forward: the same of pairs, [n side …] each → reward margins [n]. method: "simcse" or "swav", None learns L_rm alone;
    on: "pairs", H = all answers of the batch, or "differences", H = h(chosen) − h(rejected). beta and prototypes are the
    paper's for None: β 1 for SimCSE, 0.1 with 50 prototypes for SwAV, on differences 0.5 with 20; temperature as in `simcse`
    and `swav`. seed: of the prototypes and, where a trunk draws from torch's own generator, of each pass, after which that
    generator stands where it stood. Raises WorkbenchError for unknown methods, numbers out of range, and a trunk in which
    nothing drops: its views would be one.
    """

    def __init__(self, trunk: nn.Module, width: int, *, method: str | None = "simcse", on: str = "pairs", beta: float | None = None,
                 prototypes: int | None = None, temperature: float | None = None, epsilon: float = 0.05, iterations: int = 3,
                 seed: int = 0):
        super().__init__()
        self.method, self.on, self.beta = method, on, _beta(method, on, beta)
        dropping = [module for module in trunk.modules() if _drops(module)]
        if method is not None and not dropping:
            raise WorkbenchError("nothing drops in this trunk, so both views of an answer would be the same", where=method,
                                 remedy="Give it dropout, 0.05 is the paper's, or method=None")
        if prototypes is not None and (method != "swav" or prototypes < 2):
            raise WorkbenchError(f"{prototypes} prototypes for method {method!r}", remedy='"swav" takes two or more, others take none')
        self.trunk, self.width, self.seed, self.passes = trunk, width, seed, 0
        self.draws_own = all(isinstance(module, FeatureDropout) for module in dropping)
        self.weight = nn.Parameter(torch.zeros(width))  # rewards start at zero
        self.how = {"temperature": _positive("temperature", TEMPERATURE.get(method, 1.0) if temperature is None else temperature)}
        if method == "swav":
            drawn = np.random.default_rng([seed, 9]).normal(size=(prototypes or PROTOTYPES[on], width))
            self.prototypes = nn.Parameter(normalize(torch.tensor(drawn, dtype=torch.float32), dim=1))
            self.how |= {"epsilon": epsilon, "iterations": iterations}
        self._kept: tuple[Sequence[Tensor], Tensor] | None = None

    def rewards(self, *answers: Tensor) -> Float[Tensor, " m"]:
        """Rewards of single answers, [m …] each."""
        return self._read(answers) @ self.weight

    def forward(self, *rows: Tensor) -> Float[Tensor, " n"]:
        both = self._both(rows)
        keep = self.training and self.beta and torch.is_grad_enabled()
        self._kept = (rows, both) if keep else None  # the first of the two views
        rewards = both @ self.weight
        return rewards[:, 0] - rewards[:, 1]

    def auxiliary(self, *rows: Tensor) -> Float[Tensor, ""]:
        """β L_cl of pairs, [n side …] each; the pass of a forward on the same tensors just before is one of the views."""
        kept, self._kept = self._kept, None
        if not self.beta:
            return 0.0 * self.weight.sum()  # without a pass: dropout then draws as if there were no auxiliary loss
        if not self.training:
            raise WorkbenchError("two views of a module that is not in training would be the same", where=self.method,
                                 remedy="Call train() first")
        ours = kept is not None and all(one is other for one, other in zip(kept[0], rows, strict=True))
        views = [kept[1] if ours else self._both(rows), self._both(rows)]
        views = [view[:, 0] - view[:, 1] if self.on == "differences" else view.flatten(0, 1) for view in views]
        with torch.autocast(views[0].device.type, enabled=False):  # cosines over so low a temperature want float32
            views = [view.float() for view in views]
            return self.beta * (simcse(*views, **self.how) if self.method == "simcse" else swav(*views, self.prototypes, **self.how))

    def _both(self, rows: Sequence[Tensor]) -> Tensor:
        """Representations [n side width] of pairs."""
        if uneven := [list(row.shape) for row in rows if row.ndim < 2 or row.shape[1] != 2]:
            raise WorkbenchError(f"pairs have shape {uneven[0]}", where="contrastive", remedy="Both answers of each pair: [pair, 2, …]")
        return self._read([row.flatten(0, 1) for row in rows]).unflatten(0, (-1, 2))

    def _read(self, answers: Sequence[Tensor]) -> Tensor:
        """Representations [m width] of answers, in training another view each time."""
        self.passes += self.training
        place = answers[0].device
        with nullcontext() if self.draws_own or not self.training else _from_seed(place, derived(self.seed, self.passes)):
            found = self.trunk(*answers)
        if found.shape != (wanted := (len(answers[0]), self.width)):
            raise WorkbenchError(f"the trunk gives {list(found.shape)} for {wanted[0]} answers", where="contrastive",
                                 remedy=f"Wanted one representation of width {self.width} per answer: {list(wanted)}")
        return found


class FeatureDropout(nn.Module):
    """Features without a share of them, another in each pass of a training; those that stay are scaled up by 1 / (1 − share).

    Draws from a generator of its own, so that another thread's draws change nothing. WorkbenchError for a share outside [0, 1).
    """

    def __init__(self, dropout: float, seed: int):
        super().__init__()
        if not 0 <= dropout < 1:
            raise WorkbenchError(f"feature dropout {dropout}", remedy="Give a share from 0 up to 1, 0.05 is the paper's")
        self.dropout, self.seed = float(dropout), seed
        self.random: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.dropout:
            return x
        if self.random is None or self.random.device != x.device:
            self.random = torch.Generator(x.device).manual_seed(self.seed)
        kept = torch.rand(x.shape, generator=self.random, device=x.device) >= self.dropout
        return x * kept / (1 - self.dropout)


class FeatureNetwork(Contrastive):
    """`Contrastive` on standardised features [n side dim]: feature dropout, an MLP with ReLU whose last layer is the representation.

    Begins as a `network.Heads` of one head of this seed does; decay: L2 penalty decay/2 · |weights|².
    """

    def __init__(self, dim: int, hidden: Sequence[int], *, dropout: float, decay: float, seed: int, **how):
        rng, layers = np.random.default_rng([seed, 5]), [FeatureDropout(dropout, derived(seed, 9))]
        for wide, out in zip([dim, *hidden], hidden):
            layers += [_linear(wide, out, rng), nn.ReLU()]
        super().__init__(nn.Sequential(*layers), hidden[-1], seed=seed, **how)
        self.decay = decay

    def penalty(self) -> Float[Tensor, ""]:
        return self.decay / 2 * sum(part.square().sum() for name, part in self.named_parameters() if name.endswith("weight"))

    def layers(self) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        """Weights [1 in out] and biases [1 1 out] of each layer, the reward's last: what a `HeadStack` of one holds."""
        linear = [layer for layer in self.trunk if isinstance(layer, nn.Linear)]
        weights = [*(layer.weight.detach().numpy().T[None].copy() for layer in linear), self.weight.detach().numpy()[None, :, None].copy()]
        return tuple(weights), tuple(layer.bias.detach().numpy()[None, None].copy() for layer in linear)


def _linear(wide: int, out: int, rng: np.random.Generator) -> nn.Linear:
    layer = nn.utils.skip_init(nn.Linear, wide, out)  # draws nothing from torch's own generator
    with torch.no_grad():
        for part, shape in ((layer.weight, (out, wide)), (layer.bias, (out, 1))):
            part.copy_(torch.from_numpy(rng.uniform(-(wide**-0.5), wide**-0.5, shape)).view_as(part))
    return layer


def _beta(method: str | None, on: str, beta: float | None) -> float:
    """The weight of the auxiliary loss: the paper's for None."""
    if on not in PROTOTYPES or method not in (*TEMPERATURE, None):
        raise WorkbenchError(f"method {method!r} on {on!r}", where="contrastive",
                             remedy='Use "simcse", "swav" or None, on "pairs" or "differences"')
    if beta is not None and not 0 <= beta < math.inf:
        raise WorkbenchError(f"beta {beta}", where="contrastive", remedy="Give the weight of the auxiliary loss, from 0 up")
    if method is None:
        return 0.0
    return BETA[method, on] if beta is None else beta


def _drops(module: nn.Module) -> bool:
    """Whether something of a module is dropped in training: nn.Dropout has its share as p, others have some attribute dropout."""
    shares = {name: value for name, value in vars(module).items() if isinstance(value, float) and value > 0}
    return any("drop" in name.lower() for name in shares) or ("p" in shares and "drop" in type(module).__name__.lower())


@contextmanager
def _from_seed(place: torch.device, seed: int) -> Iterator[None]:
    """Inside, torch's own generator of a device begins at a seed; afterwards it stands where it stood."""
    kind = {"cuda": torch.cuda, "mps": torch.mps}.get(place.type, torch.random)
    where = [place] if place.type == "cuda" else []
    before = kind.get_rng_state(*where)
    kind.set_rng_state(torch.Generator(place).manual_seed(seed).get_state(), *where)
    try:
        yield
    finally:
        kind.set_rng_state(before, *where)


def _alike(first: Tensor, second: Tensor, prototypes: Tensor | None = None) -> None:
    if first.ndim != 2 or first.shape != second.shape or not len(first):
        raise WorkbenchError(f"two views of shapes {list(first.shape)} and {list(second.shape)}", where="contrastive",
                             remedy="The same representations twice: [n, width]")
    if prototypes is not None and (prototypes.ndim != 2 or prototypes.shape[1] != first.shape[1]):
        raise WorkbenchError(f"prototypes of shape {list(prototypes.shape)} for views of width {first.shape[1]}", where="contrastive",
                             remedy="One row per prototype, of the width of a representation")


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise WorkbenchError(f"{name} {value}", where="contrastive", remedy="It must be positive")
    return value
