"""Preference strength: members × folds reward heads trained together, against the same heads one by one.

    python tests/benchmarks/strength_heads.py [--quick | --full] [--json FILE]

One by one: for each member and fold a torch module (a Linear, or Linear–ReLU–Linear of 32) on the pairs that its bootstrap drew,
shuffled, AdamW (fused) with a cosine rate, then the fold's own pairs scored. Both take as many steps, one epoch of every head over
its own pairs, with the same bootstraps, penalty, learning rate and mean number of own pairs in a batch (together a batch is drawn
from all pairs, so it is larger by the fold that a head leaves out). Below --full some members are trained one by one and their
time is scaled up. Floor: the matrix products at the rate measured here, and the rows of the batches read once.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench
import torch
from torch import nn

from workbench.features import Features
from workbench.preference.answers import Answers
from workbench.preference.data import bootstrap, derived, fold_of
from workbench.preference.strength import Strength

DECAY, FLIPPED, HIDDEN = 0.03, 0.1, 32
RATES = {0: 1e-2, HIDDEN: 3e-3}


@dataclass(frozen=True)
class Job:
    """An ensemble on planted pairs; hidden 0: linear heads."""

    pairs: int
    dim: int
    members: int
    folds: int
    hidden: int
    batch: int

    @property
    def families(self) -> np.ndarray:
        return np.arange(self.pairs) // 4

    @property
    def steps(self) -> int:
        return -(-self.pairs // self.drawn)

    @property
    def drawn(self) -> int:
        """Pairs in a batch of heads side by side, of which each head's own are `batch`."""
        return round(self.batch * self.folds / (self.folds - 1))


def data(job: Job) -> tuple[np.ndarray, np.ndarray]:
    """Features [pair side dim], the better answer first save for the pairs in the mask [pair]."""
    rng = np.random.default_rng(0)
    response = rng.normal(size=(job.pairs, 2, job.dim)).astype(np.float32)
    quality = response @ rng.normal(size=job.dim) + 0.3 * np.abs(response @ rng.normal(size=(job.dim, 4))).sum(axis=-1)
    flipped = rng.uniform(size=job.pairs) < FLIPPED
    turned = (quality[:, 0] < quality[:, 1]) ^ flipped
    response[turned] = response[turned][:, ::-1]
    return response, flipped


def together(job: Job, response: np.ndarray) -> np.ndarray:
    """Strength [pair member]."""
    found = Strength.fit(Features(response[:, 0], response), groups=job.families, members=job.members, folds=job.folds, decay=DECAY,
                         hidden=(job.hidden,) if job.hidden else (), steps=job.steps, batch_size=job.drawn, lr=RATES[job.hidden],
                         device="cpu")
    return found.members


def one_by_one(job: Job, response: np.ndarray, members: int) -> np.ndarray:
    """The same for the first few members."""
    flat = response.reshape(-1, job.dim)
    shown = torch.from_numpy((response - flat.mean(axis=0)) / flat.std(axis=0))
    found = np.zeros((job.pairs, members))
    for member in range(members):
        seed = derived(0, member)
        fold = fold_of(job.families, job.pairs, job.folds, seed)
        for number in range(job.folds):
            drawn = bootstrap(job.families, fold != number, [seed, number, 6])
            head, mine = _trained(job, shown, np.repeat(np.arange(job.pairs), drawn), seed), np.flatnonzero(fold == number)
            with torch.no_grad():
                rewards = head(shown[mine])[..., 0]
            found[mine, member] = (rewards[:, 0] - rewards[:, 1]).numpy()
    return found


