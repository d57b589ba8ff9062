"""Rows out of a file: JSON lines, gzipped JSON lines, a JSON list, parquet, arrow. Each row remembers where it stood."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import WorkbenchError, listing

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet", ".arrow")
_MAGIC = {b"PAR1": "parquet", b"\x1f\x8b": "gzip", b"PK\x03\x04": "a zip archive", b"\x28\xb5\x2f\xfd": "zstandard", b"BZh": "bzip2",
          b"ARROW1": "arrow"}
AGAIN = "Fetch or write the file again"


class Line(NamedTuple):
    """One row of a file: its place ("pairs.jsonl, line 3") and its values."""

    place: str
    data: dict[str, Any]

    def has(self, *names: str) -> bool:
        return all(name in self.data for name in names)

    def need(self, name: str) -> Any:
        """A value that has to be there."""
        if name not in self.data:
            raise WorkbenchError(
                f"missing column {name!r}", where=self.place, remedy=f"It has {listing(self.data, 12)}; `rename` maps names"
            )
        return self.data[name]

    def first(self, *names: str) -> Any:
        """The first of several names that holds something, else None."""
        return next((self.data[name] for name in names if self.data.get(name) not in (None, "")), None)

    def texts(self, *names: str) -> bool:
        """Whether these columns are lists of plain strings."""
        return all(isinstance(v := self.data.get(name), list) and v and all(isinstance(text, str) for text in v) for name in names)


def lines_of(path: str | Path, rename: dict[str, str] | None = None, *, name: str | None = None) -> list[Line]:
    """Every row of a file; rename: its column → the name a reader knows; name: what places call the file, its own if None.

    Raises WorkbenchError for a missing file, one that is not what its name says, text that is not UTF-8 (line and
    byte) and a line that is not a JSON object.
    """
    path = Path(path)
    name = name or path.name
    if not path.is_file():
        raise WorkbenchError("no such file", where=str(path))
    kinds = {".parquet": _parquet, ".arrow": _arrow, ".json": _json, ".json.gz": _json, ".jsonl": _jsonl, ".jsonl.gz": _jsonl}
    read = next((kinds[suffix] for suffix in kinds if path.name.lower().endswith(suffix)), None)
    if read is None:
        raise WorkbenchError("unknown kind of file", where=str(path), remedy=f"Its name should end in one of {', '.join(SUFFIXES)}")
    lines = [Line(place, {(rename or {}).get(key, key): value for key, value in data.items()}) for place, data in read(path, name)]
    if not lines:
        raise WorkbenchError("no rows", where=str(path))
    return lines


def _looks_like(head: bytes) -> str | None:
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def _bytes(path: Path) -> bytes:
    """The content, unzipped where the name says gzip; what it is is held against what its name says."""
    data = path.read_bytes()
    if path.name.lower().endswith(".gz"):
        if not data.startswith(b"\x1f\x8b"):
            found = _looks_like(data) or "plain text"
            raise WorkbenchError(f"not gzip: it looks like {found}", where=str(path), remedy="Rename it to what it is")
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise WorkbenchError(f"damaged gzip ({error})", where=str(path), remedy=AGAIN) from None
    found = _looks_like(data)
    if found:
        raise WorkbenchError(f"not JSON: it looks like {found}", where=str(path), remedy="Rename it to what it is")
    return data


def decoded(data: bytes, place: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WorkbenchError(
            f"not UTF-8: byte {error.start + 1} is 0x{data[error.start]:02x}",
            where=place,
            remedy="Save the file as UTF-8",
        ) from None


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise WorkbenchError(f"not JSON ({error.msg}, column {error.colno})", where=place, remedy="Correct or remove this line") from None


def _jsonl(path: Path, name: str) -> Iterator[tuple[str, dict]]:
    for number, raw in enumerate(io.BytesIO(_bytes(path).removeprefix(b"\xef\xbb\xbf")), 1):
        place = f"{name}, line {number}"
        text = decoded(raw, place)
        if not text.strip():
            continue
        row = _parsed(text, place)
        if not isinstance(row, dict):
            raise WorkbenchError(f"a {type(row).__name__}, not an object", where=place, remedy="Each line is one {…} of columns")
        yield place, row


def _json(path: Path, name: str) -> Iterator[tuple[str, dict]]:
    raw = _bytes(path).removeprefix(b"\xef\xbb\xbf")
    for number, line in enumerate(raw.split(b"\n"), 1):  # so that a wrong byte is named by its line
        decoded(line, f"{name}, line {number}")
    rows = _parsed(raw.decode("utf-8"), name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise WorkbenchError("not a list of objects", where=str(path), remedy="Use a JSON list of rows, or JSON lines")
    yield from ((f"{name}, row {number}", row) for number, row in enumerate(rows, 1))


def _parquet(path: Path, name: str) -> Iterator[tuple[str, dict]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open(path, "rb") as file:
        head = file.read(64)
    if not head.startswith(b"PAR1"):
        found = _looks_like(head) or ("JSON" if head.lstrip()[:1] in (b"{", b"[") else "something else")
        raise WorkbenchError(f"not parquet: it looks like {found}", where=str(path), remedy="Rename it to what it is")
    try:
        rows = pq.read_table(path).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        damaged = WorkbenchError(f"damaged parquet ({type(error).__name__})", where=str(path), remedy=AGAIN)
        raise wrong_text(path) or damaged from None
    yield from ((f"{name}, row {number}", row) for number, row in enumerate(rows, 1))


def _arrow(path: Path, name: str) -> Iterator[tuple[str, dict]]:
    """Arrow's stream format, which `datasets` saves, or its file format."""
    import pyarrow as pa

    with open(path, "rb") as file:
        whole = file.read(6) == b"ARROW1"
        file.seek(-min(4, path.stat().st_size), io.SEEK_END)
        ended = whole or file.read() == bytes(4)  # a stream cut between two batches would read as a shorter one
    table = None
    try:
        with pa.memory_map(str(path)) as source:
            table = (pa.ipc.open_file if whole else pa.ipc.open_stream)(source).read_all()
            rows = table.to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        damaged = WorkbenchError(f"damaged arrow ({type(error).__name__})", where=str(path), remedy=AGAIN)
        raise (table is not None and _wrong_text(table, name)) or damaged from None
    if not ended:
        raise WorkbenchError("damaged arrow (cut short)", where=str(path), remedy=AGAIN)
    yield from ((f"{name}, row {number}", row) for number, row in enumerate(rows, 1))


def wrong_text(path: Path) -> WorkbenchError | None:
    """The first text of a parquet file that is not UTF-8, by row, column and byte; None where all of it is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _wrong_text(pq.read_table(path), path.name)
    except (OSError, ValueError, pa.ArrowException):
        return None


def _wrong_text(table, name: str) -> WorkbenchError | None:
    import pyarrow as pa

    for column in table.column_names:
        try:
            table[column].validate(full=True)
            continue
        except pa.ArrowInvalid:
            pass
        for row, raw in enumerate(table[column].cast(pa.large_binary()).to_pylist()):
            try:
                decoded(raw or b"", f"{name}, row {row}, column {column}")
            except WorkbenchError as error:
                return error
    return None
