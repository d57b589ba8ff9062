"""A study's folder, written whole: tables, columns of numbers, a model, and study.json last, with the hash of every file."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path
from typing import Any

import pandas as pd

from .bundle import DESCRIBED, RESTORE, content_hash, read_folder, sha256, write_atomic, write_folder, write_parquet
from .errors import WorkbenchError, listing
from .features import FeatureStore, only_writer
from .measured import measure
from .readers.columns import align, read_scores
from .tables import Objective, Tables, objective_problems, score_problems, split_families

MODEL, MODEL_TENSORS = "model", "model.safetensors"


def write_study(tables: Tables, folder: Path, about: dict, features: dict | None, scores: dict[str, pd.DataFrame],
                truth: dict[str, pd.DataFrame], info: dict, model: Any = None) -> None:
    """Write valid tables, beside features that are there already; arguments as for `Study.write`, about: schema and name."""
    columns = _columns_of(tables, scores)
    if model is not None and features is None:
        raise _nothing_to_read(about["name"])
    with only_writer(folder):
        splits = tables.splits if tables.splits is not None else split_families(tables.prompts)
        frames = {"prompts": tables.prompts, "responses": tables.responses, "pairs": tables.pairs, "splits": splits}
        if tables.ratings is not None:
            frames["ratings"] = tables.ratings
        frames |= truth
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
        given = {} if model is None else {"model": _put_model(model, folder)}
        written += [f"{MODEL}/{name}" for name in (DESCRIBED, MODEL_TENSORS) if given]
        files = {path: sha256(folder / path) for path in sorted(written)}
        described = {
            "schema": about["schema"], "name": about["name"], "hash": content_hash(files),
            "objectives": [objective.described() for objective in tables.objectives],
            "features": features, "counts": counts,
            "files": files, **tables.notes, **info, **given,
        }
        write_atomic(folder / "study.json", json.dumps(described, indent=1, ensure_ascii=False).encode())


def read_description(folder: Path, newest: int) -> dict:
    """study.json of a folder, its hash held against its list of files; WorkbenchError where it is missing, damaged or newer."""
    path = folder / "study.json"
    if not path.is_file():
        raise WorkbenchError("no study here", where=str(path), remedy="Name the folder that holds study.json")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        schema = int(info["schema"])
        same = schema > newest or content_hash(info["files"]) == info["hash"]
    except (ValueError, KeyError, TypeError):
        raise WorkbenchError("not a study description", where=str(path), remedy=RESTORE) from None
    if schema > newest:
        raise WorkbenchError(f"study schema {schema}, this version reads up to {newest}", where=str(path), remedy="Update the workbench")
    if not same:
        raise WorkbenchError("the study's hash does not match its list of files", where=str(path), remedy=RESTORE)
    return info


def study_of_scores(table: pd.DataFrame, prompts: pd.DataFrame | None) -> tuple[dict, dict[str, pd.DataFrame]]:
    """What `Study.from_scores` holds in memory: its description, with a hash of the content, and its tables."""
    from .readers.scores import tables_from_scores

    tables, columns = tables_from_scores(table, prompts)
    tables = tables.validated()
    splits = tables.splits if tables.splits is not None else split_families(tables.prompts)
    frames = {"prompts": tables.prompts, "responses": tables.responses, "pairs": tables.pairs, "splits": splits}
    digest = hashlib.sha256()
    for frame in (*frames.values(), columns):
        digest.update(frame.to_csv(index=False).encode())
    objectives = [{"name": name} for name in columns.columns if name != "response_id"]
    info = {"hash": digest.hexdigest()[:12], "objectives": objectives, "files": {}, "scores": True}
    return info, {**frames, "scores": columns}


def attach_model(info: dict, source: Path | None, folder: Path, name: str, model: Any) -> None:
    """A written study and a model as a new study."""
    if not info.get("features"):
        raise _nothing_to_read(name)

    def put() -> tuple[list[str], dict]:
        given, scored = _put_model(model, folder), scored_objectives(info)
        if twice := [objective for objective in given["objectives"] if objective in scored]:
            raise WorkbenchError(f"the model scores {listing(twice)}, which the study has as scores from elsewhere", where=name,
                                 remedy="Attach it to the study without them")
        return [f"{MODEL}/{DESCRIBED}", f"{MODEL}/{MODEL_TENSORS}"], {"model": given}

    _extended(info, source, folder, name, put, without=f"{MODEL}/")


def attach_scores(study: Any, folder: Path, name: str, scores: pd.DataFrame | str | Path, objectives: bool) -> None:
    """A written study (its `Study`) and columns of numbers as a new study; arguments as for `Study.with_scores`."""
    whole = isinstance(scores, pd.DataFrame)
    source, where = ("", "scores") if whole else (Path(scores).name,) * 2
    found = align(study, read_scores(scores, study), partial=not objectives, where=where)
    columns = [str(column) for column in found.columns[1:]]
    if taken := [column for column in columns if column in study.columns or column in study.objective_info]:
        raise WorkbenchError(f"{listing(taken)}: a column or an objective of this study already", where=where, remedy="Rename yours")
    stem = re.sub(r"[^\w.-]+", "-", columns[0]).strip(".-")[:80] or "scores"
    label = next(one for one in chain([stem], (f"{stem}-{n}" for n in count(2))) if f"scores/{one}.parquet" not in study.info["files"])
    declared = [Objective(column, source=source, group="Scores", kind="score").described() for column in columns if objectives]
    found.attrs = {"objectives": objectives}  # in the file's bytes: the study's hash tells objectives from columns

    def put() -> tuple[list[str], dict]:
        write_parquet(folder / "scores" / f"{label}.parquet", found)
        return [f"scores/{label}.parquet"], {"objectives": [*study.info["objectives"], *declared]}

    _extended(study.info, study.folder, folder, name, put)


def scored_objectives(info: dict) -> tuple[str, ...]:
    """Objectives of a study that are columns of scores: no probe is fitted to them."""
    return tuple(entry["name"] for entry in info["objectives"] if entry.get("kind") == "score")


def _extended(info: dict, source: Path | None, folder: Path, name: str, put: Callable[[], tuple[list[str], dict]],
              without: str | None = None) -> None:
    """A written study's files in a new folder (shards are linked where the disk can, else copied) and those that `put` writes there."""
    if source is None:
        raise WorkbenchError("a study held in memory", where=name, remedy="Write it to a folder with Study.write")
    with only_writer(folder):
        files = {path: digest for path, digest in info["files"].items() if without is None or not path.startswith(without)}
        for path in files:
            _bring(source / path, folder / path)
        written, changes = put()
        files |= {path: sha256(folder / path) for path in written}
        described = {**info, "name": name, "hash": content_hash(files), "files": dict(sorted(files.items())), **changes}
        write_atomic(folder / "study.json", json.dumps(described, indent=1, ensure_ascii=False).encode())


