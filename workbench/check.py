"""What a study folder holds, and everything that is wrong with it. Reads all of it, changes nothing, never raises for a bad study."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from .axes import SPLITS
from .bundle import RESTORE, content_hash, read_parquet, sha256
from .errors import WorkbenchError, listing
from .features import CHECK_ROWS, KINDS, FeatureStore, as_float32, compose, open_tensor
from .readers.files import wrong_text
from .study import SCHEMA, Study
from .tables import Objective, Tables, objective_problems, score_problems
from .writing import MODEL, saved_model

NEEDED = ("prompts", "responses", "pairs", "splits")


@dataclass(frozen=True, eq=False)
class Report:
    """What `check` found: counts of rows, rated responses per objective and split, shapes of features, problems."""

    path: str
    name: str = ""
    hash: str = ""
    schema: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    coverage: pd.DataFrame | None = None
    features: dict[str, dict] = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    problems: tuple[WorkbenchError, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict:
        """The same as plain values, for JSON."""
        coverage = {} if self.coverage is None else self.coverage.to_dict(orient="index")
        return {
            "path": self.path, "name": self.name, "hash": self.hash, "schema": self.schema, "counts": self.counts,
            "coverage": coverage, "features": self.features, "notes": self.notes, "ok": self.ok,
            "problems": [{"what": p.what, "where": p.where, "remedy": p.remedy, "message": str(p)} for p in self.problems],
        }

    def __str__(self) -> str:
        lines = [f"{self.path}: " + (f"study {self.name} {self.hash}, schema {self.schema}" if self.hash else "no readable study")]
        lines += [f"  {name:<10} {count:>8} rows" for name, count in self.counts.items()]
        for kind, shape in self.features.items():
            shards = f"{shape['shards']} shard{'s' * (shape['shards'] != 1)}"
            size = f"{shape['rows']} × {shape['dim']} {shape['dtype']}, {shards}, {shape['skipped']} skipped"
            lines.append(f"  {kind + ' features':<18} {size}")
        if self.coverage is not None and len(self.coverage):
            lines += ["  rated responses by split"] + [f"    {line}" for line in self.coverage.to_string().splitlines()]
        lines += [f"  {name}: {value}" for name, value in self.notes.items()]
        lines.append(f"{len(self.problems)} problem{'s' * (len(self.problems) != 1)}" if self.problems else "no problems")
        return "\n".join(lines + [f"  - {problem}" for problem in self.problems])


def check(path: str | Path) -> Report:
    """Read a whole study: description, bytes against their hashes, every table, every feature; report every defect."""
    folder = Path(path)
    info, problems = _description(folder)
    if info is None:
        return Report(str(path), problems=tuple(problems))
    problems += _all(_files(folder, info), "study.json")
    tables, counts = {}, {}
    for name in sorted(info["files"]):
        if name.endswith(".parquet") and (folder / name).is_file():
            frame = _table(folder / name, problems)
            if frame is not None:
                tables[name.removesuffix(".parquet")] = frame
                counts[name.removesuffix(".parquet")] = len(frame)
    notes = {name: info[name] for name in ("licence", "left_out", "guessed_ranges") if info.get(name)}
    if info.get(MODEL):
        problems += _all(_model(folder, info, problems, notes), MODEL)
    problems += _missing(folder, tables)
    if all(name in tables for name in NEEDED):
        problems += _all(_tables(Study(info, folder, dict(tables)), tables), "tables")
    columns = {name: frame for name, frame in tables.items() if name.startswith("scores/")}
    problems += _all(score_problems(columns, tables.get("responses")), "scores")
    features = {}
    if info.get("features"):
        problems += _all(_features(folder / "features", info, tables, features), "features")
    return Report(
        str(path), str(info.get("name", "")), str(info.get("hash", "")), info["schema"], counts, _coverage(tables), features,
        notes, _unique(problems),
    )


def _all(found: Iterator[WorkbenchError], where: str) -> list[WorkbenchError]:
    """Every problem that can be found; what stops the search is a problem too."""
    problems = []
    try:
        problems.extend(found)  # what came before an exception stays
    except (TypeError, ValueError, KeyError, AttributeError, OSError) as error:
        if not isinstance(error, WorkbenchError):
            error = WorkbenchError(f"cannot be read further ({type(error).__name__}: {error})", where=where, remedy=RESTORE)
        problems.append(error)
    return problems


def _unique(problems: list[WorkbenchError]) -> tuple[WorkbenchError, ...]:
    return tuple({str(problem): problem for problem in problems}.values())


def _description(folder: Path) -> tuple[dict | None, list[WorkbenchError]]:
    path = folder / "study.json"
    if not path.is_file():
        return None, [WorkbenchError("no study here", where=str(path), remedy="Name the folder that holds study.json")]
    try:
        info = json.loads(path.read_bytes().decode("utf-8"))
        info["schema"] = int(info["schema"])
        sound = isinstance(info["files"], dict) and isinstance(info["objectives"], list) and isinstance(info["hash"], str)
    except (OSError, ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        return None, [WorkbenchError("not a study description", where=str(path), remedy=RESTORE)]
    if info["schema"] > SCHEMA:
        newer = f"study schema {info['schema']}, this version reads up to {SCHEMA}"
        return None, [WorkbenchError(newer, where=str(path), remedy="Update the workbench")]
    return info, []


def _files(folder: Path, info: dict) -> Iterator[WorkbenchError]:
    """Every listed file is there, with the bytes that were written."""
    for name, wanted in info["files"].items():
        if not (folder / name).is_file():
            yield WorkbenchError("file is missing", where=name, remedy=RESTORE)
        elif sha256(folder / name) != wanted:
            yield WorkbenchError("hash does not match: the file was changed after the study was written", where=name, remedy=RESTORE)
    if content_hash(info["files"]) != info["hash"]:
        yield WorkbenchError("the study's hash does not match its list of files", where="study.json, key hash", remedy=RESTORE)


def _model(folder: Path, info: dict, found: list[WorkbenchError], notes: dict) -> Iterator[WorkbenchError]:
    """Of a model whose bytes are those that were written: whether it is one, and the one that the study describes."""
    notes[MODEL] = info[MODEL]["name"]
    if any((problem.where or "").startswith(f"{MODEL}/") for problem in found):
        return
    try:
        about, _ = saved_model(folder / MODEL)
    except WorkbenchError as error:
        yield WorkbenchError(error.what, where=str(Path(error.where).relative_to(folder)), remedy=RESTORE)
        return
    if about["objectives"] != info[MODEL]["objectives"]:
        yield WorkbenchError("the model scores other objectives than it says", where=f"study.json, key {MODEL}", remedy=RESTORE)


def _table(path: Path, problems: list[WorkbenchError]) -> pd.DataFrame | None:
    wrong = wrong_text(path)
    if wrong is None:
        try:
            return read_parquet(path)
        except WorkbenchError as error:
            wrong = error
    problems.append(wrong)
    return None


def _missing(folder: Path, tables: dict) -> Iterator[WorkbenchError]:
    for name in NEEDED:
        if name not in tables and not (folder / f"{name}.parquet").is_file():
            yield WorkbenchError(f"no {name}", where=f"{name}.parquet", remedy=RESTORE)


def _tables(study: Study, tables: dict) -> Iterator[WorkbenchError]:
    try:
        objectives = tuple(Objective(**entry) for entry in study.info["objectives"])
    except (TypeError, KeyError):
        yield WorkbenchError("objectives are not described", where="study.json, key objectives", remedy=RESTORE)
        return
    whole = Tables(
        tables["prompts"], tables["responses"], tables["pairs"], tables.get("ratings"), objectives, tables["splits"],
    )
    yield from whole.problems()
    columns = {name: frame for name, frame in tables.items() if name.startswith("scores/")}
    yield from objective_problems(objectives, columns, tables["pairs"])


def _coverage(tables: dict) -> pd.DataFrame | None:
    """Rated responses per objective (rows) and split (columns)."""
    try:
        family = tables["prompts"].drop_duplicates("prompt_id").set_index("prompt_id")["family"]
        split = tables["splits"].drop_duplicates("family").set_index("family")["split"]
        owner = tables["responses"].drop_duplicates("response_id").set_index("response_id")["prompt_id"]
        ratings = tables["ratings"].set_index("response_id")
    except KeyError:
        return None
    which = ratings.index.map(owner).map(family).map(split)
    counts = ratings.notna().groupby(which).sum().reindex(list(SPLITS), fill_value=0).T
    return counts.rename_axis(index=None, columns=None)


def _features(folder: Path, info: dict, tables: dict, shapes: dict) -> Iterator[WorkbenchError]:
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        store = FeatureStore(folder, index)
        shapes |= {
            kind: {"rows": store.rows_of(kind), "dim": store.dim(kind), "dtype": index["kinds"][kind]["dtype"],
                   "shards": len(index["kinds"][kind]["shards"]), "skipped": len(store.skipped(kind))}
            for kind in KINDS
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        yield WorkbenchError("feature index is missing or not readable", where="features/index.json", remedy="Extract the features again")
        return
    for kind in KINDS:
        rows = tables.get(f"{kind}s")
        if rows is not None and len(rows) != shapes[kind]["rows"]:
            yield WorkbenchError(
                f"{shapes[kind]['rows']} {kind} features for {len(rows)} rows of {kind}s", where="features/index.json",
                remedy="Rows of features follow rows of the table: extract again",
            )
        start = 0
        for shard in index["kinds"][kind]["shards"]:
            yield from _shard(store, kind, shard, start)
            start += shard["rows"]
    try:
        one = np.zeros((1, 1), np.float32)
        compose(one, one, tuple(info["features"].get("compose", ())) or ("nothing",))
    except WorkbenchError as error:
        yield WorkbenchError(error.what, where="study.json, key features", remedy=error.remedy)
    if "prompt*response" in info["features"].get("compose", ()) and shapes["prompt"]["dim"] != shapes["response"]["dim"]:
        yield WorkbenchError(
            f"prompt features of {shapes['prompt']['dim']} dims cannot be multiplied with response features of {shapes['response']['dim']}",
            where="study.json, key features", remedy="Compose without prompt*response",
        )


def _shard(store: FeatureStore, kind: str, shard: dict, start: int) -> Iterator[WorkbenchError]:
    """Header, size, shape, bytes and values of one shard."""
    path, where, again = store.folder / shard["file"], f"features/{shard['file']}", "Extract the features again"
    try:
        tensor = open_tensor(path, kind)
    except WorkbenchError as error:
        yield WorkbenchError(error.what, where=where, remedy=error.remedy)
        return
    wanted = (shard["rows"], store.dim(kind))
    if tensor.shape != wanted:
        yield WorkbenchError(f"{kind} features have shape {tensor.shape}, wanted {wanted}", where=where, remedy=again)
        return
    if sha256(path) != shard["sha256"]:
        yield WorkbenchError("hash does not match: the file was changed after it was written", where=where, remedy=RESTORE)
    bad = []
    for begin in range(0, len(tensor), CHECK_ROWS):
        finite = np.isfinite(as_float32(tensor[begin : begin + CHECK_ROWS])).all(axis=1)
        bad.extend(start + begin + np.flatnonzero(~finite))
    if bad:
        yield WorkbenchError(
            f"NaN or infinite {kind} feature in rows {listing(bad)} of {kind}s", where=where,
            remedy="Extract these rows again, or mark them as skipped",
        )
