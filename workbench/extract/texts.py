"""What extraction asks of a backbone, and plain encoders of texts made into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..backbone.conversations import Group, Work, text_groups
from ..backbone.trees import buckets

BATCH_TOKENS = 16_384  # of texts handed over together: the encoder sorts them by length again


@runtime_checkable
class Encoder(Protocol):
    """One vector per text: `backbone.SentenceEncoder`, or anything like it."""

    name: str
    dim: int
    max_tokens: int
    fingerprint: str

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...
    def token_counts(self, texts: Sequence[str]) -> np.ndarray: ...


@runtime_checkable
class Backbone(Protocol):
    """Prompts and answers → vectors, planned first and computed batch by batch: `backbone.CausalBackbone`, or `Texts`.

    identity: everything that the bytes depend on beside the texts; compose: what a probe reads (`features.compose`).
    plan: groups → batches and what has no vector; run(batch) → vectors [n dim] for the slots batch.slots.
    """

    name: str
    dim: int
    max_tokens: int
    fingerprint: str
    compose: tuple[str, ...]

    @property
    def identity(self) -> dict: ...
    def plan(self, groups: Sequence[Group]) -> Work: ...
    def run(self, batch: Any) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Texts that are encoded together, and whose vectors they are."""

    texts: tuple[str, ...]
    slots: np.ndarray
    tokens: int


@dataclass(frozen=True, eq=False)
class Texts:
    """An encoder that reads prompts and answers as texts, each by itself."""

    encoder: Encoder

    compose = ("response", "prompt*response")

    @property
    def name(self) -> str:
        return self.encoder.name

    @property
    def dim(self) -> int:
        return self.encoder.dim

    @property
    def max_tokens(self) -> int:
        return self.encoder.max_tokens

    @property
    def fingerprint(self) -> str:
        return self.encoder.fingerprint

    @property
    def identity(self) -> dict:
        plain = {"encoder": self.name, "weights": self.fingerprint, "max_tokens": self.max_tokens, "dim": self.dim}
        return getattr(self.encoder, "identity", plain)

    def plan(self, groups: Sequence[Group]) -> Work:
        rows = text_groups(groups)
        if not rows:
            return Work((), {})
        counts = np.asarray(self.encoder.token_counts([text for _, text in rows]))
        read = np.minimum(counts, self.max_tokens)
        batches = [TextBatch(tuple(rows[at][1] for at in some), np.array([rows[at][0] for at in some]), int(read[some].sum()))
                   for some in buckets(read, BATCH_TOKENS)]
        return Work(tuple(batches), {}, tuple(rows[at][0] for at in np.flatnonzero(counts > self.max_tokens)), int(read.sum()))

    def run(self, batch: TextBatch) -> np.ndarray:
        return np.asarray(self.encoder.encode(list(batch.texts)), np.float32)


def as_backbone(given: str | Path | Encoder | Backbone, options: dict) -> Backbone:
    """A backbone from a name with options, an encoder of texts, or one that is loaded already."""
    from ..backbone import load

    found = load(given, **options) if isinstance(given, (str, Path)) else given
    return found if isinstance(found, Backbone) else Texts(found)
