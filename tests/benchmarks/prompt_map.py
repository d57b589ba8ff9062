"""How long a map of prompts takes, and its memory: UMAP on 5 000 × 384, then all but UMAP's epochs on 100 000 places.

Run ``python tests/benchmarks/prompt_map.py [--quick] [--whole]``; --whole lays 100 000 prompts out from their features.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench

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


def said(laid) -> str:
    return f"kept {laid.kept().mean():.3f}, agreement {laid.agreement():.3f}"


def silent(fraction, words) -> None:
    pass


def main() -> None:
    options = bench.parser(__doc__)
    options.add_argument("--dim", type=int, default=384)
    options.add_argument("--whole", action="store_true", help="also lay all of them out")
    asked = options.parse_args()
    n, small = {"tiny": (300, 0), "quick": (3_000, 500)}.get(asked.size, (100_000, 5_000))
    rows, ask = [], {"seed": 0, "neighbours": 15, "min_dist": 0.1, "tell": silent}

    def timed(label: str, work, note=lambda made: ""):
        one = bench.timed(work)
        rows.append(bench.Row(label, ours=one, peak=bench.high_water(), note=note(one.value)))
        return one.value

    if small:
        features, _, _ = make(small, asked.dim)
        laid = timed(f"one layout of {small} × {asked.dim} (neighbours, UMAP and its start)", lambda: laid_out(features, seeds=1, **ask))
        timed("three layouts of them", lambda: laid_out(features, seeds=3, **ask), lambda three: (
            f"{said(three)}; the same map again: {(laid.places == three.places).all()}"))
    features, places, texts = make(n, asked.dim)
    anchors = np.sort(np.random.default_rng(0).choice(n, min(n, MOST), replace=False))
    unitary = timed(f"{n} × {asked.dim} to unit length", lambda: unit(features))
    near = timed(f"their neighbours by features, among {len(anchors)}", lambda: nearest(unitary, anchors, 15)[0])
    timed("how many the map keeps", lambda: overlap(near, nearest_on_map(places, anchors, 15)), lambda kept: f"{kept.mean():.3f}")
    timed("places among neighbours", lambda: among_neighbours(near[:, :8], places[anchors]))
    families = [str(i) for i in range(n)]
    labels = timed("clusters", lambda: clustered(places), lambda labels: f"{(labels < 0).mean():.1%} outside")
    timed("their words", lambda: cluster_names(labels, texts=texts, families=families), lambda names: f"{len(names)} clusters")
    if asked.whole:
        timed(f"all {n} laid out, three layouts", lambda: laid_out(features, seeds=3, **ask), lambda whole: f"{said(whole)}; {whole.about}")
    bench.report(rows, asked)


if __name__ == "__main__":
    main()
