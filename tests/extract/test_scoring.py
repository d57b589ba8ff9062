"""Scores of a reward model by response: each where it belongs, whatever interrupts, and a command that makes an objective of them."""

from __future__ import annotations

import json
import pickle
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tiny
from backbone.test_rewards import decoder, pairs_of_texts, plain
from extract.letters import Tiny
from extract.letters import tables as lettered
from extract.talks import talks
from extract.test_extract import contents

from workbench.__main__ import main
from workbench.backbone.conversations import Work
from workbench.backbone.rewards import LastToken, ScalarReward
from workbench.check import check
from workbench.errors import WorkbenchError
from workbench.extract import run, store
from workbench.extract.engines import Told, _Actor
from workbench.extract.scoring import score_responses
from workbench.extract.texts import TextBatch, Texts
from workbench.extract.units import Plan
from workbench.readers.messages import messages_of
from workbench.study import Study
from workbench.tables import Tables


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return decoder(tmp_path_factory.mktemp("models") / "tiny-llama", "llama")


@pytest.fixture(scope="module")
def model(folder):
    return ScalarReward.load(folder, batch_tokens=120)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Conversations as a study without features."""
    place = tmp_path_factory.mktemp("talks")
    return Study.write(talks(place), place / "study", name="talks")


class Judge:
    """A made-up reward model: letters of the answer less those of the prompt."""

    name, dim, max_tokens, fingerprint, compose, identity = "judges/Letters", 1, 99, "0" * 12, ("response",), {"encoder": "letters"}

    def plan(self, groups):
        said = [(slot, f"{group.text}\x1f{answer}") for group in groups for slot, answer in group.answers]
        batches = [TextBatch(tuple(text for _, text in said[at : at + 2]), np.array([slot for slot, _ in said[at : at + 2]]), 2)
                   for at in range(0, len(said), 2)]
        return Work(tuple(batches), {group.prompt: "a prompt" for group in groups if group.prompt is not None})

    def run(self, batch):
        parts = [text.split("\x1f") for text in batch.texts]
        return np.array([[len(answer) - len(prompt)] if answer != "never" else [np.nan] for prompt, answer in parts], np.float32)


def test_every_response_has_the_score_of_its_conversation(study, model):
    import torch

    found = score_responses(study, model)
    prompts, responses = study.table("prompts"), study.table("responses")
    messages = dict(zip(prompts["prompt_id"], messages_of(prompts)))
    assert list(found) == ["response_id", "tiny-llama"] and found["response_id"].tolist() == responses["response_id"].tolist()
    assert found.attrs == {"skipped": {}, "cut": 0} and found["tiny-llama"].dtype == np.float64
    for prompt, text, score in zip(responses["prompt_id"], responses["text"], found["tiny-llama"]):
        with torch.no_grad():
            ids = torch.tensor([model.backbone.chat.full_ids(messages[prompt], text)])
            assert score == pytest.approx(float(plain(model.backbone.folder)(ids).logits), abs=2e-5)
    assert found["tiny-llama"].std() > 0.1


def test_an_encoder_reads_prompt_and_answer_as_texts(study, tmp_path):
    import torch

    encoder = ScalarReward.load(pairs_of_texts(tmp_path / "bert", positions=300))
    found = score_responses(study, encoder, name="bert")
    prompts = study.table("prompts").set_index("prompt_id")["text"]
    for row, score in zip(study.table("responses").itertuples(), found["bert"]):
        with torch.no_grad():
            wanted = plain(encoder.folder)(**encoder._tokenizer(prompts[row.prompt_id], row.text, return_tensors="pt")).logits
        assert score == pytest.approx(float(wanted), abs=2e-5)


def test_responses_keep_their_order_and_what_repeats_is_read_once(tmp_path):
    tables = lettered()
    mixed = replace(tables, responses=tables.responses.sample(frac=1, random_state=2).reset_index(drop=True))
    one, other = score_responses(tables, Judge(), name="x"), score_responses(mixed, Judge(), name="x")
    assert other["response_id"].tolist() == mixed.responses["response_id"].tolist()
    pd.testing.assert_series_equal(one.set_index("response_id")["x"].sort_index(), other.set_index("response_id")["x"].sort_index())
    texts = tables.responses.merge(tables.prompts, on="prompt_id", suffixes=("", "_prompt"))
    wanted = texts["text"].str.len() - texts["text_prompt"].str.len()
    known = texts["text"] != "never"
    np.testing.assert_array_equal(one["x"][known], wanted[known])
    assert set(one.attrs["skipped"]) == set(texts.loc[~known, "response_id"]) and set(one.attrs["skipped"].values()) == {store.NO_VECTOR}
    assert one["x"].isna().sum() == len(one.attrs["skipped"]) > 0


class Dies(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3, 5])
def test_killed_it_goes_on_where_it_was(study, model, tmp_path, monkeypatch, after):
    monkeypatch.setattr(run, "Pace", lambda: store.Pace(0.0))
    done, real = [], LastToken.run

    def counted(self, batch, dies_at=None):
        done.append(1)
        if len(done) == dies_at:
            raise Dies
        return real(self, batch)

    whole = score_responses(study, model)
    work = tmp_path / "work"
    with monkeypatch.context() as patch:
        patch.setattr(LastToken, "run", lambda self, batch: counted(self, batch, after + 1))
        with pytest.raises(Dies):
            score_responses(study, model, work=work)
    first = len(done) - 1
    with monkeypatch.context() as patch:
        patch.setattr(LastToken, "run", counted)
        found = score_responses(study, model, work=work)
    total = len(done) - 1
    pd.testing.assert_frame_equal(found, whole)
    assert first == after and total == batches_of(study, model)  # none twice
    with monkeypatch.context() as patch:
        patch.setattr(LastToken, "run", lambda *_: pytest.fail("computed again"))
        pd.testing.assert_frame_equal(score_responses(study, model, work=work), whole)
    with pytest.raises(WorkbenchError, match="begun with other encoder.*Call it as before"):
        score_responses(study, Judge(), work=work)


def batches_of(study, model) -> int:
    tables = run.with_text(Tables(*(study.table(name) for name in ("prompts", "responses", "pairs"))))
    plan = Plan.make(tables, run.SHARD_ROWS, False)
    return sum(len(model.plan(plan.groups(unit)).batches) for unit in plan.units)


def test_what_is_told_on_the_way(study, tmp_path):
    told, cancel = [], threading.Event()
    score_responses(study, Judge(), progress=told.append)
    assert told[-1].step == told[-1].steps and str(told[-1]).startswith("scores: ")
    cancel.set()
    with pytest.raises(WorkbenchError, match="cancelled.*goes on"):
        score_responses(study, Judge(), work=tmp_path / "work", cancel=cancel)


def test_what_cannot_be_scored(study, planted_study):
    with pytest.raises(WorkbenchError, match="tiny gives 8 numbers, a score is one"):
        score_responses(study, Texts(Tiny()))
    with pytest.raises(WorkbenchError, match="n_words: a column or an objective of this study already.*another name"):
        score_responses(study, Judge(), name="n_words")
    with pytest.raises(WorkbenchError, match="safety: a column or an objective"):
        score_responses(planted_study.study, Judge(), name="safety")
    bare = replace(lettered(), responses=lettered().responses.drop(columns="text"))
    with pytest.raises(WorkbenchError, match="responses, column text: no text to encode"):
        score_responses(bare, Judge())


def as_ray_does(backbone, batches):
    """Batches through an actor of Ray's, without Ray: the model and each batch come there by pickle."""
    actor = _Actor(pickle.dumps(backbone), backbone.fingerprint, 1)
    for batch in batches:
        row = actor(pa.table({"batch": pa.array([pickle.dumps(batch)], pa.large_binary())}))["rows"][0].as_py()
        yield Told(batch.slots, batch.tokens), np.frombuffer(row, np.float32).reshape(len(batch.slots), -1)


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_rays_actors_give_the_same_scores(study, model, tmp_path, kind):
    model = model if kind == "decoder" else ScalarReward.load(pairs_of_texts(tmp_path / "bert"))
    pd.testing.assert_frame_equal(score_responses(study, model, engine=as_ray_does), score_responses(study, model))


