"""Study: a frozen folder of tables, features and text, with a content hash and one split manifest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from .axes import SIDES, SPLITS
from .bundle import RESTORE, content_hash, read_parquet, sha256, write_atomic, write_parquet
from .errors import WorkbenchError, listing
from .features import Features, FeatureStore, compose, only_writer
from .measured import measure
from .scores import Scores
from .tables import Objective, Tables, score_problems, split_families

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Study:
    """Everything known of one reward model's data, immutable.

    Make one with `Study.load(folder)`, `Study.from_scores(table)`, `Study.write(tables, folder)` or `wb.demo()`.
    Tables come back as pandas frames that are the caller's own.
    """

    info: dict
    folder: Path | None = None
    tables: dict = field(default_factory=dict, repr=False)

    # -- opening ----------------------------------------------------------------------------------

    @classmethod
    def load(cls, folder: str | Path) -> Study:
        """Open a folder: reads study.json and the features' headers; tables are read when asked for."""
        folder = Path(folder)
        path = folder / "study.json"
        if not path.is_file():
            raise WorkbenchError("no study here", where=str(path), remedy="Name the folder that holds study.json")
        try:
            info = json.loads(path.read_text(encoding="utf-8"))
            schema = int(info["schema"])
            same = schema > SCHEMA or content_hash(info["files"]) == info["hash"]
        except (ValueError, KeyError, TypeError):
            raise WorkbenchError("not a study description", where=str(path), remedy=RESTORE) from None
        if schema > SCHEMA:
            raise WorkbenchError(
                f"study schema {schema}, this version reads up to {SCHEMA}", where=str(path), remedy="Update the workbench",
            )
        if not same:
            raise WorkbenchError("the study's hash does not match its list of files", where=str(path), remedy=RESTORE)
        study = cls(info, folder)
        for name in info["files"]:
            if not (folder / name).is_file():
                raise WorkbenchError("file is missing", where=str(folder / name), remedy=RESTORE)
        _ = study.store  # reads the shards' headers now, so that a truncated one is found at the door
        return study

    @classmethod
    def from_scores(cls, table: pd.DataFrame, *, name: str = "scores", prompts: pd.DataFrame | None = None) -> Study:
        """A study of scores alone, held in memory.

        table: pair, side ("chosen" or "rejected"), objective, score, one row each; prompts: optional, pair with
        family, section, domain or text. Raises WorkbenchError for a missing, repeated or non-finite score.
        """
        from .readers.scores import tables_from_scores

        tables, columns = tables_from_scores(table, prompts)
        tables = tables.validated()
        splits = tables.splits if tables.splits is not None else split_families(tables.prompts)
        frames = {"prompts": tables.prompts, "responses": tables.responses, "pairs": tables.pairs, "splits": splits}
        digest = hashlib.sha256()
        for frame in (*frames.values(), columns):
            digest.update(frame.to_csv(index=False).encode())
        objectives = [{"name": name} for name in columns.columns if name != "response_id"]
        info = {"schema": SCHEMA, "name": name, "hash": digest.hexdigest()[:12], "objectives": objectives, "files": {}, "scores": True}
        return cls(info, None, {**frames, "scores": columns})

    @classmethod
    def write(cls, tables: Tables, folder: str | Path, *, name: str | None = None, features: dict | None = None,
              scores: dict[str, pd.DataFrame] | None = None, truth: dict[str, pd.DataFrame] | None = None, **info) -> Study:
        """Write a new study folder and open it.

        features: {"compose": ("response", "prompt*response"), "backbone": str} when ``folder/features`` already
        holds an index; scores: file name → frame by response_id; truth: table name → the known answers of a
        planted study; info: licence and the like. Refuses a folder that already holds a study.
        """
        folder, tables = Path(folder), tables.validated()
        columns = _columns_of(tables, scores or {})
        with only_writer(folder):
            cls._write(tables, folder, name or folder.name, features, columns, truth, info)
        return cls.load(folder)

    @staticmethod
    def _write(tables, folder, name, features, columns, truth, info) -> None:
        splits = tables.splits if tables.splits is not None else split_families(tables.prompts)
        frames = {"prompts": tables.prompts, "responses": tables.responses, "pairs": tables.pairs, "splits": splits}
        if tables.ratings is not None:
            frames["ratings"] = tables.ratings
        frames |= truth or {}
        counts = {label: len(frame) for label, frame in frames.items()}
        if features is not None:
            FeatureStore.open(folder / "features", counts)
        for label, frame in frames.items():
            write_parquet(folder / f"{label}.parquet", frame)
        for label, frame in columns.items():
            write_parquet(folder / "scores" / f"{label}.parquet", frame)
        written = [*(f"{label}.parquet" for label in frames), *(f"scores/{label}.parquet" for label in columns)]
        if features is not None:
            written += [f"features/{path.name}" for path in sorted((folder / "features").iterdir())]
        files = {path: sha256(folder / path) for path in sorted(written)}
        described = {
            "schema": SCHEMA, "name": name, "hash": content_hash(files),
            "objectives": [vars(objective) for objective in tables.objectives],
            "features": features, "counts": counts,
            "files": files, **tables.notes, **info,
        }
        write_atomic(folder / "study.json", json.dumps(described, indent=1, ensure_ascii=False).encode())

    # -- what it holds ----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.info.get("name", "study")

    @property
    def hash(self) -> str:
        """Content hash, twelve hexadecimal digits."""
        return self.info["hash"]

    @property
    def objectives(self) -> tuple[str, ...]:
        return tuple(objective["name"] for objective in self.info["objectives"])

    @property
    def objective_info(self) -> dict[str, Objective]:
        """Declared range, source and group of each objective."""
        return {entry["name"]: Objective(**entry) for entry in self.info["objectives"]}

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
        if name not in self.tables:
            if self.folder is None or f"{name}.parquet" not in self.info["files"]:
                raise WorkbenchError(f"this study has no {name}", where=self.name)
            self.tables[name] = self._read(f"{name}.parquet")
        return self.tables[name].copy()

    def _read(self, name: str) -> pd.DataFrame:
        """One file, its bytes held against the hash it was written with."""
        return read_parquet(self.folder / name, self.info["files"][name])

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
        prompts = self.prompts
        about = [c for c in ("prompt_id", "family", "split", "section", "domain", "query", "category", "risk") if c in prompts]
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
        return "text" in self.table("responses").columns

    # -- columns of numbers by response ------------------------------------------------------------

    @cached_property
    def _columns(self) -> pd.DataFrame:
        responses = self.table("responses")[["response_id"]]
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
        sides = [
            np.stack([self.column(name).loc[pairs[side]].to_numpy(np.float64) for name in names], axis=-1)
            for side in SIDES
        ]
        return Scores(np.stack(sides, axis=1), names)

    # -- features ---------------------------------------------------------------------------------

    def split_pairs(self, split: str | None = None) -> pd.DataFrame:
        """The pairs of a split (all of them for None), in the order that features follow."""
        pairs = self.pairs
        if split is None:
            return pairs
        _known_split(split)
        return pairs[pairs["split"] == split].reset_index(drop=True)

    def split_responses(self, split: str | None = None) -> pd.DataFrame:
        """The responses of a split (all of them for None), in the order that features follow."""
        responses = self.responses
        if split is None:
            return responses
        _known_split(split)
        return responses[responses["split"] == split].reset_index(drop=True)

    def features(self, split: str | None = None, of: str = "pairs") -> Features:
        """Features of a split's pairs or responses, composed as study.json says.

        of="pairs": prompt [pair dim], response [pair side dim]; of="responses": both [row dim].
        """
        if self.store is None:
            raise WorkbenchError("this study has no features", where=self.name, remedy="Run `workbench extract`, or work on its scores")
        responses = self.table("responses")["response_id"]
        prompts = self.table("prompts")["prompt_id"]
        place = pd.Series(np.arange(len(responses)), index=responses)
        origin = pd.Series(np.arange(len(prompts)), index=prompts)
        recipe = tuple(self.info["features"]["compose"])
        if of == "responses":
            table = self.split_responses(split)
            return self._gather(origin.loc[table["prompt_id"]].to_numpy(), place.loc[table["response_id"]].to_numpy(), recipe)
        if of != "pairs":
            raise WorkbenchError(f"features of {of!r}", remedy='Ask for of="pairs" or of="responses"')
        table = self.split_pairs(split)
        sides = np.stack([place.loc[table[side]].to_numpy() for side in SIDES], axis=1)
        return self._gather(origin.loc[table["prompt_id"]].to_numpy(), sides, recipe)

    def _gather(self, prompts: np.ndarray, responses: np.ndarray, recipe: tuple[str, ...]) -> Features:
        """Rows of prompts [n] and of responses, [n] or both sides of pairs [n side]."""
        p, r = self.store.rows("prompt", prompts), self.store.rows("response", responses.ravel())
        r = r.reshape(*responses.shape, -1)
        skipped = {kind: self.store.skipped(kind) for kind in ("prompt", "response")}
        mask = None
        if any(skipped.values()):
            lacking = np.isin(responses, list(skipped["response"])).reshape(len(prompts), -1).any(axis=1)
            mask = ~(np.isin(prompts, list(skipped["prompt"])) | lacking)
        return Features(p, compose(p if r.ndim == 2 else p[:, None], r, recipe), mask)


def _known_split(split: str) -> None:
    if split not in SPLITS:
        raise WorkbenchError(f"unknown split {split!r}", remedy=f"Splits are {listing(SPLITS)}")


def _columns_of(tables: Tables, scores: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Frames of numbers by response: those given, checked, and what is measured on the text."""
    columns = dict(scores)
    if "text" in tables.responses.columns and tables.responses["text"].notna().all():
        if "measured" in columns:
            raise WorkbenchError("scores named 'measured'", where="scores", remedy="What is measured on the text has that name: rename")
        columns["measured"] = measure(tables.responses["text"])
        columns["measured"].insert(0, "response_id", tables.responses["response_id"].to_numpy())
    for problem in score_problems({f"scores/{label}": frame for label, frame in columns.items()}, tables.responses):
        raise problem
    return columns
