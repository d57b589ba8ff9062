"""What the Verbosity screen shows, as plain values: correlations with length, penalties, reward against length, matched pairs."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..axes import PairSide
from ..errors import WorkbenchError
from ..evaluate.correlation import MARGIN, POOLED, WITHIN, correlation_table
from ..evaluate.metrics import ALL, slices
from ..evaluate.verbosity import reward_correlation, reward_points
from ..objectives.ranks import spearman
from ..scenario.lengths import length_matched, rewards_of
from ..scenario.result import HEAD, Result
from ..study import Study
from .describe import length_of
from .groups import by_group, slot_of

DRAWN = 3000  # answers that are drawn at most
VIEWS = {"pooled": POOLED, "within": WITHIN, "section": POOLED}
NO_LENGTH = "Use a study with text, or one with an objective called verbosity."


def length_column(study: Study, pairs: pd.DataFrame, result: Result | None = None) -> tuple[str, PairSide]:
    """What stands for length, and that of both answers of the pairs. WorkbenchError where nothing does."""
    word, column = length_of(study)
    if column in study.columns:
        known = study.column(column)
        return word, np.stack([known.loc[pairs[side]].to_numpy(np.float64) for side in ("chosen", "rejected")], axis=1)
    if word is None:
        raise WorkbenchError("this study knows no length", where="verbosity", remedy=NO_LENGTH)
    if result is None or column not in result.raw.names:
        raise WorkbenchError("no length to hold the objectives against", where="verbosity",
                             remedy="Switch verbosity on: it stands for length.")
    return word, result.raw.column(column)


def correlations(result: Result, length: PairSide) -> dict[str, pd.DataFrame]:
    """objectives: slice, objective, view, rho, low, high, n, families, words (`correlation_table` of all pairs and each section);
    reward: the reward's own."""
    parts = []
    for name, mask in slices(result.pairs).items():
        table = correlation_table(result.scores.rows(mask), length[mask], result.families[mask])
        parts.append(table.assign(slice=name))
    return {"objectives": pd.concat(parts, ignore_index=True), "reward": reward_correlation(rewards_of(result), length, result.families)}


def columns_of(result: Result, view: str) -> list[str]:
    """The slices that have a column."""
    return [name for name in slices(result.pairs) if name != ALL] if view == "section" else [ALL]


def rows(study: Study, shown: dict[str, dict], ghost: Result | None, length: PairSide, view: str, heads: list[str]) -> list[dict]:
    """One row per objective by group: in each column its correlation before and after, and the preview's as a ghost."""
    names = list(dict.fromkeys(name for found in shown.values() for name in found["objectives"]["objective"] if name != HEAD))
    cells: dict[tuple, list] = {}
    for sign, found in shown.items():
        table = found["objectives"]
        for row in table[table["view"] == VIEWS[view]].itertuples():
            cells[sign, row.slice, row.objective] = [number(v) for v in (row.rho, row.low, row.high)]
    ghosts = _ghosts(ghost, length, view, heads)
    out = []
    for name in names:
        group = study.objective_info[name].group if name in study.objective_info else None
        marks = [{**{sign: cells[sign, head, name] for sign in shown if (sign, head, name) in cells},
                  **({"ghost": [ghosts[head, name], None, None]} if (head, name) in ghosts else {})} for head in heads]
        out.append({"name": name, "group": group or "Objectives", "slot": slot_of(group), "marks": marks, "first": 0})
    return by_group(out)


def _ghosts(ghost: Result | None, length: PairSide, view: str, heads: list[str]) -> dict[tuple[str, str], float]:
    """Correlation by slice and objective of what is not retrained: no interval, its numbers are not the last word."""
    if ghost is None or ghost.names == (HEAD,):
        return {}
    found, masks = {}, slices(ghost.pairs)
    for head in heads:
        values, other = ghost.scores.values[masks[head]].astype(np.float64), length[masks[head]]
        flat = (values[:, 0] - values[:, 1], other[:, 0] - other[:, 1]) if VIEWS[view] == WITHIN else (
            values.reshape(-1, values.shape[-1]), other.reshape(-1))
        for name, rho, moves in zip(ghost.names, spearman(*flat), np.ptp(flat[0], axis=0) > 0):
            if moves:
                found[head, name] = float(rho)
    return found


def penalties(result: Result | None) -> dict[str, dict]:
    """λ of each objective, largest nuisance first, with what its sign means."""
    if result is None or result.penalty is None or result.names == (HEAD,):
        return {}
    nuisances, found = result.scenario.nuisances, {}
    for name, column in zip(result.names, result.penalty.reshape(len(nuisances), -1).T):
        said = [f"rewards {nuisance}" for nuisance, root in zip(nuisances, column) if root < -1e-12]
        taken = [f"takes {nuisance} out" for nuisance, root in zip(nuisances, column) if root > 1e-12]
        words = "the nuisance itself" if name in result.null else ", ".join([*said, *taken]) or "nothing to take out"
        found[name] = {"roots": [float(root) for root in column], "words": words, "rewards": bool(said) and name not in result.null}
    return found


