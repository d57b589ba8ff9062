"""The command line does what the functions do, says so to people and programs, and fails in one line."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from workbench.__main__ import main

GATE = {"hidden": [8], "steps": 40, "batch_size": 256}
COMMANDS = ("check", "extract", "score", "import", "export", "fit", "compare", "rewardbench", "map", "figures", "doctor")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    from planted import planted

    return planted(tmp_path_factory.mktemp("cli") / "study").study.folder


@pytest.fixture
def recipe(tmp_path):
    """Write a scenario; its path."""

    def write(name: str, **fields) -> str:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"name": name, "gate": GATE, "seeds": [0, 1], **fields}))
        return str(path)

    return write


def printed(capsys) -> dict:
    """What a command printed as JSON: strict, so NaN is an error."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(capsys.readouterr().out, parse_constant=refuse)


def numbers(rows: list[dict], table, *columns: str) -> bool:
    """Printed rows and a table hold the same numbers, nothing printed for NaN."""
    assert len(rows) == len(table)
    for column in columns:
        there = [math.nan if row[column] is None else row[column] for row in rows]
        np.testing.assert_allclose(there, table[column].to_numpy(float), rtol=1e-12)
    return True


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0 and "--json" in out and len(out) > 200


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(re.search(rf"\n    {command}\s", out) for command in COMMANDS)


def test_as_a_program():
    """In a process of its own: version on stdout; an error is one line on stderr, exit code 1."""
    run = [sys.executable, "-m", "workbench"]
    version = subprocess.run([*run, "--version"], capture_output=True, text=True, timeout=60)
    assert version.stdout.strip() == f"workbench {wb.__version__}" and version.returncode == 0
    failed = subprocess.run([*run, "fit", "nowhere"], capture_output=True, text=True, timeout=60)
    assert failed.returncode == 1 and failed.stdout == ""
    assert failed.stderr.count("\n") == 1 and "study.json" in failed.stderr and "Traceback" not in failed.stderr


def test_check(folder, tmp_path, capsys):
    assert main(["check", str(folder)]) == 0
    assert "no problems" in capsys.readouterr().out
    assert main(["check", str(folder), "--json"]) == 0
    assert printed(capsys)["problems"] == []
    assert main(["check", str(tmp_path / "nowhere")]) == 1
    assert "study.json" in capsys.readouterr().out


def test_fit_gives_the_numbers_of_run(folder, recipe, capsys):
    path = recipe("less", drop=["safety"], debias="n_words")
    assert main(["fit", str(folder), "--scenario", path, "--json"]) == 0
    said = printed(capsys)
    study = wb.Study.load(folder)
    result = wb.run(wb.Scenario.from_json(Path(path).read_text()), study)
    assert said["study"]["hash"] == study.hash and said["scenario"] == result.scenario.id and said["split"] == "dev"
    assert numbers(said["metrics"], result.metrics, "value", "low", "high", "n", "families")
    assert main(["fit", str(folder), "--scenario", path]) == 0
    out = capsys.readouterr().out
    assert result.scenario.id in out and "accuracy" in out


def test_fit_seeds(folder, recipe, capsys):
    path = recipe("one")
    assert main(["fit", str(folder), "--scenario", path, "--seeds", "1", "--json"]) == 0
    said = printed(capsys)
    assert said["seeds"] == [0] and said["recipe"]["name"] == "one"
    assert main(["fit", str(folder), "--scenario", path, "--seeds", "0"]) == 1
    assert "one seed or more" in capsys.readouterr().err


def test_fit_final_opens_the_test_split(folder, recipe, capsys):
    assert main(["fit", str(folder), "--scenario", recipe("last"), "--final", "--json"]) == 0
    said = printed(capsys)
    assert said["split"] == "test" and said["openings"] >= 1


def test_compare_gives_the_table_of_compare(folder, recipe, capsys):
    paths = recipe("before"), recipe("after", drop=["helpfulness"])
    assert main(["compare", str(folder), "--baseline", paths[0], "--candidate", paths[1], "--json"]) == 0
    said = printed(capsys)
    study = wb.Study.load(folder)
    both = [wb.run(wb.Scenario.from_json(Path(path).read_text()), study) for path in paths]
    table = wb.compare(*both)
    assert numbers(said["comparison"], table, "difference", "low", "high", "p", "p_holm", "n")
    assert [row["words"] for row in said["comparison"]] == list(table["words"])
    assert main(["compare", str(folder), "--baseline", paths[0], "--candidate", paths[0], "--json"]) == 0
    assert {row["difference"] for row in printed(capsys)["comparison"]} == {0}
    assert main(["compare", str(folder), "--baseline", paths[0], "--candidate", paths[1]]) == 0
    assert f"{both[1].scenario.id}" in capsys.readouterr().out


