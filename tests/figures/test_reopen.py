"""From a file back to its session and its numbers; and every file that is not one of ours is told so."""

import json
import struct
import zlib

import pandas as pd
import pytest
from test_export import small_pdf

import workbench as wb
from workbench import figures
from workbench.errors import WorkbenchError
from workbench.figures.cards import Card
from workbench.figures.sets import figures_of
from workbench.figures.stamp import read_stamp, stamp_pdf, stamp_png, stamp_svg
from workbench.scenario.recipe import Scenario

TOLD = {"study": "abc", "note": "caf\u00e9 </metadata> (\\) <&> \u03c1", "prompts": ["\U0001f600"]}


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def small_png():
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def stamped(kind: str, told: str) -> bytes:
    about = {"title": "t", "subject": "s", "provenance": told}
    if kind == "pdf":
        return stamp_pdf(small_pdf(), creator="c", width=234.0, **about)
    if kind == "png":
        return stamp_png(small_png(), creator="c", dots=300, **about)
    if kind == "html":
        safe = told.replace("<", "\\u003c")
        return f'<html>\n<head><script type="application/json" id="provenance">{safe}</script></head></html>'.encode()
    return stamp_svg('<svg width="4" height="4"><text>a</text></svg>', width=1, height=1, **about).encode()


KINDS = ("pdf", "svg", "png", "html")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_read(kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    path.write_bytes(stamped(kind, json.dumps(TOLD, ensure_ascii=False)))
    assert read_stamp(path) == TOLD


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_short_anywhere_is_told(kind, tmp_path):
    whole, path = stamped(kind, json.dumps(TOLD)), tmp_path / f"a.{kind}"
    for at in range(0, len(whole) - 2, 7):
        path.write_bytes(whole[:at])
        with pytest.raises(WorkbenchError, match="cut short|no PDF|damaged"):
            read_stamp(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_byte_is_no_crash(kind, tmp_path):
    whole, path = stamped(kind, json.dumps(TOLD)), tmp_path / f"a.{kind}"
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            assert isinstance(read_stamp(path), dict)
        except WorkbenchError as error:
            assert str(path) in str(error)


def test_what_is_not_ours(tmp_path):
    foreign = {"pdf": small_pdf(), "svg": b"<svg></svg>", "png": small_png(), "html": b"<html></html>"}
    for kind, data in foreign.items():
        (path := tmp_path / f"a.{kind}").write_bytes(data)
        with pytest.raises(WorkbenchError, match="no provenance inside"):
            wb.open_figure(path)
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    with pytest.raises(WorkbenchError, match="no PDF, SVG, PNG"):
        wb.open_figure(tmp_path / "a.gif")
    with pytest.raises(WorkbenchError, match="cannot read"):
        wb.open_figure(tmp_path / "nowhere.pdf")
    for told, words in (("{", "damaged"), ("[]", "damaged"), (json.dumps(TOLD), "does not say which recipe.*study abc"),
                        (json.dumps({"card": {"schema": 1}}), "no card")):
        (path := tmp_path / "b.svg").write_bytes(stamped("svg", told))
        with pytest.raises(WorkbenchError, match=words) as caught:
            wb.open_figure(path)
        assert str(path) in str(caught.value)


def test_another_study_is_named(tmp_path, planted_study):
    study = planted_study.study
    card = Card("sections", Scenario(), "abcabcabcabc")
    (path := tmp_path / "a.svg").write_bytes(stamped("svg", json.dumps({"card": card.to_dict()})))
    with pytest.raises(WorkbenchError, match="abcabcabcabc, which is not the shipped one.*study=Study.load"):
        wb.open_figure(path)
    with pytest.raises(WorkbenchError, match=f"made on study abcabcabcabc, not on {study.hash}"):
        wb.open_figure(path, study)


def test_the_shipped_study_is_found(tmp_path):
    card = Card("sections", Scenario(name="as rated"), wb.demo().hash)
    (path := tmp_path / "a.svg").write_bytes(stamped("svg", json.dumps({"card": card.to_dict()})))
    session = wb.open_figure(path)
    assert session.study.hash == wb.demo().hash and session.job is None and session.draft.id == card.scenario.id


@pytest.fixture(scope="module")
def drawn(trained):
    study, before, after = trained
    return *trained, figures_of(after, study, baseline=before, only=["comparison"])[0]["comparison"]


def test_a_figure_reopens_its_session(drawn, tmp_path):
    study, before, after, fig = drawn
    figures.save(fig, "a", "neurips", ("html",), tmp_path)
    session = wb.open_figure(tmp_path / "a.html", study)
    assert session.baseline_scenario.to_json() == before.scenario.to_json() and session.draft.recipe() == after.scenario.recipe()
    assert session.view["figures"] == {"open": 0} and session.view["open"] == {"screen": "figures"}
    assert session.baseline.margins.tobytes() == before.margins.tobytes() and session.candidate.margins.tobytes() == after.margins.tobytes()
    assert not session.jobs, "kept results are read, nothing is trained"
    card = Card.from_dict(session.tray[0])
    assert card.venue == "neurips" and card.figure == "comparison"
    session.retrain().wait()
    assert session.candidate.margins.tobytes() == after.margins.tobytes()
    pd.testing.assert_frame_equal(figures.table(figures.draw(card, study)), figures.table(fig))


def test_slices_and_the_pair_come_back(drawn, tmp_path):
    study, before, after, _ = drawn
    ids = after.pairs["pair_id"].tolist()
    card = Card("comparison", after.scenario, study.hash, before.scenario, {"slices": {"mine": ids[:30]}})
    (path := tmp_path / "a.svg").write_bytes(stamped("svg", json.dumps({"card": card.to_dict()})))
    session = wb.open_figure(path, study)
    assert list(session.slices) == ["mine"] and list(session.slices["mine"].ids) == ids[:30] and session.selection.kind == "all"
    card = Card("gate prompt", after.scenario, study.hash, before.scenario, {"pair": ids[3]})
    path.write_bytes(stamped("svg", json.dumps({"card": card.to_dict()})))
    assert wb.open_figure(path, study).selection.primary == ids[3]
    card = Card("comparison", after.scenario, study.hash, before.scenario, {"slices": {"mine": ["nobody"]}})
    path.write_bytes(stamped("svg", json.dumps({"card": card.to_dict()})))
    with pytest.raises(WorkbenchError, match="a.svg"):
        wb.open_figure(path, study)


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_all_three_kinds_reopen(browser, drawn, tmp_path, kind):
    study, before, after, fig = drawn
    figures.save(fig, "a", "icml-column", (kind,), tmp_path)
    data = (tmp_path / f"a.{kind}").read_bytes()
    assert b"secret" not in data and "secret".encode("utf-16-be").hex().encode() not in data, "notes are private"
    session = wb.open_figure(tmp_path / f"a.{kind}", study)
    assert (session.baseline_scenario.id, session.draft.id) == (before.scenario.id, after.scenario.id)
