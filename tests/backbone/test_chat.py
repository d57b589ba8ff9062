"""Templates to ids: one BOS, patterns derived and given, and every trap on the way (ArmoRM's released preparation)."""

from __future__ import annotations

import pytest
import tiny

from workbench.backbone.chat import Chat
from workbench.errors import WorkbenchError

ONE = [{"role": "user", "content": "Why is the sky blue?"}]
TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Why?"}]
SYSTEM = [{"role": "system", "content": "Be brief."}, *ONE]
MARKS = {"llama": "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "gemma": "<end_of_turn>\n<start_of_turn>model\n",
         "qwen": "<|im_end|>\n<|im_start|>assistant\n"}


@pytest.mark.parametrize("family", MARKS)
def test_the_pattern_is_what_every_prompt_ends_in(family):
    tokenizer = tiny.tokenizer(family)
    chat = Chat.load(tokenizer)
    assert chat.pattern == tuple(tokenizer(MARKS[family], add_special_tokens=False)["input_ids"])
    for said in (ONE, TALK):
        ids = chat.prompt_ids(said)
        assert ids[chat.gating_position(ids) :] == list(chat.pattern)
        whole = chat.full_ids(said, "Because of scattering.")
        assert whole[: len(ids)] == ids and chat.gating_position(whole) == chat.gating_position(ids)


@pytest.mark.parametrize("family", ["llama", "gemma"])
@pytest.mark.parametrize("adds_bos", [True, False])
@pytest.mark.parametrize("in_template", [True, False])
def test_never_two_beginnings(family, adds_bos, in_template):
    template = tiny.TEMPLATES[family] if in_template else tiny.TEMPLATES[family].replace("{{ bos_token }}", "")
    tokenizer = tiny.tokenizer(family, template=template, adds_bos=adds_bos)
    ids = Chat.load(tokenizer).full_ids(ONE, "Scattering.")
    assert ids.count(tokenizer.bos_token_id) == int(adds_bos or in_template)
    if adds_bos or in_template:
        assert ids[0] == tokenizer.bos_token_id
    doubled = tokenizer(tokenizer.apply_chat_template(ONE, tokenize=False))["input_ids"]
    if adds_bos and in_template:
        assert doubled[:2] == [tokenizer.bos_token_id] * 2  # what is avoided


def test_a_pattern_of_ones_own_as_ids_or_text():
    tokenizer = tiny.tokenizer("llama")
    derived = Chat.load(tokenizer)
    given = Chat.load(tokenizer, pattern=list(derived.pattern[:3]))
    assert given.pattern == derived.pattern[:3] and given.digest != derived.digest
    assert Chat.load(tokenizer, pattern=MARKS["llama"]).pattern == derived.pattern
    with pytest.raises(WorkbenchError, match=r"gating pattern \[1, 2, 3\] does not occur.*gating_pattern"):
        Chat.load(tokenizer, pattern=[1, 2, 3])


def test_the_last_occurrence_counts():
    chat = Chat.load(tiny.tokenizer("llama"))
    ids = chat.prompt_ids(TALK)
    first = next(at for at in range(len(ids)) if tuple(ids[at : at + len(chat.pattern)]) == chat.pattern)
    assert first < chat.gating_position(ids) == len(ids) - len(chat.pattern)


def test_a_template_that_does_not_trim_can_melt_into_the_answer():
    """The header's newlines and the answer's become one token: found on ids, the place stays the same."""
    melting = tiny.LLAMA.replace(" | trim", "")
    chat = Chat.load(tiny.tokenizer("llama", template=melting))
    prompt, whole = chat.prompt_ids(ONE), chat.full_ids(ONE, "\n\n\nLate.")
    at = chat.gating_position(prompt)
    assert whole[: len(prompt)] != prompt and whole[: at + 1] == prompt[: at + 1]


def test_a_tokenizer_that_reads_the_header_otherwise_before_an_answer_has_a_shorter_pattern():
    """GPT-2's splitting leaves the last newline of a run to what follows it: only what stays the same is the pattern."""
    from tokenizers import pre_tokenizers

    tokenizer = tiny.tokenizer("llama")
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    chat = Chat.load(tokenizer)
    assert tokenizer.decode(chat.pattern) == MARKS["llama"].strip("\n")
    assert chat.gating_position(chat.full_ids(ONE, "Yes.")) == chat.gating_position(chat.prompt_ids(ONE))


def test_without_a_template_or_with_one_that_ends_in_nothing():
    with pytest.raises(WorkbenchError, match="no chat template.*chat_template="):
        Chat.load(tiny.tokenizer("llama", template=None))
    assert Chat.load(tiny.tokenizer("llama", template=None), chat_template=tiny.LLAMA).pattern
    bare = tiny.tokenizer("qwen", template="{% for message in messages %}{{ message.content }}{% endfor %}")
    with pytest.raises(WorkbenchError, match="no gating pattern.*gating_pattern"):
        Chat.load(bare)


def test_a_template_that_refuses_a_role_says_so_and_folding_helps():
    chat = Chat.load(tiny.tokenizer("gemma"))
    with pytest.raises(WorkbenchError, match="refuses.*no system role here.*fold_system"):
        chat.prompt_ids(SYSTEM)
    folded = Chat.load(tiny.tokenizer("gemma"), fold_system=True)
    assert folded.text(SYSTEM) == folded.text([{"role": "user", "content": "Be brief.\n\nWhy is the sky blue?"}])
    assert SYSTEM[1]["content"] == "Why is the sky blue?"  # the caller's own is as it was
    assert "Be brief." in Chat.load(tiny.tokenizer("qwen")).text(SYSTEM)
