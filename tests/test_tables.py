"""A table is valid or names what is wrong with it; families are split whole and the same way each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.tables import Objective, Tables, split_families


def good() -> Tables:
    prompts = pd.DataFrame({"prompt_id": ["a", "b", "c"], "family": ["f", "f", "g"], "text": ["one?", "two?", "three?"]})
    responses = pd.DataFrame({"response_id": list("uvwxyz"), "prompt_id": list("aabbcc"), "text": ["1", "2", "3", "4", "5", "6"]})
    pairs = pd.DataFrame({"pair_id": ["1", "2", "3"], "prompt_id": list("abc"), "chosen": list("uwy"), "rejected": list("vxz")})
    ratings = pd.DataFrame({"response_id": list("uvw"), "help": [0.0, 0.5, np.nan]})
    splits = pd.DataFrame({"family": ["f", "g"], "split": ["train", "dev"]})
    return Tables(prompts, responses, pairs, ratings, (Objective("help"),), splits)


def test_good_tables_have_no_problem():
    assert list(good().problems()) == [] and good().validated().pairs.shape == (3, 4)


def cell(table, column, row, value):
    def change(tables):
        frame = getattr(tables, table).copy()
        frame.loc[row, column] = value
        return replace(tables, **{table: frame})

    return change


BAD = {
    "two kinds of missing": (
        lambda t: replace(t, prompts=t.prompts.drop(columns="family"), pairs=t.pairs.drop(columns="chosen")),
        ["prompts: missing column 'family'", "pairs: missing column 'chosen'"],
    ),
    "duplicate": (cell("responses", "response_id", 1, "u"), ["responses: duplicate response_id u"]),
    "no id": (cell("prompts", "prompt_id", 2, None), ["prompts: no prompt_id in rows 2"]),
    "empty": (cell("prompts", "text", 0, "\n "), ["empty prompt text for a (rows 0)"]),
    "same text": (cell("responses", "text", 1, "1"), ["chosen and rejected are the same in 1 (rows 0)"]),
    "same id": (cell("pairs", "rejected", 0, "u"), ["chosen and rejected are the same in 1"]),
    "stray response": (cell("pairs", "rejected", 0, "q"), ["pairs, column rejected: rejected of 1 is no known response"]),
    "crossed": (cell("pairs", "rejected", 0, "z"), ["rejected of 1 answers another prompt"]),
    "stray prompt": (cell("responses", "prompt_id", 0, "q"), ["u belong to no prompt"]),
    "one prompt": (lambda t: Tables(t.prompts.head(1), t.responses.head(2), t.pairs.head(1)), ["a study of one prompt"]),
    "outside": (cell("ratings", "help", 1, 1.01), ["ratings, column help: rating 1.01 outside 0 to 1 in rows 1"]),
    "below": (cell("ratings", "help", 0, -0.01), ["rating -0.01 outside 0 to 1 in rows 0"]),
    "infinite": (cell("ratings", "help", 0, np.inf), ["infinite rating in rows 0"]),
    "unrated": (lambda t: replace(t, ratings=t.ratings.assign(help=np.nan)), ["objective 'help' has no rating at all"]),
    "undeclared": (lambda t: replace(t, ratings=t.ratings.assign(charm=1.0)), ["unknown objective 'charm'"]),
    "no column": (lambda t: replace(t, objectives=(*t.objectives, Objective("charm"))), ["objective 'charm' has no column"]),
    "rated twice": (cell("ratings", "response_id", 1, "u"), ["ratings: duplicate response_id u"]),
    "rated nobody": (cell("ratings", "response_id", 1, "q"), ["q are no known responses"]),
    "two splits": (
        lambda t: replace(t, splits=pd.concat([t.splits, pd.DataFrame({"family": ["f"], "split": ["test"]})])),
        ["family f in two splits"],
    ),
    "odd split": (cell("splits", "split", 0, "half"), ["unknown split for f"]),
    "no split": (lambda t: replace(t, splits=t.splits.tail(1)), ["no split for family f"]),
    "no split column": (lambda t: replace(t, splits=t.splits[["family"]]), ["splits: missing column 'split'"]),
}


@pytest.mark.parametrize("case", BAD)
def test_each_defect_is_found_and_named(case):
    change, words = BAD[case]
    found = [str(problem) for problem in change(good()).problems()]
    for word in words:
        assert any(word in line for line in found), found
    with pytest.raises(WorkbenchError):
        change(good()).validated()


def test_a_long_list_is_cut():
    many = pd.DataFrame({"prompt_id": [f"p{i}" for i in range(40)] * 2, "family": "f", "text": "?"})
    found = [str(p) for p in Tables(many, good().responses.head(0), good().pairs.head(0)).problems()]
    assert any("duplicate prompt_id p0, p1, p2, p3, p4 and 35 more" in line for line in found), found


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=60), st.integers(0, 3))
def test_families_are_split_whole_and_the_same_way(rows, seed):
    prompts = pd.DataFrame([(f"f{family:03d}", f"d{domain}") for family, domain in rows], columns=["family", "domain"])
    splits = split_families(prompts, seed=seed)
    assert splits["family"].is_unique and set(splits["family"]) == set(prompts["family"])
    pd.testing.assert_frame_equal(
        splits, split_families(prompts.drop_duplicates("family").iloc[::-1] if _one_domain(prompts) else prompts, seed=seed)
    )
    if len(splits) >= 3:
        assert set(splits["split"]) == {"train", "dev", "test"}


def _one_domain(prompts) -> bool:
    return bool((prompts.groupby("family")["domain"].nunique() == 1).all())


def test_shares_hold_within_each_domain():
    prompts = pd.DataFrame({"family": [f"f{i:04d}" for i in range(400)], "domain": ["x"] * 300 + ["y"] * 100})
    merged = prompts.merge(split_families(prompts))
    shares = merged.groupby("domain")["split"].value_counts(normalize=True).unstack()
    np.testing.assert_allclose(shares[["train", "dev", "test"]], [[0.6, 0.2, 0.2]] * 2, atol=0.011)
    other = prompts.merge(split_families(prompts, seed=1))
    assert (other["split"] != merged["split"]).any()
