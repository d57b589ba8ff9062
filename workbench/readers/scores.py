"""Scores from elsewhere, one per row: pair, side, objective, score."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..axes import SIDES
from ..errors import WorkbenchError, listing
from ..tables import Tables

NEEDED = ("pair", "side", "objective", "score")


def tables_from_scores(table: pd.DataFrame, prompts: pd.DataFrame | None = None) -> tuple[Tables, pd.DataFrame]:
    """Tables of the pairs, and the scores as a frame: response_id and one column per objective.

    table: pair, side ("chosen" or "rejected"), objective, score; every pair has both sides of every objective.
    prompts: one row per pair with any of prompt_id, family, section, domain, query, category, text, split. Raises
    WorkbenchError for a missing column, an unknown side, a repeated, missing or non-finite score.
    """
    for column in NEEDED:
        if column not in table.columns:
            raise WorkbenchError(f"missing column {column!r}", where="scores", remedy=f"It has {listing(table.columns, 12)}")
    if not len(table):
        raise WorkbenchError("no rows", where="scores")
    table = table.reset_index(drop=True)
    _check(table)
    columns = table.assign(response_id=table["pair"].astype(str) + ":" + table["side"])
    order = dict.fromkeys(columns["objective"])
    columns = columns.pivot(index="response_id", columns="objective", values="score").astype(np.float64)[list(order)]
    ids = table["pair"].astype(str).drop_duplicates().to_numpy()
    wanted = [f"{pair}:{side}" for pair in ids for side in SIDES]
    columns = columns.reindex(wanted).rename_axis(columns=None)
    absent = columns.isna().to_numpy().nonzero()
    if len(absent[0]):
        row, column = absent[0][0], absent[1][0]
        raise WorkbenchError(
            f"no {columns.columns[column]} score for {wanted[row]} ({len(absent[0])} such gaps)",
            where="scores",
            remedy="Every pair needs both sides of every objective",
        )
    pair_prompt, about = _prompts(ids, prompts)
    responses = pd.DataFrame({"response_id": wanted, "prompt_id": np.repeat(pair_prompt, 2)})
    pairs = pd.DataFrame({"pair_id": ids, "prompt_id": pair_prompt, "chosen": wanted[0::2], "rejected": wanted[1::2]})
    splits = None
    if "split" in about.columns:
        splits = about[["family", "split"]].drop_duplicates(ignore_index=True)
        about = about.drop(columns="split")
    return Tables(about, responses, pairs, splits=splits), columns.reset_index()


def _check(table: pd.DataFrame) -> None:
    for column in ("pair", "side", "objective"):
        empty = table[column].isna()
        if empty.any():
            raise WorkbenchError(f"nothing in rows {listing(np.flatnonzero(empty))}", where=f"scores, column {column}", remedy="Fill it in")
    odd = ~table["side"].isin(SIDES)
    if odd.any():
        raise WorkbenchError(
            f"unknown side {table.loc[odd, 'side'].iloc[0]!r} in rows {listing(np.flatnonzero(odd))}",
            where="scores, column side",
            remedy="A side is chosen or rejected",
        )
    twice = table.duplicated(["pair", "side", "objective"])
    if twice.any():
        raise WorkbenchError(
            f"a score given twice in rows {listing(np.flatnonzero(twice))}", where="scores", remedy="Leave the repeats out"
        )
    values = pd.to_numeric(table["score"], errors="coerce").to_numpy(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        raise WorkbenchError(
            f"missing or infinite score in rows {listing(np.flatnonzero(bad))}",
            where="scores, column score",
            remedy="Leave those pairs out",
        )


def _prompts(ids: np.ndarray, prompts: pd.DataFrame | None) -> tuple[np.ndarray, pd.DataFrame]:
    """prompt_id of each pair, and the prompts table."""
    if prompts is None:
        return ids, pd.DataFrame({"prompt_id": ids, "family": ids})
    if "pair" not in prompts.columns:
        raise WorkbenchError("missing column 'pair'", where="prompts", remedy=f"It has {listing(prompts.columns, 12)}")
    prompts = prompts.assign(pair=prompts["pair"].astype(str))
    if prompts["pair"].duplicated().any():
        raise WorkbenchError(
            f"duplicate pair {listing(prompts.loc[prompts['pair'].duplicated(), 'pair'])}", where="prompts", remedy="One row per pair"
        )
    left = sorted(set(ids) - set(prompts["pair"]))
    if left:
        raise WorkbenchError(f"no prompt for pair {listing(left)}", where="prompts", remedy="Give one row per scored pair")
    about = prompts.set_index("pair").loc[ids].reset_index()
    prompt_id = about["prompt_id"].astype(str) if "prompt_id" in about.columns else about["pair"]
    about = about.assign(prompt_id=prompt_id)
    about["family"] = about["family"].astype(str) if "family" in about.columns else prompt_id
    return prompt_id.to_numpy(), about.drop(columns="pair").drop_duplicates("prompt_id", ignore_index=True)