def _trained(job: Job, shown: torch.Tensor, pairs: np.ndarray, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Linear(job.dim, job.hidden), nn.ReLU(), nn.Linear(job.hidden, 1)] if job.hidden else [nn.Linear(job.dim, 1, bias=False)]
    head, pairs = nn.Sequential(*layers), torch.from_numpy(pairs)
    optimizer, steps = torch.optim.AdamW(head.parameters(), lr=RATES[job.hidden], weight_decay=0.0, fused=True), -(-len(pairs) // job.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for index in pairs[torch.randperm(len(pairs))].split(job.batch):
        optimizer.zero_grad()
        rewards = head(shown[index])[..., 0]
        penalty = DECAY / 2 * sum(weight.square().sum() for weight in head.parameters() if weight.ndim > 1)
        (nn.functional.softplus(rewards[:, 1] - rewards[:, 0]).mean() + penalty).backward()
        optimizer.step()
        schedule.step()
    return head


def once(job: Job) -> None:
    """Ours with its inputs, for its memory."""
    together(job, data(job)[0])


def found_flips(strength: np.ndarray, flipped: np.ndarray) -> float:
    """Chance that a wrong label is ranked below a right one."""
    ranks = np.argsort(np.argsort(-strength))
    wrong = flipped.sum()
    return float((ranks[flipped].sum() - wrong * (wrong - 1) / 2) / (wrong * (~flipped).sum()))


def floor(job: Job, precision: str) -> tuple[float, str]:
    wide, sides, heads = max(job.hidden, 1), 2 if job.hidden else 1, job.members * job.folds
    width, orders = wide * job.folds * (1 if job.hidden else job.members), job.members if job.hidden else 1
    speed, copying = bench.rate(precision, width, job.dim, sides * job.drawn), bench.bandwidth()
    products = 2 * 2.0 * job.steps * job.drawn * sides * job.dim * wide * heads + 2.0 * job.pairs * sides * job.dim * wide * job.members
    read = job.steps * job.drawn * orders * sides * job.dim * (2 if precision == "bfloat16" else 4)
    return products / speed + read / copying, f"products at {speed / 1e9:.0f} GFLOP/s, batches at {copying / 1e9:.0f} GB/s"


def measured(job: Job, some: int, rounds: int, full: bool) -> bench.Row:
    """some: members trained one by one."""
    response, flipped = data(job)
    found = bench.alternate({"one by one": lambda: one_by_one(job, response, some), "together": lambda: together(job, response)}, rounds)
    theirs, ours = (found[name].value[:, :some] for name in found)
    alike = np.corrcoef(theirs.mean(axis=1), ours.mean(axis=1))[0, 1]
    naive, must = found["one by one"] * (job.members / some), job.batch == 64
    answers = Answers.laid_out(response[:64], np.ones(64, bool), hidden=(job.hidden,) if job.hidden else (), heads=job.members * job.folds,
                               batch_size=64, device="cpu")
    precision = answers.precision
    seconds, rates = floor(job, precision)
    return bench.Row(
        f"strength, {job.members} members × {job.folds} folds, {job.pairs:,} pairs × {job.dim}, "
        f"{f'hidden {job.hidden}' if job.hidden else 'linear'}, batch {job.batch}", naive, found["together"],
        must="≥ 3×" if must else "", met=naive.cpu / found["together"].cpu >= 3 if must and full else None,
        naive_is=f"one by one, one epoch{'' if some == job.members else f'; {some} of {job.members} members, scaled up'}",
        ours_is=f"together, one epoch, products in {precision}", floor=seconds, floor_of=rates,
        agreement=f"correlation of strengths {alike:.4f}; wrong labels below right ones {found_flips(theirs.mean(axis=1), flipped):.4f} "
                  f"one by one, {found_flips(ours.mean(axis=1), flipped):.4f} together",
        peak=bench.peak(once, job) if full and must else None, note=f"medians of {rounds} round(s)",
    )


def scaling(jobs: list[Job]) -> bench.Row:
    """The same at several sizes."""
    took = []
    for job in jobs:
        response, _ = data(job)
        took.append(bench.timed(lambda: together(job, response)))
    sizes = [job.pairs for job in jobs]
    return bench.Row(
        f"strength at {', '.join(f'{size:,}' for size in sizes)} pairs, linear, batch {jobs[0].batch}, one epoch", ours=took[-1],
        ours_is="the largest", note=f"{', '.join(bench.words(one.cpu) for one in took)}: seconds grow with the power "
                                    f"{bench.exponent(sizes, [one.cpu for one in took]):.2f} of the pairs")


def main() -> None:
    asked = bench.parser(__doc__).parse_args()
    torch.set_num_threads(1)
    full = asked.size == "full"
    pairs, dim, members, folds, some, rounds = {"tiny": (240, 8, 2, 2, 1, 1), "quick": (20_000, 384, 10, 5, 1, 1),
                                                "middle": (50_000, 384, 10, 5, 2, 1), "full": (50_000, 384, 10, 5, 10, 3)}[asked.size]
    batches = {"tiny": (64,), "quick": (64, 512)}.get(asked.size, (64, 256, 512, 2048))
    jobs = [Job(pairs, dim, members, folds, hidden, batch) for hidden in (0, HIDDEN) for batch in batches]
    together(warm := Job(64, dim, 2, 2, 0, 64), data(warm)[0])  # what torch loads once
    rows = [measured(job, some, rounds, full) for job in jobs]
    if asked.size != "quick":
        rows.append(scaling([Job(pairs * times // 4, dim, members, folds, 0, 512) for times in (1, 4, 16)]))
    bench.report(rows, asked)


if __name__ == "__main__":
    main()
