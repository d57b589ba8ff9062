"""How much memory a session may fill, what fills it now, and the one error for work that would not fit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, runtime_checkable
from weakref import WeakSet, finalize

from .errors import WorkbenchError

VARIABLE = "WORKBENCH_MEMORY"
SHARE = 0.5  # of what is free: other kernels run on the same machine
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
CGROUPS = (("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
           ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"))


@runtime_checkable
class Keeper(Protocol):
    """Keeps large things between questions."""

    def held(self) -> int:
        """Bytes of what is kept."""

    def let_go(self, size: int) -> None:
        """Forget up to about `size` bytes of what can be read from disk again, the oldest first. Never waits for a lock."""


_KEEPERS: WeakSet[Keeper] = WeakSet()
_LOCK = Lock()
_FRAMES: dict[int, int] = {}  # bytes of living frames


def limit() -> int:
    """The budget in bytes: $WORKBENCH_MEMORY ("6GiB"), else half of the memory that was free when it was first asked for.

    WorkbenchError where the variable holds no size.
    """
    asked = os.environ.get(VARIABLE)
    return parse(asked) if asked else _at_first()


@lru_cache(maxsize=1)
def _at_first() -> int:
    """Fixed, so that a budget once printed stays true; what this process then holds is counted by `held`."""
    return int(SHARE * free())


def parse(text: str) -> int:
    """ "6GiB", "512 MB" or "1e9" → bytes; a K, M, G or T is a power of 1024."""
    plain = text.strip().upper().removesuffix("B").removesuffix("I").strip()
    unit = plain[-1:] if plain[-1:] in UNITS else ""
    try:
        size = int(float(plain.removesuffix(unit)) * UNITS[unit])
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise WorkbenchError(f"{text!r} is no size", where=VARIABLE, remedy='Give a number of bytes, or for example "6GiB"')
    return size


def free() -> int:
    """Bytes that may still be taken: of the machine, or of the container where that is less."""
    import psutil

    found = [psutil.virtual_memory().available]
    for most, used in CGROUPS:
        try:
            found.append(int(Path(most).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return max(min(found), 0)


def keeper(holder: Keeper) -> None:
    """Count what a holder keeps, for as long as it lives."""
    with _LOCK:
        _KEEPERS.add(holder)


def _keepers() -> list[Keeper]:
    with _LOCK:
        return list(_KEEPERS)


def held() -> int:
    """Bytes that all keepers of this process hold."""
    return sum(holder.held() for holder in _keepers())


def room() -> int:
    """Bytes of the budget that nothing holds; below 0 where more is held than that."""
    return limit() - held()


def make_room(size: int) -> bool:
    """Whether `size` bytes fit, once keepers have let go of what they can read again."""
    for holder in _keepers():
        if (lacking := size - room()) <= 0:
            return True
        holder.let_go(lacking)
    return size <= room()


def little(size: int) -> bool:
    """Whether so few bytes fit whatever is held: less than a thousandth of the budget. Nothing has to be counted for them."""
    return 1000 * size < limit()


def claim(size: int, what: str, *, count: int | None = None, of: str = "rows") -> None:
    """WorkbenchError where `size` bytes do not fit beside what is held, with the number (`count` at that size) that would."""
    if little(size) or (size <= limit() and make_room(size)):
        return
    whole, left = limit(), max(room(), 0)
    most = int(count * left / size) if count else 0
    used = f", of which {words(whole - left)} is held" if left < whole else ""
    fits = f", or take at most {most:,} {of}" if most else ""
    raise WorkbenchError(f"{what} would fill {words(size)}, the memory budget is {words(whole)}{used}",
                         remedy=f"Raise it ({VARIABLE}={words(1.1 * (size + whole - left)).replace(' ', '').replace(',', '')}){fits}")


def words(size: float) -> str:
    """Bytes as people read them: "3.2 GiB"."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"


def size_of(*things: Any, but: tuple[type, ...] = (), seen: dict[int, Any] | None = None) -> int:
    """Bytes of the arrays and frames in values, however deep, each counted once; not of what is an instance of `but`.

    seen: what was counted before by id, added to (and held, lest a new thing take an old id). Looks into containers, attributes and
    what functions close over.
    """
    seen, waiting, total = {} if seen is None else seen, list(things), 0
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, (str, bytes, int, float, bool, type, type(None), *but)) or id(thing) in seen:
            continue
        seen[id(thing)] = thing
        size = _bytes(thing)
        if size is not None:
            base = getattr(thing, "base", None)  # a view's bytes are those of the array that it looks at
            if not hasattr(base, "dtype"):  # none, or bytes that were read, of which every array has its own stretch
                total += size
            else:
                waiting.append(base)
        else:
            waiting += _parts(thing)
    return total


def _bytes(thing: Any) -> int | None:
    if hasattr(thing, "memory_usage"):  # a frame or a column; what is kept does not change, and counting it is slow
        if id(thing) not in _FRAMES:
            used = thing.memory_usage(deep=True)
            _FRAMES[id(thing)] = int(used.sum() if hasattr(used, "sum") else used)
            finalize(thing, _FRAMES.pop, id(thing), None).atexit = False
        return _FRAMES[id(thing)]
    if hasattr(thing, "nbytes") and hasattr(thing, "dtype"):  # an array or a tensor
        return int(thing.nbytes)
    return None


def _parts(thing: Any) -> Iterable[Any]:
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, (list, tuple, set, frozenset)):
        return list(thing)
    cells = getattr(thing, "__closure__", None)
    if cells:
        return [cell.cell_contents for cell in cells if _filled(cell)]
    return list(vars(thing).values()) if hasattr(thing, "__dict__") and not callable(getattr(thing, "__code__", None)) else []


def _filled(cell) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # not yet
        return False
