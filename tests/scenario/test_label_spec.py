"""A label treatment is a value: one form for one meaning, both bands at once, and words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.preference.bradley_terry import Supervision
from workbench.scenario.labels import LABELS, LabelSpec, label_words
from workbench.scenario.recipe import Scenario
from workbench.scenario.strength import treated


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
])
def test_what_means_the_same_is_the_same_recipe(left, right):
    first, second = Scenario(labels=left), Scenario(labels=right)
    assert first.id == second.id and first.labels == second.labels and hash(first) == hash(second)


def test_other_cuts_are_other_recipes():
    specs = ["hard", *LABELS, {"kind": "drop", "drop_share": 0.2}, {"kind": "drop", "drop_below": 0.1}, {"kind": "drop", "where": "Chat"},
             {"kind": "flip", "drop_share": 0.1}, {"kind": "soft", "drop_share": 0.1}, {"kind": "flip", "flip_below": 0.1}]
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
    same = Supervision.flip(STRENGTH < 0).with_margin(STRENGTH)
    assert (taught.target == same.target).all() and (taught.margin == same.margin).all() and (taught.weight == 1).all()


def test_something_must_be_left():
    with pytest.raises(WorkbenchError, match="every pair would be dropped"):
        treated(LabelSpec(kind="drop", drop_below=99.0), STRENGTH, EVERY)
