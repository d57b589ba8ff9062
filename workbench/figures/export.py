"""Figures to files: PDF, SVG, PNG and the CSV behind them, at a venue's exact width, with their provenance inside."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly
import plotly.graph_objects as go

from .. import __version__
from ..errors import WorkbenchError
from .base import provenance_of, sentence
from .paper import PROMPTS, SHRINK, on_paper, public_table, smallest_text
from .renderer import Picture, browser, draw
from .stamp import stamp_pdf, stamp_png, stamp_svg

INCH, DOTS = 96, 300  # px of a page, and of a PNG, to the inch
DRAWN, FORMATS = ("pdf", "svg", "png"), ("pdf", "svg", "png", "html")
LEAST = 6.0  # points
_NATURAL = 300  # px, for a figure that names no height


@dataclass(frozen=True)
class Venue:
    """A width in inches, the factor from screen to page, and the tallest that fits, if there is such a thing."""

    width: float
    shrink: float = SHRINK
    tallest: float | None = None


VENUES = {
    "neurips": Venue(5.5),
    "iclr": Venue(5.5),
    "icml-column": Venue(3.25),
    "icml-page": Venue(6.75),
    "acl-column": Venue(3.03),
    "acl-page": Venue(6.30),
    "ieee-column": Venue(3.5),
    "ieee-page": Venue(7.16),
    "slide": Venue(40 / 3, 1.8, 7.5),
}


@dataclass(frozen=True)
class Saved:
    """What was written: the files, the size in inches, the smallest text in points (None without an SVG drawn)."""

    files: tuple[Path, ...]
    width: float
    height: float
    smallest: float | None


def save(
    fig: go.Figure,
    name: str,
    venue: str | Venue = "icml-column",
    formats: Sequence[str] = DRAWN,
    folder: str | Path = ".",
    height: float | None = None,
    provenance: Mapping | None = None,
    include_prompts: bool = False,
) -> Saved:
    """Write folder/name.pdf, .svg, .png and .csv: vector, fonts embedded, text as text, always light.

    Width is the venue's, height in inches or the figure's own. The files carry ids, hashes, seeds, n and versions, and no
    prompt unless `include_prompts`. All files appear or none. Raises WorkbenchError without a browser, whose remedy
    includes `formats=("html",)`, or for an unknown venue or format.
    """
    return save_all({name: fig}, venue, formats, folder, height, provenance, include_prompts)[0]


def save_all(
    figures: Mapping[str, go.Figure],
    venue: str | Venue = "icml-column",
    formats: Sequence[str] = DRAWN,
    folder: str | Path = ".",
    height: float | None = None,
    provenance: Mapping | None = None,
    include_prompts: bool = False,
) -> list[Saved]:
    """`save` for several figures, name → figure, in one browser."""
    page, formats = _venue(venue), _formats(formats)
    for name in figures:
        if not name or Path(name).name != name or name.startswith("."):
            raise WorkbenchError(f"{name!r} is no file name", remedy="Name the figure without folders; pass folder=")
    plans = [_plan(fig, page, height, include_prompts) for fig in figures.values()]
    drawn = [kind for kind in formats if kind in DRAWN]
    pictures = [
        Picture(data, kind, wide / scale * INCH, tall / scale * INCH, scale * DOTS / INCH if kind == "png" else scale)
        for data, wide, tall, scale in plans
        for kind in drawn
    ]
    made = draw(pictures) if pictures else []
    saved = []
    for place, (name, fig) in enumerate(figures.items()):
        raw = dict(zip(drawn, made[place * len(drawn) :]))
        saved.append(_finish(name, fig, plans[place], raw, formats, Path(folder), provenance, include_prompts))
    return saved


def _venue(venue: str | Venue) -> Venue:
    if isinstance(venue, Venue):
        return venue
    if venue not in VENUES:
        raise WorkbenchError(f"unknown venue {venue!r}", remedy=f"Choose one of {', '.join(VENUES)}, or pass a Venue(width in inches)")
    return VENUES[venue]


def _formats(formats: Sequence[str]) -> tuple[str, ...]:
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    unknown = [kind for kind in formats if kind not in (*FORMATS, "csv")]
    if unknown:
        raise WorkbenchError(f"unknown format {unknown[0]!r}", remedy=f"Choose from {', '.join(FORMATS)}; the CSV is always written")
    return tuple(dict.fromkeys(kind for kind in formats if kind != "csv"))


def _plan(fig: go.Figure, page: Venue, height: float | None, include_prompts: bool) -> tuple[dict, float, float, float]:
    """The figure on paper, its width and height in inches, and the factor from layout px to page px."""
    natural, scale = fig.layout.height or _NATURAL, page.shrink
    if page.tallest and height is None:
        scale = min(scale, page.tallest * INCH / natural)
    tall = height or natural * scale / INCH
    data = on_paper(fig, include_prompts=include_prompts)
    data["layout"] |= {"width": page.width / scale * INCH, "height": tall / scale * INCH, "autosize": False}
    return data, page.width, tall, scale


def _finish(name, fig, plan, raw, formats, folder, provenance, include_prompts) -> Saved:
    """Stamp what the browser drew, add the CSV, and write the set."""
    data, wide, tall, scale = plan
    csv = public_table(fig, include_prompts=include_prompts).to_csv(index=False).encode()
    told = json.dumps(_provenance(name, fig, wide, csv, provenance, include_prompts), ensure_ascii=False)
    about = {"title": name, "subject": sentence(fig), "provenance": told}
    creator, files = f"workbench {__version__}", {}
    for kind in formats:
        if kind == "pdf":
            files[kind] = stamp_pdf(raw[kind], **about, creator=creator, width=wide * 72)
        elif kind == "svg":
            files[kind] = stamp_svg(raw[kind].decode(), **about, width=wide, height=tall).encode()
        elif kind == "png":
            files[kind] = stamp_png(raw[kind], **about, creator=creator, dots=DOTS)
        else:
            files[kind] = _html(data, name, told)
    small = smallest_text(raw["svg"].decode(), scale) if "svg" in raw else None
    if small is not None and 0 < small < LEAST:
        warnings.warn(f"{name}: the smallest text is {small:.1f} pt, under {LEAST:.0f} pt", stacklevel=4)
    paths = write_set(folder, {f"{name}.{kind}": content for kind, content in {**files, "csv": csv}.items()})
    return Saved(paths, wide, round(tall, 4), small)


def _provenance(name, fig, wide, csv, provenance, include_prompts) -> dict:
    told = provenance_of(fig) | dict(provenance or {})
    if not include_prompts:
        told = {key: value for key, value in told.items() if key not in PROMPTS and key != "prompts"}
    elif "prompt" in (frame := public_table(fig, include_prompts=True)):
        told["prompts"] = frame["prompt"].dropna().astype(str).unique().tolist()
    return told | {
        "figure": name,
        "width_in": wide,
        "csv_sha256": hashlib.sha256(csv).hexdigest(),
        "workbench": __version__,
        "plotly": plotly.__version__,
    }


def _html(data: dict, name: str, told: str) -> bytes:
    """One page that works offline, in the light colours, at the size of the screen."""
    page = go.Figure(data).to_html(include_plotlyjs=True, full_html=True, div_id="figure", config={"displayModeBar": False})
    safe = told.replace("<", "\\u003c")
    return page.replace("<head>", f'<head><script type="application/json" id="provenance">{safe}</script>', 1).encode()


def write_set(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """All files or none: written beside their places, then renamed; what was there comes back if a rename fails."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {folder / name: folder / f".{name}.{os.getpid()}.part" for name in files}
    moved: list[tuple[Path, Path | None]] = []
    taken = next((path for path in parts if path.is_dir()), None)
    if taken:
        raise WorkbenchError("a folder is in the figure's place", where=str(taken), remedy="Choose another name")
    try:
        for (path, part), content in zip(parts.items(), files.values()):
            with open(part, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
        for path, part in parts.items():
            old = part.with_suffix(".old") if path.exists() else None
            if old:
                os.replace(path, old)
            moved.append((path, old))
            os.replace(part, path)
    except OSError as error:
        for path, old in reversed(moved):
            path.unlink(missing_ok=True)
            if old:
                os.replace(old, path)
        raise WorkbenchError(
            f"could not write the figure ({error.strerror or error})", where=str(folder), remedy="Nothing was changed there"
        ) from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    for _, old in moved:
        if old:
            old.unlink(missing_ok=True)
    return tuple(parts)


__all__ = ["VENUES", "Saved", "Venue", "browser", "save", "save_all", "write_set"]
