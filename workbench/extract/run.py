"""Text → a study with features. Killed at any moment, it goes on where it was and ends at the same bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WorkbenchError
from ..features import KINDS, only_writer, write_index
from ..study import Study
from ..tables import Tables
from .engines import Engine, stated
from .progress import Clock, ExtractProgress
from .store import Pace, Store
from .texts import Backbone, Encoder, Texts, as_backbone
from .units import Plan, Unit, in_prompt_order

SHARD_ROWS = 1024


def extract(
    tables: Tables,
    folder: str | Path,
    *,
    backbone: str | Path | Encoder | Backbone = "all-MiniLM-L6-v2",
    max_tokens: int | None = None,
    shard_rows: int = SHARD_ROWS,
    dtype: str = "F16",
    name: str | None = None,
    engine: str | Engine = "local",
    model: Any = None,
    progress: Callable[[ExtractProgress], None] | None = None,
    cancel: threading.Event | None = None,
    **info,
) -> Study:
    """Compute features of every prompt and response and write the study; what is there twice is computed once.

    backbone: a name for `backbone.load`, or one that is loaded; max_tokens: it reads of a text (sentence encoders) or
    of a conversation (decoder models), its own limit when None; dtype: of the stored features, F16, BF16 or F32; engine:
    "local", "ray", or `engines.Ray(…)`; model: a reward model to keep with the study; info goes into study.json (licence
    and the like). Responses are stored in the order of their prompts, in shards of about shard_rows rows that appear one
    by one under ``folder/features``: a killed run loses some twenty seconds of work, and the same call goes on. Raises
    WorkbenchError for invalid tables, a folder that holds a study or another extraction, a full disk, and when `cancel` is set.
    """
    folder, tables = Path(folder), with_text(tables)
    with only_writer(folder, ".extract.lock"):
        backbone = as_backbone(backbone, {} if max_tokens is None else {"max_tokens": max_tokens})
        if max_tokens not in (None, backbone.max_tokens):
            what = f"max_tokens {max_tokens} beside a backbone that reads {backbone.max_tokens}"
            raise WorkbenchError(what, remedy="Load it with that limit")
        (folder / "features").mkdir(parents=True, exist_ok=True)
        plan = Plan.make(tables, shard_rows, isinstance(backbone, Texts))
        store = Store(folder / "features", plan, backbone.dim, dtype)
        store.claim({**backbone.identity, "dtype": dtype, "shard_rows": shard_rows, "texts": plan.digest})
        store.room()
        compute(plan, store, backbone, stated(engine), progress, cancel)
        return Study.write(tables, folder, name=name, features=_finished(store, backbone), model=model, **info)


def with_text(tables: Tables) -> Tables:
    """Valid tables whose every row has a text, responses in the order of their prompts."""
    tables = tables.validated()
    for table in ("prompts", "responses"):
        frame = getattr(tables, table)
        if "text" not in frame.columns or frame["text"].isna().any():
            raise WorkbenchError("no text to encode", where=f"{table}, column text", remedy="Features need the text of every row")
    return replace(tables, responses=in_prompt_order(tables))


@dataclass
class _Open:
    """A unit that is being computed."""

    unit: Unit
    vectors: np.ndarray
    batches: int  # in all
    done: int  # of them
    skipped: dict[int, str]
    cut: tuple[int, ...]
    weight: float  # characters that stand for one row
    told: int = 0  # rows that progress has counted


def compute(plan: Plan, store: Store, backbone: Backbone, engine: Engine, progress, cancel) -> None:
    """Every shard that is not there yet, in order; a unit in the middle is kept from time to time."""
    weights = {unit.number: plan.characters(unit) for unit in plan.units}
    clock, pace = Clock(sum(unit.rows for unit in plan.units), sum(weights.values()), progress), Pace()
    opened: deque[_Open] = deque()

    def ahead() -> Iterator[Any]:
        """Every batch that is left, in order; what is known of its unit is noted on the way."""
        for unit in plan.units:
            if store.found(unit):
                clock.there(unit.rows, weights[unit.number])
                continue
            work = backbone.plan(plan.groups(unit))
            vectors, done = store.begun(unit)
            opened.append(_Open(unit, vectors, len(work.batches), done, work.skipped, work.cut, weights[unit.number] / unit.rows))
            yield from work.batches[done:]

    def close() -> None:
        """Units at the front that are whole become shards, in order: what repeats an earlier row finds it on disk."""
        while opened and opened[0].done == opened[0].batches:
            one = opened.popleft()
            store.finish(one.unit, one.vectors, one.skipped, one.cut)
            if rest := one.unit.rows - one.told:  # repeats, and what was skipped
                clock.tick(rest, rest * one.weight, 0)

    for batch, rows in engine(backbone, ahead()):
        close()  # those of which nothing had to be computed
        one = opened[0]
        if rows.shape != (len(batch.slots), backbone.dim):
            raise WorkbenchError(f"{backbone.name} gave {rows.shape}, wanted {(len(batch.slots), backbone.dim)}")
        one.vectors[batch.slots] = rows
        one.done, one.told = one.done + 1, one.told + len(rows)
        clock.tick(len(rows), len(rows) * one.weight, batch.tokens)
        close()
        stop = cancel is not None and cancel.is_set()
        if opened and opened[0].done and (stop or pace.due()):
            store.keep(opened[0].unit, opened[0].vectors, opened[0].done)
        if stop:
            raise WorkbenchError("extraction cancelled", where=str(store.folder), remedy="The same call goes on where it stopped")
    close()


def _finished(store: Store, backbone: Backbone) -> dict:
    """The index beside the shards, and what study.json says of the features."""
    numbers = [unit.number for unit in store.plan.units]
    write_index(store.folder, {
        kind: {"dim": backbone.dim, "dtype": store.dtype, "shards": [store.done[number][kind] for number in numbers],
               "skipped": {str(row): why for row, why in sorted(store.skipped[kind].items())}}
        for kind in KINDS
    })
    for left in [*store.folder.glob(".*.part"), *store.folder.glob(".*.spool")]:  # of killed runs; nobody else writes here
        left.unlink(missing_ok=True)
    told = {name: value for name, value in backbone.identity.items() if name not in ("encoder", "weights", "max_tokens", "dim")}
    return {"compose": list(backbone.compose), "backbone": backbone.name, "weights": backbone.fingerprint,
            "max_tokens": backbone.max_tokens, "truncated": {kind: len(rows) for kind, rows in store.cut.items()}, **told}
