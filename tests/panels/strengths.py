"""A table of preference strength that is made in a moment."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.evaluate.strength import StrengthTable
from workbench.preference.strength import Strength


def table(n: int = 200, *, text: bool = True, truth: bool = True, seed: int = 0) -> StrengthTable:
    rng = np.random.default_rng(seed)
    members = rng.normal(0.3, 1, size=(n, 1)) + rng.normal(0, 0.3, size=(n, 10))
    pairs = pd.DataFrame({"pair_id": [f"c{i:03d}" for i in range(n)], "family": [f"f{i // 4}" for i in range(n)],
                          "section": np.where(np.arange(n) % 2, "Chat", "Safety")})
    known = pd.DataFrame({"gap": members.mean(axis=1) + rng.normal(0, 0.5, n)}) if truth else None
    return StrengthTable(pairs, Strength(members, 1.0, 5), rng.integers(5, 90, (n, 2)).astype(float) if text else None, known)
