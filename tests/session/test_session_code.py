"""A view as a cell: it runs as it stands, and what it makes is the view."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planted import NAMES, SMALL

import workbench.session.code as code_module
from workbench.errors import WorkbenchError
from workbench.scenario.history import History
from workbench.scenario.recipe import Scenario
from workbench.session import Session
from workbench.session.code import edits, scenario_code
from workbench.session.state import State
from workbench.study import Study


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made_by(code: str) -> Session:
    names = {}
    exec(compile(code, "cell", "exec"), names)
    return names["session"]


def same(session: Session, other: Session) -> bool:
    chosen, theirs = session.selection, other.selection
    return (session.draft.id == other.draft.id and session.baseline_scenario.id == other.baseline_scenario.id
            and np.array_equal(chosen.mask, theirs.mask) and (chosen.kind, chosen.primary) == (theirs.kind, theirs.primary)
            and {name: kept.ids for name, kept in session.slices.items()} == {name: kept.ids for name, kept in other.slices.items()})


def test_a_fresh_session_is_three_lines(planted_study, here):
    code = Session(planted_study.study).code()
    assert code == f"import workbench as wb\n\nstudy = wb.Study.load({str(planted_study.study.folder)!r})\nsession = wb.Session(study)\n"
    assert list(here.iterdir()) == [] and same(made_by(code), Session(planted_study.study))


def test_the_shipped_study_is_called_by_its_name(planted_study, monkeypatch):
    monkeypatch.setattr(code_module, "demo", lambda: planted_study.study)
    assert "study = wb.demo()\n" in Session(planted_study.study, SMALL).code()


def test_the_cell_makes_the_view_again(session, here):
    session.set_multiplier("safety", 1.5).set_objective("verbosity", on=False).retrain(seeds=1).wait(60)
    session.set_swap("helpfulness", "n_words").set_debias(("n_words", "correctness")).set_gate(kind="global")
    session.set_labels({"kind": "flip", "flip_share": 0.05, "drop_share": 0.1}).annotate(name="last", note="it's 'quoted'")
    session.select([4, 2], kind="lasso", label='by "hand"').save_slice("few", note="a note")
    session.select(session.items["section"] == "Safety", kind="filter", label="Safety", primary=session.items["pair_id"][3])
    code = session.code()
    assert len([line for line in code.splitlines() if "pair_id" in line or len(line) > 200]) == 0
    back = made_by(code)
    assert same(session, back) and back.draft.note == "it's 'quoted'" and back.slices["few"].note == "a note"
    assert np.array_equal(back.candidate.margins, session.candidate.margins) and back.comparison().equals(session.comparison())
    kept = list(here.iterdir())
    assert len(kept) == 1 and kept[0].name.endswith(".view.json") and session.code() == code and len(list(here.iterdir())) == 1
    assert same(back, made_by(back.code())) and list(here.iterdir()) == kept  # another session, the same file
    session.select([0]).select("few")
    assert "session.select('few')" in session.code() and same(session, made_by(session.code()))
    session.select(None)
    assert same(session, made_by(session.code()))


def test_a_trained_baseline_and_its_noise_are_trained_again(planted_study):
    session = Session(planted_study.study, SMALL)
    session.start().wait(60)
    session.measure_noise().wait(60)
    back = made_by(session.code())
    assert np.array_equal(back.baseline.margins, session.baseline.margins) and back.noise.equals(session.noise)


def test_the_selection_in_the_cell_stays_what_it_was(session):
    session.select(np.arange(30))
    session.autosave()
    code = session.code()
    session.select(np.arange(40)).autosave()
    assert made_by(code).selection.n == 30


def test_a_study_in_memory_has_no_cell(session):
    loose = Study({**session.study.info, "features": None}, None, {name: session.study.table(name) for name in ("prompts", "responses",
                                                                                                             "pairs", "splits")})
    with pytest.raises(WorkbenchError, match="in memory.*Study.write"):
        Session(loose).code()


CHOICES = {
    "keep": [None, ("safety", "helpfulness"), NAMES], "nonnegative": [False, True],
    "drop": [(), ("verbosity",), NAMES[:-1], NAMES[1:]],
    "multiply": [{}, {"safety": 2.0}, {"correctness": 0.1}], "swap": [{}, {"safety": "n_words"}], "seeds": [(0, 1), (0, 3)],
    "debias": [None, "n_words", ("n_words", "verbosity")], "labels": ["hard", "soft", {"kind": "drop", "drop_below": -0.5}],
    "gate": [{}, {"kind": "bradley-terry", "hidden": (64,)}, {"kind": "global", "steps": 3}, {"hidden": ()}],
}
FIELDS = st.fixed_dictionaries({field: st.sampled_from(values) for field, values in CHOICES.items()})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=FIELDS, second=FIELDS)
def test_edits_lead_from_any_recipe_to_any_other(session, first, second):
    import workbench as wb

    first, second = Scenario(**first), Scenario(**second)
    assert eval(scenario_code(first), {"wb": wb}).id == first.id
    session._state = State(first, History.start(first), session.selection)
    for line in edits(first, second, session.objectives):
        exec(line, {"wb": wb, "session": session})
    assert session.draft.id == second.id
