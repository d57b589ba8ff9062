"""Baseline against candidate, as rows and sentences that the browser draws."""

from __future__ import annotations

import math

from ..errors import WorkbenchError
from ..evaluate.metrics import ALL
from ..scenario.compare import EXPLORATORY, seed_differences
from ..scenario.job import is_partial
from ..session import Session

VERDICTS = ("no detectable change", "higher", "lower")


def waiting(session: Session) -> dict:
    if session.baseline is None:
        return {"lead": ["The baseline is not trained yet."], "note": "Every number on this screen is held against it."}
    note = "Edit the objectives, then retrain: the difference to the baseline appears here, slice by slice."
    return {"lead": ["No candidate yet."], "note": note}


def comparison(session: Session) -> dict | None:
    """Rows of the forest, the sentence above them, and what the numbers are made of; None while there is nothing to compare."""
    baseline, candidate = session.baseline, session.candidate
    try:
        table = session.comparison()
    except WorkbenchError as error:
        return {"rows": None, "lead": ["These two cannot be compared."], "note": str(error)}
    if table is None:
        return None
    masks = {name: session.items["pair_id"].isin(one.ids).to_numpy() for name, one in session.slices.items()}
    apart = seed_differences(baseline, candidate, exploratory=masks)
    rows = [_row(row, row["slice"] in masks) for row in table.to_dict("records")]
    for row in rows:
        row["seeds"] = [round(value, 6) for value in apart[row["slice"]]]
    whole = next((row for row in rows if row["slice"] == ALL), rows[0])
    whole["whole"] = True
    seeds = int(table["seeds"].iloc[0])
    note = (
        f"Paired difference in accuracy, dev split, {_count(whole['n'])} pairs in {whole['families']} families, "
        f"{seeds} seed{'s' if seeds > 1 else ''}. "
        + ("Intervals resample families and seeds; " if seeds >= 5 else "Intervals resample families: seed noise not estimated; ")
        + "training-sample variance is not in them."
    )
    partial = [name for name, result in (("baseline", baseline), ("candidate", candidate)) if is_partial(result)]
    if partial:
        note = f"The {' and the '.join(partial)} was stopped early: read it as partial. " + note
    floor = session.noise
    tested = sum(row["tested"] and not row["whole"] for row in rows)
    return {"rows": rows, "lead": _lead(rows, whole), "note": note, "noise": None if floor is None else _noise(floor, baseline),
            "holm": f"p: Holm over {tested}" if tested > 1 else ""}


def _noise(floor, baseline) -> dict:
    """The last row: the baseline against itself with other seeds."""
    row = _row(floor[floor["slice"] == ALL].iloc[0].to_dict())
    own = sorted(baseline.seeds)
    told = f"{own[0]}–{own[-1]}" if len(own) > 1 and own == list(range(own[0], own[-1] + 1)) else ", ".join(map(str, own))
    about = f"baseline, seeds {told} against as many others"
    return {**row, "slice": "Noise floor", "about": about, "words": "what seeds alone can do", "seeds": [], "tone": None,
            "numbers": row["numbers"].split(", p")[0]}


def _row(row: dict, exploratory: bool = False) -> dict:
    difference, low, high, p = (_number(row[key]) for key in ("difference", "low", "high", "p_holm"))
    words, floor = str(row["words"]).split(";")[0], [_number(row.get(f"noise_{end}")) for end in ("low", "high")]
    if words == EXPLORATORY:
        words = "no test: the slice was found by looking"
    accuracies = [_number(row[key]) for key in ("baseline", "candidate")]
    numbers = "" if difference is None else _points(difference)
    if low is not None:
        numbers += f" [{_points(low)}, {_points(high)}]"
    if p is not None:
        numbers += ", p " + ("< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0") if p < 1 else "1")
    if None in accuracies:
        accuracies, said = [None, None], "no accuracy"
    else:
        said = f"accuracy {100 * accuracies[0]:.1f} % before, {100 * accuracies[1]:.1f} % after"
    return {
        "slice": str(row["slice"]), "n": int(row["n"]), "families": int(row["families"]), "whole": False, "exploratory": exploratory,
        "tested": p is not None, "floor": None if None in floor else floor,
        "accuracy": accuracies,
        "difference": difference, "low": low, "high": high, "numbers": numbers, "words": words, "full": str(row["words"]),
        "tone": {"higher": "pos", "lower": "neg"}.get(words), "said_accuracy": said,
        "said_difference": f"{words}: {numbers} points" if numbers else words,
    }


def _count(n: int) -> str:
    return f"{n:,}".replace(",", "\u2009")


def _number(value) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _points(share: float) -> str:
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def _lead(rows: list[dict], whole: dict) -> list[str]:
    """A sentence in parts; every second part is bold."""
    if whole["words"] in VERDICTS:
        parts = ["Overall, ", whole["words"] + (f" by {_size(whole)} points" if whole["tone"] else ""), ". "]
    else:
        parts = ["Overall no verdict: ", whole["words"], ". "]
    for row in rows:
        if row is not whole and row["tone"]:
            parts[-1] += f"{row['slice']} is "
            parts += [row["words"], f" by {_size(row)}. "]
    return parts


def _size(row: dict) -> str:
    return f"{abs(100 * row['difference']):.1f}"
