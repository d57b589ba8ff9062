"""The session without any widget: edits, history, previews, jobs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planted import SMALL

import workbench.session as session_module
from workbench.errors import WorkbenchError
from workbench.scenario.compare import compare
from workbench.scenario.edits import recipe_key
from workbench.scenario.preview import preview
from workbench.scenario.recipe import Scenario
from workbench.scenario.run import run
from workbench.session import Session
from workbench.study import Study

NAMES = ("helpfulness", "correctness", "verbosity", "safety")


@pytest.fixture
def heard(session):
    events = []
    session.changed.connect(lambda revision, origin: events.append((revision, origin)))
    return events


def slow(scenario, study, *, progress=None, cancel=None, **options):
    """A run that only ends when it is cancelled."""
    cancel.wait(10)
    known = run(SMALL, study, cache=False)
    return replace(known, scenario=scenario, margins=known.margins[:1], seeds=known.seeds[:1], stopped="cancelled")


# -- edits ----------------------------------------------------------------------------------------


def test_one_gesture_makes_one_revision_and_names_its_origin(session, heard):
    session.set_objective("verbosity", on=False, origin="panel")
    session.set_multiplier("safety", 1.5)
    session.set_swap("helpfulness", "n_words")
    session.set_debias("verbosity")
    session.set_seeds(3)
    session.undo(origin="panel")
    session.redo()
    session.go(1)
    session.reset()
    assert [revision for revision, _ in heard] == list(range(1, 10)) and session.revision == 9
    assert [origin for _, origin in heard] == ["panel", "", "", "", "", "panel", "", "", ""]


def test_an_edit_that_changes_nothing_is_no_revision(session, heard):
    session.set_objective("verbosity", on=True).set_multiplier("safety", 1.0).set_swap("safety", None).set_swap("safety", "safety")
    session.set_debias(None).set_debias(()).set_seeds(2).set_seeds((0, 1))
    assert heard == [] and not session.history.can_undo


def test_edits_build_the_scenario_that_says_the_same(session):
    session.set_objective("verbosity", on=False).set_objective("safety", on=False).set_objective("safety", on=True)
    session.set_multiplier("safety", 1.5).set_multiplier("correctness", 0.5).set_multiplier("correctness", 1)
    session.set_swap("helpfulness", "n_words").set_debias(("n_words", "verbosity")).set_seeds((4, 7))
    wanted = Scenario(gate=SMALL.gate, drop=("verbosity",), multiply={"safety": 1.5}, swap={"helpfulness": "n_words"},
                      debias=("n_words", "verbosity"), seeds=(4, 7))
    assert session.draft.id == wanted.id and not session.is_on("verbosity") and session.is_on("safety")
    session.reset()
    assert recipe_key(session.draft) == recipe_key(SMALL) and session.draft.seeds == (4, 7)


def test_switching_on_brings_back_what_a_scenario_left_out(planted_study):
    session = Session(planted_study.study, Scenario(keep=("safety", "correctness")))
    assert not session.is_on("helpfulness")
    session.set_objective("helpfulness", on=True).set_objective("safety", on=False)
    assert [session.is_on(name) for name in NAMES] == [True, True, False, False]


@pytest.mark.parametrize(("act", "words"), [
    (lambda s: s.set_objective("helpfulnes", on=False), "unknown objective 'helpfulnes'.*Known: helpfulness"),
    (lambda s: s.set_multiplier("wit", 2), "unknown objective 'wit'"),
    (lambda s: s.set_multiplier("safety", -1), "multiplier -1"),
    (lambda s: s.set_multiplier("safety", float("nan")), "multiplier nan"),
    (lambda s: s.set_swap("safety", "charm"), "unknown column 'charm'.*n_words"),
    (lambda s: s.set_debias("charm"), "unknown column 'charm'"),
    (lambda s: s.set_seeds(0), "seeds 0"),
    (lambda s: s.set_seeds((1, 1)), "seeds"),
    (lambda s: s.undo(), "nothing to undo"),
    (lambda s: s.go(9), "no step 9"),
    (lambda s: s.pin(), "no candidate to pin"),
])
def test_bad_input_is_named_and_changes_nothing(session, heard, act, words):
    before = session.history
    with pytest.raises(WorkbenchError, match=words):
        act(session)
    assert session.history is before and heard == []


def test_the_last_objective_stays_on(session):
    for name in NAMES[:-1]:
        session.set_objective(name, on=False)
    with pytest.raises(WorkbenchError, match="last objective"):
        session.set_objective(NAMES[-1], on=False)
    assert session.is_on(NAMES[-1])


def test_a_drag_is_one_step_of_history(session):
    for value in (1.1, 1.2, 1.3):
        session.set_multiplier("safety", value, gesture="drag 1")
    assert session.draft.multiply == {"safety": 1.3}
    assert session.undo().draft.multiply == {}


# -- preview --------------------------------------------------------------------------------------


def test_preview_is_the_closed_form_kept_until_something_changes(session, baseline, planted_study):
    session.set_objective("verbosity", on=False)
    shown = session.preview()
    wanted = preview(baseline, session.draft, planted_study.study)
    np.testing.assert_array_equal(shown.result.margins, wanted.margins)
    assert not shown.result.retrained and shown.seconds > 0
    assert session.preview() is shown and session.set_seeds(5).preview() is shown
    assert session.set_multiplier("safety", 2).preview() is not shown


def test_preview_without_a_baseline_says_what_to_do(planted_study):
    with pytest.raises(WorkbenchError, match="no baseline yet.*start"):
        Session(planted_study.study).preview()


def test_a_baseline_of_another_study_is_refused(planted_study, baseline):
    study = planted_study.study
    with pytest.raises(WorkbenchError, match="was made on study"):
        Session(Study({**study.info, "hash": "0" * 12}, study.folder), baseline)


# -- jobs -----------------------------------------------------------------------------------------


def test_retrain_trains_in_a_thread_and_the_result_is_the_one_of_run(session, baseline, planted_study, heard):
    reports = []
    session.progressed.connect(lambda job: reports.append((threading.current_thread(), job.progress)))
    session.set_multiplier("safety", 1.37)  # of its own, so that nothing kept on disk answers
    job = session.retrain()
    assert job.running and session.job is job
    job.wait(60)
    wanted = run(session.draft, planted_study.study, cache=False)
    np.testing.assert_array_equal(session.candidate.margins, wanted.margins)
    assert session.retrained and session.candidate.retrained and job.state == "done"
    assert reports and all(thread is not threading.main_thread() for thread, _ in reports)
    assert heard[-1] == (session.revision, "job")
    table = session.comparison()
    assert table.equals(compare(baseline, session.candidate)) and session.comparison() is table


def test_retrain_trains_the_baseline_first_where_there_is_none(planted_study):
    session = Session(planted_study.study, SMALL)
    assert session.baseline is None and session.comparison() is None and session.cost is None
    session.set_multiplier("safety", 2).retrain().wait(60)
    assert session.baseline is not None and session.candidate.scenario.multiply == {"safety": 2.0} and session.cost > 0
    assert session.start() is None  # nothing is left to do


def test_start_runs_the_baseline_once(planted_study, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(session_module, "run", lambda *args, **options: go.wait(10) and run(*args, **options))
    session = Session(planted_study.study, SMALL)
    job = session.start()
    assert session.start() is job
    go.set()
    job.wait(60)
    assert session.baseline is not None and session.candidate is None and session.retrained


def test_candidate_is_the_nearest_trained_step_above_the_draft(session):
    session.set_multiplier("safety", 2).retrain().wait(60)
    trained = session.candidate
    session.set_multiplier("correctness", 2)
    assert session.candidate is trained and not session.retrained
    session.undo().undo()
    assert session.candidate is None  # the draft is the baseline again
    assert session.redo().candidate is trained


def test_seeds_of_a_retrain_are_part_of_the_draft(session, heard):
    session.set_multiplier("safety", 2)
    before = len(heard)
    session.retrain(seeds=1).wait(60)
    assert session.draft.seeds == (0,) and len(session.candidate.margins) == 1
    assert len(heard) == before + 2  # it began, it ended


def test_cancel_is_acknowledged_and_the_kernel_stays_usable(session, monkeypatch):
    monkeypatch.setattr(session_module, "run", slow)
    session.set_objective("verbosity", on=False)
    job = session.retrain()
    session.set_multiplier("safety", 1.5)  # the session answers while it trains
    assert session.preview().result.margins.shape == session.baseline.margins.shape
    begun = time.monotonic()
    job.cancel()
    assert job.state == "stopping" and time.monotonic() - begun < 1
    job.wait(30)
    assert job.state == "cancelled" and session.undo().candidate.stopped == "cancelled" and len(session.candidate.margins) == 1


def test_a_real_run_stops_within_a_second_and_keeps_its_seeds(planted_study, baseline):
    session = Session(planted_study.study, baseline)
    session._edit("", gate=SMALL.gate.model_copy(update={"steps": 100_000}), seeds=tuple(range(50)))
    job, told = session.retrain(), threading.Event()
    session.progressed.connect(lambda job: told.set())
    assert told.wait(30)
    begun = time.monotonic()
    job.cancel().wait(30)
    assert time.monotonic() - begun < 5 and job.state == "cancelled"
    assert session.candidate.stopped == "cancelled" and 1 <= len(session.candidate.margins) < 50


def test_a_cancelled_run_does_not_push_out_a_whole_one(session, monkeypatch):
    session.set_multiplier("safety", 2).retrain().wait(60)
    whole = session.candidate
    monkeypatch.setattr(session_module, "run", slow)
    session.retrain().cancel().wait(30)
    assert session.candidate is whole


def test_an_error_is_told_and_the_last_good_state_is_kept(session, monkeypatch):
    session.set_multiplier("safety", 2).retrain().wait(60)
    good, draft = session.candidate, session.draft
    monkeypatch.setattr(session_module, "run", lambda *_, **__: (_ for _ in ()).throw(WorkbenchError("diverged", remedy="Lower the rate")))
    job = session.set_multiplier("safety", 3).retrain().wait(30)
    assert job.state == "failed" and job.error == "diverged. Lower the rate"
    assert session.candidate is good and session.undo().draft is draft and session.preview() is not None


def test_one_job_at_a_time(session, monkeypatch):
    monkeypatch.setattr(session_module, "run", slow)
    job = session.set_multiplier("safety", 2).retrain()
    with pytest.raises(WorkbenchError, match="a job is running"):
        session.retrain()
    job.cancel().wait(30)


def test_pin_makes_the_candidate_the_baseline(session, heard):
    session.set_objective("verbosity", on=False).retrain().wait(60)
    candidate, before = session.candidate, session.revision
    session.pin(origin="panel")
    assert session.baseline is candidate and session.candidate is None and heard[-1] == (before + 1, "panel")
    session.set_objective("verbosity", on=True)
    assert session.preview().result.notes  # this gate never saw it, and the preview says so
    assert recipe_key(session.reset().draft) == recipe_key(candidate.scenario)


# -- any order ------------------------------------------------------------------------------------

ACTS = st.one_of(
    st.tuples(st.just("set_objective"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("set_multiplier"), st.sampled_from(NAMES), st.sampled_from([0.0, 0.5, 1.0, 1.7])),
    st.tuples(st.just("set_swap"), st.sampled_from(NAMES), st.sampled_from([None, "n_words", "correctness"])),
    st.tuples(st.just("set_debias"), st.sampled_from([None, "verbosity", "n_words"])),
    st.tuples(st.just("set_seeds"), st.sampled_from([1, 2])),
    st.tuples(st.sampled_from(["reset", "undo", "redo", "pin"])),
    st.tuples(st.just("go"), st.integers(0, 5)),
)


def do(session: Session, act: tuple) -> None:
    name, *given_ = act
    if name == "set_objective":
        session.set_objective(given_[0], on=given_[1])
    else:
        getattr(session, name)(*given_)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(ACTS, max_size=12))
def test_any_order_of_actions_raises_nothing_else_and_undo_returns(planted_study, baseline, acts):
    session = Session(planted_study.study, baseline)
    for act in acts:
        before, revision, steps = session.history, session.revision, len(session.history.steps)
        try:
            do(session, act)
        except WorkbenchError:
            assert session.history is before and session.revision == revision
            continue
        assert session.revision - revision in (0, 1)
        if len(session.history.steps) > steps:  # it was an edit
            assert session.undo().draft is before.scenario
            assert session.redo().draft is not before.scenario
        try:
            margins = session.preview().result.margins
        except WorkbenchError as error:
            assert "retrain" in str(error).lower()  # nothing that the gate weighs is on
        else:
            assert np.isfinite(margins).all()


def test_a_session_imports_no_widget_no_plot_and_no_torch():
    code = "import sys, workbench.session; print([m for m in ('torch', 'plotly', 'ipywidgets', 'sklearn') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
