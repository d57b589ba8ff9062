"""The same extraction by Ray on this machine, with one and with two workers of one core, against one thread here: by the clock.

    python tests/benchmarks/extraction_ray.py [--quick | --full] [--json FILE]

The time of a job is what planning takes, and all from when each worker has its model: starting Ray and its workers is told apart.
Other processes do the work, so there are no CPU seconds. --tiny starts no Ray.
"""

from __future__ import annotations

import importlib.util
import math
import os
import sys
import tempfile
import time
from dataclasses import dataclass, fields
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

import bench  # noqa: E402
import torch  # noqa: E402
from extraction import Shape, checkpoint, tables, talks  # noqa: E402

from workbench.backbone import CausalBackbone  # noqa: E402
from workbench.extract import extract  # noqa: E402
from workbench.extract.engines import Ray  # noqa: E402
from workbench.tables import Tables  # noqa: E402

SHAPE, TINY = Shape(256, 6, 688, 4, 4096), Shape(16, 2, 32, 4, 512)
PAIRS = {"tiny": 4, "quick": 60, "middle": 200, "full": 480}
CHUNK = 2  # batches that a worker takes at a time: there are few
PATIENCE = 180.0  # seconds that workers wait for one another
MUST = "the same bytes as here"


def main() -> None:
    asked = bench.parser(__doc__).parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        bench.report(measured(Path(place), asked.size), asked)


def measured(place: Path, size: str) -> list[bench.Row]:
    folder = checkpoint(place / "model", TINY if size == "tiny" else SHAPE)
    backbone, wanted = CausalBackbone.load(folder, device="cpu"), talks(PAIRS[size])
    made = tables(wanted, backbone.chat.tokenizer)
    work = f"extraction of {len(wanted)} pairs by a Llama of {sum(p.numel() for p in backbone._model.parameters()) / 1e6:.3g}M parameters"
    extract(tables(wanted[:2], backbone.chat.tokenizer), place / "first", backbone=backbone)  # imports, and the weights' hash
    here = bench.timed(lambda: extract(made, place / "here", backbone=backbone, name="s"))
    rows = [bench.Row(f"{work}, one thread here", None, here, ours_is="engine local")]
    why = "--tiny starts no Ray" if size == "tiny" else "" if importlib.util.find_spec("ray") else "Ray is not installed"
    if why:
        return [*rows, bench.Row(f"{work}, by Ray", must=MUST, missing=why)]
    began = time.perf_counter()
    with Ray(workers=2)._connected():
        began = time.perf_counter() - began
        jobs = {workers: by_ray(backbone, made, place, workers) for workers in (1, 2)}
    one, two = (job.wall for job, _ in jobs.values())
    said = {1: f"{one / here.wall - 1:+.0%} of the time here", 2: f"{one / two:.2f}× as fast as one worker, {here.wall / two:.2f}× as here"}
    for workers, (job, start) in jobs.items():
        same = contents(place / f"ray{workers}") == contents(place / "here")
        rows.append(bench.Row(
            f"{work}, by Ray, workers: {workers}", None, job, must=MUST, met=same if size == "full" else None,
            ours_is=f"engines.Ray(workers={workers}, cpus=1, chunk={CHUNK})", agreement="the same bytes" if same else "other bytes",
            note=f"{said[workers]}; apart: Ray's start {bench.words(began)}, that of the workers {bench.words(start)}"))
    return rows


@dataclass(frozen=True, eq=False)
class Meeting(CausalBackbone):
    """In other processes a plain backbone, once all of them have one."""

    place: str = ""
    workers: int = 1

    def __reduce__(self):
        again, given = super().__reduce__()
        return _met, (again, given, self.place, self.workers)


def _met(again, given: tuple, place: str, workers: int) -> CausalBackbone:
    backbone, marks, end = again(*given), Path(place), time.monotonic() + PATIENCE
    (marks / str(os.getpid())).touch()
    while len(list(marks.iterdir())) < workers and time.monotonic() < end:
        time.sleep(0.02)
    return backbone


def by_ray(backbone: CausalBackbone, made: Tables, place: Path, workers: int) -> tuple[bench.Timing, float]:
    """Of the job; and the seconds that its workers took to begin."""
    marks, planned = place / f"marks{workers}", []
    marks.mkdir()
    meeting = Meeting(**{field.name: getattr(backbone, field.name) for field in fields(backbone)}, place=str(marks), workers=workers)

    def engine(backbone, batches):
        began = time.perf_counter()
        batches = list(batches)  # as Ray does it, before anything is computed
        planned[:] = time.perf_counter() - began, time.time()
        return Ray(workers=workers, chunk=CHUNK)(backbone, iter(batches))

    extract(made, place / f"ray{workers}", backbone=meeting, name="s", engine=engine)
    end, there = time.time(), max(mark.stat().st_mtime for mark in marks.iterdir())
    return bench.Timing(math.nan, planned[0] + end - there), there - planned[1]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a study."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


if __name__ == "__main__":
    main()
