"""The Verbosity screen without a browser: its numbers against scipy and plain loops, the debias picker, matched pairs, its states."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest
from page import Page
from planted import SMALL
from scipy.stats import spearmanr

from workbench import panels
from workbench.errors import WorkbenchError
from workbench.panels import length_view
from workbench.scenario.run import run
from workbench.session import Session
from workbench.study import Study


@pytest.fixture(scope="module")
def debiased(planted_study):
    return run(SMALL.child(debias="n_words"), planted_study.study, cache=False)


@pytest.fixture
def panel(session):
    widget = panels.verbosity(session)
    yield widget
    widget.close()


@pytest.fixture
def both(session, debiased):
    """Baseline and a candidate without length."""
    session.set_debias("n_words")
    session._take(debiased)
    widget = panels.verbosity(session)
    yield widget
    widget.close()


def settled(panel, until) -> dict:
    """What is shown once the threads are done."""
    end = time.monotonic() + 20
    while not until(panel.shown):
        assert time.monotonic() < end, panel.shown
        time.sleep(0.01)
    json.dumps(panel.shown, allow_nan=False)
    return panel.shown


def rows_there(shown) -> bool:
    return "rows" in shown["verbosity"] and "rows" in shown.get("verbosity.matched", {"rows": ()})


def words_of(result) -> np.ndarray:
    known = result.study.column("n_words")
    return np.array([[known[row.chosen], known[row.rejected]] for row in result.pairs.itertuples()])


@pytest.mark.parametrize("view", ["pooled", "within", "section"])
def test_correlations_are_those_of_scipy(both, baseline, debiased, view):
    send = Page(both, ("verbosity",))
    send("view", by=view)
    state = settled(both, rows_there)["verbosity"]
    words = words_of(baseline)
    heads = [column["name"] for column in state["columns"]]
    assert heads == (list(pd.unique(baseline.pairs["section"])) if view == "section" else ["All pairs"])
    for row in state["rows"]:
        for head, marks in zip(heads, row["marks"], strict=True):
            mask = np.ones(len(words), bool) if head == "All pairs" else (baseline.pairs["section"] == head).to_numpy()
            for sign, result in (("base", baseline), ("cand", debiased)):
                values = result.scores.column(row["name"])[mask]
                pair = [each[:, 0] - each[:, 1] if view == "within" else each.ravel() for each in (values, words[mask])]
                rho, low, high = marks[sign]
                assert rho == pytest.approx(spearmanr(*pair).statistic, abs=1e-4) and low < high and not {"ghost"} & set(marks)


def test_the_statement_counts_and_the_penalties_say_what_they_do(both, baseline, debiased):
    Page(both, ("verbosity",))
    state = settled(both, rows_there)["verbosity"]
    words = words_of(baseline).ravel()
    beyond = [sum(abs(spearmanr(result.scores.column(name).ravel(), words).statistic) > 0.1 for name in result.names)
              for result in (debiased, baseline)]
    assert state["lead"][1] == f"{beyond[0]} of 4 objectives" and f"{beyond[1]} of 4 before" in state["lead"][2]
    reward = np.einsum("po,pso->ps", debiased.weights.mean(axis=0), debiased.scores.values).ravel()
    assert state["lead"][3] == f"{spearmanr(reward, words).statistic:+.2f}".replace("0.", ".").replace("-", "−")
    for row in state["rows"]:
        root = debiased.penalty[debiased.names.index(row["name"])]
        assert row["penalty"]["roots"] == [pytest.approx(root)] and row["penalty"]["rewards"] == (root < 0)
        assert row["penalty"]["words"] == ("rewards n_words" if root < 0 else "takes n_words out")
    groups = [row["group"] for row in state["rows"]]
    assert sum(row["first"] for row in state["rows"]) == 4 and len(set(groups)) == sum(row["first"] > 0 for row in state["rows"])


def test_the_picker_previews_before_it_is_retrained(panel, session, baseline):
    send = Page(panel, ("verbosity",))
    settled(panel, rows_there)
    send("debias", value=["n_words"])
    assert session.draft.debias == "n_words"
    state = settled(panel, lambda shown: shown["verbosity"].get("solved"))["verbosity"]
    previewed = session.preview().result
    words = words_of(baseline).ravel()
    for row in state["rows"]:
        expected = spearmanr(previewed.scores.column(row["name"]).ravel(), words).statistic
        assert row["marks"][0]["ghost"] == [pytest.approx(expected), None, None] and "cand" not in row["marks"][0]
    assert state["edited"] and state["notes"][0].startswith("Dashed marks are not retrained")
    send("debias", value=[])
    assert session.draft.debias is None and not panel.shown["verbosity"]["edited"]


def test_a_swapped_row_says_for_what(panel, session):
    send = Page(panel, ("verbosity",))
    settled(panel, rows_there)
    session.set_swap("helpfulness", "n_words")
    send("debias", value=["verbosity"])
    state = settled(panel, lambda shown: shown["verbosity"].get("solved"))["verbosity"]
    assert {row["name"]: row["swap"] for row in state["rows"] if row["swap"]} == {"helpfulness": "n_words"}


def test_equivalence_is_tested_when_asked(both, debiased):
    send = Page(both, ("verbosity",))
    assert settled(both, rows_there)["verbosity"]["test"] == {
        "nuisance": "n_words", "asked": False, "done": False, "how": "90 % interval, λ fitted again in each resample"}
    send("view", test=True)
    state = settled(both, lambda shown: shown["verbosity"]["test"]["done"])["verbosity"]
    table = debiased.equivalence().set_index("objective")
    assert {row["name"]: row["verdict"]["equivalent"] for row in state["rows"]} == table["equivalent"].to_dict()
    for row in state["rows"]:
        shown, own = row["marks"][0]["cand"][0], row["verdict"]["rho"]
        assert own is None or (own == pytest.approx(table["rho"][row["name"]], abs=1e-4) and own == pytest.approx(shown, abs=1e-3))
        assert not row["verdict"]["equivalent"] or abs(shown) < state["band"], "no verdict against the number beside it"


def test_points_are_answers_and_a_click_looks_at_the_pair(both, session, baseline, debiased):
    sent = []
    both.send = lambda content, buffers=None: sent.append((content, buffers))
    send = Page(both, ("verbosity",))
    settled(both, rows_there)
    part, buffers = next((p, b) for content, b in sent for p in content.get("parts", ()) if p["name"] == "verbosity.reward")
    first, many = part["buffers"]
    arrays = [np.frombuffer(buffers[first + k], np.float32).reshape(-1, 2) for k in range(many)]
    answers = pd.unique(pd.concat([baseline.pairs["chosen"], baseline.pairs["rejected"]]))
    assert [len(array) for array in arrays] == [len(answers)] * 2
    send("point", sign="cand", at=5)
    pair = session.items.set_index("pair_id").loc[session.selection.primary]
    rewards = np.einsum("po,pso->ps", debiased.weights.mean(axis=0), debiased.scores.values)
    at = list(session.items["pair_id"]).index(session.selection.primary)
    drawn = arrays[1][5]
    assert any(drawn == pytest.approx([words_of(baseline)[at, side], rewards[at, side]], rel=1e-5) for side in (0, 1)), pair
    star = both.shown["verbosity.item"]["marks"]
    assert star["cand"][0] == pytest.approx([words_of(baseline)[at, 0], rewards[at, 0]]) and set(star) == {"base", "cand"}


def test_a_crowd_is_thinned_and_says_so(baseline, monkeypatch):
    monkeypatch.setattr(length_view, "DRAWN", 20)
    points = length_view.cloud(baseline, words_of(baseline).astype(float))
    answers = pd.unique(pd.concat([baseline.pairs["chosen"], baseline.pairs["rejected"]]))
    assert len(points) == 20 and points.attrs["answers"] == len(answers)


def test_matched_pairs_are_those_as_long(both, baseline, debiased):
    Page(both, ("verbosity",))
    shown = settled(both, rows_there)["verbosity.matched"]
    words, whole = words_of(baseline), shown["rows"][0]
    kept = np.abs(np.log(words[:, 0]) - np.log(words[:, 1])) <= 0.1
    won = [float(np.mean([[margin > 0 for margin in seed[kept]] for seed in result.margins])) for result in (baseline, debiased)]
    assert whole["n"] == kept.sum() and [whole["marks"][sign][0] for sign in ("base", "cand")] == pytest.approx(won, abs=1e-4)
    assert whole["numbers"].startswith(f"{100 * (won[1] - won[0]):+.1f}".replace("-", "−") if abs(won[1] - won[0]) > 1e-9 else "0.0")
    assert shown["whole"] == {"base": pytest.approx(baseline.accuracy), "cand": pytest.approx(debiased.accuracy)}


def test_states_before_training_without_length_and_of_a_head(planted_study):
    panel = panels.verbosity(Session(planted_study.study))
    panel.session.start = lambda **_: None
    Page(panel, ("verbosity",))
    assert panel.shown["verbosity"]["blank"]["fact"].startswith("The longer answer is the chosen one in ")
    head = run(SMALL.child(gate={"kind": "bradley-terry", "steps": 20}), planted_study.study, cache=False)
    panel = panels.verbosity(Session(planted_study.study, head))
    Page(panel, ("verbosity",))
    state = settled(panel, rows_there)["verbosity"]
    assert state["rows"] == [] and state["lead"][0].startswith("The reward’s own") and "head has no objectives" in " ".join(state["notes"])
    frame = pd.DataFrame([{"pair": f"p{i}", "side": side, "objective": "a", "score": float(i % 5 + (side == "chosen"))}
                          for i in range(40) for side in ("chosen", "rejected")])
    session = Session(Study.from_scores(frame))
    session.start().wait(30)
    panel = panels.verbosity(session)
    Page(panel, ("verbosity",))
    assert panel.shown["verbosity"]["lacking"]["fact"] == "This study knows no length."


def test_the_figure_needs_a_debias(panel, both):
    assert both.screen("verbosity").figure() == ("verbosity", {})
    other = panels.verbosity(Session(both.session.study, both.session.baseline))
    with pytest.raises(WorkbenchError, match="nothing was taken out"):
        other.screen("verbosity").figure()
