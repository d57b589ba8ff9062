"""The feature files of RLHFlow's two stages (ArmoRM, arXiv 2406.12845, released code): opened by their headers, read by the block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..armorm.checkpoint import OBJECTIVES
from ..axes import PairSideDim, RowDim
from ..errors import WorkbenchError, listing
from ..readers.names import PART, complete
from ..shards import AGAIN, DTYPES, Shard, as_float32

READ = 2**24  # bytes of features that are read at once
SUFFIX = ".safetensors"


class Tensor(NamedTuple):
    """A tensor of a file, of any rank: its first axis is read in pieces."""

    shard: Shard

    @classmethod
    def open(cls, path: Path, name: str, rank: int, axes: str) -> Tensor:
        shard = Shard.open(path, name)
        if len(shard.shape) != rank:
            what = f"{name} has shape {list(shard.shape)}, wanted {axes}"
            raise WorkbenchError(what, where=path.name, remedy="Is it of the other stage?")
        return cls(shard)

    def __len__(self) -> int:
        return self.shard.shape[0]

    def __getitem__(self, some: slice) -> np.ndarray:
        """Rows as they are stored, a copy: bfloat16 as its bits. WorkbenchError for a file cut short since it was opened."""
        start, stop, _ = some.indices(len(self))
        out = np.empty((stop - start, *self.shard.shape[1:]), DTYPES[self.shard.dtype])
        with open(self.shard.path, "rb", buffering=0) as file:
            file.seek(self.shard.start + start * (out.nbytes // max(len(out), 1)))
            if file.readinto(out.reshape(-1).view(np.uint8)) != out.nbytes:
                raise WorkbenchError("truncated: it was cut short since it was opened", where=self.shard.path.name, remedy=AGAIN)
        return out


class Rated(NamedTuple):
    """A block of stage 1: rows `start` … of a data set, as stored [n d]; labels [n K], NaN where unrated."""

    dataset: str
    start: int
    stored: np.ndarray
    labels: Float[np.ndarray, "row obj"]

    @property
    def features(self) -> RowDim:
        return as_float32(self.stored)


class Compared(NamedTuple):
    """A block of stage 2: pairs `start` … of a file, as stored: prompts [n d], chosen and rejected [n 2 d]."""

    name: str
    start: int
    prompts: np.ndarray
    stored: np.ndarray

    @property
    def features(self) -> PairSideDim:
        return as_float32(self.stored)


@dataclass(frozen=True, eq=False)
class Stage1:
    """Rated responses: files of one data set follow one another; objectives name the K columns of the labels."""

    files: tuple[tuple[str, Tensor, Tensor], ...]  # data set, embeddings [N d], labels [N K]
    objectives: tuple[str, ...]

    @property
    def dim(self) -> int:
        return self.files[0][1].shard.shape[1]

    @property
    def dtypes(self) -> set[str]:
        return {embeddings.shard.dtype for _, embeddings, _ in self.files}

    def __len__(self) -> int:
        return sum(len(embeddings) for _, embeddings, _ in self.files)

    def blocks(self) -> Iterator[Rated]:
        """All rows, in order; WorkbenchError names file and row of an embedding that is not finite, and of an infinite label."""
        begun: dict[str, int] = {}
        for dataset, embeddings, labels in self.files:
            first = begun.get(dataset, 0)
            begun[dataset] = first + len(embeddings)
            for some in _pieces(embeddings):
                stored, rated = embeddings[some], as_float32(labels[some])
                _finite(stored, embeddings.shard, some.start)
                infinite = np.flatnonzero(np.isinf(rated).any(axis=1))
                if len(infinite):
                    rows = listing(some.start + infinite)
                    raise WorkbenchError(f"infinite label in rows {rows}", where=labels.shard.path.name, remedy="NaN stands for unrated")
                yield Rated(dataset, first + some.start, stored, rated)


@dataclass(frozen=True, eq=False)
class Stage2:
    """Pairs: one file for each data set, source and split."""

    files: tuple[tuple[str, Tensor, Tensor], ...]  # name, embeddings [N 2 d], prompt_embeddings [N 2 d]

    @property
    def dim(self) -> int:
        return self.files[0][1].shard.shape[2]

    @property
    def dtypes(self) -> set[str]:
        return {tensor.shard.dtype for _, *both in self.files for tensor in both}

    def __len__(self) -> int:
        return sum(len(embeddings) for _, embeddings, _ in self.files)

    def blocks(self) -> Iterator[Compared]:
        """All pairs, in order; WorkbenchError names file and row of one that is not finite, or whose two prompt rows differ."""
        for name, embeddings, prompts in self.files:
            for some in _pieces(embeddings):
                stored, both = embeddings[some], prompts[some]
                _finite(stored, embeddings.shard, some.start)
                _finite(both, prompts.shard, some.start)
                differ = np.flatnonzero((both[:, 0] != both[:, 1]).any(axis=1))
                if len(differ):
                    what = f"prompt rows differ in rows {listing(some.start + differ)}"
                    raise WorkbenchError(what, where=f"{name}{SUFFIX}", remedy="Both answers have the same prompt: cache the file again")
                yield Compared(name, some.start, both[:, 0], stored)


def read_stage1(files: str | Path | Iterable[str | Path], objectives: Sequence[str] | None = None) -> Stage1:
    """Open "{dataset}-{shard}-of-{n}.safetensors" with embeddings [N d] and labels [N K]: a folder, a file, or several.

    objectives: names of the labels; None where K is 19: those of the published model. WorkbenchError for a missing shard, a
    truncated file, and for sizes that differ between files; no row is read yet (`blocks` reads and checks them).
    """
    found = []
    for path in _paths(files):
        part = PART.match(path.name)
        embeddings, labels = Tensor.open(path, "embeddings", 2, "[N, d]"), Tensor.open(path, "labels", 2, "[N, K]")
        if len(labels) != len(embeddings):
            raise WorkbenchError(f"{len(labels)} labels beside {len(embeddings)} embeddings", where=path.name, remedy=AGAIN)
        found.append((part.group(1) if part else path.stem, embeddings, labels))
    _same((embeddings for _, embeddings, _ in found), "embeddings", "dims")
    _same((labels for *_, labels in found), "labels", "objectives")
    return Stage1(tuple(found), _named(objectives, found[0][2].shard.shape[1]))


def read_stage2(files: str | Path | Iterable[str | Path]) -> Stage2:
    """Open "{dataset}-{split}.safetensors" with embeddings and prompt_embeddings [N 2 d]: a folder, a file, or several.

    WorkbenchError for a truncated file and for sizes that do not fit; no row is read yet.
    """
    found = []
    for path in _paths(files):
        both = [Tensor.open(path, name, 3, "[N, 2, d]") for name in ("embeddings", "prompt_embeddings")]
        if both[0].shard.shape != both[1].shard.shape or both[0].shard.shape[1] != 2:
            shapes = " and ".join(str(list(tensor.shard.shape)) for tensor in both)
            raise WorkbenchError(f"embeddings and prompt_embeddings have shapes {shapes}, wanted [N, 2, d]", where=path.name, remedy=AGAIN)
        found.append((path.stem, *both))
    _same((embeddings for _, embeddings, _ in found), "embeddings", "dims")
    return Stage2(tuple(found))


def _paths(files: str | Path | Iterable[str | Path]) -> list[Path]:
    """Files in order of data set and shard, all of them there."""
    if isinstance(files, (str, Path)):
        where = Path(files)
        files = sorted(where.glob(f"*{SUFFIX}")) if where.is_dir() else [where]
        if not files:
            raise WorkbenchError(f"no {SUFFIX} file here", where=str(where), remedy="Name the files, or the folder that holds them")
    paths = sorted(map(Path, files), key=lambda path: path.name)
    if not paths:
        raise WorkbenchError("no file named", remedy="Name the files, or the folder that holds them")
    complete(path.name for path in paths)
    return paths


def _same(tensors: Iterable[Tensor], what: str, of: str) -> None:
    shards = [tensor.shard for tensor in tensors]
    for shard in shards:
        if shard.shape[-1] != shards[0].shape[-1]:
            said = f"{what} of {shard.shape[-1]} {of}, of {shards[0].shape[-1]} in {shards[0].path.name}"
            raise WorkbenchError(said, where=shard.path.name, remedy="Files of one study come from one backbone and one list of objectives")


def _named(objectives: Sequence[str] | None, count: int) -> tuple[str, ...]:
    names = tuple(OBJECTIVES if objectives is None and count == len(OBJECTIVES) else objectives or ())
    if len(names) != count or len(set(names)) != count:
        raise WorkbenchError(f"{count} columns of labels and {len(set(names))} names", where="objectives",
                             remedy="Name each column, in order: objectives=(…)")
    return names


def _pieces(tensor: Tensor) -> Iterator[slice]:
    width = 4 * int(np.prod(tensor.shard.shape[1:], dtype=np.int64))
    size = max(READ // max(width, 1), 1)
    return (slice(start, min(start + size, len(tensor))) for start in range(0, len(tensor), size))


def _finite(stored: np.ndarray, shard: Shard, start: int) -> None:
    bad = np.flatnonzero(~np.isfinite(as_float32(stored)).reshape(len(stored), -1).all(axis=1))
    if len(bad):
        remedy = "Cache these rows again, or leave them out"
        raise WorkbenchError(f"NaN or infinite {shard.name} in rows {listing(start + bad)}", where=shard.path.name, remedy=remedy)
