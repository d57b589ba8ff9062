"""The figures of a trained result, all at once, and why one is lacking."""

import re
import xml.etree.ElementTree as ET

import figure_data
import numpy as np
import pandas as pd
import pytest

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.figures import sets
from workbench.figures.base import provenance_of
from workbench.figures.sets import MAKERS, figures_of
from workbench.projection import PromptMap
from workbench.scenario.recipe import Scenario
from workbench.scenario.run import run


def test_all_figures_of_a_result(trained):
    study, before, after = trained
    pair = after.pairs["pair_id"].iloc[3]
    made, lacking = figures_of(after, study, baseline=before, pair=pair, theme="dark")
    assert set(made) == {
        "sections", "gate", "watershed", "objectives", "verbosity", "comparison", "gate-prompt", "decomposition", "learning",
    }
    assert "no stored map" in lacking["prompt-map"]
    for name, fig in made.items():
        assert len(figures.table(fig)), name
    assert [s["id"] for s in provenance_of(made["comparison"])["scenarios"]] == [before.scenario.id, after.scenario.id]
    margin = figures.table(made["decomposition"])["contribution"].iloc[-1]
    assert margin == pytest.approx(after.margin[3], abs=1e-6)
    with pytest.raises(WorkbenchError, match="no pair 'nope'"):
        figures_of(after, study, pair="nope")


def test_what_a_trained_result_gives_besides(trained):
    _, before, after = trained
    curves = figures.table(figures.plot_learning({"before": before, "after": after}))
    assert curves.groupby("run")["seed"].nunique().to_dict() == {"after": 2, "before": 2}
    prompts = after.pairs["prompt_id"].unique()
    places = pd.DataFrame({"prompt_id": prompts, "x": np.arange(len(prompts)), "y": 0.5})
    for by in ("dominant", "section", "entropy"):
        assert len(figures.table(figures.plot_prompt_map(after, places=places, by=by))) == len(prompts)


def test_the_whole_set_at_a_columns_width(browser, trained, tmp_path):
    """Every figure of the set: the venue's width in all three formats, text of six points or more, all of it text."""
    study, before, after = trained
    names = [name for name in MAKERS if name not in ("prompt-map", "strength", "doubt")]  # no map is stored, and no ensemble is at hand
    made, lacking = figures_of(after, study, baseline=before, pair=after.pairs["pair_id"].iloc[3], only=names)
    made["prompt-map"] = figures.plot_prompt_map(figure_data.data_of(figures.plot_prompt_map))
    made["strength"] = figures.plot_strength(figure_data.data_of(figures.plot_strength), flip_below=-0.5, drop_below=0.1)
    made["doubt"] = figures.plot_doubt(figure_data.data_of(figures.plot_strength), flip_below=-0.5, drop_below=0.1)
    assert not lacking and set(made) == set(MAKERS)
    for saved in figures.save_all(made, "icml-column", ("svg", "pdf"), tmp_path):
        root = ET.parse(saved.files[0]).getroot()
        assert saved.smallest >= 6 and saved.files[0].suffix == ".svg"
        assert float(root.get("width").removesuffix("in")) == pytest.approx(3.25, abs=1e-6)
        box = re.findall(rb"/MediaBox\s*\[([^\]]+)\]", saved.files[1].read_bytes())[-1].split()
        assert float(box[2]) / 72 == pytest.approx(3.25, abs=0.01)
        assert not list(root.iter("{http://www.w3.org/2000/svg}image")) and b"/Subtype /Image" not in saved.files[1].read_bytes()
        assert len([node for node in root.iter("{http://www.w3.org/2000/svg}text") if "".join(node.itertext()).strip()]) >= 4


@pytest.mark.parametrize("figure, options, words", [
    ("comparison", {"metric": "f1"}, "no metric 'f1'"), ("comparison", {"slices": ["a"]}, "option 'slices'"),
    ("comparison", {"slices": {"mine": ["nope"]}}, "'mine' has none of the pairs"),
    ("strength", {"flip_below": "low"}, "option 'flip_below'"),
    ("comparison", {"slices": {"All pairs": ["p"]}}, "none of the pairs|declared"), ("gate", {"by": ["section"]}, "option 'by'"),
])
def test_a_card_with_options_that_make_no_sense_is_one_clear_error(trained, figure, options, words):
    study, before, after = trained
    card = figures.Card(figure, after.scenario, study.hash, before.scenario, options)
    with pytest.raises(WorkbenchError, match=words):
        figures.draw(card, study, known=(before, after))


def test_a_map_says_which_map_it_is(trained, monkeypatch):
    study, _, after = trained
    prompts = after.pairs["prompt_id"].unique()
    places = pd.DataFrame({"prompt_id": prompts, "x": np.arange(len(prompts)), "y": 0.5, "cluster": -1, "kept": 1.0})
    settings = {"method": "UMAP", "seed": 3, "seeds": 2, "neighbours": 15, "min_dist": 0.1, "study": study.hash}
    clusters = pd.DataFrame({"cluster": [], "name": [], "n": [], "x": [], "y": []})
    monkeypatch.setattr(sets, "stored_map", lambda study: PromptMap(places, clusters, settings, 0.5))
    made, lacking = figures_of(after, study, only=["prompt-map"])
    assert not lacking
    told = provenance_of(made["prompt-map"])
    assert told["map"] == {name: value for name, value in settings.items() if name != "study"} and told["card"]["figure"] == "prompt-map"


def test_a_head_that_measured_no_held_out_loss_lacks_its_curves_alone(planted_study):
    head = run(Scenario(gate={"kind": "bradley-terry", "steps": 20}, seeds=(0,)), planted_study.study, cache=False)
    made, lacking = figures_of(head, planted_study.study)
    assert "no held-out loss" in lacking["learning"] and "sections" in made
