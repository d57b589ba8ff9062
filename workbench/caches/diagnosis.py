"""Whether a gate learned anything over objectives, or was trained over the wrong axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import WorkbenchError
from ..scalarize.base import Prompts
from ..scalarize.gate import SoftmaxGate

FLAT = 0.05  # of an equal share: what initial weights make of a prompt is less


@dataclass(frozen=True)
class GateDiagnosis:
    """What can be seen of a gate on prompts, and what it says.

    wrong_axis: it looks as one does that was trained over the two sides of a pair; between_prompts: how far the shares of an
    objective spread from prompt to prompt; between_objectives: how far mean shares spread from objective to objective (standard
    deviations, in units of an equal share 1 / K); last_bias: the largest bias of the last layer, in units of the largest that
    initial weights have; sentence: all of it in words, with what else it can be.
    """

    wrong_axis: bool
    between_prompts: float
    between_objectives: float
    last_bias: float
    sentence: str


def diagnose_gate(gate: SoftmaxGate, prompts: Prompts) -> GateDiagnosis:
    """Tell a gate that learned from one whose softmax ran over chosen and rejected, from its shares on some prompts [n d].

    The released stage 2 takes the softmax over axis 1 of [pair, 2, d] (ArmoRM, arXiv 2406.12845, code). Both rows are the same
    prompt, so every weight is logit_scale / 2 whatever the layers say, and adding a number to a logit on both sides changes
    nothing: the bias of the last layer gets no gradient and stays within ±1/√inputs, where it began, and with dropout the other
    layers only learn to make no difference. Applied over objectives, as it is meant, such a gate weighs everything alike on
    every prompt. A gate that was never trained looks the same. WorkbenchError for fewer than two prompts or active objectives.
    """
    shares, (weight, bias) = gate.shares(prompts)[:, gate.active], gate.layers[-1]
    count = shares.shape[1]
    if len(shares) < 2 or count < 2:
        raise WorkbenchError(f"{len(shares)} prompts and {count} objectives", where="gate", remedy="Nothing can differ: give two or more")
    between_prompts = float(shares.std(axis=0).mean() * count)
    between_objectives = float(shares.mean(axis=0).std() * count)
    last_bias = float(np.abs(bias[gate.active]).max() * weight.shape[1] ** 0.5)
    constant, alike, initial = between_prompts < FLAT, between_objectives < FLAT, last_bias <= 1
    seen = (f"shares spread by {between_prompts:.1%} of an equal share between prompts and by {between_objectives:.1%} between objectives; "
            f"the largest last bias is {last_bias:.2f} of the largest initial one")
    if constant and alike and initial:
        said = ("rows are constant and weigh every objective alike: trained over the wrong axis (the two sides of a pair) it would look "
                "like this; so would a gate that was never trained, hardly trained, or made uniform on purpose")
    elif constant and alike:
        said = "rows are constant and weigh every objective alike, yet the last bias was trained or set: a uniform gate, not the wrong axis"
    elif constant:
        said = ("rows are constant, but objectives differ: one set of weights for all prompts, as a global gate has, or one whose "
                "prompts tell it nothing; over the wrong axis no objective would stand out")
    else:
        said = "weights differ from prompt to prompt: it learned over objectives"
    return GateDiagnosis(constant and alike and initial, between_prompts, between_objectives, last_bias, f"{said} ({seen}).")
