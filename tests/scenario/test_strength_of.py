"""One ensemble per study: fitted on train once, kept whole, applied to dev and never trained on it."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest
from planted import planted
from scipy.stats import spearmanr

from workbench.errors import WorkbenchError
from workbench.preference.strength import Strength
from workbench.scenario import strength as module
from workbench.scenario.inputs import prepare
from workbench.scenario.labels import LabelSpec
from workbench.scenario.noise import NoiseSpec, turned
from workbench.scenario.recipe import Scenario
from workbench.scenario.run import run
from workbench.scenario.strength import strength_of
from workbench.scenario.treatment import supervision
from workbench.study import Study


@pytest.fixture
def fits(monkeypatch):
    """How often an ensemble was fitted, and on how many pairs."""
    seen, real = [], Strength.fit.__func__

    def watched(cls, features, **options):
        seen.append(len(features))
        return real(cls, features, **options)

    monkeypatch.setattr(Strength, "fit", classmethod(watched))
    return seen


def forget(study) -> None:
    kept = prepare(study).kept
    for key in [key for key in kept if key[0] == "strength"]:
        kept.pop(key)


def test_fitted_once_for_runs_and_screens_alike(wide, quick, fits):
    forget(wide.study)
    run(quick.child(labels="drop", seeds=(0,)), wide.study, cache=False)
    run(quick.child(labels="flip", seeds=(0,)), wide.study, cache=False)
    table = strength_of(wide.study, store=False)
    strength_of(wide.study, split="dev", store=False)
    assert fits == [len(wide.study.split_pairs("train"))]
    assert table.strength.folds == 5 and table.members.shape[1] == 10
    assert table.pairs["pair_id"].tolist() == wide.study.split_pairs("train")["pair_id"].tolist()


def test_the_same_from_disk(tmp_path, fits):
    study = planted(tmp_path / "study", families=40, per_family=1).study
    fitted = {split: strength_of(study, split=split) for split in ("train", "dev")}
    forget(study)
    for split, before in fitted.items():
        after = strength_of(study, split=split)
        assert after.members.tobytes() == before.members.tobytes() and after.strength.decay == before.strength.decay
    assert len(fits) == 1
    next((study.folder / "runs").glob("strength-*/strength.safetensors")).write_bytes(b"")
    forget(study)
    with pytest.warns(UserWarning, match="cache not used"):
        assert strength_of(study).members.tobytes() == fitted["train"].members.tobytes()
    assert len(fits) == 2


def test_dev_is_scored_and_not_learnt_from(wide):
    """Oracle: each member's margin of a dev pair by one of its heads, by hand."""
    train, dev = (strength_of(wide.study, split=split, store=False) for split in ("train", "dev"))
    data, heads = prepare(wide.study).split("dev"), train.strength.heads
    for place in (0, 31):
        chosen, rejected = ((x.astype(np.float64) - heads.centre) / heads.spread for x in data.features.response[place])
        margins = np.array([(w[:, 0] @ (chosen - rejected)) for w in heads.weights[0]]).reshape(10, 5)
        for member in range(10):
            assert np.abs(margins[member] - dev.members[place, member]).min() < 1e-4
        assert np.ptp(margins, axis=1).min() > 1e-3  # so that it is one fold's, not their mean
    assert set(dev.families) & set(train.families) == set()


def test_spread_and_size_are_on_one_scale(wide):
    train, dev = (strength_of(wide.study, split=split, store=False) for split in ("train", "dev"))
    assert 0.7 < dev.std.mean() / train.std.mean() < 1.4
    assert 0.7 < dev.mean.std() / train.mean.std() < 1.4


def test_it_finds_what_was_flipped(wide):
    table = strength_of(wide.study, store=False)
    number = table.pairs["pair_id"].str[1:].astype(int).to_numpy()
    lowest = table.strength.suspects(0.1)
    assert wide.flipped[number][lowest].mean() > 3 * wide.flipped[number].mean()
    assert table.right is None and table.truth is None and table.length.shape == (len(table), 2)


def test_truth_of_a_planted_study_comes_in_the_order_of_the_pairs(tmp_path):
    made = planted(tmp_path / "study", families=40, per_family=1)
    pairs = made.study.table("pairs")
    truth = pd.DataFrame({"pair_id": pairs["pair_id"], "gap": np.where(made.flipped, -1.0, 1.0), "flipped": made.flipped})
    study = Study(made.study.info, made.study.folder, {"truth_pairs": truth.sample(frac=1, random_state=0)})
    table = strength_of(study, split="dev", store=False)
    known = truth.set_index("pair_id").loc[table.pairs["pair_id"]]
    assert table.right.tolist() == (~known["flipped"]).astype(float).tolist() and 0 < table.right.mean() < 1


