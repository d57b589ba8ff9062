"""The numbers behind the Strength screen, each against its own definition written out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluate import (
    StrengthTable,
    agreement_by_bin,
    in_sections,
    length_bias,
    strength_bands,
    strength_cuts,
    suspects,
)
from workbench.evaluate.strength import _apart
from workbench.preference.strength import Strength

N, FAMILIES = 600, 60


@pytest.fixture(scope="module")
def table():
    """Strength that follows a known gap, labels of which the weakest are mostly wrong, longer answers chosen more often."""
    rng = np.random.default_rng(3)
    family = rng.integers(0, FAMILIES, N)
    gap = rng.normal(0.8, 1.0, N)
    members = (gap + 0.2 * rng.normal(size=(10, N))).T
    pairs = pd.DataFrame({
        "pair_id": [f"c{i}" for i in range(N)], "prompt_id": [f"p{i // 2}" for i in range(N)], "family": [f"f{i}" for i in family],
        "section": np.where(family % 3 == 0, "Safety", "Chat"), "chosen": "a", "rejected": "b",
    })
    length = np.stack([60 + 8 * gap + rng.normal(0, 5, N), rng.normal(60, 5, N)], axis=1).round()
    truth = pd.DataFrame({"gap": gap, "flipped": gap < 0})
    return StrengthTable(pairs, Strength(members, 1.0, 5), length, truth)


def test_bands_count_every_pair_once(table):
    found = strength_bands(table, flip_below=-0.5, drop_below=0.2)
    mean, gap, family = table.mean, table.truth["gap"].to_numpy(), table.families
    masks = (mean < -0.5, (mean >= -0.5) & (mean < 0.2), mean >= 0.2)
    for row, mask in zip(found.itertuples(), masks):
        assert row.pairs == row.n == mask.sum() and row.families == len(set(family[mask]))
        assert row.lowest == mean[mask].min() and row.highest == mean[mask].max()
        assert row.value == pytest.approx((gap[mask] > 0).mean()) and row.low <= row.value <= row.high
    assert found["band"].tolist() == ["flip", "drop", "keep"] and found["share"].sum() == pytest.approx(1)
    assert found["value"].iloc[0] < 0.1 < 0.9 < found["value"].iloc[2]


def test_an_empty_band_and_an_unknown_truth(table):
    blind = StrengthTable(table.pairs, table.strength)
    found = strength_bands(blind, drop_share=0.1)
    assert found["pairs"].tolist() == [0, 60, 540] and found["value"].isna().all() and (found["words"] == "truth not known").all()
    assert strength_bands(table)["pairs"].tolist() == [0, 0, N]
    assert strength_bands(table, flip_below=-99.0)["words"].iloc[0] == "fewer than 6 families"


def test_handles_stand_where_the_shares_end(table):
    both = {"flip_share": 0.05, "drop_share": 0.1}
    for cuts in (both, {"drop_share": 0.37}, {"flip_share": 0.5}, {**both, "where": ("Safety",)}):
        there = {"where": cuts.get("where", ())}
        values = strength_cuts(table, **cuts)
        assert set(values) == {name.replace("share", "below") for name in cuts if name != "where"}
        assert strength_bands(table, **values, **there)["pairs"].tolist() == strength_bands(table, **cuts)["pairs"].tolist()
    assert strength_cuts(table, flip_below=-1.0) == {"flip_below": -1.0} and strength_cuts(table) == {}


def test_a_treatment_of_one_section_leaves_the_other(table):
    safety = (table.pairs["section"] == "Safety").to_numpy()
    found = strength_bands(table, drop_share=0.5, where=("Safety",))
    assert found["pairs"].tolist() == [0, round(0.5 * safety.sum()), N - round(0.5 * safety.sum())]
    assert set(suspects(table, None, where=("Safety",))["section"]) == {"Safety"}
    with pytest.raises(WorkbenchError, match="no section Maths.*Chat, Safety|no section Maths.*Safety, Chat"):
        in_sections(table.pairs, ("Safety", "Maths"))
    with pytest.raises(WorkbenchError, match="no sections"):
        in_sections(table.pairs.drop(columns="section"), ("Safety",))


def test_agreement_by_tenths(table):
    rng = np.random.default_rng(0)
    margins = table.mean + rng.normal(size=(5, N))
    found = agreement_by_bin(table, margins)
    order = np.argsort(table.mean)
    for number in range(10):
        rows = order[60 * number : 60 * (number + 1)]
        gate, truth = (found[(found["bin"] == number + 1) & (found["who"] == who)].iloc[0] for who in ("gate", "truth"))
        assert gate["value"] == pytest.approx(np.mean([np.mean([m > 0 for m in seed[rows]]) for seed in margins]))
        assert truth["value"] == pytest.approx((table.truth["gap"].to_numpy()[rows] > 0).mean())
        assert gate["n"] == 60 and gate["families"] == len(set(table.families[rows])) and (gate["seeds"], truth["seeds"]) == (5, 0)
        assert gate["strength"] == pytest.approx(table.mean[rows].mean()) and gate["lowest"] == table.mean[rows].min()
        assert gate["low"] <= gate["value"] <= gate["high"]
    assert set(agreement_by_bin(table)["who"]) == {"truth"}
    few = agreement_by_bin(table, margins[:2], bins=4)
    assert len(few) == 8 and (few.loc[few["who"] == "gate", "words"] == "seed noise not estimated").all()


def test_a_judge_agrees_where_it_was_asked(table):
    """1 agrees, 0 does not, −1 and missing were not asked: by tenths, each against a plain count."""
    said = np.resize([1.0, 1.0, 0.0, -1.0, np.nan], N)
    judged = StrengthTable(table.pairs.assign(judge_label=said), table.strength)
    found = agreement_by_bin(judged)
    assert set(found["who"]) == {"judge"} and found["n"].sum() == (said >= 0).sum()
    place = (table.strength.percentile / 10).astype(int)
    for row in found.itertuples():
        mine = said[(place == row.bin - 1) & (said >= 0)]
        assert row.value == pytest.approx(mine.mean()) and row.n == len(mine)


def test_smoothed_labels_have_a_band_of_their_own(table):
    found = strength_bands(table, smooth_share=0.2, drop_share=0.1).set_index("band")
    assert found["pairs"].to_dict() == {"flip": 0, "smooth": 120, "drop": 60, "keep": 420}
    assert strength_cuts(table, smooth_share=0.2, drop_share=0.1).keys() == {"smooth_below", "drop_below"}


def test_one_member_makes_suspects_without_a_deviation(table):
    one = StrengthTable(table.pairs, Strength(table.members[:, :1]))
    assert suspects(one, 3)["std"].isna().all() and suspects(one, 3)["of"].tolist() == [1, 1, 1]


def test_equal_strengths_share_a_bin(table):
    flat = StrengthTable(table.pairs, Strength(np.ones((N, 3)), 1.0, 5), truth=table.truth)
    assert len(agreement_by_bin(flat)) == 1 and agreement_by_bin(flat)["n"].tolist() == [N]


def test_a_result_must_be_on_the_same_pairs(table):
    result = SimpleNamespace(margins=np.ones((5, N)), pairs=table.pairs)
    assert (agreement_by_bin(table, result).query("who == 'gate'")["value"] == 1).all()
    for other in (SimpleNamespace(margins=np.ones((5, N)), pairs=table.pairs.iloc[::-1]), np.ones((5, 3))):
        with pytest.raises(WorkbenchError, match="other pairs"):
            agreement_by_bin(table, other)
    with pytest.raises(WorkbenchError, match="nothing|no known truth"):
        agreement_by_bin(StrengthTable(table.pairs, table.strength))


def test_a_true_tie_is_half_right(table):
    tied = StrengthTable(table.pairs, table.strength, truth=pd.DataFrame({"gap": np.zeros(N)}))
    assert (tied.right == 0.5).all() and agreement_by_bin(tied)["value"].tolist() == [0.5] * 10


def test_suspects_come_weakest_first(table):
    found = suspects(table, 7)
    wanted = sorted(range(N), key=lambda i: table.mean[i])[:7]
    assert found["pair_id"].tolist() == [f"c{i}" for i in wanted]
    for row, i in zip(found.itertuples(), wanted):
        votes = sum(member < 0 for member in table.members[i])
        assert (row.against, row.of, row.words) == (votes, 10, f"{votes} of 10 against the label")
        assert row.longer == table.length[i, 0] - table.length[i, 1] and row.gap == table.truth["gap"][i] and row.flipped
        assert (row.mean, row.std) == (table.mean[i], table.std[i])
    assert len(suspects(table, None)) == N and len(suspects(table, 0)) == 0
    blind = suspects(StrengthTable(table.pairs, table.strength), 3)
    assert blind["longer"].isna().all() and "gap" not in blind
    with pytest.raises(WorkbenchError, match="-1 suspects"):
        suspects(table, -1)


def test_length_bias_of_a_flip(table):
    mask = table.strength.suspects(0.2)
    longer = table.length[:, 0] - table.length[:, 1]
    found = length_bias(table, mask).set_index("of")
    wanted = {"all pairs": longer.mean(), "flipped": longer[mask].mean(), "flipped − all": longer[mask].mean() - longer.mean(),
              "all pairs, once flipped": (longer.sum() - 2 * longer[mask].sum()) / N}
    for name, value in wanted.items():
        assert found.loc[name, "value"] == pytest.approx(value)
        assert found.loc[name, "low"] < value < found.loc[name, "high"]
    assert found.loc["flipped − all", "high"] < 0  # here the weak labels prefer short answers …
    assert found.loc["all pairs, once flipped", "low"] > found.loc["all pairs", "value"]  # … so that turning them teaches length
    assert found["n"].tolist() == [N, 120, 120, N]
    one = length_bias(table, np.arange(N) == 5).set_index("of")
    assert np.isnan(one.loc["flipped", "value"]) and one.loc["flipped − all", "words"] == "fewer than 6 families"
    with pytest.raises(WorkbenchError, match="no length"):
        length_bias(StrengthTable(table.pairs, table.strength), mask)


def test_the_difference_is_resampled_by_family(table):
    """Oracle: draw families, put their pairs together, take both means."""
    longer, mask = table.lengthening, table.strength.suspects(0.2)
    fast = _apart(longer, mask, table.families, 2000, 0)
    rng, names = np.random.default_rng(1), np.unique(table.families)
    rows = {name: np.flatnonzero(table.families == name) for name in names}
    slow = []
    for _ in range(600):
        drawn = np.concatenate([rows[name] for name in rng.choice(names, len(names) - 1)])
        slow.append(longer[drawn][mask[drawn]].mean() - longer[drawn].mean())
    assert fast.mean() == pytest.approx(np.mean(slow), abs=0.15) and fast.std() == pytest.approx(np.std(slow), rel=0.12)


def test_a_table_that_does_not_fit(table):
    with pytest.raises(WorkbenchError, match="beside a table of 5"):
        StrengthTable(table.pairs.head(5), table.strength)
