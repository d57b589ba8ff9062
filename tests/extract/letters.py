"""A made-up encoder and tables for it: no model is needed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.tables import Tables


class Tiny:
    """A made-up encoder: a vector of letter counts; it remembers what it was given and can die on a call."""

    name, dim, max_tokens, fingerprint = "tiny", 8, 50, "0" * 12

    def __init__(self, dies_at: int | None = None, blind: str | None = None):
        self.seen, self.calls, self.dies_at, self.blind = [], 0, dies_at, blind

    def token_counts(self, texts):
        return np.array([len(text) for text in texts])

    def encode(self, texts):
        self.calls += 1
        if self.calls == self.dies_at:
            raise KeyboardInterrupt
        self.seen += texts
        rows = np.array([[1 + text.count(letter) for letter in "aeiourst"] for text in texts], np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows[[text == self.blind for text in texts]] = np.nan
        return rows


class Killed(Tiny):
    """Its process ends at the first call, once."""

    def __init__(self, mark: Path):
        super().__init__()
        self.mark = mark

    def encode(self, texts):
        if not self.mark.exists():
            self.mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(texts)


class Elsewhere(Tiny):
    """In another process it has other weights."""

    def __reduce__(self):
        return _with_other_weights, ()


def _with_other_weights() -> Tiny:
    made = Tiny()
    made.fingerprint = "1" * 12
    return made


def tables(n=7):
    prompts = pd.DataFrame(
        {
            "prompt_id": [f"p{i}" for i in range(n)],
            "family": [f"p{i}" for i in range(n)],
            "text": [f"question {i} " + "so " * i for i in range(n)],
        }
    )
    texts = [text for i in range(n) for text in (f"a reasoned answer number {i}", ["no", "never", "perhaps"][i % 3])]
    responses = pd.DataFrame(
        {"response_id": [f"r{i}" for i in range(2 * n)], "prompt_id": np.repeat(prompts["prompt_id"], 2).to_numpy(), "text": texts}
    )
    pairs = pd.DataFrame(
        {
            "pair_id": [f"c{i}" for i in range(n)],
            "prompt_id": prompts["prompt_id"],
            "chosen": [f"r{2 * i}" for i in range(n)],
            "rejected": [f"r{2 * i + 1}" for i in range(n)],
        }
    )
    return Tables(prompts, responses, pairs)
