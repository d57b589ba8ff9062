"""Sentence encoders: one vector per text, whatever it stands beside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import Index, RowDim
from ..errors import WorkbenchError, listing
from .choices import again, chosen_device, shown
from .fetch import model_folder, weights_digest
from .reading import read_tokenizer, read_transformer
from .trees import buckets

MAX_TOKENS = 256
BATCH_TOKENS = 2048  # on a CPU small batches are the faster ones


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """A sentence encoder: mean of the last hidden states over the real tokens, special ones included.

    Make one with `SentenceEncoder.load()`. normalise: whether vectors are scaled to length 1, as Sentence-BERT's are
    (arXiv 1908.10084; MiniLM, arXiv 2002.10957) and Contriever's (arXiv 2112.09118) are not. Text past `max_tokens` (two of
    them are the model's own marks) is not read: its end is cut, or with cut="left" its beginning; `token_counts` says
    which texts that concerns.
    """

    name: str
    folder: Path
    max_tokens: int
    dim: int
    device: str
    normalise: bool
    cut: str
    _tokenizer: Any = field(repr=False)
    _model: Any = field(repr=False)

    compose = ("response", "prompt*response")

    @classmethod
    def load(cls, name: str | Path = "all-MiniLM-L6-v2", *, max_tokens: int | None = None, normalise: bool | None = None,
             cut: str = "right", device: str = "auto") -> SentenceEncoder:
        """Read the model from its installed package, a folder or the hub; about a second. device: "auto", "cpu" or "cuda".

        normalise: None asks the folder, as sentence-transformers writes it; a plain model (Contriever) is not normalised.
        """
        folder = model_folder(name)
        if cut not in ("left", "right"):
            raise WorkbenchError(f"cut {cut!r}", remedy="Texts are cut on the left or on the right")
        device, tokenizer = chosen_device(device), read_tokenizer(folder)
        tokenizer.truncation_side = cut
        model, _ = read_transformer(folder, "float32", device)
        room = model.config.max_position_embeddings
        max_tokens = min(MAX_TOKENS, room) if max_tokens is None else max_tokens
        if not 3 <= max_tokens <= room:
            raise WorkbenchError(f"max_tokens is {max_tokens}", remedy=f"{Path(name).name} takes 3 to {room}")
        normalise = _normalised(folder) if normalise is None else normalise
        return cls(shown(name), folder, max_tokens, model.config.hidden_size, device, normalise, cut, tokenizer, model)

    def __reduce__(self):
        """In another process it is loaded again."""
        options = {"max_tokens": self.max_tokens, "normalise": self.normalise, "cut": self.cut}
        return again, (SentenceEncoder, self.folder, self.name, options)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change when the weights do."""
        return weights_digest(self.folder)

    @property
    def identity(self) -> dict:
        """Everything that the bytes of its features depend on, and the texts."""
        return {"encoder": self.name, "weights": self.fingerprint, "max_tokens": self.max_tokens, "dim": self.dim,
                **({} if self.normalise else {"normalise": False}), **({} if self.cut == "right" else {"cut": self.cut})}

    def token_counts(self, texts: Iterable) -> Index:
        """Tokens of each whole text [n], marks included: a text is cut where this exceeds `max_tokens`."""
        ids = self._token_ids(texts, None)
        return np.array([len(row) for row in ids], np.int64)

    def encode(self, texts: Iterable, *, batch_tokens: int = BATCH_TOKENS, progress: Callable[[int, int], None] | None = None) -> RowDim:
        """Vectors of the texts, [n dim] float32, in their order; the same alone or in a batch to 1e-5.

        Texts of similar length share a batch of at most batch_tokens tokens; progress(done, n) follows each batch.
        Raises WorkbenchError for what is not text.
        """
        import torch

        ids = self._token_ids(texts, self.max_tokens)
        out, done = np.empty((len(ids), self.dim), np.float32), 0
        for rows in buckets([len(row) for row in ids], batch_tokens):
            width = max(len(ids[row]) for row in rows)
            tokens = torch.full((len(rows), width), self._tokenizer.pad_token_id, dtype=torch.long)
            mask = torch.zeros((len(rows), width), dtype=torch.long)
            for place, row in enumerate(rows):
                tokens[place, : len(ids[row])] = torch.tensor(ids[row])
                mask[place, : len(ids[row])] = 1
            tokens, mask = tokens.to(self.device), mask.to(self.device)
            with torch.inference_mode():
                hidden = self._model(input_ids=tokens, attention_mask=mask).last_hidden_state
                weight = mask[..., None].to(hidden.dtype)
                mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
                mean = torch.nn.functional.normalize(mean, dim=-1) if self.normalise else mean
                out[rows] = mean.float().cpu().numpy()
            done += len(rows)
            if progress is not None:
                progress(done, len(ids))
        return out

    def _token_ids(self, texts: Iterable, most: int | None) -> list[list[int]]:
        if isinstance(texts, str):
            raise WorkbenchError("one text where a list of texts was wanted", remedy="Write [text]")
        texts = list(texts)
        odd = [place for place, text in enumerate(texts) if not isinstance(text, str)]
        if odd:
            raise WorkbenchError(f"not text in rows {listing(odd)}", remedy="Leave those rows out")
        if not texts:
            return []
        return self._tokenizer(texts, truncation=most is not None, max_length=most, padding=False)["input_ids"]


def _normalised(folder: Path) -> bool:
    """Whether a model's own description ends in a step that scales to length 1."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        return any(str(module.get("type", "")).endswith("Normalize") for module in modules)
    except (OSError, ValueError, AttributeError):
        return False
