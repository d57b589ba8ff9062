"""The reader in a browser: texts stay text, the sum is drawn to scale, an edit is typed, scored and undone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from browser.stage import Stage
from lettered import Lettered, lettered
from panels.explored import HARD
from planted import SMALL

from workbench import panels
from workbench.panels import edit_text
from workbench.session import Session

READ = ".wb-x-reader"
OUT = """() => { const edge = document.querySelector('.wb').getBoundingClientRect().right;
  return [...document.querySelectorAll('.wb *')].filter((node) => node.getBoundingClientRect().right > edge + 1)
    .map((node) => node.className); }"""
SMALL_ONES = """() => [...document.querySelectorAll('.wb-x-reader button, .wb-x-why button, .wb-x-reader textarea')]
  .filter((node) => node.offsetParent && node.getBoundingClientRect().height < 28).map((node) => node.outerHTML.slice(0, 90))"""
BARS = """() => [...document.querySelectorAll('.wb-y-sumup rect')].map((bar) => [bar.x.baseVal.value, bar.width.baseVal.value])"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Texts that are hard to show in the first items; a baseline and a candidate."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit_text, "encoder_of", lambda study: Lettered())
        patch.setattr(edit_text, "encoder_is_here", lambda study: "lettered")
        study = lettered(tmp_path_factory.mktemp("read"), families=30)
        first = Session(study, SMALL.child(gate={"kind": "global"}))
        first.start().wait(60)
        responses, ids = study.table("responses").set_index("response_id"), first.items.iloc[::6][: len(HARD)]
        responses.loc[ids["chosen"], "text"] = list(HARD.values())
        responses.loc[ids["rejected"], "text"] = "<b>the same</b> end"
        tables = {name: study.table(name) for name in ("prompts", "pairs", "splits", "ratings")}
        hard = replace(study, tables={**tables, "responses": responses.reset_index()})
        found = Session(hard, first.baseline)
        found.set_debias("verbosity").set_multiplier("safety", 1.5)
        found.retrain().wait(60)
        yield found


@pytest.fixture(scope="module")
def stage(chromium, session):
    found = Stage(chromium, panels.explore(session))
    yield found
    assert [line for line in found.said if not line.startswith("log")] == [] and found.asked == []
    found.close()


def look(stage, session, name: str):
    """Open the item whose chosen answer is this one."""
    at = list(HARD).index(name) * 6
    session.look_at(session.items["pair_id"].iat[at], origin="test")
    stage.settle()
    return stage.page.locator(READ)


def test_texts_stay_text(stage, session):
    read = look(stage, session, "html")
    texts = read.locator(".wb-r-text")
    assert texts.nth(1).inner_text() == HARD["html"] and texts.nth(2).inner_text() == "<b>the same</b> end"
    assert read.locator("img, script, .wb-r-text b").count() == 0 and stage.page.title() == "panel"
    assert texts.nth(1).locator("mark.wb-r-chosen").count() > 0 and texts.nth(2).locator("mark.wb-r-rejected").count() > 0
    lines = texts.nth(1).locator("mark").first.evaluate("(node) => getComputedStyle(node).borderBottomStyle")
    assert (lines, texts.nth(2).locator("mark").first.evaluate("(node) => getComputedStyle(node).borderBottomStyle")) == ("solid", "dashed")
    text = look(stage, session, "arabic").locator(".wb-r-text").nth(1)
    assert text.inner_text() == HARD["arabic"] and text.evaluate("(node) => getComputedStyle(node).direction") == "rtl"
    assert look(stage, session, "emoji").locator(".wb-r-text").nth(1).text_content() == HARD["emoji"]
    assert look(stage, session, "lines").locator(".wb-r-text").nth(1).text_content() == HARD["lines"]


def test_a_long_text_is_shown_whole_when_asked_for(stage, session):
    text = look(stage, session, "long").locator(".wb-r-text").nth(1)
    assert text.text_content() == HARD["long"][:6000] + " …"
    stage.page.get_by_role("button", name="Show all 50\u2009000 characters").click()
    stage.settle()
    assert text.text_content() == HARD["long"] and stage.page.get_by_role("button", name="Show all").count() == 0
    assert text.evaluate("(node) => node.clientHeight") <= 440


