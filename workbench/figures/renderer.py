"""Finding a Chrome or Chromium, and having it draw figures: one browser, off the caller's event loop, kept warm for a while."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from contextlib import suppress
from typing import NamedTuple

from ..errors import WorkbenchError

LIMIT = 90.0  # seconds that one picture may take
IDLE = 120.0  # seconds that a browser waits for the next picture before it is closed
# Kaleido prints a PDF with margins of its own, which shrink the figure and cut its foot.
FULL = "<style>@page { margin: 0; } html, body { margin: 0; padding: 0; }</style>"
REMEDY = (
    "Install Chrome or Chromium (Debian, Ubuntu: `apt-get install chromium`; anywhere: `plotly_get_chrome`), or set BROWSER_PATH to one; "
    'save(..., formats=("html",)) works without a browser'
)


class Picture(NamedTuple):
    """One picture to draw: a plotly figure as plain data, "pdf", "svg" or "png", its size in layout px, and a factor on that."""

    figure: dict
    format: str
    width: float
    height: float
    scale: float


def browser() -> str | None:
    """Path of an installed Chrome or Chromium, or None. BROWSER_PATH, if set, decides alone."""
    named = os.environ.get("BROWSER_PATH")
    if named:
        return named if os.access(named, os.X_OK) and os.path.isfile(named) else None
    from choreographer.browsers.chromium import Chromium

    return Chromium.find_browser(skip_local=False)


def draw(pictures: list[Picture]) -> list[bytes]:
    """Draw all pictures in the warm browser, or start it; WorkbenchError without one, or when it fails or takes too long."""
    path = browser()
    if path is None:
        named = os.environ.get("BROWSER_PATH")
        raise WorkbenchError("no Chrome or Chromium to draw with" + (f" at BROWSER_PATH={named}" if named else ""), remedy=REMEDY)
    try:
        return _WARM.draw(path, pictures)
    except Exception as error:
        told = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise WorkbenchError(f"the browser could not draw the figure ({told})", where=path, remedy=REMEDY) from error


def close() -> None:
    """Close the warm browser, if there is one; the next picture starts another."""
    _WARM.close()


class _Warm:
    """One browser with an event loop of its own in a thread: a notebook's loop is busy with the notebook.

    One caller draws at a time. A browser that failed, belongs to another path or was idle for IDLE seconds is closed.
    """

    def __init__(self):
        self._turn = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._kaleido = self._path = self._timer = None
        self._process = os.getpid()

    def draw(self, path: str, pictures: list[Picture]) -> list[bytes]:
        with self._turn:
            self._rest(None)
            try:
                if self._process != os.getpid():  # a fork has the names, but neither the thread nor the browser
                    self._loop, self._kaleido, self._process = None, None, os.getpid()
                if self._kaleido is None or self._path != path:
                    self._end()
                    self._wait(self._open(path), LIMIT)
                return self._wait(self._drawn(pictures), LIMIT * (1 + len(pictures)))
            except BaseException:
                self._end()
                raise
            finally:
                self._rest(IDLE if self._kaleido is not None else None)

    def close(self) -> None:
        with self._turn:
            self._rest(None)
            self._end()

    def _wait(self, task, seconds: float):
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="workbench-browser", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(task, seconds), self._loop).result()

    async def _open(self, path: str) -> None:
        from kaleido import Kaleido, PageGenerator

        page = PageGenerator(mathjax=False)  # it would come from the network
        page.header += FULL
        kaleido = Kaleido(n=1, timeout=LIMIT, page_generator=page, path=path)
        try:
            await kaleido.open()
        except BaseException:
            with suppress(Exception):
                await kaleido.close()
            raise
        self._kaleido, self._path = kaleido, path

    async def _drawn(self, pictures: list[Picture]) -> list[bytes]:
        return [await self._kaleido.calc_fig(
            picture.figure, opts={"format": picture.format, "width": picture.width, "height": picture.height, "scale": picture.scale},
        ) for picture in pictures]

    def _rest(self, seconds: float | None) -> None:
        """Close after so many seconds of idleness; None: not now."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if seconds is not None:
            self._timer = threading.Timer(seconds, self.close)
            self._timer.daemon = True
            self._timer.start()

    def _end(self) -> None:
        """Close browser and loop; a browser that is gone already is no error."""
        kaleido, loop, self._kaleido, self._loop = self._kaleido, self._loop, None, None
        if loop is None or self._process != os.getpid():
            return
        if kaleido is not None:
            with suppress(Exception):
                asyncio.run_coroutine_threadsafe(asyncio.wait_for(kaleido.close(), 10), loop).result()
        loop.call_soon_threadsafe(loop.stop)


_WARM = _Warm()
atexit.register(close)
