"""Features of preference pairs by a random Llama of 8B parameters in bfloat16 on a GPU, against one conversation at a time there.

    python tests/benchmarks/extraction_gpu.py [--quick | --full] [--device cuda] [--peak-tflops N] [--json FILE]

The pairs, the released way and what is counted as useful are those of extraction.py. Utilisation: operations that the model needs
for what is computed (products of each token with all but the embedding, attention to each token that is seen, no filling), over
the seconds, over the rate of bfloat16 products measured on this device; and over N, the data sheet's, where it is given.
Without a GPU the row says "not measured".
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

import bench  # noqa: E402
import tiny  # noqa: E402
import torch  # noqa: E402
from extraction import Shape, apart, asked_of, by_pair, multiplied, ours, planned, random_llama, released, rows_of, tables, talks, useful  # noqa: E402

from workbench.backbone import CausalBackbone  # noqa: E402
from workbench.backbone.causal import MAX_TOKENS  # noqa: E402
from workbench.backbone.chat import Chat  # noqa: E402
from workbench.backbone.choices import BATCH_TOKENS  # noqa: E402
from workbench.backbone.trees import Row  # noqa: E402

LLAMA, TINY = Shape(4096, 32, 14_336, 32, 128_256, 8), Shape(16, 2, 32, 4, 512, 2)
PAIRS = {"tiny": 4, "quick": 60, "middle": 340, "full": 1000}
TIMES, SHARE = 3, 0.45
WORK, MUST = "features by a Llama of 8B parameters, bfloat16, on a GPU", f"≥ {TIMES}×, utilisation ≥ {SHARE:.0%}"


def on_device(shape: Shape, device: str) -> CausalBackbone:
    """A backbone that never was on disk."""
    model, kind = random_llama(shape, device=device, dtype="bfloat16"), device.split(":")[0]
    return CausalBackbone("random", Path(), shape.dim, MAX_TOKENS, "skip", device, "bfloat16", Chat.load(tiny.tokenizer("llama")),
                          model.config, (), BATCH_TOKENS[kind], model)


def seen(row: Row) -> int:
    """Pairs of tokens of which one sees the other, or itself."""
    prompt = len(row.prompt)
    return (prompt * (prompt + 1) + sum(len(answer) * (2 * prompt + len(answer) + 1) for answer in row.answers)) // 2


def needed(model, rows: list[Row], shape: Shape) -> float:
    """Operations: products of tokens, and two products of each pair of tokens in each layer."""
    return 2.0 * multiplied(model) * sum(map(len, rows)) + 4.0 * shape.dim * shape.layers * sum(map(seen, rows))


def alike(found: np.ndarray, wanted: np.ndarray) -> float:
    """The least cosine."""
    lengths = np.linalg.norm(found, axis=-1) * np.linalg.norm(wanted, axis=-1)
    return float(((found * wanted).sum(axis=-1) / lengths).min())


def measured(size: str, device: str, peak: float | None = None) -> bench.Row:
    shape, on_gpu = TINY if size == "tiny" else LLAMA, device.startswith("cuda")
    backbone, wanted = on_device(shape, device), talks(PAIRS[size])
    model, asked = backbone._model, asked_of(tables(wanted, backbone.chat.tokenizer), wanted, backbone.chat)
    released(model, asked[:2], device), ours(backbone, asked)  # kernels are chosen by the shape of what they get
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    found = bench.alternate({"released": lambda: released(model, asked, device), "ours": lambda: ours(backbone, asked)},
                            1 if size == "tiny" else 3, device=device)
    naive, took = found["released"], found["ours"]
    batches, operations = planned(asked, backbone.cost, backbone.batch_tokens), needed(model, rows_of(asked, backbone.cost), shape)
    tokens, read = sum(batch.tokens for batch in batches), useful(asked)
    speed = bench.rate("bfloat16", backbone.batch_tokens if on_gpu else 64, shape.dim, shape.inner, device=device)
    shares = {f"{speed / 1e12:.3g} TFLOP/s measured": operations / took.wall / speed}
    if peak:
        shares[f"the data sheet's {peak:g}"] = operations / took.wall / (peak * 1e12)
    got, theirs = by_pair(took.value, asked), naive.value
    return bench.Row(
        f"{WORK}: {len(wanted)} pairs" if size != "tiny" else f"features by a tiny Llama on {device}", naive, took, must=MUST,
        met=naive.wall >= TIMES * took.wall and min(shares.values()) >= SHARE if size in ("middle", "full") and on_gpu else None,
        naive_is=f"one conversation at a time, {read:,} useful tokens", ours_is=f"batches of {backbone.batch_tokens:,} tokens at most",
        floor=operations / speed, floor_of="of the device: what the model needs for the tokens that are computed",
        agreement=f"features within {apart(got, theirs):.1e} of the largest, the least cosine {alike(got, theirs):.4f}",
        peak=torch.cuda.max_memory_allocated(device) if on_gpu else None,
        note=f"utilisation {', '.join(f'{share:.0%} of {what}' for what, share in shares.items())}; useful tokens a second: "
             f"{read / naive.wall:,.0f} and {read / took.wall:,.0f}; computed {tokens / read:.0%} of them in {len(batches)} batches, and "
             f"filling: {sum(batch.ids.size for batch in batches) / tokens - 1:.1%}" + "; peak: of the device, model included" * on_gpu)


def main() -> None:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--peak-tflops", type=float)
    asked, sys.argv[1:] = options.parse_known_args()
    bench.on_a_gpu(__doc__, partial(measured, peak=asked.peak_tflops), WORK, MUST)


if __name__ == "__main__":
    main()
