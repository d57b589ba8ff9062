"""Public data sets whose rows say more than prompt, chosen and rejected: all of it arrives, or one error names the line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from test_read import put, said, texts

from workbench import readers
from workbench.errors import WorkbenchError
from workbench.readers.messages import messages_of
from workbench.study import Study


def refused(tmp_path, rows, *words):
    with pytest.raises(WorkbenchError) as caught:
        readers.read(put(tmp_path / "bad.jsonl", rows))
    assert all(word in str(caught.value) for word in words), str(caught.value)


# -- preference strength ---------------------------------------------------------------------------


def judged(number: int, models: int = 10, *, lists: bool = True) -> dict:
    rng = np.random.default_rng(number)
    chosen, rejected = rng.normal(0.5, 1, models), rng.normal(0, 1, models)
    turns = ["Human: Which tree?", "Assistant: Ash.", f"Human: Bird {number}?", "Assistant: Wren."]
    other = [*turns[:-1], "Assistant: No idea."]
    return {
        "chosen": turns if lists else "\n\n" + "\n\n".join(turns),
        "rejected": other if lists else "\n\n" + "\n\n".join(other),
        "mean preference difference": float((chosen - rejected).mean()),
        "std preference difference": float((chosen - rejected).std()),
        "chosen score list": chosen.tolist(),
        "rejected score list": rejected.tolist(),
        "GPT4 label": number % 3 - 1,
    }


@pytest.mark.parametrize("lists", [True, False])
def test_strength_keeps_scores_and_the_judge(tmp_path, lists):
    rows = [judged(i, lists=lists) for i in range(4)]
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    tables = readers.read(tmp_path / "a.parquet")
    assert tables.notes["layouts"] == {"a.parquet": "strength"}
    wanted = said(("user", "Which tree?"), ("assistant", "Ash."), ("user", "Bird 0?"))
    assert messages_of(tables.prompts)[0] == wanted and texts(tables)[0][1:] == ("Wren.", "No idea.")
    assert tables.pairs["judge_label"].tolist() == [-1, 0, 1, -1]
    for column, key in (("strength", "mean preference difference"), ("strength_std", "std preference difference")):
        assert tables.pairs[column].tolist() == [row[key] for row in rows]
    scores = tables.scores["given"].set_index("response_id")
    assert list(scores.columns) == [f"rm-{model:02d}" for model in range(10)]
    for row, pair in zip(rows, tables.pairs.itertuples()):
        assert scores.loc[pair.chosen].tolist() == row["chosen score list"]
        assert scores.loc[pair.rejected].tolist() == row["rejected score list"]
    study = Study.write(tables, tmp_path / "study")
    assert study.column_scores(["rm-00", "rm-09"]).values[2, 1, 1] == rows[2]["rejected score list"][9]
    assert {"rm-00", "n_words"} <= set(study.columns) and study.pairs["strength"].notna().all()


def test_turns_without_speakers_alternate(tmp_path):
    rows = [judged(i) for i in range(2)]
    for row in rows:
        row |= {side: [turn.split(": ", 1)[1] for turn in row[side]] for side in ("chosen", "rejected")}
    tables = readers.read(put(tmp_path / "a.jsonl", rows))
    assert messages_of(tables.prompts)[1] == said(("user", "Which tree?"), ("assistant", "Ash."), ("user", "Bird 1?"))


BAD_STRENGTH = {
    "unequal lists": ({"rejected score list": [0.1] * 9}, ["line 2", "unequal length", "chosen score list holds 10", "holds 9"]),
    "another mean": ({"mean preference difference": 9.0}, ["line 2", "mean preference difference is 9", "score lists"]),
    "no number": ({"chosen score list": ["high"] * 10}, ["line 2", "no numbers"]),
    "nothing": ({"chosen score list": None}, ["line 2", "unequal length"]),
    "infinite": ({"chosen score list": [float("nan")] * 10}, ["line 2", "missing or infinite score"]),
    "one form": ({"chosen": "\n\nHuman: a\n\nAssistant: b"}, ["line 2", "neither lists of turns nor transcripts"]),
    "other prompt": ({"chosen": ["Human: Which stone?", "Assistant: Flint."]}, ["line 2", "different prompts"]),
}


@pytest.mark.parametrize("case", BAD_STRENGTH)
def test_bad_strength(tmp_path, case):
    change, words = BAD_STRENGTH[case]
    refused(tmp_path, [judged(0), judged(1) | change], *words)


def test_a_rounded_mean_is_the_mean(tmp_path):
    rows = [judged(i) for i in range(6)]
    for row in rows:
        row["mean preference difference"] = round(row["mean preference difference"], 2)
    assert len(readers.read(put(tmp_path / "a.jsonl", rows)).pairs) == 6


def test_scores_that_contradict_one_another(tmp_path):
    again = judged(5)
    again |= {side: judged(0)[side] for side in ("chosen", "rejected")}
    again["chosen"] = [*again["chosen"][:-1], "Assistant: Owl."]
    path = put(tmp_path / "a.jsonl", [judged(0), judged(1), again])
    with pytest.raises(WorkbenchError, match="line 3: rm-00 of the same answer is .* before"):
        readers.read(path)
    tables = readers.read(path, skip_bad=True)
    assert tables.notes["left_out"]["contradicting scores"] == 10
    assert tables.scores["given"].set_index("response_id").loc[tables.pairs["rejected"][0]].tolist() == judged(0)["rejected score list"]


# -- UltraFeedback binarized, and the scores of a study ----------------------------------------------


def binarized(number: int, low: float = 3.0) -> dict:
    turns = [("user", f"q{number}")]
    return {
        "prompt": f"q{number}", "prompt_id": f"h{number}", "messages": said(*turns, ("assistant", "long")),
        "chosen": said(*turns, ("assistant", "long")), "rejected": said(*turns, ("assistant", "short")),
        "score_chosen": 8.5, "score_rejected": low,
    }  # fmt: skip


def test_binarized_scores_are_kept_by_response(tmp_path):
    tables = readers.read(put(tmp_path / "a.jsonl", [binarized(0), binarized(1, None)]))
    assert tables.notes["layouts"] == {"a.jsonl": "preference"} and tables.prompts["prompt_id"].tolist() == ["h0", "h1"]
    scores = tables.scores["given"].set_index("response_id")["score"]
    assert scores[tables.pairs["chosen"]].tolist() == [8.5, 8.5] and scores[tables.pairs["rejected"]].fillna(-1).tolist() == [3.0, -1]
    refused(tmp_path, [binarized(0), binarized(1, "good")], "line 2, column score", "'good' is not a number")
    frame = tables.scores["given"]
    with pytest.raises(WorkbenchError, match="scores named given twice"):
        Study.write(tables, tmp_path / "study", scores={"given": frame})
    assert Study.write(tables, tmp_path / "study", scores={"more": frame.rename(columns={"score": "other"})}).column("other").max() == 8.5


# -- HelpSteer 2 and 3 -------------------------------------------------------------------------------


def compared(number: int, strength) -> dict:
    return {"prompt": f"q{number}", "response_1": f"a{number}", "response_2": f"b{number}", "preference_strength": strength}


def test_helpsteer2_preferences(tmp_path):
    tables = readers.read(put(tmp_path / "a.jsonl", [compared(0, -3), compared(1, 2), compared(2, 0), compared(3, 1.0)]))
    assert texts(tables) == [("q0", "a0", "b0"), ("q1", "b1", "a1"), ("q3", "b3", "a3")]
    assert tables.pairs["strength"].tolist() == [3, 2, 1]
    assert tables.notes == {"layouts": {"a.jsonl": "helpsteer"}, "left_out": {"ties": 1}}
    for strength in (4, -3.5, None, "2"):
        refused(tmp_path, [compared(0, 1), compared(1, strength)], "line 2, column preference_strength", "no preference", "−3 to 3")


def test_helpsteer2_ratings_and_preferences_are_of_the_same_responses(tmp_path):
    names = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
    rated = [{"prompt": f"q{i}", "response": f"{side}{i}"} | dict.fromkeys(names, i) for i in range(2) for side in "ab"]
    tables = readers.read([put(tmp_path / "pairs.jsonl", [compared(0, 1), compared(1, -1)]), put(tmp_path / "train.jsonl", rated)])
    assert len(tables.prompts) == 2 and len(tables.responses) == 4 and len(tables.ratings) == 4
    assert {(o.low, o.high, o.source) for o in tables.objectives} == {(0, 4, "helpsteer")}
    assert set(tables.pairs["chosen"]) <= set(tables.ratings["response_id"])
    refused(tmp_path, [rated[0], rated[1] | {"verbosity": 5}], "line 2, column verbosity", "outside 0 to 4")


def test_helpsteer3(tmp_path):
    def row(number, overall, each=()):
        return {
            "domain": "code", "language": "python", "context": said(("user", f"q{number}")), "response1": "first", "response2": "second",
            "overall_preference": overall, "individual_preference": [{"score": score, "reasoning": "…"} for score in each],
        }  # fmt: skip

    tables = readers.read(put(tmp_path / "a.jsonl", [row(0, -2, (-2, -1, 1)), row(1, 3, (3,)), row(2, 0, (0,)), row(3, 1)]))
    assert texts(tables) == [("q0", "first", "second"), ("q1", "second", "first"), ("q3", "second", "first")]
    assert [json.loads(each) if isinstance(each, str) else None for each in tables.pairs["annotators"]] == [[2, 1, -1], [3], None]
    assert tables.pairs["strength"].tolist() == [2, 3, 1] and set(tables.pairs["language"]) == {"python"}
    assert set(tables.prompts["section"]) == set(tables.prompts["domain"]) == {"code"}
    assert tables.notes == {"layouts": {"a.jsonl": "helpsteer3"}, "left_out": {"ties": 1}}
    refused(tmp_path, [row(0, 1), row(1, 7)], "line 2, column overall_preference", "7 is no preference")
    refused(tmp_path, [row(0, 1), row(1, 1) | {"context": "q"}], "line 2, column context", "not messages")
    refused(tmp_path, [row(0, 1), row(1, 1) | {"individual_preference": [{"reasoning": "…"}]}], "line 2", "without score")


# -- benchmarks --------------------------------------------------------------------------------------


def test_rewardbench_rows_as_the_hub_has_them(tmp_path):
    row = {"prompt": "q", "chosen": "a", "chosen_model": "m", "rejected": "b", "rejected_model": "n", "subset": "hep-go", "id": 7}
    tables = readers.read(put(tmp_path / "a.jsonl", [row, row | {"prompt": "r", "subset": "donotanswer"}]))
    assert tables.pairs["subset"].tolist() == ["hep-go", "donotanswer"]
    assert tables.pairs["pair_id"].tolist() == ["hep-go-7", "donotanswer-7"]
    assert tables.prompts["section"].tolist() == ["Reasoning", "Safety"] and tables.responses["model"].tolist() == ["m", "n", "m", "n"]


def second(number, subset="Focus", right=1, wrong=3, **more):
    return {
        "id": str(number), "prompt": f"q{number}", "chosen": [f"right {number} {i}" for i in range(right)],
        "rejected": [f"wrong {number} {i}" for i in range(wrong)], "num_correct": right, "num_incorrect": wrong,
        "total_completions": right + wrong, "models": [f"m{i}" for i in range(right + wrong)], "subset": subset,
        "additional_metadata": {"category": None},
    } | more  # fmt: skip


def test_rewardbench2_every_right_with_every_wrong(tmp_path):
    rows = [second(0), second("tied:1", "Ties", 2, 4), second(2, "Precise IF", models=["one"])]
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    tables = readers.read(tmp_path / "a.parquet")
    assert tables.notes["layouts"] == {"a.parquet": "rewardbench2"}
    wanted = [(row["prompt"], right, wrong) for row in rows for right in row["chosen"] for wrong in row["rejected"]]
    assert texts(tables) == wanted and len(tables.responses) == 4 + 6 + 4
    assert tables.pairs.groupby("item", sort=False).size().to_dict() == {"0": 3, "tied:1": 8, "2": 3}
    assert tables.pairs.groupby("item")["subset"].first().to_dict() == {"0": "Focus", "tied:1": "Ties", "2": "Precise IF"}
    assert tables.responses["model"].tolist()[:4] == ["m0", "m1", "m2", "m3"] and tables.responses["model"].isna().sum() == 4
    refused(tmp_path, [second(0), second(1, num_correct=2)], "line 2", "1 chosen answers, num_correct says 2")
    refused(tmp_path, [second(0), second(1, "Poems")], "line 2, column subset", "unknown subset 'Poems'", "Precise IF")
    refused(tmp_path, [second(0), second(0)], "line 2", "duplicate id '0:0:0'")


def test_rmbench_is_three_by_three(tmp_path):
    def row(number, domain):
        styles = ("concise", "plain", "markdown")
        return {
            "id": f"n{number}", "prompt": f"q{number}", "domain": domain,
            "chosen": [f"right {number} {style}" for style in styles], "rejected": [f"wrong {number} {style}" for style in styles],
        }  # fmt: skip

    rows = [row(0, "chat"), row(1, "safety-refuse")]
    tables = readers.read(put(tmp_path / "total_dataset.jsonl", rows))
    assert tables.notes["layouts"] == {"total_dataset.jsonl": "rmbench"}
    assert len(tables.pairs) == 18 and len(tables.responses) == 12
    for (_, chosen, rejected), pair in zip(texts(tables), tables.pairs.itertuples()):
        number = int(pair.item[1:])
        assert chosen == rows[number]["chosen"][pair.chosen_style] and rejected == rows[number]["rejected"][pair.rejected_style]
    assert tables.pairs.groupby("item").apply(lambda item: len(set(zip(item["chosen_style"], item["rejected_style"])))).tolist() == [9, 9]
    assert tables.prompts["section"].tolist() == ["chat", "safety-refuse"]
    refused(tmp_path, [rows[0], rows[1] | {"rejected": ["", "b", "c"]}], "line 2, column rejected", "empty rejected")
