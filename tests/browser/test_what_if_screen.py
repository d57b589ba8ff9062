"""The What-if screen in a browser: its menus by keyboard, what waits, what is refused, and a hundred objectives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from browser.stage import Stage

from workbench import panels
from workbench.session import Session
from workbench.study import Study

SMALL = """() => [...document.querySelectorAll('.wb button, .wb select, .wb input')].filter((node) => node.offsetParent)
  .map((node) => [node, (node.closest('label') || node).getBoundingClientRect()])
  .filter(([, box]) => box.height < 28 || box.width < 28).map(([node]) => node.outerHTML.slice(0, 120))"""
OUT = """() => { const wb = document.querySelector('.wb'), edge = wb.getBoundingClientRect().right + 1;
  return [...wb.querySelectorAll('*')].filter((node) => node.getBoundingClientRect().right > edge && !node.closest('.wb-rows'))
    .map((node) => node.outerHTML.slice(0, 100)); }"""


@pytest.fixture(scope="module")
def shared(chromium, planted_study, baseline):
    stage = Stage(chromium, panels.what_if(Session(planted_study.study, baseline)))
    yield stage
    stage.close()


@pytest.fixture
def stage(shared):
    """Back to no edits, and nothing on its way."""
    shared.panel.session.reset()
    shared.page.mouse.click(5, 5)
    yield shared.settle()
    assert shared.said == [] and shared.asked == []


def opener(stage, word):
    return stage.page.locator(".wb-opener", has_text=word)


def open_menu(stage, word):
    opener(stage, word).click()
    stage.settle()
    return stage.page.locator(".wb-drop-panel:not(.wb-hide)")


def test_debias_targets_by_keyboard(stage):
    page, session = stage.page, stage.panel.session
    button = opener(stage, "Debias target")
    button.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    stage.settle()
    assert session.draft.debias == "verbosity" and button.inner_text().endswith("verbosity")
    page.get_by_role("checkbox", name="n_words").check()
    stage.settle()
    assert session.draft.nuisances == ("n_words", "verbosity") and page.locator(".wb-chip").count() == 2
    assert "n_words is measured" in page.locator(".wb-notes").inner_text()
    page.get_by_role("button", name="Keep n_words in").click()
    stage.settle()
    assert session.draft.debias == "verbosity" and page.evaluate("() => document.activeElement.title") == "Keep verbosity in"
    page.keyboard.press("Escape")
    assert page.locator(".wb-drop-panel:not(.wb-hide)").count() == 0
    assert page.evaluate("() => document.activeElement.textContent") == "Debias targetverbosity"


def test_the_gate_form_sets_refuses_and_keeps_what_was_typed(stage):
    page, session = stage.page, stage.panel.session
    form, before = open_menu(stage, "Gate"), session.draft.gate
    layers = form.get_by_label("Hidden layers")
    layers.fill("wide")
    layers.press("Enter")
    stage.settle()
    assert "For example 64" in form.get_by_role("alert").inner_text() and layers.input_value() == "wide" and session.draft.gate == before
    layers.fill("2 × 16")
    form.get_by_label("Steps").fill("20")
    layers.press("Enter")
    stage.settle()
    assert session.draft.gate == before.model_copy(update={"hidden": (16, 16), "steps": 20}) and form.count() == 0
    assert opener(stage, "Gate").inner_text().endswith("2 × 16 · softmax")
    form = open_menu(stage, "Gate")
    form.get_by_label("uniform weights", exact=True).check()
    assert form.get_by_label("Steps").is_disabled() and "nothing is trained" in form.inner_text()
    form.get_by_role("button", name="Use this gate").click()
    stage.settle()
    assert session.draft.gate.kind == "uniform" and "once it is trained" in page.locator(".wb-preview").inner_text()


def test_labels_name_and_note(stage):
    page, session = stage.page, stage.panel.session
    page.get_by_label("Labels").select_option("flip")
    stage.settle()
    assert session.draft.labels.kind == "flip" and "flip the lowest 10 %" in page.locator(".wb-edits").inner_text()
    page.get_by_label("Name of this edit").fill("Flipped")
    page.keyboard.press("Enter")
    page.get_by_label("Note on this edit").fill("u j k stay letters here")
    page.keyboard.press("Tab")
    stage.settle()
    assert (session.draft.name, session.draft.note) == ("Flipped", "u j k stay letters here")
    session.undo()
    assert page.get_by_label("Name of this edit").input_value() == "Flipped" and stage.settle()
    assert page.get_by_label("Name of this edit").input_value() == session.draft.name != "Flipped"


def test_jobs_wait_are_taken_off_and_cancel_is_seen_at_once(stage):
    page, session = stage.page, stage.panel.session
    session.set_gate(steps=20_000, lr=1e-5, hidden=(512, 512, 512))  # slow enough to be waited for on any machine
    stage.settle()
    page.get_by_role("button", name="Retrain", exact=True).click()
    stage.until("() => /step .* left/.test(document.querySelector('.wb-foot').innerText)")
    assert page.get_by_role("button", name="Retrain", exact=True).is_disabled()  # this edit is being trained
    page.get_by_role("switch", name="safety", exact=True).click()
    stage.settle()
    page.get_by_role("button", name="Queue", exact=True).click()
    stage.settle()
    assert "no safety" in page.locator(".wb-queue").inner_text() and len(session.jobs) == 2
    page.locator(".wb-queue button").click()
    stage.until("() => document.querySelector('.wb-queue').classList.contains('wb-hide')", 3)
    assert len(session.jobs) == 1
    page.locator(".wb-foot").get_by_role("button", name="Cancel").click()
    stage.until("() => /stopping|cancelled/.test(document.querySelector('.wb-foot').innerText)", 1)
    stage.until("() => /cancelled after/.test(document.querySelector('.wb-foot').innerText)", 5)


def test_the_noise_floor_by_its_button(stage):
    stage.page.get_by_role("button", name="Measure the noise floor").click()
    stage.until("() => /points, 2 × 2 seeds/.test(document.querySelector('.wb-noise').innerText)")
    assert not stage.page.get_by_role("button", name="Measure the noise floor").is_visible()


@pytest.mark.parametrize("width", [900, 1240])
def test_menus_fit_and_every_target_is_large_enough(stage, width):
    size = stage.page.viewport_size
    stage.page.set_viewport_size({"width": width, "height": 1000})
    try:
        for word in ("Debias target", "Gate"):
            open_menu(stage, word)
            assert stage.page.evaluate(SMALL) == [] and stage.page.evaluate(OUT) == []
    finally:
        stage.page.set_viewport_size(size)


def test_a_refused_swap_goes_back_and_says_how_many_are_missing(chromium, planted_study, baseline):
    study = planted_study.study
    scores = study.table("responses")[["response_id"]].assign(half=1.0).iloc[40:]
    stage = Stage(chromium, panels.what_if(Session(Study(study.info, study.folder, {**study.tables, "scores": scores}), baseline)))
    swap = stage.page.get_by_label("safety: swap for")
    swap.select_option("half")
    stage.settle()
    assert "has no number for" in stage.page.locator(".wb-trouble").inner_text()
    assert swap.input_value() == "" and stage.panel.session.draft.swap == {} and stage.said == []
    stage.close()


def test_a_hundred_objectives_scroll_under_their_head_and_group(chromium):
    rng = np.random.default_rng(0)
    rows = [{"pair": f"p{i:02d}", "side": side, "objective": f"o{k:03d}", "score": rng.normal() + (side == "chosen")}
            for i in range(30) for side in ("chosen", "rejected") for k in range(100)]
    session = Session(Study.from_scores(pd.DataFrame(rows)))
    stage = Stage(chromium, panels.what_if(session))
    stage.until("() => document.querySelector('.wb-preview dl')")
    places = """() => { const rows = document.querySelector('.wb-rows'), top = rows.getBoundingClientRect().top; rows.scrollTop = 900;
      return ['thead th:nth-child(3)', '.wb-group-name'].map((at) => rows.querySelector(at).getBoundingClientRect().top - top); }"""
    head, group = stage.page.evaluate(places)
    assert head == 0 and 30 <= group <= 60 and stage.page.evaluate(OUT) == []
    stage.page.get_by_role("switch", name="o099", exact=True).click()
    stage.settle()
    assert not session.is_on("o099") and stage.page.get_by_text("99 of 100 on").is_visible() and stage.said == []
    stage.close()
