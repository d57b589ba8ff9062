"""A stored map, and texts that are hard to show, for the tests of the Explore screen."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.projection import PromptMap
from workbench.study import Study

HARD = {
    "html": "<img src=x onerror=alert(1)><script>document.title='gone'</script> & <b>bold</b>", "arabic": "مرحبا كيف حالك اليوم؟",
    "emoji": "Name this 🫖\u200d please", "long": "kilometre " * 5000, "lines": "First line of mine\n\n\tthen   another", "blank": "  \n ",
}


def map_of(study: Study, *, but: int = 0) -> PromptMap:
    """Prompts on a grid in two clusters by section, the last ones in none; without `but` of dev."""
    prompts = study.prompts
    n, dev = len(prompts), np.flatnonzero(prompts["split"] == "dev")
    cluster = (prompts["section"] == "Safety").to_numpy(int)
    cluster[dev[:3]] = -1
    x, y = np.arange(n) % 11.0 + 20 * np.maximum(cluster, 0), np.arange(n) // 11.0
    places = pd.DataFrame({"prompt_id": prompts["prompt_id"], "x": x, "y": y, "cluster": cluster.astype(np.int32),
                           "kept": np.linspace(0, 1, n, dtype=np.float32)})
    clusters = pd.DataFrame({"cluster": [0, 1], "name": ["small talk", "locks, keys"], "n": n // 2, "x": [5.0, 25.0], "y": 5.0})
    places = places.drop(index=dev[4 : 4 + but])
    return PromptMap(places, clusters, {"seeds": 3, "study": study.hash}, 0.81)


def scale_of(result) -> float:
    """The mean of the weights' row sums, row by row."""
    sums = [sum(float(weight) for weight in row) for seed in result.weights for row in seed]
    return sum(sums) / len(sums)


def keep_map(monkeypatch, stored: PromptMap | None) -> None:
    """What the screen finds stored, whatever the study."""
    from workbench.errors import WorkbenchError

    def found(study):
        if stored is None:
            raise WorkbenchError("no stored map")
        return stored

    monkeypatch.setattr(importlib.import_module("workbench.panels.atlas"), "stored_map", found)


def worded(study: Study, *, text: bool = True) -> Study:
    """The study in memory with hard prompts among its dev prompts, or without any text."""
    names = ("prompts", "responses", "pairs", "splits", "ratings")
    tables = {name: study.table(name) for name in names}
    if not text:
        tables |= {name: tables[name].drop(columns="text") for name in ("prompts", "responses")}
        return replace(study, tables=tables)
    dev = study.prompts.query("split == 'dev'")["prompt_id"].tolist()[: len(HARD)]
    prompts = tables["prompts"].set_index("prompt_id")
    prompts.loc[dev, "text"] = list(HARD.values())
    return replace(study, tables={**tables, "prompts": prompts.reset_index()})
