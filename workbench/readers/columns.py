"""Columns of scores from elsewhere, joined to a study's responses by id: another model's, a judge's, anybody's."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..axes import SIDES
from ..errors import WorkbenchError, listing
from .files import SUFFIXES, decoded, lines_of

IDS = ("response_id", "pair_id", "side")
NOTHING = ("", "NA", "NaN", "nan", "null", "None")


def read_scores(source: str | Path | pd.DataFrame, study: Any = None, *, key: str = "auto") -> pd.DataFrame:
    """response_id and columns of numbers, NaN where there is none.

    source: a frame, or a file (.csv, or as `readers.read` takes them) with columns of numbers beside response_id, or beside
    pair_id and side ("chosen" or "rejected"), which need the study (anything with its `table`). key: "response_id" or
    "pair_id"; "auto" takes the first of them that is there. WorkbenchError names column and ids of what is no number, and
    responses that have two scores in different pairs.
    """
    whole = isinstance(source, pd.DataFrame)
    frame, where = (source.reset_index(drop=True), "scores") if whole else (_read(Path(source)), Path(source).name)
    key = _key(frame, key, where)
    table = _numbers(frame.drop(columns=[name for name in IDS if name in frame]), frame[key], where)
    if key == "response_id":
        table.insert(0, key, frame[key])
        return table
    if study is None:
        raise WorkbenchError("scores by pair, and no study that says whose they are", where=where, remedy="Name the study: study=…")
    table.insert(0, "response_id", _owners(frame, study.table("pairs"), where))
    return _once(table, frame["pair_id"], where)


def align(study: Any, frame: pd.DataFrame, *, partial: bool = False, where: str = "scores") -> pd.DataFrame:
    """The same scores in the order of the study's responses: whatever order they came in, the same frame.

    frame: response_id and columns of numbers (`read_scores`). Every response of a pair needs a number in every column; with
    partial, gaps are allowed and told in a warning, and such a column is no objective. WorkbenchError for unknown, repeated
    and missing ids, for what is no finite number, and a column without any.
    """
    _key(frame, "response_id", where)
    known, pairs = study.table("responses")["response_id"], study.table("pairs")
    ids, given = known.astype(str), frame["response_id"].astype(str)
    if frame["response_id"].isna().any():
        rows = np.flatnonzero(frame["response_id"].isna())
        raise WorkbenchError(f"no response_id in rows {listing(rows)}", where=where, remedy="Give every row an id")
    if given.duplicated().any():
        raise WorkbenchError(f"two rows for response {listing(given[given.duplicated()].unique())}", where=where, remedy="One row each")
    if len(stray := given[~given.isin(ids)]):
        raise WorkbenchError(f"{listing(stray)}: no responses of this study ({len(stray)} of {len(given)} ids)", where=where,
                             remedy="Leave those rows out, or give the study's own ids")
    table = _numbers(frame.drop(columns="response_id").reset_index(drop=True), given.reset_index(drop=True), where)
    table = table.set_index(given.to_numpy()).reindex(ids)
    needed = pd.unique(pairs[list(SIDES)].astype(str).to_numpy().ravel())
    for name, gaps in table.loc[needed].isna().items():
        if table[name].isna().all():
            raise WorkbenchError("no number at all", where=f"{where}, column {name}", remedy="Leave the column out")
        if gaps.any():
            lacking = f"no number for {gaps.sum()} of {len(needed)} responses of pairs ({listing(needed[gaps], 3)})"
            if not partial:
                raise WorkbenchError(lacking, where=f"{where}, column {name}",
                                     remedy="Score them too: with gaps it can be a column (objectives=False), and no objective")
            warnings.warn(f"{where}, column {name}: {lacking}; it can be no objective", stacklevel=2)
    table.insert(0, "response_id", known.to_numpy())
    return table.dropna(how="all", subset=table.columns[1:]).reset_index(drop=True)


def _read(path: Path) -> pd.DataFrame:
    if path.name.lower().endswith(SUFFIXES):
        return pd.DataFrame([line.data for line in lines_of(path)])
    if not path.is_file():
        raise WorkbenchError("no such file", where=str(path))
    if not path.name.lower().endswith(".csv"):
        raise WorkbenchError("unknown kind of file", where=str(path), remedy=f"Its name should end in one of .csv, {', '.join(SUFFIXES)}")
    reader = csv.reader(io.StringIO(decoded(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), path.name), newline=""), strict=True)
    try:
        header, rows = next(reader, []), []
        for row in reader:
            if row and len(row) != len(header):
                raise csv.Error(f"{len(row)} values for {len(header)} columns")
            rows += [row] if row else []
    except csv.Error as error:
        raise WorkbenchError(f"not CSV: {error}", where=f"{path.name}, line {reader.line_num}", remedy="Correct this line") from None
    if not rows:
        raise WorkbenchError("no rows", where=str(path))
    return pd.DataFrame(rows, columns=header)


def _key(frame: pd.DataFrame, key: str, where: str) -> str:
    """The column of ids that there is; WorkbenchError where there is none, or no column beside it."""
    if key not in ("auto", *IDS[:2]):
        raise WorkbenchError(f"key {key!r}", where=where, remedy="Known: auto, response_id, pair_id")
    if twice := sorted(set(frame.columns[frame.columns.duplicated()])):
        raise WorkbenchError(f"two columns {listing(twice)}", where=where, remedy="Rename one of them")
    found = next((name for name in IDS[:2] if name in frame), "response_id") if key == "auto" else key
    if lacking := [name for name in ((found, "side") if found == "pair_id" else (found,)) if name not in frame]:
        raise WorkbenchError(f"missing column {lacking[0]!r}", where=where,
                             remedy=f"It has {listing(frame.columns, 12)}; wanted are response_id, or pair_id and side, beside numbers")
    if not set(frame.columns) - set(IDS):
        raise WorkbenchError("no column of scores", where=where, remedy=f"It has {listing(frame.columns, 12)}")
    return found


def _numbers(frame: pd.DataFrame, ids: pd.Series, where: str) -> pd.DataFrame:
    """Every column as float64, NaN where there is nothing."""
    out = {}
    for name, column in frame.items():
        place, nothing = f"{where}, column {name}", column.isna() | column.isin(NOTHING)
        values = pd.to_numeric(column.astype(object).where(~nothing, np.nan), errors="coerce").astype(np.float64)
        if (odd := values.isna() & ~nothing).any():
            raise WorkbenchError(f"{str(column[odd].iloc[0])[:40]!r} is no number ({listing(ids[odd])})", where=place,
                                 remedy="Scores are numbers or nothing: correct it, or leave the column out")
        if (endless := np.isinf(values)).any():
            raise WorkbenchError(f"infinite score of {listing(ids[endless])}", where=place, remedy="Leave it out")
        out[name] = values
    return pd.DataFrame(out)


def _owners(frame: pd.DataFrame, pairs: pd.DataFrame, where: str) -> np.ndarray:
    """The response that each pair and side names."""
    odd = ~frame["side"].isin(SIDES)
    if odd.any():
        raise WorkbenchError(f"unknown side {frame.loc[odd, 'side'].iloc[0]!r} ({listing(frame.loc[odd, 'pair_id'])})",
                             where=f"{where}, column side", remedy="A side is chosen or rejected")
    owners, ids = pairs.set_index(pairs["pair_id"].astype(str))[list(SIDES)], frame["pair_id"].astype(str)
    if len(stray := ids[~ids.isin(owners.index)].unique()):
        raise WorkbenchError(f"{listing(stray)}: no pairs of this study", where=f"{where}, column pair_id", remedy="Leave those rows out")
    sides = owners.loc[ids].to_numpy()
    return sides[np.arange(len(ids)), frame["side"].map(SIDES.index).to_numpy()]


def _once(table: pd.DataFrame, pairs: pd.Series, where: str) -> pd.DataFrame:
    """One row for each response. It may be in several pairs: then all say the same."""
    first = table.groupby("response_id", sort=False).transform("first")
    differs = (table[first.columns].notna() & (table[first.columns] != first)).any(axis=1)
    if differs.any():
        of = table.loc[differs, "response_id"]
        raise WorkbenchError(f"different scores of response {of.iloc[0]} in pairs {listing(pairs[table['response_id'] == of.iloc[0]], 3)} "
                             f"({of.nunique()} such responses)", where=where, remedy="A response has one score: take their mean")
    return table.groupby("response_id", sort=False, as_index=False).first()
