"""From the lasso on the map to the table, and the other gestures of the Explore screen, on studies of 3 000 and 100 000 dev prompts.

A study of scores and text is made up, two pairs a prompt, with a stored map of clusters. Kernel: a gesture's message until the
panel has made its answer. Page, where there is a Chromium: from the pointer's release until the table is painted again.

    python tests/benchmarks/selecting.py [--quick] [--json FILE]
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import bench  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

import workbench as wb  # noqa: E402
from workbench.projection import PromptMap  # noqa: E402
from workbench.scenario.recipe import Scenario  # noqa: E402
from workbench.study import Study  # noqa: E402

SIZES, BARS = (3_000, 100_000), {3_000: 200, 100_000: 500}  # dev prompts; ms from the pointer's release to the table
TRAIN, GROUPS = 400, ("Helpful", "Truth", "Safety", "Code", "Form", "Instruction")
BOX = (60, 40, 320, 240)  # px of the map, a lasso around most of it
PAINTED = """() => new Promise((done) => {
  const over = document.querySelector(".wb-x-over"), foot = document.querySelector(".wb-x-foot");
  let begun = 0;
  over.addEventListener("pointerup", () => { begun = performance.now(); }, { once: true, capture: true });
  const painted = () => { watch.disconnect(); done(performance.now() - begun); };
  const watch = new MutationObserver(() => { if (begun) requestAnimationFrame(painted); });
  watch.observe(foot.firstChild, { childList: true, subtree: true, characterData: true });
})"""


def made_up(prompts: int, objectives: int = 12, seed: int = 0) -> tuple[Study, PromptMap]:
    """A study of scores whose dev split has that many prompts, and its map."""
    rng = np.random.default_rng(seed)
    n, words = prompts + TRAIN, np.array([f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnrst"])
    ids = np.array([f"p{i:06d}" for i in range(n)])
    texts = [" ".join(row) for row in words[rng.integers(len(words), size=(n, 14))]]
    sections = rng.choice(["Chat", "Chat hard", "Safety", "Reasoning"], n)
    table = pd.DataFrame({"prompt_id": ids, "family": ids, "section": sections, "text": texts})
    owner = np.repeat(np.arange(n), 3)
    responses = pd.DataFrame({"response_id": [f"r{i:06d}" for i in range(3 * n)], "prompt_id": ids[owner]})
    responses["text"] = [" ".join(row) for row in words[rng.integers(len(words), size=(3 * n, 50))]]
    first = 3 * np.repeat(np.arange(n), 2)
    names = responses["response_id"].to_numpy()
    pairs = pd.DataFrame({"prompt_id": ids[first // 3], "chosen": names[first], "rejected": names[first + 1 + np.tile([0, 1], n)],
                          "source": rng.choice(["a", "b"], 2 * n)})
    pairs.insert(0, "pair_id", [f"c{i:06d}" for i in range(len(pairs))])
    splits = pd.DataFrame({"family": ids, "split": np.where(np.arange(n) < TRAIN, "train", "dev")})
    names = [f"{GROUPS[k % 6].lower()}-{k}" for k in range(objectives)]
    scores = pd.DataFrame(rng.normal(size=(3 * n, objectives)), columns=names)
    scores.insert(0, "response_id", responses["response_id"])
    about = [{"name": name, "group": GROUPS[k % 6]} for k, name in enumerate(names)]
    info = {"schema": 1, "name": f"{prompts} prompts", "hash": f"{prompts:012x}", "objectives": about, "files": {}, "scores": True}
    study = Study(info, None, {"prompts": table, "responses": responses, "pairs": pairs, "splits": splits, "scores": scores})
    cluster = rng.integers(24, size=n)
    centre = rng.uniform(-10, 10, size=(24, 2))
    points = centre[cluster] + rng.normal(size=(n, 2))
    places = pd.DataFrame({"prompt_id": ids, "x": points[:, 0], "y": points[:, 1], "cluster": cluster.astype(np.int32),
                           "kept": rng.uniform(0.3, 1, n).astype(np.float32)})
    clusters = pd.DataFrame({"cluster": range(24), "name": [f"{words[k]}, {words[-k]}" for k in range(24)], "n": np.bincount(cluster),
                             "x": centre[:, 0], "y": centre[:, 1]})
    return study, PromptMap(places, clusters, {"seeds": 3}, 0.8)


def session_of(study: Study) -> wb.Session:
    """A trained baseline and a candidate."""
    session = wb.Session(study, Scenario(name="as rated", gate={"kind": "global"}, seeds=(0,)))
    session.start().wait(600)
    session.set_multiplier(study.objectives[0], 1.5)
    session.retrain().wait(600)
    return session


def timed(work, times: int) -> float:
    """Median ms."""
    took = []
    for turn in range(times):
        begun = time.perf_counter()
        work(turn)
        took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took)


def kernel(session: wb.Session, times: int) -> dict[str, float]:
    """ms of each gesture in the kernel alone."""
    panel = wb.panels.explore(session)
    panel.send = lambda *_, **__: None
    seq = iter(range(1, 10**6))

    def tell(do: str, *buffers, **values):
        panel.handle({"do": do, "screen": "explore", "view": "page", "seq": next(seq), **values}, buffers)
        assert panel._trouble is None, panel._trouble

    found = {"first open": timed(lambda _: tell("hello"), 1)}
    places = panel.screen("explore").atlas.places()
    rng, ids = np.random.default_rng(1), session.items["pair_id"]
    halves = [np.packbits(rng.uniform(size=len(places)) < 0.5, bitorder="little").tobytes() for _ in range(times)]
    found["lasso"] = timed(lambda turn: tell("lasso", halves[turn]), times)
    found["click on a row"] = timed(lambda turn: tell("look", item=ids.iat[7 * turn]), times)
    found["rows"] = timed(lambda turn: tell("rows", **{"from": 40 * turn, "to": 40 * turn + 40}), times)
    tell("drop")
    panel.screen("explore").items.texts.folded  # noqa: B018 (made in a thread as soon as the screen is open)
    found["search, 1 word"] = timed(lambda turn: tell("search", text=("bal", "dam", "fen")[turn % 3]), times)
    found["search, 3 words"] = timed(lambda turn: tell("search", text=("bal dam fen", "gil kor lun", "mat")[turn % 3]), times)
    tell("drop")
    found["filter"] = timed(lambda turn: tell("filter", kind="section", value=("Chat", "Safety")[turn % 2]), times)
    tell("drop")
    found["sort by prompt"] = timed(lambda _: tell("sort", by="prompt"), 1)
    found["sort by change"] = timed(lambda _: tell("sort", by="change"), times)
    panel.close()
    return found


def page(session: wb.Session, times: int) -> dict[str, float] | None:
    """ms in the page; None without a browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    from browser.pages import ARGS
    from browser.stage import Stage

    path = wb.figures.browser()
    if path is None:
        return None
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(path), args=list(ARGS))
        stage = Stage(chromium, wb.panels.explore(session))
        try:
            stage.until("Boolean(document.querySelector('.wb-x-marks')?.getAttribute('aria-label'))", 120).settle(0.5)
            took, (left, top, right, foot) = [], BOX
            corner = stage.page.locator(".wb-x-over").bounding_box()
            for turn in range(times):
                told = stage.page.evaluate_handle("() => { window.took = null; (%s)().then((ms) => { window.took = ms; }); }" % PAINTED)
                across = right - 12 * turn
                for i, (x, y) in enumerate([(left, top), (across, top), (across, foot), (left, foot)]):
                    stage.page.mouse.move(corner["x"] + x, corner["y"] + y, steps=4)
                    if not i:
                        stage.page.mouse.down()
                stage.page.mouse.up()
                end = time.monotonic() + 20
                while stage.page.evaluate("window.took") is None and time.monotonic() < end:
                    stage.pump()
                took.append(stage.page.evaluate("window.took"))
                told.dispose()
                stage.settle(0.3)
            paint = stage.page.evaluate("""() => { const begun = performance.now(); document.body.setAttribute("class", "x" + begun);
                return new Promise((done) => setTimeout(() => done(performance.now() - begun), 0)); }""")
            return {"lasso to table": statistics.median(took), "map drawn": paint}
        finally:
            stage.close()
            chromium.close()


def main() -> None:
    asked, rows = bench.parser(__doc__).parse_args(), []
    for size in {"tiny": (300,), "quick": SIZES[:1]}.get(asked.size, SIZES):
        study, stored = made_up(size)
        importlib.import_module("workbench.panels.atlas").stored_map = lambda _, stored=stored: stored
        session = session_of(study)
        found = {"kernel": kernel(session, 5), "page": None if asked.size == "tiny" else page(session, 5)}
        for where, took in found.items():
            for what, ms in (took or {}).items():
                bar = BARS.get(size) if what == "lasso to table" else None
                rows.append(bench.Row(f"{what}, {size} dev prompts, in the {where}", ours=bench.Timing(float("nan"), ms / 1000),
                                      must=f"≤ {bar} ms" if bar else "", met=ms <= bar if bar else None))
    bench.report(rows, asked)


if __name__ == "__main__":
    main()
