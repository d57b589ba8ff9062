"""What this machine can do, and the one command that mends each "no"."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import budget
from .errors import WorkbenchError

PYTHONS = (3, 11), (3, 13)
REAL_DATA = "WORKBENCH_REAL_DATA"
REAL_FILES = ("ratings.jsonl.gz", "pairs_train.jsonl.gz", "pairs_eval_open.jsonl.gz")
PIP = f"{sys.executable} -m pip install"


@dataclass(frozen=True)
class Finding:
    """One thing the workbench may use: is it there, what it is, what it is for, and the command that brings it."""

    name: str
    ok: bool
    what: str
    use: str = ""
    mend: str = ""
    needed: bool = False

    def __str__(self) -> str:
        use = f" ({self.use})" if self.use and not self.ok else ""
        line = f"{'yes' if self.ok else 'no ':3}  {self.name:14}  {self.what}{use}"
        return line if self.ok else f"{line}\n{'':21}mend: {self.mend}"

    def to_dict(self) -> dict:
        """As JSON has it."""
        return asdict(self)


def examine() -> list[Finding]:
    """Every finding, the needed ones first; never raises."""
    return [look() for look in LOOKS]


def _python() -> Finding:
    low, high = PYTHONS
    now = sys.version_info[:2]
    return Finding(
        "Python", low <= now <= high, f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "3.11 to 3.13", "make clean setup PYTHON=python3.11", needed=True,
    )


def _demo() -> Finding:
    from .shipped import demo

    try:
        study = demo()
    except WorkbenchError as error:
        return Finding("shipped study", False, error.what, "wb.demo()", f"{sys.executable} data/build_demo.py", needed=True)
    return Finding("shipped study", True, f"{study.name} {study.hash}", needed=True)


def _memory() -> Finding:
    try:
        whole, free = budget.limit(), budget.free()
    except WorkbenchError as error:
        return Finding("memory", False, error.what, "studies larger than memory", f"export {budget.VARIABLE}=6GiB")
    by = budget.VARIABLE if os.environ.get(budget.VARIABLE) else f"half of what was free; {budget.VARIABLE} sets it"
    return Finding("memory", True, f"budget {budget.words(whole)} ({by}), {budget.words(free)} free")


def _gpu() -> Finding:
    mend = f"{PIP} --force-reinstall torch=={_version('torch').split('+')[0]}"
    try:
        import torch
    except ImportError as error:
        return Finding("torch", False, f"not importable: {error}", "all training", f"{PIP} torch", needed=True)
    if torch.cuda.is_available():
        return Finding("GPU", True, f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}")
    return Finding("GPU", False, f"none that torch {torch.__version__} can use", "nothing here needs one; this is for an NVIDIA card", mend)


def _browser() -> Finding:
    from . import figures

    path = figures.browser()
    if path:
        return Finding("browser", True, str(path))
    debian = sys.platform == "linux" and Path("/usr/bin/apt-get").exists()
    mend = "apt-get install chromium" if debian else f"{Path(sys.executable).with_name('plotly_get_chrome')} -y"
    return Finding("browser", False, "no Chrome or Chromium found", "figures as PDF, SVG and PNG; browser tests", mend)


def _encoder() -> Finding:
    from .backbone import PACKAGES, model_folder

    name, (_, wheel) = next(iter(PACKAGES.items()))
    try:
        folder = model_folder(name)
    except WorkbenchError:
        folder = None
    missing = [wheel] * (folder is None) + ["transformers"] * (importlib.util.find_spec("transformers") is None)
    if missing:
        what = f"{name}: {', '.join(missing)} not installed"
        return Finding("encoder", False, what, "features of your own text", f"{PIP} {' '.join(missing)}")
    return Finding("encoder", True, f"{name}, transformers {_version('transformers')}")


def _real_data() -> Finding:
    folder = os.environ.get(REAL_DATA)
    mend = f"export {REAL_DATA}=/path/to/the/folder"
    if not folder:
        return Finding("real data", False, f"{REAL_DATA} is not set", "real-data tests and benchmarks", mend)
    missing = [name for name in REAL_FILES if not (Path(folder) / name).is_file()]
    if missing:
        return Finding("real data", False, f"{folder} lacks {', '.join(missing)}", "real-data tests and benchmarks", mend)
    return Finding("real data", True, folder)


def _package(label: str, module: str, package: str, use: str) -> Callable[[], Finding]:
    def look() -> Finding:
        if importlib.util.find_spec(module) is None:
            return Finding(label, False, f"{package} is not installed", use, f"{PIP} {package}")
        return Finding(label, True, f"{package} {_version(package)}")

    return look


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


LOOKS = (
    _python, _demo, _memory, _gpu, _browser, _encoder, _real_data,
    _package("laboratory", "jupyterlab", "jupyterlab", "make lab"),
    _package("dashboard", "voila", "voila", "panels without code"),
    _package("prompt map", "umap", "umap-learn", "new 2-D maps; the shipped study's is stored"),
)
