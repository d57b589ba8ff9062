"""Every notebook runs from top to bottom, and is committed without output."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CELL_SECONDS, NOTEBOOK_SECONDS = 300, 600  # on two cores that other tests use too


def test_the_tour_is_there():
    assert FOLDER / "00_tour.ipynb" in NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_committed_without_output(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    ran = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]
    assert not ran, f"clear the output of cells {ran}"
    assert notebook.metadata.kernelspec.name == "python3", "JupyterLab would ask which kernel"
    assert "widgets" not in notebook.metadata, "clear the saved widget state"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_runs(path, monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))  # nobody's start-up files
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, startup_timeout=60, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}},
    )

    def execute():
        asyncio.run(asyncio.wait_for(client.async_execute(), NOTEBOOK_SECONDS))

    with ThreadPoolExecutor(1) as aside:  # this thread may have an event loop already, a browser's
        aside.submit(execute).result()
    assert any(cell.cell_type == "code" and cell.outputs for cell in notebook.cells)
