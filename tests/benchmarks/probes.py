"""Linear probes against one scikit-learn fit per objective and α, as released: 19 objectives, nine α, a refit = 190 fits.

    python tests/benchmarks/probes.py [--quick | --full] [--json FILE]

The objectives are rated by eight sources in about the paper's proportions, one of them by two; both sides see the same held-out
families and the same α. scikit-learn in float64 is held against float64 products, its float32 against what is done by default.
Features are white noise: what a worse conditioning costs is another matter (`--decay`: the k-th direction is k^-decay as wide).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench

# source → (thousands of rows, approximately; first objective; one past the last)
SOURCES = {
    "HelpSteer": (35, 0, 5), "UltraFeedback": (240, 5, 10), "Argilla-Math": (2.4, 6, 7), "BeaverTails": (27, 10, 11),
    "Prometheus": (100, 11, 12), "Capybara": (15, 12, 13), "OpenOrca": (26, 13, 14), "CodeUltraFeedback": (50, 14, 19),
}
OBJECTIVES = 19
PER_FAMILY = 4  # responses to one prompt
SIZES = {"tiny": (4_800, 24), "quick": (6_000, 256), "middle": (20_000, 512), "full": (50_000, 1024)}
NAMES = [f"objective {k}" for k in range(OBJECTIVES)]


def sources(rows: int) -> np.ndarray:
    """The source of each row, in families of PER_FAMILY, in the order that they lie in."""
    shares = np.array([size for size, _, _ in SOURCES.values()])
    counts = np.maximum((rows * shares / shares.sum()).astype(int), 4 * PER_FAMILY)
    counts[1] += rows - counts.sum()
    return np.repeat(np.arange(len(counts)), counts)


def labels(clean: np.ndarray, source: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[row obj] of what features say [row obj] and as much noise; NaN where a row's source does not rate the objective."""
    y = 0.5 + 0.15 * clean + 0.15 * rng.normal(size=clean.shape)
    for number, (_, first, last) in enumerate(SOURCES.values()):
        here = source == number
        y[np.ix_(here, [k for k in range(OBJECTIVES) if not first <= k < last])] = np.nan
    return y


