"""The framework of the screens, without a browser: what is sent when, answers, states in place of parts, background values."""

from __future__ import annotations

import json
import threading
import time

import pytest

import workbench as wb
from workbench import panels
from workbench.errors import WorkbenchError
from workbench.panels.panel import Panel
from workbench.panels.screen import Later, Part, Screen
from workbench.panels.still import MOST, Still


class Plain(Screen):
    """Two parts: one that follows the revision, one that never changes."""

    name, label, opened = "plain", "Plain", 0

    def __init__(self, *where):
        super().__init__(*where)
        type(self).opened += 1

    def parts(self):
        return [
            Part("plain", self.session.revision, lambda: {"multipliers": dict(self.session.draft.multiply)}),
            Part("plain.still", "always", lambda: ({"n": 3}, [b"abc"])),
        ]

    def do(self, message, buffers):
        if message["do"] == "double":
            self.session.set_multiplier("safety", 2.0, origin=self.origin)
            return {"bytes": sum(map(len, buffers))}
        return super().do(message, buffers)


class Broken(Screen):
    name, label = "broken", "Broken"

    def parts(self):
        def lacking():
            raise WorkbenchError("no features here", remedy="Run `workbench extract` first")

        return [Part("broken", 0, lacking), Part("broken.odd", 0, lambda: 1 / 0)]


class Page:
    """Stands for the page: keeps what is sent, numbers what it says."""

    def __init__(self, panel: Panel, view: str = "page"):
        self.panel, self.view, self.seq, self.heard = panel, view, 0, []
        panel.send = lambda content, buffers=None: self.heard.append((json.loads(json.dumps(content, allow_nan=False)), buffers))

    def __call__(self, do: str, buffers=(), **values):
        self.seq += 1
        self.heard.clear()
        self.panel.handle({"do": do, "view": self.view, "seq": self.seq, "screen": "plain", **values}, buffers)
        return self.heard[-1][0]

    def names(self) -> list[str]:
        return [part["name"] for message, _ in self.heard for part in message.get("parts", [])]


class Listless(Screen):
    name, label = "listless", "Listless"

    def parts(self):
        raise IndexError("nothing there")

    def do(self, message, buffers):
        raise AttributeError("no such thing")


@pytest.fixture
def page(session):
    Plain.opened = 0
    panel = Panel(session, (Plain, Broken), title="Plain panel")
    yield Page(panel)
    panel.close()


def test_a_screen_costs_nothing_until_it_is_opened(page, session):
    session.set_multiplier("safety", 1.5)
    assert Plain.opened == 0 and page.heard == []
    page("hello")
    assert Plain.opened == 1 and page.names() == ["head", "plain", "plain.still"]


def test_only_what_changed_is_sent_and_buffers_travel_beside(page):
    page("hello")
    message, buffers = page.heard[-1]
    assert message["parts"][2]["buffers"] == [0, 1] and buffers == [b"abc"]
    answer = page("double", buffers=[b"12345"])
    assert page.names() == ["head", "plain"] and answer["reply"] == {"bytes": 5} and answer["ack"] == ["page", 2]
    assert page.panel.shown["plain"] == {"multipliers": {"safety": 2.0}}
    page("double")
    assert page.names() == []  # nothing changed: an answer without parts


def test_one_gesture_is_drawn_once_and_others_are_told(page, session):
    other = Page(Panel(session, (Plain,), title="Other"), "other")
    page("hello"), other("hello")
    other.heard.clear()
    page("double")
    assert len(page.heard) == 1 and [part["name"] for m, _ in other.heard for part in m["parts"]] == ["head", "plain"]
    other.panel.close()


def test_a_page_that_was_reloaded_is_told_everything_again(page):
    page("hello")
    page("hello")
    assert page.names() == ["head", "plain", "plain.still"]
    page("bye")
    page.heard.clear()
    page.panel.session.set_multiplier("safety", 1.25)
    assert page.heard == []  # nobody looks


def test_what_cannot_be_drawn_says_why_and_the_rest_stands(page):
    page("open", screen="broken")
    assert page.panel.shown["broken"]["lacking"] == {"fact": "No features here.", "why": "Run `workbench extract` first"}
    assert "ZeroDivisionError" in page.panel.shown["broken.odd"]["lacking"]["why"] and "head" in page.panel.shown


def test_a_screen_that_cannot_list_its_parts_still_answers(session):
    page = Page(Panel(session, (Plain, Listless), title="Odd"))
    page("hello", screen="listless")
    assert "IndexError: nothing there" in page.panel.shown["listless"]["lacking"]["why"]
    answer = page("touch", screen="listless")
    assert answer["ack"] == ["page", 2] and "AttributeError: no such thing" in answer["trouble"]["why"]
    page.panel.close()


