"""Treatments side by side: colour only where words say so, and what is lacking is named; MetaRM's figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from laboratory_data import data_of, made, numbers, said

from workbench import figures
from workbench.errors import WorkbenchError

LOOK = figures.LIGHT


def verdicts() -> pd.DataFrame:
    rows = [("oracle", 0.03, 0.02, 0.04, "higher", 0.0004), ("flip", -0.02, -0.03, -0.01, "lower", 0.031),
            ("none", *[np.nan] * 3, "", np.nan), ("drop", 0.01, -0.01, 0.03, "no detectable change; seed noise not estimated", 0.3),
            ("soft", 0.02, 0.0, 0.04, "fewer than 20 families", np.nan),
            ("scaled", 0.02, np.nan, np.nan, "fewer than 6 families", np.nan)]
    frame = pd.DataFrame(rows, columns=["treatment", "difference", "d_low", "d_high", "words", "p_holm"])
    return frame.assign(of="clean", value=0.7, low=0.65, high=0.75)


def test_only_words_colour_a_treatment():
    fig = figures.plot_treatments(verdicts())
    marks = fig.data[-1]
    assert list(fig.layout.yaxis.ticktext) == ["none", "flip", "drop", "soft", "scaled", "oracle"]
    np.testing.assert_allclose(numbers(marks.x), [0, -2, 1, 2, 2, 3])
    assert list(marks.marker.line.color) == [LOOK.baseline, LOOK.negative, LOOK.unchanged, LOOK.unchanged, LOOK.unchanged, LOOK.candidate]
    hollow = [color == LOOK.ground for color in marks.marker.color]
    assert hollow == [True, False, False, False, True, False], "none, and what has no interval"
    np.testing.assert_allclose(numbers(fig.data[1].x), [-3, -1])
    words = said(fig)
    for text in ("\u25b2 higher", "p\u00a0&lt;\u00a0.001", "\u25bc lower", "p\u00a0.031", "no detectable change", "fewer than 20 families",
                 "fewer than 6 families", "70.0 [65.0,\u00a075.0]", "+3.0 [+2.0,\u00a0+4.0]", "seed noise not estimated: drop"):
        assert text in words, text
    assert figures.sentence(fig).endswith("oracle higher (+3.0), flip lower (\u22122.0), no detectable change in 1, no verdict on 2.")


def test_columns_of_treatments_share_their_scale():
    table = data_of(figures.plot_treatments)
    fig = made(figures.plot_treatments)
    assert fig.layout.xaxis.range == fig.layout.xaxis2.range and fig.layout.xaxis.domain[1] < fig.layout.xaxis2.domain[0]
    marks = [trace for trace in fig.data if trace.mode == "markers"]
    for trace, (_, part) in zip(marks, table.groupby("of", sort=False)):
        np.testing.assert_allclose(numbers(trace.x)[1:], 100 * part["difference"].iloc[1:])
    third = figures.plot_treatments(pd.concat([table, table[table["of"] == "truth"].assign(of="judge")]))
    beneath = [trace for trace in third.data if trace.mode == "markers"][2]
    rows = table["treatment"].nunique()
    assert beneath.xaxis in (None, "x") and min(beneath.y) > max(marks[0].y) and len(third.layout.yaxis.ticktext) == 2 * rows
    assert any(note.text == "the judge" and rows - 0.5 < note.y < rows + 0.5 for note in third.layout.annotations)


def test_domains_left_out():
    table = data_of(figures.plot_left_out)
    table.loc[1, ["value", "low", "high", "words"]] = [np.nan, np.nan, np.nan, "fewer than 6 families"]
    fig = figures.plot_left_out(table)
    for trace in fig.data:
        of = "observed labels" if trace.xaxis == "x2" else "original labels"
        part = table[(table["treatment"] == trace.name) & (table["of"] == of)]
        np.testing.assert_allclose(numbers(trace.x), 100 * part["value"])
        assert [round(at) for at in trace.y] == list(range(3))
    assert list(fig.layout.yaxis.ticktext)[0] == "all domains" and "200 / 90" in said(fig)
    assert "fewer than 6 families: all domains" in said(fig)


def test_families_too_few_are_named_once():
    table = data_of(figures.plot_noise).query("follows == 'chance'").reset_index(drop=True)
    table.loc[table["rate"].eq(0.4) & table["treatment"].eq("drop below 0"), "words"] = "higher; fewer than 20 families"
    words = said(figures.plot_noise(table))
    assert "fewer than 20 families: drop below 0 at 40 %" in words and "higher" not in words, "verdicts are no lack"
    assert "; fewer than 20 families" in said(figures.plot_noise(table.assign(words="fewer than 20 families")))
    rare = table.assign(words=np.where(table["treatment"].isin(["none", "drop below 0"]), "", "fewer than 20 families"))
    assert "fewer than 20 families: 10 of 15 values" in said(figures.plot_noise(rare)), "none has no words of its own"


# -- MetaRM ----------------------------------------------------------------------------------------


def test_alignment_says_what_does_come_out():
    table = data_of(figures.plot_alignment)
    fig = figures.plot_alignment(table)
    change = table["reweighted"] / table["weight"] - 1
    np.testing.assert_allclose(numbers(fig.data[0].y), 100 * change)
    np.testing.assert_allclose(numbers(fig.data[0].x), table["alignment"])
    rho = np.corrcoef(table["alignment"].rank(), change.rank())[0, 1]
    same = (np.sign(table["alignment"]) == np.sign(change)).mean()
    for words in (said(fig), figures.sentence(fig)):
        assert f"Spearman \u03c1 \u2212{abs(rho):.2f}" in words and f"signs agree in {100 * same:.0f} % of pairs" in words
    assert fig.layout.xaxis.zeroline and fig.layout.yaxis.zeroline
    assert "not defined" in figures.sentence(figures.plot_alignment(table.assign(alignment=1.0)))
    for column, value in (("weight", 0.0), ("reweighted", np.nan)):
        with pytest.raises(WorkbenchError, match="without an alignment"):
            figures.plot_alignment(table.assign(**{column: value}))


def test_rounds_in_and_out_of_distribution():
    fig = made(figures.plot_meta)
    marks = {trace.name: trace.marker.color for trace in fig.data}
    assert marks == {"in distribution": LOOK.ground, "shifted": LOOK.candidate} and len(fig.data) == 6
    assert all(head in said(fig) for head in ("Mean difference of rewards", "Accuracy, %", "Objective J"))