def test_a_cancelled_fit_is_told_and_not_kept(wide):
    forget(wide.study)
    stop = threading.Event()
    stop.set()
    with pytest.raises(WorkbenchError, match="cancelled"):
        strength_of(wide.study, cancel=stop, store=False)
    assert strength_of(wide.study, store=False).strength.fit_report.stopped != "cancelled"


def test_what_cannot_be_had_is_told(wide):
    rows = [(f"p{i}", side, "a", float(i % 7) + (side == "chosen")) for i in range(60) for side in ("chosen", "rejected")]
    scores = Study.from_scores(pd.DataFrame(rows, columns=["pair", "side", "objective", "score"]))
    with pytest.raises(WorkbenchError, match="needs features.*columns of scores"):
        strength_of(scores)
    with pytest.raises(WorkbenchError, match="strength of 'test'"):
        strength_of(wide.study, split="test")


def test_an_unknown_section_is_told_before_anything_is_fitted(wide, quick, fits):
    forget(wide.study)
    with pytest.raises(WorkbenchError, match="no section Maths.*Chat"):
        run(quick.child(labels={"kind": "drop", "where": ["Chat", "Maths"]}), wide.study, cache=False)
    assert fits == []


def test_hard_labels_fit_nothing(wide, fits):
    forget(wide.study)
    assert (supervision(Scenario().labels, prepare(wide.study)).weight == 1).all() and fits == []
    by_hand = LabelSpec(kind="hard", hand={wide.study.split_pairs("train")["pair_id"].iloc[3]: "flip"})
    assert np.flatnonzero(supervision(by_hand, prepare(wide.study)).target == 0).tolist() == [3] and fits == []


# -- from elsewhere --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged(wide, tmp_path_factory):
    """The wide study with what three reward models gave, each on its own scale."""
    rng, ids = np.random.default_rng(0), wide.study.table("responses")["response_id"]
    scores = pd.DataFrame({"response_id": ids, **{f"rm-{m:02d}": 10.0**m * rng.normal(size=len(ids)) for m in range(3)}})
    return wide.study.with_scores(scores, tmp_path_factory.mktemp("judged") / "study", objectives=False)


def test_score_lists_are_read_as_they_stand_and_named_columns_evened_out(judged, fits):
    pairs = judged.split_pairs("train")
    given = np.stack([judged.column(f"rm-{m:02d}") for m in range(3)], axis=1)
    place = {response: at for at, response in enumerate(judged.column("rm-00").index)}
    gaps = given[pairs["chosen"].map(place)] - given[pairs["rejected"].map(place)]
    assert strength_of(judged, "scores").members == pytest.approx(gaps)
    named = strength_of(judged, {"source": "scores", "columns": ["rm-00", "rm-02"]})
    assert named.members == pytest.approx(gaps[:, [0, 2]] / gaps[:, [0, 2]].std(axis=0)) and fits == []
    dev = strength_of(judged, {"source": "scores", "columns": ["rm-00", "rm-02"]}, split="dev")
    first = [place[dev.pairs[side].iloc[0]] for side in ("chosen", "rejected")]
    assert dev.members[0, 1] * gaps[:, 2].std() == pytest.approx(given[first[0], 2] - given[first[1], 2])


def test_ratings_as_strength_know_the_pairs_that_are_rated_on_both_sides(wide, quick):
    found = strength_of(wide.study, {"source": "ratings", "columns": ["safety", "helpfulness"]})
    ratings = wide.study.ratings.set_index("response_id")[["safety", "helpfulness"]]
    pairs = wide.study.split_pairs("train").set_index("pair_id")
    gap = (ratings.reindex(pairs["chosen"]).to_numpy(float) - ratings.reindex(pairs["rejected"]).to_numpy(float))
    known = np.isfinite(gap).any(axis=1)
    assert found.pairs["pair_id"].tolist() == pairs.index[known].tolist() and len(found) < len(pairs)
    mean = np.nanmean(np.where(known[:, None], gap, 0.0), axis=1)
    assert found.mean == pytest.approx(mean[known]) and found.members.shape[1] == 1
    spec = LabelSpec(kind="margin", relabel=True, strength={"source": "ratings", "columns": ["safety", "helpfulness"]})
    taught = supervision(spec, prepare(wide.study))
    assert (taught.weight > 0).tolist() == (known & (mean != 0)).tolist()
    assert (taught.target[taught.weight > 0] == (mean[taught.weight > 0] > 0)).all()
    assert np.isfinite(run(quick.child(labels=spec, seeds=(0,)), wide.study, cache=False).margins).all()


