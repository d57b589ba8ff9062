"""Figures from tidy tables or Results, each with the table it draws; and their export to paper. Loaded, plotly too, when first used."""

import importlib

_HOMES = {
    "agreement": ("plot_agreement", "plot_settling"), "base": ("sentence", "table"),
    "benchmark": ("plot_benchmark", "plot_style_matrix"), "cards": ("Card",),
    "comparison": ("plot_comparison",), "correlation": ("plot_objective_correlation", "plot_verbosity"),
    "decomposition": ("plot_decomposition",), "doubt": ("plot_doubt", "plot_suspect_precision"),
    "export": ("Preview", "Saved", "VENUES", "Venue", "preview", "save", "save_all"),
    "gate": ("plot_gate_heatmap", "plot_gate_prompt"),
    "laboratory": ("plot_bands", "plot_curves", "plot_noise"), "learning": ("plot_learning",), "left_out": ("plot_left_out",),
    "meta": ("plot_alignment", "plot_meta"),
    "prompt_map": ("plot_prompt_map",), "renderer": ("browser",), "sections": ("plot_sections",),
    "sets": ("card_of", "draw", "figures_of"), "strength": ("plot_strength",), "tex": ("caption", "latex", "latex_table"),
    "theme": ("DARK", "LIGHT", "Theme"), "treatments": ("plot_treatments",),
    "vision": ("VISIONS", "seen_by"), "watershed": ("plot_gate_watershed",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str):
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)
    return value


def __dir__():
    return __all__
