"""Things in a line: exact where it can be, never wrong in form, always the same."""

from itertools import permutations

import numpy as np
import pytest

from workbench.evaluate import seriation
from workbench.evaluate.seriation import best_line, worth


def random_ties(k, seed, high=9):
    half = np.triu(np.random.default_rng(seed).integers(0, high, (k, k)), 1)
    return half + half.T


def exhaustive(ties, tail):
    return max(worth(ties, list(line), tail) for line in permutations(range(len(ties))))


@pytest.mark.parametrize("k", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("seed", range(4))
def test_small_lines_are_the_best_of_all(k, seed):
    ties = random_ties(k, seed)
    for tail in (None, random_ties(k, seed + 50)[0] + 1):
        line = best_line(ties, tail)
        assert sorted(line) == list(range(k)) and worth(ties, line, tail) == exhaustive(ties, tail)


def test_seven_things_are_exact_too():
    ties = random_ties(7, 3)
    assert worth(ties, best_line(ties)) == exhaustive(ties, None)


@pytest.mark.parametrize("k", [11, 25])
def test_a_hidden_chain_is_found_past_the_exact(k):
    order = np.random.default_rng(1).permutation(k)
    ties = random_ties(k, 2, high=4)
    for a, b in zip(order, order[1:]):
        ties[a, b] = ties[b, a] = 1000
    line = best_line(ties)
    assert line in (order.tolist(), order[::-1].tolist()) and line[0] < line[-1] and line == best_line(ties)


@pytest.mark.parametrize("seed", range(5))
def test_a_guess_comes_near_the_best(monkeypatch, seed):
    ties = random_ties(8, seed)
    best = worth(ties, best_line(ties))
    monkeypatch.setattr(seriation, "EXACT", 0)
    guess = best_line(ties)
    assert sorted(guess) == list(range(8)) and 0.9 * best <= worth(ties, guess) <= best


def test_equal_ways_have_one_answer():
    assert best_line(np.zeros((4, 4), int)) == best_line(np.zeros((4, 4), int))
    assert best_line(np.zeros((1, 1), int)) == [0] and best_line(np.zeros((0, 0), int)) == []
    assert best_line(np.array([[0, 1], [1, 0]]), np.array([5, 0])) == [1, 0], "what ties with the tail comes last"
