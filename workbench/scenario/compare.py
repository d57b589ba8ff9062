"""compare: a paired difference of two results, per slice, with the words that the numbers allow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..errors import WorkbenchError
from ..evaluate.inference import DRAWS, ENOUGH, FEWEST, NO_CHANGE, NO_SEED_NOISE, SEEDS, estimates, holm, sign_flip, too_few, verdict
from ..evaluate.metrics import ACCURACY, ALL, METRICS, slices
from ..study import Study
from .recipe import GIVEN, Scenario
from .result import Result
from .run import run

EXPLORATORY = "exploratory: no p-value"
COLUMNS = ("slice", "metric", "baseline", "candidate", "difference", "low", "high", "flips", "fixed", "broken", "p", "p_holm", "n",
           "families", "seeds", "words")


def compare(baseline: Result, candidate: Result, *, noise: pd.DataFrame | None = None, by: tuple[str, ...] = ("section",),
            metrics: tuple[str, ...] = (ACCURACY,), exploratory: Mapping[str, np.ndarray] | None = None,
            draws: int = DRAWS) -> pd.DataFrame:
    """Candidate − baseline over the same pairs, one row per slice and metric.

    difference with low, high: families and paired seeds resampled; p: sign-flip permutation by family; p_holm: Holm over the
    declared slices × metrics ("All pairs": over metrics); flips: pairs whose outcome differs, fixed + broken, by the margin
    averaged over seeds; words: "no detectable change", "higher", "lower", or what is lacking. Seeds that both have are
    paired by number, else by position; a gate that was not trained is held against every seed of the other. noise
    (`noise_floor`): adds its interval as noise_low, noise_high. by: columns of the pairs to slice by; exploratory: slices
    found by looking, name → mask [pair]: interval, no p.
    Raises WorkbenchError for results of different studies, splits or pairs, an unknown metric, an exploratory slice that takes
    the name of a declared one.
    """
    same_pairs(baseline, candidate)
    first, second, seeds = _paired(baseline, candidate)
    if unknown := [name for name in metrics if name not in METRICS]:
        raise WorkbenchError(f"no metric {unknown[0]!r}", where="compare", remedy=f"There are {', '.join(METRICS)}")
    each = {name: (METRICS[name](first), METRICS[name](second)) for name in metrics}
    won = [margins.mean(axis=0) > 0 for margins in (first, second)]
    moved = (first != second).any(axis=0)
    rows, declared = [], _slices(baseline, by)
    if taken := [name for name in exploratory or {} if name in declared]:  # it would be tested as if it had been declared
        raise WorkbenchError(f"slice {taken[0]!r} is a declared one", where="compare", remedy="Give the exploratory one another name")
    fixed, broken = ~won[0] & won[1], won[0] & ~won[1]
    for label, mask in {**declared, **(exploratory or {})}.items():
        same = bool(mask.any()) and not (moved & mask).any()
        counts = {"fixed": int((fixed & mask).sum()), "broken": int((broken & mask).sum())}
        some = [[np.compress(mask, values, axis=1) for values in both] for both in each.values()]
        numbers = _numbers(some, baseline.families[mask], draws, tested=label in declared, same=same)
        rows += [{"slice": label, "metric": name, **row, "flips": sum(counts.values()), **counts} for name, row in zip(each, numbers)]
    table = pd.DataFrame(rows)
    table["p_holm"], enough = table["p"], table["families"] >= ENOUGH
    for part in (table["slice"] == ALL, table["slice"] != ALL):
        table.loc[part & enough, "p_holm"] = holm(table.loc[part & enough, "p"].to_numpy(np.float64))
    table["seeds"] = seeds
    table["words"] = [_words(row, seeds, row.slice in declared) for row in table.itertuples()]
    table = table[list(COLUMNS)]
    if noise is not None:
        floor = noise.set_index(["slice", "metric"])[["low", "high"]].rename(columns={"low": "noise_low", "high": "noise_high"})
        table = table.join(floor, on=["slice", "metric"])
    return table


def seed_differences(baseline: Result, candidate: Result, *, by: tuple[str, ...] = ("section",),
                     exploratory: Mapping[str, np.ndarray] | None = None) -> dict[str, list[float]]:
    """Candidate − baseline accuracy of each paired seed, by slice: how far seeds are apart, beside the interval of `compare`."""
    same_pairs(baseline, candidate)
    first, second, _ = _paired(baseline, candidate)
    difference = METRICS[ACCURACY](second) - METRICS[ACCURACY](first)
    parts = {**_slices(baseline, by), **(exploratory or {})}
    return {label: np.compress(mask, difference, axis=1).mean(axis=1).tolist() if mask.any() else [] for label, mask in parts.items()}


def _slices(result: Result, by: tuple[str, ...]) -> dict[str, np.ndarray]:
    return result.slices if by == ("section",) else slices(result.pairs, by)


def other_seeds(scenario: Scenario) -> tuple[int, ...]:
    """As many seeds as the scenario has, none of them its own. WorkbenchError for a gate that is not trained."""
    if scenario.gate.kind == GIVEN:
        raise WorkbenchError("the gate as published was not trained here: it has no seed noise", where="noise floor",
                             remedy="Pin a trained gate to measure what its seeds do")
    return tuple(range(max(scenario.seeds) + 1, max(scenario.seeds) + 1 + len(scenario.seeds)))


def noise_floor(scenario: Scenario, study: Study, *, seeds: tuple[int, ...] | None = None, progress=None, cancel=None, cache: bool = True,
                **options) -> pd.DataFrame:
    """The scenario against itself with other seeds, through the same comparison: what change is mere noise.

    seeds: the second, disjoint set; by default as many that the scenario does not use. `options` as for `compare`.
    """
    others = other_seeds(scenario) if seeds is None else tuple(seeds)
    if set(others) & set(scenario.seeds):
        raise WorkbenchError("the two sets of seeds overlap", where="noise floor", remedy="Choose seeds that the scenario does not use")
    again = scenario.child(seeds=others)
    pair = [run(each, study, progress=progress, cancel=cancel, cache=cache) for each in (scenario, again)]
    return compare(*pair, **options)


def same_pairs(baseline: Result, candidate: Result) -> None:
    """WorkbenchError for results of different studies, splits or pairs."""
    for what in ("study_hash", "split"):
        left, right = getattr(baseline, what), getattr(candidate, what)
        if left != right:
            raise WorkbenchError(f"results of {what.removesuffix('_hash')} {left} and {right}", where="compare", remedy="Run both on one")
    if baseline.pairs is not candidate.pairs and not np.array_equal(baseline.pairs["pair_id"], candidate.pairs["pair_id"]):
        raise WorkbenchError("the results have different pairs", where="compare", remedy="Run both again")


def _paired(baseline: Result, candidate: Result) -> tuple[np.ndarray, np.ndarray, int]:
    """Margins [seed pair] of both, rows paired by seed, and how many seeds those are."""
    both = baseline, candidate
    if any(result.scenario.gate.kind == GIVEN for result in both):
        seeds = max(len(result.margins) for result in both)
        return *(np.resize(result.margins, (seeds, len(result.pairs))) for result in both), seeds
    common = [seed for seed in baseline.seeds if seed in candidate.seeds]
    if common:
        rows = [[result.seeds.index(seed) for seed in common] for result in both]
    else:
        rows = [list(range(min(len(baseline.seeds), len(candidate.seeds))))] * 2
    return baseline.margins[rows[0]], candidate.margins[rows[1]], len(rows[0])


def _numbers(each: list[list[np.ndarray]], families: np.ndarray, draws: int, *, tested: bool, same: bool) -> list[dict]:
    """Of one slice, a row for each metric [before, after]; one in which every margin is the same needs no families to say so."""
    differences, rows = [after - before for before, after in each], []
    for (before, after), difference, found in zip(each, differences, estimates(differences, families, draws=0 if same else draws)):
        number = found.families >= FEWEST
        p = 1.0 if same else sign_flip(difference, families) if not too_few(found.families) else np.nan
        value, low, high = (0.0, 0.0, 0.0) if same else (found.value, found.low, found.high)
        rows.append({
            "baseline": float(before.mean()) if number else np.nan, "candidate": float(after.mean()) if number else np.nan,
            "difference": value, "low": low, "high": high, "p": p if tested else np.nan, "n": found.n, "families": found.families,
            "same": same,
        })
    return rows


def _words(row, seeds: int, declared: bool) -> str:
    if row.same:
        return NO_CHANGE
    if too_few(row.families):
        said = too_few(row.families)
    elif not declared:
        said = EXPLORATORY
    else:
        said = verdict(row.low, row.high, row.p_holm, row.families)
    return f"{said}; {NO_SEED_NOISE}" if seeds < SEEDS else said
