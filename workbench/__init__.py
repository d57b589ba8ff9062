"""The workbench that opens up multi-objective, mixture-of-experts reward models.

``import workbench as wb``: the names below, each loaded when first used.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "WorkbenchError": "errors", "Study": "study", "demo": "shipped", "Tables": "tables", "Objective": "tables",
    "Features": "features", "Scores": "scores", "LinearProbes": "objectives.probes", "Debiased": "objectives.debias",
    "Supervision": "preference.bradley_terry", "bradley_terry_loss": "preference.bradley_terry", "Strength": "preference.strength",
    "strength_of": "scenario.strength", "StrengthSpec": "scenario.ensembles", "LabelSpec": "scenario.labels",
    "Laboratory": "scenario.laboratory", "BradleyTerryHead": "preference.heads", "ContrastiveHead": "preference.augmented",
    "fit_meta": "preference.meta", "Verdicts": "session.verdicts",
    "SoftmaxGate": "scalarize.gate", "GlobalWeights": "scalarize.weights", "UniformWeights": "scalarize.weights",
    "FixedWeights": "scalarize.weights", "RewardModel": "model", "Scenario": "scenario.recipe", "run": "scenario.run",
    "Result": "scenario.result", "preview": "scenario.preview", "compare": "scenario.compare",
    "evaluate": "evaluate", "Session": "session", "figures": "figures", "panels": "panels", "readers": "readers",
    "open_figure": "figures.reopen", "Workbench": "panels.workbench", "backbone": "backbone", "caches": "caches",
    "ArmoRM": "armorm.model", "open_model": "armorm.opening", "export_armorm": "armorm.export",
    "reward_model_from": "armorm.parts", "export_dataset": "publish", "published": "scenario.given",
}
_MODULES = {"backbone", "caches", "evaluate", "figures", "panels", "readers"}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    module = importlib.import_module(f".{_HOMES[name]}", __name__)
    value = module if name in _MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
