"""The watershed's numbers against a prompt-by-prompt reading, and of gates that are known."""

import json

import numpy as np
import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluate import Watershed
from workbench.evaluate.watershed import percent, smoothed

NAMES = ("help", "truth", "style", "safe", "code")


def gate(n=120, k=5, seeds=3, seed=0, spread=1.2, noise=0.3):
    rng = np.random.default_rng(seed)
    return np.exp(spread * rng.normal(size=(n, k))[None] + noise * rng.normal(size=(seeds, n, k)))


def by_hand(weights, names, null=()):
    """One prompt after another: leader, its share, runner-up, its share, whether a seed disagrees, exp H."""
    rows, live = [], [k for k, name in enumerate(names) if name not in null]
    for prompt in range(weights.shape[1]):
        shares = np.zeros(len(names))
        for seed in weights:
            shares += seed[prompt] / seed[prompt].sum() / len(weights)
        shares = {names[k]: shares[k] / sum(shares[j] for j in live) for k in live}
        first, *rest = sorted(shares, key=lambda name: -shares[name])
        told = [names[max(live, key=lambda k: seed[prompt, k])] for seed in weights]
        entropy = -sum(p * np.log(p) for p in shares.values() if p > 0)
        second = rest[0] if rest else ""
        rows.append((first, shares[first], second, shares.get(second, 0.0), any(name != first for name in told), np.exp(entropy)))
    return pd.DataFrame(rows, columns=["objective", "share", "runner_up", "runner_share", "disagree", "effective"])


@pytest.mark.parametrize("null", [(), ("style",)])
def test_every_prompt_is_read_as_by_hand(null):
    weights = gate()
    shed = Watershed.of(weights, NAMES, null=null)
    table = shed.table.assign(at=shed.table["prompt_id"].astype(int)).sort_values("at").reset_index(drop=True)
    expected = by_hand(weights, NAMES, null)
    pd.testing.assert_frame_equal(table[list(expected.columns)], expected, check_dtype=False)
    np.testing.assert_allclose(table["lead"], table["share"] - table["runner_share"], atol=1e-15)
    taken = (weights / weights.sum(axis=2, keepdims=True))[:, :, [NAMES.index(name) for name in null]].sum(axis=2).mean()
    assert shed.null == null and shed.null_share == pytest.approx(taken) and shed.objectives == 5 - len(null)
    assert shed.seeds == 3 and shed.effective == pytest.approx(expected["effective"].mean())


def test_hills_rise_and_fall_and_face_their_rivals():
    shed = Watershed.of(gate(n=400), NAMES)
    assert shed.table["order"].tolist() == list(range(400)) and shed.line == tuple(dict.fromkeys(shed.table["hill"]))
    seen = 0
    for hill, rows in shed.table.groupby("hill", sort=False):
        left, right = (rows[rows["side"] == side] for side in ("left", "right"))
        assert rows["side"].tolist() == ["left"] * len(left) + ["right"] * len(right)
        assert left["lead"].is_monotonic_increasing and right["lead"].is_monotonic_decreasing
        for rival, side in zip(rows["runner_up"], rows["side"]):
            if rival in shed.line:
                assert (shed.line.index(rival) < shed.line.index(hill)) == (side == "left")
                seen += 1
    assert seen > 300


def test_neighbours_hold_the_most_near_ties():
    from itertools import permutations

    shed = Watershed.of(gate(n=300, spread=0.6), NAMES)
    ties = {frozenset((row.objective, row.rival)): row.prompts for row in shed.handovers.itertuples()}
    close = shed.table[shed.table["lead"] < 0.1]
    assert sum(ties.values()) == len(close) == shed.near_ties > 50
    for pair, prompts in ties.items():
        assert prompts == sum({a, b} == set(pair) for a, b in zip(close["objective"], close["runner_up"]))
    between = lambda line: sum(ties.get(frozenset(pair), 0) for pair in zip(line, line[1:]))  # noqa: E731
    assert between(shed.line) == max(between(line) for line in permutations(NAMES))
    assert [hill["valley"] for hill in shed.hills()] == [*(ties.get(frozenset(p), 0) for p in zip(shed.line, shed.line[1:])), None]
    most = shed.handovers["prompts"].tolist()
    assert most == sorted(most, reverse=True)


def test_known_leaders_have_their_share_of_the_width(planted_study):
    """The planted gate reads the section: helpfulness leads in Chat, safety in Safety."""
    prompts = planted_study.study.prompts
    section = (prompts["section"].to_numpy() == "Safety").astype(int)
    names = ("helpfulness", "correctness", "verbosity", "safety")
    shed = Watershed.of(planted_study.weights[section], names, sections=prompts["section"].tolist(), null=("verbosity",))
    widths = {hill["name"]: hill["prompts"] for hill in shed.hills()}
    assert widths == {"helpfulness": int((section == 0).sum()), "safety": int((section == 1).sum())}
    chat = shed.within("Chat").table
    assert set(chat["objective"]) == {"helpfulness"} and set(chat["runner_up"]) == {"correctness"}
    np.testing.assert_allclose(chat["lead"], 0.3)


