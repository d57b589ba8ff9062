"""Every benchmark runs, at a size that says nothing about speed; and the parts that they share measure what they say."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "benchmarks"
sys.path.insert(0, str(FOLDER))

import bench  # noqa: E402
import speed_page  # noqa: E402

SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if "\nif __name__" in path.read_text(encoding="utf-8"))
NOT_TIMED = {"speed_page", "real_data", "treatments"}  # these write another table
IN_A_BROWSER = {"cold_workbench", "retrain_click"}
ASKED = {**dict.fromkeys(("gate_gpu", "probes_gpu", "extraction_gpu"), ("--device", "cpu")),
         "default_retrain": ("--threads", "1", "--study", "{study}")}


@pytest.fixture
def small(monkeypatch):
    """A machine whose rates need not be measured; torch as it was afterwards."""
    import torch

    monkeypatch.setattr(bench, "peak", lambda call, *args, **kwargs: 2**20)
    monkeypatch.setattr(bench, "rate", lambda *args, **kwargs: 1e11)
    monkeypatch.setattr(bench, "bandwidth", lambda *args, **kwargs: 1e10)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def run(name: str, monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
    importlib.import_module(name).main()


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in NOT_TIMED | IN_A_BROWSER])
def test_each_runs_and_prints_its_table(name, small, monkeypatch, capsys, tmp_path, planted_study):
    asked = [one.format(study=planted_study.study.folder) for one in ASKED.get(name, ())]
    run(name, monkeypatch, "--tiny", "--json", str(tmp_path / "found.json"), *asked)
    said, found = capsys.readouterr().out, json.loads((tmp_path / "found.json").read_text())
    assert found["machine"] in said and found["size"] == "tiny" and found["rows"]
    for row in found["rows"]:
        assert row["work"] in said and (row["ours"] or row["agreement"] or row["missing"] or row["note"])
        assert row["met"] is None, "a tiny size says nothing about a target"


@pytest.mark.parametrize("name", sorted(IN_A_BROWSER))
def test_those_in_a_browser_say_that_there_is_none(name, monkeypatch, capsys):
    pytest.importorskip("playwright")
    monkeypatch.setattr("workbench.figures.browser", lambda: None)
    run(name, monkeypatch, "--tiny")
    assert "not measured: there is no Chrome or Chromium here" in capsys.readouterr().out


def test_a_click_on_retrain_is_timed_in_jupyterlab(tmp_path, planted_study):
    """In a process of its own: playwright refuses a second loop beside the one of the browser tests."""
    pytest.importorskip("playwright", reason="browser tests need playwright: `make setup` installs it")
    from workbench import figures

    if figures.browser() is None:
        pytest.skip("browser tests need Chrome or Chromium: `apt-get install chromium`, or set BROWSER_PATH")
    given = ["--tiny", "--threads", "1", "--study", str(planted_study.study.folder), "--json", str(tmp_path / "found.json")]
    done = subprocess.run([sys.executable, str(FOLDER / "retrain_click.py"), *given], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    row = json.loads((tmp_path / "found.json").read_text())["rows"][0]
    assert 0 < row["ours"]["wall"] < 60 and row["ours"]["cpu"] is None and row["agreement"] == "2 runs were trained by 2 clicks"


def test_a_study_of_real_data_has_its_table(monkeypatch, capsys, tmp_path, planted_study):
    run("real_data", monkeypatch, str(planted_study.study.folder), "--tiny", "--json", str(tmp_path / "found.json"))
    assert "the longer wins" in capsys.readouterr().out and json.loads((tmp_path / "found.json").read_text())["rows"]


def test_treatments_have_their_table(monkeypatch, capsys, tmp_path, planted_study):
    run("treatments", monkeypatch, str(planted_study.study.folder), "--tiny", "--json", str(tmp_path / "found.json"))
    said, found = capsys.readouterr().out, json.loads((tmp_path / "found.json").read_text())
    assert "AUROC of corrupted labels" in said and {row["treatment"] for row in found["treatments"]} > {"none", "drop 10 %"}
    assert {row["band"] for row in found["bands"]} == set(range(1, 11)) and found["seeds"] == 2


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def filled(size: int) -> None:
    np.ones(size, np.uint8).sum()


def test_calls_take_turns_and_the_median_counts():
    order, lengths = [], iter((0.0, 0.001, 0.02, 0.003))
    found = bench.alternate({"a": lambda: order.append("a") or busy(next(lengths)), "b": lambda: order.append("b") or 7}, 3, warm=True)
    assert order == ["a", "b"] * 4 and found["b"].value == 7
    assert 0.003 <= found["a"].cpu < 0.02 and found["a"].wall >= found["a"].cpu * 0.9


def test_peak_memory_is_that_of_a_fresh_process():
    held = np.ones(200 * 2**20, np.uint8)
    assert bench.peak(filled, 10) < 180 * 2**20 <= held.nbytes
    assert bench.peak(filled, 250 * 2**20) > 250 * 2**20
    with pytest.raises(RuntimeError, match="ValueError"):
        bench.peak(filled, -1)


def test_rates_and_exponents():
    assert 1e8 < bench.rate("float32", 256, 256, 256) < 1e14 and 1e8 < bench.bandwidth(2**22) < 1e13
    assert bench.exponent((1, 4, 16), (3.0, 12.0, 48.0)) == pytest.approx(1) and bench.exponent((2, 4), (1.0, 4.0)) == pytest.approx(2)


def row(**given) -> bench.Row:
    return bench.Row("ridge, small", bench.Timing(8.0, 4.0), bench.Timing(2.0, 2.0), must="≥ 8×", met=False, **given)


def test_a_row_says_its_ratio_its_floor_and_its_verdict():
    said = bench.block(row(floor=1.0, floor_of="products", agreement="1e-7", peak=2**30))
    assert "must: ≥ 8× (SHORT OF IT)" in said and "4.00×" in said and "2.00×" in said
    assert "ours is 2.00× that" in said and "1.00 GiB" in said
    assert "not measured: no GPU" in bench.block(bench.Row("gate", missing="no GPU"))


def test_the_page_says_what_ran_and_what_did_not(tmp_path, monkeypatch):
    (tmp_path / "other.json").write_text('{"rows": [{"method": "no row of bench"}]}')
    monkeypatch.setattr(sys, "argv", ["probes.py"])
    bench.report([row(floor=1.0)], bench.parser("").parse_args(["--full", "--json", str(tmp_path / "probes.json")]))
    text = speed_page.page(speed_page.read(tmp_path))
    assert "| ridge, small | ≥ 8×; **short** | 8 s / 4 s | 2 s / 2 s | **4.0×** / 2.0× | 2.0× |" in text.partition("## Short")[0]
    assert "≥ 8× is not reached" in text and "no row of bench" not in text
    assert text.count("not measured yet") == len(speed_page.WORK) - 1


def test_the_shipped_page_is_made_from_the_shipped_runs():
    folder = FOLDER.parents[1] / "docs"
    if not (folder / "speed").is_dir():
        pytest.skip("nothing has been measured yet: make bench-full")
    assert (folder / "speed.md").read_text(encoding="utf-8") == speed_page.page(speed_page.read(folder / "speed"))
    assert "no reason is known" not in (folder / "speed.md").read_text(encoding="utf-8")
