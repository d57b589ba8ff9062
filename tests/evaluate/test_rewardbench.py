"""RewardBench's sections and Score against loops, against published subset results, and with parts of it missing."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluate import benchmarks, rewardbench, rewardbench_comparison, rewardbench_table
from workbench.evaluate.published import PUBLISHED, published_table
from workbench.readers.rewardbench import SECTION_OF, SECTIONS

CORE = [name for name, section in SECTION_OF.items() if section != "Prior Sets"]
# Right answers of ArmoRM-Llama3-8B-v0.1 in each subset, from RewardBench's published results (accuracies × pairs).
ARMORM = {
    "alpacaeval-easy": 97, "alpacaeval-length": 92, "alpacaeval-hard": 90, "mt-bench-easy": 28, "mt-bench-med": 40, "mt-bench-hard": 32,
    "llmbar-natural": 93, "llmbar-adver-neighbor": 91, "llmbar-adver-GPTInst": 71, "llmbar-adver-GPTOut": 31, "llmbar-adver-manual": 32,
    "refusals-dangerous": 93, "refusals-offensive": 97, "xstest-should-refuse": 154, "xstest-should-respond": 218, "donotanswer": 108,
    "math-prm": 441, "hep-cpp": 156, "hep-go": 159, "hep-java": 161, "hep-js": 160, "hep-python": 158, "hep-rust": 151,
    "anthropic_helpful": 4318, "anthropic_hhh": 194, "shp": 1300, "summarize": 5849,
}


def bench(subsets=CORE, per=None) -> pd.DataFrame:
    """The pairs of RewardBench without their texts, or `per` of each subset."""
    return pd.DataFrame({"subset": np.repeat(list(subsets), [per or rewardbench.SIZES[name] for name in subsets])})


def hits(pairs: pd.DataFrame, right: dict[str, int]) -> np.ndarray:
    """Margins of a model that gets the first so many of each subset right."""
    place = pairs.groupby("subset").cumcount()
    return np.where(place < pairs["subset"].map(right), 1.0, -1.0)


def row(table: pd.DataFrame, name: str, series: str = "model") -> pd.Series:
    (found,) = table[(table["slice"] == name) & (table["series"] == series)].to_dict("records")
    return pd.Series(found)


def test_published_results_give_the_published_row():
    """ArmoRM's: every section but Safety, which was published with XSTest counted the wrong way round."""
    pairs = bench(SECTION_OF)
    table = rewardbench_table(hits(pairs, ARMORM), pairs, draws=0)
    armorm = PUBLISHED[0]
    for name, value in (("Chat", armorm.chat), ("Chat Hard", armorm.chat_hard), ("Reasoning", armorm.reasoning),
                        ("Prior Sets", armorm.prior_sets), ("Safety", armorm.recounted), ("Score", 88.6)):
        assert round(100 * row(table, name).value, 1) == value, name
    assert set(table["words"]) == {""} and (table["ties"] == 0).all()


def test_the_xstest_counts_are_not_swapped(monkeypatch):
    assert rewardbench.COUNTS["xstest-should-refuse"] == 154 and rewardbench.COUNTS["xstest-should-respond"] == 250
    pairs = bench(SECTION_OF)
    swapped = {"xstest-should-refuse": 250, "xstest-should-respond": 154}
    monkeypatch.setattr(rewardbench, "COUNTS", rewardbench.COUNTS | swapped)
    table = rewardbench_table(hits(pairs, ARMORM), pairs, draws=0)
    assert round(100 * row(table, "Safety").value, 1) == PUBLISHED[0].safety == 92.2  # what a swap would give, and gave
    assert round(100 * row(table, "Score").value, 1) == PUBLISHED[0].score == 89.0


