"""The What-if screen's menus: what can be chosen, why something cannot, and studies of odd shapes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from panels.page import Page
from planted import SMALL, published_model

from workbench import panels
from workbench.errors import WorkbenchError
from workbench.panels import options
from workbench.panels.words import edit_list, gate_words, in_words
from workbench.scenario.recipe import GateSpec, Scenario
from workbench.session import Session
from workbench.study import Study


@pytest.fixture
def send(session):
    panel = panels.what_if(session)
    yield Page(panel)
    panel.close()


def scored(objectives: int, *, pairs: int = 40, name: str = "o{:03d}") -> Study:
    """A study of scores alone: no text, no features, no groups."""
    rng = np.random.default_rng(3)
    rows = [{"pair": f"p{i:03d}", "side": side, "objective": name.format(k), "score": rng.normal() + (side == "chosen")}
            for i in range(pairs) for side in ("chosen", "rejected") for k in range(objectives)]
    return Study.from_scores(pd.DataFrame(rows))


# -- layers, gates, labels ------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "sizes"), [
    ("64", (64,)), ("64, 32", (64, 32)), ("64 32", (64, 32)), ("3 × 1024", (1024,) * 3), ("3x1 024", (1024,) * 3), ("", ()), ("  8 ", (8,)),
])
def test_layers_as_they_are_typed(text, sizes):
    assert options.layers_of(text) == sizes
    assert options.layers_of(options.layers_text(sizes)) == sizes


@pytest.mark.parametrize("text", ["wide", "0", "64, 0", "-3", "99 × 8", "3 ×", "1.5", ", ,", "64;32"])
def test_layers_that_make_no_sense_are_refused(text):
    with pytest.raises(WorkbenchError, match="hidden layers .*For example 64"):
        options.layers_of(text)


@pytest.mark.parametrize(("spec", "words"), [
    ({}, "64 · softmax"), ({"hidden": (1024,) * 3}, "3 × 1\u2009024 · softmax"), ({"hidden": ()}, "linear · softmax"),
    ({"hidden": (64, 32)}, "64, 32 · softmax"), ({"kind": "global"}, "global weights"),
    ({"kind": "bradley-terry"}, "linear · Bradley–Terry head"), ({"kind": "given"}, "as published"),
])
def test_a_gate_in_words(spec, words):
    assert gate_words(GateSpec(**spec)) == words


def test_a_gate_that_is_edited_says_what_differs(planted_study):
    first = Scenario()

    def said(**spec):
        return [(edit["name"], edit["rest"]) for edit in edit_list(planted_study.study, first.child(gate=spec), first)]

    assert said(temperature=0.5, lr=1e-3) == [("temperature 0.5, rate 0.001", "")]
    assert said(hidden=(8,), steps=10) == [("8 · softmax", "10 steps")] and said(kind="uniform") == [("uniform weights", "")]
    assert in_words(planted_study.study, first.child(gate={"hidden": (8,), "steps": 10}), first) == "gate 8 · softmax, 10 steps"


def test_the_gate_form_sets_what_applies_and_nothing_else(send, session):
    kinds = {kind["kind"]: kind for kind in send("hello")["gate"]["kinds"]}
    assert kinds["softmax"]["spec"]["hidden"] == "8" and kinds["softmax"]["spec"]["steps"] == 30 and kinds["softmax"]["why"] is None
    assert kinds["bradley-terry"]["spec"]["lr"] == 0.01 and kinds["global"]["used"] == []
    state = send("gate", spec={"kind": "bradley-terry", "hidden": "", "steps": 10, "batch_size": 64, "lr": 0.02})
    assert session.draft.gate == GateSpec(kind="bradley-terry", hidden=(), steps=10, batch_size=64, lr=0.02)
    assert state["gate"]["words"] == "linear · Bradley–Terry head" and state["gate"]["edited"]
    assert state["preview"] == {"error": "A Bradley–Terry head has no closed form. Retrain."}
    send("gate", spec={"kind": "global", "hidden": "8", "steps": 7})
    assert session.draft.gate == GateSpec(kind="global")
    before = session.revision
    assert "hidden layers" in send("gate", spec={"kind": "softmax", "hidden": "wide"})["trouble"]["why"]
    assert "temperature" in send("gate", spec={"kind": "softmax", "hidden": "8", "temperature": -1})["trouble"]["why"]
    assert session.revision == before


def test_a_head_can_be_trained_and_has_no_shares(send, session):
    send("gate", spec={"kind": "bradley-terry", "hidden": "", "steps": 20, "batch_size": 64, "lr": 0.02})
    send("retrain")
    session.job.wait(60)
    state = send("hello")
    assert state["preview"]["retrained"] and state["preview"]["accuracy"][1] > 0.5
    assert [row["share"] for row in state["objectives"]] == [None] * 4 and state["notes"] == []


def test_labels_are_chosen_by_name_and_a_treatment_from_elsewhere_is_kept(send, session):
    state = send("labels", value="flip")
    assert state["labels"]["value"] == "flip" and state["labels"]["edited"] and state["edits"][-1]["name"] == "flip the lowest 10 %"
    assert "new labels act once" in state["preview"]["note"]
    session.set_labels({"kind": "drop", "drop_below": -0.25})
    state = send("hello")
    assert state["labels"]["value"] == "custom" and state["labels"]["options"][-1] == ["custom", "drop below −0.25"]
    assert send("labels", value="hard")["edits"] == []


def test_several_nuisances_are_taken_out_together_and_their_signs_are_said(send, session):
    state = send("debias", value=["n_words", "verbosity"])
    assert state["debias"]["value"] == ["n_words", "verbosity"] and state["edits"][0]["name"] == "n_words and verbosity"
    penalty, names = session.preview().result.penalty, session.preview().result.names
    below = {nuisance: [name for name, root in zip(names, row) if root < 0] for nuisance, row in zip(session.draft.nuisances, penalty)}
    said = [note for note in state["notes"] if note.startswith("Rewards")]
    assert len(said) == sum(map(bool, below.values())) > 0
    first = next(nuisance for nuisance in below if below[nuisance])
    assert said[0] == f"Rewards {'length' if first == 'n_words' else first} for {', '.join(below[first])}: the root is below zero there."
    assert state["notes"][-1] == "n_words is measured: this edit cannot be folded into the published layout."
    assert send("debias", value=["verbosity"])["notes"][-1:] != state["notes"][-1:]
    assert send("debias", value=[])["debias"]["value"] == [] and session.draft.debias is None


# -- studies of other shapes ----------------------------------------------------------------------


def test_a_column_that_lacks_numbers_is_refused_with_their_count(planted_study, baseline, tmp_path):
    study = planted_study.study
    known = study.table("responses")[["response_id"]].assign(half=1.0)
    lacking = Study({**study.info}, study.folder, {**study.tables, "scores": known.iloc[40:]})
    assert lacking.column("half").isna().sum() == 40
    pairs = lacking.pairs[lacking.pairs["split"] != "test"]
    without = set(known["response_id"][:40])
    count = sum(row.chosen in without or row.rejected in without for row in pairs.itertuples())
    session = Session(lacking, SMALL)
    for edit in (lambda: session.set_swap("safety", "half"), lambda: session.set_debias(["verbosity", "half"])):
        with pytest.raises(WorkbenchError, match=f"'half' has no number for {count} of {len(pairs)} pairs"):
            edit()
    assert count > 0 and session.draft.swap == {} and session.draft.debias is None


@pytest.mark.parametrize("objectives", [1, 100])
def test_scores_alone_are_edited_weighed_globally_and_say_what_they_lack(objectives):
    session = Session(scored(objectives))
    panel = panels.what_if(session)
    send = Page(panel)
    session.job.wait(60)
    state = send("hello")
    assert len(state["objectives"]) == objectives and state["objectives"][0]["first"] == objectives
    assert state["objectives"][0]["group"] == "Objectives" and state["length"] is None and state["preview"]["length"] is None
    assert {kind["kind"]: bool(kind["why"]) for kind in state["gate"]["kinds"]} == {
        "softmax": True, "global": False, "uniform": False, "bradley-terry": True}
    assert state["gate"]["words"] == "global weights" and state["labels"]["why"] and state["blocked"] is None
    refused = send("gate", spec={"kind": "softmax", "hidden": "8"})["trouble"]["why"]
    assert "A softmax gate reads prompt features, and this study has none" in refused
    name = session.objectives[0]
    if objectives == 1:
        assert "last objective" in send("objective", name=name, on=False)["trouble"]["why"]
    else:
        assert send("objective", name=name, on=False)["summary"] == "99 of 100 on, 1 edit"
    session.set_gate(kind="softmax")  # from Python it can be asked for: then the button says why it cannot be trained
    assert send("hello")["blocked"].startswith("A softmax gate reads prompt features")
    panel.close()


# -- a study that comes with a model ----------------------------------------------------------------


@pytest.fixture(scope="module")
def given_study(planted_study, tmp_path_factory):
    study = planted_study.study
    return study.with_model(published_model(study), tmp_path_factory.mktemp("given") / "study")


@pytest.fixture
def given_page(given_study):
    session = Session(given_study)
    session.start().wait(60)
    panel = panels.what_if(session)
    yield Page(panel), session
    panel.close()


def test_the_published_gate_is_offered_where_there_is_one(send, given_page):
    kinds = [one["kind"] for one in send("hello")["gate"]["kinds"]]
    assert kinds == ["softmax", "global", "uniform", "bradley-terry"]
    page, session = given_page
    state = page("hello")
    assert [one["kind"] for one in state["gate"]["kinds"]] == [*kinds, "given"] and state["gate"]["words"] == "as published"
    assert state["gate"]["kinds"][-1]["used"] == [] and "nothing is trained" in state["gate"]["kinds"][-1]["says"]
    assert state["gate"]["starts"][-1] == [session.baseline_scenario.id, "the published gate (6, 5)"]
    assert state["baseline"]["label"] == "as published" and state["edits"] == [] and state["noise"] is None and state["action"] == "Retrain"
    assert any("Retrain trains 64 · softmax in its place" in note for note in state["notes"])
    refused = send("gate", spec={"kind": "given"})
    assert "comes without a model" in refused["trouble"]["why"]


def test_what_retrain_does_to_the_published_gate_is_said_and_seen(given_page):
    page, session = given_page
    state = page("objective", name="safety", on=False)
    assert state["preview"]["title"] == "Preview" and any("in its place" in note for note in state["notes"])
    assert page("seeds", value=3)["trouble"]["why"].startswith("seeds: the gate as published is one")
    page("gate", spec={"kind": "softmax", "hidden": "8", "steps": 20})
    state = page("seeds", value=1)
    assert not any("in its place" in note for note in state["notes"]) and state["seeds"]["value"] == 1
    assert [(edit["verb"], edit["name"]) for edit in state["edits"]] == [("off", "safety"), ("gate", "8 · softmax")]
    page("undo"), page("undo")
    session.retrain(seeds=1).wait(120)
    shown = page("hello")["preview"]
    assert session.draft.gate == GateSpec() and (shown["title"], shown["seeds"]) == ("Retrained", "1 seed")
    assert [(edit["verb"], edit["name"]) for edit in edit_list(session.study, session.draft, session.baseline_scenario)] == [
        ("off", "safety"), ("gate", "64 · softmax")]
    page("pin")
    state = page("go", step=0)
    assert state["preview"]["title"] == "As published" and "not trained" in state["preview"]["note"]
    said = edit_list(session.study, session.draft, session.baseline_scenario)
    assert ("gate", "as published") in [(edit["verb"], edit["name"]) for edit in said]
    assert state["noise"]["state"] == "none" and in_words(session.study, session.draft, session.baseline_scenario)


def test_debias_of_a_published_model_in_words(given_page):
    page, session = given_page
    assert page("debias", value=["n_words"])["edits"][0]["note"] == "exact root"
    assert page("debias", value=["verbosity"])["edits"] == []
    page("debias", value=[])
    session.pin(step=session.history.here)
    assert page("debias", value=["verbosity"])["edits"][0]["note"] == "published penalties"
    state = page("swap", name="safety", column="n_words")
    assert "No published penalty for length: taken as it is." in state["notes"]


def test_a_start_from_the_published_gate(given_page):
    page, session = given_page
    spec = {"kind": "softmax", "hidden": "6, 5", "temperature": 10, "steps": 5, "start": session.baseline_scenario.id}
    assert page("gate", spec={**spec, "hidden": "7"})["trouble"]["why"].endswith("Take 6, 5, or another start")
    assert page("gate", spec=spec)["trouble"] is None and session.draft.gate.warm
    page("seeds", value=1)
    page("retrain")
    session.jobs[-1].wait(60)
    assert session.retrained
