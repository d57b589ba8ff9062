"""Figures from tidy tables or Results, each with the table it draws; and their export to paper."""

from .base import sentence, table
from .comparison import plot_comparison
from .correlation import plot_objective_correlation, plot_verbosity
from .decomposition import plot_decomposition
from .export import VENUES, Saved, Venue, save, save_all
from .gate import plot_gate_heatmap, plot_gate_prompt
from .learning import plot_learning
from .prompt_map import plot_prompt_map
from .renderer import browser
from .sections import plot_sections
from .strength import plot_strength
from .theme import DARK, LIGHT, Theme

__all__ = [
    "DARK", "LIGHT", "Saved", "Theme", "VENUES", "Venue", "browser", "plot_comparison", "plot_decomposition", "plot_gate_heatmap",
    "plot_gate_prompt", "plot_learning", "plot_objective_correlation", "plot_prompt_map", "plot_sections", "plot_strength",
    "plot_verbosity", "save", "save_all", "sentence", "table",
]
