"""Features of preference pairs by decoder models on a CPU: prompts shared and lengths sorted, against one conversation at a time.

    python tests/benchmarks/extraction.py [--quick | --full] [--json FILE]

Released: for each pair two passes of one conversation, the prompt's feature read in both, as ArmoRM's second stage is prepared
(arXiv 2406.12845). Ours and released read the same ids on the same model; useful tokens are those that released has to read, so
the ratio of the seconds is that of useful tokens a second. Models are random Llamas, texts random words. How long they are, and how
often a prompt or an answer returns, is as in WORKBENCH_REAL_DATA's pairs_train.jsonl.gz where that is set, else as in a fit of it.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

import bench  # noqa: E402
import pandas as pd  # noqa: E402
import tiny  # noqa: E402
import torch  # noqa: E402

from workbench.backbone import CausalBackbone  # noqa: E402
from workbench.backbone.trees import Batch, Cost, Row, batched, grown  # noqa: E402
from workbench.extract import extract  # noqa: E402
from workbench.readers.messages import messages_of  # noqa: E402
from workbench.tables import Tables  # noqa: E402

MUST = "≥ 1.5× the useful tokens per CPU second, to 1e-5"
REAL_DATA, FILE = "WORKBENCH_REAL_DATA", "pairs_train.jsonl.gz"
TOKENS = 1.34  # of a word of those pairs, as all-MiniLM-L6-v2's WordPiece splits them
# The fit, in words of prompt, chosen and rejected answer: log-normal with the medians and means of the 10,398 pairs, their correlation.
MEDIAN, MEAN, MOST = (17, 60, 54), (45.9, 94.9, 79.0), (997, 1367, 1794)
ALIKE = ((1.0, -0.16, -0.09), (-0.16, 1.0, 0.51), (-0.09, 0.51, 1.0))
# How many of the 5,381 prompts have so many answers, and so many pairs of them; and how long prompts with two are, and with more.
TWO, MORE = 1.85, 0.4
RETURNS = {(2, 1): 4093, (5, 4): 506, (4, 6): 298, (10, 10): 148, (4, 5): 121, (3, 2): 102, (4, 4): 70, (4, 3): 43}


@dataclass(frozen=True)
class Shape:
    """Of a Llama; read: heads of keys and values, where there are fewer."""

    dim: int
    layers: int
    inner: int
    heads: int
    vocab: int
    read: int = 0


@dataclass(frozen=True)
class Size:
    """How many pairs a model reads, in how many rounds."""

    shape: Shape
    pairs: int
    rounds: int


SMALL, LARGE = Shape(64, 4, 172, 4, 512), Shape(768, 12, 2048, 12, 16_384)
SIZES = {"tiny": (Size(Shape(16, 2, 32, 4, 512), 5, 1),), "quick": (Size(SMALL, 150, 1), Size(LARGE, 4, 1)),
         "middle": (Size(SMALL, 400, 3), Size(LARGE, 16, 1)), "full": (Size(SMALL, 500, 3), Size(LARGE, 32, 2))}
GROWING = {"tiny": 4, "quick": 100, "middle": 800, "full": 1600}  # pairs whose memory is held against that of four times as many


def main() -> None:
    asked = bench.parser(__doc__).parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for number, size in enumerate(SIZES[asked.size]):
            folder = checkpoint(Path(place) / str(number), size.shape)
            rows += measured(folder, size, asked.size == "full")
        rows.append(memory(Path(place) / "0", GROWING[asked.size]))
    bench.report(rows, asked)


# -- what is read ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Talk:
    """Lengths, in words, of a prompt and its answers; pairs: (chosen, rejected) of these."""

    prompt: int
    answers: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...] = ((0, 1),)

    @property
    def released(self) -> int:
        return sum(2 * self.prompt + self.answers[one] + self.answers[other] for one, other in self.pairs)


def talks(count: int, *, returning: bool = False) -> list[Talk]:
    """Evenly spaced ones of all, sorted by their pairs and what these cost.

    returning: prompts with all their answers, else each pair by itself.
    """
    folder = os.environ.get(REAL_DATA)
    found = _real(Path(folder) / FILE, returning) if folder else _fitted(np.random.default_rng(0), returning)
    found.sort(key=lambda talk: (len(talk.pairs), talk.released))
    return [found[int(at)] for at in (np.arange(count) + 0.5) / count * len(found)]


def _fitted(rng: np.random.Generator, returning: bool, count: int = 10_000) -> list[Talk]:
    wide = np.sqrt(2 * np.log(np.divide(MEAN, MEDIAN)))
    drawn = rng.multivariate_normal(np.log(MEDIAN), wide[:, None] * wide * ALIKE, count)
    words = np.clip(np.exp(drawn).round(), 1, MOST).astype(int)
    if not returning:
        return [Talk(prompt, (chosen, rejected)) for prompt, chosen, rejected in words.tolist()]
    kinds, share, out = list(RETURNS), np.array([*RETURNS.values()]) / sum(RETURNS.values()), []
    for (prompt, *two), kind in zip(words.tolist(), rng.choice(len(kinds), count, p=share)):
        answers, pairs = kinds[kind]
        more = words[rng.integers(count, size=answers - 2), rng.integers(1, 3, answers - 2)]
        every = [(one, other) for one in range(answers) for other in range(one + 1, answers)]
        out.append(Talk(round(prompt * (TWO if answers == 2 else MORE)) + 1, (*two, *more.tolist()), tuple(every[:pairs])))
    return out


def _real(path: Path, returning: bool) -> list[Talk]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    groups: dict[str, list[dict]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(row["prompt"] if returning else str(number), []).append(row)
    out = []
    for some in groups.values():
        answers = list(dict.fromkeys(row[side] for row in some for side in ("chosen", "rejected")))
        pairs = tuple((answers.index(row["chosen"]), answers.index(row["rejected"])) for row in some)
        out.append(Talk(len(some[0]["prompt"].split()), tuple(len(answer.split()) for answer in answers), pairs))
    return out


def tables(wanted: list[Talk], tokenizer, seed: int = 0) -> Tables:
    """Texts of so many tokens: each word is one of the tokenizer's."""
    rng = np.random.default_rng(seed)
    words = np.array(sorted(token[1:] for token in tokenizer.get_vocab() if token[0] == "Ġ" and token[1:].isalpha()))

    def text(size: int) -> str:
        return " ".join(rng.choice(words, max(1, round(TOKENS * size))))

    names = [f"p{number:06d}" for number in range(len(wanted))]
    prompts = pd.DataFrame({"prompt_id": names, "family": names, "text": [text(talk.prompt) for talk in wanted]})
    answers = [(f"{name}r{at}", name, text(size)) for name, talk in zip(names, wanted) for at, size in enumerate(talk.answers)]
    pairs = [(f"{name}c{at}", name, f"{name}r{one}", f"{name}r{other}")
             for name, talk in zip(names, wanted) for at, (one, other) in enumerate(talk.pairs)]
    return Tables(prompts, pd.DataFrame(answers, columns=["response_id", "prompt_id", "text"]),
                  pd.DataFrame(pairs, columns=["pair_id", "prompt_id", "chosen", "rejected"]))


