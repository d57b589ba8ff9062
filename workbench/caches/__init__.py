"""Other people's caches: RLHFlow's feature files become a study, and the weights that were trained on them are read."""

from .diagnosis import GateDiagnosis, diagnose_gate
from .importing import import_caches
from .stages import read_stage1, read_stage2
from .weights import read_gate, read_regression

__all__ = ["GateDiagnosis", "diagnose_gate", "import_caches", "read_gate", "read_regression", "read_stage1", "read_stage2"]
