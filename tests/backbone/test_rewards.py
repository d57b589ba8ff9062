"""Scalar reward models: every answer's score is the published class's own, one conversation at a time, to 1e-5."""

from __future__ import annotations

import json
import pickle
import shutil
from functools import cache

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from workbench.backbone import CausalBackbone
from workbench.backbone.conversations import Group
from workbench.backbone.rewards import HEAD, NO_SCORE, CrossEncoder, LastToken, ScalarReward
from workbench.errors import WorkbenchError
from workbench.extract.texts import Backbone

DECODERS = ("llama", "gemma2", "gemma3", "qwen2", "qwen3")
ONE = [{"role": "user", "content": "Why is the sky blue, and is it so on Mars too?"}]
TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Name a colour."}]
ANSWERS = ["Blue", "Blue light scatters more than red light, so that it comes from everywhere. " * 3, "No."]
END = {"llama": "<|eot_id|>", "gemma": "<end_of_turn>", "qwen": "<|im_end|>"}


def decoder(folder, architecture: str, *, filling: str | None = None, labels: int = 1):
    """A checkpoint of a sequence classifier; filling: the token that its config names for that."""
    from transformers import AutoModelForSequenceClassification

    words = tiny.tokenizer(tiny.FAMILY[architecture])
    pad = None if filling is None else words.convert_tokens_to_ids(filling)
    model = AutoModelForSequenceClassification.from_config(tiny.config(architecture, num_labels=labels, pad_token_id=pad)).eval()
    model.model.load_state_dict(tiny.transformer(architecture).state_dict())
    torch.manual_seed(5)
    torch.nn.init.normal_(model.score.weight)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def pairs_of_texts(folder, *, kind: str = "Bert", positions: int = 64, labels: int = 1):
    """A cross-encoder in BERT's form, or RoBERTa's, with a tokenizer that marks pairs."""
    import transformers as hf
    from tokenizers import processors

    words = tiny.tokenizer("llama", adds_bos=False)
    first, last = (words.convert_tokens_to_ids(mark) for mark in ("<|begin_of_text|>", "<|eot_id|>"))
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A <|eot_id|>", pair="<|begin_of_text|>:0 $A:0 <|eot_id|>:0 $B:1 <|eot_id|>:1",
        special_tokens=[("<|begin_of_text|>", first), ("<|eot_id|>", last)])
    words.save_pretrained(folder)
    if kind == "Bert":
        path = folder / "tokenizer_config.json"
        about = json.loads(path.read_text())
        path.write_text(json.dumps({**about, "model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}))
    torch.manual_seed(3)
    sizes = {"vocab_size": tiny.VOCAB, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
             "max_position_embeddings": positions, "num_labels": labels, "pad_token_id": words.pad_token_id}
    model = getattr(hf, f"{kind}ForSequenceClassification")(getattr(hf, f"{kind}Config")(**sizes)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: decoder(tmp_path_factory.mktemp(name), name) for name in DECODERS}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return pairs_of_texts(tmp_path_factory.mktemp("bert"))


def groups(answers=ANSWERS):
    """Two prompts, slots 0 and 1, with all the answers each."""
    slots = iter(range(2, 2 + 2 * len(answers)))
    said = ((said[-1]["content"], said) for said in (ONE, TALK))
    return [Group(text, talk, at, tuple((next(slots), answer) for answer in answers)) for at, (text, talk) in enumerate(said)]


def scores(model, some) -> dict[int, float]:
    work = model.plan(some)
    found = {int(slot): float(row[0]) for batch in work.batches for slot, row in zip(batch.slots, model.run(batch))}
    assert not set(found) & set(work.skipped)
    return found


@cache
def plain(folder):
    """The published class as transformers reads it."""
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(folder).eval()


def oracle(folder, some, encode) -> dict[int, float]:
    with torch.no_grad():
        return {slot: float(plain(folder)(**encode(group, answer)).logits[0, 0]) for group in some for slot, answer in group.answers}


def talked(model):
    return lambda group, answer: {"input_ids": torch.tensor([model.backbone.chat.full_ids(group.messages, answer)])}


def agree(found, wanted):
    assert sorted(found) == sorted(wanted) and np.ptp(list(wanted.values())) > 0.1
    for slot, score in wanted.items():
        assert found[slot] == pytest.approx(score, abs=1e-5 * max(1, *map(abs, wanted.values())))


@pytest.mark.parametrize("architecture", DECODERS)
def test_a_decoders_score_is_the_plain_classs_one_by_one(folders, architecture):
    model = ScalarReward.load(folders[architecture])
    assert isinstance(model, LastToken) and isinstance(model, Backbone) and model.backbone.shares_prompts and model.dim == 1
    work = model.plan(groups())
    assert work.skipped == {0: NO_SCORE, 1: NO_SCORE} and any(batch.branch is not None for batch in work.batches)
    agree(scores(model, groups()), oracle(folders[architecture], groups(), talked(model)))


@pytest.mark.parametrize("filling", ["<|pad|>", "end"])
@pytest.mark.parametrize("architecture", ["llama", "gemma2", "qwen3"])
def test_what_the_class_takes_for_filling_is_not_read(tmp_path, architecture, filling):
    """A model whose filling is the mark that ends a turn is read before that mark, as it was trained."""
    mark = END[tiny.FAMILY[architecture]] if filling == "end" else filling
    folder = decoder(tmp_path / "model", architecture, filling=mark)
    model, some = ScalarReward.load(folder), groups(["Blue light", "Blue", "Blue light, and more of it"])
    wanted = oracle(folder, some, talked(model))
    agree(scores(model, some), wanted)
    assert any(batch.branch is not None for batch in model.plan(some).batches)
    ends = oracle(folder, some, lambda group, answer: {"inputs_embeds": plain(folder).model.embed_tokens(
        talked(model)(group, answer)["input_ids"])})  # without ids the class cannot tell filling: it reads the very last token
    moved = any(abs(wanted[slot] - ends[slot]) > 1e-3 for slot in wanted)
    assert moved == (filling == "end" and architecture == "llama")  # the others' templates go on with a newline


@pytest.mark.parametrize("name", ["llama", "gemma3", "bert"])
@pytest.mark.parametrize("batch_tokens", [1, 120, 4000])
def test_batches_of_any_size_and_order_agree(folders, bert, name, batch_tokens):
    model = ScalarReward.load({**folders, "bert": bert}[name], batch_tokens=batch_tokens)
    some = groups(["Blue", "No. " * 5, "As it scatters more."])
    first, turned = scores(model, some), scores(model, some[::-1])
    alone = {slot: score for group in some for slot, score in scores(model, [group]).items()}
    by_one = {slot: scores(model, [Group(g.text, g.messages, None, ((slot, answer),))])[slot] for g in some for slot, answer in g.answers}
    for other in (turned, alone, by_one):
        agree(other, first)


def paired(model):
    return lambda group, answer: model._tokenizer(group.text, answer, return_tensors="pt")


@pytest.mark.parametrize("kind", ["Bert", "Roberta"])
def test_a_cross_encoders_score_is_the_plain_classs_on_the_pair(tmp_path, kind):
    folder = pairs_of_texts(tmp_path / "model", kind=kind, positions=600)
    model = ScalarReward.load(folder)
    assert isinstance(model, CrossEncoder) and isinstance(model, Backbone) and model.dtype == "float32"
    assert model.max_tokens == (600 if kind == "Bert" else 600 - plain(folder).config.pad_token_id - 1)
    assert (model.plan(groups()).batches[0].types is None) == (kind == "Roberta")
    agree(scores(model, groups()), oracle(folder, groups(), paired(model)))
    assert model.plan([Group("x", ONE, 0, ())]).batches == ()


def test_a_pair_too_long_loses_the_beginning_of_its_prompt_and_never_of_its_answer(bert):
    model = ScalarReward.load(bert)
    words = model._tokenizer
    ids = [words(text, add_special_tokens=False)["input_ids"] for text in ("one two three " * 20, "four five six")]
    room = model.max_tokens - 3 - len(ids[1])
    some = [Group("one two three " * 20, [], 0, ((1, "four five six"), (2, "word " * 80)))]
    work = model.plan(some)
    assert work.cut == (1,) and set(work.skipped) == {0, 2} and len(ids[0]) > room
    long = words("word " * 80, add_special_tokens=False)["input_ids"]
    assert work.skipped[2] == f"{3 + len(long)} tokens beside its prompt, of 64 in all"
    first, last = words.convert_tokens_to_ids(["<|begin_of_text|>", "<|eot_id|>"])
    kept = [first, *ids[0][-room:], last, *ids[1], last]
    assert work.batches[0].ids[0].tolist() == kept and work.batches[0].types[0].tolist() == [0] * (room + 2) + [1] * (len(ids[1]) + 1)
    with torch.no_grad():
        known = {"input_ids": torch.tensor([kept]), "token_type_ids": torch.from_numpy(work.batches[0].types).long()}
        assert scores(model, some)[1] == pytest.approx(float(plain(bert)(**known).logits), abs=1e-5)
    exact = len(ids[1]) + 3 + 1  # one token of the prompt stays
    assert ScalarReward.load(bert, max_tokens=exact).plan(some).cut == (1,)
    assert 1 in ScalarReward.load(bert, max_tokens=exact - 1).plan(some).skipped


def test_a_decoders_limits_are_its_backbones(folders):
    whole = ScalarReward.load(folders["llama"])
    long = len(whole.backbone.chat.full_ids(TALK, ANSWERS[1]))
    some = [Group("", TALK, 0, tuple(enumerate(ANSWERS, 1)))]
    work = ScalarReward.load(folders["llama"], max_tokens=long - 4).plan(some)
    assert work.skipped == {0: NO_SCORE, 2: f"{long} tokens, more than {long - 4}"}
    cutting = ScalarReward.load(folders["llama"], max_tokens=long - 4, overlong="cut").plan(some)
    assert cutting.skipped == {0: NO_SCORE} and cutting.cut == (0,)
    alone = whole.plan([Group("", TALK, 0, ())])
    assert alone.batches == () and alone.tokens == 0


def test_the_head_is_float32_whatever_the_transformer_is_computed_in(folders):
    half, whole = (ScalarReward.load(folders["llama"], dtype=dtype) for dtype in ("bfloat16", "float32"))
    assert half.head.dtype == np.float32 and np.array_equal(half.head, whole.head) and half.identity != whole.identity
    work = half.plan(groups())
    wanted = half.backbone.run(work.batches[0]).astype(np.float64) @ whole.head.astype(np.float64)
    np.testing.assert_allclose(half.run(work.batches[0])[:, 0], wanted, rtol=1e-5, atol=1e-5)
    assert np.corrcoef(*[list(scores(model, groups()).values()) for model in (half, whole)])[0, 1] > 0.95


@pytest.mark.parametrize("name", ["qwen3", "bert"])
def test_pickled_it_is_loaded_again(folders, bert, name):
    model = ScalarReward.load({**folders, "bert": bert}[name], max_tokens=60, batch_tokens=64)
    sent = pickle.dumps(model)
    again = pickle.loads(sent)
    assert again.identity == model.identity and again.name == model.name and type(again) is type(model) and len(sent) < 20_000
    batch = model.plan(groups()).batches[0]
    np.testing.assert_array_equal(again.run(pickle.loads(pickle.dumps(batch))), model.run(batch))


def without(folder, target, *names):
    shutil.copytree(folder, target)
    tensors = load_file(target / "model.safetensors")
    assert set(names) <= set(tensors)
    save_file({name: value for name, value in tensors.items() if name not in names}, target / "model.safetensors", {"format": "pt"})
    return target


def test_a_head_that_would_be_random_is_an_error(folders, bert, tmp_path):
    bare = without(folders["llama"], tmp_path / "decoder", HEAD)
    CausalBackbone.load(bare)  # as a backbone it is whole
    with pytest.raises(WorkbenchError, match="lacks score.weight: it is no trained reward model.*trained to score"):
        ScalarReward.load(bare)
    with pytest.raises(WorkbenchError, match="lacks classifier.weight"):
        ScalarReward.load(without(bert, tmp_path / "encoder", "classifier.weight"))
    with pytest.raises(WorkbenchError, match="lacks bert.pooler.dense.weight"):
        ScalarReward.load(without(bert, tmp_path / "pooler", "bert.pooler.dense.weight"))
    wide = without(folders["llama"], tmp_path / "wide", HEAD)
    tensors = load_file(wide / "model.safetensors")
    save_file({**tensors, HEAD: torch.ones(1, 7)}, wide / "model.safetensors", {"format": "pt"})
    with pytest.raises(WorkbenchError, match=rf"score.weight has shape \[1, 7\], wanted \[1, {tiny.DIM}\]"):
        ScalarReward.load(wide)


def test_a_pooler_at_the_top_is_part_of_the_head(tmp_path):
    """DeBERTa's: encoders of sentences may come without one, a reward model may not."""
    import transformers as hf

    folder = pairs_of_texts(tmp_path / "model")
    sizes = {"vocab_size": tiny.VOCAB, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
             "max_position_embeddings": 64, "num_labels": 1}
    hf.DebertaV2ForSequenceClassification(hf.DebertaV2Config(**sizes)).save_pretrained(folder)
    assert isinstance(ScalarReward.load(folder), CrossEncoder)
    with pytest.raises(WorkbenchError, match="lacks pooler.dense.weight, pooler.dense.bias"):
        ScalarReward.load(without(folder, tmp_path / "bare", "pooler.dense.weight", "pooler.dense.bias"))


def test_what_is_no_scalar_reward_model(folders, bert, tmp_path):
    for wide in (decoder(tmp_path / "two", "llama", labels=2), pairs_of_texts(tmp_path / "three", labels=3)):
        with pytest.raises(WorkbenchError, match="a model with [23] outputs. A scalar reward model has one"):
            ScalarReward.load(wide)
    with pytest.raises(WorkbenchError, match="is an encoder of pairs: it takes no overlong"):
        ScalarReward.load(bert, overlong="cut")
    with pytest.raises(WorkbenchError, match="is a decoder: it takes no truncation"):
        ScalarReward.load(folders["llama"], truncation="left")
    with pytest.raises(WorkbenchError, match="max_tokens is 65.*8 to 64"):
        ScalarReward.load(bert, max_tokens=65)
    with pytest.raises(WorkbenchError, match="dtype 'int8'"):
        ScalarReward.load(bert, dtype="int8")
    about = json.loads((folders["llama"] / "config.json").read_text())
    for change in ({"model_type": "t5"}, {"model_type": "codegen"}):
        odd = shutil.copytree(folders["llama"], tmp_path / change["model_type"])
        (odd / "config.json").write_text(json.dumps({**about, **change}))
        with pytest.raises(WorkbenchError, match=f"model_type '{change['model_type']}' cannot be read as a reward model"):
            ScalarReward.load(odd)
    cut = shutil.copytree(folders["llama"], tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-1000])
    with pytest.raises(WorkbenchError, match="damaged or truncated"):
        ScalarReward.load(cut)
