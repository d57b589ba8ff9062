"""Saving by itself: soon after each revision and at exit, never over what somebody else wrote."""

from __future__ import annotations

import atexit
import glob
import threading
import warnings
import weakref
from pathlib import Path
from typing import Any

from ..errors import WorkbenchError
from ..study import Study
from . import file

DELAY = 0.5  # seconds from the first change to the file
_LIVING: weakref.WeakSet[Saver] = weakref.WeakSet()


class Saver:
    """Writes one session to one place. A file there that it did not write is another's.

    The first time, that one is renamed and kept; later, somebody else has begun to write here, and this one moves to a
    place of its own. known: the bytes that were read there, if the session comes from that file.
    """

    def __init__(self, session: Any, path: Path, known: bytes | None = None):
        self.session, self.asked, self.path = session, path.absolute(), path.absolute()
        self.trouble: str | None = None
        self._known = known
        self._timer: threading.Timer | None = None
        self._lock = threading.RLock()
        _LIVING.add(self)

    @property
    def living(self) -> bool:
        """Whether its session still saves here, and nobody has taken the file away."""
        return self.session._saver is self and (self._known is None or self.path.exists())

    def touch(self) -> None:
        """Something changed: it is on disk soon."""
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(DELAY, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write what has not been written, also what could not be before; what stands in the way is told once, as a warning."""
        with self._lock:
            if self._timer is None and self.trouble is None:
                return
            try:
                self.write()
                self.trouble = None
            except WorkbenchError as error:
                if self.trouble is None:
                    warnings.warn(f"the session is not saved: {error}", stacklevel=2)
                self.trouble = str(error)

    def write(self) -> None:
        """Write now."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            data = self.session._json()
            with file.guarded(self.path):
                there = file.present(self.path)
                if there is not None and there != self._known:
                    if self._known is None:
                        file.set_aside(self.path, there)
                    else:
                        self.path = self._own_place()
                file.write_atomic(self.path, data)
                self._known = data

    def _own_place(self) -> Path:
        """Named after the session: where its last file was set aside, or where no file is."""
        own = self.asked.with_name(f"{file.stem_of(self.asked)}.{self.session.id}{file.ENDING}")
        return own if file.present(own) == self._known else file.free_place(self.asked, self.session.id)


def restored(cls: type, study: Study, path: Path) -> Any:
    """The session that lives or lies at a place and is of this study, else a new one; it saves itself from now on."""
    for saver in list(_LIVING):
        if saver.asked == path and saver.living and saver.session.study.hash == study.hash:
            return saver.session
    others = path.parent.glob(f"{glob.escape(file.stem_of(path))}.*{file.ENDING}")
    for place in (path, *sorted(others, key=lambda at: -at.stat().st_mtime)):
        data = file.present(place)
        if data is None:
            continue
        try:
            if file.parsed(data).study.hash == study.hash:
                session = cls.load(place, study)
                session._saver = Saver(session, place, data)
                session._saver.asked = path
                return session
        except WorkbenchError as error:
            if place == path:
                warnings.warn(f"{path}: {error}. A new session begins, and the file is kept", stacklevel=3)
    session = cls(study)
    session._saver = Saver(session, path)
    return session


@atexit.register
def _flush_all() -> None:
    for saver in list(_LIVING):
        saver.flush()
