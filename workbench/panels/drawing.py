"""A card drawn and written: the exact picture of an export, what it was made from, and its files beside the notebook."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go

from ..errors import WorkbenchError
from ..figures.base import provenance_of, sentence, table
from ..figures.cards import Card
from ..figures.export import DRAWN, VENUES, Preview, preview, save
from ..figures.renderer import browser
from ..figures.sets import draw
from ..figures.tex import latex, latex_table
from ..scenario.result import Result
from ..scenario.values import canonical
from ..session.file import beside_notebook
from ..study import Study

FOLDER = "figures"
KINDS = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png", "csv": "text/csv", "json": "application/json",
         "html": "text/html"}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A card's figure; preview is None where no browser drew it, and why says so."""

    card: Card
    fig: go.Figure
    preview: Preview | None
    why: str = ""

    @property
    def about(self) -> dict:
        """Plain values for the page: size, smallest text, n, families, seeds, and the sentence for screen readers."""
        told, page = provenance_of(self.fig), self.preview
        seeds = [len(one["seeds"]) for one in told.get("scenarios", ())]
        return {
            "width": VENUES[self.card.venue].width, "height": None if page is None else page.height,
            "smallest": None if page is None else page.smallest, "n": told.get("n"), "families": told.get("families"),
            "seeds": max(seeds, default=0), "split": told.get("split"), "sentence": sentence(self.fig), "why": self.why,
        }


@dataclass(frozen=True)
class Written:
    """What was written: the file asked for (None for many), its kind, and a sentence that says where."""

    said: str
    name: str = ""
    kind: str = ""
    data: bytes = b""


def key_of(card: dict) -> str:
    """What a card is known by: the same recipe, options and venue are the same picture."""
    return hashlib.sha256(canonical(card).encode()).hexdigest()[:10]


def names_of(cards: Sequence[dict]) -> dict[str, str]:
    """Key → file name without ending: the figure's, and part of its key where another card shows the same figure."""
    found = {key_of(card): str(card.get("figure", "figure")) for card in cards}
    several = [name for name in found.values()]
    return {key: name if several.count(name) == 1 else f"{name}-{key[:6]}" for key, name in found.items()}


def folder() -> Path:
    """figures/ beside the notebook, else in the working folder."""
    return beside_notebook().parent / FOLDER


def drawn(card: dict, study: Study, *, known: Sequence[Result] = (), progress=None, cancel=None) -> Drawn:
    """Draw a card as it would be exported. WorkbenchError for another study, and for what the study cannot give."""
    def told(update) -> None:
        if cancel is not None and cancel.is_set():
            raise WorkbenchError("cancelled before it was drawn", where="figures", remedy="Add the card again")
        if progress is not None:
            progress(update.step / update.steps, update.seconds_left, update.label)

    read = Card.from_dict(card)
    fig = draw(read, study, known=known, progress=told)
    if browser() is None:
        return Drawn(read, fig, None, "No Chrome or Chromium to draw with: install one, or set BROWSER_PATH. HTML and CSV need none.")
    try:
        return Drawn(read, fig, preview(fig, read.figure, read.venue))
    except WorkbenchError as error:
        return Drawn(read, fig, None, f"{error.what[:1].upper()}{error.what[1:]}. HTML and CSV need no browser.")


def written(one: Drawn, name: str, kind: str) -> Written:
    """One file of a figure, beside the notebook and as bytes for the page; its tables are written beside it."""
    if kind not in KINDS:
        raise WorkbenchError(f"unknown format {kind!r}", where="figures", remedy=f"Choose from {', '.join(KINDS)}")
    home = folder()
    formats = (kind,) if kind in (*DRAWN, "html") else ()
    saved = save(one.fig, name, one.card.venue, formats=formats, folder=home)
    path = next(path for path in saved.files if path.suffix == f".{kind}")
    rest = ", ".join(sorted(f for f in {p.suffix for p in saved.files} - {path.suffix}))
    return Written(f"Saved {FOLDER}/{path.name}" + (f", with {rest}." if rest else "."), path.name, kind, path.read_bytes())


def written_all(several: Sequence[tuple[Drawn, str]], *, progress=None) -> Written:
    """Every figure in every format that can be drawn here."""
    formats, files = (DRAWN if browser() is not None else ("html",)), 0
    for at, (one, name) in enumerate(several):
        if progress is not None:
            progress(at / len(several), None, name)
        files += len(save(one.fig, name, one.card.venue, formats=formats, folder=folder()).files)
    return Written(f"Saved {len(several)} figure{'s' * (len(several) != 1)}, {files} files, in {FOLDER}/.")


def tex_of(one: Drawn, name: str) -> str:
    """The LaTeX float of the picture as it is saved; a comparison's table after it."""
    float_ = latex(one.fig, name, width=VENUES[one.card.venue].width)
    return float_ if one.card.figure != "comparison" else f"{float_}\n{latex_table(table(one.fig), label=f'{name}-table')}"
