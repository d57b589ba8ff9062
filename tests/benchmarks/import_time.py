"""How long `import workbench` takes in a fresh process, and what it would take if it loaded torch.

    python tests/benchmarks/import_time.py [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = {"import workbench": "workbench", "import workbench, its Session": "workbench.session", "with torch": "workbench, torch"}


def seconds(modules: str) -> float:
    """Of one import, by the clock of the new process: starting Python does not count."""
    code = f"import time; begun = time.perf_counter(); import {modules}; print(time.perf_counter() - begun)"
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=here).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three processes a case in place of ten")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    times = 3 if asked.quick else 10
    found = {}
    for label, modules in CASES.items():
        seconds(modules)  # once to warm the disk
        each = [seconds(modules) for _ in range(times)]
        found[label] = {"median_s": statistics.median(each), "most_s": max(each), "processes": times}
    if asked.json:
        print(json.dumps(found))
        return
    for label, figures in found.items():
        print(f"{label:32} {figures['median_s']:6.3f} s   (most {figures['most_s']:.3f} s, {figures['processes']} fresh processes)")


if __name__ == "__main__":
    main()
