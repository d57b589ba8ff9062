"""How fast a ranking settles, how many suspects are wrong, and the agreed subset, each against its definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from workbench.errors import WorkbenchError
from workbench.evaluate import StrengthTable, agreed, doubt, settling, suspect_precision
from workbench.preference.strength import Strength


def members_of(pairs: int, members: int, noise: float = 1.5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(pairs, 1)) + noise * rng.normal(size=(pairs, members))


def table_of(pairs: int = 600, families: int = 80, members: int = 3, seed: int = 3) -> StrengthTable:
    """A known gap, a tenth of it ties, and strength that follows it."""
    rng = np.random.default_rng(seed)
    gap = np.where(rng.uniform(size=pairs) < 0.1, 0.0, rng.normal(0.6, 1.0, pairs))
    made = gap[:, None] + 0.5 * rng.normal(size=(pairs, members))
    about = pd.DataFrame({"pair_id": np.arange(pairs).astype(str), "family": rng.integers(0, families, pairs).astype(str)})
    return StrengthTable(about, Strength(made, 1.0, 5), truth=pd.DataFrame({"gap": gap, "flipped": gap < 0}))


def slow_settling(members, m, splits, lowest, seed):
    """[split] Spearman and shared share of the lowest, one split at a time, from the same shuffles."""
    count = members.shape[1]
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(count), (splits, 1)), axis=1)
    low, rhos, shares = round(lowest * len(members)), [], []
    for shuffled in order:
        sets = shuffled[:m], shuffled[count // 2 : count // 2 + m]
        assert not set(sets[0]) & set(sets[1])
        means = [members[:, sorted(chosen)].mean(axis=1) for chosen in sets]
        rhos.append(spearmanr(*means).statistic)
        named = [set(sorted(range(len(members)), key=lambda i: mean[i])[:low]) for mean in means]
        shares.append(len(named[0] & named[1]) / low)
    return np.array(rhos), np.array(shares)


@pytest.mark.parametrize("members", [2, 3, 7, 10])
@pytest.mark.parametrize("tied", [False, True])
def test_settling_is_its_loop(members, tied):
    values = members_of(60, members)
    values = values.round() if tied else values
    found = settling(values, splits=20, lowest=0.2, seed=4)
    assert found["members"].tolist() == [*range(1, members + 1), *range(1, members // 2 + 1)] and (found["splits"] == 20).all()
    for m in range(1, members // 2 + 1):
        for of, slow in zip(("ranking", "lowest 20 %"), slow_settling(values, m, 20, 0.2, 4)):
            row = found.query("members == @m and of == @of").iloc[0]
            wanted = [slow.mean(), *np.quantile(slow, [0.05, 0.95])]
            assert [row["value"], row["low"], row["high"]] == pytest.approx(wanted, abs=1e-6) and not row["extrapolated"]


def test_spearman_brown_foretells_what_more_members_give():
    """Of twenty members, ten foretell the agreement of sets of six to ten that twenty can measure."""
    values = members_of(3000, 20)
    forecast = settling(values[:, :10], splits=40).query("extrapolated")
    measured = settling(values, splits=40).query("of == 'ranking' and members > 5 and members <= 10")
    assert forecast["members"].tolist() == measured["members"].tolist() and forecast[["low", "high"]].isna().all(axis=None)
    np.testing.assert_allclose(forecast["value"], measured["value"], atol=0.02)
    reached = settling(values[:, :10], splits=40).query("of == 'ranking' and members == 5")["value"].iloc[0]
    assert forecast["value"].iloc[-1] == pytest.approx(2 * reached / (1 + reached))


def test_settling_of_extremes():
    same = settling(np.tile(np.arange(50.0)[:, None], 4))
    assert same["value"].tolist() == pytest.approx([1.0] * 6) and same["of"].tolist() == ["ranking"] * 4 + ["lowest 10 %"] * 2
    against = np.stack([np.arange(50.0), -np.arange(50.0)], axis=1)
    assert settling(against)["value"].tolist() == pytest.approx([-1.0, np.nan, 0.0], nan_ok=True)  # nothing to extrapolate
    assert settling(np.ones((50, 2)))["value"].iloc[0] == 0.0
    table = table_of(50)
    pd.testing.assert_frame_equal(settling(table, splits=5), settling(table.strength, splits=5))
    pd.testing.assert_frame_equal(settling(table, splits=5), settling(table.members, splits=5))


@pytest.mark.parametrize(("members", "asked", "said"), [
    (np.ones((50, 1)), {}, "1 member cannot be split"), (np.ones((50, 2)), {"splits": 0}, "0 splits"),
    (np.ones((4, 2)), {}, "lowest 0.1 of 4 pairs"), (np.ones((50, 2)), {"lowest": 1.0}, "lowest 1 of 50 pairs"),
    (np.full((50, 2), np.nan), {}, "missing or infinite"),
])
def test_what_cannot_settle(members, asked, said):
    with pytest.raises(WorkbenchError, match=said):
        settling(members, **asked)


def test_precision_of_suspects():
    table = table_of()
    found = suspect_precision(table, draws=200)
    gap, order = table.truth["gap"].to_numpy(), sorted(range(600), key=lambda i: table.mean[i])
    by_size = sorted(abs(gap))
    edges = {"all": (-1, 9), "close": (-1, by_size[199]), "middle": (by_size[199], by_size[399]), "far": (by_size[399], 9)}
    assert list(zip(found["share"], found["gap"])) == [(share, name) for share in (0.05, 0.1, 0.2) for name in edges]
    for row in found.itertuples():
        low, high = edges[row.gap]
        inside = [i for i in range(600) if low < abs(gap[i]) <= high]
        named = [i for i in order[: round(600 * row.share)] if i in set(inside)]
        wrong = {i: 0.5 if gap[i] == 0 else float(gap[i] < 0) for i in inside}
        assert row.n == len(named) and row.families == len(set(table.families[named]))
        assert row.base == pytest.approx(np.mean(list(wrong.values())))
        if row.families >= 6:
            assert row.value == pytest.approx(np.mean([wrong[i] for i in named])) and row.low <= row.value <= row.high
        else:
            assert np.isnan(row.value) and row.words == "fewer than 6 families"
    whole = found[found["gap"] == "all"]
    assert (whole["value"] > whole["base"] + 0.3).all() and whole["n"].tolist() == [30, 60, 120]
    parts = found[found["gap"] != "all"]
    assert parts.groupby("share")["n"].sum().tolist() == [30, 60, 120]
    assert suspect_precision(table, shares=[1.0], by_gap=False, draws=50)["value"].iloc[0] == pytest.approx(1 - table.right.mean())


def test_thirds_keep_equals_together():
    gap = np.array([0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 2.0, -3.0, 4.0])
    thirds = doubt._thirds(gap)
    assert [np.flatnonzero(mask).tolist() for mask in thirds.values()] == [[0, 1, 2, 3], [4, 5], [6, 7, 8]]
    flat = suspect_precision(StrengthTable(table_of(60).pairs, Strength(np.arange(60.0)[:, None], 1.0, 5),
                                           truth=pd.DataFrame({"gap": np.ones(60)})), shares=[0.5], draws=50)
    assert flat["n"].tolist() == [30, 30, 0, 0] and flat["base"].tolist() == pytest.approx([0, 0, np.nan, np.nan], nan_ok=True)


def test_no_truth_no_precision():
    table = table_of(60)
    with pytest.raises(WorkbenchError, match="no truth is known"):
        suspect_precision(StrengthTable(table.pairs, table.strength))
    with pytest.raises(WorkbenchError, match="1.5"):
        suspect_precision(table, shares=[1.5])


def test_the_agreed_subset():
    table = table_of(60)
    gap = table.truth["gap"].to_numpy()
    np.testing.assert_array_equal(agreed(table), [g > 0 for g in gap])
    judged = StrengthTable(table.pairs.assign(judge_label=np.resize([1.0, 0.0, -1.0, np.nan], 60)), table.strength)
    np.testing.assert_array_equal(agreed(judged, "judge"), np.resize([True, False, False, False], 60))
    whole = StrengthTable(table.pairs.assign(judge_label=pd.array(np.resize([1, 0, -1], 60), "Int64")), table.strength)
    assert agreed(whole, "judge").sum() == 20
    np.testing.assert_array_equal(agreed(judged, gap), gap > 0)
    for asked, by, said in ((judged, "truth", "no truth is known.*planted"), (table, "judge", "no judge is known.*judge_label"),
                            (table, "both", "agreement with 'both'"), (table, gap[:5], "5 pairs beside a table of 60")):
        with pytest.raises(WorkbenchError, match=said):
            agreed(asked, by)
