"""Random tidy tables for every figure, small and large, and a result that was never trained."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from workbench import figures
from workbench.evaluate.metrics import metric_table
from workbench.evaluate.watershed import Watershed
from workbench.scores import Scores

LONG = "a-source-with-a-long-name-overall_quality_of_the_answer_as_judged_"


def names(n: int, long: bool = False) -> list[str]:
    first = ["helpfulness", "correctness", "verbosity", "is_safe", "code-style", "instruction_following"]
    rest = [f"{LONG if long else 'objective-'}{i}" for i in range(n)]
    return (rest if long else [*first, *rest])[:n]


def interval(rng, value, width):
    half = rng.uniform(0.2, 1, size=len(value)) * width
    return {"low": value - half, "high": value + half}


def gate_prompt(rng, objectives, slices, size):
    weight = rng.dirichlet(np.ones(len(objectives))) * size
    return pd.DataFrame(
        {
            "objective": objectives,
            "weight": weight,
            "coefficient": rng.normal(size=len(objectives)) * size,
            "weight_low": weight * 0.9,
            "weight_high": weight * 1.1,
        }
    )


def gate_heatmap(rng, objectives, slices, size):
    rows = [(s, o, share, 40) for s in slices for o, share in zip(objectives, rng.dirichlet(np.ones(len(objectives))))]
    return pd.DataFrame(rows, columns=["slice", "objective", "share", "prompts"])


def gate_watershed(rng, objectives, slices, size):
    weights = rng.dirichlet(np.ones(len(objectives)), size=(3, 90)) * size
    return Watershed.of(weights, objectives, sections=np.resize(slices, 90).tolist()).table


def objective_correlation(rng, objectives, slices, size):
    k = len(objectives)
    rho = np.corrcoef(rng.normal(size=(k, 5))) if k > 1 else np.ones((1, 1))
    pairs = [(i, j) for i in range(k) for j in range(i)] or [(0, 0)]
    frame = pd.DataFrame([(objectives[i], objectives[j], rho[i, j]) for i, j in pairs], columns=["objective", "other", "rho"])
    return frame.assign(**interval(rng, frame["rho"], 0.3))


def verbosity(rng, objectives, slices, size):
    rows = [(o, v, w, rng.uniform(-1, 1)) for v in ("pooled", "within prompts") for w in ("before", "after") for o in objectives]
    frame = pd.DataFrame(rows, columns=["objective", "view", "when", "rho"])
    return frame.assign(**interval(rng, frame["rho"], 0.1))


def strength(rng, objectives, slices, size):
    return (rng.normal(0.5, 1, 400) * size, rng.gamma(2, 1, 400) * size)


def prompt_map(rng, objectives, slices, size):
    n = 80
    return pd.DataFrame(
        {
            "prompt_id": [f"p{i}" for i in range(n)],
            "x": rng.normal(size=n) * size,
            "y": rng.normal(size=n) * size,
            "objective": rng.choice(objectives, n),
            "section": rng.choice(slices, n),
            "entropy": rng.uniform(1, len(objectives), n),
            "kept": rng.uniform(size=n),
            "prompt": [f"Why <is> {i} & more?" for i in range(n)],
        }
    )


def decomposition(rng, objectives, slices, size):
    weight, difference = rng.dirichlet(np.ones(len(objectives))), rng.normal(size=len(objectives)) * size
    return pd.DataFrame({"objective": objectives, "weight": weight, "difference": difference, "contribution": weight * difference})


def sections(rng, objectives, slices, size):
    rows = [(s, who, rng.uniform(0.5, 1), 40, 30) for who in ("baseline", "candidate", "the longer wins", "uniform") for s in slices]
    frame = pd.DataFrame(rows, columns=["slice", "series", "value", "n", "families"])
    return frame.assign(**interval(rng, frame["value"], 0.05))


def comparison(rng, objectives, slices, size):
    frame = pd.DataFrame(
        {
            "slice": slices,
            "difference": rng.normal(size=len(slices)) * 0.05,
            "words": rng.choice(WORDS, len(slices)),
            "p_holm": rng.uniform(size=len(slices)),
            "baseline": rng.uniform(0.5, 1, len(slices)),
            "candidate": rng.uniform(0.5, 1, len(slices)),
            "seed_1": rng.normal(size=len(slices)) * 0.05,
        }
    )
    return frame.assign(**interval(rng, frame["difference"], 0.05))


def benchmark(rng, objectives, slices, size):
    rows = [(s, who, rng.uniform(0.5, 1), 40, "without a part") for who in ("a", "b", "the longer wins", "c") for s in slices]
    frame = pd.DataFrame(rows, columns=["slice", "series", "value", "n", "words"])
    frame = frame.assign(**interval(rng, frame["value"], 0.05))
    lacking = frame["slice"].eq(slices[-1]) & frame["series"].isin(["a", "b"])
    frame.loc[lacking, ["value", "low", "high", "words"]] = [np.nan, np.nan, np.nan, "lacks this <part>; without a part"]
    return frame


def style_matrix(rng, objectives, slices, size):
    cells = [(f"{i} against {j}", i, j) for i in range(3) for j in range(3)]
    cells += [(name, np.nan, np.nan) for name in ("hard", "normal", "easy")]
    frame = pd.DataFrame(cells, columns=["slice", "chosen_style", "rejected_style"])
    frame = frame.assign(series="a", domain="All domains", value=rng.uniform(0, 1, len(cells)), words="")
    return frame.assign(**interval(rng, frame["value"], 0.1))


WORDS = ["higher", "lower", "no detectable change", "fewer than 20 families", "no detectable change; seed noise not estimated"]


def learning(rng, objectives, slices, size):
    rows = [
        (run, seed, step, 0.3 + rng.uniform() * size)
        for run in ("baseline", "candidate")
        for seed in range(3)
        for step in range(0, 500, 50)
    ]
    return pd.DataFrame(rows, columns=["run", "seed", "step", "held_out"])


MAKERS = {
    figures.plot_gate_prompt: gate_prompt,
    figures.plot_gate_heatmap: gate_heatmap,
    figures.plot_gate_watershed: gate_watershed,
    figures.plot_objective_correlation: objective_correlation,
    figures.plot_verbosity: verbosity,
    figures.plot_strength: strength,
    figures.plot_prompt_map: prompt_map,
    figures.plot_decomposition: decomposition,
    figures.plot_sections: sections,
    figures.plot_comparison: comparison,
    figures.plot_learning: learning,
    figures.plot_benchmark: benchmark,
    figures.plot_style_matrix: style_matrix,
}


def data_of(plot, *, seed=0, k=6, slices=3, long=False, size=1.0):
    """What a plot function takes."""
    return MAKERS[plot](np.random.default_rng(seed), names(k, long), [f"Section {LONG if long else ''}{i}" for i in range(slices)], size)


def result(name="candidate", *, seed=0, pairs=60, seeds=3, debias=True):
    """What figures read of a Result: three objectives, the nuisance "verbosity" among them."""
    rng, objectives = np.random.default_rng(seed), ("helpfulness", "correctness", "verbosity")
    raw = Scores(rng.normal(size=(pairs, 2, 3)), objectives)
    penalty = np.array([0.4, -0.2, 1.0])
    scores = Scores(raw.values - raw.values[:, :, 2:] * penalty if debias else raw.values, objectives)
    weights = rng.dirichlet(np.ones(3), size=(seeds, pairs)) * 2
    margins = np.einsum("spk,pk->sp", weights, scores.margins)
    table = pd.DataFrame(
        {
            "pair_id": [f"c{i}" for i in range(pairs)],
            "prompt_id": [f"p{i // 2}" for i in range(pairs)],
            "family": [f"f{i // 2}" for i in range(pairs)],
            "section": np.where(np.arange(pairs) % 4 < 2, "Chat", "Safety"),
        }
    )
    return SimpleNamespace(
        scenario=SimpleNamespace(name=name, id=f"{name}-id", nuisances=("verbosity",) if debias else ()),
        study_hash="abc123",
        names=objectives,
        seeds=tuple(range(seeds)),
        pairs=table,
        margins=margins,
        weights=weights,
        shares=(weights / 2).mean(axis=0),
        scores=scores,
        raw=raw,
        penalty=penalty if debias else None,
        multiplier=np.ones(3),
        metrics=metric_table(margins, table, length=raw.values[:, :, 2], draws=50),
        retrained=True,
        stopped="finished",
        split="dev",
        openings=0,
    )
