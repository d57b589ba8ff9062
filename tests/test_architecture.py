"""The shape of the package, read off the syntax tree and the files: who may import whom, how long, how light."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "workbench"
# A file imports only from those above it; within a package, never in a circle.
ORDER = (
    "errors", "axes", "budget", "hub", "tables", "readers", "measured", "bundle", "shards", "features", "rows", "scores", "writing",
    "study", "check", "publish", "backbone", "extract", "shipped", "projection", "preference", "objectives", "scalarize", "model", "armorm",
    "caches", "evaluate", "scenario", "session", "figures", "panels", "doctor", "commands",
)
EXEMPT = {"__init__", "__main__"}
MOST_LINES = 300
PLOTTING, WIDGETS, ENCODERS = {"plotly", "kaleido"}, {"ipywidgets", "anywidget"}, {"transformers", "sentence_transformers", "tokenizers"}
HEAVY = ("torch", "transformers", "plotly", "sklearn", "umap", "ipywidgets")
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def dotted(path: Path) -> tuple[str, ...]:
    """workbench/figures/export.py → ("figures", "export")."""
    return path.relative_to(PACKAGE).with_suffix("").parts


def imported(source: str, module: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Every import of a file, wherever it stands, as absolute dotted parts; ("workbench", …) for the package's own."""
    home = ("workbench", *module)[:-1]
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = home[: len(home) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            found += [(*base, alias.name) for alias in node.names]
    return found


@cache
def imports(path: Path) -> tuple[tuple[str, ...], ...]:
    return tuple(imported(path.read_text(encoding="utf-8"), dotted(path)))


def own(path: Path) -> list[tuple[str, ...]]:
    """The package's own modules that a file imports, as dotted parts below workbench."""
    known = {dotted(file) for file in FILES} | {dotted(file)[:-1] for file in FILES if file.stem == "__init__"}
    found = []
    for parts in imports(path):
        if parts[0] == "workbench":
            while parts[1:] and parts[1:] not in known:
                parts = parts[:-1]  # a name in a module
            found += [parts[1:]] if parts[1:] else []
    return found


def breaches(path: Path, targets: list[tuple[str, ...]]) -> list[str]:
    here = dotted(path)
    below = [target for target in targets if target[0] != here[0] and ORDER.index(target[0]) > ORDER.index(here[0])]
    return [f"{'/'.join(here)} imports {'/'.join(target)}, which is below it" for target in below]


def test_every_module_has_its_place_in_the_order():
    tops = {dotted(path)[0] for path in FILES} - EXEMPT
    assert tops <= set(ORDER), f"add to ORDER: {sorted(tops - set(ORDER))}"


@pytest.mark.parametrize("path", [p for p in FILES if dotted(p)[0] not in EXEMPT], ids=lambda p: "/".join(dotted(p)))
def test_imports_go_one_way(path):
    assert not breaches(path, own(path))


def test_a_wrong_import_would_be_seen():
    path = PACKAGE / "scores.py"
    lazy = "def f():\n    from .figures import export\n    import workbench.session\n"
    assert [parts[1] for parts in imported(lazy, ("scores",))] == ["figures", "session"]
    assert len(breaches(path, [("figures", "export"), ("session",), ("errors",)])) == 2
    assert imported("from ..evaluate.metrics import accuracy", ("figures", "rows")) == [("workbench", "evaluate", "metrics", "accuracy")]


def test_no_circle_within_a_package():
    graph = {dotted(path): {t for t in own(path) if t != dotted(path)[:-1]} for path in FILES if path.stem not in EXEMPT}

    def visit(module, trail):
        assert module not in trail, " → ".join("/".join(step) for step in (*trail, module))
        if module not in seen:
            for target in graph.get(module, ()):
                visit(target, (*trail, module))
            seen.add(module)

    seen: set = set()
    for module in graph:
        visit(module, ())


@pytest.mark.parametrize(("packages", "first"), [(PLOTTING, "figures"), (WIDGETS, "panels")])
def test_who_may_draw(packages, first):
    above = [path for path in FILES if dotted(path)[0] not in EXEMPT and ORDER.index(dotted(path)[0]) < ORDER.index(first)]
    guilty = [dotted(path) for path in above if packages & {parts[0] for parts in imports(path)}]
    assert above and not guilty, f"only {first}/ and what is below it imports {packages}"


def test_one_importer_of_encoders():
    assert {dotted(path)[0] for path in FILES if ENCODERS & {parts[0] for parts in imports(path)}} <= {"backbone", "armorm"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: "/".join(dotted(p)))
def test_files_are_short(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{lines} lines: split it"


def loaded_by(code: str) -> set[str]:
    ask = f"{code}\nimport sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, cwd=ROOT, timeout=120)
    return set(done.stdout.split())


def test_importing_is_light():
    assert loaded_by("import workbench as wb; wb.Study, wb.Features, wb.Scores, wb.demo") == set()
    assert loaded_by("from workbench.__main__ import parser; parser()") == set()
    assert loaded_by("import plotly") == {"plotly"}  # the question can be answered with yes


def test_public_names_all_load():
    code = "import workbench as wb; print([name for name in wb.__all__ if getattr(wb, name, None) is None])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip() == "[]"


def test_no_public_name_hides_behind_a_module():
    """Importing a submodule puts it on the package: a function of the same name would be lost."""
    import workbench

    tops = {dotted(path)[0] for path in FILES}
    assert {name for name in workbench.__all__ if name in tops} == workbench._MODULES


# -- what is in the repository ---------------------------------------------------------------------

HOMES = re.compile(r"(?<![\w.~\\}])/(?:work|root|home|Users|mnt|srv)/[\w.]")
_NAMES = ("pypi.org", "pythonhosted", "download.pytorch", "npmjs", "deb.debian", "extra-index-url", "--index-url")
REGISTRIES = re.compile("|".join(map(re.escape, _NAMES)))
TEXT = {".py", ".toml", ".yml", ".md", ".js", ".css", ".lock", ".cff", ".ipynb", ".json", ".cfg", ""}


def tracked() -> list[Path]:
    """Files under version control; in an exported tree, every file that is not hidden or built."""
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if out.returncode == 0 and out.stdout:
        return [ROOT / name for name in out.stdout.split("\0") if name and (ROOT / name).is_file()]
    skip, found = {"build", "runs", "__pycache__"}, []
    for folder, inside, names in os.walk(ROOT):
        inside[:] = [name for name in inside if name not in skip and (name[0] != "." or name == ".ci")]
        found += [Path(folder, name) for name in names]
    return found


@pytest.fixture(scope="module")
def tracked_texts() -> dict[Path, str]:
    prose, here = ROOT / "data" / "source", Path(__file__)
    listed = [path for path in tracked() if path.suffix in TEXT and prose not in path.parents and path != here]
    return {path: path.read_text(encoding="utf-8", errors="replace") for path in listed}


@pytest.mark.parametrize(("pattern", "example"), [(HOMES, "open('/{}/me')"), (REGISTRIES, "{}/simple")])
def test_no_private_places(pattern, example, tracked_texts):
    assert pattern.search(example.format("home" if pattern is HOMES else _NAMES[0]))
    found = {str(path.relative_to(ROOT)): pattern.search(text).group() for path, text in tracked_texts.items() if pattern.search(text)}
    assert len(tracked_texts) > 50 and not found
