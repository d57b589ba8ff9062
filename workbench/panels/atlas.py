"""The map of prompts that a session's study has stored, or has laid out in a thread when it is asked to."""

from __future__ import annotations

import math

from ..axes import PairMask
from ..errors import WorkbenchError
from ..projection import PromptMap, project, stored_map
from ..session import Session
from .items import Items
from .places import DRAWN, Places
from .screen import Later


class Atlas:
    """Finds the stored map as soon as there is one; lays one out, tells how far it is, and stops when told to."""

    def __init__(self, session: Session, later: Later):
        self.session, self.later = session, later
        self._map: PromptMap | None = None
        self._places: Places | None = None
        self._lays = False

    @property
    def _key(self) -> tuple:
        return ("map", self.session.study.hash)

    def places(self) -> Places | None:
        """The map's places of the session's items; None where no map is stored."""
        if self._map is None:
            try:
                self._map = stored_map(self.session.study)
            except WorkbenchError:
                return None
        if self._places is None:
            self._places = Places.make(self._map, Items.of(self.session))
        return self._places

    def known(self, place: int | None = None) -> Places:
        """The places; WorkbenchError without a map, or without a mark of that number on it."""
        found = self.places()
        if found is None:
            raise WorkbenchError("there is no map of prompts yet", where="explore panel", remedy="Lay out the map first")
        if place is not None and not 0 <= place < len(found):
            raise WorkbenchError(f"no mark {place} on the map", where="explore panel")
        return found

    @property
    def clusters(self) -> list[tuple[str, PairMask]]:
        """Name and items of each cluster, of the map that was drawn last."""
        return [] if self._places is None else self._places.clusters

    # -- laying it out -------------------------------------------------------------------------------

    def lay(self, on: bool) -> None:
        """Begin, or stop: nothing is kept of a map that was not finished."""
        self.later.forget(self._key)
        self._lays = on

    def laying(self) -> tuple | None:
        """How far it is, or what kept it from being made: ("lays", percent, seconds left, words), ("failed", why); None for neither."""
        if not self._lays:
            return None
        study = self.session.study
        try:
            made = self.later.get(self._key, lambda *, progress, cancel: project(study, progress=progress, cancel=cancel), apart=True)
        except WorkbenchError as error:
            return ("failed", str(error))
        except Exception as error:  # of umap or numba
            return ("failed", f"{type(error).__name__}: {error}")
        if made is not None:
            self._map, self._places, self._lays = made, None, False
            return None
        fraction, left, words = self.later.progress(self._key) or (0.0, None, "starting")
        return ("lays", round(100 * fraction), None if left is None else math.ceil(left), words)

    def describe(self, places: Places | None, laying: tuple | None) -> tuple[dict, list[bytes]]:
        """The map as the page draws it, or what stands in its place."""
        if places is not None:
            about, buffers = places.describe()
            return {"there": True, "slots": list(DRAWN), **about}, buffers
        n = int(self.session.items["prompt_id"].nunique())
        if self.session.study.store is None:
            why = "A map lays prompts out by their features, and this study has none. The table shows every item."
            return {"there": False, "n": n, "fact": "No map of these prompts.", "why": why, "can": False}, []
        if laying is not None and laying[0] == "lays":
            return {"there": False, "n": n, "lays": {"percent": laying[1], "left": laying[2], "words": laying[3]}}, []
        if laying is not None:
            return {"there": False, "n": n, "fact": "The map was not laid out.", "why": laying[1], "can": True, "again": True}, []
        why = "Prompts that ask alike lie together on it. It is made once and kept beside the study; everything else works meanwhile."
        return {"there": False, "n": n, "fact": "No map of these prompts yet.", "why": why, "can": True}, []
