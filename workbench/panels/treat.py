"""The treatment on the Strength screen: what is being set, kept with the session until it is applied as an edit of the draft."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import WorkbenchError
from ..evaluate.strength import StrengthTable
from ..scenario.labels import BANDED, HARD, USES, LabelSpec
from ..session import Session
from . import sources
from .cuts import BAND, KINDS, SHARE, VALUE, Cuts
from .regions import regions, says
from .words import labels_words

NUMBERS = {"alpha": "Doubt in a label, α", "tau": "Softness, τ", "scale": "Margin × μ̂"}
UNIT_WORDS = {VALUE: "by value", SHARE: "by share", BAND: "a band"}


class Treating:
    """The cuts that are being dragged or typed; those of the draft where nothing was set since it changed."""

    def __init__(self, session: Session, name: str, origin: str):
        self.session, self.name, self.origin = session, name, origin
        self._set: tuple | None = None  # the draft's labels, and what is set for them

    @property
    def cuts(self) -> Cuts:
        labels = self.session.draft.labels
        if self._set is None or self._set[0] != labels:
            self._set = (labels, self._kept(labels) or self._proposed(labels))
        return self._set[1]

    def set(self, cuts: Cuts) -> None:
        labels = self.session.draft.labels
        self._set = (labels, cuts)
        self.session.remember(self.name, cuts=cuts.plain, labels=_plain(labels))

    def forget(self) -> None:
        """Look again at what the session keeps."""
        self._set = None

    def _kept(self, labels: LabelSpec | str) -> Cuts | None:
        """What was set for these labels, None where nothing was, or what a file holds of it makes no sense."""
        kept = self.session.view.get(self.name, {})
        if not kept.get("cuts") or kept.get("labels") != _plain(labels):
            return None
        try:
            return Cuts.from_plain(kept["cuts"])
        except (WorkbenchError, TypeError, AttributeError, ValueError):
            return None

    def _proposed(self, labels: LabelSpec | str) -> Cuts:
        found = Cuts.of(labels)
        return found if isinstance(labels, LabelSpec) else replace(found, strength=sources.first(self.session.study))

    # -- what is shown -----------------------------------------------------------------------------

    def told(self, table: StrengthTable, total: int) -> dict:
        """Regions and handles of the picture, the fields of the form, what the button says; total: train pairs with or without strength."""
        session, cuts = self.session, self.cuts
        labels, wanted = session.draft.labels, cuts.labels
        return {
            **regions(table, cuts), "kind": cuts.kind, "kinds": list(KINDS.items()), "unit": cuts.unit, "units": _units(cuts),
            "fields": _fields(cuts), "says": says(table, cuts, total), "words": labels_words(wanted), "applied": wanted == labels,
            "treated": labels != HARD, "now": labels_words(labels), "where": list(cuts.where),
            "retrain": {"wanted": not session.retrained, "waits": any(job.running for job in session.jobs),
                        "words": "Train both" if session.baseline is None else "Retrain"},
        }

    # -- gestures ----------------------------------------------------------------------------------

    def do(self, table: StrengthTable, message: dict):
        """Its own gestures; NotImplemented for others."""
        asked, cuts = message.get("do"), self.cuts
        if asked == "cut":
            self.set(cuts.at(table, which(message), float(message["value"])))
        elif asked == "field":
            number = message.get("value")
            if message["which"] in USES:
                self.set(cuts.numbered(message["which"], float(number)))
            else:
                number = None if number is None else float(number) / (1 if cuts.unit == VALUE else 100)
                self.set(cuts.typed(table, which(message), number))
        elif asked == "unit":
            self.set(cuts.to_unit(table, message["value"]))
        elif asked == "kind":
            self.set(cuts.to_kind(table, message["value"]))
        elif asked == "apply":
            self.apply(table, cuts)
        elif asked == "clear":
            self.session.set_labels(HARD, origin=self.origin)
            self.set(replace(cuts, hand=()))
        elif (other := sources.do(self.session.study, cuts, table, message)) is not None:
            self.set(other)
        else:
            return NotImplemented
        return None

    def apply(self, table: StrengthTable, cuts: Cuts) -> None:
        """The treatment as an edit of the draft, refused where it would leave nothing to learn from."""
        if cuts.masks(table).drop.all():
            raise WorkbenchError("every pair would be dropped", where="strength", remedy="Move the drop handle to the left")
        self.session.set_labels(cuts.labels, origin=self.origin)
        self.set(cuts)

    def by_hand(self, decided: dict[str, str]) -> None:
        """What was decided by hand, pair → "flip" or "drop", as an edit of the draft; the rest of its treatment stays."""
        cuts, labels = self.cuts, self.session.draft.labels
        now = Cuts.of(labels) if isinstance(labels, LabelSpec) else Cuts(HARD)
        self.session.set_labels(replace(now, hand=tuple(sorted(decided.items()))).labels, origin=self.origin)
        self.set(replace(cuts, hand=tuple(sorted(decided.items()))))


def which(message: dict) -> str:
    """The handle or cut that a message means."""
    if message.get("which") not in ("flip", "drop"):
        raise WorkbenchError(f"cut {message.get('which')!r}", where="strength", remedy="One of flip, drop")
    return message["which"]


def _units(cuts: Cuts) -> list[list[str]]:
    """By what this kind can be cut."""
    if cuts.kind in (HARD, "scaled"):
        return []
    known = [BAND] if cuts.kind == "keep" else [VALUE, SHARE, BAND] if cuts.kind in BANDED else [VALUE, SHARE]
    return [[unit, UNIT_WORDS[unit]] for unit in known]


def _fields(cuts: Cuts) -> list[list]:
    """name, word, value, unit of each number that the kind reads."""
    share, found = cuts.unit != VALUE, []
    if cuts.unit == BAND:
        high = 1.0 if cuts.drop is None else cuts.drop
        found += [["flip", "From", 100 * (cuts.flip or 0.0), "%"], ["drop", "To", 100 * high, "% of the ranking"]]
    else:
        words = {"flip": f"{(cuts.first or '').capitalize()} {'the lowest' if share else 'below'}",
                 "drop": f"Drop {('the next' if cuts.flip is not None and cuts.first else 'the lowest') if share else 'below'}"}
        for name, on in zip(("flip", "drop"), cuts.handles_on):
            value = getattr(cuts, name)
            found += [[name, words[name], None if value is None else (100 if share else 1) * value, "%" if share else ""]] if on else []
    found += [[name, NUMBERS[name], getattr(cuts, name), ""] for name, part in USES.items() if part in cuts.parts]
    return [[name, word, None if value is None else float(np.round(value, 4)), unit] for name, word, value, unit in found]


def _plain(labels: LabelSpec | str):
    """A treatment as JSON has it."""
    return labels.model_dump(mode="json") if isinstance(labels, LabelSpec) else labels