def test_map_is_made_stored_and_told(tmp_path, capsys):
    from planted import planted

    from workbench.projection import stored_map

    study = planted(tmp_path / "study", families=12, per_family=1).study
    assert main(["map", str(study.folder), "--seed", "3", "--json"]) == 0
    said = printed(capsys)
    assert said["settings"] == stored_map(study).settings and said["settings"]["seed"] == 3
    assert [row["name"] for row in said["clusters"]] == stored_map(study).clusters["name"].tolist()
    assert main(["map", str(study.folder)]) == 0
    out = capsys.readouterr().out
    assert "12 prompts by principal components" in out and "agreement not measured" in out and "safety" in out
    assert main(["map", str(study.folder), "--neighbours", "1"]) == 1
    assert "2 neighbours or more" in capsys.readouterr().err


def test_figures_without_a_browser(folder, recipe, tmp_path, capsys):
    arguments = ["--scenario", recipe("drawn", debias="n_words"), "--baseline", recipe("plain"), "--out", str(tmp_path / "out")]
    pair = wb.Study.load(folder).split_pairs("dev")["pair_id"].iloc[0]
    assert main(["figures", str(folder), *arguments, "--formats", "html", "--pair", pair, "--json"]) == 0
    said = printed(capsys)
    assert {"sections", "gate", "objectives", "verbosity", "comparison", "gate-prompt", "decomposition"} <= set(said["files"])
    assert all(Path(path).stat().st_size > 0 for paths in said["files"].values() for path in paths)
    assert {Path(path).suffix for paths in said["files"].values() for path in paths} == {".html", ".csv", ".json"}
    assert "no stored map" in said["left_out"]["prompt-map"]
    assert set(said["left_out"]) <= {"prompt-map", "strength", "doubt", "learning"}  # the last three are trained for, when asked for
    assert main(["figures", str(folder), *arguments, "--formats", "html"]) == 0
    assert "prompt-map: left out" in capsys.readouterr().out
    assert main(["figures", str(folder), *arguments, "--formats", "html", "--only", "sections, learning", "--json"]) == 0
    said = printed(capsys)
    assert list(said["files"]) == ["sections", "learning"] and said["left_out"] == {} and said["size_in"]["sections"][0] == 3.25
    assert main(["figures", str(folder), *arguments, "--formats", "html", "--only", "sectoins"]) == 1
    assert "unknown figure 'sectoins'" in capsys.readouterr().err


def test_extract(tmp_path, monkeypatch, capsys):
    from workbench import backbone

    class Letters(backbone.SentenceEncoder):
        """A vector of letter counts."""

        name, dim, max_tokens, fingerprint, normalise, cut = "letters", 26, 99, "abc", True, "right"

        def __init__(self):
            pass

        def encode(self, texts, **_):
            return np.array([[text.lower().count(chr(97 + i)) + 1 for i in range(26)] for text in texts], np.float32)

        def token_counts(self, texts):
            return np.array([len(text.split()) for text in texts])

    monkeypatch.setattr(backbone.SentenceEncoder, "load", lambda name, **_: Letters())
    rows = [{"question": f"What is {i} and {i}?", "chosen": f"It is {2 * i}.", "rejected": f"Perhaps {i}?"} for i in range(8)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    arguments = ["extract", str(tmp_path / "pairs.jsonl"), "--out", str(tmp_path / "study"), "--json"]
    assert main(arguments) == 1 and "rename" in capsys.readouterr().err
    assert main([*arguments, "--rename", "question=prompt"]) == 0
    said = printed(capsys)
    study = wb.Study.load(tmp_path / "study")
    assert said["study"]["hash"] == study.hash and said["counts"] == {"prompts": 8, "responses": 16, "pairs": 8}
    assert study.features(of="responses").response.shape == (16, 52)
    assert main([*arguments, "--rename", "question=prompt"]) == 1
    assert "never overwritten" in capsys.readouterr().err
    assert main([*arguments, "--rename", "question"]) == 1
    assert "OLD=NEW" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "words"), [
    ("{", ["bad.json", "not JSON"]), ('{"dropp": []}', ["bad.json", "'dropp'"]), ('{"drop": ["wit"]}', ["'wit'", "Known"]),
    ('{"debias": "wit"}', ["'wit'"]), (None, ["bad.json", "cannot read"]),
])
def test_a_bad_scenario_is_one_line(folder, tmp_path, capsys, text, words):
    path = tmp_path / "bad.json"
    if text is not None:
        path.write_text(text)
    assert main(["fit", str(folder), "--scenario", str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert all(word in said.err for word in words), said.err


@pytest.mark.parametrize("command", ["extract", "figures"])
def test_a_file_in_the_folders_place_is_left_alone(command, folder, tmp_path, capsys):
    kept = tmp_path / "notes.txt"
    kept.write_text("mine")
    assert main([command, str(folder), "--out", str(kept)]) == 1
    assert capsys.readouterr().err == f"workbench {command}: {kept}: a file is in the folder's place. Name another folder\n"
    assert kept.read_text() == "mine"
