"""One list of packages, said four times: pyproject.toml, the lock, environment.yml, and the wheel's contents."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = [line for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
CONDA_NAMES = {"pytorch": "torch", "python-kaleido": "kaleido", "huggingface_hub": "huggingface-hub", "ray-data": "ray"}
PLACES = [("Linux", "linux", "x86_64"), ("Linux", "linux", "aarch64"), ("Darwin", "darwin", "arm64")]
ENVIRONMENTS = [
    {
        "python_version": python, "python_full_version": f"{python}.0", "platform_system": system, "sys_platform": platform,
        "platform_machine": machine, "os_name": "posix", "implementation_name": "cpython", "platform_python_implementation": "CPython",
    }
    for python in ("3.11", "3.12", "3.13") for system, platform, machine in PLACES
]


def wanted() -> dict[str, Requirement]:
    """Everything that pyproject.toml asks for, extras included."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    listed = [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in extra), *PROJECT["build-system"]["requires"]]
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in listed}


def locked(environment: dict) -> dict[str, str]:
    """What the lock installs in an environment: name → version."""
    listed = [Requirement(line) for line in LOCK]
    return {
        canonicalize_name(r.name): next(iter(r.specifier)).version for r in listed if r.marker is None or r.marker.evaluate(environment)
    }


def test_lock_is_plain():
    form = re.compile(r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+(?:; [a-z_]+ (?:==|<) \"[\w.]+\")?$")
    assert [line for line in LOCK if not form.match(line)] == []  # no index, no address, no local version such as +cpu
    assert not form.match("torch==2.13.0+" "cpu") and not form.match("--find-links somewhere")
    names = [canonicalize_name(Requirement(line).name) for line in LOCK]
    assert sorted(set(names)) == sorted(names)
    assert "torch==2.13.0" in LOCK


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: f"{e['python_version']}-{e['sys_platform']}-{e['platform_machine']}")
def test_lock_is_complete(environment):
    """Whatever a locked package requires there is locked too, in a version that it accepts."""
    versions = locked(environment)
    lacking = [f"workbench needs {r}" for name, r in wanted().items() if not r.specifier.contains(versions.get(name, "0"))]
    queue, seen = [(name, frozenset(r.extras)) for name, r in wanted().items()], set()
    while queue:
        name, extras = queue.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        for need in map(Requirement, requires):
            if need.marker is None or any(need.marker.evaluate({**environment, "extra": extra}) for extra in extras or {""}):
                key = canonicalize_name(need.name)
                if key.startswith(("nvidia-", "cuda-")) or key == "triton":
                    continue  # torch's own, completed by `make setup` where its build asks for them
                if key not in versions or not need.specifier.contains(versions[key], prereleases=True):
                    lacking.append(f"{name} needs {need}")
                queue.append((key, frozenset(need.extras)))
    assert not lacking
    assert set(versions) <= {name for name, _ in seen} | {"wheel"}, "the lock holds what nothing needs"


def test_environment_is_pyproject():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    conda = {name: Requirement(entry.replace(" ", "")) for entry in listed if isinstance(entry, str) for name in [entry.split()[0]]}
    assert str(conda.pop("python").specifier) == str(Requirement("python" + PROJECT["project"]["requires-python"]).specifier)
    assert conda.pop("pip") and pip[-1] == "-e ."
    there = {CONDA_NAMES.get(name, name): r.specifier for name, r in conda.items()}
    there |= {Requirement(line).name: Requirement(line).specifier for line in pip[:-1]}
    here = {name: r.specifier for name, r in wanted().items() if name != "setuptools"}
    assert there == here


def test_versions_agree():
    version = PROJECT["project"]["version"]
    assert f'__version__ = "{version}"' in (ROOT / "workbench" / "__init__.py").read_text(encoding="utf-8")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version and citation["license"] == PROJECT["project"]["license"]
    assert f"## {version} — {citation['date-released']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_packages_are_all_listed():
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "workbench").rglob("*.py")}
    listed = {name for name in PROJECT["tool"]["setuptools"]["packages"] if name != "workbench._demo"}
    assert listed == {".".join(folder.parts) for folder in folders}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built without a network in a copy of the tree."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    ignore = shutil.ignore_patterns("__pycache__", "runs", ".*")
    for name in ("workbench", "data/demo"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    (copy / "data/demo/runs").mkdir()
    (copy / "data/demo/runs/result.json").write_text("{}")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return next(out.glob("workbench-*.whl"))


def test_wheel_holds_what_it_needs(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = [path for path in (ROOT / "workbench").rglob("*") if path.suffix in {".py", ".js", ".css"}]
    assert {str(path.relative_to(ROOT)) for path in sources} <= names
    shipped = [path for path in (ROOT / "data/demo").rglob("*") if path.is_file() and "runs" not in path.parts and path.name[0] != "."]
    assert {f"workbench/_demo/{path.relative_to(ROOT / 'data/demo')}" for path in shipped} <= names
    assert not [name for name in names if "/runs/" in name or name.startswith(("tests", "data"))]


def test_wheel_opens_the_shipped_study(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = "import workbench as wb; s = wb.demo(); print(wb.__file__, s.folder, s.hash, s.features('dev').response.shape[1])"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); {code}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    package, folder, _, sides = done.stdout.split()
    assert package.startswith(str(tmp_path)) and folder.startswith(str(tmp_path)) and sides == "2"
