"""A view as a cell: it runs as it stands, and what it makes is the view."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planted import NAMES, SMALL, published_model

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


@pytest.fixture(scope="module")
def given_study(planted_study, tmp_path_factory):
    study = planted_study.study
    return study.with_model(published_model(study), tmp_path_factory.mktemp("given") / "study")


def test_the_published_model_is_a_cell_of_three_lines_and_what_is_made_of_it_follows(given_study):
    session = Session(given_study)
    assert session.code().endswith("session = wb.Session(study)\n")
    session.start().wait(60)
    assert session.code().endswith("session = wb.Session(study)\nsession.start().wait()\n")
    back = made_by(session.code())
    assert same(session, back) and np.array_equal(back.baseline.margins, session.baseline.margins)
    session.set_objective("correctness", on=False).set_debias(None).set_debias("verbosity").set_gate(kind="global")
    session.retrain().wait(60)
    session.set_debias("n_words").set_swap("safety", "n_words")
    back = made_by(session.code())
    assert same(session, back) and np.array_equal(back.candidate.margins, session.candidate.margins)
    assert "set_draft" not in session.code()


def test_what_was_previewed_under_the_published_gate_is_no_candidate_of_the_cell(given_study):
    session = Session(given_study)
    session.start().wait(60)
    session.set_multiplier("safety", 2.0)
    session.pin(step=1).start().wait(60)
    session.pin(step=0)  # now the edit has a result of its own
    assert session.candidate.scenario.gate.kind == "given"
    assert "retrain" not in session.code() and same(session, made_by(session.code()))


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
    for line in edits(first, second, session):
        exec(line, {"wb": wb, "session": session})
    assert session.draft.id == second.id


GIVEN = {**CHOICES, "gate": [{"kind": "given"}, {}, {"kind": "global"}], "debias": [None, "verbosity", "n_words"],
         "debias_method": ["exact", "given"], "keep": [None], "labels": ["hard"]}


@settings(max_examples=40, deadline=None)
@given(*(st.fixed_dictionaries({field: st.sampled_from(values) for field, values in GIVEN.items()}) for _ in range(3)))
def test_and_so_they_do_on_a_study_with_a_model(given_study, pinned, first, second):
    import workbench as wb

    pinned, first, second = (Scenario(**each) for each in (pinned, first, second))
    session = Session(given_study, pinned)
    session._state = State(pinned, History.start(first), session.selection)
    for line in edits(first, second, session):
        exec(line, {"wb": wb, "session": session})
    assert session.draft.id == second.id
