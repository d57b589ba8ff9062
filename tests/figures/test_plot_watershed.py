"""The picture of a watershed: widths, leads and words are those of the gate."""

import re

import figure_data
import numpy as np
import pytest

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.evaluate import Watershed
from workbench.figures.base import text_width
from workbench.figures.hills import LEFT, RIGHT
from workbench.figures.signs import NARROWEST

NAMES = ("helpfulness", "correctness", "code-style", "is_safe", "instruction_following", "colour")


def gate(n=240, k=6, seeds=3, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return np.exp(spread * rng.normal(size=(n, k))[None] + 0.3 * rng.normal(size=(seeds, n, k)))


def shed(n=240, k=6, names=NAMES, **options):
    return Watershed.of(gate(n, k), names, sections=np.resize(["Chat", "Safety", "Safety"], n).tolist(), **options)


def words_of(fig):
    return " ".join(str(note.text) for note in fig.layout.annotations)


def pieces(trace):
    """The closed outlines of a trace."""
    found, here = [], []
    for x, y in zip(trace.x or (), trace.y or ()):
        if x is None:
            found, here = [*found, here], []
        else:
            here.append((x, y))
    return found


def outlines(fig):
    """Hills and feet from left to right, as lists of corners."""
    return [sorted(piece for trace in fig.data[part:14:2] for piece in pieces(trace)) for part in (0, 1)]


def test_known_shares_are_the_widths():
    leader = np.repeat([0, 3, 4], [120, 30, 90])
    fig = figures.plot_gate_watershed(Watershed.of(np.eye(6)[leader] + 0.2 * gate(seeds=1)[0] / 9, NAMES))
    hills, feet = outlines(fig)
    for part in (hills, feet):
        widths = [piece[-1][0] - piece[0][0] for piece in part]
        assert sorted(widths) == pytest.approx([30 / 240, 90 / 240, 120 / 240], abs=1e-6)
    assert all(each in words_of(fig) for each in ("12 %", "38 %", "50 %"))


def test_full_colour_is_exactly_the_lead():
    data = shed()
    hills, feet = outlines(figures.plot_gate_watershed(data))
    tops, lows = ([y for piece in part for _, y in piece[1:-1:2]] for part in (hills, feet))
    assert len(tops) == len(data)
    np.testing.assert_allclose(np.subtract(tops, lows), data.table["lead"], atol=3e-5)


def test_ticks_are_the_prompts_on_which_seeds_disagree():
    data = shed()
    fig = figures.plot_gate_watershed(data)
    ticks = [piece[0][0] for piece in pieces(fig.data[16])]
    np.testing.assert_allclose(ticks, (np.flatnonzero(data.table["disagree"]) + 0.5) / len(data))
    assert f"seeds disagree, {100 * data.table['disagree'].mean():.0f} %" in words_of(fig)
    assert "one seed" in words_of(figures.plot_gate_watershed(Watershed.of(gate(seeds=1), NAMES)))


def test_numbers_under_valleys_are_near_ties():
    data = shed()
    fig = figures.plot_gate_watershed(data)
    ties = {frozenset((row.objective, row.rival)): row.prompts for row in data.handovers.itertuples()}
    under = [note for note in fig.layout.annotations if note.xref == "x" and note.yref == "paper" and note.y == 0]
    assert under
    ends = np.cumsum([hill["prompts"] for hill in data.hills()]) / len(data)
    for note in under:
        place = int(np.abs(ends - note.x).argmin())
        assert int(note.text.strip("</b>")) == ties[frozenset(data.line[place : place + 2])]
    found = re.search(r"near ties, lead under 0.1, (\d+) of (\d+)", words_of(fig))
    assert int(found[2]) == data.near_ties and int(found[1]) <= data.near_ties
    assert "lead under 0.3" in words_of(figures.plot_gate_watershed(data.table, near=0.3))


@pytest.mark.parametrize("k, spread", [(1, 1.0), (2, 1.0), (6, 0.1), (20, 1.5), (100, 0.3)])
def test_always_the_same_traces_and_words_that_do_not_touch(k, spread):
    data = Watershed.of(gate(300, k, spread=spread), [f"objective_number_{i}" for i in range(k)], sections=["a", "b"] * 150)
    for by in (None, "section"):
        fig = figures.plot_gate_watershed(data, by=by)
        assert len(fig.data) == 18 and {trace.type for trace in fig.data} == {"scatter"}
        assert fig.layout.height < 700
    fig = figures.plot_gate_watershed(data)
    for page in (NARROWEST, 700, 1300):
        wide, boxes = page - LEFT - RIGHT, []
        for note in (note for note in fig.layout.annotations if note.yref == "paper" and note.y == 1 and note.xref == "x"):
            left = note.x * wide + note.xshift
            boxes.append((note.yshift, left, left + text_width(re.sub("<.*?>", "", note.text))))
            assert -LEFT <= left and boxes[-1][2] <= wide + RIGHT
        for up, left, right in boxes:
            assert not [b for b in boxes if b != (up, left, right) and b[0] == up and left < b[2] and b[1] < right]


def test_every_hill_is_named_or_numbered():
    few = words_of(figures.plot_gate_watershed(shed()))
    assert all(name in few for name in shed().line)
    even = Watershed.of(np.eye(8)[np.arange(160) % 8] * 3 + gate(160, 8, seeds=1)[0], [f"a_rather_long_objective_{i}" for i in range(8)])
    numbered = words_of(figures.plot_gate_watershed(even))
    assert all(f"{i + 1} a_rather" in numbered for i in range(8)), "a key where names do not fit"


def test_what_is_gathered_is_said_and_in_the_table():
    data = Watershed.of(gate(300, 40, spread=0.5), [f"o{i}" for i in range(40)])
    fig = figures.plot_gate_watershed(data)
    small = data.members[""]
    part = data.table["objective"].isin(small).mean()
    if len(data.line) > 1:
        assert f"{len(small)} objectives that lead on {100 * part:.0f} %" in words_of(fig)
    assert set(small) <= set(figures.table(fig)["objective"])


def test_many_prompts_are_drawn_few_and_said():
    data = Watershed.of(gate(9000, seeds=1), NAMES)
    fig = figures.plot_gate_watershed(data)
    drawn = len(fig.data[17].x)
    assert 1800 <= drawn <= 2000 + len(data.line) and "9\u2009000 prompts" in words_of(fig)
    assert f"{drawn // 1000}\u2009{drawn % 1000:03d} columns" in words_of(fig)
    assert len(figures.table(fig)) == 9000
    widths = [piece[-1][0] - piece[0][0] for piece in outlines(fig)[0]]
    np.testing.assert_allclose(widths, [hill["prompts"] / 9000 for hill in data.hills()], atol=2e-6)


def test_sections_in_one_order_each_with_its_numbers():
    data = shed()
    fig = figures.plot_gate_watershed(data, by="section")
    said = words_of(fig)
    for name in ("Chat", "Safety"):
        part = data.within(name)
        assert f"<b>{name}</b>" in said and f"{len(part)} prompts, {part.effective:.1f} objectives" in said
    grounds = {round(y, 9) for y in fig.data[15].y if y is not None}
    assert len(grounds) == 2 and len(outlines(fig)[0]) == sum(len(data.within(name).hills()) for name in data.sections)
    with pytest.raises(WorkbenchError, match="no sections"):
        figures.plot_gate_watershed(Watershed.of(gate(), NAMES), by="section")


def test_a_null_expert_is_left_out_and_said():
    fig = figures.plot_gate_watershed(figure_data.result())
    assert "verbosity" not in set(figures.table(fig)["objective"]) | set(figures.table(fig)["runner_up"])
    assert re.search(r"null expert, \d+ % of the gate", words_of(fig))
    assert len(figures.table(fig)) == 30, "pairs of a prompt share one row"


def test_another_column_parts_the_prompts():
    result = figure_data.result()
    result.pairs["mood"] = np.where(np.arange(len(result.pairs)) < 20, "glad", "sad")
    assert "<b>sad</b>" in words_of(figures.plot_gate_watershed(result, by="mood"))
    with pytest.raises(WorkbenchError, match="no column 'weather'"):
        figures.plot_gate_watershed(result, by="weather")


@pytest.mark.parametrize("weights, top", [(np.ones((20, 8)), 0.25), (np.ones((20, 2)), 0.5), (np.ones((20, 1)), 1.0), (gate(), 1.0)])
def test_the_axis_ends_at_a_quarter_so_that_a_diffuse_gate_stays_low(weights, top):
    fig = figures.plot_gate_watershed(Watershed.of(weights))
    assert fig.layout.yaxis.range[1] == top
    if weights.shape == (20, 8):
        assert "exact ties, of which the first named leads: 20" in words_of(fig)


def test_grey_on_paper_at_least_six_points(browser, tmp_path):
    done = figures.save(figures.plot_gate_watershed(shed(), theme="dark"), "gate", "icml-column", ("svg",), tmp_path)
    svg = (tmp_path / "gate.svg").read_text()
    assert done.smallest >= 6 and "<image" not in svg and done.width == 3.25


def test_the_pointer_reads_no_tags():
    names = ("a<b>", "c&d")
    fig = figures.plot_gate_watershed(Watershed.of(gate(30, 2), names, ids=[f"<i>{i}</i>" for i in range(30)]))
    told = [cell for line in fig.data[-1].customdata for cell in line if isinstance(cell, str)]
    assert {"a&lt;b&gt;", "c&amp;d", "&lt;i&gt;0&lt;/i&gt;"} <= set(told) and not any("<" in cell for cell in told)


def test_a_table_of_unknown_seeds_says_nothing_of_them():
    one = Watershed.of(gate(60, 3, seeds=1), NAMES[:3])
    assert "one seed" in words_of(figures.plot_gate_watershed(one))
    assert "seed" not in words_of(figures.plot_gate_watershed(one.table))
