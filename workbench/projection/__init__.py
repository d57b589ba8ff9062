"""Stored 2-D maps of prompts, how far they can be trusted, and clusters with the words that name them."""

from __future__ import annotations

from .maps import PromptMap, project, stored_map

__all__ = ["PromptMap", "project", "stored_map"]
