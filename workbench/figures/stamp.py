"""Provenance inside the files, written and read: a PDF's Info dictionary, an SVG's <metadata>, a PNG's text chunks."""

from __future__ import annotations

import html
import json
import re
import struct
import zlib
from pathlib import Path
from xml.sax.saxutils import escape

from ..errors import WorkbenchError

_PNG = b"\x89PNG\r\n\x1a\n"


def stamp_pdf(data: bytes, *, title: str, subject: str, creator: str, provenance: str, width: float) -> bytes:
    """The same PDF with another Info dictionary and its page exactly `width` points wide, as an incremental update.

    What the browser wrote stays byte for byte but for its dates, which become blanks: the same figure is the same file.
    Changed objects, a table of them and a trailer are appended (ISO 32000-1, 7.5.6). Browsers write a plain
    cross-reference table; anything else is refused.
    """
    data = re.sub(rb"/(?:CreationDate|ModDate) \(D:[0-9+\-Z']*\)", lambda date: b" " * len(date[0]), data)
    start = re.search(rb"startxref\s+(\d+)\s+%%EOF\s*$", data)
    trailer = re.search(rb"trailer\s*<<(.*?)>>\s*startxref", data[int(start[1]) :] if start else b"", re.DOTALL)
    if not start or not trailer:
        raise WorkbenchError("a PDF of a kind that cannot be stamped", remedy="Export SVG, or use another Chrome or Chromium")
    entries = dict(re.findall(rb"/(Size|Root|Info)\s+(\d+)", trailer[1]))
    objects = _objects(data, int(start[1]))
    number = int(entries[b"Info"])
    kept = re.findall(rb"/Producer\s*\((?:\\.|[^\\)])*\)", objects[number])
    words = {"Title": title, "Subject": subject, "Creator": creator, "Provenance": provenance}
    info = b"".join(
        f"/{key} <{text.encode('utf-16-be', 'replace').hex()}>\n".replace("<", "<feff", 1).encode() for key, text in words.items()
    )
    changed = {number: b"<<" + info + b"\n".join(kept) + b">>"}
    for key, body in objects.items():
        if re.search(rb"/Type\s*/Page\b(?!s)", body):
            changed[key] = re.sub(
                rb"/MediaBox\s*\[\s*(\S+)\s+(\S+)\s+\S+\s+(\S+?)\s*\]",
                lambda box: b"/MediaBox [%b %b %.4f %b]" % (box[1], box[2], width, box[3]),
                body,
            )
    out, table = data if data.endswith(b"\n") else data + b"\n", b""
    for key in sorted(changed):
        table += b"%d 1\n%010d 00000 n \n" % (key, len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (key, changed[key].strip())
    fresh = b"trailer\n<</Size %b\n/Root %b 0 R\n/Info %d 0 R\n/Prev %b>>\n" % (entries[b"Size"], entries[b"Root"], number, start[1])
    return out + b"xref\n" + table + fresh + b"startxref\n%d\n%%%%EOF\n" % len(out)


def _objects(data: bytes, table: int) -> dict[int, bytes]:
    """Bodies of the objects in use, by number, from a plain cross-reference table."""
    head = re.match(rb"xref\s+0\s+(\d+)\s+", data[table:])
    if not head:
        raise WorkbenchError("a PDF of a kind that cannot be stamped", remedy="Export SVG, or use another Chrome or Chromium")
    found, at = {}, table + head.end()
    for number in range(int(head[1])):
        offset, _, use = data[at + 20 * number : at + 20 * number + 20].split()
        if use == b"n":
            body = data[int(offset) : data.index(b"endobj", int(offset))]
            found[number] = body.split(b"obj", 1)[1]
    return found


def stamp_svg(text: str, *, title: str, subject: str, provenance: str, width: float, height: float) -> str:
    """The same SVG in inches, with a title, a sentence for screen readers and the provenance; text stays text."""
    opening, rest = re.match(r"(<svg\b[^>]*>)(.*)", text, re.DOTALL).groups()
    for name, value in (("width", width), ("height", height)):
        opening = re.sub(rf'\b{name}="[^"]*"', f'{name}="{value:g}in"', opening, count=1)
    opening = opening.replace("<svg", '<svg role="img"', 1)
    head = f'<title>{escape(title)}</title><desc>{escape(subject)}</desc><metadata id="provenance">{escape(provenance)}</metadata>'
    return opening + head + rest


def stamp_png(data: bytes, *, title: str, subject: str, creator: str, provenance: str, dots: float) -> bytes:
    """The same PNG with its size on paper (dots per inch) and text chunks; the picture's own chunks are untouched."""
    if not data.startswith(_PNG):
        raise WorkbenchError("the browser did not return a PNG")
    end = len(_PNG) + 25  # after IHDR
    per_metre = round(dots / 0.0254)
    extra = _chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)) + _chunk(
        b"tEXt", b"Software\0" + creator.encode("latin-1", "replace")
    )
    for key, words in (("Title", title), ("Description", subject), ("Provenance", provenance)):
        extra += _chunk(b"iTXt", key.encode() + b"\0\0\0\0\0" + words.encode())
    return data[:end] + extra + data[end:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


# -- reading it back -------------------------------------------------------------------------------


def read_stamp(path: str | Path) -> dict:
    """The provenance inside a PDF, SVG, PNG or HTML file that was written here.

    WorkbenchError for a file that is none of these, is cut short, or carries no provenance or a damaged one.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorkbenchError(f"cannot read the figure ({error.strerror})", where=str(path), remedy="Name a PDF, SVG or PNG") from None
    head = data[:1024].lstrip()
    kind = next((kind for kind in _READERS if head.startswith(kind)), None)
    if kind is None:
        raise WorkbenchError("no PDF, SVG, PNG or HTML", where=str(path), remedy="Name a figure that was saved here")
    read, ending = _READERS[kind]
    if not re.search(ending, data[-64:]):
        raise WorkbenchError("the file is cut short", where=str(path), remedy="Copy or export it again")
    try:
        text = read(data)
    except (ValueError, IndexError, KeyError, TypeError, zlib.error, struct.error):
        raise WorkbenchError("the file is damaged", where=str(path), remedy="Copy or export it again") from None
    if text is None:
        remedy = "Other programs drop metadata when they write a file: name the file as it was saved here"
        raise WorkbenchError("no provenance inside", where=str(path), remedy=remedy)
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise WorkbenchError("its provenance is damaged", where=str(path), remedy="Copy or export it again")
    return told


def _told_pdf(data: bytes) -> str | None:
    """/Provenance of the last Info dictionary: the one that the last cross-reference table points at."""
    table = data[int(re.search(rb"startxref\s+(\d+)\s+%%EOF\s*$", data)[1]) :] if b"startxref" in data[-64:] else b""
    number = re.search(rb"trailer\s*<<.*?/Info\s+(\d+)", table, re.DOTALL)
    place = number and re.search(rb"(?:^|\n)%b 1\s*\n(\d{10}) " % number[1], table)
    body = data[int(place[1]) : data.index(b"endobj", int(place[1]))] if place else data  # another program wrote it anew
    found = re.search(rb"/Provenance\s*<\s*feff([0-9a-fA-F\s]*)>", body, re.IGNORECASE)
    return bytes.fromhex(found[1].decode()).decode("utf-16-be") if found else None


def _told_png(data: bytes) -> str | None:
    at = len(_PNG)
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body, check = data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        if struct.pack(">I", zlib.crc32(kind + body)) != check:
            raise ValueError(kind)
        if kind == b"iTXt" and body.startswith(b"Provenance\0"):
            packed, text = body[11], body[13:].split(b"\0", 2)[2]
            return (zlib.decompress(text) if packed else text).decode()
        at += 12 + size
    return None


def _told_svg(data: bytes) -> str | None:
    found = re.search(rb"<metadata\b[^>]*\bid=[\"']provenance[\"'][^>]*>(.*?)</metadata>", data, re.DOTALL)
    return html.unescape(found[1].decode()) if found else None


def _told_html(data: bytes) -> str | None:
    found = re.search(rb'<script type="application/json" id="provenance">(.*?)</script>', data, re.DOTALL)
    return found[1].decode() if found else None


_READERS = {  # how a file of each kind begins, how it is read, how it ends when it is whole
    b"%PDF-": (_told_pdf, rb"%%EOF\s*$"),
    _PNG: (_told_png, rb"IEND\xaeB`\x82$"),
    b"<svg": (_told_svg, rb"</svg>\s*$"),
    b"<?xml": (_told_svg, rb"</svg>\s*$"),
    b"<!doctype html": (_told_html, rb"</html>\s*$"),
    b"<html": (_told_html, rb"</html>\s*$"),
}
