"""doctor: every look finds something or names the command that mends it."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from workbench import doctor, figures
from workbench.__main__ import main
from workbench.errors import WorkbenchError


def found(name: str) -> doctor.Finding:
    return next(finding for finding in doctor.examine() if finding.name == name)


def test_every_no_has_its_command():
    findings = doctor.examine()
    assert {"Python", "shipped study", "browser", "encoder", "real data", "laboratory", "prompt map"} <= {f.name for f in findings}
    assert [f for f in findings if not f.ok and not f.mend] == []
    assert found("Python").ok and found("shipped study").ok


def test_an_old_python_is_a_no(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    finding = found("Python")
    assert not finding.ok and finding.needed and "PYTHON=" in finding.mend


def test_no_browser(monkeypatch):
    monkeypatch.setattr(figures, "browser", lambda: None)
    finding = found("browser")
    assert not finding.ok and ("chromium" in finding.mend or "get_chrome" in finding.mend)
    monkeypatch.setattr(figures, "browser", lambda: "somewhere/chromium")
    assert found("browser").ok and "chromium" in found("browser").what


def test_real_data_names_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.delenv(doctor.REAL_DATA, raising=False)
    assert "export WORKBENCH_REAL_DATA=" in found("real data").mend
    monkeypatch.setenv(doctor.REAL_DATA, str(tmp_path))
    assert "ratings.jsonl.gz" in found("real data").what
    for name in doctor.REAL_FILES:
        (tmp_path / name).touch()
    assert found("real data").ok


@pytest.mark.parametrize(("name", "module", "package"), [
    ("laboratory", "jupyterlab", "jupyterlab"), ("prompt map", "umap", "umap-learn"), ("encoder", "transformers", "transformers"),
])
def test_a_missing_package(monkeypatch, name, module, package):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted, *rest: None if wanted == module else real(wanted, *rest))
    finding = found(name)
    assert not finding.ok and not finding.needed
    assert finding.mend.startswith(f"{sys.executable} -m pip install") and package in finding.mend


def test_no_study_is_a_failure(monkeypatch, capsys):
    def broken():
        raise WorkbenchError("the shipped study is not here")

    monkeypatch.setattr("workbench.shipped.demo", broken)
    assert main(["doctor"]) == 1
    assert "no   shipped study" in capsys.readouterr().out


def test_said_for_people_and_programs(capsys):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("yes  ", "no   ", " " * 21 + "mend: ")) for line in lines)
    assert main(["doctor", "--json"]) == 0
    assert {f["name"] for f in json.loads(capsys.readouterr().out)["findings"]} == {f.name for f in doctor.examine()}
