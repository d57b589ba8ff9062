"""Columns measured on the text itself: they can be swapped in, plotted, or named as nuisance."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

_TOKEN = re.compile(r"\w+|[^\w\s]+")
_LIST = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")
_MARKDOWN = re.compile(r"^\s*(?:#{1,6}\s|>|```|\|.*\||---+\s*$)|\*\*[^*]+\*\*|`[^`]+`")
COLUMNS = ("n_words", "repetition", "list_share", "markdown_share")


def n_words(text: str) -> int:
    """Words between white space."""
    return len(text.split())


def repetition(text: str) -> float:
    """Share of trigrams that occurred before: 1 − unique / all, 0 where there are none (R³, arXiv 2402.03469)."""
    tokens = _TOKEN.findall(text.lower())
    trigrams = list(zip(tokens, tokens[1:], tokens[2:]))
    return 1.0 - len(set(trigrams)) / len(trigrams) if trigrams else 0.0


def line_share(text: str, pattern: re.Pattern) -> float:
    """Share of the non-empty lines that match."""
    lines = [line for line in text.splitlines() if line.strip()]
    return sum(bool(pattern.search(line)) for line in lines) / len(lines) if lines else 0.0


def measure(texts: Iterable[str]) -> pd.DataFrame:
    """One row per text: n_words (words), repetition, list_share, markdown_share (shares, 0 to 1)."""
    rows = [(n_words(t), repetition(t), line_share(t, _LIST), line_share(t, _MARKDOWN)) for t in texts]
    return pd.DataFrame(np.array(rows, np.float64).reshape(-1, 4), columns=list(COLUMNS))
