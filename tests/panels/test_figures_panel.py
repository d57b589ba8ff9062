"""The Figures screen without a browser: what can be added, cards and their files, restoring, and a machine without Chrome."""

from __future__ import annotations

import json
import time

import pytest

from workbench import panels
from workbench.errors import WorkbenchError
from workbench.figures.cards import Card
from workbench.figures.export import Preview
from workbench.figures.stamp import read_stamp
from workbench.panels import drawing
from workbench.panels.catalogue import CATALOGUE, entry_of
from workbench.scenario.recipe import Scenario
from workbench.session import Session

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="3.25in"><title>t</title><desc>d</desc><metadata>m</metadata><text>x</text></svg>'


class Page:
    """A page with the Figures screen open."""

    def __init__(self, session):
        self.panel, self.heard, self.files = panels.figures(session), [], []
        self.panel.send = self._take
        self("hello")

    def _take(self, content, buffers=None):
        self.heard.append(json.loads(json.dumps(content, allow_nan=False)))
        for part in content["parts"]:
            if part["name"] == "figures.file" and part["data"].get("token"):
                start, n = part["buffers"]
                self.files.append((part["data"], [bytes(b) for b in (buffers or [])[start:start + n]]))

    def __call__(self, do: str, **values):
        return self.panel.handle({"do": do, "screen": "figures", "view": "page", "seq": 1, **values})

    @property
    def cards(self):
        return self.panel.shown["figures.tray"]["cards"]

    @property
    def rows(self):
        return {row["key"]: row for row in self.panel.shown["figures"]["rows"]}

    @property
    def trouble(self):
        return self.heard[-1]["trouble"]

    def wait(self, ready, limit: float = 60):
        end = time.monotonic() + limit
        while not ready():
            assert time.monotonic() < end, self.panel.shown
            time.sleep(0.02)
        return self

    def drawn(self):
        return self.wait(lambda: self.cards and all(card["state"] != "drawing" for card in self.cards))


