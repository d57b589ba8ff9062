"""Results on disk: a folder for each recipe, study, code and device; trusted only whole."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from ..bundle import pack, unpack
from ..errors import WorkbenchError
from ..scalarize.gate import SoftmaxGate
from ..study import Study
from . import cache
from .gates import from_state, state_of
from .given import gate_over
from .inputs import prepare
from .recipe import GIVEN, Scenario
from .result import Result, assemble


def _gates(kind: str, arrays: dict[str, np.ndarray], about: dict) -> tuple:
    """The gates of a kept result, one per seed."""
    states = [{} for _ in about["seeds"]]
    for name, value in arrays.items():
        if name.startswith("gates."):
            _, number, key = name.split(".", 2)
            states[int(number)][key] = value
    return tuple(from_state(kind, state, tuple(about["names"])) for state in states)


def starts_of(scenario: Scenario, study: Study, device: str = "auto") -> dict:
    """Seed → the gate that a warm start begins from; WorkbenchError where that scenario is not kept, or lacks a seed."""
    wanted, remedy = scenario.gate.start, 'Run that scenario on this study first, or take start="global"'
    found = cache.load(_folder(wanted, study, device))
    if found is None:
        raise WorkbenchError(f"no result of scenario {wanted} to start from", where="scenario, gate", remedy=remedy)
    about, files = found
    if about["recipe"]["gate"]["kind"] == GIVEN and isinstance(gate := gate_over(prepare(study).model, tuple(about["names"])), SoftmaxGate):
        return dict.fromkeys(scenario.seeds, gate)
    if about["recipe"]["gate"]["kind"] != "softmax":
        raise WorkbenchError(f"scenario {wanted} has no softmax gate to start from", where="scenario, gate", remedy='Take start="global"')
    starts = dict(zip(about["seeds"], _gates("softmax", unpack(files["arrays.safetensors"]), about)))
    lacking = [seed for seed in scenario.seeds if seed not in starts]
    if lacking:
        raise WorkbenchError(f"scenario {wanted} was not trained with seed {lacking[0]}", where="scenario, gate",
                             remedy=f'Use its seeds, {", ".join(map(str, starts))}, or take start="global"')
    return starts


def folder_of(scenario: Scenario, study: Study, device: str = "auto"):
    """Where a result is kept: scenario id × study hash × hash of the computing modules × the device that was asked for."""
    return _folder(scenario.id, study, device)


def _folder(scenario_id: str, study: Study, device: str):
    asked = "" if device == "auto" else f"-{device.replace(':', '')}"  # bytes agree on one device, not between two
    return cache.runs_folder(study) / f"{scenario_id}-{study.hash}-{cache.code_hash()}{asked}"


def save(result: Result, device: str = "auto") -> bool:
    """Keep a finished, retrained dev result on disk; whether it could be written."""
    arrays = {"margins": result.margins, "weights": result.weights}
    for number, gate in enumerate(() if result.scenario.gate.kind == GIVEN else result.gates):  # that one is the study's
        arrays |= {f"gates.{number}.{name}": value for name, value in state_of(gate).items()}
    table = io.BytesIO()
    result.metrics.to_parquet(table, index=False)
    about = {"recipe": result.scenario.recipe(), "study": result.study_hash, "code": cache.code_hash(), "seeds": list(result.seeds),
             "names": list(result.names), "pairs": len(result.pairs), "seconds": result.seconds}
    files = {"arrays.safetensors": pack(arrays), "metrics.parquet": table.getvalue()}
    return cache.keep(folder_of(result.scenario, result.study, device), files, about)


def load(scenario: Scenario, study: Study, device: str = "auto") -> Result | None:
    """A kept result, or None where there is none, or (with a warning) where it is damaged."""
    found = cache.load(folder_of(scenario, study, device))
    if found is None:
        return None
    about, files = found
    arrays, inputs = unpack(files["arrays.safetensors"]), prepare(study)
    if scenario.gate.kind == GIVEN:
        gates = (gate_over(inputs.model, tuple(about["names"])),)
    else:
        gates = _gates(scenario.gate.kind, arrays, about)
    made = {"weights": arrays["weights"], "margins": arrays["margins"], "seconds": about["seconds"]}
    result = assemble(scenario, inputs, gates, tuple(about["seeds"]), **made)
    metrics = pd.read_parquet(io.BytesIO(files["metrics.parquet"]))
    result.make["metrics"] = lambda: metrics
    return result
