"""What results owe to length: rewards that add up to margins, and accuracy where both answers are as long."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from workbench.errors import WorkbenchError
from workbench.scenario import lengths
from workbench.scenario.compare import compare
from workbench.scenario.recipe import Scenario
from workbench.scenario.run import run
from workbench.study import Study


@pytest.fixture(scope="module")
def results(wide, quick):
    return tuple(run(quick.child(**edit), wide.study, cache=False) for edit in ({}, {"debias": "verbosity"}))


@pytest.fixture(scope="module")
def words(wide):
    texts = wide.study.responses.set_index("response_id")["text"]
    pairs = wide.study.split_pairs("dev")
    return [tuple(len(texts[pairs[side][i]].split()) for side in ("chosen", "rejected")) for i in range(len(pairs))]


def test_rewards_add_up_to_margins(results, wide, quick):
    head = run(quick.child(gate={"kind": "bradley-terry", "steps": 60}), wide.study, cache=False)
    for result in (*results, head):
        rewards = lengths.rewards_of(result)
        np.testing.assert_allclose(rewards[:, 0] - rewards[:, 1], result.margin, atol=1e-9)
    result = results[1]
    by_hand = [sum(result.weights[s, 3, k] * result.scores.values[3, 1, k] for k in range(4)) for s in range(len(result.seeds))]
    assert lengths.rewards_of(result)[3, 1] == pytest.approx(np.mean(by_hand))


def test_points_and_correlation(results, words):
    points = lengths.reward_points(results[0])
    assert points["length"].tolist() == [a for a, _ in words] + [b for _, b in words]
    for result in results:
        rho = lengths.reward_correlation(result, draws=50).set_index("view")["rho"]
        assert rho["within prompts"] == pytest.approx(spearmanr(result.margin, [a - b for a, b in words]).statistic)
    table = lengths.verbosity_by_slice(results[1], draws=50)
    assert set(table["slice"]) == {"All pairs", "Chat", "Safety"} and set(table["when"]) == {"before", "after"}


def test_accuracy_on_pairs_of_equal_length(results, words):
    """Oracle: count the wins among the pairs within the caliper; compare as if the others were not there."""
    caliper = 0.3
    kept = np.array([abs(math.log(a / b)) <= caliper for a, b in words])
    table = lengths.length_matched(*results, caliper=caliper)
    everywhere = table[table["slice"] == "All pairs"].set_index("series")
    assert everywhere.index.tolist() == ["baseline", "candidate", "difference"] and 0 < kept.sum() < len(kept)
    shares = [np.mean([(margins[kept] > 0).mean() for margins in result.margins]) for result in results]
    assert everywhere["value"].tolist() == pytest.approx([*shares, shares[1] - shares[0]])
    assert set(everywhere["n"]) == {kept.sum()} and set(everywhere["families"]) == {len(set(results[0].families[kept]))}
    assert (everywhere["low"] <= everywhere["value"]).all() and (everywhere["value"] <= everywhere["high"]).all()
    assert "seed noise not estimated" in "".join(everywhere["words"]) or len(results[0].seeds) >= 5
    chat = table[table["slice"] == "Chat"].set_index("series")
    inside = kept & (results[0].pairs["section"] == "Chat").to_numpy()
    assert chat.loc["baseline", "n"] == inside.sum()
    assert (table["caliper"] == caliper).all()


def test_a_caliper_that_keeps_all_is_the_plain_comparison(results):
    table = lengths.length_matched(*results, caliper=99.0)
    plain = compare(*results)
    paired = table[table["series"] == "difference"].reset_index(drop=True)
    for name, same in (("value", "difference"), ("low", "low"), ("high", "high"), ("p", "p"), ("p_holm", "p_holm"), ("words", "words")):
        pd.testing.assert_series_equal(paired[name], plain[same], check_names=False)


def test_a_baseline_alone(results):
    table = lengths.length_matched(results[0], caliper=0.3)
    assert set(table["series"]) == {"baseline"} and table["p"].isna().all()


def test_what_cannot_be_matched(results, wide, quick):
    with pytest.raises(WorkbenchError, match="no pair of answers within"):
        bare = np.array([[10.0, 20.0]] * len(results[0].pairs))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lengths, "lengths_of", lambda result: bare)
            lengths.length_matched(results[0])
    rows = [(f"p{i}", side, "a", float(i % 7) + (side == "chosen")) for i in range(150) for side in ("chosen", "rejected")]
    scores = Study.from_scores(pd.DataFrame(rows, columns=["pair", "side", "objective", "score"]))
    other = run(Scenario(gate={"kind": "uniform"}, seeds=(0,)), scores, cache=False)
    with pytest.raises(WorkbenchError, match="no length is known"):
        lengths.length_matched(other)
    with pytest.raises(WorkbenchError, match="results of study|different"):
        lengths.length_matched(results[0], other)
