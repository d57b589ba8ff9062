"""The Compare screen without a browser: rows, the list of what broke, which edit did it, and states."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from explored import scale_of
from planted import SMALL

from workbench import panels
from workbench.scenario.compare import compare, seed_differences
from workbench.session import Session


@pytest.fixture(scope="module")
def changed(planted_study, baseline):
    """A session whose candidate differs by two edits."""
    session = Session(planted_study.study, baseline)
    session.set_objective("helpfulness", on=False).set_multiplier("safety", 3.0)
    session.retrain(seeds=SMALL.seeds).wait(120)
    return session


class Page:
    def __init__(self, session: Session):
        self.panel, self.seq = panels.compare(session), 0
        self.panel.send = lambda *_, **__: None
        self("hello")

    def __call__(self, do: str, **values):
        self.seq += 1
        reply = self.panel.handle({"do": do, "screen": "compare", "view": "page", "seq": self.seq, **values})
        json.dumps(self.panel.shown, allow_nan=False)
        return reply

    def __getitem__(self, part: str) -> dict:
        return self.panel.shown[part]


@pytest.fixture
def page(changed):
    page = Page(changed)
    yield page
    page.panel.close()


def test_without_a_candidate_it_says_what_to_do(session):
    page = Page(session)
    assert page["compare"]["comparison"] is None and page["compare"]["waiting"]["lead"] == ["No candidate yet."]
    assert page["compare.flips"] == {"n": None} and page["compare.blame"] == {"state": "none"}
    page.panel.close()


def test_rows_are_those_of_compare_with_each_seed_beside(page, changed):
    table, rows = compare(changed.baseline, changed.candidate), page["compare"]["comparison"]["rows"]
    assert [row["slice"] for row in rows] == table["slice"].tolist()
    assert [row["difference"] for row in rows] == pytest.approx(table["difference"].tolist(), nan_ok=True)
    apart = seed_differences(changed.baseline, changed.candidate)
    for row in rows:
        mask = np.ones(len(changed.items), bool) if row["slice"] == "All pairs" else (changed.items["section"] == row["slice"]).to_numpy()
        slow = [np.mean([(a > 0) * 1.0 - (b > 0) * 1.0 for a, b in zip(after[mask], before[mask])])
                for before, after in zip(changed.baseline.margins, changed.candidate.margins)]
        assert apart[row["slice"]] == pytest.approx(slow) and row["seeds"] == pytest.approx(slow, abs=1e-5)


def test_holm_counts_only_what_was_tested(page, changed):
    table = compare(changed.baseline, changed.candidate)
    tested = int((table["p_holm"].notna() & (table["slice"] != "All pairs")).sum())
    assert page["compare"]["comparison"]["holm"] == (f"p: Holm over {tested}" if tested > 1 else "")


def test_the_list_holds_every_broken_pair_worst_first_and_the_counts_agree(page, changed):
    before, after = (result.margin.astype(float) / scale_of(result) for result in (changed.baseline, changed.candidate))
    broken = [i for i in range(len(before)) if before[i] > 0 >= after[i]]
    flips = page["compare.flips"]
    assert flips["counts"]["broken"] == flips["n"] == len(broken)
    assert flips["counts"]["fixed"] == sum(before[i] <= 0 < after[i] for i in range(len(before)))
    wanted = sorted(broken, key=lambda i: after[i] - before[i])
    rows = page("rows", **{"from": 0, "to": 10_000})["flips"]["rows"]
    assert [row[0] for row in rows] == [changed.items["pair_id"].iloc[i] for i in wanted][:len(rows)]
    assert len(rows) == min(len(broken), 400) and rows[0][4] == pytest.approx(after[wanted[0]] - before[wanted[0]], abs=1e-6)
    page("list", value="fixed")
    fixed = page["compare.flips"]["block"]["rows"]
    assert [row[4] for row in fixed] == sorted((row[4] for row in fixed), reverse=True) and all(row[3] > 0 >= row[2] for row in fixed)
    page("list", value="broken")


def test_a_list_becomes_a_slice_that_the_forest_shows_without_a_test(page, changed):
    said = page("slice")["said"]
    name = list(changed.slices)[-1]
    assert name in said and len(changed.slices[name].ids) == page["compare.flips"]["n"]
    row = next(row for row in page["compare"]["comparison"]["rows"] if row["slice"] == name)
    assert row["exploratory"] and row["tone"] is None and ", p" not in row["numbers"]
    page("remove_slice", name=name)
    page("select", which=None)


def test_the_noise_floor_is_measured_once_and_becomes_the_last_row(page, changed):
    assert page["compare"]["measure"]["state"] == "none" and page["compare"]["comparison"]["noise"] is None
    page("noise")
    changed.job.wait(120)
    page("hello")
    floor = page["compare"]["comparison"]["noise"]
    assert floor["slice"] == "Noise floor" and floor["low"] <= floor["high"] and "p" not in floor["numbers"]
    assert page["compare"]["measure"]["state"] == "measured"
    table = changed.comparison().set_index("slice")
    for row in page["compare"]["comparison"]["rows"]:  # each slice has its own
        known = table.loc[row["slice"], ["noise_low", "noise_high"]].tolist()
        assert row["floor"] is None if np.isnan(known).any() else row["floor"] == pytest.approx(known)


def test_which_edit_did_it(page, changed):
    asked = page["compare.blame"]
    assert asked["state"] == "asked" and asked["edits"] == 2 and asked["runs"] <= 4
    page("blame", on=True)
    end = time.monotonic() + 100
    while page["compare.blame"]["state"] != "told" and time.monotonic() < end:
        time.sleep(0.1)
        page("hello")
    told = page["compare.blame"]
    page("blame", on=False)
    assert page["compare.blame"]["state"] == "asked"
    assert [row["edit"] for row in told["rows"]] == ["no helpfulness", "safety ×3", "both together, beyond the sum"]
    change = float((changed.candidate.margins > 0).mean() - (changed.baseline.margins > 0).mean())
    assert sum(row["numbers"][0] for row in told["rows"]) == pytest.approx(change)


def test_a_change_too_small_to_flip_anything_has_an_empty_list(planted_study, baseline):
    session = Session(planted_study.study, baseline)
    session.set_multiplier("safety", 1.0 + 1e-12)
    session.retrain(seeds=SMALL.seeds).wait(120)
    page = Page(session)
    whole = page["compare"]["comparison"]["rows"][0]
    assert whole["difference"] == 0 and whole["tone"] is None and page["compare.flips"]["n"] == 0
    assert page["compare.flips"]["foot"].startswith("0 fixed, 0 broken") and page("slice") is None
    assert page["compare.blame"] == {"state": "none"}
    page.panel.close()
