"""Who leads on each prompt, and where each objective and each prompt stands in the watershed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..axes import Array, PairObj, SeedPairObj
from ..errors import WorkbenchError
from .seriation import best_line

OTHERS = ""  # the hill of all objectives that have none of their own
COLUMNS = (
    "order", "prompt_id", "family", "section", "hill", "objective", "share", "runner_up", "runner_share", "lead", "side", "disagree",
    "effective",
)


def shares_of(
    weights: SeedPairObj, live: Bool[Array, " obj"]
) -> tuple[Float[Array, "pair live"], Float[Array, "seed pair live"], float]:
    """Mean shares over the live objectives [prompt live], each seed's [seed prompt live], and what the others took."""
    if weights.size and not (weights.min() >= 0 and weights.max() < np.inf):
        raise WorkbenchError("negative or missing gate weights", where="watershed", remedy="A gate's weights are finite and ≥ 0")
    each = weights if live.all() else np.compress(live, weights, axis=2)
    total = each.sum(axis=2, keepdims=True)
    if not live.any() or (total <= 0).any():
        raise WorkbenchError("a prompt has no weight on any objective that counts", where="watershed")
    shares = np.einsum("spk,sp->pk", weights, 1 / (len(weights) * weights.sum(axis=2)))
    taken = float(shares[:, ~live].sum(axis=1).mean())
    shares = np.compress(live, shares, axis=1)
    return shares / shares.sum(axis=1, keepdims=True), each / total, taken


def leaders(shares: PairObj, each: SeedPairObj, names: tuple[str, ...], about: dict) -> pd.DataFrame:
    """Leader, runner-up, lead and what seeds say of each prompt, in the order given. Of equals the first named leads."""
    n = np.arange(len(shares))
    first, second = shares.argmax(axis=1), None
    share = shares[n, first]
    if shares.shape[1] > 1:
        others = shares.copy()
        others[n, first] = -1.0
        second = others.argmax(axis=1)
    runner = np.zeros(len(n)) if second is None else shares[n, second]
    entropy = -np.sum(shares * np.log(np.maximum(shares, 1e-300)), axis=1)
    words = np.asarray(names, object)
    known = {key: [""] * len(n) if value is None else pd.Series(list(value)).fillna("").astype(str) for key, value in about.items()}
    return pd.DataFrame(known).assign(
        objective=words[first], share=share, runner_up="" if second is None else words[second], runner_share=runner, lead=share - runner,
        disagree=(each[:, n, first] < each.max(axis=2) - 1e-12).any(axis=0), effective=np.exp(entropy),
    )


def line_of(rows: pd.DataFrame, names: tuple[str, ...], *, near: float, most: int, least: float) -> tuple[tuple[str, ...], dict[str, int]]:
    """The hills from left to right, and where on that line every objective stands: those that lead nowhere stand outside.

    What is gathered comes last, if it is anything. An objective that leads nowhere stands at the end whose hill has it
    as its runner-up on more prompts; where that is the same, at the end with less.
    """
    counts, ties = rows["objective"].value_counts(), _rivalry(rows, near)
    leading = sorted(counts.index, key=lambda name: (-counts[name], names.index(name)))
    big = [name for name in leading if counts[name] >= least * len(rows)][:most]
    if len(leading) == len(big) + 1 <= most:
        big = leading  # one alone needs no gathering
    big, small = sorted(big, key=names.index), [name for name in leading if name not in big]
    inner = np.array([[ties.get((a, b), 0) for b in big] for a in big], int).reshape(len(big), len(big))
    order = best_line(inner, np.array([sum(ties.get((name, other), 0) for other in small) for name in big], int))
    line = (*(big[i] for i in order), *([OTHERS] if small else []))
    place = {name: line.index(name if name in big else OTHERS) for name in leading}
    ends = [[name for name in leading if place[name] == end] for end in (0, len(line) - 1)]
    runners, filled = rows["runner_up"].value_counts(), [0, 0]
    second = rows.groupby(["objective", "runner_up"]).size().to_dict()
    outside = [name for name in runners.index if name and name not in place]
    for name in sorted(outside, key=lambda name: (-runners[name], names.index(name))):
        left, right = (sum(second.get((leader, name), 0) for leader in end) for end in ends)
        side = int(right > left or (right == left and filled[1] < filled[0]))
        filled[side] += int(runners[name])
        place[name] = len(line) if side else -1
    return line, place


def _rivalry(rows: pd.DataFrame, near: float) -> dict[tuple[str, str], int]:
    """How much two objectives rival each other, both ways round: near ties, then how often one is the other's runner-up."""
    close = (rows["lead"] < near).to_numpy(int) * (len(rows) + 1) + 1
    found: dict[tuple[str, str], int] = {}
    summed = pd.Series(close).groupby([rows["objective"].to_numpy(), rows["runner_up"].to_numpy()]).sum()
    for (a, b), value in summed.items():
        for key in ((a, b), (b, a)):
            found[key] = found.get(key, 0) + int(value)
    return found


def laid(rows: pd.DataFrame, line: tuple[str, ...], place: dict[str, int]) -> pd.DataFrame:
    """Rows from left to right: by hill; in a hill up the left flank (the runner-up stands to its left), down the right."""
    leading, first = _coded(rows["objective"])
    hill = np.array([name if name in line else OTHERS for name in first], object)[leading]
    at = np.array([line.index(name if name in line else OTHERS) for name in first])[leading]
    second, runners = _coded(rows["runner_up"])
    left = np.array([place.get(name, len(line)) for name in runners])[second] < at
    lead = rows["lead"].to_numpy()
    order = np.lexsort((np.arange(len(rows)), np.where(left, lead, -lead), ~left, at))
    found = rows.assign(hill=hill, side=np.where(left, "left", "right")).iloc[order].reset_index(drop=True)
    return found.assign(order=np.arange(len(found)))[list(COLUMNS)]


def _coded(names: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Which of the distinct names stands in each row, and those names."""
    codes, distinct = pd.factorize(names)
    return codes, list(distinct)
