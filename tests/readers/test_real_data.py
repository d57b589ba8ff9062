"""The real files, where they are: set WORKBENCH_REAL_DATA to their folder. None of them belongs to the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workbench import readers

FOLDER = os.environ.get("WORKBENCH_REAL_DATA")
FILES = ("ratings.jsonl.gz", "pairs_train.jsonl.gz", "pairs_eval_open.jsonl.gz")
pytestmark = pytest.mark.skipif(
    not FOLDER or not all((Path(FOLDER) / name).is_file() for name in FILES),
    reason="WORKBENCH_REAL_DATA names no folder with the real data",
)


@pytest.fixture(scope="module")
def tables():
    return readers.read([Path(FOLDER) / name for name in FILES])


def test_every_row_is_there_and_texts_are_shared(tables):
    assert tables.notes["layouts"] == dict(zip(FILES, ("nested", "preference", "preference")))
    assert len(tables.ratings) == 23345 and len(tables.pairs) == 10398 + 2083
    assert len(tables.responses) < 23345 + 2 * (10398 + 2083)
    rated = set(tables.ratings["response_id"])
    assert tables.pairs["chosen"].isin(rated).mean() > 0.2  # judged pairs of rated responses
    assert len(tables.objectives) == 20
    declared = {objective.name: (objective.low, objective.high) for objective in tables.objectives}
    assert declared["summeval-coherence"] == (1, 5) and declared["uf-overall"] == (1, 10) and declared["qafb-completeness"] == (-16, 0)


def test_its_own_splits_are_kept_and_evaluation_prompts_are_never_trained_on(tables):
    split = tables.splits.set_index("family")["split"]
    assert split.index.is_unique
    of_prompt = tables.prompts.set_index("prompt_id")["family"].map(split)
    pairs = tables.pairs.assign(split=of_prompt.loc[tables.pairs["prompt_id"]].to_numpy())
    counts = pairs["split"].value_counts()
    assert (counts["train"], counts["dev"], counts["test"]) == (7391, 974, 2033 + 2083)
    evaluation = pairs["source"].isin(["humanevalpack", "llmbar-processed", "llmbar", "hhh"])
    assert evaluation.sum() == 2083 and set(pairs.loc[evaluation, "split"]) == {"test"}