@pytest.fixture
def no_browser(monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", "/no/such/browser")


@pytest.fixture
def quick(monkeypatch):
    """A browser that draws at once."""
    monkeypatch.setattr(drawing, "browser", lambda: "here")
    monkeypatch.setattr("workbench.panels.tray.browser", lambda: "here")
    monkeypatch.setattr(drawing, "preview", lambda fig, name, venue: Preview(SVG, 3.25, 2.0, 6.2))


@pytest.fixture
def page(session, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    found = Page(session)
    yield found
    found.panel.close()


def test_every_figure_of_the_set_is_in_the_list_and_says_what_it_lacks(page):
    from workbench.figures.sets import MAKERS

    assert {entry.figure for entry in CATALOGUE} == set(MAKERS)
    assert page.rows["watershed"]["lacks"] is None
    assert "No candidate" in page.rows["comparison"]["lacks"] and "Choose a pair" in page.rows["decomposition"]["lacks"]
    assert "taken out" in page.rows["verbosity"]["lacks"] and "map" in page.rows["prompt-map"]["lacks"]
    page.panel.session.look_at(page.panel.session.items["pair_id"].iloc[3])
    assert page.rows["decomposition"]["lacks"] is None


def test_before_training_every_figure_waits(planted_study):
    session = Session(planted_study.study, Scenario(name="x", gate={"hidden": (8,), "steps": 5}, seeds=(0,)))
    assert all(entry.lacks(session) == "Nothing is trained yet." for entry in CATALOGUE)
    with pytest.raises(WorkbenchError, match="no figure"):
        entry_of("nonsense")


def test_a_lacking_figure_is_refused_by_its_reason(page):
    page("add", figure="comparison")
    assert page.trouble["why"].startswith("Baseline against candidate: No candidate yet") or "No candidate yet" in page.trouble["why"]
    assert page.panel.session.tray == ()


def test_a_card_is_drawn_once_and_pictured_as_each_vision_sees_it(page, quick):
    page("add", figure="gate")
    page.drawn()
    card = page.cards[0]
    assert card["label"] == "Gate heat map" and card["n"] == len(page.panel.session.items)
    assert card["smallest"] == 6.2 and card["width"] == 3.25
    assert card["study"] == page.panel.session.study.hash and card["ids"][0][2] == page.panel.session.baseline.scenario.id
    assert page("picture", key=card["key"], vision="colour")["picture"]["svg"] == SVG
    assert "feColorMatrix" in page("picture", key=card["key"], vision="grey")["picture"]["svg"]
    assert "already" in page("add", figure="gate")["said"] and len(page.cards) == 1
    page.heard.clear()
    page("view", vision="grey")
    assert [part["name"] for content in page.heard for part in content["parts"]] == ["figures"]


def test_the_venue_of_one_and_of_all(page, quick):
    page("add", figure="gate")
    page("add", figure="sections")
    page.drawn()
    page("venue", key=page.cards[1]["key"], at=1, value="neurips")
    page.drawn()
    assert [card["venue"] for card in page.cards] == ["icml-column", "neurips"] and page.cards[1]["width"] == 5.5
    page("view", venue="slide")
    page.drawn()
    assert {card["venue"] for card in page.cards} == {"slide"} and page.panel.session.view["figures"]["venue"] == "slide"
    page("view", venue="journal of nothing")
    assert "unknown venue" in page.trouble["why"]


def test_same_figures_get_names_of_their_own():
    cards = [{"figure": "gate"}, {"figure": "watershed"}, {"figure": "watershed", "options": {"by": "section"}}]
    names = list(drawing.names_of(cards).values())
    assert names[0] == "gate" and len(set(names)) == 3 and all(name.startswith("watershed-") for name in names[1:])


def test_without_a_browser_cards_stay_and_html_and_csv_are_offered(page, no_browser, tmp_path):
    page("add", figure="sections")
    page.drawn()
    card = page.cards[0]
    assert not card["pictured"] and "install one" in card["why"] and page.panel.shown["figures"]["browser"] is False
    page("file", key=card["key"], kind="csv", token="a")
    page("file", key=card["key"], kind="html", token="b")
    page("file", key=card["key"], kind="pdf", token="c")
    page.wait(lambda: len(page.files) == 3)
    (csv, [data]), (html, [text]), (pdf, nothing) = page.files
    assert csv["name"] == "sections.csv" and data == (tmp_path / "figures" / "sections.csv").read_bytes() and data.startswith(b"slice,")
    assert html["name"] == "sections.html" and b'<html' in text[:40] and "figures/sections.html" in html["said"]
    assert read_stamp(tmp_path / "figures" / "sections.html")["card"]["figure"] == "sections"
    assert "Chrome" in pdf["error"] and nothing == []
    page("hello")  # the page again: the last file is sent with its token, which this page did not ask for
    assert page.files[-1][0]["token"] == "c"


def test_latex_and_everything_at_once(page, no_browser, tmp_path):
    page("add", figure="sections")
    page("add", figure="gate")
    page.drawn()
    told = page("latex", key=page.cards[0]["key"])["latex"]["text"]
    assert r"\includegraphics[width=\columnwidth]{sections}" in told and r"\caption{" in told
    page("save_all", token="t")
    page.wait(lambda: page.files)
    assert page.files[0][0]["said"].startswith("Saved 2 figures, ") and page.files[0][1] == []
    assert {path.name for path in (tmp_path / "figures").iterdir()} >= {"sections.html", "gate.html", "gate.csv", "gate.json"}


def test_a_card_of_another_study_says_so_and_the_rest_is_drawn(page, quick):
    session = page.panel.session
    page("add", figure="gate")
    mine = session.tray[0]
    session.set_tray([{**mine, "study": "000000000000"}, mine, {"figure": "torn"}])
    page.drawn()
    assert [card["state"] for card in page.cards] == ["error", "drawn", "error"]
    assert "000000000000" in page.cards[0]["error"]["fact"]
    page("restore", key=page.cards[0]["key"], at=0)
    assert "000000000000" in page.trouble["why"]
    page("remove", key=page.cards[2]["key"], at=2)
    page("remove", key=page.cards[0]["key"], at=0)
    assert session.tray == (mine,)


def test_restore_goes_back_to_baseline_and_scenario(planted_study, baseline, tmp_path, monkeypatch, quick):
    monkeypatch.chdir(tmp_path)
    session = Session(planted_study.study, baseline)
    session.set_multiplier("safety", 2.0)
    job = session.retrain()
    assert job.wait(60) is not None or job.state == "done"
    page = Page(session)
    page("add", figure="comparison")
    page.drawn()
    kept, then = Card.from_dict(session.tray[0]), session.draft
    session.pin()  # the candidate becomes the baseline
    session.set_multiplier("helpfulness", 3.0)
    assert session.baseline is not baseline
    assert "stands where" in page("restore", key=page.cards[0]["key"])["said"]
    assert session.draft == then and session.baseline_scenario.id == kept.baseline.id and session.candidate.scenario.id == kept.scenario.id
    page.panel.close()


def test_cards_survive_the_session_file(page, quick, tmp_path):
    page("add", figure="gate")
    session = page.panel.session
    path = session.save(tmp_path / "kept.session.json")
    again = Session.load(path, session.study)
    assert again.tray == session.tray and drawing.key_of(again.tray[0]) == page.cards[0]["key"]


def test_a_gesture_on_a_card_that_is_gone_is_refused(page, quick):
    page("file", key="0123456789", kind="pdf", token="x")
    assert "no longer in the tray" in page.trouble["why"]
    page("save_all", token="x")
    assert "no figure is drawn" in page.trouble["why"]
