"""Panels: one function each, from a Session to a widget; and all of them behind tabs, Workbench."""

from .workbench import Workbench, compare, explore, figures, gate, strength, verbosity, what_if

__all__ = ["Workbench", "compare", "explore", "figures", "gate", "strength", "verbosity", "what_if"]
