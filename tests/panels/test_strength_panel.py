"""The Strength screen without a browser: cuts and treatments, what is counted, the suspects, and what a study may lack."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from workbench import panels
from workbench.errors import WorkbenchError
from workbench.evaluate.strength import StrengthTable
from workbench.panels import strength_view as view
from workbench.panels.cuts import Cuts
from workbench.preference.strength import Strength
from workbench.scenario.labels import LabelSpec
from workbench.session import Session
from workbench.study import Study


def table(n: int = 200, *, text: bool = True, truth: bool = True, seed: int = 0) -> StrengthTable:
    rng = np.random.default_rng(seed)
    members = rng.normal(0.3, 1, size=(n, 1)) + rng.normal(0, 0.3, size=(n, 10))
    pairs = pd.DataFrame({"pair_id": [f"c{i:03d}" for i in range(n)], "family": [f"f{i // 4}" for i in range(n)],
                          "section": np.where(np.arange(n) % 2, "Chat", "Safety")})
    known = pd.DataFrame({"gap": members.mean(axis=1) + rng.normal(0, 0.5, n)}) if truth else None
    return StrengthTable(pairs, Strength(members, 1.0, 5), rng.integers(5, 90, (n, 2)).astype(float) if text else None, known)


class Page:
    """A page with the Strength screen open; what is worked out in the background is waited for."""

    def __init__(self, session):
        self.panel = panels.strength(session)
        self.heard = []
        self.panel.send = lambda content, buffers=None: self.heard.append(content)
        self("hello")

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
def page(planted_study, baseline):
    found = Page(Session(planted_study.study, baseline))
    found.wait(lambda shown: "series" in shown.get("strength.agreement", {}) and "bands" in shown.get("strength.known", {}))
    yield found
    found.panel.close()


@pytest.fixture(autouse=True)
def fresh(request):
    """Labels as they stand, and no view of its own, before each test that has a page."""
    if "page" in request.fixturenames:
        found = request.getfixturevalue("page")
        found.panel.session.set_labels("hard")
        found.panel.session.remember("strength", cuts=None, labels=None, list="all", brush=None, pair=None)
        found.panel.screen("strength")._cut = None
        found("hello")
    yield


# -- cuts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [
    LabelSpec(kind="drop"), LabelSpec(kind="drop", drop_below=-0.2), LabelSpec(kind="flip", flip_share=0.05, drop_share=0.1),
    LabelSpec(kind="flip", flip_below=-0.5, drop_below=-0.2), LabelSpec(kind="soft"), LabelSpec(kind="margin"),
    LabelSpec(kind="soft+margin", drop_share=0.2), LabelSpec(kind="flip+margin", flip_below=-0.3),
    LabelSpec(kind="drop", drop_share=0.3, where=("Chat",)), "hard",
])
def test_a_treatment_becomes_cuts_and_comes_back(labels):
    assert Cuts.of(labels).labels == (LabelSpec(kind="drop") if labels == "hard" else labels)


@pytest.mark.parametrize("unit", ["value", "share"])
def test_dragging_counts_what_lies_below(unit):
    found = table()
    cuts = Cuts().to_unit(found, unit).at(found, "drop", 0.1).at(found, "flip", -0.4)
    flip, drop = cuts.masks(found)
    slack = 0 if unit == "value" else 1  # a share is rounded to a thousandth
    assert abs(flip.sum() - (found.mean < -0.4).sum()) <= slack and abs((flip | drop).sum() - (found.mean < 0.1).sum()) <= slack
    assert cuts.kind == "flip" and cuts.unit == unit
    assert np.allclose(cuts.handles(found), [-0.4, 0.1], atol=0.05)


def test_handles_do_not_cross_and_leave_at_the_left_end():
    found = table()
    cuts = Cuts(unit="value", drop=-0.2).at(found, "flip", 0.7)
    assert cuts.flip == -0.2 and cuts.drop is None and cuts.kind == "flip"
    assert cuts.at(found, "drop", -0.9).drop is None
    gone = cuts.at(found, "flip", -99)
    assert gone.flip is None and gone.labels == "hard"


def test_kinds_keep_the_cuts_they_know():
    both = Cuts("flip", -0.5, -0.2, "value")
    assert both.to_kind("drop").labels == LabelSpec(kind="drop", drop_below=-0.2)
    assert both.to_kind("soft").labels == LabelSpec(kind="soft", drop_below=-0.2)
    assert both.to_kind("flip+margin").labels == LabelSpec(kind="flip+margin", flip_below=-0.5, drop_below=-0.2)
    assert Cuts("drop", None, 0.1, "share").to_kind("flip").labels == LabelSpec(kind="flip", flip_share=0.1)
    assert Cuts("flip", 0.05, 0.1, "share").to_kind("drop").labels == LabelSpec(kind="drop", drop_share=0.15000000000000002)


def test_typed_cuts_are_held_to_sense():
    found, cuts = table(), Cuts("flip", 0.05, 0.1, "share")
    assert cuts.typed(found, "flip", None).labels == LabelSpec(kind="drop", drop_share=0.1)
    assert cuts.typed(found, "drop", 0).labels == LabelSpec(kind="flip", flip_share=0.05)
    for wrong in (0.95, -0.2, float("nan")):
        with pytest.raises(WorkbenchError, match="leaves nothing|no number"):
            cuts.typed(found, "drop", wrong)


def test_the_button_counts_by_hand():
    found = table()
    told = view.counted(found, Cuts("flip", -0.5, 0.0, "value"))
    flip, drop = (found.mean < -0.5).sum(), ((found.mean >= -0.5) & (found.mean < 0)).sum()
    assert told["counts"] == {"flip": flip, "drop": drop, "keep": len(found) - flip - drop}
    assert told["says"] == f"Flip {flip}, drop {drop}"
    assert view.counted(found, Cuts("soft", None, None))["says"] == f"Soften {len(found)}"


# -- numbers ---------------------------------------------------------------------------------------


def test_bars_hold_every_pair_and_have_an_edge_at_zero():
    found = table()
    told = view.histogram(found)
    assert sum(bar[2] for bar in told["bars"]) == len(found) and any(abs(bar[0]) < 1e-12 for bar in told["bars"])
    low, high, n, spread = max(told["bars"], key=lambda bar: bar[2])
    inside = (found.mean >= low) & (found.mean < high)
    assert n == inside.sum() and spread == pytest.approx(found.std[inside].mean())


def test_precision_is_the_share_of_wrong_labels():
    found = table(400)
    for row in view.precision(found):
        lowest = np.argsort(found.mean, kind="stable")[: round(row["share"] * 400)]
        assert row["value"] == pytest.approx((found.truth["gap"].to_numpy()[lowest] < 0).mean())
        assert row["low"] <= row["value"] <= row["high"]
    assert view.precision(table(truth=False)) == []


def test_true_ties_count_as_half_and_are_counted():
    found = table(400)
    found.truth.loc[:99, "gap"] = 0.0
    lowest = np.argsort(found.mean, kind="stable")[:40]
    gap = found.truth["gap"].to_numpy()[lowest]
    row = next(row for row in view.precision(found) if row["share"] == 0.1)
    assert row["value"] == pytest.approx(np.mean([1.0 if one < 0 else 0.5 if one == 0 else 0.0 for one in gap])) and (gap == 0).any()
    assert view.about(found)["ties"] == 100 and view.about(table(truth=False))["ties"] == 0


def test_length_is_said_with_its_interval_or_not_at_all():
    found = table(400)
    longer = found.lengthening
    mask = longer < np.quantile(longer, 0.3)
    words = "".join(view.length_words(found, mask))
    assert "shorter answers" in words and "a flip teaches longer answers" in words and "[\u2212" in words
    assert "no detectable difference" in "".join(view.length_words(found, np.arange(400) % 3 == 0))
    for most, words in ((40, "fewer than 20 families, no verdict: "), (16, "fewer than 6 families.")):
        assert words in "".join(view.length_words(found, np.arange(400) < most))
    assert view.length_words(found, np.zeros(400, bool)) == [] == view.length_words(table(text=False), mask[:200])


# -- the screen ------------------------------------------------------------------------------------


def test_flips_and_drops_become_an_edit_of_the_draft(page):
    session, before = page.panel.session, page.panel.session.revision
    page("unit", value="value")
    page("cut", which="drop", value=0.05, done=True)
    page("cut", which="flip", value=-0.6, done=False)
    assert session.revision == before  # nothing is edited while it is dragged
    shown = page.panel.shown["strength.bands"]
    assert shown["counts"]["flip"] and shown["counts"]["drop"] and not shown["applied"] and shown["says"].startswith("Flip ")
    page("apply")
    assert session.draft.labels == LabelSpec(kind="flip", flip_below=-0.6, drop_below=0.05) and session.revision == before + 1
    assert page.panel.shown["strength.bands"]["applied"] and page.panel.shown["strength.bands"]["retrain"]["wanted"]
    session.undo()
    assert page.panel.shown["strength.bands"]["treated"] is False


def test_an_edit_made_elsewhere_moves_the_handles(page):
    page.panel.session.set_labels({"kind": "flip", "flip_share": 0.05, "drop_share": 0.1})
    shown = page.panel.shown["strength.bands"]
    assert shown["applied"] and shown["fields"] == [5.0, 10.0] and shown["unit"] == "share" and shown["kind"] == "flip"


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


def test_a_study_without_features_says_what_to_do():
    rows = [{"pair": f"c{i}", "side": side, "objective": name, "score": (i * 7 + k) % 5} for i in range(60)
            for k, side in enumerate(("chosen", "rejected")) for name in ("helpful", "brief")]
    study = Study.from_scores(pd.DataFrame(rows))
    page = Page(Session(study))
    lacking = page.panel.shown["strength"]["lacking"]
    assert "needs features" in lacking["fact"] and "workbench extract" in lacking["why"]
    page.panel.close()
