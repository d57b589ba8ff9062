"""Agreement of annotators against a loop over pairs and people."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.evaluate import ceiling, votes_of


def slow(votes):
    """[pair] agreement of two, and of one with most of the others; a tie is broken by a coin, so it counts half."""
    def same(a, b):
        return 0.5 if 0.5 in (a, b) else float(a == b)

    each, rest = [], []
    for row in votes:
        given = [vote for vote in row if not np.isnan(vote)]
        if len(given) < 2:
            continue
        each.append(np.mean([same(a, b) for a, b in itertools.combinations(given, 2)]))
        majority = [np.sign(sum(given) - vote - (len(given) - 1) / 2) / 2 + 0.5 for vote in given]
        rest.append(np.mean([same(a, b) for a, b in zip(given, majority)]))
    return np.array(each), np.array(rest)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 7))
def test_is_its_loop(seed, annotators):
    rng = np.random.default_rng(seed)
    votes = rng.choice([0.0, 0.5, 1.0, 1.0, np.nan], (40, annotators))
    votes[:8, :2] = rng.integers(0, 2, (8, 2))
    found = ceiling(votes, draws=50)
    for row, values in zip(found.itertuples(), slow(votes)):
        assert row.value == pytest.approx(values.mean()) and row.n == row.families == len(values) and row.low <= row.value <= row.high
    assert found["of"].tolist() == ["two annotators", "one and the majority of the others"]


def test_the_value_is_what_the_annotators_have():
    """Each right with probability p: two agree p² + (1 − p)² of the time; the rest's majority is a better guide than one."""
    votes = (np.random.default_rng(0).uniform(size=(4000, 5)) < 0.8).astype(float)
    pairwise, rest = ceiling(votes, np.arange(4000) // 2, draws=100).itertuples()
    assert pairwise.value == pytest.approx(0.68, abs=0.015) and pairwise.families == 2000 and rest.value > pairwise.value + 0.03
    turned = ceiling(1 - votes, np.arange(4000) // 2, draws=100)
    assert turned["value"].tolist() == pytest.approx([pairwise.value, rest.value])  # which side is the label's makes no odds
    pd.testing.assert_frame_equal(ceiling(pd.DataFrame(votes), np.arange(4000) // 2, draws=100).round(12),
                                  ceiling(votes, np.arange(4000) // 2, draws=100).round(12))
    both = ceiling(votes[:, :2], draws=50)["value"]
    assert both[0] == both[1]


def test_few_families_have_no_number():
    found = ceiling(np.ones((20, 3)), np.arange(20) % 5)
    assert found["value"].isna().all() and (found["words"] == "fewer than 6 families").all()


@pytest.mark.parametrize(("votes", "families", "said"), [
    (np.array([[1.0, np.nan], [np.nan, 0.0]]), None, "no pair has two votes"), (np.array([[1.0, 2.0]]), None, "a vote of 2.0"),
    (np.ones((4, 2)), np.arange(3), "3 families beside votes on 4 pairs"),
])
def test_bad_input_is_named(votes, families, said):
    with pytest.raises(WorkbenchError, match=said):
        ceiling(votes, families)


def test_votes_from_lists_of_preferences(tmp_path):
    pairs = pd.DataFrame({"annotators": [json.dumps([2, -1, 0]), None, json.dumps([1])]})
    np.testing.assert_array_equal(votes_of(pairs), [[1, 0, 0.5], [np.nan] * 3, [1, np.nan, np.nan]])
    assert votes_of(pairs.iloc[1:2]).shape == (1, 0)
    with pytest.raises(WorkbenchError, match="no column annotators"):
        votes_of(pairs[[]])


def test_votes_of_a_file_that_has_them(tmp_path):
    """From the public layout to the ceiling."""
    from workbench.readers import read

    rows = [{"domain": "general", "context": [{"role": "user", "content": f"Q{i}"}], "response1": f"a{i}", "response2": f"b{i}",
             "overall_preference": 2 if i % 2 else -2, "individual_preference": [{"score": 3 if i % 2 else -3}, {"score": 1}]}
            for i in range(8)]
    path = tmp_path / "helpsteer3.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    votes = votes_of(read(path).pairs)
    assert votes.tolist() == [[1.0, 0.0], [1.0, 1.0]] * 4 and ceiling(votes, draws=20)["value"].tolist() == [0.5, 0.5]
