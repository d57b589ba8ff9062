"""The Verbosity screen: what of the objectives and of the reward is length, before and after, and what is left without it."""

from __future__ import annotations

import numpy as np

from ..errors import WorkbenchError
from ..evaluate.correlation import MARGIN
from ..evaluate.metrics import longer_wins
from ..scenario.edits import recipe_key
from ..scenario.job import is_partial
from ..scenario.preview import preview
from ..scenario.result import HEAD, Result
from . import length_view as view
from . import options
from .screen import Part, Screen

UNTRAINED = "The baseline is not trained yet: the objectives appear as soon as it is."
ABOUT = {"pooled": "both answers of every pair", "within": "differences within prompts", "section": "both answers, by section"}
TESTED = "90 % interval, λ fitted again in each resample"


class Verbosity(Screen):
    """Correlation of each objective with length, λ and equivalence; reward against length; accuracy on pairs that are as long."""

    name, label = "verbosity", "Verbosity"

    def __init__(self, *where):
        super().__init__(*where)
        self._clouds: dict = {}

    # -- what it is made from ----------------------------------------------------------------------

    @property
    def _view(self) -> str:
        kept = self.session.view.get(self.name, {}).get("by")
        return kept if kept in view.VIEWS else "pooled"

    @property
    def _results(self) -> dict[str, Result]:
        found = {"base": self.session.baseline, "cand": self.session.candidate}
        return {sign: result for sign, result in found.items() if result is not None}

    def _length(self):
        baseline = self.session.baseline
        return view.length_column(self.session.study, self.session.items if baseline is None else baseline.pairs, baseline)

    def _correlations(self, result: Result):
        """None while they are worked out."""
        length = self._length()[1]
        return self.later.get(("length", result), lambda **_: view.correlations(result, length))

    @property
    def _edited(self) -> bool:
        """Whether the draft is neither trained nor the baseline."""
        session = self.session
        return session.baseline is not None and not session.retrained and session.baseline.names != (HEAD,)

    def _ghost(self) -> Result | None:
        """The draft in closed form, None while it is solved or where it is trained."""
        if not self._edited:
            return None
        baseline, draft, study = self.session.baseline, self.session.draft, self.session.study

        def solve(**_) -> Result:
            found = preview(baseline, draft, study)
            _ = found.scores
            return found

        return self.later.get(("draft", baseline, recipe_key(draft)), solve)

    @property
    def _tested(self) -> Result | None:
        """The result whose debias is tested for equivalence, where it can be and was asked for."""
        result = self.session.candidate or self.session.baseline
        return result if result is not None and view.can_be_tested(result) else None

    def _equivalence(self):
        result = self._tested
        if result is None or not self.session.view.get(self.name, {}).get("test"):
            return None
        return self.later.get(("equivalence", result), lambda **_: result.equivalence())

    def _matched(self):
        baseline, candidate = self.session.baseline, self.session.candidate
        return self.later.get(("matched", baseline, candidate), lambda **_: view.matched(baseline, candidate))

    # -- what is shown -----------------------------------------------------------------------------

    def parts(self):
        session, results = self.session, tuple(self._results.values())
        ready = [_there(lambda result=result: self._correlations(result)) for result in results]
        ready += [_there(self._ghost), _there(self._equivalence)]
        running = any(job.running for job in session.jobs)
        draft = (recipe_key(session.draft), session.retrained)
        asked = bool(session.view.get(self.name, {}).get("test"))
        primary = session.selection.primary
        found = [
            Part("verbosity", (results, draft, self._view, asked, tuple(ready), running), self._state),
            Part("verbosity.reward", (results, tuple(ready[: len(results)])), self._reward),
            Part("verbosity.item", (results, primary), self._item),
        ]
        if results:
            found.append(Part("verbosity.matched", (results, _there(self._matched)), self._pairs))
        return found

    def _state(self) -> dict:
        session, results = self.session, self._results
        word, length = self._length()
        menus = (session.study, session.draft, session.baseline_scenario)
        state = {"debias": options.debias(*menus), "view": self._view, "edited": self._edited, "blank": None, "word": word,
                 "running": any(job.running for job in session.jobs), "sections": len(self._sections()) > 1}
        if not results:
            return {**state, "blank": {"fact": self._known_already(length), "why": UNTRAINED}}
        shown = {sign: found for sign, result in results.items() if (found := self._correlations(result)) is not None}
        if len(shown) < len(results):
            return {**state, "blank": {"fact": "Working out correlations with length.", "why": "Everything else works meanwhile."}}
        ghost, heads = self._ghost(), view.columns_of(session.baseline, self._view)
        rows = view.rows(session.study, shown, ghost, length, self._view, heads)
        roots = view.penalties(ghost or session.candidate or session.baseline)
        tested = self._equivalence()
        found = {} if tested is None else view.verdicts(tested)
        shows = (ghost or session.candidate or session.baseline).scenario
        for row in rows:
            row |= {"penalty": roots.get(row["name"]), "verdict": found.get(row["name"]), "swap": shows.swap.get(row["name"])}
        columns = [{"name": head, **self._size(shown["base"], head)} for head in heads]
        ends = [abs(v) for row in rows for marks in row["marks"] for mark in marks.values() for v in mark if v is not None]
        axis = min(1.0, max(0.4, np.ceil(5 * max(ends, default=0.4) - 1e-9) / 5))
        return {
            **state, "meta": self._meta(), "lead": view.lead(shown, word, self._view), "notes": [*self._notes(ghost), *_small(columns)],
            "rows": rows, "columns": columns, "axis": float(axis), "band": MARGIN,
            "solved": ghost is not None, "penalties": bool(roots), "test": self._test_state(tested),
        }

    def _known_already(self, length) -> str:
        wins = float((longer_wins(length) > 0).mean())
        return f"The longer answer is the chosen one in {100 * wins:.0f} % of {len(length)} dev pairs."

    def _sections(self) -> list[str]:
        baseline = self.session.baseline
        return [] if baseline is None else view.columns_of(baseline, "section")

    def _size(self, found: dict, head: str) -> dict:
        table = found["objectives"]
        row = table[(table["slice"] == head) & (table["view"] == view.VIEWS[self._view])].iloc[0]
        return {"n": int(row.n), "families": int(row.families), "words": str(row.words)}

    def _meta(self) -> str:
        return f"Spearman ρ with {self._length()[0]}, {ABOUT[self._view]}, dev; 95 % intervals resample families"

    def _test_state(self, tested) -> dict | None:
        if self._tested is None:
            return None
        asked = bool(self.session.view.get(self.name, {}).get("test"))
        return {"nuisance": self._tested.scenario.nuisances[0], "asked": asked, "done": tested is not None, "how": TESTED}

    def _notes(self, ghost: Result | None) -> list[str]:
        session, shown = self.session, ghost or self.session.candidate or self.session.baseline
        notes = [note for note in options.debias_notes(session.study, session.draft, shown) if ghost is not None or session.retrained]
        if self._edited:
            notes.insert(0, "Dashed marks are not retrained: the scores as the edit leaves them, solved in closed form.")
        if any(result.names == (HEAD,) for result in self._results.values()):
            notes.append("A Bradley–Terry head has no objectives: only its reward is held against length.")
        notes += [f"The {'candidate' if sign == 'cand' else 'baseline'} was stopped early: read it as partial."
                  for sign, result in self._results.items() if is_partial(result)]
        return notes

    def _cloud(self, result: Result):
        if result not in self._clouds:
            self._clouds = {kept: cloud for kept, cloud in self._clouds.items() if kept in (self.session.baseline, self.session.candidate)}
            self._clouds[result] = view.cloud(result, self._length()[1])
        return self._clouds[result]

    def _reward(self) -> dict | tuple[dict, list[bytes]]:
        series, buffers = [], []
        for sign, result in self._results.items():
            points, found = self._cloud(result), self._correlations(result)
            own = None if found is None else found["reward"].iloc[0]
            rho = None if own is None else [view.number(v) for v in (own.rho, own.low, own.high)]
            series.append({"sign": sign, "n": len(points), "of": int(points.attrs["answers"]), "rho": rho,
                           "words": "" if own is None else str(own.words), "pairs": len(result.pairs)})
            buffers.append(points[["length", "reward"]].to_numpy(np.float32).tobytes())
        return {"series": series, "word": "words" if self._length()[0] == "length" else self._length()[0],
                "log": self._length()[0] == "length"}, buffers

    def _item(self) -> dict:
        pair = self.session.selection.primary
        if pair is None:
            return {"pair": None, "marks": {}}
        length = self._length()[1]
        marks = {sign: view.starred(result, length, pair) for sign, result in self._results.items()}
        return {"pair": pair, "marks": {sign: mark for sign, mark in marks.items() if mark is not None}}

    def _pairs(self) -> dict:
        found = self._matched()
        return {"waiting": True} if found is None else found

    # -- gestures ----------------------------------------------------------------------------------

    def do(self, message: dict, buffers: list) -> None:
        do, session = message.get("do"), self.session
        if do == "view":
            known = {key: message[key] for key in ("by", "test") if key in message}
            session.remember(self.name, **known)
        elif do == "debias":
            session.set_debias(message["value"], origin=self.origin)
        elif do == "point":
            result = self._results[message["sign"]]
            session.look_at(self._cloud(result)["pair_id"].iloc[int(message["at"])], origin=self.origin)
        else:
            super().do(message, buffers)

    def figure(self):
        result = self.session.candidate or self.session.baseline
        if result is not None and result.penalty is None:
            raise WorkbenchError("nothing was taken out, so the figure has no before and after", where="verbosity",
                                 remedy="Name a debias target, then retrain")
        return ("verbosity", {})


def _there(get) -> bool:
    """Whether a value is there, or what it raised: either way it can be drawn."""
    try:
        return get() is not None
    except Exception:  # drawn by the part that asks for it again
        return True


def _small(columns: list[dict]) -> list[str]:
    """Which columns have too few families for a verdict, or for a number."""
    words = dict.fromkeys(column["words"] for column in columns if column["words"])
    return [f"{word[0].upper()}{word[1:]}: {', '.join(column['name'] for column in columns if column['words'] == word)}." for word in words]