def can_be_tested(result: Result) -> bool:
    """Whether `Result.equivalence` answers for it."""
    recipe = result.scenario
    return len(recipe.nuisances) == 1 and recipe.debias_method == "exact" and not recipe.nonnegative and result.names != (HEAD,)


def verdicts(table: pd.DataFrame) -> dict[str, dict]:
    """What the equivalence test says of each objective."""
    return {row.objective: {"words": row.words, "equivalent": bool(row.equivalent), "rho": number(row.rho),
                            "interval": [number(row.low), number(row.high)]}
            for row in table.itertuples()}


def lead(shown: dict[str, dict], word: str, view: str) -> list[str]:
    """A sentence in parts; every second part is bold."""
    counts, rewards = {}, {}
    for sign, found in shown.items():
        table = found["objectives"]
        asked = (table["view"] == VIEWS[view]) & (table["slice"] == ALL) & (table["objective"] != HEAD)
        rho = table[asked & table["rho"].notna()]["rho"].abs()
        counts[sign] = (int((rho > MARGIN).sum()), len(rho))
        own = found["reward"]
        rewards[sign] = own[own["view"] == VIEWS[view]].iloc[0]
    last = "cand" if "cand" in shown else next(iter(shown))
    said = ["Within prompts: " if view == "within" else ""]
    if counts[last][1]:
        before = f", {counts['base'][0]} of {counts['base'][1]} before" if len(shown) > 1 and counts["base"][1] else ""
        beyond = f" correlate with {word} beyond ±{MARGIN:.2f}".replace("0.", ".")
        said += [f"{counts[last][0]} of {counts[last][1]} objectives", f"{beyond}{before}. "]
    if not math.isfinite(rewards[last].rho):
        return said
    said[-1] += f"The reward’s own correlation with {word}: "
    said += [_rho(rewards[last].rho), f" [{_rho(rewards[last].low)}, {_rho(rewards[last].high)}]"]
    if len(shown) > 1 and math.isfinite(rewards["base"].rho):
        said[-1] += f", {_rho(rewards['base'].rho)} before"
    said[-1] += "."
    return said


# -- reward against length ---------------------------------------------------------------------------------------------


def cloud(result: Result, length: PairSide) -> pd.DataFrame:
    """pair_id, side, length, reward of every answer once, at most DRAWN of them (attrs["answers"] says of how many)."""
    points = reward_points(rewards_of(result), length, result.pairs)
    points = points.drop_duplicates("response_id") if "response_id" in points.columns else points
    total = len(points)
    if total > DRAWN:
        keep = np.sort(np.random.default_rng(0).choice(total, DRAWN, replace=False))
        points = points.iloc[keep]
    points = points.reset_index(drop=True)
    points.attrs["answers"] = total
    return points


def starred(result: Result, length: PairSide, pair: str) -> list[list[float]] | None:
    """[[length, reward] of the chosen, of the rejected] of a pair."""
    found = np.flatnonzero(result.pairs["pair_id"].to_numpy() == pair)
    if not len(found):
        return None
    reward = rewards_of(result)[found[0]]
    return [[float(length[found[0], side]), float(reward[side])] for side in (0, 1)]


# -- pairs whose answers are as long -------------------------------------------------------------------------------------


def matched(baseline: Result, candidate: Result | None) -> dict:
    """Accuracy where length cannot decide: a row per slice, with both and their difference."""
    table = length_matched(baseline, candidate)
    out = []
    for name, part in table.groupby("slice", sort=False):
        by = {row.series: row for row in part.itertuples()}
        one = by["baseline"]
        row = {"slice": str(name), "n": int(one.n), "families": int(one.families), "words": str(one.words), "numbers": "",
               "marks": {"base": [number(v) for v in (one.value, one.low, one.high)]}, "tone": None, "whole": name == ALL}
        if "candidate" in by:
            two, gap = by["candidate"], by["difference"]
            words = str(gap.words).split(";")[0]
            row["marks"]["cand"] = [number(v) for v in (two.value, two.low, two.high)]
            row |= {"words": words, "tone": {"higher": "pos", "lower": "neg"}.get(words), "numbers": _difference(gap)}
        out.append(row)
    whole = {sign: float(result.accuracy) for sign, result in (("base", baseline), ("cand", candidate)) if result is not None}
    return {"rows": out, "caliper": float(table["caliper"].iloc[0]), "whole": whole, "of": len(baseline.pairs)}


def _difference(row) -> str:
    if not math.isfinite(row.value):
        return ""
    p = number(row.p_holm)
    said = "" if p is None else ", p < .001" if p < 0.001 else f", p {p:.3f}".replace("0.", ".") if p < 1 else ", p 1"
    return f"{_points(row.value)} [{_points(row.low)}, {_points(row.high)}]{said}"


def _points(share: float) -> str:
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def _rho(value: float) -> str:
    return f"{value:+.2f}".replace("0.", ".").replace("-", "−")


def number(value) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 4)