def saved_model(folder: Path) -> tuple[dict, dict[str, bytes]]:
    """What is said of a saved model and its files, held against their hashes; WorkbenchError names the file that is damaged."""
    if not folder.is_dir():
        raise WorkbenchError("no model here", where=str(folder), remedy="Name the folder that `save` wrote")
    try:
        about, files = read_folder(folder)
    except WorkbenchError as error:
        raise WorkbenchError(error.what, where=error.where, remedy="Restore it from a copy, or save the model again") from None
    if about.get("model") is None or MODEL_TENSORS not in files:
        raise WorkbenchError("this folder holds no model", where=str(folder), remedy="Name the folder that `save` wrote")
    return about, files


def _put_model(model: Any, folder: Path) -> dict:
    """A model, or the folder of a saved one, in the study's own folder; its name and objectives."""
    own, called = folder / MODEL, MODEL
    if isinstance(model, (str, Path)):
        (about, files), called = saved_model(Path(model)), Path(model).name
        if own.exists() and not own.samefile(model):
            raise WorkbenchError("something is here already", where=str(own), remedy="Nothing is overwritten: choose another folder")
        if not own.exists():
            write_folder(own, files, about)
    else:
        model.save(own)
        about, _ = saved_model(own)
    own.with_name(f"{MODEL}.lock").unlink(missing_ok=True)  # nobody else writes there
    return {"name": about.get("name") or called, "objectives": about["objectives"]}


def _nothing_to_read(name: str) -> WorkbenchError:
    return WorkbenchError("a model for a study without features: it would have nothing to read", where=name,
                          remedy="Extract features with the model's own backbone")


def _bring(source: Path, target: Path) -> None:
    """A file in another place: a shard, which is large and never written into, under a second name; others as copies."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        (os.link if source.suffix == ".safetensors" else shutil.copyfile)(source, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)


def _columns_of(tables: Tables, scores: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Frames of numbers by response: the tables' own and those given, checked, and what is measured on the text."""
    columns = {**tables.scores, **scores}
    if twice := sorted(tables.scores.keys() & scores.keys()):
        raise WorkbenchError(f"scores named {listing(twice)} twice", where="scores", remedy="The tables hold them already: rename yours")
    if "text" in tables.responses.columns and tables.responses["text"].notna().all():
        if "measured" in columns:
            raise WorkbenchError("scores named 'measured'", where="scores", remedy="What is measured on the text has that name: rename")
        columns["measured"] = measure(tables.responses["text"])
        columns["measured"].insert(0, "response_id", tables.responses["response_id"].to_numpy())
    for problem in score_problems({f"scores/{label}": frame for label, frame in columns.items()}, tables.responses):
        raise problem
    for problem in objective_problems(tables.objectives, columns, tables.pairs):
        raise problem
    return columns
