"""Text → vectors; with `armorm`, the only place that imports transformers. No code of a checkpoint is ever run."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

from ..errors import WorkbenchError
from .causal import CausalBackbone
from .fetch import PACKAGES, model_folder, package_folder
from .rewards import ScalarReward
from .sentence import SentenceEncoder

__all__ = ["PACKAGES", "CausalBackbone", "ScalarReward", "SentenceEncoder", "load", "model_folder", "package_folder"]


def load(name: str | Path, **options) -> SentenceEncoder | CausalBackbone:
    """A backbone by name: an installed sentence encoder, a local folder, or a hub id; decoder models need a chat template.

    options: those of `CausalBackbone.load` or `SentenceEncoder.load`. WorkbenchError for a model that cannot be found or read.
    """
    kind = SentenceEncoder if _reads_both_ways(model_folder(name)) else CausalBackbone
    known = inspect.signature(kind.load).parameters
    if unknown := [option for option in options if option not in known]:
        what = "sentence encoder" if kind is SentenceEncoder else "decoder model"
        raise WorkbenchError(f"{name} is a {what}: it takes no {', '.join(unknown)}", remedy="Leave that out")
    return kind.load(name, **options)


def _reads_both_ways(folder: Path) -> bool:
    """Whether each token sees the whole text, as in encoders: then the mean of all tokens is read, not the last."""
    about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    known = any("Causal" in name or "RewardModel" in name or "SequenceClassification" in name for name in about.get("architectures") or ())
    return not known and about.get("model_type") in ("bert", "roberta", "xlm-roberta", "mpnet", "distilbert", "modernbert", "nomic_bert")
