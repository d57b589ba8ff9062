"""From features to places: distinct prompts, who is near whom, UMAP in a process of its own, and the rest beside their like."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from pathlib import Path

import numpy as np

from ..axes import RowDim
from ..errors import WorkbenchError
from .neighbours import among_neighbours, nearest, nearest_on_map, overlap, unit

K = 15  # neighbours that `kept` and `agreement` look at
FEW = 16  # fewer distinct prompts than this have no neighbourhoods that UMAP could lay out
MOST = 20_000  # distinct prompts that UMAP itself lays out
PLACED = 8  # of its nearest, for a prompt laid out afterwards
SEARCH = 0.3  # of the time of a layout, about, goes into finding neighbours
WORKER = Path(__file__).with_name("umap_process.py")
COMPILING = "starting UMAP (it compiles first: seconds, on a slow machine up to a minute)"
Tell = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class Laid:
    """Layouts of the distinct prompts, and which of them each prompt is.

    layouts [seed distinct 2]: the first is the map; where [prompt]: the row of each prompt; anchors: the rows that UMAP
    laid out, among which neighbours are counted; near [distinct k]: the nearest anchors by features.
    """

    layouts: np.ndarray
    where: np.ndarray
    anchors: np.ndarray
    near: np.ndarray
    about: dict

    @property
    def places(self) -> np.ndarray:
        return self.layouts[0][self.where]

    def kept(self) -> np.ndarray:
        """Share of each prompt's nearest by features that are among as many nearest on the map, 0 to 1.

        Copies of one prompt count once. Past 20 000 distinct prompts, neighbours are looked for among the sample laid out.
        """
        k = self.near.shape[1]
        if k == 0:
            return np.ones(len(self.where))
        return overlap(self.near, nearest_on_map(self.layouts[0], self.anchors, k))[self.where]

    def agreement(self) -> float | None:
        """Mean share of the k nearest on the map that two layouts have in common, over prompts and all pairs of seeds.

        1 = every seed puts the same prompts together; two layouts by chance share k / n. None for one seed.
        """
        k, some = self.near.shape[1], self.anchors
        if k == 0 or len(self.layouts) < 2:
            return None
        around = [nearest_on_map(each[some], np.arange(len(some)), k) for each in self.layouts]
        return float(np.mean([overlap(a, b).mean() for a, b in combinations(around, 2)]))


def laid_out(rows: RowDim, *, seed: int, seeds: int, neighbours: int, min_dist: float, tell: Tell, most: int = MOST) -> Laid:
    """Layouts of features [prompt dim]; equal rows get equal places. tell: (fraction, words), raises to cancel."""
    first, where = _distinct(rows)
    rows = unit(rows[first])
    n = len(rows)
    anchors = np.arange(n)
    if n > most:
        anchors = np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
    k = min(K, (len(anchors) - 1) // 2) if n > 2 else n - 1
    neighbours = min(neighbours, len(anchors) - 1)
    about = {"distinct": n, "laid_out": len(anchors), "k": k}
    if n < FEW:
        tell(0.5, "few prompts: principal components")
        near = nearest(rows, anchors, k)[0] if k else np.empty((n, 0), np.int32)
        method = f"principal components (fewer than {FEW} distinct prompts)"
        return Laid(_components(rows)[None], where, anchors, near, about | {"method": method})
    _need_umap()
    tell(0.0, "finding neighbours")
    near, far = nearest(rows, anchors, max(k, neighbours - 1), tell=lambda part: tell(SEARCH * part, "finding neighbours"))
    made = _umap(
        rows[anchors], near[anchors], far[anchors], seeds=[seed + i for i in range(seeds)], neighbours=neighbours, min_dist=min_dist,
        tell=lambda part, words: tell(SEARCH + (1 - SEARCH) * part, words),
    )
    layouts = np.empty((seeds, n, 2), np.float32)
    layouts[:, anchors] = made
    rest = np.setdiff1d(np.arange(n), anchors)
    for layout in layouts:
        layout[rest] = among_neighbours(near[rest, :PLACED], layout[anchors])
    about |= {"method": "UMAP", "versions": _versions()}
    if len(rest):
        about["others"] = f"{len(rest)} lie in the middle of the closest half of their {PLACED} nearest that were laid out"
    return Laid(layouts, where, anchors, near[:, :k], about)


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the first of each distinct row, and which of them every row is."""
    seen: dict[bytes, int] = {}
    first, where = [], np.empty(len(rows), np.intp)
    for i, row in enumerate(rows):
        mark = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
        if mark not in seen:
            seen[mark] = len(first)
            first.append(i)
        where[i] = seen[mark]
    return np.array(first), where


