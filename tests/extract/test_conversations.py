"""From conversations in a file to a study by a decoder model: every vector where it belongs, whatever interrupts."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from extract.talks import talks
from extract.test_extract import contents

from workbench.backbone import CausalBackbone
from workbench.check import check
from workbench.errors import WorkbenchError
from workbench.extract import estimate, extract, run, store
from workbench.readers.messages import messages_of
from workbench.study import Study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.saved(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture(scope="module")
def llama(folder):
    return CausalBackbone.load(folder)


def state(backbone, ids, at=-1):
    with torch.no_grad():
        return backbone._model(input_ids=torch.tensor([ids])).last_hidden_state[0, at].numpy()


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "qwen3"])
def test_every_row_has_its_own_vector(tmp_path, architecture):
    backbone = CausalBackbone.load(tiny.saved(tmp_path / "model", architecture))
    tables = talks(tmp_path)
    study = extract(tables, tmp_path / "s", backbone=backbone, dtype="F32", shard_rows=5)
    prompts, responses, chat = study.table("prompts"), study.table("responses"), backbone.chat
    messages = dict(zip(prompts["prompt_id"], messages_of(prompts)))
    lost = study.store.skipped("prompt")
    assert len(study.store.index["kinds"]["prompt"]["shards"]) > 1 and bool(lost) == (architecture == "gemma3")
    got = study.store.rows("response", np.arange(len(responses)))
    for row, (prompt, text) in enumerate(zip(responses["prompt_id"], responses["text"])):
        if row in study.store.skipped("response"):
            assert "no system role" in study.store.skipped("response")[row] and not got[row].any()
        else:
            np.testing.assert_allclose(got[row], state(backbone, chat.full_ids(messages[prompt], text)), atol=2e-5 * np.abs(got).max())
    for row, prompt in enumerate(prompts["prompt_id"]):
        if row not in lost:
            ids = chat.prompt_ids(messages[prompt])
            wanted = state(backbone, ids, chat.gating_position(ids))
            np.testing.assert_allclose(study.store.rows("prompt", np.array([row]))[0], wanted, atol=2e-5 * np.abs(got).max())
    told = study.info["features"]
    assert told["compose"] == ["response"] and told["gating_pattern"] == list(chat.pattern) and told["chat"] == chat.digest
    assert check(study.folder).ok and study.features(of="pairs").response.shape[1:] == (2, tiny.DIM)


def test_system_messages_fold_where_the_template_has_no_such_role(tmp_path):
    backbone = CausalBackbone.load(tiny.saved(tmp_path / "model", "gemma2"), fold_system=True)
    study = extract(talks(tmp_path), tmp_path / "s", backbone=backbone)
    assert not study.store.skipped("prompt") and not study.store.skipped("response")


def test_responses_are_stored_in_the_order_of_their_prompts(tmp_path, llama):
    tables = talks(tmp_path)
    mixed = replace(tables, responses=tables.responses.sample(frac=1, random_state=3).reset_index(drop=True))
    study, plain = (extract(some, tmp_path / name, backbone=llama, dtype="F32") for some, name in ((mixed, "m"), (tables, "p")))
    place = pd.Index(study.table("prompts")["prompt_id"]).get_indexer(study.table("responses")["prompt_id"])
    assert (np.diff(place) >= 0).all()
    one, other = study.features().response, plain.features().response
    np.testing.assert_allclose(one, other, atol=2e-5 * np.abs(other).max())


def test_a_conversation_that_is_there_twice_is_computed_once(tmp_path, llama, monkeypatch):
    tables = talks(tmp_path)
    extra = tables.prompts.iloc[[0, 3]].assign(prompt_id=["again0", "again3"], family=["again0", "again3"])
    answers = tables.responses[tables.responses["prompt_id"].isin(tables.prompts["prompt_id"].iloc[[0, 3]])]
    twice = answers.assign(response_id="x" + answers["response_id"],
                           prompt_id=answers["prompt_id"].map(dict(zip(tables.prompts["prompt_id"].iloc[[0, 3]], ["again0", "again3"]))))
    more = replace(tables, prompts=pd.concat([tables.prompts, extra], ignore_index=True),
                   responses=pd.concat([tables.responses, twice], ignore_index=True))
    read, real = [], CausalBackbone.run
    monkeypatch.setattr(CausalBackbone, "run", lambda self, batch: read.append(len(batch.slots)) or real(self, batch))
    study = extract(more, tmp_path / "s", backbone=llama, shard_rows=4)
    assert sum(read) == len(tables.prompts) + len(tables.responses)
    prompts, responses = study.table("prompts"), study.table("responses")
    for kind, table, name, pairs in (("prompt", prompts, "prompt_id", [(extra["prompt_id"].iloc[0], tables.prompts["prompt_id"].iloc[0])]),
                                     ("response", responses, "response_id", [("x" + one, one) for one in answers["response_id"]])):
        place = dict(zip(table[name], range(len(table))))
        for one, other in pairs:
            first, second = (study.store.rows(kind, np.array([place[some]])) for some in (other, one))
            assert first.any() and np.array_equal(first, second)


class Dies(Exception):
    pass


def dying(monkeypatch, after: int):
    """The computation ends after so many batches."""
    done = []

    def run_one(self, batch, real=CausalBackbone.run):
        done.append(1)
        if len(done) > after:
            raise Dies
        return real(self, batch)

    monkeypatch.setattr(CausalBackbone, "run", run_one)
    return done


@pytest.mark.parametrize("after", [1, 3, 5, 8])
def test_killed_within_a_shard_it_goes_on_from_there_to_the_same_bytes(tmp_path, folder, monkeypatch, after):
    tables, backbone = talks(tmp_path), CausalBackbone.load(folder, batch_tokens=100)
    monkeypatch.setattr(run, "Pace", lambda: store.Pace(0.0))
    backbone.cost  # the trial of shared prompts runs before
    extract(tables, tmp_path / "whole", backbone=backbone, name="s", shard_rows=8)
    with monkeypatch.context() as patch:
        dying(patch, after)
        with pytest.raises(Dies):
            extract(tables, tmp_path / "broken", backbone=backbone, name="s", shard_rows=8)
    assert not (tmp_path / "broken" / "study.json").exists()
    with monkeypatch.context() as patch:
        done = dying(patch, 10_000)
        extract(tables, tmp_path / "broken", backbone=backbone, name="s", shard_rows=8)
    with monkeypatch.context() as patch:
        whole = dying(patch, 10_000)
        extract(tables, tmp_path / "count", backbone=backbone, name="s", shard_rows=8)
    assert len(done) == len(whole) - after  # not one batch is computed twice
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")
    assert not list((tmp_path / "broken").rglob("*.spool"))


def test_another_model_template_or_limit_goes_on_with_nothing(tmp_path, folder, monkeypatch):
    tables, backbone = talks(tmp_path), CausalBackbone.load(folder, batch_tokens=150)
    backbone.cost
    with monkeypatch.context() as patch:
        dying(patch, 4)
        with pytest.raises(Dies):
            extract(tables, tmp_path / "s", backbone=backbone, shard_rows=4)
    before = contents(tmp_path / "s")
    other = tiny.saved(tmp_path / folder.name, "llama", layers=2)
    changed = tiny.LLAMA.replace("assistant<", "helper<")
    for odd, words in ((CausalBackbone.load(other, batch_tokens=150), "weights"),
                       (CausalBackbone.load(folder, batch_tokens=150, chat_template=changed), "chat, gating_pattern"),
                       (CausalBackbone.load(folder, batch_tokens=150, max_tokens=500), "max_tokens"),
                       (CausalBackbone.load(folder, batch_tokens=150, dtype="bfloat16"), "computed_in")):
        with pytest.raises(WorkbenchError, match=f"begun with other {words}.*Call it as before"):
            extract(tables, tmp_path / "s", backbone=odd, shard_rows=4)
    assert contents(tmp_path / "s") == before


def test_a_kept_beginning_that_is_damaged_is_named(tmp_path, folder, monkeypatch):
    tables, backbone = talks(tmp_path), CausalBackbone.load(folder, batch_tokens=150)
    backbone.cost
    monkeypatch.setattr(run, "Pace", lambda: store.Pace(0.0))
    with monkeypatch.context() as patch:
        dying(patch, 2)
        with pytest.raises(Dies):
            extract(tables, tmp_path / "s", backbone=backbone)
    (spool,) = (tmp_path / "s").rglob("*.spool")
    spool.write_bytes(spool.read_bytes()[:-40])
    with pytest.raises(WorkbenchError, match=f"{spool.name}: not readable.*computed again"):
        extract(tables, tmp_path / "s", backbone=backbone)
    spool.unlink()
    assert check(extract(tables, tmp_path / "s", backbone=backbone).folder).ok


def test_a_full_disk_loses_nothing_and_a_small_one_is_said_before(tmp_path, folder, monkeypatch):
    tables, backbone = talks(tmp_path), CausalBackbone.load(folder)
    written, real = [], os.fsync

    def full(handle):
        written.append(1)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WorkbenchError, match="disk is full: nothing of this shard was written.*goes on where it stopped"):
            extract(tables, tmp_path / "s", backbone=backbone, name="s", shard_rows=4)
    kept = contents(tmp_path / "s")
    assert sorted(name for name in kept if name.endswith("safetensors")) and not any(name.endswith(".part") for name in kept)
    extract(tables, tmp_path / "s", backbone=backbone, name="s", shard_rows=4)
    extract(tables, tmp_path / "whole", backbone=backbone, name="s", shard_rows=4)
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 100})())
    with pytest.raises(WorkbenchError, match="features need .* GB, the disk has 0.0 GB left"):
        extract(tables, tmp_path / "small", backbone=backbone)


def test_a_hidden_state_that_is_not_finite_is_masked(tmp_path, llama, monkeypatch):
    tables = talks(tmp_path)

    def hurt(self, batch, real=CausalBackbone.run):
        rows = real(self, batch)
        rows[batch.slots == len(tables.prompts) + 3] = np.inf
        return rows

    monkeypatch.setattr(CausalBackbone, "run", hurt)
    study = extract(tables, tmp_path / "s", backbone=llama)
    assert study.store.skipped("response") == {3: store.NO_VECTOR}
    assert (~study.features().mask).sum() == (study.table("pairs")[["chosen", "rejected"]] ==
                                              study.table("responses")["response_id"][3]).any(axis=1).sum() > 0


def test_reasons_outlive_a_kill(tmp_path, folder, monkeypatch):
    tables, backbone = talks(tmp_path), CausalBackbone.load(folder, max_tokens=80, batch_tokens=150)
    backbone.cost
    whole = extract(tables, tmp_path / "whole", backbone=backbone, name="s", shard_rows=4)
    assert 0 < len(whole.store.skipped("response")) < len(tables.responses)
    with monkeypatch.context() as patch:
        dying(patch, 5)
        with pytest.raises(Dies):
            extract(tables, tmp_path / "s", backbone=backbone, name="s", shard_rows=4)
    study = extract(tables, tmp_path / "s", backbone=backbone, name="s", shard_rows=4)
    assert study.store.skipped("response") == whole.store.skipped("response") and "more than 80" in str(study.store.skipped("response"))
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def test_a_dry_run_writes_nothing_and_counts_what_would_come(tmp_path, folder):
    tables, backbone = talks(tmp_path, 40), CausalBackbone.load(folder, max_tokens=80)
    found = estimate(tables, backbone=backbone, sample=40, dtype="BF16")
    study = extract(tables, tmp_path / "s", backbone=backbone, dtype="BF16")
    rows = len(study.table("prompts")) + len(study.table("responses"))
    assert found.rows == rows and found.sampled == rows and found.bytes == rows * tiny.DIM * 2 and found.seconds > 0
    assert found.skipped == pytest.approx(len(study.store.skipped("response")) / rows)
    few = estimate(tables, backbone=backbone, sample=10)
    assert few.sampled < rows and 0.5 < few.tokens / found.tokens < 2
    assert "tokens in" in str(found) and "skipped" in str(found) and {path.name for path in tmp_path.iterdir()} == {"s", "talks.jsonl"}


def test_a_study_that_was_extracted_opens_by_itself(tmp_path, llama):
    extract(talks(tmp_path), tmp_path / "s", backbone=llama)
    assert Study.load(tmp_path / "s").info["features"]["backbone"] == llama.name
