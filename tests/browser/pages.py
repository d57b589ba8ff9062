"""JupyterLab and Voilà in processes of their own, and pages that remember what they said and asked for."""

from __future__ import annotations

import json
import os
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

ROOT = Path(__file__).parents[2]
ARGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--disable-default-apps", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
HOME = {"127.0.0.1", "localhost"}
STARTS = 90  # seconds until a server must answer


LIMIT = 60  # seconds of one test; a hung page must not hang the suite
LAB = (
    "--no-browser", "--ip=127.0.0.1", "--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=",
    "--ServerApp.disable_check_xsrf=True", "--LabApp.news_url=None", "--LabApp.expose_app_in_browser=True",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--allow-root", "--ServerApp.root_dir=.",
)


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


def notebook(*cells: str) -> dict:
    """A notebook of code cells without output."""
    made = [
        {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for i, source in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def environment(folder: Path) -> dict[str, str]:
    """Variables under which Jupyter keeps its files in a folder, asks for no news, and finds this checkout."""
    keep = folder / "jupyter"
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython", "JUPYTER_DATA_DIR": "data",
              "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    for place in places.values():
        (keep / place).mkdir(parents=True, exist_ok=True)
    notices = keep / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    notices.parent.mkdir(parents=True, exist_ok=True)
    notices.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}), encoding="utf-8")
    places = {key: str(keep / place) for key, place in places.items()}
    told = {**os.environ, **places, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    told.pop("JUPYTER_PATH", None)
    return told


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A Jupyter server in a process of its own; its words are kept for the error."""

    def __init__(self, module: str, args: tuple[str, ...], folder: Path, path: str = "/"):
        self.folder = folder
        self.port = free_port()
        self.log = open(self.folder / f"{module}-{self.port}.log", "w+b")
        command = [sys.executable, "-m", module, *(arg.format(port=self.port) for arg in args)]
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=environment(folder), stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
        )
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


LISTENING = """() => { const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === 'connected' && kernel.status === 'idle'; }"""


class Watched:
    """A page, and what it said and asked for."""

    def __init__(self, browser, width: int = 1400, height: int = 1100):
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(60_000)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.said.append(f"pageerror: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _heard(self, message) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.type}: {message.text}")

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
