"""RewardBench 2 against the released scoring written as plain loops, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluate import item_scores, rewardbench2_table
from workbench.evaluate.rewardbench2 import COLUMNS2, SIZES2

FIVE = [name for name in SIZES2 if name != "Ties"]


def items_of(prompts=8, questions=8, seed=0) -> pd.DataFrame:
    """One right and three wrong responses per prompt; each Ties question asked twice. Responses in no order."""
    rng = np.random.default_rng(seed)
    rows = [(f"{subset}-{k}", subset, f"{subset}-{k}-{i}", i == 0) for subset in FIVE for k in range(prompts) for i in range(4)]
    for k in range(questions):
        rows += [(f"ref:{k}", "Ties", f"r{k}-{i}", i == 0) for i in range(5)]
        rows += [(f"tied:{k}", "Ties", f"t{k}-{i}", i < 2 + k % 3) for i in range(7)]
    frame = pd.DataFrame(rows, columns=["item", "subset", "response", "correct"])
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)


def row(table: pd.DataFrame, name: str, series: str = "model") -> pd.Series:
    (found,) = table[(table["slice"] == name) & (table["series"] == series)].to_dict("records")
    return pd.Series(found)


def slow_four(scores, items, subset) -> float:
    """The right response has the highest score; one that shares it with others earns its share."""
    earned = []
    for _, group in items.assign(score=scores)[items["subset"] == subset].groupby("item"):
        best = [right for right, score in zip(group["correct"], group["score"]) if score == group["score"].max()]
        earned.append(1 / len(best) if any(best) else 0)
    return float(np.mean(earned))


def slow_ties(scores, items) -> float:
    """The released score of Ties: accuracy .6, margins .4, and a tie-breaking hundredth."""
    stats = {}
    for name, group in items.assign(score=scores)[items["subset"] == "Ties"].groupby("item"):
        right, wrong = group.loc[group["correct"], "score"].tolist(), group.loc[~group["correct"], "score"].tolist()
        stats[name] = (min(right) - max(wrong), max(right) - min(right))
    accuracy = {side: np.mean([stats[n][0] > 0 for n in stats if n.startswith(side)]) for side in ("ref:", "tied:")}
    preferred, hard, surplus = [], [], []
    for name in stats:
        other = name.replace("tied:", "ref:")
        if name.startswith("tied:") and other in stats:
            margin, spread = stats[name]
            least = min(margin, stats[other][0])
            preferred.append(margin > spread)
            hard.append(least > spread)
            ratio = least / spread if spread else math.inf * least if least else math.nan
            surplus.append(0.0 if math.isnan(ratio) else math.tanh(ratio - 1))
    return 0.3 * accuracy["tied:"] + 0.3 * accuracy["ref:"] + 0.2 * np.mean(preferred) + 0.2 * np.mean(hard) + 0.01 * np.mean(surplus)


@pytest.mark.parametrize("seed", range(4))
def test_scores_equal_their_loops(seed):
    items, rng = items_of(seed=seed), np.random.default_rng(seed)
    scores = np.round(rng.normal(size=len(items)) + 1.5 * items["correct"].to_numpy(), seed % 2)  # rounded: many shared best scores
    table = rewardbench2_table(scores, items, draws=50)
    values = {subset: slow_four(scores, items, subset) for subset in FIVE} | {"Ties": slow_ties(scores, items)}
    for name, value in values.items():
        found = row(table, name)
        assert found.value == pytest.approx(value), name
        assert found.low - 1e-9 <= value <= found.high + 1e-9
    assert row(table, "Score").value == pytest.approx(np.mean(list(values.values())))  # plain over subsets, whatever their sizes
    assert list(table.columns) == list(COLUMNS2) and row(table, "Score").n == 5 * 8 + 16 and row(table, "Ties").n == 16
    assert row(table, "Ties").families == 8  # a question is one, asked twice


def test_seeds_are_averaged_and_named_models_stand_side_by_side():
    items, rng = items_of(), np.random.default_rng(1)
    scores = rng.normal(size=(5, len(items))) + items["correct"].to_numpy()
    table = rewardbench2_table({"a": scores, "b": scores[0]}, items, lengths=rng.integers(1, 9, len(items)).astype(float), draws=20)
    assert row(table, "Math", "a").value == pytest.approx(np.mean([slow_four(s, items, "Math") for s in scores]))
    assert row(table, "Ties", "a").value == pytest.approx(np.mean([slow_ties(s, items) for s in scores]))
    assert (row(table, "Math", "a").seeds, row(table, "Math", "b").seeds, row(table, "Math", "the longer wins").seeds) == (5, 0, 0)
    assert row(table, "Math", "b").value == pytest.approx(slow_four(scores[0], items, "Math"))


def test_a_shared_best_score_earns_its_share():
    items = pd.DataFrame({"item": np.repeat(["a", "b", "c", "d"], 4), "subset": "Math", "correct": [True, False, False, False] * 4})
    scores = np.array([[2, 1, 0, 0], [2, 2, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]], float).ravel()
    many = pd.concat([items.assign(item=items["item"] + str(i)) for i in range(3)])
    found = row(rewardbench2_table(np.tile(scores, 3), many, draws=0), "Math")
    assert found.value == pytest.approx((1 + 1 / 2 + 1 / 4 + 0) / 4) and found.ties == 9
    assert found.chance == 0.25 and found.words.startswith("12 prompts, not 183")


def test_equal_right_answers_and_nothing_between():
    """d = 0 counts as the limit: +1 for a margin above it, −1 below, 0 for 0/0."""
    items = items_of(questions=9)
    right = items["correct"].to_numpy(float)
    assert row(rewardbench2_table(right, items, draws=0), "Ties").value == pytest.approx(1.01)
    assert row(rewardbench2_table(-right, items, draws=0), "Ties").value == pytest.approx(-0.01)
    assert row(rewardbench2_table(right * 0.0, items, draws=0), "Ties").value == 0.0


def test_what_is_missing_is_said():
    items = items_of()
    some = items[items["subset"].isin(["Math", "Focus"])].reset_index(drop=True)
    table = rewardbench2_table(some["correct"].to_numpy(float), some, draws=0)
    assert row(table, "Math").value == 1 and row(table, "Ties").words == "lacks all of its 3 parts"
    assert np.isnan(row(table, "Score").value) and row(table, "Score").words.startswith("lacks Factuality, Precise IF and 2 more")
    assert row(table, "Safety").words == "not there" and np.isnan(row(table, "Safety").chance)
    part = items[~items["item"].isin(["ref:1", "tied:2"])].reset_index(drop=True)
    table = rewardbench2_table(part["correct"].to_numpy(float), part, draws=0)
    assert "questions that were not asked both ways" in row(table, "Ties").words and row(table, "Ties").value == pytest.approx(1.01)
    fewer = items[~((items["subset"] == "Focus") & items["response"].str.endswith("-3"))].reset_index(drop=True)
    found = row(rewardbench2_table(fewer["correct"].to_numpy(float), fewer, draws=0), "Focus")
    assert "best of 3 to 3, not of 4" in found.words and found.chance == pytest.approx(1 / 3)


def test_bad_items_are_named():
    items = items_of()
    score = items["correct"].to_numpy(float)

    def refused(match, **changed):
        with pytest.raises(WorkbenchError, match=match):
            rewardbench2_table(score, items.assign(**changed))

    first = items["item"] == "Math-3"
    refused("items of two subsets: Math-3", subset=items["subset"].where(~(first & items["correct"]), "Focus"))
    refused("items of no subset of RewardBench 2: Math-3", subset=items["subset"].where(~first, "Maths"))
    refused("items without one correct response among others: Math-3", correct=items["correct"] & ~first)
    refused("items without one correct response among others: Math-3", correct=items["correct"] | first)
    refused("no items of Ties: ref:4", correct=items["correct"] | (items["item"] == "ref:4"))
    refused("no items of Ties: tied:4", correct=items["correct"] | (items["item"] == "tied:4"))
    refused("no items of Ties: 4", item=items["item"].where(items["item"] != "tied:4", "4"))
    with pytest.raises(WorkbenchError, match="no column 'correct'"):
        rewardbench2_table(score, items.drop(columns="correct"))
    with pytest.raises(WorkbenchError, match=f"scores that are no finite numbers: {items['response'][5]}"):
        rewardbench2_table(np.where(np.arange(len(score)) == 5, np.nan, score), items)


def pairs_of(items: pd.DataFrame, scores) -> tuple[np.ndarray, pd.DataFrame]:
    """Every right with every wrong response of an item, and the margin."""
    frame = items.assign(score=scores)
    joined = frame[frame["correct"]].merge(frame[~frame["correct"]], on=["item", "subset"], suffixes=("_chosen", "_rejected"))
    pairs = joined.rename(columns={"response_chosen": "chosen", "response_rejected": "rejected"})[["item", "subset", "chosen", "rejected"]]
    return (joined["score_chosen"] - joined["score_rejected"]).to_numpy(), pairs


def test_pairs_say_as_much_as_scores():
    """A result has margins of pairs; up to a constant of the item they are scores of responses."""
    items, rng = items_of(), np.random.default_rng(2)
    scores = rng.normal(size=len(items)) + items["correct"].to_numpy(float)
    margins, pairs = pairs_of(items, scores)
    again, table = item_scores(margins, pairs)
    assert len(again) == len(items) == len(table)
    given = table.merge(items.assign(score=scores), on=["item", "response"])
    apart = given["score"] - again
    assert (apart.groupby(given["item"]).agg(np.ptp) < 1e-9).all()
    assert (given["correct_x"] == given["correct_y"]).all()
    columns = ["value", "low", "high", "n", "families"]
    left, right = (rewardbench2_table(s, i, draws=30).sort_values("slice")[columns] for s, i in ((again, table), (scores, items)))
    pd.testing.assert_frame_equal(left[["value", "n", "families"]], right[["value", "n", "families"]])
    both, _ = item_scores(np.stack([margins, 2 * margins]), pairs)
    assert both.shape == (2, len(items)) and np.allclose(both[1], 2 * both[0])


def test_pairs_that_are_no_scores_are_refused():
    margins, pairs = pairs_of(items_of(), np.random.default_rng(3).normal(size=len(items_of())))
    off = margins.copy()
    off[(pairs["item"] == "tied:1").to_numpy().nonzero()[0][-1]] += 1
    with pytest.raises(WorkbenchError, match="margins that do not add up in tied:1.*sees both answers"):
        item_scores(off, pairs)
    with pytest.raises(WorkbenchError, match="chosen here and rejected there: "):
        item_scores(margins[:2], pairs[:2].assign(item="i", chosen=["a", "b"], rejected=["b", "c"]))
    with pytest.raises(WorkbenchError, match="no comparison links b, d"):
        item_scores(margins[:2], pairs[:2].assign(item="i", chosen=["a", "b"], rejected=["c", "d"]))
