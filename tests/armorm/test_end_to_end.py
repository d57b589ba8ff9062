"""From files of conversations to a study, a trained gate, a checkpoint, and that checkpoint's own study: by commands alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny
from extract.talks import SUBJECTS

import workbench as wb
from workbench.__main__ import main
from workbench.readers.messages import messages_of

RECIPE = {"name": "short", "debias": "long", "gate": {"hidden": [8], "steps": 30, "temperature": 2.0}, "seeds": [0, 1]}


def files(folder) -> tuple[str, str]:
    """Pairs, and ratings of other prompts: by length, and by a word."""
    pairs, rated = [], []
    for at in range(36):
        subject = f"{SUBJECTS[at % 8]} number {at}"
        said = [{"role": "user", "content": f"Tell me of {subject}."}]
        said = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day."}, *said] if at % 3 == 1 else said
        answers = [f"{subject} is old. " * (1 + at % 3), f"Ask another of {subject}."]
        if at % 2:
            better = at % 4 // 2
            chosen, rejected = ([{"role": "assistant", "content": answers[which]}] for which in (better, 1 - better))
            pairs.append({"prompt": said, "chosen": chosen, "rejected": rejected, "section": "even" if better else "odd"})
        else:
            rated += [{"prompt": said, "response": one, "ratings": {"long": len(one.split()) / 40, "plain": float("Ask" not in one)}}
                      for one in answers]
    for name, rows in (("pairs", pairs), ("rated", rated)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / "pairs.jsonl"), str(folder / "rated.jsonl")


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "qwen2"])
def test_files_to_a_checkpoint_and_back(tmp_path, architecture, capsys):
    base, (pairs, rated), recipe = tiny.saved(tmp_path / "base", architecture), files(tmp_path), str(tmp_path / "short.json")
    (tmp_path / "short.json").write_text(json.dumps(RECIPE))
    study_folder, checkpoint, again = (str(tmp_path / name) for name in ("study", "checkpoint", "again"))
    assert main(["extract", pairs, rated, "--backbone", str(base), "--stored", "F32", "--out", study_folder]) == 0
    assert main(["check", study_folder]) == 0
    assert main(["fit", study_folder, "--scenario", recipe]) == 0
    assert main(["export", study_folder, "--scenario", recipe, "--seed", "1", "--base", str(base), "--out", checkpoint]) == 0
    capsys.readouterr()

    study = wb.Study.load(study_folder)
    result = wb.run(wb.Scenario(**RECIPE), study)
    model = wb.ArmoRM.from_pretrained(checkpoint)
    assert model.names == study.objectives == ("long", "plain")
    prompts = study.table("prompts")
    said, texts = dict(zip(prompts["prompt_id"], messages_of(prompts))), study.table("responses").set_index("response_id")["text"]
    talks = [[*said[row.prompt_id], {"role": "assistant", "content": texts[answer]}] for row in result.pairs.itertuples()
             for answer in (row.chosen, row.rejected)]
    judged = model.score(talks)
    margins = judged.score.numpy().reshape(-1, 2) @ [1, -1]
    wanted = result.margins[list(result.seeds).index(1)]
    assert np.ptp(wanted) > 0.01
    np.testing.assert_allclose(margins, wanted, atol=2e-5 * max(np.abs(wanted).max(), np.abs(judged.score.numpy()).max(), 1))

    assert main(["extract", pairs, "--backbone", checkpoint, "--stored", "F32", "--out", again]) == 0
    own = wb.Study.load(again)
    published = wb.run(wb.published(own), own)
    same = published.pairs["pair_id"].isin(result.pairs["pair_id"])
    place = {pair: at for at, pair in enumerate(result.pairs["pair_id"])}
    assert own.has_model and same.any()
    for at in np.flatnonzero(same):
        assert abs(published.margins[0, at] - wanted[place[published.pairs["pair_id"][at]]]) < 1e-3
    assert main(["fit", again, "--json"]) == 0
    capsys.readouterr()
    assert main(["extract", pairs, "--backbone", checkpoint, "--out", str(tmp_path / "dry"), "--dry-run"]) == 0
    assert "tokens in" in capsys.readouterr().out and not (tmp_path / "dry").exists()
