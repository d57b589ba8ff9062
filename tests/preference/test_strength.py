"""Preference strength: finds planted flips, out of family, and is what the ensemble written out would give."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from comparisons import auroc, planted_flips

from workbench.errors import WorkbenchError
from workbench.preference.bradley_terry import Supervision
from workbench.preference.heads import BradleyTerryHead
from workbench.preference.strength import Strength, bands


@pytest.fixture(scope="module")
def data():
    return planted_flips()


@pytest.fixture(scope="module")
def strength(data):
    return Strength.fit(data.features, groups=data.families, seed=1)


def test_finds_planted_flips(data, strength):
    assert auroc(-strength.mean, data.flipped) > 0.93
    assert data.flipped[strength.suspects(0.1)].mean() > 0.8
    assert strength.suspects()[data.flipped].mean() > 0.85  # below zero lie most flips, and hard pairs beside them


def test_dropping_suspects_helps():
    """A head taught without the lowest tenth is right more often on clean new pairs than one taught by all labels."""
    made = planted_flips(pairs=2400, flips=0.25)
    old, new = made.features.rows(slice(0, 800)), made.features.rows(slice(800, None))
    clean, families = np.where(made.flipped[800:], -1, 1), made.families[:800]
    found = Strength.fit(old, groups=families).suspects(0.1)

    def accuracy(supervision):
        head = BradleyTerryHead.fit(old, groups=families, supervision=supervision, steps=200)
        return (head.margins(new) * clean > 0).mean()

    assert accuracy(Supervision.drop(~found)) > accuracy(Supervision.hard(800)) + 0.01
    assert accuracy(Supervision.flip(made.flipped[:800])) > accuracy(Supervision.drop(~found))  # the truth is better still


def test_mean_std_members(strength):
    members = strength.members
    assert members.shape == (800, 10)
    for pair in (0, 17):
        mean = sum(members[pair]) / 10
        assert strength.mean[pair] == pytest.approx(mean)
        assert strength.std[pair] == pytest.approx((sum((m - mean) ** 2 for m in members[pair]) / 10) ** 0.5)  # population
    assert strength.std.min() > 0
    order = np.argsort(strength.mean)
    assert strength.percentile[order[0]] == pytest.approx(0.0625) and strength.percentile[order[-1]] == pytest.approx(99.9375)


def test_cross_fitting_against_learning_by_heart():
    """Heads that saw a wrong label agree with it: in-sample the share below zero all but vanishes, out of family it does not."""
    made = planted_flips(pairs=300, dim=200, flips=0.2)
    given = dict(groups=made.families, resample=False, decay=0.0, members=3)
    heart = Strength.fit(made.features, folds=1, **given)
    crossed = Strength.fit(made.features, folds=5, **given)

    def threshold_finds_flips(found):
        return found.suspects().mean() > 0.5 * made.flipped.mean()

    assert threshold_finds_flips(crossed)
    assert not threshold_finds_flips(heart)


def test_a_family_is_scored_by_heads_that_never_saw_it(data):
    """Turn every label of one family round: its own strength turns sign and nothing else, to rounding, for a fixed penalty."""
    features, mine = data.features, data.families == 7
    given = dict(groups=data.families, decay=0.03, steps=60, members=3)
    response = features.response.copy()
    response[mine] = response[mine][:, ::-1]
    turned = Strength.fit(replace(features, response=response), **given)
    plain = Strength.fit(features, **given)
    assert turned.mean[mine] == pytest.approx(-plain.mean[mine], abs=1e-5)
    by_heart = Strength.fit(replace(features, response=response), folds=1, **given).mean[mine]
    assert np.abs(by_heart + Strength.fit(features, folds=1, **given).mean[mine]).max() > 1e-3


def test_seeds_of_a_linear_head_coincide(data):
    """One convex problem: without a bootstrap the members of a linear ensemble are one member, and say nothing of doubt."""
    given = dict(groups=data.families, decay=0.03, members=3, folds=1)
    alike = Strength.fit(data.features, resample=False, **given)
    bootstrapped = Strength.fit(data.features, resample=True, **given)
    assert alike.std.max() < 0.01 * bootstrapped.std.mean()
    mlp = Strength.fit(data.features, resample=False, hidden=(8,), lr=3e-3, **given)
    assert mlp.std.mean() > 10 * alike.std.max()


def test_mlp_members_find_flips_too(data):
    found = Strength.fit(data.features, groups=data.families, hidden=(8,), lr=1e-2, decay=0.03, members=4, steps=80)
    assert auroc(-found.mean, data.flipped) > 0.9


def test_same_seed_same_bytes(data, strength):
    again = Strength.fit(data.features, groups=data.families, seed=1)
    assert again.members.tobytes() == strength.members.tobytes()
    other = Strength.fit(data.features, groups=data.families, seed=2)
    assert other.members.tobytes() != strength.members.tobytes()
    assert np.corrcoef(other.mean, strength.mean)[0, 1] > 0.97


def test_suspects(strength):
    lowest = strength.suspects(0.25)
    assert lowest.sum() == 200 and strength.mean[lowest].max() <= strength.mean[~lowest].min()
    assert not strength.suspects(0.0).any() and strength.suspects(1.0).all()
    assert (strength.suspects() == (strength.mean < 0)).all()
    assert Supervision.drop(~strength.suspects(0.25)).weight.sum() == 600
    with pytest.raises(WorkbenchError, match="fraction 2"):
        strength.suspects(2.0)


def test_bands_by_hand():
    mean = np.array([0.4, -1.0, 0.2, -0.5, 0.2, 3.0, -0.1, 1.0])
    def places(**cuts):
        return tuple(np.flatnonzero(mask).tolist() for mask in bands(mean, **cuts))

    assert places(flip_below=-0.5, drop_below=0.2) == ([1], [3, 6])  # below, not at
    assert places(drop_below=0.2) == ([], [1, 3, 6]) and places() == ([], [])
    assert places(flip_share=0.25, drop_share=0.25) == ([1, 3], [2, 6])  # of two equals the first
    assert places(flip_share=0.25, drop_share=0.25, among=mean > -0.6) == ([3, 6], [2, 4])
    assert places(flip_below=0.0, among=np.zeros(8, bool)) == ([], [])


def test_other_pairs_under_the_same_heads(data, strength):
    """The pairs it was fitted on come out as they were, and any others by one head of each member."""
    again = strength.on(data.features, groups=data.families)
    assert again.members.shape == strength.members.shape and again.heads is strength.heads
    assert again.members.tobytes() == strength.members.tobytes()  # the same families meet the same folds
    few = strength.on(data.features.rows(slice(0, 3)))  # fewer families than folds
    assert few.members.shape == (3, 10) and np.isfinite(few.mean).all()
    rewards = strength.heads(data.features.response[:3])
    margins = (rewards[..., 0] - rewards[..., 1]).reshape(10, 5, 3)
    for pair in range(3):
        for member in range(10):
            assert np.abs(few.members[pair, member] - margins[member, :, pair]).min() < 1e-5
    with pytest.raises(WorkbenchError, match="no heads"):
        replace(strength, heads=None).on(data.features)


def test_cancel_is_heard(data):
    cancel = threading.Event()
    cancel.set()
    found = Strength.fit(data.features, groups=data.families, cancel=cancel)
    assert found.fit_report.stopped == "cancelled" and np.isfinite(found.mean).all()


def test_wrong_requests_are_named(data):
    with pytest.raises(WorkbenchError, match="at least two members"):
        Strength.fit(data.features, members=1)
    with pytest.raises(WorkbenchError, match="5 folds of 2 families"):
        Strength.fit(data.features, groups=np.arange(800) % 2)
