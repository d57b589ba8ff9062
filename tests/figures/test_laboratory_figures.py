"""The figures of the strength laboratory: their marks are the table's numbers, and their words stand apart."""

from __future__ import annotations

import json

import laboratory_data
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laboratory_data import data_of, made, numbers, said
from text_boxes import meetings, outside

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.figures.multiples import spaced
from workbench.figures.paper import on_paper
from workbench.figures.signs import NARROWEST, rekeyed

PLOTS = list(laboratory_data.MAKERS)
LOOK = figures.LIGHT
NAMED = {"ids": lambda p: p.__name__}


def traces(fig) -> list:
    return [(t.type, t.xaxis, t.yaxis, t.mode, t.name) for t in fig.data]


@pytest.mark.parametrize("plot", PLOTS, **NAMED)
def test_drawn_from_its_table_and_again_from_what_it_carries(plot):
    fig = made(plot)
    again = plot(figures.table(fig))
    text = fig.to_json()
    assert json.loads(again.to_json())["data"] == json.loads(text)["data"]
    assert "NaN" not in text and figures.sentence(fig).endswith(".") and traces(made(plot, 1)) == traces(fig)
    assert {trace.type for trace in fig.data} == {"scatter"}, "scattergl is a raster in print"


@pytest.mark.parametrize("plot", PLOTS, **NAMED)
def test_paper_is_light_whatever_the_screen(plot):
    light, dark = (json.dumps(on_paper(made(plot, 0, theme)), sort_keys=True) for theme in ("light", "dark"))
    assert light == dark


@pytest.mark.parametrize("plot", PLOTS, **NAMED)
def test_words_stand_apart_and_inside(plot):
    for seed in (0, 1):
        fig = made(plot, seed)
        for page, wide in ((rekeyed(fig, NARROWEST), NARROWEST), (fig, 720)):
            assert not meetings(page, wide) and not outside(page, wide)


@pytest.mark.parametrize("plot", PLOTS, **NAMED)
def test_bad_tables_are_refused_by_name(plot):
    table = data_of(plot)
    for column in figures.table(made(plot)).columns.intersection(["mean", "value", "alignment"]):
        with pytest.raises(WorkbenchError, match=f"no column '{column}'"):
            plot(table.drop(columns=column))
    with pytest.raises(WorkbenchError, match="no rows"):
        plot(table.iloc[:0])
    if plot not in (figures.plot_doubt, figures.plot_alignment):
        with pytest.raises(WorkbenchError, match="two values of"):
            plot(pd.concat([table, table.iloc[:1]]))


@pytest.mark.parametrize("plot", PLOTS, **NAMED)
def test_one_row_and_nothing_measured(plot):
    one = data_of(plot).iloc[:1]
    fig = plot(one)
    assert not meetings(fig, NARROWEST) and len(figures.table(fig)) == 1
    if "value" in one.columns:
        lost = [name for name in ("value", "low", "high", "difference", "d_low", "d_high") if name in one.columns]
        empty = data_of(plot)
        empty[lost] = np.nan
        fig = plot(empty.assign(words="fewer than 6 families"))
        assert "not measured" in figures.sentence(fig) or "no verdict" in figures.sentence(fig)
        assert "fewer than 6 families" in said(fig) or plot in (figures.plot_settling, figures.plot_curves)
        for axis in (*fig.select_xaxes(), *fig.select_yaxes()):
            assert axis.range is None or axis.range[0] != axis.range[1]


LINES = {
    figures.plot_agreement: ("strength", "who", None), figures.plot_bands: ("band", "of", None),
    figures.plot_curves: ("step", "treatment", "of"), figures.plot_noise: ("rate", "treatment", ["follows", "of"]),
    figures.plot_meta: ("round", "of", "what"),
}


