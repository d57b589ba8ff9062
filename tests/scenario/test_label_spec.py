"""A label treatment is a value: one form for one meaning, both bands at once, and words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.preference.bradley_terry import Supervision
from workbench.scenario.labels import LABELS, LabelSpec, label_words
from workbench.scenario.recipe import Scenario
from workbench.scenario.treatment import masks, treated


@pytest.mark.parametrize(("left", "right"), [
    ("drop", {"kind": "drop", "drop_share": 0.1}),
    ("flip", LabelSpec(kind="flip", flip_share=0.1)),
    ({"kind": "drop", "flip_share": 0.05, "drop_share": 0.1}, {"kind": "flip", "flip_share": 0.05, "drop_share": 0.1}),
    ({"kind": "margin", "flip_below": -1}, {"kind": "flip+margin", "flip_below": -1.0}),
    ({"kind": "drop", "where": "Chat"}, {"kind": "drop", "where": ["Chat", "Chat"]}),
    ({"kind": "drop", "where": ("b", "a")}, {"kind": "drop", "where": ("a", "b"), "flip_share": None}),
    ({"kind": "drop", "drop_below": -0.0}, {"kind": "drop", "drop_below": 0}),
    (None, "hard"),
    ("none", "hard"),
    ({"kind": "hard"}, "hard"),
    ({"kind": "drop", "quantile": 0.2}, {"kind": "drop", "drop_share": 0.2}),
    ({"kind": "flip", "below": 0}, {"kind": "flip", "flip_below": 0.0}),
    ({"kind": "smooth+margin", "quantile": 0.2}, {"kind": "smooth+margin", "smooth_share": 0.2, "alpha": 0.1}),
    ({"noise": {"rate": 0.2}}, {"kind": "hard", "noise": {"rate": 0.2, "follows": "chance", "seed": 0}}),
    ({"hand": {"b": "flip", "a": "drop"}}, {"kind": "hard", "hand": {"a": "drop", "b": "flip"}}),
    ({"kind": "drop", "strength": "mlp"}, {"kind": "drop", "strength": {"kind": "mlp", "members": 10}}),
    ({"kind": "drop", "strength": "scores"}, {"kind": "drop", "strength": {"source": "scores"}}),
    ({"kind": "drop", "strength": None}, "drop"),
])
def test_what_means_the_same_is_the_same_recipe(left, right):
    first, second = Scenario(labels=left), Scenario(labels=right)
    assert first.id == second.id and first.labels == second.labels and hash(first) == hash(second)


def test_other_cuts_are_other_recipes():
    specs = [
        "hard", *(kind for kind in LABELS if kind != "keep"), {"kind": "drop", "drop_share": 0.2}, {"kind": "drop", "drop_below": 0.1},
        {"kind": "drop", "where": "Chat"}, {"kind": "flip", "drop_share": 0.1}, {"kind": "soft", "drop_share": 0.1},
        {"kind": "flip", "flip_below": 0.1}, {"kind": "smooth", "alpha": 0.2}, {"kind": "soft", "tau": 2}, {"kind": "margin", "scale": 0.5},
        {"kind": "keep", "band": (0, 0.1)}, {"kind": "drop", "band": (0, 0.1)}, {"kind": "drop", "strength": "mlp"},
        {"kind": "drop", "strength": {"folds": 1}}, {"kind": "drop", "strength": {"length_matched": True}},
        {"kind": "drop", "noise": {"rate": 0.2}}, {"noise": {"rate": 0.2}}, {"noise": {"rate": 0.2, "follows": "length"}},
        {"hand": {"a": "flip"}}, {"relabel": True, "strength": "ratings"}, {"relabel": True},
    ]
    assert len({Scenario(labels=spec).id for spec in specs}) == len(specs)


def test_json_says_what_is_given_and_no_more():
    scenario = Scenario(labels={"kind": "flip", "flip_share": 0.05, "drop_share": 0.1})
    assert scenario.recipe()["labels"] == {"kind": "flip", "flip_share": 0.05, "drop_share": 0.1}
    assert json.loads(scenario.to_json())["labels"] == scenario.recipe()["labels"]
    assert Scenario.from_json(scenario.to_json()).labels == scenario.labels == LabelSpec(**scenario.recipe()["labels"])
    assert Scenario().recipe()["labels"] == "hard"
    assert scenario.child(drop=("a",)).labels == scenario.labels and scenario.child(labels="hard").labels == "hard"
    with pytest.raises(ValueError):
        scenario.labels.kind = "drop"


@pytest.mark.parametrize(("spec", "said"), [
    ("drop", "drop the lowest 10 %"),
    ({"kind": "flip", "flip_share": 0.05, "drop_share": 0.1}, "flip the lowest 5 %, drop the next 10 %"),
    ({"kind": "flip", "flip_below": -0.5, "drop_below": 0.25}, "flip below −0.5, drop the rest below 0.25"),
    ({"kind": "drop", "drop_below": -0.5}, "drop below −0.5"),
    ({"kind": "soft+margin", "drop_share": 0.125}, "drop the lowest 12.5 %, soft labels σ(μ̂), margin μ̂"),
    ({"kind": "flip+margin", "where": ("Safety", "Chat")}, "flip the lowest 10 %, margin μ̂, in Chat and Safety alone"),
    ("smooth", "all labels smoothed by 0.1"),
    ({"kind": "smooth+margin", "quantile": 0.2, "alpha": 0.3, "scale": 2}, "smooth the lowest 20 % by 0.3, margin 2 μ̂"),
    ({"kind": "soft", "tau": 0.5}, "soft labels σ(μ̂ / 0.5)"), ("scaled", "weight max(μ̂, 0)"),
    ({"kind": "keep", "band": (0.2, 1)}, "keep the ranking from 20 % to 100 % alone"),
    ({"kind": "margin", "relabel": True, "strength": {"source": "ratings", "columns": "helpfulness"}},
     "every label the sign of μ̂, margin μ̂ (strength: ratings helpfulness)"),
    ({"kind": "drop", "strength": {"kind": "mlp", "folds": 1, "length_matched": True}},
     "drop the lowest 10 % (strength: 10 mlp heads, in-sample, length-matched)"),
])
def test_words(spec, said):
    scenario = Scenario(labels=spec)
    assert label_words(scenario.labels) == said
    assert scenario.edits_from(Scenario()) == (f"labels by preference strength: {said}",)
    assert Scenario().edits_from(scenario) == ("labels as they stand",)


@pytest.mark.parametrize(("spec", "told"), [
    ("guess", "kind"),
    (7, "labels"),
    ({}, "kind"),
    ({"kind": "drop", "drop_shar": 0.1}, "'drop_shar'.*drop_share"),
    ({"kind": "drop", "drop_share": 0.0}, "drop_share"),
    ({"kind": "drop", "drop_share": 1.0}, "drop_share"),
    ({"kind": "drop", "drop_below": float("nan")}, "drop_below"),
    ({"kind": "drop", "drop_below": "low"}, "drop_below"),
    ({"kind": "flip", "flip_share": 0.1, "drop_below": 0.0}, "at once"),
    ({"kind": "flip", "drop_below": 0.0}, "without flip_below"),
    ({"kind": "flip", "flip_below": 1.0, "drop_below": 0.0}, "lies above"),
    ({"kind": "flip", "flip_share": 0.5, "drop_share": 0.5}, "leave nothing"),
    ({"kind": "soft", "flip_share": 0.1}, "need no flip"),
    ({"kind": "drop", "where": 3}, "where"),
    ("keep", "keep needs a band"),
    ({"kind": "drop", "band": (0.4, 0.2)}, "band 0.4 to 0.2"),
    ({"kind": "drop", "band": (0, 1)}, "leaves nothing"),
    ({"kind": "soft", "band": (0, 0.1)}, "a band beside kind 'soft'"),
    ({"kind": "drop", "band": (0, 0.1), "drop_share": 0.1}, "a band beside cuts"),
    ({"kind": "drop", "smooth_share": 0.1}, "does not smooth"),
    ({"kind": "drop", "alpha": 0.2}, "alpha beside kind 'drop'"),
    ({"kind": "smooth", "tau": 2}, "tau beside"),
    ({"kind": "scaled", "drop_share": 0.1}, "takes no cut"),
    ({"kind": "smooth", "alpha": 1.0}, "alpha"),
    ({"kind": "drop", "hand": {"a": "turn"}}, "hand"),
    ({"kind": "drop", "noise": {"rate": 1.5}}, "rate"),
    ({"kind": "drop", "strength": {"source": "scores", "folds": 2}}, "leave out folds"),
    ({"kind": "drop", "strength": {"columns": ["a"]}}, "heads are trained"),
    ({"kind": "drop", "strength": "deep"}, "kind"),
    ({"kind": "hard", "strength": "mlp"}, "strength beside kind 'hard'"),
    ({"noise": {"rate": 0.1}, "where": "Chat"}, "where beside kind 'hard'"),
])
def test_what_is_wrong_is_named(spec, told):
    with pytest.raises(WorkbenchError, match=told):
        Scenario(labels=spec)


STRENGTH = np.array([0.5, -2.0, 0.1, -0.3, 1.5, -0.2, 0.9, 0.0, 2.0, 0.3])
EVERY = np.ones(10, bool)


def test_shares_go_from_the_lowest_up():
    taught = treated(LabelSpec(kind="flip", flip_share=0.2, drop_share=0.2), STRENGTH, EVERY)
    assert np.flatnonzero(taught.target == 0).tolist() == [1, 3] and np.flatnonzero(taught.weight == 0).tolist() == [5, 7]
    part = STRENGTH > -0.25
    taught = treated(LabelSpec(kind="flip", flip_share=0.25, drop_share=0.25), STRENGTH, part)  # of the eight that take part
    assert np.flatnonzero(taught.target == 0).tolist() == [5, 7] and np.flatnonzero(taught.weight == 0).tolist() == [2, 9]


def test_margins_and_soft_labels_stay_where_they_are_asked_for():
    part = np.arange(10) < 5
    taught = treated(LabelSpec(kind="soft+margin", drop_below=-1.0), STRENGTH, part)
    for place in range(10):
        soft = 1 / (1 + np.exp(-STRENGTH[place]))
        wanted = (soft, STRENGTH[place], float(STRENGTH[place] >= -1)) if place < 5 else (1.0, 0.0, 1.0)
        assert (taught.target[place], taught.margin[place], taught.weight[place]) == pytest.approx(wanted)


def test_a_flipped_pair_has_the_margin_turned_round():
    taught = treated(LabelSpec(kind="flip+margin", flip_below=0.0), STRENGTH, EVERY)
    same = Supervision.margin(STRENGTH, base=Supervision.flip(STRENGTH, below=0.0))
    assert (taught.target == same.target).all() and (taught.margin == same.margin).all() and (taught.weight == 1).all()


def test_smoothing_scaling_and_bands_by_hand():
    order = np.argsort(STRENGTH)
    taught = treated(LabelSpec(kind="smooth+margin", smooth_share=0.2, alpha=0.3, scale=2.0), STRENGTH, EVERY)
    assert taught.target[order] == pytest.approx([0.7] * 2 + [1.0] * 8) and taught.margin == pytest.approx(2 * STRENGTH)
    assert treated(LabelSpec(kind="smooth"), STRENGTH, np.arange(10) < 5).target == pytest.approx([0.9] * 5 + [1.0] * 5)
    assert treated(LabelSpec(kind="scaled"), STRENGTH, EVERY).weight == pytest.approx(np.maximum(STRENGTH, 0))
    assert treated(LabelSpec(kind="keep", band=(0.2, 0.5)), STRENGTH, EVERY).weight[order].tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]
    assert treated(LabelSpec(kind="flip", band=(0.2, 0.5)), STRENGTH, EVERY).target[order].tolist() == [1, 1, 0, 0, 0, 1, 1, 1, 1, 1]
    assert treated(LabelSpec(kind="soft", tau=2.0), STRENGTH, EVERY).target == pytest.approx(1 / (1 + np.exp(-STRENGTH / 2)))


def test_relabelled_pairs_teach_as_if_they_had_been_written_so():
    """Labels by the sign of μ̂: of a pair turned round the target and the margin turn, ties go, weights are |μ̂|."""
    for kind in ("hard", "margin", "scaled", "smooth"):
        taught = treated(LabelSpec(kind=kind, relabel=True, strength="ratings"), STRENGTH, EVERY)
        plain = treated(LabelSpec(kind=kind), np.abs(STRENGTH), EVERY) if kind != "hard" else Supervision.hard(10)
        back, untied = taught.turned(STRENGTH < 0), STRENGTH != 0
        assert back.target[untied] == pytest.approx(plain.target[untied]) and back.margin == pytest.approx(plain.margin)
        assert back.weight == pytest.approx(plain.weight * untied)


def test_shares_of_relabelled_pairs_go_by_how_sure_they_are():
    labels = LabelSpec(kind="drop", drop_share=0.3, relabel=True)
    found = masks(labels, STRENGTH, EVERY)
    sure = np.abs(STRENGTH)
    assert set(np.flatnonzero(found.drop)) == {7, *np.argsort(sure)[1:4]}  # the tie, and three of the nine others
    assert (treated(labels, STRENGTH, EVERY).weight == 0).tolist() == found.drop.tolist()


def test_a_pair_without_a_strength_is_dropped_where_it_is_asked_for():
    mean = np.where(np.arange(10) % 3 == 0, np.nan, STRENGTH)
    taught = treated(LabelSpec(kind="margin", strength="ratings"), mean, np.arange(10) < 8)
    assert np.flatnonzero(taught.weight == 0).tolist() == [0, 3, 6] and taught.weight[9] == 1  # the last is in another section
    with pytest.raises(WorkbenchError, match="no pair is left"):
        treated(LabelSpec(kind="margin", strength="ratings"), np.full(10, np.nan), EVERY)


def test_something_must_be_left():
    with pytest.raises(WorkbenchError, match="every pair would be dropped"):
        treated(LabelSpec(kind="drop", drop_below=99.0), STRENGTH, EVERY)