def test_counts_are_those_of_the_sections():
    counts = {section: sum(rewardbench.COUNTS[name] for name in subsets) for section, subsets in SECTIONS.items()}
    assert counts == {"Chat": 358, "Chat Hard": 456, "Safety": 740, "Reasoning": 984 + 6 * 164, "Prior Sets": 4}
    assert rewardbench.SIZES["math-prm"] == 447 and sum(rewardbench.SIZES[name] for name in CORE) == 2985


def test_table_equals_its_loops():
    rng = np.random.default_rng(0)
    pairs = bench(SECTION_OF, per=12)
    margins = rng.integers(-2, 4, size=(3, len(pairs))).astype(float)  # ties among them
    table = rewardbench_table(margins, pairs, draws=50)
    accuracy = {name: np.mean([[m[i] > 0 for i in np.flatnonzero(pairs["subset"] == name)] for m in margins]) for name in SECTION_OF}
    total, weight = 0.0, 0.0
    for section, subsets in SECTIONS.items():
        counts = [1 if section == "Prior Sets" else rewardbench.COUNTS[name] for name in subsets]
        value = sum(c * accuracy[name] for c, name in zip(counts, subsets)) / sum(counts)
        found = row(table, section)
        assert found.value == pytest.approx(value) and found.low <= value <= found.high and found.n == 12 * len(subsets)
        assert found.ties == pytest.approx((margins[:, pairs["subset"].isin(subsets)] == 0).sum() / 3)
        total, weight = total + value * (0.5 if section == "Prior Sets" else 1.0), weight + (0.5 if section == "Prior Sets" else 1.0)
    assert row(table, "Score").value == pytest.approx(total / weight)
    assert row(table, "Four-section mean").value == pytest.approx(np.mean([row(table, s).value for s in list(SECTIONS)[:4]]))
    for name in SECTION_OF:
        assert row(table, name).value == pytest.approx(accuracy[name]) and row(table, name).section == SECTION_OF[name]
    assert list(table.columns) == list(rewardbench.COLUMNS)


def slow_section(margins, pairs, subsets, draws, rng):
    """Resample families and seeds, take every subset's accuracy, weigh with the official counts."""
    families, out = pairs["family"].unique(), []
    rows = {name: np.flatnonzero(pairs["family"] == name) for name in families}
    for _ in range(draws):
        drawn = np.concatenate([rows[name] for name in rng.choice(families, len(families) - 1)])
        seeds = rng.choice(len(margins), len(margins) - 1) if len(margins) >= 5 else np.arange(len(margins))
        subset, right = pairs["subset"].to_numpy()[drawn], (margins[seeds][:, drawn] > 0).mean(axis=0)
        each = [right[subset == name].mean() for name in subsets]
        out.append(np.average(each, weights=[rewardbench.COUNTS[name] for name in subsets]))
    return np.array(out)


@pytest.mark.parametrize("seeds", [1, 6])
def test_intervals_spread_as_resampled_sections_do(seeds):
    """Families run across subsets, as the problems of HumanEvalPack run across languages."""
    rng = np.random.default_rng(3)
    subsets = SECTIONS["Reasoning"]
    pairs = bench(subsets, per=60)
    pairs["family"] = [f"f{i}" for i in pairs.groupby("subset").cumcount()]
    family = rng.normal(size=60)[pairs["family"].str[1:].astype(int)]
    margins = 0.8 + family + rng.normal(size=(seeds, len(pairs))) + 0.5 * rng.normal(size=(seeds, 1))
    slow = slow_section(margins, pairs, subsets, 1500, rng)
    table = rewardbench_table(margins, pairs)
    found = row(table, "Reasoning")
    assert (found.high - found.low) / 2 == pytest.approx((2.0 if seeds == 1 else 2.2) * slow.std(), rel=0.15)
    assert found.families == 60 and found.n == 420
    if seeds == 1:  # the trap: seven languages of one problem are not seven problems
        alone = row(rewardbench_table(margins, pairs.assign(family=np.arange(len(pairs)))), "Reasoning")
        assert found.high - found.low > 1.3 * (alone.high - alone.low)


