"""Benchmarks drawn: who has which sign, what is not measured says so, and colour only where an interval leaves chance."""

from __future__ import annotations

import figure_data
import numpy as np
import pandas as pd
import pytest

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.evaluate import published_table, rewardbench_table, rmbench_table
from workbench.figures.base import text_width
from workbench.figures.signs import NARROWEST
from workbench.readers.rewardbench import SECTION_OF

CORE = [name for name, section in SECTION_OF.items() if section != "Prior Sets"]


def table(without=(), per=12, models=("before", "after"), seeds=5):
    """RewardBench of random models, with the length baseline, without some subsets."""
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame({"subset": np.repeat([name for name in CORE if name not in without], per)})
    margins = {name: rng.normal(1, 1, (seeds, len(pairs))) for name in models}
    return rewardbench_table(margins, pairs, lengths=rng.uniform(1, 9, (len(pairs), 2)), draws=20)


def words_of(fig) -> list[str]:
    return [note.text.replace("<br>", " ") for note in fig.layout.annotations]


def test_each_kind_of_series_has_its_sign():
    rows = pd.concat([table(), published_table(["ArmoRM Llama-3 8B", "Cohere"])], ignore_index=True)
    fig = figures.plot_benchmark(rows)
    marks = {trace.name: trace for trace in fig.data}
    look = figures.LIGHT
    assert list(marks) == ["before", "after", "the longer wins", "ArmoRM Llama-3 8B", "Cohere"]
    assert (marks["before"].marker.color, marks["before"].marker.line.color) == (look.ground, look.baseline)
    assert marks["after"].marker.color == look.candidate and marks["the longer wins"].marker.symbol == "x-thin-open"
    signs = [marks[name].marker.symbol for name in ("ArmoRM Llama-3 8B", "Cohere")]
    assert len(set(signs)) == 2 and all(sign.endswith("-open") for sign in signs)
    assert marks["Cohere"].marker.color == look.unchanged and np.isnan(np.asarray(marks["Cohere"].error_x.array, float)).all()
    assert list(fig.layout.yaxis.ticktext)[:3] == ["<b>Score</b>", "<b>Four-section mean</b>", "Chat"]
    assert any("grey: as published, XSTest counts swapped in Safety" in text for text in words_of(fig))
    turned = figures.plot_benchmark(rows, baseline="after", candidate="before")
    assert {t.name: t for t in turned.data}["before"].marker.color == look.candidate
    only = figures.plot_benchmark(published_table())  # published rows are never taken for one's own
    assert {trace.marker.line.color for trace in only.data} == {look.unchanged}


def test_what_is_not_measured_says_what_it_lacks():
    rows = table(without=("mt-bench-hard", "math-prm"))
    fig = figures.plot_benchmark(pd.concat([rows, published_table(["Cohere"])], ignore_index=True))
    said = words_of(fig)
    assert said.count("not measured: lacks mt-bench-hard") == 1 and said.count("not measured: lacks math-prm") == 1
    assert said.count("not measured: lacks Chat Hard, Reasoning") == 2  # Score and the four-section mean
    assert said.count("not measured") == 1  # Prior Sets, of which only what was published is known
    assert "not measured for all: Score" in figures.sentence(fig)
    slices = list(dict.fromkeys(figures.table(fig)["slice"]))
    (own,) = [trace for trace in fig.data if trace.name == "before"]
    x = np.asarray(own.x, float)
    assert np.isnan(x[[slices.index(name) for name in ("Score", "Chat Hard", "Reasoning")]]).all()
    assert np.isfinite(x[slices.index("Safety")])
    assert len(x) == len(slices) - 1 and "Chat Hard, in part" not in slices
    places = [note for note in fig.layout.annotations if "not measured: lacks mt-bench-hard" in note.text.replace("<br>", " ")]
    assert abs(places[0].y - slices.index("Chat Hard")) < 0.5 and places[0].bgcolor == figures.LIGHT.ground


def test_words_fit_a_narrow_page():
    rows = table(without=[name for name in CORE if name.startswith(("alpaca", "llmbar"))], models=("one",))
    fig = figures.plot_benchmark(rows)
    room = NARROWEST - fig.layout.margin.l - fig.layout.margin.r
    each = (fig.layout.height - fig.layout.margin.t - fig.layout.margin.b) / len(fig.layout.yaxis.ticktext)
    said = [note for note in fig.layout.annotations if "not measured" in note.text]
    assert said
    for note in said:
        lines = note.text.split("<br>")
        assert max(text_width(line) for line in lines) <= room and 14 * len(lines) <= each


def test_levels_and_bare_tables():
    rows = table()
    assert "Score" in set(figures.table(figures.plot_benchmark(rows))["slice"])
    subsets = set(figures.table(figures.plot_benchmark(rows, level="subset"))["slice"])
    assert subsets == {*CORE, "Score", "Four-section mean"}
    with pytest.raises(WorkbenchError, match="no level 'pairs'.*section or subset"):
        figures.plot_benchmark(rows, level="pairs")
    with pytest.raises(WorkbenchError, match="two values of Score"):
        figures.plot_benchmark(pd.concat([rows, rows]))
    bare = figures.plot_benchmark(rows[["slice", "series", "value", "low", "high", "words"]][rows["level"] == "subset"])
    assert not any(text == "n" for text in words_of(bare))


