"""Held-out families, folds, bootstrap and batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.preference.data import bootstrap, family_codes, fold_of, hold_out, moments, standardised

FAMILIES = np.repeat([f"family {i}" for i in range(20)], 3)


def whole(mask: np.ndarray, families: np.ndarray) -> bool:
    """No family is cut in two."""
    return all(len(set(mask[families == family].tolist())) == 1 for family in set(families.tolist()))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=8, max_size=40), st.floats(0.05, 0.6), st.integers(0, 5))
def test_held_out_families_are_whole_and_leave_some(groups, fraction, seed):
    groups = np.array(groups)
    mask = hold_out(groups, len(groups), fraction, seed)
    assert whole(mask, groups)
    if len(set(groups.tolist())) > 1:
        assert mask.any() and not mask.all()
    else:
        assert not mask.any()


def test_held_out_by_row_would_fail():
    """The released 80/20 split is by row; the same assertion fails on it."""
    by_row = np.random.default_rng(0).uniform(size=len(FAMILIES)) < 0.2
    assert not whole(by_row, FAMILIES)
    assert whole(hold_out(FAMILIES, len(FAMILIES), 0.2, 0), FAMILIES)


def test_held_out_share_and_seed():
    mask = hold_out(FAMILIES, len(FAMILIES), 0.2, 0)
    assert mask.sum() == 12
    assert (mask == hold_out(FAMILIES, len(FAMILIES), 0.2, 0)).all()
    assert (mask != hold_out(FAMILIES, len(FAMILIES), 0.2, 1)).any()
    assert not hold_out(FAMILIES, len(FAMILIES), 0.0, 0).any()


def test_folds_are_whole_and_even():
    fold = fold_of(FAMILIES, len(FAMILIES), 5, 0)
    assert whole(fold, FAMILIES)
    assert np.bincount(fold).tolist() == [12] * 5
    assert sorted(np.bincount(fold_of(None, 11, 2, 0)).tolist()) == [5, 6]


def test_bootstrap_draws_families_within():
    codes = family_codes(FAMILIES, len(FAMILIES))
    within = codes < 10
    times = bootstrap(codes, within, [0, 1])
    assert whole(times, FAMILIES)
    assert times.sum() == 30 and not times[~within].any()  # ten draws of families of three
    assert (times == 0)[within].any() and times.max() > 1


def test_moments_are_those_of_all_rows():
    x = np.random.default_rng(0).normal(3, 2, size=(9000, 2, 5)).astype(np.float32)
    x[..., 4] = 7.0
    centre, spread = moments(x)
    assert centre == pytest.approx(x.reshape(-1, 5).mean(axis=0, dtype=float), abs=1e-6)
    assert spread[:4] == pytest.approx(x.reshape(-1, 5).std(axis=0, dtype=float)[:4], rel=1e-6)
    assert 0 < spread[4] < spread[0]  # constant, yet divided by something
    shown = standardised(x, centre, spread)
    assert shown.dtype == np.float32 and abs(shown[..., :4].std() - 1) < 0.01 and not shown[..., 4].any()
    assert (moments(np.ones((4, 3)))[1] == 1).all()


def test_one_scale_for_all_dims_but_the_loud():
    x = np.random.default_rng(0).normal(size=(2000, 50)) * np.r_[40.0, 0.1, np.ones(48)]
    spread = moments(x, each=False)[1]
    common = np.sqrt((x.std(axis=0) ** 2).mean())
    assert spread[1:] == pytest.approx(common) and spread[0] == pytest.approx(x[:, 0].std() / 4)


@pytest.mark.parametrize("call", [
    lambda: family_codes(FAMILIES, 5), lambda: hold_out(None, 5, 1.0, 0), lambda: fold_of(None, 5, 1, 0), lambda: fold_of(None, 5, 6, 0),
])
def test_impossible_requests_are_errors(call):
    with pytest.raises(WorkbenchError):
        call()
