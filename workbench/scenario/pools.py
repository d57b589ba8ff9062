"""Answers to prompts that no pair of train has: a shifted distribution, without labels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..errors import WorkbenchError
from ..study import Study

POOL = "pool"  # responses that were sampled and neither rated nor paired


def pools(study: Study, *, answers: int = 4, split: str = "dev", families: np.ndarray | None = None,
          seed: int = 0) -> tuple[Float[np.ndarray, "prompt k dim"], np.ndarray]:
    """Features [prompt k dim] of `answers` responses to each prompt of a split that has so many, and the prompts' ids [prompt].

    Sampled responses (`model` = pool) come first where a prompt has them, others fill up; which ones is drawn from the seed. families:
    those to keep, all for None. No label of the split is read. Raises WorkbenchError without features, for fewer than two
    answers, and where no prompt has so many.
    """
    if study.store is None:
        raise WorkbenchError("pools of answers need features, and this study has none", where=study.name, remedy="Extract features first")
    if answers < 2:
        raise WorkbenchError(f"{answers} answers to a prompt", where="pools", remedy="Answers are told apart: take two or more")
    table, stream = study.split_responses(split, text=False).reset_index(drop=True), study.stream(split)
    usable = np.ones(len(table), bool) if stream.mask is None else np.asarray(stream.mask)
    if families is not None:
        usable &= table["family"].isin(families).to_numpy()
    order = np.random.default_rng([seed, 12]).permutation(len(table))
    sampled = table["model"].eq(POOL).to_numpy() if "model" in table.columns else np.zeros(len(table), bool)
    order = order[np.argsort(~sampled[order], kind="stable")]
    order = order[usable[order]]
    ranked = table.iloc[order].groupby("prompt_id", sort=True).head(answers)
    ranked = ranked[ranked.groupby("prompt_id")["prompt_id"].transform("size") == answers].sort_values("prompt_id", kind="stable")
    if not len(ranked):
        most = int(table[usable].groupby("prompt_id").size().max()) if usable.any() else 0
        raise WorkbenchError(f"no prompt of {split} has {answers} answers", where=study.name, remedy=f"The most is {most}: ask for fewer")
    rows = np.asarray(stream[ranked.index.to_numpy()])
    return rows.reshape(-1, answers, rows.shape[-1]), ranked["prompt_id"].to_numpy()[::answers]
