"""Reward and length: points, cells, slices and the pairs of equal length, each counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from workbench.errors import WorkbenchError
from workbench.evaluate import as_long, reward_correlation, reward_density, reward_points, verbosity_by_slice, verbosity_table
from workbench.scores import Scores

N = 240


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    family = np.repeat(np.arange(N // 4), 4)
    pairs = pd.DataFrame({
        "pair_id": [f"c{i}" for i in range(N)], "prompt_id": [f"p{i}" for i in family], "family": family, "chosen": "a", "rejected": "b",
        "section": np.where(family < 50, "Chat", "Maths"),
    })
    length = rng.integers(20, 90, (N, 2)).astype(float)
    rewards = 0.02 * length + rng.normal(size=(N, 2))
    return pairs, length, rewards


def test_as_long(made):
    pairs, length, _ = made
    for caliper in (0.0, 0.1, 0.7, 9.0):
        by_hand = [abs(math.log(a) - math.log(b)) <= caliper + 1e-12 for a, b in length]
        assert as_long(length, pairs, caliper=caliper).tolist() == by_hand
    assert 0 < as_long(length, pairs).mean() < 0.5 and as_long(length, pairs, caliper=9.0).all()
    assert as_long(length[:, ::-1], pairs).tolist() == as_long(length, pairs).tolist()


def test_lengths_without_a_logarithm(made):
    pairs, length, rewards = made
    empty = length.copy()
    empty[7, 1] = 0
    with pytest.raises(WorkbenchError, match="no words in an answer of c7"):
        as_long(empty, pairs)
    with pytest.raises(WorkbenchError, match="no words in an answer of c7"):
        reward_density(reward_points(rewards, empty, pairs))
    for caliper in (-0.1, float("nan")):
        with pytest.raises(WorkbenchError, match="caliper"):
            as_long(length, pairs, caliper=caliper)


def test_points_are_the_answers(made):
    pairs, length, rewards = made
    points = reward_points(rewards, length, pairs)
    assert len(points) == 2 * N and points["response_id"].unique().tolist() == ["a", "b"]
    for i in (0, 17, N - 1):
        for side, number in (("chosen", 0), ("rejected", 1)):
            row = points[(points["pair_id"] == f"c{i}") & (points["side"] == side)].iloc[0]
            assert (row["length"], row["reward"], row["section"]) == (length[i, number], rewards[i, number], pairs["section"][i])
    assert "section" not in reward_points(rewards, length, pairs.drop(columns=["section", "chosen"]))


def test_cells_hold_every_answer(made):
    pairs, length, rewards = made
    points = reward_points(rewards, length, pairs)
    cells = reward_density(points, bins=6)
    assert cells["answers"].sum() == 2 * N and (cells["answers"] > 0).all() and len(cells) <= 72
    assert cells.groupby("side")["answers"].sum().tolist() == [N, N]
    wide, tall = np.ptp(np.log(points["length"])) / 6, np.ptp(points["reward"]) / 6
    for cell in cells.itertuples():
        inside = (points["side"] == cell.side) & (np.abs(np.log(points["length"]) - np.log(cell.length)) < wide / 2 - 1e-9)
        inside &= np.abs(points["reward"] - cell.reward) < tall / 2 - 1e-9
        assert abs(inside.sum() - cell.answers) <= 2  # those on an edge belong to one of two


def test_reward_correlation_is_spearman(made):
    pairs, length, rewards = made
    table = reward_correlation(rewards, length, pairs["family"].to_numpy(), draws=100).set_index("view")
    assert table.loc["pooled", "rho"] == pytest.approx(spearmanr(rewards.ravel(), length.ravel()).statistic)
    within = spearmanr(rewards[:, 0] - rewards[:, 1], length[:, 0] - length[:, 1]).statistic
    assert table.loc["within prompts", "rho"] == pytest.approx(within)
    assert (table["low"] < table["rho"]).all() and (table["rho"] < table["high"]).all() and table["families"].tolist() == [60, 60]


def test_every_slice_is_its_own_table(made):
    pairs, length, rewards = made
    before, after = (Scores(rewards[:, :, None] - taken * length[:, :, None], ("helpfulness",)) for taken in (0.0, 0.02))
    table = verbosity_by_slice(before, after, length, pairs, draws=60)
    assert table["slice"].unique().tolist() == ["All pairs", "Chat", "Maths"] and len(table) == 12
    mask = (pairs["section"] == "Maths").to_numpy()
    alone = verbosity_table(before.rows(mask), after.rows(mask), length[mask], pairs["family"].to_numpy()[mask], draws=60)
    pd.testing.assert_frame_equal(table[table["slice"] == "Maths"].drop(columns="slice").reset_index(drop=True), alone)
    assert set(table.loc[table["slice"] == "Maths", "words"]) == {"fewer than 20 families"}
