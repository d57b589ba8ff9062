"""Studies larger than memory: opening one, reading its features once, and fitting its probes within a memory budget.

    python tests/benchmarks/open_study.py [--tiny | --quick | --full] [--json FILE]

The study that is only opened has sparse shards: valid headers over zeros that take no disk, with their true hashes; its tables
are real. The one whose probes are fitted has features that are there. Opening is held against `safetensors` and one
tensor of all shards, reading against widening them in memory, probes against the same ones fitted to all features at once.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench
import numpy as np
import pandas as pd

from workbench import budget
from workbench.features import write_index, write_shard
from workbench.objectives.probes import cross_fit
from workbench.rows import blocks
from workbench.scenario.fitted import FOLDS, rating_rows
from workbench.scenario.inputs import prepare
from workbench.shards import header_bytes
from workbench.study import Study
from workbench.tables import Objective, Tables

OPENED = {"tiny": (2_000, 64), "quick": (20_000, 512), "middle": (100_000, 4096), "full": (600_000, 4096)}  # responses, dims
FITTED = {"tiny": (1_000, 32), "quick": (20_000, 512), "middle": (60_000, 1024), "full": (60_000, 1024)}
BUDGET = {"tiny": "256MiB", "quick": "384MiB", "middle": "512MiB", "full": "512MiB"}
PER_SHARD, ANSWERS, OBJECTIVES = 50_000, 4, 10
WORDS = "the words of an answer that says what was asked for and not much more than that " * 3


def main() -> None:
    asked = bench.parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as place:
        sparse, real = Path(place) / "sparse", Path(place) / "real"
        written(sparse, *OPENED[asked.size], zeros)
        written(real, *FITTED[asked.size], drawn)
        bench.report([opening(sparse, asked.size), reading(real), fitting(real, asked.size)], asked)


# -- the studies -------------------------------------------------------------------------------------


def written(folder: Path, rows: int, dim: int, shard) -> Study:
    """Four answers to a prompt, two pairs of them; a tenth of the ratings of each objective are there."""
    rng, prompts = np.random.default_rng(0), rows // ANSWERS
    kinds = {}
    for kind, count in (("prompt", prompts), ("response", rows)):
        sizes = [min(PER_SHARD, count - start) for start in range(0, count, PER_SHARD)]
        shards = [shard(folder / "features", kind, number, size, dim) for number, size in enumerate(sizes)]
        kinds[kind] = {"dim": dim, "dtype": "BF16", "shards": shards, "skipped": {}}
    write_index(folder / "features", kinds)
    prompt_ids, response_ids = ([f"{letter}{n:07d}" for n in range(count)] for letter, count in (("p", prompts), ("r", rows)))
    names = [f"o{k:02d}" for k in range(OBJECTIVES)]
    ratings = pd.DataFrame(np.where(rng.random((rows, OBJECTIVES)) < 0.1, rng.random((rows, OBJECTIVES)), np.nan), columns=names)
    ratings.insert(0, "response_id", response_ids)
    chosen = np.arange(rows).reshape(prompts, ANSWERS)[:, :2].ravel()
    tables = Tables(
        pd.DataFrame({"prompt_id": prompt_ids, "family": prompt_ids, "section": "all", "text": [f"{WORDS} {p}" for p in prompt_ids]}),
        pd.DataFrame({"response_id": response_ids, "prompt_id": np.repeat(prompt_ids, ANSWERS), "model": "one",
                      "text": [f"{WORDS} {r}" for r in response_ids]}),
        pd.DataFrame({"pair_id": [f"c{n:07d}" for n in range(len(chosen))], "prompt_id": np.repeat(prompt_ids, 2), "source": "made",
                      "chosen": np.array(response_ids)[chosen], "rejected": np.array(response_ids)[chosen + 2]}),
        ratings, tuple(Objective(name, 0.0, 1.0) for name in names),
    )
    return Study.write(tables, folder, name=folder.name, features={"compose": ["response"], "backbone": "none"})


def zeros(folder: Path, kind: str, number: int, rows: int, dim: int) -> dict:
    """A header, and a hole of the right size after it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{number:05d}.safetensors"
    with open(path, "wb") as file:
        file.write(header_bytes(kind, (rows, dim), "BF16"))
        file.truncate(file.tell() + 2 * rows * dim)
    return {"file": path.name, "rows": rows, "sha256": _hash_of_zeros(kind, rows, dim)}


@lru_cache
def _hash_of_zeros(kind: str, rows: int, dim: int) -> str:
    digest, block = hashlib.sha256(header_bytes(kind, (rows, dim), "BF16")), bytes(2 * dim)
    for _ in range(rows):
        digest.update(block)
    return digest.hexdigest()


