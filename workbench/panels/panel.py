"""The widget: one thin ES module, screens behind tabs, everything by message. Drawn by the page, reckoned by the kernel."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import anywidget
import traitlets

from ..errors import WorkbenchError
from ..scenario.job import Job
from ..session import Session
from .gestures import COMMON, common
from .head import describe_head
from .progress import job_of
from .screen import Later, Part, Screen, Tab
from .still import Still

HERE = Path(__file__).parent
PULSE = 0.2  # seconds between two messages of a running job


def _module() -> str:
    """The core, each screen in a scope of its own, then the shell that renders them."""
    core, still, shell = ((HERE / "js" / f"{name}.js").read_text(encoding="utf-8") for name in ("core", "still", "shell"))
    screens = [path.read_text(encoding="utf-8") for path in sorted((HERE / "js" / "screens").glob("*.js"))]
    return "\n".join([core, *("{\n" + text + "\n}" for text in screens), still, shell])


def _style() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in [HERE / "css" / "wb.css", *sorted((HERE / "css").glob("screen-*.css"))])


class Panel(anywidget.AnyWidget):
    """Screens on one session. The page draws the parts that it is sent; its gestures come back as messages
    {"do": …, "screen": …, "view": …, "seq": …}.

    A screen costs nothing until a page opens it. `shown` holds the values last sent, part by part. A value: it can be
    made, told gestures and read without a browser.
    """

    _esm = _module()
    _css = _style()
    frame = traitlets.Dict().tag(sync=True)

    def __init__(self, session: Session, screens: Sequence[type[Screen] | Tab], *, title: str):
        self.session, self.title = session, title
        self._drawing, self._told = threading.RLock(), 0.0
        self._ack, self._trouble, self.dismissed = ["", 0], None, None
        self._views: dict[str, str] = {}  # page's view → screen it has open
        self._sent: dict[str, object] = {}
        self.shown: dict[str, dict] = {}
        self.later = Later(self._draw)
        study = session.study
        self.still = Still(f"{title} on {study.name} {study.hash}. It is drawn while its kernel runs: run this cell again.")
        self._kinds, self.screens = {kind.name: kind for kind in screens}, {}
        first = session.view.get("open", {}).get("screen")
        tabs = [[kind.name, kind.label] for kind in screens]
        super().__init__(frame={"tabs": tabs, "first": first if first in self._kinds else tabs[0][0], "title": title})
        session.changed.connect(self._changed)
        session.progressed.connect(self._progressed)
        self.on_msg(self._heard)

    @property
    def origin(self) -> str:
        """Its name among the session's views."""
        return f"{self.title} {self.model_id}"

    def screen(self, name: str) -> Screen:
        """One of its screens, made when first asked for."""
        if name not in self._kinds:
            raise WorkbenchError(f"no screen {name!r}", remedy=f"It has {', '.join(self._kinds)}")
        if name not in self.screens:
            self.screens[name] = self._kinds[name](self.session, self.later, self.origin)
        return self.screens[name]

    def close(self) -> None:
        """Leave the session and the page."""
        self.session.changed.disconnect(self._changed, missing_ok=True)
        self.session.progressed.disconnect(self._progressed, missing_ok=True)
        self.later.close()
        super().close()

    def _ipython_display_(self) -> None:
        """A still that stands where a notebook is read without its kernel, then the panel, beside which the still is hidden."""
        from IPython.display import display

        self.still.show()
        bundle = self._repr_mimebundle_()
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        display({**data, "text/plain": ""}, metadata=metadata, raw=True)

    # -- what comes from the browser ---------------------------------------------------------------

    def _heard(self, widget, message: dict, buffers) -> None:
        self.handle(message, buffers)

    def handle(self, message: dict, buffers: Sequence = ()) -> dict | None:
        """Do what a page asks, answer it, and draw what changed; the reply, if there is one."""
        if message.get("do") == "still":  # no gesture: nothing is answered or drawn
            return self.still.update(bytes(buffers[0]), int(message["width"]))
        reply, self._trouble = None, None
        try:
            reply = self._do(message, list(buffers or ()))
        except Exception as error:  # the page waits for an answer, whatever happens
            self._trouble = {"fact": "Nothing was changed.", "why": _why(error, message), "retry": False}
        self._ack = [str(message.get("view", "")), int(message.get("seq", 0))]
        self._draw(always=True, reply=reply)
        return reply

    def _do(self, message: dict, buffers: list) -> dict | None:
        do, name = message.get("do"), message.get("screen")
        if do in ("hello", "open"):
            self._views[str(message.get("view"))] = self.screen(name).name
            if do == "hello":
                self._sent.clear()  # this page has seen nothing yet
                self.session.start(origin=self.origin)  # now and not before: painting need not share the processor with training
            elif len(self._kinds) > 1:
                self.session.remember("open", screen=name)
            return None
        if do == "bye":
            self._views.pop(str(message.get("view")), None)
            return None
        if do in COMMON:
            return common(self, message)
        return self.screen(name).do(message, buffers)

    # -- what goes to the browser ------------------------------------------------------------------

    def _changed(self, revision: int, origin: str) -> None:
        if origin != self.origin:  # its own gestures are drawn when they are answered
            self._draw()

    def _draw(self, *, always: bool = False, reply: dict | None = None) -> None:
        with self._drawing:
            if not self._views and not always:
                return
            parts = [Part("head", (self.session.revision, self.session.job), self._head)]
            for name in dict.fromkeys(self._views.values()):
                parts += _listed(self.screen(name))
            fresh, buffers = [], []
            for part in parts:
                if part.name in self._sent and self._sent[part.name] == part.key:
                    continue
                data, arrays = _made(part)
                self._sent[part.name], self.shown[part.name] = part.key, data
                fresh.append({"name": part.name, "data": data, "buffers": [len(buffers), len(arrays)]})
                buffers += arrays
            trouble = self._trouble or self._failure(self.session.job)
            self.send({"parts": fresh, "ack": self._ack, "trouble": trouble, **({"reply": reply} if reply else {})}, buffers or None)

    def _head(self) -> dict:
        return describe_head(self.session)

    def _failure(self, job: Job | None) -> dict | None:
        if job is None or job.state != "failed" or job is self.dismissed:
            return None
        kept = "Your edits and the last result are kept." if self.session.baseline is not None else "Your edits are kept."
        return {"fact": f"Training stopped. {kept}", "why": job.error[:1].upper() + job.error[1:], "retry": True}

    def _progressed(self, job: Job) -> None:
        now = time.monotonic()
        if self._views and (job.state == "stopping" or now - self._told >= PULSE):
            self._told = now
            self.send({"job": job_of(self.session, job)})


def _why(error: Exception, message: dict) -> str:
    if isinstance(error, WorkbenchError):
        return str(error)
    if isinstance(error, (KeyError, TypeError, ValueError)):
        return f"The panel sent {message.get('do')!r} without a usable value."
    return f"{type(error).__name__}: {error}. The session is unharmed."


def _listed(screen: Screen) -> list[Part]:
    """A screen's parts; one that cannot even list them has its reason for its only part."""
    try:
        return list(screen.parts())
    except Exception as error:
        trouble = error

    def raised() -> dict:
        raise trouble

    return [Part(screen.name, ("broken", repr(trouble)), raised)]


def _made(part: Part) -> tuple[dict, list[bytes]]:
    """A part's values and buffers; what cannot be made says why, in its place."""
    try:
        made = part.make()
    except WorkbenchError as error:
        return {"lacking": {"fact": error.what[:1].upper() + error.what[1:] + ".", "why": error.remedy or ""}}, []
    except Exception as error:  # a defect in one part must not take the others with it
        return {"lacking": {"fact": "This could not be drawn.", "why": f"{type(error).__name__}: {error}. The session is unharmed."}}, []
    return made if isinstance(made, tuple) else (made, [])
