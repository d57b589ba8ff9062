"""ArmoRM's forward pass against the equations, alone and in a batch, and the traps of the release."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from published import TALKS, filled, head_tensors, published, slow_judgement, slow_states, tensors_of

from workbench.armorm.model import ArmoRM
from workbench.errors import WorkbenchError
from workbench.features import Features

PARTS = ("rewards", "gating", "coefficients", "score")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return published(tmp_path_factory.mktemp("armorm") / "tiny", files=2)


@pytest.fixture(scope="module")
def model(folder):
    return ArmoRM.from_pretrained(folder, device="cpu")


@pytest.fixture(scope="module")
def ids(model):
    return [model.backbone.chat.full_ids(talk[:-1], talk[-1]["content"]) for talk in TALKS]


def by_hand(folder, ids, pattern, temperature=10.0) -> dict[str, np.ndarray]:
    rows = [slow_judgement(head_tensors(folder), *slow_states(folder, row, pattern), temperature) for row in ids]
    return {part: np.array([row[part] for row in rows]) for part in PARTS}


def assert_judged(judged, wanted, places=slice(None), tolerance=1e-5):
    for part in PARTS:
        np.testing.assert_allclose(getattr(judged, part).numpy(), wanted[part][places], rtol=tolerance, atol=tolerance, err_msg=part)


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "qwen2"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_judgements_equal_the_equations_whatever_side_is_filled(architecture, side, tmp_path):
    folder = published(tmp_path / "it", architecture, objectives=4, hidden=(6, 6), gating_temperature=2.5)
    model = ArmoRM.from_pretrained(folder, device="cpu")
    ids = [model.backbone.chat.full_ids(talk[:-1], talk[-1]["content"]) for talk in TALKS]
    wanted = by_hand(folder, ids, model.backbone.chat.pattern, temperature=2.5)
    assert_judged(model(*filled(ids, side, filling=7)), wanted)
    assert np.ptp(wanted["score"]) > 0.05  # the rows differ: a mixed-up order would be seen


def test_a_batch_equals_its_rows_one_by_one(model, ids):
    for side in ("left", "right"):
        together = model(*filled(ids, side))
        for at, row in enumerate(ids):
            alone = model(torch.tensor([row]))
            for part in (*PARTS, "hidden_state", "prompt_embedding"):
                torch.testing.assert_close(getattr(together, part)[at], getattr(alone, part)[0], rtol=1e-5, atol=1e-5)


def test_conversations_are_scored_in_their_order_in_any_batches(model, ids, folder):
    wanted = by_hand(folder, ids, model.backbone.chat.pattern)
    for budget, batches in ((1, len(TALKS)), (64, 3), (4096, 2)):
        seen, small = [], ArmoRM.from_pretrained(folder, batch_tokens=budget)
        assert_judged(small.score(TALKS, progress=lambda done, of: seen.append((done, of))), wanted)
        assert seen[-1] == (len(TALKS), len(TALKS)) and len(seen) <= batches
    assert_judged(model.score(TALKS[1]), wanted, slice(1, 2))
    assert model.score([]).score.shape == (0,)


def test_answers_to_one_prompt_are_scored_as_each_alone(model):
    answers = ["Yes.", "No, not at all: it never was.", "", "Yes. And why not, after so long a time?"]
    talks = [[{"role": "user", "content": "A long question, which all of them answer? " * 4}, {"role": "assistant", "content": answer}]
             for answer in answers]
    together = model.score([*talks, TALKS[0]])
    for at, talk in enumerate(talks):
        torch.testing.assert_close(together.score[at], model.score(talk).score[0], rtol=1e-5, atol=1e-5)


# -- traps -----------------------------------------------------------------------------------------


def test_the_gate_is_normalised_over_objectives(model, ids):
    """The released training took the softmax over the two sides of a pair: each weight was half the scale."""
    judged = model(*filled(ids[:2], "right"))
    torch.testing.assert_close(judged.gating.sum(dim=1), torch.full((2,), 1.7))
    assert (judged.gating.sum(dim=0) - 1.7).abs().max() > 0.05
    with pytest.raises(Exception, match="(?i)type|shape|dim"):  # [pair 2 dim] is no [row dim]
        model.heads.gating(torch.zeros(3, 2, tiny.DIM))


def test_the_debias_is_applied_in_the_right_direction(model, ids):
    judged, matrix = model(*filled(ids, "right")), model.heads.reward_transform_matrix
    assert not torch.allclose(matrix, matrix.T)
    torch.testing.assert_close((judged.gating * (judged.rewards @ matrix)).sum(dim=1), judged.score, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close((judged.coefficients * judged.rewards).sum(dim=1), judged.score)
    for wrong in (judged.rewards, judged.rewards @ matrix.T):
        assert ((judged.gating * wrong).sum(dim=1) - judged.score).abs().max() > 0.01


def test_heads_are_float32_over_a_bfloat16_transformer(tmp_path, ids):
    folder = published(tmp_path / "half", dtype=torch.bfloat16)
    model = ArmoRM.from_pretrained(folder, device="cpu", dtype="bfloat16")
    assert {value.dtype for value in model.heads.state_dict().values()} == {torch.float32}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        judged = model(*filled(ids, "right"))
    assert {getattr(judged, part).dtype for part in (*PARTS, "hidden_state")} == {torch.float32}
    tensors = head_tensors(folder)
    rows = [slow_judgement(tensors, *pair) for pair in zip(judged.hidden_state.double().numpy(), judged.prompt_embedding.double().numpy())]
    assert_judged(judged, {part: np.array([row[part] for row in rows]) for part in PARTS})


def test_the_gate_reads_at_the_last_occurrence(model):
    """A chat of two turns has the pattern twice: the first one belongs to an earlier answer."""
    ids = model.backbone.chat.full_ids(TALKS[1][:-1], TALKS[1][-1]["content"])
    first = model.backbone.chat.full_ids(TALKS[1][:1], TALKS[1][1]["content"])
    states, pattern = model.backbone.hidden(torch.tensor([ids]))[0], list(model.backbone.chat.pattern)
    starts = [at for at in range(len(ids)) if ids[at : at + len(pattern)] == pattern]
    assert len(starts) == 2
    judged = model(torch.tensor([ids]))
    torch.testing.assert_close(judged.prompt_embedding[0], states[starts[1]])
    assert not torch.allclose(judged.prompt_embedding, model(torch.tensor([first])).prompt_embedding, atol=1e-2)


def test_a_stored_pattern_comes_before_the_derived_one_and_a_given_one_before_both(tmp_path, model):
    derived = model.backbone.chat.pattern
    folder = published(tmp_path / "stored", gating_pattern=list(derived[1:]))
    assert ArmoRM.from_pretrained(folder).backbone.chat.pattern == derived[1:]
    assert ArmoRM.from_pretrained(folder, gating_pattern=derived[2:]).backbone.chat.pattern == derived[2:]


# -- as parts, as tables ---------------------------------------------------------------------------


def test_its_parts_give_the_same_rewards_on_its_own_features(model):
    judged = model.score([*TALKS, *TALKS[::-1]])
    hidden, prompt = judged.hidden_state.numpy(), judged.prompt_embedding.numpy()
    features, parts = Features(prompt[:4], np.stack([hidden[:4], hidden[[1, 0, 3, 2]]], axis=1)), model.reward_model()
    np.testing.assert_allclose(parts(features)[:, 0], judged.score[:4], rtol=1e-5)
    np.testing.assert_allclose(parts.weights(features), judged.gating[:4], rtol=1e-5)
    np.testing.assert_allclose(parts.probes(features).values[:, 0], judged.rewards[:4], rtol=1e-5, atol=1e-6)
    assert parts.names == model.names and parts.probes.at_edge == parts.probes.unchecked == () and np.isnan(parts.probes.alpha).all()


def test_parts_are_saved_like_any_other_model(model, tmp_path):
    from workbench.model import RewardModel

    parts = model.reward_model()
    again = RewardModel.load(parts.save(tmp_path / "parts"))
    np.testing.assert_array_equal(again.probes.weight, parts.probes.weight)
    np.testing.assert_array_equal(again.debias.matrix, parts.debias.matrix)


def test_the_published_objectives_have_their_names(tmp_path):
    model = ArmoRM.from_pretrained(published(tmp_path / "it", objectives=19), device="cpu")
    judged = model.score(TALKS[:2])
    table = judged.table()
    assert table.shape == (2, 1 + 3 * 19) and table["rewards"].columns[10] == "beavertails-is_safe"
    np.testing.assert_array_equal(table["gating"].to_numpy(), judged.gating)
    np.testing.assert_array_equal(table["score"], judged.score)
    np.testing.assert_allclose(judged.helpsteer_ratings().to_numpy(), 5 * judged.rewards[:, :5] - 0.5, rtol=1e-6)
    assert list(judged.helpsteer_ratings().columns)[4] == "helpsteer-verbosity"


def test_names_of_other_objectives(tmp_path):
    assert ArmoRM.from_pretrained(published(tmp_path / "a", objectives=3)).names == ("objective-00", "objective-01", "objective-02")
    folder = published(tmp_path / "b", objectives=2, objective_names=["kind", "true"])
    assert ArmoRM.from_pretrained(folder).names == ("kind", "true")
    assert tensors_of(folder)["regression_layer.weight"].shape[0] == 2


# -- bad input -------------------------------------------------------------------------------------


def test_ids_that_cannot_be_judged(model, ids):
    start, *rest = ids[0]
    with pytest.raises(WorkbenchError, match=r"row 1: the gating pattern \[.*\] does not occur"):
        model(*filled([ids[0], [start, 40, 41]], "right"))
    with pytest.raises(WorkbenchError, match="row 1: the gating pattern"):
        model(torch.tensor(ids[:1] * 2), torch.tensor([[1] * len(ids[0]), [0] * len(ids[0])]))
    with pytest.raises(WorkbenchError, match="a mask of"):
        model(torch.tensor(ids[:1]), torch.ones(1, 3, dtype=torch.long))
    padded, _ = filled(ids, "right", filling=model.backbone.chat.tokenizer.pad_token_id)
    with pytest.raises(WorkbenchError, match="row 0: filled up, and no attention_mask"):
        model(padded)


def test_conversations_that_cannot_be_judged(model, folder):
    with pytest.raises(WorkbenchError, match="conversation 1: no prompt whose last message is the assistant's"):
        model.score([TALKS[0], TALKS[1][:-1]])
    with pytest.raises(WorkbenchError, match="conversation 1: not a list of messages"):
        model.score([TALKS[0], "text"])
    with pytest.raises(WorkbenchError, match="conversation 0: a message without role and content"):
        model.score([{"role": "assistant", "text": "?"}])
    with pytest.raises(WorkbenchError, match="conversation 0: no prompt"):
        model.score([[{"role": "assistant", "content": "Alone."}]])
    short = ArmoRM.from_pretrained(folder, max_tokens=60)
    with pytest.raises(WorkbenchError, match=r"conversation 1: \d+ tokens, more than 60\. Leave out"):
        short.score(TALKS)
