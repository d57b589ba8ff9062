"""Names on a map never meet, the weightiest find room first, and the map says what it is worth."""

import figure_data
import numpy as np
import pandas as pd
import pytest

from workbench import figures
from workbench.figures.base import text_width
from workbench.figures.labels import LINE, SEATS, apart
from workbench.figures.theme import OTHER
from workbench.projection import PromptMap

PAGE = (372.0, 330.0)


def boxes(labels):
    return [(each.x - each.half[0], each.x + each.half[0], each.y - each.half[1], each.y + each.half[1]) for each in labels]


def meet(a, b):
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


@pytest.mark.parametrize("seed", range(8))
def test_no_two_names_meet_and_none_leaves_the_page(seed):
    rng = np.random.default_rng(seed)
    names = [" ".join(rng.choice(["lock", "recipe", "python,", "hm"], rng.integers(1, 3))) + str(i) for i in range(40)]
    places = rng.uniform(0, 1, size=(40, 2)) ** 2 * PAGE
    made = apart(names, places, rng.integers(1, 200, 40).tolist(), (11, 13), PAGE)
    found = boxes(made)
    assert not any(meet(a, b) for i, a in enumerate(found) for b in found[:i]) and 5 < len(made) <= 40
    assert all(left >= -1e-6 and right <= PAGE[0] + 1e-6 and low >= -1e-6 and high <= PAGE[1] + 1e-6 for left, right, low, high in found)
    assert all(each.half[0] * 2 >= text_width(each.text, each.size) for each in made)
    farthest = max(abs(dy) for _, dy in SEATS) * LINE
    for each in made:
        x, y = places[names.index(each.text)]
        assert abs(each.y - y) <= farthest + each.half[1] and abs(each.x - x) <= 2 * each.half[0], "far from what it names"


def test_the_weightiest_is_largest_and_finds_room_first():
    made = apart(["small", "large"], np.array([[100.0, 100.0]] * 2), [4, 100], (11, 13), PAGE)
    assert [each.text for each in made] == ["large", "small"] and [each.size for each in made] == [13, 11]
    many = apart([f"name {i}" for i in range(99)], np.full((99, 2), 50.0), range(99), (11, 13), PAGE)
    assert many[0].text == "name 98" and len(many) < 99
    assert apart([], np.empty((0, 2)), [], (11, 13), PAGE) == []


def mapped(result):
    prompts = list(dict.fromkeys(result.pairs["prompt_id"]))
    n = len(prompts)
    rng = np.random.default_rng(0)
    cluster = np.where(np.arange(n) % 5 == 0, -1, np.arange(n) % 2)
    places = pd.DataFrame({
        "prompt_id": prompts, "x": cluster * 5.0 + rng.normal(size=n), "y": rng.normal(size=n), "cluster": cluster,
        "kept": np.linspace(0, 1, n),
    })
    clusters = pd.DataFrame({"cluster": [0, 1], "name": ["lock, pick", "<b>, soup"], "n": [9, 9], "x": [0.0, 5.0], "y": [0.0, 0.0]})
    return PromptMap(places, clusters, {}, 0.83)


def test_clusters_are_named_and_what_is_in_none_is_grey():
    result = figure_data.result()
    made = mapped(result)
    for by in ("dominant", "section", "entropy"):
        fig = figures.plot_prompt_map(result, places=made, by=by)
        said = [note.text for note in fig.layout.annotations]
        assert "<b>lock, pick</b>" in said and "<b>&lt;b&gt;, soup</b>" in said
        assert any("agreement over seeds 0.83" in text for text in said)
        assert any("grey = no cluster" in text for text in said) == (by != "entropy")
    fig = figures.plot_prompt_map(result, places=made)
    table, grey = figures.table(fig), figures.LIGHT.group(OTHER)
    outside = table["cluster_name"].isna().to_numpy()
    assert outside.any() and all((color == grey) for color, alone in zip(fig.data[0].marker.color, outside) if alone)
    assert (np.diff(np.array(fig.data[0].marker.opacity)[np.argsort(table["kept"])]) >= 0).all()
    assert fig.layout.shapes[-1].opacity < 1 and fig.layout.shapes[-1].fillcolor == figures.LIGHT.ground


def test_hover_names_the_cluster():
    result = figure_data.result()
    words = figures.plot_prompt_map(result, places=mapped(result)).data[0].customdata
    assert any(word.endswith("lock, pick") for word in words) and not any("nan" in word for word in words)
