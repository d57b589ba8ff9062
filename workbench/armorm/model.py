"""ArmoRM: the published reward model on its own transformer. Token ids or conversations in; rewards, gating and score out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Integer
from torch import Tensor

from ..backbone import CausalBackbone, model_folder
from ..errors import WorkbenchError
from ..model import RewardModel
from .checkpoint import Layout, checked, head
from .conversations import hidden_states, named
from .heads import Heads, Row, RowDim, RowObj
from .parts import reward_model_from

RowToken = Integer[Tensor, "row token"]
Mask = Integer[Tensor, "_ _"] | Bool[Tensor, "_ _"]


@dataclass(frozen=True, eq=False)
class Judged:
    """What ArmoRM says of each row, float32 tensors.

    rewards [row obj], raw; gating [row obj] ≥ 0, rows sum to logit_scale; coefficients [row obj], signed, are those of the
    raw rewards: score [row] = Σ_j coefficients_j rewards_j; hidden_state [row dim] after the last token; prompt_embedding
    [row dim] where the gate reads.
    """

    names: tuple[str, ...]
    rewards: RowObj
    gating: RowObj
    coefficients: RowObj
    score: Row
    hidden_state: RowDim
    prompt_embedding: RowDim

    def table(self) -> pd.DataFrame:
        """One line per row; columns ("score", "") and ("rewards", "gating" or "coefficients", objective)."""
        columns = {("score", ""): self.score.cpu().numpy()}
        for part in ("rewards", "gating", "coefficients"):
            columns |= {(part, name): column for name, column in zip(self.names, getattr(self, part).cpu().numpy().T)}
        return pd.DataFrame(columns)

    def helpsteer_ratings(self) -> pd.DataFrame:
        """HelpSteer's objectives on its own scale of 0 to 4: 5 r − 0.5, for its labels l are taught as (l + 0.5) / 5."""
        names = [name for name in self.names if name.startswith("helpsteer-")]
        return 5 * self.table()["rewards"][names] - 0.5


@dataclass(frozen=True, eq=False)
class ArmoRM:
    """Score = Σ_k g_k(x) r'_k(x, y) on its own transformer: the model of arXiv 2406.12845, as published.

    Make one with `ArmoRM.from_pretrained`. A row's numbers do not depend on the rows beside it, nor on the side that is filled.
    """

    backbone: CausalBackbone
    heads: Heads
    names: tuple[str, ...]

    @classmethod
    def from_pretrained(cls, name: str | Path, *, gating_pattern: Sequence[int] | str | None = None, device: str = "auto",
                        dtype: str = "auto", **options) -> ArmoRM:
        """Read a checkpoint in the published layout: a folder, or a hub id. None of its code is run.

        gating_pattern: ids (or text) in place of those in config.json, which `export_armorm` writes; the published file has
        none: it is derived from the chat template. device, dtype, options (max_tokens, overlong, batch_tokens …): of the
        transformer, see `CausalBackbone.load`; the heads are float32 always. WorkbenchError for a checkpoint that is not
        there, and for a tensor that is missing, extra, of another shape (seen in headers, before anything large is read) or
        not finite.
        """
        folder = model_folder(name)
        layout = Layout.read(folder)
        found = checked(folder, layout)
        heads = Heads(layout)
        heads.load_state_dict({key: torch.from_numpy(head(found[key])) for key in layout.shapes})
        pattern = layout.pattern if gating_pattern is None else gating_pattern
        backbone = CausalBackbone.load(name, gating_pattern=pattern, device=device, dtype=dtype, **options)
        return cls(backbone, heads.to(backbone.device).eval().requires_grad_(False), layout.names)

    def __call__(self, input_ids: RowToken, attention_mask: Mask | None = None) -> Judged:
        """Judge templated conversations [row token], filled on either side where the mask is 0; tensors on the model's device.

        WorkbenchError names a row in which the gating pattern does not occur, or that is filled without a mask.
        """
        ids = input_ids.to(self.backbone.device)
        mask = self._unfilled(ids) if attention_mask is None else attention_mask.to(ids.device)
        if ids.ndim != 2 or mask.shape != ids.shape:
            raise WorkbenchError(f"a mask of {list(mask.shape)} for ids of {list(ids.shape)}", remedy="Both are [row, token]")
        places = [self._places(row, kept, at) for at, (row, kept) in enumerate(zip(ids.cpu(), mask.cpu()))]
        last, gate = torch.tensor(places, dtype=torch.long, device=ids.device).reshape(-1, 2).T
        hidden, rows = self.backbone.hidden(ids, mask), torch.arange(len(ids), device=ids.device)
        return self._judged(hidden[rows, last], hidden[rows, gate])

    def score(self, conversations: Sequence, *, progress: Callable[[int, int], None] | None = None) -> Judged:
        """Judge the answer that ends each conversation (or one); tensors on the processor, in the order given.

        A conversation is a list of {"role", "content"}, the last of them the assistant's. Those of like length share a batch
        within the backbone's budget of tokens, a prompt with several answers is read once where that is quicker, and
        progress(done, n) follows each batch. WorkbenchError names a conversation that cannot be read or is too long.
        """
        response, prompt = (torch.from_numpy(rows) for rows in hidden_states(conversations, self.backbone, progress))
        judged = self._judged(response.to(self.backbone.device), prompt.to(self.backbone.device))
        return Judged(**{name: value.cpu() if isinstance(value, Tensor) else value for name, value in vars(judged).items()})

    def reward_model(self) -> RewardModel:
        """The same heads as probes, debias and gate, which read features of this backbone."""
        state = {name: value.cpu().numpy() for name, value in self.heads.state_dict().items()}
        gate = {name.removeprefix("gating."): value for name, value in state.items() if name.startswith("gating.")}
        gate["temperature"] = np.array([self.heads.gating.temperature])
        return reward_model_from(state["regression_layer.weight"], self.names, transform=state["reward_transform_matrix"], gate=gate,
                                 name=self.backbone.name)

    def export(self, path: str | Path) -> Path:
        """`export_armorm` of its own parts on its own transformer."""
        from .export import export_armorm

        return export_armorm(self.reward_model(), path, base=self.backbone.folder, gating_pattern=self.backbone.chat.pattern)

    def _judged(self, hidden: RowDim, prompt: RowDim) -> Judged:
        with torch.inference_mode():
            hidden, prompt = hidden.float(), prompt.float()
            return Judged(self.names, *self.heads(hidden, prompt), hidden, prompt)

    def _places(self, ids: Tensor, kept: Tensor, row: int) -> tuple[int, int]:
        """Of one row: its last token, and where the gate reads."""
        real = kept.nonzero().flatten().tolist()
        with named(f"row {row}"):
            gate = self.backbone.chat.gating_position(ids[real].tolist())
        return real[-1], real[gate]

    def _unfilled(self, ids: RowToken) -> RowToken:
        """A mask of ones. Filling that nobody masks would be read as text: it is an error where it can be told from text."""
        tokenizer = self.backbone.chat.tokenizer
        filling = tokenizer.pad_token_id
        if filling is not None and filling not in (tokenizer.eos_token_id, tokenizer.bos_token_id):
            if rows := (ids == filling).any(dim=1).nonzero().flatten().tolist():
                raise WorkbenchError("filled up, and no attention_mask", where=f"row {rows[0]}", remedy="Give the tokenizer's mask")
        return torch.ones_like(ids)
