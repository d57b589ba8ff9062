"""Provenance inside the files: the Info dictionary of a PDF, <metadata> of an SVG, text chunks of a PNG."""

from __future__ import annotations

import re
import struct
import zlib
from xml.sax.saxutils import escape

from ..errors import WorkbenchError

_PNG = b"\x89PNG\r\n\x1a\n"


def stamp_pdf(data: bytes, *, title: str, subject: str, creator: str, provenance: str, width: float) -> bytes:
    """The same PDF with another Info dictionary and its page exactly `width` points wide, as an incremental update.

    What the browser wrote stays byte for byte; three changed objects, a table of them and a trailer are appended
    (ISO 32000-1, 7.5.6). Browsers write a plain cross-reference table; anything else is refused.
    """
    start = re.search(rb"startxref\s+(\d+)\s+%%EOF\s*$", data)
    trailer = re.search(rb"trailer\s*<<(.*?)>>\s*startxref", data[int(start[1]) :] if start else b"", re.DOTALL)
    if not start or not trailer:
        raise WorkbenchError("a PDF of a kind that cannot be stamped", remedy="Export SVG, or use another Chrome or Chromium")
    entries = dict(re.findall(rb"/(Size|Root|Info)\s+(\d+)", trailer[1]))
    objects = _objects(data, int(start[1]))
    number = int(entries[b"Info"])
    kept = re.findall(rb"/(?:Producer|CreationDate)\s*\((?:\\.|[^\\)])*\)", objects[number])
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
