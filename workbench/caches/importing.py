"""Feature files of both stages → one study, block by block: nothing is held but identities, labels and one shard of each kind."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .. import budget
from ..errors import WorkbenchError
from ..features import write_index, write_shard
from ..readers.draft import SPLIT_NAMES, usual_range
from ..shards import as_float32
from ..study import Study
from ..tables import Objective, Tables, split_families
from .stages import Stage1, Stage2, read_stage1, read_stage2

SHARD = 2**26  # bytes of a shard, about
NO_PROMPT = "stage 1 caches hold no prompt feature"
IDENTITY = 256  # bytes in memory for each row that is told from the others
Files = str | Path | Iterable[str | Path]


def import_caches(folder: str | Path, *, stage1: Files | None = None, stage2: Files | None = None, objectives: Sequence[str] | None = None,
                  name: str | None = None, backbone: str | None = None, **info) -> Study:
    """Write what RLHFlow cached as a new study, whole or not at all: ratings of stage 1, pairs of stage 2, features, no text.

    stage1, stage2: as for `read_stage1` and `read_stage2`, either or both; objectives: names of the labels. Row i of a data set
    is response "{dataset}:{i}", pair i of a file "{file}:{i}". Pairs with the same prompt feature, to the byte, share a prompt;
    a rated response with the feature of another response belongs to that one's prompt, else to one of its own, whose feature
    is marked as skipped. Splits are those of the stage 2 files' names where there are several, made otherwise. Objectives that
    nobody rated are left out and noted, as guessed ranges are. backbone: what made the features, if known; info goes into
    study.json. WorkbenchError for damaged files, and for a folder that exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise WorkbenchError("something is here already", where=str(folder), remedy="Nothing is overwritten: choose another folder")
    if stage1 is None and stage2 is None:
        raise WorkbenchError("no files named", where=str(folder), remedy="Give stage1, stage2, or both")
    rated = None if stage1 is None else read_stage1(stage1, objectives)
    compared = None if stage2 is None else read_stage2(stage2)
    stages = [stage for stage in (compared, rated) if stage is not None]
    if len({stage.dim for stage in stages}) > 1:
        what = f"stage 1 features of {rated.dim} dims, stage 2 features of {compared.dim}"
        raise WorkbenchError(what, where=str(folder), remedy="One study comes from one backbone")
    budget.claim(IDENTITY * (len(rated or ()) + 3 * len(compared or ())), "telling rows of features apart")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        shutil.copymode(folder.parent, beside)  # as open to others as the folder it lies in
        types = set().union(*(stage.dtypes for stage in stages))
        importing = _Import(beside / "features", stages[0].dim, types.pop() if len(types) == 1 else "F32")
        if compared is not None:
            importing.take_pairs(compared)
        if rated is not None:
            importing.take_ratings(rated)
        tables = importing.tables(() if rated is None else rated.objectives)
        features = {"compose": ["response"], **({"backbone": backbone} if backbone else {})}
        Study.write(tables, beside, name=name or folder.name, features=features, **info)
        os.rename(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Study.load(folder)


class _Shards:
    """Rows of one kind, written as shards of about 64 MiB as they come."""

    def __init__(self, folder: Path, kind: str, dim: int, dtype: str):
        self.folder, self.kind, self.dim, self.dtype = folder, kind, dim, dtype
        self.rows = max(SHARD // (4 * dim), 1)
        self.entries: list[dict] = []
        self._waiting: list[np.ndarray] = []

    def add(self, rows: np.ndarray) -> None:
        for start in range(0, len(rows), self.rows):
            self._waiting.append(rows[start : start + self.rows])
            if sum(map(len, self._waiting)) >= self.rows:
                self._write()

    def add_zeros(self, count: int) -> None:
        """Rows that stand for nothing: one file, named as often as it is needed."""
        self._write()
        times, rest = divmod(count, self.rows)
        if times:
            self.add(np.zeros((self.rows, self.dim), np.float32))
            self.entries += [self.entries[-1]] * (times - 1)
        self.add(np.zeros((rest, self.dim), np.float32))

    def _write(self) -> None:
        if self._waiting:
            number = len({entry["file"] for entry in self.entries})
            self.entries.append(write_shard(self.folder, self.kind, number, np.concatenate(self._waiting), self.dtype))
            self._waiting = []

    def described(self, skipped: dict[str, str]) -> dict:
        self._write()
        return {"dim": self.dim, "dtype": self.dtype, "shards": self.entries, "skipped": skipped}


class _Import:
    """A study in the making: features go to disk as they are read, everything else is kept as columns."""

    def __init__(self, folder: Path, dim: int, dtype: str):
        self.folder = folder
        self.prompt, self.response = (_Shards(folder, kind, dim, dtype) for kind in ("prompt", "response"))
        self.prompts: list[tuple[str, str]] = []  # id, domain
        self.responses: list[tuple[str, str]] = []  # id, prompt's id
        self.pairs: list[tuple[str, str, str, str, str]] = []
        self.splits: dict[str, set[str]] = {}
        self.labels: list[np.ndarray] = []
        self.rated: list[str] = []
        self.skipped: dict[str, str] = {}
        self.alike = 0
        self._prompt_of: dict[bytes, str] = {}  # of a response's feature
        self._known: dict[bytes, str] = {}  # of a prompt's feature

    def take_pairs(self, stage: Stage2) -> None:
        """Chosen and rejected rows as they come; each distinct prompt row once."""
        for block in stage.blocks():
            source, _, split = block.name.rpartition("-")
            owners = self._owners(block.prompts, source or block.name)
            self.response.add(block.features.reshape(-1, stage.dim))
            for at, (owner, both) in enumerate(zip(owners, block.stored)):
                named, keys = f"{block.name}:{block.start + at}", [row.tobytes() for row in both]
                self.alike += keys[0] == keys[1]
                for side, key in zip(("chosen", "rejected"), keys):
                    self._prompt_of.setdefault(_digest(key), owner)
                    self.responses.append((f"{named}:{side}", owner))
                self.pairs.append((named, owner, f"{named}:chosen", f"{named}:rejected", source or block.name))
                if split.lower() in SPLIT_NAMES:
                    self.splits.setdefault(SPLIT_NAMES[split.lower()], set()).add(owner)

    def _owners(self, stored: np.ndarray, domain: str) -> list[str]:
        """Prompt ids of rows as stored; those not met before are written."""
        owners, fresh = [], []
        for at, row in enumerate(stored):
            key = _digest(row.tobytes())
            if key not in self._known:
                self._known[key] = f"p{key.hex()}"
                self.prompts.append((self._known[key], domain))
                fresh.append(at)
            owners.append(self._known[key])
        self.prompt.add(as_float32(stored[fresh]))
        return owners

    def take_ratings(self, stage: Stage1) -> None:
        """Rated rows as they come; a prompt of its own for each that is nobody else's."""
        before = len(self.prompts)
        for block in stage.blocks():
            self.response.add(block.features)
            self.labels.append(block.labels)
            for at, row in enumerate(block.stored):
                named, key = f"{block.dataset}:{block.start + at}", _digest(row.tobytes())
                owner = self._prompt_of.setdefault(key, named)
                if owner == named:
                    self.prompts.append((named, block.dataset))
                self.responses.append((named, owner))
                self.rated.append(named)
        self.prompt.add_zeros(len(self.prompts) - before)
        self.skipped = {str(row): NO_PROMPT for row in range(before, len(self.prompts))}

    def tables(self, objectives: tuple[str, ...]) -> Tables:
        """Everything but the features, whose index is written."""
        write_index(self.folder, {"prompt": self.prompt.described(self.skipped), "response": self.response.described({})})
        prompts = pd.DataFrame(self.prompts, columns=["prompt_id", "domain"])
        prompts.insert(1, "family", prompts["prompt_id"])
        responses = pd.DataFrame(self.responses, columns=["response_id", "prompt_id"])
        pairs = pd.DataFrame(self.pairs, columns=["pair_id", "prompt_id", "chosen", "rejected", "source"])
        ratings, declared, notes = self._ratings(objectives)
        if self.alike:
            notes["identical_sides"] = self.alike
        return Tables(prompts, responses, pairs, ratings, declared, self._splits(prompts), notes)

    def _ratings(self, objectives: tuple[str, ...]) -> tuple[pd.DataFrame | None, tuple[Objective, ...], dict]:
        labels = pd.DataFrame(np.concatenate([np.empty((0, len(objectives))), *self.labels]), columns=list(objectives))
        kept = [name for name in objectives if labels[name].notna().any()]
        ends = {name: usual_range(labels[name]) for name in kept}
        declared = tuple(Objective(name, *ends[name], source=name.split("-")[0], group=name.split("-")[0]) for name in kept)
        notes = {"guessed_ranges": {name: list(pair) for name, pair in ends.items()}} if kept else {}
        if len(kept) < len(objectives):
            notes["unrated"] = [name for name in objectives if name not in kept]
        labels.insert(0, "response_id", self.rated)
        rated = labels[["response_id", *kept]].dropna(how="all", subset=kept, ignore_index=True) if kept else None
        return rated, declared, notes

    def _splits(self, prompts: pd.DataFrame) -> pd.DataFrame | None:
        """Those that the files' names give, where they give more than one; what they leave open is divided as any study is."""
        if len(self.splits) < 2:
            return None
        given = [(owner, split) for split, owners in self.splits.items() for owner in owners]
        given = pd.DataFrame(given, columns=["family", "split"])
        left = prompts[~prompts["family"].isin(given["family"])]
        return pd.concat([given, split_families(left)], ignore_index=True) if len(left) else given


def _digest(row: bytes) -> bytes:
    """Sixteen bytes that tell one row of features from another."""
    return hashlib.blake2b(row, digest_size=16).digest()
