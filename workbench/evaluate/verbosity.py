"""Length and reward: what of a reward is length, and who wins where both answers are as long."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..axes import CHOSEN, SIDES, PairMask, PairSide
from ..errors import WorkbenchError, listing
from ..scores import Scores
from .correlation import DRAWS, correlation_table, verbosity_table
from .metrics import slices

CALIPER = 0.1  # |Δ log words|: the longer answer has up to a tenth more
REWARD = "reward"


def verbosity_by_slice(before: Scores, after: Scores, length: PairSide, pairs: pd.DataFrame, *, by: tuple[str, ...] = ("section",),
                       draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """`verbosity_table` of all pairs and of each slice, with a column slice in front; slices of under six families have no number."""
    families, parts = pairs["family"].to_numpy(), []
    for name, mask in slices(pairs, by).items():
        part = verbosity_table(before.rows(mask), after.rows(mask), length[mask], families[mask], draws=draws, seed=seed)
        part.insert(0, "slice", name)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def reward_correlation(rewards: PairSide, length: PairSide, groups, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Spearman of the reward with length, pooled and within prompts: view, rho, low, high, n, families, words."""
    table = correlation_table(Scores(rewards[:, :, None], (REWARD,)), length, groups, draws=draws, seed=seed)
    return table.drop(columns="objective")


def reward_points(rewards: PairSide, length: PairSide, pairs: pd.DataFrame) -> pd.DataFrame:
    """One row per answer of each pair: pair_id, prompt_id, response_id, family, section (those there are), side, length, reward.

    The chosen answers of all pairs first, then the rejected ones. An answer that is in several pairs has a row for each.
    """
    about = [name for name in ("pair_id", "prompt_id", "family", "section") if name in pairs.columns]
    parts = []
    for number, side in enumerate(SIDES):
        part = pairs[about].reset_index(drop=True)
        if side in pairs.columns:
            part["response_id"] = pairs[side].to_numpy()
        parts.append(part.assign(side=side, length=length[:, number], reward=rewards[:, number]))
    return pd.concat(parts, ignore_index=True)


def reward_density(points: pd.DataFrame, *, bins: int = 40) -> pd.DataFrame:
    """Answers per cell of length × reward, for more points than a page holds: side, length, reward (cell centres), answers.

    Cells of equal width in log length and in reward, the same for both sides; the empty ones are left out.
    """
    words, reward = points["length"].to_numpy(np.float64), points["reward"].to_numpy(np.float64)
    _positive(words, points["pair_id"])
    across, up = (np.histogram_bin_edges(values, bins) for values in (np.log(words), reward))
    rows = []
    for side in SIDES:
        mask = (points["side"] == side).to_numpy()
        counts, _, _ = np.histogram2d(np.log(words[mask]), reward[mask], bins=[across, up])
        i, j = np.nonzero(counts)
        middle = (np.exp((across[i] + across[i + 1]) / 2), (up[j] + up[j + 1]) / 2)
        rows.append(pd.DataFrame({"side": side, "length": middle[0], "reward": middle[1], "answers": counts[i, j].astype(int)}))
    return pd.concat(rows, ignore_index=True)


def as_long(length: PairSide, pairs: pd.DataFrame, *, caliper: float = CALIPER) -> PairMask:
    """Mask [pair] of the pairs whose answers are as long as each other: |log words chosen − log words rejected| ≤ caliper.

    Raises WorkbenchError for a negative caliper and for an answer without words.
    """
    if not caliper >= 0:
        raise WorkbenchError(f"caliper {caliper}", remedy="Give a difference of log words, for example 0.1 for a tenth")
    _positive(length.min(axis=1), pairs["pair_id"])
    logs = np.log(length.astype(np.float64))
    return np.abs(logs[:, CHOSEN] - logs[:, 1 - CHOSEN]) <= caliper + 1e-12


def _positive(length: np.ndarray, ids: pd.Series) -> None:
    if not (length > 0).all():
        raise WorkbenchError(f"no words in an answer of {listing(ids[~(length > 0)])}", where="length",
                             remedy="Logarithms of length need at least one word")
