"""The Gate and Verbosity screens in a browser: columns are read, picked and brushed; labels keep clear; all bends to its width."""

from __future__ import annotations

import numpy as np
import pytest
from browser.stage import Stage

from workbench import panels
from workbench.panels.gate_view import GateView
from workbench.session import Session

OUT = """() => { const wb = document.querySelector('.wb'), edge = wb.getBoundingClientRect().right + 1;
  return [...wb.querySelectorAll('*')].filter((node) => node.getBoundingClientRect().right > edge && !node.closest('.wb-scroll, .wb-drop'))
    .map((node) => node.outerHTML.slice(0, 100)); }"""
OVERLAPS = """() => { const boxes = [...document.querySelectorAll('.wb-g-plot .wb-g-shed g > text, .wb-g-plot .wb-g-shed > text')]
    .map((node) => [node.textContent, node.getBoundingClientRect()]);
  const found = [];
  boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
    if (p.left < q.right - 0.5 && q.left < p.right - 0.5 && p.top < q.bottom - 2 && q.top < p.bottom - 2) found.push([a, b]); }));
  return found; }"""
SMALL = """() => [...document.querySelectorAll('.wb-stage button, .wb-stage select')].filter((node) => node.offsetParent)
  .filter((node) => (node.closest('label') || node).getBoundingClientRect().height < 28).map((node) => node.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def shared(chromium, planted_study, baseline):
    stage = Stage(chromium, panels.gate(Session(planted_study.study, baseline)))
    yield stage
    stage.close()


@pytest.fixture
def stage(shared):
    shared.panel.session.select(None)
    shared.page.set_viewport_size({"width": 1240, "height": 900})
    yield shared.settle()
    assert shared.said == [] and shared.asked == []


def place(stage, share: float) -> tuple[float, float]:
    """A point in the first picture, so far along its columns."""
    geometry = "(() => { const { left, span } = document.querySelector('.wb-g-plot .wb-g-host').geometry; return [left, span]; })()"
    left, span = stage.page.evaluate(geometry)
    box = stage.page.locator(".wb-g-plot .wb-g-shed").bounding_box()
    return box["x"] + left + span * share, box["y"] + box["height"] / 2


def test_a_column_is_read_and_picked_where_the_pointer_is(stage, baseline):
    table, session = GateView.of(baseline).shed.table, stage.panel.session
    at = len(table) // 3
    stage.page.mouse.move(*place(stage, (at + 0.5) / len(table)))
    read = stage.page.locator(".wb-g-read").inner_text()
    assert read.startswith(table["objective"][at]) and f" of {table['runner_up'][at]}" in read
    stage.page.mouse.down()
    stage.page.mouse.up()
    stage.until("document.querySelector('.wb-g-item .wb-g-rows') !== null").settle()
    assert session.items.set_index("pair_id").at[session.selection.primary, "prompt_id"] == table["prompt_id"][at]
    assert stage.page.locator(".wb-g-item .wb-g-rows tbody tr").count() == 4 and stage.page.locator(".wb-g-point").count() == 1


def test_a_drag_selects_and_a_handover_too(stage, baseline):
    table, session = GateView.of(baseline).shed.table, stage.panel.session
    n = len(table)
    stage.page.mouse.move(*place(stage, 2.5 / n))
    stage.page.mouse.down()
    stage.page.mouse.move(*place(stage, 5.0 / n))
    stage.page.mouse.move(*place(stage, 8.5 / n))
    stage.page.mouse.up()
    stage.settle()
    assert set(session.items["prompt_id"][session.selection.mask]) == set(table["prompt_id"][2:9]) and session.selection.kind == "lasso"
    assert stage.page.locator(".wb-g-runs").count() == 1
    stage.page.locator(".wb-g-hand button").first.click()
    stage.settle()
    assert session.selection.kind == "filter" and "⇄" in session.selection.label


def test_two_gates_share_one_axis_and_the_caption_names_the_selection(chromium, planted_study, baseline):
    session = Session(planted_study.study, baseline)
    session.set_objective("helpfulness", on=False)
    session.retrain(seeds=(0,)).wait(120)
    stage = Stage(chromium, panels.gate(session))
    try:
        stage.settle().page.get_by_role("button", name="Both").click()
        stage.settle()
        labels = "(node) => [...node.querySelectorAll('.wb-g-shed > text.wb-end')].map((text) => text.textContent)"
        first, second = (host.evaluate(labels) for host in stage.page.locator(".wb-g-plot .wb-g-host").all())
        assert first == second and len(first) > 2
        tops = [max(lead + foot for hill in one["hills"] for lead, foot in zip(hill["lead"], hill["foot"]))
                for one in stage.panel.shown["gate"]["pictures"]]
        tall = stage.page.evaluate("""() => [...document.querySelectorAll('.wb-g-plot .wb-g-host')].map((host) =>
          host.geometry.base - Math.min(...[...host.querySelectorAll('.wb-g-full')].map((path) => path.getBBox().y)))""")
        assert abs(tops[0] - tops[1]) > 0.02 and tall[0] / tall[1] == pytest.approx(tops[0] / tops[1], rel=0.01)
        assert "the selection" not in stage.page.locator(".wb-g-caption").inner_text()
        session.select(session.items["pair_id"][:40])
        stage.settle()
        assert "Black dashes under the axis: the selection." in stage.page.locator(".wb-g-caption").inner_text()
    finally:
        stage.close()


def test_columns_by_keys_alone(stage, baseline):
    table, session = GateView.of(baseline).shed.table, stage.panel.session
    stage.page.locator(".wb-g-plot .wb-g-host").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        stage.page.keyboard.press(key)
    stage.settle()
    assert session.items.set_index("pair_id").at[session.selection.primary, "prompt_id"] == table["prompt_id"][1]
    assert stage.page.evaluate("document.activeElement.className") == "wb-g-host"  # still there after it was drawn again


def test_it_is_drawn_to_its_width_and_nothing_overlaps(stage):
    widths = []
    for width in (1240, 900):
        stage.page.set_viewport_size({"width": width, "height": 900})
        stage.settle(0.4)
        widths.append(stage.page.locator(".wb-g-plot .wb-g-shed").bounding_box()["width"])
        assert stage.page.evaluate(OUT) == [] and stage.page.evaluate(OVERLAPS) == [] and stage.page.evaluate(SMALL) == []
        assert stage.page.evaluate("document.querySelector('.wb-g-plot').clientWidth") - widths[-1] < 2
    assert np.ptp(widths) > 20


def test_many_labels_stand_in_rows(chromium, planted_study, baseline):
    """Nine hills, most of them thin, with long names: rows of labels, none over another."""
    panel = panels.gate(Session(planted_study.study, baseline))
    hill = {"members": [], "slot": "truth", "number": 1, "left": 0, "disagree": [], "ticks": [], "valley": 3}
    names = [f"some-source-a-rather-long-objective-{i}" for i in range(9)]
    ends = np.cumsum([3, 3, 40, 3, 3, 3, 60, 3, 2])
    stage = Stage(chromium, panel, width=900)
    try:
        state = {**panel.shown["gate"]}
        n, start = int(ends[-1]), 0
        state["pictures"] = [{**state["pictures"][0], "n": n, "whole": False, "hills": []}]
        for name, end in zip(names, map(int, ends)):
            lead = np.linspace(0.5, 0.05, end - start).tolist()
            state["pictures"][0]["hills"].append({**hill, "name": name, "share": f"{100 * (end - start) // n} %", "prompts": end - start,
                                                  "start": start, "end": end, "lead": lead, "foot": [0.1] * (end - start)})
            start = end
        part = {"name": "gate", "data": state, "buffers": [0, 0]}
        stage.page.evaluate("(part) => window.fromKernel({ parts: [part], ack: ['', 0], trouble: null }, [])", part)
        stage.settle(0.4)
        assert stage.page.locator(".wb-g-plot .wb-g-leader").count() == 9 and stage.page.evaluate(OVERLAPS) == []
        assert stage.page.evaluate(OUT) == [] and stage.said == []
    finally:
        stage.close()


def test_verbosity_previews_picks_and_fits(chromium, planted_study, baseline):
    session = Session(planted_study.study, baseline)
    stage = Stage(chromium, panels.verbosity(session), width=1240)
    try:
        stage.until("document.querySelector('.wb-v-table .wb-base') !== null && document.querySelector('.wb-v-pairs') !== null")
        stage.page.locator(".wb-opener").click()
        stage.page.locator(".wb-check", has_text="n_words").first.click()  # on its words, not its box
        stage.until("document.querySelectorAll('.wb-v-table .wb-ghost').length === 4")
        stage.page.keyboard.press("Escape")
        assert session.draft.debias == "n_words" and stage.page.get_by_role("button", name="Retrain").is_visible()
        box = stage.page.locator(".wb-v-cloud").bounding_box()
        stage.page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.45)
        stage.until("document.querySelectorAll('.wb-v-star').length === 2")
        assert session.selection.primary is not None
        for name in ("Within prompts", "By section"):
            stage.page.get_by_role("button", name=name).click()
            stage.settle(0.4)
        assert stage.page.locator(".wb-v-head").count() == 2 and stage.page.evaluate(SMALL) == []
        stage.page.set_viewport_size({"width": 900, "height": 900})
        stage.settle(0.4)
        assert stage.page.evaluate(OUT) == [] and stage.said == [] and stage.asked == []
    finally:
        stage.close()
