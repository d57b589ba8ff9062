"""Who computes the batches: this process, or Ray's actors. Both give the same vectors in the same order."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import WorkbenchError
from .texts import Backbone

STARTS = 3  # Ray gives its processes half a minute
Engine = Callable[[Backbone, Iterator[Any]], Iterator[tuple[Any, np.ndarray]]]


def local(backbone: Backbone, batches: Iterator[Any]) -> Iterator[tuple[Any, np.ndarray]]:
    """Each batch as it is planned, here."""
    for batch in batches:
        yield batch, backbone.run(batch)


@dataclass(frozen=True)
class Told:
    """What this process keeps of a batch that is computed elsewhere."""

    slots: np.ndarray
    tokens: int


@dataclass(frozen=True)
class Ray:
    """A Ray Data job over batches that were planned beforehand: actors that hold the model, on one machine or a cluster.

    address: of a cluster ("auto" for the one this machine belongs to), None for this machine alone; workers: actors, one
    for each GPU (or for each two cores) where None; gpus, cpus: of each; chunk: batches that an actor takes at a time. An actor
    that is lost is replaced and what it held is computed again. WorkbenchError where Ray is not installed or not reached,
    and where an actor finds other weights than this process has.
    """

    address: str | None = None
    workers: int | None = None
    gpus: float | None = None
    cpus: int = 1
    chunk: int = 8

    def __call__(self, backbone: Backbone, batches: Iterator[Any]) -> Iterator[tuple[Any, np.ndarray]]:
        with self._connected() as ray:
            told, refs = self._planned(ray, batches)
            if not told:
                return
            gpus, workers = self._sized(backbone, ray.cluster_resources())
            data = ray.data.from_arrow_refs(refs).map_batches(
                _Actor, fn_constructor_args=(ray.cloudpickle.dumps(backbone), backbone.fingerprint, self.cpus), batch_size=None,
                batch_format="pyarrow", compute=ray.data.ActorPoolStrategy(size=workers), num_cpus=self.cpus, num_gpus=gpus,
            )
            try:
                for one, row in zip(told, data.iter_rows()):
                    yield one, np.frombuffer(row["rows"], np.float32).reshape(len(one.slots), -1)
            except ray.exceptions.RayError as error:
                last = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
                raise WorkbenchError(f"an actor failed: {last}", where="engine", remedy="The same call goes on from there") from error

    def _sized(self, backbone: Backbone, has: dict[str, float]) -> tuple[float, int]:
        """GPUs of a worker, and how many workers: what was asked for, if the cluster has it (Ray would wait for ever)."""
        gpus = float(getattr(backbone, "device", "cpu").startswith("cuda")) if self.gpus is None else self.gpus
        room = int(min(has.get("CPU", 0) // self.cpus, has.get("GPU", 0) // gpus if gpus else np.inf))
        workers = self.workers or (room if gpus else max(room // 2, 1))
        if not 1 <= workers <= room:
            asked = f"{workers} workers of {self.cpus} cores" + f" and {gpus:g} GPUs" * bool(gpus)
            raise WorkbenchError(f"{asked}, and the cluster has {has.get('CPU', 0):g} cores and {has.get('GPU', 0):g} GPUs", where="engine",
                                 remedy="Ask for fewer workers, or cores for each")
        return gpus, workers

    def _planned(self, ray, batches: Iterator[Any]) -> tuple[list[Told], list]:
        """Batches into the object store, chunk by chunk, so that only what is there of each stays in this process."""
        import pyarrow as pa

        told, refs, some = [], [], []

        def put() -> None:
            refs.append(ray.put(pa.table({"batch": pa.array(some, pa.large_binary())})))
            some.clear()

        for batch in batches:
            told.append(Told(batch.slots, batch.tokens))
            some.append(pickle.dumps(batch))
            if len(some) == self.chunk:
                put()
        if some:
            put()
        return told, refs

    @contextmanager
    def _connected(self):
        for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):  # it would tell its makers; and warn of its future
            os.environ.setdefault(name, "0")
        try:
            import ray
            import ray.data
        except ImportError:
            raise WorkbenchError("Ray is not installed", where="engine", remedy='pip install "workbench[ray]"') from None
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # its plans and advice are not what was asked for
        ours = not ray.is_initialized()
        if ours:
            self._begin(ray)
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True  # shards are written in order
        context.enable_progress_bars = False
        try:
            yield ray
        finally:
            if ours:
                ray.shutdown()

    def _begin(self, ray) -> None:
        here = {} if self.address else {"include_dashboard": False, "num_cpus": (self.workers or 0) * self.cpus or None}
        for attempt in range(STARTS):
            try:
                ray.init(address=self.address, log_to_driver=False, logging_level="ERROR", **here)
                return
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise WorkbenchError(f"no Ray cluster at {self.address} ({type(error).__name__})", where="engine",
                                     remedy="Start one (`ray start --head`) or check the address") from None
            except Exception as error:  # what it raises where its own processes are slow to start, as on a busy machine
                ray.shutdown()
                if attempt == STARTS - 1:
                    raise WorkbenchError(f"Ray did not start: {error}", where="engine", remedy='Try again, or use engine="local"') from None


class _Actor:
    """The model, in an actor: batches in, vectors out."""

    def __init__(self, pickled: bytes, fingerprint: str, threads: int):
        import torch

        torch.set_num_threads(threads)
        self.backbone = pickle.loads(pickled)
        if self.backbone.fingerprint != fingerprint:
            what = f"a worker has other weights of {self.backbone.name}: {self.backbone.fingerprint}, not {fingerprint}"
            raise WorkbenchError(what, remedy="Give every node the same checkpoint")

    def __call__(self, table):
        import pyarrow as pa

        rows = [np.ascontiguousarray(self.backbone.run(pickle.loads(batch.as_py())), np.float32).tobytes() for batch in table["batch"]]
        return pa.table({"rows": pa.array(rows, pa.large_binary())})


def stated(engine: str | Engine) -> Engine:
    """An engine by its name, "local" or "ray", or as it is."""
    if not isinstance(engine, str):
        return engine
    if engine not in ("local", "ray"):
        raise WorkbenchError(f"unknown engine {engine!r}", remedy="Known: local, ray")
    return local if engine == "local" else Ray()
