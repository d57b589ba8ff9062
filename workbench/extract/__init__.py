"""Text → a study with features: batches planned on ids, computed here or by Ray, written shard by shard."""

from __future__ import annotations

from .estimate import Estimate, estimate
from .progress import ExtractProgress
from .run import extract
from .texts import Encoder

__all__ = ["Encoder", "Estimate", "ExtractProgress", "estimate", "extract"]
