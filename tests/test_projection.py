"""A stored map is whole, and of this study, or it is none."""

import json

import numpy as np
import pandas as pd
import pytest
from planted import planted

from workbench.errors import WorkbenchError
from workbench.projection import stored_map


@pytest.fixture
def mapped(tmp_path):
    study = planted(tmp_path / "study", families=12, per_family=1).study
    ids = study.table("prompts")["prompt_id"]
    (study.folder / "projections").mkdir()
    pd.DataFrame({"prompt_id": ids, "x": np.arange(len(ids)), "y": 0.0}).to_parquet(study.folder / "projections" / "prompts.parquet")
    (study.folder / "projections" / "prompts.json").write_text(json.dumps({"study": study.hash}))
    return study


def test_the_map_of_this_study_is_read(mapped):
    assert list(stored_map(mapped)["prompt_id"]) == list(mapped.table("prompts")["prompt_id"])


def test_the_map_of_other_data_is_refused(mapped):
    (mapped.folder / "projections" / "prompts.json").write_text(json.dumps({"study": "0" * 12}))
    with pytest.raises(WorkbenchError, match="belongs to study 000000000000.*Make it again"):
        stored_map(mapped)


@pytest.mark.parametrize("lost", ["prompts.json", "prompts.parquet"])
def test_half_a_map_is_none(mapped, lost):
    (mapped.folder / "projections" / lost).unlink()
    with pytest.raises(WorkbenchError, match="no stored map.*Make one"):
        stored_map(mapped)
