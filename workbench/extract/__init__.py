"""Text → a study with features: batches planned on ids, computed here or by Ray, written shard by shard."""

from __future__ import annotations

from .estimate import Estimate, estimate
from .progress import ExtractProgress
from .run import extract
from .scoring import score_responses
from .texts import Backbone, Encoder, as_backbone

__all__ = ["Backbone", "Encoder", "Estimate", "ExtractProgress", "as_backbone", "estimate", "extract", "score_responses"]
