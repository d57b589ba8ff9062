"""What a valid table is: prompts, responses, ratings and pairs, and the one split by family."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .axes import SPLITS
from .errors import WorkbenchError, listing

SHARES = (0.6, 0.2, 0.2)
KINDS = ("rating", "score")
COLUMNS = {
    "prompts": ("prompt_id", "family", "section", "domain", "query", "category", "text", "messages", "reference"),
    "responses": ("response_id", "prompt_id", "text", "model"),
    "pairs": ("pair_id", "prompt_id", "chosen", "rejected", "source"),
    "splits": ("family", "split"),
}
KEYS = {"prompts": "prompt_id", "responses": "response_id", "pairs": "pair_id", "splits": "family"}
_NEEDED = {
    "prompts": ("prompt_id", "family"), "responses": ("response_id", "prompt_id"),
    "pairs": ("pair_id", "prompt_id", "chosen", "rejected"), "splits": ("family", "split"),
}


@dataclass(frozen=True)
class Objective:
    """What is known of one objective: declared range of its ratings, who gave them, and its group on screen.

    kind: "rating", which probes learn to predict; or "score", a column of numbers that is known of every response of a pair.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    source: str = ""
    group: str = ""
    kind: str = "rating"

    def described(self) -> dict:
        """The same as plain values, for JSON."""
        return {name: value for name, value in vars(self).items() if (name, value) != ("kind", "rating")}


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of one study, before or without a folder.

    prompts, responses, pairs: columns as in COLUMNS (others are kept); prompts' messages: JSON of a conversation's
    {"role", "content"} in order, null for one user turn, which is its text. ratings: response_id and one nullable column per
    objective; splits: family → train, dev or test, None to have it made; scores: name → frame of numbers by response_id.
    """

    prompts: pd.DataFrame
    responses: pd.DataFrame
    pairs: pd.DataFrame
    ratings: pd.DataFrame | None = None
    objectives: tuple[Objective, ...] = ()
    splits: pd.DataFrame | None = None
    notes: dict = field(default_factory=dict)
    scores: dict[str, pd.DataFrame] = field(default_factory=dict)

    def problems(self) -> Iterator[WorkbenchError]:
        """Every defect of every table, each naming table, row or column and the remedy."""
        for name in ("prompts", "responses", "pairs"):
            yield from _shape(getattr(self, name), name)
        missing = any(set(_NEEDED[n]) - set(getattr(self, n).columns) for n in ("prompts", "responses", "pairs"))
        if missing:
            return
        yield from _texts(self.prompts, "prompts")
        yield from _texts(self.responses, "responses")
        yield from _links(self)
        if self.prompts["prompt_id"].nunique() == 1:
            yield WorkbenchError(
                "a study of one prompt", where="prompts", remedy="Splits and intervals go by prompt family: add prompts"
            )
        yield from rating_problems(self.ratings, self.objectives, self.responses)
        yield from score_problems({f"scores/{name}": frame for name, frame in self.scores.items()}, self.responses)
        if self.splits is not None:
            yield from split_problems(self.splits, self.prompts["family"])

    def validated(self) -> Tables:
        """Itself; raises the first problem."""
        for problem in self.problems():
            raise problem
        return self


def _shape(frame: pd.DataFrame, name: str) -> Iterator[WorkbenchError]:
    for column in _NEEDED[name]:
        if column not in frame.columns:
            yield WorkbenchError(f"missing column {column!r}", where=name, remedy=f"It has {', '.join(map(str, frame.columns))}")
    key = KEYS[name]
    if key in frame.columns:
        empty = frame[key].isna()
        if empty.any():
            yield WorkbenchError(f"no {key} in rows {listing(np.flatnonzero(empty))}", where=name, remedy="Give every row an id")
        twice = frame.loc[frame[key].duplicated(), key].unique()
        if len(twice):
            yield WorkbenchError(f"duplicate {key} {listing(twice)}", where=name, remedy="Ids are unique: drop or rename the repeats")


def _texts(frame: pd.DataFrame, name: str) -> Iterator[WorkbenchError]:
    if "text" not in frame.columns or frame["text"].isna().all():
        return
    empty = frame["text"].fillna("").str.strip() == ""
    if empty.any():
        ids = frame.loc[empty, KEYS[name]]
        yield WorkbenchError(
            f"empty {name[:-1]} text for {listing(ids)} (rows {listing(np.flatnonzero(empty))})", where=f"{name}, column text",
            remedy="Leave those rows out",
        )


def _links(tables: Tables) -> Iterator[WorkbenchError]:
    prompts = set(tables.prompts["prompt_id"])
    for name in ("responses", "pairs"):
        frame = getattr(tables, name)
        stray = frame.loc[~frame["prompt_id"].isin(prompts), KEYS[name]]
        if len(stray):
            yield WorkbenchError(f"{listing(stray)} belong to no prompt", where=f"{name}, column prompt_id")
    responses = tables.responses.drop_duplicates("response_id").set_index("response_id")
    pairs = tables.pairs
    for side in ("chosen", "rejected"):
        stray = pairs.loc[~pairs[side].isin(responses.index), "pair_id"]
        if len(stray):
            yield WorkbenchError(f"{side} of {listing(stray)} is no known response", where=f"pairs, column {side}")
            return
        owner = responses["prompt_id"].loc[pairs[side]].to_numpy()
        crossed = pairs.loc[owner != pairs["prompt_id"].to_numpy(), "pair_id"]
        if len(crossed):
            yield WorkbenchError(f"{side} of {listing(crossed)} answers another prompt", where=f"pairs, column {side}")
    same = pairs["chosen"].to_numpy() == pairs["rejected"].to_numpy()
    if "text" in responses.columns:
        text = responses["text"]
        left, right = text.loc[pairs["chosen"]].to_numpy(), text.loc[pairs["rejected"]].to_numpy()
        same |= (left == right) & pd.notna(left)
    if same.any():
        ids = pairs.loc[same, "pair_id"]
        yield WorkbenchError(
            f"chosen and rejected are the same in {listing(ids)} (rows {listing(np.flatnonzero(same))})", where="pairs",
            remedy="Leave those pairs out: nothing can be learned from them",
        )


def rating_problems(ratings, objectives, responses) -> Iterator[WorkbenchError]:
    """Unknown or undeclared objectives, empty columns, ratings outside their declared range."""
    if ratings is None:
        return
    if "response_id" not in ratings.columns:
        yield WorkbenchError("missing column 'response_id'", where="ratings")
        return
    twice = ratings.loc[ratings["response_id"].duplicated(), "response_id"]
    if len(twice):
        yield WorkbenchError(f"duplicate response_id {listing(twice)}", where="ratings", remedy="One row per response")
    stray = ratings.loc[~ratings["response_id"].isin(responses["response_id"]), "response_id"]
    if len(stray):
        yield WorkbenchError(f"{listing(stray)} are no known responses", where="ratings, column response_id")
    declared = {objective.name: objective for objective in objectives if objective.kind != "score"}
    columns = [column for column in ratings.columns if column != "response_id"]
    for name in columns:
        if name not in declared:
            yield WorkbenchError(f"unknown objective {name!r}", where="ratings", remedy="Declare it with its range, or drop the column")
    for name, objective in declared.items():
        if name not in columns:
            yield WorkbenchError(f"objective {name!r} has no column", where="ratings")
            continue
        yield from _range(ratings, objective)


def _range(ratings: pd.DataFrame, objective: Objective) -> Iterator[WorkbenchError]:
    name, where = objective.name, f"ratings, column {objective.name}"
    try:
        values = ratings[name].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        yield WorkbenchError("not numbers", where=where, remedy="Ratings are numbers or null")
        return
    if np.isnan(values).all():
        yield WorkbenchError(f"objective {name!r} has no rating at all", where=where, remedy="Drop the column")
    infinite = np.isinf(values)
    if infinite.any():
        yield WorkbenchError(f"infinite rating in rows {listing(np.flatnonzero(infinite))}", where=where)
    outside = (values < objective.low) | (values > objective.high)
    if (outside & ~infinite).any():
        rows = np.flatnonzero(outside & ~infinite)
        yield WorkbenchError(
            f"rating {values[rows[0]]:g} outside {objective.low:g} to {objective.high:g} in rows {listing(rows)}",
            where=where, remedy="Correct the rating or the declared range",
        )


def score_problems(frames: Mapping[str, pd.DataFrame], responses: pd.DataFrame | None) -> Iterator[WorkbenchError]:
    """Scores by response, "scores/<name>" → frame: known ids once each, numbers finite or absent, no column in two frames."""
    known = set(responses["response_id"]) if responses is not None and "response_id" in responses.columns else None
    home: dict[str, str] = {}
    for name, frame in frames.items():
        where = f"{name}.parquet"
        if "response_id" not in frame.columns:
            yield WorkbenchError("missing column 'response_id'", where=where, remedy=f"It has {listing(frame.columns, 12)}")
            continue
        twice = frame.loc[frame["response_id"].duplicated(), "response_id"]
        if len(twice):
            yield WorkbenchError(f"duplicate response_id {listing(twice)}", where=where, remedy="One row per response")
        if known is not None and not frame["response_id"].isin(known).all():
            stray = frame.loc[~frame["response_id"].isin(known), "response_id"]
            yield WorkbenchError(f"{listing(stray)} are no known responses", where=where, remedy="Leave those rows out")
        for column in frame.columns.drop("response_id"):
            if home.setdefault(column, where) != where:
                yield WorkbenchError(f"column {column!r} is in {home[column]} too", where=where, remedy="Rename one of them")
            if not pd.api.types.is_numeric_dtype(frame[column]):
                yield WorkbenchError("not numbers", where=f"{where}, column {column}", remedy="Scores are numbers or null")
                continue
            infinite = np.isinf(frame[column].to_numpy(np.float64, na_value=np.nan))
            if infinite.any():
                yield WorkbenchError(f"infinite score in rows {listing(np.flatnonzero(infinite))}", where=f"{where}, column {column}")


def objective_problems(objectives: Iterable[Objective], frames: Mapping[str, pd.DataFrame],
                       pairs: pd.DataFrame) -> Iterator[WorkbenchError]:
    """Objectives of no known kind; scores that are no column of `frames`, or have no number for a response of a pair."""
    for objective in objectives:
        if objective.kind not in KINDS:
            known = f"Known: {', '.join(KINDS)}"
            yield WorkbenchError(f"objective {objective.name!r} is of kind {objective.kind!r}", where="objectives", remedy=known)
        if objective.kind != "score":
            continue
        home = next((frame for frame in frames.values() if objective.name in frame and "response_id" in frame), None)
        if home is None:
            yield WorkbenchError(f"objective {objective.name!r} has no column", where="scores", remedy="Add its scores")
            continue
        needed = pd.unique(pairs[["chosen", "rejected"]].to_numpy().ravel())
        column = home.drop_duplicates("response_id").set_index("response_id")[objective.name]
        lacking = needed[column.reindex(needed).isna().to_numpy()]
        if len(lacking):
            what = f"no number for {len(lacking)} of {len(needed)} responses of pairs ({listing(lacking, 3)})"
            yield WorkbenchError(what, where=f"scores, column {objective.name}", remedy="An objective needs one for each of them")


def split_problems(splits: pd.DataFrame, families) -> Iterator[WorkbenchError]:
    """A family in two splits, in none, or in a split that does not exist."""
    for column in _NEEDED["splits"]:
        if column not in splits.columns:
            yield WorkbenchError(f"missing column {column!r}", where="splits")
            return
    per_family = splits.groupby("family")["split"].nunique()
    torn = per_family.index[per_family > 1]
    if len(torn):
        yield WorkbenchError(f"family {listing(torn)} in two splits", where="splits", remedy="A family is whole: put it in one")
    unknown = splits.loc[~splits["split"].isin(SPLITS), "family"]
    if len(unknown):
        yield WorkbenchError(f"unknown split for {listing(unknown)}", where="splits", remedy=f"Splits are {', '.join(SPLITS)}")
    left = set(families) - set(splits["family"])
    if left:
        yield WorkbenchError(f"no split for family {listing(sorted(map(str, left)))}", where="splits")


def split_families(prompts: pd.DataFrame, shares=SHARES, seed: int = 0) -> pd.DataFrame:
    """One manifest, family → split, 60/20/20 within each domain, decided by a hash of the family's name."""
    families = prompts.drop_duplicates("family")
    domain = families["domain"].fillna("") if "domain" in families.columns else pd.Series("", index=families.index)
    table = pd.DataFrame({"family": families["family"].to_numpy(), "domain": domain.to_numpy()})  # of its own type, to merge by
    table["key"] = [hashlib.sha256(f"{seed}:{name}".encode()).hexdigest() for name in table["family"]]
    table = table.sort_values(["domain", "key"], ignore_index=True)
    place = (table.groupby("domain").cumcount() + 0.5) / table.groupby("domain")["key"].transform("size")
    table["split"] = np.where(place < shares[0], "train", np.where(place < shares[0] + shares[1], "dev", "test"))
    if len(table) >= 3 and table["split"].nunique() < 3:  # many tiny domains: stratifying would leave a split empty
        place = (np.argsort(np.argsort(table["key"].to_numpy())) + 0.5) / len(table)
        train = min(shares[0], 1 - 2 / len(table))  # of three families, one each
        table["split"] = np.where(place < train, "train", np.where(place < shares[0] + shares[1], "dev", "test"))
    return table.sort_values("family", ignore_index=True)[["family", "split"]]


def of_split(table: pd.DataFrame, split: str | None) -> pd.DataFrame:
    """The rows of one split, or all of them for None."""
    if split is None:
        return table
    if split not in SPLITS:
        raise WorkbenchError(f"unknown split {split!r}", remedy=f"Splits are {listing(SPLITS)}")
    return table[table["split"] == split].reset_index(drop=True)
