"""The Strength screen in a browser: handles by mouse and keyboard, both pictures, the list, a pair that is read and judged, widths."""

from __future__ import annotations

from dataclasses import replace

import pytest
from browser.stage import Stage

from workbench import panels
from workbench.session import Session

READY = """!!document.querySelector('.wb-s:not(.wb-hide)') && !document.querySelector('.wb-s-plot').textContent.includes('Working out')"""
OUT = """() => { const wb = document.querySelector('.wb'), edge = wb.getBoundingClientRect().right + 1;
  return [...wb.querySelectorAll('*')].filter((node) => node.getBoundingClientRect().right > edge)
    .filter((node) => !node.closest('.wb-s-rows, .wb-scroll, .wb-hide, .wb-said'))
    .map((node) => node.outerHTML.slice(0, 100)); }"""
SMALL = """() => [...document.querySelectorAll('.wb-s button, .wb-s select, .wb-s input')].filter((node) => node.offsetParent)
  .map((node) => [node, (node.closest('label') || node).getBoundingClientRect()])
  .filter(([, box]) => box.height < 28 || box.width < 28).map(([node]) => node.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def shared(chromium, planted_study, baseline, tmp_path_factory):
    panel = panels.strength(Session(planted_study.study, baseline))
    screen = panel.screen("strength")
    screen.verdicts = replace(screen.verdicts, paths=(tmp_path_factory.mktemp("verdicts") / "verdicts.jsonl",))
    stage = Stage(chromium, panel)
    yield stage.until(READY, most=90).settle()
    stage.close()


@pytest.fixture
def stage(shared):
    """Labels as they stand, cut by value, every pair in the list."""
    session, screen = shared.panel.session, shared.panel.screen("strength")
    session.set_labels("hard")
    session.remember("strength", cuts=None, labels=None, list="all", brush=None, spread=None, picture="bars")
    screen.treat.forget()
    shared.page.mouse.click(2, 2)
    shared.page.locator(".wb-s-act .wb-segments button", has_text="by value").click()
    yield shared.settle()
    assert shared.said == [] and shared.asked == []


def counts(stage) -> dict[str, int]:
    return {text.split()[0]: int(text.split()[1]) for text in stage.page.locator(".wb-s-name").all_text_contents()}


def drag(stage, start, by: float, down: float = 0):
    """From the middle of a box, along the axis or aslant; the bands follow before the button is let go."""
    page, box = stage.page, start.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by / 2, y + down / 2, steps=3)
    stage.settle()
    during = counts(stage)
    page.mouse.move(x + by, y + down, steps=3)
    page.mouse.up()
    stage.settle()
    return during


def test_a_handle_is_dragged_and_the_button_says_what_happens(stage):
    page, session = stage.page, stage.panel.session
    train = stage.panel.screen("strength")._fitted()[0]
    before, handle = counts(stage), page.locator(".wb-s-handle[aria-label='Drop below']")
    during = drag(stage, handle.locator(".wb-s-grip"), 60)
    after = counts(stage)
    assert before["drop"] < during["drop"] < after["drop"] and sum(after.values()) == len(train)
    cut = stage.panel.screen("strength").cuts.drop
    assert after["drop"] == (train.mean < cut).sum() and float(handle.get_attribute("aria-valuenow")) == pytest.approx(cut, abs=2e-3)
    does = page.locator(".wb-s-buttons button").first
    assert does.inner_text() == f"Drop {after['drop']}" and session.draft.labels == "hard"
    does.click()
    stage.settle()
    assert session.draft.labels.drop_below == cut and does.is_disabled()
    assert page.locator(".wb-s-buttons button", has_text="Retrain").is_visible()
    page.locator(".wb-s-buttons button", has_text="Leave labels as they stand").click()
    stage.settle()
    assert session.draft.labels == "hard"


def test_both_handles_by_keyboard_never_cross(stage):
    page = stage.page
    page.locator(".wb-s-handle[aria-label='Flip below']").focus()
    for _ in range(4):
        page.keyboard.press("PageUp")
    stage.settle()
    said = counts(stage)
    assert said["flip"] > 0 and page.locator("select[aria-label='Treatment of the train labels']").input_value() == "flip"
    page.keyboard.press("End")
    stage.settle()
    cuts = stage.panel.screen("strength").cuts
    assert cuts.drop is None or cuts.flip <= cuts.drop
    assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')").startswith("flip below")
    page.keyboard.press("Home")
    stage.settle()
    assert stage.panel.screen("strength").cuts.flip is None


def test_numbers_are_typed_and_nonsense_goes_back(stage):
    page, box = stage.page, stage.page.locator(".wb-s-field input").nth(1)
    box.fill("\u22120,25")
    box.press("Enter")
    stage.settle()
    assert stage.panel.screen("strength").cuts.drop == -0.25
    box.fill("weak")
    box.press("Enter")
    stage.settle()
    assert box.input_value() == "\u22120.25"
    page.locator(".wb-s-act .wb-segments button", has_text="by share").click()
    stage.settle()
    assert "lowest" in page.locator(".wb-s-field").nth(1).inner_text() and "%" in page.locator(".wb-s-field").nth(1).inner_text()


def test_a_brush_lists_its_pairs_and_a_row_is_read(stage):
    page, train = stage.page, stage.panel.screen("strength")._fitted()[0]
    drag(stage, page.locator(".wb-s-bar").nth(20), 70)
    low, high = stage.panel.session.view["strength"]["brush"]
    n = int(((train.mean >= low) & (train.mean < high)).sum())
    assert page.locator(".wb-s-chip").inner_text().split("\u00b7")[1].split()[0] == str(n)
    assert page.locator(".wb-s-brush:not(.wb-hide)").count() == 1
    row = page.locator("tr[data-pair]").nth(1)
    pair = row.get_attribute("data-pair")
    row.click()
    stage.settle()
    assert page.locator(".wb-s-reader code").inner_text() == pair and page.locator(".wb-s-here").count() == 1
    assert page.locator(".wb-s-reader mark.wb-r-chosen").count() and page.locator(".wb-s-reader mark.wb-r-rejected").count()
    page.locator(".wb-s-rows").focus()
    page.keyboard.press("ArrowUp")
    stage.settle()
    now = page.locator("tr[aria-current]").get_attribute("data-pair")
    assert now == page.locator("tr[data-pair]").nth(0).get_attribute("data-pair") != pair
    page.locator(".wb-s-chip").click()
    stage.settle()
    assert page.locator(".wb-s-brush:not(.wb-hide)").count() == 0 and page.locator(".wb-s-chip").count() == 0


def test_marks_are_boxed_peeked_at_and_clicked(stage):
    page, train, screen = stage.page, stage.panel.screen("strength")._fitted()[0], stage.panel.screen("strength")
    page.locator(".wb-segments button", has_text="Mean and spread").click()
    stage.until("!!document.querySelector('.wb-s-plot image')").settle()
    assert page.locator(".wb-s-plot image").get_attribute("aria-label").startswith(f"{len(train)} train pairs by mean and spread")
    before = counts(stage)
    drag(stage, page.locator(".wb-s-handle[aria-label='Drop below'] .wb-s-grip"), 40)
    assert counts(stage)["drop"] > before["drop"], "the handles are the same ones"
    drag(stage, page.locator(".wb-s-plot image"), 120, 60)
    (low, high), (least, most) = (stage.panel.session.view["strength"][name] for name in ("brush", "spread"))
    inside = (train.mean >= low) & (train.mean <= high) & (train.std >= least) & (train.std <= most)
    assert 0 < inside.sum() < len(train) and page.locator(".wb-s-chip").inner_text().split("\u00b7")[1].split()[0] == str(inside.sum())
    page.locator(".wb-s-details summary", has_text="numbers").click()
    assert page.locator(".wb-s-numbers input").first.input_value() == f"{low:.2f}".replace("-", "\u2212")
    page.locator(".wb-s-numbers input").first.fill(f"{train.mean.max():.6f}".replace("-", "\u2212"))
    page.locator(".wb-s-numbers input").nth(1).fill("")
    page.locator(".wb-s-numbers button").click()
    stage.settle()
    assert page.locator(".wb-s-suspects .wb-blank b").inner_text() == "No pairs in there."
    box, at = page.locator(".wb-s-plot image").bounding_box(), int(train.mean.argmin())
    ends = stage.panel.shown["strength.histogram"]["ends"]
    x = box["x"] + box["width"] * (train.mean[at] - ends[0]) / (ends[1] - ends[0])
    y = box["y"] + box["height"] * (1 - train.std[at] / (1.04 * train.std.max()))
    page.mouse.move(x + 1, y + 1)
    stage.settle()
    assert page.locator(".wb-s-plot .wb-x-tip").inner_text().startswith(f"{train.mean[at]:.2f}".replace("-", "\u2212"))
    page.mouse.click(x + 1, y + 1)
    stage.settle()
    assert stage.panel.shown["strength.pair"]["pair"] == screen._at(at) and page.locator(".wb-s-ring").count() == 1


def test_a_pair_is_judged_by_keys_and_its_models_are_seen(stage):
    page, screen = stage.page, stage.panel.screen("strength")
    page.locator("tr[data-pair]").nth(0).click()
    stage.settle()
    marks = page.locator(".wb-s-members [class~='wb-s-against'], .wb-s-members [class~='wb-s-for']")
    told = stage.panel.shown["strength.pair"]
    assert marks.count() == 10 and page.locator(".wb-s-members .wb-s-against").count() == told["against"]
    assert "Margins of 10 models" in page.locator(".wb-s-members").get_attribute("aria-label")
    page.locator(".wb-s-rows").focus()
    for key in ("2", "ArrowDown", "3", "ArrowDown", "1", "1"):
        page.keyboard.press(key)
        stage.settle(0.1)
    assert screen.verdicts.table()["verdict"].tolist() == ["wrong", "tie"]
    assert [cell for cell in page.locator("tr[data-pair] td:nth-last-child(2)").all_inner_texts()[:3]] == ["wrong", "tie", "\u2013"]
    page.locator(".wb-s-words button", has_text="Unclear").click()
    stage.settle()
    page.locator(".wb-s-note input").fill("2 words, 1 doubt")
    page.keyboard.press("Enter")
    stage.settle()
    assert screen.verdicts.table()["note"].tolist() == ["", "", "2 words, 1 doubt"]
    page.locator(".wb-segments button", has_text="Judged 3").click()
    stage.settle()
    assert page.locator("tr[data-pair]").count() == 3
    page.locator(".wb-s-judged button", has_text="Flip 1 judged wrong, drop 1 tie").click()
    stage.settle()
    assert sorted(stage.panel.session.draft.labels.hand.values()) == ["drop", "flip"]
    page.locator("select[aria-label='Treatment of the train labels']").select_option("smooth+margin")
    stage.settle()
    assert page.locator(".wb-s-field:visible").count() >= 4 and page.evaluate(OUT) == [] and page.evaluate(SMALL) == []


def test_rows_far_below_are_fetched_when_they_come_into_sight(stage):
    page, train = stage.page, stage.panel.screen("strength")._fitted()[0]
    page.evaluate("document.querySelector('.wb-s-rows').scrollTop = 1e7")
    stage.settle()
    drawn = page.locator(".wb-s-list tbody tr[aria-rowindex]")
    assert drawn.count() < 40 and "\u2026" not in drawn.last.locator("td").nth(1).inner_text()
    assert drawn.last.get_attribute("aria-rowindex") == str(len(train) + 1)
    assert drawn.last.get_attribute("data-pair") == train.pairs["pair_id"].iloc[int(train.mean.argmax())]


def test_names_of_the_bands_never_overlap(stage):
    page = stage.page
    for value in ("-0.9", "-0.85", "-0.3"):
        page.locator(".wb-s-field input").first.fill(value)
        page.locator(".wb-s-field input").first.press("Enter")
        page.locator(".wb-s-field input").nth(1).fill(str(float(value) + 0.02))
        page.locator(".wb-s-field input").nth(1).press("Enter")
        stage.settle()
        boxes = sorted((box["x"], box["x"] + box["width"]) for box in (one.bounding_box() for one in page.locator(".wb-s-name").all()))
        assert all(right <= left for (_, right), (left, _) in zip(boxes, boxes[1:])), value


@pytest.mark.parametrize("width", [1240, 900])
def test_nothing_sticks_out_and_targets_are_large(stage, width):
    stage.page.set_viewport_size({"width": width, "height": 900})
    stage.settle()
    assert stage.page.evaluate(OUT) == [] and stage.page.evaluate(SMALL) == []
    hits = [one.bounding_box() for one in stage.page.locator(".wb-s-handle rect:last-child").all()]
    assert len(hits) == 2 and all(box["width"] >= 28 and box["height"] >= 28 for box in hits)
    stage.page.set_viewport_size({"width": 1240, "height": 900})
