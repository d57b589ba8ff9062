"""What an extraction would take, from some of its prompts: nothing is written."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..tables import Tables
from .progress import span
from .run import SHARD_ROWS, with_text
from .texts import Backbone, Encoder, Texts, as_backbone
from .units import Plan, Unit

SAMPLE = 48  # prompts, with their answers


@dataclass(frozen=True)
class Estimate:
    """Rows in all and distinct ones; tokens, seconds on this machine and bytes on disk, the first two from `sampled` rows.

    skipped, cut: shares of the sampled rows that would have no vector, or not be read whole.
    """

    rows: int
    distinct: int
    sampled: int
    tokens: int
    seconds: float
    bytes: int
    skipped: float
    cut: float

    def __str__(self) -> str:
        lost = f", {self.skipped:.1%} skipped" * (self.skipped > 0) + f", {self.cut:.1%} cut" * (self.cut > 0)
        return (f"{self.rows:,} rows, {self.distinct:,} distinct: about {self.tokens:,} tokens in {span(self.seconds)}, "
                f"{self.bytes / 1e6:,.1f} MB on disk (from {self.sampled} rows{lost})")


def estimate(tables: Tables, *, backbone: str | Path | Encoder | Backbone = "all-MiniLM-L6-v2", max_tokens: int | None = None,
             dtype: str = "F16", sample: int = SAMPLE) -> Estimate:
    """Compute some prompts and their answers, spread over the table, and scale up. Arguments as for `extract`."""
    tables = with_text(tables)
    backbone = as_backbone(backbone, {} if max_tokens is None else {"max_tokens": max_tokens})
    whole = Plan.make(tables, SHARD_ROWS, isinstance(backbone, Texts))
    chosen = np.unique(np.linspace(0, len(tables.prompts) - 1, min(sample, len(tables.prompts))).astype(int))
    prompts = tables.prompts.iloc[chosen].reset_index(drop=True)
    responses = tables.responses[tables.responses["prompt_id"].isin(prompts["prompt_id"])].reset_index(drop=True)
    part = replace(whole, prompts=prompts, responses=responses, shard_rows=len(responses) + len(prompts))
    work = backbone.plan(part.groups(Unit(0, range(len(prompts)), range(len(responses)))))
    if work.batches:
        backbone.run(work.batches[-1])  # the first one of a process is slower than all that follow
    start = time.perf_counter()
    for batch in work.batches:
        backbone.run(batch)
    seconds = time.perf_counter() - start
    more = sum(map(np.sum, whole.cost.values())) / max(sum(map(np.sum, part.cost.values())), 1)
    rows, sampled = len(tables.prompts) + len(tables.responses), len(prompts) + len(responses)
    distinct = sum(len(np.unique(origin)) for origin in whole.origin.values())
    return Estimate(rows, distinct, sampled, round(work.tokens * more), seconds * more, rows * backbone.dim * (4 if dtype == "F32" else 2),
                    len(work.skipped) / sampled, len(work.cut) / sampled)
