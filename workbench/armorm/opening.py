"""A model by name, whatever it is: its backbone, and where it is a reward model with a gate, that model."""

from __future__ import annotations

from pathlib import Path

from .. import backbone
from ..model import RewardModel
from .checkpoint import is_gated


def open_model(name: str | Path, **options) -> tuple[backbone.CausalBackbone | backbone.SentenceEncoder, RewardModel | None]:
    """The backbone to `extract` with, and the `RewardModel` to keep with the study: None unless `name` is in ArmoRM's layout.

    name: an installed model, a folder or a hub id; options: of `CausalBackbone.load` or `SentenceEncoder.load`.
    """
    if not is_gated(backbone.model_folder(name)):
        return backbone.load(name, **options), None
    from .model import ArmoRM

    found = ArmoRM.from_pretrained(name, **options)
    return found.backbone, found.reward_model()
