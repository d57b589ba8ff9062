"""Figures from tidy tables or Results, each with the table it draws; and their export to paper."""

from .base import sentence, table
from .cards import Card
from .comparison import plot_comparison
from .correlation import plot_objective_correlation, plot_verbosity
from .decomposition import plot_decomposition
from .export import VENUES, Preview, Saved, Venue, preview, save, save_all
from .gate import plot_gate_heatmap, plot_gate_prompt
from .learning import plot_learning
from .prompt_map import plot_prompt_map
from .renderer import browser
from .sections import plot_sections
from .sets import card_of, draw, figures_of
from .strength import plot_strength
from .tex import caption, latex, latex_table
from .theme import DARK, LIGHT, Theme
from .vision import VISIONS, seen_by
from .watershed import plot_gate_watershed

__all__ = [
    "Card", "DARK", "LIGHT", "Preview", "Saved", "Theme", "VENUES", "VISIONS", "Venue", "browser", "caption", "card_of", "draw",
    "figures_of", "latex", "latex_table", "plot_comparison", "plot_decomposition", "plot_gate_heatmap", "plot_gate_prompt",
    "plot_gate_watershed", "plot_learning", "plot_objective_correlation", "plot_prompt_map", "plot_sections", "plot_strength",
    "plot_verbosity", "preview", "save", "save_all", "seen_by", "sentence", "table",
]
