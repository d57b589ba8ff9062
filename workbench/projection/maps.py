"""A map of prompts: made once, kept whole beside the study with its settings, and how far it can be trusted."""

from __future__ import annotations

import io
import os
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .. import budget
from ..bundle import home_of, lock, parquet_bytes, read_folder, write_folder
from ..errors import WorkbenchError
from ..study import Study
from .clusters import clustered, densest
from .layout import SEARCH, laid_out
from .words import cluster_names

MEASURING, NAMING, NAMED = 0.88, 0.92, 0.95  # how far along these phases begin; neighbours and layout come before


@dataclass(frozen=True, eq=False)
class PromptMap:
    """Where prompts lie and what can be said of it.

    places: prompt_id, x, y, cluster (-1 = in none), kept (share of its nearest prompts by features that are among
    its nearest on the map, 0 to 1); clusters: cluster, name, n, x, y (its densest point), largest first;
    settings: how it was made; agreement: mean overlap of neighbourhoods between layouts of different seeds, or None.
    """

    places: pd.DataFrame
    clusters: pd.DataFrame
    settings: dict
    agreement: float | None


def project(
    study: Study,
    *,
    of: str = "prompts",
    seed: int = 0,
    neighbours: int = 15,
    min_dist: float = 0.1,
    seeds: int = 3,
    progress: Callable | None = None,
    cancel=None,
) -> PromptMap:
    """Lay the prompts' features out in two dimensions, find and name clusters, and store the map beside the study.

    UMAP (arXiv 1802.03426) on cosine distance; a seed gives one map. Axes mean nothing; which prompts lie together does.
    `seeds` layouts are made, of seed, seed + 1, …; the first is the map, all of them give its agreement (None for one).
    Past 20 000 distinct prompts UMAP lays out a random 20 000 and the rest lie among those most like them; settings say so.
    progress: called with fraction, seconds left or None, and words; cancel: an event that ends it within a second.
    Raises WorkbenchError without features, without umap-learn, for bad settings, and when cancelled.
    """
    _check(study, of, neighbours, min_dist, seeds)
    tell = _Teller(progress, cancel, study.name)
    prompts = study.table("prompts")
    skipped = study.store.skipped("prompt")
    known = np.setdiff1d(np.arange(len(prompts)), list(skipped))
    if not len(known):
        raise WorkbenchError("no prompt has features", where=study.name, remedy="Run `workbench extract`")
    budget.claim(4 * len(known) * study.store.dim("prompt"), f"features of {len(known):,} prompts", count=len(known), of="prompts")
    prompts = prompts.iloc[known].reset_index(drop=True)
    made = laid_out(
        study.store.rows("prompt", known), seed=seed, seeds=seeds, neighbours=neighbours, min_dist=min_dist,
        tell=lambda part, words: tell(part * MEASURING, words),
    )
    tell(MEASURING, "measuring what the map keeps")
    kept, agreement = made.kept(), made.agreement()
    tell(NAMING, "finding clusters")
    labels = clustered(made.places)
    tell(NAMED, "finding their words")
    places, clusters = _described(prompts, made.places, kept, labels)
    settings = {
        "of": of, "seed": seed, "seeds": seeds, "neighbours": neighbours, "min_dist": min_dist, "metric": "cosine",
        "prompts": len(prompts), "skipped": len(skipped), **made.about, "study": study.hash, "agreement": agreement,
    }
    tell(0.99, "storing the map")
    _keep(home_of(study.folder, study.hash, "projections") / of, places, clusters, settings)
    tell(1.0, "done")
    return PromptMap(places, clusters, settings, agreement)


def stored_map(study: Study, *, of: str = "prompts") -> PromptMap:
    """The stored map; WorkbenchError when none was made, it is damaged, or it belongs to other data."""
    homes = [home_of(study.folder, study.hash, "projections")] + ([study.folder / "projections"] if study.folder else [])
    folder = next((home / of for home in homes if (home / of).is_dir()), None)
    if folder is None:
        remedy = "Make one: `workbench map STUDY`, or `workbench.projection.project(study)`"
        raise WorkbenchError(f"no stored map of {of}", where=study.name, remedy=remedy if study.store else "A map needs features")
    settings, files = _read(folder)
    if settings.get("study") != study.hash:
        raise WorkbenchError(f"the stored map of {of} belongs to study {settings.get('study')}", where=str(folder), remedy="Make it again")
    places, clusters = (pd.read_parquet(io.BytesIO(files[f"{name}.parquet"])) for name in ("places", "clusters"))
    settings.pop("files")
    return PromptMap(places, clusters, settings, settings["agreement"])


def _check(study: Study, of: str, neighbours: int, min_dist: float, seeds: int) -> None:
    if of != "prompts":
        raise WorkbenchError(f"no map of {of!r}", remedy='Ask for of="prompts"')
    if study.store is None:
        raise WorkbenchError("this study has no features, so no map can be made", where=study.name, remedy="Run `workbench extract` first")
    if neighbours < 2 or not 0 <= min_dist <= 1 or seeds < 1:
        raise WorkbenchError(
            f"neighbours={neighbours}, min_dist={min_dist}, seeds={seeds}", where="map",
            remedy="Take 2 neighbours or more, a least distance from 0 to 1, and 1 seed or more",
        )


class _Teller:
    """Says how far it is; where the map was cancelled, ends it."""

    def __init__(self, progress: Callable | None, cancel, name: str):
        self._progress, self._cancel, self._name = progress, cancel, name
        self._begun: tuple[float, float] | None = None  # the first epoch: when, and how far along

    def __call__(self, fraction: float, words: str) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise WorkbenchError("the map was cancelled", where=self._name, remedy="A map stored before is still there")
        now, left = time.monotonic(), None
        if self._begun is None and fraction > SEARCH * MEASURING:
            self._begun = now, fraction
        elif self._begun is not None and fraction > self._begun[1]:
            left = (now - self._begun[0]) / (fraction - self._begun[1]) * (1 - fraction)
        if self._progress is not None:
            self._progress(fraction, left, words)


def _described(prompts: pd.DataFrame, points: np.ndarray, kept: np.ndarray, labels: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    texts = prompts["text"].fillna("").tolist() if "text" in prompts.columns else None
    names = cluster_names(
        labels, texts=texts, families=prompts["family"].tolist(),
        sections=prompts["section"].astype(str).tolist() if "section" in prompts.columns else None,
    )
    places = pd.DataFrame({
        "prompt_id": prompts["prompt_id"].to_numpy(), "x": points[:, 0], "y": points[:, 1],
        "cluster": labels.astype(np.int32), "kept": kept.astype(np.float32),
    })
    span = float(np.ptp(points, axis=0).max())
    rows = [(c, name, int((labels == c).sum()), *densest(points[labels == c], span / 15)) for c, name in enumerate(names)]
    return places, pd.DataFrame(rows, columns=["cluster", "name", "n", "x", "y"])


def _keep(folder: Path, places: pd.DataFrame, clusters: pd.DataFrame, settings: dict) -> None:
    try:
        write_folder(folder, {"places.parquet": parquet_bytes(places), "clusters.parquet": parquet_bytes(clusters)}, settings)
    except OSError as error:
        warnings.warn(f"map not kept on disk: {error}", stacklevel=3)


def _read(folder: Path) -> tuple[dict, dict[str, bytes]]:
    try:
        return read_folder(folder)
    except WorkbenchError:  # damaged, or another kernel is putting a new one in its place
        with lock(folder) if os.access(folder.parent, os.W_OK) else nullcontext():
            return read_folder(folder)
