"""How far preference strength can be trusted: how fast its ranking settles, and how many suspects are truly wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Integer

from ..axes import Pair, PairMask, PairMember
from ..errors import WorkbenchError
from ..objectives.ranks import unit_ranks
from ..preference.strength import Strength
from .inference import DRAWS, estimate
from .strength import JUDGE, JUDGED, TRUTH, StrengthTable

RANKING = "ranking"
ALL_GAPS, GAPS = "all", ("close", "middle", "far")
SHARES = (0.05, 0.1, 0.2)
SPREAD = (0.05, 0.95)  # of the random splits


def settling(strength: Strength | StrengthTable | PairMember, *, splits: int = 200, lowest: float = 0.1, seed: int = 0) -> pd.DataFrame:
    """How fast the ranking settles: do the means of two disjoint sets of m members agree, for m from 1 to half of them?

    strength: or its members [pair member]. Columns: members (m), of ("ranking": Spearman of the two means; "lowest 10 %": share
    of the lowest tenth of one that the other names too), value, low, high (mean, 5th and 95th percentile over random splits),
    splits, extrapolated. Beyond half of the members the ranking is Spearman–Brown's forecast kr / (1 + (k − 1)r) of k times as
    many (Spearman 1910; Brown 1910), value only, NaN where halves do not agree at all; it takes members for alike. What all
    members share, their biases among it, settles too. Oracle: rank both means of every split. Raises WorkbenchError for one
    member, a missing score, no split and a lowest part without pairs.
    """
    members = np.asarray(getattr(strength, "members", strength), np.float64)
    n, count = members.shape
    low = _asked(members, splits, lowest)
    half, part = count // 2, f"lowest {100 * lowest:g} %"
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(count), (splits, 1)), axis=1)
    found: dict[str, list] = {RANKING: [], part: []}
    for m in range(1, half + 1):
        for of, values in zip(found, _agreements(members, order[:, :m], order[:, half : half + m], low)):
            ends = np.quantile(values, SPREAD)
            found[of].append((m, of, float(values.mean()), *map(float, ends), splits, False))
    reached = found[RANKING][-1][2]
    more = [(m, RANKING, _spearman_brown(reached, m / half), np.nan, np.nan, splits, True) for m in range(half + 1, count + 1)]
    columns = ["members", "of", "value", "low", "high", "splits", "extrapolated"]
    return pd.DataFrame([*found[RANKING], *more, *found[part]], columns=columns)


def suspect_precision(table: StrengthTable, *, shares: Sequence[float] = SHARES, by_gap: bool = True, draws: int = DRAWS,
                      seed: int = 0) -> pd.DataFrame:
    """Of the pairs of lowest strength, how many labels are truly wrong; a true tie counts half.

    Columns: share (of all pairs that are suspected), gap ("all", and thirds of all pairs by |true gap|: "close", "middle",
    "far", equals together), value, low, high (by family), n (suspects with such a gap), families, words, base (share of wrong
    labels among all pairs with such a gap: what a blind choice would find). Raises WorkbenchError where no truth is known.
    """
    if table.right is None:
        raise WorkbenchError("no truth is known to hold the suspects against", where="strength",
                             remedy="Use a planted study, or judge some suspects by hand")
    wrong, rows = 1.0 - table.right, []
    groups = {ALL_GAPS: np.ones(len(table), bool)} | (_thirds(table.truth["gap"].to_numpy(np.float64)) if by_gap else {})
    for share in shares:
        suspected = table.strength.suspects(share)
        for gap, inside in groups.items():
            mask = suspected & inside
            one = estimate(wrong[None, mask], table.families[mask], draws=draws, seed=seed, trained=False)
            base = float(wrong[inside].mean()) if inside.any() else np.nan
            rows.append((share, gap, one.value, one.low, one.high, one.n, one.families, one.words, base))
    return pd.DataFrame(rows, columns=["share", "gap", "value", "low", "high", "n", "families", "words", "base"])


def agreed(table: StrengthTable, by: str | Pair = TRUTH) -> PairMask:
    """Mask [pair] of the agreed subset: the pairs whose label another one confirms (arXiv 2401.06080).

    by: "truth"; "judge", the column judge_label; or margins [pair] of anything else that judges, a result's mean over seeds.
    A tie, and a pair that the judge was not asked about, is not agreed. WorkbenchError where such a judge is not known.
    """
    if isinstance(by, str) and by not in (TRUTH, JUDGE):
        raise WorkbenchError(f"agreement with {by!r}", where="strength", remedy=f'Ask for "{TRUTH}" or "{JUDGE}", or give margins')
    if isinstance(by, np.ndarray):
        if len(by) != len(table):
            raise WorkbenchError(f"margins of {len(by)} pairs beside a table of {len(table)}", remedy="Align them by pair_id")
        return by > 0
    if by == TRUTH and table.right is not None:
        return table.right == 1
    if by == JUDGE and table.judged is not None:
        return table.judged == 1
    known = "a planted study" if by == TRUTH else f"pairs with a column {JUDGED}"
    raise WorkbenchError(f"no {by} is known of these pairs", where="strength", remedy=f"Use {known}")


def _asked(members: np.ndarray, splits: int, lowest: float) -> int:
    """How many pairs the lowest part has."""
    n, count = members.shape
    if count < 2:
        raise WorkbenchError(f"{count} member cannot be split in two", where="settling", remedy="Take two or more; ten is usual")
    if splits < 1:
        raise WorkbenchError(f"{splits} splits", where="settling", remedy="Take one or more; 200 is usual")
    if not np.isfinite(members).all():
        raise WorkbenchError("a missing or infinite strength", where="settling", remedy="Leave such pairs out")
    if not 0 < lowest < 1 or not round(lowest * n):
        raise WorkbenchError(f"lowest {lowest:g} of {n} pairs", where="settling", remedy="Give a share that holds a pair, for example 0.1")
    return round(lowest * n)


def _agreements(members: PairMember, first: Integer[np.ndarray, "split m"], second: Integer[np.ndarray, "split m"],
                low: int) -> tuple[Float[np.ndarray, " split"], Float[np.ndarray, " split"]]:
    """[split] Spearman of the two sets' means, and the share of the lowest pairs that both name. Each set is ranked once."""
    both = np.sort(np.concatenate([first, second]), axis=1)
    sets, place = np.unique(both, axis=0, return_inverse=True)
    ranks, named = np.empty((len(sets), len(members)), np.float32), np.empty((len(sets), len(members)), bool)
    by_member = np.ascontiguousarray(members.T)
    for row, chosen in enumerate(sets):
        mean = by_member[chosen].mean(axis=0)
        ranks[row], named[row] = unit_ranks(mean), _lowest(mean, low)
    sides = place.reshape(2, -1).T
    return np.array([ranks[a] @ ranks[b] for a, b in sides], np.float64), np.array([(named[a] & named[b]).sum() / low for a, b in sides])


def _lowest(values: Pair, low: int) -> PairMask:
    """The `low` lowest, equals in their own order."""
    edge = np.partition(values, low - 1)[low - 1]
    found = values < edge
    found[np.flatnonzero(values == edge)[: low - found.sum()]] = True
    return found


def _spearman_brown(agreement: float, times: float) -> float:
    return times * agreement / (1 + (times - 1) * agreement) if agreement > 0 else np.nan


def _thirds(gap: Pair) -> dict[str, Bool[np.ndarray, " pair"]]:
    """All pairs in thirds of |gap|, from close to far."""
    size = np.abs(gap)
    place = np.searchsorted(np.quantile(size, [1 / 3, 2 / 3]), size) if len(size) else np.zeros(0, int)
    return {name: place == third for third, name in enumerate(GAPS)}
