"""A scalar reward model's score of every response of a study. Killed at any moment, it goes on where it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from ..backbone.rewards import ScalarReward
from ..errors import WorkbenchError
from ..features import only_writer, open_tensor
from ..study import Study
from ..tables import Tables
from .engines import Engine, stated
from .progress import ExtractProgress
from .run import SHARD_ROWS, compute, with_text
from .store import Store
from .texts import Backbone
from .units import Plan


def score_responses(
    study: Study | Tables,
    model: str | Path | Backbone,
    *,
    name: str | None = None,
    work: str | Path | None = None,
    engine: str | Engine = "local",
    progress: Callable[[ExtractProgress], None] | None = None,
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """response_id and one column, the model's score of each response in its conversation, in the order of the responses.

    model: a name for `ScalarReward.load`, or one that is loaded; name: the column's, the end of the model's where None; work:
    a folder that keeps what is done, so that the same call goes on (the caller removes it), None to keep nothing; engine:
    "local", "ray", or `engines.Ray(…)`. NaN for a response that has no score: ``attrs["skipped"]`` says why, by response_id,
    and ``attrs["cut"]`` how many prompts (with encoders, pairs) were not read from their beginning. Raises WorkbenchError for
    a study without text, a model of several numbers, a column that the study has already, a folder of another model or text,
    and when `cancel` is set.
    """
    whole = study if isinstance(study, Tables) else Tables(*(study.table(table) for table in ("prompts", "responses", "pairs")))
    model = ScalarReward.load(model) if isinstance(model, (str, Path)) else model
    if model.dim != 1:
        raise WorkbenchError(f"{model.name} gives {model.dim} numbers, a score is one", remedy="Use a scalar reward model")
    name = name or Path(model.name).name
    if isinstance(study, Study) and (name in study.columns or name in study.objective_info):
        raise WorkbenchError(f"{name}: a column or an objective of this study already", where=study.name, remedy="Give it another name")
    tables = with_text(whole)
    plan = Plan.make(tables, SHARD_ROWS, separate=False)
    with TemporaryDirectory() if work is None else nullcontext(work) as folder, only_writer(Path(folder), ".score.lock"):
        store = Store(Path(folder), plan, 1, "F32")
        store.claim({**model.identity, "texts": plan.digest})
        compute(plan, store, model, stated(engine), progress and (lambda at: progress(replace(at, label="scores"))), cancel)
        scores = np.concatenate([open_tensor(store.path("response", unit.number), "response")[:, 0] for unit in plan.units])
    ids, skipped = tables.responses["response_id"], store.skipped["response"]
    column = pd.Series(scores.astype(np.float64), index=ids)
    column.iloc[list(skipped)] = np.nan
    found = pd.DataFrame({"response_id": whole.responses["response_id"].to_numpy()})
    found[name] = column.loc[found["response_id"]].to_numpy()
    found.attrs = {"skipped": {ids.iloc[row]: why for row, why in sorted(skipped.items())}, "cut": sum(map(len, store.cut.values()))}
    return found
