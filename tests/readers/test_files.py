"""Files are what their names say, or one error names the file, the line and the byte."""

from __future__ import annotations

import gzip
import json

import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.readers.files import lines_of

ROWS = [{"prompt": "p", "chosen": "näher", "rejected": "b"}, {"prompt": "q", "chosen": "c", "rejected": "d"}]
TEXT = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.json.gz", "a.parquet"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path, name):
    path = tmp_path / name
    data = json.dumps(ROWS) if ".jsonl" not in name else TEXT
    if name.endswith(".parquet"):
        pd.DataFrame(ROWS).to_parquet(path)
    else:
        path.write_bytes(gzip.compress(data.encode()) if name.endswith(".gz") else data.encode())
    lines = lines_of(path)
    assert [line.data for line in lines] == ROWS
    assert lines[1].place.endswith((", line 2", ", row 2"))


def test_rename_bom_and_blank_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"question": "p"}\n\n{"question": "q"}\n')
    lines = lines_of(path, {"question": "prompt"})
    assert [line.data for line in lines] == [{"prompt": "p"}, {"prompt": "q"}]
    assert lines[1].place == "a.jsonl, line 3"


def refused(path, *words):
    before = path.read_bytes()
    with pytest.raises(WorkbenchError) as caught:
        lines_of(path)
    for word in (path.name, *words):
        assert word in str(caught.value), str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "name, data, words",
    [
        ("a.parquet", b'{"prompt": 1}', ["not parquet", "JSON"]),
        ("a.parquet", b"PAR1 and then nothing", ["damaged parquet"]),
        ("a.jsonl.gz", b'{"prompt": 1}', ["not gzip", "plain text"]),
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 50, mtime=0)[:-12], ["damaged gzip"]),
        ("a.jsonl", gzip.compress(b"{}", mtime=0), ["not JSON", "gzip"]),
        ("a.jsonl", b"PAR1....", ["not JSON", "parquet"]),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', ["line 2", "not JSON"]),
        ("a.jsonl", b'{"a": 1}\n[1, 2]\n', ["line 2", "not an object"]),
        ("a.jsonl", b'{"a": 1}\n{"a": "caf\xe9"}\n', ["line 2", "byte 11", "0xe9", "UTF-8"]),
        ("a.json", b'[{"a": 1},\n {"a": "\xff"}]', ["line 2", "byte 9", "0xff"]),
        ("a.json", b'{"a": 1}', ["not a list"]),
        ("a.jsonl", b"", ["no rows"]),
        ("a.csv", b"a,b\n1,2\n", ["unknown kind of file", ".jsonl"]),
    ],
)
def test_a_file_that_is_not_what_its_name_says(tmp_path, name, data, words):
    path = tmp_path / name
    path.write_bytes(data)
    refused(path, *words)


def test_text_in_parquet_that_is_not_utf8_is_named_by_row_and_column(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    raw = pa.array([b"fine", b"caf\xe9"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"prompt": texts}), path)
    refused(path, "row 1", "column prompt", "byte 4", "0xe9")


def test_a_missing_file(tmp_path):
    with pytest.raises(WorkbenchError, match="no such file"):
        lines_of(tmp_path / "none.jsonl")
