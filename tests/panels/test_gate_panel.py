"""The Gate screen without a browser: its numbers against plain loops, its gestures, and the states of gates that are none."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from page import Page
from planted import SMALL
from scipy.stats import spearmanr

from workbench import panels
from workbench.errors import WorkbenchError
from workbench.evaluate import Watershed
from workbench.figures.tidy import gate_shares
from workbench.panels.gate_view import EFFECT, GateView, cards, collinearity, share_table, together
from workbench.scenario.run import run
from workbench.session import Session
from workbench.study import Study


@pytest.fixture
def panel(session):
    widget = opened(session)
    yield widget
    widget.close()


def opened(session):
    """A panel on results whose scores are in memory: then nothing is read in a thread."""
    for result in (session.baseline, session.candidate):
        if result is not None:
            _ = result.scores
    return panels.gate(session)


@pytest.fixture
def send(panel):
    return Page(panel, ("gate",))


@pytest.fixture(scope="module")
def debiased(planted_study):
    return run(SMALL.child(debias="verbosity"), planted_study.study, cache=False)


def shares_by_prompt(result, value: str) -> dict[str, np.ndarray]:
    """Oracle: mean over seeds of each prompt's shares, one number after the other."""
    gap, found = result.scores.margins, {}
    for prompt, rows in result.pairs.groupby("prompt_id", sort=False).indices.items():
        seeds = []
        for weights in result.weights:
            if value == EFFECT:
                each = [np.abs(weights[row] * gap[row]) / np.abs(weights[row] * gap[row]).sum() for row in rows]
                seeds.append(np.mean(each, axis=0))
            else:
                seeds.append(weights[rows[0]] / weights[rows[0]].sum())
        found[prompt] = np.mean(seeds, axis=0)
    return found


@pytest.mark.parametrize("value", ["weight", "effect"])
def test_columns_are_prompts_and_lead_by_the_largest_share(send, session, baseline, value):
    state = send("view", value=value)
    picture, expected = state["pictures"][0], shares_by_prompt(baseline, value)
    table = GateView.of(baseline, value).shed.table
    assert picture["n"] == len(expected) and sum(hill["prompts"] for hill in picture["hills"]) == len(expected)
    for at, prompt in enumerate(table["prompt_id"]):
        order = np.argsort(-expected[prompt], kind="stable")
        assert picture["names"][picture["leaders"][at]] == baseline.names[order[0]]
        assert table["lead"][at] == pytest.approx(expected[prompt][order[0]] - expected[prompt][order[1]])
    heights = [round(lead, 3) for lead in table["lead"]]
    assert [lead for hill in picture["hills"] for lead in hill["lead"]] == pytest.approx(heights, abs=2e-3)
    near = sum(lead < 0.1 for lead in table["lead"])
    assert f"{round(100 * near / len(table))} %" in state["lead"][1] or near in (0, len(table))


def test_scores_on_disk_are_read_in_a_thread(planted_study):
    fresh = run(SMALL.child(gate={"kind": "uniform"}, multiply={"safety": 2.0}), planted_study.study, cache=False)
    panel = panels.gate(Session(planted_study.study, replace(fresh)))
    send = Page(panel, ("gate",))
    end = time.monotonic() + 10
    while panel.shown["gate"]["blank"]:
        assert panel.shown["gate"]["blank"]["fact"] == "Reading the gate." and time.monotonic() < end
        time.sleep(0.01)
    assert panel.shown["gate"]["same"] and send("hello")["trouble"] is None


def test_a_click_looks_at_the_prompt_and_sends_little(send, panel, session, baseline):
    table = GateView.of(baseline).shed.table
    send("column", at=7)
    items = session.items.set_index("pair_id")
    assert items.at[session.selection.primary, "prompt_id"] == table["prompt_id"][7] and session.selection.n == len(items)
    assert {part["name"] for part in send.sent[0]["parts"]} == {"head", "gate.item", "gate.chosen"}
    item, mark = panel.shown["gate.item"], panel.shown["gate.chosen"]["marks"]["base"]
    assert item["prompt"] == table["prompt_id"][7] and mark == {"at": 7, "runs": []}
    rows = {row["name"]: row["marks"]["base"] for row in item["rows"]}
    pair = np.flatnonzero(baseline.pairs["prompt_id"] == item["prompt"])[0]
    for k, name in enumerate(baseline.names):
        seeds = [weights[pair, k] / weights[pair].sum() for weights in baseline.weights]
        assert rows[name]["seeds"] == pytest.approx(seeds, abs=1e-4) and rows[name]["value"] == pytest.approx(np.mean(seeds), abs=1e-4)
    other = items.index[items["prompt_id"] == item["prompt"]][-1]
    session.look_at(other)
    send("column", at=7)
    assert session.selection.primary == other  # it is of this prompt already


