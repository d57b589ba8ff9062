"""The Explore screen without a browser: the messages that a page sends, and what is shown; numbers by plain loops."""

from __future__ import annotations

import importlib
import json
import threading
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from explored import HARD, keep_map, map_of, scale_of, worded

from workbench import panels
from workbench.errors import WorkbenchError
from workbench.panels.items import WAYS, Items
from workbench.panels.narrow import Narrowing, Piece
from workbench.panels.texts import Texts
from workbench.session import Session
from workbench.study import Study


class Told:
    """Sends what a page sends, remembers which parts came back, and hands on the reply."""

    def __init__(self, panel):
        self.panel, self.parts, self.seq, self.reply, self.buffers = panel, [], 0, None, []
        panel.send = self.heard
        self("hello")

    def heard(self, content, buffers=None):
        json.dumps(content, allow_nan=False)
        self.parts += [part["name"] for part in content.get("parts", ())]
        self.buffers = buffers or self.buffers  # a thread may have drawn something since, without any

    def __call__(self, do: str, *buffers: bytes, **values) -> dict:
        self.seq, self.parts = self.seq + 1, []
        self.reply = self.panel.handle({"do": do, "screen": "explore", "view": "page", "seq": self.seq, **values}, buffers)
        return self.shown

    @property
    def shown(self) -> dict:
        return {name.removeprefix("explore."): data for name, data in self.panel.shown.items()}

    @property
    def trouble(self):
        return self.panel._trouble

    def until(self, done, most: float = 10) -> dict:
        """Wait for what a thread works out."""
        end = time.monotonic() + most
        while not done(self.shown):
            assert time.monotonic() < end, self.shown
            time.sleep(0.01)
        return self.shown

    def rows(self) -> list[list]:
        """All rows of the table, asked for as a page does that is scrolled through."""
        found, table = [], self.shown["table"]
        while len(found) < table["n"]:
            self("rows", **{"from": len(found), "to": len(found) + 40})
            assert self.reply["table"]["from"] == len(found)
            found += self.reply["table"]["rows"]
        return found


@pytest.fixture
def stored(planted_study, monkeypatch):
    found = map_of(planted_study.study, but=2)
    keep_map(monkeypatch, found)
    return found


@pytest.fixture
def tell(session, stored):
    told = Told(panels.explore(session))
    yield told
    told.panel.close()


def bits(flags) -> bytes:
    return np.packbits(np.asarray(flags, bool), bitorder="little").tobytes()


def retrained(session: Session) -> Session:
    session.set_objective("verbosity", on=False).set_multiplier("safety", 1.5)
    session.retrain().wait(60)
    return session


def frame_by_loops(session: Session) -> list[dict]:
    """The table as its definition says it, pair by pair."""
    rows, shown = [], session.candidate or session.baseline
    scales = [scale_of(result) if result else np.nan for result in (session.baseline, session.candidate)]
    weights, gaps = shown.weights.mean(axis=0), shown.scores.values[:, 0] - shown.scores.values[:, 1]
    for at, pair in enumerate(session.items.itertuples()):
        sizes = [abs(w * g) for w, g in zip(weights[at], gaps[at])]
        total = sum(sizes)
        shares = sorted((size / total for size in sizes), reverse=True)
        first = shown.names[max(range(len(sizes)), key=sizes.__getitem__)]
        before = float(np.mean([seed[at] for seed in session.baseline.margins])) / scales[0]
        after = float(np.mean([seed[at] for seed in session.candidate.margins])) / scales[1] if session.candidate else np.nan
        rows.append({"pair_id": pair.pair_id, "baseline": before, "candidate": after, "change": after - before, "decides": first,
                     "lead": shares[0] - shares[1]})
    return rows


# -- rows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("candidate", [False, True])
def test_rows_are_those_of_plain_loops(session, candidate):
    if candidate:
        retrained(session)
    frame, wanted = Items.of(session).frame, pd.DataFrame(frame_by_loops(session))
    assert frame["pair_id"].tolist() == wanted["pair_id"].tolist() and frame["decides"].tolist() == wanted["decides"].tolist()
    for name in ("baseline", "candidate", "change", "lead"):
        np.testing.assert_allclose(frame[name], wanted[name], atol=1e-6)


