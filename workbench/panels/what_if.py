"""The What-if screen: objectives off and on, multipliers, swaps, debias, gate, labels; preview, retrain and what waits."""

from __future__ import annotations

import threading
from math import isfinite

from ..errors import WorkbenchError
from ..evaluate.inference import Estimate, estimate
from ..evaluate.metrics import correct
from ..scenario.edits import recipe_key
from ..scenario.preview import preview
from ..scenario.recipe import GIVEN
from ..session import Session
from . import options
from .describe import describe
from .progress import job_of, noise_state, queue
from .screen import Part, Screen

AT_ONCE = 20_000  # margins [seed pair] whose interval is worked out in the gesture itself, in some 10 ms


class WhatIf(Screen):
    """Edits of the draft by objective, what they would give in closed form, and the training that makes them real."""

    name, label = "what_if", "What-if"

    def __init__(self, *where):
        super().__init__(*where)
        self._warm = False

    def parts(self):
        session = self.session
        recipe = (session.draft, session.baseline_scenario, session.baseline)
        jobs = tuple((job, job.state) for job in (session.job, *session.jobs) if job is not None)  # noise comes of a job
        return [
            Part("what_if", (*recipe, session.result_of(session.draft)), self._state),
            Part("what_if.run", (*recipe, jobs), self._run),
            self._sure(),
        ]

    def _sure(self) -> Part:
        """How sure the accuracy on screen is; of many pairs it is worked out beside everything else."""
        session = self.session
        try:
            shown = session.result_of(session.draft) or (session.preview().result if session.baseline is not None else None)
        except WorkbenchError:  # the preview says why
            shown = None
        if shown is None:
            return Part("what_if.sure", None, dict)

        def work(**_) -> Estimate:
            return estimate(correct(shown.margins), shown.families)

        found = work() if shown.margins.size <= AT_ONCE else self.later.get(("sure", shown), work)
        return Part("what_if.sure", (shown, found is not None), lambda: _sure_words(found))

    def _state(self) -> dict:
        session = self.session
        if session.baseline is not None and not self._warm:
            self._warm = True
            threading.Thread(target=_warm_up, args=(session,), daemon=True).start()
        return describe(session)

    def _run(self) -> dict:
        session = self.session
        job = job_of(session, session.job)
        return {"job": job, "queue": queue(session), "noise": noise_state(session), "cost": session.cost, **self._button()}

    def _button(self) -> dict:
        """What Retrain would do now, and why it cannot."""
        session, draft = self.session, self.session.draft
        blocked = options.impossible(session.study, draft.gate.kind)
        if any(job.what != "noise" and job.state != "stopping" and job.scenario.id == draft.id for job in session.jobs):
            blocked = "This edit is being trained, or waits for it"
        if session.baseline is not None:
            action = "Queue" if session.jobs and not blocked else "Retrain"
        else:
            edited, given = recipe_key(draft) != recipe_key(session.baseline_scenario), session.baseline_scenario.gate.kind == GIVEN
            action = ("Retrain" if edited else "Score baseline") if given else "Train both" if edited else "Train baseline"
        return {"action": action, "blocked": blocked}

    def do(self, message: dict, buffers: list) -> None:
        session, do, origin = self.session, message.get("do"), self.origin
        if do == "objective":
            session.set_objective(message["name"], on=bool(message["on"]), origin=origin)
        elif do == "multiplier":
            session.set_multiplier(message["name"], message["value"], gesture=message.get("gesture"), origin=origin)
        elif do == "swap":
            session.set_swap(message["name"], message["column"], origin=origin)
        elif do == "debias":
            session.set_debias(message["value"] or None, origin=origin)
        elif do == "gate":
            session.set_gate(**options.asked_gate(session.study, message["spec"], session.baseline_scenario), origin=origin)
        elif do == "labels":
            session.set_labels(message["value"], origin=origin)
        elif do == "unqueue":
            for job in session.jobs:
                if str(id(job)) == message["job"]:
                    session.cancel(job)
        elif do == "noise":
            session.measure_noise(origin=origin)
        else:
            super().do(message, buffers)


def _sure_words(found: Estimate | None) -> dict:
    """Interval, pairs, families and seeds, and what is lacking."""
    if found is None:
        return {"words": "Interval …"}
    n, families = (f"{count:,}".replace(",", "\N{THIN SPACE}") for count in (found.n, found.families))
    made_of = f"{n} pairs, {families} families, {found.seeds} seed{'s' if found.seeds > 1 else ''}"
    low, high = (f"{100 * end:.1f}" for end in (found.low, found.high))
    lacks = f"; {found.words}" if found.words else ""
    return {"words": (f"95 % [{low}, {high}], " if isfinite(found.low) else "") + made_of + lacks}


def _warm_up(session: Session) -> None:
    """Solve the usual penalties before they are asked for, so that the first debias is as quick as the next."""
    known = (*session.objectives, *session.study.columns)
    for nuisance in options.FIRST_NUISANCES:
        if nuisance in known and session.baseline is not None:
            try:
                preview(session.baseline, session.baseline_scenario.child(debias=nuisance), session.study)
            except WorkbenchError:
                return  # whoever asks for it will be told
