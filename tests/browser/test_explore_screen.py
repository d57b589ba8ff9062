"""The Explore screen in a browser: lasso, clicks and keys on the map and in the table, against what the session then holds."""

from __future__ import annotations

import numpy as np
import pytest
from browser.stage import Stage
from panels.explored import HARD, keep_map, map_of, worded

from workbench import panels
from workbench.session import Session

BLANK = """(points) => { const c = document.querySelector('.wb-x-marks'), k = c.width / c.clientWidth;
  const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
  const at = (x, y) => 4 * (Math.round(y * k) * c.width + Math.round(x * k));
  return points.filter(([x, y]) => [0, 1, 2].every((i) => data[at(x, y) + i] === data[i])); }"""
ROWS = "() => [...document.querySelectorAll('.wb-items tr[data-item]')].map((row) => row.dataset.item)"
IN_SIGHT = """() => { const place = (name) => document.querySelector(name).getBoundingClientRect();
  const box = place('.wb-x-rows'), head = place('.wb-items thead');
  return [...document.querySelectorAll('.wb-items tr[data-item]')].filter((row) => { const at = row.getBoundingClientRect();
    return at.top >= head.bottom - 1 && at.bottom <= box.bottom + 1; }).map((row) => row.dataset.item); }"""


@pytest.fixture(scope="module")
def shared(chromium, planted_study, baseline):
    with pytest.MonkeyPatch.context() as patch:
        study = worded(planted_study.study)
        keep_map(patch, map_of(study))
        session = Session(study, baseline)
        session.set_objective("verbosity", on=False)
        session.retrain(seeds=(0, 1)).wait(120)
        stage = Stage(chromium, panels.explore(session))
        stage.until("Boolean(document.querySelector('.wb-x-marks').getAttribute('aria-label'))")
        yield stage
        stage.close()


@pytest.fixture
def stage(shared):
    shared.panel.session.select(None, origin="test")
    shared.panel.session.look_at(None, origin="test")
    shared.page.mouse.move(5, 5)
    yield shared.settle()
    assert [line for line in shared.said if not line.startswith("log")] == [] and shared.asked == []


@pytest.fixture
def session(shared):
    return shared.panel.session


def spots(stage) -> np.ndarray:
    """px of each mark, reckoned here: both axes as wide as the box allows, their scales at most 1.35 apart."""
    places = stage.panel.screen("explore").atlas.places()
    xy = places.table[["x", "y"]].to_numpy(float)
    wide, tall, pad = stage.page.evaluate("document.querySelector('.wb-x-over').clientWidth"), 282, 14
    scale = (np.array([wide, tall]) - 2 * pad) / np.ptp(xy, axis=0)
    scale = np.minimum(scale, 1.35 * scale.min())
    middle = (xy.min(axis=0) + xy.max(axis=0)) / 2
    return np.array([wide, tall]) / 2 + (xy - middle) * scale * [1, -1]


def corner(stage):
    box = stage.page.locator(".wb-x-over").bounding_box()
    return np.array([box["x"], box["y"]], float)


def lasso(stage, *points, key=None):
    mouse, at = stage.page.mouse, corner(stage)
    if key:
        stage.page.keyboard.down(key)
    mouse.move(*(at + points[0]))
    mouse.down()
    for point in (*points[1:], points[0]):
        mouse.move(*(at + point), steps=5)
    mouse.up()
    if key:
        stage.page.keyboard.up(key)
    stage.settle()


def within(points: np.ndarray, left, top, right, foot) -> np.ndarray:
    return (points[:, 0] > left) & (points[:, 0] < right) & (points[:, 1] > top) & (points[:, 1] < foot)


def items_at(stage, flags) -> set[str]:
    places, items = stage.panel.screen("explore").atlas.places(), stage.panel.session.items
    return set(items["pair_id"][items["prompt_id"].isin(set(places.ids[flags]))])


def test_marks_are_where_they_belong(stage):
    assert stage.page.evaluate(BLANK, spots(stage).tolist()) == []
    assert stage.page.evaluate(BLANK, (spots(stage) + [0, 12.5]).tolist()) != []
    label = stage.page.locator(".wb-x-marks").get_attribute("aria-label")
    assert label.startswith(f"Map of {len(spots(stage))} prompts by group: Helpful")
    assert stage.page.locator(".wb-x-map").inner_text().count("outside dev are not drawn") == 1


