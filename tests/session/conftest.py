"""A study that no test changes, and runs that take no time."""

from __future__ import annotations

from dataclasses import replace

import pytest

import workbench.session.training as training
from workbench.errors import WorkbenchError


@pytest.fixture
def quick(baseline, monkeypatch):
    """Every run is at once the baseline's result with its margins scaled; a multiplier of 13 breaks it, a cancelled one is partial."""
    def run(scenario, study, *, progress=None, cancel=None, **options):
        if 13.0 in scenario.multiply.values():
            raise WorkbenchError("diverged")
        made = replace(baseline, scenario=scenario, margins=baseline.margins * (1 + int(scenario.id[:4], 16)))
        return replace(made, stopped="cancelled") if cancel is not None and cancel.is_set() else made

    monkeypatch.setattr(training, "run", run)
    return run