def test_noise_turns_the_strength_of_the_labels_it_turns(wide):
    noise = NoiseSpec(rate=0.3)
    mask = turned(noise, len(wide.study.split_pairs("train")), None)
    stored, seen = strength_of(wide.study, store=False), strength_of(wide.study, noise=noise, store=False)
    assert np.corrcoef(np.where(mask, -1, 1) * seen.mean, stored.mean)[0, 1] > 0.5  # the order beneath is the same
    assert seen.mean[mask].mean() < 0 < seen.mean[~mask].mean()
    assert seen.lengthening == pytest.approx(np.where(mask, -stored.lengthening, stored.lengthening))
    dev, quiet = (strength_of(wide.study, "ratings", split="dev", noise=one).mean for one in (noise, None))
    assert dev == pytest.approx(quiet)  # nobody is taught those


def test_truth_and_judge_speak_of_the_labels_as_they_are_taught():
    pairs = pd.DataFrame({"judge_label": [1, 0, -1, 1], "chosen": "a", "rejected": "B"})
    gap = pd.DataFrame({"gap": [2.0, -1.0, 0.5, 0.0], "flipped": [False] * 4})
    length, mask = np.array([[5.0, 3.0]] * 4), np.array([True, True, False, False])
    seen, long, truth = module._as_taught(pairs, length, gap, mask)
    assert seen["judge_label"].tolist()[:2] == [0, 1] and seen["judge_label"].iloc[3] == 1 and np.isnan(seen["judge_label"].iloc[2])
    assert truth["gap"].tolist() == [-2.0, 1.0, 0.5, 0.0] and long[:, 0].tolist() == [3, 3, 5, 5]
    assert truth["flipped"].tolist() == [True, True, False, False] and "".join(seen["chosen"] + seen["rejected"]) == "BaBaaBaB"


def test_length_matched_strength_follows_length_less(wide):
    def follows(table):
        return abs(spearmanr(table.mean, table.lengthening)[0])

    assert follows(strength_of(wide.study, {"length_matched": True}, store=False)) < follows(strength_of(wide.study, store=False))


@pytest.mark.parametrize(("spec", "said"), [
    ("scores", "no score lists"), ({"source": "scores", "columns": ["planet"]}, "no column planet"),
    ({"source": "ratings", "columns": ["planet"]}, "no ratings of planet"),
])
def test_what_is_not_there_is_told(wide, spec, said):
    with pytest.raises(WorkbenchError, match=said):
        strength_of(wide.study, spec)


@pytest.mark.parametrize("kind", ["flip", "drop", "soft", "flip+margin", "margin", "scaled"])
def test_what_is_decided_by_hand_stands_whatever_its_strength_says(wide, kind):
    """The suspects that a reader judges wrong are the very pairs that a treatment flips: they end up flipped, once."""
    table = strength_of(wide.study)
    weakest = table.pairs["pair_id"].iloc[int(np.argmin(table.mean))]
    place = int(np.flatnonzero(wide.study.split_pairs("train")["pair_id"] == weakest)[0])
    for noise in (None, {"rate": 0.3}):
        taught = supervision(LabelSpec(kind=kind, hand={weakest: "flip"}, noise=noise), prepare(wide.study))
        assert (taught.target[place], taught.margin[place], taught.weight[place]) == (0, 0, 1)
        assert supervision(LabelSpec(kind=kind, hand={weakest: "drop"}, noise=noise), prepare(wide.study)).weight[place] == 0
    with pytest.raises(WorkbenchError, match="no train pair nobody"):
        supervision(LabelSpec(kind="hard", hand={"nobody": "flip"}), prepare(wide.study))


def test_a_cancelled_fit_spoils_nothing_for_dev(wide):
    forget(wide.study)
    stop = threading.Event()
    stop.set()
    with pytest.raises(WorkbenchError, match="cancelled"):
        strength_of(wide.study, split="dev", cancel=stop, store=False)
    strength_of(wide.study, store=False)
    assert np.isfinite(strength_of(wide.study, split="dev", store=False).mean).all()


def test_scores_that_tell_nothing_apart_are_told(judged, tmp_path):
    ids = judged.table("responses")["response_id"]
    flat = judged.with_scores(pd.DataFrame({"response_id": ids, "flat": 1.0}), tmp_path / "flat", objectives=False)
    with pytest.raises(WorkbenchError, match="'flat' is constant"):
        strength_of(flat, {"source": "scores", "columns": ["flat"]})
