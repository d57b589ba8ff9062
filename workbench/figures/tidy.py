"""Results and arrays into the tidy tables that figures draw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .. import __version__
from ..errors import WorkbenchError, listing
from ..evaluate.attribution import decompose, null_experts
from ..evaluate.correlation import objective_correlation as correlation_square
from ..evaluate.correlation import verbosity_table
from ..evaluate.metrics import LONGER


def provenance(data) -> dict:
    """Study, scenarios, seeds, n and version of the Result (or several) a figure was made from; else the version alone."""
    results = list(data.values()) if isinstance(data, Mapping) else list(data) if isinstance(data, (tuple, list)) else [data]
    results, found = [result for result in results if hasattr(result, "study_hash")], {"workbench": __version__}
    if results:
        first = results[0]
        found |= {"study": ", ".join(dict.fromkeys(str(result.study_hash) for result in results)), "split": first.split}
        found |= {"n": len(first.pairs), "families": int(first.pairs["family"].nunique())}
        found["openings"] = max(getattr(result, "openings", 0) for result in results)
        found["scenarios"] = [
            {"id": r.scenario.id, "seeds": [int(seed) for seed in r.seeds], "retrained": bool(r.retrained), "stopped": r.stopped}
            for r in results
            if hasattr(r, "scenario")  # a strength belongs to a study alone
        ]
    return found


def position(result, pair) -> int:
    """Where a pair is among a result's pairs, by id or by position."""
    if pair is None:
        raise WorkbenchError("which pair?", remedy="Pass pair= with the id of one of the result's pairs")
    found = np.flatnonzero(result.pairs["pair_id"].to_numpy() == pair)
    if len(found):
        return int(found[0])
    if isinstance(pair, (int, np.integer)) and 0 <= pair < len(result.pairs):
        return int(pair)
    raise WorkbenchError(f"no pair {pair!r}", where="result", remedy=f"Its pairs are {listing(result.pairs['pair_id'])}")


def coefficients(
    weights: np.ndarray, names: tuple[str, ...], penalty: np.ndarray, nuisances: tuple[str, ...], multiplier=1.0
) -> pd.DataFrame:
    """T g(x), signed, per seed: what one unit of each score before debias adds to the reward.

    weights [seed obj]; penalty [nuisance obj]; multiplier [obj]. Where a nuisance is no objective it has a column of its
    own; its effect is −Σ_k λ_k m_k g_k, and what weight it had itself falls on nothing where its own λ is 1.
    """
    scaled = np.asarray(weights, float) * multiplier
    table = pd.DataFrame(scaled, columns=list(names))
    for nuisance, row in zip(nuisances, np.atleast_2d(penalty)):
        left = row - [name == nuisance for name in names]  # what the nuisance's own weight does stays in
        table[nuisance] = -(scaled @ left)
    return table


def gate_prompt(result, pair) -> pd.DataFrame:
    """objective, weight, coefficient and their range over seeds, of one pair; a null expert's weight is left out (NaN)."""
    at = position(result, pair)
    weights = pd.DataFrame(np.asarray(result.weights[:, at], float), columns=list(result.names))
    signed = weights * np.asarray(result.multiplier, float)
    if result.penalty is not None:
        signed = coefficients(weights.to_numpy(), result.names, result.penalty, result.scenario.nuisances, result.multiplier)
    weights[list(null_experts(result.scores))] = np.nan
    weights = weights.reindex(columns=signed.columns)
    table = pd.DataFrame({"objective": list(signed.columns)})
    for name, values in (("weight", weights), ("coefficient", signed)):
        table[name] = values.mean().to_numpy()
        if len(values) > 1:
            table[f"{name}_low"], table[f"{name}_high"] = values.min().to_numpy(), values.max().to_numpy()
    return table


def gate_shares(result, *, by: str = "section") -> pd.DataFrame:
    """slice, objective, share, prompts: the mean gate over each slice's prompts, all prompts first.

    Null experts are left out; what they take of a slice's gate is the column null.
    """
    if by not in result.pairs.columns:
        raise WorkbenchError(
            f"the pairs have no column {by!r}", where="result", remedy=f"They have {', '.join(map(str, result.pairs.columns))}"
        )
    first = ~result.pairs["prompt_id"].duplicated().to_numpy()
    table = mean_shares(np.asarray(result.shares)[first], result.names, result.pairs.loc[first, by].to_numpy())
    nulls = table["objective"].isin(null_experts(result.scores))
    taken = table["share"].where(nulls, 0.0).groupby(table["slice"]).transform("sum")
    return table.assign(null=taken)[~nulls].reset_index(drop=True)


