"""Public layouts come out as the tables they describe, alone and combined."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from workbench import readers
from workbench.errors import WorkbenchError
from workbench.readers import nested, preference, rated, rewardbench


def put(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def said(*turns):
    return [{"role": role, "content": content} for role, content in turns]


def texts(tables):
    """prompt, chosen and rejected text of each pair, through the ids."""
    prompt = tables.prompts.set_index("prompt_id")["text"]
    response = tables.responses.set_index("response_id")["text"]
    return [(prompt[row.prompt_id], response[row.chosen], response[row.rejected]) for row in tables.pairs.itertuples()]


PLAIN = [{"prompt": "p1", "chosen": "good", "rejected": "bad"}, {"prompt": "p2", "chosen": "fine", "rejected": "poor"}]
WANTED = [("p1", "good", "bad"), ("p2", "fine", "poor")]
FORMS = {
    "strings": PLAIN,
    "RLHFlow": [{side: said(("user", row["prompt"]), ("assistant", row[side])) for side in ("chosen", "rejected")} for row in PLAIN],
    "TRL": [{"prompt": said(("user", row["prompt"]))} | {s: said(("assistant", row[s])) for s in ("chosen", "rejected")} for row in PLAIN],
    "prompt outside": [{"prompt": row["prompt"]} | {s: said(("assistant", row[s])) for s in ("chosen", "rejected")} for row in PLAIN],
    "HH-RLHF": [{s: f"\n\nHuman: {row['prompt']}\n\nAssistant: {row[s]}" for s in ("chosen", "rejected")} for row in PLAIN],
}


@pytest.mark.parametrize("form", FORMS)
def test_preference_forms_agree(tmp_path, form):
    tables = preference.read(put(tmp_path / "a.jsonl", FORMS[form]))
    assert texts(tables) == WANTED
    assert tables.pairs["pair_id"].is_unique and tables.prompts["family"].nunique() == 2
    again = readers.read(put(tmp_path / "b.jsonl", FORMS[form]))
    assert again.notes["layouts"] == {"b.jsonl": "preference"}
    pd.testing.assert_frame_equal(again.pairs, tables.pairs)  # ids are made of the content


def test_system_and_earlier_turns_stay_in_the_prompt(tmp_path):
    before = (("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Who?"))
    rows = [{"chosen": said(*before, ("assistant", "Me")), "rejected": said(*before, ("assistant", "You"))}, *FORMS["RLHFlow"]]
    assert texts(preference.read(put(tmp_path / "a.jsonl", rows)))[0] == (
        "System: Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: Who?",
        "Me",
        "You",
    )
    spoken = [
        {s: f"\n\nHuman: Hi. Human: is a word\n\nAssistant: Hello\n\nHuman: Who?\n\nAssistant: {s}" for s in ("chosen", "rejected")},
        FORMS["HH-RLHF"][0],
    ]
    assert texts(preference.read(put(tmp_path / "b.jsonl", spoken)))[0] == (
        "User: Hi. Human: is a word\n\nAssistant: Hello\n\nUser: Who?",
        "chosen",
        "rejected",
    )


HELPSTEER = [
    {"prompt": f"p{i}", "response": f"r{i}", "helpfulness": 4, "correctness": i, "coherence": None, "complexity": 2, "verbosity": 0}
    for i in range(3)
]
HELPSTEER[0]["coherence"] = 3


def test_helpsteer(tmp_path):
    tables = readers.read(put(tmp_path / "a.jsonl", HELPSTEER))
    assert tables.notes == {"layouts": {"a.jsonl": "helpsteer"}}
    assert [(o.name, o.low, o.high, o.source) for o in tables.objectives][:2] == [
        ("helpfulness", 0, 4, "helpsteer"),
        ("correctness", 0, 4, "helpsteer"),
    ]
    assert tables.ratings["correctness"].tolist() == [0, 1, 2]
    assert tables.ratings["coherence"].isna().tolist() == [False, True, True]
    assert len(tables.pairs) == 0


def test_one_column_per_objective_with_messages(tmp_path):
    rows = [
        {
            "messages": said(("user", f"p{i}"), ("assistant", f"r{i}")),
            "source": "x",
            "helpsteer-verbosity": 0.5 if i else None,
            "code-style": None if i else 1.0,
        }
        for i in range(2)
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    tables = readers.read(tmp_path / "a.parquet")
    assert tables.notes["layouts"] == {"a.parquet": "rated"}
    assert tables.notes["guessed_ranges"] == {"helpsteer-verbosity": [0, 1], "code-style": [0, 1]}
    np.testing.assert_array_equal(tables.ratings[["helpsteer-verbosity", "code-style"]], [[np.nan, 1.0], [0.5, np.nan]])
    assert tables.prompts["text"].tolist() == ["p0", "p1"] and tables.responses["text"].tolist() == ["r0", "r1"]


def test_ultrafeedback(tmp_path):
    def completion(text, rating, overall):
        return {
            "response": text,
            "model": "m",
            "overall_score": overall,
            "annotations": {
                "honesty": {"Rating": rating, "Rationale": "…"},
                "helpfulness": {"Rating": "3"},
                "truthfulness": {"Rating": "5"},
                "instruction_following": {"Rating": "1"},
            },
        }

    rows = [
        {"source": "s", "instruction": f"p{i}", "completions": [completion("a", "2", 7.5), completion("b", "N/A", 4)]} for i in range(2)
    ]
    tables = readers.read(put(tmp_path / "a.jsonl", rows))
    assert tables.ratings["ultrafeedback-honesty"].fillna(-1).tolist() == [2, -1, 2, -1]
    assert tables.ratings["ultrafeedback-overall_score"].tolist() == [7.5, 4, 7.5, 4]
    assert {o.name: o.high for o in tables.objectives}["ultrafeedback-overall_score"] == 10
    assert len(tables.responses) == 4 and tables.responses["response_id"].is_unique


def test_rewardbench_sections_and_ids(tmp_path):
    rows = [
        {"id": 7, "prompt": "p1", "chosen": "a", "chosen_model": "m", "rejected": "b", "rejected_model": "n", "subset": "llmbar-natural"},
        {"id": 7, "prompt": "p2", "chosen": "a", "chosen_model": "m", "rejected": "b", "rejected_model": "n", "subset": "hep-go"},
    ]
    tables = readers.read(put(tmp_path / "a.jsonl", rows))
    assert tables.notes["layouts"] == {"a.jsonl": "rewardbench"}
    assert tables.prompts["section"].tolist() == ["Chat Hard", "Reasoning"]
    assert tables.pairs["pair_id"].tolist() == ["llmbar-natural-7", "hep-go-7"]
    assert tables.responses["model"].tolist() == ["m", "n", "m", "n"]
    with pytest.raises(WorkbenchError, match="line 1, column subset.*unknown subset 'x'"):
        rewardbench.read(put(tmp_path / "b.jsonl", [rows[0] | {"subset": "x"}]))


def test_rewardbench_counts_what_the_paper_counts():
    assert {name: len(subsets) for name, subsets in rewardbench.SECTIONS.items()} == {
        "Chat": 5,
        "Chat Hard": 6,
        "Safety": 5,
        "Reasoning": 7,
        "Prior Sets": 4,
    }


NESTED = [
    {
        "id": f"r{i}",
        "prompt": f"p{i}",
        "response": f"a{i}",
        "model": "m",
        "source": "src",
        "prompt_hash": f"h{i}",
        "split": split,
        "ratings": {"src-good": i / 3, "src-count": -i},
    }
    for i, split in enumerate(["train", "val", "test"])
]
PAIRS = [
    {
        "id": "c0",
        "prompt": "p0",
        "chosen": "a0",
        "rejected": "worse",
        "source": "src",
        "prompt_hash": "h0",
        "split": "train",
        "label_by": "human",
    },
    {"id": "c1", "prompt": "p9", "chosen": "x", "rejected": "y", "source": "bench", "group": "Chat", "prompt_hash": "h9", "split": "eval"},
]


def test_ratings_and_pairs_become_one_study(tmp_path):
    paths = [put(tmp_path / "pairs.jsonl", PAIRS), put(tmp_path / "ratings.jsonl", NESTED)]
    tables = readers.read(paths)
    assert tables.notes["layouts"] == {"pairs.jsonl": "preference", "ratings.jsonl": "nested"}
    assert tables.pairs.loc[0, "chosen"] == "r0"  # the rated response, not a second copy of its text
    assert len(tables.responses) == 6 and len(tables.prompts) == 4
    assert tables.splits.set_index("family")["split"].to_dict() == {"h0": "train", "h1": "dev", "h2": "test", "h9": "test"}
    assert tables.prompts.set_index("family")["section"].to_dict() == {"h0": "src", "h1": "src", "h2": "src", "h9": "Chat"}
    assert tables.notes["guessed_ranges"] == {"src-good": [0, 1], "src-count": [-2, 0]}
    assert readers.read(paths, objectives=["src-good"]).ratings.columns.tolist() == ["response_id", "src-good"]
    assert readers.read(paths, ranges={"src-count": (-9, 0)}).objectives[1].low == -9


def bad(rows, at, **change):
    rows = [dict(row) for row in rows]
    for name, value in change.items():
        if value is KeyError:
            del rows[at][name]
        else:
            rows[at][name] = value
    return rows


MIXED = said(("user", "p"), ("assistant", "x")), said(("user", "other"), ("assistant", "y"))
BAD = {
    "missing column": (preference, bad(PLAIN, 1, rejected=KeyError), ["line 2", "missing column 'rejected'", "prompt, chosen"]),
    "missing prompt": (preference, bad(PLAIN, 1, prompt=KeyError), ["line 2", "missing column 'prompt'"]),
    "duplicate id": (preference, [row | {"id": "c1"} for row in PLAIN], ["line 2", "duplicate id 'c1'"]),
    "duplicate row": (preference, [*PLAIN, PLAIN[0]], ["line 3", "the same pair again"]),
    "duplicate response id": (nested, bad(NESTED, 2, id="r0"), ["line 3", "duplicate id 'r0'"]),
    "empty prompt": (preference, bad(PLAIN, 0, prompt="  "), ["line 1, column prompt", "empty prompt"]),
    "empty response": (preference, bad(PLAIN, 1, rejected=""), ["line 2, column rejected", "empty rejected"]),
    "null response": (nested, bad(NESTED, 1, response=None), ["line 2, column response", "empty response"]),
    "same sides": (preference, bad(PLAIN, 1, chosen="poor"), ["line 2", "chosen and rejected are the same"]),
    "not text": (preference, bad(PLAIN, 1, chosen=3), ["line 2", "chosen is a int, not text"]),
    "half a surrogate": (preference, bad(PLAIN, 1, chosen="a\ud800"), ["line 2, column chosen", "not UTF-8", "character 2"]),
    "other prompts": (preference, [{"chosen": MIXED[0], "rejected": MIXED[1]}], ["line 1", "answer different prompts"]),
    "ends with user": (preference, [{"chosen": MIXED[0][:1], "rejected": MIXED[1]}], ["column chosen", "not the assistant's"]),
    "role": (preference, [{"chosen": said(("robot", "x")), "rejected": MIXED[1]}], ["message 1", "unknown role 'robot'"]),
    "no content": (preference, [{"chosen": [{"role": "user"}], "rejected": MIXED[1]}], ["message 1", "without role and content"]),
    "text and list": (preference, [{"chosen": "x", "rejected": MIXED[1]}], ["line 1", "a text and a list"]),
    "outside scale": (readers, bad(HELPSTEER, 1, verbosity=5), ["line 2, column verbosity", "rating 5 outside 0 to 4"]),
    "infinite": (nested, bad(NESTED, 1, ratings={"src-good": float("inf")}), ["line 2, column src-good", "infinite"]),
    "not a number": (nested, bad(NESTED, 1, ratings={"src-good": "high"}), ["line 2, column src-good", "'high' is not a number"]),
    "all NaN": (nested, [row | {"ratings": {"src-good": 1, "src-none": None}} for row in NESTED], ["src-none", "no rating at all", "Drop"]),
    "no objective": (rated, [{"prompt": "p", "response": "r"}], ["line 1", "no objective column"]),
    "one prompt": (preference, PLAIN[:1], ["a study of one prompt", "add prompts"]),
    "two splits": (nested, bad(NESTED, 2, prompt_hash="h0"), ["family h0 in two splits", "whole"]),
    "unknown split": (nested, bad(NESTED, 2, split="half"), ["line 3", "unknown split 'half'", "train"]),
    "two texts": (nested, [row | {"prompt_id": "x"} for row in NESTED], ["line 2", "prompt_id 'x' has two texts"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_are_one_clear_error(tmp_path, case):
    layout, rows, words = BAD[case]
    path = put(tmp_path / "bad.jsonl", rows)
    with pytest.raises(WorkbenchError) as caught:
        layout.read(path)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    assert caught.value.what and (caught.value.remedy or "line" in str(caught.value.where))


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"objectives": ["src-best"]}, ["unknown objective src-best", "src-good"]),
        ({"ranges": {"src-best": (0, 1)}}, ["unknown objective src-best", "src-good"]),
        ({"ranges": {"src-good": (0, 0.5)}}, ["line 3, column src-good", "outside 0 to 0.5"]),
        ({"layout": "tables"}, ["unknown layout 'tables'", "preference"]),
    ],
)
def test_what_is_asked_for_must_exist(tmp_path, asked, words):
    with pytest.raises(WorkbenchError) as caught:
        readers.read(put(tmp_path / "a.jsonl", NESTED), **asked)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_skip_bad_leaves_out_and_counts(tmp_path):
    rows = [
        *PLAIN,
        PLAIN[0],
        bad(PLAIN, 0, prompt="")[0],
        bad(PLAIN, 0, rejected="good")[0],
        {"prompt": "p3", "chosen": "x", "rejected": None},
    ]
    tables = readers.read(put(tmp_path / "a.jsonl", rows), skip_bad=True)
    assert texts(tables) == WANTED
    assert tables.notes["left_out"] == {"repeated pairs": 1, "empty texts": 2, "identical sides": 1}
    assert "p3" not in set(tables.prompts["text"])  # a row that is left out leaves nothing behind
    with pytest.raises(WorkbenchError, match="line 2.*missing column"):
        readers.read(put(tmp_path / "b.jsonl", bad(PLAIN, 1, chosen=KeyError)), layout="preference", skip_bad=True)


def test_no_layout_fits(tmp_path):
    path = put(tmp_path / "a.jsonl", [{"question": "q", "answer": "a"}])
    with pytest.raises(WorkbenchError, match="line 1: no known layout has columns question, answer.*rename"):
        readers.read(path)
    rows = [{"question": row["prompt"]} | row for row in PLAIN]
    for row in rows:
        del row["prompt"]
    assert texts(readers.read(put(tmp_path / "b.jsonl", rows), rename={"question": "prompt"})) == WANTED


def test_files_of_one_name_in_two_folders(tmp_path):
    for folder in ("rated", "judged"):
        (tmp_path / folder).mkdir()
    rated_rows = [{"prompt": row["prompt"], "response": row["chosen"], "help": place} for place, row in enumerate(PLAIN)]
    files = [put(tmp_path / "rated" / "x.jsonl", rated_rows), put(tmp_path / "judged" / "x.jsonl", PLAIN)]
    for order in (files, files[::-1]):
        tables = readers.read(order)
        assert texts(tables) == WANTED and len(tables.ratings) == 2
        assert tables.notes["layouts"] == {"x.jsonl": "rated, preference"}
