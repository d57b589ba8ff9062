"""RM-Bench (arXiv 2410.16184): does the right answer win although the wrong one looks better?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..axes import PairSide
from ..errors import WorkbenchError, listing
from .benchmarks import NUMBERS, Outcome, Slice, benchmark_rows, ids_of, models_of, needed
from .inference import DRAWS
from .metrics import LONGER, correct, longer_wins

STYLES = ("concise", "detailed", "markdown")  # as plain text; the third is detailed and formatted with markdown
DOMAINS = ("chat", "code", "math", "safety")
ALL_DOMAINS, WHERE = "All domains", "RM-Bench"
CELLS = tuple((i, j) for i in range(3) for j in range(3))  # style of the chosen answer, of the rejected one
DIFFICULTIES = {
    "hard": tuple(cell for cell in CELLS if cell[0] < cell[1]), "normal": tuple(cell for cell in CELLS if cell[0] == cell[1]),
    "easy": tuple(cell for cell in CELLS if cell[0] > cell[1]), "mean": CELLS,
}
COLUMNS_RM = ("series", "domain", "level", "slice", "chosen_style", "rejected_style", *NUMBERS)


def rmbench_table(margins: np.ndarray | Mapping[str, np.ndarray], pairs: pd.DataFrame, *, lengths: PairSide | None = None,
                  draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Accuracy by style: series, domain, level ("difficulty", "cell"), slice, chosen_style, rejected_style, value, low, high …, words.

    margins: [pair] of one fixed model, [seed pair] of trained ones, or name → either; pairs: item, domain ("safety-refuse" belongs to
    safety), chosen_style and rejected_style, 0 concise, 1 detailed, 2 detailed with markdown; family where items share prompts, else
    the item; lengths [pair side] add "the longer wins". With A_ij the accuracy where the chosen answer has style i and the rejected
    one j (a tie is wrong): hard is the mean of A_ij over i < j, normal over i = j, easy over i > j; mean is that of the three. "All
    domains" is the plain mean of four domains, cell by cell, and is given only where all four are there. WorkbenchError for an
    unknown domain or style and for margins that do not fit.
    """
    needed(pairs, "item", "domain", "chosen_style", "rejected_style", what=WHERE)
    domain = pairs["domain"].astype(str).str.partition("-")[0]
    _known(domain.isin(DOMAINS), pairs["domain"], "domain", ", ".join(DOMAINS))
    for column in ("chosen_style", "rejected_style"):
        _known(pairs[column].isin(range(3)), pairs[column], column, ", ".join(f"{i} {style}" for i, style in enumerate(STYLES)))
    given = models_of(margins, ids_of(pairs))
    if lengths is not None:
        given |= models_of({LONGER: longer_wins(np.asarray(lengths, np.float64))}, ids_of(pairs), what="lengths")
    models = {name: Outcome(correct(values), values == 0, trained) for name, (values, trained) in given.items()}
    styles = pairs[["chosen_style", "rejected_style"]].astype(int)
    strata = np.array([_stratum(each, *cell) for each, cell in zip(domain, styles.to_numpy().tolist())], object)
    groups = pairs["family"] if "family" in pairs.columns else pairs["domain"].astype(str) + " " + pairs["item"].astype(str)
    slices = [one for name in (ALL_DOMAINS, *(each for each in DOMAINS if (domain == each).any())) for one in _slices(name)]
    table = benchmark_rows(models, slices, strata, groups, draws=draws, seed=seed)
    return table[list(COLUMNS_RM)]


def _known(fine: pd.Series, values: pd.Series, column: str, there: str) -> None:
    if not fine.all():
        raise WorkbenchError(f"unknown {column} {listing(values[~fine].unique())}", where=WHERE, remedy=f"There are {there}")


def _stratum(domain: str, chosen: int, rejected: int) -> str:
    return f"{domain}, {STYLES[chosen]} against {STYLES[rejected]}"


def _slices(domain: str) -> list[Slice]:
    """Difficulties, then cells, of one domain or of all."""
    within = DOMAINS if domain == ALL_DOMAINS else (domain,)
    named = [("difficulty", name, cells, (None, None)) for name, cells in DIFFICULTIES.items()]
    named += [("cell", f"{STYLES[i]} against {STYLES[j]}", ((i, j),), (i, j)) for i, j in CELLS]
    slices = []
    for level, name, cells, (chosen, rejected) in named:
        about = {"domain": domain, "level": level, "slice": name, "chosen_style": chosen, "rejected_style": rejected}
        weights = {_stratum(each, *cell): 1.0 for each in within for cell in cells}
        called = {stratum: stratum.partition(",")[0] for stratum in weights} if domain == ALL_DOMAINS else {}
        slices.append(Slice(about, weights, called))
    return slices
