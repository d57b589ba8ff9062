"""The strength laboratory: heads side by side are the heads alone, tables are what a loop over pairs gives, noise is what it says."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluate.inference import holm, sign_flip
from workbench.preference.bradley_terry import Stacked, Supervision
from workbench.preference.heads import HeadStack
from workbench.preference.strength import Strength
from workbench.scenario import laboratory as module
from workbench.scenario.inputs import prepare
from workbench.scenario.labels import LabelSpec
from workbench.scenario.laboratory import Laboratory
from workbench.scenario.noise import NoiseSpec, turned
from workbench.scenario.trial import ORACLE, ORACLE_DROP, Reference, references

LABELS = {"drop": {"kind": "drop", "quantile": 0.2}, "flip + margin": "flip+margin"}
NOISE = {"rate": 0.2}


@pytest.fixture(scope="module")
def lab(wide):
    return Laboratory.of(wide.study, seeds=2, decay=0.1, steps=60, batch_size=256, store=False)


@pytest.fixture(scope="module")
def trial(lab):
    return lab.treatments(LABELS, noise=NOISE)


def test_heads_side_by_side_are_the_heads_alone(lab, trial):
    """Each treatment's head is the one that a fit of its own supervision gives, on the same batches."""
    specs = {name: module.label_spec(spec) for name, spec in LABELS.items()}
    taught, _, _ = lab._taught(specs, NoiseSpec(**NOISE), cancel=None, progress=None)
    dev = lab.inputs.split("dev").features.response
    for name in ("none", *LABELS):
        for place, made in enumerate(taught[name]):
            alone = HeadStack.fit(lab.answers, Stacked.of([made])[0], weight=made.weight[None], hidden=(), seeds=[place], orders=[place],
                                  decay=[0.1], held_out=np.zeros(len(made), bool), steps=60, batch_size=256, lr=1e-2, device="cpu",
                                  rows=np.arange(len(made)))
            rewards = alone(dev)[0]
            assert trial.margins[trial.names.index(name), place] == pytest.approx(rewards[:, 0] - rewards[:, 1], abs=1e-4)


def test_oracles_know_what_was_turned_round(lab, trial):
    assert trial.names == ("none", *LABELS, ORACLE_DROP, ORACLE) and trial.margins.shape[:2] == (5, 2)
    assert (trial.corrupted[0] != trial.corrupted[1]).any()  # each seed its own corruption
    assert trial.corrupted.mean() == pytest.approx(0.2, abs=0.05)
    clean = lab.treatments({}, oracle=False)
    assert (clean.margins[0, 0] != clean.margins[0, 1]).any()  # each seed its own order: without noise too they are two heads
    assert trial.margins[trial.names.index(ORACLE), 0] == pytest.approx(clean.margins[0, 0], abs=1e-4)  # as if nothing had been turned


def test_table_by_hand(trial):
    table = trial.table("observed labels").set_index("treatment")
    observed = trial.references["observed labels"].right
    for number, name in enumerate(trial.names):
        right = np.where(observed == 1, trial.margins[number] > 0, ~(trial.margins[number] > 0))
        assert table.loc[name, "value"] == pytest.approx(right.mean())
        if number:
            none = np.where(observed == 1, trial.margins[0] > 0, ~(trial.margins[0] > 0))
            assert table.loc[name, "difference"] == pytest.approx((right.astype(float) - none).mean())
            assert table.loc[name, "p"] == pytest.approx(sign_flip(right.astype(float) - none, trial.families))
    tested = table.loc[list(LABELS)]
    assert tested["p_holm"].tolist() == pytest.approx(holm(tested["p"].to_numpy()).tolist())
    assert table.loc[ORACLE, "p_holm"] == table.loc[ORACLE, "p"] and np.isnan(table.loc["none", "difference"])


def test_a_tie_is_half_right_and_the_unknown_is_left_out():
    one = Reference(np.array([1.0, 0.0, 0.5, np.nan]), np.array([True, True, True, False]))
    assert one.scored(np.array([[2.0, 2.0, 2.0, 2.0], [-1.0, -1.0, -1.0, 0.0]])).tolist() == [[1, 0, 0.5], [0, 1, 0.5]]


def test_what_margins_are_held_against(trial):
    pairs = trial.pairs.assign(judge_label=np.resize([1, 0, -1], len(trial.pairs)))
    gap = np.resize([1.0, -1.0, 0.0, 2.0], len(pairs))
    found = references(pairs, gap, None)
    assert list(found) == ["original labels", "truth", "judge", "agreed"]
    assert found["judge"].among.tolist() == (pairs["judge_label"] >= 0).tolist() and found["agreed"].among.tolist() == (gap > 0).tolist()
    assert references(pairs, None, None)["agreed"].among.tolist() == (pairs["judge_label"] == 1).tolist()
    assert list(references(trial.pairs, None, None)) == ["original labels"]
    with pytest.raises(WorkbenchError, match="called 'judge'.*observed"):
        trial.table("judge")


def test_each_tenth_alone(lab):
    """Heads see their band and nothing else; where labels are corrupted the weakest teaches the wrong way round."""
    table = lab.by_band(bands=5, noise=NOISE)
    rows = table[table["of"] == "original labels"].set_index("band")
    assert rows.index.tolist() == [1, 2, 3, 4, 5] and (rows["lowest"].iloc[1:].to_numpy() >= rows["highest"].iloc[:-1].to_numpy()).all()
    assert rows.loc[1, "value"] < 0.5 < rows.loc[5, "value"]
    by_share = LabelSpec(kind="keep", band=(0.4, 0.6))
    taught = module.supervision(by_share, lab.inputs, device="cpu", store=False)
    assert taught.weight.mean() == pytest.approx(0.2, abs=0.01) and set(taught.weight) == {0.0, 1.0}


