"""Every screen on odd studies: what it cannot show it says, and nothing breaks."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest
from planted import SMALL, published_model

import workbench as wb
from workbench.panels.workbench import SCREENS
from workbench.session import Session

NAMES = [screen.name for screen in SCREENS]


def scores_only(objectives: int, families: int = 60) -> wb.Study:
    """A study of scores alone: no text, no features."""
    rng = np.random.default_rng(objectives)
    rows = []
    for pair in range(families):
        base = rng.normal(size=objectives)
        for side, shift in (("chosen", 0.4), ("rejected", 0.0)):
            rows += [{"pair": f"p{pair}", "side": side, "objective": f"objective {k}", "score": float(base[k] + shift + rng.normal())}
                     for k in range(objectives)]
    prompts = pd.DataFrame({"pair": [f"p{i}" for i in range(families)], "family": [f"f{i}" for i in range(families)],
                            "section": ["a" if i % 2 else "b" for i in range(families)]})
    return wb.Study.from_scores(pd.DataFrame(rows), prompts=prompts)


def opened(session: Session, name: str) -> dict:
    """What a screen shows once its background work is done."""
    panel = wb.Workbench(session)
    panel.send = lambda *_, **__: None
    try:
        for seq in range(1, 60):
            panel.handle({"do": "hello", "screen": name, "view": "page", "seq": seq})
            shown = json.loads(json.dumps(panel.shown, allow_nan=False))
            if not any("waits" in json.dumps(part) and '"waits": true' in json.dumps(part) for part in shown.values()):
                break
            time.sleep(0.05)
        odd = {key: part["lacking"]["why"] for key, part in shown.items() if "unharmed" in str(part.get("lacking", ""))}
        assert odd == {}, odd
        return {key: part for key, part in shown.items() if key.split(".")[0] == name}
    finally:
        panel.close()


@pytest.fixture(scope="module", params=[1, 2, 100])
def bare(request):
    """Sessions on scores of 1, 2 and 100 objectives, with a candidate where there can be one."""
    session = Session(scores_only(request.param))
    session.start().wait(60)
    if request.param > 1:
        session.set_objective("objective 0", on=False)
        session.retrain().wait(60)
    return session


@pytest.mark.parametrize("name", NAMES)
def test_scores_alone_one_objective_and_a_hundred(bare, name):
    assert opened(bare, name)


@pytest.mark.parametrize("name", NAMES)
def test_before_anything_is_trained(planted_study, monkeypatch, name):
    session = Session(planted_study.study, SMALL)
    monkeypatch.setattr(Session, "start", lambda self, **_: None)
    assert opened(session, name)


@pytest.fixture(scope="module")
def headed(planted_study):
    session = Session(planted_study.study, SMALL.child(gate={"kind": "bradley-terry", "steps": 20}, seeds=(0,)))
    session.start().wait(60)
    return session


@pytest.mark.parametrize("name", NAMES)
def test_a_head_without_objectives(headed, name):
    headed.look_at(headed.items["pair_id"].iloc[0])
    assert opened(headed, name)


@pytest.mark.parametrize("kind", ["global", "uniform"])
@pytest.mark.parametrize("name", NAMES)
def test_weights_that_read_no_prompt(planted_study, kind, name):
    session = Session(planted_study.study, SMALL.child(gate={"kind": kind}, seeds=(0,)))
    session.start().wait(60)
    assert opened(session, name)


def test_a_screen_that_breaks_is_seen_here(session, monkeypatch):
    monkeypatch.setattr("workbench.panels.head.steps", lambda session: 1 / 0)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        opened(session, "compare")


@pytest.fixture(scope="module")
def modelled(planted_study, tmp_path_factory):
    """A published model as it is; one of its edits retrained; and pinned, with the published gate held against it."""
    study = planted_study.study.with_model(published_model(planted_study.study), tmp_path_factory.mktemp("given") / "study")
    first, second, third = (Session(study) for _ in range(3))
    for session in (first, second, third):
        session.start().wait(60)
    second.set_objective("safety", on=False).set_swap("correctness", "n_words").retrain(seeds=1).wait(120)
    third.set_gate(kind="global").retrain().wait(60)
    third.pin().set_gate(kind="given")
    return {"as published": first, "retrained": second, "against": third}


@pytest.mark.parametrize("which", ["as published", "retrained", "against"])
@pytest.mark.parametrize("name", NAMES)
def test_a_study_that_comes_with_a_model(modelled, name, which):
    assert opened(modelled[which], name)
