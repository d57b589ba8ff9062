"""Study: a frozen folder of tables, features and text, with a content hash and one split manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import budget
from .axes import SIDES
from .bundle import RESTORE, parquet_columns, read_parquet, sha256
from .errors import WorkbenchError
from .features import Features, FeatureStore, known_recipe
from .rows import Repeated, Stored
from .scores import Scores
from .tables import Objective, Tables, of_split
from .writing import attach_model, attach_scores, read_description, scored_objectives, study_of_scores, write_study

SCHEMA = 1
ABOUT = {"prompts": ("prompt_id", "family", "section", "domain", "query", "category", "risk"), "responses": ("response_id", "prompt_id")}


@dataclass(frozen=True, eq=False)
class Study:
    """Everything known of one reward model's data, immutable.

    Make one with `Study.load(folder)`, `Study.from_scores(table)`, `Study.write(tables, folder)` or `wb.demo()`.
    Tables come back as pandas frames that are the caller's own.
    """

    info: dict
    folder: Path | None = None
    tables: dict = field(default_factory=dict, repr=False)
    _abouts: dict = field(default_factory=dict, repr=False)

    # -- opening ----------------------------------------------------------------------------------

    @classmethod
    def load(cls, folder: str | Path) -> Study:
        """Open a folder: reads study.json and the features' headers; tables are read when asked for."""
        folder = Path(folder)
        info = read_description(folder, SCHEMA)
        study = cls(info, folder)
        for name in info["files"]:
            if not (folder / name).is_file():
                raise WorkbenchError("file is missing", where=str(folder / name), remedy=RESTORE)
        _ = study.store  # reads the shards' headers now, so that a truncated one is found at the door
        budget.keeper(study)
        return study

    @classmethod
    def from_scores(cls, table: pd.DataFrame, *, name: str = "scores", prompts: pd.DataFrame | None = None) -> Study:
        """A study of scores alone, held in memory.

        table: pair, side ("chosen" or "rejected"), objective, score, one row each; prompts: optional, pair with
        family, section, domain or text. Raises WorkbenchError for a missing, repeated or non-finite score.
        """
        info, frames = study_of_scores(table, prompts)
        return cls({"schema": SCHEMA, "name": name, **info}, None, frames)

    @classmethod
    def write(cls, tables: Tables, folder: str | Path, *, name: str | None = None, features: dict | None = None,
              scores: dict[str, pd.DataFrame] | None = None, truth: dict[str, pd.DataFrame] | None = None, model: Any = None,
              **info) -> Study:
        """Write a new study folder and open it.

        features: {"compose": ("response", "prompt*response"), "backbone": str} when ``folder/features`` already
        holds an index; scores: file name → frame by response_id; truth: table name → the known answers of a
        planted study; model: a `RewardModel`, or the folder of a saved one, which scores the study as it is; info: licence
        and the like. Refuses a folder that already holds a study, and a model that has no features to read.
        """
        folder = Path(folder)
        about = {"schema": SCHEMA, "name": name or folder.name}
        write_study(tables.validated(), folder, about, features, scores or {}, truth or {}, info, model)
        return cls.load(folder)

    def with_model(self, model: Any, folder: str | Path, *, name: str | None = None) -> Study:
        """This study with a model (as for `write`) as a new one in a new folder; its shards are linked there, or copied.

        The features must be those of the model's own backbone. WorkbenchError for a study held in memory or without features.
        """
        attach_model(self.info, self.folder, Path(folder), name or self.name, model)
        return type(self).load(folder)

    def with_scores(self, scores: pd.DataFrame | str | Path, folder: str | Path, *, name: str | None = None,
                    objectives: bool = True) -> Study:
        """This study with columns of scores from elsewhere, by response_id or by pair_id and side, as a new one in a new folder.

        scores: a frame or a file (`readers.columns.read_scores`); objectives: whether each column is one, which needs a number for
        every response of a pair (`readers.columns.align`). WorkbenchError for a column that is here already, or held in memory.
        """
        attach_scores(self, Path(folder), name or self.name, scores, objectives)
        return type(self).load(folder)

    # -- what it holds ----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.info.get("name", "study")

    @property
    def hash(self) -> str:
        """Content hash, twelve hexadecimal digits."""
        return self.info["hash"]

    @property
    def has_model(self) -> bool:
        """Whether it comes with a model that scores it."""
        return bool(self.info.get("model"))

    @property
    def objectives(self) -> tuple[str, ...]:
        """Those of its model, in the model's order, where it comes with one, else those that are rated; then those of `scored`."""
        scored = self.scored
        own = self.info["model"]["objectives"] if self.has_model else [entry["name"] for entry in self.info["objectives"]]
        return (*(name for name in own if name not in scored), *scored)

    @property
    def scored(self) -> tuple[str, ...]:
        """Objectives that are columns of scores from elsewhere: no probe is fitted to them."""
        return scored_objectives(self.info)

    @property
    def objective_info(self) -> dict[str, Objective]:
        """Declared range, source and group of each objective."""
        declared = {entry["name"]: Objective(**entry) for entry in self.info["objectives"]}
        return {name: Objective(name) for name in self.objectives} | declared

    @cached_property
    def store(self) -> FeatureStore | None:
        if not (self.info.get("features") and self.folder):
            return None
        store, index = FeatureStore.open(self.folder / "features", self.info.get("counts")), self.folder / "features" / "index.json"
        if sha256(index) != self.info["files"].get("features/index.json"):
            raise WorkbenchError("hash does not match: it was changed after the study was written", where=str(index), remedy=RESTORE)
        return store

    def table(self, name: str) -> pd.DataFrame:
        """One stored table as it is."""
        found = self.tables.get(name)
        if found is None:
            if self.folder is None or f"{name}.parquet" not in self.info["files"]:
                raise WorkbenchError(f"this study has no {name}", where=self.name)
            found = self.tables[name] = self._read(f"{name}.parquet")
        return found.copy()

    def held(self) -> int:
        """Bytes of the tables in memory."""
        return budget.size_of(self.tables, self._abouts, self.__dict__.get("_columns"))

    def let_go(self, size: int) -> None:
        """Forget tables, up to about `size` bytes: they are read again when they are asked for."""
        for name in [name for name in list(self.tables) if f"{name}.parquet" in self.info["files"]]:
            if size > 0:
                size -= budget.size_of(self.tables.pop(name, None))

    def _read(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """One file, its bytes held against the hash it was written with."""
        return read_parquet(self.folder / name, self.info["files"][name], columns)

    def _about(self, name: str) -> pd.DataFrame:
        """What a table says beside its texts, which may be most of its size and are left on disk."""
        if name not in self._abouts:
            whole = self.tables.get(name)
            if whole is None and f"{name}.parquet" not in self.info["files"]:
                whole = self.table(name)  # raises
            wanted = [column for column in ABOUT[name] if whole is None or column in whole]  # a file gives those that it has
            self._abouts[name] = self._read(f"{name}.parquet", wanted) if whole is None else whole[wanted]
        return self._abouts[name]

    @property
    def prompts(self) -> pd.DataFrame:
        """prompt_id, family, split, section, domain, query, category, text, reference."""
        splits = self.table("splits")
        return self.table("prompts").merge(splits, on="family", how="left", validate="many_to_one")

    @property
    def responses(self) -> pd.DataFrame:
        """response_id, prompt_id, family, split, text, model."""
        return self.table("responses").merge(self.prompts[["prompt_id", "family", "split"]], on="prompt_id", how="left")

    @property
    def pairs(self) -> pd.DataFrame:
        """pair_id, prompt_id, family, section, domain, split, chosen, rejected (response ids), source."""
        prompts = self._about("prompts").merge(self.table("splits"), on="family", how="left", validate="many_to_one")
        about = [c for c in ("prompt_id", "family", "split", *ABOUT["prompts"][2:]) if c in prompts]
        return self.table("pairs").merge(prompts[about], on="prompt_id", how="left", validate="many_to_one")

    @property
    def ratings(self) -> pd.DataFrame:
        """response_id and one nullable column per objective."""
        return self.table("ratings")

    @property
    def truth(self) -> pd.DataFrame:
        """The known answers of a planted study: for tests, benchmarks and cells that say so."""
        return self.table("truth")

    @property
    def has_text(self) -> bool:
        whole = self.tables.get("responses")
        return "text" in (parquet_columns(self.folder / "responses.parquet") if whole is None else whole.columns)

    # -- columns of numbers by response ------------------------------------------------------------

    @cached_property
    def _columns(self) -> pd.DataFrame:
        responses = self._about("responses")[["response_id"]]
        frames = [self.tables["scores"]] if "scores" in self.tables else []
        for path in self.info["files"]:
            if path.startswith("scores/"):
                frames.append(self._read(path))
        for frame in frames:
            responses = responses.merge(frame, on="response_id", how="left", validate="one_to_one")
        return responses.set_index("response_id")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the numbers known of every response: measured lengths, scores from elsewhere."""
        return tuple(self._columns.columns)

    def column(self, name: str) -> pd.Series:
        """One number per response, by response_id."""
        if name not in self._columns:
            raise WorkbenchError(f"unknown column {name!r}", where=self.name, remedy=f"Known: {', '.join(self.columns)}")
        return self._columns[name]

    def column_scores(self, names, split: str | None = None) -> Scores:
        """Named columns of both sides of a split's pairs, in the order of `split_pairs`."""
        pairs, names = self.split_pairs(split), tuple(names)
        sides = [np.stack([self.column(name).loc[pairs[side]].to_numpy(np.float64) for name in names], axis=-1) for side in SIDES]
        return Scores(np.stack(sides, axis=1), names)

    # -- features ---------------------------------------------------------------------------------

    def split_pairs(self, split: str | None = None) -> pd.DataFrame:
        """The pairs of a split (all of them for None), in the order that features follow."""
        return of_split(self.pairs, split)

    def split_responses(self, split: str | None = None, *, text: bool = True) -> pd.DataFrame:
        """The responses of a split (all of them for None), in the order that features follow; with all columns, or without text."""
        if text:
            responses = self.responses
        else:
            families = self._about("prompts")[["prompt_id", "family"]].merge(self.table("splits"), on="family", how="left")
            responses = self._about("responses").merge(families, on="prompt_id", how="left")
        return of_split(responses, split)

    def features(self, split: str | None = None, of: str = "pairs") -> Features:
        """Features of a split's pairs or responses, composed as study.json says, in memory.

        of="pairs": prompt [pair dim], response [pair side dim]; of="responses": both [row dim]. Not beyond the memory budget.
        """
        stream = self.stream(split, of)
        table = self.split_responses(split, text=False) if of == "responses" else self.split_pairs(split)
        width = int(np.prod(stream.shape[1:])) + self.store.dim("prompt")
        budget.claim(4 * len(table) * width, f"features of {len(table):,} {split or 'all'} {of} of {self.name}", count=len(table), of=of)
        return Features(np.asarray(self.prompt_rows(table["prompt_id"])), np.asarray(stream), stream.mask)

    def stream(self, split: str | None = None, of: str = "responses") -> Stored | Repeated:
        """The same, left on disk and read as they are asked for: `rows.Stored` [row dim], in the order of `split_responses`.

        of="pairs": `rows.Repeated` [pair side dim] over the distinct ones. `.mask`: False where an item was skipped.
        """
        responses = self._places("responses")
        if of == "responses":
            table = self.split_responses(split, text=False)
            return self._stored(table["prompt_id"], responses.loc[table["response_id"]].to_numpy(), with_prompt=False)
        if of != "pairs":
            raise WorkbenchError(f"features of {of!r}", remedy='Ask for of="pairs" or of="responses"')
        pairs = self.split_pairs(split)
        owners = self._about("responses")["prompt_id"]
        sides = np.stack([responses.loc[pairs[side]].to_numpy() for side in SIDES], axis=1)
        return Repeated.once(sides, lambda places: self._stored(owners.iloc[places], places))

    def prompt_rows(self, prompt_ids) -> Repeated:
        """Features of the prompts named, those of pairs for instance [pair dim]: in memory once each, if the budget allows."""
        places = self._places("prompts").loc[prompt_ids].to_numpy()

        def read(distinct: np.ndarray) -> np.ndarray:
            size, what = 4 * len(distinct) * self.store.dim("prompt"), f"features of {len(distinct):,} prompts of {self.name}"
            budget.claim(size, what, count=len(distinct), of="prompts")
            return self.store.rows("prompt", distinct)

        return Repeated.once(places, read)

    def _places(self, name: str) -> pd.Series:
        """Row of each prompt or response in its table, by id: what features follow."""
        if self.store is None:
            raise WorkbenchError("this study has no features", where=self.name, remedy="Run `workbench extract`, or work on its scores")
        ids = self._about(name)[f"{name[:-1]}_id"]
        return pd.Series(np.arange(len(ids)), index=ids)

    def _stored(self, prompt_ids, responses: np.ndarray, with_prompt: bool = True) -> Stored:
        prompts = self._places("prompts").loc[prompt_ids].to_numpy()
        return Stored(self.store, prompts, responses, known_recipe(self.info["features"]["compose"]), with_prompt)
