"""The Figures screen: a tray of frozen cards, each at its true size on paper, and what can be added to it."""

from __future__ import annotations

from ..errors import WorkbenchError
from ..figures.cards import VENUE, Card
from ..figures.export import VENUES
from ..figures.renderer import browser
from ..figures.sets import card_of
from ..figures.vision import VISIONS, seen_by
from ..scenario.edits import recipe_key
from ..scenario.recipe import Scenario
from ..study import Study
from . import drawing
from .catalogue import CATALOGUE, LABELS, entry_of
from .screen import Part, Screen
from .words import in_words

VENUE_NAMES = {"neurips": "NeurIPS", "iclr": "ICLR", "icml-column": "ICML column", "icml-page": "ICML page", "acl-column": "ACL column",
               "acl-page": "ACL page", "ieee-column": "IEEE column", "ieee-page": "IEEE page", "slide": "Slide"}
SEEN = {"colour": "In colour", "grey": "Grey", "deuteranopia": "Deuteranopia", "protanopia": "Protanopia", "tritanopia": "Tritanopia"}
KEPT = 64  # drawn figures


class Figures(Screen):
    """Cards are recipes: they are drawn here as they would be exported, and written beside the notebook."""

    name, label = "figures", "Figures"

    def __init__(self, *where):
        super().__init__(*where)
        self._drawn: dict[str, drawing.Drawn | WorkbenchError] = {}
        self._orders: list[tuple] = []  # (token, key or None for all, kind), oldest first
        self._file: tuple[int, dict, list[bytes]] = (0, {"token": None}, [])

    # -- what it is made from ----------------------------------------------------------------------

    @property
    def _settings(self) -> dict:
        kept = self.session.view.get(self.name, {})
        venue, vision = kept.get("venue"), kept.get("vision")
        return {"venue": venue if venue in VENUES else VENUE, "vision": vision if vision in SEEN else "colour", "open": kept.get("open")}

    def _advance(self) -> None:
        """Draw the first card that is not drawn, one at a time; then write the first file that was ordered."""
        session, tray = self.session, self.session.tray
        known = [result for result in (session.baseline, session.candidate) if result is not None]
        for card in tray:
            key = drawing.key_of(card)
            if key in self._drawn:
                continue
            found = self._later(("figure", key), lambda progress, cancel, card=card: drawing.drawn(
                card, session.study, known=known, progress=progress, cancel=cancel))
            if found is None:
                break
            self._drawn[key] = found
        alive = {drawing.key_of(card) for card in tray}
        for key in [key for key in self._drawn if key not in alive][: max(0, len(self._drawn) - KEPT)]:
            del self._drawn[key]
        self._write()

    def _write(self) -> None:
        """Hand over the first file that was ordered, if it is written, and begin the next."""
        made = self._begin()
        if made is None:
            return
        token = self._orders.pop(0)[0]
        self.later.forget(("file", token))
        if isinstance(made, WorkbenchError):
            why = f"{made.what[:1].upper()}{made.what[1:]}. {made.remedy or ''}"
            told, arrays = {"error": why.strip()}, []
        else:
            told = {"said": made.said, "name": made.name, "mime": drawing.KINDS.get(made.kind, "")}
            arrays = [made.data] if made.data else []
        self._file = (self._file[0] + 1, {"token": token, **told}, arrays)
        self._begin()

    def _begin(self):
        """What was ordered first: a Written or the error; None while it is being written, or with nothing to write."""
        if not self._orders:
            return None
        token, key, kind = self._orders[0]
        names = drawing.names_of(self.session.tray)
        if key is None:
            ready = [(one, names[key]) for key in names if isinstance(one := self._drawn.get(key), drawing.Drawn)]
            return self._later(("file", token), lambda progress, cancel: drawing.written_all(ready, progress=progress))
        one, name = self._drawn.get(key), names.get(key, "figure")
        return self._later(("file", token), lambda **_: drawing.written(one, name, kind))

    def _later(self, key: tuple, make):
        """A value of Later, or the error that it raised."""
        try:
            return self.later.get(key, make)
        except WorkbenchError as error:
            return error
        except Exception as error:  # a defect in one figure must not take the tray with it
            return WorkbenchError(f"this failed ({type(error).__name__}: {error})", where="figures", remedy="The session is unharmed")

    # -- what is shown -----------------------------------------------------------------------------

    def parts(self):
        session = self.session
        self._advance()
        tray, settings = session.tray, self._settings
        states = tuple(self._state(drawing.key_of(card)) for card in tray)
        have = (session.baseline, session.candidate, session.selection.primary, tuple(session.slices), browser())
        return [
            Part("figures", (have, settings["venue"], settings["vision"], bool(tray)), self._list),
            Part("figures.tray", ([drawing.key_of(card) for card in tray], states, settings["open"], browser()), self._cards),
            Part("figures.file", self._file[0], lambda: self._file[1:]),
        ]

    def _state(self, key: str) -> tuple:
        found = self._drawn.get(key)
        if found is not None:
            return ("error", str(found)) if isinstance(found, WorkbenchError) else ("drawn", id(found))
        told = self.later.progress(("figure", key))
        return ("drawing", None if told is None else round(told[0], 2))

    def _list(self) -> dict:
        settings = self._settings
        rows = [{"key": one.key, "label": one.label, "shows": one.shows, "lacks": one.lacks(self.session)} for one in CATALOGUE]
        venues = [[name, f"{VENUE_NAMES.get(name, name)} {_inches(VENUES[name].width)}"] for name in VENUES]
        return {"rows": rows, "venue": settings["venue"], "venues": venues, "vision": settings["vision"], "visions": list(SEEN.items()),
                "browser": browser() is not None, "folder": drawing.FOLDER, "any": bool(self.session.tray)}

    def _cards(self) -> dict:
        names = drawing.names_of(self.session.tray)
        return {"cards": [self._card(at, card, names) for at, card in enumerate(self.session.tray)], "open": self._settings["open"],
                "browser": browser() is not None}

    def _card(self, at: int, card: dict, names: dict[str, str]) -> dict:
        key, figure = drawing.key_of(card), str(card.get("figure"))
        found = self._drawn.get(key)
        about = {"at": at, "key": key, "file": names[key], "label": LABELS.get(figure, figure),
                 "venue": card.get("venue", VENUE), "options": _said(card.get("options") or {}), "study": card.get("study", ""),
                 "ids": _ids(self.session.study, card), "state": self._state(key)[0]}
        if isinstance(found, WorkbenchError):
            return {**about, "error": {"fact": f"{found.what[:1].upper()}{found.what[1:]}.", "why": found.remedy or ""}}
        if found is None:
            told = self.later.progress(("figure", key))
            return {**about, "progress": None if told is None else list(told)}
        return {**about, **found.about, "pictured": found.preview is not None}

    # -- gestures ----------------------------------------------------------------------------------

    def do(self, message: dict, buffers: list) -> dict | None:
        do, session = message.get("do"), self.session
        if do == "add":
            return self._add(entry_of(message["figure"]))
        if do == "view":
            return self._set(message)
        if do == "save_all":
            if not any(isinstance(one, drawing.Drawn) for one in self._drawn.values()):
                raise WorkbenchError("no figure is drawn yet", where="figures", remedy="Wait for the first, or add one")
            self._orders.append((str(message["token"]), None, ""))
            return None
        at, card = self._at(message)
        if do == "picture":
            return {"picture": self._picture(message["key"], message.get("vision"))}
        if do == "file":
            self._one(message["key"])
            self._orders.append((str(message["token"]), message["key"], str(message["kind"])))
        elif do == "latex":
            key = message["key"]
            return {"latex": {"key": key, "text": drawing.tex_of(self._one(key), drawing.names_of(session.tray)[key])}}
        elif do == "venue":
            self._venue({at: message["value"]})
        elif do == "remove":
            session.set_tray([one for place, one in enumerate(session.tray) if place != at], origin=self.origin)
        elif do == "retry":
            self._drawn.pop(message["key"], None)
            self.later.forget(("figure", message["key"]))
        elif do == "restore":
            return self._restore(Card.from_dict(card))
        else:
            return super().do(message, buffers)
        return None

    def _add(self, entry) -> dict:
        if lacking := entry.lacks(self.session):
            raise WorkbenchError(lacking.rstrip("."), where=entry.label, remedy="Choose another figure")
        card = card_of(self.session, entry.figure, venue=self._settings["venue"], **entry.options(self.session)).to_dict()
        if drawing.key_of(card) in map(drawing.key_of, self.session.tray):
            return {"said": f"{entry.label} is in the tray already."}
        self.session.set_tray((*self.session.tray, card), origin=self.origin)
        return {"said": f"{entry.label} is added.", "added": drawing.key_of(card)}

    def _set(self, message: dict) -> None:
        """Venue of all cards and of those to come; how they are looked at."""
        if "venue" in message:
            self._venue({at: message["venue"] for at in range(len(self.session.tray))})
            self.session.remember(self.name, venue=message["venue"])
        if "vision" in message:
            if message["vision"] not in SEEN:
                raise WorkbenchError(f"unknown vision {message['vision']!r}", remedy=f"Choose one of {', '.join(SEEN)}")
            self.session.remember(self.name, vision=message["vision"])

    def _venue(self, wanted: dict[int, str]) -> None:
        for venue in wanted.values():
            if venue not in VENUES:
                raise WorkbenchError(f"unknown venue {venue!r}", remedy=f"Choose one of {', '.join(VENUES)}")
        cards = [{**card, "venue": wanted.get(at, card.get("venue", VENUE))} for at, card in enumerate(self.session.tray)]
        self.session.set_tray(cards, origin=self.origin)

    def _at(self, message: dict) -> tuple[int, dict]:
        """The card that a gesture means. WorkbenchError for one that is no longer there."""
        for at, card in enumerate(self.session.tray):
            if drawing.key_of(card) == message.get("key") and message.get("at", at) == at:
                return at, card
        if "key" in message:
            raise WorkbenchError("this card is no longer in the tray", where="figures", remedy="Add it again")
        return -1, {}

    def _one(self, key: str) -> drawing.Drawn:
        found = self._drawn.get(key)
        if not isinstance(found, drawing.Drawn):
            raise WorkbenchError("this figure is not drawn", where="figures", remedy="Wait until it is there")
        return found

    def _picture(self, key: str, vision: str | None) -> dict:
        found = self._one(key)
        svg = None if found.preview is None else found.preview.svg
        return {"key": key, "vision": vision, "svg": seen_by(svg, vision) if svg is not None and vision in VISIONS else svg}

    def _restore(self, card: Card) -> dict:
        """The session goes to the card's recipes; what it showed is trained again from the study's runs/ where it is not at hand."""
        session, origin = self.session, self.origin
        if card.study != session.study.hash:
            raise WorkbenchError(f"the card was made on study {card.study}, this is {session.study.hash}", where="figures",
                                 remedy="Open that study: wb.open_figure(file, study=…)")
        before = card.baseline or card.scenario
        if recipe_key(before) != recipe_key(session.baseline_scenario):
            self._go(before)
            session.pin(step=session.history.here, origin=origin)
        self._go(card.scenario)
        if session.baseline is None or not session.retrained:
            session.retrain(origin=origin)
        return {"said": "The session stands where this figure was made."}

    def _go(self, recipe: Scenario) -> None:
        steps = self.session.history.steps
        at = next((at for at, step in enumerate(steps) if step.scenario.id == recipe.id), None)
        if at is None:
            self.session.set_draft(recipe, origin=self.origin)
        else:
            self.session.go(at, origin=self.origin)


def _ids(study: Study, card: dict) -> list[list[str]]:
    """What it shows, as sign, words and id: the baseline's recipe, if there are two, and the candidate's."""
    try:
        read = Card.from_dict(card)
    except WorkbenchError:  # it says so itself where it would be drawn
        return []
    if read.baseline is None:
        return [["base", read.scenario.name or "baseline", read.scenario.id]]
    words = read.scenario.name or (in_words(study, read.scenario, read.baseline) if read.study == study.hash else "candidate")
    return [["base", read.baseline.name or "baseline", read.baseline.id], ["cand", words, read.scenario.id]]


def _said(options: dict) -> str:
    """Options in words: "by section"; ids of pairs by their number."""
    words = [f"{name} {', '.join(value) if isinstance(value, dict) else value}" for name, value in options.items() if value is not True]
    return ", ".join([*words, *(f"with {name}" for name, value in options.items() if value is True)])


def _inches(width: float) -> str:
    return f"{width:.2f}".rstrip("0").rstrip(".") + " in"
