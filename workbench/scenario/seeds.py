"""The seeds of a scenario, trained by whichever way is fastest here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from .. import budget
from ..preference.bradley_terry import Supervision
from ..preference.threads import ALONE, cores
from ..scores import Scores
from . import gates
from .inputs import Split
from .recipe import GateSpec


def train(spec: GateSpec, scores: Scores, data: Split, supervision: Supervision, seeds: tuple[int, ...], *, starts: dict | None = None,
          shifted: np.ndarray | None = None, device: str = "auto", progress: Callable | None = None, cancel=None) -> dict:
    """Seed → gate, of the seeds that were begun before a cancel, the first always; starts: seed → the gate it begins from;
    shifted: as for `gates.train`.

    On a processor small gates train one to a core and large ones in turn on all cores, so a seed's bytes do not depend on the
    others, nor a small gate's on the number of cores (as one job five small ones cost a quarter less CPU, and no less time on
    two cores: `tests/benchmarks/gate_seeds.py`). On a GPU softmax gates are one job, as its step is too small to fill it.
    """
    from ..preference.loop import device_of

    if spec.kind == "softmax" and device_of(device) != "cpu":
        begin = starts and tuple(starts[seed] for seed in seeds)
        tell = progress and (lambda update: progress(replace(update, whole=update.step / update.steps)))
        return dict(zip(seeds, gates.train(spec, scores, data, supervision, seed=seeds, start=begin, device=device, progress=tell,
                                           cancel=cancel, label=f"{len(seeds)} seeds")))
    told, stop = _Told(progress, len(seeds)), _Stop(cancel)

    def one(number: int):
        if number and stop.is_set():
            return None
        label = f"seed {number + 1} of {len(seeds)}"
        try:
            gate = gates.train(spec, scores, data, supervision, seed=seeds[number], start=starts and starts[seeds[number]], shifted=shifted,
                               device=device, cancel=stop, progress=told.by(number, label), label=label)
        except BaseException:
            stop.failed.set()  # the others need not go on
            raise
        told.ended(number, label)
        return gate

    with ThreadPoolExecutor(_workers(spec, scores, data, len(seeds)), thread_name_prefix="workbench-seed") as pool:
        try:
            found = dict(zip(seeds, pool.map(one, range(len(seeds)))))
        except BaseException:
            stop.failed.set()  # an interrupt of the caller as well
            raise
    return {seed: gate for seed, gate in found.items() if gate is not None}


def _workers(spec: GateSpec, scores: Scores, data: Split, seeds: int) -> int:
    """How many seeds train at once: of small gates one to a core, as far as each may lay out the prompts for itself."""
    if gates.work(spec, scores, data) >= ALONE:
        return 1
    prompt = data.prompt if spec.kind == "softmax" else None
    size = 0 if prompt is None else 4 * int(np.prod(getattr(prompt, "rows", prompt).shape))
    most = max(budget.room(), 0) // size if size and not budget.little(cores() * size) else seeds
    return max(1, min(seeds, cores(), most))


@dataclass(frozen=True)
class _Stop:
    """The caller's cancel, or a seed that failed."""

    cancel: object
    failed: threading.Event = field(default_factory=threading.Event)

    def is_set(self) -> bool:
        return self.failed.is_set() or (self.cancel is not None and self.cancel.is_set())


class _Told:
    """Progress of several fits at once: each tells its own steps, which others run, and what is left of all of them."""

    def __init__(self, progress: Callable | None, total: int):
        self.progress, self.began, self.lock = progress, time.monotonic(), threading.Lock()
        self.share, self.live = [0.0] * total, []

    def by(self, number: int, label: str) -> Callable | None:
        """The progress of one of them, which begins now."""
        with self.lock:
            self.live.append(label)
        if self.progress is None:
            return None

        def told(update) -> None:
            with self.lock:
                self.share[number] = update.step / update.steps
                whole = sum(self.share) / len(self.share)
                left = (time.monotonic() - self.began) * (1 - whole) / whole
                self.progress(replace(update, seconds_left=left, live=tuple(self.live), whole=whole))

        return told

    def ended(self, number: int, label: str) -> None:
        with self.lock:
            self.share[number] = 1.0
            self.live.remove(label)
