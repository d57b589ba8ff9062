"""The What-if panel (What-if and Compare) in JupyterLab: every control is used, and nothing leaves the machine."""

from __future__ import annotations

import re

import pytest

SMALLEST_TARGET, SMALLEST_TEXT = 28, 11


@pytest.fixture(scope="module")
def opened(lab, watched):
    """The notebook, run, with its baseline trained."""
    watch = watched()
    page = watch.open_lab(lab, "panel.ipynb")
    watch.command("notebook:run-all-cells")
    page.locator(".wb").wait_for(timeout=40_000)
    page.locator(".wb-preview dl").wait_for(timeout=50_000)
    return watch


@pytest.fixture
def page(opened):
    """Back to no edits before each test."""
    reset = opened.page.get_by_role("button", name="Reset")
    if reset.is_enabled():
        reset.click()
        opened.page.get_by_text("Nothing is edited yet.").wait_for()
    return opened.page


def accuracy(page) -> str:
    return page.locator(".wb-preview dd").first.inner_text()


def preview(page) -> str:
    """All that the preview says: two edits may agree in one of its numbers."""
    return page.locator(".wb-preview dl").inner_text()


def changed(page, before: str) -> str:
    """The accuracy's text once it is another one."""
    page.wait_for_function("(before) => document.querySelector('.wb-preview dd').innerText !== before", arg=before)
    return accuracy(page)


def edits(page) -> list[str]:
    """Each edit's words, read part by part: the text of a line as laid out has no spaces while it is being redrawn."""
    parts = "lines => lines.map(line => [...line.children].map(part => part.textContent).join(' '))"
    return [re.sub(r"\s+", " ", text).strip() for text in page.locator(".wb-edits li").evaluate_all(parts)]


def test_a_switch_changes_the_accuracy_and_back(page):
    start = accuracy(page)
    page.get_by_role("switch", name="safety", exact=True).click()
    after = changed(page, start)
    assert page.get_by_text("not retrained").is_visible() and edits(page) == ["off safety"]
    page.get_by_role("switch", name="safety", exact=True).click()
    assert changed(page, after) == start


def test_the_multiplier_by_number_by_key_and_by_drag(page):
    start = accuracy(page)
    number = page.get_by_label("safety: multiplier, number")
    number.fill("0")
    number.press("Enter")
    changed(page, start)
    at_zero = preview(page)
    slider = page.get_by_label("safety: multiplier", exact=True)
    assert slider.input_value() == "0"
    number.press("ArrowUp")
    number.press("ArrowUp")
    page.locator(".wb-edits").get_by_text("×0.2").wait_for()
    number.fill("0")
    number.press("Enter")
    page.locator(".wb-edits").get_by_text("×0", exact=True).wait_for()
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.wb-edits b').innerText === 'safety'")
    page.locator(".wb-edits").get_by_text("×0.15").wait_for()
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 12, box["y"] + 14)
    page.mouse.down()
    for step in range(1, 9):
        page.mouse.move(box["x"] + 12 + 10 * step, box["y"] + 14)
    page.mouse.up()
    page.wait_for_function("() => /×1\\.\\d/.test(document.querySelector('.wb-edits li').innerText)")
    assert preview(page) != at_zero
    page.get_by_role("button", name="Undo").click()
    page.locator(".wb-edits").get_by_text("×0.15").wait_for()  # the whole drag was one step


def test_swap_debias_seeds_and_the_tree(page):
    start = accuracy(page)
    page.get_by_label("helpfulness: swap for").select_option("n_words")
    swapped = changed(page, start)
    page.get_by_role("button", name="Debias target").click()
    page.get_by_role("checkbox", name="verbosity", exact=True).check()
    page.keyboard.press("Escape")
    page.get_by_text("from 3 objectives").wait_for()
    page.get_by_label("How many seeds").select_option("1")
    assert edits(page) == ["remove verbosity from 3 objectives exact root", "swap helpfulness → n_words"]
    for _ in range(2):
        page.get_by_role("button", name="Undo").click()
    page.wait_for_function("(wanted) => document.querySelector('.wb-preview dd').innerText === wanted", arg=swapped)
    page.get_by_role("button", name="Redo").click()
    page.get_by_text("from 3 objectives").wait_for()
    page.get_by_role("button", name="Baseline", exact=True).click()
    page.get_by_text("Nothing is edited yet.").wait_for()


def test_retrain_shows_its_curve_then_the_comparison_and_pins(page):
    page.get_by_role("switch", name="verbosity", exact=True).click()
    page.get_by_label("How many seeds").select_option("1")
    page.get_by_role("button", name="Retrain", exact=True).click()
    page.locator(".wb-preview.wb-solid").wait_for(timeout=40_000)
    page.get_by_role("tab", name="Compare").click()
    page.locator(".wb-forest tbody tr").first.wait_for()
    assert page.locator(".wb-lead").inner_text().startswith("Overall") and page.locator(".wb-forest tbody tr").count() >= 3
    page.get_by_role("button", name="Pin as baseline").click()
    page.get_by_text("No candidate yet.").wait_for()
    page.get_by_role("tab", name="What-if").click()
    page.get_by_text("Nothing is edited yet.").wait_for()
    assert page.locator(".wb-head").inner_text().count("no verbosity") == 1