def test_a_drag_selects_the_pairs_of_its_prompts(send, panel, session, baseline):
    table = GateView.of(baseline).shed.table
    send("columns", **{"from": 9, "to": 4})
    wanted = set(table["prompt_id"][4:10])
    assert session.items["prompt_id"][session.selection.mask].isin(wanted).all() and session.selection.kind == "lasso"
    assert session.selection.n == session.items["prompt_id"].isin(wanted).sum() and session.selection.label == "watershed"
    assert panel.shown["gate.chosen"]["marks"]["base"]["runs"] == [[4, 10]]
    section = panel.shown["gate"]["sections"][0]["name"]
    send("columns", **{"from": 0, "to": 2, "section": section})
    assert set(session.items["section"][session.selection.mask]) == {section}


def test_handovers_are_counted_and_selected(send, session, baseline):
    send("view", value="effect")
    ties: dict[frozenset, set] = {}
    ways: set = set()
    for prompt, shares in shares_by_prompt(baseline, "effect").items():
        first, second = np.argsort(-shares, kind="stable")[:2]
        if shares[first] - shares[second] < 0.1:
            ways.add((baseline.names[first], baseline.names[second]))
            ties.setdefault(frozenset((baseline.names[first], baseline.names[second])), set()).add(prompt)
    rows = send("hello")["handovers"]
    assert {frozenset((row["a"], row["b"])): row["n"] for row in rows} == {pair: len(prompts) for pair, prompts in ties.items()}
    row = next(row for row in rows if {(row["a"], row["b"]), (row["b"], row["a"])} <= ways)  # both ways round
    send("handover", a=row["a"], b=row["b"])
    assert set(session.items["prompt_id"][session.selection.mask]) == ties[frozenset((row["a"], row["b"]))]
    assert session.selection.label == f"{row['a']} ⇄ {row['b']} handover" and session.selection.kind == "filter"


def test_cards_are_the_ends_and_the_middle(send, panel, session, baseline):
    send("view", objective="safety")
    shown, expected = panel.shown["gate.cards"], shares_by_prompt(baseline, "weight")
    k = baseline.names.index("safety")
    values = sorted((shares[k] for shares in expected.values()), reverse=True)
    assert [card["share"] for card in shown["columns"]["top"]] == pytest.approx(values[:3], abs=1e-4)
    assert [card["share"] for card in shown["columns"]["bottom"]] == pytest.approx(values[-3:], abs=1e-4)
    assert min(abs(card["share"] - np.median(values)) for card in shown["columns"]["median"]) < 0.02
    assert shown["objective"] == "safety" and shown["columns"]["top"][0]["text"]
    send("prompt", id=shown["columns"]["top"][0]["prompt"])
    assert panel.shown["gate.item"]["prompt"] == shown["columns"]["top"][0]["prompt"]
    whole = GateView.of(baseline)
    few = replace(whole, mean=whole.mean[:2], each=whole.each[:, :2], prompts=whole.prompts[:2])
    assert list(cards(few, "safety")) == ["top"] and len(cards(few, "safety")["top"]) == 2


def test_the_table_is_the_one_of_the_heat_map(baseline, debiased):
    for result in (baseline, debiased):
        mine, theirs = share_table(GateView.of(result), {}), gate_shares(result)
        whole = theirs[theirs["slice"] == "All prompts"].set_index("objective")["share"]
        kept = 1 - theirs["null"].iloc[0]
        assert {row["name"]: row["shares"][0] for row in mine["rows"]} == pytest.approx((whole / kept).round(4).to_dict(), abs=1e-3)
        assert [row["shares"][0] for row in mine["rows"]] == sorted((row["shares"][0] for row in mine["rows"]), reverse=True)


def test_collinear_objectives_are_named(baseline):
    values = baseline.raw.values.copy()
    values[:, :, 1] = values[:, :, 0] ** 3
    twin = replace(baseline, make={**baseline.make, "raw": lambda: replace(baseline.raw, values=values)})
    found = collinearity(twin, list(baseline.names))
    assert [set(pair[:2]) for pair in found["collinear"]] == [{baseline.names[0], baseline.names[1]}]
    rho = spearmanr(values[:, :, 0].ravel(), values[:, :, 2].ravel()).statistic
    assert found["rho"][2][0] == pytest.approx(rho, abs=0.006)


