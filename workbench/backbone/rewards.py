"""Reward models with one number for an answer: decoders that score its last token, encoders that read it beside its prompt."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from ..errors import WorkbenchError, listing
from .causal import CausalBackbone
from .choices import again, chosen_batch, chosen_device, chosen_dtype, shown
from .conversations import Group, Work
from .fetch import model_folder, weights_digest
from .reading import AGAIN, UNREAD, read_config, read_tokenizer, read_transformer
from .trees import Batch, buckets

HEAD = "score.weight"
NO_SCORE = "an answer has a score, a prompt has none"


class ScalarReward:
    """A reward model with one output. It plans and runs as a backbone of one dimension (`extract.texts.Backbone`).

    Make one with `ScalarReward.load`. A prompt has no score: its slot is among those skipped, with that reason.
    """

    dim, compose = 1, ("response",)

    @classmethod
    def load(cls, name: str | Path, **options) -> LastToken | CrossEncoder:
        """Read a checkpoint of AutoModelForSequenceClassification: a folder, or a hub id. None of its code is run.

        options: for a decoder those of `CausalBackbone.load`; for an encoder max_tokens, device, dtype (float32 for "auto")
        and batch_tokens. WorkbenchError for a model with several outputs, and for a head that the checkpoint does not hold.
        """
        folder = model_folder(name)
        config = read_config(folder)
        if config.num_labels != 1:
            raise WorkbenchError(f"a model with {config.num_labels} outputs", where=str(folder), remedy="A scalar reward model has one")
        decodes = _scores_the_last_token(config, folder)
        kind, reads = (LastToken, CausalBackbone.load) if decodes else (CrossEncoder, CrossEncoder.read)
        if unknown := [option for option in options if option not in inspect.signature(reads).parameters]:
            what = "a decoder" if decodes else "an encoder of pairs"
            raise WorkbenchError(f"{name} is {what}: it takes no {', '.join(unknown)}", remedy="Leave that out")
        return kind.read(name, **options)


@dataclass(frozen=True, eq=False)
class LastToken(ScalarReward):
    """A decoder and its head: score = head · hidden state of the conversation's last token, the head in float32.

    filling: the id that the model's own class takes for filling at the end of a text, None for none: it reads before it.
    """

    backbone: CausalBackbone
    head: Float[np.ndarray, " dim"] = field(repr=False)
    filling: int | None = None

    @classmethod
    def read(cls, name: str | Path, **options) -> LastToken:
        """As `ScalarReward.load`: the transformer with its options, the head as it is stored."""
        folder = model_folder(name)
        head = _head(folder, read_config(folder).get_text_config().hidden_size)
        backbone = CausalBackbone.load(name, **options)
        return cls(backbone, head, backbone.config.get_text_config().pad_token_id)

    @property
    def name(self) -> str:
        return self.backbone.name

    @property
    def device(self) -> str:
        return self.backbone.device

    @property
    def max_tokens(self) -> int:
        return self.backbone.max_tokens

    @property
    def fingerprint(self) -> str:
        return self.backbone.fingerprint

    @property
    def identity(self) -> dict:
        """Everything that the scores depend on, and the texts."""
        return {**self.backbone.identity, "dim": 1, "filling": self.filling}

    def plan(self, groups: Sequence[Group]) -> Work:
        """The backbone's own plan (`CausalBackbone.plan`), in which answers alone are read."""
        prompts, work = [group.prompt for group in groups if group.prompt is not None], self.backbone.plan(groups)
        batches = [batch for batch in (self._of_answers(one, prompts) for one in work.batches) if len(batch.slots)]
        return replace(work, batches=tuple(batches), skipped=dict.fromkeys(prompts, NO_SCORE) | work.skipped,
                       tokens=sum(batch.tokens for batch in batches))

    def run(self, batch: Batch) -> Float[np.ndarray, "n 1"]:
        return self.backbone.run(batch) @ self.head[:, None]

    def _of_answers(self, batch: Batch, prompts: list[int]) -> Batch:
        kept = ~np.isin(batch.slots, prompts)
        reads = [(row, self._last(batch, row, at)) for row, at in batch.reads[kept].tolist()]
        return replace(batch, reads=np.array(reads, np.int64).reshape(-1, 2), slots=batch.slots[kept])

    def _last(self, batch: Batch, row: int, at: int) -> int:
        """The last token of a conversation that is no filling; in a tree it may be the prompt's."""
        if batch.ids[row, at] != self.filling:
            return at
        own = batch.ids[row, : at + 1] != self.filling
        if batch.branch is not None:
            own &= np.isin(batch.branch[row, : at + 1], (0, batch.branch[row, at]))
        return int(np.flatnonzero(own)[-1])


