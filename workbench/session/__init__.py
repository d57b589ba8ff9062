"""The one mutable object, in parts: values that change as wholes, and the Session that holds them under one lock."""

from .core import Session
from .selection import KEEP, Selection, Slice

__all__ = ["KEEP", "Selection", "Session", "Slice"]
