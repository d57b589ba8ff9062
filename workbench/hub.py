"""The hub is asked once, and not for long."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any


def within(seconds: float, ask: Callable) -> Any:
    """What `ask` answers, or its error, or TimeoutError: looking a host up has no limit of its own."""
    answers: queue.SimpleQueue = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((ask(), None))
        except Exception as error:
            answers.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return answer
