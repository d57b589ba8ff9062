"""Files for paper: exact width, fonts embedded, text as text, provenance inside, all files or none."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import xml.etree.ElementTree as ET
import zlib

import figure_data
import pandas as pd
import pytest

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.figures import export
from workbench.figures.stamp import stamp_pdf, stamp_png, stamp_svg
from workbench.figures.theme import mix

NAME = "accuracy per section & \u03c1"


@pytest.fixture(scope="module")
def saved(browser, tmp_path_factory):
    """Two figures of two venues, drawn once."""
    folder = tmp_path_factory.mktemp("figures")
    one = figures.plot_sections({"before": figure_data.result("before", seed=1), "after": figure_data.result()}, theme="dark")
    two = figures.plot_prompt_map(figure_data.data_of(figures.plot_prompt_map))
    made = {"icml": figures.save(one, NAME, "icml-column", folder=folder, provenance={"note": "caf\u00e9", "prompt": "secret words"})}
    made["ieee"] = figures.save(two, "map", "ieee-page", ("pdf", "svg"), folder, height=2.5)
    return folder, made, {"icml": one, "ieee": two}


def pdf_strings(data: bytes) -> dict[str, str]:
    """The last Info dictionary, read by following the trailer, as a reader would."""
    number = int(re.findall(rb"/Info (\d+) 0 R", data)[-1])
    table = int(re.findall(rb"startxref\s+(\d+)", data)[-1])
    assert data[table:].startswith(b"xref")
    offset = int(re.search(rb"\n%d 1\n(\d{10})" % number, data[table:])[1])
    assert data[offset:].startswith(b"%d 0 obj" % number)
    body = data[offset : data.index(b"endobj", offset)]
    return {key.decode(): bytes.fromhex(value.decode()).decode("utf-16") for key, value in re.findall(rb"/(\w+) <([0-9a-f]+)>", body)}


def pdf_width(data: bytes) -> float:
    box = re.findall(rb"/MediaBox\s*\[([^\]]+)\]", data)[-1].split()
    return (float(box[2]) - float(box[0])) / 72


def png_chunks(data: bytes) -> dict[bytes, list[bytes]]:
    chunks, at = {}, 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        chunks.setdefault(kind, []).append(body)
        at += 12 + size
    return chunks


def text_chunks(data: bytes) -> dict[str, str]:
    return {body.split(b"\0", 1)[0].decode(): body.split(b"\0", 5)[5].decode() for body in png_chunks(data)[b"iTXt"]}


def test_width_is_the_venues_to_a_hundredth_of_an_inch(saved):
    folder, made, _ = saved
    for name, wide in ((NAME, 3.25), ("map", 7.16)):
        assert pdf_width((folder / f"{name}.pdf").read_bytes()) == pytest.approx(wide, abs=0.01)
        root = ET.parse(folder / f"{name}.svg").getroot()
        assert float(root.get("width").removesuffix("in")) == pytest.approx(wide, abs=1e-6)
        left, top, width, height = map(float, root.get("viewBox").split())
        assert width / height == pytest.approx(wide / float(root.get("height").removesuffix("in")), rel=0.01)
    chunks = png_chunks((folder / f"{NAME}.png").read_bytes())
    (width,), (metre,) = struct.unpack(">I", chunks[b"IHDR"][0][:4]), struct.unpack(">I", chunks[b"pHYs"][0][:4])
    assert width / (metre * 0.0254) == pytest.approx(3.25, abs=0.01)
    assert made["ieee"].height == 2.5 and made["icml"].width == 3.25


@pytest.mark.skipif(shutil.which("pdfinfo") is None, reason="pdfinfo (poppler) is not installed")
def test_pdf_readers_agree(saved):
    folder, *_ = saved
    told = subprocess.run(["pdfinfo", "-custom", folder / f"{NAME}.pdf"], capture_output=True, text=True, check=True)
    assert not told.stderr and "Provenance" in told.stdout and "abc123" in told.stdout
    told = subprocess.run(["pdfinfo", folder / f"{NAME}.pdf"], capture_output=True, text=True, check=True)
    assert NAME in told.stdout and float(re.search(r"Page size:\s+([\d.]+)", told.stdout)[1]) / 72 == pytest.approx(3.25, abs=0.01)
    fonts = subprocess.run(["pdffonts", folder / f"{NAME}.pdf"], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert fonts and all(line.split()[-5] == "yes" for line in fonts), fonts


def test_fonts_are_embedded_and_nothing_is_a_picture(saved):
    folder, *_ = saved
    for name in (NAME, "map"):
        data = (folder / f"{name}.pdf").read_bytes()
        descriptors = data.count(b"/FontDescriptor ") and len(re.findall(rb"/Type\s*/FontDescriptor", data))
        assert descriptors and len(re.findall(rb"/FontFile[23]?\s+\d+ 0 R", data)) == descriptors
        assert b"/Subtype /Image" not in data and b"/Subtype/Image" not in data


def test_a_pdf_fills_its_page(saved):
    """The browser's own margins would shrink the figure and cut its last line off."""
    folder, made, _ = saved
    for name, files in ((NAME, made["icml"]), ("map", made["ieee"])):
        data = (folder / f"{name}.pdf").read_bytes()
        streams = [zlib.decompressobj().decompress(data[at.end() :]) for at in re.finditer(rb"/FlateDecode[^>]*>>\s*stream\r?\n", data)]
        drawn = next(stream for stream in streams if b" re\nW" in stream)
        scale = float(drawn.split()[0])  # units of the drawing → points
        left, top, wide, tall = map(float, re.search(rb"(\S+) (\S+) (\S+) (\S+) re\nW", drawn).groups())
        assert (left, top) == (0, 0)
        assert (scale * wide / 72, scale * tall / 72) == pytest.approx((files.width, files.height), abs=0.02)


