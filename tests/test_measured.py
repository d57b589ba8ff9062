"""Measured columns against counting by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.measured import COLUMNS, measure, n_words, repetition


@pytest.mark.parametrize("text, words, repeated, lists, markdown", [
    ("", 0, 0, 0, 0),
    ("one two three", 3, 0, 0, 0),
    ("a b c a b c", 6, 1 - 3 / 4, 0, 0),  # abc bca cab abc: three different of four
    ("A b c a B C", 6, 1 - 3 / 4, 0, 0),  # case does not matter
    ("- one\n- two\nthree", 5, 0, 2 / 3, 0),
    ("1. one\n2) two\n\n• three", 6, 0, 1, 0),
    ("# title\nplain\n**bold** word", 5, 0, 0, 2 / 3),
    ("a-b is 3 - 4", 5, 0, 0, 0),
    ("| x | y |\n> said\n```\n`code`", 9, 0, 0, 1),
])
def test_by_hand(text, words, repeated, lists, markdown):
    frame = measure([text])
    assert list(frame.columns) == list(COLUMNS)
    np.testing.assert_allclose(frame.iloc[0], [words, repeated, lists, markdown])


@settings(max_examples=60, deadline=None)
@given(st.text("ab c.\n", max_size=60))
def test_repetition_against_a_slow_count(text):
    tokens = re.findall(r"\w+|[^\w\s]+", text.lower())
    seen, again = set(), 0
    for i in range(len(tokens) - 2):
        again += tuple(tokens[i : i + 3]) in seen
        seen.add(tuple(tokens[i : i + 3]))
    assert repetition(text) == pytest.approx(again / max(1, len(tokens) - 2))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("aé \n-*#`|1.", max_size=40), max_size=5))
def test_rows_follow_texts_and_shares_stay_shares(texts):
    frame = measure(texts)
    assert len(frame) == len(texts) and frame["n_words"].tolist() == [n_words(text) for text in texts]
    shares = frame.drop(columns="n_words").to_numpy()
    assert ((shares >= 0) & (shares <= 1)).all()
