"""A card is a figure as a value: the same recipe, the same table, from a session, a file or another process."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.evaluate import StrengthTable
from workbench.figures import sets
from workbench.figures.base import provenance_of
from workbench.figures.cards import Card
from workbench.figures.sets import MAKERS, card_of, draw, figures_of
from workbench.preference.strength import Strength
from workbench.scenario.recipe import Scenario
from workbench.session import Session

BEFORE = Scenario(name="before", seeds=(0, 1))


@pytest.fixture
def session(trained):
    """Two trained steps, the second the candidate."""
    study, before, after = trained
    session = Session(study, before)
    session.set_debias("verbosity")
    session.retrain().wait()
    assert session.candidate.scenario.id == after.scenario.id
    return session


def options_of(name, pair):
    return {"pair": pair} if name in ("gate-prompt", "decomposition") else {}


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("prompt-map", "strength")])
def test_a_card_draws_what_the_results_draw(name, trained):
    study, before, after = trained
    pair = after.pairs["pair_id"].iloc[3]
    made, lacking = figures_of(after, study, baseline=before, pair=pair, only=[name])
    assert not lacking
    card = Card.from_dict(json.loads(json.dumps(provenance_of(made[name])["card"])))
    assert "secret" not in json.dumps(card.to_dict())
    assert card == Card(name, after.scenario, study.hash, before.scenario, options_of(name, pair))
    again = draw(card, study)
    pd.testing.assert_frame_equal(figures.table(again), figures.table(made[name]))
    assert json.loads(again.to_json())["data"] == json.loads(made[name].to_json())["data"]


def test_a_card_of_a_session(session, trained):
    study, before, after = trained
    card = card_of(session, "comparison", venue="neurips", noise=False)
    assert (card.figure, card.study, card.venue, card.options) == ("comparison", study.hash, "neurips", {"noise": False})
    assert card.session == session.id
    assert (card.scenario.id, card.baseline.id) == (after.scenario.id, before.scenario.id)
    fig = draw(card, study, known=(session.baseline, session.candidate))
    pd.testing.assert_frame_equal(figures.table(fig), figures.table(figures.plot_comparison((before, after))))
    session.undo()
    alone = card_of(session, "sections")
    assert alone.baseline is None and alone.scenario.id == before.scenario.id


def test_slices_found_by_looking_and_the_noise_floor_are_drawn_too(session, trained):
    study, _, after = trained
    ids = after.pairs["pair_id"].tolist()[::3]
    fig = draw(card_of(session, "comparison", slices={"every third": ids}, noise=True), study)
    table = figures.table(fig).set_index("slice")
    assert table.loc["every third", "n"] == len(ids) and np.isnan(table.loc["every third", "p"])
    assert table.loc["All pairs", "noise_low"] <= table.loc["All pairs", "noise_high"]


def test_notes_stay_behind_and_options_are_json():
    card = Card("sections", BEFORE.model_copy(update={"note": "prompt 7 says secret"}), "abc", options={"pair": ("a", "b")})
    assert "secret" not in json.dumps(card.to_dict()) and card.options == {"pair": ["a", "b"]}
    with pytest.raises(WorkbenchError, match="no JSON"):
        Card("sections", BEFORE, "abc", options={"pair": object()})
    assert hash(card) == hash(Card("sections", BEFORE, "abc", options={"pair": ["a", "b"]}))


@pytest.mark.parametrize(
    ("change", "words"),
    [({"schema": 2}, "newer than 1"), ({"schema": None}, "no card"), ({"figure": 3}, "no card"), ({"colour": 1}, "no card"),
     ({"scenario": None}, "no card"), ({"scenario": {"dropp": []}}, "'dropp'"), ({"options": []}, "no card")],
)
def test_what_is_no_card(change, words):
    told = Card("sections", BEFORE, "abc").to_dict() | change
    with pytest.raises(WorkbenchError, match=words):
        Card.from_dict(told)
    with pytest.raises(WorkbenchError, match="no card"):
        Card.from_dict("card")


def test_what_a_session_cannot_put_on_a_card(session, trained):
    with pytest.raises(WorkbenchError, match="unknown figure 'pie'.*sections"):
        card_of(session, "pie")
    with pytest.raises(WorkbenchError, match="unknown option 'colour'.*It has metric"):
        card_of(session, "sections", colour="red")
    with pytest.raises(WorkbenchError, match="no pair named"):
        card_of(session, "decomposition")
    with pytest.raises(WorkbenchError, match="nothing was trained"):
        card_of(Session(trained[0], BEFORE), "sections")
    with pytest.raises(WorkbenchError, match="made on study abc, this is"):
        draw(Card("sections", BEFORE, "abc"), trained[0])


def test_what_no_recipe_decides_has_no_card(trained):
    from workbench.scenario.preview import preview

    study, before, _ = trained
    seen = preview(before, before.scenario.child(drop=("helpfulness",)), study)
    made, _ = figures_of(seen, study, only=["sections"])
    assert "card" not in provenance_of(made["sections"])


def test_strength_is_made_when_asked_for(trained, monkeypatch):
    """The cuts are those of the scenario's treatment, unless others are named."""
    study, _, after = trained
    assert "asked for" in figures_of(after, study)[1]["strength"]
    pairs, features = study.split_pairs("train"), study.features("train")
    few = Strength.fit(features, members=2, folds=2, steps=5, decay=1.0, groups=pairs["family"].to_numpy())
    table = StrengthTable(pairs, few, None, None, split="train", study_hash=study.hash)
    monkeypatch.setattr(sets, "strength_of", lambda study, spec=None, *, noise=None: table)
    made, lacking = figures_of(after, study, only=["strength"])
    told = provenance_of(made["strength"])
    assert not lacking and told["split"] == "train" and told["n"] == figures.table(made["strength"])["pairs"].sum() == len(pairs)
    treated = dataclasses.replace(after, scenario=after.scenario.child(labels={"kind": "drop", "drop_share": 0.25}))
    made, lacking = figures_of(treated, study)
    counts = figures.table(made["strength"]).groupby("band")["pairs"].sum()
    assert counts["drop"] == round(0.25 * len(pairs)) and "strength" not in lacking
    named = sets.MAKERS["strength"](sets.Subject(treated, study, None, "light"), flip_below=float(np.median(table.mean)))
    assert set(figures.table(named)["band"]) == {"flip", "keep"}