def test_every_order_is_that_of_a_plain_sort(session):
    items = Items.of(retrained(session))
    lines = [line.removeprefix("… ") for line in items.frame["prompt"]]
    columns = {"item": range(len(items)), "prompt": lines, "margin": items.frame["candidate"],
               **{name: items.frame[name] for name in ("section", "change", "decides", "lead")}}
    for by, ways in WAYS.items():
        values = list(columns[by])
        for way in ways:
            key = (lambda i, v=values: -abs(v[i])) if way == "size" else values.__getitem__
            order = sorted(range(len(values)), key=key)
            found = items.order(by, way)
            assert sorted(found) == list(range(len(values)))
            expected = [values[i] for i in (order if way != "down" else sorted(range(len(values)), key=values.__getitem__, reverse=True))]
            assert [values[i] for i in found] == expected, (by, way)


def test_the_table_shows_every_row_and_the_largest_change_first(session, stored):
    told = Told(panels.explore(retrained(session)))
    table, frame = told.shown["table"], Items.of(session).frame
    assert table["n"] == table["of"] == len(session.items) > 100 and table["order"] == "largest change first" and table["empty"] == ""
    assert [key for key, _ in table["columns"]] == ["item", "prompt", "section", "margin", "change", "decides", "lead"]
    rows = told.rows()
    assert len({row[0] for row in rows}) == len(frame) and rows[:40] == table["block"]["rows"]
    changes = [abs(row[4]) for row in rows]
    assert changes == sorted(changes, reverse=True)
    one = frame.set_index("pair_id").loc[rows[7][0]]
    assert rows[7][3:] == [[one.baseline, one.candidate], one.change, ["helpful", one.decides], one.lead]
    told.panel.close()


def test_sorting_goes_through_the_ways_of_a_column_and_is_remembered(tell, session):
    assert tell.shown["table"]["sort"] == "item"
    assert tell("sort", by="margin")["table"]["order"] == "lowest margin first"
    assert tell("sort", by="margin")["table"]["order"] == "highest margin first"
    margins = [row[3][0] for row in tell.rows()]
    assert margins == sorted(margins, reverse=True) and session.view["explore"] == {"sort": "margin", "way": "down"}
    tell("sort", by="change")
    assert "change" in tell.trouble["why"]  # there is no candidate
    assert tell("sort", by="lead")["table"]["way"] == "down"


def test_a_gate_that_only_grew_its_scale_shows_no_change(session, monkeypatch):
    before = session.baseline
    grown = replace(before, margins=4 * before.margins, make={**before.make, "weights": lambda: 4 * before.weights})
    assert grown.scale == 4 * before.scale == pytest.approx(4 * scale_of(before))
    monkeypatch.setattr(Session, "candidate", property(lambda self: grown))
    frame = Items.of(session).frame
    assert (frame["change"] == 0).all() and frame["baseline"].abs().max() > 0
    told = Told(panels.explore(session))
    shown = told("look", item=session.items["pair_id"].iat[3])
    one, other = shown["why"], told("why", why="baseline")["why"]
    assert one["rows"] == other["rows"] and one["seeds"] == other["seeds"] and one["ring"] == one["margin"] == other["margin"]
    assert one["mass"] == other["mass"] and sum(row[2] for row in one["rows"]) == pytest.approx(1, abs=1e-6)
    assert shown["reader"]["rewards"]["cand"] == shown["reader"]["rewards"]["base"]
    compared = panels.compare(session)
    compared.handle({"do": "hello", "screen": "compare", "view": "page", "seq": 1})
    assert compared.shown["compare.flips"]["counts"] == {"broken": 0, "fixed": 0, "moved": 0}
    for panel in (told.panel, compared):
        panel.close()


# -- what selects --------------------------------------------------------------------------------------


