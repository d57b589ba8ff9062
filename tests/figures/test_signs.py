"""Keys and column names: laid for the page that they stand on."""

import json

import figure_data
import plotly.graph_objects as go

from workbench import figures
from workbench.figures.base import text_width
from workbench.figures.signs import KEY, rekeyed


def test_a_key_is_laid_for_its_page():
    """One line on the screen and on a wide page, more lines in a column; the rows keep their height."""
    rows = figure_data.data_of(figures.plot_sections)
    names = {"baseline": "uniform weights", "candidate": "gate", "uniform": "Bradley\u2013Terry head", "the longer wins": "the longer wins"}
    fig = figures.plot_sections(rows.assign(series=rows["series"].map(names)))
    said = [note for note in fig.layout.annotations if note.name == "key"]
    assert len(said) == 4 and len({note.yshift for note in said}) == 1
    narrow = rekeyed(fig, 300)
    lines = {note.yshift for note in narrow.layout.annotations if note.name == "key"}
    assert len(lines) == 2 and narrow.layout.height == fig.layout.height + KEY and narrow.layout.margin.t == fig.layout.margin.t + KEY
    said = [note for note in narrow.layout.annotations if note.name == "key"]
    assert max(note.xshift + narrow.layout.margin.l + text_width(note.text) for note in said) < 300
    again = rekeyed(narrow, 640)
    assert json.loads(again.to_json())["layout"]["height"] == fig.layout.height
    assert sorted(map(str, again.layout.shapes)) == sorted(map(str, fig.layout.shapes))
    assert len(figures.table(narrow)) == len(rows) and rekeyed(go.Figure(), 300) == go.Figure()


def test_slices_stand_level_where_they_fit():
    frame = figure_data.data_of(figures.plot_gate_heatmap, slices=5)
    names = ("All prompts", "Chat Hard", "Chat", "Reasoning", "Safety")
    frame["slice"] = frame["slice"].map(dict(zip(dict.fromkeys(frame["slice"]), names)))
    axis = figures.plot_gate_heatmap(frame).layout.xaxis
    assert axis.tickangle == 0 and axis.ticktext[0] == "All<br>prompts" and axis.ticktext[3] == "Reasoning"
    assert figures.plot_gate_heatmap(figure_data.data_of(figures.plot_gate_heatmap, slices=12)).layout.xaxis.tickangle == -90