def test_text_is_text_and_at_least_six_points(saved):
    folder, made, figs = saved
    root = ET.parse(folder / f"{NAME}.svg").getroot()
    words = {"".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"All pairs", "Chat", "Safety", "before", "the longer wins"} <= words
    assert not list(root.iter("{http://www.w3.org/2000/svg}image"))
    assert made["icml"].smallest >= 6 and made["ieee"].smallest >= 6


def test_provenance_is_in_every_file(saved):
    folder, *_ = saved
    svg = ET.parse(folder / f"{NAME}.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    pdf, png = pdf_strings((folder / f"{NAME}.pdf").read_bytes()), text_chunks((folder / f"{NAME}.png").read_bytes())
    told = [json.loads(text) for text in (svg.find(f"{space}metadata").text, pdf["Provenance"], png["Provenance"])]
    assert told[0] == told[1] == told[2]
    assert told[0]["study"] == "abc123" and [s["id"] for s in told[0]["scenarios"]] == [
        "before-id",
        "after-id".replace("after", "candidate"),
    ]
    assert told[0]["scenarios"][0]["seeds"] == [0, 1, 2] and told[0]["n"] == 60 and told[0]["note"] == "caf\u00e9"
    assert {"workbench", "plotly", "csv_sha256", "figure", "width_in"} <= set(told[0])
    assert svg.find(f"{space}title").text == NAME == pdf["Title"] == png["Title"]
    assert svg.find(f"{space}desc").text.endswith(".") and svg.find(f"{space}desc").text == pdf["Subject"] == png["Description"]


def test_the_csv_is_the_figures_table(saved):
    folder, made, figs = saved
    pd.testing.assert_frame_equal(pd.read_csv(folder / f"{NAME}.csv"), figures.table(figs["icml"]), check_dtype=False)
    assert {path.suffix for path in made["icml"].files} == {".pdf", ".svg", ".png", ".csv", ".json", ".tex"}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    told = json.loads((folder / f"{NAME}.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    pd.testing.assert_frame_equal(pd.DataFrame(told["table"]), figures.table(figs["icml"]), check_dtype=False)
    assert told["provenance"]["study"] == "abc123" and told["sentence"] == figures.sentence(figs["icml"])
    assert r"\includegraphics" in (folder / f"{NAME}.tex").read_text()


def test_the_same_figure_is_the_same_file(saved, tmp_path):
    """To the byte: the browser's random ids and dates are not kept."""
    folder, _, figs = saved
    figures.save(figs["ieee"], "map", "ieee-page", ("pdf", "svg"), tmp_path, height=2.5)
    for kind in ("pdf", "svg", "csv", "json", "tex"):
        assert (tmp_path / f"map.{kind}").read_bytes() == (folder / f"map.{kind}").read_bytes(), kind
    assert b"CreationDate" not in (folder / "map.pdf").read_bytes()
    seen = figures.preview(figs["ieee"], "map", "ieee-page", height=2.5)
    assert seen.svg.encode() == (folder / "map.svg").read_bytes(), "what is shown is what is written"
    assert (seen.width, seen.height) == (7.16, 2.5) and seen.smallest >= 6


def test_no_prompt_unless_asked(saved, tmp_path):
    folder, _, figs = saved
    for path in folder.iterdir():
        data = path.read_bytes()
        assert b"secret" not in data and "secret".encode("utf-16-be").hex().encode() not in data
        assert path.suffix not in (".csv", ".svg") or b"Why" not in data, path.name
    figures.save(figs["ieee"], "asked", formats=("html",), folder=tmp_path, include_prompts=True)
    page = (tmp_path / "asked.html").read_text()
    told = json.loads(re.search(r'<script type="application/json" id="provenance">(.*?)</script>', page)[1])
    assert told["prompts"][0] == "Why <is> 0 & more?" and "Why" in (tmp_path / "asked.csv").read_text()


def test_paper_is_light_though_the_screen_was_dark(saved):
    folder, *_ = saved
    text = (folder / f"{NAME}.svg").read_text()
    assert "rgb(10, 98, 176)" in text and "rgb(76, 158, 244)" not in text and "Helvetica" in text and "Segoe" not in text


@pytest.mark.parametrize("plot", [figures.plot_gate_heatmap, figures.plot_objective_correlation], ids=lambda p: p.__name__)
def test_a_heat_map_on_paper_is_shapes_of_its_colours(plot):
    fig = plot(figure_data.data_of(plot, k=9), theme="dark")
    cells, data = fig.data[0], export.on_paper(fig)
    z = [[v for v in row] for row in cells.z]
    known = {(i, j): v for i, row in enumerate(z) for j, v in enumerate(row) if v is not None and v == v}
    boxes = {(s["y0"] + 0.5, s["x0"] + 0.5): s["fillcolor"] for s in data["layout"]["shapes"] if s.get("layer") == "below" and "x0" in s}
    assert set(known) == set(boxes) and not any(trace["type"] == "heatmap" for trace in data["data"])
    look, signed = figures.LIGHT, cells.zmin < 0
    for (i, j), value in known.items():
        share = abs(value) / cells.zmax
        full = (look.candidate if value > 0 else look.negative) if signed else look.ink
        assert boxes[i, j] == mix(full, look.ground, min(share, 1)), (i, j)


def test_every_venue_has_its_width():
    wide = {name: venue.width for name, venue in figures.VENUES.items()}
    assert wide.pop("slide") == pytest.approx(13.333, abs=1e-3)
    assert wide == {
        "neurips": 5.5,
        "iclr": 5.5,
        "icml-column": 3.25,
        "icml-page": 6.75,
        "acl-column": 3.03,
        "acl-page": 6.3,
        "ieee-column": 3.5,
        "ieee-page": 7.16,
    }
    fig = figures.plot_learning(figure_data.data_of(figures.plot_learning))
    for venue in figures.VENUES.values():
        data, width, tall, scale = export._plan(fig, venue, None, False)
        assert data["layout"]["width"] * scale / 96 == pytest.approx(venue.width) and data["layout"][
            "height"
        ] * scale / 96 == pytest.approx(tall)
        assert 11 * scale * 0.75 >= 6


def test_a_tall_figure_fits_its_slide():
    fig = figures.plot_gate_heatmap(figure_data.data_of(figures.plot_gate_heatmap, k=30))
    *_, tall, scale = export._plan(fig, figures.VENUES["slide"], None, False)
    assert tall <= 7.5 + 1e-9


def test_without_a_browser_the_remedy_is_named_and_html_works(monkeypatch, tmp_path):
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "nowhere"))
    fig = figures.plot_prompt_map(figure_data.data_of(figures.plot_prompt_map))
    assert figures.browser() is None
    with pytest.raises(WorkbenchError) as caught:
        figures.save(fig, "a", folder=tmp_path)
    for word in ("Chrome", "Chromium", "BROWSER_PATH", "apt-get install chromium", 'formats=("html",)'):
        assert word in str(caught.value)
    assert not list(tmp_path.iterdir()), "half a set"
    done = figures.save(fig, "a", formats=("html",), folder=tmp_path, provenance={"note": "</script><b>"})
    page = (tmp_path / "a.html").read_text()
    assert (
        {path.name for path in done.files} == {"a.html", "a.csv", "a.json"}
        and "Why" not in page
        and "cdn.plot.ly" not in re.sub(r"(?s)<script.*?</script>", "", page)
    )
    told = json.loads(re.search(r'<script type="application/json" id="provenance">(.*?)</script>', page)[1])
    assert told["note"] == "</script><b>"


def test_browser_path_decides(monkeypatch, tmp_path):
    fake = tmp_path / "chrome"
    fake.write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("BROWSER_PATH", str(fake))
    assert figures.browser() is None, "not executable"
    fake.chmod(0o755)
    assert figures.browser() == str(fake)


def test_a_browser_that_dies_is_one_error(monkeypatch, tmp_path):
    fake = tmp_path / "chrome"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("BROWSER_PATH", str(fake))
    monkeypatch.setattr("workbench.figures.renderer.LIMIT", 5.0)
    with pytest.raises(WorkbenchError, match="could not draw"):
        figures.save(figures.plot_learning(figure_data.data_of(figures.plot_learning)), "a", formats=("svg",), folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(name="a/b"), "no file name"),
        (dict(name=".a"), "no file name"),
        (dict(venue="nature"), "unknown venue 'nature'"),
        (dict(formats=("eps",)), "unknown format 'eps'"),
    ],
)
def test_what_is_refused(options, words, tmp_path):
    fig = figures.plot_learning(figure_data.data_of(figures.plot_learning))
    with pytest.raises(WorkbenchError, match=words):
        figures.save(fig, **{"name": "a", "folder": tmp_path, "formats": ("html",), **options})
    assert not list(tmp_path.iterdir())


