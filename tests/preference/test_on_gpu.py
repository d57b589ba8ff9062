"""Training on a GPU: captured steps against steps one by one, and against the CPU. Not run where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from comparisons import planted_flips, planted_gate

from workbench.errors import WorkbenchError
from workbench.preference.bradley_terry import Supervision
from workbench.preference.fit import fit
from workbench.preference.network import Heads
from workbench.preference.step import Update
from workbench.scalarize.gate import SoftmaxGate

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
SMALL = dict(hidden=(32, 32), steps=200, batch_size=256, lr=2e-3, start="global")


@pytest.fixture(scope="module")
def data():
    return planted_gate(3.0)


def trained(data, **given):
    return SoftmaxGate.fit(data.scores, data.prompt, groups=data.families, **{**SMALL, **given})


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_captured_step_is_the_step(data, dropout, monkeypatch):
    captured = trained(data, device="cuda", precision="float32", dropout=dropout)
    monkeypatch.setattr(Update, "_captured", lambda self: None)  # then every update runs on its own
    plain = trained(data, device="cuda", precision="float32", dropout=dropout)
    assert captured.fit_report.best_step == plain.fit_report.best_step
    assert captured.shares(data.prompt) == pytest.approx(plain.shares(data.prompt), abs=1e-3)


def test_cpu_and_gpu_agree(data):
    """In float32 over 200 steps: held-out loss to 2e-3; batches are drawn on each device, so the steps are not the same ones."""
    gpu, cpu = (trained(data, device=device, precision="float32") for device in ("cuda", "cpu"))
    assert gpu.fit_report.head_losses == pytest.approx(cpu.fit_report.head_losses, abs=1e-2)
    assert np.abs(gpu.shares(data.prompt) - cpu.shares(data.prompt)).mean() < 0.03


def test_same_seed_same_bytes(data):
    first, second = (trained(data, device="cuda") for _ in range(2))
    assert first.state()["layers.0.weight"].tobytes() == second.state()["layers.0.weight"].tobytes()


def test_seeds_side_by_side(data):
    together = trained(data, device="cuda", precision="float32", seed=(0, 1))
    for seed, gate in enumerate(together):
        alone = trained(data, device="cuda", precision="float32", seed=seed)
        assert gate.fit_report.head_losses == pytest.approx(alone.fit_report.head_losses, abs=2e-3)


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_heads_are_captured_too(hidden):
    made = planted_flips(pairs=300, dim=12)
    response = made.features.response
    tensor = response if hidden else response[:, 0] - response[:, 1]
    weights = []
    for device in ("cuda", "cpu"):
        heads = Heads(12, hidden, [1, 2], 1, [0.1, 0.1])
        fit(heads, [tensor], Supervision.hard(300), steps=60, batch_size=300, lr=1e-2, seed=[0], device=device, precision="float32")
        weights.append(heads.weights[0].detach().numpy())
    assert weights[0] == pytest.approx(weights[1], abs=1e-4)  # a batch of everything: the same steps on both


def test_too_large_is_one_clear_error():
    free, _ = torch.cuda.mem_get_info()
    rows = int(free // 4 // 1000)
    huge = np.lib.stride_tricks.as_strided(np.zeros(1000, np.float32), (2 * rows, 1000), (0, 4))
    heads = Heads(1000, (), [0], 1, [0.0])
    with pytest.raises(WorkbenchError, match="does not fit into a GPU.*at most"):
        fit(heads, [torch.from_numpy(huge)], Supervision.hard(2 * rows), steps=1, batch_size=8, lr=1e-3, device="cuda")
