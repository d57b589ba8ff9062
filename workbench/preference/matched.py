"""Length-matched strength: each pair beside those whose chosen answer is about as much longer."""

from __future__ import annotations

import numpy as np

from ..axes import Pair, PairMember
from ..errors import WorkbenchError, listing

FEWEST, SHARE = 50, 1 / 20  # pairs of a window: so many, or this share of all where that is more


def matched(members: PairMember, lengthening: Pair, *, neighbours: int | None = None) -> PairMember:
    """Members without the preference for length that they share: μ̂ is compared with that of pairs of like lengthening.

    members [pair member]; lengthening [pair]: words that the chosen answer has more. From every member of a pair is taken the
    mean of μ̂ over the `neighbours` pairs nearest in the rank of lengthening, the pair among them, less the mean over all
    pairs: the spread over members stays, and so do all of them where lengthening is constant. neighbours: rounded up to an odd
    number; None for max(50, a twentieth of the pairs). At both ends the window is the outermost pairs; pairs of equal
    lengthening share one, which holds all of them. A share of quality that goes with length is taken away as well. Raises
    WorkbenchError for fewer pairs than neighbours, another number of lengths, and a missing or infinite value.
    """
    n = len(members)
    width = max(FEWEST, round(SHARE * n)) if neighbours is None else neighbours
    _sound(members, lengthening, width)
    order = np.argsort(lengthening, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(lengthening[order]) != 0]))
    sizes = np.diff(starts, append=n)
    mean = members.mean(axis=1, dtype=np.float64)[order]
    mean = np.repeat(np.add.reduceat(mean - mean.mean(), starts) / sizes, sizes)  # a window may part equals: all count alike
    width = min(width | 1, n)
    first = np.clip(np.arange(n) - width // 2, 0, n - width)
    begin, end = first[starts], first[starts + sizes - 1] + width
    sums = np.concatenate([[0.0], np.cumsum(mean)])
    local = np.empty(n)
    local[order] = np.repeat((sums[end] - sums[begin]) / (end - begin), sizes)
    return (members - local[:, None]).astype(members.dtype, copy=False)


def _sound(members: np.ndarray, lengthening: np.ndarray, neighbours: int) -> None:
    where = "length-matched strength"
    if len(lengthening) != len(members):
        raise WorkbenchError(f"{len(lengthening)} lengths beside {len(members)} pairs", where=where, remedy="Align them by pair_id")
    if neighbours < 2:
        raise WorkbenchError(f"{neighbours} neighbours", where=where, remedy=f"Compare with two or more; {FEWEST} is a good number")
    if len(members) < neighbours:
        raise WorkbenchError(f"{len(members)} pairs are fewer than {neighbours} neighbours", where=where,
                             remedy="Ask for fewer neighbours, or take strength as it stands")
    for name, values in (("length", lengthening), ("strength", members.sum(axis=1))):
        missing = np.flatnonzero(~np.isfinite(values))
        if len(missing):
            raise WorkbenchError(f"a missing or infinite {name} of pair {listing(missing)}", where=where,
                                 remedy="Leave such pairs out, or use a study with text")
