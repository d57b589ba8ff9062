"""run: the debiased, out-of-family scores are what the gate learns from; labels, seeds, progress and cancel."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from planted import NAMES

from workbench.errors import WorkbenchError
from workbench.objectives.ranks import spearman
from workbench.preference.bradley_terry import Supervision
from workbench.scenario import gates
from workbench.scenario.inputs import prepare
from workbench.scenario.labels import LabelSpec
from workbench.scenario.plan import Plan
from workbench.scenario.recipe import GateSpec, Scenario
from workbench.scenario.run import run, training_scores
from workbench.scenario.strength import strength_of
from workbench.scenario.treatment import supervision
from workbench.study import Study


@pytest.fixture
def one(quick):
    return quick.child(seeds=(0,))


@pytest.fixture
def learnt(monkeypatch):
    """What each fit was given: scores, its supervision, seed."""
    seen = []
    real = gates.train

    def watched(spec, scores, data, supervision, **options):
        seen.append((scores, supervision, options["seed"]))
        return real(spec, scores, data, supervision, **options)

    monkeypatch.setattr(gates, "train", watched)
    return seen


def assert_gate_saw_debiased(scores, length) -> None:
    """No objective that the gate learns from correlates with length, and verbosity itself is gone."""
    left = spearman(scores.values.reshape(-1, len(scores.names)), length.ravel())
    assert np.abs(left).max() < 0.01 and (scores.column("verbosity") == 0).all()


def test_the_gate_learns_from_debiased_scores(wide, one, learnt):
    run(one.child(debias="verbosity"), wide.study, cache=False)
    length = prepare(wide.study).column("verbosity", "train")
    assert_gate_saw_debiased(learnt[0][0], length)
    np.testing.assert_array_equal(learnt[0][0].values, training_scores(one.child(debias="verbosity"), wide.study).values)
    run(one, wide.study, cache=False)
    assert np.abs(learnt[0][0].values - learnt[1][0].values).max() > 0.1


def test_debias_computed_and_not_used_fails_the_same_assertion(wide, one, learnt, monkeypatch):
    """The trap: the release computes debiased rewards and trains on the raw ones."""
    monkeypatch.setattr(Plan, "scores", Plan.raw)
    run(one.child(debias="verbosity"), wide.study, cache=False)
    with pytest.raises(AssertionError):
        assert_gate_saw_debiased(learnt[0][0], prepare(wide.study).column("verbosity", "train"))


def test_the_gate_learns_on_train_families_alone(wide, one, learnt):
    run(one, wide.study, cache=False)
    train = wide.study.split_pairs("train")
    assert len(learnt[0][0]) == len(train) == len(learnt[0][1])
    made = prepare(wide.study)
    deviations = [made.deviation(name, "train") for name in made.names]
    np.testing.assert_allclose(learnt[0][0].values * deviations, made.split("train").scores.values)


@pytest.mark.parametrize("labels", ["drop", "flip", "soft", "margin", "flip+margin", "soft+margin"])
def test_treatments_reach_the_loss(wide, one, learnt, labels):
    result = run(one.child(labels=labels), wide.study, cache=False)
    found = strength_of(wide.study, store=False).strength
    taught, strength, low = learnt[0][1], found.mean, found.suspects(0.1)
    soft = 1 / (1 + np.exp(-strength))
    expected = {"drop": (1.0, 0.0, ~low), "flip": (~low, 0.0, 1.0), "soft": (soft, 0.0, 1.0), "margin": (1.0, strength, 1.0),
                "flip+margin": (~low, strength, 1.0), "soft+margin": (soft, strength, 1.0)}[labels]
    for got, wanted in zip((taught.target, taught.margin, taught.weight), expected):
        np.testing.assert_allclose(got, np.broadcast_to(wanted, len(got)))
    assert 0 < low.sum() < len(low) and result.accuracy > 0.5


def test_two_bands_in_one_section_reach_the_loss(wide, one, learnt):
    spec = LabelSpec(kind="flip", flip_below=-0.4, drop_below=0.1, where="Chat")
    run(one.child(labels=spec), wide.study, cache=False)
    taught, found = learnt[0][1], strength_of(wide.study, store=False)
    for place, (mean, section) in enumerate(zip(found.mean, found.pairs["section"])):
        flip = section == "Chat" and mean < -0.4
        drop = section == "Chat" and -0.4 <= mean < 0.1
        assert (taught.target[place], taught.weight[place], taught.margin[place]) == (0.0 if flip else 1.0, 0.0 if drop else 1.0, 0.0)
    assert (taught.target == 0).any() and (taught.weight == 0).any()
    assert (found.mean[(found.pairs["section"] != "Chat").to_numpy()] < -0.4).any()  # the same, left alone elsewhere


@pytest.mark.parametrize("kind", ["softmax", "global", "uniform"])
def test_kinds_of_gate(wide, one, kind):
    result = run(one.child(gate={"kind": kind, "steps": 60, "lr": 5e-3}), wide.study, cache=False)
    assert result.names == NAMES and (result.weights >= 0).all()
    per_row = result.weights.sum(axis=-1)
    np.testing.assert_allclose(per_row, np.broadcast_to(per_row[:, :1], per_row.shape))  # one scale
    np.testing.assert_allclose((result.weights * result.scores.margins).sum(axis=-1), result.margins, atol=1e-6)
    if kind != "softmax":
        assert np.ptp(result.weights, axis=1).max() < 1e-12  # no prompt
    if kind == "uniform":
        np.testing.assert_allclose(result.shares, 0.25)


def test_a_head_has_one_column(wide, one):
    result = run(one.child(gate=GateSpec(kind="bradley-terry", steps=60)), wide.study, cache=False)
    assert result.names == ("reward",) and result.accuracy > 0.55
    np.testing.assert_allclose(result.margins.mean(axis=0), result.scores.margins[:, 0])
    assert result.penalty is None and result.notes == ()


def test_a_trained_gate_finds_what_was_planted(wide):
    """Helpfulness leads in Chat, safety in Safety."""
    result = run(Scenario(seeds=(0, 1), gate=GateSpec(hidden=(16,), steps=300, batch_size=256, lr=5e-3)), wide.study, cache=False)
    chat, safety = (result.shares[(result.pairs["section"] == s).to_numpy()].mean(axis=0) for s in ("Chat", "Safety"))
    assert NAMES[chat.argmax()] == "helpfulness" and NAMES[safety.argmax()] == "safety"
    uniform = run(Scenario(seeds=(0,), gate=GateSpec(kind="uniform")), wide.study, cache=False)
    assert result.accuracy > uniform.accuracy


def test_same_seed_same_bytes(wide, quick, learnt):
    first, second = (run(quick.child(seeds=(3, 1)), wide.study, cache=False) for _ in range(2))
    assert [seed for _, _, seed in learnt] == [3, 1, 3, 1]
    np.testing.assert_array_equal(first.margins, second.margins)
    np.testing.assert_array_equal(first.weights, second.weights)
    assert np.abs(first.margins[0] - first.margins[1]).max() > 1e-4


def test_progress_tells_every_seed_and_the_time_left_for_all(wide, quick):
    told = []
    run(quick.child(seeds=(0, 1, 2)), wide.study, cache=False, progress=told.append)
    steps = {label: [update.step for update in told if update.label == label] for label in ("seed 1 of 3", "seed 2 of 3", "seed 3 of 3")}
    assert sum(map(len, steps.values())) == len(told) and all(own and own == sorted(own) for own in steps.values())
    assert all(update.label in update.live for update in told) and [u.whole for u in told] == sorted(u.whole for u in told)
    assert all(0 <= update.step <= update.steps == 60 for update in told)
    assert told[-1].seconds_left < 0.5 and all(np.isfinite(update.seconds_left) for update in told)


class Second:
    """Set once the second seed has begun."""

    def __init__(self):
        self.now = threading.Event()

    def __call__(self, update):
        if update.label.startswith("seed 2") and update.step >= 10:
            self.now.set()


def test_cancel_keeps_what_there_is(wide, quick):
    stop = Second()
    scenario = quick.child(seeds=(0, 1, 2), gate={"steps": 4000, "lr": 1e-3})
    partial = run(scenario, wide.study, progress=stop, cancel=stop.now)
    assert partial.stopped == "cancelled" and partial.seeds == (0, 1) and partial.margins.shape[0] == 2
    assert 0 <= partial.accuracy <= 1 and len(partial.metrics)
    again = run(scenario.child(gate={"steps": 60}), wide.study)
    assert again.stopped == "finished" and again.seeds == (0, 1, 2)
    with pytest.raises(WorkbenchError, match="finished"):
        partial.final()


def test_cancelled_at_once_is_still_a_result_and_not_kept(wide, quick):
    stop = threading.Event()
    stop.set()
    scenario = quick.child(seeds=(11, 12))
    partial = run(scenario, wide.study, cancel=stop)
    assert partial.stopped == "cancelled" and partial.seeds == (11,)
    whole = run(scenario, wide.study)
    assert whole.stopped == "finished" and whole.seeds == (11, 12)


def test_labels_treated_by_an_unfinished_ensemble_are_not_kept(wide, quick):
    """A gate in closed form cannot be cut short, but what it was taught can."""
    stop = threading.Event()
    stop.set()
    scenario = quick.child(labels="flip", gate={"kind": "global"}, seeds=(0,))
    kept = prepare(wide.study).kept
    for key in [key for key in kept if key[0] == "strength"]:
        kept.pop(key)
    partial = run(scenario, wide.study, cancel=stop, cache=False)
    assert partial.stopped == "cancelled"
    whole = run(scenario, wide.study)
    assert whole.stopped == "finished" and not np.array_equal(whole.margins, partial.margins)


def scores_study() -> Study:
    rng = np.random.default_rng(0)
    rows = [(f"p{i}", side, name, rng.normal() + (side == "chosen") * lift) for i in range(150) for side in ("chosen", "rejected")
            for name, lift in (("a", 1.0), ("b", 0.0), ("length", 0.3))]
    return Study.from_scores(pd.DataFrame(rows, columns=["pair", "side", "objective", "score"]))


def test_a_study_of_scores_has_no_gate_that_reads_prompts(one):
    study = scores_study()
    with pytest.raises(WorkbenchError, match="prompt features.*global"):
        run(one, study, cache=False)
    with pytest.raises(WorkbenchError, match="needs features|reads features"):
        run(one.child(gate={"kind": "bradley-terry"}), study, cache=False)
    with pytest.raises(WorkbenchError, match="strength needs features"):
        run(one.child(labels="flip", gate={"kind": "uniform"}), study, cache=False)
    learnt = run(one.child(gate={"kind": "global", "steps": 100, "lr": 1e-2}), study, cache=False)
    flat = run(one.child(gate={"kind": "uniform"}, debias="length"), study, cache=False)
    assert learnt.names == ("a", "b", "length") and learnt.shares[0, 0] > 0.5 > learnt.shares[0, 1]
    assert flat.null == ("length",) and "the longer wins" not in set(flat.metrics["metric"])


def test_unknown_names_are_told_before_anything_trains(wide, one, learnt):
    with pytest.raises(WorkbenchError, match="unknown objective 'x'"):
        run(one.child(drop=("x",)), wide.study, cache=False)
    assert not learnt


def test_supervision_of_plain_labels(wide):
    taught = supervision("hard", prepare(wide.study))
    assert isinstance(taught, Supervision) and (taught.target == 1).all()


def test_runs_in_two_threads_agree(wide, quick):
    """A session trains in a thread while the screen previews: shared inputs are made once."""
    results = [None] * 3

    def work(i):
        results[i] = run(quick.child(seeds=(21,)), wide.study, cache=False)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    np.testing.assert_array_equal(results[0].margins, results[2].margins)
