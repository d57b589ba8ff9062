"""The tree of edits against a plain model of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.scenario.history import History
from workbench.scenario.recipe import Scenario

ROOT = Scenario(name="root")


def named(name: str) -> Scenario:
    return Scenario(name=name)


def test_an_edit_makes_a_child_and_undo_returns_to_the_parent():
    tree = History.start(ROOT).edit(named("a")).edit(named("b"))
    assert tree.scenario.name == "b" and tree.path() == (2, 1, 0)
    back = tree.undo().undo()
    assert back.scenario is ROOT and not back.can_undo and back.can_redo
    assert back.redo().redo().scenario.name == "b"


def test_an_edit_after_undo_makes_a_branch_and_loses_nothing():
    tree = History.start(ROOT).edit(named("a")).undo().edit(named("b"))
    assert [step.parent for step in tree.steps] == [None, 0, 0]
    assert tree.undo().redo().scenario.name == "b"  # redo follows the way last taken
    assert tree.go(1).scenario.name == "a"
    assert tree.go(1).undo().redo().scenario.name == "a"


def test_one_gesture_is_one_step():
    tree = History.start(ROOT).edit(named("a"), gesture="drag").edit(named("b"), gesture="drag").edit(named("c"), gesture="other")
    assert [step.scenario.name for step in tree.steps] == ["root", "b", "c"]
    assert tree.undo().undo().scenario is ROOT


def test_a_gesture_does_not_reach_back_over_an_undo():
    tree = History.start(ROOT).edit(named("a"), gesture="drag").edit(named("b")).undo()
    again = tree.edit(named("c"), gesture="drag")
    assert again.undo().scenario.name == "a"


def test_the_ends_of_the_tree_say_so():
    tree = History.start(ROOT)
    for act, words in ((tree.undo, "nothing to undo"), (tree.redo, "nothing to redo"), (lambda: tree.go(3), "no step 3")):
        with pytest.raises(WorkbenchError, match=words):
            act()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.just("undo"), st.just("redo"), st.integers(0, 6), st.text("xyz", min_size=1, max_size=1)), max_size=25))
def test_any_walk_agrees_with_a_plain_tree(acts):
    tree = History.start(ROOT)
    parents, names, redo, here = [None], ["root"], {}, 0
    for act in acts:
        try:
            if act == "undo":
                tree = tree.undo()
            elif act == "redo":
                tree = tree.redo()
            elif isinstance(act, int):
                tree = tree.go(act)
            else:
                tree = tree.edit(named(act))
        except WorkbenchError:
            failed = True
        else:
            failed = False
        if act == "undo":
            assert failed == (parents[here] is None)
            if not failed:
                redo[parents[here]] = here
                here = parents[here]
        elif act == "redo":
            assert failed == (here not in redo)
            here = redo.get(here, here)
        elif isinstance(act, int):
            assert failed == (act >= len(names))
            if not failed:
                here = at = act
                while parents[at] is not None:
                    redo[parents[at]] = at
                    at = parents[at]
        else:
            parents.append(here)
            names.append(act)
            redo[here] = len(names) - 1
            here = len(names) - 1
        assert tree.here == here and tree.scenario.name == names[here]
        assert tree.can_redo == (here in redo) and tree.can_undo == (parents[here] is not None)


def test_a_step_is_named_without_another_step():
    tree = History.start(ROOT).edit(named("a"), gesture="drag").undo()
    told = tree.annotate(1, name="better", note="why")
    assert (told.steps[1].scenario.name, told.steps[1].scenario.note, told.steps[1].parent, told.here) == ("better", "why", 0, 0)
    assert told.annotate(1, note="").steps[1].scenario.name == "better" and tree.annotate(1) == tree
    for act in (lambda: tree.annotate(2, name="x"), lambda: tree.at(-1)):
        with pytest.raises(WorkbenchError, match="no step"):
            act()
