"""Columns of scores from elsewhere: joined by id whatever order they come in, or refused in one line."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.readers.columns import align, read_scores
from workbench.study import Study
from workbench.tables import Tables

IDS = [f"r{i}" for i in range(8)]  # r6 and r7 are in no pair, r0 is in two


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    prompts = pd.DataFrame({"prompt_id": ["a", "b"], "family": ["a", "b"]})
    responses = pd.DataFrame({"response_id": IDS, "prompt_id": np.repeat(["a", "b"], 4)})
    pairs = pd.DataFrame([("c0", "a", "r0", "r1"), ("c1", "a", "r2", "r0"), ("007", "b", "r4", "r5"), ("c3", "a", "r3", "r1")],
                         columns=["pair_id", "prompt_id", "chosen", "rejected"])
    return Study.write(Tables(prompts, responses, pairs), tmp_path_factory.mktemp("study") / "s")


def by_response(**change) -> pd.DataFrame:
    return pd.DataFrame({"response_id": IDS, "judge": np.arange(8.0), "other": -np.arange(8.0)} | change)


BY_PAIR = [("c0", "chosen", 0), ("c0", "rejected", 1), ("c1", "chosen", 2), ("c1", "rejected", 0), ("007", "rejected", 5),
           ("007", "chosen", 4), ("c3", "chosen", 3), ("c3", "rejected", 1)]


def by_pair(*rows) -> pd.DataFrame:
    return pd.DataFrame([*BY_PAIR, *rows], columns=["pair_id", "side", "judge"])


def written(frame: pd.DataFrame, path):
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({k: v for k, v in row.items() if v == v}) + "\n" for row in frame.to_dict("records")))
    else:
        frame.to_parquet(path, index=False)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_files_of_every_kind_by_response_and_by_pair(study, tmp_path, suffix):
    wanted = align(study, by_response())
    pd.testing.assert_frame_equal(wanted, by_response())
    shuffled = by_response().sample(frac=1, random_state=1)
    found = align(study, read_scores(written(shuffled, tmp_path / f"scores{suffix}")))
    pd.testing.assert_frame_equal(found, wanted)
    paired = align(study, read_scores(written(by_pair(), tmp_path / f"pairs{suffix}"), study))
    pd.testing.assert_frame_equal(paired, wanted.loc[:5, ["response_id", "judge"]])
    pd.testing.assert_frame_equal(read_scores(by_response()), by_response())


def test_a_file_with_both_keys_goes_by_the_one_asked_for(study):
    both = by_pair()
    both["response_id"] = [f"r{int(score)}" for *_, score in BY_PAIR]
    once = read_scores(both.drop_duplicates("response_id"), study)
    pd.testing.assert_frame_equal(align(study, once), align(study, read_scores(both, study, key="pair_id")))
    with pytest.raises(WorkbenchError, match="two rows for response r1, r0|two rows for response r0, r1"):
        align(study, read_scores(both, study))


def test_ids_are_the_studys_own_whatever_type_a_file_gives_them(tmp_path):
    """An id of digits stays as it is written; one that is a number matches the same in words."""
    prompts = pd.DataFrame({"prompt_id": [1, 2], "family": [1, 2]})
    responses = pd.DataFrame({"response_id": [1, 2, 3, 4], "prompt_id": [1, 1, 2, 2]})
    pairs = pd.DataFrame({"pair_id": [10, 20], "prompt_id": [1, 2], "chosen": [1, 4], "rejected": [2, 3]})
    study = Study.write(Tables(prompts, responses, pairs), tmp_path / "s")
    for rows in ([4, 3, 2, 1], list("4321")):
        found = align(study, pd.DataFrame({"response_id": rows, "judge": [4.0, 3, 2, 1]}))
        assert found["response_id"].tolist() == [1, 2, 3, 4] and found["judge"].tolist() == [1, 2, 3, 4]
    (tmp_path / "x.csv").write_text("pair_id,side,judge\n20,chosen,4\n20,rejected,3\n10,chosen,1\n10,rejected,2\n")
    assert align(study, read_scores(tmp_path / "x.csv", study))["judge"].tolist() == [1, 2, 3, 4]


def test_numbers_of_every_type_are_floats(study):
    kinds = {"whole": np.arange(8), "half": np.arange(8, dtype=np.float32), "yes": np.arange(8) % 2 == 0,
             "nullable": pd.array([None, *range(7)], "Int64"), "text": ["1e-3", "2", " 3", "4.5", "-5", "6", "7", "8"]}
    found = read_scores(pd.DataFrame({"response_id": IDS} | kinds))
    assert set(found.dtypes[1:]) == {np.dtype(np.float64)} and found["text"][0] == 0.001 and found["yes"].tolist() == [1, 0] * 4
    assert np.isnan(found["nullable"][0]) and found["nullable"][7] == 6


def test_gaps_are_refused_or_told(study):
    outside = by_response(judge=[0, 1, 2, 3, 4, 5, np.nan, np.nan])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert align(study, outside)["judge"].isna().sum() == 2  # what is in no pair may be missing
        assert align(study, by_response().head(6))["response_id"].tolist() == IDS[:6]
    gaps = by_response(judge=[np.nan, 1, 2, np.nan, 4, 5, 6, 7])
    lacking = r"scores, column judge: no number for 2 of 6 responses of pairs \(r0, r3\)"
    with pytest.raises(WorkbenchError, match=f"{lacking}. Score them too.*objectives=False"):
        align(study, gaps)
    with pytest.raises(WorkbenchError, match="no number for 1 of 6 responses of pairs"):
        align(study, by_response().drop(index=5))
    with pytest.warns(UserWarning, match=f"{lacking}; it can be no objective"):
        found = align(study, gaps, partial=True)
    assert found["judge"].isna().tolist() == gaps["judge"].isna().tolist() and found["other"].notna().all()
    with pytest.warns(UserWarning):
        assert align(study, by_response().head(2)[::-1], partial=True)["response_id"].tolist() == ["r0", "r1"]


WRONG = {
    "unknown ids": (by_response(response_id=["x0", "x1", *IDS[2:]]), ["x0, x1: no responses of this study (2 of 8 ids)", "own ids"]),
    "repeated ids": (pd.concat([by_response(), by_response().head(2)]), ["two rows for response r0, r1", "One row each"]),
    "no id": (by_response(response_id=[None, *IDS[1:]]), ["no response_id in rows 0"]),
    "words": (by_response(judge=["high", *range(7)]), ["column judge", "'high' is no number (r0)", "leave the column out"]),
    "a list": (by_response(judge=[[1], *range(7)]), ["column judge", "'[1]' is no number (r0)"]),
    "infinite": (by_response(judge=[np.inf, -np.inf, *range(6)]), ["column judge", "infinite score of r0, r1"]),
    "infinite in words": (by_response(judge=["inf", *range(7)]), ["column judge", "infinite score of r0"]),
    "nothing": (by_response(judge=np.nan), ["column judge", "no number at all", "Leave the column out"]),
    "no key": (by_response().rename(columns={"response_id": "id"}), ["missing column 'response_id'", "It has id, judge, other"]),
    "no side": (by_pair().drop(columns="side"), ["missing column 'side'", "pair_id and side"]),
    "no scores": (by_response()[["response_id"]], ["no column of scores", "It has response_id"]),
    "twice a column": (by_response().rename(columns={"other": "judge"}), ["two columns judge"]),
    "unknown side": (by_pair(("c0", "left", 1)), ["column side", "unknown side 'left' (c0)"]),
    "unknown pair": (by_pair(("c9", "chosen", 1)), ["column pair_id", "c9: no pairs of this study"]),
    "two scores of one response": (by_pair(("c3", "rejected", 7)), ["different scores of response r1 in pairs c0, c3, c3",
                                                                     "(1 such responses)", "mean"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_one_line(study, case):
    frame, words = WRONG[case]
    with pytest.raises(WorkbenchError) as caught:
        align(study, read_scores(frame, study))
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


def test_scores_by_pair_need_the_study(study):
    with pytest.raises(WorkbenchError, match="scores by pair, and no study.*study="):
        read_scores(by_pair())
    with pytest.raises(WorkbenchError, match="key 'prompt_id'. Known: auto, response_id, pair_id"):
        read_scores(by_pair(), study, key="prompt_id")
    with pytest.raises(WorkbenchError, match="missing column 'pair_id'"):
        read_scores(by_response(), study, key="pair_id")
    gap = by_pair(("c0", "chosen", np.nan), ("c1", "chosen", 2))  # said once, and twice the same
    assert align(study, read_scores(gap, study))["judge"].tolist() == [0, 1, 2, 3, 4, 5]


FILES = {
    "gone.csv": (None, "gone.csv: no such file"),
    "scores.tsv": ("response_id\tjudge\n", r"scores.tsv: unknown kind of file.*\.csv, \.jsonl"),
    "short.csv": ("response_id,judge\nr0,1\nr1\n", "short.csv, line 3: not CSV: 1 values for 2 columns"),
    "quote.csv": ('response_id,judge\n"r0,1\n', "quote.csv, line .: not CSV: unexpected end of data"),
    "empty.csv": ("response_id,judge\n", "empty.csv: no rows"),
    "latin.csv": (b"response_id,judge\nr\xe9,1\n", "latin.csv: not UTF-8: byte 20 is 0xe9"),
    "twice.csv": ("response_id,judge,judge\nr0,1,2\n", "twice.csv: two columns judge"),
    "odd.jsonl": ("[1]\n", "odd.jsonl, line 1: a list, not an object"),
    "mixed.csv": ("response_id,judge\nr0,1\nr1,n/a\n", r"mixed.csv, column judge: 'n/a' is no number \(r1\)"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    content, words = FILES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(WorkbenchError, match=words):
        read_scores(tmp_path / name)


def test_a_csv_as_others_write_it(study, tmp_path):
    """A mark at its beginning, quotes, other line ends, an empty last line, words for nothing."""
    (tmp_path / "x.csv").write_bytes('\ufeffresponse_id,"the, judge"\r\n"r1",1\r\nr0,NA\r\nr7,\r\n\r\n'.encode())
    found = read_scores(tmp_path / "x.csv")
    assert found["response_id"].tolist() == ["r1", "r0", "r7"] and found["the, judge"].isna().tolist() == [False, True, True]
