"""The reader and the decomposition below Explore, without a browser: parts that add up, texts whole, edits scored."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from explored import HARD, scale_of
from lettered import Lettered, lettered
from planted import SMALL

from workbench import panels
from workbench.panels import edit_text, item_text, reader
from workbench.panels.edit_text import WAITS
from workbench.panels.item_text import FIRST
from workbench.scenario.edited import rescore
from workbench.session import Session
from workbench.study import Study

PLAIN = {"kind": "global"}


def told(session: Session):
    """A panel, and a function that sends it what a page sends and gives back what is shown."""
    panel = panels.explore(session)

    def tell(do: str, **values) -> dict:
        panel.handle({"do": do, "screen": "explore", "view": "page", "seq": 1, **values})
        return {name.removeprefix("explore."): data for name, data in panel.shown.items()} | {"trouble": panel._trouble}

    tell("hello")
    return tell


def scores_study(objectives: int, pairs: int = 60) -> Study:
    rng = np.random.default_rng(objectives)
    table = pd.DataFrame([(f"c{i}", side, f"objective {k}", rng.normal(0.4 * (side == "chosen")))
                          for i in range(pairs) for side in ("chosen", "rejected") for k in range(objectives)],
                         columns=["pair", "side", "objective", "score"])
    return Study.from_scores(table)


@pytest.fixture
def candidate(session):
    """With a candidate that has fewer objectives, a multiplier, a column in another's place, and a debias against it."""
    session.set_objective("correctness", on=False).set_multiplier("safety", 1.5).set_swap("helpfulness", "n_words")
    session.set_debias("verbosity").set_gate(**PLAIN)
    session.retrain().wait(60)
    return session


def added(data: dict) -> float:
    """What the page draws, one after the other."""
    for _, _, weight, gap, part in data["rows"]:
        assert part == pytest.approx(weight * gap, abs=1e-12)
    return sum(row[4] for row in data["rows"]) + (data["others"][1] if data["others"] else 0.0)


# -- why this margin ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["weights", "coefficients"])
@pytest.mark.parametrize("which", ["candidate", "baseline"])
def test_what_is_shown_adds_up_to_the_margin(candidate, which, how, monkeypatch):
    tell = told(candidate)
    margins = {name: result.margin / scale_of(result) for name, result in
               (("candidate", candidate.candidate), ("baseline", candidate.baseline))}
    tell("why", why=which, how=how)
    for at in range(0, len(candidate.items), 9):
        monkeypatch.setattr(reader, "ROWS", at % 2)  # the rest goes into the others
        data = tell("look", item=candidate.items["pair_id"].iat[at])["why"]
        assert added(data) == pytest.approx(margins[which][at], abs=1e-6) and data["margin"] == pytest.approx(margins[which][at], abs=1e-6)
        assert data["which"] == which and data["both"] and data["signed"] == (which == "candidate")
        assert data["ring"] == (pytest.approx(margins["baseline"][at], abs=1e-6) if which == "candidate" else None)
        names = {row[0] for row in data["rows"]}
        assert (data["others"] or [0])[0] + len(names) == (3 - (how == "weights") if which == "candidate" else 4)
        assert data["null"] == (["verbosity"] if (which, how) == ("candidate", "weights") else []) and not names & set(data["null"])


def test_the_certificate_is_that_of_the_table(candidate):
    tell, table = told(candidate), candidate.candidate.certificates()
    ends = candidate.candidate.margins / scale_of(candidate.candidate)
    assert (table["penalty"].iloc[::7] < 0).any() and (table["penalty"].iloc[::7] > 0).any()
    assert table["mass"].iloc[::7].isna().any() and table["mass"].iloc[::7].notna().any()
    for at in range(0, len(table), 7):
        data, row = tell("look", item=candidate.items["pair_id"].iat[at])["why"], table.iloc[at]
        if np.isnan(row["mass"]):
            assert data["mass"][1] == "every objective prefers the same answer"
        else:
            assert data["mass"][1] == "Would flip at" and data["mass"][2].split(" of ")[0].strip() == written(row["mass"])
        told_factor = [] if row["penalty"] < 0 else ["", "Would flip at", f" {written(row['penalty'])} × the debias penalties."]
        assert data["penalty"] == told_factor
        assert data["seeds"] == pytest.approx([ends[:, at].min(), ends[:, at].max()], abs=1e-6)


def written(number: float) -> str:
    return f"{number:.2f}" if number >= 0.01 else f"{number:.3f}"


def test_small_numbers_of_a_certificate_have_three_digits():
    said = {0.5: "0.50", 0.0100: "0.01", 0.0042: "0.004", 0.0005: "0.001", 0.0004: "less than 0.001", 3.456: "3.46"}
    assert {number: reader._small(number) for number in said} == said