# -- the command ---------------------------------------------------------------------------------------


def scored(*args, capsys) -> tuple[int, str, str]:
    code = main(["score", *map(str, args)])
    return code, *capsys.readouterr()


def test_the_command_makes_an_objective(study, folder, tmp_path, capsys):
    before = contents(study.folder)
    code, out, err = scored(study.folder, "--model", folder, "--out", tmp_path / "new", "--name", "judge", "--batch-tokens", 200, "--json",
                            capsys=capsys)
    assert code == 0 and not err
    made, told = Study.load(tmp_path / "new"), json.loads(out)
    count = len(study.table("responses"))
    assert told == {"study": {"name": "talks", "hash": made.hash}, "column": "judge", "objective": True, "responses": count, "unscored": 0}
    assert made.scored == ("judge",) and check(made.folder).ok and contents(study.folder) == before
    assert {path.name for path in made.folder.iterdir()} == {*(path.name for path in study.folder.iterdir()), "scores"}
    wanted = score_responses(study, ScalarReward.load(folder, batch_tokens=200)).set_index("response_id").iloc[:, 0]
    pd.testing.assert_series_equal(made.column("judge"), wanted, check_names=False)
    code, out, err = scored(study.folder, "--model", folder, "--out", tmp_path / "new", capsys=capsys)
    assert code == 1 and "a study is here already" in err
    code, out, _ = scored(study.folder, "--model", folder, "--out", tmp_path / "other", capsys=capsys)
    assert code == 0 and f"tiny-llama of {count} responses; study talks" in out


