"""The Figures screen in a browser: a card on paper at true size, its files, LaTeX, what others see, and no browser to draw with."""

from __future__ import annotations

import pytest
from browser.stage import Stage

from workbench import panels
from workbench.panels import drawing
from workbench.session import Session

OUT = """() => { const wb = document.querySelector('.wb'), edge = wb.getBoundingClientRect().right + 1;
  return [...wb.querySelectorAll('*')].filter((node) => node.getBoundingClientRect().right > edge && !node.closest('.wb-hide, .wb-said'))
    .map((node) => node.outerHTML.slice(0, 100)); }"""


@pytest.fixture(scope="module")
def stage(chromium, planted_study, baseline, tmp_path_factory):
    home = tmp_path_factory.mktemp("desk")
    before, drawing.folder = drawing.folder, lambda: home / "figures"
    session = Session(planted_study.study, baseline)
    found = Stage(chromium, panels.figures(session))
    found.home = home
    yield found
    assert found.said == [] and found.asked == []
    drawing.folder = before
    found.close()


def test_an_empty_tray_says_what_to_do_and_lacking_figures_say_why(stage):
    page = stage.page
    assert page.locator(".wb-t-tray .wb-blank b").inner_text() == "No figures yet."
    lacking = page.locator("[data-key=comparison]")
    assert lacking.is_disabled() and "No candidate yet" in lacking.inner_text()


def test_a_card_is_on_white_paper_at_true_size(stage):
    page = stage.page
    page.locator("[data-key=gate]").focus()
    page.keyboard.press("Enter")
    stage.until("!!document.querySelector('.wb-t-paper img') && document.querySelector('.wb-t-paper img').complete").settle()
    image = page.locator(".wb-t-paper img")
    assert image.bounding_box()["width"] == pytest.approx(3.25 * 96, abs=1)
    assert image.get_attribute("src").startswith("data:image/svg+xml;base64,")
    assert page.evaluate("getComputedStyle(document.querySelector('.wb-t-paper')).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.querySelector('.wb-t-paper img').naturalWidth") > 0 and image.get_attribute("alt")
    facts = page.locator(".wb-t-facts").inner_text()
    assert "3.25 \u00d7 " in facts and " pt" in facts and stage.panel.session.study.hash in facts and "2 seeds" in facts
    assert page.evaluate("document.activeElement.dataset.key") == "gate"  # the list was not drawn anew under the hand


def test_a_file_is_downloaded_and_lies_beside_the_notebook(stage):
    page = stage.page
    with page.expect_download() as download:
        page.locator("[data-kind=svg]").click()
        stage.until("document.querySelector('.wb-toast').textContent.includes('Saved')")
    path = download.value.path()
    assert download.value.suggested_filename == "gate.svg" and path.read_bytes() == (stage.home / "figures" / "gate.svg").read_bytes()
    assert "figures/gate.svg" in page.locator(".wb-toast").inner_text() and (stage.home / "figures" / "gate.tex").exists()
    assert page.locator("[data-kind=svg]").is_enabled()


def test_latex_is_shown_to_copy(stage):
    page = stage.page
    page.get_by_role("button", name="LaTeX").click()
    stage.settle()
    box = page.locator(".wb-t-tex textarea")
    assert r"\includegraphics" in box.input_value() and page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    page.locator(".wb-t-tex button", has_text="Close").click()
    assert not box.is_visible()


def test_others_see_it_otherwise_and_the_venue_changes_its_size(stage):
    page = stage.page
    before = page.locator(".wb-t-paper img").get_attribute("src")
    page.get_by_label("How the figures look to others").select_option("grey")
    stage.settle()
    assert page.locator(".wb-t-paper img").get_attribute("src") != before
    page.get_by_label("How the figures look to others").select_option("colour")
    page.get_by_label("Venue of all figures").select_option("icml-page")
    stage.until("document.querySelector('.wb-t-paper img') && document.querySelector('.wb-t-paper img').clientWidth > 500").settle()
    assert page.locator(".wb-t-paper img").bounding_box()["width"] == pytest.approx(6.75 * 96, abs=1)
    page.set_viewport_size({"width": 900, "height": 900})
    stage.settle()
    assert page.evaluate(OUT) == [] and "shown at" in page.locator(".wb-t-facts").inner_text()
    page.set_viewport_size({"width": 1240, "height": 900})


def test_without_a_browser_the_remedy_is_said_and_html_offered(stage, monkeypatch):
    page = stage.page
    monkeypatch.setenv("BROWSER_PATH", "/no/such/browser")
    page.locator("[data-key=sections]").click()
    stage.until("document.querySelectorAll('.wb-t-card').length === 2 && !!document.querySelector('[data-kind=html]')").settle()
    last = page.locator(".wb-t-card").nth(1)
    assert "Not pictured." in last.inner_text() and "apt-get install chromium" in page.locator(".wb-t-tray").inner_text()
    monkeypatch.delenv("BROWSER_PATH")
    last.get_by_role("button", name="Try again").click()
    stage.until("document.querySelectorAll('.wb-t-paper img').length === 2").settle()
    page.get_by_role("button", name="Remove Accuracy by section").click()
    stage.settle()
    assert page.locator(".wb-t-card").count() == 1
