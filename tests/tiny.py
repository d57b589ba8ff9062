"""Tiny random models of real architectures, with tokenizers and chat templates in the form of each family; nothing is fetched."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path

import torch

from workbench.armorm.miniature import TEMPLATE as LLAMA
from workbench.armorm.miniature import byte_pairs
from workbench.shipped import demo

VOCAB, DIM = 384, 32
GEMMA = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no system role here') }}{% endif %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n{{ message.content | trim }}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
QWEN = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nBe of use.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = {
    "llama": ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
    "gemma": ("<bos>", "<end_of_turn>", "<start_of_turn>"),
    "qwen": (None, "<|im_end|>", "<|im_start|>"),
}
TEMPLATES = {"llama": LLAMA, "gemma": GEMMA, "qwen": QWEN}
FAMILY = {"llama": "llama", "gemma2": "gemma", "gemma3": "gemma", "qwen2": "qwen", "qwen3": "qwen"}


@cache
def _merges() -> str:
    """A byte-level BPE of the shipped study's words, as JSON."""
    return byte_pairs([*["x\n\n\n\n\nx", "x\n\nx"] * 2000, *demo().table("responses")["text"][:200]], VOCAB - 8).to_str()


def tokenizer(family: str, *, template: str | None = "", adds_bos: bool = True):
    """A fast tokenizer with the special tokens and the chat template of a family; template None: without one."""
    from tokenizers import Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    bos, *others = SPECIAL[family]
    made = Tokenizer.from_str(_merges())
    made.add_special_tokens([name for name in (bos, *others, "<|pad|>") if name])
    if bos and adds_bos:
        made.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, made.token_to_id(bos))])
    found = PreTrainedTokenizerFast(tokenizer_object=made, bos_token=bos, eos_token=others[0], pad_token="<|pad|>")
    found.chat_template = TEMPLATES[family] if template == "" else template
    return found


def config(architecture: str, *, dim: int = DIM, layers: int = 3, **changes):
    """A small config; sliding windows are 8 tokens, so that short texts cross them."""
    import transformers as hf

    size = {"vocab_size": VOCAB, "hidden_size": dim, "intermediate_size": 2 * dim, "num_hidden_layers": layers,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2048, "pad_token_id": None}
    window = {"head_dim": max(dim // 4, 8), "sliding_window": 8}
    mixed = ["full_attention" if layer % 2 else "sliding_attention" for layer in range(layers)]
    made = {"llama": lambda: hf.LlamaConfig(**{**size, **changes}), "qwen2": lambda: hf.Qwen2Config(**{**size, **changes}),
            "qwen3": lambda: hf.Qwen3Config(**{**size, "head_dim": 8, **changes}),
            "gemma2": lambda: hf.Gemma2Config(**{**size, **window, "query_pre_attn_scalar": 8, **changes}),
            "gemma3": lambda: hf.Gemma3TextConfig(**{**size, **window, "query_pre_attn_scalar": 8, "layer_types": mixed, **changes})}
    return made[architecture]()


@cache
def transformer(architecture: str, **changes):
    """A random transformer without a head, whose attention matters: its query and key weights are drawn large."""
    from transformers import AutoModel

    torch.manual_seed(7)
    model = AutoModel.from_config(config(architecture, **changes)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "q_proj.weight" in name or "k_proj.weight" in name:
                weight.mul_(12)
            elif "v_proj.weight" in name or "o_proj.weight" in name or "mlp" in name:
                weight.mul_(4)
    return model


def saved(folder: Path, architecture: str = "llama", *, template: str | None = "", dtype=torch.float32, shard: str = "5GB",
          **changes) -> Path:
    """A checkpoint with its tokenizer, as a user would have it."""
    family = FAMILY[architecture]
    copy.deepcopy(transformer(architecture, **changes)).to(dtype).save_pretrained(folder, max_shard_size=shard)
    tokenizer(family, template=template).save_pretrained(folder)
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**about, "architectures": [type(transformer(architecture, **changes)).__name__]}))
    return folder
