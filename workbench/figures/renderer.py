"""Finding a Chrome or Chromium, and having it draw figures: one browser for a whole batch, off the caller's event loop."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ..errors import WorkbenchError

LIMIT = 90.0  # seconds that one picture may take
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
    """Draw all pictures in one browser; WorkbenchError without a browser, or when it fails or takes too long."""
    path = browser()
    if path is None:
        named = os.environ.get("BROWSER_PATH")
        raise WorkbenchError("no Chrome or Chromium to draw with" + (f" at BROWSER_PATH={named}" if named else ""), remedy=REMEDY)
    with ThreadPoolExecutor(1) as pool:  # a notebook has a loop of its own running
        try:
            return pool.submit(lambda: asyncio.run(asyncio.wait_for(_draw(path, pictures), LIMIT * (1 + len(pictures))))).result()
        except WorkbenchError:
            raise
        except Exception as error:
            told = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            raise WorkbenchError(f"the browser could not draw the figure ({told})", where=path, remedy=REMEDY) from error


async def _draw(path: str, pictures: list[Picture]) -> list[bytes]:
    from kaleido import Kaleido, PageGenerator

    page = PageGenerator(mathjax=False)  # it would come from the network
    page.header += FULL
    async with Kaleido(n=1, timeout=LIMIT, page_generator=page, path=path) as kaleido:
        return [
            await kaleido.calc_fig(
                picture.figure, opts={"format": picture.format, "width": picture.width, "height": picture.height, "scale": picture.scale}
            )
            for picture in pictures
        ]
