"""The commands about models: caches in, data sets and checkpoints out, benchmark scores; each as its function has it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny
import torch
from armorm.published import published
from test_caches import DIM, NAMES, stage1, stage2
from test_cli import printed

import workbench as wb
from workbench import evaluate
from workbench.__main__ import main


def test_import_with_a_model_says_what_its_gate_is(tmp_path, capsys):
    one, two = stage1(tmp_path / "one"), stage2(tmp_path / "two")
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(len(NAMES), DIM, generator=generator)
    torch.save({"weight": weight}, tmp_path / "regression.pt")
    layers = {"layers.0.weight": torch.randn(4, DIM, generator=generator) / 9, "layers.0.bias": torch.zeros(4),
              "layers.1.weight": torch.randn(3, 4, generator=generator) / 9, "layers.1.bias": torch.zeros(3)}
    torch.save({"logit_scale": torch.ones(1), **layers}, tmp_path / "gate.pt")
    call = ["import", "--stage1", str(one), "--stage2", str(two), "--objectives", *NAMES, "--json"]
    assert main([*call, "--gate", str(tmp_path / "gate.pt"), "--out", str(tmp_path / "none")]) == 1
    assert "--gate without --regression" in capsys.readouterr().err and not (tmp_path / "none").exists()
    trained = ["--regression", str(tmp_path / "regression.pt"), "--gate", str(tmp_path / "gate.pt")]
    assert main([*call, *trained, "--out", str(tmp_path / "study")]) == 0
    said, study = printed(capsys), wb.Study.load(tmp_path / "study")
    assert said["study"]["hash"] == study.hash and said["counts"]["pairs"] == 40 and said["gate"]["wrong_axis"] is True
    assert study.has_model and study.objectives == NAMES
    features = study.features("dev")
    margins = wb.run(wb.published(study), study, cache=False).margins[0]
    scores = features.response.astype(np.float64) @ weight.numpy().T.astype(np.float64)
    wanted = [w @ (s[0] - s[1]) for w, s in zip(study_weights(study, features), scores)]
    np.testing.assert_allclose(margins, wanted, atol=1e-6)
    assert main([*call, "--regression", str(tmp_path / "regression.pt"), "--out", str(tmp_path / "even")]) == 0
    capsys.readouterr()
    even = wb.Study.load(tmp_path / "even")
    np.testing.assert_allclose(wb.run(wb.published(even), even, cache=False).weights, 1 / 3)


def study_weights(study, features):
    from workbench.scenario.given import model_of

    return model_of(study).weights(features)


def test_a_study_as_a_data_set_and_back(tmp_path, capsys):
    from extract.talks import talks

    study = wb.Study.write(talks(tmp_path), tmp_path / "study")
    assert main(["export", str(study.folder), "--out", str(tmp_path / "set"), "--json"]) == 0
    said = printed(capsys)
    assert "README.md" in said["files"] and any(name.startswith("data/train-") for name in said["files"])
    again = wb.readers.read(tmp_path / "set")
    assert sorted(again.pairs["pair_id"]) == sorted(study.pairs["pair_id"]) and set(again.prompts["text"]) == set(study.prompts["text"])
    assert main(["export", str(study.folder), "--out", str(tmp_path / "set")]) == 1
    assert "Nothing is overwritten" in capsys.readouterr().err


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return published(tmp_path_factory.mktemp("published") / "armorm")


def rewardbench_rows(count: int = 8) -> list[dict]:
    subsets = ("alpacaeval-easy", "llmbar-natural", "donotanswer")
    return [{"id": at, "subset": subsets[at % 3], "prompt": f"Question {at}?", "rejected": f"No {at}.",
             "chosen": f"A full answer to {at}, with reasons. " * (1 + at % 3)} for at in range(3 * count)]


def test_rewardbench_is_scored_by_its_sections(tmp_path, checkpoint, capsys):
    (tmp_path / "bench.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rewardbench_rows()))
    assert main(["extract", str(tmp_path / "bench.jsonl"), "--backbone", str(checkpoint), "--out", str(tmp_path / "s")]) == 0
    capsys.readouterr()
    assert main(["rewardbench", str(tmp_path / "s"), "--json"]) == 0
    said, study = printed(capsys), wb.Study.load(tmp_path / "s")
    assert said["benchmark"] == "RewardBench" and any(row["series"] == "ArmoRM" or "ArmoRM" in row["series"] for row in said["published"])
    rows = {(row["series"], row["slice"]): row for row in said["table"]}
    model = wb.run(wb.published(study), study).reward_model()
    rewards, pairs = model(study.features()), study.split_pairs()
    wanted = evaluate.rewardbench_table(rewards[:, 0] - rewards[:, 1], pairs, lengths=study.column_scores(["n_words"]).values[..., 0])
    assert len(wanted) == len(said["table"]) and len(pairs) == 24
    assert any(series == "the longer wins" for series, _ in rows), "length alone stands beside"
    assert "lacks" in next(row["words"] for row in said["table"] if row["slice"] == "Chat Hard")
    assert main(["rewardbench", str(tmp_path / "s")]) == 0
    assert "24 pairs of all splits" in capsys.readouterr().out


def test_pairs_of_no_benchmark_are_refused(tmp_path, checkpoint, capsys):
    from extract.talks import written

    assert main(["extract", str(written(tmp_path, 12)), "--backbone", str(checkpoint), "--out", str(tmp_path / "s")]) == 0
    assert main(["rewardbench", str(tmp_path / "s")]) == 1
    assert "no pairs of a benchmark" in capsys.readouterr().err


def test_a_backbone_that_takes_no_such_option(tmp_path, capsys):
    from extract.talks import written

    path, out = str(written(tmp_path)), str(tmp_path / "s")
    assert main(["extract", path, "--out", out, "--overlong", "cut"]) == 1
    assert "all-MiniLM-L6-v2 is a sentence encoder: it takes no overlong" in capsys.readouterr().err
    assert main(["extract", path, "--out", out, "--workers", "2"]) == 1
    assert "--workers without --engine ray" in capsys.readouterr().err
    assert main(["extract", path, "--out", out, "--backbone", str(tiny.saved(tmp_path / "m", "llama")), "--gating-pattern", "1,2,3"]) == 1
    assert "gating pattern [1, 2, 3] does not occur" in capsys.readouterr().err
    assert main(["extract", path, "--out", out, "--backbone", str(tmp_path / "m"), "--chat-template", str(tmp_path / "none")]) == 1
    assert "cannot read the chat template" in capsys.readouterr().err and not (tmp_path / "s" / "study.json").exists()
