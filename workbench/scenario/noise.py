"""NoiseSpec: labels turned round on purpose, as a controlled axis of an experiment."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_serializer

from ..axes import CHOSEN, REJECTED, PairMask, PairSide
from ..errors import WorkbenchError
from .values import Frozen

FOLLOWS = ("chance", "length")
WIDTH, MOST = 20.0, 0.98  # words over which a length-following flip becomes likely; the chance that no label exceeds
SPLIT = {"train": 0, "dev": 1, "test": 2}


class NoiseSpec(Frozen):
    """Turn a share `rate` of the labels round: by "chance" alike, or where the chosen answer is the shorter one ("length").

    Length-following flips have chances rising as 1 − exp(−words / 20) with how many words shorter it is, none above 0.98:
    an ensemble that shares the preference agrees with them.
    """

    rate: Annotated[float, Field(gt=0, lt=1)]
    follows: Literal[FOLLOWS] = "chance"
    seed: int = Field(0, ge=0)

    @model_serializer(mode="wrap")
    def _bare(self, handler) -> dict:
        fields = type(self).model_fields
        return {name: value for name, value in handler(self).items() if name == "rate" or value != fields[name].default}

    @property
    def words(self) -> str:
        """In words: "20 % of labels turned round on purpose, following length"."""
        by = "" if self.follows == "chance" else ", following length"
        return f"{100 * self.rate:.4g} % of labels turned round on purpose{by}"


def turned(noise: NoiseSpec, pairs: int, length: PairSide | None, split: str = "train") -> PairMask:
    """Mask [pair] of the labels that are turned round. length [pair side] in words.

    Raises WorkbenchError where length is not known, and for a rate that length cannot reach.
    """
    chance = np.full(pairs, noise.rate)
    if noise.follows == "length":
        if length is None:
            raise WorkbenchError("noise that follows length, and no length is known", where="labels, noise", remedy='Take follows="chance"')
        shorter = np.maximum(length[:, REJECTED] - length[:, CHOSEN], 0.0)
        chance = _scaled(1.0 - np.exp(-shorter / WIDTH), noise.rate)
    return np.random.default_rng([noise.seed, SPLIT[split], 11]).uniform(size=pairs) < chance


def _scaled(chance: np.ndarray, rate: float) -> np.ndarray:
    """Chances multiplied so that their mean is the rate, none above MOST."""
    reach = MOST * float((chance > 0).mean())
    if rate > reach:
        raise WorkbenchError(f"{100 * rate:g} % of labels cannot follow length", where="labels, noise",
                             remedy=f"The chosen answer is the shorter one too seldom: at most {100 * reach:.3g} % can be turned")
    low, high = 0.0, MOST / chance[chance > 0].min()
    for _ in range(200):  # the mean of the clipped chances rises with the factor
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(MOST, middle * chance).mean() < rate else (low, middle)
    return np.minimum(MOST, high * chance)
