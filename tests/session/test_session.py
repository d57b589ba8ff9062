"""The session without any widget: edits, history, previews, jobs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from planted import SMALL, published_model

import workbench.session.training as training
from workbench.errors import WorkbenchError
from workbench.scenario.compare import compare, noise_floor
from workbench.scenario.edits import recipe_key
from workbench.scenario.given import published
from workbench.scenario.preview import preview
from workbench.scenario.recipe import GateSpec, Scenario
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
    session.set_debias(None).set_debias(()).set_seeds(2).set_seeds((0, 1)).set_gate().set_gate(steps=30, hidden=(8,)).set_labels("hard")
    session.set_labels(None).set_draft(SMALL).reset().go(0).annotate().annotate(0, name="small").pin(session.baseline).pin(step=0)
    session.select(None).look_at(None).set_tray([]).cancel()
    assert heard == [] and not session.history.can_undo


def test_edits_build_the_scenario_that_says_the_same(session):
    session.set_objective("verbosity", on=False).set_objective("safety", on=False).set_objective("safety", on=True)
    session.set_multiplier("safety", 1.5).set_multiplier("correctness", 0.5).set_multiplier("correctness", 1)
    session.set_swap("helpfulness", "n_words").set_debias(("n_words", "verbosity")).set_seeds((4, 7))
    session.set_gate(steps=40).set_labels("soft")
    wanted = Scenario(gate={"hidden": (8,), "steps": 40, "batch_size": 128}, drop=("verbosity",), multiply={"safety": 1.5},
                      swap={"helpfulness": "n_words"}, debias=("n_words", "verbosity"), labels="soft", seeds=(4, 7))
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
    (lambda s: s.set_gate(stepz=3), "unknown key 'stepz'"),
    (lambda s: s.set_gate(kind="oracle"), "kind"),
    (lambda s: s.set_labels("guess"), "labels"),
    (lambda s: s.set_draft(Scenario(drop=("wit",))), "unknown objective 'wit'"),
    (lambda s: s.annotate(4, name="x"), "no step 4"),
    (lambda s: s.pin(step=4), "no step 4"),
    (lambda s: s.pin(s.preview().result), "a preview"),
    (lambda s: s.remember("gate", order={1, 2}), "not JSON"),
    (lambda s: s.set_tray([{"x": float("nan")}]), "not JSON"),
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
    monkeypatch.setattr(training, "run", lambda *args, **options: go.wait(10) and run(*args, **options))
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
    monkeypatch.setattr(training, "run", slow)
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
    session.set_gate(steps=100_000).set_seeds(50)
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
    monkeypatch.setattr(training, "run", slow)
    session.retrain().cancel().wait(30)
    assert session.candidate is whole


def test_an_error_is_told_and_the_last_good_state_is_kept(session, monkeypatch):
    session.set_multiplier("safety", 2).retrain().wait(60)
    good, draft = session.candidate, session.draft
    monkeypatch.setattr(training, "run", lambda *_, **__: (_ for _ in ()).throw(WorkbenchError("diverged", remedy="Lower the rate")))
    job = session.set_multiplier("safety", 3).retrain().wait(30)
    assert job.state == "failed" and job.error == "diverged. Lower the rate"
    assert session.candidate is good and session.undo().draft is draft and session.preview() is not None


def test_pin_makes_the_candidate_the_baseline(session, heard):
    session.set_objective("verbosity", on=False).retrain().wait(60)
    candidate, before = session.candidate, session.revision
    session.pin(origin="panel")
    assert session.baseline is candidate and session.candidate is None and heard[-1] == (before + 1, "panel")
    session.set_objective("verbosity", on=True)
    assert session.preview().result.notes  # this gate never saw it, and the preview says so
    assert recipe_key(session.reset().draft) == recipe_key(candidate.scenario)


def test_a_step_that_was_never_trained_is_pinned_and_trained_by_start(session, heard):
    session.set_multiplier("safety", 2).set_objective("verbosity", on=False)
    session.pin(step=1, origin="panel")
    assert heard[-1] == (3, "panel") and session.baseline is None and session.baseline_scenario.multiply == {"safety": 2.0}
    session.start().wait(60)
    assert session.baseline.scenario.multiply == {"safety": 2.0} and session.candidate is None
    with pytest.raises(WorkbenchError, match="study"):
        session.pin(replace(session.baseline, study=replace(session.study, info={**session.study.info, "hash": "0" * 12})))


def test_names_and_notes_are_no_part_of_the_recipe(session, heard):
    session.set_multiplier("safety", 2)
    before = session.draft.id
    session.annotate(name="safer", note="as reviewer 2 asked").annotate(0, name="plain")
    assert (session.draft.name, session.draft.note, session.draft.id) == ("safer", "as reviewer 2 asked", before)
    assert session.history.steps[0].scenario.name == session.baseline_scenario.name == "plain" and session.baseline is not None
    assert session.revision == 3 and session.undo().redo().draft.name == "safer"


def test_settings_of_views_are_kept_and_told_to_nobody(session, heard):
    session.remember("table", sort="margin", columns=("a", "b")).remember("table", sort="length")
    session.view["table"]["sort"] = "mine"
    assert session.view == {"table": {"sort": "length", "columns": ["a", "b"]}} and heard == [] and session.revision == 0
    session.set_tray([{"figure": "gate", "options": {"by": "section"}}], origin="figures")
    session.tray[0]["figure"] = "mine"
    assert session.tray[0]["figure"] == "gate" and heard == [(1, "figures")]


# -- noise ----------------------------------------------------------------------------------------


def test_noise_is_the_floor_of_the_baseline_and_joins_the_comparison(session, baseline, planted_study):
    assert session.noise is None
    session.set_multiplier("safety", 2).retrain().wait(60)
    assert "noise_low" not in session.comparison()
    job = session.measure_noise().wait(60)
    floor = noise_floor(SMALL, planted_study.study)
    assert (job.what, job.scenario.id) == ("noise", SMALL.id) and session.noise.equals(floor) and session.noise is session.noise
    assert session.comparison().equals(compare(baseline, session.candidate, noise=floor))
    session.pin()
    assert session.noise is None  # of this baseline nothing is known
    assert session.pin(step=0).noise.equals(floor)


def test_slices_are_exploratory_rows_and_have_a_noise_floor_too(session):
    session.select(np.arange(len(session.items)) % 2 == 0, kind="lasso", label="lasso").save_slice("even")
    session.set_multiplier("safety", 2).retrain().wait(60)
    session.measure_noise().wait(60)
    row = session.comparison().set_index("slice").loc["even"]
    assert "p-value" in row["words"] or "fewer" in row["words"]
    assert np.isnan(row["p"]) and row["n"] == session.selection.n and np.isfinite(row["noise_low"])
    assert "even" not in set(session.remove_slice("even").comparison()["slice"])


def test_accuracy_of_the_selection_is_counted_by_hand(session):
    session.set_multiplier("safety", 3).retrain().wait(60)
    session.select(range(100), kind="lasso")
    table = session.selected_accuracy().set_index("which")
    for which, result in (("baseline", session.baseline), ("candidate", session.candidate)):
        won = [margin > 0 for seed in result.margins for margin in seed[:100]]
        assert table.loc[which, "value"] == pytest.approx(sum(won) / len(won)) and table.loc[which, "n"] == 100
        assert table.loc[which, "families"] == session.items["family"][:100].nunique() and "no p-value" in table.loc[which, "words"]
    assert "p" not in table and session.selected_accuracy() is session.selected_accuracy()
    whole = session.select(None).selected_accuracy()
    assert "p-value" not in whole["words"][0] and whole["value"][0] == pytest.approx(session.baseline.accuracy)


def test_a_session_imports_no_widget_no_plot_and_no_torch():
    code = "import sys, workbench.session; print([m for m in ('torch', 'plotly', 'ipywidgets', 'sklearn') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_session_in_a_line(session):
    study, total = session.study, len(session.items)
    line = f"Session on {study.name} {study.hash[:4]}…: baseline "
    assert repr(session).startswith(line) and repr(session).endswith(f" selected, {session.memory.clause}")
    session.select(session.items["pair_id"][:7])
    assert f"7 of {total:,}".replace(",", "\u2009") in repr(session) and "candidate" not in repr(session)


# -- a study that comes with a model -----------------------------------------------------------------


@pytest.fixture(scope="module")
def given_study(planted_study, tmp_path_factory):
    study = planted_study.study
    return study.with_model(published_model(study), tmp_path_factory.mktemp("given") / "study")


def test_the_published_model_is_pinned_and_shown_before_anything_is_trained(given_study, monkeypatch):
    session = Session(given_study)
    assert session.baseline_scenario == published(given_study) and session.draft.name == "as published" and session.retrained is False
    assert "baseline as published" in repr(session)
    with monkeypatch.context() as patch:
        patch.setattr("workbench.scenario.seeds.train", lambda *a, **k: pytest.fail("trained"))
        session.start().wait(60)
        session.set_objective("safety", on=False)
        np.testing.assert_allclose(session.preview().result.margins, run(session.draft, given_study).margins, atol=1e-9)
    np.testing.assert_array_equal(session.baseline.margins, run(published(given_study), given_study).margins)
    assert session.start() is None and session.cost is None and session.baseline_loss is None


def test_retrain_trains_a_softmax_gate_in_the_place_of_the_published_one(given_study):
    session = Session(given_study)
    session.start().wait(60)
    draft = session.set_objective("safety", on=False).annotate(name="no safety", note="why").draft
    job = session.retrain(seeds=2).wait(120)
    assert session.draft.gate == GateSpec() and session.draft.drop == ("safety",) and session.draft.parent == draft.id
    assert (session.draft.name, session.draft.note) == ("no safety", "why")
    assert session.draft.seeds == (0, 1) and session.draft.debias_method == "given" and job.scenario is session.draft
    assert session.candidate.scenario.gate.kind == "softmax" and len(session.candidate.gates) == 2
    assert session.comparison()["seeds"][0] == 2 and session.cost > 0
    assert session.undo().draft == draft and session.candidate is None  # the edit under the published gate is not trained
    assert session.redo().candidate is not None


def test_retrain_of_the_published_model_itself(given_study):
    session = Session(given_study)
    first = session.retrain().wait(60)  # the baseline is not there yet: it is what is asked for
    assert first.scenario == session.baseline_scenario and session.draft == session.baseline_scenario
    session.retrain(seeds=1).wait(120)  # and now a gate of its own
    assert session.draft.gate == GateSpec() and session.draft.name == "" and session.candidate.scenario == session.draft
    session.pin().set_gate(kind="given")
    session.retrain().wait(60)  # held against a trained gate, the published one is what is asked for
    assert session.draft.gate.kind == "given" and session.retrained


def test_edits_that_a_published_model_has_its_own_way_of(given_study):
    session = Session(given_study)
    assert session.set_debias(None).draft.debias is None
    assert session.set_debias("verbosity").draft.id == session.baseline_scenario.id
    assert session.set_debias("n_words").draft.debias_method == "exact"
    assert session.set_debias(["verbosity"]).draft.debias_method == "given"
    with pytest.raises(WorkbenchError, match="the gate as published is one: seeds are of gates that are trained"):
        session.set_seeds(3)
    assert len(session.set_gate(kind="softmax").draft.seeds) == 5 and session.set_seeds(3).draft.seeds == (0, 1, 2)
    assert session.reset().draft.id == session.baseline_scenario.id
    with pytest.raises(WorkbenchError, match="no seed noise"):
        session.measure_noise()
    assert session.jobs == ()


def test_no_study_without_a_model_takes_its_gate(session):
    for edit in (lambda: session.set_gate(kind="given"), lambda: session.set_draft(Scenario(debias="verbosity", debias_method="given"))):
        with pytest.raises(WorkbenchError, match="this study comes without a model"):
            edit()
    assert session.revision == 0


def test_a_session_on_a_model_is_saved_and_opened_again(given_study, tmp_path):
    session = Session(given_study)
    session.start().wait(60)
    session.set_objective("safety", on=False).retrain(seeds=1).wait(120)
    again = Session.load(session.save(tmp_path / "a.session.json"), given_study)
    assert again.draft == session.draft and again.baseline_scenario == session.baseline_scenario
    np.testing.assert_array_equal(again.baseline.margins, session.baseline.margins)
    np.testing.assert_array_equal(again.candidate.margins, session.candidate.margins)
