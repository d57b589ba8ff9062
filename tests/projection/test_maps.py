"""A stored map is whole, and of this study, or it is none; a made one says what it is worth."""

import json
import threading
import time

import numpy as np
import pandas as pd
import pytest
from planted import planted

from workbench import bundle
from workbench.errors import WorkbenchError
from workbench.projection import project, stored_map
from workbench.study import Study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("map") / "study", families=50, per_family=2).study


@pytest.fixture
def mapped(tmp_path):
    made = planted(tmp_path / "study", families=12, per_family=1).study
    project(made)
    return made


def same(one, other):
    pd.testing.assert_frame_equal(one.places, other.places)
    pd.testing.assert_frame_equal(one.clusters, other.clusters)
    assert one.agreement == other.agreement and one.settings == other.settings


def test_a_map_has_places_clusters_and_what_it_is_worth(study, stand_in):
    seen = []
    made = project(study, seed=7, progress=lambda *told: seen.append(told))
    assert made.places.columns.tolist() == ["prompt_id", "x", "y", "cluster", "kept"]
    assert made.places["prompt_id"].tolist() == study.table("prompts")["prompt_id"].tolist()
    assert made.clusters.columns.tolist() == ["cluster", "name", "n", "x", "y"] and made.clusters["name"].is_unique
    counts = made.places.loc[made.places["cluster"] >= 0, "cluster"].value_counts()
    assert len(made.clusters) >= 2 and made.clusters.set_index("cluster")["n"].to_dict() == counts.to_dict()
    assert made.places["kept"].between(0, 1).all() and 0 < made.agreement <= 1
    assert made.settings["seed"] == 7 and made.settings["study"] == study.hash and made.settings["prompts"] == 100
    assert {"umap-learn", "numba"} <= set(made.settings["versions"])
    fractions, lefts, words = zip(*seen)
    assert fractions[-1] == 1 and list(fractions) == sorted(fractions) and all(left is None or left >= 0 for left in lefts)
    assert {"finding neighbours", "measuring what the map keeps", "finding clusters", "finding their words"} <= set(words)
    same(made, stored_map(Study.load(study.folder)))
    same(project(study, seed=7), made)


def test_cancelled_it_ends_and_what_was_stored_stays(study, stand_in):
    before = project(study)
    stand_in(wait=4)
    cancel, caught = threading.Event(), []

    def work():
        try:
            project(study, seed=1, cancel=cancel)
        except WorkbenchError as error:
            caught.append(str(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    time.sleep(0.5)
    begun = time.monotonic()
    cancel.set()
    thread.join(10)
    assert time.monotonic() - begun < 2 and "cancelled" in caught[0]
    same(before, stored_map(study))


def test_the_map_of_other_data_is_refused(mapped):
    folder = mapped.folder / "projections" / "prompts"
    about, files = bundle.read_folder(folder)
    bundle.write_folder(folder, files, {**about, "study": "0" * 12})
    with pytest.raises(WorkbenchError, match="belongs to study 000000000000.*Make it again"):
        stored_map(mapped)


@pytest.mark.parametrize("lost", ["index.json", "places.parquet", "clusters.parquet"])
def test_half_a_map_is_none(mapped, lost):
    (mapped.folder / "projections" / "prompts" / lost).unlink()
    with pytest.raises(WorkbenchError, match="damaged or incomplete.*Delete the folder"):
        stored_map(mapped)


def test_a_changed_byte_is_seen(mapped):
    path = mapped.folder / "projections" / "prompts" / "index.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "agreement": 0.99}))
    with pytest.raises(WorkbenchError, match="damaged"):
        stored_map(mapped)


def test_where_the_study_cannot_be_written_the_map_goes_to_the_users_cache(tmp_path, monkeypatch):
    made = planted(tmp_path / "study", families=12, per_family=1).study
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bundle.os, "access", lambda path, mode: "study" not in str(path))
    first = project(made)
    assert not (made.folder / "projections").exists() and (tmp_path / "cache" / made.hash / "projections" / "prompts").is_dir()
    same(first, stored_map(made))


def test_a_shipped_map_is_read_where_the_study_cannot_be_written(mapped, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bundle.os, "access", lambda path, mode: False)
    assert len(stored_map(mapped).places) == 12


def test_a_disk_that_is_full_loses_no_map(mapped, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("workbench.projection.maps.write_folder", full)
    with pytest.warns(UserWarning, match="map not kept on disk: no space left"):
        assert len(project(mapped).places) == 12


@pytest.mark.parametrize(("ask", "what"), [
    ({"of": "responses"}, "no map of 'responses'"), ({"neighbours": 1}, "2 neighbours or more"),
    ({"min_dist": -1.0}, "least distance"), ({"seeds": 0}, "1 seed or more"),
])
def test_bad_settings_are_refused(mapped, ask, what):
    with pytest.raises(WorkbenchError, match=what):
        project(mapped, **ask)


def test_without_features_there_is_no_map():
    rows = [(f"p{i}", side, "a", i + (side == "chosen")) for i in range(30) for side in ("chosen", "rejected")]
    bare = Study.from_scores(pd.DataFrame(rows, columns=["pair", "side", "objective", "score"]))
    with pytest.raises(WorkbenchError, match="no features, so no map can be made"):
        project(bare)
    with pytest.raises(WorkbenchError, match="no stored map.*needs features"):
        stored_map(bare)


def test_no_map_says_how_to_make_one(tmp_path):
    with pytest.raises(WorkbenchError, match="no stored map.*workbench map"):
        stored_map(planted(tmp_path / "study", families=12, per_family=1).study)


def test_prompts_without_features_are_left_out(mapped, monkeypatch):
    monkeypatch.setattr(type(mapped.store), "skipped", lambda self, kind: {3: "too long"})
    made = project(mapped)
    assert len(made.places) == 11 and "p0003" not in set(made.places["prompt_id"]) and made.settings["skipped"] == 1


def test_few_prompts_have_a_map_and_clusters_but_no_agreement(mapped):
    made = stored_map(mapped)
    assert np.isfinite(made.places[["x", "y"]]).all().all() and made.agreement is None
    assert sorted(made.clusters["name"]) == ["chat", "safety"] and made.clusters["n"].tolist() == [6, 6]