def test_a_result_has_one_row_per_prompt(baseline):
    shed = Watershed.of(baseline)
    first = ~baseline.pairs["prompt_id"].duplicated().to_numpy()
    assert len(shed) == first.sum() and len(baseline.pairs) > len(shed)
    leads = dict(zip(baseline.pairs["prompt_id"][first], np.asarray(baseline.names)[baseline.shares[first].argmax(axis=1)]))
    assert dict(zip(shed.table["prompt_id"], shed.table["objective"])) == leads
    assert set(shed.sections) == {"Chat", "Safety"} and shed.table["family"].nunique() == baseline.pairs["family"].nunique()
    with pytest.raises(WorkbenchError, match="no column 'mood'"):
        Watershed.of(baseline, by="mood")


def test_sections_keep_the_line():
    shed = Watershed.of(gate(), NAMES, sections=["a", "b", "b"] * 40)
    assert shed.sections == ("b", "a")
    parts = [shed.within(name) for name in shed.sections]
    assert all(part.line == shed.line for part in parts)
    for part in parts:
        ids = part.table["prompt_id"].tolist()
        assert ids == [each for each in shed.table["prompt_id"] if each in set(ids)], "the same order, fewer prompts"
        assert [hill["number"] for hill in part.hills()] == sorted(shed.line.index(hill["name"]) + 1 for hill in part.hills())
    assert sum(map(len, parts)) == 120
    with pytest.raises(WorkbenchError, match="no section 'c'"):
        shed.within("c")


def test_hills_are_plain_and_exact():
    shed = Watershed.of(gate(n=400), NAMES)
    hills = shed.hills(groups={"help": "Helpful"})
    assert json.loads(json.dumps(hills)) == hills and hills[shed.line.index("help")]["group"] == "Helpful"
    assert [hill["start"] for hill in hills] == [0, *(hill["end"] for hill in hills[:-1])] and hills[-1]["end"] == 400
    for hill in hills:
        rows = shed.table.iloc[hill["at"]]
        assert set(rows["hill"]) == {hill["name"]} and hill["at"] == list(range(hill["start"], hill["end"]))
        np.testing.assert_allclose(hill["lead"], rows["lead"], atol=1e-5)
        assert hill["disagree"] == rows["disagree"].tolist() and hill["left"] == (rows["side"] == "left").sum()
        assert all(2 * foot + lead <= 1 + 1e-4 for foot, lead in zip(hill["foot"], hill["lead"])), "more than there is"
        half, left = len(rows) // 16, hill["left"]
        for flank in (slice(0, left), slice(left, None)):
            runner = rows["runner_share"].to_numpy()[flank]
            reach = [min(half, i, len(runner) - 1 - i) for i in range(len(runner))]
            means = [runner[i - r : i + r + 1].mean() for i, r in enumerate(reach)]
            np.testing.assert_allclose(hill["foot"][flank], np.minimum(means, (1 - rows["lead"].to_numpy()[flank]) / 2), atol=1e-5)
        assert np.mean(hill["foot"]) == pytest.approx(rows["runner_share"].mean(), abs=0.03)


def test_many_prompts_become_few_columns_and_every_width_stays():
    weights = gate(n=20_000, seeds=1)
    shed = Watershed.of(weights, NAMES)
    hills = shed.hills(columns=300)
    assert 300 <= sum(len(hill["lead"]) for hill in hills) <= 300 + len(hills)
    counts = shed.table["objective"].value_counts()
    for hill in hills:
        assert hill["end"] - hill["start"] == counts[hill["name"]] and hill["start"] <= hill["at"][0] and hill["at"][-1] < hill["end"]
        whole = shed.table[shed.table["hill"] == hill["name"]]["lead"]
        np.testing.assert_allclose(np.quantile(hill["lead"], [0.25, 0.5, 0.75]), np.quantile(whole, [0.25, 0.5, 0.75]), atol=0.03)


def test_running_mean_as_by_hand():
    values = np.random.default_rng(0).normal(size=31)
    for half in (0, 2, 5):
        reach = [min(half, i, 30 - i) for i in range(31)]
        np.testing.assert_allclose(smoothed(values, half), [values[i - r : i + r + 1].mean() for i, r in enumerate(reach)])
    assert smoothed(values[:1], 5) == values[0] and len(smoothed(values[:0], 5)) == 0