@dataclass(frozen=True)
class Asked:
    """A talk's ids: its prompt's and where that is read, and each whole conversation's."""

    prompt: list[int]
    gate: int
    answers: tuple[list[int], ...]
    pairs: tuple[tuple[int, int], ...]


def asked_of(made: Tables, wanted: list[Talk], chat) -> list[Asked]:
    said, out = iter(made.responses["text"]), []
    for talk, messages in zip(wanted, messages_of(made.prompts)):
        prompt = chat.prompt_ids(messages)
        answers = tuple(chat.full_ids(messages, next(said)) for _ in talk.answers)
        out.append(Asked(prompt, chat.gating_position(prompt), answers, talk.pairs))
    return out


def useful(asked: list[Asked]) -> int:
    """Tokens that the released way reads."""
    return sum(len(one.answers[side]) for one in asked for pair in one.pairs for side in pair)


# -- models and the ways to read them ----------------------------------------------------------------


def random_llama(shape: Shape, *, device: str = "cpu", dtype: str = "float32"):
    """Made where it is to be; query and key weights make attention that differs from place to place."""
    from transformers import AutoModel, LlamaConfig

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=shape.vocab, hidden_size=shape.dim, intermediate_size=shape.inner, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, num_key_value_heads=shape.read or shape.heads, max_position_embeddings=4096, pad_token_id=None)
    with torch.device(device):
        model = AutoModel.from_config(config, dtype=getattr(torch, dtype))
    for name, weight in model.named_parameters():
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            torch.nn.init.normal_(weight, std=1.5 / shape.dim**0.5)
    return model.eval().requires_grad_(False)