def mean_shares(shares: np.ndarray, names, slices) -> pd.DataFrame:
    """slice, objective, share, prompts from shares [prompt obj] and each prompt's slice; `All prompts` first."""
    slices = np.asarray(slices).astype(str)
    parts = [("All prompts", np.ones(len(slices), bool))]
    kinds = list(dict.fromkeys(slices))
    parts += [(kind, slices == kind) for kind in kinds] if len(kinds) > 1 else []
    rows = [
        {"slice": kind, "objective": name, "share": float(value), "prompts": int(mask.sum())}
        for kind, mask in parts
        for name, value in zip(names, np.asarray(shares, float)[mask].mean(axis=0))
    ]
    return pd.DataFrame(rows)


def objective_correlation(data) -> pd.DataFrame:
    """objective, other, rho: each two objectives once, from Scores, a Result (before debias) or a square table's arrays."""
    scores = getattr(data, "raw", data)
    square = correlation_square(scores)
    names = list(square.columns)
    if len(names) == 1:
        return pd.DataFrame({"objective": names, "other": names, "rho": [1.0]})
    rows = [(names[i], names[j], float(square.iat[i, j])) for i in range(len(names)) for j in range(i)]
    return pd.DataFrame(rows, columns=["objective", "other", "rho"])


def verbosity(result, against: str | None = None) -> pd.DataFrame:
    """The table of `evaluate.verbosity_table`: against the answers' length, or against one of the result's objectives."""
    if against is None:
        return result.verbosity()
    if against not in result.raw.names:
        raise WorkbenchError(
            f"{against!r} is not among the result's scores",
            where="verbosity",
            remedy="Pass the table of evaluate.verbosity_table(before, after, length, groups)",
        )
    rest = [name for name in result.raw.names if name != against]
    return verbosity_table(
        result.raw.select(rest), result.scores.select(rest), result.raw.column(against), result.pairs["family"].to_numpy()
    )


def comparison(results) -> pd.DataFrame:
    """The table of `compare` for (baseline, candidate)."""
    from ..scenario.compare import compare

    baseline, candidate = results
    return compare(baseline, candidate)


def strength(data, *, flip_below: float | None = None, drop_below: float | None = None, bins: int = 40) -> pd.DataFrame:
    """low, high, pairs, spread, band per bin, from mean and std [pair]; every cut lies on an edge, so that counts are exact."""
    one = getattr(data, "members", None) is not None and data.members.shape[1] == 1  # has no deviation, and a histogram needs none
    pair = data if isinstance(data, (tuple, list)) else (data.mean, np.full(len(data.mean), np.nan) if one else data.std)
    mean, std = (np.asarray(a, float) for a in pair)
    cuts = [cut for cut in (flip_below, drop_below) if cut is not None] or [0.0]
    names = {(True, True): ("flip", "drop", "keep"), (True, False): ("flip", "keep"), (False, True): ("drop", "keep")}.get(
        (flip_below is not None, drop_below is not None), ("suspect", "keep")
    )
    if cuts != sorted(cuts):
        raise WorkbenchError("flip_below lies above drop_below", where="strength", remedy="Flip the lowest, drop the next, keep the rest")
    edges = _edges(mean, cuts, bins)
    place = np.clip(np.searchsorted(edges, mean, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(place, minlength=len(edges) - 1)
    sums = np.bincount(place, weights=std, minlength=len(edges) - 1)
    band = np.searchsorted(np.asarray(cuts), edges[:-1] + 1e-12 * max(1.0, np.ptp(edges)), side="right")
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "pairs": counts,
            "spread": np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0),
            "band": [names[b] for b in band],
        }
    )


def _edges(mean: np.ndarray, cuts: list[float], bins: int) -> np.ndarray:
    """Edges of equal width that hold all values and the cuts, the cuts among them."""
    low, high = min(float(mean.min()), cuts[0]), max(float(mean.max()), cuts[-1])
    width = (high - low) / bins or 1.0
    if len(cuts) == 2 and cuts[1] > cuts[0]:
        width = (cuts[1] - cuts[0]) / max(1, round((cuts[1] - cuts[0]) / width))
    if (high - low) / width > 4 * bins:  # two cuts very close together
        return np.unique(np.concatenate([np.linspace(low, high, bins + 1), cuts]))
    below, above = int(np.ceil((cuts[0] - low) / width - 1e-9)), int(np.ceil((high - cuts[0]) / width - 1e-9))
    edges = cuts[0] + width * np.arange(-below, max(above, 1) + 1)
    for cut in cuts[1:]:
        edges[np.abs(edges - cut).argmin()] = cut
    return edges


