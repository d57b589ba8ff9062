"""Rows, trees and batches: nothing is lost, budgets hold, and a prompt is repeated only where that is cheaper."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workbench.backbone.trees import Cost, batched, buckets, grown, shared

FREE, DEAR = Cost(0.0, 10_000), Cost(10.0, 10_000)


def conversations(batch):
    """(slot, the conversation's ids up to what is read) of everything in a batch, by walking it token for token."""
    for (row, at), slot in zip(batch.reads, batch.slots):
        ids, branch = batch.ids[row], batch.branch
        kept = [k for k in range(at + 1) if branch is None or branch[row, k] in (0, branch[row, at])]
        if branch is not None:
            assert batch.position[row, kept].tolist() == list(range(len(kept)))
        yield int(slot), tuple(int(ids[k]) for k in kept)


@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=9), min_size=1, max_size=6), st.integers(0, 3),
       st.sampled_from([FREE, DEAR, Cost(0.001, 12)]), st.integers(1, 60))
def test_every_vector_is_read_behind_its_own_conversation(tails, gate, cost, budget):
    prompt = (9, 8, 7, 6, 5)
    whole = [(at + 1, (*prompt, *tail)) for at, tail in enumerate(tails)]
    found = {}
    for batch in batched(grown(0, gate, prompt, whole, cost), budget):
        assert len(batch.ids) == 1 or batch.ids.size <= budget
        found |= dict(conversations(batch))
    assert found == {0: prompt[: gate + 1], **dict(whole)}


def test_a_long_prompt_is_shared_and_a_short_one_is_not():
    answers = [(1, (*range(100), 200, 201)), (2, (*range(100), 300, 301, 302))]
    (row,) = grown(0, 99, tuple(range(100)), answers, Cost(1e-4, 1000))
    assert len(row) == 105 and len(row.answers) == 2
    apart = [(1, (1, 2, *range(50, 150))), (2, (1, 2, *range(60, 160)))]
    assert len(grown(0, 1, (1, 2), apart, Cost(1e-3, 1000))) == 2  # two tokens saved would cost attention between the answers
    assert len(grown(0, 99, tuple(range(100)), answers, Cost(1e-4, 104))) == 2  # longer than a row may be


def test_a_prompt_without_answers_ends_where_it_is_read_and_one_not_wanted_is_not_read():
    (row,) = grown(3, 2, (5, 6, 7, 8, 9), [], FREE)
    assert row.prompt == (5, 6, 7) and row.reads == ((3, 2),)
    assert grown(None, 2, (5, 6, 7), [], FREE) == []
    (row,) = grown(None, 1, (5, 6), [(4, (5, 6, 7))], FREE)
    assert row.reads == ((4, 2),)


def test_shared_and_buckets():
    assert shared([(1, 2, 3), (1, 2, 4), (1, 2)]) == 2 and shared([(1,), (2,)]) == 0 and shared([(1, 2)]) == 2
    lengths = np.random.default_rng(0).integers(1, 300, 100)
    batches = buckets(lengths, 512)
    assert sorted(np.concatenate(batches)) == list(range(100))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= 512
    tight = buckets(lengths, 512, 16)
    assert sorted(np.concatenate(tight)) == list(range(100)) and len(tight) > len(batches)
    assert all((lengths[batch].max() - lengths[batch]).sum() <= 16 for batch in tight)
    assert [len(batch) for batch in buckets([3, 3, 3], 512, 0)] == [3] and buckets([], 512, 0) == []
