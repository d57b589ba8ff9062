"""Workbench: every screen behind its tab; and each of them as a panel of its own."""

from __future__ import annotations

from ..session import Session
from .compare import Compare
from .explore import Explore
from .gate import Gate
from .panel import Panel
from .screen import Tab
from .strength import Strength
from .verbosity import Verbosity
from .what_if import WhatIf

FIGURES = Tab("figures", "Figures", "tray:Figures")  # brings plotly, so it is loaded when it is opened
SCREENS = (Explore, WhatIf, Compare, Verbosity, Gate, Strength, FIGURES)


def Workbench(session: Session) -> Panel:  # noqa: N802 (it reads as the thing it makes)
    """Every screen on a session, behind tabs. Once it is on a page, a session without a baseline begins to train it."""
    return Panel(session, SCREENS, title="Workbench")


def explore(session: Session) -> Panel:
    """The Explore screen as a panel of its own."""
    return Panel(session, (Explore,), title="Explore panel")


def what_if(session: Session) -> Panel:
    """The What-if screen, with Compare behind a tab."""
    return Panel(session, (WhatIf, Compare), title="What-if panel")


def compare(session: Session) -> Panel:
    """The Compare screen as a panel of its own."""
    return Panel(session, (Compare,), title="Compare panel")


def verbosity(session: Session) -> Panel:
    """The Verbosity screen as a panel of its own."""
    return Panel(session, (Verbosity,), title="Verbosity panel")


def gate(session: Session) -> Panel:
    """The Gate screen as a panel of its own."""
    return Panel(session, (Gate,), title="Gate panel")


def strength(session: Session) -> Panel:
    """The Strength screen as a panel of its own."""
    return Panel(session, (Strength,), title="Strength panel")


def figures(session: Session) -> Panel:
    """The Figures screen as a panel of its own."""
    return Panel(session, (FIGURES,), title="Figures panel")
