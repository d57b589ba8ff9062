"""AUROC for wrong labels against the double loop, over resamples against the rows put together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.evaluate import StrengthTable, detection, inference
from workbench.evaluate.detectors import weighted_auroc
from workbench.preference.strength import Strength


def slow_auroc(strength, wrong) -> float:
    """Share of (wrong, right) pairs of labels in which the wrong one has less strength, ties half."""
    found = [1.0 if a < b else 0.5 if a == b else 0.0 for a in strength[wrong] for b in strength[~wrong]]
    return float(np.mean(found)) if found else np.nan


def planted(pairs: int = 400, families: int = 60, seed: int = 0):
    """Wrong labels, their families, and two strengths that see them well and less well."""
    rng = np.random.default_rng(seed)
    wrong, names = rng.uniform(size=pairs) < 0.2, rng.integers(0, families, pairs).astype(str)
    good = rng.normal(size=pairs) + 2.0 * (1 - 2 * wrong)
    return wrong, names, good, good + 2.5 * rng.normal(size=pairs)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.sampled_from([1, 3, 1000]))
def test_is_the_double_loop_in_every_resample(seed, pairs, kinds):
    rng = np.random.default_rng(seed)
    strength, wrong = rng.integers(-kinds, kinds + 1, pairs).astype(float), rng.uniform(size=pairs) < 0.4
    codes = rng.permutation(np.arange(pairs) // 2)
    weights = rng.integers(0, 3, (9, codes.max() + 1)).astype(np.uint8)
    found = weighted_auroc(strength, wrong, weights, codes)
    for value, weight in zip(found, weights):
        rows = np.repeat(np.arange(pairs), weight[codes])
        assert value == pytest.approx(slow_auroc(strength[rows], wrong[rows]), nan_ok=True)


def test_blocks_change_nothing(monkeypatch):
    wrong, families, good, _ = planted()
    codes = pd.factorize(families)[0]
    weights = np.random.default_rng(1).integers(0, 300, (20, 60)).astype(np.uint16)
    whole = weighted_auroc(good, wrong, weights, codes)
    monkeypatch.setattr("workbench.evaluate.detectors.CELLS", 3 * len(codes))
    np.testing.assert_array_equal(weighted_auroc(good, wrong, weights, codes), whole)


def test_two_detectors_and_their_difference():
    wrong, families, good, fair = planted()
    found = detection({"good": good, "fair": fair}, wrong, families, against="good").set_index("of")
    for name, strength in (("good", good), ("fair", fair)):
        row = found.loc[name]
        assert row["value"] == pytest.approx(slow_auroc(strength, wrong)) and row["low"] < row["value"] < row["high"]
        assert (row["n"], row["wrong"], row["families"]) == (400, wrong.sum(), len(set(families)))
    apart = found.loc["fair"]
    assert apart["difference"] == pytest.approx(apart["value"] - found.loc["good", "value"])
    assert apart["d_low"] < apart["difference"] < apart["d_high"] < 0 and apart["words"] == "lower"
    assert apart["d_high"] - apart["d_low"] < apart["high"] - apart["low"] + found.loc["good", "high"] - found.loc["good", "low"]
    assert found.loc["good", ["difference", "d_low", "d_high"]].isna().all() and found.loc["good", "words"] == ""
    weights = inference.seeded_weights(len(set(families)), 2000, 0)
    codes = pd.factorize(families)[0]
    drawn = [weighted_auroc(each, wrong, weights, codes) for each in (fair, good)]
    assert (apart["d_low"], apart["d_high"]) == inference.interval(drawn[0] - drawn[1], len(set(families)) - 1)
    turned = detection({"fair": fair, "good": good, "same": good.copy()}, wrong, families, against="fair").set_index("of")
    assert turned.loc["good", "words"] == "higher" and turned.loc["good", "difference"] == pytest.approx(-apart["difference"])
    same = detection({"good": good, "same": good.copy()}, wrong, families, against="good").iloc[1]
    assert (same["difference"], same["d_low"], same["d_high"], same["words"]) == (0, 0, 0, "no detectable change")


def test_the_interval_covers_by_family():
    """Families of six in which labels go wrong together, and strength has a share of its own."""
    rng, hit = np.random.default_rng(7), 0

    def draw(families):
        wrong = rng.uniform(size=6 * families) < np.repeat(rng.choice([0.1, 0.6], families), 6)
        return wrong, np.repeat(rng.normal(size=families), 6) + rng.normal(size=6 * families) - 1.5 * wrong

    many = draw(20000)
    truth = weighted_auroc(many[1], many[0], np.ones((1, 1), np.int64), np.zeros(120000, int))[0]
    for _ in range(150):
        wrong, strength = draw(40)
        found = detection(strength, wrong, np.repeat(np.arange(40), 6), draws=300).iloc[0]
        hit += found["low"] <= truth <= found["high"]
    assert 0.89 <= hit / 150 <= 0.99


def test_many_families_are_dealt_into_bundles(monkeypatch):
    wrong, families, good, _ = planted(900, 300)
    whole = detection(good, wrong, families).iloc[0]
    monkeypatch.setattr(inference, "BUNDLES", 50)
    dealt = detection(good, wrong, families).iloc[0]
    assert dealt["value"] == whole["value"] and dealt["families"] == whole["families"]
    assert dealt["high"] - dealt["low"] == pytest.approx(whole["high"] - whole["low"], rel=0.3)


def test_a_table_brings_its_truth():
    wrong, families, good, _ = planted()
    gap = np.where(wrong, -1.0, 1.0)
    gap[:7] = 0.0
    pairs = pd.DataFrame({"pair_id": np.arange(400).astype(str), "family": families})
    table = StrengthTable(pairs, Strength(good[:, None], 1.0, 5), truth=pd.DataFrame({"gap": gap}))
    found = detection(table, draws=50).iloc[0]
    assert found["value"] == pytest.approx(slow_auroc(good[7:], wrong[7:])) and found["n"] == 393 and found["of"] == "strength"
    planted_wrong = detection(table, wrong, draws=0).iloc[0]
    assert planted_wrong["n"] == 400 and planted_wrong["value"] == pytest.approx(slow_auroc(good, wrong)) and np.isnan(planted_wrong["low"])
    with pytest.raises(WorkbenchError, match="not known which labels are wrong"):
        detection(StrengthTable(pairs, table.strength))


def test_few_families_and_unknown_labels():
    wrong, families, good, fair = planted(60, 4)
    few = detection({"good": good, "fair": fair}, wrong, families, against="good").iloc[1]
    assert np.isnan(few[["value", "low", "difference", "d_low"]].astype(float)).all() and few["words"] == "fewer than 6 families"
    twelve = detection({"good": good, "fair": fair}, wrong, np.arange(60) % 12, against="good").iloc[1]
    assert np.isfinite(twelve["d_low"]) and twelve["words"] == "fewer than 20 families"
    partly, holes = np.where(np.arange(60) % 3 == 0, np.nan, wrong), np.where(np.arange(60) % 3 == 0, np.nan, good)
    found = detection(holes, partly, draws=20).iloc[0]
    known = np.arange(60) % 3 > 0
    assert found["value"] == pytest.approx(slow_auroc(good[known], wrong[known])) and found["n"] == known.sum()


@pytest.mark.parametrize(("change", "said"), [
    ({"wrong": np.zeros(400, bool)}, "no label is known to be wrong"), ({"wrong": np.ones(400, bool)}, "no label is known to be right"),
    ({"wrong": np.full(400, 0.5)}, "neither 0 nor 1"), ({"families": np.arange(5)}, "5 families beside 400 labels"),
    ({"against": "clean"}, "no detector 'clean'.*strength"),
    ({"strength": np.full(400, np.nan)}, "missing or infinite"), ({"wrong": None}, "not said which"),
])
def test_bad_input_is_named(change, said):
    wrong, families, good, _ = planted()
    asked = {"strength": good, "wrong": wrong, "families": families} | change
    with pytest.raises(WorkbenchError, match=said):
        detection(**asked)


def test_one_strength_per_label():
    wrong, families, _, _ = planted()
    with pytest.raises((WorkbenchError, TypeError), match="5"):
        detection({"short": np.zeros(5)}, wrong, families)
