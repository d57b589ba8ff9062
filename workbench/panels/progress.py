"""A running job as plain values: how far, how long, and its curves."""

from __future__ import annotations

import math

from ..scenario.job import Job

POINTS = 80
SAID = {
    "running": "Training.", "stopping": "Stopping.", "done": "Training is done.", "failed": "Training stopped with an error.",
    "cancelled": "Training was cancelled.",
}


def describe_job(job: Job | None, *, baseline: float | None = None) -> dict | None:
    """What the browser draws of a job; baseline: the held-out loss to hold the curves against."""
    if job is None:
        return None
    labels, seeds = list(job.curves), len(job.scenario.seeds)
    live = labels[-1] if job.running and labels else None
    finished = [label for label in labels if label != live]
    progress, asked = job.progress, max(seeds, len(labels), 1)
    part = progress.step / max(progress.steps, 1) if progress is not None and live else 0.0
    return {
        "state": job.state, "running": job.running, "said": SAID[job.state], "steps": progress.steps if progress is not None else 0,
        "fraction": min(1.0, (len(finished) + part) / asked) if job.running else 1.0,
        "text": _text(job), "about": _about(job, finished, live, asked),
        "curves": [{"label": _short(label), "live": label == live, "points": _thin(job.curves[label])} for label in labels],
        "finished": "1 seed" if len(finished) == 1 else f"{len(finished)} seeds", "baseline": baseline,
        "blank": "It was trained before: the stored result is shown." if job.state == "done" else "It ended before its first evaluation.",
    }


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


def _about(job: Job, finished: list[str], live: str | None, asked: int) -> str:
    if not job.running:
        trained = f"{len(finished)} seed{'s' if len(finished) > 1 else ''} trained"
        return "" if not finished else f"{len(finished)} of {asked} seeds" if job.state == "cancelled" else trained
    queued = asked - len(finished) - (live is not None)
    parts = [f"{len(finished)} done"] if finished else []
    parts += [f"{_short(live)} running"] if live else []
    parts += [f"{queued} queued"] if queued > 0 else []
    return ", ".join(parts)


def _thin(curve: list[tuple[int, float]]) -> list[list[float]]:
    every = max(1, math.ceil(len(curve) / POINTS))
    return [[step, round(loss, 5)] for step, loss in [*curve[:-1:every], *curve[-1:]]]


def _short(label: str) -> str:
    return label.split(" of ")[0]
