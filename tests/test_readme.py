"""What the README says is so: its example runs, its links lead somewhere, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workbench import figures
from workbench.__main__ import parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#\s]+)\)|<img[^>]+src=\"([^\"]+)\"", README)
    local = [target for pair in targets for target in pair if target and "://" not in target]
    assert [target for target in local if not (ROOT / target).exists()] == []
    named = re.findall(r"`((?:workbench|tests|data|notebooks)/[\w./]*|[\w.]+\.(?:lock|cff|yml))`", README)
    assert len(named) > 3 and [name for name in named if not (ROOT / name).exists()] == []


def test_commands_exist():
    commands = parser()._subparsers._group_actions[0].choices
    table = re.findall(r"^\| `workbench (\w+)", README, re.MULTILINE)
    assert sorted(table) == sorted(commands)
    for line in re.findall(r"^\| `workbench (.+?)` \|", README, re.MULTILINE):
        words = [re.sub(r"…|INPUT", "input", word) for word in line.split()]
        assert parser().parse_args(words).command == words[0]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake (lab|test|setup|bench|doctor|\w+_\w+)\b", README)) <= targets


def test_example_runs(tmp_path, monkeypatch, capsys):
    if figures.browser() is None:
        pytest.skip("no Chrome or Chromium: the README's figure is not exported")
    monkeypatch.chdir(tmp_path)
    example, laboratory = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
    quick = example.replace('debias="verbosity")', 'debias="verbosity", seeds=(0, 1))')
    assert quick != example
    exec(compile(quick, "README.md", "exec"), names := {})
    exec(compile(laboratory.replace("seeds=5", "seeds=2"), "README.md", "exec"), names)
    out = capsys.readouterr().out
    assert "All pairs" in out and "accuracy" in out and "difference" in out and "oracle" in out and "against the label" in out
    assert {path.suffix for path in tmp_path.glob("by-words.*")} == {".pdf", ".svg", ".png", ".csv", ".json", ".tex"}
