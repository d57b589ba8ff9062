"""The Strength screen: how strongly an ensemble believes each train label, and what is done with the labels it doubts."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from ..errors import WorkbenchError
from ..scenario.labels import LabelSpec
from . import strength_view as view
from .cuts import KINDS, Cuts
from .screen import Part, Screen
from .texts import Texts

LISTS = ("all", "flip", "drop", "brush")


class Strength(Screen):
    """Histogram of preference strength with two cuts to drag, who agrees with the labels, the suspects, and a treatment as an edit."""

    name, label = "strength", "Strength"

    def __init__(self, *where):
        super().__init__(*where)
        self._moving, self._cut, self._listed, self._heads = False, None, None, None

    # -- what it is made from ----------------------------------------------------------------------

    def _fitted(self):
        """Strength of train, of dev, and the suspects; None while the ensemble is fitted. Raises for a study without features."""
        study = self.session.study
        if study.store is None:
            raise WorkbenchError(
                "preference strength needs features, and this study has none", where=study.name,
                remedy="Columns of scores are no ensemble of reward models. Run `workbench extract` on its texts, and open it again",
            )
        return self.later.get(("strength", study.hash), lambda progress, cancel: view.fitted(study, progress=progress, cancel=cancel))

    @property
    def _kept(self) -> dict:
        return self.session.view.get(self.name, {})

    @property
    def cuts(self) -> Cuts:
        """Those being dragged; those of the draft where nothing was dragged since it changed."""
        labels = self.session.draft.labels
        if self._cut is None or self._cut[0] != labels:
            kept = self._kept
            asked = kept.get("cuts") if kept.get("labels") == _plain(labels) else None
            self._cut = (labels, Cuts(**{**asked, "where": tuple(asked["where"])}) if asked else Cuts.of(labels))
        return self._cut[1]

    def _set(self, cuts: Cuts) -> None:
        labels = self.session.draft.labels
        self._cut = (labels, cuts)
        self.session.remember(self.name, cuts=asdict(cuts), labels=_plain(labels))

    def _known(self, cuts: Cuts):
        """What is known of the bands, None while it is worked out."""
        train = self._fitted()[0]
        return self.later.get(("strength bands", train, cuts), lambda **_: view.known(train, cuts))

    def _agreement(self):
        train, dev, _ = self._fitted()
        results = self._results
        key = ("strength agreement", train, *results.values())
        return self.later.get(key, lambda **_: {**view.agreement(train, dev, results), "precision": view.precision(train)})

    @property
    def _results(self) -> dict:
        found = {"base": self.session.baseline, "cand": self.session.candidate}
        return {sign: result for sign, result in found.items() if result is not None}

    @property
    def _list(self) -> view.Listed:
        train, _, found = self._fitted()
        key = self._list_key()
        if self._listed is None or self._listed[0] != key:
            which, ends, cuts = key
            self._listed = (key, view.listed(found, train, cuts, which, ends, self._lines(found)))
        return self._listed[1]

    def _list_key(self) -> tuple:
        kept = self._kept
        which = kept.get("list") if kept.get("list") in LISTS else "all"
        ends = kept.get("brush") if which == "brush" else None
        return which, tuple(ends) if ends else None, self.cuts

    def _lines(self, found) -> np.ndarray | None:
        """[suspect] the first line of each prompt, made once."""
        study = self.session.study
        if not study.has_text:
            return None
        if self._heads is None:
            train = self._fitted()[0]
            texts = Texts.of(study, train.pairs)
            rows = train.pairs.index.get_indexer(train.pairs.index)
            by_pair = dict(zip(train.pairs["pair_id"], texts.lines[texts.prompt[rows]]))
            self._heads = np.array([by_pair[pair] for pair in found["pair_id"]], object)
        return self._heads

    # -- what is shown -----------------------------------------------------------------------------

    def parts(self):
        session, study = self.session, self.session.study
        try:
            fitted = self._fitted()
        except WorkbenchError as error:
            return [Part("strength", ("lacks", str(error)), self._fitted)]
        key = ("strength", study.hash)
        if fitted is None:
            told = self.later.progress(key) or (0.0, None, "")
            return [Part("strength", ("waits", round(told[0], 2)), lambda: self._waiting(*told))]
        cuts, pair = self.cuts, self._kept.get("pair")
        running = any(job.running for job in session.jobs)
        treated = (cuts, session.draft.labels, session.retrained, session.baseline is None, running)
        found = [
            Part("strength", fitted[0], lambda: {"waits": None, **view.about(fitted[0])}),
            Part("strength.histogram", fitted[0], lambda: view.histogram(fitted[0])),
            Part("strength.bands", treated, self._bands),
            Part("strength.agreement", (*self._results.values(), _there(self._agreement)), lambda: self._agreement() or {"waits": True}),
            Part("strength.pair", pair, lambda: view.read_pair(study, fitted[0], fitted[2], pair) if pair else {"pair": None}),
        ]
        if not self._moving:
            key = self._list_key()
            found += [
                Part("strength.known", (cuts, _there(lambda: self._known(cuts))), lambda: self._known(cuts) or {"waits": True}),
                Part("strength.suspects", key, self._suspects), Part("strength.chosen", (pair, key), self._chosen),
            ]
        return found

    def _waiting(self, share: float, left: float | None, words: str) -> dict:
        return {"waits": {"share": share, "left": left, "words": words or "Reading features"}}

    def _bands(self) -> dict:
        session, cuts = self.session, self.cuts
        train, labels = self._fitted()[0], self.session.draft.labels
        wanted, words = cuts.labels, lambda labels: labels.words if isinstance(labels, LabelSpec) else "labels as they stand"
        share = 100 if cuts.unit == "share" else 1
        return {
            **view.counted(train, cuts), "kind": cuts.kind, "kinds": list(KINDS.items()), "unit": cuts.unit, "flips": cuts.flips,
            "fields": [None if cut is None else round(share * cut, 4) for cut in (cuts.flip if cuts.flips else None, cuts.drop)],
            "words": words(wanted), "applied": wanted == labels, "treated": labels != "hard", "now": words(labels),
            "where": list(cuts.where),
            "retrain": {"wanted": not session.retrained, "waits": any(job.running for job in session.jobs),
                        "words": "Train both" if session.baseline is None else "Retrain"},
        }

    def _suspects(self) -> dict:
        found, (which, ends, _) = self._list, self._list_key()
        train = self._fitted()[0]
        return {"n": len(found), "of": len(train), "list": which, "ends": ends, "block": found.block(0, view.BLOCK),
                "text": self.session.study.has_text, "truth": train.right is not None, "section": "section" in train.pairs.columns,
                "stamp": [which, ends, repr(self.cuts)]}

    def _chosen(self) -> dict:
        pair = self._kept.get("pair")
        return {"pair": pair, "at": self._list.place(pair)}

    # -- gestures ----------------------------------------------------------------------------------

    def do(self, message: dict, buffers: list) -> dict | None:
        do, session = message.get("do"), self.session
        self._moving = do == "cut" and not message.get("done", True)
        if do == "clear":
            session.set_labels("hard", origin=self.origin)
            return None
        fitted = self._fitted()
        if fitted is None:
            raise WorkbenchError("the ensemble is still being fitted", where="strength", remedy="Wait until the histogram is there")
        cuts = self.cuts
        if do == "cut":
            self._set(cuts.at(fitted[0], _one(message["which"], ("flip", "drop")), float(message["value"])))
        elif do == "field":
            number = message.get("value")
            number = None if number is None else float(number) / (100 if cuts.unit == "share" else 1)
            self._set(cuts.typed(fitted[0], _one(message["which"], ("flip", "drop")), number))
        elif do == "unit":
            self._set(cuts.to_unit(fitted[0], message["value"]))
        elif do == "kind":
            self._set(cuts.to_kind(message["value"]))
        elif do == "apply":
            self._apply(cuts)
        elif do == "list":
            ends = message.get("ends")
            session.remember(self.name, list=_one(message["of"], LISTS), brush=sorted(map(float, ends)) if ends else None)
        elif do == "rows":
            return {"suspects": {**self._list.block(int(message["from"]), int(message["to"])), "stamp": message.get("stamp")}}
        elif do == "read":
            session.remember(self.name, pair=view.read_pair(session.study, *fitted[::2], str(message["pair"]))["pair"])
        elif do == "walk":
            found = self._list
            at = min(max(found.place(self._kept.get("pair")) + int(message["by"]), 0), len(found) - 1)
            if at >= 0:
                session.remember(self.name, pair=found.pair(at))
        else:
            return super().do(message, buffers)
        return None

    def _apply(self, cuts: Cuts) -> None:
        """The treatment as an edit of the draft, refused where it would leave nothing to learn from."""
        flip, drop = cuts.masks(self._fitted()[0])
        if drop.all():
            raise WorkbenchError("every pair would be dropped", where="strength", remedy="Move the drop handle to the left")
        self.session.set_labels(cuts.labels, origin=self.origin)
        self._set(cuts)

    def figure(self):
        fitted = self._fitted()
        if fitted is None:
            raise WorkbenchError("the ensemble is still being fitted", where="strength", remedy="Wait until the histogram is there")
        names = zip(("flip_below", "drop_below"), self.cuts.handles(fitted[0]))
        return "strength", {name: cut for name, cut in names if cut is not None}


def _plain(labels: LabelSpec | str):
    """A treatment as JSON has it."""
    return labels.model_dump(mode="json") if isinstance(labels, LabelSpec) else labels


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