def test_bars_begin_where_the_last_one_ended_and_the_last_is_the_margin(stage, session):
    session.look_at(session.items["pair_id"].iat[2], origin="test")
    stage.settle()
    page, data = stage.page, stage.panel.shown["explore.why"]
    parts = [row[4] for row in data["rows"]] + ([data["others"][1]] if data["others"] else [])
    sums = [sum(parts[:k]) for k in range(len(parts) + 1)]
    low, high = min(*sums, 0, data["ring"]), max(*sums, 0, data["ring"])
    place = [236 + 108 * (value - low) / (high - low) for value in sums]
    bars = page.evaluate(BARS)
    for k, (x, width) in enumerate(bars[:-1]):
        assert x == pytest.approx(min(place[k], place[k + 1]), abs=0.01)
        assert width == pytest.approx(max(1, abs(place[k + 1] - place[k])), abs=0.01)
    assert bars[-1][0] == pytest.approx(min(place[0], place[-1]), abs=0.01)
    ring = float(page.locator(".wb-y-sumup .wb-base").get_attribute("cx"))
    assert ring == pytest.approx(236 + 108 * (data["ring"] - low) / (high - low))
    assert "verbosity: zero after debias" in page.locator(".wb-y-words").inner_text()
    page.locator(".wb-x-why").get_by_role("button", name="Baseline").click()
    stage.settle()
    assert page.locator(".wb-y-sum-base").count() == 1 and page.locator(".wb-y-sumup .wb-base").count() == 0
    assert page.locator(".wb-x-why").get_by_role("button", name="Coefficients").is_hidden()
    page.locator(".wb-x-why").get_by_role("button", name="Candidate").click()
    stage.settle()


def test_an_edit_is_typed_scored_and_undone(stage, session):
    session.look_at(session.items["pair_id"].iat[2], origin="test")
    stage.settle()
    page, before = stage.page, stage.page.locator(READ).inner_text()
    page.get_by_role("button", name="Edit a text").focus()
    page.keyboard.press("Enter")
    stage.settle()
    score = page.get_by_role("button", name="Re-score")
    assert score.is_disabled() and page.evaluate("document.activeElement.getAttribute('aria-label')") == "Prompt, edited"
    page.get_by_label("Rejected, edited").fill("<i>j k u</i> and so on")
    page.get_by_label("Rejected, edited").press("j")  # a letter here, not the next item
    assert session.selection.primary == session.items["pair_id"].iat[2] and score.is_enabled()
    score.click()
    stage.until("document.querySelectorAll('.wb-e-table tbody tr').length === 2")
    rows = [row["after"] for row in stage.panel.shown["explore.edit"]["rows"]]
    cells = page.locator(".wb-e-table tbody tr").nth(1).locator("td").all_inner_texts()
    assert f"{rows[1][1]:.2f}".replace("-", "−") in cells[1] and f"{abs(rows[1][2]):.3f}" in cells[2]
    assert "Edited, not in the study." in page.locator(READ).inner_text() and score.is_disabled()
    assert "edited, not in the study Before the edit" in page.locator(".wb-y-words").inner_text()
    assert page.get_by_label("Rejected, edited").input_value().startswith("<i>j k u") and page.locator(f"{READ} i").count() == 0
    page.get_by_role("button", name="Undo edit").click()
    stage.settle()
    assert page.locator(READ).inner_text() == before and page.locator(".wb-y-words .wb-tag").count() == 0


def test_why_not_is_said(chromium, session):
    tables = {name: frame.drop(columns="text", errors="ignore") for name, frame in session.study.tables.items()}
    bare = Session(replace(session.study, tables=tables), session.baseline)
    bare.look_at(bare.items["pair_id"].iat[0])
    stage = Stage(chromium, panels.explore(bare), width=900, theme="dark")
    try:
        read = stage.page.locator(READ)
        assert "This study has no texts" in read.inner_text() and bare.items["chosen"].iat[0] in read.inner_text()
        change = read.get_by_role("button", name="Edit a text")
        assert change.get_attribute("aria-disabled") == "true" and "no texts to edit" in change.get_attribute("title")
        change.press("Enter")
        assert "no texts to edit" in stage.page.locator(".wb-toast").inner_text() and stage.said == []
    finally:
        stage.close()


@pytest.mark.parametrize(("width", "theme"), [(900, "dark"), (1240, "light")])
def test_nothing_sticks_out(chromium, session, width, theme):
    session.look_at(session.items["pair_id"].iat[2])
    stage = Stage(chromium, panels.explore(session), width=width, theme=theme)
    try:
        assert stage.page.evaluate(OUT) == [] and stage.page.evaluate(SMALL_ONES) == []
        stage.page.get_by_role("button", name="Edit a text").click()
        stage.settle()
        assert stage.page.evaluate(OUT) == [] and stage.page.evaluate(SMALL_ONES) == [] and stage.said == []
    finally:
        stage.panel.handle({"do": "unedit", "screen": "explore", "view": "x", "seq": 0})
        stage.close()
