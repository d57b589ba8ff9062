"""The tokens: contrast, colours told apart, dark that becomes light."""

import itertools
import json

import figure_data
import numpy as np
import pytest

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.figures.paper import on_paper
from workbench.figures.theme import DARK, GROUPS, LIGHT, SYMBOLS, _contrast, group_of, mix, theme_of


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(theme):
    for text in (theme.ink, theme.ink2, theme.candidate, theme.negative):
        assert _contrast(text, theme.ground) >= 4.5
    for mark in (*(theme.group(g) for g in (*GROUPS, "")), theme.baseline, theme.unchanged, theme.control):
        assert _contrast(mark, theme.ground) >= 3
    for level in theme.levels:
        assert _contrast(level, theme.ground) >= 2


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_cell_words_can_be_read_at_every_level(theme):
    for role, share in itertools.product(("ink", "candidate", "negative"), np.linspace(0, 1, 41)):
        assert _contrast(theme.text_on(share, role), mix(getattr(theme, role), theme.ground, share)) >= 3.8


def test_groups_have_their_own_colour_and_shape():
    for theme in (LIGHT, DARK):
        assert len({theme.group(g) for g in GROUPS}) == len(GROUPS)
    assert len(set(SYMBOLS.values())) == len(GROUPS)


def test_dark_colours_have_one_light_one():
    pairs = list(zip(DARK.colors(), LIGHT.colors(), strict=True))
    assert len(dict(pairs)) == len(set(pairs)), "one dark colour would become two light ones"


@pytest.mark.parametrize("plot", list(figure_data.MAKERS), ids=lambda p: p.__name__)
def test_paper_is_light_whatever_the_screen(plot):
    data = figure_data.data_of(plot)
    light, dark = (json.dumps(on_paper(plot(data, theme=theme)), sort_keys=True) for theme in ("light", "dark"))
    assert light == dark


@pytest.mark.parametrize(
    "name, group",
    [
        ("helpsteer-helpfulness", "Helpful"),
        ("helpsteer-complexity", "Form"),
        ("ultrafeedback-truthfulness", "Truth"),
        ("beavertails-is_safe", "Safety"),
        ("code-complexity", "Code"),
        ("ultrafeedback-instruction_following", "Instruction"),
        ("informativeness", "Helpful"),
        ("calibration", "Truth"),
        ("compliance", "Instruction"),
        ("empathy", "Helpful"),
        ("n_words", "Form"),
        ("colour", ""),
    ],
)
def test_groups_guessed(name, group):
    assert group_of(name) == group


def test_groups_declared():
    class Declared:
        group = "Truth"

    assert group_of("colour", {"colour": "Safety"}) == "Safety"
    assert group_of("colour", {"colour": Declared()}) == "Truth"
    assert group_of("safety", {"safety": "My own group"}) == "", "an unknown group is not guessed over"


def test_unknown_theme():
    with pytest.raises(WorkbenchError, match="unknown theme 'sepia'"):
        theme_of("sepia")
    assert figures.LIGHT is theme_of("light")
