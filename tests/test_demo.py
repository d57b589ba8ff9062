"""The shipped study is what its card says: counts, constants, true values, labels, features."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench as wb

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="module")
def builder():
    sys.path.insert(0, str(DATA))
    import build_demo

    yield build_demo
    sys.path.remove(str(DATA))


@pytest.fixture(scope="module")
def planted(builder):
    return builder.plant()


@pytest.fixture(scope="module")
def demo():
    return wb.demo()


def test_the_committed_study_is_what_the_builder_makes(demo, planted):
    tables, truth = planted
    for name in ("prompts", "responses", "pairs", "ratings", "splits"):
        pd.testing.assert_frame_equal(demo.table(name), getattr(tables, name).reset_index(drop=True), check_dtype=False)
    for name, frame in truth.items():
        pd.testing.assert_frame_equal(demo.table(name), frame.reset_index(drop=True), check_dtype=False)


def test_prose_keeps_its_rules(builder):
    for name in builder.prose.DOMAINS:
        assert builder.prose.check(builder.prose.load(name)) == []


def test_counts(demo):
    prompts = demo.prompts
    assert prompts["family"].nunique() == 240 and len(prompts) >= 1000
    assert (prompts.groupby("domain")["family"].nunique() == 30).all() and prompts["domain"].nunique() == 8
    assert prompts["text"].is_unique
    assert set(prompts["section"]) == {"Chat", "Chat Hard", "Safety", "Reasoning"} and prompts["category"].nunique() == 5
    assert (prompts["reference"].notna() == (prompts["query"] == "constrained")).all()
    pairs = demo.pairs
    assert (pairs.groupby("prompt_id").size() == 6).all() and pairs.groupby("family").size().nunique() == 1
    pool = demo.responses[demo.responses["model"] == "pool"]
    assert (pool.groupby("prompt_id").size() == 64).all() and set(pool["split"]) == {"dev", "test"}
    assert pool["family"].nunique() == prompts.loc[prompts["split"] != "train", "family"].nunique()
    share = prompts.drop_duplicates("family").groupby("domain")["split"].value_counts(normalize=True).unstack()
    np.testing.assert_allclose(share[["train", "dev", "test"]], np.tile([0.6, 0.2, 0.2], (8, 1)))


def test_true_values_are_independent_but_for_one_couple(demo):
    answers = demo.table("responses")["model"] == "answer"
    values = demo.truth.loc[answers.to_numpy(), list(demo.objectives)]
    correlation = values.corr().to_numpy() - np.eye(len(demo.objectives))
    couple = [demo.objectives.index("helpfulness"), demo.objectives.index("informativeness")]
    assert correlation[couple[0], couple[1]] > 0.9
    correlation[couple, couple[::-1]] = 0
    assert np.abs(correlation).max() <= 0.3


def test_labels_follow_the_planted_gate_then_flip(demo, builder):
    truth, pairs = demo.table("truth_pairs"), demo.pairs
    recipe = builder.recipe
    values = demo.truth.set_index("response_id")[list(recipe.OBJECTIVES)]
    gate = demo.table("truth_gate").set_index("cell")
    assert ((gate > 0).sum(axis=1).between(3, 5)).all()
    unit = np.array([recipe.UNIT[name] for name in recipe.OBJECTIVES])
    difference = (values.loc[pairs["chosen"]].to_numpy() - values.loc[pairs["rejected"]].to_numpy()) / unit
    gap = (gate.loc[truth["cell"]].to_numpy() * difference).sum(axis=1)
    np.testing.assert_allclose(gap, truth["gap"], atol=1e-9)
    assert abs(truth["flipped"].mean() - 0.15) < 0.01
    clean = np.where(truth["flipped"], -gap, gap)
    chance = 1 / (1 + np.exp(-recipe.BETA * clean))
    right = np.where(clean == 0, 0.5, clean > 0)
    assert abs(right.mean() - np.maximum(chance, 1 - chance).mean()) < 0.01  # Bradley–Terry before the flip
    elsewhere = pairs["domain"] != recipe.LENGTH_FLIPS
    flipped = truth["flipped"] & elsewhere
    assert np.abs(gap[flipped]).mean() < 0.8 * np.abs(gap[~truth["flipped"] & elsewhere]).mean()
    length = demo.column("n_words")
    longer = length.loc[pairs["chosen"]].to_numpy() > length.loc[pairs["rejected"]].to_numpy()
    assert longer[truth["flipped"] & ~elsewhere].all()


def test_planted_length_bias_is_where_the_card_says(demo, builder):
    truth, recipe = demo.truth.set_index("response_id"), builder.recipe
    for source in recipe.SOURCES.values():
        for name in source.objectives:
            if name == "verbosity":
                continue
            seen = demo.ratings.set_index("response_id")[name].dropna()
            known = truth.loc[seen.index]
            columns = np.column_stack([np.ones(len(seen)), known[name], known["verbosity"]])
            slope = np.linalg.lstsq(columns, (seen - source.low) / (source.high - source.low), rcond=None)[0][2]
            wanted = recipe.SPREAD if source.only_length else source.length_bias
            assert abs(slope - wanted) < 0.1, name


def test_the_card_says_what_the_recipe_says(builder):
    import card

    text = (DATA / "CARD.md").read_text(encoding="utf-8")
    assert card.objective_table() in text and card.gate_table() in text


def test_it_is_small_and_whole(demo):
    files = [path for path in demo.folder.rglob("*") if path.is_file() and "runs" not in path.relative_to(demo.folder).parts]
    size = sum(path.stat().st_size for path in files)
    assert size < 25e6
    assert demo.store.hashes() == []
    assert demo.store.dim("prompt") == demo.store.dim("response") == 384


def test_features_come_from_the_encoder(demo):
    from workbench.backbone import SentenceEncoder

    encoder = SentenceEncoder.load("all-MiniLM-L6-v2")
    rows = np.array([0, 1234, 9999])
    texts = demo.table("responses")["text"].iloc[rows].tolist()
    np.testing.assert_allclose(encoder.encode(texts), demo.store.rows("response", rows), atol=2e-3)


def test_stored_map(demo):
    from workbench.projection import stored_map

    table = stored_map(demo).places
    assert table["prompt_id"].tolist() == demo.table("prompts")["prompt_id"].tolist() and np.isfinite(table[["x", "y"]]).all().all()
