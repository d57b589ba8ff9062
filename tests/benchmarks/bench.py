"""What every benchmark here shares: the machine and its measured rates, alternating stopwatches, peak memory, one printed form.

A script makes `Row`s and ends with `report(rows, asked)`, `asked` being the arguments of `parser(__doc__)`. Sizes: --tiny is
for the tests, --quick takes seconds, --full is the size that the targets are stated for.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from statistics import median

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "bf16", "sve")  # that decide how fast products are


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, medians: of all threads of this process (cpu; NaN where another works) and by the clock (wall).

    value: what the call last gave.
    """

    cpu: float
    wall: float
    value: object = field(default=None, repr=False, compare=False)

    def __mul__(self, factor: float) -> Timing:
        """Of a part, scaled up to the whole."""
        return replace(self, cpu=self.cpu * factor, wall=self.wall * factor)

    def __sub__(self, other: Timing) -> Timing:
        return replace(self, cpu=self.cpu - other.cpu, wall=self.wall - other.wall)


@dataclass(frozen=True)
class Row:
    """One line of the results. must, met: the target in words, and whether this run reached it (None: another size, or no target).

    floor: seconds of CPU (or of the device) that the operations or bytes alone would take at the rates measured in this run;
    floor_of says which. peak: bytes of a fresh process that does ours. missing: why there is no measurement, in words.
    """

    work: str
    naive: Timing | None = None
    ours: Timing | None = None
    must: str = ""
    met: bool | None = None
    naive_is: str = ""
    ours_is: str = ""
    floor: float | None = None
    floor_of: str = ""
    agreement: str = ""
    peak: int | None = None
    note: str = ""
    missing: str = ""

    @property
    def ratio(self) -> Timing | None:
        """Of the medians: naive over ours."""
        return Timing(self.naive.cpu / self.ours.cpu, self.naive.wall / self.ours.wall) if self.naive and self.ours else None


def parser(doc: str) -> argparse.ArgumentParser:
    """--tiny, --quick or --full (`asked.size`, else "middle"), --json FILE."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = made.add_mutually_exclusive_group()
    for name, words in (("tiny", "the tests' size"), ("quick", "seconds"), ("full", "the size of the targets")):
        size.add_argument(f"--{name}", dest="size", action="store_const", const=name, default="middle", help=words)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the rows to this file as well")
    return made


def machine() -> str:
    """CPU model, the flags that matter, cores, threads and versions, in one line."""
    kind, flags = platform.processor() or platform.machine(), set()
    try:
        lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
        kind = next((value.strip() for key, _, value in lines if key.strip() == "model name"), kind)
        flags = set(next((value for key, _, value in lines if key.strip() in ("flags", "Features")), "").split())
    except OSError:
        if sys.platform == "darwin":
            kind = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True).stdout.strip() or kind
    import numpy as np

    words = [kind, " ".join(flag for flag in FLAGS if flag in flags) or "no known flags", f"{os.cpu_count()} cores, {threads()} thread(s)",
             f"Python {platform.python_version()}, numpy {np.__version__}"]
    torch = sys.modules.get("torch")
    if torch is not None:
        words.append(f"torch {torch.__version__}")
        words += [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    return "; ".join(words)


def threads() -> int:
    """How many threads matrix products may use here."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def synchronise(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def rate(dtype: str, m: int, k: int, n: int, *, device: str = "cpu", times: int = 5) -> float:
    """FLOP per second of [m k] @ [k n] in that dtype: the best of several, measured now.

    By the CPU clock (so per core), on another device by the wall's. In float32 and float64 numpy has a try, and torch where it
    is loaded: the floor is the machine's, not a library's.
    """
    import numpy as np

    calls: list[Callable] = []
    if "torch" in sys.modules or dtype not in ("float32", "float64"):
        import torch

        kind = getattr(torch, dtype)
        a, b, out = (torch.ones(shape, dtype=kind, device=device) for shape in ((m, k), (k, n), (m, n)))
        calls.append(lambda: torch.mm(a, b, out=out))
    if device == "cpu" and dtype in ("float32", "float64"):
        left, right, into = (np.ones(shape, dtype) for shape in ((m, k), (k, n), (m, n)))
        calls.append(lambda: np.matmul(left, right, out=into))
    return 2 * m * k * n / min(best(call, 2 * m * k * n / 1e10, device, times) for call in calls)


