"""Conversations → the two hidden states that ArmoRM reads of each; prompts with several answers are read once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from ..axes import RowDim
from ..backbone.causal import CausalBackbone
from ..backbone.conversations import Group
from ..errors import WorkbenchError, listing

SHAPE = 'Each is a list of {"role": "user", "content": "…"}, the last of them the assistant\'s'


def hidden_states(conversations: Sequence, backbone: CausalBackbone,
                  progress: Callable[[int, int], None] | None = None) -> tuple[RowDim, RowDim]:
    """Of each conversation (or of one) the state after its last token, and where the gate reads, [row dim] float32.

    WorkbenchError names one that is no conversation with an answer, that the chat template refuses, or that is too long.
    """
    if isinstance(conversations, Sequence) and len(conversations) and isinstance(conversations[0], dict):
        conversations = [conversations]
    prompts: dict[str, list[int]] = {}  # what comes before the answer → the conversations that begin so
    for at, messages in enumerate(conversations):
        with named(f"conversation {at}"):
            _check(messages)
        prompts.setdefault(json.dumps(messages[:-1]), []).append(at)
    count, of, groups = len(conversations), np.empty(len(conversations), np.int64), []
    for slot, places in enumerate(prompts.values(), count):
        answers = tuple((at, conversations[at][-1]["content"]) for at in places)
        groups.append(Group("", conversations[places[0]][:-1], slot, answers))
        of[places] = slot
    work = backbone.plan(groups)
    if bad := [at for at in range(count) if at in work.skipped]:
        raise WorkbenchError(work.skipped[bad[0]], where=f"conversation {listing(bad)}", remedy="Leave out what cannot be judged")
    out, done = np.empty((count + len(prompts), backbone.dim), np.float32), 0
    for batch in work.batches:
        out[batch.slots] = backbone.run(batch)
        done += int((batch.slots < count).sum())
        if progress is not None:
            progress(done, count)
    return out[:count], out[of]


def _check(messages) -> None:
    if not isinstance(messages, Sequence) or not all(isinstance(message, dict) for message in messages):
        raise WorkbenchError("not a list of messages", remedy=SHAPE)
    if not all(isinstance(message.get(key), str) for message in messages for key in ("role", "content")):
        raise WorkbenchError("a message without role and content", remedy=SHAPE)
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise WorkbenchError("no prompt whose last message is the assistant's answer", remedy=SHAPE)


@contextmanager
def named(where: str) -> Iterator[None]:
    """Errors within say where they are."""
    try:
        yield
    except WorkbenchError as error:
        raise WorkbenchError(error.what, where=where, remedy=error.remedy) from None
