"""Decoder models: the hidden state where a gate reads the prompt, and the one after the last token of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
from jaxtyping import Float, Integer

from ..errors import WorkbenchError
from .chat import Chat
from .choices import BATCH_TOKENS, again, chosen_batch, chosen_device, chosen_dtype, shown
from .conversations import Group, Work, plan
from .fetch import model_folder, weights_digest
from .reading import read_config, read_tokenizer, read_transformer
from .trees import Batch, Cost, batched, grown

if TYPE_CHECKING:
    from torch import Tensor

OVERLONG = ("skip", "cut")
MAX_TOKENS = 4096
_LOADED: WeakValueDictionary[str, CausalBackbone] = WeakValueDictionary()  # by name, while somebody holds them
SOFTMAX = 120  # what exp and the rest cost for one pair of tokens in one head, in operations of a matrix product
LIKENESS = {"float32": 1e-3, "bfloat16": 0.1, "float16": 0.05}  # how far a tree may be from its conversations one by one


@dataclass(frozen=True, eq=False)
class CausalBackbone:
    """A decoder model without its head, in evaluation, and the chat that it was trained on (ArmoRM, arXiv 2406.12845).

    Prompt feature: hidden state at the gating position; response feature: that of the last token; both after the final
    norm. Make one with `CausalBackbone.load`. overlong: what happens to a conversation past max_tokens: "skip" leaves it
    out and says so, "cut" takes the oldest tokens of the prompt away (after the BOS), never the assistant's header.
    """

    name: str
    folder: Path
    dim: int
    max_tokens: int
    overlong: str
    device: str
    dtype: str
    chat: Chat = field(repr=False)
    config: Any = field(repr=False)
    extra: tuple[str, ...] = ()
    batch_tokens: int = BATCH_TOKENS["cpu"]
    _model: Any = field(default=None, repr=False)

    compose = ("response",)  # an answer's hidden state has read its prompt

    @classmethod
    def load(cls, name: str | Path, *, gating_pattern: Sequence[int] | str | None = None, chat_template: str | None = None,
             fold_system: bool = False, max_tokens: int | None = None, overlong: str = "skip", device: str = "auto",
             dtype: str = "auto", batch_tokens: int | None = None) -> CausalBackbone:
        """Read a checkpoint: a folder, or a hub id that is in the cache or can be fetched. No code of it is run.

        gating_pattern, chat_template, fold_system: as in `Chat.load`; max_tokens: 4096, or what the model can; dtype: of
        the computation, bfloat16 on a GPU and float32 elsewhere for "auto"; batch_tokens: computed at once at most.
        WorkbenchError for a transformer with missing tensors, a tokenizer without a chat template, limits that do not fit.
        """
        if overlong not in OVERLONG:
            raise WorkbenchError(f"overlong {overlong!r}", remedy=f"Known: {', '.join(OVERLONG)}")
        folder = model_folder(name)
        config = read_config(folder)
        chat = Chat.load(read_tokenizer(folder), pattern=gating_pattern, chat_template=chat_template, fold_system=fold_system)
        device = chosen_device(device)
        dtype = chosen_dtype(dtype, "bfloat16" if device.startswith("cuda") else "float32")
        room = int(getattr(config.get_text_config(), "max_position_embeddings", None) or MAX_TOKENS)
        max_tokens = min(room, MAX_TOKENS) if max_tokens is None else max_tokens
        least = len(chat.prompt_ids([{"role": "user", "content": "x"}])) + 1
        if not least <= max_tokens <= room:
            raise WorkbenchError(f"max_tokens is {max_tokens}", remedy=f"{Path(name).name} takes {least} to {room}")
        model, extra = read_transformer(folder, dtype, device)
        found = cls(shown(name), folder, model.config.hidden_size, max_tokens, overlong, device, dtype, chat, model.config, extra,
                    chosen_batch(batch_tokens, device), model)
        _LOADED[found.name] = found
        return found

    @staticmethod
    def loaded(name: str) -> CausalBackbone | None:
        """The one of that name that this process loaded last and holds still: it may come from a folder that no name tells."""
        return _LOADED.get(name)

    def __reduce__(self):
        """In another process it is loaded again, on whatever device of this kind is there."""
        options = {"gating_pattern": self.chat.pattern, "chat_template": self.chat.tokenizer.chat_template,
                   "fold_system": self.chat.fold_system, "max_tokens": self.max_tokens, "overlong": self.overlong,
                   "device": self.device.split(":")[0], "dtype": self.dtype, "batch_tokens": self.batch_tokens}
        return again, (CausalBackbone, self.folder, self.name, options)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change when the weights do."""
        return weights_digest(self.folder)

    @property
    def identity(self) -> dict:
        """Everything that the bytes of its features depend on, and the texts."""
        return {"encoder": self.name, "weights": self.fingerprint, "chat": self.chat.digest, "gating_pattern": list(self.chat.pattern),
                "max_tokens": self.max_tokens, "overlong": self.overlong, "computed_in": f"{self.dtype} on {self.device.split(':')[0]}",
                "batch_tokens": self.batch_tokens, "dim": self.dim}

    @cached_property
    def cost(self) -> Cost:
        """What attention costs beside products, by the model's own sizes; sharing is off where its masks cannot be given."""
        config, layers = self.config, [p.numel() for name, p in self._model.named_parameters() if "layers.0." in name]
        wide = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        pair = config.num_attention_heads * (4 * wide + SOFTMAX) / (2 * max(sum(layers), 1))
        return Cost(pair, max(self.batch_tokens, 2048) if self.shares_prompts else 0)

    @cached_property
    def shares_prompts(self) -> bool:
        """Whether several answers after one prompt give what each gives alone: tried out once on a few ids."""
        rng = np.random.default_rng(0)
        prompt, *answers = (tuple(rng.integers(1, self.config.vocab_size, size).tolist()) for size in (9, 5, 7))
        whole = [(at, prompt + answer) for at, answer in enumerate(answers)]
        tree = batched(grown(2, 4, prompt, whole, Cost(0.0, 64)), 64)
        chains = batched([row for slot, ids in whole for row in grown(2, 4, prompt, [(slot, ids)], Cost(0.0, 64))], 64)
        try:
            found, wanted = ({slot: row for b in batches for slot, row in zip(b.slots, self.run(b))} for batches in (tree, chains))
        except (TypeError, ValueError, RuntimeError, KeyError, AttributeError, IndexError):
            return False  # a model whose attention takes no such mask
        scale = max(np.abs(row).max() for row in wanted.values())
        return all(np.abs(found[slot] - wanted[slot]).max() <= LIKENESS[self.dtype] * scale for slot in wanted)

    def plan(self, groups: Sequence[Group]) -> Work:
        """What is computed for some prompts and their answers (`conversations.plan`)."""
        limits = {"max_tokens": self.max_tokens, "cut": self.overlong == "cut", "batch_tokens": self.batch_tokens}
        return plan(self.chat, groups, cost=self.cost, **limits)

    def run(self, batch: Batch) -> Float[np.ndarray, "n dim"]:
        """The vectors that a batch asks for, float32, in the order of its reads."""
        import torch

        with torch.inference_mode():
            ids = torch.from_numpy(batch.ids).to(self.device, torch.long)
            known = {}
            if batch.branch is not None:
                branch, position = (torch.from_numpy(part).to(self.device, torch.long) for part in (batch.branch, batch.position))
                known = {"attention_mask": self._masks(branch, position), "position_ids": position}
            hidden = self._model(input_ids=ids, use_cache=False, **known).last_hidden_state  # filled on the right: no mask is needed
            rows, places = torch.from_numpy(batch.reads.T.copy()).to(self.device)
            return hidden[rows, places].float().cpu().numpy()

    def hidden(self, input_ids: Integer[Tensor, "row token"], attention_mask: Integer[Tensor, "row token"] | None = None):
        """Hidden states [row token dim] after the final norm; filled on either side, where the mask is 0."""
        import torch

        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask.long()
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)
        with torch.inference_mode():
            return self._model(input_ids=input_ids, attention_mask=mask, position_ids=places, use_cache=False).last_hidden_state

    def _masks(self, branch: Tensor, position: Tensor):
        """Who sees whom in trees: what comes before, in the prompt or the same answer; and within the window where there is one."""
        import torch

        width = branch.shape[1]
        before = torch.ones(width, width, dtype=torch.bool, device=branch.device).tril()
        seen = before & ((branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None]))
        window = getattr(self.config, "sliding_window", None)
        near = seen if window is None else seen & (position[:, :, None] - position[:, None, :] < window)
        kinds = {"full_attention": self._shaped(seen), "sliding_attention": self._shaped(near)}
        if getattr(self.config, "layer_types", None):
            return {kind: kinds[kind] for kind in set(self.config.layer_types)}
        return kinds["sliding_attention"]  # one mask for all layers, with the window of those that have one

    def _shaped(self, seen: Tensor) -> Tensor:
        """[row 1 token token] as the attention takes it: bool, or what is added to the logits."""
        import torch

        seen = seen[:, None]
        if self.config._attn_implementation == "sdpa":
            return seen
        out = torch.zeros(seen.shape, dtype=getattr(torch, self.dtype), device=seen.device)
        return out.masked_fill_(~seen, torch.finfo(out.dtype).min)
