"""The whole Workbench in JupyterLab: every tab, selection to Python and back, two views, a saved notebook without its kernel."""

from __future__ import annotations

import json
import re

import pytest

TABS = ("Explore", "What-if", "Compare", "Verbosity", "Gate", "Strength", "Figures")
MOST = 1_000_000  # bytes of a saved notebook
DRAWN = ".wb-items tbody tr[data-item] .wb-base"  # a row with the baseline's mark


@pytest.fixture(scope="module")
def opened(lab, watched):
    """The notebook, run to its end, its baseline trained."""
    watch = watched()
    page = watch.open_lab(lab, "workbench.ipynb")
    watch.command("notebook:run-all-cells")
    page.locator(DRAWN).first.wait_for(timeout=55_000)
    return watch


def tab(page, name: str):
    found = page.get_by_role("tab", name=name, exact=True)
    found.click()
    assert found.get_attribute("aria-selected") == "true"
    return page.locator(".wb-screen:visible")


def test_every_tab_shows_something(opened):
    page = opened.page
    for name in (*TABS[1:], TABS[0]):
        screen = tab(page, name)
        page.wait_for_timeout(400)
        assert len(screen.inner_text()) > 60, name
        assert "could not be drawn" not in page.locator(".wb").inner_text(), name


def test_a_choice_in_the_page_is_known_to_python_and_the_other_way_round(opened):
    page = opened.page
    tab(page, "Explore")
    page.locator(".wb-items tbody tr[data-item]").nth(2).click()
    page.locator(".wb-items tbody tr[aria-current=true]").wait_for()
    item = page.locator(".wb-items tbody tr[aria-current=true]").get_attribute("data-item")
    page.get_by_label("Search prompts and responses").fill("a")
    page.get_by_label("Search prompts and responses").press("Enter")
    page.get_by_text(re.compile("search")).first.wait_for()
    chosen = page.locator(".wb-tabs b").first.inner_text()
    page.locator(".jp-Cell").nth(2).click()
    opened.command("notebook:run-cell")
    page.locator(".jp-Cell").nth(2).get_by_text(f"{chosen} {item}").wait_for()


def test_keys_undo_pin_search_and_copy_as_code(opened):
    page = opened.page
    tab(page, "What-if")
    page.get_by_role("switch", name="safety", exact=True).click()
    page.locator(".wb-edits").get_by_text("safety").wait_for()
    page.keyboard.press("u")
    page.get_by_text("Nothing is edited yet.").wait_for()
    page.keyboard.press("U")
    page.locator(".wb-edits").get_by_text("safety").wait_for()
    page.keyboard.press("u")
    page.get_by_text("Nothing is edited yet.").wait_for()
    page.get_by_role("button", name="Copy as code").click()
    page.get_by_label("Code of this view").wait_for()
    assert "wb.Session" in page.get_by_label("Code of this view").input_value()
    page.keyboard.press("Escape")
    page.locator(".wb-dialog").wait_for(state="detached")
    page.get_by_role("tab", name="What-if", exact=True).focus()
    page.keyboard.press("/")
    page.wait_for_function("() => document.activeElement.type === 'search'")
    assert page.get_by_role("tab", name="Explore", exact=True).get_attribute("aria-selected") == "true"


def test_console_is_clean_and_no_host_but_this_one_was_asked(opened):
    assert opened.strangers == []
    known = re.compile("warning: .*(Deprecat|deprecat|preload|Canvas2D).*", re.DOTALL)
    assert [words for words in opened.said if not known.fullmatch(words)] == []


def test_a_saved_notebook_is_small_and_shows_its_picture_without_a_kernel(opened, lab, desk, watched):
    page = opened.page
    tab(page, "Gate")
    page.wait_for_timeout(300)
    page.wait_for_function("() => [...document.querySelectorAll('.wb-still img')].some((one) => one.naturalWidth > 300)", timeout=20_000)
    assert not page.locator(".wb-still img").first.is_visible()
    opened.command("docmanager:save")
    page.wait_for_timeout(1500)
    saved = desk / "workbench.ipynb"
    assert "image/webp" in saved.read_text(encoding="utf-8") and saved.stat().st_size < MOST
    assert "widgets" not in json.loads(saved.read_text(encoding="utf-8"))["metadata"]
    page.goto("about:blank")
    lab.end_sessions()
    later = watched()
    again = later.open_lab(lab, "workbench.ipynb")
    again.locator(".wb-still img").wait_for(state="attached")
    again.wait_for_function("() => document.querySelector('.wb-still img').getBoundingClientRect().height > 200", timeout=15_000)
    assert again.locator(".wb-tabs").count() == 0
