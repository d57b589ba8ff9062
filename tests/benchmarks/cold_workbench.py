"""From a cold cell to a painted Workbench on the shipped study, in JupyterLab and a headless Chromium.

The kernel is up and `workbench` is imported; then one cell makes a session and shows its Workbench. Timed in the page:
until it is painted (the table's rows and the map), until its numbers are there (the baseline trained from nothing), and
the same in a second kernel (the baseline kept on disk). A gesture: on the What-if screen, from the click to the new
accuracy on screen. Bytes: all that the page got over websockets by then.

    python tests/benchmarks/cold_workbench.py [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two kernels in place of six")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("cold_workbench needs playwright: `make setup` installs it")
    from browser.pages import ARGS, LAB, Server, Watched, notebook

    import workbench as wb

    path = wb.figures.browser()
    if path is None:
        sys.exit("cold_workbench needs Chrome or Chromium: `apt-get install chromium`, or set BROWSER_PATH")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        shutil.copytree(wb.demo().folder, folder / "study", ignore=shutil.ignore_patterns("runs"))
        book = notebook("import workbench as wb; wb.Session, wb.Workbench; print('imported')", CELL.format(study=str(folder / "study")))
        (folder / "cold.ipynb").write_text(json.dumps(book), encoding="utf-8")
        lab = Server("jupyterlab", LAB, folder, "/api")
        chromium = driver.chromium.launch(executable_path=str(path), args=list(ARGS))
        runs = []
        try:
            for _ in range(2 if asked.quick else 6):
                watch = Watched(chromium)
                runs.append(once(watch, lab))
                watch.page.close()
                lab.end_sessions()
        finally:
            chromium.close()
            lab.close()
    first, later = runs[0], {key: statistics.median(run[key] for run in runs[1:]) for key in runs[0]}
    if asked.json:
        print(json.dumps({"first": first, "later": later, "kernels": len(runs)}))
        return
    for label, found in (("first kernel, nothing kept", first), (f"later kernels, median of {len(runs) - 1}", later)):
        painted, numbers, gesture, got = (found[key] for key in ("painted_s", "numbers_s", "gesture_s", "websocket_mb"))
        print(f"{label:28} painted {painted:.2f} s, numbers {numbers:.2f} s, gesture {1000 * gesture:.0f} ms, websocket {got:.2f} MB")


if __name__ == "__main__":
    main()
