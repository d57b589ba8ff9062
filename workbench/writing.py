"""A new study's folder, written whole: tables, columns of numbers, and study.json last, with the hash of every file."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from .bundle import content_hash, sha256, write_atomic, write_parquet
from .errors import WorkbenchError
from .features import FeatureStore, only_writer
from .measured import measure
from .tables import Tables, score_problems, split_families


def write_study(tables: Tables, folder: Path, about: dict, features: dict | None, scores: dict[str, pd.DataFrame],
                truth: dict[str, pd.DataFrame], info: dict) -> None:
    """Write valid tables, beside features that are there already; arguments as for `Study.write`, about: schema and name."""
    columns = _columns_of(tables, scores)
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
        files = {path: sha256(folder / path) for path in sorted(written)}
        described = {
            "schema": about["schema"], "name": about["name"], "hash": content_hash(files),
            "objectives": [vars(objective) for objective in tables.objectives],
            "features": features, "counts": counts,
            "files": files, **tables.notes, **info,
        }
        write_atomic(folder / "study.json", json.dumps(described, indent=1, ensure_ascii=False).encode())


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