def _components(rows: np.ndarray) -> np.ndarray:
    """The first two principal components [row 2], each with its largest entry positive."""
    left, scale, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    found = (left * scale)[:, :2]
    found = found * np.where(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])] < 0, -1, 1)
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1]))).astype(np.float32)


def _need_umap() -> None:
    if importlib.util.find_spec("umap") is None:
        raise WorkbenchError("umap-learn is not installed", where="map", remedy="pip install umap-learn")


def _versions() -> dict[str, str]:
    found = {}
    for name in ("umap-learn", "numba", "numpy", "scipy", "scikit-learn"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "?"
    return found


def _umap(rows, near, far, *, seeds: list[int], neighbours: int, min_dist: float, tell: Tell) -> np.ndarray:
    """UMAP of rows whose neighbours are known, once per seed [seed row 2], in a process: a cancel ends it at once."""
    itself = np.arange(len(rows))[:, None]
    known = {
        "rows": rows,
        "near": np.hstack([itself, near[:, : neighbours - 1]]).astype(np.int64),
        "far": np.hstack([np.zeros_like(itself), far[:, : neighbours - 1]]).astype(np.float32),
    }
    with tempfile.TemporaryDirectory(prefix="workbench-map-") as name:
        folder = Path(name)
        for label, values in known.items():
            np.save(folder / f"{label}.npy", values)
        ask = {"seeds": seeds, "neighbours": neighbours, "min_dist": min_dist, "metric": "cosine"}
        (folder / "ask.json").write_text(json.dumps(ask), encoding="utf-8")
        _work(folder, len(seeds), tell)
        return np.stack([np.load(folder / f"layout-{number}.npy") for number in range(len(seeds))])


def _work(folder: Path, seeds: int, tell: Tell) -> None:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "NUMBA_NUM_THREADS": "1"}
    far = {"part": 0.0, "words": COMPILING}

    def listen(lines) -> None:
        for line in lines:  # "seed number, epoch, epochs"
            words = line.split()
            if len(words) != 3 or not all(word.isdigit() for word in words):
                continue  # something else was printed: reading goes on, or the pipe fills up and the program waits for ever
            number, epoch, epochs = map(int, words)
            far["part"], far["words"] = (number + epoch / epochs) / seeds, f"laying out, map {number + 1} of {seeds}"

    with open(folder / "errors.txt", "w+b") as errors:
        work = subprocess.Popen(
            [sys.executable, "-P", str(WORKER), str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
            env=env,
        )
        ear = threading.Thread(target=listen, args=(work.stdout,), daemon=True)
        ear.start()
        try:
            while work.poll() is None:
                tell(far["part"], far["words"])
                try:
                    work.wait(0.2)
                except subprocess.TimeoutExpired:
                    pass
        finally:
            if work.poll() is None:
                work.kill()
            work.wait()
            ear.join()
            work.stdout.close()
        if work.returncode:
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().splitlines()[-1:] or [f"exit {work.returncode}"]
            raise WorkbenchError(f"UMAP failed: {last[0]}", where="map", remedy="pip install --upgrade umap-learn, or look at the features")