def test_noise_as_an_axis(lab):
    table = lab.by_noise({"drop": "drop"}, rates=(0.0, 0.4), follows=("chance",))
    at = table[table["of"] == "original labels"].set_index(["rate", "treatment"])["value"]
    assert at[0.0, "none"] > at[0.4, "none"] and set(table["follows"]) == {"chance"}
    assert ORACLE not in set(table.loc[table["rate"] == 0, "treatment"])  # nothing was turned round
    mine = table[(table["of"] == "original labels") & (table["treatment"] == "drop")]
    assert mine["p_holm"].tolist() == pytest.approx(holm(mine["p"].to_numpy()).tolist())  # over the rates


def test_noise_that_follows_length_turns_the_shorter_chosen(lab):
    length = lab.inputs.length("train")
    mask = turned(NoiseSpec(rate=0.2, follows="length"), len(length), length)
    assert (length[mask, 0] < length[mask, 1]).all() and mask.mean() == pytest.approx(0.2, abs=0.04)
    again = turned(NoiseSpec(rate=0.2, follows="length"), len(length), length)
    assert (mask == again).all() and (turned(NoiseSpec(rate=0.2, seed=1), len(length), length) != mask).any()
    for shorter in (np.full(400, 100.0), np.random.default_rng(0).uniform(10, 60, 400)):
        half = np.stack([np.zeros(400), shorter * (np.arange(400) % 2)], axis=1)
        drawn = [turned(NoiseSpec(rate=0.4, follows="length", seed=seed), 400, half).mean() for seed in range(20)]
        assert np.mean(drawn) == pytest.approx(0.4, abs=0.02)
    with pytest.raises(WorkbenchError, match="cannot follow length.*at most"):
        turned(NoiseSpec(rate=0.9, follows="length"), len(length), length)
    with pytest.raises(WorkbenchError, match="no length is known"):
        turned(NoiseSpec(rate=0.2, follows="length"), len(length), None)


def test_a_domain_left_out_teaches_nothing(lab, monkeypatch):
    seen, real = [], Laboratory._tried
    monkeypatch.setattr(Laboratory, "_tried", lambda self, taught, *rest: seen.append(taught) or real(self, taught, *rest))
    ensembles, fit = [], Strength.fit.__func__
    watched = classmethod(lambda cls, *data, **options: ensembles.append(options["supervision"]) or fit(cls, *data, **options))
    monkeypatch.setattr(Strength, "fit", watched)
    table = lab.leave_one_out({"drop": "drop"}, by="section", fewest=1)
    train = lab.inputs.split("train").pairs["section"].to_numpy()
    assert set(table["domain"]) == set(train) and len(seen) == 2
    for domain, taught in zip(dict.fromkeys(table["domain"]), seen):
        assert all((one.weight[train == domain] == 0).all() and one.weight.any() for each in taught.values() for one in each)
    assert len(ensembles) == 4 and all((one.weight[train == domain] == 0).all() or (one.weight[train != domain] == 0).all()
                                       for one in ensembles for domain in ("Chat",))
    dev = lab.inputs.split("dev").pairs
    assert table.groupby("domain")["n"].max().to_dict() == dev["section"].value_counts().to_dict()


def test_curves_end_where_the_heads_do(lab, trial):
    table = lab.curves(LABELS, noise=NOISE, every=20)
    assert sorted(table["step"].unique()) == [0, 20, 40, 60] and set(table.loc[table["step"] == 0, "of"]) == {"train loss"}
    last = table[table["step"] == 60].set_index(["treatment", "of"])["value"]
    for name in ("none", *LABELS):
        assert last[name, "original labels"] == pytest.approx(trial.values("original labels")[trial.names.index(name)].mean(), abs=1e-6)
    loss = table[(table["of"] == "train loss") & (table["treatment"] == "none")]["value"].tolist()
    assert loss[0] == pytest.approx(np.log(2), abs=1e-6) and loss[-1] < loss[0]


def test_small_mlps_too(wide):
    small = Laboratory.of(wide.study, hidden=(4,), seeds=1, decay=0.1, steps=20, store=False)
    assert np.isfinite(small.treatments({"drop": "drop"}).margins).all()


def test_what_cannot_be_had_is_told(lab, wide):
    for ask, said in (
            (lambda: lab.treatments(["drop", {"kind": "drop", "quantile": 0.1}]), "two treatments of one name"),
            (lambda: lab.treatments({"none": "drop"}), "two treatments"),
            (lambda: lab.treatments({"drop": {"kind": "drop", "noise": NOISE}}), "noise of its own"),
            (lambda: lab.treatments({"drop": {"kind": "drop", "below": 99.0}}), "every pair would be dropped"),
            (lambda: lab.leave_one_out({"drop": "drop"}, by="planet"), "no column 'planet'"),
            (lambda: lab.leave_one_out({"drop": "drop"}, by="section", fewest=10_000), "no section has 10000"),
            (lambda: Laboratory.of(wide.study, seeds=0), "seeds"),
            (lambda: Laboratory.of(wide.study, lr=0.0, decay=0.1).treatments({}), "learning rate 0")):
        with pytest.raises(WorkbenchError, match=said):
            ask()
    stop = threading.Event()
    stop.set()
    with pytest.raises(WorkbenchError, match="cancelled"):
        lab.treatments({"drop": "drop"}, cancel=stop)
    with pytest.raises(WorkbenchError, match="supervisions of 2, 3 pairs"):
        Stacked.of([Supervision.hard(2), Supervision.hard(3)])
    assert prepare(wide.study) is lab.inputs
