"""The Gate screen: which objective decides on which prompts, how surely, and where the gate changes its mind."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..errors import WorkbenchError
from ..scenario.result import Result
from .gate_view import (
    EFFECT,
    WEIGHT,
    GateView,
    before_words,
    cards,
    collinearity,
    gate_rows,
    handovers,
    lead_words,
    notes,
    picture,
    share_table,
    small,
    together,
)
from .groups import slot_of
from .screen import Part, Screen

BASE, CAND, BOTH = "baseline", "candidate", "both"
SECTIONS, LETTERS = 12, 240  # small multiples; of a prompt's text
LARGE = 2_000_000  # cells of a gate [seed pair obj] beyond which it is read in a thread
UNTRAINED = {"fact": "No gate yet.", "why": "The baseline is not trained: its gate is drawn as soon as it is."}
SAME = "Every prompt has the same weights, so no column differs from the next. Effect shows what they do prompt by prompt."


class Gate(Screen):
    """The watershed of the gate, by section too; handovers, one prompt's gate, an objective's prompts, and the table behind."""

    name, label = "gate", "Gate"

    def __init__(self, *where):
        super().__init__(*where)
        self._near: dict[tuple, GateView] = {}  # gates that were read at once
        self._paired: tuple = ()  # the watersheds of two gates, in one order

    # -- what it is set to -------------------------------------------------------------------------

    @property
    def _kept(self) -> dict:
        return self.session.view.get(self.name, {})

    @property
    def _value(self) -> str:
        return EFFECT if self._kept.get("value") == EFFECT else WEIGHT

    @property
    def _results(self) -> dict[str, Result]:
        """What is drawn, by its sign: "base", "cand", or both."""
        has = {"base": self.session.baseline, "cand": self.session.candidate}
        has = {sign: result for sign, result in has.items() if result is not None}
        of = self._kept.get("of", CAND)
        if len(has) < 2 or of == BOTH:
            return has
        sign = "base" if of == BASE else "cand"
        return {sign: has[sign]}

    @cached_property
    def _slots(self) -> dict[str, str]:
        return {name: slot_of(about.group) for name, about in self.session.study.objective_info.items()}

    # -- the gates, read once ----------------------------------------------------------------------

    def _view(self, sign: str) -> GateView | None:
        """WorkbenchError where the result has no gate; None while a large one is being read."""
        result, value = self._results[sign], self._value
        key = ("gate", result, value)
        if "scores" not in vars(result) or np.size(result.weights) > LARGE:  # scores that are not in memory come from disk
            return self.later.get(key, lambda **_: _read(result, value))
        if key not in self._near:
            self._near = {kept: view for kept, view in self._near.items() if kept[1] in (self.session.baseline, self.session.candidate)}
            self._near[key] = _read(result, value)
        return self._near[key]

    @property
    def _views(self) -> dict[str, GateView] | None:
        """By sign; None while one is being read. Of two, one without a gate is left out."""
        found, trouble = {}, None
        for sign in self._results:
            try:
                found[sign] = self._view(sign)
            except WorkbenchError as error:
                trouble = error
        if trouble is not None and not found:
            raise trouble
        return None if None in found.values() else found

    @property
    def _ready(self) -> bool:
        try:
            return self._views is not None
        except WorkbenchError:
            return True

    @property
    def _sheds(self) -> dict:
        """The watersheds that are drawn: two have their hills in one order, that of the candidate."""
        views = self._views or {}
        if len(views) == 2:
            if self._paired[:2] != (views["cand"], views["base"]):
                self._paired = (views["cand"], views["base"], *together(views["cand"].shed, views["base"].shed))
            return {"base": self._paired[3], "cand": self._paired[2]}
        return {sign: view.shed for sign, view in views.items()}

    # -- what is shown -----------------------------------------------------------------------------

    def parts(self):
        session = self.session
        shown = (*self._results.values(), self._value, self._ready)
        has = (session.baseline is not None, session.candidate is not None)
        selection, objective = session.selection, self._kept.get("objective")
        return [
            Part("gate", (*shown, has, self._kept.get("of")), self._state),
            Part("gate.item", (*shown, selection.primary), self._item),
            Part("gate.chosen", (*shown, selection.primary, selection.revision, selection.n), self._chosen),
            Part("gate.cards", (*shown, objective), self._cards),
            Part("gate.table", shown, self._table),
        ]

    def _state(self) -> dict:
        session, results = self.session, self._results
        of = self._kept.get("of", CAND) if session.candidate is not None else BASE
        state = {"of": of, "both": session.baseline is not None and session.candidate is not None, "value": self._value, "blank": None}
        if not results:
            return {**state, "blank": UNTRAINED}
        try:
            views = self._views
        except WorkbenchError as error:
            return {**state, "blank": {"fact": error.what[:1].upper() + error.what[1:] + ".", "why": error.remedy or ""}}
        if views is None:
            return {**state, "blank": {"fact": "Reading the gate.", "why": "Everything else works meanwhile."}}
        sheds = self._sheds
        main = "cand" if "cand" in views else "base"
        view, shed = views[main], sheds[main]
        same = all(each.same for each in views.values())
        sections = shed.sections if len(shed.sections) > 1 and not same else ()
        return {
            **state, "meta": self._meta(view), "lead": lead_words(view, shed), "before": before_words(views, sheds),
            "notes": notes(views, self._results),
            "same": {**gate_rows(views, None, self._slots), "why": SAME if len(view.names) > 1 else ""} if same else None,
            "pictures": [] if same else [{"sign": sign, **picture(one, self._slots)} for sign, one in sheds.items()],
            "sections": [small(shed, self._slots, name) for name in sections[:SECTIONS]],
            "more_sections": max(0, len(sections) - SECTIONS), "handovers": [] if same else handovers(shed, self._slots),
            "near": shed.near, "main": main,
        }

    def _meta(self, view: GateView) -> str:
        seeds = f"mean of {view.seeds} seeds" if view.seeds > 1 else "one seed"
        return f"{'weights ≥ 0' if view.value == WEIGHT else 'share of |g Δr′|, mean over a prompt’s pairs'}, {seeds}, dev"

    def _item(self) -> dict:
        pair = self.session.selection.primary
        items = self.session.items
        prompt = None if pair is None else str(items.loc[items["pair_id"] == pair, "prompt_id"].iloc[0])
        views = self._quietly()
        if prompt is None or not views:
            return {"prompt": None}
        return {"prompt": prompt, "text": self._text(prompt), "section": self._section(prompt), "value": self._value,
                **gate_rows(views, prompt, self._slots)}

    def _chosen(self) -> dict:
        """Where the primary item and the selection stand in each picture: place, and runs from … to."""
        views = self._quietly()
        if not views or all(view.same for view in views.values()):
            return {"marks": {}}
        items, selection = self.session.items, self.session.selection
        chosen = set(items.loc[np.asarray(selection.mask), "prompt_id"]) if selection.n < len(items) else set()
        primary = items.loc[items["pair_id"] == selection.primary, "prompt_id"].tolist()
        marks = {}
        for sign, shed in self._sheds.items():
            ids = shed.table["prompt_id"].to_numpy()
            inside = np.flatnonzero(np.diff(np.r_[0, np.isin(ids, list(chosen)).astype(int), 0]))
            at = np.flatnonzero(ids == primary[0]) if primary else []
            marks[sign] = {"at": int(at[0]) if len(at) else None, "runs": inside.reshape(-1, 2).tolist()}
        return {"marks": marks}

    def _cards(self) -> dict:
        views = self._quietly()
        if not views:
            return {"objective": None}
        view = views.get("cand") or views["base"]
        ranked = [view.names[at] for at in np.argsort(-view.mean.mean(axis=0), kind="stable")]
        kept = self._kept.get("objective")
        objective = kept if kept in view.names else ranked[0]
        found = cards(view, objective) if not view.same else {}
        for column in found.values():
            for card in column:
                card |= {"text": self._text(card["prompt"]), "section": self._section(card["prompt"])}
        share = float(view.mean[:, view.names.index(objective)].mean())
        return {"objective": objective, "slot": self._slots.get(objective, "other"), "names": ranked, "columns": found, "share": share,
                "same": view.same}

    def _table(self) -> dict:
        views = self._quietly()
        if not views:
            return {"table": None}
        sign = "cand" if "cand" in views else "base"
        found = share_table(views[sign], self._slots)
        return {"table": found, "value": self._value, **collinearity(self._results[sign], [row["name"] for row in found["rows"]])}

    def _quietly(self) -> dict[str, GateView]:
        """The gates, none where there is none: the main part says why."""
        try:
            return self._views or {}
        except WorkbenchError:
            return {}

    @cached_property
    def _prompts(self):
        return self.session.study.prompts.drop_duplicates("prompt_id").set_index("prompt_id")

    def _text(self, prompt: str) -> str:
        text = str(self._prompts.at[prompt, "text"]) if "text" in self._prompts.columns else ""
        text = " ".join(text.split())
        return text[:LETTERS].rstrip() + "…" if len(text) > LETTERS else text

    def _section(self, prompt: str) -> str:
        return str(self._prompts.at[prompt, "section"]) if "section" in self._prompts.columns else ""

    # -- gestures ----------------------------------------------------------------------------------

    def do(self, message: dict, buffers: list) -> None:
        do = message.get("do")
        if do == "view":
            known = {key: message[key] for key in ("of", "value", "objective") if key in message}
            self.session.remember(self.name, **known)
        elif do == "column":
            self._look(self._shed_of(message)["prompt_id"].iloc[int(message["at"])])
        elif do == "columns":
            low, high = sorted((int(message["from"]), int(message["to"])))
            self._select(self._shed_of(message)["prompt_id"].iloc[max(low, 0) : high + 1], "lasso", "watershed")
        elif do == "handover":
            self._handover(message["a"], message["b"])
        elif do == "prompt":
            self._look(message["id"])
        else:
            super().do(message, buffers)

    def _shed_of(self, message: dict):
        sheds = self._sheds
        shed = sheds[message.get("of") or ("cand" if "cand" in sheds else "base")]
        return (shed.within(message["section"]) if message.get("section") else shed).table

    def _handover(self, a: str, b: str) -> None:
        sheds = self._sheds
        shed = sheds["cand" if "cand" in sheds else "base"]
        table = shed.table[shed.table["lead"] < shed.near]
        there = (table["objective"] == a) & (table["runner_up"] == b)
        back = (table["objective"] == b) & (table["runner_up"] == a)
        self._select(table.loc[there | back, "prompt_id"], "filter", f"{a} ⇄ {b} handover")

    def _select(self, prompts, kind: str, label: str) -> None:
        mask = self.session.items["prompt_id"].isin(set(prompts)).to_numpy()
        self.session.select(mask, kind=kind, label=label, origin=self.origin)

    def _look(self, prompt: str) -> None:
        """Its pair that is looked at already, else one that is selected, else its first."""
        items, selection = self.session.items, self.session.selection
        mine = (items["prompt_id"] == prompt).to_numpy()
        if not mine.any():
            raise WorkbenchError(f"no prompt {prompt!r}", where="gate")
        rows = items.loc[mine & np.asarray(selection.mask)] if (mine & np.asarray(selection.mask)).any() else items.loc[mine]
        if selection.primary not in set(items.loc[mine, "pair_id"]):
            self.session.look_at(rows["pair_id"].iloc[0], origin=self.origin)

    def figure(self):
        """WorkbenchError where the figure would show something else than the screen."""
        if self._value == EFFECT:
            raise WorkbenchError("the figure draws weights, and the screen shows effects", where="gate", remedy="Choose Weight")
        if self.session.candidate is not None and list(self._results) == ["base"]:
            raise WorkbenchError("the figure draws the candidate, and the screen shows the baseline", where="gate",
                                 remedy="Choose Candidate")
        return ("watershed", {})


def _read(result: Result, value: str) -> GateView:
    view = GateView.of(result, value)
    _ = view.shed
    return view
