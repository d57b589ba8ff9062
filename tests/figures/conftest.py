"""A browser to draw with, or a visible reason why there is none; and two trained results to draw."""

import pytest


@pytest.fixture(scope="session")
def browser():
    from workbench.figures import browser as find

    path = find()
    if path is None:
        pytest.skip("figure export needs Chrome or Chromium: `apt-get install chromium`, or set BROWSER_PATH")
    return path


@pytest.fixture(scope="session")
def trained(planted_study):
    """The planted study and two results that its runs/ keep: before, and after a debias."""
    from workbench.scenario.recipe import Scenario
    from workbench.scenario.run import run

    small = {"gate": {"hidden": (8,), "steps": 30, "batch_size": 128}, "seeds": (0, 1)}
    before, after = Scenario(name="before", **small), Scenario(name="after", debias="verbosity", note="secret words", **small)
    for scenario in (before, after):
        run(scenario, planted_study.study)  # stored, for what reads it again; one that was read has no curves
    return planted_study.study, *(run(scenario, planted_study.study, cache=False) for scenario in (before, after))
