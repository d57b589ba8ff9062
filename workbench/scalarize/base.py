"""How scores become one reward: the protocols, and what every gate shares."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from ..axes import PairDim, PairObj, PairSide
from ..errors import WorkbenchError, listing
from ..rows import Repeated
from ..scores import Scores

Prompts = PairDim | Float[Repeated, "pair dim"]  # prompt features, one row per pair


@runtime_checkable
class Scalarizer(Protocol):
    """Scores and prompts → rewards [pair side]."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def __call__(self, scores: Scores, prompt: Prompts | None = None) -> PairSide: ...


@runtime_checkable
class Gate(Scalarizer, Protocol):
    """A scalarizer that is linear in the scores: reward = Σ_k weights_k r'_k.

    weights(prompt) [pair obj] ≥ 0, rows sum to logit_scale; shares(prompt) the same divided by it. `state()` holds arrays
    only, `from_state(state, names)` undoes it. A gate that does not read the prompt takes any array of the right length.
    """

    @property
    def logit_scale(self) -> float: ...

    def weights(self, prompt: Prompts) -> PairObj: ...

    def shares(self, prompt: Prompts) -> PairObj: ...

    def state(self) -> dict[str, np.ndarray]: ...


def aligned(scores: Scores, names: tuple[str, ...]) -> Scores:
    """The scores with their objectives in the gate's order; WorkbenchError unless they are the same objectives."""
    if scores.names == names:
        return scores
    missing, extra = [n for n in names if n not in scores.names], [n for n in scores.names if n not in names]
    if missing or extra:
        said = [f"lack {listing(missing)}"] * bool(missing) + [f"have {listing(extra)}, which it does not know"] * bool(extra)
        raise WorkbenchError(f"these scores are not the gate's: they {' and '.join(said)}", remedy="Use scores.select(gate.names)")
    return scores.select(names)


def rewards(weights: PairObj, scores: Scores) -> PairSide:
    """Σ_k weights_k r'_k of both sides."""
    if len(weights) != len(scores):
        raise WorkbenchError(f"{len(weights)} prompts beside {len(scores)} pairs of scores", remedy="One prompt row per pair")
    return np.einsum("pk,psk->ps", weights, scores.values.astype(np.float64, copy=False))


def active_mask(names: tuple[str, ...], active) -> np.ndarray:
    """[obj] bool from the names of the active objectives; None means all."""
    if active is None:
        return np.ones(len(names), bool)
    unknown = [name for name in active if name not in names]
    if unknown:
        raise WorkbenchError(f"unknown objective {listing(unknown)}", remedy=f"Known: {', '.join(names)}")
    mask = np.array([name in set(active) for name in names])
    if not mask.any():
        raise WorkbenchError("no objective is active", remedy="Keep at least one")
    return mask
