"""A small random transformer with a real tokenizer and chat template: what a notebook runs on where there is no hub and no GPU."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WorkbenchError
from ..shipped import demo

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MARKS = ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|pad|>")
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


def miniature(folder: str | Path, *, dim: int = 96, layers: int = 2, vocabulary: int = 2048, seed: int = 0) -> Path:
    """Write a Llama of random weights (half a million) in a new folder; the one that is there, if it is. Llama 3's form of chat.

    Random features of text still tell words apart: probes and gates learn from them, less than from a real model's.
    """
    folder = Path(folder)
    if (folder / "config.json").is_file():
        return folder
    if folder.exists():
        raise WorkbenchError("something else is here", where=str(folder), remedy="Choose another folder")
    import torch
    from transformers import LlamaConfig, LlamaModel
    from transformers.utils import logging

    torch.manual_seed(seed)
    tokenizer = _tokenizer(vocabulary)
    model = LlamaModel(LlamaConfig(vocab_size=len(tokenizer), hidden_size=dim, intermediate_size=2 * dim, num_hidden_layers=layers,
                                   num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048, pad_token_id=None,
                                   initializer_range=0.1))
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    finally:
        if shown:
            logging.enable_progress_bar()
    return folder


def byte_pairs(texts: Iterable[str], size: int) -> Tokenizer:
    """A byte-level BPE of at most `size` tokens, taught by some texts; a run of newlines is one piece, as in Llama 3."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    made, pieces = Tokenizer(models.BPE()), Regex(r" ?\w+| ?[^\s\w]+|\s*[\r\n]+|\s+")
    split = pre_tokenizers.Split(pieces, "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False))
    return made


def _tokenizer(vocabulary: int):
    """The shipped study's words, with the marks of the template."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    made = byte_pairs(["\n\n"] * 100 + demo().table("responses")["text"].tolist()[:600], vocabulary - len(MARKS))
    made.add_special_tokens(list(MARKS))
    made.post_processor = processors.TemplateProcessing(single=f"{MARKS[0]} $A", special_tokens=[(MARKS[0], made.token_to_id(MARKS[0]))])
    found = PreTrainedTokenizerFast(tokenizer_object=made, bos_token=MARKS[0], eos_token=MARKS[1], pad_token=MARKS[-1])
    found.chat_template = TEMPLATE
    return found
