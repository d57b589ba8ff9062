"""The kernel dies: what was saved is there, whole, with the same numbers."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from planted import SMALL

from workbench.session import Session

ROOT = Path(__file__).parents[2]

SHOW = """
import json, sys
sys.path.insert(0, "tests/session")
from test_restart import numbers_of
from workbench.session import Session
session = Session.load(sys.argv[1])
print(json.dumps({"start": session.start() is None, "state": json.loads(session._json()), "numbers": numbers_of(session)}))
"""


def numbers_of(session) -> str:
    """A hash of every byte of everything that can be read off a session."""
    numbers = hashlib.sha256()
    for part in (session.baseline.margins, session.candidate.margins, session.candidate.weights, session.preview().result.margins,
                 session.selection.mask):
        numbers.update(part.tobytes())
    for table in (session.comparison(), session.noise, session.selected_accuracy(), session.candidate.metrics):
        numbers.update(table.to_csv(float_format="%r").encode())
    return numbers.hexdigest()


def python(code: str, *args, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, timeout=120, cwd=ROOT,
                          env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}, **options)


def test_a_session_comes_back_bit_for_bit_in_another_process(planted_study, tmp_path):
    session = Session(planted_study.study, SMALL)
    session.start().wait(60)
    session.set_multiplier("safety", 2).set_debias("n_words").retrain().wait(60)
    session.measure_noise().wait(60)
    session.set_objective("verbosity", on=False).annotate(name="next")
    session.select(session.items["section"] == "Safety", kind="filter", label="Safety").save_slice("safe ones")
    session.look_at(session.items["pair_id"][4]).remember("gate", by="section").set_tray([{"figure": "gate"}])
    path = session.save(tmp_path / "a.session.json")
    out = python(SHOW, path)
    assert out.returncode == 0, out.stderr
    assert json.loads(out.stdout) == {"start": True, "state": json.loads(session._json()), "numbers": numbers_of(session)}


DIE = """
import os, signal, sys
import workbench.bundle as bundle
from workbench.session import Session
from workbench.session import file
path = sys.argv[1]
session = Session.load(path)
session._saver = __import__("workbench.session.autosave", fromlist=["Saver"]).Saver(session, file.Path(path), open(path, "rb").read())
session.set_seeds(9)
session.autosave()
session.set_seeds(7)
bundle.os.{step} = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
session.autosave()
"""


def test_a_process_killed_in_the_middle_of_a_save_loses_nothing(planted_study, tmp_path):
    session = Session(planted_study.study, SMALL)
    path = session.set_multiplier("safety", 2).save(tmp_path / "a.session.json")
    for step in ("fsync", "replace"):
        died = python(DIE.replace("{step}", step), path)
        assert died.returncode == -9, died.stderr
        back = Session.load(path, planted_study.study)
        assert back.draft.seeds == tuple(range(9)) and back.undo().draft.multiply == {"safety": 2.0}
        assert back.save(path) == path  # no lock is left behind


LEAVE = """
import sys
from workbench.session import Session
from workbench.study import Study
session = Session.restore(Study.load(sys.argv[1]), sys.argv[2])
session.set_multiplier("safety", 4)
print(session.id)
"""


def test_the_last_gesture_is_written_at_exit(planted_study, tmp_path):
    path, begun = tmp_path / "a.session.json", time.monotonic()
    out = python(LEAVE, planted_study.study.folder, path)
    assert out.returncode == 0 and time.monotonic() - begun < 60, out.stderr
    back = Session.restore(planted_study.study, path)
    assert back.id == out.stdout.strip() and back.draft.multiply == {"safety": 4.0}
