"""The What-if screen without a browser: it gets the messages that a browser sends, and what it shows is read."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from panels.page import Page
from planted import SMALL
from scipy.stats import spearmanr

import workbench.session.training as training
from workbench import panels
from workbench.errors import WorkbenchError
from workbench.evaluate.inference import estimate
from workbench.evaluate.metrics import correct
from workbench.panels.versus import comparison
from workbench.scenario.run import run
from workbench.session import Session


@pytest.fixture
def panel(session):
    widget = panels.what_if(session)
    yield widget
    widget.close()


@pytest.fixture
def send(panel):
    return Page(panel)


def row_of(state: dict, name: str) -> dict:
    return next(row for row in state["objectives"] if row["name"] == name)


# -- gestures -------------------------------------------------------------------------------------


def test_it_opens_with_everything_there(panel, session):
    state = Page(panel)("hello")
    assert [row["name"] for row in state["objectives"]] == list(session.objectives)
    assert state["objectives"][0]["first"] == 4 and state["objectives"][0]["slot"] == "helpful"
    assert state["preview"]["accuracy"][0] == state["preview"]["accuracy"][1] and state["preview"]["flips"][0] == 0
    assert state["comparison"] is None and state["trouble"] is None
    assert state["job"] is None and state["queue"] == [] and state["edits"] == []
    assert state["study"] == {"name": "planted", "hash": session.study.hash} and state["baseline"]["label"] == "small"
    assert {"verbosity", "n_words"} == set(state["debias"]["options"][0]["names"])


def test_every_gesture_does_what_the_session_does(send, session, planted_study, baseline):
    other = Session(planted_study.study, baseline)
    send("objective", name="verbosity", on=False)
    send("multiplier", name="safety", value=1.5, gesture="safety 1")
    send("multiplier", name="safety", value=1.6, gesture="safety 1")
    send("swap", name="helpfulness", column="n_words")
    send("debias", value=["verbosity"])
    size = {"steps": 20, "batch_size": 64, "lr": 0.01, "temperature": 2.0, "start": "uniform"}
    send("gate", spec={"kind": "softmax", "hidden": "8, 4", **size})
    send("labels", value="soft")
    send("annotate", name="all at once", note="why")
    send("seeds", value=3)
    other.set_objective("verbosity", on=False).set_multiplier("safety", 1.6).set_swap("helpfulness", "n_words")
    other.set_debias("verbosity").set_gate(hidden=(8, 4), **size)
    other.set_labels("soft").annotate(name="all at once", note="why").set_seeds(3)
    assert session.draft.id == other.draft.id and len(session.history.steps) == len(other.history.steps)
    assert send("undo")["seeds"]["value"] == 2 and send("redo")["seeds"]["value"] == 3
    assert send("reset")["edits"] == [] and send("go", step=1)["edits"][0]["name"] == "verbosity"


def test_preview_numbers_are_those_of_the_results(send, session, baseline):
    state = send("objective", name="safety", on=False)
    shown = session.preview().result
    won = [float(np.mean([[margin > 0 for margin in seed] for seed in result.margins])) for result in (baseline, shown)]
    assert state["preview"]["accuracy"] == pytest.approx(won)
    flips = sum((a > 0) != (b > 0) for a, b in zip(baseline.margins.mean(axis=0), shown.margins.mean(axis=0)))
    assert state["preview"]["flips"] == [flips, len(baseline.pairs)]
    assert state["preview"]["retrained"] is False and state["preview"]["ms"] > 0


def test_correlations_and_shares_are_those_of_plain_loops(send, session, baseline, planted_study):
    state = send("debias", value="n_words")
    shown = session.preview().result
    words = planted_study.study.column("n_words")
    length = np.array([[words[row.chosen], words[row.rejected]] for row in baseline.pairs.itertuples()])
    weights = shown.weights.mean(axis=0)
    gap = shown.scores.margins
    for k, name in enumerate(shown.names):
        row = row_of(state, name)
        assert row["before"] == pytest.approx(spearmanr(baseline.scores.column(name).ravel(), length.ravel()).statistic)
        assert row["after"] == pytest.approx(spearmanr(shown.scores.column(name).ravel(), length.ravel()).statistic)
        shares = [abs(w[k] * g[k]) / np.abs(w * g).sum() for w, g in zip(weights, gap)]
        assert row["share"] == pytest.approx(np.mean(shares))
    rewards = [np.einsum("po,pso->ps", result.weights.mean(axis=0), result.scores.values) for result in (baseline, shown)]
    assert state["preview"]["length"] == pytest.approx([spearmanr(reward.ravel(), length.ravel()).statistic for reward in rewards])


def test_a_nuisance_that_debias_made_zero_has_no_correlation(send):
    row = row_of(send("debias", value="verbosity"), "verbosity")
    assert row["null"] and row["after"] is None and row["before"] is not None


def test_an_objective_that_is_off_has_no_share(send):
    row = row_of(send("objective", name="safety", on=False), "safety")
    assert row["on"] is False and row["share"] is None and row["after"] is None and row["edited"]


@pytest.mark.parametrize("message", [
    {"do": "objective", "name": "charm", "on": False}, {"do": "multiplier", "name": "safety", "value": "x"},
    {"do": "multiplier", "name": "safety"},
    {"do": "swap", "name": "safety", "column": "charm"}, {"do": "seeds", "value": 0}, {"do": "undo"}, {"do": "pin"}, {"do": "fly"},
])
def test_a_message_that_makes_no_sense_changes_nothing_and_is_told(send, session, message):
    draft = session.draft
    state = send(**message)
    assert state["trouble"]["fact"] == "Nothing was changed." and state["trouble"]["why"] and session.draft is draft
    assert send("hello")["trouble"] is None


def test_it_draws_what_others_do_and_does_not_answer_its_own_echo(panel, send, session, monkeypatch):
    drawn, real = [], panel.send
    monkeypatch.setattr(panel, "send", lambda content, buffers=None: drawn.append([part["name"] for part in content["parts"]]))
    send("objective", name="safety", on=False)
    assert drawn == [] and len(send.sent) == 1
    session.set_multiplier("correctness", 2, origin="elsewhere")
    assert len(drawn) == 1 and row_of(send.shown, "correctness")["multiplier"] == 2
    session.select(session.items["pair_id"][:3], origin="elsewhere")
    assert "what_if" not in drawn[-1] and "what_if.run" not in drawn[-1]  # nothing of it depends on what is selected
    monkeypatch.setattr(panel, "send", real)


def test_preview_is_instant(send):
    send("debias", value="n_words")  # its penalties are solved once
    begun = time.perf_counter()
    send("multiplier", name="safety", value=1.9)
    assert time.perf_counter() - begun < 1.0  # 0.03 s on an idle core; the bound is for a busy one


# -- training -------------------------------------------------------------------------------------


def test_retrain_ends_with_a_comparison_and_pin_moves_the_baseline(send, session):
    send("objective", name="verbosity", on=False)
    send("retrain")
    session.job.wait(60)
    state = send("hello")
    assert state["retrained"] and state["preview"]["retrained"] and state["candidate"]["label"] == "no verbosity"
    assert [row["slice"] for row in state["comparison"]["rows"]][0] == "All pairs" and state["comparison"]["rows"][0]["whole"]
    assert state["history"]["steps"][-1]["kind"] == "cand" and state["job"]["state"] == "done"
    state = send("multiplier", name="safety", value=0.5)
    assert state["candidate"]["note"] == "before the last edits" and not state["preview"]["retrained"]
    state = send("pin")
    assert state["baseline"]["label"] == "no verbosity" and state["candidate"] is None and state["comparison"] is None


def test_progress_comes_as_messages_and_not_too_many(panel, send, session, monkeypatch):
    sent = []
    monkeypatch.setattr(panel, "send", lambda content, buffers=None: sent.append((time.monotonic(), content)))
    session.set_gate(steps=4000, lr=1e-4).set_seeds(3)
    send("retrain")
    time.sleep(0.8)
    send("cancel")
    session.job.wait(30)
    told = [(at, content["job"]) for at, content in sent if "job" in content]
    assert told and all(json.dumps(job, allow_nan=False) for _, job in told)
    assert {job["state"] for _, job in told} <= {"running", "stopping"} and told[0][1]["running"]
    gaps = [b - a for (a, _), (b, job) in zip(told, told[1:]) if job["state"] == "running"]
    assert all(gap > 0.15 for gap in gaps)
    assert send("hello")["job"]["state"] == "cancelled"


@pytest.fixture
def slow(baseline, monkeypatch):
    """Training that only ends when it is cancelled, with the first seed."""
    def work(scenario, study, *, progress=None, cancel=None, **options):
        cancel.wait(10)
        time.sleep(0.2)
        return replace(baseline, scenario=scenario, margins=baseline.margins[:1], seeds=(0,), stopped="cancelled")

    monkeypatch.setattr(training, "run", work)


def test_cancel_is_seen_at_once_and_the_rest_still_answers(send, session, slow):
    send("objective", name="verbosity", on=False)
    state = send("retrain")
    assert state["blocked"] and state["action"] == "Retrain"
    state = send("multiplier", name="safety", value=1.5)
    assert state["preview"]["accuracy"] and state["blocked"] is None and state["action"] == "Queue"
    begun = time.monotonic()
    assert send("cancel")["job"]["state"] == "stopping" and time.monotonic() - begun < 1
    session.job.wait(10)
    state = send("undo")
    assert state["candidate"]["note"] == "partial" and state["preview"]["seeds"] == "partial: 1 of 2 seeds, stopped early"
    assert state["comparison"]["note"].startswith("The candidate was stopped early")


def test_what_waits_is_listed_and_can_be_taken_off(send, session, slow):
    send("objective", name="verbosity", on=False)
    send("retrain")
    for value in (1.5, 2.0):
        send("multiplier", name="safety", value=value)
        state = send("retrain")
    state = send("noise")
    assert [one["words"] for one in state["queue"]] == ["no verbosity, safety ×1.5", "no verbosity, safety ×2", "the noise floor"]
    assert state["noise"]["state"] == "running" and state["queue"][0]["seeds"] == "2 seeds"
    state = send("unqueue", job=state["queue"][0]["key"])
    assert [one["words"] for one in state["queue"]] == ["no verbosity, safety ×2", "the noise floor"]
    assert send("unqueue", job="no such")["trouble"] is None
    for one in state["queue"]:
        state = send("unqueue", job=one["key"])
    assert state["queue"] == [] and state["noise"]["state"] == "none"
    send("cancel")
    session.job.wait(10)


def test_the_noise_floor_is_measured_and_said(send, session):
    assert send("hello")["noise"]["state"] == "none"
    send("noise")
    session.job.wait(60)
    state = send("hello")
    row = session.noise.iloc[0]
    low, high = (f"{100 * row[end]:+.1f}".replace("-", "−") for end in ("low", "high"))
    assert state["noise"]["words"] == ["Noise floor ", f"[{low}, {high}]", " points, 2 × 2 seeds"]
    assert state["job"]["state"] == "done" and "another edit" not in state["job"]["about"]


def test_a_failed_training_says_what_is_kept_and_can_be_dismissed(send, session, monkeypatch):
    def broken(*_, **__):
        raise WorkbenchError("training diverged at step 3", remedy="Lower the learning rate")

    monkeypatch.setattr(training, "run", broken)
    send("objective", name="verbosity", on=False)
    send("retrain")
    session.job.wait(10)
    trouble = send("hello")["trouble"]
    assert trouble == {"fact": "Training stopped. Your edits and the last result are kept.", "retry": True,
                       "why": "Training diverged at step 3. Lower the learning rate"}
    assert send("dismiss")["trouble"] is None and send("hello")["preview"]["accuracy"]


def test_without_a_baseline_it_trains_one_and_shows_so(planted_study, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(training, "run", lambda *args, **options: go.wait(20) and run(*args, **options))
    panel = panels.what_if(Session(planted_study.study, SMALL))
    assert panel.session.job is None and panel.shown == {}  # it begins when a page says hello
    page = Page(panel)
    state = page("hello")
    assert state["preview"] is None and state["job"]["running"] and state["waiting"]["lead"] == ["The baseline is not trained yet."]
    assert [row["before"] for row in state["objectives"]] == [None] * 4 and state["action"] == "Train baseline" and state["blocked"]
    go.set()
    panel.session.job.wait(60)
    state = page.shown
    assert state["preview"]["retrained"] and state["action"] == "Retrain" and state["cost"] > 0
    panel.close()


# -- words ----------------------------------------------------------------------------------------


def test_the_comparison_says_how_few_families_there_are(send, session):
    send("multiplier", name="safety", value=0.2)
    send("retrain")
    session.job.wait(60)
    found = comparison(session)
    assert found["lead"] == ["Overall no verdict: ", "fewer than 20 families", ". "] and "seed noise not estimated" in found["note"]
    row = found["rows"][0]
    assert row["tone"] is None and re.fullmatch(r"[+−]?\d+\.\d \[[+−]?\d+\.\d, [+−]?\d+\.\d\]", row["numbers"])


# -- any messages ---------------------------------------------------------------------------------


ACTS = st.one_of(
    st.fixed_dictionaries({"do": st.just("objective"), "name": st.sampled_from(["safety", "verbosity", "other"]), "on": st.booleans()}),
    st.fixed_dictionaries({"do": st.just("multiplier"), "name": st.just("safety"), "value": st.sampled_from([0, 0.5, 1, 2, -1, None])}),
    st.fixed_dictionaries({"do": st.just("swap"), "name": st.just("safety"), "column": st.sampled_from([None, "repetition", "no such"])}),
    st.fixed_dictionaries({"do": st.just("debias"), "value": st.sampled_from([None, [], ["verbosity"], ["verbosity", "n_words"], ["no"]])}),
    st.fixed_dictionaries({"do": st.just("gate"), "spec": st.sampled_from([{}, {"kind": "uniform"}, {"kind": "softmax", "hidden": "x"},
                                                                            {"kind": "bradley-terry", "hidden": ""}])}),
    st.fixed_dictionaries({"do": st.just("labels"), "value": st.sampled_from(["hard", "soft", "custom", None, 3])}),
    st.fixed_dictionaries({"do": st.just("annotate"), "name": st.sampled_from(["", "mine"])}),
    st.fixed_dictionaries({"do": st.sampled_from(["undo", "redo", "reset", "pin", "cancel", "unqueue", "dismiss", "hello"])}),
    st.fixed_dictionaries({"do": st.just("go"), "step": st.integers(-1, 4)}),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(ACTS, max_size=8))
def test_any_messages_leave_a_state_that_can_be_drawn(planted_study, baseline, acts):
    panel = panels.what_if(Session(planted_study.study, baseline))
    send = Page(panel)
    for act in acts:
        state = send(**act)
        assert sum(row["on"] for row in state["objectives"]) >= 1
        assert sum(step["here"] for step in state["history"]["steps"]) == 1
        assert {step["parent"] for step in state["history"]["steps"]} - {None} <= {step["at"] for step in state["history"]["steps"]}
    panel.close()


def test_the_accuracy_says_how_sure_it_is(send, session, baseline):
    send("objective", name="safety", on=False)
    shown = session.preview().result
    found = estimate(correct(shown.margins), shown.families)
    words = send.panel.shown["what_if.sure"]["words"]
    interval = f"95 % [{100 * found.low:.1f}, {100 * found.high:.1f}]"
    assert words.startswith(f"{interval}, {len(session.items)} pairs, {found.families} families, 2 seeds")
    send("objective", name="safety", on=True)
    assert send.panel.shown["what_if.sure"]["words"] != words
