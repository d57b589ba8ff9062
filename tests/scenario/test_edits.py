"""What a gesture makes of a scenario: the fields that change, and what is refused."""

from __future__ import annotations

import pytest

from workbench.errors import WorkbenchError
from workbench.scenario.edits import checked, multiplied, on, recipe_key, seeds_of, swapped, switched
from workbench.scenario.recipe import Scenario

NAMES = ("a", "b", "c")


def test_switching_off_and_on_again_is_no_edit():
    start = Scenario()
    off = start.child(**switched(start, "b", False, NAMES))
    assert [on(off, name) for name in NAMES] == [True, False, True]
    assert start.child(**switched(off, "b", True, NAMES)).id == start.id


def test_drops_are_in_the_study_s_order_whatever_order_they_came_in():
    one = Scenario(drop=("c",))
    assert switched(one, "a", False, NAMES)["drop"] == ("a", "c")


def test_keep_grows_when_what_it_left_out_is_switched_on():
    few = Scenario(keep=("a", "b"))
    assert not on(few, "c") and on(few.child(**switched(few, "c", True, NAMES)), "c")
    with pytest.raises(WorkbenchError, match="'a' is the last objective"):
        switched(Scenario(keep=("a",)), "a", False, NAMES)


def test_one_takes_a_multiplier_back_and_none_a_swap():
    edited = Scenario(multiply={"a": 2, "b": 3}, swap={"a": "n_words"})
    assert multiplied(edited, "a", 1) == {"multiply": {"b": 3.0}} and swapped(edited, "a", None) == {"swap": {}}
    assert swapped(edited, "b", "b") == {"swap": {"a": "n_words"}}
    for value in (-0.1, float("nan"), float("inf"), 1e9):
        with pytest.raises(WorkbenchError, match="multiplier"):
            multiplied(edited, "a", value)


def test_seeds_are_a_count_or_themselves():
    assert seeds_of(3) == (0, 1, 2) and seeds_of([7, 4]) == (7, 4)
    for bad in (0, (), (1, 1), (-1, 2)):
        with pytest.raises(WorkbenchError, match="seeds"):
            seeds_of(bad)


def test_the_key_of_a_recipe_leaves_out_its_seeds_and_nothing_else():
    assert recipe_key(Scenario(seeds=(0,))) == recipe_key(Scenario(seeds=(3, 4), name="x"))
    assert recipe_key(Scenario()) != recipe_key(Scenario(drop=("a",)))


def test_a_scenario_is_held_against_the_study(planted_study):
    study = planted_study.study
    good = Scenario(drop=("safety",), swap={"helpfulness": "n_words"}, debias=("verbosity", "n_words"))
    assert checked(good, study) is good
    for bad, words in ((Scenario(drop=("wit",)), "unknown objective 'wit'"), (Scenario(swap={"safety": "charm"}), "unknown column 'charm'"),
                       (Scenario(debias="charm"), "unknown column 'charm'.*verbosity.*n_words")):
        with pytest.raises(WorkbenchError, match=words):
            checked(bad, study)
