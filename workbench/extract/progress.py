"""How far an extraction is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ExtractProgress:
    """Rows done of all rows, rows and tokens a second, seconds left (None before the first rate)."""

    step: int
    steps: int
    rate: float
    tokens_per_second: float
    seconds_left: float | None
    label: str = "features"

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", {span(self.seconds_left)} left"
        return f"{self.label}: {self.step:,} of {self.steps:,} rows, {self.rate:.1f} rows/s, {self.tokens_per_second:,.0f} tokens/s{left}"


def span(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"


class Clock:
    """Rates and time left; what was found on disk cost nothing and is in no rate. Work is measured in characters read."""

    def __init__(self, rows: int, characters: int, tell: Callable[[ExtractProgress], None] | None):
        self.rows, self.characters, self.tell, self.start = rows, characters, tell, time.monotonic()
        self.done = self.fresh = self.read = self.found = self.tokens = 0

    def there(self, rows: int, characters: int) -> None:
        """What an earlier run has done."""
        self.done, self.found = self.done + rows, self.found + characters
        self._say()

    def tick(self, rows: int, characters: float, tokens: int) -> None:
        """What was done now."""
        self.done, self.fresh = self.done + rows, self.fresh + rows
        self.read, self.tokens = self.read + characters, self.tokens + tokens
        self._say()

    def _say(self) -> None:
        if self.tell is None:
            return
        seconds = max(time.monotonic() - self.start, 1e-9)
        left = max(self.characters - self.found - self.read, 0) * seconds / self.read if self.read else None
        self.tell(ExtractProgress(self.done, self.rows, self.fresh / seconds, self.tokens / seconds, left))