def test_two_gates_stand_above_each_other_with_their_hills_in_one_order(session, debiased):
    session.set_debias("verbosity")
    session._take(debiased)
    panel = opened(session)
    send = Page(panel, ("gate",))
    try:
        assert [one["sign"] for one in send("view", of="both")["pictures"]] == ["base", "cand"]
        base, cand = send.shown["pictures"]
        order = [hill["name"] for hill in cand["hills"]]
        both = [hill["name"] for hill in base["hills"] if hill["name"] in order]
        assert both == [name for name in order if name in both] and send.shown["before"].startswith("Before")
        assert "verbosity is zero after debias: a null expert" in " ".join(send.shown["notes"])
        send("column", at=0, of="base")
        assert set(panel.shown["gate.chosen"]["marks"]) == {"base", "cand"} and panel.shown["gate.chosen"]["marks"]["base"]["at"] == 0
        assert set(panel.shown["gate.item"]["rows"][0]["marks"]) == {"base", "cand"}
        assert [one["sign"] for one in send("view", of="baseline")["pictures"]] == ["base"]
    finally:
        panel.close()


def test_together_keeps_every_prompt_and_its_lead():
    rng = np.random.default_rng(0)
    one, other = (Watershed.of(rng.dirichlet(np.full(5, 0.4), size=200), list("abcde")) for _ in range(2))
    for before, after in zip((one, other), together(one, other)):
        assert dict(zip(before.table["prompt_id"], before.table["lead"])) == dict(zip(after.table["prompt_id"], after.table["lead"]))
    left, right = together(one, other)
    assert left.line == right.line


@pytest.mark.parametrize("kind", ["global", "uniform"])
def test_weights_that_are_the_same_for_all_prompts_say_so(planted_study, kind):
    session = Session(planted_study.study, run(SMALL.child(gate={"kind": kind}), planted_study.study, cache=False))
    panel = opened(session)
    send, state = Page(panel, ("gate",)), panel.shown["gate"]
    assert state["lead"][0] == "One set of weights for every prompt: " and state["pictures"] == [] and len(state["same"]["rows"]) == 4
    assert send("view", value="effect")["pictures"]  # effects differ from prompt to prompt all the same


def test_a_head_without_a_gate_and_a_session_without_a_baseline_say_so(planted_study):
    head = run(SMALL.child(gate={"kind": "bradley-terry", "steps": 20}), planted_study.study, cache=False)
    send = Page(opened(Session(planted_study.study, head)), ("gate",))
    assert send.shown["blank"]["fact"] == "A Bradley–Terry head has no gate." and send("view", value="effect")["blank"]["why"]
    with pytest.raises(WorkbenchError, match="no gate"):
        GateView.of(head)
    panel = panels.gate(Session(planted_study.study))
    panel.session.start = lambda **_: None
    assert Page(panel, ("gate",)).shown["blank"]["fact"] == "No gate yet."


@pytest.mark.parametrize("objectives", [1, 100])
def test_one_objective_and_a_hundred_without_features_or_text(objectives):
    rng, n = np.random.default_rng(0), 60
    values = rng.normal(size=(n, 2, objectives)) + np.array([[0.3], [0.0]])
    frame = pd.DataFrame([{"pair": f"p{i}", "side": side, "objective": f"s{j % 7}-o{j}", "score": values[i, a, j]}
                          for i in range(n) for a, side in enumerate(("chosen", "rejected")) for j in range(objectives)])
    study = Study.from_scores(frame)
    session = Session(study)
    session.start().wait(60)
    panel = opened(session)
    send = Page(panel, ("gate",))
    assert send.shown["same"] and json.dumps(panel.shown, allow_nan=False)
    assert len(panel.shown["gate.table"]["table"]["rows"]) == objectives
    state = send("view", value="effect")
    assert bool(state["pictures"]) == (objectives > 1) and state["trouble"] is None
    send("column", at=0) if objectives > 1 else send("prompt", id=session.items["prompt_id"][0])
    assert panel.shown["gate.item"]["others"] == max(0, objectives - 8)


@pytest.mark.parametrize("message", [
    {"do": "prompt", "id": "nowhere"}, {"do": "column"}, {"do": "handover", "a": "x", "b": "y"}, {"do": "fly"},
])
def test_a_message_that_makes_no_sense_changes_nothing(send, session, message):
    before = session.selection
    assert send(**message)["trouble"]["fact"] == "Nothing was changed." and session.selection is before


def test_the_figure_for_the_tray_is_what_the_screen_shows(panel, send, session):
    assert panel.screen("gate").figure() == ("watershed", {})
    assert send("export")["trouble"] is None and session.tray[0]["figure"] == "watershed"
    send("view", value="effect")
    assert "draws weights" in send("export")["trouble"]["why"] and len(session.tray) == 1
