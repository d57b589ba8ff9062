"""Probes fitted to streams are those fitted to everything in memory; what needs no features reads none."""

from __future__ import annotations

import numpy as np
import pytest
from scenario.test_inputs import rewritten

from workbench import budget
from workbench.errors import WorkbenchError
from workbench.objectives.probes import cross_fit
from workbench.scenario import inputs
from workbench.scenario.fitted import FOLDS, fit_probes, rating_rows
from workbench.scenario.recipe import Scenario
from workbench.scenario.run import run
from workbench.study import Study


@pytest.fixture(scope="module")
def sparse(wide, tmp_path_factory) -> Study:
    """A rated train response was skipped, and half of the train responses have no rating at all."""
    ratings, split = wide.study.ratings, wide.study.responses["split"]
    ratings.loc[ratings.index % 2 == 1, list(wide.study.objectives)] = np.nan
    skipped = int(np.flatnonzero((split == "train") & (ratings.index % 2 == 0))[3])
    assert ratings.loc[skipped, list(wide.study.objectives)].notna().any()
    return rewritten(wide.study, tmp_path_factory.mktemp("sparse") / "s", ratings=ratings, skipped=skipped)


def slow(study: Study):
    """All features in memory, centred by a copy."""
    responses, features = study.split_responses("train"), study.features("train", of="responses")
    x, y, groups = features.response, rating_rows(study, responses), responses["family"].to_numpy()
    y[~features.mask] = np.nan
    rated = ~np.isnan(y).all(axis=1)
    centre, mean = x[rated].mean(axis=0, dtype=np.float64), np.nanmean(y, axis=0)
    shown = (x - centre).astype(np.float32)
    crossed = cross_fit(shown, y - mean, names=study.objectives, groups=groups, folds=FOLDS)
    probes = crossed.whole
    offset = mean - probes.weight @ centre
    return probes, offset, crossed.predictions + mean, probes.predict(study.features(of="responses").response) + offset


@pytest.mark.filterwarnings("ignore:the best alpha")
def test_streams_give_what_memory_gives(sparse):
    (probes, *ours), (reference, *theirs) = fit_probes(sparse), slow(sparse)
    assert probes.names == reference.names and (probes.alpha == reference.alpha).all() and (probes.count == reference.count).all()
    np.testing.assert_allclose(probes.weight, reference.weight, atol=1e-6)
    for found, wanted in zip(ours, theirs):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_gate_that_weighs_every_prompt_alike_reads_none(sparse, monkeypatch):
    monkeypatch.setattr(inputs, "_MADE", {})
    for name in ("prompt_rows", "features"):
        monkeypatch.setattr(Study, name, lambda *_, **__: pytest.fail("features were read"))
    assert run(Scenario(gate={"kind": "global"}), sparse, cache=False).accuracy > 0.5


def test_a_budget_that_fits_nothing_is_one_clear_error(sparse, monkeypatch):
    monkeypatch.setattr(budget, "_KEEPERS", type(budget._KEEPERS)())
    for size in ("1", "40000"):
        monkeypatch.setenv(budget.VARIABLE, size)
        with pytest.raises(WorkbenchError, match="would fill .* the memory budget is .*WORKBENCH_MEMORY="):
            fit_probes(sparse)
