"""Words over points of a line: labels with upright leaders that never touch, and numbers of which the worthiest stay."""

from __future__ import annotations

from collections.abc import Sequence

AIR, TOUCH = 5, 2  # px between labels and leaders, and how far inside its label a leader ends


def place_over(at: Sequence[float], widths: Sequence[float], low: float, high: float, *, most: int = 4) -> list[tuple[int, float]] | None:
    """(level, left edge) of each label, level 0 lowest, all in px; None where `most` levels do not hold them.

    at: ascending places of the points. A label holds its own point between its ends, lies between low and high, and
    leaves the points of all labels above it free. Wider pages with the same places in proportion keep that so.
    """
    left, found, level = list(range(len(at))), {}, 0
    while left and level < most:
        here = _one_level(at, widths, left, low, high)
        if not here:
            return None
        found |= {i: (level, edge) for i, edge in here.items()}
        left, level = [i for i in left if i not in here], level + 1
    return None if left else [found[i] for i in range(len(at))]


def _one_level(at, widths, left: list[int], low: float, high: float) -> dict[int, float]:
    """Left edges of those that fit: first as far left as can be, then back towards their points."""
    edge, here = low, {}
    for place, i in enumerate(left):
        after = at[left[place + 1]] - AIR if place + 1 < len(left) else high
        first = max(edge, at[i] + TOUCH - widths[i])
        if first <= min(max(at[i] - TOUCH, low), after - widths[i]):
            here[i] = first
            edge = first + widths[i] + AIR
        else:
            edge = at[i] + AIR
    wall = high
    for i in reversed(left):
        if i in here:
            last = min(max(at[i] - TOUCH, low), wall - widths[i])
            here[i] = max(here[i], min(at[i] - widths[i] / 2, last))
        wall = (here[i] if i in here else at[i]) - AIR
    return here


def thin_out(at: Sequence[float], widths: Sequence[float], worth: Sequence[float]) -> list[int]:
    """Which of the centred words on one line are kept where some would touch: those worth most."""
    kept: list[int] = []
    for i in sorted(range(len(at)), key=lambda i: (-worth[i], i)):
        if all(abs(at[i] - at[j]) >= (widths[i] + widths[j]) / 2 + AIR for j in kept):
            kept.append(i)
    return sorted(kept)
