"""Files and folders written whole: beside, synced and renamed, with a hash of every byte, and trusted only if it agrees."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from .errors import WorkbenchError

DESCRIBED = "index.json"
RESTORE = "Restore it from a copy or write the study again"


def home_of(folder: Path | None, digest: str, name: str, *, package: Path = Path(__file__).parent) -> Path:
    """Where what is computed of a study is kept: beside it; or in the user's cache, where there is no folder, it cannot be
    written, or it is installed with the package.
    """
    if folder is not None:
        folder = folder.resolve()
        installed = package in folder.parents or "site-packages" in folder.parts or "dist-packages" in folder.parts
        if not installed and os.access(folder, os.W_OK):
            return folder / name
    return _user_cache() / digest / name


def _user_cache() -> Path:
    if os.environ.get("WORKBENCH_CACHE"):
        return Path(os.environ["WORKBENCH_CACHE"])
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "workbench"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "workbench"


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_hash(files: dict[str, str]) -> str:
    """Twelve hexadecimal digits over the hashes of a study's files."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]


def write_atomic(path: Path, data: bytes) -> None:
    """Write beside, sync, rename: the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """One table, whole or not at all."""
    write_atomic(path, parquet_bytes(frame))


def read_parquet(path: Path, digest: str | None = None, columns: list[str] | None = None) -> pd.DataFrame:
    """One table, or those of the columns that it has; WorkbenchError for what is not parquet, or whose SHA-256 is not `digest`."""
    import pyarrow as pa

    try:
        with open(path, "rb") as file:
            if digest is not None and hashlib.file_digest(file, "sha256").hexdigest() != digest:
                what = "hash does not match: the file was changed after the study was written"
                raise WorkbenchError(what, where=str(path), remedy=RESTORE)
            if columns is not None:
                there = parquet_columns(path)
                columns = [name for name in columns if name in there]
            file.seek(0)
            return pd.read_parquet(file, columns=columns)
    except WorkbenchError:
        raise
    except (OSError, pa.ArrowException, ValueError) as error:
        raise WorkbenchError(f"not a readable parquet file ({type(error).__name__})", where=str(path), remedy=RESTORE) from None


def parquet_columns(path: Path) -> list[str]:
    """Names of a table's columns; reads no row."""
    import pyarrow.parquet as pq

    return pq.read_schema(path).names


def lock(path: Path):
    """A lock between processes, beside what it guards."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(str(path) + ".lock", timeout=120)


def write_folder(folder: Path, files: dict[str, bytes], about: dict) -> None:
    """Write a whole folder beside and rename it into place; what was there is replaced at once."""
    described = {**about, "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}
    described["digest"] = _digest(described)
    with lock(folder):
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        shutil.copymode(folder.parent, beside)  # as open to others as the folder it lies in
        try:
            for name, data in {**files, DESCRIBED: json.dumps(described, indent=1, ensure_ascii=False).encode()}.items():
                write_atomic(beside / name, data)
            if folder.exists():
                old = beside.with_suffix(".old.part")
                os.rename(folder, old)
                os.rename(beside, folder)
                shutil.rmtree(old, ignore_errors=True)
            else:
                os.rename(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def read_folder(folder: Path) -> tuple[dict, dict[str, bytes]]:
    """What was written, every hash held against its bytes. WorkbenchError names the file that does not agree."""
    remedy = "Delete the folder; it is computed again"
    try:
        about = json.loads((folder / DESCRIBED).read_text(encoding="utf-8"))
        if about.pop("digest") != _digest(about):
            raise ValueError
        files = {name: (folder / name).read_bytes() for name in about["files"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise WorkbenchError("damaged or incomplete", where=str(folder / DESCRIBED), remedy=remedy) from None
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != about["files"][name]:
            raise WorkbenchError("bytes are not the ones that were written", where=str(folder / name), remedy=remedy)
    return about, files


def _digest(about: dict) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays in safetensors form."""
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(value) for name, value in arrays.items()})


def unpack(data: bytes) -> dict[str, np.ndarray]:
    from safetensors.numpy import load

    return load(data)
