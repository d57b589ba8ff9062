"""Conversations → text: system and earlier turns stay in the prompt, under their roles."""

from __future__ import annotations

from ..errors import WorkbenchError

ROLES = {
    "system": "System",
    "user": "User",
    "human": "User",
    "assistant": "Assistant",
    "gpt": "Assistant",
    "tool": "Tool",
    "function": "Tool",
}


def turns(messages, place: str, column: str) -> list[tuple[str, str]]:
    """(role, content) of each message; ShareGPT's from/value are read too."""
    out = []
    for number, message in enumerate(messages, 1):
        where = f"{place}, column {column}, message {number}"
        role = message.get("role", message.get("from")) if isinstance(message, dict) else None
        content = message.get("content", message.get("value")) if isinstance(message, dict) else None
        if role is None or not isinstance(content, str):
            raise WorkbenchError("a message without role and content", where=where, remedy='Each is {"role": "user", "content": "…"}')
        if role not in ROLES:
            raise WorkbenchError(f"unknown role {role!r}", where=where, remedy=f"Known: {', '.join(ROLES)}")
        out.append((ROLES[role], content))
    return out


def as_prompt(said: list[tuple[str, str]]) -> str:
    """One user turn is its own text; anything more is written with role markers."""
    if len(said) == 1 and said[0][0] == "User":
        return said[0][1]
    return "\n\n".join(f"{role}: {content}" for role, content in said)


def split_last(messages, place: str, column: str) -> tuple[list[tuple[str, str]], str]:
    """The turns before the answer, and the answer: the last message has to be the assistant's."""
    said = turns(messages, place, column)
    if not said or said[-1][0] != "Assistant":
        raise WorkbenchError(
            "the last message is not the assistant's", where=f"{place}, column {column}", remedy="An answer is what is judged"
        )
    return said[:-1], said[-1][1]