def test_the_command_says_what_has_no_score(study, folder, tmp_path, capsys):
    """A column with gaps is kept, and is no objective: both are said."""
    code, out, err = scored(study.folder, "--model", folder, "--out", tmp_path / "new", "--max-tokens", 60, capsys=capsys)
    made = Study.load(tmp_path / "new")
    lost = int(made.column("tiny-llama").isna().sum())
    assert code == 0 and 0 < lost < len(study.table("responses")) and f'"unscored": {lost}' in out and "tokens, more than 60" in out
    assert "note: scores, column tiny-llama: no number for" in err and "it can be no objective" in err
    assert made.scored == () and made.objectives == study.objectives and check(made.folder).ok


def test_the_command_goes_on_where_it_was_killed(study, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "Pace", lambda: store.Pace(0.0))
    args, done, real = (study.folder, "--model", folder, "--out", tmp_path / "new", "--batch-tokens", 100), [], LastToken.run

    def dying(self, batch):
        done.append(1)
        if len(done) == 4:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(LastToken, "run", dying)
    assert scored(*args, capsys=capsys)[0] == 130 and (tmp_path / "new" / "scoring").is_dir()
    with pytest.raises(WorkbenchError, match="no study here"):
        Study.load(tmp_path / "new")
    assert scored(*args, capsys=capsys)[0] == 0 and not (tmp_path / "new" / "scoring").exists()
    monkeypatch.undo()
    assert scored(*args[:3], "--out", tmp_path / "whole", "--batch-tokens", 100, capsys=capsys)[0] == 0
    assert contents(tmp_path / "new") == contents(tmp_path / "whole")


def test_the_commands_errors_are_one_line(study, folder, tmp_path, capsys):
    for more, words in ((["--workers", 2], "--workers without --engine ray"), (["--name", "n_words"], "n_words: a column or an objective"),
                        (["--dtype", "int8"], "dtype 'int8'"), (["--max-tokens", 9999], "max_tokens is 9999")):
        code, _, err = scored(study.folder, "--model", folder, "--out", tmp_path / "new", *more, capsys=capsys)
        assert code == 1 and words in err and err.count("\n") == 1
    code, _, err = scored(study.folder, "--model", tiny.saved(tmp_path / "bare", "llama"), "--out", tmp_path / "x", capsys=capsys)
    assert code == 1 and "outputs. A scalar reward model has one" in err
    assert not (tmp_path / "new" / "study.json").exists()
