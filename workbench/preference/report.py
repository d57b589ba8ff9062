"""What a fit tells while it runs, and afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """Where a fit is: step of steps, mean loss since the last evaluation, newest held-out loss (None without one).

    Of several fits at once: live, the labels of those that run now, and whole, the share of all their work that is done.
    """

    step: int
    steps: int
    loss: float
    held_out: float | None
    seconds_left: float
    label: str = ""
    live: tuple[str, ...] = ()
    whole: float | None = None

    def __str__(self) -> str:
        return f"{self.label}: {self.step} of {self.steps}, {self.seconds_left:.0f} s left"


@dataclass(frozen=True, eq=False)
class Fit:
    """How a fit went.

    history: step, loss (mean since the last entry) and held_out, lists of one length (means over heads); best_step:
    whose state was kept (the latest, over heads); stopped: "finished", "early" or "cancelled"; head_steps and
    head_losses: best step and its held-out loss (NaN without one), one per head.
    """

    history: dict[str, list]
    best_step: int
    stopped: str
    seconds: float
    head_steps: tuple[int, ...] = ()
    head_losses: tuple[float, ...] = ()

    def of(self, head: int) -> Fit:
        """The same for one head: its own best step and loss; the history stays the mean over heads."""
        return replace(self, best_step=self.head_steps[head], head_steps=self.head_steps[head : head + 1],
                       head_losses=self.head_losses[head : head + 1])
