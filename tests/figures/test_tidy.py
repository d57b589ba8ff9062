"""Results into tidy tables: the numbers are the result's own."""

import figure_data
import numpy as np
import pandas as pd
import pytest

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.figures import tidy


@pytest.fixture(scope="module")
def result():
    return figure_data.result()


def test_coefficients_give_the_margin_from_undebiased_scores(result):
    """Σ_k c_k Δr_k = Σ_k g_k Δr'_k: what the coefficients are for."""
    for pair in (0, 7):
        table = tidy.gate_prompt(result, f"c{pair}").set_index("objective")
        raw = pd.Series(result.raw.margins[pair], index=result.raw.names)
        assert (table["coefficient"] * raw).sum() == pytest.approx(result.margins[:, pair].mean())
        assert (table["weight"].dropna() >= 0).all() and np.isnan(table.at["verbosity", "weight"])


def test_coefficients_of_a_nuisance_that_is_no_objective():
    rng = np.random.default_rng(0)
    weights, raw, words = rng.uniform(size=(2, 3)), rng.normal(size=3), 1.7
    penalty, multiplier = np.array([[0.3, 0.1, -0.2]]), np.array([1.0, 2.0, 0.5])
    table = tidy.coefficients(weights, ("a", "b", "c"), penalty, ("n_words",), multiplier)
    expected = (weights * multiplier * (raw - penalty[0] * words)).sum(axis=1)
    np.testing.assert_allclose(table.to_numpy() @ np.append(raw, words), expected)


def test_shares_are_means_over_prompts_without_the_null_expert(result):
    table = tidy.gate_shares(result)
    assert set(table["objective"]) == {"helpfulness", "correctness"} and list(dict.fromkeys(table["slice"])) == [
        "All prompts",
        "Chat",
        "Safety",
    ]
    first = ~result.pairs["prompt_id"].duplicated()
    chat = first & (result.pairs["section"] == "Chat")
    got = table.set_index(["slice", "objective"])["share"]
    assert got["Chat", "correctness"] == pytest.approx(result.shares[chat.to_numpy(), 1].mean())
    assert got["All prompts", "helpfulness"] == pytest.approx(result.shares[first.to_numpy(), 0].mean())
    with pytest.raises(WorkbenchError, match="no column 'domain'"):
        tidy.gate_shares(result, by="domain")


def test_one_slice_has_no_separate_whole():
    table = tidy.mean_shares(np.ones((4, 2)) / 2, ("a", "b"), ["only"] * 4)
    assert table["slice"].tolist() == ["All prompts"] * 2


def test_decomposition_adds_up(result):
    table = tidy.decomposition(result, "c3")
    assert table["contribution"].sum() == pytest.approx(result.margins[:, 3].mean(), abs=1e-9)
    with pytest.raises(WorkbenchError, match="no pair 'nope'"):
        tidy.decomposition(result, "nope")
    with pytest.raises(WorkbenchError, match="which pair"):
        tidy.decomposition(result, None)


def test_correlations_are_those_of_the_undebiased_scores(result):
    table = tidy.objective_correlation(result)
    assert len(table) == 3
    ranks = pd.DataFrame(result.raw.values.reshape(-1, 3), columns=result.raw.names).corr("spearman")
    for row in table.itertuples():
        assert row.rho == pytest.approx(ranks.at[row.objective, row.other])


def test_verbosity_against_an_objective(result):
    table = tidy.verbosity(result, "verbosity")
    assert set(table["objective"]) == {"helpfulness", "correctness"} and set(table["when"]) == {"before", "after"}
    with pytest.raises(WorkbenchError, match="n_words"):
        tidy.verbosity(result, "n_words")


def test_map_joins_places_and_leads(result):
    places = pd.DataFrame({"prompt_id": [f"p{i}" for i in range(25)], "x": 0.0, "y": np.arange(25.0)})
    table = tidy.prompt_map(result, places)
    assert len(table) == 25 and table["entropy"].between(1, 2 + 1e-9).all()
    first = result.shares[0, :2]
    assert table["objective"].iloc[0] == ("helpfulness", "correctness")[int(first[1] > first[0])]
    with pytest.raises(WorkbenchError, match="none of the result's prompts"):
        tidy.prompt_map(result, places.assign(prompt_id="elsewhere"))
    with pytest.raises(WorkbenchError, match="no places"):
        tidy.prompt_map(result, None)


def test_sections_carry_the_length_rule_once(result):
    table = tidy.sections({"before": figure_data.result("before", seed=1), "after": result})
    assert list(dict.fromkeys(table["series"])) == ["before", "after", "the longer wins"]
    assert (table.groupby("series").size() == 3).all()


def test_learning_from_histories():
    history = {"step": [0, 50], "loss": [0.7, 0.6], "held_out": [0.7, 0.65]}
    assert len(tidy.learning(history)) == 2
    table = tidy.learning({"a": [history, history], "b": history})
    assert table.groupby("run")["seed"].nunique().to_dict() == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    "draw",
    [
        lambda r: figures.plot_gate_prompt(r, pair="c1"),
        figures.plot_gate_heatmap,
        figures.plot_gate_watershed,
        figures.plot_objective_correlation,
        lambda r: figures.plot_verbosity(r, against="verbosity"),
        lambda r: figures.plot_decomposition(r, pair="c1"),
        figures.plot_sections,
    ],
)
def test_every_figure_of_a_result_says_where_it_is_from(result, draw):
    from workbench.figures.base import provenance_of

    told = provenance_of(draw(result))
    assert told["study"] == "abc123" and told["n"] == 60 and told["families"] == 30
    assert told["scenarios"] == [{"id": "candidate-id", "seeds": [0, 1, 2], "retrained": True, "stopped": "finished"}]