def test_a_lasso_selects_the_pairs_of_its_prompts(tell, session):
    places = tell.panel.screen("explore").atlas.places()
    flags = np.arange(len(places)) % 3 == 0
    ids = set(places.ids[flags])
    shown = tell("lasso", bits(flags))
    assert session.selection.mask.tolist() == [prompt in ids for prompt in session.items["prompt_id"]]
    assert session.selection.kind == "lasso" and shown["selection"]["lasso"] and shown["table"]["chips"][0]["n"] == session.selection.n
    got = np.unpackbits(np.frombuffer(tell.buffers[-1], np.uint8), bitorder="little")[: len(places)].astype(bool)
    assert (got == flags).all() and {row[0] for row in tell.rows()} == set(session.items["pair_id"][session.selection.mask])


def test_strokes_add_and_remove(tell, session):
    n = len(tell.panel.screen("explore").atlas.places())
    first, second = np.arange(n) < 6, (np.arange(n) >= 4) & (np.arange(n) < 9)
    count = lambda flags: int(session.items["prompt_id"].isin(tell.panel.screen("explore").atlas.places().ids[flags]).sum())  # noqa: E731
    tell("lasso", bits(first))
    tell("lasso", bits(second), mode="add")
    assert session.selection.n == count(first | second)
    tell("lasso", bits(second), mode="remove")
    assert session.selection.n == count(first & ~second)
    tell("lasso", bits(first), mode="remove")
    assert "no pair" in tell.trouble["why"] and session.selection.n == count(first & ~second)
    tell("drop")
    tell("lasso", bits(second), mode="remove")  # from everything
    assert session.selection.n == len(session.items) - count(second)


def test_search_finds_every_word_in_prompt_or_responses(tell, session):
    study = session.study
    prompt, said = study.prompts.set_index("prompt_id")["text"], study.responses.set_index("response_id")["text"]
    for asked in ("QUESTION", "w7 Chat", "w101 w108 safety", "zebra"):
        whole = [" ".join([prompt[row.prompt_id], said[row.chosen], said[row.rejected]]).lower() for row in session.items.itertuples()]
        wanted = [all(word in text for word in asked.lower().split()) for text in whole]
        shown = tell("search", text=asked)
        if any(wanted):
            assert session.selection.mask.tolist() == wanted and session.selection.label == f"search “{asked}”"
        else:
            assert shown["table"]["n"] == 0 and shown["table"]["empty"] == f"Nothing matches the search “{asked}”."
    assert tell("search", text="  ")["table"]["chips"] == [] and session.selection.kind == "all"


def test_chips_meet_and_dropping_one_widens(tell, session):
    safety = (session.items["section"] == "Safety").to_numpy()
    tell("filter", kind="section", value="Safety")
    assert (session.selection.mask == safety).all() and session.selection.label == "Safety"
    tell("filter", kind="outcome", value="lost")
    lost = session.baseline.margins.mean(axis=0) <= 0
    assert (session.selection.mask == (safety & lost)).all() and session.selection.kind == "filter"
    shown = tell("search", text="question")
    assert [chip["kind"] for chip in shown["table"]["chips"]] == ["search", "section", "outcome"]
    tell("filter", kind="section", value="Chat")  # one of a kind
    assert (session.selection.mask == (~safety & lost)).all()
    sizes = [session.selection.n]
    for kind in ("section", "outcome", "search"):
        tell("drop", kind=kind)
        sizes.append(session.selection.n)
    assert sizes == sorted(sizes) and sizes[-1] == len(session.items) and session.selection.kind == "all"


def test_where_pieces_do_not_meet_the_selection_stays(tell, session):
    tell("filter", kind="section", value="Safety")
    before = session.selection
    shown = tell("filter", kind="cluster", value="small talk")
    assert shown["table"]["n"] == 0 and shown["table"]["empty"] == "“Safety” and “small talk” do not meet." and session.selection is before
    assert len(shown["table"]["chips"]) == 2 and tell("step", by=1) and tell.trouble is None
    shown = tell("drop")
    assert shown["table"]["n"] == len(session.items) and shown["table"]["chips"] == []


