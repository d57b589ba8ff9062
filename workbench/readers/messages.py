"""Conversations: turns of a role and what it said, as they came; told as text for people in one place."""

from __future__ import annotations

import json
import re
from typing import Any

import pandas as pd

from ..errors import WorkbenchError
from .files import Line

ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "tool": "tool",
    "function": "tool",
}
TOLD = re.compile(r"\n\n(System|User|Assistant|Tool): ")
Turn = tuple[str, str]  # role, content
_EACH = 'Each is {"role": "user", "content": "…"}'


def turns(messages, place: str, column: str) -> list[Turn]:
    """(role, content) of each message; ShareGPT's from/value are read too."""
    out = []
    for number, message in enumerate(messages, 1):
        where = f"{place}, column {column}, message {number}"
        role = message.get("role", message.get("from")) if isinstance(message, dict) else None
        content = message.get("content", message.get("value")) if isinstance(message, dict) else None
        if role is None or not isinstance(content, str):
            raise WorkbenchError("a message without role and content", where=where, remedy=_EACH)
        if role not in ROLES:
            raise WorkbenchError(f"unknown role {role!r}", where=where, remedy=f"Known: {', '.join(ROLES)}")
        out.append((ROLES[role], content))
    return out


def split_last(messages, place: str, column: str) -> tuple[list[Turn], str]:
    """The turns before the answer, and the answer: the last message has to be the assistant's."""
    said = turns(messages, place, column)
    if not said or said[-1][0] != "assistant":
        raise WorkbenchError(
            "the last message is not the assistant's", where=f"{place}, column {column}", remedy="An answer is what is judged"
        )
    return said[:-1], said[-1][1]


def prompt_of(line: Line) -> Any:
    """The prompt column: turns where it is a list of messages, else whatever it holds."""
    prompt = line.need("prompt")
    return turns(prompt, line.place, "prompt") if isinstance(prompt, list) else prompt


def spoken(text: str, marker: re.Pattern) -> list[Turn]:
    """The turns of a transcript, each under a marker whose one group names the speaker; words before the first are the user's."""
    head, *rest = marker.split(text)
    said = [(ROLES[speaker.lower()], words.strip()) for speaker, words in zip(rest[0::2], rest[1::2])]
    return [("user", head.strip())] * bool(head.strip()) + said


def told(prompt: Any) -> tuple[Any, str | None]:
    """What people read of a prompt, and its messages as JSON, None for one user turn: that is its text.

    Anything that is no list of turns is handed back as it is.
    """
    if not isinstance(prompt, list):
        return prompt, None
    if len(prompt) == 1 and prompt[0][0] == "user":
        return prompt[0][1], None
    text = "\n\n".join(f"{role.capitalize()}: {content}" for role, content in prompt)
    messages = json.dumps([{"role": role, "content": content} for role, content in prompt], ensure_ascii=False)
    return (text if any(content.strip() for _, content in prompt) else ""), messages


def retold(text: str) -> list[dict]:
    """`told` undone as far as text tells: turns under their markers, if it begins with one and ends in the user's; else one user turn."""
    first, *rest = TOLD.split(f"\n\n{text}")
    said = list(zip(rest[0::2], rest[1::2]))
    if first or not said or said[-1][0] != "User":
        said = [("User", text)]
    return [{"role": role.lower(), "content": content} for role, content in said]


def messages_of(prompts: pd.DataFrame) -> list[list[dict]]:
    """The messages of each row of a prompts table: those it holds, or its text as one user turn.

    A message is {"role": "system", "user", "assistant" or "tool", "content": text}. WorkbenchError names the row of a
    damaged value, and of one with neither messages nor text.
    """
    none = [None] * len(prompts)
    held = prompts["messages"].tolist() if "messages" in prompts.columns else none
    texts = prompts["text"].tolist() if "text" in prompts.columns else none
    return [
        _single(text, row, prompts) if _missing(value) else _parsed(value, row, prompts)
        for row, (value, text) in enumerate(zip(held, texts))
    ]


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _single(text: Any, row: int, prompts: pd.DataFrame) -> list[dict]:
    if not isinstance(text, str):
        raise WorkbenchError("neither messages nor text", where=_place(row, prompts), remedy="Give the prompt's text, or its messages")
    return [{"role": "user", "content": text}]


def _parsed(value: Any, row: int, prompts: pd.DataFrame) -> list[dict]:
    place = _place(row, prompts)
    try:
        messages = json.loads(value)
    except (TypeError, ValueError):
        messages = None
    if not isinstance(messages, list) or not messages:
        raise WorkbenchError("not a JSON list of messages", where=f"{place}, column messages", remedy=f"{_EACH}; null for one user turn")
    return [{"role": role, "content": content} for role, content in turns(messages, place, "messages")]


def _place(row: int, prompts: pd.DataFrame) -> str:
    named = f" ({prompts['prompt_id'].iloc[row]})" if "prompt_id" in prompts.columns else ""
    return f"prompts, row {row}{named}"
