"""Linear probes at the paper's size: 585 000 rows × 4096 in bfloat16 that are never all there, 19 objectives, nine α, a refit.

    python tests/benchmarks/probes_paper.py [--quick | --full] [--threads 2] [--memory 3.2GiB] [--json FILE]

Rows come from a stream that makes them when it is asked, in the order of their sources: numbers that bfloat16 holds, from a seed,
as float32. Making them is timed apart and subtracted. Peak memory is that of the fresh process that did all of it.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

SIZES = {"tiny": (3_000, 24), "quick": (20_000, 512), "middle": (20_000, 512), "full": (585_000, 4096)}
MUST = "completes on 2 cores within 4 GiB"
READ = 4096
BLOCK = 512  # rows made from one seed


class Made:
    """A stream [row dim] of float32 rows that are bfloat16 numbers: white noise, each block of rows from a seed of its own."""

    ndim = 2

    def __init__(self, rows: int, dim: int):
        import numpy as np

        self.shape, self.dtype = (rows, dim), np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index):
        """A slice, or ascending positions."""
        import numpy as np

        rows = np.arange(len(self))[index]
        out = np.empty((len(rows), self.shape[1]), np.float32)
        for block in np.unique(rows // BLOCK):
            here = np.flatnonzero(rows // BLOCK == block)
            made = np.random.Generator(np.random.SFC64(int(block))).standard_normal((BLOCK, self.shape[1]), np.float32)
            out[here] = made[rows[here] - BLOCK * block]
        out.view(np.uint32)[...] &= 0xFFFF0000
        return out


def table(stream: Made):
    """Labels [row obj], centred, and the family of each row: sources in the paper's proportions, one after the other."""
    import numpy as np
    from probes import OBJECTIVES, PER_FAMILY, labels, sources

    rows, dim = stream.shape
    rng = np.random.default_rng(1)
    weight = (rng.normal(size=(dim, OBJECTIVES)) / np.sqrt(dim)).astype(np.float32)
    clean = np.concatenate([stream[slice(start, min(start + READ, rows))] @ weight for start in range(0, rows, READ)])
    return labels(clean, sources(rows), rng) - 0.5, np.arange(rows) // PER_FAMILY


def work(rows: int, dim: int, memory: int, threads: int, pipe) -> None:
    """In a fresh process: what was timed, and the most memory that it took."""
    import bench
    import numpy as np
    from probes import floor, ours

    stream = Made(rows, dim)
    y, groups = table(stream)
    made = bench.timed(lambda: [stream[slice(start, min(start + READ, rows))].shape for start in range(0, rows, READ)])
    ours(stream[:100], y[:100], groups[:100])  # imports and thread pools
    fitted = bench.timed(lambda: ours(stream, y, groups, memory=memory))
    peak, probes = bench.high_water(), fitted.value
    least, of = floor(int((~np.isnan(y)).any(axis=1).sum()), dim, "float32")
    pipe.send((bench.Timing(made.cpu, made.wall), bench.Timing(fitted.cpu, fitted.wall), peak, least, of,
               sorted(set(probes.precision)), [float(probes.r2.min()), float(probes.r2.max())]))


def measured(size: str, memory: str, threads: int):
    import bench

    from workbench import budget

    rows, dim = SIZES[size]
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(rows, dim, budget.parse(memory), threads, theirs))
    process.start()
    theirs.close()
    try:
        made, fitted, peak, least, of, precision, r2 = mine.recv()
    finally:
        process.join()
    said = f"LinearProbes.fit, {threads} thread(s), products of {', '.join(precision)}"
    return bench.Row(
        f"ridge, {rows:,} × {dim} bfloat16 made on the fly, 19 objectives, 9 α", ours=fitted - made,
        must=MUST, met=peak <= 4 * 2**30 if size == "full" else None, ours_is=said, floor=least, floor_of=of, peak=peak,
        agreement=f"r² of the objectives {r2[0]:.3f} to {r2[1]:.3f}; half of what is rated is noise",
        note=f"making the rows, subtracted: {bench.words(made.cpu)} CPU, {bench.words(made.wall)} wall; memory={memory}")


def main() -> None:
    import bench

    options = bench.parser(__doc__)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--memory", default="3.2GiB", help="that the fit may fill")
    asked = options.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(asked.threads)  # read when the fresh process starts
    bench.report([measured(asked.size, asked.memory, asked.threads)], asked)


if __name__ == "__main__":
    main()
