"""What is selected, the primary item and slices: every way to name items, and every way to fail."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.features import write_index, write_shard
from workbench.scenario.inputs import prepare
from workbench.session import Selection, Session, Slice
from workbench.study import Study
from workbench.tables import Tables


@pytest.fixture
def heard(session):
    events = []
    session.changed.connect(lambda revision, origin: events.append((revision, origin)))
    return events


def test_items_are_the_rows_of_every_result(session, baseline):
    pd.testing.assert_frame_equal(session.items, baseline.pairs)
    assert {"pair_id", "prompt_id", "chosen", "rejected", "family", "section", "source"} <= set(session.items)


@pytest.mark.parametrize("rated", [True, False])
def test_items_leave_out_what_has_no_features_as_results_do(tmp_path, planted_study, rated):
    old = planted_study.study
    tables = {name: old.table(name) for name in ("prompts", "responses", "pairs", "ratings", "splits")}
    dev = old.split_pairs("dev")
    skip = {"prompt": tables["prompts"].index[tables["prompts"]["prompt_id"] == dev["prompt_id"][0]][0],
            "response": tables["responses"].index[tables["responses"]["response_id"] == dev["chosen"].iloc[-1]][0]}
    kinds = {}
    for kind, name in (("prompt", "prompts"), ("response", "responses")):
        values = np.random.default_rng(0).normal(size=(len(tables[name]), 4)).astype(np.float32)
        values[skip[kind]] = 0
        shard = write_shard(tmp_path / "features", kind, 0, values)
        kinds[kind] = {"dim": 4, "dtype": "F16", "shards": [shard], "skipped": {str(skip[kind]): "too long"}}
    write_index(tmp_path / "features", kinds)
    objectives = tuple(old.objective_info.values())
    study = Study.write(Tables(tables["prompts"], tables["responses"], tables["pairs"], tables["ratings"] if rated else None, objectives,
                               splits=tables["splits"]), tmp_path, features={"compose": ["response"], "backbone": "none"})
    wanted = prepare(study, store=False).split("dev").pairs
    items = Session(study).items
    assert 0 < len(items) < len(dev) and items.equals(wanted)


def test_every_way_to_name_items_selects_the_same(session):
    ids = list(session.items["pair_id"][[2, 5, 7]])
    mask = session.items["pair_id"].isin(ids)
    ways = [ids, tuple(ids), set(ids), (name for name in ids), pd.Series(ids), np.array(ids), [2, 5, 7], np.array([7, 5, 2]), mask,
            range(2, 9, 3), mask.to_numpy(), mask.tolist(), mask.astype("boolean"), session.items[mask]]
    for which in ways:
        session.select(None)
        wanted = [2, 5, 8] if isinstance(which, range) else [2, 5, 7]
        assert np.flatnonzero(session.select(which).selection.mask).tolist() == wanted
        assert session.selection.n == 3 and session.selection.kind == "python"


def test_a_selection_says_who_made_it_and_cannot_be_written_to(session, heard):
    assert session.selection.kind == "all" and session.selection.n == len(session.items) and session.selection.primary is None
    lasso = np.zeros(len(session.items), bool)
    lasso[:4] = True
    session.select(lasso, primary=session.items["pair_id"][1], kind="lasso", label="lasso", origin="map")
    lasso[:] = True  # the caller's own
    chosen = session.selection
    assert isinstance(chosen, Selection) and chosen.n == 4 and (chosen.kind, chosen.label, chosen.origin) == ("lasso", "lasso", "map")
    assert chosen.primary == session.items["pair_id"][1] and heard == [(1, "map")] and chosen.revision == 1
    with pytest.raises(ValueError, match="read-only"):
        chosen.mask[0] = False
    session.look_at(session.items["pair_id"][9], origin="table")
    assert session.selection.mask is chosen.mask and session.selection.primary == session.items["pair_id"][9]
    session.select([0, 1, 2, 3], kind="lasso", label="lasso").look_at(session.items["pair_id"][9])
    assert heard == [(1, "map"), (2, "table")]  # it was so already
    session.selection = [1]
    assert session.selection.n == 1 and session.selection.primary == session.items["pair_id"][9] and session.revision == 3
    session.selection = None
    assert session.selection.kind == "all" and session.look_at(None).selection.primary is None


def test_undo_moves_the_draft_and_not_the_selection(session):
    session.set_multiplier("safety", 2).select([1, 2]).save_slice("two")
    session.undo()
    assert session.selection.n == 2 and "two" in session.slices


@pytest.mark.parametrize(("act", "words"), [
    (lambda s: s.select([]), "nothing there: the selection stays"),
    (lambda s: s.select(np.zeros(len(s.items), bool), kind="lasso"), "nothing there: the selection stays"),
    (lambda s: s.select(np.ones(3, bool)), "a mask of"),
    (lambda s: s.select(["nobody", s.items["pair_id"][0], "none"]), "unknown pair nobody, none"),
    (lambda s: s.select([0, 10**6]), "no item 1000000"),
    (lambda s: s.select([-1]), "no item -1"),
    (lambda s: s.select([0.5]), "numbers that are no positions"),
    (lambda s: s.select("mine"), "no slice 'mine'"),
    (lambda s: s.select([0], kind="magic"), "kind 'magic'"),
    (lambda s: s.select([0], primary="nobody"), "unknown pair 'nobody'"),
    (lambda s: s.select(s.items[["family"]]), "without pair_id"),
    (lambda s: s.look_at("nobody"), "unknown pair 'nobody'"),
    (lambda s: s.rename_slice("mine", "yours"), "no slice 'mine'.*none yet"),
    (lambda s: s.remove_slice("mine"), "no slice 'mine'"),
    (lambda s: s.save_slice("Safety"), "'Safety' is taken"),  # a section of the study
    (lambda s: s.save_slice("All pairs"), "'All pairs' is taken"),
    (lambda s: s.save_slice(" "), "needs a name"),
])
def test_bad_input_is_named_and_changes_nothing(session, heard, act, words):
    session.select([3], kind="search", label='search "lock"')
    before = session.selection
    with pytest.raises(WorkbenchError, match=words):
        act(session)
    assert session.selection is before and heard == [(1, "")] and not session.slices


def test_slices_are_saved_by_name_selected_renamed_and_removed(session, heard):
    session.select([5, 1], kind="filter", label="Safety")
    first, second = session.save_slice(origin="bar"), session.save_slice(note="again")
    assert isinstance(first, Slice) and first.ids == tuple(session.items["pair_id"][[1, 5]])
    assert list(session.slices) == ["Safety 2", "Safety 3"] and second.note == "again" and heard[1] == (2, "bar")
    with pytest.raises(WorkbenchError, match="is taken"):
        session.save_slice("Safety 2")
    with pytest.raises(WorkbenchError, match="is taken"):
        session.rename_slice("Safety 2", "Safety 3")
    session.select(None).select("Safety 2")
    assert session.selection.n == 2 and (session.selection.kind, session.selection.label) == ("slice", "Safety 2")
    session.rename_slice("Safety 2", "locks")
    assert session.selection.label == "locks" and list(session.slices) == ["locks", "Safety 3"]
    session.remove_slice("locks")
    assert session.selection.n == 2 and list(session.slices) == ["Safety 3"]
    revision = session.revision
    session.rename_slice("Safety 3", "Safety 3")
    assert session.revision == revision


def test_a_hundred_thousand_pairs_are_selected_in_no_time(session):
    n = 100_000
    session.items = pd.DataFrame({"pair_id": [f"pair-{i:06d}" for i in range(n)], "section": "Chat"})
    session._ids = pd.Index(session.items["pair_id"].astype(object))
    mask = np.arange(n) % 3 == 0
    session.select(~mask)
    begun = time.perf_counter()
    session.select(mask, kind="lasso", label="lasso")
    by_mask = time.perf_counter() - begun
    ids = session.items["pair_id"][mask]
    session.select(None).select(ids[:1])  # builds the index
    begun = time.perf_counter()
    session.select(ids)
    by_ids = time.perf_counter() - begun
    assert by_mask < 0.02 and by_ids < 0.5, (by_mask, by_ids)
    print(f"by mask {1e3 * by_mask:.1f} ms, by ids {1e3 * by_ids:.1f} ms")


def test_a_mask_of_a_sorted_frame_means_its_rows(session):
    turned = session.items.sort_values("pair_id", ascending=False)
    section = turned["section"].iloc[0]
    session.select(turned["section"] == section)
    assert session.selection.mask.tolist() == (session.items["section"] == section).tolist() and not session.selection.mask.all()
    other = pd.Series(session.selection.mask, index=session.items["pair_id"])  # rows of something else: as they come
    assert session.select(None).select(other).selection.mask.tolist() == other.tolist()


def test_a_frame_names_pairs_and_never_positions(session):
    with pytest.raises(WorkbenchError, match="unknown pair"):
        session.select(pd.DataFrame({"pair_id": [0, 1]}))


def test_some_are_not_all_whatever_they_are_called(session):
    session.select([0, 1], kind="all")
    assert session.selection.kind == "python" and session.selected_accuracy()["words"].str.contains("exploratory").all()
    assert session.select(list(range(len(session.items))), kind="all").selection.kind == "all"
