"""A study whose features are made from its texts by an encoder that needs no model: any text can be encoded again."""

from __future__ import annotations

import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from planted import planted

from workbench.extract import extract
from workbench.study import Study
from workbench.tables import Tables

DIM = 12


@lru_cache(maxsize=None)
def _word(word: str) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=DIM).astype(np.float32)


class Lettered:
    """The mean of one random vector per word, at length 1; reads `max_tokens` words."""

    name, dim, max_tokens, fingerprint = "lettered", DIM, 64, "0" * 12

    def __init__(self):
        self.seen: list[str] = []

    def token_counts(self, texts):
        return np.array([len(text.split()) for text in texts])

    def encode(self, texts):
        self.seen += texts
        rows = np.stack([np.mean([_word(word) for word in [*text.split()[: self.max_tokens], "#"]], axis=0) for text in texts])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def lettered(folder: Path, *, families: int = 40, dtype: str = "F16") -> Study:
    """The planted tables with features of their texts."""
    study = planted(folder / "planted", families=families, per_family=1).study
    tables = Tables(*(study.table(name) for name in ("prompts", "responses", "pairs", "ratings")), tuple(study.objective_info.values()))
    return extract(tables, folder / "study", backbone=Lettered(), dtype=dtype, name="lettered")
