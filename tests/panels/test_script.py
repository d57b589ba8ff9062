"""What goes to the page as it stands: scripts that read no markup and reach for nothing, styles with legible text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workbench import panels
from workbench.panels.panel import Panel

HERE = Path(panels.__file__).parent
SCRIPTS, STYLES = sorted(HERE.rglob("*.js")), sorted(HERE.rglob("*.css"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_reads_no_markup_and_reaches_for_nothing(path):
    text = path.read_text(encoding="utf-8")
    reach = ("import(", "fetch(", "XMLHttpRequest", "WebSocket", "eval(", "new Function")
    for forbidden in ("insertAdjacentHTML", "document.write", "DOMParser", *reach):
        assert forbidden not in text
    assert not re.search(r"(inner|outer)HTML\s*\+?=[^=]", text)
    assert set(re.findall(r"https?://[^\"'\s]+", text)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}
    assert "import " not in re.sub(r"//.*", "", text)


def test_the_module_is_all_of_them_and_exports_once():
    assert Panel._esm.count("export default") == 1
    assert all(path.read_text(encoding="utf-8") in Panel._esm for path in SCRIPTS)


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.stem)
def test_a_style_fetches_nothing_and_has_no_small_text(path):
    css = path.read_text(encoding="utf-8")
    assert "url(" not in css and "@import" not in css
    sizes = [float(size) for sizes in re.findall(r"(\d+(?:\.\d+)?)px/\d+px|font-size: (\d+(?:\.\d+)?)px", css) for size in sizes if size]
    assert min(sizes, default=11) >= 11
