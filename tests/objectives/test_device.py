"""The torch pass, on the processor, against numpy's."""

import numpy as np
import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.objectives import device, grams
from workbench.objectives.device import Device, engine_for, exact
from workbench.objectives.grams import Grams, Masks, whole
from workbench.objectives.host import Host
from workbench.objectives.probes import LinearProbes, cross_fit

quiet = pytest.mark.filterwarnings("ignore:the best alpha")


def problem(rows=700, dim=30, seed=0):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(rows, dim))).to(torch.bfloat16)  # exact in every wider type
    y = x.double().numpy() @ rng.normal(size=(dim, 4)) / np.sqrt(dim) + 0.3 * rng.normal(size=(rows, 4))
    y[: rows // 2, 1] = y[rows // 3 :, 2] = np.nan
    return x, y, ("a", "b", "c", "d"), np.arange(rows) // 3


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_tensor_gives_what_an_array_gives(kind, precision):
    x, y, names, groups = problem()
    tensor = (x / 8).to(kind) if kind == torch.float16 else x.to(kind)
    made = LinearProbes.fit(tensor, y, names=names, groups=groups, precision=precision)
    wanted = LinearProbes.fit(tensor.double().numpy(), y, names=names, groups=groups, precision="float64")
    tolerance = 1e-5 if precision == "float32" else 1e-9
    np.testing.assert_array_equal(made.alpha, wanted.alpha)
    np.testing.assert_allclose(made.error, wanted.error, rtol=tolerance)
    np.testing.assert_allclose(made.weight, wanted.weight, rtol=tolerance, atol=tolerance * np.abs(wanted.weight).max())
    np.testing.assert_array_equal(made.count, wanted.count)
    np.testing.assert_allclose(made.predict(tensor), wanted.predict(tensor.double().numpy()), rtol=1e-3, atol=1e-4)
    again = LinearProbes.fit(tensor, y, names=names, groups=groups, precision=precision)
    np.testing.assert_array_equal(made.weight, again.weight)


def test_cross_fit_of_a_tensor():
    x, y, names, groups = problem()
    made, wanted = (cross_fit(rows, y, names=names, groups=groups) for rows in (x, x.double().numpy()))
    np.testing.assert_allclose(made.predictions, wanted.predictions, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("rows", [1, 7, 64, 10**6])
def test_rows_that_stream_to_a_device_arrive_in_order(monkeypatch, rows):
    x, y, _, _ = problem(rows=100)
    x = x.float().numpy()
    monkeypatch.setattr(device, "READ", 4 * x.shape[1] * rows)
    chunks = list((start, chunk.clone()) for start, chunk in Device("cpu").chunks(x))
    assert [start for start, _ in chunks] == list(range(0, 100, min(rows, 100)))
    np.testing.assert_array_equal(torch.cat([chunk for _, chunk in chunks]), x)
    masks, part = Masks.find(y), np.arange(100) % 2
    made, wanted = (Grams.of(x, y, masks, part, 2, engine=engine) for engine in (Device("cpu"), Host()))
    for mask in range(len(masks)):
        np.testing.assert_allclose(whole(made.gram[mask], made.engine), whole(wanted.gram[mask], wanted.engine), rtol=1e-12, atol=1e-12)


def test_the_device_solves_and_judges_as_the_processor_does():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 30)) * np.arange(1, 31) ** -1.0
    gram, moment, alphas = x.T @ x, x.T @ rng.normal(size=(40, 2)), 10.0 ** np.arange(-4, 5)
    there = Device("cpu")
    np.testing.assert_allclose(there.path(there.put_over(gram), moment, alphas), Host().path(gram, moment, alphas), rtol=1e-8)
    for alpha in alphas:
        assert there.rcond(there.put_over(gram), alpha) == pytest.approx(Host().rcond(gram, alpha), rel=0.5)
    few = rng.normal(size=(3, 8)) * 1e8  # no Cholesky factor
    weights = there.path(there.put_over(few.T @ few), few.T @ np.ones((3, 1)), np.array([1e-4]))
    np.testing.assert_allclose(weights[0, 0], np.linalg.pinv(few) @ np.ones(3), rtol=1e-6)
    assert there.rcond(there.put_over(-np.eye(3)), 0.5) == 0.0


@quiet
def test_a_value_that_is_not_finite_is_found():
    x, y, names, groups = problem()
    x[5, 3], x[9, 0], x[9, 1] = torch.nan, torch.inf, -torch.inf
    with pytest.raises(WorkbenchError, match="feature in rows 5, 9"):
        LinearProbes.fit(x, y, names=names, groups=groups)


def test_small_work_stays_on_the_processor_and_a_tensor_where_it_is():
    x = problem()[0]
    assert type(engine_for(x.float().numpy(), "auto")) is Host and type(engine_for(x.float().numpy(), "cpu")) is Host
    assert engine_for(x, "auto").device.type == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(WorkbenchError, match="no device 'cuda' here"):
            engine_for(x.float().numpy(), "cuda")


def test_float32_products_are_never_made_of_fewer_digits():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with exact():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_too_little_memory_on_the_device_names_what_would_fit(monkeypatch):
    x, y, names, groups = problem()
    monkeypatch.setattr(Device, "on_gpu", True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**30, 2**31))
    monkeypatch.setattr(grams.Triangle, "size", lambda dim: 2**28)
    with pytest.raises(WorkbenchError, match=r"6 matrices of 30 × 30 .*cpu has room for .* at most [1-5] matrices"):
        LinearProbes.fit(x, y, names=names, groups=groups)


def test_running_out_of_memory_all_the_same_is_one_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**20, 2**31))
    with pytest.raises(WorkbenchError, match="ran out of memory, 1"), Device("cpu").within():
        raise torch.OutOfMemoryError("no room")
    with pytest.raises(WorkbenchError, match="out of memory"), Host().within():
        raise MemoryError