def test_a_lasso_adds_removes_and_is_cleared(stage, session):
    points = spots(stage)
    left, top, foot = points[:, 0].min() - 6, points[:, 1].min() - 6, points[:, 1].max() + 6
    middle = float(np.median(points[:, 0])) + 2.5  # between marks
    first = within(points, left, top, middle, foot)
    lasso(stage, (left, top), (middle, top), (middle, foot), (left, foot))
    assert set(session.items["pair_id"][session.selection.mask]) == items_at(stage, first) and session.selection.kind == "lasso"
    foot_line = stage.page.locator(".wb-x-foot").inner_text()
    assert f"of {session.selection.n}, largest change first" in foot_line
    half = float(np.median(points[:, 1])) + 2.5
    cut = within(points, left, half, middle, foot)
    lasso(stage, (left, half), (middle, half), (middle, foot), (left, foot), key="Alt")
    assert set(session.items["pair_id"][session.selection.mask]) == items_at(stage, first & ~cut)
    lasso(stage, (left, half), (middle, half), (middle, foot), (left, foot), key="Shift")
    assert set(session.items["pair_id"][session.selection.mask]) == items_at(stage, first)
    before = session.selection
    lasso(stage, (1, 1), (8, 1), (8, 8), (1, 8))  # nothing there
    assert session.selection is before and stage.page.locator(".wb-toast").inner_text() == "No prompt is inside."
    stage.page.keyboard.press("Escape")
    stage.settle()
    assert session.selection.kind == "all" and stage.page.locator(".wb-x-on").count() == 0


def test_a_click_on_a_mark_reads_it_and_the_pointer_tells_the_prompt(stage, session):
    points, places = spots(stage), stage.panel.screen("explore").atlas.places()
    dev = session.study.prompts.query("split == 'dev'")["prompt_id"].tolist()
    place = places.ids.tolist().index(dev[0])
    stage.page.mouse.move(*(corner(stage) + points[place]))
    stage.until("document.querySelector('.wb-x-tip').offsetParent !== null")
    assert stage.page.locator(".wb-x-tip").inner_text() == HARD["html"][:80] + ("…" if len(HARD["html"]) > 80 else "")
    stage.page.mouse.down()
    stage.page.mouse.up()
    stage.settle()
    assert session.items.set_index("pair_id")["prompt_id"][session.selection.primary] == dev[0]
    assert stage.page.locator(".wb-items [aria-current]").get_attribute("data-item") == session.selection.primary


def test_texts_stay_text(stage, session):
    stage.page.locator(".wb-x-search input").fill("onerror script")
    stage.page.keyboard.press("Enter")
    stage.settle()
    cell = stage.page.locator(".wb-x-prompt").first
    assert cell.inner_text() == HARD["html"] and cell.locator("*").count() == 0 and stage.page.title() == "panel"
    stage.page.locator(".wb-x-search input").fill("مرحبا")
    stage.page.keyboard.press("Enter")
    stage.settle()
    cell = stage.page.locator(".wb-x-prompt").first
    assert cell.inner_text() == HARD["arabic"] and cell.evaluate("(node) => getComputedStyle(node).direction") == "rtl"
    stage.page.keyboard.press("Escape")
    stage.settle()
    assert session.selection.kind == "all" and stage.page.locator(".wb-x-search input").input_value() == ""


def test_keys_walk_the_table_and_bring_the_row_into_sight(stage, session):
    page, order = stage.page, stage.panel.screen("explore")._rows()
    ids = session.items["pair_id"].to_numpy()[order]
    box = page.locator(".wb-x-rows")
    box.focus()
    page.keyboard.press("ArrowDown")
    stage.settle()
    assert session.selection.primary == ids[0]
    page.keyboard.press("End")
    stage.settle()
    assert session.selection.primary == ids[-1] and page.evaluate(IN_SIGHT)[-1] == ids[-1]
    assert page.locator(".wb-x-foot").inner_text().startswith(f"rows {len(ids) - 9}–{len(ids)} of {len(ids)}")
    page.keyboard.press("k")
    stage.settle()
    assert session.selection.primary == ids[-2]
    page.keyboard.press("Home")
    page.keyboard.press("PageDown")
    stage.settle()
    assert session.selection.primary == ids[10] and ids[10] in page.evaluate(IN_SIGHT)
    assert page.evaluate("() => document.activeElement.className") == "wb-x-rows"


def test_scrolling_through_shows_every_row(stage, session):
    ids, seen = session.items["pair_id"].to_numpy()[stage.panel.screen("explore")._rows()], []
    tall = stage.page.evaluate("document.querySelector('.wb-x-rows').scrollHeight")
    assert tall == pytest.approx(29 * (len(ids) + 1), abs=3)
    for top in range(0, tall, 250):
        stage.page.evaluate("(top) => { document.querySelector('.wb-x-rows').scrollTop = top; }", top)
        stage.settle(0.12)
        seen += [row for row in stage.page.evaluate(IN_SIGHT) if row not in seen]
        assert len(stage.page.evaluate(ROWS)) <= 26
    assert seen == ids.tolist()


def test_heads_sort_and_keep_the_focus(stage, session):
    page = stage.page
    head = page.locator(".wb-x-sort", has_text="Margin")
    head.focus()
    page.keyboard.press("Enter")
    stage.settle()
    margins = dict(zip(session.items["pair_id"], session.candidate.margin))
    shown = [margins[row] for row in page.evaluate(IN_SIGHT)]
    assert shown == sorted(shown) and shown[0] == min(margins.values())
    assert page.locator("th", has_text="Margin").get_attribute("aria-sort") == "ascending"
    assert page.evaluate("() => document.activeElement.textContent") == "Margin"
    page.keyboard.press("Enter")
    stage.settle()
    assert page.locator("th", has_text="Margin").get_attribute("aria-sort") == "descending"
    page.locator(".wb-x-sort", has_text="Change").click()
    stage.settle()
    assert page.locator("th", has_text="Change").get_attribute("aria-sort") == "other"