def prompt_map(result, places) -> pd.DataFrame:
    """prompt_id, x, y, section, objective (leads), entropy (exp H of the gate, in objectives): one row per prompt with a place.

    places: a table prompt_id, x, y, or a PromptMap, which adds kept, cluster and cluster_name.
    """
    if places is None:
        raise WorkbenchError("no places to draw", where="prompt map", remedy="Pass places=workbench.projection.stored_map(study)")
    nulls = null_experts(result.scores)
    live = np.array([name not in nulls for name in result.names])
    if not live.any():
        raise WorkbenchError("no objective differs between answers", where="prompt map")
    first = ~result.pairs["prompt_id"].duplicated().to_numpy()
    shares = np.asarray(result.shares, float)[first][:, live]
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    bits = -np.sum(shares * np.log(np.maximum(shares, 1e-300)), axis=1)
    table = pd.DataFrame(
        {
            "prompt_id": result.pairs.loc[first, "prompt_id"].to_numpy(),
            "section": result.pairs.loc[first, "section"].astype(str).to_numpy() if "section" in result.pairs.columns else "",
            "objective": np.asarray(result.names)[live][shares.argmax(axis=1)],
            "entropy": np.exp(bits),
        }
    )
    joined = on_map(places).merge(table, on="prompt_id", how="inner")
    if not len(joined):
        raise WorkbenchError("none of the result's prompts is on the map", where="prompt map", remedy="Use the map of the same study")
    return joined


def on_map(places) -> pd.DataFrame:
    """The places of a PromptMap with the names of their clusters; a table as it is."""
    if isinstance(places, pd.DataFrame):
        return places
    names = places.clusters[["cluster", "name"]].rename(columns={"name": "cluster_name"})
    return places.places.merge(names, on="cluster", how="left")


def decomposition(result, pair) -> pd.DataFrame:
    """objective, weight, difference, contribution of one pair: seeds' mean weights; null experts add nothing and are left out."""
    at = position(result, pair)
    weights = np.asarray(result.weights, float).mean(axis=0)
    table = decompose(weights, result.scores, at)
    return table[~table["objective"].isin(null_experts(result.scores))].reset_index(drop=True)


def sections(results, *, metric: str = "accuracy") -> pd.DataFrame:
    """slice, series, value, low, high, n, families from name → Result, or one Result; the longer-wins rule as a series."""
    if not isinstance(results, Mapping):
        results = {results.scenario.name or "candidate": results}
    parts, longer = [], None
    for name, result in results.items():
        table = result.metrics
        parts.append(table[table["metric"] == metric].assign(series=name))
        longer = table[table["metric"] == LONGER] if metric == "accuracy" and longer is None else longer
    if longer is not None and len(longer):
        parts.append(longer.assign(series=LONGER))
    frame = pd.concat(parts, ignore_index=True)
    if not len(frame):
        raise WorkbenchError(f"no metric {metric!r} in the results", where="sections")
    return frame[["slice", "series", "value", "low", "high", "n", "families"]]


def learning(data) -> pd.DataFrame:
    """run, seed, step, loss, held_out from name → Result, Fit or list of Fits (one per seed), or their histories."""
    if not isinstance(data, Mapping) or {"step", "held_out"} <= set(data):
        data = {"candidate": data}
    rows = []
    for run, fits in data.items():
        for seed, fit in _fits(fits):
            rows.append(pd.DataFrame(getattr(fit, "history", fit)).assign(run=run, seed=seed))
    if not rows:
        raise WorkbenchError(
            "no learning curves are kept with these results", where="learning", remedy="Train again with run(..., cache=False)"
        )
    frame = pd.concat(rows, ignore_index=True)
    return frame[["run", "seed", *[c for c in frame.columns if c not in ("run", "seed")]]]


def _fits(fits) -> list[tuple[int, object]]:
    """(seed, Fit) of a Result's gates, of a list, or of one Fit."""
    if hasattr(fits, "gates"):
        reports = [(seed, getattr(gate, "fit_report", None)) for seed, gate in zip(fits.seeds, fits.gates)]
        return [(int(seed), report) for seed, report in reports if report is not None]
    return list(enumerate(fits)) if isinstance(fits, (list, tuple)) else [(0, fits)]