@pytest.mark.parametrize("plot", list(LINES), **NAMED)
def test_lines_hold_the_tables_numbers(plot):
    """One trace per panel and series, each with its own rows; those at one place stand side by side around it."""
    x, by, panels = LINES[plot]
    table, fig = data_of(plot), made(plot)
    parts = [table] if panels is None else [part for _, part in table.groupby(panels, sort=False)]
    for place, part in enumerate(parts):
        plain = set(part[panels].unique()) & {"train loss", "difference", "J"} if isinstance(panels, str) else ()
        scale = 1 if plain else 100
        for name in part[by].unique():
            rows = part[part[by] == name].sort_values(x)
            (trace,) = [t for t in fig.data if t.name == name and t.yaxis == (f"y{place + 1}" if place else "y")]
            np.testing.assert_allclose(numbers(trace.y), scale * rows["value"])
            shift = numbers(trace.x) - rows[x] * (100 if x == "rate" else 1)
            assert np.ptp(shift) < 1e-9 and abs(shift.iloc[0]) < 0.5 * (10 if x == "rate" else 1)
            if "low" in rows:
                np.testing.assert_allclose(numbers(trace.y) - numbers(trace.error_y.arrayminus), scale * rows["low"])
                np.testing.assert_allclose(numbers(trace.y) + numbers(trace.error_y.array), scale * rows["high"])


@pytest.mark.parametrize("plot", [figures.plot_noise, figures.plot_curves, figures.plot_left_out], **NAMED)
def test_treatments_have_their_signs(plot):
    fig = made(plot)
    marks = {trace.name: trace.marker for trace in fig.data}
    assert (marks["none"].color, marks["none"].line.color) == (LOOK.ground, LOOK.baseline)
    assert marks["drop below 0"].color == LOOK.candidate and marks["oracle: corrupted labels turned back"].symbol == "x-thin-open"
    turned = plot(data_of(plot), candidate="flip below 0")
    assert {t.name: t.marker for t in turned.data}["flip below 0"].color == LOOK.candidate
    with pytest.raises(WorkbenchError, match="no 'magic' to draw.*none"):
        plot(data_of(plot), candidate="magic")


def test_many_lines_and_words_still_find_room():
    rng = np.random.default_rng(3)
    crowded = (
        figures.plot_noise(laboratory_data.noise(rng, k=10, ofs=("truth",), follows=("chance",))),
        figures.plot_treatments(laboratory_data.treatments(rng, k=10, ofs=("truth", "judge", "agreed"))),
        figures.plot_left_out(laboratory_data.left_out(rng, k=5, ofs=("truth", "judge", "agreed"), domains=("all domains", "code"))),
    )
    for fig in crowded:
        page = rekeyed(fig, NARROWEST)
        assert not meetings(page, NARROWEST) and not outside(page, NARROWEST)


def test_drawn_to_paper(browser, tmp_path):
    drawn = {plot.__name__: made(plot) for plot in (figures.plot_agreement, figures.plot_treatments)}
    assert all(saved.smallest >= 6 for saved in figures.save_all(drawn, "icml-column", ("svg",), tmp_path))
    assert "no detectable change" in (tmp_path / "plot_treatments.svg").read_text()


# -- names at the ends of lines --------------------------------------------------------------------


def slowly_spaced(at, gap, low, high):
    """Isotonic regression by its max–min formula, of places less their share of the gaps."""
    order = sorted(range(len(at)), key=lambda i: at[i])
    z = [at[i] - gap * place for place, i in enumerate(order)]
    n, found = len(z), [0.0] * len(z)
    most = max(high - gap * (n - 1), low)
    for place, i in enumerate(order):
        fit = max(min(sum(z[j : k + 1]) / (k + 1 - j) for k in range(place, n)) for j in range(place + 1))
        found[i] = min(max(fit, low), most) + gap * place
    return found


@given(st.lists(st.floats(0, 100), max_size=8), st.floats(0.5, 20))
def test_names_are_as_near_to_their_lines_as_room_allows(at, gap):
    found = spaced(at, gap, 0, 100)
    np.testing.assert_allclose(found, slowly_spaced(at, gap, 0, 100), atol=1e-9)
    ordered = np.sort(found)
    assert (np.diff(ordered) >= gap - 1e-9).all() and (not at or ordered[0] >= 0)
    if gap * (len(at) - 1) <= 100:
        assert not at or ordered[-1] <= 100 + 1e-9
    apart = not at or len(at) == 1 or (np.diff(np.sort(at)) >= gap).all()
    if apart and gap * (len(at) - 1) <= 100:
        np.testing.assert_allclose(found, at, atol=1e-9)
