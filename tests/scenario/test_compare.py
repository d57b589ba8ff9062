"""Paired differences, and the words that the numbers allow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluate.inference import estimate, sign_flip
from workbench.evaluate.metrics import METRICS
from workbench.scenario.compare import COLUMNS, EXPLORATORY, compare, noise_floor
from workbench.scenario.preview import preview
from workbench.scenario.recipe import Scenario
from workbench.scenario.result import Result
from workbench.scenario.run import run
from workbench.study import Study


def made(margins, families=40, sections=("Chat", "Safety"), seeds=None, study="s") -> Result:
    """A Result of bare margins: what compare reads, and nothing else."""
    n = margins.shape[1]
    pairs = pd.DataFrame({"pair_id": [f"c{i}" for i in range(n)], "family": [f"f{i % families}" for i in range(n)],
                          "section": [sections[(i % families) * len(sections) // families] for i in range(n)]})
    seeds = tuple(range(len(margins)) if seeds is None else seeds)
    return Result(Scenario(), Study({"hash": study * 12}), ("a",), seeds, pairs, margins, None, np.ones(1), {})


@pytest.fixture
def margins():
    return np.random.default_rng(0).normal(0.2, 1, size=(5, 200))


def test_table_equals_loops(margins):
    better = margins + np.where(np.arange(200) % 40 < 20, 0.8, 0.0)  # only in Chat
    table = compare(made(margins), made(better)).set_index("slice")
    assert list(table.reset_index().columns) == list(COLUMNS)
    pairs = made(margins).pairs
    for label in ("All pairs", "Chat", "Safety"):
        chosen = np.flatnonzero((pairs["section"] == label) | (label == "All pairs"))
        before, after = (np.mean([[m[i] > 0 for i in chosen] for m in values]) for values in (margins, better))
        won = [[values[:, i].mean() > 0 for i in chosen] for values in (margins, better)]
        row = table.loc[label]
        assert (row.baseline, row.candidate, row.difference) == pytest.approx((before, after, after - before))
        assert row.fixed == sum(not a and b for a, b in zip(*won)) and row.broken == sum(a and not b for a, b in zip(*won))
        assert row.flips == row.fixed + row.broken and row.n == len(chosen)
        assert row.low <= row.difference <= row.high
    assert table.loc["Chat", "words"] == "higher" and table.loc["All pairs", "words"] == "higher"
    assert table.loc["Safety", "words"] == "no detectable change" and table.loc["Safety", "p"] == 1.0
    assert table.loc["Chat", "p_holm"] == pytest.approx(2 * table.loc["Chat", "p"])
    assert table.loc["All pairs", "p_holm"] == table.loc["All pairs", "p"]


@pytest.mark.parametrize("sections", [("Chat", "Safety"), ("Chat",)])
def test_a_row_is_that_of_its_slice_alone(margins, sections):
    better = margins + np.random.default_rng(1).normal(0.1, 0.5, size=margins.shape)
    results = [made(values, sections=sections) for values in (margins, better)]
    for row in compare(*results, metrics=("accuracy", "log loss"), draws=200).itertuples():
        mask = ((results[0].pairs["section"] == row.slice) | (row.slice == "All pairs")).to_numpy()
        before, after = (METRICS[row.metric](values[:, mask]) for values in (margins, better))
        families = results[0].pairs["family"].to_numpy()[mask]
        alone = estimate(after - before, families, draws=200)
        np.testing.assert_allclose([row.difference, row.low, row.high], [alone.value, alone.low, alone.high], atol=1e-12)
        assert row.p == sign_flip(after - before, families) and (row.n, row.families) == (alone.n, alone.families)


def test_worse_is_lower(margins):
    assert set(compare(made(margins), made(margins - 1.0))["words"]) == {"lower"}


def test_what_changes_nothing_is_no_detectable_change(margins):
    table = compare(made(margins), made(margins.copy()))
    assert (table["difference"] == 0).all() and (table["p"] == 1).all() and (table["p_holm"] == 1).all()
    assert (table["flips"] == 0).all() and (table[["low", "high"]] == 0).all(axis=None)
    assert set(table["words"]) == {"no detectable change"}


def test_a_scenario_that_only_renames(wide, quick):
    base = run(quick, wide.study)
    for other in (run(quick.child(name="another name", note="n"), wide.study), preview(base, quick.child(name="x"), wide.study),
                  run(quick.child(multiply={"safety": 1.0}, swap={"safety": "safety"}), wide.study), run(quick, wide.study, cache=False)):
        table = compare(base, other)
        assert (table["difference"] == 0).all() and (table["p"] == 1).all() and (table["p_holm"] == 1).all()
        assert set(table["words"]) == {"no detectable change"} and table["families"].min() < 20


def test_few_families_have_no_verdict(margins):
    table = compare(made(margins, families=19), made(margins + 2, families=19))
    assert table["p"].isna().all() and set(table["words"]) == {"fewer than 20 families"} and table["low"].notna().all()
    table = compare(made(margins, families=5), made(margins + 2, families=5))
    assert set(table["words"]) == {"fewer than 6 families"}
    assert table[["difference", "low", "high", "p", "baseline", "candidate"]].isna().all(axis=None)


def test_few_seeds_are_said(margins):
    table = compare(made(margins[:3]), made(margins[:3] + 2))
    assert set(table["words"]) == {"higher; seed noise not estimated"} and set(table["seeds"]) == {3}
    assert set(compare(made(margins[:3]), made(margins[:3]))["words"]) == {"no detectable change"}


def test_seed_noise_can_take_a_verdict_back():
    """One seed in five drives the whole difference: families agree, seeds do not."""
    before = np.full((5, 200), -0.1)
    after = before.copy()
    after[0] = 1.0
    row = compare(made(before), made(after)).iloc[0]
    assert row.p < 0.001 and row.low <= 0 and row.words == "no detectable change"


def test_seeds_are_paired_by_number(margins):
    shuffled = made(margins[[3, 1, 2]], seeds=(3, 1, 2))
    table = compare(made(margins), shuffled)
    assert (table["difference"] == 0).all() and set(table["seeds"]) == {3}
    apart = compare(made(margins[:3]), made(margins[2:], seeds=(7, 8, 9)))
    assert apart["difference"].iloc[0] == pytest.approx((margins[2:] > 0).mean() - (margins[:3] > 0).mean())


def test_exploratory_slices_have_no_p(margins):
    mask = np.arange(200) % 40 < 25
    table = compare(made(margins), made(margins + 2), exploratory={"lasso": mask}).set_index("slice")
    assert np.isnan(table.loc["lasso", "p"]) and table.loc["lasso", "words"] == EXPLORATORY
    assert table.loc["lasso", "low"] > 0
    assert table.loc["Chat", "p_holm"] == pytest.approx(2 * table.loc["Chat", "p"])  # it takes no part in Holm


def test_several_metrics_share_holm(margins):
    table = compare(made(margins), made(margins + 0.5), metrics=("accuracy", "log loss"))
    assert list(dict.fromkeys(table["metric"])) == ["accuracy", "log loss"]
    smallest = table[table["slice"] != "All pairs"].nsmallest(1, "p").iloc[0]
    assert smallest.p_holm == pytest.approx(4 * smallest.p)


def test_results_that_cannot_be_compared(margins):
    first = made(margins)
    with pytest.raises(WorkbenchError, match="different pairs"):
        compare(first, replace(first, pairs=first.pairs.assign(pair_id="x")))
    with pytest.raises(WorkbenchError, match="split dev and test"):
        compare(first, replace(first, split="test"))
    with pytest.raises(WorkbenchError, match="study"):
        compare(first, made(margins, study="t"))


def test_noise_floor_trains_two_disjoint_sets(wide, quick, monkeypatch):
    seen = []
    real = run

    def watched(scenario, study, **options):
        seen.append(scenario.seeds)
        return real(scenario, study, **options)

    monkeypatch.setattr("workbench.scenario.compare.run", watched)
    floor = noise_floor(quick, wide.study)
    assert seen == [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9)]
    table = compare(run(quick, wide.study), run(quick.child(drop=("safety",)), wide.study), noise=floor)
    assert table["noise_low"].tolist() == floor["low"].tolist() and table["noise_high"].tolist() == floor["high"].tolist()
    assert floor.set_index("slice").loc["All pairs", "words"] == "no detectable change"
    with pytest.raises(WorkbenchError, match="overlap"):
        noise_floor(quick, wide.study, seeds=(4, 5))


def test_what_was_found_by_looking_costs_the_declared_slices_nothing(margins):
    better = margins + np.where(np.arange(200) % 40 < 20, 0.8, 0.0)  # only in Chat
    plain, still = compare(made(margins), made(better)), np.arange(200) % 40 >= 20
    table = compare(made(margins), made(better), exploratory={"still": still, "empty": np.zeros(200, bool)})
    pd.testing.assert_frame_equal(table.iloc[:3], plain)
    row, empty = table.set_index("slice").loc["still"], table.set_index("slice").loc["empty"]
    assert (row.difference, row.low, row.high) == (0, 0, 0) and np.isnan(row.p) and np.isnan(row.p_holm)
    assert np.isnan(empty.difference) and empty.n == 0 and empty.words == "fewer than 6 families"
    for name in ("Chat", "All pairs"):
        with pytest.raises(WorkbenchError, match=f"'{name}' is a declared one"):
            compare(made(margins), made(better), exploratory={name: still})
    with pytest.raises(WorkbenchError, match="no metric 'f1'.* accuracy, log loss"):
        compare(made(margins), made(better), metrics=("f1",))
