"""The Strength screen: how strongly an ensemble believes each train label, and what is done with the labels it doubts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import WorkbenchError
from ..scenario.ensembles import StrengthSpec
from ..scenario.labels import HARD, LabelSpec
from ..session.verdicts import Verdicts
from . import learns, regions, sources, verdicts
from . import strength_view as view
from .cuts import BAND, Cuts
from .screen import Part, Screen
from .texts import Texts
from .treat import Treating

LISTS = ("all", "flip", "drop", "judged", "brush")
BARS, POINTS = "bars", "points"
PEEK = 80  # characters of a prompt under the pointer


class Strength(Screen):
    """Preference strength as bars or as marks of mean and spread, with two cuts to drag; who agrees with the labels; the suspects,
    judged by hand; and a treatment as an edit."""

    name, label = "strength", "Strength"

    def __init__(self, *where):
        super().__init__(*where)
        self.treat, self.verdicts = Treating(self.session, self.name, self.origin), Verdicts.of(self.session.study)
        self._moving, self._listed, self._heads, self._shown, self._total = False, None, None, None, None

    # -- what it is made from ----------------------------------------------------------------------

    @property
    def cuts(self) -> Cuts:
        """The treatment that is being set."""
        return self.treat.cuts

    @property
    def _key(self) -> tuple:
        return ("strength", self.session.study.hash, self.cuts.strength, self.cuts.noise)

    def _wanted(self):
        """Strength of train, of dev, and the suspects, from where it is asked for; None while it is fitted. Raises where it cannot be."""
        study, (_, _, spec, noise) = self.session.study, self._key
        found = self.later.get(self._key, lambda progress, cancel: view.fitted(study, spec, noise, progress=progress, cancel=cancel))
        if found is not None:
            self._shown = ((spec, noise), found)
        return found

    def _fitted(self):
        """What is shown: what is asked for, or while that is fitted, or where it cannot be, what was shown before; None for neither."""
        try:
            found = self._wanted()
        except WorkbenchError:
            if self._shown is None:
                raise
            found = None
        return found if found is not None or self._shown is None else self._shown[1]

    @property
    def _kept(self) -> dict:
        return self.session.view.get(self.name, {})

    def _known(self, cuts: Cuts):
        """What is known of the bands, None while it is worked out."""
        train = self._fitted()[0]
        return self.later.get(("strength bands", train, cuts), lambda **_: regions.known(train, cuts))

    def _agreement(self):
        train, dev, _ = self._fitted()
        results = self._results
        key = ("strength agreement", train, *results.values())
        return self.later.get(key, lambda **_: {**view.agreement(train, dev, results), "precision": regions.precision(train)})

    @property
    def _results(self) -> dict:
        found = {"base": self.session.baseline, "cand": self.session.candidate}
        return {sign: result for sign, result in found.items() if result is not None}

    @property
    def _list(self) -> view.Listed:
        train, _, found = self._fitted()
        to, cuts = self._list_key()
        if self._listed is None or self._listed[0] != (train, to, cuts):
            self._listed = ((train, to, cuts), view.listed(found, train, cuts, to, self._lines()))
        return self._listed[1]

    def _list_key(self) -> tuple[view.Narrowed, Cuts]:
        kept = self._kept
        which = kept.get("list") if kept.get("list") in LISTS else "all"
        if which == "brush":
            ends = (kept.get(name) for name in ("brush", "spread"))
            return view.Narrowed(which, *(tuple(each) if each else None for each in ends)), self.cuts
        pairs = frozenset(self.verdicts.kept.lines) if which == "judged" else frozenset()
        return view.Narrowed(which, pairs=pairs), self.cuts

    def _lines(self) -> np.ndarray | None:
        """[suspect] the first line of each prompt."""
        study, (train, _, found) = self.session.study, self._fitted()
        if not study.has_text:
            return None
        if self._heads is None or self._heads[0] is not found:
            texts = Texts.of(study, train.pairs)
            by_pair = dict(zip(train.pairs["pair_id"], texts.lines[texts.prompt]))
            self._heads = (found, np.array([by_pair[pair] for pair in found["pair_id"]], object))
        return self._heads[1]

    @property
    def _pairs(self) -> int:
        """Train pairs, with or without a strength."""
        if self._total is None:
            self._total = len(self.session.study.split_pairs("train"))
        return self._total

    @property
    def _picture(self) -> tuple[str, bool]:
        """Bars or points, and whether labels that are truly wrong are marked."""
        kept = self._kept
        return kept.get("picture") if kept.get("picture") in (BARS, POINTS) else BARS, bool(kept.get("truth"))

    # -- what is shown -----------------------------------------------------------------------------

    def parts(self):
        session, study = self.session, self.session.study
        try:
            fitted = self._fitted()
        except WorkbenchError as error:
            return [Part("strength", ("lacks", str(error)), self._fitted)]
        if fitted is None:
            told = self.later.progress(self._key) or (0.0, None, "")
            return [Part("strength", ("waits", round(told[0], 2)), lambda: {"waits": _waiting(told), "spec": self.cuts.strength.words})]
        (train, _, found), cuts, pair, picture = fitted, self.cuts, self._kept.get("pair"), self._picture
        running = any(job.running for job in session.jobs)
        treated = (train, cuts, session.draft.labels, session.retrained, session.baseline is None, running)
        parts = [
            Part("strength", train, lambda: {"waits": None, **view.about(train), "who": sources.members_words(self._shown[0][0], train)}),
            Part("strength.look", picture, lambda: {"picture": picture[0], "truth": picture[1]}),
            Part("strength.histogram", train, lambda: view.histogram(train)),
            verdicts.part(self.verdicts, train, session.draft.labels),
            Part("strength.bands", treated, lambda: self.treat.told(train, self._pairs)),
            self._source(train, cuts),
            Part("strength.learns", (session.draft.gate, session.baseline_scenario.gate),
                 lambda: learns.told(study, session.draft, session.baseline_scenario)),
            Part("strength.agreement", (train, *self._results.values(), _there(self._agreement)),
                 lambda: self._agreement() or {"waits": True}),
            Part("strength.pair", (train, pair), lambda: view.read_pair(study, train, found, pair) if pair else {"pair": None}),
        ]
        if picture[0] == POINTS:
            parts.append(Part("strength.points", train, lambda: view.points(train)))
        if not self._moving:
            key = (train, *self._list_key())
            parts += [
                Part("strength.known", (train, cuts, _there(lambda: self._known(cuts))), lambda: self._known(cuts) or {"waits": True}),
                Part("strength.suspects", key, self._suspects), Part("strength.chosen", (pair, key), self._chosen),
            ]
        return parts

    def _source(self, train, cuts: Cuts) -> Part:
        """Where strength comes from; how far its fit has got, or why there is none."""
        state: tuple = ("there",)
        try:
            if self._wanted() is None:
                progress = self.later.progress(self._key) or (0.0, None, "")
                state = ("waits", round(progress[0], 2), progress)
        except WorkbenchError as error:
            state = ("lacks", str(error), error)

        def told() -> dict:
            error = state[2] if state[0] == "lacks" else None
            return {**sources.told(self.session.study, cuts, train), "waits": _waiting(state[2]) if state[0] == "waits" else None,
                    "error": error and {"fact": f"{error.what[:1].upper()}{error.what[1:]}.", "why": error.remedy or ""}}

        return Part("strength.source", (train, cuts.strength, cuts.noise, *state[:2]), told)

    def _suspects(self) -> dict:
        found, (to, cuts) = self._list, self._list_key()
        train = self._fitted()[0]
        return {"n": len(found), "of": len(train), "list": to.which, "ends": to.mean, "spread": to.std, "block": found.block(0, view.BLOCK),
                "text": self.session.study.has_text, "truth": train.right is not None, "section": "section" in train.pairs.columns,
                "first": cuts.first or "flip", "stamp": str(hash((id(train), to, cuts)))}

    def _chosen(self) -> dict:
        pair = self._kept.get("pair")
        return {"pair": pair, "at": self._list.place(pair)}

    # -- gestures ----------------------------------------------------------------------------------

    def do(self, message: dict, buffers: list) -> dict | None:
        do, session = message.get("do"), self.session
        self._moving = do == "cut" and not message.get("done", True)
        fitted = self._fitted()
        if fitted is None:
            raise WorkbenchError("the ensemble is still being fitted", where="strength", remedy="Wait until the histogram is there")
        train, _, found = fitted
        if do in ("cut", "field", "unit", "kind", "apply") and self._wanted() is None:
            raise WorkbenchError("strength is still being fitted", where="strength", remedy="Wait until its picture is there, or cancel it")
        if do == "list":
            brush, spread = (sorted(map(float, message[name])) if message.get(name) else None for name in ("ends", "spread"))
            session.remember(self.name, list=_one(message["of"], LISTS), brush=brush, spread=spread)
        elif do == "picture":
            session.remember(self.name, picture=_one(message["value"], (BARS, POINTS)))
        elif do == "truth":
            session.remember(self.name, truth=bool(message["on"]))
        elif do == "rows":
            return {"suspects": {**self._list.block(int(message["from"]), int(message["to"])), "stamp": message.get("stamp")}}
        elif do == "peek":
            return {"peek": {"place": int(message["place"]), "text": self._line_of(int(message["place"]))}}
        elif do == "read":
            pair = str(message["pair"]) if "pair" in message else self._at(int(message["place"]))
            session.remember(self.name, pair=view.read_pair(session.study, train, found, pair)["pair"])
        elif do == "walk":
            listed = self._list
            at = min(max(listed.place(self._kept.get("pair")) + int(message["by"]), 0), len(listed) - 1)
            if at >= 0:
                session.remember(self.name, pair=listed.pair(at))
        elif do == "stay":
            self._stay(train)
        elif do == "learns":
            session.set_gate(origin=self.origin, **learns.wanted(session.study, session.draft, session.baseline_scenario, message["value"]))
        elif do == "hand":
            self.treat.by_hand(verdicts.decided(self.verdicts, train) if message["on"] else {})
        elif do == "judge" and self.cuts.noise is not None:
            raise WorkbenchError("labels are turned round on purpose here", where="verdict", remedy="Take the noise off and judge")
        elif (answer := verdicts.do(self.verdicts, message)) is not NotImplemented:
            return answer
        elif self.treat.do(train, message) is NotImplemented:
            return super().do(message, buffers)
        return None

    def _stay(self, train) -> None:
        """Leave a fit that is under way, and take strength from where it is shown."""
        self.later.forget(self._key)
        spec, noise = self._shown[0]
        self.treat.set(replace(self.cuts.from_source(train, spec), noise=noise))

    def _at(self, place: int) -> str:
        """The pair of a mark."""
        ids = self._fitted()[0].pairs["pair_id"]
        if not 0 <= place < len(ids):
            raise WorkbenchError(f"no mark {place}", where="strength", remedy=f"There are {len(ids)}")
        return str(ids.iloc[place])

    def _line_of(self, place: int) -> str:
        """The first line of a mark's prompt, its pair's id without text."""
        pair, lines = self._at(place), self._lines()
        return pair if lines is None else str(lines[np.flatnonzero(self._fitted()[2]["pair_id"].to_numpy() == pair)[0]])[:PEEK]

    def figure(self):
        fitted = self._fitted()
        if fitted is None:
            raise WorkbenchError("the ensemble is still being fitted", where="strength", remedy="Wait until the histogram is there")
        (spec, noise), cuts = self._shown[0], self.cuts
        which, results = "doubt" if self._picture[0] == POINTS else "strength", list(self._results.values())
        labels = results[-1].scenario.labels if results else HARD
        if (spec, noise) != ((labels.strength, labels.noise) if isinstance(labels, LabelSpec) else (StrengthSpec(), None)):
            raise WorkbenchError("a figure shows strength as the retrained labels have it", where="strength",
                                 remedy="Apply this treatment and retrain, or take strength from where they have it")
        if cuts.unit == BAND or cuts.first == "smooth":
            return which, {}
        return which, {name: cut for name, cut in zip(("flip_below", "drop_below"), cuts.handles(fitted[0])) if cut is not None}


def _waiting(told: tuple) -> dict:
    share, left, words = told
    return {"share": share, "left": left, "words": words or "Reading features"}


def _one(value, among: tuple[str, ...]) -> str:
    if value not in among:
        raise WorkbenchError(f"{value!r}", where="strength", remedy=f"One of {', '.join(among)}")
    return value


def _there(get) -> bool:
    """Whether a value is there, or what it raised: either way it can be drawn."""
    try:
        return get() is not None
    except Exception:  # drawn by the part that asks for it again
        return True
