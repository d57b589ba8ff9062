"""Which tokens go through a model together: shared prompts once, rows of one length side by side. Numbers only, no model.

A row is a chain (one conversation) or a tree: a prompt, then its answers one after another, each of which sees the prompt and
itself. Causal attention makes a tree's hidden states those of its conversations one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

Ids = Sequence[int]
BLOCK = 512
FILLING = 32  # of a batch's budget, one part may be filling


@dataclass(frozen=True)
class Cost:
    """What a row costs, in tokens' worth of matrix products: its tokens, and attention between pairs of them.

    pair: attention of one pair of tokens over the products of one token; most: the longest row that sharing may make.
    """

    pair: float
    most: int

    def chain(self, size: int) -> float:
        """A causal kernel skips what lies ahead, by blocks of 512."""
        return size + self.pair * size * min(size, (size + BLOCK) / 2)

    def tree(self, size: int) -> float:
        """A mask hides what is not seen, after it was computed."""
        return size + self.pair * size * size


@dataclass(frozen=True)
class Row:
    """A prompt's ids and its answers' (one: a chain); reads: (slot, place in the row) of each vector that is wanted."""

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    reads: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.prompt) + sum(map(len, self.answers))


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows side by side, filled up on the right.

    ids [row token]; branch [row token]: 0 in a prompt, n in its n-th answer, None where no row is a tree; position
    [row token] in its own conversation; reads [n 2]: row and token of each vector that comes out; slots [n]: whose it is;
    tokens: those that are not filling.
    """

    ids: Integer[np.ndarray, "row token"]
    branch: Integer[np.ndarray, "row token"] | None
    position: Integer[np.ndarray, "row token"] | None
    reads: Integer[np.ndarray, "n 2"]
    slots: Integer[np.ndarray, " n"]
    tokens: int


def shared(rows: Sequence[Ids]) -> int:
    """How many ids all of several rows begin with."""
    first, size = rows[0], min(map(len, rows))
    for other in rows[1:]:
        size = next((at for at in range(size) if first[at] != other[at]), size)
    return size


def grown(prompt_slot: int | None, gate: int, prompt: Ids, answers: Sequence[tuple[int, Ids]], cost: Cost) -> list[Row]:
    """Rows of one prompt: its feature read at `gate`, each answer's at its last id; the prompt is repeated only where that is cheaper.

    answers: (slot, ids of the whole conversation). Every conversation begins with the prompt up to `gate`, and goes on.
    """
    wanted = () if prompt_slot is None else ((prompt_slot, gate),)
    if not answers:
        return [Row(tuple(prompt[: gate + 1]), (), wanted)] if wanted else []
    stem = min(shared([ids for _, ids in answers]), min(len(ids) for _, ids in answers) - 1)
    common, packs, size = tuple(answers[0][1][:stem]), [[answers[0]]], len(answers[0][1])
    for slot, ids in answers[1:]:
        more = size + len(ids) - stem
        alone = cost.tree(size) if len(packs[-1]) > 1 else cost.chain(size)
        if more <= cost.most and cost.tree(more) < alone + cost.chain(len(ids)):
            packs[-1].append((slot, ids))
            size = more
        else:
            packs.append([(slot, ids)])
            size = len(ids)
    made = [_row(common, pack) for pack in packs]
    first = made[0]
    return [Row(first.prompt, first.answers, (*wanted, *first.reads)), *made[1:]]


def _row(common: tuple[int, ...], pack: list[tuple[int, Ids]]) -> Row:
    reads, end, answers = [], len(common), []
    for slot, ids in pack:
        answers.append(tuple(ids[len(common) :]))
        end += len(answers[-1])
        reads.append((slot, end - 1))
    return Row(common, tuple(answers), tuple(reads))


def batched(rows: Sequence[Row], budget: int) -> list[Batch]:
    """Rows of similar length together, longest first, within a budget of tokens of which little is filling; trees apart from chains."""
    out = []
    for kind in (False, True):
        some = [row for row in rows if (len(row.answers) > 1) == kind]
        out += [_batch([some[at] for at in places], kind) for places in buckets([len(row) for row in some], budget, budget // FILLING)]
    return out


def buckets(lengths: Sequence[int] | np.ndarray, budget: int, filling: int | None = None) -> list[np.ndarray]:
    """Positions grouped by similar length, longest first, so that rows × longest row stays within a budget of tokens.

    filling: tokens that may be wasted on shorter rows of one group; None for any.
    """
    lengths = np.asarray(lengths, np.int64)
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        longest = int(lengths[order[start]])
        rows = max(1, budget // max(1, longest))
        if filling is not None:
            wasted = np.cumsum(longest - lengths[order[start : start + rows]])
            rows = int(np.searchsorted(wasted, filling, side="right"))
        batches.append(order[start : start + rows])
        start += rows
    return batches


def _batch(rows: list[Row], trees: bool) -> Batch:
    width = max(map(len, rows))
    ids = np.zeros((len(rows), width), np.int32)
    branch, position = (np.zeros((len(rows), width), np.int32) for _ in range(2)) if trees else (None, None)
    reads, slots = [], []
    for at, row in enumerate(rows):
        end = len(row.prompt)
        ids[at, :end] = row.prompt
        if trees:
            position[at, :end] = np.arange(end)
        for number, answer in enumerate(row.answers, 1):
            place = slice(end, end + len(answer))
            ids[at, place] = answer
            if trees:
                branch[at, place], position[at, place] = number, len(row.prompt) + np.arange(len(answer))
            end += len(answer)
        reads += [(at, place) for _, place in row.reads]
        slots += [slot for slot, _ in row.reads]
    shape = np.array(reads, np.int64).reshape(-1, 2)
    return Batch(ids, branch, position, shape, np.array(slots, np.int64), sum(map(len, rows)))
