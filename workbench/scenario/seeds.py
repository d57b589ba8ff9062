"""The seeds of a scenario, trained by whichever way is fastest here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ..preference.bradley_terry import Supervision
from ..preference.threads import ALONE, cores
from ..scores import Scores
from . import gates
from .inputs import Split
from .recipe import GateSpec


def train(spec: GateSpec, scores: Scores, data: Split, supervision: Supervision, seeds: tuple[int, ...], *, starts: dict | None = None,
          device: str = "auto", progress: Callable | None = None, cancel=None) -> dict:
    """Seed → gate, of the seeds that were begun before a cancel, the first always; starts: seed → the gate it begins from.

    On a processor small gates train one to a core and large ones in turn on all cores (side by side as one job they gained
    nothing: `tests/benchmarks/gate_seeds.py`), so a seed's bytes depend neither on the others nor on the number of cores. On
    a GPU softmax gates are one job, as its step is too small to fill it.
    """
    from ..preference.loop import device_of

    if spec.kind == "softmax" and device_of(device) != "cpu":
        begin = starts and tuple(starts[seed] for seed in seeds)
        return dict(zip(seeds, gates.train(spec, scores, data, supervision, seed=seeds, start=begin, device=device, progress=progress,
                                           cancel=cancel, label=f"{len(seeds)} seeds")))
    told, stop = _Told(progress, len(seeds)), _Stop(cancel)

    def one(number: int):
        if number and stop.is_set():
            return None
        label = f"seed {number + 1} of {len(seeds)}"
        try:
            gate = gates.train(spec, scores, data, supervision, seed=seeds[number], start=starts and starts[seeds[number]], device=device,
                               cancel=stop, progress=told.by(number, label), label=label)
        except BaseException:
            stop.failed.set()  # the others need not go on
            raise
        told.ended(number, label)
        return gate

    alone = gates.work(spec, scores, data) < ALONE
    with ThreadPoolExecutor(min(len(seeds), cores()) if alone else 1, thread_name_prefix="workbench-seed") as pool:
        found = dict(zip(seeds, pool.map(one, range(len(seeds)))))
    return {seed: gate for seed, gate in found.items() if gate is not None}


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
