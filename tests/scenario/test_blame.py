"""Which edit did it: subsets of edits, shares that add up, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from planted import SMALL

from workbench.errors import WorkbenchError
from workbench.evaluate.metrics import correct
from workbench.scenario.blame import blame, edits_between, subsets_of, untrained
from workbench.scenario.run import run

QUICK = SMALL.child(gate={"kind": "uniform"}, seeds=(0,))


def test_each_difference_is_one_edit_and_all_of_them_are_the_candidate(planted_study):
    names = planted_study.study.objectives
    start = SMALL.child(multiply={names[1]: 2.0}, drop=(names[2],))
    end = start.child(debias="n_words", multiply={names[0]: 0.5}, drop=(), swap={names[1]: "n_words"}, labels="drop",
                      gate={"temperature": 2.0})
    edits = edits_between(start, end, names)
    fields = ("debias", "on", "multiply", "multiply", "swap", "labels", "gate")
    assert [(edit.field, edit.name) for edit in edits] == list(zip(fields, (None, names[2], names[0], names[1], names[1], None, None)))
    fields = {field: getattr(start, field) for field in type(start).model_fields if field not in ("name", "note", "parent")}
    for edit in edits:
        fields = edit.made(fields)
    assert type(start)(**fields).id == end.id


def test_every_subset_is_a_scenario_on_the_candidates_seeds(planted_study):
    names = planted_study.study.objectives
    end = SMALL.child(multiply={names[0]: 3.0}, drop=(names[1],), seeds=(4, 5))
    found = subsets_of(SMALL, end, names)
    assert len(found) == 4 and all(scenario.seeds == (4, 5) for scenario in found.values())
    assert found[frozenset({0, 1})].id == end.id and found[frozenset()].id == SMALL.child(seeds=(4, 5)).id
    keeping = SMALL.child(keep=names[:3])
    assert {scenario.id for scenario in subsets_of(keeping, keeping.child(keep=names[:1]), names).values()} >= {keeping.id}
    fewer = SMALL.child(keep=names[2:])  # the same as two dropped, in other words
    assert subsets_of(SMALL, fewer, names)[frozenset({0, 1})].id == fewer.id


def test_one_edit_or_five_are_refused(planted_study):
    names = planted_study.study.objectives
    four = SMALL.child(multiply={name: 2.0 for name in names[:4]})
    assert len(subsets_of(SMALL, four, names)) == 16
    for edits, end in ((0, SMALL), (1, SMALL.child(drop=names[0])), (5, four.child(debias="n_words"))):
        with pytest.raises(WorkbenchError, match=f"{edits} edit.* 2 to 4 edits"):
            subsets_of(SMALL, end, names)


def test_two_edits_and_their_interaction_add_up_to_the_change(planted_study):
    study, names = planted_study.study, planted_study.study.objectives
    end = QUICK.child(drop=(names[0],), debias="n_words")
    table = blame(QUICK, end, study)
    change = correct(run(end, study).margins) - correct(run(QUICK, study).margins)
    assert table["edit"].tolist() == ["0", "1", "interaction"] and table["value"].sum() == pytest.approx(change.mean())
    alone = correct(run(QUICK.child(debias="n_words"), study).margins) - correct(run(QUICK, study).margins)
    assert table["value"].iloc[0] == pytest.approx(alone.mean())
    assert (table["low"] <= table["value"]).all() and table["words"].str.contains("seed noise not estimated").all()
    assert untrained(QUICK, end, study) == 0


def test_three_edits_are_shared_out_and_it_can_be_cancelled(planted_study):
    study, names = planted_study.study, planted_study.study.objectives
    end = QUICK.child(drop=(names[0],), debias="n_words", multiply={names[1]: 3.0})
    table = blame(QUICK, end, study)
    change = correct(run(end, study).margins) - correct(run(QUICK, study).margins)
    assert len(table) == 3 and table["value"].sum() == pytest.approx(change.mean())

    class Cancelled:
        def is_set(self):
            return True

    assert blame(QUICK, end.child(multiply={names[1]: 4.0}), study, cancel=Cancelled()) is None
    assert np.isfinite(table[["value", "low", "high"]].to_numpy()).all()


def test_a_way_of_debiasing_nothing_is_no_edit_and_words_are_said_once(planted_study):
    study = planted_study.study
    names = study.objectives
    assert edits_between(SMALL, SMALL.child(debias_method="grid", nonnegative=True), names) == ()
    grid = SMALL.child(debias="n_words", debias_method="grid")
    assert [edit.field for edit in edits_between(SMALL.child(debias="n_words"), grid, names)] == ["debias"]
    two = QUICK.child(multiply={names[0]: 3.0}, drop=(names[1],))
    assert all(words.split("; ").count("seed noise not estimated") == 1 for words in blame(QUICK, two, study)["words"])
