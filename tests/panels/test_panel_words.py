"""Edits and jobs in words."""

from __future__ import annotations

import pytest

from workbench.panels.progress import describe_job, job_of
from workbench.panels.words import edit_list, in_words
from workbench.preference.report import Progress
from workbench.scenario.job import Job
from workbench.scenario.recipe import Scenario


def test_an_edit_in_words(planted_study):
    draft = Scenario(drop=("verbosity",), multiply={"safety": 1.5}, swap={"helpfulness": "n_words"}, debias="verbosity")
    said = [(edit["verb"], edit["name"], edit["rest"]) for edit in edit_list(planted_study.study, draft, Scenario())]
    assert said == [
        ("remove", "verbosity", "from 3 objectives"), ("swap", "helpfulness", "→ n_words"), ("off", "verbosity", ""),
        ("×1.5", "safety", ""),
    ]
    assert in_words(planted_study.study, draft) == "verbosity removed, helpfulness → n_words, no verbosity, safety ×1.5"
    assert in_words(planted_study.study, Scenario(), draft).startswith("keep verbosity")


def test_a_job_between_its_steps():
    job = Job(Scenario(seeds=(0, 1, 2, 3)), lambda **_: None)
    assert describe_job(job)["text"] == "preparing" and describe_job(None) is None
    for label, steps in (("seed 1 of 4", range(1, 201)), ("seed 2 of 4", range(1, 101))):
        for step in steps:
            job.report(type("Progress", (), {"step": step, "steps": 200, "held_out": 1 / step, "seconds_left": 5.0, "label": label})())
    told = describe_job(job, baseline=0.3)
    assert told["about"] == "1 done, seed 2 running, 2 queued" and told["fraction"] == pytest.approx(1.5 / 4)
    assert told["text"] == "step 100 of 200 · 0:05 left" and [curve["live"] for curve in told["curves"]] == [False, True]
    assert all(len(curve["points"]) <= 82 for curve in told["curves"]) and told["curves"][0]["points"][-1] == [200, 0.005]


def test_seeds_that_train_at_the_same_time():
    job, labels = Job(Scenario(seeds=(0, 1, 2, 3, 4)), lambda **_: None), [f"seed {n} of 5" for n in range(1, 6)]

    def report(number, step, *live, whole):
        job.report(Progress(step, 200, 0.5, 1 / step, 5.0, labels[number], tuple(labels[n] for n in live), whole))
        return describe_job(job)

    report(0, 100, 0, 1, whole=0.1)
    both = report(1, 100, 0, 1, whole=0.2)
    assert both["about"] == "seeds 1 and 2 running, 3 queued" and both["fraction"] == 0.2
    assert [curve["live"] for curve in both["curves"]] == [True, True] and both["brief"].startswith("seeds 1 and 2 of 5")
    report(2, 50, 1, 2, 3, whole=0.3)
    three = report(3, 50, 3, 1, 2, whole=0.4)
    assert three["about"] == "1 done, seeds 2, 3 and 4 running, 1 queued"
    assert [curve["live"] for curve in three["curves"]] == [False, True, True, True]


def test_a_job_beside_the_baseline_and_under_another_edit(session, baseline):
    def told(**edits):
        job = Job(session.draft.child(**edits), lambda **_: None).start().wait(5)
        for step in (1, 2):
            about = {"step": step, "steps": 2, "held_out": 1 / step, "seconds_left": 0.0, "label": "seed 1 of 2"}
            job.report(type("Progress", (), about)())
        return job_of(session, job)

    assert job_of(session, None) is None
    own = told()
    assert own["curves"] and "another edit" not in own["about"] and not own["treated"]
    assert own["baseline"] == session.baseline_loss is not None
    other = told(drop=("verbosity",))
    assert other["curves"] == [] and other["about"].endswith("for another edit") and other["said"] == "Training is done."
    session.set_labels("soft")
    treated = told()
    assert treated["treated"] and treated["curves"] and treated["baseline"] is None, "a loss over other labels is no line beside it"


@pytest.mark.parametrize(("kind", "words"), [("softmax", "trained before"), ("global", "solved at once"), ("uniform", "solved at once")])
def test_a_job_without_a_curve_says_why(kind, words):
    job = Job(Scenario(gate={"kind": kind}), lambda **_: None).start().wait(5)
    assert words in describe_job(job)["blank"] and describe_job(job)["text"].startswith("done in")
