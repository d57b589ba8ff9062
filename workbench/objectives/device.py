"""The same pass in torch: rows that lie on a device already, or that stream to one through pinned memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..budget import words
from ..errors import WorkbenchError
from .host import Host, real

LARGE = 1e12  # products of two numbers: ten seconds of a processor core, and more than starting a GPU takes
READ = 2**28  # bytes sent at once
SPARE = 0.9  # of the free memory: what the libraries take besides


def engine_for(x, device: str) -> Host:
    """A tensor stays where it is. "auto": a GPU where there is one and the work is large enough (LARGE), else the processor."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return Device(x.device, x.dtype)
    if device == "auto" and len(x) * x.shape[1] ** 2 < LARGE:
        return Host()
    if device == "cpu":
        return Host()
    import torch

    if torch.cuda.is_available() or device != "auto":
        return Device("cuda" if device == "auto" else device)
    return Host()


class Device(Host):
    """A device of torch. Products of bfloat16 rows are exact and summed in float32; TF32 is never used."""

    def __init__(self, device, dtype=None):
        import torch

        self.device, self.kind = torch.device(device), dtype if dtype in (torch.bfloat16, torch.float16) else None
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise WorkbenchError(f"no device {device!r} here", remedy='Use device="cpu"')

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def chunks(self, x, memory: int | None = None) -> Iterator[tuple]:
        """(first row, rows on the device). While one chunk is multiplied the next is read and sent."""
        import torch

        size = max(1, min(len(x), READ // (4 * x.shape[1])))
        starts = range(0, len(x), size)
        if isinstance(x, torch.Tensor):
            yield from ((start, x[start : start + size]) for start in starts)
            return
        slots = [_Slot(size, x, self) for _ in starts[:2]]
        for start in starts[:1]:
            slots[0].send(x, start)
        for number, start in enumerate(starts):
            if start + size < len(x):
                slots[(number + 1) % 2].send(x, start + size)
            yield start, slots[number % 2].receive()
            slots[number % 2].release()

    def room(self, memory: int | None) -> int:
        import torch

        free = int(SPARE * torch.cuda.mem_get_info(self.device)[0]) if self.on_gpu else super().room(memory)
        return min(free, memory or free)

    def claim(self, size: int, what: str, memory: int | None, *, count: int, of: str) -> None:
        if not self.on_gpu:
            return super().claim(size, what, memory, count=count, of=of)
        size, room = size + 3 * READ, self.room(memory)  # chunks on their way
        if size > room:
            raise WorkbenchError(f"{what} would fill {words(size)}, {self.device} has room for {words(room)}",
                                 remedy=f'Use device="cpu", or take at most {int(count * room / size):,} {of}')

    def zeros(self, height: int, width: int):
        import torch

        return torch.zeros((height, width), dtype=torch.float64, device=self.device)

    def buffer(self, height: int, width: int, double: bool):
        import torch

        return torch.empty((height, width), dtype=torch.float64 if double else self.kind or torch.float32, device=self.device)

    def index(self, positions: np.ndarray):
        return self.put_over(positions)

    def labels(self, y: np.ndarray, double: bool):
        return self.put_over(y.astype(np.float64 if double else np.float32))

    def put_over(self, value: np.ndarray):
        import torch

        return torch.from_numpy(np.ascontiguousarray(value)).to(self.device)

    def put(self, buffer, at: int, chunk, some) -> None:
        buffer[at : at + len(some)] = chunk[some]

    def broken(self, chunk) -> np.ndarray:
        import torch

        suspects = torch.nonzero(~torch.isfinite(chunk.sum(dim=1, dtype=torch.float64))).reshape(-1)
        return suspects[~torch.isfinite(chunk[suspects]).all(dim=1)].cpu().numpy()

    def product(self, a, b):
        """a @ b in float32 or float64; of two half-wide ones in float32, on the matrix units of a GPU from torch 2.8 on."""
        import torch

        if a.dtype in (torch.bfloat16, torch.float16):
            if self.on_gpu and b.dtype == a.dtype and "out_dtype" in (torch.mm.__doc__ or ""):
                return torch.mm(a, b, out_dtype=torch.float32)
            a, b = a.float(), b.float()
        with exact():
            return a @ b

    def host(self, value) -> np.ndarray:
        return value.cpu().numpy()

    def sample(self, x, some: np.ndarray):
        import torch

        return x[self.put_over(some)] if isinstance(x, torch.Tensor) else self.put_over(real(x[some]))

    def scores(self, chunk, weight: np.ndarray) -> np.ndarray:
        return self.host(chunk.double() @ self.put_over(weight).T)

    def rcond(self, gram, alpha: float) -> float:
        """Reciprocal condition number (1-norm) of XᵀX + αI; 0 where it has no Cholesky factor."""
        import torch

        system = gram + alpha * torch.eye(len(gram), dtype=gram.dtype, device=self.device)
        factor, failed = torch.linalg.cholesky_ex(system)
        return 0.0 if failed else 1 / float(torch.linalg.norm(system, 1) * torch.linalg.norm(torch.cholesky_inverse(factor), 1))

    def path(self, gram, moment: np.ndarray, alphas: np.ndarray) -> np.ndarray:
        """Weights [alpha obj dim], one Cholesky factorisation each; where it fails, directions below rounding get no weight."""
        import torch

        moment, found = self.put_over(moment), []
        for alpha in alphas.tolist():
            system = gram.clone()
            system.diagonal().add_(alpha)
            factor, failed = torch.linalg.cholesky_ex(system)
            if failed:
                values, vectors = torch.linalg.eigh(gram)
                known = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
                found.append((vectors[:, known] / (values[known] + alpha)) @ (vectors[:, known].T @ moment))
            else:
                found.append(torch.cholesky_solve(moment, factor))
        return self.host(torch.stack([weight.T for weight in found]))

    @contextmanager
    def within(self) -> Iterator[None]:
        """What runs out of the device's memory all the same ends as one error."""
        import torch

        try:
            yield
        except torch.OutOfMemoryError:
            free = words(torch.cuda.mem_get_info(self.device)[0])
            raise WorkbenchError(f"{self.device} ran out of memory, {free} is free", remedy='Free some, or use device="cpu"') from None


class _Slot:
    """A stretch of rows on its way: read into pinned memory, sent on a stream of its own, used, and free again."""

    def __init__(self, size: int, x, device: Device):
        import torch

        kind = torch.float64 if x.dtype == np.float64 else torch.float32
        self.pinned = torch.empty((size, x.shape[1]), dtype=kind, pin_memory=device.on_gpu)
        self.there = torch.empty((size, x.shape[1]), dtype=kind, device=device.device)
        self.count, self.gpu = 0, device.on_gpu
        if self.gpu:
            self.stream, self.sent, self.free = torch.cuda.Stream(device.device), torch.cuda.Event(), torch.cuda.Event()
            self.free.record(torch.cuda.current_stream(device.device))  # after whatever used this memory before

    def send(self, x, start: int) -> None:
        import torch

        if self.gpu:
            self.sent.synchronize()  # what was pinned before has left
        rows = real(x[start : start + len(self.pinned)])
        self.count = len(rows)
        self.pinned[: self.count].numpy()[...] = rows
        if not self.gpu:
            self.there[: self.count] = self.pinned[: self.count]
            return
        with torch.cuda.stream(self.stream):
            self.stream.wait_event(self.free)  # what lay there before has been used
            self.there[: self.count].copy_(self.pinned[: self.count], non_blocking=True)
            self.sent.record(self.stream)

    def receive(self):
        import torch

        if self.gpu:
            torch.cuda.current_stream(self.there.device).wait_event(self.sent)
        return self.there[: self.count]

    def release(self) -> None:
        import torch

        if self.gpu:
            self.free.record(torch.cuda.current_stream(self.there.device))


@contextmanager
def exact() -> Iterator[None]:
    """float32 products in float32, whatever was allowed before."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