def test_what_others_select_is_one_chip(tell, session):
    tell("search", text="question 1")
    session.select(session.items["pair_id"][:30], label="ties", origin="elsewhere")
    assert tell.shown["table"]["chips"] == [{"kind": "given", "label": "ties", "n": 30, "saved": False}] and tell.shown["table"]["n"] == 30
    first = session.items["section"].iat[0]
    tell("filter", kind="section", value=first)
    assert session.selection.n == int((session.items["section"][:30] == first).sum())
    session.look_at(session.items["pair_id"].iat[3])  # no selection
    assert len(tell.shown["table"]["chips"]) == (2 if session.selection.label.startswith("ties, ") else 1)
    tell("drop", kind="given")
    assert session.selection.label == first


def test_saved_slices_are_in_the_menu_and_select_again(tell, session):
    tell("search", text="w350")
    n = session.selection.n
    assert 0 < n < len(session.items)
    tell("save_slice", name="ones")
    groups = {group["label"]: group["options"] for group in tell.shown["filters"]["groups"]}
    assert groups["Saved slice"] == [("ones", "ones", n)] and {name for name, _, _ in groups["Section"]} == {"Chat", "Safety"}
    assert {name for name, _, _ in groups["Outcome"]} == {"won", "lost"} and "Source" not in groups  # one source lets everything through
    assert sum(count for _, _, count in groups["Cluster"]) < len(session.items)
    tell("drop")
    tell("filter", kind="slice", value="ones")
    assert session.selection.n == n and tell.shown["table"]["chips"][0]["saved"]
    session.select("ones", kind="slice", origin="elsewhere")
    assert tell("hello")["table"]["chips"] == [{"kind": "slice", "label": "ones", "n": n, "saved": True}]
    tell("remove_slice", name="ones")
    assert not session.slices and tell.shown["table"]["chips"] == [{"kind": "slice", "label": "ones", "n": n, "saved": False}]
    assert session.selection.n == n
    tell("filter", kind="slice", value="twos")
    assert "twos" in tell.trouble["why"] and session.selection.n == n


def test_an_outcome_of_before_the_training_says_so(tell, session):
    tell("filter", kind="outcome", value="lost")
    mask = session.selection.mask
    retrained(session)
    assert tell("hello")["table"]["chips"][0]["label"] == "lost before" and session.selection.mask is mask
    outcomes = next(group for group in tell.shown["filters"]["groups"] if group["label"] == "Outcome")["options"]
    assert {name for name, _, _ in outcomes} == {"won", "lost", "flipped"}
    tell("filter", kind="outcome", value="flipped")
    won = [result.margins.mean(axis=0) > 0 for result in (session.baseline, session.candidate)]
    assert (session.selection.mask == (won[0] != won[1])).all()


# -- the primary item, and how little is sent ------------------------------------------------------------


def test_stepping_follows_the_table_within_the_selection(tell, session):
    tell("filter", kind="section", value="Safety")
    tell("sort", by="margin")
    order = [row[0] for row in tell.rows()]
    tell("step", by=1)
    assert session.selection.primary == order[0] and tell.shown["selection"]["at"] == 0
    tell("step", by=3)
    tell("step", by=-1)
    assert session.selection.primary == order[2]
    for by, wanted in ((10**6, order[-1]), (1, order[-1]), (-(10**6), order[0])):
        tell("step", by=by)
        assert session.selection.primary == wanted
    session.look_at(session.items["pair_id"][session.items["section"] == "Chat"].iat[0])
    tell("step", by=-1)
    assert session.selection.primary == order[-1]


def test_a_mark_is_its_prompts_first_row_then_the_next(tell, session):
    places = tell.panel.screen("explore").atlas.places()
    tell("sort", by="margin")
    mine = [row[0] for row in tell.rows() if places.of[Items.of(session).positions[row[0]]] == 5]
    seen = []
    for _ in range(len(mine) + 1):
        tell("mark", place=5)
        seen.append(session.selection.primary)
    assert seen == [*mine, mine[0]] and tell.shown["selection"]["place"] == 5
    tell("peek", place=5)
    assert tell.reply["peek"]["text"].startswith("Question ") and not tell("mark", place=10**6).get("nothing") and tell.trouble