def checkpoint(folder: Path, shape: Shape) -> Path:
    from transformers.utils import logging

    logging.disable_progress_bar()
    random_llama(shape).save_pretrained(folder)
    tiny.tokenizer("llama").save_pretrained(folder)
    return folder


def multiplied(model) -> int:
    """Parameters that each token is multiplied with: all but the embedding."""
    return sum(weight.numel() for name, weight in model.named_parameters() if "embed" not in name)


def released(model, asked: list[Asked], device: str = "cpu") -> np.ndarray:
    """[pair side 2 dim]: the prompt's feature and the answer's."""
    found = []
    with torch.inference_mode():
        for one in asked:
            for side in (side for pair in one.pairs for side in pair):
                hidden = model(input_ids=torch.tensor([one.answers[side]], device=device), use_cache=False).last_hidden_state[0]
                found.append(hidden[[one.gate, len(hidden) - 1]].float().cpu())
    return torch.stack(found).numpy().reshape(-1, 2, 2, found[0].shape[1])


def rows_of(asked: list[Asked], cost: Cost) -> list[Row]:
    """As `CausalBackbone.plan` makes them, from ids: a slot for each prompt, then for its answers."""
    rows, slot = [], 0
    for one in asked:
        rows += grown(slot, one.gate, one.prompt, list(enumerate(one.answers, slot + 1)), cost)
        slot += 1 + len(one.answers)
    return rows


def planned(asked: list[Asked], cost: Cost, budget: int) -> list[Batch]:
    return batched(rows_of(asked, cost), budget)


def ours(backbone: CausalBackbone, asked: list[Asked], cost: Cost | None = None, budget: int = 0) -> np.ndarray:
    """Planned and computed, [slot dim]."""
    out = np.full((sum(1 + len(one.answers) for one in asked), backbone.dim), np.nan, np.float32)
    for batch in planned(asked, cost or backbone.cost, budget or backbone.batch_tokens):
        out[batch.slots] = backbone.run(batch)
    return out


def by_pair(rows: np.ndarray, asked: list[Asked]) -> np.ndarray:
    """[slot dim] → [pair side 2 dim], as `released` gives them."""
    places, slot = [], 0
    for one in asked:
        places += [[(slot, slot + 1 + side) for side in pair] for pair in one.pairs]
        slot += 1 + len(one.answers)
    return rows[np.array(places)]


