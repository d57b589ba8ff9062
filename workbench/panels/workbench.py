"""Workbench: every screen behind its tab; and each of them as a panel of its own."""

from __future__ import annotations

from ..session import Session
from .panel import Panel
from .screen import Tab

EXPLORE, WHAT_IF = Tab("explore", "Explore", "explore:Explore"), Tab("what_if", "What-if", "what_if:WhatIf")
COMPARE, VERBOSITY = Tab("compare", "Compare", "compare:Compare"), Tab("verbosity", "Verbosity", "verbosity:Verbosity")
GATE, STRENGTH = Tab("gate", "Gate", "gate:Gate"), Tab("strength", "Strength", "strength:Strength")
FIGURES = Tab("figures", "Figures", "tray:Figures")
SCREENS = (EXPLORE, WHAT_IF, COMPARE, VERBOSITY, GATE, STRENGTH, FIGURES)


def Workbench(session: Session) -> Panel:  # noqa: N802 (it reads as the thing it makes)
    """Every screen on a session, behind tabs. Once it is on a page, a session without a baseline begins to train it."""
    return Panel(session, SCREENS, title="Workbench")


def explore(session: Session) -> Panel:
    """The Explore screen as a panel of its own."""
    return Panel(session, (EXPLORE,), title="Explore panel")


def what_if(session: Session) -> Panel:
    """The What-if screen, with Compare behind a tab."""
    return Panel(session, (WHAT_IF, COMPARE), title="What-if panel")


def compare(session: Session) -> Panel:
    """The Compare screen as a panel of its own."""
    return Panel(session, (COMPARE,), title="Compare panel")


def verbosity(session: Session) -> Panel:
    """The Verbosity screen as a panel of its own."""
    return Panel(session, (VERBOSITY,), title="Verbosity panel")


def gate(session: Session) -> Panel:
    """The Gate screen as a panel of its own."""
    return Panel(session, (GATE,), title="Gate panel")


def strength(session: Session) -> Panel:
    """The Strength screen as a panel of its own."""
    return Panel(session, (STRENGTH,), title="Strength panel")


def figures(session: Session) -> Panel:
    """The Figures screen as a panel of its own."""
    return Panel(session, (FIGURES,), title="Figures panel")
