"""Rated responses: one column per objective (RLHFlow's stage 1), or UltraFeedback's completions."""

from __future__ import annotations

from pathlib import Path

from ..errors import WorkbenchError, listing
from ..tables import Tables
from .draft import Draft, about
from .files import Line, lines_of
from .messages import prompt_of, split_last

ULTRAFEEDBACK = ("instruction_following", "honesty", "truthfulness", "helpfulness")
NOT_RATINGS = {
    "prompt",
    "response",
    "messages",
    "id",
    "uid",
    "prompt_id",
    "response_id",
    "family",
    "prompt_hash",
    "section",
    "group",
    "source",
    "domain",
    "query",
    "category",
    "reference",
    "split",
    "model",
    "n_words",
    "subset",
    "label_by",
    "strength",
    "annotations",
    "ratings",
    "chosen",
    "rejected",
    "feedback",
    "preference_strength",
}


def fits(line: Line) -> bool:
    return line.has("instruction", "completions") or (
        (line.has("prompt", "response") or line.has("messages")) and "chosen" not in line.data
    )


def add(draft: Draft, lines: list[Line]) -> None:
    if lines[0].has("instruction", "completions"):
        return _add_ultrafeedback(draft, lines)
    columns = list(dict.fromkeys(name for line in lines for name in line.data if name not in NOT_RATINGS))
    columns = [name for name in columns if any(_numeric(line.data.get(name)) for line in lines) or _always_null(lines, name)]
    if not columns:
        raise WorkbenchError(
            "no objective column",
            where=lines[0].place,
            remedy=f"It has {listing(lines[0].data, 12)}; each objective is a column of numbers",
        )
    for line in lines:
        prompt, response = _prompt_response(line)
        draft.add_rated(line.place, prompt, response, {name: line.data.get(name) for name in columns}, about(line))


def _numeric(value) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, str) and value.strip().lstrip("-").replace(".", "", 1).isdigit())


def _always_null(lines: list[Line], name: str) -> bool:
    return all(line.data.get(name) is None for line in lines)


def _prompt_response(line: Line) -> tuple:
    if line.data.get("messages") is not None:
        return split_last(line.data["messages"], line.place, "messages")
    return prompt_of(line), line.need("response")


def _add_ultrafeedback(draft: Draft, lines: list[Line]) -> None:
    ranges = {f"ultrafeedback-{name}": (1.0, 5.0) for name in ULTRAFEEDBACK} | {"ultrafeedback-overall_score": (1.0, 10.0)}
    for line in lines:
        prompt = line.need("instruction")
        for number, completion in enumerate(line.need("completions"), 1):
            place = f"{line.place}, completion {number}"
            inner = Line(place, completion)
            given = completion.get("annotations") or {}
            values = {f"ultrafeedback-{name}": (given.get(name) or {}).get("Rating") for name in ULTRAFEEDBACK}
            values["ultrafeedback-overall_score"] = completion.get("overall_score")
            known = about(line, model=completion.get("model")) | {"id": None}
            draft.add_rated(place, prompt, inner.need("response"), values, known, ranges)


def read(path: str | Path, *, skip_bad: bool = False, ranges: dict | None = None, rename: dict[str, str] | None = None) -> Tables:
    """One file of rated responses → Tables; scales are declared by `ranges`, or guessed and noted."""
    draft = Draft(skip_bad=skip_bad, ranges=ranges)
    add(draft, lines_of(path, rename))
    return draft.tables()
