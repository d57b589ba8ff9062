"""From a cold cell to a painted Workbench on the shipped study, in JupyterLab and a headless Chromium.

The kernel is up and `workbench` is imported; then one cell makes a session and shows its Workbench. Timed in the page:
until it is painted (the table's rows and the map), until its numbers are there (the baseline trained from nothing), and
the same in a second kernel (the baseline kept on disk). A gesture: on the What-if screen, from the click to the new
accuracy on screen. Bytes: all that the page got over websockets by then.

    python tests/benchmarks/cold_workbench.py [--quick] [--json FILE]
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import bench  # noqa: E402

CELL = "session = wb.Session(wb.Study.load({study!r})); wb.Workbench(session)"
PAINTED = """() => document.querySelectorAll('.wb-items tbody tr[data-item]').length > 5
  && document.querySelector('.wb-x-box canvas')?.width > 0"""
ACCURACY = "() => document.querySelector('.wb-preview dl')?.innerText"


def once(watch, lab) -> dict[str, float]:
    """One kernel: import in the first cell, then the second."""
    page, got = watch.page, []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: got.append(len(frame))))
    watch.open_lab(lab, "cold.ipynb")
    watch.command("notebook:run-cell-and-select-next")
    page.locator(".jp-OutputArea-output").get_by_text("imported").wait_for(timeout=60_000)
    begun = time.perf_counter()
    watch.command("notebook:run-cell")
    page.wait_for_function(PAINTED, timeout=60_000, polling=20)
    painted = time.perf_counter() - begun
    page.locator(".wb-items tbody tr[data-item] .wb-base").first.wait_for(timeout=120_000)
    numbers = time.perf_counter() - begun
    page.get_by_role("tab", name="What-if", exact=True).click()
    page.locator(".wb-preview dl").wait_for(timeout=60_000)
    page.wait_for_timeout(3000)
    before = page.evaluate(ACCURACY)
    begun = time.perf_counter()
    page.locator(".wb-switch").first.click()
    page.wait_for_function("(before) => document.querySelector('.wb-preview dl')?.innerText !== before", arg=before, polling=5)
    return {"painted_s": painted, "numbers_s": numbers, "gesture_s": time.perf_counter() - begun, "websocket_mb": sum(got) / 1e6}


def main() -> None:
    asked = bench.parser(__doc__).parse_args()
    try:
        import playwright  # noqa: F401

        import workbench as wb

        why = "" if wb.figures.browser() else "there is no Chrome or Chromium here"
    except ImportError:
        why = "playwright is not installed"
    if why:
        return bench.report([bench.Row("a cold Workbench in JupyterLab", missing=why)], asked)
    runs = measured(2 if asked.size in ("tiny", "quick") else 6)
    later = {key: statistics.median(run[key] for run in runs[1:]) for key in runs[0]}
    rows = []
    for label, found in (("first kernel, nothing kept", runs[0]), (f"later kernels, median of {len(runs) - 1}", later)):
        for key, what in (("painted_s", "painted"), ("numbers_s", "its numbers there"), ("gesture_s", "from a click to the new accuracy")):
            rows.append(bench.Row(f"a cold Workbench in JupyterLab, {label}: {what}", ours=bench.Timing(float("nan"), found[key]),
                                  note=f"{found['websocket_mb']:.2f} MB over websockets" if key == "numbers_s" else ""))
    bench.report(rows, asked)


def measured(kernels: int) -> list[dict[str, float]]:
    """Each in its turn, on one copy of the study."""
    from browser.pages import ARGS, LAB, Server, Watched, notebook
    from playwright.sync_api import sync_playwright

    import workbench as wb

    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        shutil.copytree(wb.demo().folder, folder / "study", ignore=shutil.ignore_patterns("runs"))
        book = notebook("import workbench as wb; wb.Session, wb.Workbench; print('imported')", CELL.format(study=str(folder / "study")))
        (folder / "cold.ipynb").write_text(json.dumps(book), encoding="utf-8")
        lab = Server("jupyterlab", LAB, folder, "/api")
        chromium = driver.chromium.launch(executable_path=str(wb.figures.browser()), args=list(ARGS))
        runs = []
        try:
            for _ in range(kernels):
                watch = Watched(chromium)
                runs.append(once(watch, lab))
                watch.page.close()
                lab.end_sessions()
        finally:
            chromium.close()
            lab.close()
    return runs


if __name__ == "__main__":
    main()