def test_few_rows_of_great_weight_make_a_wide_interval():
    """Forty rows that count as much as four hundred: the interval is that of the resampled weighted mean, not of the plain one."""
    rng, strata = np.random.default_rng(7), np.repeat(np.array(["few", "many"], object), [40, 400])
    values = (rng.uniform(size=(1, 440)) < np.where(strata == "few", 0.6, 0.8)).astype(float)
    (found,) = benchmarks.weighted_estimates([values], np.arange(440), strata, {"few": 1.0, "many": 1.0})
    slow = []
    for _ in range(3000):
        drawn = rng.integers(0, 440, 439)
        slow.append(np.mean([values[0][drawn][strata[drawn] == name].mean() for name in ("few", "many")]))
    assert found.value == pytest.approx((values[0][:40].mean() + values[0][40:].mean()) / 2)
    assert (found.high - found.low) / 2 == pytest.approx(1.97 * np.std(slow), rel=0.08)
    (plain,) = benchmarks.estimates([values], np.arange(440))
    assert found.high - found.low > 1.5 * (plain.high - plain.low)


def test_a_planted_model_is_found():
    """A model that is right with known chance: the interval holds the truth about as often as it says."""
    subsets, rng, held = SECTIONS["Safety"], np.random.default_rng(5), 0
    strata, weights = bench(subsets, per=30)["subset"].to_numpy(object), {name: rewardbench.COUNTS[name] for name in subsets}
    chances = dict(zip(subsets, np.linspace(0.5, 0.95, len(subsets))))
    chance, truth = np.array([chances[name] for name in strata]), np.average(list(chances.values()), weights=list(weights.values()))
    for _ in range(300):
        right = (rng.uniform(size=(1, len(strata))) < chance).astype(float)
        (found,) = benchmarks.weighted_estimates([right], np.arange(len(strata)), strata, weights, draws=300)
        held += found.low <= truth <= found.high
    assert 0.91 <= held / 300 <= 0.99


def test_what_is_missing_is_said_and_never_averaged_away():
    pairs = bench([name for name in CORE if not name.startswith("mt-bench") and name not in SECTIONS["Safety"]])
    margins = np.ones(len(pairs))
    table = rewardbench_table(margins, pairs, draws=0)
    for name, lacks in (("Chat", "lacks mt-bench-easy, mt-bench-med"), ("Chat Hard", "lacks mt-bench-hard"),
                        ("Safety", "lacks all of its 5 parts"), ("Score", "lacks Chat, Chat Hard and 1 more; without Prior Sets")):
        assert np.isnan(row(table, name).value) and row(table, name).words == lacks
    assert row(table, "Reasoning").value == pytest.approx(1)
    part = row(table, "Chat Hard, in part")
    assert part.value == pytest.approx(1) and part.level == "part" and part.words == "without mt-bench-hard: not RewardBench's section"
    assert not {"Safety, in part", "Reasoning, in part", "Prior Sets"} & set(table["slice"])
    assert row(table, "mt-bench-hard").words == "not there" and np.isnan(row(table, "mt-bench-hard").value)
    whole = rewardbench_table(hits(bench(), ARMORM), bench(), draws=0)
    assert row(whole, "Score").words == "without Prior Sets" and row(whole, "Score").value == row(whole, "Four-section mean").value


def test_prior_sets_count_only_when_they_are_whole():
    pairs = bench([*CORE, "shp", "summarize"])
    table = rewardbench_table(hits(pairs, ARMORM), pairs, draws=0)
    assert row(table, "Prior Sets").words == "lacks anthropic_helpful, anthropic_hhh" and np.isnan(row(table, "Prior Sets").value)
    assert row(table, "Prior Sets, in part").value == pytest.approx((1300 / 1741 + 5849 / 9000) / 2)  # a plain mean
    assert row(table, "Score").value == pytest.approx(row(table, "Four-section mean").value)
    assert row(table, "Score").words == "without Prior Sets"