def drawn(folder: Path, kind: str, number: int, rows: int, dim: int) -> dict:
    """Rows with a few directions that matter, so that there is something to find."""
    rng = np.random.default_rng(number)
    values = rng.normal(size=(rows, dim)).astype(np.float32)
    values[:, : dim // 8] *= 3
    return write_shard(folder, kind, number, values, "BF16")


# -- what is measured --------------------------------------------------------------------------------


def resident() -> int:
    """Bytes of this process in memory now."""
    import psutil

    return psutil.Process().memory_info().rss


def loaded(folder: Path) -> int:
    """All rows of each kind as one tensor, shard by shard, as released training scripts do it."""
    import torch
    from safetensors.torch import load_file

    found = 0
    for kind in ("prompt", "response"):
        found += len(torch.cat([load_file(path)[kind] for path in sorted((folder / "features").glob(f"{kind}-*"))]))
    return found


def opened(folder: Path) -> None:
    """Open, and ask for a first row."""
    before = resident()
    study = Study.load(folder)
    grown = resident() - before
    assert study.store.rows_of("response") and grown < 2**26, f"opening took {bench.size_words(grown)}"


def opening(folder: Path, size: str) -> bench.Row:
    rows, dim = OPENED[size]
    __import__("torch")  # imports are nobody's
    Study.load(folder)
    found = bench.alternate({"naive": lambda: loaded(folder), "ours": lambda: Study.load(folder)}, 3)
    before = resident()
    study = Study.load(folder)
    grown = resident() - before
    tables = [name for name in study.tables]
    stored = sum(study.store.stored_bytes(kind) for kind in ("prompt", "response"))
    return bench.Row(
        f"open a study of {rows:,} responses × {dim}, bfloat16 ({bench.size_words(stored)} of features)", found["naive"], found["ours"],
        must="instant, nothing copied", met=found["ours"].wall < 0.1 and grown < 2**24 and not tables if size == "full" else None,
        naive_is="safetensors, shards joined in memory", ours_is="Study.load: headers alone", peak=bench.peak(opened, folder),
        agreement=f"memory grew by {grown / 2**20:.1f} MiB, {len(tables)} tables read", note="shards are sparse files of zeros",
    )


def reading(folder: Path) -> bench.Row:
    """One pass over the responses, by the block; the first one in a process checks bytes and values as well."""
    stream = Study.load(folder).stream()

    def passed() -> float:
        return sum(float(stream[some][0, 0]) for some in blocks(stream))

    first = bench.timed(passed)
    path = sorted((folder / "features").glob("response-*"))

    def naive() -> float:
        from safetensors.torch import load_file

        return sum(float(load_file(shard)["response"].float()[0, 0]) for shard in path)

    found = bench.alternate({"naive": naive, "ours": passed}, 3, warm=True)
    read, made = stream.store.stored_bytes("response"), 4 * stream.shape[0] * stream.shape[1]
    return bench.Row(
        f"read {stream.shape[0]:,} × {stream.shape[1]} bfloat16 rows as float32, once", found["naive"], found["ours"],
        naive_is="safetensors, each shard widened whole", ours_is="a stream, by the block", floor=(2 * read + made) / bench.bandwidth(),
        floor_of="bytes read, copied and widened", peak=bench.peak(_pass, folder),
        note=f"a process's first pass hashes and checks each shard: {bench.words(first.cpu)} CPU, {first.cpu / found['ours'].cpu:.1f}×",
    )


def _pass(folder: Path) -> None:
    stream = Study.load(folder).stream()
    for some in blocks(stream):
        stream[some]


def fitting(folder: Path, size: str) -> bench.Row:
    """Probes and scores of a whole study in a process of its own that may fill so much."""
    os.environ[budget.VARIABLE] = allowed = BUDGET[size]
    rows, dim = Study.load(folder).stream().shape
    imports, peak = bench.peak(nothing), bench.peak(streamed, folder, allowed)
    theirs = bench.peak(at_once, folder)
    study, whole = Study.load(folder), budget.parse(allowed)
    ours = bench.timed(lambda: prepare(study, store=False))
    del os.environ[budget.VARIABLE]
    naive = bench.timed(lambda: at_once(folder))
    apart = float(np.abs(ours.value.predictions.to_numpy() - naive.value).max())
    over = peak - imports
    return bench.Row(
        f"probes and scores of {rows:,} responses × {dim} within a budget of {allowed}", naive, ours, must="fills no more than the budget",
        met=over <= whole if size != "tiny" else None, naive_is=f"all features in memory, peak {bench.size_words(theirs)}",
        ours_is="prepare(study), from streams",
        agreement=f"predictions within {apart:.1e}", peak=peak,
        note=f"{bench.size_words(imports)} of the peak are imports: {bench.size_words(over)} of {allowed} filled; held after: "
             f"{bench.size_words(ours.value.held() + study.held())}",
    )


def nothing() -> None:
    """What importing takes, with what a fit imports late."""
    import pyarrow.parquet
    import scipy.linalg

    assert Study and prepare and pyarrow.parquet and scipy.linalg


def streamed(folder: Path, allowed: str) -> None:
    os.environ[budget.VARIABLE] = allowed
    made = prepare(Study.load(folder), store=False)
    for name in ("train", "reference", "dev", "test"):
        made.split(name).scores


def at_once(folder: Path) -> np.ndarray:
    """The same predictions from arrays: everything read, composed and centred before anything is fitted."""
    study = Study.load(folder)
    responses, x = study.split_responses("train"), study.features("train", of="responses").response
    y, groups = rating_rows(study, responses), responses["family"].to_numpy()
    rated = ~np.isnan(y).all(axis=1)
    centre, mean = x[rated].mean(axis=0, dtype=np.float64), np.nanmean(y, axis=0)
    shown, y = (x - centre).astype(np.float32), y - mean
    probes = cross_fit(shown, y, names=study.objectives, groups=groups, folds=FOLDS).whole
    return probes.predict(study.features(of="responses").response) + mean - probes.weight @ centre


if __name__ == "__main__":
    main()
