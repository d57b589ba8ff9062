"""Data sets by their name on the Hugging Face hub: from its local cache, or by one attempt that does not wait."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import WorkbenchError, listing
from ..hub import within
from .names import DESCRIBED, PART, complete, data

WAIT = 4.0  # seconds for the hub's first answer
ROWS = ("*.parquet", "*.jsonl", "*.jsonl.gz", "*.json", "*.json.gz")


def fetch(name: str, part: str | None) -> tuple[Path, list[str]]:
    """A folder and the files in it: of the data set `name`, or of one split, configuration, or "configuration/split" of it.

    WorkbenchError where neither the cache nor the hub has it, at once and without retries; and for one of several
    configurations that has to be named.
    """
    try:
        import huggingface_hub as hub
    except ImportError:
        raise WorkbenchError("no such file or folder", where=name, remedy="Names on the hub need `pip install huggingface_hub`") from None
    folder = _cached(hub, name, part)
    files = [] if folder is None else choose([p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()], name, part)
    if not files:
        folder, files = _downloaded(hub, name, part)
    complete(files)
    return folder, files


def choose(files: list[str], name: str, part: str | None) -> list[str]:
    """The files with the rows asked for: parquet where there is any, else JSON; a configuration is a folder."""
    rows = sorted(file for file in files if data(file))
    rows = [file for file in rows if file.endswith(".parquet")] or rows
    if part is not None:
        rows = [file for file in rows if part in (_configuration(file), _split(file), f"{_configuration(file)}/{_split(file)}")]
    known = list(dict.fromkeys(map(_configuration, rows)))
    if len(known) < 2 or DESCRIBED in files:  # what `publish` wrote is one whole
        return rows
    if "" not in known:
        remedy = f"Name one, for example {name}:{known[0]}"
        raise WorkbenchError(f"several configurations: {listing(known, 12)}", where=name, remedy=remedy)
    return [file for file in rows if not _configuration(file)]


def _configuration(file: str) -> str:
    """The outermost folder; none for those that lie at the top."""
    parts = PurePosixPath(file).parts
    return parts[0] if len(parts) > 1 else ""


def _split(file: str) -> str:
    """test of "data/test-00000-of-00002.parquet", of "main/test.jsonl.gz" and of "main/test/0000.parquet"."""
    path = PurePosixPath(file)
    numbered = PART.match(path.name)
    stem = numbered.group(1) if numbered else path.name.split(".")[0]
    return path.parent.name if stem.isdigit() or not stem else stem


def _cached(hub: Any, name: str, part: str | None) -> Path | None:
    wanted = [f"*{part}*"] if part else [*ROWS, DESCRIBED]
    try:
        return Path(hub.snapshot_download(name, repo_type="dataset", local_files_only=True, allow_patterns=wanted))
    except Exception:  # of many kinds, which differ between the library's versions: it is not here, or not whole
        return None


def _downloaded(hub: Any, name: str, part: str | None) -> tuple[Path, list[str]]:
    def ask() -> list[str]:
        return [entry.rfilename for entry in hub.HfApi().dataset_info(name, timeout=WAIT).siblings or []]

    try:
        files = choose(within(WAIT, ask), name, part)
        if not files:
            what = f"no rows of {part!r} in parquet or JSON" if part else "no rows in parquet or JSON"
            raise WorkbenchError(what, where=name, remedy="Download the data set in such a form and name its folder")
        return Path(hub.snapshot_download(name, repo_type="dataset", allow_patterns=[*files, DESCRIBED])), files
    except WorkbenchError:
        raise
    except Exception as error:  # the library's own, or the network's beneath it
        found = type(error).__name__
        missing = found in ("RepositoryNotFoundError", "GatedRepoError", "HFValidationError")
        what = f"no data set of that name that the hub lets you read ({found})" if missing else f"the hub cannot be reached ({found})"
        remedy = "There is no file or folder of that name either: check it, or download the data set and name its folder"
        raise WorkbenchError(what, where=name, remedy=remedy) from None