def apart(found: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference over largest feature; a row that is missing is as far as can be."""
    return float(np.nan_to_num(np.abs(found - wanted), nan=np.inf).max() / np.abs(wanted).max())


# -- what is measured --------------------------------------------------------------------------------


def measured(folder: Path, size: Size, full: bool) -> list[bench.Row]:
    backbone, wanted = CausalBackbone.load(folder, device="cpu"), talks(size.pairs)
    model, cost = backbone._model, backbone.cost
    made = tables(wanted, backbone.chat.tokenizer)
    asked = asked_of(made, wanted, backbone.chat)
    ways = {"ours": (cost, 0), "sorting": (replace(cost, most=0), 0), "sharing": (cost, 1)}  # a batch of one row each
    released(model, asked[:2]), ours(backbone, asked[:2])
    found = bench.alternate({"released": lambda: released(model, asked),
                             **{name: lambda way=way: ours(backbone, asked, *way) for name, way in ways.items()}}, size.rounds)
    back = talks(max(2, size.pairs // 2), returning=True)
    again = asked_of(tables(back, backbone.chat.tokenizer, 1), back, backbone.chat)
    more = bench.alternate({"released": lambda: released(model, again), "ours": lambda: ours(backbone, again)}, 1)
    speed = bench.rate("float32", backbone.batch_tokens, size.shape.dim, size.shape.inner)
    name = f"features by a Llama of {sum(p.numel() for p in model.parameters()) / 1e6:.3g}M parameters"

    def row(what: str, timings: dict, key: str, asked: list[Asked], way=(cost, 0), **given) -> bench.Row:
        batches = planned(asked, way[0], way[1] or backbone.batch_tokens)
        tokens, product = sum(batch.tokens for batch in batches), 2 * multiplied(model) / speed
        theirs, mine, read = timings["released"], timings[key], useful(asked)
        return bench.Row(
            f"{name}, {what}", theirs, mine, naive_is=f"one conversation at a time, {read:,} useful tokens", floor=tokens * product,
            floor_of=f"{tokens:,} tokens times {multiplied(model) / 1e6:.3g}M parameters, float32 at {speed / 1e9:.0f} GFLOP/s a core",
            agreement=f"features within {apart(by_pair(mine.value, asked), theirs.value):.1e} of the largest",
            note=f"useful tokens a CPU second: {read / theirs.cpu:,.0f} and {read / mine.cpu:,.0f}; computed {tokens / read:.0%} of them, "
                 f"and filling: {sum(batch.ids.size for batch in batches) / tokens - 1:.1%}; released is "
                 f"{theirs.cpu / (read * product):.2f}× the products of its own tokens", **given)

    pairs = f"{size.pairs} pairs"
    met = found["released"].cpu >= 1.5 * found["ours"].cpu and apart(by_pair(found["ours"].value, asked), found["released"].value) <= 1e-5
    return [
        row(pairs, found, "ours", asked, must=MUST, met=met if full else None, ours_is="shared prompts, sorted lengths"),
        row(f"{pairs}, sorted lengths alone", found, "sorting", asked, ways["sorting"], ours_is="nothing shared"),
        row(f"{pairs}, shared prompts alone", found, "sharing", asked, ways["sharing"], ours_is="each row a batch"),
        row(f"{sum(len(one.pairs) for one in again)} pairs of {len(again)} prompts, as they return in the data", more, "ours", again,
            ours_is="each conversation once"),
        whole(backbone, name, made, wanted, asked, found, bench.peak(extracted, folder, wanted[-2:]) if full else None),
    ]


def whole(backbone: CausalBackbone, name: str, made: Tables, wanted, asked: list[Asked], found: dict, peak: int | None) -> bench.Row:
    """From texts to a study on disk."""
    with tempfile.TemporaryDirectory() as place:
        extract(tables(wanted[:2], backbone.chat.tokenizer), Path(place) / "first", backbone=backbone)  # imports, and the weights' hash
        took = bench.timed(lambda: extract(made, Path(place) / "study", backbone=backbone, dtype="F32"))
        store = took.value.store
        prompts, responses = (store.rows(kind, np.arange(len(getattr(made, f"{kind}s")))) for kind in ("prompt", "response"))
    pieces = np.split(responses, np.cumsum([len(one.answers) for one in asked])[:-1])
    rows = np.concatenate([np.concatenate([prompt[None], some]) for prompt, some in zip(prompts, pieces)])
    return bench.Row(
        f"{name}, {len(wanted)} pairs from texts to a study", None, took, ours_is="extract: templates, ids, plan, model, shards, tables",
        agreement=f"stored features within {apart(by_pair(rows, asked), found['released'].value):.1e} of the released way's largest",
        peak=peak, note=f"the model alone: {bench.words(found['ours'].cpu)}, the rest: {took.cpu / found['ours'].cpu - 1:.0%} of that"
                        + "; peak: of the two longest" * bool(peak))


def extracted(folder: Path, wanted: list[Talk]) -> None:
    """A whole extraction with its model and texts, for its memory."""
    backbone = CausalBackbone.load(folder, device="cpu")
    with tempfile.TemporaryDirectory() as place:
        extract(tables(wanted, backbone.chat.tokenizer), place, backbone=backbone)


def memory(folder: Path, pairs: int) -> bench.Row:
    """Peaks of so many pairs and of four times as many, of the same lengths."""
    wanted = talks(max(2, pairs // 8))
    wanted = pairs // len(wanted) * wanted
    small, large = (bench.peak(extracted, folder, times * wanted) for times in (1, 4))
    made, rows = tables(wanted, tiny.tokenizer("llama")), 3 * len(wanted)
    text = sum(len(said.encode()) for some in (made.prompts, made.responses) for said in some["text"]) / rows
    more = (large - small) / (3 * rows)
    return bench.Row(
        f"memory of an extraction, {rows:,} and {4 * rows:,} rows", peak=large,
        agreement=f"{bench.size_words(small)} and {bench.size_words(large)}: {more:,.0f} bytes a row more, {more / text:.1f}× its text",
        note="a row is a prompt or an answer; its text and its hash are in memory, its vector only while its shard is made")


if __name__ == "__main__":
    main()