def bandwidth(size: int = 2**28, *, device: str = "cpu", times: int = 5) -> float:
    """Bytes per second that a copy of `size` bytes reads and writes, the best of several, measured now; the clock as in `rate`."""
    if "torch" in sys.modules:
        import torch

        source, into = torch.ones(size // 4, device=device), torch.empty(size // 4, device=device)
        return 2 * size / best(lambda: into.copy_(source), 0.1, device, times)
    import numpy as np

    source, into = np.ones(size // 4, np.float32), np.empty(size // 4, np.float32)
    return 2 * size / best(lambda: np.copyto(into, source), 0.1, device, times)


def best(call: Callable, about: float, device: str, times: int) -> float:
    """Least seconds of a call that takes `about` so many: short ones are repeated within one reading of the clock."""
    call()
    inner = max(1, int(0.02 / about))
    found = [timed(lambda: [call() for _ in range(inner)] and None, device=device) for _ in range(times)]
    return min(one.cpu if device == "cpu" else one.wall for one in found) / inner


def timed(call: Callable, *, device: str = "cpu") -> Timing:
    """One call."""
    synchronise(device)
    cpu, wall = time.process_time(), time.perf_counter()
    value = call()
    synchronise(device)
    return Timing(time.process_time() - cpu, time.perf_counter() - wall, value)


def alternate(calls: dict[str, Callable], rounds: int, *, warm: bool = False, device: str = "cpu") -> dict[str, Timing]:
    """Each call once a round, in turn: medians over rounds. warm: one call of each beforehand that does not count."""
    found: dict[str, list[Timing]] = {name: [] for name in calls}
    for turn in range(rounds + warm):
        for name, call in calls.items():
            one = timed(call, device=device)
            if turn >= warm:
                found[name].append(one)
    return {name: Timing(median(t.cpu for t in all_), median(t.wall for t in all_), all_[-1].value) for name, all_ in found.items()}


def peak(call: Callable, *args, **kwargs) -> int:
    """Bytes of resident memory that a fresh process takes at most to run call(*args, **kwargs), imports and inputs included.

    The call must be a function at the top of a module or script, and what it is given picklable. Its value is dropped.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_peak_of, args=(theirs, call, args, kwargs))
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        found = RuntimeError(f"the process that was to measure {call.__name__} ended with no answer")
    process.join()
    if isinstance(found, Exception):
        raise found
    return found


def _peak_of(pipe, call, args, kwargs) -> None:
    try:
        call(*args, **kwargs)
        pipe.send(high_water())
    except Exception as error:  # noqa: BLE001 (handed to the process that asked)
        pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))


def high_water() -> int:
    """The most resident memory of this process so far, in bytes."""
    try:  # on Linux getrusage remembers the process that this one was forked from
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    except (OSError, StopIteration):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The power of the size that the seconds grow with: slope of least squares through logarithms."""
    x, y = ([math.log(value) for value in values] for values in (sizes, seconds))
    mean = sum(x) / len(x)
    return sum((a - mean) * b for a, b in zip(x, y)) / sum((a - mean) ** 2 for a in x)


def words(seconds: float | None) -> str:
    """Seconds as people read them."""
    if seconds is None or math.isnan(seconds):
        return "–"
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if abs(seconds) * factor >= 1:
            return f"{seconds * factor:,.3g} {unit}" if abs(seconds) * factor < 1000 else f"{seconds * factor:,.0f} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def size_words(size: float) -> str:
    """Bytes as people read them."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def block(row: Row) -> str:
    """One row in a few lines."""
    target = f"   must: {row.must}" if row.must else ""
    verdict = {None: "", True: " (met)", False: " (SHORT OF IT)"}[row.met] if row.must else ""
    lines = [row.work + target + verdict]
    if row.missing:
        lines.append(f"  not measured: {row.missing}")
    for label, timing, what in (("naive", row.naive, row.naive_is), ("ours", row.ours, row.ours_is)):
        if timing:
            lines.append(f"  {label:9} {words(timing.cpu):>10} CPU {words(timing.wall):>10} wall   {what}".rstrip())
    if row.ratio:
        lines.append(f"  {'ratio':9} {row.ratio.cpu:9.2f}×     {row.ratio.wall:9.2f}×")
    if row.floor:
        above = f": ours is {row.ours.cpu / row.floor:.2f}× that" if row.ours else ""
        lines.append(f"  {'floor':9} {words(row.floor):>10} {row.floor_of}{above}")
    for label, said in (("agreement", row.agreement), ("peak", size_words(row.peak) if row.peak else ""), ("note", row.note)):
        if said:
            lines.append(f"  {label:9} {said}")
    return "\n".join(lines)


def table(rows: Sequence[Row]) -> str:
    """What a script prints."""
    return "\n".join(block(row) for row in rows)


def told(row: Row) -> dict:
    """A row as JSON has it."""
    timings = {"naive": row.naive, "ours": row.ours, "ratio": row.ratio}
    return {**vars(row), **{name: one and {"cpu": _number(one.cpu), "wall": _number(one.wall)} for name, one in timings.items()}}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def on_a_gpu(doc: str, measured: Callable[[str, str], Row], work: str, must: str) -> None:
    """A script that needs a GPU: measured(size, device) → its row, or a row that says that there is none. --device cpu, at --tiny."""
    import torch

    options = parser(doc)
    options.add_argument("--device", default="cuda", help="cpu runs the same code, at --tiny")
    asked = options.parse_args()
    there = not asked.device.startswith("cuda") or torch.cuda.is_available()
    report([measured(asked.size, asked.device) if there else Row(work, must=must, missing="there is no GPU here")], asked)


def report(rows: Sequence[Row], asked: argparse.Namespace) -> None:
    """Print the machine and the rows; write them to asked.json where that is given."""
    print(machine())
    print(table(rows))
    if asked.json:
        found = {"script": Path(sys.argv[0]).name, "size": asked.size, "date": date.today().isoformat(), "machine": machine(),
                 "rows": [told(row) for row in rows]}
        asked.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
