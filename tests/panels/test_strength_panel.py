"""The Strength screen without a browser: treatments, the suspects, verdicts, sources of strength, and what a study may lack."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from strengths import table

from workbench import panels
from workbench.errors import WorkbenchError
from workbench.evaluate.inference import wilson
from workbench.evaluate.strength import StrengthTable
from workbench.panels import learns, verdicts
from workbench.scenario.labels import LabelSpec
from workbench.scenario.recipe import GateSpec, Scenario
from workbench.session import Session
from workbench.session.verdicts import Verdicts
from workbench.study import Study


class Page:
    """A page with the Strength screen open; what is worked out in the background is waited for."""

    def __init__(self, session, folder=None):
        self.panel = panels.strength(session)
        self.heard, self.arrays = [], {}
        self.panel.send = self.hear
        if folder is not None:
            screen = self.panel.screen("strength")
            screen.verdicts = replace(screen.verdicts, paths=(folder / "verdicts.jsonl",))
        self("hello")

    def hear(self, content, buffers=None):
        self.heard.append(content)
        assert json.dumps(content, allow_nan=False)
        for part in content.get("parts", ()):
            first, n = part["buffers"]
            self.arrays[part["name"]] = [bytes(one) for one in (buffers or [])[first : first + n]]

    def __call__(self, do: str, **values):
        reply = self.panel.handle({"do": do, "screen": "strength", "view": "page", "seq": 1, **values})
        return reply

    @property
    def trouble(self):
        return self.heard[-1]["trouble"]

    def wait(self, ready, limit: float = 60):
        end = time.monotonic() + limit
        while not ready(self.panel.shown):
            assert time.monotonic() < end, self.panel.shown.get("strength")
            time.sleep(0.02)
        return self.panel.shown


@pytest.fixture(scope="module")
def page(planted_study, baseline, tmp_path_factory):
    found = Page(Session(planted_study.study, baseline), tmp_path_factory.mktemp("verdicts"))
    found.wait(lambda shown: "series" in shown.get("strength.agreement", {}) and "bands" in shown.get("strength.known", {}))
    yield found
    found.panel.close()


@pytest.fixture(autouse=True)
def fresh(request):
    """Labels as they stand, and no view of its own, before each test that has a page."""
    if "page" in request.fixturenames:
        found = request.getfixturevalue("page")
        found.panel.session.set_labels("hard")
        found.panel.session.remember("strength", cuts=None, labels=None, list="all", brush=None, spread=None, pair=None, picture="bars")
        found.panel.screen("strength").treat.forget()
        found.panel.screen("strength").verdicts.path.unlink(missing_ok=True)
        found("hello")
    yield


# -- verdicts --------------------------------------------------------------------------------------


def judged(found: StrengthTable, folder, words: dict[int, str]) -> Verdicts:
    kept = Verdicts("small", frozenset(found.pairs["pair_id"]), (folder / "verdicts.jsonl",))
    for at, word in words.items():
        kept.give(found.pairs["pair_id"].iloc[at], word)
    return kept


def test_verdicts_add_up_among_the_weakest(tmp_path):
    found = table(400)
    order = np.argsort(found.mean, kind="stable")
    apart = [at for at in order if at % 4 == 0][:30]  # each of a family of its own
    words = {int(at): ("wrong", "right", "tie", "wrong", "unclear")[k % 5] for k, at in enumerate(apart)}
    told = verdicts.told(judged(found, tmp_path, words), found, {})
    assert told["n"] == 30 and told["by"] == {"right": 6, "wrong": 12, "tie": 6, "unclear": 6}
    for row in told["lowest"]:
        inside = set(order[: round(row["share"] * 400)])
        said = [words[at] for at in apart if at in inside and words[at] in ("right", "wrong")]
        assert row["n"] == len(said) and row["wrong"] == said.count("wrong") and row["judged"] == sum(at in inside for at in apart)
        if len(said) >= 6:
            hits = np.array([word == "wrong" for word in said])
            assert row["value"] == hits.mean() and (row["low"], row["high"]) == wilson(hits, np.arange(len(said)))
        else:
            assert row["value"] is None and row["words"] == "fewer than 6 families"
    assert told["hand"] == {"flip": 12, "drop": 6, "on": 0, "applied": False}


def test_several_pairs_of_a_family_are_resampled_by_family(tmp_path):
    found = table(400)
    order = np.argsort(found.mean, kind="stable")[:80]
    told = verdicts.told(judged(found, tmp_path, {int(at): ("wrong", "right")[k % 3 == 0] for k, at in enumerate(order)}), found, {})
    row = told["lowest"][-1]
    assert row["families"] < row["n"] == 80 and row["low"] < row["value"] < row["high"]
    narrow = wilson(np.arange(80) % 3 > 0, np.arange(80))
    assert (row["low"], row["high"]) != narrow


def test_a_label_is_judged_with_a_note_and_taken_back(page, tmp_path, monkeypatch):
    pair = page.panel.shown["strength.suspects"]["block"]["rows"][1][0]
    page("note", pair=pair, note="too early")
    assert "there is none yet" in page.trouble["why"]
    page("judge", pair=pair, verdict="wrong")
    page("note", pair=pair, note="  asked for\n two ")
    assert page.panel.shown["strength.verdicts"]["of"] == {pair: ["wrong", "asked for two"]}
    page.heard.clear()
    page("judge", pair=pair, verdict="tie")
    sent = [part["name"] for content in page.heard for part in content["parts"]]
    assert sent == ["strength.verdicts"], "the list is not sent again"
    assert page.panel.shown["strength.verdicts"]["of"] == {pair: ["tie", "asked for two"]}
    page("list", of="judged")
    assert [row[0] for row in page.panel.shown["strength.suspects"]["block"]["rows"]] == [pair]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    said = page("verdicts", kind="csv")["said"]
    assert said == "Saved figures/planted-verdicts.csv." and pair in (tmp_path / "figures" / "planted-verdicts.csv").read_text()
    page("judge", pair=pair, verdict="tie")
    assert page.panel.shown["strength.verdicts"]["n"] == 0 and page.panel.shown["strength.suspects"]["n"] == 0
    page("verdicts", kind="jsonl")
    assert "no verdict yet" in page.trouble["why"]
    page("judge", pair="c99999", verdict="tie")
    assert "no pair" in page.trouble["why"]


def test_verdicts_become_an_edit_and_are_taken_out(page):
    session, rows = page.panel.session, page.panel.shown["strength.suspects"]["block"]["rows"]
    page("apply")
    for row, verdict in zip(rows, ("wrong", "tie", "right", "unclear")):
        page("judge", pair=row[0], verdict=verdict)
    assert page.panel.shown["strength.verdicts"]["hand"] == {"flip": 1, "drop": 1, "on": 0, "applied": False}
    page("hand", on=True)
    assert session.draft.labels == LabelSpec(kind="drop", hand={rows[0][0]: "flip", rows[1][0]: "drop"})
    assert page.panel.shown["strength.verdicts"]["hand"]["applied"] and page.panel.shown["strength.bands"]["applied"]
    page("kind", value="soft")
    page("apply")
    assert session.draft.labels.kind == "soft" and dict(session.draft.labels.hand) == {rows[0][0]: "flip", rows[1][0]: "drop"}
    page("hand", on=False)
    assert session.draft.labels == LabelSpec(kind="soft", drop_share=0.1) and page.panel.shown["strength.verdicts"]["hand"]["on"] == 0


# -- where strength comes from ---------------------------------------------------------------------


def test_strength_from_elsewhere_is_fitted_while_the_last_is_shown(page):
    before = page.panel.screen("strength")._fitted()[0]
    page("unit", value="value")
    page("source", value="subspace")
    told = page.panel.shown["strength.source"]
    assert told["value"] == "subspace" and page.panel.shown["strength.bands"]["unit"] == "share", "values are on another scale there"
    shown = page.wait(lambda shown: shown["strength.source"]["waits"] is None)
    now = page.panel.screen("strength")._fitted()[0]
    assert now is not before and shown["strength.bands"]["words"].endswith("(strength: 10 subspace heads, 5 folds)")
    page("apply")
    assert page.panel.session.draft.labels == LabelSpec(kind="drop", strength="subspace")
    page("folds", on=False)
    assert "In-sample" in page.panel.shown["strength.source"]["warns"]
    page("stay")
    assert page.panel.shown["strength.source"]["crossed"] and page.panel.screen("strength")._fitted()[0] is now
    page("source", value="ratings")
    shown = page.wait(lambda shown: shown["strength.source"]["waits"] is None)
    assert shown["strength"]["members"] == 1 and "ratings" in shown["strength"]["who"]
    lacking = len(page.panel.session.study.split_pairs("train")) - shown["strength"]["n"]
    assert lacking > 0 and f"drop {lacking} without ratings" in shown["strength.bands"]["says"]
    page.wait(lambda shown: "series" in shown["strength.agreement"])
    page("picture", value="points")
    assert "one member" in page.panel.shown["strength.points"]["lacking"]["fact"]


def test_a_source_that_is_not_there_is_told_and_the_picture_stays(page):
    page.panel.session.set_labels({"kind": "drop", "strength": {"source": "scores", "columns": ["no such"]}})
    shown = page.wait(lambda shown: shown["strength.source"]["error"])
    assert "no such" in shown["strength.source"]["error"]["fact"] and "waits" in shown["strength"] and shown["strength"]["n"]
    page("apply")
    assert "no such" in page.trouble["why"]
    page("stay")
    assert page.panel.shown["strength.source"]["error"] is None
    page("source", value="scores")
    assert "One of bootstrap" in page.trouble["why"]


def test_noise_is_part_of_the_treatment(page):
    page("noise", rate=20, follows="chance")
    page.wait(lambda shown: shown["strength.source"]["waits"] is None)
    assert page.panel.shown["strength.bands"]["says"].startswith("Turn 20 % round, drop ")
    page("apply")
    assert page.panel.session.draft.labels == LabelSpec(kind="drop", noise={"rate": 0.2})
    for wrong in ({"rate": 150, "follows": "chance"}, {"rate": 20, "follows": "mood"}):
        page("noise", **wrong)
        assert page.trouble
    page("noise", rate=0, follows="chance")
    assert page.panel.shown["strength.source"]["noise"] is None


@pytest.mark.parametrize("value", list(learns.WORDS))
def test_which_reward_is_trained(planted_study, value):
    study, first = planted_study.study, Scenario()
    other = first.child(gate=learns.wanted(study, first, first, "swav differences"))
    draft = other.child(gate=learns.wanted(study, other, first, value))
    assert learns.told(study, draft, first)["value"] == value and (draft.gate == first.gate) == (value == "gate")
    if value == "bradley-terry":
        assert draft.gate == GateSpec(kind="bradley-terry")


def test_a_choice_of_reward_is_an_edit(page):
    page("learns", value="meta 2")
    assert page.panel.session.draft.gate.meta.order == 2 and page.panel.shown["strength.learns"]["edited"]
    page("learns", value="mood")
    assert "One of gate" in page.trouble["why"]
    page("learns", value="gate")
    assert page.panel.session.draft.gate == page.panel.session.baseline_scenario.gate


# -- the screen ------------------------------------------------------------------------------------


def test_flips_and_drops_become_an_edit_of_the_draft(page):
    session, before = page.panel.session, page.panel.session.revision
    page("unit", value="value")
    page("cut", which="drop", value=0.05, done=True)
    page("cut", which="flip", value=-0.6, done=False)
    assert session.revision == before  # nothing is edited while it is dragged
    shown = page.panel.shown["strength.bands"]
    assert shown["regions"][0][1] and shown["regions"][1][1] and not shown["applied"] and shown["says"].startswith("Flip ")
    page("apply")
    assert session.draft.labels == LabelSpec(kind="flip", flip_below=-0.6, drop_below=0.05) and session.revision == before + 1
    assert page.panel.shown["strength.bands"]["applied"] and page.panel.shown["strength.bands"]["retrain"]["wanted"]
    session.undo()
    assert page.panel.shown["strength.bands"]["treated"] is False


def test_an_edit_made_elsewhere_moves_the_handles(page):
    page.panel.session.set_labels({"kind": "flip", "flip_share": 0.05, "drop_share": 0.1})
    shown = page.panel.shown["strength.bands"]
    assert shown["applied"] and [one[2] for one in shown["fields"]] == [5.0, 10.0] and shown["unit"] == "share" and shown["kind"] == "flip"


def test_brushed_suspects_are_those_in_between(page):
    train, _, found = page.panel.screen("strength")._fitted()
    page("list", of="brush", ends=[0.1, -0.5])
    shown = page.panel.shown["strength.suspects"]
    assert "lacking" not in shown, shown
    inside = (train.mean >= -0.5) & (train.mean < 0.1)
    assert shown["n"] == inside.sum() and shown["ends"] == (-0.5, 0.1)
    means = [row[4] for row in shown["block"]["rows"]]
    assert means == sorted(means) and means[0] == pytest.approx(train.mean[inside].min())
    again = page("rows", **{"from": 40, "to": 45}, stamp=shown["stamp"])["suspects"]
    order = np.flatnonzero(inside)[np.argsort(train.mean[inside], kind="stable")]
    assert [row[0] for row in again["rows"]] == train.pairs["pair_id"].iloc[order[40:45]].tolist()


def test_a_box_narrows_by_mean_and_spread(page):
    train = page.panel.screen("strength")._fitted()[0]
    middle = float(np.median(train.std))
    page("picture", value="points")
    assert np.allclose(np.frombuffer(page.arrays["strength.points"][0], "<f4"), train.mean)
    page("list", of="brush", ends=[-0.5, 0.5], spread=[middle, 9])
    inside = (np.abs(train.mean) <= 0.5) & (train.std >= middle)
    assert page.panel.shown["strength.suspects"]["n"] == inside.sum() and page.panel.shown["strength.suspects"]["spread"] == (middle, 9.0)
    at = int(np.flatnonzero(inside)[3])
    assert page("peek", place=at)["peek"]["text"].startswith("Question ")
    page("read", place=at)
    assert page.panel.shown["strength.pair"]["pair"] == train.pairs["pair_id"].iloc[at]
    page("read", place=10**6)
    assert "no mark" in page.trouble["why"]


def test_a_click_reads_the_pair(page, planted_study):
    first = page.panel.shown["strength.suspects"]["block"]["rows"][0]
    page("read", pair=first[0])
    told, study = page.panel.shown["strength.pair"], planted_study.study
    row = study.table("pairs").set_index("pair_id").loc[first[0]]
    texts = study.table("responses").set_index("response_id")["text"]
    said = lambda side: "".join(piece for piece, _ in told["text"][side])  # noqa: E731
    assert said("chosen") == texts[row["chosen"]] and said("rejected") == texts[row["rejected"]]
    assert page.panel.shown["strength.chosen"]["at"] == 0 and told["against"] == sum(vote < 0 for vote in told["votes"])
    page("walk", by=1)
    assert page.panel.shown["strength.chosen"]["at"] == 1
    page("read", pair="no such pair")
    assert "no such pair" in page.trouble["why"]


def test_the_gate_judges_dev_and_a_click_sends_little(page):
    shown = page.panel.shown["strength.agreement"]
    assert shown["dev"] == len(page.panel.session.items) and set(shown["series"]) == {"base"}
    page.heard.clear()
    page("unit", value="value")
    sent = [part["name"] for content in page.heard for part in content["parts"]]
    assert "strength.histogram" not in sent and "strength.agreement" not in sent and "strength.pair" not in sent


def test_everything_dropped_is_refused(page):
    page("unit", value="value")
    page("cut", which="drop", value=99, done=True)
    page("apply")
    assert "every pair would be dropped" in page.trouble["why"] and page.panel.session.draft.labels == "hard"


def test_the_figure_has_the_cuts_on_screen(page):
    page("unit", value="value")
    page("cut", which="drop", value=-0.1, done=True)
    assert page.panel.screen("strength").figure() == ("strength", {"drop_below": -0.1})
    page("kind", value="keep")
    assert page.panel.screen("strength").figure() == ("strength", {})
    page("matched", on=True)
    page.wait(lambda shown: shown["strength.source"]["waits"] is None)
    with pytest.raises(WorkbenchError, match="as the retrained labels have it"):
        page.panel.screen("strength").figure()


def test_a_study_without_features_says_what_to_do():
    rows = [{"pair": f"c{i}", "side": side, "objective": name, "score": (i * 7 + k) % 5} for i in range(60)
            for k, side in enumerate(("chosen", "rejected")) for name in ("helpful", "brief")]
    study = Study.from_scores(pd.DataFrame(rows))
    page = Page(Session(study))
    lacking = page.panel.shown["strength"]["lacking"]
    assert "needs features" in lacking["fact"] and "workbench extract" in lacking["why"]
    page.panel.close()
