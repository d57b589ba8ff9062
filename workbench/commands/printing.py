"""What commands print: lines or JSON, and a line of progress that rewrites itself."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ..scenario.result import Result
    from ..study import Study

SPACE = "\r\x1b[K"


def say(value) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, default=plain) if isinstance(value, dict) else value)


def plain(value):
    return value.item() if hasattr(value, "item") else str(value)


def records(rows: pd.DataFrame) -> list[dict]:
    """Rows as JSON has them: no NaN."""
    return rows.astype(object).where(rows.notna(), None).to_dict("records")


def table(rows: pd.DataFrame) -> None:
    say(rows.to_string(index=False, na_rep="", float_format=lambda number: f"{number:.4g}"))


def about(study: Study) -> dict:
    return {"name": study.name, "hash": study.hash}


def described(result: Result) -> dict:
    scenario = result.scenario
    return {"scenario": scenario.id, "recipe": json.loads(scenario.to_json()), "seeds": list(scenario.seeds), "stopped": result.stopped}


def title(result: Result) -> str:
    scenario = result.scenario
    return f"{scenario.name or 'scenario'} {scenario.id}, {len(scenario.seeds)} seed{'s' * (len(scenario.seeds) != 1)}"


def progress(args: Namespace) -> Callable | None:
    """A line that rewrites itself, on a terminal only."""
    return _show if sys.stderr.isatty() and not args.json else None


def _show(at) -> None:
    print(f"{SPACE}{at}", end="", file=sys.stderr, flush=True)


def far(fraction: float, seconds_left: float | None, words: str) -> None:
    left = f", {seconds_left:.0f} s left" if seconds_left is not None else ""
    print(f"{SPACE}{fraction:.0%} {words}{left}", end="", file=sys.stderr, flush=True)


def finish() -> None:
    if sys.stderr.isatty():
        print(SPACE, end="", file=sys.stderr, flush=True)