def test_a_part_of_a_subset_is_said():
    pairs = bench()
    pairs = pairs[~((pairs["subset"] == "llmbar-natural") & (pairs.groupby("subset").cumcount() >= 60))]
    table = rewardbench_table(np.ones(len(pairs)), pairs, draws=0)
    assert row(table, "llmbar-natural").words == "60 pairs, not 100" and row(table, "llmbar-natural").n == 60
    assert row(table, "Chat Hard").words == "another number of pairs than RewardBench's in llmbar-natural"
    assert row(table, "Chat Hard").value == pytest.approx(1) and row(table, "Safety").words == ""


def test_few_families_give_no_number_and_no_section():
    pairs = bench(per=25)
    pairs["family"] = np.where(pairs["subset"] == "shp", "one", np.arange(len(pairs)).astype(str))
    pairs.loc[pairs["subset"] == "donotanswer", "family"] = [f"d{i % 5}" for i in range(25)]
    pairs.loc[pairs["subset"] == "mt-bench-easy", "family"] = [f"m{i % 10}" for i in range(25)]
    table = rewardbench_table(np.ones(len(pairs)), pairs, draws=20)
    assert np.isnan(row(table, "donotanswer").value) and row(table, "donotanswer").words == "fewer than 6 families; 25 pairs, not 136"
    assert row(table, "Safety").words.startswith("lacks donotanswer") and np.isnan(row(table, "Safety").value)
    assert row(table, "Safety, in part").value == pytest.approx(1)
    assert row(table, "mt-bench-easy").words.endswith("fewer than 20 families") and row(table, "mt-bench-easy").value == 1.0


def test_one_fixed_model_has_wilsons_interval_where_each_family_has_one_pair():
    pairs = bench()
    fixed = rewardbench_table(hits(pairs, ARMORM), pairs, draws=50)
    low, high = benchmarks.wilson(hits(pairs, ARMORM)[pairs["subset"] == "mt-bench-easy"] > 0, np.arange(28))
    assert (row(fixed, "mt-bench-easy").low, row(fixed, "mt-bench-easy").high) == (low, high) and low < 0.9 and high == 1.0
    assert row(fixed, "mt-bench-easy").seeds == 0 and row(fixed, "mt-bench-easy").words == ""
    trained = rewardbench_table(hits(pairs, ARMORM)[None], pairs, draws=50)
    assert row(trained, "mt-bench-easy").low == 1.0 and "seed noise not estimated" in row(trained, "mt-bench-easy").words
    # Reasoning weighs math-prm twice: no Wilson there, and an interval that ends where accuracies do
    assert row(fixed, "Reasoning").low < row(fixed, "Reasoning").value < row(fixed, "Reasoning").high <= 1.0


def test_the_longer_wins_stands_beside_every_model():
    rng = np.random.default_rng(1)
    pairs = bench(per=20)
    lengths = rng.integers(1, 6, size=(len(pairs), 2)).astype(float)
    models = {"a": rng.normal(1, 1, len(pairs)), "b": rng.normal(1, 1, (5, len(pairs)))}
    table = rewardbench_table(models, pairs, lengths=lengths, draws=20)
    assert list(dict.fromkeys(table["series"])) == ["a", "b", "the longer wins"]
    chosen = (pairs["subset"] == "hep-go").to_numpy()
    assert row(table, "hep-go", "the longer wins").value == pytest.approx(np.mean(lengths[chosen, 0] > lengths[chosen, 1]))
    assert row(table, "hep-go", "the longer wins").ties == (lengths[chosen, 0] == lengths[chosen, 1]).sum()
    assert row(table, "hep-go", "the longer wins").seeds == 0 and row(table, "hep-go", "b").seeds == 5
    alone = rewardbench_table(models["b"], pairs, draws=20)
    for name in ("Score", "Chat", "hep-go"):  # a model's row does not depend on its company
        assert row(table, name, "b").drop("series").equals(row(alone, name).drop("series"))


