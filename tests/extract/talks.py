"""Preference pairs of conversations, as a file of JSON lines has them."""

from __future__ import annotations

import json
from pathlib import Path

from workbench import readers
from workbench.tables import Tables

SUBJECTS = ("bread", "rain", "tides", "chess", "moths", "salt", "glass", "maps")


def rows(count: int = 8) -> list[dict]:
    """Single turns, several turns and system messages; a third answer to some prompts; two ids with one conversation."""
    out = []
    for at in range(count):
        subject = SUBJECTS[at % len(SUBJECTS)] + "!" * (at // len(SUBJECTS))
        said = [{"role": "user", "content": f"Tell me of {subject}."}]
        if at % 3 == 1:
            said = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day."}, *said]
        if at % 3 == 2:
            said = [{"role": "system", "content": "Answer in one line."}, *said]
        answers = [f"{subject} is older than it looks. " * (1 + at % 4), "I do not know.", f"There is {subject} in every house."]
        for chosen, rejected in [(0, 1), (2, 1)][: 1 + at % 2]:
            out.append({"prompt": said, "chosen": [{"role": "assistant", "content": answers[chosen]}],
                        "rejected": [{"role": "assistant", "content": answers[rejected]}]})
    return out


def written(folder: Path, count: int = 8) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "talks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(count)))
    return path


def talks(folder: Path, count: int = 8) -> Tables:
    return readers.read(written(folder, count))
