"""The memory budget: what it is, what counts against it, and the error that says what would fit."""

from __future__ import annotations

import gc

import numpy as np
import pandas as pd
import pytest

from workbench import budget
from workbench.bundle import pack, unpack
from workbench.errors import WorkbenchError

GIB = 2**30


@pytest.mark.parametrize(("text", "size"), [
    ("6GiB", 6 * GIB), ("512 MB", 512 * 2**20), ("1e9", 10**9), ("2k", 2048), (" 1.5 t ", 3 * 2**39), ("700", 700), ("300 b", 300),
])
def test_sizes_as_people_write_them(text, size):
    assert budget.parse(text) == size


@pytest.mark.parametrize("text", ["", " ", "much", "-1G", "0", "inf", "nan", "6X", "GiB", "1e400"])
def test_what_is_no_size(text):
    with pytest.raises(WorkbenchError, match="is no size.*for example"):
        budget.parse(text)


@pytest.mark.parametrize("size", [0, 999, 1500, 3 * 2**20, 1.1 * 77 * GIB, 4321 * GIB])
def test_sizes_said_can_be_read_again(size):
    said = budget.words(size)
    if size:
        assert budget.parse(said.replace(" ", "").replace(",", "")) == pytest.approx(size, rel=0.05)
    assert budget.words(3.25 * GIB) == "3.2 GiB"


def test_the_variable_comes_first(monkeypatch):
    monkeypatch.setenv(budget.VARIABLE, "3MiB")
    assert budget.limit() == 3 * 2**20
    monkeypatch.setenv(budget.VARIABLE, "some")
    with pytest.raises(WorkbenchError, match="'some' is no size"):
        budget.limit()


def test_half_of_what_is_free_and_it_stays(monkeypatch):
    monkeypatch.delenv(budget.VARIABLE, raising=False)
    budget._at_first.cache_clear()
    monkeypatch.setattr(budget, "free", lambda: 10 * GIB)
    assert budget.limit() == 5 * GIB
    monkeypatch.setattr(budget, "free", lambda: GIB)
    assert budget.limit() == 5 * GIB
    budget._at_first.cache_clear()


@pytest.mark.parametrize(("most", "used", "left"), [("1000", "400", 600), ("max", "400", None), ("400", "1000", 0), (None, None, None)])
def test_a_container_has_less(monkeypatch, tmp_path, most, used, left):
    """cgroup v1 and v2 differ in the file's names alone; v2 says "max" where nothing limits it."""
    files = tmp_path / "most", tmp_path / "used"
    for path, text in zip(files, (most, used)):
        if text is not None:
            path.write_text(text + "\n")
    monkeypatch.setattr(budget, "CGROUPS", (tuple(map(str, files)),))
    assert budget.free() == left if left is not None else budget.free() > 10**6


class Kept:
    """Holds arrays, and can read all but the last again."""

    def __init__(self, *sizes):
        self.arrays = [np.zeros(size, np.uint8) for size in sizes]
        budget.keeper(self)

    def held(self):
        return budget.size_of(self)

    def let_go(self, size):
        while size > 0 and len(self.arrays) > 1:
            size -= len(self.arrays.pop(0))


@pytest.fixture
def empty(monkeypatch):
    """A process that holds nothing, with a budget of 1000 bytes."""
    monkeypatch.setattr(budget, "_KEEPERS", type(budget._KEEPERS)())
    monkeypatch.setenv(budget.VARIABLE, "1000")


def test_what_fits_is_allowed_and_what_does_not_says_what_would(empty):
    budget.claim(1000, "features")
    with pytest.raises(WorkbenchError) as error:
        budget.claim(4000, "features of 200 pairs", count=200, of="pairs")
    said = str(error.value)
    assert "features of 200 pairs would fill 3.91 KiB, the memory budget is 0.977 KiB" in said, said
    assert "at most 50 pairs" in said and f"Raise it ({budget.VARIABLE}=" in said
    asked = said.split(f"{budget.VARIABLE}=")[1].split(")")[0]
    assert budget.parse(asked) >= 4000


def test_what_is_held_counts_until_it_is_let_go(empty):
    kept = Kept(300, 300, 300)
    assert budget.held() == 900 and budget.room() == 100
    budget.claim(100, "little")
    assert len(kept.arrays) == 3  # there was room
    budget.claim(400, "more")
    assert len(kept.arrays) == 2 and budget.room() == 400  # the oldest alone was let go
    with pytest.raises(WorkbenchError, match="of which 300 B is held.*at most 70 rows"):
        budget.claim(900, "too much", count=90)
    del kept
    gc.collect()
    assert budget.held() == 0


def test_nothing_is_let_go_for_what_can_never_fit(empty):
    kept = Kept(300, 300)
    with pytest.raises(WorkbenchError, match="at most 3 rows"):
        budget.claim(1001, "too much", count=10)
    assert len(kept.arrays) == 2


def test_size_of_counts_each_array_once():
    big, table = np.zeros((10, 10)), pd.DataFrame({"a": np.zeros(100)})

    def closed():
        return big

    class Other:
        pass

    value, other = Kept(), Other()
    value.__dict__.update(arrays=[big, big[:5], big.T], more={"x": (table, closed)}, me=value)
    other.array = np.zeros(10**6)
    value.other = other
    assert budget.size_of(value, but=(Other,)) == pytest.approx(800 + 800, abs=200)  # a frame has an index
    seen: dict = {}
    assert budget.size_of(big[:1], seen=seen) == 800 and budget.size_of(big[1:], seen=seen) == 0


def test_arrays_that_were_read_from_a_file_are_counted():
    """Their base is a view of the bytes that were read, which has a size and is no array."""
    read = unpack(pack({"a": np.ones((2, 5)), "b": np.ones(3)}))
    assert budget.size_of(read) == 8 * 13 and budget.size_of(read["a"]) == 80
