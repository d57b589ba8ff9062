"""RewardModel: objectives and a scalarizer as one thing that scores features, saves and loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .axes import Obj, PairObj, PairSide
from .bundle import pack, unpack, write_folder
from .errors import WorkbenchError, listing
from .features import Features
from .objectives.debias import Debiased
from .objectives.probes import LinearProbes
from .scores import Scores
from .writing import MODEL_TENSORS, saved_model

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class RewardModel:
    """R(x, y) = Σ_k g_k(x) m_k r'_k(x, y), r' = (probes / scale) @ T (ArmoRM, arXiv 2406.12845).

    scale [obj]: training deviation of each probe; debias: over the probes' names, or None; gate: over some of them;
    multiplier: name → factor m_k where it is not 1; name: what it is called, no part of what it says. Scores leave out the
    probes' offsets, the same for both sides of a pair: margins are a Result's, single scores differ by a constant. Raises
    WorkbenchError for parts that do not fit one another.
    """

    probes: LinearProbes
    scale: Obj
    debias: Debiased | None
    gate: object
    multiplier: Mapping[str, float] | None = None
    name: str = ""

    def __post_init__(self):
        scale = np.asarray(self.scale, np.float64)
        if scale.shape != (len(self.probes.names),) or not (np.isfinite(scale) & (scale > 0)).all():
            raise WorkbenchError(f"scale {scale.shape} for {len(self.probes.names)} probes", remedy="One positive number per probe")
        object.__setattr__(self, "scale", scale)
        for what, names in (("gate", self.gate.names), ("multiplier", tuple(self.multiplier or ()))):
            unknown = [name for name in names if name not in self.probes.names]
            if unknown:
                known = ", ".join(self.probes.names)
                raise WorkbenchError(f"{what} names {listing(unknown)}, which no probe scores", remedy=f"Probes: {known}")
        if self.debias is not None and set(self.debias.names) != set(self.probes.names):
            raise WorkbenchError("debias was fitted on other objectives than the probes'", remedy="Fit it on the probes' scores")

    @property
    def names(self) -> tuple[str, ...]:
        """The objectives that the gate weighs."""
        return self.gate.names

    def scores(self, features: Features) -> Scores:
        """Scaled, debiased, multiplied scores of both sides, over the gate's objectives."""
        scores = self.probes(features).scaled(self.scale)
        scores = (self.debias(scores) if self.debias else scores).select(self.names)
        factors = np.array([float((self.multiplier or {}).get(name, 1.0)) for name in self.names])
        return Scores(scores.values * factors, self.names)

    def weights(self, features: Features) -> PairObj:
        """Gate weights [pair obj] ≥ 0."""
        return self.gate.weights(features.prompt)

    def __call__(self, features: Features) -> PairSide:
        """Rewards of both sides: Σ_k weights_k scores_k."""
        return self.gate(self.scores(features), features.prompt)

    def save(self, folder: str | Path) -> Path:
        """Write a new folder (safetensors and JSON), whole or not at all. WorkbenchError if it exists."""
        folder = Path(folder)
        if folder.exists():
            raise WorkbenchError("something is here already", where=str(folder), remedy="Nothing is overwritten: choose another folder")
        parts = {"probes": self.probes.state(), "gate": self.gate.state(), "scale": {"value": self.scale}}
        if self.debias is not None:
            parts["debias"] = self.debias.state()
        arrays = {f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()}
        about = {"model": SCHEMA, "gate": type(self.gate).__name__, "names": list(self.names), "objectives": list(self.probes.names),
                 "multiplier": dict(self.multiplier or {}), **({"name": self.name} if self.name else {})}
        write_folder(folder, {MODEL_TENSORS: pack(arrays)}, about)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> RewardModel:
        """Read a saved model. WorkbenchError for a missing, damaged or newer one."""
        from .scalarize.gate import SoftmaxGate
        from .scalarize.weights import FixedWeights, GlobalWeights, UniformWeights

        kinds = {kind.__name__: kind for kind in (SoftmaxGate, GlobalWeights, UniformWeights, FixedWeights)}
        folder = Path(folder)
        about, files = saved_model(folder)
        if about["model"] > SCHEMA or about["gate"] not in kinds:
            raise WorkbenchError(f"model schema {about['model']} with a {about['gate']}", where=str(folder), remedy="Update the workbench")
        parts: dict[str, dict] = {}
        for name, value in unpack(files[MODEL_TENSORS]).items():
            part, key = name.split(".", 1)
            parts.setdefault(part, {})[key] = value
        debias = Debiased.from_state(parts["debias"]) if "debias" in parts else None
        gate = kinds[about["gate"]].from_state(parts["gate"], tuple(about["names"]))
        probes, called = LinearProbes.from_state(parts["probes"]), about.get("name", "")
        return cls(probes, parts["scale"]["value"], debias, gate, about["multiplier"] or None, called)
