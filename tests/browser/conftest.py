"""A headless Chromium, and a small study on a notebook that JupyterLab and Voilà open. Nothing leaves the machine."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from browser.pages import ARGS, LAB, Server, Watched, limited, notebook

OPEN = """import workbench as wb
study = wb.Study.load({study!r})
session = wb.Session(study, baseline=wb.Scenario(name="as rated", gate={{"hidden": (16,), "steps": 400}}, seeds=(0, 1)))
wb.panels.what_if(session)"""


@pytest.fixture(autouse=True)
def time_limit(request):
    """What a test has to start first is limited by its own waits."""
    with limited(request.node.name):
        yield


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright: `make setup` installs it")
    from workbench.figures import browser

    path = browser()
    if path is None:
        pytest.skip("browser tests need Chrome or Chromium: `apt-get install chromium`, or set BROWSER_PATH")
    with playwright.sync_playwright() as driver:
        shown = driver.chromium.launch(executable_path=str(path), args=list(ARGS))
        yield shown
        shown.close()


@pytest.fixture(scope="session")
def desk(tmp_path_factory, planted_study):
    """A folder with a study and a notebook."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(planted_study.study.folder, folder / "study", ignore=shutil.ignore_patterns("runs"))
    whole = OPEN.replace("wb.panels.what_if(session)", "wb.Workbench(session)").format(study=str(folder / "study"))
    imports = "import workbench as wb; wb.Session, wb.Workbench; print('imported')"
    chosen = "print(session.selection.n, session.selection.primary)"
    cells = (imports, whole, chosen)
    (folder / "workbench.ipynb").write_text(json.dumps(notebook(*cells)), encoding="utf-8")
    (folder / "panel.ipynb").write_text(json.dumps(notebook(OPEN.format(study=str(folder / "study")))), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def lab(desk, chromium):
    server = Server("jupyterlab", LAB, desk, "/api")
    yield server
    server.close()


@pytest.fixture(scope="session")
def voila(desk, chromium):
    wanted = "['anywidget', '@voila-dashboards/widgets-manager8', '@jupyter-widgets/jupyterlab-manager']"
    server = Server("voila", (
        "--no-browser", "--Voila.ip=127.0.0.1", "--port={port}", "--theme=light",
        f"--VoilaConfiguration.extension_allowlist={wanted}", "workbench.ipynb",
    ), desk, "/voila/static/voila.js")
    yield server
    server.close()


@pytest.fixture(scope="module")
def watched(request, chromium):
    """Pages of one module: a notebook is opened once for many tests."""
    opened = []

    def make(**size) -> Watched:
        opened.append(Watched(chromium, **size))
        return opened[-1]

    yield make
    folder = os.environ.get("WORKBENCH_BROWSER_SHOTS")  # a folder to leave the last sight of each page in
    for number, one in enumerate(opened):
        if folder:
            one.page.screenshot(path=f"{folder}/{request.module.__name__}-{number}.png")
        one.page.close()


@pytest.fixture
def retrained(planted_study, baseline):
    """A session with a baseline and a retrained candidate."""
    from workbench.session import Session

    session = Session(planted_study.study, baseline)
    session.set_objective("verbosity", on=False).set_multiplier("safety", 1.5)
    session.retrain(seeds=(0, 1)).wait(120)
    return session
