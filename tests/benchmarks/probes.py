"""Linear probes against one scikit-learn fit per objective and α, as released: CPU seconds, ratio, agreement.

    python tests/benchmarks/probes.py [--quick | --paper] [--repeats N]

19 objectives rated by eight sources in about the paper's proportions; nine α and the refit make 190 Ridge fits.
Both sides see the same held-out families. Set OMP_NUM_THREADS=1 to measure one core.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# source → (thousands of rows, approximately; first objective; one past the last)
SOURCES = {
    "HelpSteer": (35, 0, 5), "UltraFeedback": (240, 5, 10), "Argilla-Math": (2.4, 6, 7), "BeaverTails": (27, 10, 11),
    "Prometheus": (100, 11, 12), "Capybara": (15, 12, 13), "OpenOrca": (26, 13, 14), "CodeUltraFeedback": (50, 14, 19),
}
OBJECTIVES = 19
PER_FAMILY = 4  # responses to one prompt


def make(rows: int, dim: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features [row dim] float32, labels [row obj] with NaN, and the family of each row."""
    rng = np.random.default_rng(seed)
    shares = np.array([size for size, _, _ in SOURCES.values()])
    counts = np.maximum((rows * shares / shares.sum()).astype(int), 4 * PER_FAMILY)
    counts[1] += rows - counts.sum()
    x = rng.normal(size=(rows, dim)).astype(np.float32)
    clean = x @ (rng.normal(size=(dim, OBJECTIVES)) / np.sqrt(dim)).astype(np.float32)
    y = np.full((rows, OBJECTIVES), np.nan)
    start = 0
    for count, (_, first, last) in zip(counts, SOURCES.values()):
        here = slice(start, start + count)
        y[here, first:last] = 0.5 + 0.15 * clean[here, first:last] + 0.15 * rng.normal(size=(count, last - first))
        start += count
    order = np.repeat(rng.permutation(-(-rows // PER_FAMILY)), PER_FAMILY)[:rows].argsort(kind="stable")
    return x[order], y[order], (np.arange(rows) // PER_FAMILY)[order]


def released(x: np.ndarray, y: np.ndarray, apart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One Ridge per objective and α, then one more on all rows: weights [obj dim] and chosen α [obj]."""
    from sklearn.linear_model import Ridge

    from workbench.objectives.probes import ALPHAS

    weights, alphas = [], []
    for column in y.T:
        rated = ~np.isnan(column)
        train, held = rated & ~apart, rated & apart
        errors = []
        for alpha in ALPHAS:
            model = Ridge(alpha=alpha, fit_intercept=False).fit(x[train], column[train])
            errors.append(np.mean((model.predict(x[held]) - column[held]) ** 2))
        alphas.append(ALPHAS[int(np.argmin(errors))])
        weights.append(Ridge(alpha=alphas[-1], fit_intercept=False).fit(x[rated], column[rated]).coef_)
    return np.array(weights), np.array(alphas)


def timed(call, repeats: int):
    """The last value of a call, and the median of its CPU seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        value = call()
        seconds.append(time.process_time() - start)
    return value, float(np.median(seconds))


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="4 000 rows of 64 dims")
    size.add_argument("--paper", action="store_true", help="50 000 rows of 1024 dims")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    rows, dim = (4_000, 64) if options.quick else (50_000, 1024) if options.paper else (20_000, 512)

    import warnings

    from workbench.objectives.families import held_out_families
    from workbench.objectives.probes import LinearProbes, cross_fit
    from workbench.preference.data import family_codes

    warnings.simplefilter("ignore", UserWarning)  # the planted problem may prefer the end of the grid
    x, y, groups = make(rows, dim)
    names = [f"objective {k}" for k in range(OBJECTIVES)]
    apart = held_out_families(family_codes(groups, rows), ~np.isnan(y), 0.2, 0)
    LinearProbes.fit(x[:, :8], y, names=names, groups=groups)  # imports and thread pools
    released(x[:, :8], y[:, 5:6], apart)
    probes, ours = timed(lambda: LinearProbes.fit(x, y, names=names, groups=groups), options.repeats)
    _, crossed = timed(lambda: cross_fit(x, y, names=names, groups=groups), options.repeats)
    (weight, alpha), theirs = timed(lambda: released(x, y, apart), options.repeats)
    same = alpha == probes.alpha
    scale = np.abs(weight).max(axis=1)
    apart_by = np.abs(weight - probes.weight).max(axis=1) / scale
    print(f"{rows} rows × {dim} dims, {OBJECTIVES} objectives, {np.isfinite(y).sum()} labels; CPU seconds, median of {options.repeats}")
    print(f"  190 scikit-learn fits  {theirs:8.2f}")
    print(f"  LinearProbes.fit       {ours:8.2f}   {theirs / ours:.1f} times less")
    print(f"  cross_fit, 5 folds     {crossed:8.2f}   {theirs / crossed:.1f} times less, five models with their own α")
    print(f"  same α for {same.sum()} of {OBJECTIVES}; there, weights differ by at most {apart_by[same].max():.1e} of the largest")


if __name__ == "__main__":
    main()
