"""Cuts and treatments of the Strength screen, and what is counted: plain values without a page."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from strengths import table

from workbench.errors import WorkbenchError
from workbench.evaluate.strength import StrengthTable
from workbench.panels import regions
from workbench.panels import strength_view as view
from workbench.panels.cuts import KINDS, UNITS, Cuts
from workbench.preference.strength import Strength
from workbench.scenario.labels import LabelSpec
from workbench.scenario.noise import NoiseSpec
from workbench.scenario.treatment import treated

TREATMENTS = [
    LabelSpec(kind="drop"), LabelSpec(kind="drop", drop_below=-0.2), LabelSpec(kind="flip", flip_share=0.05, drop_share=0.1),
    LabelSpec(kind="flip", flip_below=-0.5, drop_below=-0.2), LabelSpec(kind="soft"), LabelSpec(kind="margin"),
    LabelSpec(kind="soft+margin", drop_share=0.2), LabelSpec(kind="flip+margin", flip_below=-0.3, scale=2.0),
    LabelSpec(kind="drop", drop_share=0.3, where=("Chat",)), LabelSpec(kind="keep", band=(0.2, 0.8)), LabelSpec(kind="smooth"),
    LabelSpec(kind="smooth", smooth_share=0.3, drop_share=0.1, alpha=0.2), LabelSpec(kind="smooth", smooth_below=0.1),
    LabelSpec(kind="scaled"),
    LabelSpec(kind="flip", band=(0.0, 0.1)), LabelSpec(kind="drop", band=(0.2, 1.0)), LabelSpec(kind="soft", tau=2.0),
    LabelSpec(kind="smooth+margin", smooth_share=0.2, strength="subspace"), LabelSpec(kind="drop", noise={"rate": 0.2}),
    LabelSpec(kind="hard", noise={"rate": 0.2, "follows": "length"}), LabelSpec(kind="hard", hand={"c001": "flip", "c002": "drop"}),
    LabelSpec(kind="margin", relabel=True, strength={"source": "ratings"}, hand={"c003": "drop"}),
]


@pytest.mark.parametrize("labels", [*TREATMENTS, "hard"])
def test_a_treatment_becomes_cuts_and_comes_back(labels):
    cuts = Cuts.of(labels)
    assert cuts.labels == (LabelSpec(kind="drop") if labels == "hard" else labels)
    assert Cuts.from_plain(json.loads(json.dumps(cuts.plain))) == cuts


MOVES = some.one_of(*(some.tuples(some.just(what), some.sampled_from(list(of))) for what, of in (("kind", KINDS), ("unit", UNITS))),
                    some.tuples(some.sampled_from(["flip", "drop"]), some.floats(-1.5, 1.8)))


@settings(max_examples=40, deadline=None)
@given(some.lists(MOVES, max_size=6))
def test_whatever_is_chosen_is_a_treatment_with_counts_that_add_up(moves):
    found, cuts = table(), Cuts()
    for what, value in moves:
        try:
            cuts = cuts.to_kind(found, value) if what == "kind" else cuts.to_unit(found, value) if what == "unit" else (
                cuts.at(found, what, value) if cuts.handles_on[what == "drop"] else cuts)
        except WorkbenchError as error:
            assert "no band of" in str(error)
    flip, smooth, drop = cuts.masks(found)
    told = regions.regions(found, cuts)
    assert not (flip & smooth).any() and not (flip & drop).any() and not (smooth & drop).any()
    assert sum(n for _, n, _ in told["regions"]) == len(found) and len(regions.says(found, cuts, len(found))) > 2
    if isinstance(cuts.labels, LabelSpec) and not drop.all():  # the same as what a scenario teaches
        made = treated(cuts.labels, found.mean, np.ones(len(found), bool))
        assert np.array_equal(made.weight == 0, found.mean <= 0 if cuts.kind == "scaled" else drop)
        assert np.array_equal(made.target < 0.5, flip | ("soft" in cuts.parts) * (found.mean < 0))
    assert Cuts.of(cuts.labels).labels == cuts.labels or cuts.labels == "hard"


@pytest.mark.parametrize("unit", ["value", "share"])
def test_dragging_counts_what_lies_below(unit):
    found = table()
    cuts = Cuts().to_unit(found, unit).at(found, "drop", 0.1).at(found, "flip", -0.4)
    flip, _, drop = cuts.masks(found)
    slack = 0 if unit == "value" else 1  # a share is rounded to a thousandth
    assert abs(flip.sum() - (found.mean < -0.4).sum()) <= slack and abs((flip | drop).sum() - (found.mean < 0.1).sum()) <= slack
    assert cuts.kind == "flip" and cuts.unit == unit
    assert np.allclose(cuts.handles(found), [-0.4, 0.1], atol=0.05)


def test_handles_do_not_cross_and_leave_at_the_left_end():
    found = table()
    cuts = Cuts(unit="value", drop=-0.2).at(found, "flip", 0.7)
    assert cuts.flip == -0.2 and cuts.drop is None and cuts.kind == "flip"
    assert cuts.at(found, "drop", -0.9).drop is None
    gone = cuts.at(found, "flip", -99)
    assert gone.flip is None and gone.labels == "hard"


def test_kinds_keep_the_cuts_they_know():
    found, both = table(), Cuts("flip", -0.5, -0.2, "value")
    assert both.to_kind(found, "drop").labels == LabelSpec(kind="drop", drop_below=-0.2)
    assert both.to_kind(found, "soft").labels == LabelSpec(kind="soft", drop_below=-0.2)
    assert both.to_kind(found, "flip+margin").labels == LabelSpec(kind="flip+margin", flip_below=-0.5, drop_below=-0.2)
    assert both.to_kind(found, "smooth").labels == LabelSpec(kind="smooth", smooth_below=-0.5, drop_below=-0.2)
    assert Cuts("drop", None, 0.1, "share").to_kind(found, "flip").labels == LabelSpec(kind="flip", flip_share=0.1)
    assert Cuts("flip", 0.05, 0.1, "share").to_kind(found, "drop").labels == LabelSpec(kind="drop", drop_share=0.15)
    assert Cuts("flip", 0.05, 0.1, "share").to_kind(found, "keep").labels == LabelSpec(kind="keep", band=(0.15, 1.0))
    assert Cuts("flip", 0.05, 0.1, "share").to_unit(found, "band").labels == LabelSpec(kind="flip", band=(0.0, 0.05))
    kept = Cuts("keep", 0.3, None, "band")
    assert kept.to_kind(found, "margin").labels == LabelSpec(kind="margin", drop_share=0.3)
    assert kept.to_kind(found, "scaled").labels == LabelSpec(kind="scaled") and kept.to_kind(found, "hard").labels == "hard"


def test_a_band_is_dragged_and_typed_by_its_ends():
    found = table()
    cuts = Cuts("keep", 0.2, None, "band").at(found, "drop", 1.0).at(found, "flip", -0.4)
    mask = ~cuts.masks(found).drop
    assert np.abs(mask.sum() - ((found.mean >= -0.4) & (found.mean < 1.0)).sum()) <= 2
    assert np.allclose(cuts.handles(found), [-0.4, 1.0], atol=0.1)
    assert cuts.typed(found, "drop", None).labels.band[1] == 1.0 and cuts.typed(found, "flip", None).labels.band[0] == 0.0
    with pytest.raises(WorkbenchError, match="the lower one first"):
        cuts.typed(found, "flip", 0.99)
    assert [name for name, n, _ in regions.regions(found, cuts)["regions"] if n] == ["drop", "keep", "drop"]
    assert cuts.at(found, "drop", -99).labels.band[0] < cuts.at(found, "drop", -99).labels.band[1]


def test_numbers_of_a_treatment_are_held_to_sense():
    cuts = Cuts("smooth", None, None)
    assert cuts.numbered("alpha", 0.3).labels == LabelSpec(kind="smooth", alpha=0.3)
    for name, value in (("alpha", 1.5), ("alpha", 0), ("beta", 1)):
        with pytest.raises(WorkbenchError):
            cuts.numbered(name, value)
    assert Cuts("soft", None, None).numbered("tau", 0.5).labels == LabelSpec(kind="soft", tau=0.5)


def test_typed_cuts_are_held_to_sense():
    found, cuts = table(), Cuts("flip", 0.05, 0.1, "share")
    assert cuts.typed(found, "flip", None).labels == LabelSpec(kind="drop", drop_share=0.1)
    assert cuts.typed(found, "drop", 0).labels == LabelSpec(kind="flip", flip_share=0.05)
    for wrong in (0.95, -0.2, float("nan")):
        with pytest.raises(WorkbenchError, match="leaves nothing|no number"):
            cuts.typed(found, "drop", wrong)


def test_the_button_counts_by_hand():
    found = table()
    told = regions.regions(found, cuts := Cuts("flip", -0.5, 0.0, "value"))
    flip, drop = (found.mean < -0.5).sum(), ((found.mean >= -0.5) & (found.mean < 0)).sum()
    assert told["regions"] == [["flip", flip, "flip"], ["drop", drop, "drop"], ["keep", len(found) - flip - drop, "keep"]]
    assert regions.says(found, cuts, len(found)) == f"Flip {flip}, drop {drop}"
    both = replace(cuts, kind="flip+margin", noise=NoiseSpec(rate=0.2), hand=(("c001", "flip"),))
    assert regions.says(found, both, len(found)) == f"Turn 20 % round, flip {flip}, drop {drop}, margin on {len(found) - drop}, 1 by hand"
    assert regions.says(found, Cuts("soft", None, None), len(found)) == f"Soften {len(found)}"
    assert regions.says(found, Cuts("scaled", None, None), len(found) + 3) == f"Drop 3 without ratings, weigh {len(found)}"
    scaled = regions.regions(found, Cuts("scaled", None, None))
    assert scaled["on"] == [False, False] and scaled["regions"][0][1] == (found.mean <= 0).sum()


# -- numbers ---------------------------------------------------------------------------------------


def test_bars_hold_every_pair_and_have_an_edge_at_zero():
    found = table()
    told = view.histogram(found)
    assert sum(bar[2] for bar in told["bars"]) == len(found) and any(abs(bar[0]) < 1e-12 for bar in told["bars"])
    low, high, n, spread = max(told["bars"], key=lambda bar: bar[2])
    inside = (found.mean >= low) & (found.mean < high)
    assert n == inside.sum() and spread == pytest.approx(found.std[inside].mean())


def test_precision_is_the_share_of_wrong_labels():
    found = table(400)
    for row in regions.precision(found):
        lowest = np.argsort(found.mean, kind="stable")[: round(row["share"] * 400)]
        assert row["value"] == pytest.approx((found.truth["gap"].to_numpy()[lowest] < 0).mean())
        assert row["low"] <= row["value"] <= row["high"]
    assert regions.precision(table(truth=False)) == []


def test_true_ties_count_as_half_and_are_counted():
    found = table(400)
    found.truth.loc[:99, "gap"] = 0.0
    lowest = np.argsort(found.mean, kind="stable")[:40]
    gap = found.truth["gap"].to_numpy()[lowest]
    row = next(row for row in regions.precision(found) if row["share"] == 0.1)
    assert row["value"] == pytest.approx(np.mean([1.0 if one < 0 else 0.5 if one == 0 else 0.0 for one in gap])) and (gap == 0).any()
    assert view.about(found)["ties"] == 100 and view.about(table(truth=False))["ties"] == 0


def test_length_is_said_with_its_interval_or_not_at_all():
    found = table(400)
    longer = found.lengthening
    mask = longer < np.quantile(longer, 0.3)
    words = "".join(regions.length_words(found, mask))
    assert "shorter answers" in words and "a flip teaches longer answers" in words and "[\u2212" in words
    assert "no detectable difference" in "".join(regions.length_words(found, np.arange(400) % 3 == 0))
    for most, words in ((40, "fewer than 20 families, no verdict: "), (16, "fewer than 6 families.")):
        assert words in "".join(regions.length_words(found, np.arange(400) < most))
    assert regions.length_words(found, np.zeros(400, bool)) == [] == regions.length_words(table(text=False), mask[:200])


def test_marks_are_the_pairs_themselves():
    found = table(300)
    found.truth.loc[:9, "gap"] = 0.0
    about, (mean, std, wrong) = view.points(found)
    assert np.allclose(np.frombuffer(mean, "<f4"), found.mean) and np.allclose(np.frombuffer(std, "<f4"), found.std)
    gap = found.truth["gap"].to_numpy()
    assert np.array_equal(np.frombuffer(wrong, np.uint8), np.where(gap == 0, 2, gap < 0)) and about["wrong"] == (gap < 0).sum()
    assert about["std"][0] == found.std.min() and len(view.points(table(truth=False))[1]) == 2


def test_one_member_has_no_spread_and_says_so():
    found = table()
    alone = StrengthTable(found.pairs, Strength(found.members[:, :1]), found.length, found.truth)
    assert all(bar[3] is None for bar in view.histogram(alone)["bars"]) and sum(bar[2] for bar in view.histogram(alone)["bars"]) == 200
    listed = view.listed(view.suspects(alone, None), alone, Cuts(), view.Narrowed(), None)
    assert listed.block(0, 1)["rows"][0][5] is None
    with pytest.raises(WorkbenchError, match="one member"):
        view.points(alone)
