"""Length-matched strength against its loop, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.objectives.ranks import spearman
from workbench.preference.matched import matched


def slow(members, lengthening, width):
    """Pair by pair: the windows of all pairs as long as this one, joined; of equals that a window parts, each counts as their mean."""
    n, mean = len(members), members.mean(axis=1)
    width = min(width if width % 2 else width + 1, n)
    order = sorted(range(n), key=lambda i: lengthening[i])
    shared = {length: np.mean([mean[i] for i in range(n) if lengthening[i] == length]) for length in set(lengthening)}
    windows = {}
    for place, pair in enumerate(order):
        begin = min(max(place - width // 2, 0), n - width)
        windows.setdefault(lengthening[pair], set()).update(range(begin, begin + width))
    out = np.array(members)
    for pair in range(n):
        out[pair] -= np.mean([shared[lengthening[order[place]]] for place in windows[lengthening[pair]]]) - mean.mean()
    return out


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 3), st.sampled_from([1, 3, 100]), st.floats(0, 1))
def test_is_its_loop(seed, pairs, members, kinds, share):
    rng = np.random.default_rng(seed)
    values, lengths = rng.normal(size=(pairs, members)), rng.integers(-kinds, kinds, pairs).astype(float)
    width = 2 + round(share * (pairs - 2))
    np.testing.assert_allclose(matched(values, lengths, neighbours=width), slow(values, lengths, width), atol=1e-12)


def test_the_default_window():
    rng = np.random.default_rng(2)
    for pairs, width in ((60, 50), (1200, 60)):
        values, lengths = rng.normal(size=(pairs, 2)), rng.normal(size=pairs)
        np.testing.assert_array_equal(matched(values, lengths), matched(values, lengths, neighbours=width))


@pytest.mark.parametrize("slope", [0.01, 0.03, -0.03])
def test_a_shared_love_of_length_is_gone(slope):
    rng = np.random.default_rng(5)
    lengths = rng.normal(0, 60, 2000).round()
    quality = rng.normal(size=2000)
    members = (quality + slope * lengths)[:, None] + 0.3 * rng.normal(size=(2000, 10))
    found = matched(members, lengths)
    assert abs(spearman(members.mean(axis=1), lengths)) > 0.4 and abs(spearman(found.mean(axis=1), lengths)) < 0.06
    assert spearman(found.mean(axis=1), quality) > 0.95 > spearman(members.mean(axis=1), quality)
    np.testing.assert_allclose(found.std(axis=1), members.std(axis=1), atol=1e-12)


def test_what_changes_nothing():
    rng = np.random.default_rng(1)
    members, lengths = rng.normal(size=(300, 4)), rng.normal(size=300)
    np.testing.assert_allclose(matched(members, np.full(300, 7.0)), members, atol=1e-12)
    np.testing.assert_allclose(matched(members, lengths, neighbours=300), members, atol=1e-12)
    found, order = matched(members, lengths), rng.permutation(300)
    np.testing.assert_allclose(matched(members[order], lengths[order]), found[order], atol=1e-12)  # the order of the pairs
    np.testing.assert_allclose(matched(members, np.exp(lengths)), found, atol=1e-12)  # the scale of lengths
    np.testing.assert_allclose(matched(members, -lengths), found, atol=1e-12)  # which side is called longer
    np.testing.assert_allclose(matched(members + 5, lengths), found + 5, atol=1e-12)
    assert matched(members.astype(np.float32), lengths).dtype == np.float32 and members[0, 0] == np.random.default_rng(1).normal()


@pytest.mark.parametrize(("pairs", "lengths", "neighbours", "said"), [
    (40, np.arange(40.0), None, "40 pairs are fewer than 50 neighbours"), (9, np.arange(9.0), 10, "9 pairs are fewer"),
    (9, np.arange(9.0), 1, "1 neighbours"), (0, np.zeros(0), 2, "0 pairs are fewer"),
    (9, np.array([1.0] * 7 + [np.nan, np.inf]), 5, "missing or infinite length of pair 7, 8"),
])
def test_bad_input_is_named(pairs, lengths, neighbours, said):
    with pytest.raises(WorkbenchError, match=said):
        matched(np.ones((pairs, 2)), lengths, neighbours=neighbours)


def test_one_length_per_pair():
    with pytest.raises((WorkbenchError, TypeError), match="8"):
        matched(np.ones((9, 2)), np.arange(8.0), neighbours=5)


def test_a_missing_strength_is_named():
    members = np.ones((60, 2))
    members[3, 1] = np.nan
    with pytest.raises(WorkbenchError, match="strength of pair 3"):
        matched(members, np.arange(60.0))
