"""Conversations are kept as they came: every form gives the same messages, and no two conversations are one."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from test_read import put, said

from workbench import readers
from workbench.errors import WorkbenchError
from workbench.readers.messages import messages_of
from workbench.study import Study

SYSTEM = ("system", "Answer in one word.")
TALK = [SYSTEM, ("user", "Which tree?"), ("assistant", "Ash."), ("user", "And which bird?")]
OTHER = [("user", "Which stone?")]
ANSWERS = {"chosen": "Wren.", "rejected": "I like birds of many kinds."}


def with_prompt(turns, prompt_key=None):
    """The row in RLHFlow's form, or with the prompt outside."""
    before = [] if prompt_key else turns
    row = {side: said(*before, ("assistant", answer)) for side, answer in ANSWERS.items()}
    return ({"prompt": said(*turns)} if prompt_key else {}) | row


def spoken(turns):
    head = "".join(f"\n\n{ {'user': 'Human', 'assistant': 'Assistant'}[role]}: {text}" for role, text in turns)
    return {side: f"{head}\n\nAssistant: {answer}" for side, answer in ANSWERS.items()}


FORMS = {
    "RLHFlow": (TALK, [with_prompt(TALK), with_prompt(OTHER)]),
    "TRL, explicit": (TALK, [with_prompt(TALK, "prompt"), with_prompt(OTHER, "prompt")]),
    "TRL, implicit": (TALK, [with_prompt(TALK), with_prompt(OTHER)]),
    "TRL, a conversation and texts": (TALK, [{"prompt": said(*TALK)} | ANSWERS, {"prompt": said(*OTHER)} | ANSWERS]),
    "prompt said twice": (TALK, [{"prompt": said(*TALK)} | with_prompt(TALK), {"prompt": OTHER[0][1]} | with_prompt(OTHER)]),
    "the answer is a tool's": (
        [*TALK, ("assistant", "look it up"), ("tool", "a list of birds")],
        [
            {"prompt": said(*TALK)}
            | {s: said(("assistant", "look it up"), ("tool", "a list of birds"), ("assistant", a)) for s, a in ANSWERS.items()},
            with_prompt(OTHER, "prompt"),
        ],
    ),
    "ShareGPT": (
        TALK,
        [
            {s: [{"from": {"user": "human", "assistant": "gpt"}.get(r, r), "value": t} for r, t in [*turns, ("assistant", a)]]
             for s, a in ANSWERS.items()}
            for turns in (TALK, OTHER)
        ],
    ),
    "HH-RLHF": (TALK[1:], [spoken(TALK[1:]), spoken(OTHER)]),
    "RewardBench": (
        TALK,
        [{"prompt": said(*turns), "subset": "hep-go", "id": at} | ANSWERS for at, turns in enumerate((TALK, OTHER))],
    ),
    "nested ratings": (
        TALK,
        [{"prompt": said(*turns), "response": "Wren.", "ratings": {"good": at}} for at, turns in enumerate((TALK, OTHER))],
    ),
    "rated messages": (
        TALK,
        [{"messages": said(*turns, ("assistant", "Wren.")), "good": at} for at, turns in enumerate((TALK, OTHER))],
    ),
    "HelpSteer2": (
        TALK[1:],
        [
            {"prompt": "Which tree?\n\n<extra_id_1>Assistant\nAsh.\n\n<extra_id_1>User\nAnd which bird?", "preference_strength": -2,
             "response_1": "Wren.", "response_2": "I like birds of many kinds."},
            {"prompt": "Which stone?", "preference_strength": 1, "response_1": "x", "response_2": "y"},
        ],
    ),
    "HelpSteer3": (
        TALK,
        [{"context": said(*turns), "response1": "I", "response2": "Wren.", "overall_preference": 3} for turns in (TALK, OTHER)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_keeps_the_messages(tmp_path, form):
    turns, rows = FORMS[form]
    tables = readers.read(put(tmp_path / "a.jsonl", rows))
    assert messages_of(tables.prompts) == [said(*turns), said(*OTHER)]
    assert json.loads(tables.prompts["messages"][0]) == said(*turns) and pd.isna(tables.prompts["messages"][1])
    told = [f"{role.capitalize()}: {text}" for role, text in turns]
    assert tables.prompts["text"].tolist() == ["\n\n".join(told), "Which stone?"]


def test_single_turns_need_no_column(tmp_path):
    rows = [{"prompt": f"p{i}"} | ANSWERS for i in range(2)]
    tables = readers.read(put(tmp_path / "a.jsonl", rows))
    assert "messages" not in tables.prompts
    assert messages_of(tables.prompts) == [said(("user", "p0")), said(("user", "p1"))]
    assert tables.prompts["prompt_id"].tolist() == readers.read(put(tmp_path / "b.jsonl", rows)).prompts["prompt_id"].tolist()


def test_conversations_that_read_alike_stay_two(tmp_path):
    flat = "User: Which tree?\n\nAssistant: Ash.\n\nUser: And which bird?"
    asked = [TALK[1:], [("user", flat)], [("user", "Which tree?\n\nAssistant: Ash."), TALK[3]]]
    tables = readers.read(put(tmp_path / "a.jsonl", [with_prompt(turns) for turns in asked]))
    assert tables.prompts["text"].duplicated().sum() == 2 and tables.prompts["prompt_id"].is_unique
    assert messages_of(tables.prompts) == [said(*turns) for turns in asked]
    assert tables.pairs["pair_id"].is_unique and tables.pairs["chosen"].is_unique
    rows = [with_prompt(turns) | {"prompt_id": "x"} for turns in asked[:2]]
    with pytest.raises(WorkbenchError, match="line 2: prompt_id 'x' has two texts"):
        readers.read(put(tmp_path / "b.jsonl", rows))


def test_messages_survive_a_study(tmp_path):
    tables = readers.read(put(tmp_path / "a.jsonl", FORMS["RLHFlow"][1]))
    study = Study.write(tables, tmp_path / "study")
    assert messages_of(study.prompts) == messages_of(Study.load(tmp_path / "study").prompts) == [said(*TALK), said(*OTHER)]


DAMAGED = {
    "not JSON": ('[{"role": "user"', "not a JSON list of messages"),
    "an object": ('{"role": "user", "content": "x"}', "not a JSON list of messages"),
    "nothing": ("[]", "not a JSON list of messages"),
    "a number": (7, "not a JSON list of messages"),
    "no content": ('[{"role": "user"}]', "message 1: a message without role and content"),
    "role": ('[{"role": "user", "content": "x"}, {"role": "robot", "content": "y"}]', "message 2: unknown role 'robot'"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_value_is_named_by_its_row(case):
    value, words = DAMAGED[case]
    prompts = pd.DataFrame({"prompt_id": ["a", "b"], "text": ["x", "y"], "messages": pd.Series([None, value], dtype=object)})
    with pytest.raises(WorkbenchError) as caught:
        messages_of(prompts)
    assert "prompts, row 1 (b), column messages" in str(caught.value) and words in str(caught.value)
    assert '"role": "user"' in str(caught.value) or "Known:" in str(caught.value)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_neither_messages_nor_text(missing):
    prompts = pd.DataFrame({"prompt_id": ["a"], "messages": pd.Series([missing], dtype=object)})
    with pytest.raises(WorkbenchError, match=r"row 0 \(a\): neither messages nor text.*Give the prompt's text"):
        messages_of(prompts)


def test_an_empty_conversation_is_an_empty_prompt(tmp_path):
    rows = [with_prompt([("system", " "), ("user", "")], "prompt"), with_prompt(OTHER), with_prompt(TALK)]
    path = put(tmp_path / "a.jsonl", rows)
    with pytest.raises(WorkbenchError, match="line 1, column prompt: empty prompt"):
        readers.read(path)
    assert readers.read(path, skip_bad=True).notes["left_out"] == {"empty texts": 1}


def test_differing_prompts_can_be_left_out(tmp_path):
    rows = [spoken(OTHER) | {"chosen": spoken(TALK[1:])["chosen"]}, spoken(OTHER), spoken(TALK[1:])]
    path = put(tmp_path / "a.jsonl", rows)
    with pytest.raises(WorkbenchError, match="line 1: chosen and rejected answer different prompts"):
        readers.read(path)
    assert readers.read(path, skip_bad=True).notes["left_out"] == {"differing prompts": 1}


def test_words_before_the_first_speaker_are_kept(tmp_path):
    rows = [{side: f"A note.{text}" for side, text in spoken(OTHER).items()}, spoken(TALK[1:])]
    tables = readers.read(put(tmp_path / "a.jsonl", rows))
    assert messages_of(tables.prompts)[0] == said(("user", "A note."), *OTHER)
