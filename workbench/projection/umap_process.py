"""UMAP by itself, run as a program: reads arrays from a folder, writes one layout per seed, says each epoch on stdout.

A process of its own, so that a cancel is a kill, a fault in compiled code spares the kernel, and memory goes back.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np


class Epochs:
    """What UMAP's progress bar writes to: "epoch/epochs" becomes a line on stdout."""

    def __init__(self, number: int):
        self.number = number

    def write(self, text: str) -> None:
        done, slash, of = text.strip().partition("/")
        if slash and done.isdigit() and of.isdigit():
            print(self.number, done, of, flush=True)

    def flush(self) -> None:
        pass


def main(folder: Path) -> None:
    from umap import UMAP

    warnings.simplefilter("ignore")
    ask = json.loads((folder / "ask.json").read_text(encoding="utf-8"))
    rows, near, far = (np.load(folder / f"{name}.npy") for name in ("rows", "near", "far"))
    for number, seed in enumerate(ask["seeds"]):
        bar = {"file": Epochs(number), "bar_format": "{n_fmt}/{total_fmt}", "disable": False, "mininterval": 0.2}
        fitted = UMAP(
            n_neighbors=ask["neighbours"], min_dist=ask["min_dist"], metric=ask["metric"], random_state=seed, n_jobs=1,
            precomputed_knn=(near, far), force_approximation_algorithm=True, tqdm_kwds=bar,
        )
        np.save(folder / f"layout-{number}.npy", fitted.fit_transform(rows).astype(np.float32))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
