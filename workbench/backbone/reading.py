"""Checkpoints through transformers: local files, safetensors, none of their code; a missing tensor is an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import WorkbenchError, listing

SAFE = {"local_files_only": True, "trust_remote_code": False}
UNREAD = ("pooler.",)  # a head that some encoders come without: the mean of the tokens is read
AGAIN = "Fetch the checkpoint again, or restore it from a copy"


def read_config(folder: Path) -> Any:
    """The model's sizes. WorkbenchError for a model type that needs its own code."""
    from transformers import AutoConfig

    with _said(folder):
        return AutoConfig.from_pretrained(folder, **SAFE)


def read_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    with _said(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, **SAFE)
    tokenizer.model_max_length = 10**9  # limits are applied here: no warning per long text
    return tokenizer


def read_transformer(folder: Path, dtype: str, device: str, kind: str = "AutoModel") -> tuple[Any, tuple[str, ...]]:
    """The model in evaluation, and the names of tensors that it has no place for. WorkbenchError where one that it needs is missing."""
    import torch
    import transformers

    with _said(folder):
        model, found = getattr(transformers, kind).from_pretrained(
            folder, use_safetensors=True, dtype=getattr(torch, dtype), output_loading_info=True, **SAFE)
    lacking = sorted({*found["missing_keys"], *(entry[0] for entry in found["mismatched_keys"])})
    lacking = [name for name in lacking if not name.startswith(UNREAD)]
    if lacking:
        raise WorkbenchError(f"the checkpoint lacks {listing(lacking)}, or has them in another shape", where=str(folder), remedy=AGAIN)
    model = getattr(model, "language_model", model)
    return model.to(device).eval().requires_grad_(False), tuple(sorted(found["unexpected_keys"]))


@contextmanager
def _said(folder: Path) -> Iterator[None]:
    """No progress bars or reports of the library's own, and its errors in one line."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    except WorkbenchError:
        raise
    except SafetensorError as error:
        raise WorkbenchError(f"a damaged or truncated shard ({error})", where=str(folder), remedy=AGAIN) from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise WorkbenchError(f"transformers cannot read this model: {first}", where=str(folder), remedy=AGAIN) from None
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
