"""How long `import workbench` takes in a fresh process, and what it would take if it loaded torch.

    python tests/benchmarks/import_time.py [--quick] [--json FILE]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

import bench

ROOT = Path(__file__).parents[2]
CASES = {"import workbench": "workbench", "import workbench, its Session": "workbench.session", "with torch": "workbench, torch"}


def seconds(modules: str) -> float:
    """Of one import, by the clock of the new process: starting Python does not count."""
    code = f"import time; begun = time.perf_counter(); import {modules}; print(time.perf_counter() - begun)"
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=here).stdout)


def main() -> None:
    asked = bench.parser(__doc__).parse_args()
    times, rows = {"tiny": 1, "quick": 3}.get(asked.size, 10), []
    for label, modules in list(CASES.items())[: 1 if asked.size == "tiny" else None]:
        seconds(modules)  # once to warm the disk
        each = [seconds(modules) for _ in range(times)]
        rows.append(bench.Row(label, ours=bench.Timing(float("nan"), statistics.median(each)),
                              ours_is=f"most {max(each):.3f} s, {times} fresh processes"))
    bench.report(rows, asked)


if __name__ == "__main__":
    main()