@pytest.mark.parametrize("objectives", [1, 7, 8, 100])
def test_few_and_many_objectives_of_a_study_without_text(objectives):
    study = scores_study(objectives)
    session = Session(study, SMALL.child(gate=PLAIN))
    session.start().wait(60)
    tell, item = told(session), session.items.iloc[4]
    shown = tell("look", item=item["pair_id"])
    rows, others = shown["why"]["rows"], shown["why"]["others"]
    assert (len(rows), others and others[0]) == {1: (1, None), 7: (7, None), 8: (6, 2), 100: (6, 94)}[objectives]
    assert added(shown["why"]) == pytest.approx(session.baseline.margin[4] / scale_of(session.baseline), abs=1e-6)
    assert [abs(row[4]) for row in rows] == sorted((abs(row[4]) for row in rows), reverse=True)
    read = shown["reader"]
    assert read["text"] is False and read["ids"] == {"chosen": item["chosen"], "rejected": item["rejected"]} and "prompt" not in read
    assert shown["edit"] == {"item": None, "why": "This study has no texts to edit."}
    assert "no texts to edit" in tell("edit")["trouble"]["why"]


def test_a_head_without_objectives_has_no_parts(session):
    session.set_gate(kind="bradley-terry", steps=20)
    session.retrain().wait(60)
    shown = told(session)("look", item=session.items["pair_id"].iat[3])
    assert shown["why"]["rows"] is None and "has no objectives" in shown["why"]["why"]
    assert shown["why"]["margin"] == session.candidate.margin[3]
    chosen, rejected = shown["reader"]["rewards"]["cand"]
    assert chosen - rejected == pytest.approx(session.candidate.margin[3], abs=2e-6)


def test_nothing_looked_at_and_nothing_trained(planted_study, session):
    shown = told(session)("sort", by="margin")
    assert shown["reader"] == {"item": None} and shown["why"] == {"rows": None, "why": ""} and shown["edit"]["item"] is None
    fresh = Session(planted_study.study, SMALL.child(gate=PLAIN))
    fresh.look_at(fresh.items["pair_id"].iat[0])
    assert reader.describe_margin(fresh, fresh.selection.primary, "candidate", "weights") == {"rows": None, "why": WAITS}
    read = reader.describe_item(fresh, fresh.selection.primary, False)
    assert read["rewards"] == {"base": None, "cand": None} and read["chosen"]["runs"] and edit_text.lacking(fresh) == WAITS


# -- texts ---------------------------------------------------------------------------------------------


@pytest.fixture
def hard(session, baseline):
    """Answers that are hard to show: the first items have one of them and another one."""
    study, texts = session.study, [*HARD.values()]
    responses, ids = study.table("responses").set_index("response_id"), session.items.iloc[::7][: len(texts)]
    responses.loc[ids["chosen"], "text"] = texts
    responses.loc[ids["rejected"], "text"] = ["the same end " + text[:40] for text in texts]
    names = ("prompts", "pairs", "splits", "ratings")
    found = replace(study, tables={name: study.table(name) for name in names} | {"responses": responses.reset_index()})
    return Session(found, baseline), ids, responses["text"]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("spans", [[(0, 1), (2, 3)], [(1, 4)], [], [(3, 9), (10, 11)], [(0, 12)]])
def test_runs_mark_every_character_of_the_spans(spans, whole, monkeypatch):
    monkeypatch.setattr(item_text, "FIRST", 8)
    text, found = "a-b cde fghi", item_text.runs("a-b cde fghi", spans, whole)
    end = 12 if whole else 8
    assert "".join(run for run, _ in found["runs"]) == text[:end] and all(run for run, _ in found["runs"])
    marked = [flag for run, flag in found["runs"] for _ in run]
    assert marked == [any(a <= at < b for a, b in spans) for at in range(end)] and found["cut"] == (not whole)


def test_runs_put_together_are_the_text(hard):
    session, ids, said = hard
    tell = told(session)
    for pair in ids.itertuples():
        read = tell("look", item=pair.pair_id)["reader"]
        for side in ("chosen", "rejected"):
            text, got = said[getattr(pair, side)], read[side]
            whole = "".join(run for run, _ in got["runs"])
            assert whole == text[:FIRST] and got["length"] == len(text) and got["cut"] == (len(text) > FIRST)
            assert read["words"][side == "rejected"] > 0 or not text.strip()
    long = [pair.pair_id for pair in ids.itertuples() if len(said[pair.chosen]) == 50_000]
    tell("look", item=long[0])
    read = tell("whole")["reader"]
    assert "".join(run for run, _ in read["chosen"]["runs"]) == HARD["long"] and not read["chosen"]["cut"]
    assert not tell("look", item=ids["pair_id"].iat[0])["reader"]["chosen"]["cut"]
    assert tell("look", item=long[0])["reader"]["chosen"]["cut"] is False  # asked for once


