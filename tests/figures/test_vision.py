"""What others see: the filter against a slow oracle, and the look's promise that its colours stay apart."""

import itertools
import re
import struct
import subprocess
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.figures.theme import DARK, GROUPS, LIGHT
from workbench.figures.vision import VISIONS, color_seen, seen_by

HEAD = '<svg role="img" width="1in" height="1in" viewBox="0 0 96 96"><title>t</title><desc>d</desc>'
SVG = HEAD + '<metadata id="provenance">{}</metadata>{}</svg>'
BLIND = [vision for vision in VISIONS if vision != "grey"]


def slowly(color: str, rows) -> str:
    """One channel at a time: decode sRGB, weigh, clip, encode."""
    linear = []
    for at in (1, 3, 5):
        coded = int(color[at : at + 2], 16) / 255
        linear.append(coded / 12.92 if coded <= 0.04045 else ((coded + 0.055) / 1.055) ** 2.4)
    text = "#"
    for row in rows:
        value = min(max(sum(w * v for w, v in zip(row, linear)), 0.0), 1.0)
        coded = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
        text += f"{round(255 * coded):02x}"
    return text


def lab(color: str) -> np.ndarray:
    """CIE L*a*b* under D65."""
    coded = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(a: str, b: str) -> float:
    return float(np.linalg.norm(lab(a) - lab(b)))


@pytest.mark.parametrize("vision", VISIONS)
def test_the_filter_holds_what_the_oracle_does(vision):
    whole = ET.fromstring(seen_by(SVG.format("{}", '<g id="x"><text>a</text></g>'), vision))
    matrix = whole.find(".//feColorMatrix")
    values = np.array(matrix.get("values").split(), float).reshape(4, 5)
    assert values[3].tolist() == [0, 0, 0, 1, 0] and not values[:3, 3:].any()
    assert whole.find("filter").get("color-interpolation-filters") == "linearRGB"
    for color in {c for theme in (LIGHT, DARK) for c in theme.colors()}:
        assert color_seen(color, vision) == slowly(color, values[:3, :3]), color
    for grey in ("#000000", "#757575", "#ffffff"):
        assert color_seen(grey, vision) == grey


def pixels(png: bytes) -> np.ndarray:
    """[row column channel] of a PNG without interlace, eight bits a channel."""
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    channels, data, at = {2: 3, 6: 4}[kind], b"", 8
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at : at + 8])
        data, at = data + (png[at + 8 : at + 8 + size] if name == b"IDAT" else b""), at + 12 + size
    lines, above, rows = zlib.decompress(data), np.zeros(width * channels, int), []
    for y in range(height):
        line = lines[y * (width * channels + 1) :][: width * channels + 1]
        row = np.frombuffer(line[1:], np.uint8).astype(int)
        for x in range(len(row)):  # each byte was told as its difference from what is left, above, or both
            left, corner = (row[x - channels], above[x - channels]) if x >= channels else (0, 0)
            guess = min((left, above[x], corner), key=lambda near, p=left + above[x] - corner: abs(p - near))
            row[x] = (row[x] + (0, left, above[x], (left + above[x]) // 2, guess)[line[0]]) % 256
        rows.append(row)
        above = row
    return np.array(rows).reshape(height, width, channels)


def test_a_browser_shows_what_the_oracle_says(browser, tmp_path):
    colors = [LIGHT.group(group) for group in GROUPS] + [LIGHT.candidate, LIGHT.negative, LIGHT.ink2, LIGHT.ground]
    rows = []
    for at, vision in enumerate(VISIONS):
        cells = "".join(f'<rect x="{8 * i}" y="0" width="8" height="8" fill="{color}"/>' for i, color in enumerate(colors))
        svg = f'<svg style="display:block" width="{8 * len(colors)}" height="8">{cells}</svg>'
        rows.append(f'<div style="position:absolute;top:{8 * at}px;left:0;height:8px">{seen_by(svg, vision)}</div>')
    (tmp_path / "a.html").write_text(f'<body style="margin:0">{"".join(rows)}</body>')
    shot = tmp_path / "a.png"
    call = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb",
            "--window-size=500,600", f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={shot}", (tmp_path / "a.html").as_uri()]
    subprocess.run(call, check=True, capture_output=True, timeout=60)
    shown = pixels(shot.read_bytes())
    for at, vision in enumerate(VISIONS):
        for i, color in enumerate(colors):
            seen = color_seen(color, vision)
            wanted = [int(seen[k : k + 2], 16) for k in (1, 3, 5)]
            assert np.abs(shown[8 * at + 4, 8 * i + 4, :3] - wanted).max() <= 2, (vision, color, wanted)


def test_the_matrices_confuse_what_they_should():
    """A red and a green of one lightness fall together without long or middle cones, a blue and a green without short ones."""
    confused = {"deuteranopia": ("#a05a00", "#6f7200"), "protanopia": ("#c06000", "#7d7d00"), "tritanopia": ("#008b9c", "#009170")}
    for vision, (a, b) in confused.items():
        assert apart(color_seen(a, vision), color_seen(b, vision)) < 0.5 * apart(a, b), vision
    assert all(len({color_seen(c, "grey")[at : at + 2] for at in (1, 3, 5)}) == 1 for c in LIGHT.colors())


def test_the_picture_keeps_everything_else():
    text = SVG.format('{"a": "&lt;"}', '<g id="x"><text>a</text></g>')
    seen = seen_by(text, "tritanopia")
    root = ET.fromstring(seen)
    assert root.get("width") == "1in" and root.find("title").text == "t" and root.find("metadata").text == '{"a": "<"}'
    (group,) = [node for node in root if node.get("filter")]
    assert re.fullmatch(r"url\(#(.+)\)", group.get("filter"))[1] == root.find("filter").get("id") and group.find("g/text").text == "a"
    assert ET.fromstring(seen_by(seen, "grey")).find(".//text").text == "a"


@pytest.mark.parametrize("text", ["", "<p>a</p>", SVG.format("", "")[:-6]])
def test_what_is_no_svg(text):
    with pytest.raises(WorkbenchError, match="no SVG"):
        seen_by(text, "grey")
    with pytest.raises(WorkbenchError, match="unknown vision 'sepia'"):
        seen_by(SVG, "sepia")


@pytest.mark.parametrize(("theme", "least"), [(LIGHT, 20), (DARK, 14.9)], ids=["light", "dark"])
def test_groups_stay_apart_for_everyone(theme, least):
    colors = [theme.group(group) for group in GROUPS]
    for vision in BLIND:
        for a, b in itertools.combinations(colors, 2):
            assert apart(color_seen(a, vision), color_seen(b, vision)) >= least, (vision, a, b)
    for a, b in itertools.combinations((theme.candidate, theme.negative), 2):
        assert min(apart(color_seen(a, vision), color_seen(b, vision)) for vision in BLIND) >= 50


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_greys_are_a_ladder(theme):
    """Lines and marks of groups differ in lightness alone; shape doubles it."""
    ladder = sorted(lab(color_seen(theme.group(group), "grey"))[0] for group in GROUPS)
    assert min(np.diff(ladder)) >= 3, ladder
    ends = [lab(color_seen(color, "grey"))[0] for color in (theme.ink, theme.baseline, theme.ground)]
    assert min(abs(np.diff(ends))) >= 15
