"""Two texts word by word: a longest common subsequence, exact, in any script."""

from __future__ import annotations

import re

from ..errors import WorkbenchError

# Words; scripts written without spaces by character; everything else that is no space by itself, with what joins emoji.
TOKEN = re.compile(
    "[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]|(?:(?![\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af])\\w)+"
    "|[^\\w\\s][\ufe0f\u200d\U0001f3fb-\U0001f3ff]*"
)
MOST = 20_000  # words of one text


def tokens(text: str) -> list[tuple[int, int]]:
    """Start and end of every word, or sign, of a text."""
    return [match.span() for match in TOKEN.finditer(text)]


def differences(first: str, second: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What only one of two texts has: spans of characters [start, end) of each, those that touch joined over white space.

    The words that are left are the same in both, in the same order, and as many as can be (longest common subsequence).
    Raises WorkbenchError for a text of more than MOST words.
    """
    spans = tokens(first), tokens(second)
    longest = max(map(len, spans))
    if longest > MOST:
        raise WorkbenchError(f"too long to compare word by word: {longest:,} words", remedy=f"Up to {MOST:,} are compared")
    words = [[text[a:b] for a, b in found] for text, found in zip((first, second), spans)]
    kept = _common(*words)
    return tuple(_joined(text, found, mine) for text, found, mine in zip((first, second), spans, kept))


def _common(a: list[str], b: list[str]) -> tuple[list[bool], list[bool]]:
    """Which words of each belong to a longest common subsequence.

    Bit-parallel (Hyyrö, 2004): row j is one integer whose bit i is 0 where the subsequence of a[: i + 1] and b[: j + 1] is
    longer than without a[i]; rows are kept and walked back. n × m / 64 steps of the machine.
    """
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    one, two = a[head:len(a) - tail], b[head:len(b) - tail]
    where: dict[str, int] = {}
    for i, word in enumerate(one):
        where[word] = where.get(word, 0) | 1 << i
    full = (1 << len(one)) - 1
    row, rows = full, []
    for word in two:
        hit = row & where.get(word, 0)
        row = ((row + hit) | (row - hit)) & full
        rows.append(row)
    first, second = [False] * len(one), [False] * len(two)
    i, j = len(one), len(two)
    while i and j:
        if rows[j - 1] >> (i - 1) & 1:
            i -= 1
        else:
            j -= 1
            if not j or rows[j - 1] >> (i - 1) & 1:
                i -= 1
                first[i] = second[j] = True
    same = [True] * head, [True] * tail
    return [*same[0], *first, *same[1]], [*same[0], *second, *same[1]]


def _joined(text: str, spans: list[tuple[int, int]], kept: list[bool]) -> list[tuple[int, int]]:
    """Spans that are not kept; neighbours with nothing but white space between them are one."""
    out: list[tuple[int, int]] = []
    for (start, end), same in zip(spans, kept):
        if same:
            continue
        if out and not text[out[-1][1]:start].strip():
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out
