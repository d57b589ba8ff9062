"""The study that comes with the workbench."""

from __future__ import annotations

from pathlib import Path

from .errors import WorkbenchError
from .study import Study


def demo() -> Study:
    """Open the shipped planted study, from a checkout or from an installed package."""
    here = Path(__file__).parent
    for folder in (here.parent / "data" / "demo", here / "_demo"):
        if (folder / "study.json").is_file():
            return Study.load(folder)
    remedy = "Install the workbench again, or run `python data/build_demo.py`"
    raise WorkbenchError("the shipped study is not here", where=str(here), remedy=remedy)