def test_small_hills_are_gathered_and_counted():
    leader = np.repeat([0, 1, 2, 3, 4], [97, 97, 2, 2, 2])
    weights = np.eye(5)[leader] * 3 + gate(n=200, seeds=1, spread=0.2)[0] * 0.5
    shed = Watershed.of(weights, NAMES)
    assert shed.line[-1] == "" and set(shed.line) == {"help", "truth", ""}
    assert set(shed.members[""]) == {"style", "safe", "code"} and (shed.table["hill"] == "").sum() == 6
    assert set(shed.table["objective"]) == set(NAMES), "in the table every leader has its name"
    assert Watershed.of(weights, NAMES, most=1).members[""] and "" not in Watershed.of(weights, NAMES, least=0).line
    alone = Watershed.of(np.eye(5)[np.repeat([0, 1, 2], [97, 97, 2])] + 0.1, NAMES)
    assert "" not in alone.line, "one alone needs no gathering"


def test_laid_along_another_line_its_members_are_known_anew():
    from dataclasses import replace

    shed = Watershed.of(gate(n=300), NAMES, most=3, sections=["a", "b", "b"] * 100)
    assert len(shed.members[""]) == 2 and shed.within("a").members == shed.members
    line = tuple(sorted(set(shed.table["objective"])))
    named = replace(shed, table=shed.table.assign(hill=shed.table["objective"]), line=line)
    assert named.members == {name: (name,) for name in line} and len(named.hills()) == 5


def test_who_leads_nowhere_stands_at_the_end_it_rivals():
    weights = np.zeros((60, 4))
    weights[:20], weights[20:40], weights[40:] = [5, 4.8, 0, 3], [4.8, 5, 0, 1], [1, 5, 3, 0]
    shed = Watershed.of(weights, ("a", "b", "c", "d"))
    assert shed.line == ("a", "b")
    ends = shed.outer()
    assert ends["left"] is None and ends["right"] == {"name": "c", "prompts": 20, "near": 0, "more": 0}


@pytest.mark.parametrize("weights, line, words", [
    (np.ones((3, 20, 1)), 1, "leads on all 20 prompts"),
    (gate(n=3), None, "on 3 prompts"),
    (np.ones((2, 12, 5)), 1, "on 100 % the leader is less than 0.1 ahead"),
    (np.ones((9, 5)) * [9, 1, 1, 1, 1], 1, "on 0 %"),
    (gate(n=500, k=100, spread=0.1), None, "100 %"),
    (gate(n=40, k=2, seeds=1), 2, "2 of 2 objectives lead"),
])
def test_odd_gates(weights, line, words):
    shed = Watershed.of(weights)
    assert words in shed.words() and shed.words().endswith(".") and (line is None or len(shed.line) == line)
    assert sum(hill["prompts"] for hill in shed.hills()) == len(shed) == weights.shape[-2]
    if shed.seeds == 1:
        assert not shed.table["disagree"].any()
    assert len(shed.handovers) == 0 or shed.handovers["prompts"].sum() == shed.near_ties
    assert shed.outer() is not None and json.dumps(shed.hills())


def test_equal_weights_are_no_disagreement():
    weights = np.ones((3, 10, 4))
    assert not Watershed.of(weights).table["disagree"].any()
    weights[1, 0, 2] = 1.5
    assert Watershed.of(weights).table.set_index("prompt_id").loc["0", "objective"] == "objective 3"


def test_from_its_own_table():
    shed = Watershed.of(gate(), NAMES, sections=["a", "b", "b"] * 40)
    again = Watershed.from_table(shed.table.sample(frac=1, random_state=0))
    assert again.line == shed.line and again.members == shed.members and again.hills() == shed.hills() and again.seeds is None


@pytest.mark.parametrize("change, words", [
    (dict(data=-gate()), "negative or missing"),
    (dict(data=gate() * np.nan), "negative or missing"),
    (dict(data=np.zeros((3, 4, 5))), "no weight on any objective"),
    (dict(data=np.ones(4)), "weights of shape"),
    (dict(data=gate(), names=("a", "a", "b", "c", "d")), "4 names for 5 objectives"),
    (dict(data=gate(), null=NAMES), "no weight on any objective"),
    (dict(data=gate(), sections=["a"]), "1 × section for 120 prompts"),
])
def test_what_is_refused(change, words):
    with pytest.raises(WorkbenchError, match=words):
        Watershed.of(change.pop("data"), change.pop("names", NAMES), **change)


def test_shares_in_words():
    assert [percent(*p) for p in ((0, 9), (1, 900), (899, 900), (9, 9), (1, 2))] == ["0 %", "<1 %", ">99 %", "100 %", "50 %"]
