"""Gestures as fields of a scenario, without a session."""

import pytest

from workbench.errors import WorkbenchError
from workbench.scenario.edits import MOST, multiplied, on, recipe_key, seeds_of, swapped, switched
from workbench.scenario.recipe import Scenario

NAMES = ("a", "b", "c")


def test_switching_off_and_on_again():
    plain = Scenario()
    off = plain.child(**switched(plain, "b", False, NAMES))
    assert off.drop == ("b",) and not on(off, "b") and on(off, "a")
    assert switched(off, "a", False, NAMES)["drop"] == ("a", "b")  # in the study's order, whatever the order of the clicks
    assert recipe_key(off.child(**switched(off, "b", True, NAMES))) == recipe_key(plain)


def test_keep_is_widened_and_never_emptied():
    few = Scenario(keep=("a",))
    assert not on(few, "b")
    assert switched(few, "b", True, NAMES) == {"drop": (), "keep": ("a", "b")}
    assert switched(few, "b", False, NAMES) == {"drop": (), "keep": ("a",)}
    with pytest.raises(WorkbenchError, match="last objective"):
        switched(few, "a", False, NAMES)


def test_multiplier_and_swap_come_and_go():
    two = Scenario(multiply={"a": 2.0}, swap={"a": "n_words"})
    assert multiplied(two, "b", 0) == {"multiply": {"a": 2.0, "b": 0.0}}
    assert multiplied(two, "a", 1) == {"multiply": {}}
    assert swapped(two, "a", None) == swapped(two, "a", "a") == {"swap": {}}
    assert swapped(two, "b", "c") == {"swap": {"a": "n_words", "b": "c"}}
    for value in (-0.1, MOST + 1, float("nan")):
        with pytest.raises(WorkbenchError, match="multiplier"):
            multiplied(two, "a", value)


def test_seeds_and_the_key_that_forgets_them():
    assert seeds_of(3) == (0, 1, 2) and seeds_of([4, 2]) == (4, 2)
    for wrong in (0, (), (1, 1), (-1,)):
        with pytest.raises(WorkbenchError, match="seeds"):
            seeds_of(wrong)
    one, other = Scenario(seeds=(0,)), Scenario(seeds=(5, 6), name="more")
    assert recipe_key(one) == recipe_key(other) != recipe_key(Scenario(drop=("a",)))
