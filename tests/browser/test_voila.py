"""The Workbench as a page of Voilà."""

from __future__ import annotations

import re

import pytest


@pytest.fixture(scope="module")
def opened(voila, watched):
    watch = watched()
    watch.page.goto(voila.url, timeout=50_000)
    watch.page.locator(".wb-items tbody tr[data-item] .wb-base").first.wait_for(timeout=50_000)
    watch.page.get_by_role("tab", name="What-if", exact=True).click()
    watch.page.locator(".wb-preview dl").wait_for(timeout=50_000)
    return watch


def test_the_panel_works_in_voila(opened):
    page = opened.page
    text = page.locator(".wb-preview dd").first
    before = text.inner_text()
    page.get_by_role("switch", name="safety", exact=True).click()
    page.wait_for_function("(before) => document.querySelector('.wb-preview dd').innerText !== before", arg=before)
    page.get_by_label("How many seeds").select_option("10")
    page.get_by_role("button", name="Retrain", exact=True).click()
    page.locator(".wb-foot").get_by_text(re.compile("step .* left")).wait_for(timeout=30_000)
    page.locator(".wb-foot").get_by_role("button", name="Cancel").click()
    page.locator(".wb-foot").get_by_text(re.compile("cancelled after")).wait_for(timeout=5_000)
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("(before) => document.querySelector('.wb-preview dd').innerText === before", arg=before)
    assert not page.locator(".wb-still").is_visible()


def test_every_tab_opens_in_voila(opened):
    page = opened.page
    for name in ("Explore", "Compare", "Verbosity", "Gate", "Strength", "Figures", "What-if"):
        page.get_by_role("tab", name=name, exact=True).click()
        page.wait_for_timeout(400)
        assert len(page.locator(".wb-screen:visible").inner_text()) > 60, name
        assert "could not be drawn" not in page.locator(".wb").inner_text(), name


# Voilà's own: a sheet of icons from elsewhere, which is not found here, and remarks on the versions of its bundled modules.
SHEETS = {f"https://cdn.jsdelivr.net/npm/@fortawesome/fontawesome-free@%5E5/css/{name}.min.css" for name in ("all", "v4-shims")}
REMARKS = re.compile(
    r"error: Failed to load resource: net::ERR_NAME_NOT_RESOLVED"
    r"|warning: (Unsatisfied version|No satisfying version) .* of shared (singleton )?module @jupyterlab/.*", re.DOTALL,
)


def test_only_voila_itself_asks_for_anything_elsewhere_or_complains(opened):
    assert set(opened.strangers) <= SHEETS
    assert [words for words in opened.said if not REMARKS.fullmatch(words)] == []
    assert sum(words.startswith("error") for words in opened.said) <= len(opened.strangers)
