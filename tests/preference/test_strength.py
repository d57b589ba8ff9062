"""Preference strength: finds planted flips, out of family, and is what the ensemble written out would give."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from comparisons import auroc, planted_flips

from workbench.errors import WorkbenchError
from workbench.preference.bands import bands, percentile_band, weakest
from workbench.preference.bradley_terry import Supervision
from workbench.preference.heads import BradleyTerryHead
from workbench.preference.strength import Strength
from workbench.rows import Repeated


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

    assert accuracy(Supervision.hard(800).dropped(found)) > accuracy(Supervision.hard(800)) + 0.01
    told = Supervision.hard(800).flipped(made.flipped[:800])
    assert accuracy(told) > accuracy(Supervision.hard(800).dropped(found))  # the truth is better still


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


@pytest.mark.filterwarnings("ignore:seeds of a linear head")
def test_cross_fitting_against_learning_by_heart():
    """Heads that saw a wrong label agree with it: in-sample the share below zero all but vanishes, out of family it does not."""
    made = planted_flips(pairs=300, dim=200, flips=0.2)
    given = dict(groups=made.families, kind="linear", decay=0.0, members=3)
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


def test_what_members_differ_by(data):
    """Seeds of a linear head coincide, one convex problem: its deviation says nothing, and a warning does; other kinds differ."""
    given = dict(groups=data.families, decay=0.03, members=3, folds=1)
    with pytest.warns(UserWarning, match="coincide"):
        alike = Strength.fit(data.features, kind="linear", **given)
    for kind, options in (("bootstrap", {}), ("mlp", {"hidden": (8,)}), ("subspace", {})):
        found = Strength.fit(data.features, kind=kind, **options, **given)
        assert found.std.mean() > 10 * alike.std.max(), kind


def test_a_member_of_a_subspace_sees_half_of_the_features(data):
    """The same half in all its folds, another half than other members; the rest could be anything."""
    found = Strength.fit(data.features, groups=data.families, kind="subspace", decay=0.03, members=4, folds=2, steps=20)
    shown = found.heads.weights[0][..., 0].reshape(4, 2, -1) != 0
    dim = shown.shape[-1]
    assert (shown[:, 0] == shown[:, 1]).all() and (shown.sum(axis=2) == round(dim / 2)).all()
    assert len({row.tobytes() for row in shown[:, 0]}) == 4
    hidden = Strength.fit(data.features, groups=data.families, kind="subspace", hidden=(4,), decay=0.03, members=2, folds=1, steps=5)
    assert ((hidden.heads.weights[0] != 0).any(axis=2).sum(axis=1) == round(dim / 2)).all()


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
    assert Supervision.drop(strength, quantile=0.25).weight.sum() == 600
    with pytest.raises(WorkbenchError, match="quantile 2"):
        strength.suspects(2.0)


def test_bands_by_hand():
    mean = np.array([0.4, -1.0, 0.2, -0.5, 0.2, 3.0, -0.1, 1.0])

    def places(**cuts):
        found = bands(mean, **cuts)
        assert not found.smooth.any()
        return np.flatnonzero(found.flip).tolist(), np.flatnonzero(found.drop).tolist()

    assert places(flip_below=-0.5, drop_below=0.2) == ([1], [3, 6])  # below, not at
    assert places(drop_below=0.2) == ([], [1, 3, 6]) and places() == ([], [])
    assert places(flip_share=0.25, drop_share=0.25) == ([1, 3], [2, 6])  # of two equals the first
    assert places(flip_share=0.25, drop_share=0.25, among=mean > -0.6) == ([3, 6], [2, 4])
    assert places(flip_below=0.0, among=np.zeros(8, bool)) == ([], [])
    smooth = bands(mean, smooth_share=0.25, drop_share=0.25)
    assert np.flatnonzero(smooth.smooth).tolist() == [1, 3] and np.flatnonzero(smooth.drop).tolist() == [2, 6] and not smooth.flip.any()


def test_bands_of_the_ranking_share_no_pair():
    mean = np.random.default_rng(0).normal(size=37)
    tenths = np.stack([percentile_band(mean, (k / 10, (k + 1) / 10)) for k in range(10)])
    assert (tenths.sum(axis=0) == 1).all()
    assert all(mean[low].max() < mean[high].min() for low, high in zip(tenths, tenths[1:]))
    assert (weakest(mean, band=(0.0, 0.1)) == tenths[0]).all() and weakest(mean).all()
    half = np.arange(37) < 20
    assert percentile_band(mean, (0.5, 1.0), half).sum() == 10 and not percentile_band(mean, (0.5, 1.0), half)[~half].any()


def test_of_scores_that_exist():
    chosen, rejected = np.array([[1.0, 2.0], [0.5, 0.0]]), np.array([[0.0, 2.5], [0.0, 1.0]])
    found = Strength.from_scores(chosen, rejected)
    assert found.mean.tolist() == [0.25, -0.25] and found.std == pytest.approx([0.75, 0.75])
    assert Strength.from_scores(chosen.tolist(), rejected.tolist()).members.tolist() == found.members.tolist()
    assert Strength.from_scores(pd.DataFrame(chosen), pd.DataFrame(rejected)).members.tolist() == found.members.tolist()
    with pytest.raises(WorkbenchError, match="no heads"):
        found.on(planted_flips(pairs=8).features)
    for first, second, said in (([[1.0], [1.0, 2.0]], [[1.0], [1.0]], "unequal length: pair 1 has 2"),
                                (chosen, rejected[:, :1], "scores of shapes"), ([], [], "no pairs"),
                                (chosen, np.where(rejected == 1, np.nan, rejected), "no number for pairs 1"),
                                (chosen, chosen, "constant scores"), (chosen + 1, chosen, "constant scores")):
        with pytest.raises(WorkbenchError, match=said):
            Strength.from_scores(first, second)


def test_one_member_has_a_mean_and_no_deviation(data):
    one = Strength.fit(data.features, groups=data.families, members=1, decay=0.03, steps=40)
    assert auroc(-one.mean, data.flipped) > 0.8
    with pytest.raises(WorkbenchError, match="deviation over one member"):
        _ = one.std


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
    twice = replace(data.features, response=np.repeat(data.features.response[:, :1], 2, axis=1))
    plain, rows = data.features, np.repeat(data.features.response[:20, 0], 2, axis=0)  # each answer is there twice, under two ids
    shared = Repeated(rows, np.arange(40).reshape(20, 2))
    for features, options, said in (
            (plain, {"members": 0}, "0 members"), (plain, {"folds": 0}, "0 folds"), (plain, {"decay": -1.0}, "decay -1"),
            (plain, {"lr": 0.0, "decay": 0.1}, "learning rate 0"), (plain, {"groups": np.arange(800) % 2}, "5 folds of 2 families"),
            (plain, {"groups": np.zeros(800, int)}, "5 folds of 1 families"), (plain, {"kind": "deep"}, "kind 'deep'"),
            (plain, {"kind": "linear", "hidden": (4,)}, "linear heads with hidden"), (twice, {}, "the same features"),
            (plain, {"kind": "mlp", "hidden": ()}, "mlp heads with hidden layers none"),
            (twice, {"hidden": (4,)}, "the same features"), (shared, {"hidden": (4,)}, "the same features")):
        with pytest.raises(WorkbenchError, match=said):
            Strength.fit(features, **options)
