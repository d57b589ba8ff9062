"""A stand-in for UMAP: principal components turned by the seed, an epoch at a time."""

import pytest

from workbench.projection import layout

STAND_IN = '''
import json, sys, time
from pathlib import Path
import numpy as np
folder = Path(sys.argv[1])
ask = json.loads((folder / "ask.json").read_text())
rows, near, far = (np.load(folder / f"{name}.npy") for name in ("rows", "near", "far"))
assert near.shape == far.shape == (len(rows), ask["neighbours"]) and (near[:, 0] == np.arange(len(rows))).all() and (far[:, 0] == 0).all()
u, s, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
for number, seed in enumerate(ask["seeds"]):
    for epoch in range(1, 4):
        print(number, epoch, 3, flush=True)
        time.sleep(WAIT)
    if FAIL:
        raise ValueError("no layout today")
    rng = np.random.default_rng(seed)
    np.save(folder / f"layout-{number}.npy", ((u * s)[:, :2] + 0.02 * rng.normal(size=(len(rows), 2))).astype(np.float32))
'''


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put the stand-in in UMAP's place; slow or failing where asked."""

    def put(wait: float = 0.0, fail: bool = False) -> None:
        path = tmp_path / "stand_in.py"
        path.write_text(STAND_IN.replace("WAIT", str(wait)).replace("FAIL", str(fail)), encoding="utf-8")
        monkeypatch.setattr(layout, "WORKER", path)

    put()
    return put
