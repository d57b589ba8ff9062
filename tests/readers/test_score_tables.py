"""A plain table of scores becomes a study that works without text or features."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.errors import WorkbenchError


def scores(pairs=4, names=("help", "safety")):
    rng = np.random.default_rng(0)
    rows = [(f"c{i}", side, name, rng.normal()) for i in range(pairs) for side in ("rejected", "chosen") for name in names]
    return pd.DataFrame(rows, columns=["pair", "side", "objective", "score"])


def test_every_score_lands_on_its_side(tmp_path):
    table = scores().sample(frac=1, random_state=1)
    study = wb.Study.from_scores(table)
    assert study.columns == study.objectives == tuple(dict.fromkeys(table["objective"]))
    assert not study.has_text and len(study.pairs) == 4
    got = study.column_scores(["help", "safety"])
    for place, pair in enumerate(study.pairs["pair_id"]):
        for side, word in enumerate(("chosen", "rejected")):
            for k, name in enumerate(got.names):
                row = table[(table["pair"] == pair) & (table["side"] == word) & (table["objective"] == name)]
                assert got.values[place, side, k] == row["score"].item()


def test_prompts_bring_family_section_and_split():
    prompts = pd.DataFrame(
        {
            "pair": [f"c{i}" for i in range(4)],
            "prompt_id": ["a", "a", "b", "c"],
            "family": ["f", "f", "f", "g"],
            "section": ["Chat", "Chat", "Chat", "Safety"],
            "split": ["train", "train", "train", "dev"],
        }
    )
    study = wb.Study.from_scores(scores(), prompts=prompts)
    pairs = study.pairs.set_index("pair_id")
    assert pairs["family"].to_dict() == {"c0": "f", "c1": "f", "c2": "f", "c3": "g"}
    assert pairs["split"].to_dict() == {"c0": "train", "c1": "train", "c2": "train", "c3": "dev"}
    assert len(study.prompts) == 3


def broken(row, **change):
    table = scores().astype({"side": object})
    for column, value in change.items():
        table.loc[row, column] = value
    return table


BAD = {
    "missing column": (scores().drop(columns="side"), None, ["missing column 'side'", "pair, objective"]),
    "unknown side": (broken(3, side="left"), None, ["column side", "'left'", "rows 3"]),
    "NaN": (broken(2, score=np.nan), None, ["column score", "rows 2"]),
    "infinite": (broken(2, score=np.inf), None, ["column score", "rows 2"]),
    "twice": (pd.concat([scores(), scores().head(1)]), None, ["given twice", "rows 16"]),
    "gap": (scores().drop(index=5), None, ["no safety score for c1:rejected"]),
    "empty": (scores().head(0), None, ["no rows"]),
    "one pair": (scores(1), None, ["one prompt"]),
    "no prompt": (scores(), pd.DataFrame({"pair": ["c0"]}), ["no prompt for pair c1, c2, c3"]),
    "prompt twice": (scores(), pd.DataFrame({"pair": ["c0", "c0"]}), ["duplicate pair c0"]),
    "no pair column": (scores(), pd.DataFrame({"prompt": ["c0"]}), ["missing column 'pair'"]),
    "two splits": (
        scores(),
        pd.DataFrame({"pair": [f"c{i}" for i in range(4)], "family": "f", "split": ["train", "dev", "dev", "dev"]}),
        ["family f in two splits"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_scores(case):
    table, prompts, words = BAD[case]
    with pytest.raises(WorkbenchError) as caught:
        wb.Study.from_scores(table, prompts=prompts)
    assert all(word in str(caught.value) for word in words), str(caught.value)
