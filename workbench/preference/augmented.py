"""Feature-dropout contrastive heads: on cached features dropout of the features is the only augmentation that is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import WorkbenchError
from ..features import Features
from ..rows import Repeated
from .answers import Answers
from .bradley_terry import Supervision
from .data import hold_out
from .fit import fit
from .heads import BradleyTerryHead, HeadStack, responses, teaching


@dataclass(frozen=True, eq=False)
class ContrastiveHead(BradleyTerryHead):
    """A reward head on frozen features whose hidden layers also learned L_cl between two feature-dropout views (arXiv 2401.06080 §3).

    Reads features as any `BradleyTerryHead`, without dropout. method, on, beta: of L_cl, None and 0 for a head without it.
    """

    method: str | None = None
    on: str = "pairs"
    beta: float = 0.0

    @classmethod
    def fit(cls, features: Features | Repeated, *, method: str | None = "simcse", on: str = "pairs", beta: float | None = None,
            hidden: Sequence[int] = (64,), dropout: float = 0.05, temperature: float | None = None, prototypes: int | None = None,
            epsilon: float = 0.05, iterations: int = 3, decay: float = 0.1, groups=None, supervision: Supervision | None = None,
            steps: int = 400, batch_size: int = 512, lr: float = 3e-3, held_out: float = 0.2, every: int = 20, patience: int | None = 6,
            seed: int = 0, device: str = "auto", progress: Callable | None = None, cancel=None,
            label: str = "feature-dropout contrastive head") -> ContrastiveHead:
        """Fit feature dropout and an MLP by L_rm + β L_cl on features of pairs, response [pair side dim], in float32.

        method "simcse" or "swav", on "pairs" or "differences", beta, prototypes, temperature, epsilon, iterations: as in
        `contrastive.Contrastive`; method=None trains the same head by L_rm alone, the fair comparison. The representation is
        the last hidden layer. dropout: share of the standardised features that a view is without; decay: L2 penalty
        decay/2 · |weights|². Groups, held-out families, whose loss is L_rm alone and by which the best state is kept,
        masks, and supervision as in `BradleyTerryHead.fit`. Raises WorkbenchError as that does, and for no hidden layer, no
        dropout beside a method, pairs that differ in nothing, and what `Contrastive` refuses.
        """
        from .contrastive import FeatureNetwork

        if not hidden or min(hidden) < 1 or not decay >= 0:
            raise WorkbenchError(f"hidden layers {list(hidden)}, decay {decay}", where=label,
                                 remedy="A representation needs one layer at least, a penalty is 0 or more; BradleyTerryHead can be linear")
        taught = teaching(features, supervision)
        answers = Answers.laid_out(responses(features), taught.weight > 0, hidden=hidden, heads=1, batch_size=batch_size, device=device,
                                   precision="float32").told_apart(label)
        network = FeatureNetwork(answers.table.shape[-1], hidden, dropout=dropout, decay=decay, seed=seed, method=method, on=on, beta=beta,
                                 temperature=temperature, prototypes=prototypes, epsilon=epsilon, iterations=iterations)
        report = fit(network, [answers.table], taught, steps=steps, batch_size=batch_size, lr=lr, groups=groups,
                     held_out=hold_out(groups, len(taught), held_out, seed), every=every, patience=patience, seed=seed, device=device,
                     precision="float32", progress=progress, cancel=cancel, label=label)
        heads = HeadStack(*network.layers(), answers.centre, answers.spread, report)
        return cls(heads, float(decay), {float(decay): report.head_losses[0]}, report, method, on, network.beta)
