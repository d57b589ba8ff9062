"""What each command of the command line does: thin layers over the functions that a notebook calls."""

from __future__ import annotations

from .features import extract, score
from .looks import check, doctor, map
from .others import export, import_, rewardbench
from .runs import compare, figures, fit

COMMANDS = {"check": check, "extract": extract, "score": score, "import": import_, "export": export, "fit": fit, "compare": compare,
            "rewardbench": rewardbench, "map": map, "figures": figures, "doctor": doctor}
