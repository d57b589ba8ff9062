"""The figures of a trained result, all at once, and why one is lacking."""

import numpy as np
import pandas as pd
import pytest

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.figures.base import provenance_of
from workbench.figures.sets import figures_of
from workbench.scenario.recipe import GateSpec, Scenario
from workbench.scenario.run import run


@pytest.fixture(scope="module")
def results(planted_study):
    gate = GateSpec(hidden=(8,), steps=40)
    before = run(Scenario(name="before", gate=gate, seeds=(0, 1)), planted_study.study, cache=False)
    after = run(Scenario(name="after", debias="verbosity", gate=gate, seeds=(0, 1)), planted_study.study, cache=False)
    return planted_study.study, before, after


def test_all_figures_of_a_result(results):
    study, before, after = results
    pair = after.pairs["pair_id"].iloc[3]
    made, lacking = figures_of(after, study, baseline=before, pair=pair, theme="dark")
    assert set(made) == {"sections", "gate", "objectives", "verbosity", "comparison", "gate-prompt", "decomposition"}
    assert "no stored map" in lacking["prompt-map"]
    for name, fig in made.items():
        assert len(figures.table(fig)), name
    assert [s["id"] for s in provenance_of(made["comparison"])["scenarios"]] == [before.scenario.id, after.scenario.id]
    margin = figures.table(made["decomposition"])["contribution"].iloc[-1]
    assert margin == pytest.approx(after.margin[3], abs=1e-6)
    with pytest.raises(WorkbenchError, match="no pair 'nope'"):
        figures_of(after, study, pair="nope")


def test_what_a_trained_result_gives_besides(results):
    _, before, after = results
    curves = figures.table(figures.plot_learning({"before": before, "after": after}))
    assert curves.groupby("run")["seed"].nunique().to_dict() == {"after": 2, "before": 2}
    prompts = after.pairs["prompt_id"].unique()
    places = pd.DataFrame({"prompt_id": prompts, "x": np.arange(len(prompts)), "y": 0.5})
    for by in ("dominant", "section", "entropy"):
        assert len(figures.table(figures.plot_prompt_map(after, places=places, by=by))) == len(prompts)