BAD = ({"do": "nonsense"}, {"do": "go", "step": 99}, {"do": "go"}, {"do": "seeds", "value": "many"}, {"do": "open", "screen": "moon"},
       {"do": "look", "item": "no such pair"}, {"do": "export"}, {"do": "remove_slice", "name": "none"})


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: " ".join(map(str, bad.values())))
def test_a_refused_gesture_changes_nothing_and_says_so(page, session, bad):
    page("hello")
    before = session.revision
    answer = page(**bad)
    assert answer["trouble"]["fact"] == "Nothing was changed." and answer["trouble"]["why"] and session.revision == before
    assert page("dismiss")["trouble"] is None


def test_common_gestures_do_what_the_session_does(page, session):
    page("hello")
    page("double"), page("undo")
    assert not session.draft.multiply
    page("redo"), page("seeds", value=1)
    assert session.draft.multiply == {"safety": 2.0} and session.draft.seeds == (0,)
    first = session.items["pair_id"].iloc[0]
    page("look", item=first)
    page("select", which=[first], kind="filter", label="one")
    assert session.selection.primary == first and session.selection.n == 1
    assert page("save_slice", name="mine")["reply"]["said"] == "Saved the slice “mine”." and list(session.slices) == ["mine"]
    page("remove_slice", name="mine")
    assert "Session" in page("code")["reply"]["code"]
    page("annotate", name="twice the safety")
    assert session.draft.name == "twice the safety" and page.panel.shown["head"]["history"]["undo"]


def test_export_puts_the_screens_figure_into_the_tray(session):
    panel = panels.compare(session)
    session.set_multiplier("safety", 0.0)
    session.retrain(seeds=(0,)).wait(60)
    Page(panel)("hello", screen="compare")
    panel.handle({"do": "export", "screen": "compare", "view": "page", "seq": 2})
    assert [card["figure"] for card in session.tray] == ["comparison"] and panel._trouble is None
    panel.close()


def test_background_values_come_later_once_and_raise_what_was_raised():
    ready, gate = threading.Event(), threading.Event()
    later = Later(ready.set)
    made = []

    def slow(*, progress, cancel):
        gate.wait(5)
        progress(0.5, 3.0, "half")
        made.append(1)
        return 7

    assert later.get("a", slow) is None and later.get("a", slow) is None
    gate.set()
    end = time.monotonic() + 5
    while later.get("a", slow) is None and time.monotonic() < end:
        time.sleep(0.01)
    assert later.get("a", slow) == 7 and made == [1] and ready.is_set() and later.progress("a") is None

    def bad(*, progress, cancel):
        raise WorkbenchError("no luck")

    with pytest.raises(WorkbenchError, match="no luck"):
        while time.monotonic() < end:
            later.get("b", bad)
            time.sleep(0.01)
    later.close()


def test_a_forgotten_value_is_cancelled_and_made_again():
    later, seen = Later(lambda: None), []

    def work(*, progress, cancel):
        seen.append(cancel)
        cancel.wait(5)
        return "stopped"

    later.get("a", work)
    end = time.monotonic() + 5
    while not seen and time.monotonic() < end:
        time.sleep(0.005)
    later.forget("a")
    assert seen[0].is_set() and later.get("a", lambda **_: "again") in (None, "again")
    later.close()


def test_a_still_holds_the_last_picture_and_refuses_what_is_none():
    still = Still("Panel on <study>")
    webp = b"RIFF" + (20).to_bytes(4, "little") + b"WEBP" + b"rest"
    still.update(b"<script>", 10)
    assert still.picture == b"" and "&lt;study&gt;" in still._bundle()["text/html"]
    still.update(webp, 1200)
    assert still.picture == webp and 'width="1200"' in still._bundle(1200)["text/html"]
    still.update(b"RIFF0000WEBP" + bytes(MOST), 10)
    assert still.picture == webp


def test_the_workbench_is_one_widget_with_every_screen(session):
    panel = wb.Workbench(session)
    assert [name for name, _ in panel.frame["tabs"]][:2] == ["explore", "what_if"] and panel.screens == {}
    for name, _ in panel.frame["tabs"]:
        panel.screen(name)
        alone = getattr(panels, name)(session)  # still a function once the screen's module is loaded
        assert alone.frame["tabs"][0][0] == name
        alone.close()
    panel.close()
