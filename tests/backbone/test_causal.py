"""Features of decoder models: alone, in a batch, in a tree, filled on either side: the same to 1e-5 in float32."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import tiny
import torch

from workbench.backbone import CausalBackbone
from workbench.backbone.choices import chosen_device
from workbench.backbone.conversations import Group
from workbench.errors import WorkbenchError

ARCHITECTURES = tuple(tiny.FAMILY)
ONE = [{"role": "user", "content": "Why is the sky blue, and is it so on Mars too?"}]
TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Name a colour."}]
ANSWERS = ["Scattering.", "Short waves scatter more than long ones, so that blue light comes from everywhere. " * 3, "No."]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: tiny.saved(tmp_path_factory.mktemp(name), name) for name in ARCHITECTURES}


@pytest.fixture(scope="module")
def backbones(folders):
    return {name: CausalBackbone.load(folder) for name, folder in folders.items()}


def groups(answers=ANSWERS):
    """Two prompts, slots 0 and 1, with all the answers each."""
    slots = iter(range(2, 2 + 2 * len(answers)))
    return [Group("", said, at, tuple((next(slots), answer) for answer in answers)) for at, said in enumerate((ONE, TALK))]


def vectors(backbone, some) -> dict[int, np.ndarray]:
    work = backbone.plan(some)
    return {int(slot): row for batch in work.batches for slot, row in zip(batch.slots, backbone.run(batch))}


def oracle(backbone, said, answer=None) -> np.ndarray:
    """One conversation at a time through the plain model: the last token's state, or the one where the gate reads."""
    ids = backbone.chat.prompt_ids(said) if answer is None else backbone.chat.full_ids(said, answer)
    with torch.no_grad():
        hidden = backbone._model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    return hidden[backbone.chat.gating_position(ids) if answer is None else -1].numpy()


def scale(rows) -> float:
    return max(np.abs(row).max() for row in rows.values())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_shared_prompts_change_nothing(backbones, architecture):
    backbone = backbones[architecture]
    assert backbone.shares_prompts
    found = vectors(backbone, groups())
    assert sorted(found) == list(range(8))
    wanted = {0: oracle(backbone, ONE), 1: oracle(backbone, TALK)}
    wanted |= {2 + at: oracle(backbone, said, answer) for at, (said, answer) in
               enumerate((said, answer) for said in (ONE, TALK) for answer in ANSWERS)}
    assert np.abs(wanted[2] - wanted[4]).max() > 0.1  # the answers differ, so that the test can fail
    for slot, row in wanted.items():
        np.testing.assert_allclose(found[slot], row, atol=1e-5 * max(scale(wanted), 1))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_filling_changes_nothing(backbones, architecture, side):
    backbone = backbones[architecture]
    rows = [backbone.chat.full_ids(said, answer) for said in (ONE, TALK) for answer in ANSWERS]
    alone = [backbone.hidden(torch.tensor([ids]))[0] for ids in rows]
    width = max(map(len, rows)) + 3
    for order in ([0, 1, 2, 3, 4, 5], [4, 2, 5, 0, 1, 3]):
        ids, mask = torch.full((6, width), backbone.chat.tokenizer.pad_token_id), torch.zeros(6, width, dtype=torch.long)
        for place, row in enumerate(order):
            where = slice(width - len(rows[row]), width) if side == "left" else slice(0, len(rows[row]))
            ids[place, where], mask[place, where] = torch.tensor(rows[row]), 1
        together = backbone.hidden(ids, mask)
        for place, row in enumerate(order):
            torch.testing.assert_close(together[place][mask[place] > 0], alone[row], atol=1e-5 * float(alone[row].abs().max()), rtol=0)


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
@pytest.mark.parametrize("batch_tokens", [1, 120, 4000])
def test_batches_of_any_size_and_order_agree(folders, architecture, batch_tokens):
    backbone = CausalBackbone.load(folders[architecture], batch_tokens=batch_tokens)
    first, turned = vectors(backbone, groups()), vectors(backbone, groups()[::-1])
    alone = {slot: row for group in groups() for slot, row in vectors(backbone, [group]).items()}
    for found in (turned, alone):
        for slot, row in first.items():
            np.testing.assert_allclose(found[slot], row, atol=1e-5 * max(scale(first), 1))


def test_a_model_that_takes_no_such_mask_shares_nothing(folders, monkeypatch):
    backbone = CausalBackbone.load(folders["llama"])
    monkeypatch.setattr(CausalBackbone, "_masks", lambda self, branch, position: None)  # every answer would see those before it
    assert not backbone.shares_prompts and backbone.cost.most == 0
    found = vectors(backbone, groups())
    np.testing.assert_allclose(found[4], oracle(backbone, ONE, ANSWERS[2]), atol=1e-5 * scale(found))
    assert all(batch.branch is None for batch in backbone.plan(groups()).batches)


