"""A scenario is a value: canonical, frozen, and outspoken about what it does not know."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.scenario.recipe import GateSpec, Scenario


def test_id_is_the_hash_of_the_recipe_alone():
    plain = Scenario()
    assert len(plain.id) == 12 and int(plain.id, 16) >= 0
    for words in ({"name": "x"}, {"note": "x"}, {"parent": "0" * 12}):
        assert Scenario(**words).id == plain.id
    for edit in ({"drop": ("a",)}, {"keep": ("a",)}, {"multiply": {"a": 2}}, {"swap": {"a": "b"}}, {"debias": "a"}, {"labels": "flip"},
                 {"seeds": (1,)}, {"gate": {"steps": 7}}):
        assert Scenario(**edit).id != plain.id, edit


@pytest.mark.parametrize(("left", "right"), [
    ({"drop": ("a", "b")}, {"drop": ["b", "a", "b"]}),
    ({"multiply": {"a": 1.0, "b": 2}}, {"multiply": {"b": 2.0}}),
    ({"swap": {"a": "a"}}, {}),
    ({"debias": ("a",)}, {"debias": "a"}),
    ({"debias": ("a", "b")}, {"debias": ("b", "a")}),
    ({"debias": ()}, {}),
    ({"debias_method": "grid", "nonnegative": True}, {}),  # without a nuisance there is nothing to choose
    ({"labels": None}, {"labels": "hard"}),
])
def test_what_means_the_same_has_the_same_id(left, right):
    assert Scenario(**left).id == Scenario(**right).id


def test_unknown_keys_are_named():
    for make in (lambda: Scenario(dropp=("a",)), lambda: Scenario.from_json('{"dropp": ["a"]}')):
        with pytest.raises(WorkbenchError, match="'dropp'.*drop"):
            make()
    with pytest.raises(WorkbenchError, match="'hiden'.*hidden"):
        Scenario(gate={"hiden": (3,)})


@pytest.mark.parametrize("bad", [
    {"labels": "guess"}, {"gate": {"kind": "tree"}}, {"seeds": ()}, {"seeds": (1, 1)}, {"seeds": (-1,)},
    {"multiply": {"a": float("nan")}}, {"multiply": {"a": -1.0}},
    {"gate": {"lr": 0}}, {"gate": {"steps": 0}}, {"gate": {"temperature": -1}}, {"debias": 3},
])
def test_bad_values_are_refused(bad):
    with pytest.raises(WorkbenchError):
        Scenario(**bad)


def test_json_that_is_none():
    for text in ("{", "[1]", '"x"'):
        with pytest.raises(WorkbenchError, match="JSON"):
            Scenario.from_json(text)


names = st.sampled_from("abcdef")


@settings(max_examples=50, deadline=None)
@given(st.fixed_dictionaries({}, optional={
    "drop": st.lists(names, max_size=3), "keep": st.none() | st.lists(names, min_size=1, max_size=4), "name": st.text(max_size=5),
    "multiply": st.dictionaries(names, st.floats(0, 5), max_size=3), "swap": st.dictionaries(names, names, max_size=3),
    "debias": st.none() | names | st.lists(names, max_size=3), "seeds": st.sets(st.integers(0, 99), min_size=1).map(tuple),
    "labels": st.sampled_from(["hard", "drop", "soft+margin", {"kind": "flip", "flip_share": 0.05, "drop_share": 0.1, "where": ["Chat"]}]),
    "gate": st.sampled_from([{}, {"kind": "uniform"}, {"hidden": ()}]),
}))
def test_json_round_trip(fields):
    scenario = Scenario(**fields)
    again = Scenario.from_json(scenario.to_json())
    assert again == scenario and again.id == scenario.id and hash(again) == hash(scenario)
    assert json.loads(again.to_json()) == json.loads(scenario.to_json())
    assert pickle.loads(pickle.dumps(scenario)) == scenario


def test_frozen_all_the_way_down():
    scenario = Scenario(multiply={"a": 2.0}, swap={"a": "b"})
    with pytest.raises(ValueError):
        scenario.name = "x"
    for field in (scenario.multiply, scenario.swap):
        with pytest.raises(TypeError):
            field["c"] = 1
        with pytest.raises(TypeError):
            field.update(c=1)


def test_child_knows_its_parent_and_drops_its_words():
    parent = Scenario(name="baseline", note="n", drop=("a",), gate={"steps": 9})
    child = parent.child(debias="v")
    assert child.parent == parent.id and child.name == "" and child.drop == ("a",) and child.gate.steps == 9
    assert parent.child(gate={"hidden": (3,)}).gate == GateSpec(hidden=(3,), steps=9)
    assert parent.child(gate={"kind": "bradley-terry"}).gate == GateSpec(kind="bradley-terry")
    with pytest.raises(WorkbenchError, match="'dropp'"):
        parent.child(dropp=("b",))


def test_a_head_has_its_own_defaults():
    assert GateSpec(kind="bradley-terry").hidden == ()
    assert GateSpec(kind="bradley-terry", hidden=(5,)).hidden == (5,)


def test_edits_in_words():
    base = Scenario()
    edited = base.child(drop=("a",), multiply={"b": 0.5}, swap={"c": "n_words"}, debias=("v", "n"), nonnegative=True, labels="flip",
                        seeds=(0,))
    said = edited.edits_from(base)
    assert said == ("without a", "b × 0.5", "n_words in place of c", "debiased against n and v", "penalties not below 0",
                    "labels by preference strength: flip the lowest 10 %", "1 seed (0)")
    assert base.edits_from(edited)[0] == "with a again" and "no debias" in base.edits_from(edited)
    assert base.child(name="other").edits_from(base) == ()
    assert base.child(keep=("a", "b")).edits_from(base) == ("only a, b",)
    assert base.child(gate={"hidden": ()}).edits_from(base) == ("gate hidden none",)
    assert base.child(debias="v", debias_method="grid").edits_from(base.child(debias="v")) == ("debias by the grid method",)


def test_kept():
    assert Scenario(drop=("b",)).kept(("a", "b", "c")) == ("a", "c")
    assert Scenario(keep=("c", "a"), drop=("c",)).kept(("a", "b", "c")) == ("a",)
    with pytest.raises(WorkbenchError, match="no objective is left"):
        Scenario(drop=("a",)).kept(("a",))
    for field in ({"drop": ("x",)}, {"keep": ("a", "x")}, {"multiply": {"x": 2}}, {"swap": {"x": "a"}}):
        with pytest.raises(WorkbenchError, match="'x'"):
            Scenario(**field).kept(("a",))