def test_nothing_measured_is_still_a_figure():
    rows = table(without=[name for name in CORE if name != "hep-go"])
    fig = figures.plot_benchmark(rows)
    assert fig.layout.xaxis.range[0] < 0 < 100 < fig.layout.xaxis.range[1]
    assert all(np.isnan(np.asarray(trace.x, float)).all() for trace in fig.data)


def test_what_all_rows_lack_is_said_below():
    fig = figures.plot_benchmark(table(seeds=2))
    assert any("seed noise not estimated" in text and "without Prior Sets" in text for text in words_of(fig))


# -- styles ----------------------------------------------------------------------------------------


def styles(style=0.6, items=40, domains=("chat", "code", "math", "safety")) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [(f"{d}{k}", d, i, j) for d in domains for k in range(items) for i in range(3) for j in range(3)]
    pairs = pd.DataFrame(rows, columns=["item", "domain", "chosen_style", "rejected_style"])
    apart = (pairs["chosen_style"] - pairs["rejected_style"]).to_numpy(float)
    return rmbench_table({"a": 0.6 + style * apart + rng.normal(size=len(pairs)), "b": np.ones(len(pairs))}, pairs, draws=100)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_cells_hold_numbers_and_colour_where_they_leave_chance(theme):
    rows = styles()
    fig = figures.plot_style_matrix(rows, series="a", theme=theme)
    heat, words = fig.data
    cells = rows[(rows["series"] == "a") & (rows["domain"] == "All domains") & (rows["level"] == "cell")]
    for cell in cells.itertuples():
        i, j = int(cell.chosen_style), int(cell.rejected_style)
        inside = cell.low <= 0.5 <= cell.high
        assert heat.z[i][j] == pytest.approx(50.0 if inside else 100 * cell.value)
        assert words.text[3 * i + j].startswith(f"{100 * cell.value:.1f}<br>[{100 * cell.low:.1f}, ")
        assert (words.x[3 * i + j], words.y[3 * i + j]) == (j, i)  # chosen down, rejected across: hard is above the diagonal
    assert (heat.zmin, heat.zmid, heat.zmax) == (0, 50, 100)
    assert {heat.z[0][2] < 50, heat.z[2][0] > 50} == {True} and 50.0 in np.ravel(heat.z)
    hard = rows[(rows["series"] == "a") & (rows["domain"] == "All domains") & (rows["slice"] == "hard")].iloc[0]
    assert any(f"hard {100 * hard.value:.1f} [" in text for text in words_of(fig)) and "all domains" in figures.sentence(fig)


def test_which_model_must_be_said():
    rows = styles()
    with pytest.raises(WorkbenchError, match="2 models in the table.*one of a, b"):
        figures.plot_style_matrix(rows)
    with pytest.raises(WorkbenchError, match="no series 'c'"):
        figures.plot_style_matrix(rows, series="c")
    with pytest.raises(WorkbenchError, match="no domain 'law'.*All domains, chat"):
        figures.plot_style_matrix(rows, series="a", domain="law")
    assert "chat" in figures.sentence(figures.plot_style_matrix(rows, series="b", domain="chat"))


def test_a_matrix_that_is_not_measured_says_so():
    rows = styles(domains=("chat", "math"))
    fig = figures.plot_style_matrix(rows, series="a")
    assert set(fig.data[1].text) == {"not measured"} and np.isnan(np.asarray(fig.data[0].z, float)).all()
    assert any("lacks code, safety" in text and "hard" not in text for text in words_of(fig))


def test_every_line_of_the_note_is_inside_the_figure():
    for fig in (figures.plot_style_matrix(styles(), series="a"), figures.plot_benchmark(table(without=("math-prm",)))):
        (note,) = [note for note in fig.layout.annotations if "95 % intervals" in note.text]
        assert -note.yshift + 15 * (1 + note.text.count("<br>")) <= fig.layout.margin.b + 1


def test_drawn_to_paper(browser, tmp_path):
    drawn = figures.plot_benchmark(table(without=("mt-bench-hard",))), figures.plot_style_matrix(styles(), series="a")
    made = dict(zip(("benchmark", "styles"), drawn))
    for saved in figures.save_all(made, "icml-column", ("svg",), tmp_path):
        assert saved.smallest >= 6
    assert "not measured:" in (tmp_path / "benchmark.svg").read_text()


def test_same_shape_same_traces_with_and_without_what_is_missing():
    """A panel updates the figure in place: what is not measured changes no trace."""
    one = figure_data.data_of(figures.plot_benchmark)
    two = one.assign(value=one["value"].fillna(0.5), low=one["low"].fillna(0.4), high=one["high"].fillna(0.6))
    first, second = figures.plot_benchmark(one), figures.plot_benchmark(two)
    assert [(t.type, t.mode, t.name) for t in first.data] == [(t.type, t.mode, t.name) for t in second.data]
