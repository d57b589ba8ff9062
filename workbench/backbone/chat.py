"""Conversations → token ids by a model's own chat template, and where its gate reads: all on ids, nothing on text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import WorkbenchError
from .trees import shared

Messages = Sequence[dict[str, str]]
PROBES = ("x", "Why?", "7 and", "a\nb.", "So (it) is!")  # prompts that end differently: what follows all of them is the template's


@dataclass(frozen=True, eq=False)
class Chat:
    """A tokenizer with a chat template, and the gating pattern: the ids between the last user turn and its answer.

    pattern: the prompt feature is the hidden state at the first token of its last occurrence (ArmoRM, arXiv 2406.12845).
    Exactly one BOS where the tokenizer has one, whoever wrote it: the template or the tokenizer.
    """

    tokenizer: Any = field(repr=False)
    pattern: tuple[int, ...] = ()
    fold_system: bool = False

    @classmethod
    def load(cls, tokenizer: Any, *, pattern: Sequence[int] | str | None = None, chat_template: str | None = None,
             fold_system: bool = False) -> Chat:
        """pattern: ids, or text that the tokenizer turns into ids; None derives it from the template.

        chat_template: in place of the tokenizer's own; fold_system: system messages go before the first user turn, for
        templates that know no such role. WorkbenchError for a tokenizer without a template, and for a template whose
        prompts do not end alike (no pattern can be derived).
        """
        if chat_template is not None:
            tokenizer.chat_template = chat_template
        if not tokenizer.chat_template:
            raise WorkbenchError("this tokenizer has no chat template", where=str(getattr(tokenizer, "name_or_path", "") or "tokenizer"),
                                 remedy="Give one: chat_template=<Jinja text>, or use a model that was trained on conversations")
        chat = cls(tokenizer, fold_system=fold_system)
        if isinstance(pattern, str):
            pattern = tokenizer(pattern, add_special_tokens=False)["input_ids"]
        found = tuple(int(one) for one in pattern) if pattern is not None else chat._derived()
        if not found:
            raise WorkbenchError("no gating pattern: this template ends its prompts in nothing of its own",
                                 remedy="Give gating_pattern, the ids (or the text) that come between prompt and answer")
        chat = replace(chat, pattern=found)
        chat.gating_position(chat.prompt_ids([{"role": "user", "content": PROBES[0]}]))  # a pattern that never occurs is found here
        return chat

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of what decides the ids beside the text: template, pattern, tokenizer."""
        rest = f"{self.tokenizer.chat_template}\x1f{self.pattern}\x1f{self.fold_system}\x1f{self.tokenizer.backend_tokenizer.to_str()}"
        return hashlib.sha256(rest.encode()).hexdigest()[:12]

    def prompt_ids(self, messages: Messages) -> list[int]:
        """Ids of a prompt up to where its answer begins, the assistant's header included."""
        return self.ids([self.text(messages)])[0]

    def full_ids(self, messages: Messages, response: str) -> list[int]:
        """Ids of the conversation with its answer, no generation prompt."""
        return self.ids([self.text(messages, response)])[0]

    def text(self, messages: Messages, response: str | None = None) -> str:
        """What the template makes of a conversation; WorkbenchError in the template's words where it refuses."""
        from jinja2 import TemplateError

        said = list(messages) if response is None else [*messages, {"role": "assistant", "content": response}]
        try:
            said = _folded(said) if self.fold_system else said
            return self.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=response is None)
        except TemplateError as error:
            raise WorkbenchError(f"the chat template refuses this conversation: {error.message or error}",
                                 remedy="Leave it out; for a system message, fold_system=True") from None

    def ids(self, texts: list[str]) -> list[list[int]]:
        """Ids of templated texts, one BOS each where the tokenizer has one."""
        if not texts:
            return []
        ids = self.tokenizer(texts, add_special_tokens=False, padding=False, truncation=False)["input_ids"]
        bos = self._own_bos
        return ids if bos is None else [row if row[:1] == [bos] else [bos, *row] for row in ids]

    @property
    def _own_bos(self) -> int | None:
        """The BOS that the tokenizer itself would add."""
        bos = self.tokenizer.bos_token_id
        return bos if bos is not None and self.tokenizer("x")["input_ids"][:1] == [bos] else None

    def gating_position(self, ids: Sequence[int]) -> int:
        """Place of the first token of the last occurrence of the pattern; WorkbenchError where there is none."""
        ids, size = list(ids), len(self.pattern)
        for start in range(len(ids) - size, -1, -1):
            if tuple(ids[start : start + size]) == self.pattern:
                return start
        raise WorkbenchError(f"the gating pattern {list(self.pattern)} does not occur",
                             remedy="Use the model's own chat template, or give its gating_pattern")

    def _derived(self) -> tuple[int, ...]:
        """The longest run of ids that ends every prompt, as far as it stays so once an answer follows."""
        said = [[{"role": "user", "content": probe}] for probe in PROBES]
        rows = [self.prompt_ids(one) for one in said]
        size = next(at for at in range(min(map(len, rows)) + 1) if len({tuple(row[len(row) - at - 1 :]) for row in rows}) > 1)
        melted = max(len(row) - shared([row, self.full_ids(one, "So it is.")]) for row, one in zip(rows, said))
        return tuple(rows[0][len(rows[0]) - size : len(rows[0]) - melted])


def _folded(said: list[dict]) -> list[dict]:
    """System messages before the words of the first user turn."""
    before = "\n\n".join(message["content"] for message in said if message["role"] == "system")
    rest = [dict(message) for message in said if message["role"] != "system"]
    first = next((message for message in rest if message["role"] == "user"), None)
    if before and first is not None:
        first["content"] = f"{before}\n\n{first['content']}"
    return rest
