"""How long a map of prompts takes, and its memory: UMAP on 5 000 × 384, then all but UMAP's epochs on 100 000 places.

Run ``python tests/benchmarks/prompt_map.py [--quick] [--whole]``; --whole lays 100 000 prompts out from their features.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from workbench.projection.clusters import clustered
from workbench.projection.layout import MOST, laid_out
from workbench.projection.neighbours import among_neighbours, nearest, nearest_on_map, overlap, unit
from workbench.projection.words import cluster_names


def make(n: int, dim: int, groups: int = 40):
    """Features [n dim] around random centres, a place [n 2] and a text for each, all by group."""
    rng = np.random.default_rng(0)
    group = rng.integers(groups, size=n)
    rows = (rng.normal(size=(groups, dim))[group] + 0.7 * rng.normal(size=(n, dim))).astype(np.float32)
    places = (rng.uniform(-10, 10, size=(groups, 2))[group] + 0.4 * rng.normal(size=(n, 2))).astype(np.float32)
    words = np.array([f"w{chr(97 + i // 676)}{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}" for i in range(8000)])
    own = rng.integers(20, size=(n, 8)) + 20 * group[:, None]
    texts = [" ".join(row) for row in np.hstack([words[own], words[rng.integers(len(words), size=(n, 52))]])]
    return rows, places, texts


def timed(label: str, work):
    began, busy = time.perf_counter(), time.process_time()
    made = work()
    wall, cpu = time.perf_counter() - began, time.process_time() - busy
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform != "darwin" else 2**30)
    print(f"  {label:44s} {wall:7.1f} s wall {cpu:7.1f} s CPU   {most:.2f} GB at most so far")
    return made


def silent(fraction, words) -> None:
    pass


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--prompts", type=int, default=100_000)
    options.add_argument("--dim", type=int, default=384)
    options.add_argument("--whole", action="store_true", help="also lay all of them out")
    options.add_argument("--quick", action="store_true", help="3 000 places, and 500 laid out")
    chosen = options.parse_args()
    n, small = (3_000, 500) if chosen.quick else (chosen.prompts, 5_000)
    ask = {"seed": 0, "neighbours": 15, "min_dist": 0.1, "tell": silent}
    rows, _, _ = make(small, chosen.dim)
    print(f"{small} × {chosen.dim}")
    laid = timed("one layout (neighbours, UMAP and its start)", lambda: laid_out(rows, seeds=1, **ask))
    three = timed("three layouts", lambda: laid_out(rows, seeds=3, **ask))
    print(f"  the same map again: {(laid.places == three.places).all()}; kept {three.kept().mean():.3f}, agreement {three.agreement():.3f}")
    rows, places, texts = make(n, chosen.dim)
    anchors = np.sort(np.random.default_rng(0).choice(n, min(n, MOST), replace=False))
    print(f"{n} × {chosen.dim}, places given, neighbours among {len(anchors)}")
    unitary = timed("features to unit length", lambda: unit(rows))
    near = timed("neighbours by features", lambda: nearest(unitary, anchors, 15)[0])
    kept = timed("kept", lambda: overlap(near, nearest_on_map(places, anchors, 15)))
    timed("places among neighbours", lambda: among_neighbours(near[:, :8], places[anchors]))
    labels = timed("clusters", lambda: clustered(places))
    names = timed("their words", lambda: cluster_names(labels, texts=texts, families=[str(i) for i in range(n)]))
    print(f"  kept {kept.mean():.3f}; {len(names)} clusters, {(labels < 0).mean():.1%} outside; {', '.join(names[:3])} …")
    if chosen.whole:
        whole = timed("all of them laid out, three layouts", lambda: laid_out(rows, seeds=3, **ask))
        print(f"  kept {whole.kept().mean():.3f}, agreement {whole.agreement():.3f}; {whole.about}")


if __name__ == "__main__":
    main()
