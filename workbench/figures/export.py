"""Figures to files: PDF, SVG and PNG at a venue's exact width with their provenance inside; the table behind them as CSV and JSON."""

from __future__ import annotations

import hashlib
import json
import os
import re
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
from .signs import rekeyed
from .stamp import stamp_pdf, stamp_png, stamp_svg
from .tex import latex

INCH, DOTS = 96, 300  # px of a page, and of a PNG, to the inch
DRAWN, FORMATS, ALWAYS = ("pdf", "svg", "png"), ("pdf", "svg", "png", "html"), ("csv", "json", "tex")
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
    """Write folder/name.pdf, .svg and .png (vector, fonts embedded, text as text, always light), .csv, .json and .tex.

    Width is the venue's, height in inches or the figure's own. The JSON holds table and provenance, the LaTeX a float with
    its caption. The pictures carry ids, hashes, recipes, seeds, n and versions, and no prompt unless `include_prompts`; the
    same figure gives the same bytes. All files appear or none. Raises WorkbenchError without a browser, whose remedy
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
    provenance = _at(venue, provenance)
    for name in figures:
        if not name or Path(name).name != name or name.startswith("."):
            raise WorkbenchError(f"{name!r} is no file name", remedy="Name the figure without folders; pass folder=")
    plans = [_plan(fig, page, height, include_prompts) for fig in figures.values()]
    drawn = [kind for kind in formats if kind in DRAWN]
    pictures = [_picture(plan, kind) for plan in plans for kind in drawn]
    made = draw(pictures) if pictures else []
    saved = []
    for place, (name, fig) in enumerate(figures.items()):
        raw = dict(zip(drawn, made[place * len(drawn) :]))
        saved.append(_finish(name, fig, plans[place], raw, formats, Path(folder), provenance, include_prompts))
    return saved


@dataclass(frozen=True)
class Preview:
    """What an export will be: the SVG itself, its size in inches, its smallest text in points."""

    svg: str
    width: float
    height: float
    smallest: float


def preview(fig: go.Figure, name: str, venue: str | Venue = "icml-column", height: float | None = None) -> Preview:
    """The SVG that `save` would write, byte for byte, without writing it: true to size, for the screen.

    About 0.15 s a figure while the browser is warm (it is kept for two minutes). Raises what `save` raises.
    """
    page = _venue(venue)
    plan = _plan(fig, page, height, False)
    (raw,) = draw([_picture(plan, "svg")])
    told = _provenance(name, fig, page.width, _csv(fig, False), _at(venue, None), False)
    about = {"title": name, "subject": sentence(fig), "provenance": json.dumps(told, ensure_ascii=False)}
    return Preview(_svg(raw, plan, about), page.width, round(plan[2], 4), smallest_text(raw.decode(), plan[3]))


def _at(venue: str | Venue, provenance: Mapping | None) -> dict:
    return dict(provenance or {}) | ({"venue": venue} if isinstance(venue, str) else {})


def _venue(venue: str | Venue) -> Venue:
    if isinstance(venue, Venue):
        return venue
    if venue not in VENUES:
        raise WorkbenchError(f"unknown venue {venue!r}", remedy=f"Choose one of {', '.join(VENUES)}, or pass a Venue(width in inches)")
    return VENUES[venue]


def _formats(formats: Sequence[str]) -> tuple[str, ...]:
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    unknown = [kind for kind in formats if kind not in (*FORMATS, *ALWAYS)]
    if unknown:
        raise WorkbenchError(f"unknown format {unknown[0]!r}", remedy=f"Choose from {', '.join(FORMATS)}; CSV and JSON are always written")
    return tuple(dict.fromkeys(kind for kind in formats if kind not in ALWAYS))


def _plan(fig: go.Figure, page: Venue, height: float | None, include_prompts: bool) -> tuple[dict, float, float, float]:
    """The figure on paper, its width and height in inches, and the factor from layout px to page px."""
    fig, scale = rekeyed(fig, page.width / page.shrink * INCH), page.shrink
    natural = fig.layout.height or _NATURAL
    if page.tallest and height is None:
        scale = min(scale, page.tallest * INCH / natural)
    tall = height or natural * scale / INCH
    data = on_paper(fig, include_prompts=include_prompts)
    data["layout"] |= {"width": page.width / scale * INCH, "height": tall / scale * INCH, "autosize": False}
    return data, page.width, tall, scale


def _picture(plan: tuple, kind: str) -> Picture:
    data, wide, tall, scale = plan
    return Picture(data, kind, wide / scale * INCH, tall / scale * INCH, scale * DOTS / INCH if kind == "png" else scale)


def _finish(name, fig, plan, raw, formats, folder, provenance, include_prompts) -> Saved:
    """Stamp what the browser drew, add the tables, and write the set."""
    data, wide, tall, scale = plan
    csv = _csv(fig, include_prompts)
    told = _provenance(name, fig, wide, csv, provenance, include_prompts)
    about = {"title": name, "subject": sentence(fig), "provenance": json.dumps(told, ensure_ascii=False)}
    creator, files = f"workbench {__version__}", {}
    for kind in formats:
        if kind == "pdf":
            files[kind] = stamp_pdf(raw[kind], **about, creator=creator, width=wide * 72)
        elif kind == "svg":
            files[kind] = _svg(raw[kind], plan, about).encode()
        elif kind == "png":
            files[kind] = stamp_png(raw[kind], **about, creator=creator, dots=DOTS)
        else:
            files[kind] = _html(data, name, about["provenance"])
    small = smallest_text(raw["svg"].decode(), scale) if "svg" in raw else None
    if small is not None and 0 < small < LEAST:
        warnings.warn(f"{name}: the smallest text is {small:.1f} pt, under {LEAST:.0f} pt", stacklevel=4)
    files |= {"csv": csv, "json": _json(fig, told, include_prompts)}
    if raw:
        files["tex"] = latex(fig, name, width=wide).encode()
    paths = write_set(folder, {f"{name}.{kind}": content for kind, content in files.items()})
    return Saved(paths, wide, round(tall, 4), small)


def _svg(raw: bytes, plan: tuple, about: dict) -> str:
    data, wide, tall, _ = plan
    return stamp_svg(same_ids(raw.decode(), data), **about, width=wide, height=tall)


def _csv(fig: go.Figure, include_prompts: bool) -> bytes:
    return public_table(fig, include_prompts=include_prompts).to_csv(index=False).encode()


def _json(fig: go.Figure, told: dict, include_prompts: bool) -> bytes:
    frame = public_table(fig, include_prompts=include_prompts)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    whole = {"sentence": sentence(fig), "provenance": told, "table": rows}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False).encode()


def same_ids(svg: str, data: dict) -> str:
    """The SVG with ids that follow from the figure in place of the browser's random ones: same figure, same bytes."""
    drawn = re.search(r'id="defs-([0-9a-f]{6})"', svg)
    key = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:6]
    return re.sub(rf"(?<=[a-z-]){drawn[1]}", key, svg) if drawn else svg


def _provenance(name, fig, wide, csv, provenance, include_prompts) -> dict:
    told = provenance_of(fig) | provenance
    if "card" in told and "venue" in provenance:
        told["card"] = told["card"] | {"venue": provenance["venue"]}
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
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkbenchError(f"no folder can be made here ({error.strerror or error})", where=str(folder), remedy="Name another") from None
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
