"""Studies small enough to train on in a moment, and large enough for words."""

import pytest
from planted import planted

from workbench.scenario.recipe import GateSpec, Scenario


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def wide(tmp_path_factory):
    """150 families of one prompt, so that dev has thirty; length leaks into what the raters call helpful."""
    return planted(tmp_path_factory.mktemp("wide") / "study", families=150, per_family=1)


@pytest.fixture(scope="session")
def quick():
    """A scenario that trains in a fraction of a second."""
    return Scenario(gate=GateSpec(hidden=(8,), steps=60, batch_size=256, lr=5e-3))
