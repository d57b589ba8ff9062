"""Ray computes the same bytes, and an actor that is killed in the middle loses nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
from extract.letters import Elsewhere, Killed, Tiny, tables
from extract.talks import talks
from extract.test_extract import contents

from workbench.backbone import CausalBackbone
from workbench.errors import WorkbenchError
from workbench.extract import extract
from workbench.extract.engines import Ray, stated
from workbench.extract.texts import Texts

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two workers that find the tests, started once."""
    paths = os.pathsep.join([str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", paths)
        with Ray(workers=2)._connected():
            yield


def test_the_same_bytes_as_here(tmp_path):
    backbone = CausalBackbone.load(tiny.saved(tmp_path / "model", "llama"), batch_tokens=300)
    rows, told = talks(tmp_path, 16), []
    extract(rows, tmp_path / "here", backbone=backbone, name="s", shard_rows=8)
    engine = Ray(workers=2, chunk=2)
    study = extract(rows, tmp_path / "there", backbone=backbone, name="s", shard_rows=8, engine=engine, progress=told.append)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert told[-1].step == told[-1].steps == len(study.table("prompts")) + len(study.table("responses"))


def test_an_actor_that_is_killed_loses_nothing(tmp_path):
    mark = tmp_path / "killed"
    extract(tables(), tmp_path / "s", backbone=Killed(mark), name="s", shard_rows=2, engine=Ray(workers=1, chunk=1))
    assert mark.exists() and int(mark.read_text()) != os.getpid()
    extract(tables(), tmp_path / "whole", backbone=Tiny(), name="s", shard_rows=2)
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def test_it_goes_on_from_what_another_engine_left(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        extract(tables(), tmp_path / "s", backbone=Tiny(dies_at=3), name="s", shard_rows=2)
    extract(tables(), tmp_path / "s", backbone=Tiny(), name="s", shard_rows=2, engine=Ray(workers=1))
    extract(tables(), tmp_path / "whole", backbone=Tiny(), name="s", shard_rows=2)
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def test_other_weights_on_a_worker_are_refused(tmp_path):
    with pytest.raises(WorkbenchError, match="other weights of tiny: 111111111111, not 000000000000.*same checkpoint"):
        extract(tables(), tmp_path / "s", backbone=Elsewhere(), engine=Ray(workers=1))
    assert not list((tmp_path / "s").rglob("*.safetensors"))


def test_more_workers_than_there_is_room_for_are_refused(tmp_path):
    with pytest.raises(WorkbenchError, match="3 workers of 1 cores, and the cluster has 2 cores.*fewer workers"):
        extract(tables(), tmp_path / "s", backbone=Tiny(), engine=Ray(workers=3))


def test_engines_by_name(monkeypatch):
    assert stated("ray") == Ray() and np.ndim(stated("local")) == 0
    with pytest.raises(WorkbenchError, match="unknown engine 'slurm'.*local, ray"):
        stated("slurm")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(WorkbenchError, match=r"Ray is not installed.*workbench\[ray\]"):
        next(iter(Ray()(Texts(Tiny()), iter([]))))
