"""Agreement along strength with its published marks, ensembles that settle, and bands trained alone."""

from __future__ import annotations

import laboratory_data
import numpy as np
import pytest
from laboratory_data import data_of, made, numbers, said
from text_boxes import boxes

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.figures.signs import NARROWEST

LOOK = figures.LIGHT


def test_published_agreement_and_the_annotators_ceiling():
    table = data_of(figures.plot_agreement)
    fig = figures.plot_agreement(table, ceiling=(0.6, 0.75))
    (mark,) = [trace for trace in fig.data if trace.name == "GPT-4, published"]
    low, high = fig.layout.xaxis.range
    assert list(mark.y) == [16.4, 54.4, 95.6] and low < mark.x[0] < table["strength"].min() and mark.x[1] == 0
    assert table["strength"].max() < mark.x[2] < high and mark.marker.symbol.endswith("-open")
    assert all(text in said(fig) for text in ("16.4", "54.4", "95.6", "annotators agree 60\u201375 %", "arXiv 2401.06080", "chance"))
    (band,) = [shape for shape in fig.layout.shapes if shape.fillcolor == LOOK.band and shape.yref == "y"]
    assert (band.y0, band.y1) == (60, 75)
    assert any(shape.y0 == shape.y1 == 50 and shape.x1 == 1 for shape in fig.layout.shapes), "the chance line"
    bare = figures.plot_agreement(table, reference=False)
    assert [t.name for t in bare.data] == [t.name for t in fig.data] and not len(bare.data[-1].x) and "54.4" not in said(bare)
    for ceiling in ((0.75, 0.6), (0.5, 60.0), (-0.1, 0.5)):
        with pytest.raises(WorkbenchError, match="a ceiling from"):
            figures.plot_agreement(table, ceiling=ceiling)


def test_published_numbers_keep_off_the_lines():
    """At the ends nothing is drawn near them, and the middle one finds a seat beside a steep line."""
    for slope in (0.5, 1.5, 6.0):
        table = laboratory_data.agreement(np.random.default_rng(0), k=1)
        table["value"] = 1 / (1 + np.exp(-slope * table["strength"]))
        table["low"], table["high"] = table["value"] - 0.01, table["value"] + 0.01
        fig = figures.plot_agreement(table)
        margin = fig.layout.margin
        across, up = NARROWEST - margin.l - margin.r, fig.layout.height - margin.t - margin.b
        (low, high), (bottom, top) = fig.layout.xaxis.range, fig.layout.yaxis.range
        dense = np.linspace(table["strength"].min(), table["strength"].max(), 500)
        x = margin.l + (dense - low) / (high - low) * across
        y = margin.b + (100 * np.interp(dense, table["strength"], table["value"]) - bottom) / (top - bottom) * up
        for text, a, b, c, d in boxes(fig, NARROWEST):
            if text in ("16.4", "54.4", "95.6"):
                assert not ((x > a) & (x < b) & (y > c) & (y < d)).any(), (slope, text)


def test_measured_is_solid_and_extrapolated_dashed():
    table = data_of(figures.plot_settling)
    fig = figures.plot_settling(table)
    ranking, lowest = fig.data[1], fig.data[0]
    assert (ranking.name, lowest.name) == ("ranking", "lowest 10 %")
    np.testing.assert_allclose(numbers(ranking.y), table.query("of == 'ranking' and not extrapolated")["value"])
    dashed = {trace.name: trace for trace in fig.data}["ranking, extrapolated"]
    assert list(dashed.x) == [5, 10, 20, 50] and list(dashed.marker.size)[0] == 0 and dashed.line.dash == "dash"
    np.testing.assert_allclose(numbers(dashed.y)[1:], table.query("extrapolated")["value"])
    assert "100 random splits" in said(fig) and "Spearman\u2013Brown" in said(fig) and "with 5 members each" in figures.sentence(fig)
    assert list(fig.layout.xaxis.ticktext) == ["1", "2", "3", "4", "5", "10", "20", "50"]
    with pytest.raises(WorkbenchError, match="0 members"):
        figures.plot_settling(table.assign(members=table["members"] - 1))


def test_bands_show_chance_and_where_strength_passes_zero():
    table = data_of(figures.plot_bands)
    rules = [shape.x0 for shape in made(figures.plot_bands).layout.shapes if shape.yref == "y domain"]
    band = table[(table["lowest"] < 0) & (table["highest"] > 0)].iloc[0]
    assert rules == [pytest.approx(band["band"] - 0.5 - band["lowest"] / (band["highest"] - band["lowest"]))]
    above = figures.plot_bands(table.assign(lowest=table["lowest"] + 9, highest=table["highest"] + 9))
    assert not [shape for shape in above.layout.shapes if shape.yref == "y domain"] and "passes 0" not in said(above)
    under = figures.plot_bands(table.assign(high=np.where(table["band"] == 1, 0.49, table["high"])))
    assert "below chance in band 1" in figures.sentence(under)
