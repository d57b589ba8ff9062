"""Word differences against a plain dynamic programme, in several scripts, and quickly."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.evaluate.differences import MOST, differences, tokens


def slow_length(a: list[str], b: list[str]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a):
        for j, two in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if one == two else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def words(text: str) -> list[str]:
    return [text[a:b] for a, b in tokens(text)]


def left(text: str, spans) -> list[str]:
    """The words outside the spans."""
    return [text[a:b] for a, b in tokens(text) if not any(start <= a and b <= end for start, end in spans)]


TEXTS = st.lists(st.sampled_from(["a", "b", "c", "der", "Ende", ",", "\n", "  ", "😀", "我", "们", "שלום"]), max_size=30).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_what_is_left_is_a_longest_common_subsequence(first, second):
    one, two = differences(first, second)
    rest = left(first, one)
    assert rest == left(second, two) and len(rest) == slow_length(words(first), words(second))


def test_equal_texts_and_empty_ones():
    assert differences("the same, here", "the same, here") == ([], [])
    assert differences("", "new words") == ([], [(0, 9)])
    assert differences("", "") == ([], [])


def test_neighbours_are_joined_and_signs_stand_alone():
    first, second = "Call, or text your neighbour.", "Call or ring them today."
    one, two = differences(first, second)
    assert [first[a:b] for a, b in one] == [",", "text your neighbour"] and [second[a:b] for a, b in two] == ["ring them today"]


@pytest.mark.parametrize("text", ["我们今天去", "ภาษาไทย", "<script>alert(1)</script>", "👩‍🔬 👍🏽", "مرحبا بالعالم"])
def test_every_visible_character_is_in_a_word(text):
    assert "".join(words(text)) == "".join(text.split())


def test_long_answers_are_compared_in_a_moment_and_longer_ones_refused():
    first, second = ("one two three four five " * 1600).strip(), ("two one three five six " * 1600).strip()
    begun = time.process_time()
    one, two = differences(first, second)
    assert time.process_time() - begun < 2 and left(first, one) == left(second, two)
    with pytest.raises(WorkbenchError, match="too long to compare word by word"):
        differences("word " * (MOST + 1), "")
