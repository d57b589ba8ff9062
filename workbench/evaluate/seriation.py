"""Things in a line, so that as much as possible of what ties them lies between neighbours."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer

EXACT = 10  # things that are put in order exactly; more, by a good guess

Ties = Integer[np.ndarray, "thing thing"]
Tail = Integer[np.ndarray, " thing"]


def best_line(ties: Ties, tail: Tail | None = None) -> list[int]:
    """The order with the largest sum of ties between neighbours, as positions; always the same one.

    ties [thing thing] symmetric counts; tail [thing]: ties with something that stands after the last. Exact up to ten
    things (a table over subsets, Held and Karp 1962), beyond that the heaviest links first, then reversals of stretches
    while they help. Without a tail a line and its mirror image are equal: the end with the smaller index comes first.
    """
    k = len(ties)
    tail = np.zeros(k, int) if tail is None else tail
    line = (_exact if k <= EXACT else _guess)(ties.tolist(), tail.tolist()) if k > 1 else list(range(k))
    return line[::-1] if k > 1 and not tail.any() and line[0] > line[-1] else line


def worth(ties: Ties, line: list[int], tail: Tail | None = None) -> int:
    """Sum of the ties between neighbours of a line, and of its last with the tail."""
    inner = sum(int(ties[a, b]) for a, b in zip(line, line[1:]))
    return inner + (int(tail[line[-1]]) if tail is not None and line else 0)


def _exact(ties: list, tail: list) -> list[int]:
    k = len(ties)
    best = [[-1] * k for _ in range(1 << k)]  # of the lines through a subset that end at one of it
    for one in range(k):
        best[1 << one][one] = 0
    before = [[-1] * k for _ in range(1 << k)]
    for seen in range(1 << k):
        for last in range(k):
            if best[seen][last] < 0:
                continue
            for after in range(k):
                value, more = best[seen][last] + ties[last][after], seen | 1 << after
                if not seen >> after & 1 and value > best[more][after]:
                    best[more][after], before[more][after] = value, last
    seen = (1 << k) - 1
    line = [max(range(k), key=lambda last: best[seen][last] + tail[last])]
    while before[seen][line[-1]] >= 0:
        seen, last = seen & ~(1 << line[-1]), before[seen][line[-1]]
        line.append(last)
    return line[::-1]


def _guess(ties: list, tail: list) -> list[int]:
    """Pieces joined by the heaviest links between their ends, then stretches reversed while that helps."""
    k = len(ties)
    links = sorted(((-ties[a][b], a, b) for a in range(k) for b in range(a + 1, k)))
    piece = {one: [one] for one in range(k)}  # by each of its ends
    for _, a, b in links:
        if a in piece and b in piece and piece[a] is not piece[b]:
            left, right = piece[a], piece[b]
            left = left if left[-1] == a else left[::-1]
            right = right if right[0] == b else right[::-1]
            for end in {left[0], left[-1], right[0], right[-1]}:
                del piece[end]
            joined = left + right
            piece[joined[0]] = piece[joined[-1]] = joined
    line = next(iter(piece.values()))
    line = max(line, line[::-1], key=lambda way: tail[way[-1]])
    return _reversed_stretches(line, ties, tail)


def _reversed_stretches(line: list[int], ties: list, tail: list, rounds: int = 20) -> list[int]:
    k = len(line)
    for _ in range(rounds):
        better = False
        for i in range(k - 1):
            for j in range(i + 1, k):
                a, b = line[i], line[j]
                now = (ties[line[i - 1]][a] if i else 0) + (ties[b][line[j + 1]] if j < k - 1 else tail[b])
                then = (ties[line[i - 1]][b] if i else 0) + (ties[a][line[j + 1]] if j < k - 1 else tail[a])
                if then > now:
                    line[i : j + 1] = line[i : j + 1][::-1]
                    better = True
        if not better:
            break
    return line