def make(rows: int, dim: int, decay: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features [row dim] float32, labels [row obj] with NaN, and the family of each row."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, dim)).astype(np.float32)
    if decay:
        x = (x * np.arange(1, dim + 1, dtype=np.float32) ** -decay) @ np.linalg.qr(rng.normal(size=(dim, dim)))[0].astype(np.float32)
        x *= np.sqrt(dim / np.mean((x**2).sum(axis=1)))
    y = labels(x @ (rng.normal(size=(dim, OBJECTIVES)) / np.sqrt(dim)).astype(np.float32), sources(rows), rng)
    order = np.repeat(rng.permutation(-(-rows // PER_FAMILY)), PER_FAMILY)[:rows].argsort(kind="stable")
    return x[order], y[order], (np.arange(rows) // PER_FAMILY)[order]


def released(x: np.ndarray, y: np.ndarray, apart: np.ndarray, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One Ridge per objective and α, then one more on all rows: weights [obj dim], chosen α [obj] and its held-out error [obj]."""
    from sklearn.linear_model import Ridge

    weights, chosen, least = [], [], []
    for column in y.T:
        rated = ~np.isnan(column)
        train, held = rated & ~apart, rated & apart
        errors = []
        for alpha in alphas:
            model = Ridge(alpha=alpha, fit_intercept=False).fit(x[train], column[train])
            errors.append(np.mean((model.predict(x[held]) - column[held]) ** 2))
        chosen.append(alphas[int(np.argmin(errors))])
        least.append(min(errors))
        weights.append(Ridge(alpha=chosen[-1], fit_intercept=False).fit(x[rated], column[rated]).coef_)
    return np.array(weights), np.array(chosen), np.array(least)


def ours(x, y, groups, alphas=None, **options):
    import warnings

    from workbench.objectives.probes import LinearProbes

    warnings.filterwarnings("ignore", "the best alpha", UserWarning)  # as it may be of a few hundred rows
    return LinearProbes.fit(x, y, names=NAMES, groups=groups, alphas=alphas, **options)


def fitted(rows: int, dim: int, precision: str) -> None:
    """What the peak is taken of, the making of the table included."""
    x, y, groups = make(rows, dim)
    ours(x, y, groups, precision=precision)


def floor(rated: int, dim: int, dtype: str) -> tuple[float, str]:
    """Seconds that one triangle of every rated row's products takes, at the rate measured now."""
    speed = bench.rate(dtype, dim, 2048, dim)
    return rated * dim * (dim + 1) / speed, f"XᵀX once per rated row, {dtype} products at {speed / 1e9:.0f} GFLOP/s"


def compared(kind: str, x, y, groups, size: str, rounds: int) -> bench.Row:
    """scikit-learn on features of one kind against ours."""
    from workbench.objectives.families import held_out_families
    from workbench.objectives.probes import cross_fit
    from workbench.preference.data import family_codes

    rows, dim = x.shape
    apart = held_out_families(family_codes(groups, rows), ~np.isnan(y), 0.2, 0)
    alphas = ours(x, y, groups).alphas
    wide, options = x.astype(kind), {"precision": "float64"} if kind == "float64" else {}
    released(wide[:, :8], y[:, 5:6], apart, alphas)  # imports and thread pools
    calls = {"naive": lambda: released(wide, y, apart, alphas), "ours": lambda: ours(x, y, groups, alphas, **options)}
    naive, fast = bench.alternate(calls, rounds).values()
    (weight, alpha, error), probes = naive.value, fast.value
    same, scale = alpha == probes.alpha, np.abs(weight).max(axis=1)
    by = float((np.abs(weight - probes.weight).max(axis=1) / scale)[same].max(initial=0))
    far = float(np.abs(probes.error.min(axis=0) / error - 1).max())
    crossed = bench.timed(lambda: cross_fit(x, y, names=NAMES, groups=groups, **options))
    least, of = floor(int((~np.isnan(y)).any(axis=1).sum()), dim, kind if kind == "float64" else "float32")
    least_ratio, equal = (8, by <= 1e-6) if kind == "float64" else (12, far <= 1e-4)
    met = naive.cpu >= least_ratio * fast.cpu and equal and bool(same.all())
    agreement = "weights equal to 1e-6" if kind == "float64" else "same α and held-out error"
    return bench.Row(
        f"ridge, {rows:,} × {dim}, {OBJECTIVES} objectives, 9 α, {kind}", naive, fast,
        must=f"≥ {least_ratio}× less CPU than scikit-learn in {kind}, {agreement}", met=met if size == "full" else None,
        naive_is=f"190 scikit-learn fits in {kind}", ours_is=f"LinearProbes.fit, products of {', '.join(sorted(set(probes.precision)))}",
        floor=least, floor_of=of, peak=bench.peak(fitted, rows, dim, options.get("precision", "auto")),
        agreement=f"same α for {same.sum()} of {OBJECTIVES}; weights differ by {by:.1e} of the largest, held-out errors by {far:.1e}",
        note=f"cross_fit, 5 folds and the whole, each with its own α: {bench.words(crossed.cpu)} CPU")


def scaling(rows: int, dim: int, rounds: int) -> bench.Row:
    """The same work at a sixteenth, a quarter and all of the rows."""
    sizes, seconds = (rows // 16, rows // 4, rows), []
    for some in sizes:
        x, y, groups = make(some, dim)
        seconds.append(bench.alternate({"ours": lambda: ours(x, y, groups)}, rounds, warm=True)["ours"])  # noqa: B023
    power = bench.exponent(sizes, [one.cpu for one in seconds])
    steps = ", ".join(f"{some:,}: {bench.words(one.cpu)}" for some, one in zip(sizes, seconds))
    return bench.Row(f"ridge, rows × 1, 4, 16 at {dim} dims", ours=seconds[-1], note="below 1: what does not grow with the rows is solving",
                     agreement=f"CPU grows with the power {power:.2f} of the rows ({steps})")


def main() -> None:
    options = bench.parser(__doc__)
    options.add_argument("--decay", type=float, default=0.0, help="features whose k-th direction is k^-DECAY as wide")
    asked = options.parse_args()
    rows, dim = SIZES[asked.size]
    rounds = 3 if asked.size != "tiny" else 1

    x, y, groups = make(rows, dim, asked.decay)
    found = [compared(kind, x, y, groups, asked.size, rounds) for kind in ("float64", "float32")]
    bench.report([*found, scaling(rows, dim, rounds)], asked)


if __name__ == "__main__":
    main()
