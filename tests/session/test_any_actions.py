"""A thousand gestures in any order, and observers that read the session at every one of them."""

from __future__ import annotations

import json
import random
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.session import Session

NAMES = ("helpfulness", "correctness", "verbosity", "safety", "wit")


def edits(rng: random.Random) -> tuple[str, tuple, dict]:
    """A gesture on the draft: a method, its arguments, its options; some of them are refused."""
    name = rng.choice(NAMES)
    return rng.choice([
        ("set_objective", (name,), {"on": rng.random() < 0.5}),
        ("set_multiplier", (name, rng.choice([0.0, 0.5, 1.0, 1.7, -1.0, 13.0])), {}),
        ("set_multiplier", (name, rng.random()), {"gesture": rng.choice("ab")}),
        ("set_swap", (name, rng.choice([None, "n_words", "correctness", "charm"])), {}),
        ("set_debias", (rng.choice([None, "verbosity", ("n_words", "verbosity"), "charm"]),), {}),
        ("set_gate", (), rng.choice([{"kind": "global"}, {"kind": "softmax"}, {"steps": 40}, {"hidden": ()}, {"mood": 1}, {}])),
        ("set_labels", (rng.choice(["hard", "drop", "soft", "guess"]),), {}), ("set_seeds", (rng.choice([1, 2, 3, 0]),), {}),
        ("reset", (), {}), ("undo", (), {}), ("undo", (), {}), ("redo", (), {}), ("go", (rng.randrange(40),), {}),
        ("annotate", (rng.choice([None, 0, 3, 99]),), {"name": rng.choice(["a", "b"]), "note": rng.choice([None, "why"])}),
        ("pin", (), {"step": rng.choice([None, 0, 2, 99])}),
    ])


def looks(rng: random.Random, ids: list[str]) -> tuple[str, tuple, dict]:
    """A gesture on what is looked at."""
    some = rng.sample(range(len(ids)), rng.choice([0, 1, 3]))
    slices = ("lasso", "lasso 2", "other")
    return rng.choice([
        ("select", (some,), {"kind": "lasso", "label": "lasso"}), ("select", (None,), {}), ("select", (rng.choice(slices),), {}),
        ("select", ([ids[at] for at in some],), {"primary": rng.choice([*ids[:3], None, "nobody"])}),
        ("look_at", (rng.choice([*ids[:3], None, "nobody"]),), {}), ("save_slice", (rng.choice([None, *slices]),), {}),
        ("rename_slice", (rng.choice(slices), rng.choice(slices)), {}), ("remove_slice", (rng.choice(slices),), {}),
        ("set_tray", ([{"figure": rng.choice("xy")}],), {}),
    ])


class View:
    """Reads everything when it hears of another's gesture, and has an origin of its own."""

    def __init__(self, session: Session, origin: str):
        self.session, self.origin, self.heard, self.own = session, origin, [], 0
        session.changed.connect(self.changed)

    def changed(self, revision: int, origin: str) -> None:
        self.heard.append(revision)
        if origin == self.origin:
            self.own += 1
            return
        session = self.session
        assert session.revision >= revision and session.selection.n > 0 and session.draft is session.history.scenario
        assert session.selection.revision <= session.revision and len(session.slices) == len(set(session.slices))
        _ = session.candidate, session.retrained, session.jobs, session.cost, session.view, session.tray


def draft_of(session: Session) -> str:
    return session.draft.to_json()


def walk(session: Session, rng: random.Random, steps: int) -> tuple[int, int]:
    """So many gestures, each held against what must be true of it; how many were refused, and how many changed something."""
    ids, views = list(session.items["pair_id"]), [View(session, "map"), View(session, "table")]
    refused, effective = 0, 0
    for _ in range(steps):
        do, given, options = edits(rng) if rng.random() < 0.6 else looks(rng, ids)
        origin, before, revision, history = rng.choice(["map", "table", ""]), session._state, session.revision, session.history
        heard, own = [len(view.heard) for view in views], [view.own for view in views]
        try:
            getattr(session, do)(*given, origin=origin, **options)
        except WorkbenchError:
            refused += 1
            assert session._state is before and session.revision == revision and [len(view.heard) for view in views] == heard
            continue
        changed = session._state is not before
        effective += changed
        assert session.revision == revision + changed and [len(view.heard) for view in views] == [many + changed for many in heard]
        assert [view.own - many for view, many in zip(views, own)] == [changed and view.origin == origin for view in views]
        if do in ("select", "look_at", "save_slice", "rename_slice", "remove_slice", "set_tray"):
            assert session.history is history
        if do == "undo":
            gone, here = history.scenario.to_json(), draft_of(session)
            assert draft_of(session.redo()) == gone
            assert draft_of(session.undo()) == here == history.steps[history.steps[history.here].parent].scenario.to_json()
        if rng.random() < 0.02:
            session.retrain().wait(10)
    assert views[0].heard == views[1].heard == list(range(1, session.revision + 1))
    assert json.loads(session._json()) == json.loads(saved_and_loaded(session)._json())
    return refused, effective


def saved_and_loaded(session: Session) -> Session:
    with tempfile.TemporaryDirectory() as folder:
        return Session.load(session.save(Path(folder) / "a.session.json"), session.study)


def test_a_thousand_gestures_raise_nothing_else_and_are_told_once(planted_study, baseline, quick):
    session = Session(planted_study.study, baseline)
    refused, effective = walk(session, random.Random(1), 1000)
    assert 100 < refused < 700 and effective > 250 and len(session.history.steps) > 100


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 40))
def test_gestures_in_any_order(planted_study, baseline, quick, seed, steps):
    walk(Session(planted_study.study, baseline), random.Random(seed), steps)


def test_undo_to_the_root_and_back_is_the_same_every_time(planted_study, baseline):
    rng, session = random.Random(7), Session(planted_study.study, baseline)
    while len(session.history.path()) < 40:
        do, given, options = edits(rng)
        if do.startswith("set_") and "gesture" not in options:
            try:
                getattr(session, do)(*given, **options)
            except WorkbenchError:
                pass
    drafts = []
    for _ in range(3):
        down, up = [draft_of(session)], []
        while session.history.can_undo:
            down.append(draft_of(session.undo()))
        while session.history.can_redo:
            up.append(draft_of(session.redo()))
        assert up == down[-2::-1]
        drafts.append(tuple(down))
    assert len(set(drafts)) == 1 and drafts[0][-1] == baseline.scenario.to_json()


def test_gestures_from_many_threads_are_each_told_once(planted_study, baseline):
    session, heard = Session(planted_study.study, baseline), []
    session.changed.connect(lambda revision, origin: heard.append(revision))

    def work(number: int) -> None:
        for step in range(50):
            session.set_multiplier("safety", 2 + number + step / 100)
            session.select([number, step + 10])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard) == list(range(1, session.revision + 1)) and session.revision == 400
    assert len(session.history.steps) == 201 and np.count_nonzero(session.selection.mask) == 2
    assert replace(session.history, here=0).can_redo
