"""The What-if panel: objectives off and on, multipliers, swaps, debias; preview, retrain, and what changed."""

from __future__ import annotations

import html
import threading
import time
from pathlib import Path

import anywidget
import traitlets

from ..errors import WorkbenchError
from ..scenario.edits import recipe_key
from ..scenario.job import Job
from ..scenario.preview import preview
from ..session import Session
from .describe import FIRST_NUISANCES, describe
from .progress import describe_job

HERE = Path(__file__).parent
SCRIPTS = ("wb.js", "run.js", "compare.js", "what_if.js")
PULSE = 0.2  # seconds between two messages of a running job
# What a saved notebook shows in a new kernel, where the page finds no model of the widget and says so in words of its own.
STILL = """<div class="wb-still">{}</div><style>
.jp-OutputArea-child:has(.wb-still) + .jp-OutputArea-child .jupyter-widgets:not(:has(*)) {{ display: none; }}
.wb-still {{ height: 0; overflow: hidden; animation: wb-still 0s 3s forwards; }} @keyframes wb-still {{ to {{ height: auto; }} }}
</style>"""


def _text(*names: str) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


class WhatIf(anywidget.AnyWidget):
    """One view of a session. The browser draws `state`; its gestures come back as messages {"do": …, "seq": …}.

    A running job is told by message {"job": …}, at most five a second; its end is a new `state`. A value: it can be
    made, sent messages and read without a browser.
    """

    _esm = _text(*SCRIPTS)
    _css = _text("wb.css")
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, session: Session):
        self.session = session
        self._drawing = threading.RLock()
        self._ack, self._trouble, self._dismissed, self._told, self._warm = ["", 0], None, None, 0.0, False
        self._begun = False
        super().__init__()
        session.changed.connect(self._changed)
        session.progressed.connect(self._progressed)
        self.on_msg(self._heard)
        self._draw()

    @property
    def origin(self) -> str:
        """Its name among the session's views."""
        return f"what-if {self.model_id}"

    def close(self) -> None:
        """Leave the session and the page."""
        self.session.changed.disconnect(self._changed, missing_ok=True)
        self.session.progressed.disconnect(self._progressed, missing_ok=True)
        super().close()

    def _ipython_display_(self) -> None:
        """A line that stands where a notebook is read without its kernel, then the panel, beside which the line is hidden."""
        from IPython.display import display

        bundle = self._repr_mimebundle_()
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        display({"text/html": STILL.format(html.escape(self._still())), "text/plain": self._still()}, raw=True)
        display({**data, "text/plain": ""}, metadata=metadata, raw=True)

    def _still(self) -> str:
        study = self.session.study
        return f"What-if panel on {study.name} {study.hash}. It is drawn while its kernel runs: run this cell again."

    # -- what comes from the browser ---------------------------------------------------------------

    def _heard(self, widget, message: dict, buffers) -> None:
        trouble = None
        try:
            if not self._begun:  # at a page's first word and not before: painting it need not share the processor with training
                self._begun = True
                self.session.start(origin=self.origin)
            self._do(message)
        except (WorkbenchError, KeyError, TypeError, ValueError) as error:
            why = str(error) if isinstance(error, WorkbenchError) else f"The panel sent {message.get('do')!r} without a usable value."
            trouble = {"fact": "Nothing was changed.", "why": why, "retry": False}
        self._trouble = trouble
        self._ack = [str(message.get("view", "")), int(message.get("seq", 0))]
        self._draw()

    def _do(self, message: dict) -> None:
        session, do, origin = self.session, message.get("do"), self.origin
        if do == "objective":
            session.set_objective(message["name"], on=bool(message["on"]), origin=origin)
        elif do == "multiplier":
            session.set_multiplier(message["name"], message["value"], gesture=message.get("gesture"), origin=origin)
        elif do == "swap":
            session.set_swap(message["name"], message["column"], origin=origin)
        elif do == "debias":
            session.set_debias(message["value"], origin=origin)
        elif do == "seeds":
            session.set_seeds(int(message["value"]), origin=origin)
        elif do == "go":
            session.go(int(message["step"]), origin=origin)
        elif do in ("reset", "undo", "redo", "pin", "retrain"):
            getattr(session, do)(origin=origin)
        elif do == "cancel":
            if session.job is not None:
                session.job.cancel()
        elif do == "dismiss":
            self._dismissed = session.job
        elif do != "hello":
            raise WorkbenchError(f"unknown gesture {do!r}", where="what-if panel")

    # -- what goes to the browser ------------------------------------------------------------------

    def _changed(self, revision: int, origin: str) -> None:
        if origin != self.origin:  # its own gestures are drawn when they are answered
            self._draw()

    def _draw(self) -> None:
        with self._drawing:
            session = self.session
            if session.baseline is not None and not self._warm:
                self._warm = True
                threading.Thread(target=_warm_up, args=(session,), daemon=True).start()
            self.state = {
                **describe(session), "job": self._job(session.job), "cost": session.cost,
                "trouble": self._trouble or self._failure(session.job), "ack": self._ack,
            }

    def _job(self, job: Job | None) -> dict | None:
        """What trains now or was trained last; curves that belong to another edit than the one on screen say so."""
        said = describe_job(job, baseline=self.session.baseline_loss)
        if job is not None and not job.running and recipe_key(job.scenario) != recipe_key(self.session.draft):
            said["about"] += ", for another edit"
        return said

    def _failure(self, job: Job | None) -> dict | None:
        if job is None or job.state != "failed" or job is self._dismissed:
            return None
        kept = "Your edits and the last result are kept." if self.session.baseline is not None else "Your edits are kept."
        return {"fact": f"Training stopped. {kept}", "why": job.error[:1].upper() + job.error[1:], "retry": True}

    def _progressed(self, job: Job) -> None:
        now = time.monotonic()
        if job.state == "stopping" or now - self._told >= PULSE:
            self._told = now
            self.send({"job": self._job(job)})


def _warm_up(session: Session) -> None:
    """Solve the usual penalties before they are asked for, so that the first debias is as quick as the next."""
    known = (*session.objectives, *session.study.columns)
    for nuisance in FIRST_NUISANCES:
        if nuisance in known and session.baseline is not None:
            try:
                preview(session.baseline, session.baseline_scenario.child(debias=nuisance), session.study)
            except WorkbenchError:
                return  # whoever asks for it will be told


def what_if(session: Session) -> WhatIf:
    """The What-if panel of a session. Once it is on a page, a session without a baseline begins to train it in a thread."""
    return WhatIf(session)