def test_bad_input_is_named():
    pairs = bench(per=6).assign(pair_id=[f"p{i}" for i in range(6 * len(CORE))])
    margins = np.ones(len(pairs))
    margins[[3, 7]] = np.nan, np.inf
    with pytest.raises(WorkbenchError, match="a: margins that are no finite numbers: p3, p7"):
        rewardbench_table({"a": margins}, pairs)
    with pytest.raises(WorkbenchError, match=r"margins of shape \[1, 5\] beside a table of 138 rows"):
        rewardbench_table(np.ones(5), pairs)
    with pytest.raises(WorkbenchError, match="no column 'subset'.*It has domain"):
        rewardbench_table(np.ones(2), pd.DataFrame({"domain": ["shp", "shp"]}))
    with pytest.raises(WorkbenchError, match="no subset of RewardBench: faireval"):
        rewardbench_table(np.ones(2), pd.DataFrame({"subset": ["shp", "faireval"]}))
    with pytest.raises(WorkbenchError, match="no model to score"):
        rewardbench_table({}, pairs)
    with pytest.raises(WorkbenchError, match="lengths of shape"):
        rewardbench_table(np.ones(len(pairs)), pairs, lengths=np.ones((len(pairs), 3)))
    with pytest.raises(WorkbenchError, match="a model named 'the longer wins'"):
        rewardbench_table({"the longer wins": np.ones(len(pairs))}, pairs, lengths=np.ones((len(pairs), 2)))
    with pytest.raises(WorkbenchError, match="without rows"):
        rewardbench_table(np.ones(0), pairs[:0])
    named = rewardbench_table(np.ones(len(pairs)), pairs.rename(columns={"subset": "domain"}), subset="domain", draws=0)
    assert row(named, "Chat").value == pytest.approx(1) and row(named, "Chat").value <= 1


def test_weighted_means_refuse_a_stratum_without_rows():
    with pytest.raises(WorkbenchError, match="no rows of b"):
        benchmarks.row_weights(np.array(["a", "a"], object), {"a": 1.0, "b": 1.0})


# -- two models ------------------------------------------------------------------------------------


def comparison_row(table, name, first="a", second="b"):
    (found,) = table[(table["slice"] == name) & (table["first"] == first) & (table["second"] == second)].to_dict("records")
    return pd.Series(found)


def test_permutation_by_family_equals_all_its_patterns():
    """Reasoning, whose subsets count unlike: all ways to flip families, weighted as the section is."""
    rng = np.random.default_rng(2)
    subsets = SECTIONS["Reasoning"]
    pairs = bench(subsets, per=10)
    pairs["family"] = [f"f{i}" for i in pairs.groupby("subset").cumcount()]
    models = {name: rng.normal(0.4, 1, size=(2, len(pairs))) for name in "ab"}
    found = comparison_row(rewardbench_comparison(models, pairs, draws=30), "Reasoning")
    right = {name: (values > 0).mean(axis=0) for name, values in models.items()}
    counts = np.array([rewardbench.COUNTS[name] / 10 for name in pairs["subset"]])
    sums = np.array([((right["b"] - right["a"]) * counts)[pairs["family"] == f].sum() for f in pairs["family"].unique()])
    totals = np.array([abs(np.dot(signs, sums)) for signs in itertools.product([1, -1], repeat=10)])
    assert found.p == pytest.approx(np.mean(totals >= abs(sums.sum()) - 1e-9)) and found.test == "sign flips"
    assert found.difference == pytest.approx(sums.sum() / counts.sum()) == pytest.approx(found.candidate - found.baseline)
    assert np.isnan(found.p_holm) and found.words.startswith("fewer than 20 families; seed noise not estimated")


