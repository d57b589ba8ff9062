"""Every figure: drawn from random tables of every size, its table is what it draws, its traces keep their order."""

import json

import figure_data
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.evaluate import StrengthTable, strength_cuts
from workbench.figures import tidy
from workbench.figures.base import shorten
from workbench.preference.strength import Strength

PLOTS = list(figure_data.MAKERS)


@pytest.mark.parametrize("plot", PLOTS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("shape", [dict(k=1, slices=1), dict(k=6), dict(k=30, slices=12), dict(k=9, slices=2, long=True)], ids=str)
def test_drawn_at_every_size(plot, shape):
    fig = plot(figure_data.data_of(plot, **shape))
    assert len(figures.table(fig)) and figures.sentence(fig).endswith(".")
    text = fig.to_json()
    assert "NaN" not in text and "Infinity" not in text
    assert 60 < fig.layout.height < 2000
    assert fig.layout.margin.l < 240, "a long name takes the page"
    assert {trace.type for trace in fig.data} <= {"scatter", "bar", "heatmap"}, "scattergl is a raster in print"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    plot=st.sampled_from(PLOTS),
    seed=st.integers(0, 999),
    k=st.integers(1, 12),
    slices=st.integers(1, 5),
    dark=st.booleans(),
    size=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_any_options(plot, seed, k, slices, dark, size):
    fig = plot(figure_data.data_of(plot, seed=seed, k=k, slices=slices, size=size), theme="dark" if dark else "light")
    for axis in fig.select_xaxes():
        assert axis.range is None or axis.range[0] < axis.range[1]
    assert len(figures.table(fig))


@pytest.mark.parametrize("plot", PLOTS, ids=lambda p: p.__name__)
def test_same_shape_same_traces(plot):
    first, second = (plot(figure_data.data_of(plot, seed=seed)) for seed in (0, 1))
    assert [(t.type, t.xaxis, t.yaxis, t.mode if t.type == "scatter" else None) for t in first.data] == [
        (t.type, t.xaxis, t.yaxis, t.mode if t.type == "scatter" else None) for t in second.data
    ]


@pytest.mark.parametrize("plot", PLOTS, ids=lambda p: p.__name__)
def test_table_survives_copies_and_json(plot):
    fig = plot(figure_data.data_of(plot))
    for other in (go.Figure(fig), go.Figure(json.loads(fig.to_json()))):
        pd.testing.assert_frame_equal(figures.table(other), figures.table(fig))


SUMMED = (figures.plot_decomposition, figures.plot_gate_prompt)  # their tables have rows that sum others


@pytest.mark.parametrize("plot", [p for p in PLOTS if p not in SUMMED], ids=lambda p: p.__name__)
def test_redrawn_from_its_own_table(plot):
    """The table is all that is drawn: drawing it again gives the same marks."""
    fig = plot(figure_data.data_of(plot))
    again = plot(figures.table(fig))
    assert json.loads(again.to_json())["data"] == json.loads(fig.to_json())["data"]


def test_a_foreign_figure_has_no_table():
    with pytest.raises(WorkbenchError, match="carries no table"):
        figures.table(go.Figure())


@pytest.mark.parametrize("plot", [p for p in PLOTS if p is not figures.plot_strength], ids=lambda p: p.__name__)
def test_a_missing_column_is_named(plot):
    frame = figure_data.data_of(plot)
    with pytest.raises(WorkbenchError, match="no column"):
        plot(frame.drop(columns=[c for c in ("objective", "slice", "run", "prompt_id") if c in frame.columns]))
    with pytest.raises(WorkbenchError, match="no rows"):
        plot(frame.iloc[:0])


def test_running_sum_ends_at_the_margin():
    frame = figure_data.data_of(figures.plot_decomposition, k=30)
    table = figures.table(figures.plot_decomposition(frame, most=8))
    assert len(table) == 10 and table["objective"].tolist()[-2:] == ["22 others", "Margin"]
    np.testing.assert_allclose(table["start"].to_numpy()[1:-1], table["end"].to_numpy()[:-2], atol=1e-12)
    assert table["contribution"].iloc[-1] == pytest.approx(frame["contribution"].sum(), abs=1e-12)
    assert table["end"].iloc[-2] == pytest.approx(table["contribution"].iloc[-1], abs=1e-12)
    fig = figures.plot_decomposition(frame, most=8)
    bars = next(trace for trace in fig.data if trace.type == "bar")
    np.testing.assert_allclose(np.asarray(bars.base, float) + np.asarray(bars.x, float), table["end"])


def test_no_row_for_no_others():
    fig = figures.plot_decomposition(figure_data.data_of(figures.plot_decomposition, k=3))
    table = figures.table(fig)
    assert len(table) == 4 and table["objective"].iloc[-1] == "Margin" and not table["objective"].str.contains("others").any()
    assert figures.LIGHT.baseline not in fig.data[1].marker.color, "an objective has its group's colour, not the others' grey"
    assert sum(shape.yref == "y" and shape.xsizemode == "pixel" for shape in fig.layout.shapes) == 3, "a sign for each objective"


def test_weights_and_coefficients_are_named_apart_and_complete():
    frame = figure_data.data_of(figures.plot_gate_prompt, k=30)
    fig = figures.plot_gate_prompt(frame, most=10)
    heads = [note.text for note in fig.layout.annotations]
    assert any("Gate weight" in head for head in heads) and any("Effective coefficient" in head for head in heads)
    table = figures.table(fig)
    assert table["weight"].sum() == pytest.approx(frame["weight"].sum()) and len(table) == 11
    assert fig.layout.xaxis.range[0] == 0


def test_a_null_expert_has_a_row_but_no_weight():
    frame = figure_data.data_of(figures.plot_gate_prompt)
    frame.loc[2, ["weight", "weight_low", "weight_high"]] = np.nan
    frame.loc[2, "coefficient"] = -5.0
    fig = figures.plot_gate_prompt(frame)
    assert "verbosity" in figures.table(fig)["objective"].tolist()
    assert any("null" in str(text) for trace in fig.data for text in (trace.text if trace.text is not None else ()))


def test_strength_counts_are_exact_at_the_cuts():
    mean, std = figure_data.data_of(figures.plot_strength)
    table = figures.table(figures.plot_strength((mean, std), flip_below=-0.35, drop_below=0.25))
    counts = table.groupby("band")["pairs"].sum()
    assert counts["flip"] == (mean < -0.35).sum()
    assert counts["drop"] == ((mean >= -0.35) & (mean < 0.25)).sum()
    assert counts["keep"] == (mean >= 0.25).sum()
    spread = np.average(table["spread"].fillna(0), weights=table["pairs"])
    assert spread == pytest.approx(std.mean())


@pytest.mark.parametrize("cuts", [(-0.3, -0.3 + 1e-9), (0.5, 0.5), (-99, 99), (3.0, None), (None, -40.0)])
def test_strength_with_odd_cuts(cuts):
    mean, std = figure_data.data_of(figures.plot_strength)
    table = figures.table(figures.plot_strength((mean, std), flip_below=cuts[0], drop_below=cuts[1]))
    assert table["pairs"].sum() == len(mean) and len(table) < 200
    if cuts[0] is not None:
        assert table.loc[table["band"] == "flip", "pairs"].sum() == (mean < cuts[0]).sum()


def test_strength_of_a_study_says_which_study():
    """A StrengthTable is drawn as it is; its cuts by share are cuts by value, and its study goes along."""
    mean, _ = figure_data.data_of(figures.plot_strength)
    pairs = pd.DataFrame({"pair_id": np.arange(400), "family": np.arange(400) // 4})
    found = StrengthTable(pairs, Strength(np.stack([mean - 0.5, mean + 0.5], axis=1), 1.0, 5), study_hash="abc123abc123")
    fig = figures.plot_strength(found, **strength_cuts(found, flip_share=0.05, drop_share=0.1))
    assert figures.table(fig).groupby("band")["pairs"].sum().to_dict() == {"flip": 20, "drop": 40, "keep": 340}
    told = tidy.provenance(found)
    assert (told["study"], told["split"], told["n"], told["families"]) == ("abc123abc123", "train", 400, 100)
    assert told["scenarios"] == [] and told["openings"] == 0 and "abc123abc123" in json.dumps(fig.layout.meta)


def test_strength_refuses_crossed_cuts_and_takes_constant_strength():
    with pytest.raises(WorkbenchError, match="lies above"):
        figures.plot_strength((np.zeros(3), np.ones(3)), flip_below=1.0, drop_below=0.0)
    table = figures.table(figures.plot_strength((np.zeros(3), np.zeros(3))))
    assert (
        table["pairs"].sum() == 3 and (table["band"] == "suspect").sum() == 0 or table.loc[table["band"] == "suspect", "pairs"].sum() == 0
    )


def test_correlation_hides_what_its_interval_does_not_tell_from_zero():
    frame = pd.DataFrame({"objective": ["a", "b"], "other": ["c", "c"], "rho": [0.4, 0.4], "low": [-0.1, 0.2], "high": [0.8, 0.6]})
    heat = figures.plot_objective_correlation(frame).data[0]
    cells = np.asarray(heat.z, float)
    assert np.nanmax(cells) == 0.4 and np.nanmin(cells[np.isfinite(cells)]) == 0.0
    assert (heat.zmin, heat.zmid, heat.zmax) == (-1, 0, 1)


def test_the_sign_of_a_correlation_needs_no_colour():
    """Above seven objectives cells hold no numbers, but what lies below zero has its minus."""
    data = figure_data.data_of(figures.plot_objective_correlation, k=12)
    fig = figures.plot_objective_correlation(data)
    cells, words = np.asarray(fig.data[0].z, float), fig.data[1]
    assert set(words.text) == {"\u2212"} and len(words.x) == (cells < -0.05).sum() > 0
    assert all(cells[row, column] < 0 for row, column in zip(words.y, words.x))


def test_only_words_colour_a_difference():
    frame = figure_data.data_of(figures.plot_comparison, slices=3)
    frame["words"] = ["higher", "no detectable change; seed noise not estimated", "fewer than 6 families"]
    frame.loc[2, ["low", "high"]] = np.nan
    fig = figures.plot_comparison(frame)
    marks = next(trace for trace in fig.data if trace.mode == "markers" and trace.customdata is not None and len(trace.x) == 3)
    look = figures.LIGHT
    assert list(marks.marker.line.color) == [look.candidate, look.unchanged, look.unchanged]
    assert list(marks.marker.color) == [look.candidate, look.unchanged, look.ground], "no interval, no filled mark"
    assert any("seed noise not estimated" in note.text for note in fig.layout.annotations)


def test_a_noise_floor_is_a_band():
    frame = figure_data.data_of(figures.plot_comparison, slices=3)
    rows = figures.plot_comparison(frame.assign(noise_low=-0.01, noise_high=[0.01, 0.02, np.nan]))
    bands = [shape for shape in rows.layout.shapes if shape.fillcolor == figures.LIGHT.band and shape.yref == "y"]
    assert [band.x1 for band in bands] == [1.0, 2.0]


def test_baseline_is_hollow_and_candidate_filled():
    fig = figures.plot_sections(figure_data.data_of(figures.plot_sections))
    marks = {trace.name: trace.marker for trace in fig.data}
    assert marks["baseline"].color == figures.LIGHT.ground and marks["baseline"].line.color == figures.LIGHT.baseline
    assert marks["candidate"].color == figures.LIGHT.candidate
    assert marks["the longer wins"].symbol == "x-thin-open"


def test_map_has_no_axes_and_one_trace_of_marks():
    for by in ("dominant", "section", "entropy"):
        fig = figures.plot_prompt_map(figure_data.data_of(figures.plot_prompt_map), by=by)
        assert fig.layout.xaxis.visible is False and fig.layout.yaxis.visible is False and len(fig.data) == 1
    with pytest.raises(WorkbenchError, match="no map by"):
        figures.plot_prompt_map(figure_data.data_of(figures.plot_prompt_map), by="colour")


def test_short_names_stay_apart():
    long = [f"{figure_data.LONG}{end}" for end in ("x1", "y1", "z1")] + [f"{figure_data.LONG}middle{i}{'end' * 9}" for i in range(3)]
    short = shorten(long)
    assert len(set(short)) == len(long) and max(map(len, short)) < 32
    assert shorten(["helpsteer-verbosity"]) == ["hs-verbosity"]


def test_user_text_is_not_markup():
    frame = figure_data.data_of(figures.plot_decomposition, k=2)
    frame["objective"] = ["<b>a</b>", "b & c"]
    assert (
        "&lt;b&gt;a"
        in figures.plot_decomposition(frame).layout.yaxis.ticktext[0] + figures.plot_decomposition(frame).layout.yaxis.ticktext[1]
    )


def test_a_loss_is_no_percentage(trained):
    study, before, after = trained
    fig = figures.draw(figures.Card("comparison", after.scenario, study.hash, before.scenario, {"metric": "log loss"}), study)
    row, words = figures.table(fig).iloc[0], " ".join(note.text for note in fig.layout.annotations)
    assert "points" not in words and "%, " not in words and "Acc" not in words and f"{abs(row.difference):.3f}" in words
    marks = next(trace for trace in fig.data if trace.mode == "markers" and trace.customdata is not None)
    assert marks.x[0] == pytest.approx(row.difference)


def test_a_verdict_that_cannot_be_given_is_not_no_change():
    frame = figure_data.data_of(figures.plot_comparison, slices=3)
    few, still = "fewer than 20 families", "no detectable change; seed noise not estimated"
    for words, said in (((still, still, still), "no detectable change in any."), ((few, few, few), "no verdict on any."),
                        ((still, few, "exploratory: no p-value"), "no detectable change in 1, no verdict on 2."),
                        ((still, "lower", few), f"{frame['slice'][1]} lower.")):
        assert figures.sentence(figures.plot_comparison(frame.assign(words=words))).endswith(said)