def test_a_click_sends_little_and_a_selection_no_positions(tell, session):
    tell.until(lambda shown: not shown["accuracy"]["waits"])
    tell("look", item=session.items["pair_id"].iat[9])
    assert {name for name in tell.parts if name in ("head", *(f"explore.{n}" for n in tell.shown))} - {"explore.reader", "explore.why"} == {
        "head", "explore.selection"}
    revision = session.revision
    tell("search", text="question 2")
    assert session.revision == revision + 1 and not {"explore.map", "explore.paint", "explore.filters"} & set(tell.parts)
    tell("search", text="Question  2")
    assert session.revision == revision + 2  # other words in the label
    tell("search", text="Question 2")
    assert session.revision == revision + 2


def test_accuracy_of_what_is_selected(tell, session):
    tell("filter", kind="section", value="Safety")
    shown = tell.until(lambda shown: shown["accuracy"]["rows"] and not shown["accuracy"]["whole"])["accuracy"]
    table = session.selected_accuracy()
    assert shown["rows"][0]["value"] == pytest.approx(np.mean(session.baseline.margins[:, session.selection.mask] > 0))
    assert shown["families"] == table["families"].iat[0] and shown["rows"][0]["low"] == table["low"].iat[0]


# -- the map ----------------------------------------------------------------------------------------------


def test_the_map_has_dev_prompts_alone_and_says_what_it_leaves_out(tell, session, stored):
    tell("hello")
    shown, dev = tell.shown["map"], set(session.items["prompt_id"])
    here = stored.places[stored.places["prompt_id"].isin(dev)]
    assert shown["n"] == len(here) == len(dev) - 2 and shown["missing"] == 2 and shown["elsewhere"] == len(stored.places) - len(here)
    xy = np.frombuffer(tell.buffers[0], "<f4").reshape(-1, 2)
    places = tell.panel.screen("explore").atlas.places()
    np.testing.assert_array_equal(xy, here.set_index("prompt_id").loc[places.ids][["x", "y"]].to_numpy(np.float32))
    assert {one["name"] for one in shown["clusters"]} == {"small talk", "locks, keys"} and shown["agreement"] == 0.81
    grouped = np.frombuffer(tell.buffers[2], np.uint8)
    assert int((grouped == 0).sum()) == int((here["cluster"] < 0).sum()) > 0


def test_marks_wear_the_group_that_decides(session, stored, planted_study):
    info = {entry["name"]: dict(entry) for entry in planted_study.study.info["objectives"]}
    for name, group in (("safety", "Safety"), ("correctness", "Truth"), ("verbosity", "Raters")):
        info[name]["group"] = group
    study = Study({**planted_study.study.info, "objectives": list(info.values())}, planted_study.study.folder, planted_study.study.tables)
    told = Told(panels.explore(Session(study, session.baseline)))
    places, paint = told.panel.screen("explore").atlas.places(), told.shown["paint"]
    result = session.baseline
    sums = np.abs(result.weights.mean(axis=0) * (result.scores.values[:, 0] - result.scores.values[:, 1]))
    sums /= sums.sum(axis=1, keepdims=True)
    slots = dict(zip(("instruction", "helpful", "truth", "safety", "code", "form", "other"), range(7)))
    of = {"safety": "safety", "correctness": "truth", "helpfulness": "helpful", "verbosity": "other"}
    for prompt in range(0, len(places), 7):
        mean = np.mean([sums[i] for i in range(len(places.of)) if places.of[i] == prompt], axis=0)
        assert told.panel.screen("explore")  # the same screen
        assert _codes(told)[prompt] == slots[of[result.names[int(mean.argmax())]]]
    assert paint["by"] == "group" and sum(one["n"] for one in paint["legend"]) == len(places)
    told.panel.close()


def _codes(told: Told) -> np.ndarray:
    from workbench.panels.places import paint

    screen = told.panel.screen("explore")
    return np.frombuffer(paint(screen.atlas.places(), screen.items, screen.session.study)[1][0], np.uint8)