@dataclass(frozen=True, eq=False)
class Pairs:
    """Prompts and answers as pairs of texts, filled up on the right: ids and types [row token], lengths and slots [row]."""

    ids: Integer[np.ndarray, "row token"]
    types: Integer[np.ndarray, "row token"] | None
    lengths: Integer[np.ndarray, " row"]
    slots: Integer[np.ndarray, " row"]

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())


@dataclass(frozen=True, eq=False)
class CrossEncoder(ScalarReward):
    """An encoder that reads a prompt and its answer as one pair of texts; the score is its logit.

    The answer is read whole; of a pair past max_tokens the prompt loses its beginning, and one whose prompt would be lost
    altogether is left out, with its reason.
    """

    name: str
    folder: Path
    max_tokens: int
    device: str
    dtype: str
    batch_tokens: int
    _tokenizer: Any = field(repr=False)
    _model: Any = field(repr=False)

    @classmethod
    def read(cls, name: str | Path, *, max_tokens: int | None = None, device: str = "auto", dtype: str = "auto",
             batch_tokens: int | None = None) -> CrossEncoder:
        """As `ScalarReward.load`; max_tokens: of a pair, what the model can where None."""
        folder, device, dtype = model_folder(name), chosen_device(device), chosen_dtype(dtype, "float32")
        model, _ = read_transformer(folder, dtype, device, "AutoModelForSequenceClassification")
        there = _tensors(folder)
        if lacking := [tensor for tensor in model.state_dict() if tensor.startswith(UNREAD) and tensor not in there]:
            raise _lacks(listing(lacking), folder)
        room = _room(model)
        max_tokens = room if max_tokens is None else max_tokens
        if not 8 <= max_tokens <= room:
            raise WorkbenchError(f"max_tokens is {max_tokens}", remedy=f"{Path(name).name} takes 8 to {room}")
        batch = chosen_batch(batch_tokens, device)
        return cls(shown(name), folder, max_tokens, device, dtype, batch, read_tokenizer(folder), model)

    def __reduce__(self):
        """In another process it is loaded again, on whatever device of this kind is there."""
        options = {"max_tokens": self.max_tokens, "device": self.device.split(":")[0], "dtype": self.dtype,
                   "batch_tokens": self.batch_tokens}
        return again, (CrossEncoder, self.folder, self.name, options)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change when the weights do."""
        return weights_digest(self.folder)

    @property
    def identity(self) -> dict:
        """Everything that the scores depend on, and the texts."""
        return {"encoder": self.name, "weights": self.fingerprint, "max_tokens": self.max_tokens, "batch_tokens": self.batch_tokens,
                "computed_in": f"{self.dtype} on {self.device.split(':')[0]}", "dim": 1}

    def plan(self, groups: Sequence[Group]) -> Work:
        """Pairs of similar length together; skipped and cut by slot."""
        skipped = {group.prompt: NO_SCORE for group in groups if group.prompt is not None}
        told = [(slot, group.text, answer) for group in groups for slot, answer in group.answers]
        rows, slots, cut = [], [], []
        read = self._tokenizer([prompt for _, prompt, _ in told], [answer for *_, answer in told]) if told else None
        for at, (slot, *_) in enumerate(told):
            ids, types = read["input_ids"][at], read["token_type_ids"][at] if "token_type_ids" in read else None
            if (over := len(ids) - self.max_tokens) > 0:
                of = read.sequence_ids(at)
                if over >= of.count(0):
                    skipped[slot] = f"{len(ids) - of.count(0)} tokens beside its prompt, of {self.max_tokens} in all"
                    continue
                begin = of.index(0)
                ids, types = (some and [*some[:begin], *some[begin + over :]] for some in (ids, types))
                cut.append(slot)
            rows.append((ids, types))
            slots.append(slot)
        batches = [self._batch([rows[at] for at in some], [slots[at] for at in some])
                   for some in buckets([len(ids) for ids, _ in rows], self.batch_tokens)]
        return Work(tuple(batches), skipped, tuple(cut), sum(batch.tokens for batch in batches))

    def run(self, batch: Pairs) -> Float[np.ndarray, "n 1"]:
        import torch

        with torch.inference_mode():
            ids, lengths = (torch.from_numpy(part).to(self.device, torch.long) for part in (batch.ids, batch.lengths))
            mask = (torch.arange(ids.shape[1], device=self.device) < lengths[:, None]).long()
            known = {} if batch.types is None else {"token_type_ids": torch.from_numpy(batch.types).to(self.device, torch.long)}
            return self._model(input_ids=ids, attention_mask=mask, **known).logits.float().cpu().numpy()

    def _batch(self, rows: list[tuple[list[int], list[int] | None]], slots: list[int]) -> Pairs:
        lengths = np.array([len(ids) for ids, _ in rows], np.int64)
        ids = np.full((len(rows), lengths.max()), self._tokenizer.pad_token_id or 0, np.int32)
        types = None if rows[0][1] is None else np.zeros_like(ids)
        for at, (some, of) in enumerate(rows):
            ids[at, : len(some)] = some
            if types is not None:
                types[at, : len(some)] = of
        return Pairs(ids, types, lengths, np.array(slots, np.int64))


def _scores_the_last_token(config: Any, folder: Path) -> bool:
    """Whether the model's class is a decoder's, with one linear layer on the last token; no numbers are made or read."""
    import torch
    from transformers import AutoModelForSequenceClassification

    try:
        if config.is_encoder_decoder:
            raise ValueError("it encodes and decodes")
        with torch.device("meta"):
            model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    except (ValueError, TypeError) as error:
        why = next(iter(str(error).splitlines()), "")
        raise WorkbenchError(f"model_type {config.model_type!r} cannot be read as a reward model: {why}", where=str(folder),
                             remedy="Use a decoder or an encoder that transformers holds as a sequence classifier") from None
    return isinstance(getattr(model, "score", None), torch.nn.Linear)


def _tensors(folder: Path) -> dict[str, Path]:
    """Every tensor of a checkpoint, and its file; reads headers."""
    from safetensors import SafetensorError, safe_open

    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                found |= dict.fromkeys(file.keys(), path)
        except SafetensorError as error:
            raise WorkbenchError(f"a damaged or truncated shard ({error})", where=str(path), remedy=AGAIN) from None
    return found


def _head(folder: Path, dim: int) -> Float[np.ndarray, " dim"]:
    """The head as it is stored. transformers would make a random one where there is none, and only warn."""
    from safetensors import safe_open

    path = _tensors(folder).get(HEAD)
    if path is None:
        raise _lacks(HEAD, folder)
    with safe_open(path, framework="pt") as file:
        head = file.get_tensor(HEAD).float().numpy()
    if head.shape != (1, dim):
        raise WorkbenchError(f"{HEAD} has shape {list(head.shape)}, wanted {[1, dim]}", where=str(path), remedy=AGAIN)
    return head[0]


def _lacks(tensors: str, folder: Path) -> WorkbenchError:
    return WorkbenchError(f"the checkpoint lacks {tensors}: it is no trained reward model", where=str(folder),
                          remedy="Name one that was trained to score answers")


def _room(model: Any) -> int:
    """Tokens that a model can read: some count positions from behind the filling's."""
    tables = (part for name, part in model.named_modules() if name.endswith("position_embeddings"))
    first = next((part.padding_idx + 1 for part in tables if getattr(part, "padding_idx", None) is not None), 0)
    return int(model.config.max_position_embeddings) - first