def test_cancel_works_and_the_kernel_answers(page):
    page.get_by_role("switch", name="helpfulness", exact=True).click()
    page.get_by_label("How many seeds").select_option("10")
    page.get_by_role("button", name="Retrain", exact=True).click()
    page.locator(".wb-foot").get_by_text(re.compile("step .* left")).wait_for(timeout=30_000)
    page.locator(".wb-foot").get_by_role("button", name="Cancel").click()
    page.locator(".wb-foot").get_by_text(re.compile("stopping|cancelled")).wait_for(timeout=1_500)
    page.locator(".wb-foot").get_by_text(re.compile("cancelled after")).wait_for(timeout=5_000)
    assert "partial" in page.locator(".wb-head").inner_text()
    before = accuracy(page)
    page.get_by_role("switch", name="correctness", exact=True).click()
    changed(page, before)


def test_targets_text_names_and_focus(page):
    small = page.evaluate("""(least) => [...document.querySelectorAll('.wb button, .wb select, .wb input')]
        .filter((node) => node.offsetParent)
        .map((node) => [node, (node.closest('.wb-pick') || node).getBoundingClientRect()])
        .filter(([, box]) => box.height < least || box.width < least).map(([node]) => node.outerHTML.slice(0, 120))""", SMALLEST_TARGET)
    assert small == []
    tiny = page.evaluate("""(least) => [...document.querySelectorAll('.wb *')]
        .filter((node) => node.textContent.trim() && !node.children.length)
        .filter((node) => parseFloat(getComputedStyle(node).fontSize) < least)
        .map((node) => node.outerHTML.slice(0, 120))""", SMALLEST_TEXT)
    assert tiny == []
    nameless = page.evaluate("""() => [...document.querySelectorAll('.wb button, .wb select, .wb input, .wb svg[role=img]')]
        .filter((node) => ![node.getAttribute('aria-label'), node.textContent, node.closest('label')?.textContent].join('').trim())
        .map((node) => node.outerHTML.slice(0, 120))""")
    assert nameless == []
    page.get_by_role("switch", name="safety", exact=True).focus()
    page.keyboard.press("Tab")
    style = page.evaluate("() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]; }")
    assert style == ["solid", "2px"]


OVERFLOW = """() => { const wb = document.querySelector('.wb'), edge = wb.getBoundingClientRect().right + 1;
  return [...wb.querySelectorAll('*')]
    .filter((node) => node.getBoundingClientRect().right > edge && !node.closest('.wb-scroll, .wb-rows'))
    .map((node) => node.outerHTML.slice(0, 100)); }"""


def test_nothing_sticks_out_at_900_pixels(page):
    size = page.viewport_size
    page.set_viewport_size({"width": 900, "height": 1000})
    page.wait_for_timeout(300)
    try:
        assert page.evaluate(OVERFLOW) == []
    finally:
        page.set_viewport_size(size)


def test_dark_follows_jupyterlab(opened, page):
    def colours() -> list[str]:
        return page.evaluate("""() => [getComputedStyle(document.querySelector('.wb')).backgroundColor,
            getComputedStyle(document.querySelector('.wb-primary')).backgroundColor]""")

    light = colours()
    opened.command("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    assert colours() == ["rgb(17, 17, 17)", "rgb(76, 158, 244)"]
    opened.command("apputils:change-theme", theme="JupyterLab Light")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'true'")
    assert colours() == light == ["rgb(255, 255, 255)", "rgb(10, 98, 176)"]


def test_console_is_clean_and_no_host_but_this_one_was_asked(opened):
    assert opened.strangers == []
    assert opened.said == []


def save(watch) -> None:
    watch.command("docmanager:save")
    watch.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")


def test_a_reloaded_page_finds_its_panel_again(opened, lab, watched):
    save(opened)
    again = watched()
    page = again.open_lab(lab, "panel.ipynb")
    page.locator(".wb-preview dl").wait_for()
    page.get_by_role("switch", name="safety", exact=True).click()
    page.get_by_text("not retrained").wait_for()
    assert again.said == [] and again.strangers == []


def test_without_its_kernel_nothing_looks_broken(opened, lab, watched):
    save(opened)
    lab.end_sessions()
    switch = opened.page.get_by_role("switch", name="safety", exact=True)
    before = switch.get_attribute("aria-checked")
    switch.click()
    opened.page.get_by_text("The kernel does not answer.").wait_for()
    assert switch.get_attribute("aria-checked") == before
    opened.page.goto("about:blank")
    again = watched()
    page = again.open_lab(lab, "panel.ipynb")
    page.locator(".wb-still").get_by_text("run this cell again").wait_for()
    page.wait_for_function("() => !document.body.innerText.includes('Loading widget')")
    assert "rror displaying" not in page.locator(".jp-OutputArea").first.inner_text()
    assert [words.split("\n")[0] for words in again.said] == ["error: Error: widget model not found"]  # ipywidgets' own
    again.command("notebook:run-all-cells")
    page.locator(".wb-preview dl").wait_for(timeout=40_000)
    assert not page.locator(".wb-still").is_visible()
