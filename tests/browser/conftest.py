"""JupyterLab and Voilà on a small notebook, and a headless Chromium that looks at them. Nothing leaves the machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import pytest

ROOT = Path(__file__).parents[2]
ARGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--disable-default-apps", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
HOME = {"127.0.0.1", "localhost"}
STARTS = 90  # seconds until a server must answer


LIMIT = 60  # seconds of one test; a hung page must not hang the suite


@contextmanager
def limited(name: str, seconds: int = LIMIT):
    """Fail, not hang."""
    def ring(signum, frame):
        raise TimeoutError(f"{name} took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def time_limit(request):
    with limited(request.node.name):
        yield


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    from workbench.figures import browser as find

    path = find()
    if path is None:
        pytest.skip("browser tests need Chrome or Chromium: `apt-get install chromium`, or set BROWSER_PATH")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(ARGS))
        yield browser
        browser.close()


def notebook(*cells: str) -> dict:
    """A notebook of code cells without output."""
    made = [
        {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for i, source in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


OPEN = """import workbench as wb
study = wb.Study.load({study!r})
session = wb.Session(study, baseline=wb.Scenario(name="as rated", gate={{"hidden": (16,), "steps": {steps}}}, seeds=(0, 1)))
wb.panels.what_if(session)"""


@pytest.fixture(scope="session")
def desk(tmp_path_factory, planted_study):
    """A folder with a study and notebooks, and an environment in which Jupyter keeps its files there."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(planted_study.study.folder, folder / "study")
    (folder / "panel.ipynb").write_text(json.dumps(notebook(OPEN.format(study=str(folder / "study"), steps=400))), encoding="utf-8")
    keep = folder / "jupyter"
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython", "JUPYTERLAB_SETTINGS_DIR": "settings",
              "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "JUPYTER_DATA_DIR": "data"}
    for place in places.values():
        (keep / place).mkdir(parents=True)
    notices = keep / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    notices.parent.mkdir(parents=True)
    notices.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}), encoding="utf-8")
    told = {key: str(keep / place) for key, place in places.items()}
    environment = {**os.environ, **told, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("JUPYTER_PATH", None)
    return folder, environment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A Jupyter server in a process of its own; its words are kept for the error."""

    def __init__(self, module: str, args: list[str], desk, path: str = "/"):
        self.folder, environment = desk
        self.port = free_port()
        self.log = open(self.folder / f"{module}-{self.port}.log", "w+b")
        command = [sys.executable, "-m", module, *(arg.format(port=self.port) for arg in args)]
        self.process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{self.port}"
        end = time.monotonic() + STARTS
        while not self._answers(path):
            if self.process.poll() is not None or time.monotonic() > end:
                self.close()
                raise RuntimeError(f"{module} did not start: {self.words()}")
            time.sleep(0.2)

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def end_sessions(self) -> None:
        """Shut every kernel down, as a restart of the machine would."""
        with urllib.request.urlopen(f"{self.url}/api/sessions", timeout=10) as answer:
            sessions = json.load(answer)
        for session in sessions:
            urllib.request.urlopen(urllib.request.Request(f"{self.url}/api/sessions/{session['id']}", method="DELETE"), timeout=20).close()

    def words(self) -> str:
        self.log.flush()
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def lab(desk, chromium):
    server = Server("jupyterlab", [
        "--no-browser", "--ip=127.0.0.1", "--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True",
        "--LabApp.news_url=None", "--LabApp.expose_app_in_browser=True", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--allow-root", "--ServerApp.root_dir=.",
    ], desk, "/api")
    yield server
    server.close()


@pytest.fixture(scope="session")
def voila(desk, chromium):
    server = Server("voila", ["--no-browser", "--Voila.ip=127.0.0.1", "--port={port}", "--theme=light", "panel.ipynb",
        "--VoilaConfiguration.extension_allowlist=['anywidget', '@voila-dashboards/widgets-manager8', '@jupyter-widgets/jupyterlab-manager']"], desk, "/voila/static/voila.js")
    yield server
    server.close()


LISTENING = """() => { const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === 'connected' && kernel.status === 'idle'; }"""


class Watched:
    """A page, and what it said and asked for."""

    def __init__(self, browser, width: int = 1400, height: int = 1100):
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(20_000)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}") if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.said.append(f"pageerror: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))

    @property
    def strangers(self) -> list[str]:
        """Requests to any host but this one."""
        return [url for url in self.asked if urlparse(url).scheme in ("http", "https", "ws", "wss") and urlparse(url).hostname not in HOME]

    def open_lab(self, lab: Server, name: str):
        """A notebook in a workspace of its own, once its kernel answers."""
        self.page.goto(f"{lab.url}/lab/workspaces/{uuid.uuid4().hex}/tree/{name}")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        self.page.wait_for_function(LISTENING, timeout=40_000)
        return self.page

    def command(self, name: str, **args):
        """One of JupyterLab's own commands."""
        self.page.evaluate("([name, args]) => { window.jupyterapp.commands.execute(name, args); }", [name, args])  # not waited for


@pytest.fixture(scope="module")
def watched(request, chromium):
    """Pages of one module; module scope, because a notebook is opened once for many tests."""
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
