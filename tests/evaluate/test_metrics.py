"""Accuracy, loss, slices and the tidy table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench import evaluate
from workbench.errors import WorkbenchError
from workbench.evaluate import metrics


def table_of(n=120, seeds=5, seed=0):
    rng = np.random.default_rng(seed)
    pairs = pd.DataFrame({"pair_id": range(n), "family": [f"f{i // 3}" for i in range(n)],
                          "section": np.where(np.arange(n) < 90, "Chat", "Safety"), "domain": np.where(np.arange(n) % 2, "a", "b")})
    return rng.normal(0.3, 1, size=(seeds, n)), pairs, rng.integers(1, 5, size=(n, 2)).astype(float)


def test_a_tie_counts_as_wrong():
    assert metrics.accuracy(np.array([1.0, 0.0, -1.0, 2.0])) == 0.5
    assert metrics.accuracy(np.zeros(4)) == 0.0
    length = np.array([[3.0, 3.0], [4.0, 3.0], [2.0, 3.0]])
    assert metrics.accuracy(metrics.longer_wins(length)) == pytest.approx(1 / 3)


def test_log_loss_equals_its_formula_and_does_not_overflow():
    margins = np.array([0.5, -2.0, 3.0])
    assert metrics.log_loss(margins) == pytest.approx(-np.log(1 / (1 + np.exp(-margins))).mean())
    assert metrics.log_loss(np.array([-1e4])) == pytest.approx(1e4)


def test_table_equals_loops():
    margins, pairs, length = table_of()
    table = evaluate.metric_table(margins, pairs, length=length)
    assert list(table.columns) == list(metrics.COLUMNS)
    assert list(dict.fromkeys(table["slice"])) == ["All pairs", "Chat", "Safety"]
    for row in table.itertuples():
        chosen = [i for i in range(len(pairs)) if row.slice in ("All pairs", pairs["section"][i])]
        slow = {
            "accuracy": np.mean([[m[i] > 0 for i in chosen] for m in margins]),
            "log loss": np.mean([[np.log1p(np.exp(-m[i])) for i in chosen] for m in margins]),
            "the longer wins": np.mean([length[i, 0] > length[i, 1] for i in chosen]),
        }
        assert row.value == pytest.approx(slow[row.metric])
        assert row.low <= row.value <= row.high
        assert row.n == len(chosen) and row.families == len(chosen) / 3
        assert row.seeds == (0 if row.metric == "the longer wins" else 5)
        assert row.words == ("fewer than 20 families" if row.slice == "Safety" else "")


def test_a_row_is_that_of_its_slice_alone_and_needs_no_resamples():
    margins, pairs, length = table_of()
    table = evaluate.metric_table(margins, pairs, length=length, draws=50)
    for row in table.itertuples():
        mask = ((pairs["section"] == row.slice) | (row.slice == "All pairs")).to_numpy()
        values = {"accuracy": margins > 0, "log loss": np.logaddexp(0, -margins), "the longer wins": (length[:, 0] > length[:, 1])[None]}
        alone = evaluate.estimate(values[row.metric][:, mask].astype(float), pairs["family"][mask], draws=50,
                                  trained=row.metric != "the longer wins")
        np.testing.assert_allclose([row.value, row.low, row.high], [alone.value, alone.low, alone.high], atol=1e-12)
    known = evaluate.metric_table(margins, pairs, length=length, draws=50, groups=np.arange(120) // 3, parts=metrics.slices(pairs))
    pd.testing.assert_frame_equal(known, table)
    bare = evaluate.metric_table(margins, pairs, length=length, draws=0)
    pd.testing.assert_frame_equal(bare.drop(columns=["low", "high"]), table.drop(columns=["low", "high"]))
    assert bare[["low", "high"]].isna().all(axis=None)


def test_surprise_is_exact_at_both_ends():
    margins = np.array([[-800.0, -30.0, -1e-9, 0.0, 1e-9, 30.0, 800.0]])
    np.testing.assert_allclose(metrics.surprise(margins), np.logaddexp(0.0, -margins), rtol=1e-15)


def test_few_seeds_are_said_but_not_of_the_baseline():
    margins, pairs, length = table_of(seeds=2)
    table = evaluate.metric_table(margins, pairs, length=length).set_index(["slice", "metric"])
    assert table.loc[("All pairs", "accuracy"), "words"] == "seed noise not estimated"
    assert table.loc[("All pairs", "the longer wins"), "words"] == ""
    assert table.loc[("Safety", "accuracy"), "words"] == "fewer than 20 families; seed noise not estimated"


def test_slices_by_several_columns_and_extra_masks():
    margins, pairs, _ = table_of()
    assert list(metrics.slices(pairs, ("section", "domain", "nothing"))) == ["All pairs", "Chat", "Safety", "b", "a"]
    pairs.loc[:9, "section"] = None
    assert metrics.slices(pairs)["Chat"].sum() == 80
    table = evaluate.metric_table(margins, pairs, by=(), extra={"first": np.arange(120) < 60})
    assert list(dict.fromkeys(table["slice"])) == ["All pairs", "first"]


def test_too_few_families_give_no_number():
    margins, pairs, _ = table_of(n=12)
    table = evaluate.metric_table(margins, pairs)
    assert table[["value", "low", "high"]].isna().all(axis=None)
    assert set(table["words"]) == {"fewer than 6 families"}


def test_misaligned_tables_are_refused():
    margins, pairs, _ = table_of()
    with pytest.raises(WorkbenchError, match="120 pairs beside a table of 119"):
        evaluate.metric_table(margins, pairs[:-1])


def test_public_names_load():
    for name in evaluate.__all__:
        assert callable(getattr(evaluate, name)), name
    with pytest.raises(AttributeError):
        evaluate.nothing
