"""What a result says adds up; what is kept on disk is trusted only whole; the test split is opened and counted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planted import NAMES, planted

from workbench.errors import WorkbenchError
from workbench.evaluate import accuracy
from workbench.scenario import cache, gates
from workbench.scenario import kept as results
from workbench.scenario.inputs import prepare
from workbench.scenario.preview import preview
from workbench.scenario.recipe import GateSpec
from workbench.scenario.run import run


@pytest.fixture(scope="module")
def debiased(wide, quick):
    return run(quick.child(debias="verbosity", name="debiased"), wide.study)


def test_contributions_add_up(debiased):
    np.testing.assert_allclose((debiased.weights * debiased.scores.margins).sum(axis=-1), debiased.margins, atol=1e-6)
    np.testing.assert_allclose(debiased.shares.sum(axis=1), 1)
    for pair in (0, 40):
        table = debiased.decompose(pair)
        assert table["contribution"].sum() == pytest.approx(debiased.margin[pair], abs=1e-6)
        assert tuple(table["objective"]) == debiased.names == NAMES


def test_the_scale_is_the_mean_row_sum(debiased, wide, quick):
    sums = [sum(map(float, row)) for seed in debiased.weights for row in seed]
    assert debiased.scale == pytest.approx(sum(sums) / len(sums)) and debiased.scale != pytest.approx(1, abs=0.05)
    assert replace(debiased, make={**debiased.make, "weights": lambda: 0 * debiased.weights}).scale == 1.0
    head = run(quick.child(gate=GateSpec(kind="bradley-terry", steps=5), name="head"), wide.study)
    assert replace(head, make={**head.make, "weights": lambda: 3 * head.weights}).scale == 1.0


def test_shapes_and_words(debiased, wide):
    pairs = wide.study.split_pairs("dev")
    assert debiased.margins.shape == (5, len(pairs)) and debiased.weights.shape == (5, len(pairs), 4)
    assert list(debiased.pairs["pair_id"]) == list(pairs["pair_id"])
    assert debiased.study_hash == wide.study.hash and debiased.retrained and debiased.split == "dev"
    assert debiased.penalty.shape == (4,) and debiased.null == ("verbosity",)
    assert any("null expert" in note for note in debiased.notes)
    assert any("negative penalty" in note for note in debiased.notes) == bool((debiased.penalty < 0).any())
    assert debiased.accuracy == accuracy(debiased.margins)
    table = debiased.metrics.set_index(["slice", "metric"])
    assert table.loc[("All pairs", "accuracy"), "value"] == pytest.approx(debiased.accuracy)
    assert set(debiased.metrics["metric"]) == {"accuracy", "log loss", "the longer wins"}


def test_certificates_flip_what_they_say(debiased):
    table = debiased.certificates()
    weights, raw = debiased.weights.mean(axis=0), debiased.raw
    verbosity = debiased.nuisance.margins[:, 0]
    for pair in np.flatnonzero(table["penalty"].notna())[:20]:
        shifted = raw.margins[pair] - table["penalty"][pair] * debiased.penalty * verbosity[pair]
        shifted[NAMES.index("verbosity")] = (1 - table["penalty"][pair]) * raw.margins[pair, NAMES.index("verbosity")]
        assert weights[pair] @ shifted == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(table["margin"], debiased.margin)
    np.testing.assert_allclose(table["spread"], debiased.margins.std(axis=0, ddof=1))
    assert table["mass"].dropna().between(0, 1).all()


def test_verbosity_table(debiased):
    table = debiased.verbosity(draws=50)
    pooled = table[table["view"] == "pooled"].pivot(index="objective", columns="when", values="rho")
    assert (pooled.drop("verbosity")["after"].abs() < 0.2).all() and np.isnan(pooled.loc["verbosity", "after"])


def test_equivalence_of_a_debias(debiased, wide, quick):
    table = debiased.equivalence(draws=60).set_index("objective")
    np.testing.assert_allclose(table["penalty"].dropna(), np.delete(debiased.penalty, NAMES.index("verbosity")))
    assert table.loc["verbosity", "words"] == "the nuisance itself" and not table.loc["verbosity", "equivalent"]
    assert (table.drop("verbosity")["low"] < table.drop("verbosity")["high"]).all()
    with pytest.raises(WorkbenchError, match="one nuisance"):
        run(quick, wide.study).equivalence()
    for other in ({"debias_method": "grid"}, {"nonnegative": True}):  # it fits the exact root again, so it cannot speak for these
        with pytest.raises(WorkbenchError, match="exact debias"):
            preview(debiased, debiased.scenario.child(**other), wide.study).equivalence(draws=20)


def test_a_kept_result_is_the_same(debiased, wide, quick, monkeypatch):
    monkeypatch.setattr(gates, "train", lambda *a, **k: pytest.fail("trained again"))
    again = run(quick.child(debias="verbosity", name="another name"), wide.study)
    assert again.scenario.name == "another name" and again.names == debiased.names and again.seeds == debiased.seeds
    for part in ("margins", "weights", "shares", "penalty"):
        np.testing.assert_array_equal(getattr(again, part), getattr(debiased, part))
    np.testing.assert_array_equal(again.scores.values, debiased.scores.values)
    pd.testing.assert_frame_equal(again.metrics, debiased.metrics)
    prompt = prepare(wide.study).split("dev").prompt
    for mine, theirs in zip(again.gates, debiased.gates):
        np.testing.assert_array_equal(mine.weights(prompt), theirs.weights(prompt))


@pytest.mark.parametrize("kind", ["global", "uniform", "bradley-terry"])
def test_every_kind_is_kept(wide, quick, kind, monkeypatch):
    scenario = quick.child(gate={"kind": kind, "steps": 30}, seeds=(0, 1))
    first = run(scenario, wide.study)
    monkeypatch.setattr(gates, "train", lambda *a, **k: pytest.fail("trained again"))
    again = run(scenario, wide.study)
    np.testing.assert_array_equal(first.margins, again.margins)
    np.testing.assert_array_equal(first.scores.values, again.scores.values)
    np.testing.assert_array_equal(first.tested().margins, again.tested().margins)


DAMAGE = {
    "truncated arrays": lambda folder: cut(folder / "arrays.safetensors"),
    "truncated table": lambda folder: cut(folder / "metrics.parquet"),
    "truncated description": lambda folder: cut(folder / "index.json"),
    "missing arrays": lambda folder: (folder / "arrays.safetensors").unlink(),
    "missing description": lambda folder: (folder / "index.json").unlink(),
    "one bit": lambda folder: flip(folder / "arrays.safetensors"),
    "an edited seed": lambda folder: edit(folder / "index.json", seeds=[0, 1, 2, 3, 9]),
    "a list": lambda folder: (folder / "index.json").write_text("[]"),
}


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def flip(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_result_is_computed_again(wide, quick, debiased, damage):
    folder = results.folder_of(debiased.scenario, wide.study)
    assert folder.is_dir()
    DAMAGE[damage](folder)
    with pytest.warns(UserWarning, match="cache not used"):
        again = run(quick.child(debias="verbosity"), wide.study)
    np.testing.assert_array_equal(again.margins, debiased.margins)
    assert cache.read_folder(folder)[0]["seeds"] == [0, 1, 2, 3, 4]  # and it is whole again


def test_key_is_scenario_study_and_code(wide, planted_study, debiased, monkeypatch):
    key = results.folder_of(debiased.scenario, wide.study).name
    assert key == f"{debiased.scenario.id}-{wide.study.hash}-{cache.code_hash()}"
    assert results.folder_of(debiased.scenario, planted_study.study).name != key
    monkeypatch.setattr(cache, "code_hash", lambda: "0" * 12)
    assert results.folder_of(debiased.scenario, wide.study).name != key


def test_code_hash_follows_the_computing_source(tmp_path, monkeypatch):
    copy = tmp_path / "workbench"
    shutil.copytree(cache.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "panels", "figures", "_demo"))
    monkeypatch.setattr(cache, "PACKAGE", copy)
    first = cache.code_hash.__wrapped__()
    (copy / "session.py").write_text("# a view's business\n")
    assert cache.code_hash.__wrapped__() == first
    (copy / "objectives" / "debias.py").write_text("# another method\n")
    assert cache.code_hash.__wrapped__() != first


def test_nothing_half_written_is_left(wide, debiased):
    assert not list((wide.study.folder / "runs").glob("*.part"))


def test_a_folder_that_cannot_be_written_loses_no_result(tmp_path, quick, monkeypatch):
    study = planted(tmp_path / "s", families=20, per_family=1).study
    monkeypatch.setattr(cache, "write_folder", lambda *a: (_ for _ in ()).throw(OSError("disk is full")))
    with pytest.warns(UserWarning, match="not kept on disk: disk is full"):
        assert run(quick.child(seeds=(0,)), study).stopped == "finished"


def test_no_cache_leaves_no_trace(tmp_path, quick):
    study = planted(tmp_path / "s", families=20, per_family=1).study
    run(quick.child(seeds=(0,)), study, cache=False)
    assert not (study.folder / "runs").exists()


def test_final_opens_test_and_counts(tmp_path, quick):
    study = planted(tmp_path / "s", families=40, per_family=1).study
    result = run(quick.child(seeds=(0, 1)), study)
    assert not (study.folder / "runs" / "openings.json").exists()
    table = result.final()
    assert table.attrs["openings"] == 1
    test = result.tested()
    assert test.split == "test" and test.openings == 2 and set(test.pairs["split"]) == {"test"}
    np.testing.assert_allclose((test.weights * test.scores.margins).sum(axis=-1), test.margins, atol=1e-6)
    assert table.set_index(["slice", "metric"]).loc[("All pairs", "accuracy"), "n"] == len(study.split_pairs("test"))
    kept = json.loads((study.folder / "runs" / "openings.json").read_text())
    assert kept == {"count": 2, "openings": [result.scenario.id] * 2}
    (study.folder / "runs" / "openings.json").write_text("{")
    with pytest.raises(WorkbenchError, match="count of openings is damaged"):
        result.final()


def test_a_preview_opens_nothing(wide, quick, debiased):
    with pytest.raises(WorkbenchError, match="retrained"):
        preview(debiased, quick, wide.study).tested()


@pytest.mark.parametrize("edits", [{}, {"debias": "verbosity"}, {"debias": ("verbosity", "safety"), "drop": ("safety",)},
                                   {"debias": "verbosity", "multiply": {"safety": 0.5}, "drop": ("verbosity",)}], ids=str)
def test_reward_model_gives_the_same_margins(wide, quick, edits):
    result = run(quick.child(seeds=(4, 2), **edits), wide.study)
    for place, seed in enumerate((4, 2)):
        rewards = result.reward_model(seed)(wide.study.features("dev"))
        np.testing.assert_allclose(rewards[:, 0] - rewards[:, 1], result.margins[place], atol=1e-5)
    with pytest.raises(WorkbenchError, match="no gate of seed 3.*4, 2"):
        result.reward_model(3)


def test_a_measured_column_cannot_be_folded_in(wide, quick):
    for edits in ({"debias": "n_words"}, {"swap": {"verbosity": "n_words"}}):
        with pytest.raises(WorkbenchError, match="measured column cannot be folded"):
            run(quick.child(seeds=(0,), **edits), wide.study).reward_model()
    with pytest.raises(WorkbenchError, match="no probes and gate"):
        run(quick.child(seeds=(0,), gate=GateSpec(kind="bradley-terry", steps=30)), wide.study).reward_model()


def test_a_device_asked_for_is_not_served_another_ones_result(wide, quick, monkeypatch):
    run(quick, wide.study)
    trained = []
    train = gates.train
    monkeypatch.setattr(gates, "train", lambda *a, **k: trained.append(k["device"]) or train(*a, **k))
    run(quick, wide.study)
    assert trained == []
    run(quick, wide.study, device="cpu")
    assert set(trained) == {"cpu"}


def test_what_no_run_imports_is_no_part_of_its_key():
    script = """import sys, workbench.scenario.run
from workbench.scenario.cache import IDLE, PACKAGE
assert all((PACKAGE / name).is_file() for name in IDLE), IDLE
loaded = [name for name in IDLE if "workbench." + name[:-3].replace("/", ".") in sys.modules]
sys.exit(", ".join(loaded) or 0)"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
