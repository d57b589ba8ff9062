"""What broke and what moved it, against plain loops."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluate.flips import flips, moved_by, shapley


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame({"pair_id": [f"p{i}" for i in range(40)], "family": [f"f{i // 4}" for i in range(40)], "section": "A"})
    old, new = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    old[7], new[7] = [1.0, 2.0, 0.0], [1.0, 2.0]  # the same margin to the bit
    return pairs, (old, new), (("a", "b", "c"), ("b", "d"))


def test_kinds_order_and_movers_are_those_of_a_plain_loop(world):
    pairs, contributions, names = world
    before, after = (each.sum(axis=1) for each in contributions)
    table = flips(pairs, before, after, contributions, names).set_index("pair_id")
    for i, pair in enumerate(pairs["pair_id"]):
        row = table.loc[pair]
        kind = "same" if before[i] == after[i] else "moved"
        if before[i] > 0 >= after[i]:
            kind = "broken"
        elif before[i] <= 0 < after[i]:
            kind = "fixed"
        assert row["kind"] == kind and row["change"] == after[i] - before[i]
        change = {}
        for name, value in zip(names[1], contributions[1][i]):
            change[name] = change.get(name, 0.0) + value
        for name, value in zip(names[0], contributions[0][i]):
            change[name] = change.get(name, 0.0) - value
        assert abs(change[row["moved_by"]]) == max(map(abs, change.values())) and change[row["moved_by"]] == row["moved"]
        assert sum(change.values()) == pytest.approx(row["change"])
    kinds, changes = table["kind"].tolist(), table["change"].tolist()
    n = kinds.count("broken")
    assert n and set(kinds[:n]) == {"broken"} and changes[:n] == sorted(changes[:n]) and changes[n:] == sorted(changes[n:])
    assert table.loc["p7", "kind"] == "same"


def test_movers_take_the_same_names_in_any_order():
    contributions = np.array([[1.0, 5.0]])
    names, size = moved_by(contributions, ("a", "b"), contributions[:, ::-1] + [[0.0, 3.0]], ("b", "a"))
    assert names.tolist() == ["a"] and size.tolist() == [3.0]


def test_lengths_must_agree(world):
    with pytest.raises(WorkbenchError, match="40 pairs beside 3"):
        flips(world[0], np.zeros(3), np.zeros(3))


def test_shapley_is_the_mean_over_orders_and_adds_up():
    rng = np.random.default_rng(1)
    subsets = [frozenset(i for i in range(3) if code >> i & 1) for code in range(8)]
    values = {subset: rng.normal(size=5) for subset in subsets}
    found = shapley(values, 3)
    for edit in range(3):
        orders = list(permutations(range(3)))
        slow = np.mean([values[frozenset(o[: o.index(edit) + 1])] - values[frozenset(o[: o.index(edit)])] for o in orders], axis=0)
        assert found[edit] == pytest.approx(slow)
    assert sum(found) == pytest.approx(values[frozenset({0, 1, 2})] - values[frozenset()])

