"""Stored 2-D maps of prompts: made once with UMAP, kept beside the study with their parameters."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from .bundle import read_parquet, write_atomic, write_parquet
from .errors import WorkbenchError
from .study import Study


def project(study: Study, *, of: str = "prompts", seed: int = 0, neighbours: int = 15, min_dist: float = 0.1) -> pd.DataFrame:
    """Lay the prompts' features out in two dimensions and store the map: prompt_id, x, y.

    UMAP (arXiv 1802.03426) on cosine distance, one thread, so that a seed gives one map. Axes mean nothing;
    which prompts lie together does. Raises WorkbenchError without features, or when umap-learn is missing.
    """
    if study.store is None or study.folder is None:
        raise WorkbenchError("a map needs features in a study folder", where=study.name, remedy="Run `workbench extract` first")
    if of != "prompts":
        raise WorkbenchError(f"no map of {of!r}", remedy='Ask for of="prompts"')
    try:
        from umap import UMAP
    except ImportError:
        raise WorkbenchError("umap-learn is not installed", remedy="pip install umap-learn") from None
    ids = study.table("prompts")["prompt_id"]
    rows = study.store.rows("prompt", np.arange(len(ids)))
    fitted = UMAP(n_neighbors=min(neighbours, len(ids) - 1), min_dist=min_dist, metric="cosine", random_state=seed, n_jobs=1)
    place = fitted.fit_transform(rows).astype(np.float32)
    table = pd.DataFrame({"prompt_id": ids.to_numpy(), "x": place[:, 0], "y": place[:, 1]})
    folder = study.folder / "projections"
    path = folder / f"{of}.parquet"
    path.with_suffix(".json").unlink(missing_ok=True)  # no map until both are whole
    write_parquet(path, table)
    settings = {"method": "UMAP", "metric": "cosine", "neighbours": neighbours, "min_dist": min_dist, "seed": seed, "study": study.hash}
    write_atomic(path.with_suffix(".json"), json.dumps(settings, indent=1).encode())
    return table


def stored_map(study: Study, *, of: str = "prompts") -> pd.DataFrame:
    """The stored map: prompt_id, x, y; WorkbenchError when none was made or it belongs to other data."""
    path = study.folder / "projections" / f"{of}.parquet" if study.folder else None
    if path is None or not path.is_file() or not path.with_suffix(".json").is_file():
        raise WorkbenchError(f"no stored map of {of}", where=study.name, remedy="Make one: `workbench.projection.project(study)`")
    settings = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if settings["study"] != study.hash:
        raise WorkbenchError(f"the stored map of {of} belongs to study {settings['study']}", where=str(path), remedy="Make it again")
    return read_parquet(path)
