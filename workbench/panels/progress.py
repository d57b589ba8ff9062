"""A running job as plain values: how far, how long, and its curves."""

from __future__ import annotations

import math

from ..evaluate.metrics import ALL
from ..scenario.edits import recipe_key
from ..scenario.job import Job
from ..scenario.recipe import GIVEN
from ..session import Session
from .words import in_words

POINTS = 80
SAID = {
    "queued": "Waiting.", "running": "Training.", "stopping": "Stopping.", "done": "Training is done.",
    "failed": "Training stopped with an error.", "cancelled": "Training was cancelled.",
}


def job_of(session: Session, job: Job | None) -> dict | None:
    """What the browser draws of a job of the session. The baseline's loss is beside it where both are over the same labels;
    a job that ended on another edit than the draft says so, and its curves, which are none of the draft's, are left out."""
    if job is None:
        return None
    baseline = session.baseline
    same = baseline is not None and baseline.scenario.labels == job.scenario.labels
    told = describe_job(job, baseline=session.baseline_loss if same else None)
    if job.what != "noise" and not job.running and recipe_key(job.scenario) != recipe_key(session.draft):
        told |= {"about": ", ".join(filter(None, (told["about"], "for another edit"))), "curves": [], "blank": ""}
    return told


def describe_job(job: Job | None, *, baseline: float | None = None) -> dict | None:
    """What the browser draws of a job; baseline: the held-out loss to hold the curves against."""
    if job is None:
        return None
    labels, seeds = list(job.curves), len(job.scenario.seeds)
    progress, asked = job.progress, max(seeds, len(labels), 1)
    live = [label for label in getattr(progress, "live", ()) or labels[-1:] if label in labels] if job.running else []
    finished = [label for label in labels if label not in live]
    part = progress.step / max(progress.steps, 1) if progress is not None and live else 0.0
    whole = getattr(progress, "whole", None)
    return {
        "state": job.state, "running": job.running, "said": SAID[job.state], "steps": progress.steps if progress is not None else 0,
        "fraction": min(1.0, (len(finished) + part) / asked if whole is None else whole) if job.running else 1.0,
        "text": _text(job), "brief": _brief(job, live, asked, len(finished)), "about": _about(job, finished, live, asked),
        "curves": [{"label": _short(label), "live": label in live, "points": _thin(job.curves[label])} for label in labels],
        "finished": "1 seed" if len(finished) == 1 else f"{len(finished)} seeds", "baseline": baseline,
        "blank": _blank(job), "treated": job.scenario.labels != "hard",
    }


def _blank(job: Job) -> str:
    """Why there is no curve."""
    if job.state != "done":
        return "It ended before its first evaluation."
    if job.scenario.gate.kind == GIVEN:
        return "The gate as published: nothing is trained."
    solved = job.scenario.gate.kind in ("global", "uniform")
    return "Such weights are solved at once: there is no curve." if solved else "It was trained before: the stored result is shown."


def _text(job: Job) -> str:
    progress = job.progress
    if job.state == "stopping":
        return "stopping at the next step"
    if not job.running:
        words = {"done": "done in", "failed": "stopped after", "cancelled": "cancelled after"}[job.state]
        return f"{words} {job.seconds:.1f} s"
    if progress is None:
        return "preparing"
    left = progress.seconds_left  # of all seeds
    clock = f" · {int(left) // 60}:{int(left) % 60:02d} left" if math.isfinite(left) else ""
    return f"step {progress.step} of {progress.steps}{clock}"


def _brief(job: Job, live: list[str], asked: int, done: int) -> str:
    """For the row of tabs: which seed, and the time left."""
    if job.state == "stopping":
        return "stopping"
    if not job.running or job.progress is None:
        return "preparing" if job.running else ""
    left = job.progress.seconds_left
    clock = f" · {int(left) // 60}:{int(left) % 60:02d} left" if math.isfinite(left) else ""
    return f"{_called(live)} of {asked}{clock}" if live else f"{done} of {asked} done{clock}"


def _about(job: Job, finished: list[str], live: list[str], asked: int) -> str:
    if not job.running:
        trained = f"{len(finished)} seed{'s' if len(finished) > 1 else ''} trained"
        return "" if not finished else f"{len(finished)} of {asked} seeds" if job.state == "cancelled" else trained
    queued = asked - len(finished) - len(live)
    parts = [f"{len(finished)} done"] if finished else []
    parts += [f"{_called(live)} running"] if live else []
    parts += [f"{queued} queued"] if queued > 0 else []
    return ", ".join(parts)


def _thin(curve: list[tuple[int, float]]) -> list[list[float]]:
    every = max(1, math.ceil(len(curve) / POINTS))
    return [[step, round(loss, 5)] for step, loss in [*curve[:-1:every], *curve[-1:]]]


def _short(label: str) -> str:
    return label.split(" of ")[0]


def _called(live: list[str]) -> str:
    """ "seed 2", "seeds 2, 3 and 4"."""
    if len(live) == 1:
        return _short(live[0])
    *others, last = sorted((_short(label).removeprefix("seed ") for label in live), key=lambda number: (len(number), number))
    return f"seeds {', '.join(others)} and {last}"


# -- what waits, and what change is mere noise ----------------------------------------------------------------------


def queue(session: Session) -> list[dict]:
    """Jobs that wait their turn, in their order."""
    return [{"key": str(id(job)), "words": job_words(session, job), "seeds": _seeds(len(job.scenario.seeds))}
            for job in session.jobs if job.state == "queued"]


def job_words(session: Session, job: Job) -> str:
    """What a job trains."""
    if job.what == "noise":
        return "the noise floor"
    return job.scenario.name or in_words(session.study, job.scenario, session.baseline_scenario)


def noise_state(session: Session) -> dict | None:
    """The noise floor in words (every second part bold), or that it is not measured; None without a baseline that was trained."""
    baseline, table = session.baseline, session.noise
    if baseline is None or baseline.scenario.gate.kind == GIVEN:
        return None
    why = "The baseline against itself with other seeds, through the same comparison: what change is mere noise."
    if table is None:
        if any(job.what == "noise" and job.state != "stopping" for job in session.jobs):
            return {"state": "running", "words": ["Measuring the noise floor."], "why": why}
        return {"state": "none", "words": ["No noise floor yet."], "why": why}
    row = table[table["slice"] == ALL].iloc[0]
    low, high = (f"{100 * row[end]:+.1f}".replace("-", "\N{MINUS SIGN}") for end in ("low", "high"))
    words = ["Noise floor ", f"[{low}, {high}]", f" points, 2 × {_seeds(int(row['seeds']))}"]
    if not (math.isfinite(row["low"]) and math.isfinite(row["high"])):
        words = ["No noise floor: fewer than 6 families."]
    return {"state": "measured", "words": words, "why": why}


def _seeds(n: int) -> str:
    return f"{n} seed{'s' if n > 1 else ''}"