def test_all_files_or_none(tmp_path, monkeypatch):
    export.write_set(tmp_path, {"a.pdf": b"old", "a.csv": b"old"})
    real, calls = export.os.replace, []

    def failing(source, target):
        calls.append(target)
        if len(calls) == 4:  # the second new file
            raise OSError(28, "No space left on device")
        return real(source, target)

    monkeypatch.setattr(export.os, "replace", failing)
    with pytest.raises(WorkbenchError, match="No space left"):
        export.write_set(tmp_path, {"a.pdf": b"new", "a.csv": b"new"})
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.pdf": b"old", "a.csv": b"old"}
    export.write_set(tmp_path, {"a.pdf": b"new", "a.csv": b"new"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.pdf": b"new", "a.csv": b"new"}


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(WorkbenchError, match="folder is in the figure's place"):
        export.write_set(tmp_path, {"a.pdf": b"new", "a.csv": b"new"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


DATE = b"/CreationDate (D:20260101120000+00'00')"
PDF = b"%PDF-1.4\n" + b"".join(
    b"%d 0 obj\n%b\nendobj\n" % (i + 1, body)
    for i, body in enumerate(
        [
            b"<</Title (x)\n/Producer (p \\(q\\))\n" + DATE + b">>",
            b"<</Type /Page\n/MediaBox [0 0 99 50]>>",
            b"<</Type /Pages /Kids [2 0 R]>>",
            b"<</Type /Catalog>>",
        ]
    )
)


def small_pdf() -> bytes:
    offsets = [PDF.index(b"%d 0 obj" % i) for i in range(1, 5)]
    table = b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return PDF + table + b"trailer\n<</Size 5\n/Root 4 0 R\n/Info 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(PDF)


def test_stamping_a_pdf_appends_and_keeps():
    before = small_pdf()
    after = stamp_pdf(before, title="t \u03c1", subject="s", creator="c", provenance='{"a": "<>"}', width=234.0)
    assert after.startswith(before.replace(DATE, b" " * len(DATE))) and pdf_width(after) == 234 / 72
    assert pdf_strings(after) == {"Title": "t \u03c1", "Subject": "s", "Creator": "c", "Provenance": '{"a": "<>"}'}
    assert b"/Producer (p \\(q\\))" in after[len(before) :]
    with pytest.raises(WorkbenchError, match="cannot be stamped"):
        stamp_pdf(before.replace(b"xref\n0 5", b"5 0 obj "), title="", subject="", creator="", provenance="", width=1)


def test_stamping_svg_and_png_escapes():
    svg = stamp_svg(
        '<svg width="416" height="300" viewBox="0 0 416 300"><text>a</text></svg>',
        title="<t>",
        subject="a & b",
        provenance='{"x": "</metadata>"}',
        width=3.25,
        height=2,
    )
    root = ET.fromstring(svg)
    assert root.get("width") == "3.25in" and root.find("metadata").text == '{"x": "</metadata>"}' and root.find("title").text == "<t>"
    with pytest.raises(WorkbenchError, match="PNG"):
        stamp_png(b"GIF89a", title="", subject="", creator="", provenance="", dots=300)


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "figures").write_text("no folder")
    with pytest.raises(WorkbenchError, match="no folder can be made here"):
        export.write_set(tmp_path / "figures", {"a.csv": b"new"})
