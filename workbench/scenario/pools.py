"""Answers to prompts that no pair of train has: a shifted distribution, without labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..axes import SIDES
from ..errors import WorkbenchError
from ..study import Study


def pools(study: Study, *, answers: int = 4, split: str = "dev", families: np.ndarray | None = None,
          seed: int = 0) -> tuple[Float[np.ndarray, "prompt k dim"], np.ndarray]:
    """Features [prompt k dim] of `answers` responses to each prompt of a split that has so many, and the prompts' ids [prompt].

    Of responses that no pair compares: sampled ones, or rated ones; which ones is drawn from the seed. families: those to keep, all
    for None. No label is read, and no answer that pairs are scored on, though prompts may be theirs. Raises WorkbenchError
    without features, for fewer than two answers, and where no prompt has so many.
    """
    if study.store is None:
        raise WorkbenchError("pools of answers need features, and this study has none", where=study.name, remedy="Extract features first")
    if answers < 2:
        raise WorkbenchError(f"{answers} answers to a prompt", where="pools", remedy="Answers are told apart: take two or more")
    table, stream = study.split_responses(split, text=False).reset_index(drop=True), study.stream(split)
    usable = ~table["response_id"].isin(pd.unique(study.pairs[list(SIDES)].to_numpy().ravel())).to_numpy()
    if stream.mask is not None:
        usable &= stream.mask
    if families is not None:
        usable &= table["family"].isin(families).to_numpy()
    order = np.random.default_rng([seed, 12]).permutation(np.flatnonzero(usable))
    ranked = table.iloc[order].groupby("prompt_id", sort=True).head(answers)
    ranked = ranked[ranked.groupby("prompt_id")["prompt_id"].transform("size") == answers].sort_values("prompt_id", kind="stable")
    if not len(ranked):
        most = int(table[usable].groupby("prompt_id").size().max()) if usable.any() else 0
        raise WorkbenchError(f"no prompt of {split} has {answers} answers that no pair compares", where=study.name,
                             remedy=f"The most is {most}: sample more answers to its prompts, extract them, or ask for fewer")
    rows = np.asarray(stream[ranked.index.to_numpy()])
    return rows.reshape(-1, answers, rows.shape[-1]), ranked["prompt_id"].to_numpy()[::answers]
