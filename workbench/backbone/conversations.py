"""Some prompts with their answers → batches of token ids, and what cannot be computed, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import WorkbenchError
from .chat import Chat, Messages
from .trees import Cost, Ids, batched, grown


@dataclass(frozen=True)
class Group:
    """One prompt and its answers: slots say where each vector goes; prompt None where its own is not wanted."""

    text: str
    messages: Messages
    prompt: int | None
    answers: tuple[tuple[int, str], ...]

    @property
    def slots(self) -> tuple[int, ...]:
        return (*(() if self.prompt is None else (self.prompt,)), *(slot for slot, _ in self.answers))


@dataclass(frozen=True)
class Work:
    """Batches in order; skipped: slot → why it has no vector; cut: slots of which not everything is read; tokens in all."""

    batches: tuple[Any, ...]
    skipped: dict[int, str]
    cut: tuple[int, ...] = ()
    tokens: int = 0


def plan(chat: Chat, groups: Sequence[Group], *, max_tokens: int, cut: bool, cost: Cost, batch_tokens: int) -> Work:
    """Every group through the chat template and the tokenizer; what is too long or is refused stays out, with its reason.

    cut: prompts may lose their oldest tokens, after the BOS, so that a conversation fits max_tokens.
    """
    skipped, short, rows, texts, places = {}, [], [], [], []
    for group in groups:
        try:
            some = [chat.text(group.messages), *(chat.text(group.messages, answer) for _, answer in group.answers)]
        except WorkbenchError as error:
            skipped |= dict.fromkeys(group.slots, error.what)
            some = []
        places.append(slice(len(texts), len(texts) + len(some)))
        texts += some
    ids = chat.ids(texts)
    for group, place in zip(groups, places):
        if ids[place]:
            fitted, over, why = _fitted(chat, group, ids[place][0], ids[place][1:], max_tokens, cut)
            skipped |= why
            short += [group.prompt] if over and group.prompt is not None else []
            rows += [] if fitted is None else grown(group.prompt, *fitted, cost)
    batches = batched(rows, batch_tokens)
    return Work(tuple(batches), skipped, tuple(short), sum(batch.tokens for batch in batches))


def _fitted(chat: Chat, group: Group, prompt: Ids, whole: list[Ids], most: int, cut: bool):
    """Gate, prompt and the answers that fit; tokens cut from the prompt; slots left out, with their reasons."""
    try:
        gate = chat.gating_position(prompt)
    except WorkbenchError as error:
        return None, 0, dict.fromkeys(group.slots, error.what)
    marks = int(prompt[0] == chat.tokenizer.bos_token_id)
    room = gate - marks if cut else 0  # tokens that may be taken from the left, after the BOS
    if gate + 1 - room > most:
        return None, 0, dict.fromkeys(group.slots, _too_long(prompt, most))
    fitting, skipped = [], {}
    for (slot, _), ids in zip(group.answers, whole):
        if ids[: gate + 1] != prompt[: gate + 1] or len(ids) <= gate + 1:
            skipped[slot] = "the chat template writes this prompt otherwise once it is answered"
        elif len(ids) - room > most:
            skipped[slot] = _too_long(ids, most)
        else:
            fitting.append((slot, ids))
    over = max(0, gate + 1 - most, *(len(ids) - most for _, ids in fitting))  # the same for all answers: they share one prompt
    if over:
        prompt, fitting = _without(prompt, marks, over), [(slot, _without(ids, marks, over)) for slot, ids in fitting]
    return (gate - over, prompt, fitting), over, skipped


def _without(ids: Ids, start: int, count: int) -> list[int]:
    return [*ids[:start], *ids[start + count :]]


def _too_long(ids: Ids, most: int) -> str:
    return f"{len(ids)} tokens, more than {most}"


def text_groups(groups: Iterable[Group]) -> list[tuple[int, str]]:
    """(slot, text) of everything in some groups, for encoders that read texts one by one."""
    return [one for group in groups for one in (*(() if group.prompt is None else ((group.prompt, group.text),)), *group.answers)]
