"""The order of batches, and tables whose rows several pairs share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.preference.batches import Order, Table
from workbench.rows import Repeated


def test_order_shows_every_row_once_a_round():
    rows = np.arange(10, 17)
    seen = Order(rows, 3, seed=0).block(7).flatten()
    for start in (0, 7, 14):
        assert sorted(seen[start : start + 7].tolist()) == rows.tolist()
    assert seen[:7].tolist() != seen[7:14].tolist()


def test_blocks_of_any_size_are_one_order():
    """Cut into blocks of 1, 2 and 4 batches, or drawn at once: the same batches; another seed, others."""
    rows, order = np.arange(10, 17), Order(np.arange(10, 17), 3, seed=0)
    cut = torch.cat([order.block(count) for count in (1, 2, 4)])
    assert torch.equal(cut, Order(rows, 3, seed=0).block(7))
    assert not torch.equal(cut, Order(rows, 3, seed=1).block(7))


def test_a_batch_of_everything_is_everything():
    assert Order(np.array([4, 2, 9]), 100, seed=0).block(2).tolist() == [[4, 2, 9]] * 2


def test_tables_of_shared_rows_are_tables():
    rng = np.random.default_rng(0)
    shared = Repeated(rng.normal(size=(5, 3)).astype(np.float32), rng.integers(0, 5, 40))
    table, plain = Table(shared, "cpu"), Table(np.asarray(shared), "cpu")
    index = torch.tensor([[0, 7, 7], [39, 1, 2]])
    assert len(table) == 40 and torch.equal(table.take(index), plain.take(index))
    once, place = table.once(index[:1])
    assert torch.equal(once[0][place], plain.take(index[:1])[0]) and once.shape[1] <= 2
    assert table.bytes == 5 * 3 * 4 + 40 * 8


@pytest.mark.parametrize("batch, pays", [(1, False), (100, True), (1024, True)])
def test_shared_rows_are_sorted_out_where_it_pays(batch, pays):
    rows = np.zeros((100, 2), np.float32)
    assert Table(Repeated(rows, np.arange(1000) % 100), "cpu").pays(batch) is pays
    assert not Table(rows, "cpu").pays(batch)