def test_mcnemar_where_each_family_has_one_pair_and_all_count_alike():
    pairs = bench()
    rng = np.random.default_rng(4)
    models = {name: rng.normal(0.5, 1, len(pairs)) for name in "ab"}
    table = rewardbench_comparison(models, pairs, draws=50)
    chat = pairs["subset"].isin(SECTIONS["Chat"]).to_numpy()
    assert comparison_row(table, "Chat").test == "McNemar" and comparison_row(table, "Reasoning").test == "sign flips"
    assert comparison_row(table, "Chat").p == benchmarks_mcnemar(models["a"][chat] > 0, models["b"][chat] > 0)
    shared = rewardbench_comparison(models, pairs.assign(family=np.arange(len(pairs)) // 2), draws=50)
    assert comparison_row(shared, "Chat").test == "sign flips"


def benchmarks_mcnemar(first, second) -> float:
    """Twice the binomial tail of the smaller count of pairs that only one gets right."""
    from math import comb

    gained, lost = int((~first & second).sum()), int((first & ~second).sum())
    n, k = gained + lost, min(gained, lost)
    return pytest.approx(min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n))


def test_holm_over_sections_and_pairs_of_models_and_the_score_apart():
    pairs, rng = bench(per=40), np.random.default_rng(6)
    models = {"a": rng.normal(0.5, 1, len(pairs)), "b": rng.normal(0.6, 1, len(pairs)), "c": rng.normal(2.5, 1, len(pairs))}
    table = rewardbench_comparison(models, pairs, draws=200)
    assert len(table) == 3 * 5 and list(table.columns) == list(rewardbench.COMPARISON)
    for part, count in ((table[table["slice"] == "Score"], 3), (table[table["slice"] != "Score"], 12)):
        p, order = part["p"].to_numpy(), np.argsort(part["p"].to_numpy(), kind="stable")
        worst, slow = 0.0, np.zeros(count)
        for rank, i in enumerate(order):
            worst = max(worst, min(1.0, (count - rank) * p[i]))
            slow[i] = worst
        np.testing.assert_allclose(part["p_holm"], slow)
    assert comparison_row(table, "Score", "a", "c").words.startswith("higher; without Prior Sets")
    assert comparison_row(table, "Chat", "a", "c").difference > 0 and comparison_row(table, "Chat", "a", "c").low > 0
    declared = rewardbench_comparison(models, pairs, sections=("Chat",), draws=20)
    assert set(declared["slice"]) == {"Score", "Chat"}
    np.testing.assert_allclose(comparison_row(declared, "Chat", "a", "b").p, comparison_row(table, "Chat", "a", "b").p)


def test_an_incomplete_section_is_compared_on_what_is_there_under_its_own_name():
    pairs = bench([name for name in CORE if name != "mt-bench-hard"])
    models = {"a": np.ones(len(pairs)), "b": -np.ones(len(pairs))}
    table = rewardbench_comparison(models, pairs, draws=20)
    lacking = comparison_row(table, "Chat Hard")
    assert np.isnan([lacking.difference, lacking.p, lacking.p_holm]).all() and lacking.words == "lacks mt-bench-hard"
    part = comparison_row(table, "Chat Hard, in part")
    assert part.difference == -1 and part.words.startswith("lower; without mt-bench-hard")
    assert comparison_row(table, "Score").words.startswith("lacks Chat Hard") and np.isnan(comparison_row(table, "Score").difference)
    assert table["p_holm"].notna().sum() == 4


def test_the_same_model_differs_nowhere_and_seeds_are_paired():
    pairs, rng = bench(per=30), np.random.default_rng(8)
    margins = rng.normal(0.5, 1, size=(6, len(pairs)))
    table = rewardbench_comparison({"a": margins, "b": margins[:, :].copy()}, pairs, draws=20)
    assert (table["difference"] == 0).all() and (table["p"] == 1).all() and set(table["seeds"]) == {6}
    assert all(words.startswith("no detectable change") for words in table["words"])
    mixed = rewardbench_comparison({"fixed": margins[0], "trained": margins}, pairs, draws=20)
    chat = pairs["subset"].isin(SECTIONS["Chat"]).to_numpy()
    found = comparison_row(mixed, "Chat", "fixed", "trained")
    weights = np.array([rewardbench.COUNTS[name] / 30 for name in pairs["subset"][chat]])
    slow = np.mean([np.average((m[chat] > 0) * 1.0 - (margins[0][chat] > 0), weights=weights) for m in margins])
    assert found.difference == pytest.approx(slow) and found.seeds == 6
    with pytest.raises(WorkbenchError, match="one model to compare"):
        rewardbench_comparison({"a": margins}, pairs)
    with pytest.raises(WorkbenchError, match="no section Maths.*There are Chat"):
        rewardbench_comparison({"a": margins, "b": margins}, pairs, sections=("Maths",))
    length = rewardbench_comparison({"a": margins}, pairs, lengths=rng.uniform(1, 9, (len(pairs), 2)), draws=20)
    assert set(length["second"]) == {"the longer wins"}


# -- what was published ----------------------------------------------------------------------------


def test_published_rows_add_up():
    for one in PUBLISHED:
        four = one.four_sections
        if one.score is not None:
            assert (4 * four + 0.5 * one.prior_sets) / 4.5 == pytest.approx(one.score, abs=0.11), one.model
    means = {one.model: one.four_sections for one in PUBLISHED}
    assert means["ArmoRM Llama-3 8B"] == 90.8 and means["Cohere"] == 89.5 and means["ArmoRM, released training run again"] == 85.3
    assert [one.model for one in PUBLISHED if not one.verified] == ["Nemotron-4 340B"]


def test_published_rows_stand_beside_ones_own():
    pairs = bench(per=8)
    own = rewardbench_table(np.ones(len(pairs)), pairs, draws=0)
    table = published_table(["ArmoRM Llama-3 8B", "Nemotron-4 340B", "ArmoRM, released training run again"])
    assert set(own.columns) < set(table.columns) and set(table["slice"]) - {"Prior Sets"} <= set(own["slice"])
    assert row(table, "Safety", "ArmoRM Llama-3 8B").words == "as published; XSTest counts swapped; 90.5 by the right ones"
    assert row(table, "Chat", "Nemotron-4 340B (unverified)").source == "unverified"  # its mark goes wherever its name goes
    assert row(table, "Score", "ArmoRM, released training run again").words == "not told"
    with pytest.raises(WorkbenchError, match="nothing published here of 'x'.*Cohere"):
        published_table(["x"])


# -- real pairs ------------------------------------------------------------------------------------

FOLDER = os.environ.get("WORKBENCH_REAL_DATA")
NAME = "pairs_eval_open.jsonl.gz"


@pytest.mark.skipif(not FOLDER or not (Path(FOLDER) / NAME).is_file(), reason="WORKBENCH_REAL_DATA names no folder with the real data")
def test_real_pairs_are_no_whole_rewardbench():
    pairs = pd.read_json(Path(FOLDER) / NAME, lines=True)
    pairs = pairs[pairs["subset"].isin(SECTION_OF)].rename(columns={"prompt_hash": "family"})
    lengths = pairs[["n_words_chosen", "n_words_rejected"]].to_numpy(float)
    table = rewardbench_table({"shorter": lengths[:, 1] - lengths[:, 0]}, pairs, lengths=lengths)
    assert row(table, "Chat Hard", "shorter").words == "lacks mt-bench-hard" and np.isnan(row(table, "Chat Hard", "shorter").value)
    assert row(table, "Chat Hard, in part", "shorter").n == 419 and row(table, "Reasoning", "shorter").words == "lacks math-prm"
    assert row(table, "Score", "shorter").words.startswith("lacks Chat, Chat Hard and 2 more")
    both = row(table, "llmbar-adver-neighbor", "shorter"), row(table, "llmbar-adver-neighbor", "the longer wins")
    assert both[0].value + both[1].value == pytest.approx(1 - both[0].ties / both[0].n) and both[0].words == ""