def test_before_training_marks_wear_sections_and_the_table_has_texts(planted_study, stored, monkeypatch):
    session = Session(planted_study.study)
    monkeypatch.setattr(Session, "start", lambda self, *, origin="": None)
    told = Told(panels.explore(session))
    assert told.shown["paint"]["by"] == "section" and {one["name"] for one in told.shown["paint"]["legend"]} == {"Chat", "Safety"}
    assert [key for key, _ in told.shown["table"]["columns"]] == ["item", "prompt", "section"]
    assert told.shown["accuracy"] == {"rows": [], "waits": False}
    told("search", text="safety")
    assert 0 < session.selection.n < len(session.items)
    told.panel.close()


def test_a_map_is_laid_out_while_everything_else_works(session, monkeypatch):
    keep_map(monkeypatch, None)
    begun, go, cancelled = threading.Event(), threading.Event(), []

    def project(study, *, progress, cancel):
        progress(0.25, 7.4, "neighbours")
        begun.set()
        for _ in range(2000):
            if go.is_set():
                break
            if cancel.wait(0.01):
                cancelled.append(True)
                raise WorkbenchError("the map was cancelled")
        return map_of(study)

    monkeypatch.setattr(importlib.import_module("workbench.panels.atlas"), "project", project)
    told = Told(panels.explore(session))
    assert told.shown["map"]["fact"] == "No map of these prompts yet." and told.shown["map"]["can"] and not told.shown["map"]["there"]
    told("lasso", bits([True] * 8))
    assert "Lay out the map first" in told.trouble["why"]
    told("lay", on=True)
    assert begun.wait(5) and told.until(lambda shown: shown["map"].get("lays") == {"percent": 25, "left": 8, "words": "neighbours"})
    told("search", text="question 3")  # waits for nobody
    assert session.selection.kind == "search"
    assert told.until(lambda shown: not shown["accuracy"]["waits"])["accuracy"]["n"] == session.selection.n
    told("lay", on=False)
    assert told.shown["map"]["can"] and "lays" not in told.shown["map"]
    begun.clear()
    told("lay", on=True)
    go.set()
    shown = told.until(lambda shown: shown["map"]["there"])
    assert shown["map"]["n"] == session.items["prompt_id"].nunique() and cancelled == [True]
    assert told("lasso", bits([True] * shown["map"]["n"])) and told.trouble is None
    told.panel.close()


def test_a_layout_that_fails_says_why_and_can_be_tried_again(session, monkeypatch):
    keep_map(monkeypatch, None)

    def project(study, *, progress, cancel):
        raise WorkbenchError("umap-learn is not installed", remedy="pip install umap-learn")

    monkeypatch.setattr(importlib.import_module("workbench.panels.atlas"), "project", project)
    told = Told(panels.explore(session))
    told("lay", on=True)
    shown = told.until(lambda shown: shown["map"].get("again"))["map"]
    assert shown["fact"] == "The map was not laid out." and "pip install umap-learn" in shown["why"]
    told.panel.close()


# -- texts ---------------------------------------------------------------------------------------------------


def test_hard_texts_are_lines_and_stay_what_they_are(planted_study, monkeypatch):
    study = worded(planted_study.study)
    session = Session(study)
    frame = Items.of(session).frame
    lines = dict(zip(frame["prompt_id"], frame["prompt"]))
    dev = study.prompts.query("split == 'dev'")["prompt_id"].tolist()[: len(HARD)]
    html, arabic, emoji, long, several, empty = (lines[name] for name in dev)
    assert html == HARD["html"] and arabic == HARD["arabic"] and emoji == HARD["emoji"]
    assert len(long) < 200 and long.endswith("…") and several == "First line of mine then another" and empty == ""
    found = Texts.of(study, session.items).holding("SCRIPT onerror")
    assert set(session.items["prompt_id"][found]) == {dev[0]}
    assert set(session.items["prompt_id"][Texts.of(study, session.items).holding("kilometre")]) == {dev[3]}