# -- edits ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A study with an encoder, its baseline and a candidate."""
    session = Session(lettered(tmp_path_factory.mktemp("own"), families=30), SMALL.child(gate=PLAIN))
    session.start().wait(60)
    session.set_multiplier("safety", 2.0)
    session.retrain().wait(60)
    return session


@pytest.fixture
def encoder(monkeypatch):
    made = Lettered()
    monkeypatch.setattr(edit_text, "encoder_of", lambda study: made)
    monkeypatch.setattr(edit_text, "encoder_is_here", lambda study: "lettered")
    return made


def until(tell, done) -> dict:
    end = time.monotonic() + 20
    while not done(shown := tell("step", by=0)):
        assert time.monotonic() < end, shown["edit"]
        time.sleep(0.02)
    return shown


def test_an_edit_is_scored_beside_the_item_and_undone(own, encoder):
    own.look_at(None)
    tell, item = told(own), own.items.iloc[5]
    before = tell("look", item=item["pair_id"])
    opened = tell("edit")["edit"]
    assert opened["item"] == item["pair_id"] and not opened["sent"] and not encoder.seen and not opened["rows"]
    now = opened["now"] | {"chosen": "quite another answer " + opened["now"]["chosen"][:30]}
    tell("rescore", item=item["pair_id"], **now)
    shown = until(tell, lambda shown: shown["edit"]["rows"])
    for row, result in zip(shown["edit"]["rows"], (own.baseline, own.candidate)):
        wanted = rescore(result, own.study, **now, encoder=Lettered())
        after = [value / scale_of(result) for value in (*wanted.rewards.mean(axis=0), wanted.margin)]
        assert row["after"] == pytest.approx(after) and row["before"][2] == pytest.approx(result.margin[5] / scale_of(result))
        assert row["before"][:2] == before["reader"]["rewards"][row["which"]]
    assert encoder.seen == [now["chosen"]] * 2 and shown["edit"]["was"]["rejected"]["runs"] == [[now["rejected"], False]]
    was = shown["edit"]["was"]["chosen"]["runs"]
    assert "".join(run for run, _ in was) == opened["now"]["chosen"] and was[-1][1]
    why = shown["why"]
    assert added(why) == pytest.approx(shown["edit"]["rows"][1]["after"][2], abs=1e-6) == why["margin"]
    assert why["before"] == shown["edit"]["rows"][1]["before"][2] and why["ring"] == shown["edit"]["rows"][0]["after"][2]
    base = tell("why", why="baseline")["why"]
    assert base["margin"] == shown["edit"]["rows"][0]["after"][2] and base["before"] == shown["edit"]["rows"][0]["before"][2]
    tell("why", why="candidate")
    elsewhere = tell("look", item=own.items["pair_id"].iat[6])
    assert elsewhere["edit"]["item"] is None and elsewhere["why"]["before"] is None
    assert tell("look", item=item["pair_id"])["edit"]["now"] == now
    after = tell("unedit")
    assert after["why"] == before["why"] and after["reader"] == before["reader"] and after["edit"]["item"] is None


def test_first_the_encoder_is_loaded_and_trouble_is_told(own, monkeypatch):
    gone = {"now": False}

    def slow(study):
        while not gone["now"]:
            time.sleep(0.01)
        raise OSError("the file broke")

    monkeypatch.setattr(edit_text, "encoder_of", slow)
    monkeypatch.setattr(edit_text, "encoder_is_here", lambda study: "lettered")
    tell, item = told(own), own.items["pair_id"].iat[8]
    tell("look", item=item)
    now = tell("edit")["edit"]["now"]
    tell("rescore", item=item, **now | {"prompt": "Why?"})
    try:
        until(tell, lambda shown: shown["edit"]["waits"] == "Loading the encoder")
    finally:
        gone["now"] = True
    shown = until(tell, lambda shown: shown["edit"]["trouble"])
    assert shown["edit"]["trouble"] == "the file broke" and shown["edit"]["now"]["prompt"] == "Why?" and shown["why"]["before"] is None
    assert "no text" in tell("rescore", item=item, **now | {"prompt": 7})["trouble"]["why"]
    assert "no item" in tell("rescore", item="nobody", **now)["trouble"]["why"]
    tell("unedit")


def test_why_no_text_can_be_edited(session, planted_study):
    shown = told(session)("look", item=session.items["pair_id"].iat[0])
    assert shown["edit"]["why"].startswith("No model 'planted'. Hold it in this kernel:")
    assert "no model" in told(session)("edit")["trouble"]["why"].lower()
