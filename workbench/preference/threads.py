"""How many cores a training step uses: on a busy machine two threads that wait for each other cost up to thirty times as much."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager

ALONE = 3e8  # rows × parameters of a step below which it runs on one core
_LOCK = threading.Lock()
_STATE = {"depth": 0, "before": 1}


def cores() -> int:
    """Threads that torch may use here: what the user set, or the processors this process may run on."""
    import torch

    with _LOCK:
        return _STATE["before"] if _STATE["depth"] else min(torch.get_num_threads(), _processors())


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_core(wanted: bool = True):
    """The calling thread's torch operations on one core each, others as before; any number of threads may be inside."""
    import torch

    if not wanted:
        yield
        return
    with _LOCK:
        mine = torch.get_num_threads()  # settles this thread's own number, which its first operation would set again
        if _STATE["depth"] == 0:
            _STATE["before"] = mine
        _STATE["depth"] += 1
        torch.set_num_threads(1)  # of this thread, and of all that begin from now on: those are given back theirs
        others = threading.Thread(target=torch.set_num_threads, args=(_STATE["before"],))
        others.start()
        others.join()
    try:
        yield
    finally:
        with _LOCK:
            _STATE["depth"] -= 1
            torch.set_num_threads(_STATE["before"])