def test_a_line_that_families_share_is_left_out_of_the_line(planted_study):
    study = worded(planted_study.study)
    prompts = study.tables["prompts"]
    prompts["text"] = ["Answer in short.\n" + text for text in prompts["text"]]
    lines = Texts.of(study, Session(study).items).lines
    assert all(line.startswith("… ") and "Answer in short" not in line for line in lines if line != "Answer in short.")
    prompts["text"] = [f"{family}.\n{text}" for family, text in zip(prompts["family"], planted_study.study.prompts["text"])]
    assert not any(line.startswith("…") for line in Texts.of(study, Session(study).items).lines)  # a family's own line


def test_without_text_items_go_by_id(planted_study, baseline, monkeypatch):
    keep_map(monkeypatch, None)
    study = worded(planted_study.study, text=False)
    session = Session(study, baseline)
    told = Told(panels.explore(session))
    assert ["prompt", "Prompt id"] in told.shown["table"]["columns"] and not told.shown["table"]["text"]
    name = session.items["prompt_id"].iat[0]
    told("search", text=name.upper())
    assert set(session.items["prompt_id"][session.selection.mask]) == {name}
    told.panel.close()


def test_a_study_of_scores_has_no_map_and_says_why(monkeypatch):
    rng, rows = np.random.default_rng(0), []
    for pair in range(200):
        rows += [{"pair": f"q{pair}", "side": side, "objective": name, "score": float(rng.normal())} for side in ("chosen", "rejected")
                 for name in ("one",)]
    session = Session(Study.from_scores(pd.DataFrame(rows)))
    session.start().wait(60)
    told = Told(panels.explore(session))
    assert "this study has none" in told.shown["map"]["why"] and not told.shown["map"]["can"]
    columns = [key for key, _ in told.shown["table"]["columns"]]
    assert "decides" in columns and {row[columns.index("decides")][1] for row in told.rows()} == {"one"}
    told.panel.close()


def test_many_items_are_read_in_a_thread(session, stored, monkeypatch):
    monkeypatch.setattr(importlib.import_module("workbench.panels.explore"), "MANY", 10)
    slow, real = threading.Event(), Items.of.__func__
    monkeypatch.setattr(Items, "of", classmethod(lambda cls, session: (slow.wait(5), real(cls, session))[1]))
    told = Told(panels.explore(session))
    assert told.shown["table"] == {"waits": True, "of": len(session.items)} and "map" not in told.shown
    slow.set()
    assert told.until(lambda shown: "n" in shown["table"] and "map" in shown)["table"]["n"] == len(session.items)
    told.panel.close()


def test_a_screens_module_does_not_hide_the_function_of_its_name():
    for name in panels.__all__:
        importlib.import_module("workbench.panels." + {"Workbench": "workbench", "figures": "tray"}.get(name, name))
        assert callable(getattr(panels, name)), name


def test_pieces_are_one_of_a_kind():
    mask = np.array([True, False, True])
    whole = Narrowing().put(Piece("section", "a", mask)).put(Piece("lasso", "lasso", ~mask)).put(Piece("section", "b", ~mask))
    assert [(piece.kind, piece.label) for piece in whole.pieces] == [("lasso", "lasso"), ("section", "b")]
    assert whole.mask.tolist() == [False, True, False] and whole.label == "lasso, b" and whole.kind == "filter"
    assert whole.drop("section").kind == "lasso" and Narrowing().mask is None and Narrowing().kind == "all"


@pytest.mark.parametrize("message", [
    {"do": "sort", "by": "charm"}, {"do": "filter", "kind": "section", "value": "Law"}, {"do": "filter", "kind": "charm", "value": "x"},
    {"do": "mark", "place": "x"}, {"do": "search"}, {"do": "step", "by": None}, {"do": "lasso"}, {"do": "fly"}, {"do": "rows", "from": 0},
])
def test_a_message_that_makes_no_sense_changes_nothing_and_is_told(tell, session, message):
    before, revision = session.selection, session.revision
    tell(**message)
    assert tell.trouble["fact"] == "Nothing was changed." and session.selection is before and session.revision == revision
