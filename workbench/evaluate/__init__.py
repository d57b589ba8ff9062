"""How good, how sure, and why: arrays, Scores and models in, tables out. Names are loaded when first used."""

import importlib

_HOMES = {
    "metrics": ("accuracy", "log_loss", "correct", "surprise", "longer_wins", "slices", "metric_table"),
    "inference": (
        "Estimate", "bootstrap", "bootstraps", "estimate", "estimates", "family_sums", "holm", "interval", "mcnemar", "sign_flip",
        "too_few", "verdict", "wilson",
    ),
    "attribution": (
        "contributions", "decisive_shares", "decompose", "effective_coefficients", "flip_certificates", "mass_certificate",
        "penalty_certificate",
    ),
    "correlation": (
        "correlation_table", "equivalence_table", "influence", "objective_correlation", "spearman_draws", "verbosity_table",
        "weighted_spearman",
    ),
    "strength": (
        "StrengthTable", "agreement_by_bin", "in_sections", "length_bias", "strength_bands", "strength_cuts", "suspects",
    ),
    "doubt": ("agreed", "settling", "suspect_precision"),
    "detectors": ("detection", "weighted_auroc"),
    "annotators": ("ceiling", "votes_of"),
    "published": ("Published", "published_table"),
    "rewardbench": ("rewardbench_comparison", "rewardbench_table"),
    "rewardbench2": ("item_scores", "rewardbench2_table"),
    "rmbench": ("rmbench_table",),
    "verbosity": ("as_long", "reward_correlation", "reward_density", "reward_points", "verbosity_by_slice"),
    "watershed": ("Watershed",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name in _HOMES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module 'workbench.evaluate' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return [*__all__, *_HOMES]
