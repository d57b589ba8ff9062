"""Panels: one function each, from a Session to a widget."""

from .what_if import what_if

__all__ = ["what_if"]
