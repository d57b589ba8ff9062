"""What a screen is: parts that are drawn when what they depend on has changed, and gestures that it understands."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from ..errors import WorkbenchError
from ..session import Session

KEPT = 24  # values of Later


@dataclass(frozen=True)
class Part:
    """A piece of a screen. It is sent to the page again only when `key` differs from that of the last one sent.

    make() gives plain JSON values, or (values, buffers) where arrays travel as bytes. A WorkbenchError that it raises is
    drawn in its place: what happened, and what to do.
    """

    name: str
    key: Hashable
    make: Callable[[], dict | tuple[dict, list[bytes]]]


class Screen:
    """One screen on a session: a value without a widget, which can be asked for its parts and told gestures.

    name: its id, in Python and in the page; label: its tab; figure(): what `export` puts into the tray.
    """

    name: ClassVar[str] = ""
    label: ClassVar[str] = ""

    def __init__(self, session: Session, later: Later, origin: str):
        self.session, self.later, self.origin = session, later, origin

    def parts(self) -> Iterable[Part]:
        """Everything it shows now, cheap to list: the work is in `make`."""
        return ()

    def do(self, message: dict, buffers: list) -> dict | None:
        """A gesture {"do": …}; what it returns is sent to the page as {"reply": …}. WorkbenchError for one it does not know."""
        raise WorkbenchError(f"unknown gesture {message.get('do')!r}", where=f"{self.name} panel")

    def figure(self) -> tuple[str, dict] | None:
        """Name and options of the figure for the tray that shows what this screen shows."""
        return None


@dataclass(frozen=True)
class Tab:
    """A screen that is not loaded yet: called as its class would be, it imports it. For one that brings much with it."""

    name: str
    label: str
    home: str  # module:class, in this package

    def __call__(self, session: Session, later: Later, origin: str) -> Screen:
        module, kind = self.home.split(":")
        return getattr(import_module(f".{module}", __package__), kind)(session, later, origin)


class Later:
    """Values that take long: asked for by key, worked out one after another in a thread, the last few kept.

    ready() is called, in that thread, whenever one is there or has got further.
    """

    def __init__(self, ready: Callable[[], None]):
        self._ready, self._lock = ready, threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._closed = False

    def get(self, key: Hashable, make: Callable[..., Any], *, apart: bool = False) -> Any | None:
        """The value, or None while `make(progress=, cancel=)` works it out; raises what it raised.

        apart: in a thread of its own, for what takes so long that the others must not wait for it.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None and self._closed:
                return None  # a last drawing of a panel that was left
            if entry is None:
                entry = self._entries[key] = _Entry(make)
                if apart:
                    threading.Thread(target=entry.work, args=(self._ready,), daemon=True, name="workbench-apart").start()
                else:
                    self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="workbench-later")
                    self._pool.submit(entry.work, self._ready)
                while len(self._entries) > KEPT:
                    self._entries.popitem(last=False)[1].cancel.set()
            self._entries.move_to_end(key)
        if entry.error is not None:
            raise entry.error
        return entry.value

    def progress(self, key: Hashable) -> tuple[float, float | None, str] | None:
        """(fraction, seconds left, words) that the work last told, or None."""
        entry = self._entries.get(key)
        return None if entry is None or entry.done else entry.told

    def forget(self, key: Hashable) -> None:
        """Drop a value, or cancel its making: asked for again, it is made again."""
        with self._lock:
            entry = self._entries.pop(key, None)
        if entry is not None:
            entry.cancel.set()

    def close(self) -> None:
        with self._lock:
            self._closed = True
        for key in list(self._entries):
            self.forget(key)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


class _Entry:
    def __init__(self, make: Callable[..., Any]):
        self.make, self.cancel = make, threading.Event()
        self.value, self.error, self.done, self.told = None, None, False, None

    def work(self, ready: Callable[[], None]) -> None:
        if self.cancel.is_set():
            return

        def progress(fraction: float, left: float | None = None, words: str = "") -> None:
            self.told = (float(fraction), left, words)
            ready()

        try:
            self.value = self.make(progress=progress, cancel=self.cancel)
        except Exception as error:  # told to whoever asks for the value
            self.error = error
        self.done = True
        if not self.cancel.is_set():
            ready()