def test_half_precision_is_near_and_vectors_are_float32(folders, backbones):
    half = CausalBackbone.load(folders["llama"], dtype="bfloat16")
    found, wanted = vectors(half, groups()), vectors(backbones["llama"], groups())
    assert half.shares_prompts and half._model.dtype == torch.bfloat16 and found[0].dtype == np.float32
    for slot, row in wanted.items():
        assert np.corrcoef(found[slot], row)[0, 1] > 0.95


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_too_long_is_skipped_or_cut_on_the_left(folders, backbones, architecture):
    whole = backbones[architecture]
    prompt, long = (whole.chat.prompt_ids(TALK), whole.chat.full_ids(TALK, ANSWERS[1]))
    gate, most = whole.chat.gating_position(prompt), len(long) - 4
    skipping = CausalBackbone.load(folders[architecture], max_tokens=most)
    group = Group("", TALK, 0, tuple(enumerate(ANSWERS, 1)))
    work = skipping.plan([group])
    assert work.skipped == {2: f"{len(long)} tokens, more than {most}"} and not work.cut and sorted(vectors(skipping, [group])) == [0, 1, 3]
    cutting = CausalBackbone.load(folders[architecture], max_tokens=most, overlong="cut")
    work, found = cutting.plan([group]), vectors(cutting, [group])
    assert not work.skipped and work.cut == (0,)
    marks = int(whole.chat.tokenizer.bos_token_id == prompt[0])
    short = [*prompt[:marks], *prompt[marks + 4 : gate + 1]]  # four tokens after the BOS are gone, for every answer alike
    with torch.no_grad():
        wanted = cutting._model(input_ids=torch.tensor([short])).last_hidden_state[0, -1].numpy()
        ids = [*long[:marks], *long[marks + 4 :]]
        answer = cutting._model(input_ids=torch.tensor([ids])).last_hidden_state[0, -1].numpy()
    np.testing.assert_allclose(found[0], wanted, atol=1e-5 * scale(found))
    np.testing.assert_allclose(found[2], answer, atol=1e-5 * scale(found))
    assert tuple(ids[gate - 4 : gate - 4 + len(whole.chat.pattern)]) == whole.chat.pattern  # the header is whole


def test_an_answer_longer_than_all_room_is_left_out_even_where_prompts_are_cut(folders):
    backbone = CausalBackbone.load(folders["llama"], max_tokens=60, overlong="cut")
    work = backbone.plan([Group("", ONE, 0, ((1, "Yes."), (2, "word " * 100)))])
    assert set(work.skipped) == {2} and "more than 60" in work.skipped[2]


def test_what_the_template_refuses_is_left_out_with_its_reason(backbones):
    system = [{"role": "system", "content": "Be brief."}, *ONE]
    work = backbones["gemma2"].plan([Group("", system, 0, ((1, "Yes."),)), Group("", ONE, 2, ((3, "No."),))])
    assert set(work.skipped) == {0, 1} and "no system role here" in work.skipped[0]
    assert sorted(slot for batch in work.batches for slot in batch.slots) == [2, 3]


def test_an_answer_that_holds_the_pattern_moves_no_gate(backbones):
    """The released code takes the last occurrence in the whole conversation: then the answer decides what the gate reads."""
    backbone = backbones["llama"]
    sly = "Yes.<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nNo."
    found = vectors(backbone, [Group("", ONE, 0, ((1, sly),))])
    np.testing.assert_allclose(found[0], oracle(backbone, ONE), atol=1e-5 * scale(found))
    ids = backbone.chat.full_ids(ONE, sly)
    assert backbone.chat.gating_position(ids) > backbone.chat.gating_position(backbone.chat.prompt_ids(ONE))


def test_pickled_it_is_loaded_again(backbones):
    backbone = CausalBackbone.load(backbones["qwen3"].folder, max_tokens=99, overlong="cut", batch_tokens=64)
    again = pickle.loads(pickle.dumps(backbone))
    assert again.identity == backbone.identity and again.name == backbone.name
    np.testing.assert_array_equal(vectors(again, groups())[4], vectors(backbone, groups())[4])


def test_what_cannot_be_loaded(folders, tmp_path):
    with pytest.raises(WorkbenchError, match="overlong 'drop'.*skip, cut"):
        CausalBackbone.load(folders["llama"], overlong="drop")
    with pytest.raises(WorkbenchError, match="max_tokens is 9999.*to 2048"):
        CausalBackbone.load(folders["llama"], max_tokens=9999)
    with pytest.raises(WorkbenchError, match="dtype 'int8'.*auto, float32"):
        CausalBackbone.load(folders["llama"], dtype="int8")
    if not torch.cuda.is_available():
        with pytest.raises(WorkbenchError, match="no GPU.*device=\"cpu\""):
            chosen_device("cuda")
    with pytest.raises(WorkbenchError, match="no chat template"):
        CausalBackbone.load(tiny.saved(tmp_path / "bare", "llama", template=None))


def test_a_checkpoint_that_lacks_a_tensor_or_is_cut_short(folders, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(folders["llama"], tmp_path / "lacking")
    tensors = load_file(tmp_path / "lacking" / "model.safetensors")
    lost = next(name for name in tensors if name.endswith("layers.1.mlp.up_proj.weight"))
    left = {name: value for name, value in tensors.items() if name != lost}
    save_file(left, tmp_path / "lacking" / "model.safetensors", {"format": "pt"})
    with pytest.raises(WorkbenchError, match=f"lacks {lost}"):
        CausalBackbone.load(tmp_path / "lacking")
    shutil.copytree(folders["llama"], tmp_path / "cut")
    path = tmp_path / "cut" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WorkbenchError, match="damaged or truncated"):
        CausalBackbone.load(tmp_path / "cut")
