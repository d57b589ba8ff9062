"""The Makefile and the CI script, without installing anything: what they refuse, and where they run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make: the two commands are not tested")


@pytest.fixture
def checkout(tmp_path) -> Path:
    """What the set-up reads, in a folder whose name has a space."""
    folder = tmp_path / "my checkout"
    (folder / ".ci").mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml", ".ci/run"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def make(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, **env}
    environment.pop("MAKEFLAGS", None)
    return subprocess.run(["make", "-C", str(folder), *arguments], capture_output=True, text=True, env=environment, timeout=60)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@needs_make
def test_no_suitable_python_is_said_clearly(checkout):
    done = make(checkout, "setup", f"PYTHON={script(checkout / 'old python', 'exit 1')}")
    assert done.returncode != 0 and not (checkout / ".venv").exists()
    assert "No Python 3.11, 3.12 or 3.13" in done.stderr and "old python" in done.stderr and "PYTHON=" in done.stderr


@needs_make
def test_a_python_that_fails_is_passed_over(checkout):
    """Shims that exist and fail, as some version managers leave them, come first on the PATH."""
    tools = checkout / "tools"
    for name in ("python3.11", "python3.12"):
        script(tools / name, "echo 'command not found' >&2; exit 127")
    # Made far enough to see which Python was taken: its pip then fails on purpose.
    script(tools / "python3.13", f'[ "$1" = -c ] && exec "{sys.executable}" "$@"; echo chosen > "{checkout}/chosen"; exit 1')
    done = make(checkout, "setup", PATH=f"{tools}:{os.environ['PATH']}")
    assert done.returncode != 0 and (checkout / "chosen").read_text() == "chosen\n"


@needs_make
def test_a_second_run_installs_nothing(checkout):
    """A virtual environment that is ready for this lock, in this folder, is left alone; another lock is installed."""
    calls = checkout / "calls"
    script(checkout / ".venv/bin/python", f'echo "$@" >> "{calls}"')
    script(checkout / ".venv/bin/plotly_get_chrome", "exit 0")
    (checkout / ".venv/.home").write_text(f"{checkout}\n")
    assert make(checkout, "setup").returncode == 0
    assert "--no-deps -r requirements.lock" in calls.read_text()
    calls.unlink()
    assert make(checkout, "setup").returncode == 0
    assert not calls.exists()
    with open(checkout / "requirements.lock", "a") as lock:
        lock.write("six==1.17.0\n")
    assert make(checkout, "setup").returncode == 0
    assert "--no-deps -r requirements.lock" in calls.read_text()


@needs_make
@pytest.mark.parametrize(("user", "wanted"), [("0", ["update", "chromium", "get_chrome"]), ("1000", ["get_chrome"])])
def test_a_browser_is_sought_in_order(checkout, user, wanted):
    """Debian's package for root, then the exporter's own; without either the set-up still ends well, and says so, once."""
    calls, tools = checkout / "calls", checkout / "tools"
    script(checkout / ".venv/bin/python", '[ "$1" != -c ]')
    script(checkout / ".venv/bin/plotly_get_chrome", f'echo get_chrome >> "{calls}"; exit 1')
    script(tools / "apt-get", f'echo "$@" >> "{calls}"')
    script(tools / "id", f"echo {user}")
    (checkout / ".venv/.home").write_text(f"{checkout}\n")
    done = make(checkout, "setup", PATH=f"{tools}:{os.environ['PATH']}")
    assert done.returncode == 0 and "No Chrome or Chromium" in done.stdout
    lines = calls.read_text().splitlines()
    assert len(lines) == len(wanted) and all(word in line for word, line in zip(wanted, lines))
    assert "No Chrome" not in make(checkout, "setup", PATH=f"{tools}:{os.environ['PATH']}").stdout


@needs_make
def test_an_installed_browser_is_enough(checkout):
    script(checkout / ".venv/bin/python", "exit 0")
    (checkout / ".venv/.home").write_text(f"{checkout}\n")
    done = make(checkout, "setup")
    assert done.returncode == 0 and "Chrom" not in done.stdout


def test_ci_runs_the_tests_from_anywhere(checkout, tmp_path):
    """In the checkout, whatever the folder it is called from; with the real data where a folder beside it has it."""
    said = tmp_path / "said"
    tools = script(tmp_path / "tools/make", f'echo "$@" "|$PWD|${{WORKBENCH_REAL_DATA:-none}}" > "{said}"').parent
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    env.pop("WORKBENCH_REAL_DATA", None)
    call = ["bash", str(checkout / ".ci/run")]
    subprocess.run(call, cwd="/", env=env, check=True, timeout=60)
    assert said.read_text() == f"test |{checkout}|none\n"
    (checkout.parent / "shared/data").mkdir(parents=True)
    subprocess.run(call, cwd="/", env=env, check=True, timeout=60)
    assert said.read_text() == f"test |{checkout}|{checkout.parent / 'shared/data'}\n"