def test_filters_chips_and_a_slice_by_name(stage, session):
    page = stage.page
    page.locator(".wb-x-add select").select_option('["section","Safety"]')
    stage.settle()
    page.locator(".wb-x-add select").select_option('["cluster","small talk"]')
    stage.settle()
    assert page.locator(".wb-x-none").inner_text().startswith("No pairs in this slice.") and session.selection.label == "Safety"
    page.get_by_role("button", name="Remove small talk").click()
    stage.settle()
    page.get_by_role("button", name="Save slice").click()
    page.keyboard.type("doors")
    page.keyboard.press("Enter")
    stage.settle()
    assert list(session.slices) == ["doors"] and session.slices["doors"].label == "Safety"
    page.get_by_role("button", name="Remove Safety").click()
    stage.settle()
    assert session.selection.kind == "all" and page.get_by_role("button", name="Save slice").is_disabled()
    page.locator(".wb-x-rows").focus()
    page.keyboard.press("s")  # everything is selected: nothing to keep
    assert page.locator(".wb-toast").inner_text() == "Select some of the pairs first" and page.locator(".wb-x-name").is_hidden()
    page.locator(".wb-x-add select").select_option('["slice","doors"]')
    stage.settle()
    page.locator(".wb-x-rows").focus()
    page.keyboard.press("s")
    page.keyboard.type("skis")
    page.keyboard.press("Enter")
    stage.settle()
    assert list(session.slices) == ["doors", "skis"] and session.slices["skis"].ids == session.slices["doors"].ids
    page.get_by_role("button", name="Delete slice doors").click()
    stage.settle()
    assert list(session.slices) == ["skis"] and page.get_by_role("button", name="Delete slice").count() == 0
    assert page.get_by_role("button", name="Remove doors").count() == 1 and session.selection.n == len(session.slices["skis"].ids)
    session.remove_slice("skis")


def test_a_margin_beyond_the_axis_is_a_triangle_that_points_outward(stage, session):
    items = stage.panel.screen("explore").items
    far = items.frame[["baseline", "candidate"]].abs().max(axis=1).idxmax()
    session.look_at(items.frame["pair_id"][far], origin="test")  # its row comes into sight
    stage.settle()
    for at, row in enumerate(stage.page.evaluate(ROWS)):
        values = items.frame.set_index("pair_id").loc[row, ["baseline", "candidate"]]
        drawn = stage.page.locator(".wb-items tr[data-item]").nth(at)
        for which, value in zip(("base", "cand"), values):
            beyond = drawn.locator(f"path.wb-{which}")
            assert beyond.count() == (abs(value) > items.reach) and drawn.locator(f"circle.wb-{which}").count() == 1 - beyond.count()
            if beyond.count():
                tip, back = beyond.evaluate("(node) => [node.getPointAtLength(0).x, node.getBBox().x + node.getBBox().width / 2]")
                assert (tip - back) * value > 0
    assert stage.page.locator(".wb-items .wb-beyond").count() > 0


def test_the_foot_has_intervals_pairs_and_families(stage, session):
    session.select(session.items["section"].eq("Safety").to_numpy(), origin="test")
    stage.until("document.querySelector('.wb-x-foot').innerText.includes('Selection: accuracy')").settle()
    said, table = stage.page.locator(".wb-x-foot").inner_text(), session.selected_accuracy()
    for row in table.itertuples():
        assert f"{100 * row.value:.1f} % [{100 * row.low:.1f}, {100 * row.high:.1f}]" in said
    families = int(table["families"].iat[-1])
    assert f", {session.selection.n} pairs, {families} families" in said
    assert (": fewer than 20" in said) == (families < 20)


@pytest.mark.parametrize(("width", "theme"), [(900, "dark"), (1240, "light")])
def test_nothing_sticks_out(chromium, session, width, theme, monkeypatch):
    keep_map(monkeypatch, map_of(session.study))
    stage = Stage(chromium, panels.explore(session), width=width, theme=theme)
    try:
        stage.settle()
        out = stage.page.evaluate("""() => { const edge = document.querySelector('.wb').getBoundingClientRect().right + 1;
          return [...document.querySelectorAll('.wb *')].filter((node) => node.getBoundingClientRect().right > edge)
            .map((node) => node.className); }""")
        small = stage.page.evaluate("""() => [...document.querySelectorAll('.wb-explore button, .wb-explore select, .wb-explore label')]
          .filter((node) => node.offsetParent && node.getBoundingClientRect().height < 28).map((node) => node.outerHTML.slice(0, 90))""")
        assert out == [] and small == [] and stage.said == []
    finally:
        stage.close()
