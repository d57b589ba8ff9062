"""An edit of one item's texts: kept while the kernel lives, and scored beside the item as the study has it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import partial

from ..errors import WorkbenchError
from ..evaluate.differences import differences
from ..scenario.edited import Edited, encoder_is_here, encoder_of, rescorable, rescore
from ..scenario.result import Result
from ..session import Session
from ..study import Study
from .item_text import FIELDS, position, rewards, runs, texts_of
from .screen import Part

WAITS = "The baseline is not trained yet."
_DRAFTS: weakref.WeakKeyDictionary[Session, dict[str, Draft]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Draft:
    """Texts of an item as the user has them: prompt, chosen, rejected. sent: asked to be scored."""

    texts: tuple[str, str, str]
    sent: bool = False


@dataclass(frozen=True, eq=False)
class Edit:
    """The edit of the item looked at, and how far it is. scored: by "base" and "cand", or what kept one from being scored."""

    item: str
    draft: Draft
    scored: dict[str, Edited | str] | None = None
    waits: str = ""
    trouble: str = ""

    @property
    def key(self) -> tuple:
        return self.item, self.draft, self.scored, self.waits, self.trouble

    def results(self) -> tuple[Result | None, Result | None]:
        """Baseline and candidate on the edited pair alone, None where there is none."""
        found = ((self.scored or {}).get(name) for name in ("base", "cand"))
        return tuple(one.result if isinstance(one, Edited) else None for one in found)


def edit_of(screen) -> Edit | None:
    """The edit of the item looked at; asks for its scores, which a thread works out."""
    session, item = screen.session, screen.session.selection.primary
    draft = _DRAFTS.get(session, {}).get(item)
    if draft is None or session.baseline is None:
        return None
    if not draft.sent:
        return Edit(item, draft)
    made_from = {"base": session.baseline, "cand": session.candidate}
    key = ("edited", draft.texts, *made_from.values())
    try:
        scored = screen.later.get(key, partial(_scored, session.study, made_from, draft.texts))
    except Exception as error:  # of the encoder, or of the texts
        return Edit(item, draft, trouble=str(error))
    waits = "" if scored is not None else (screen.later.progress(key) or (0, None, "Waiting"))[2]
    return Edit(item, draft, scored, waits)


def _scored(study: Study, made_from: dict[str, Result | None], texts: tuple[str, ...], *, progress, cancel) -> dict[str, Edited | str]:
    progress(0.0, None, "Loading the encoder")
    encoder, found = encoder_of(study), {}
    progress(0.8, None, "Scoring")
    for name, result in made_from.items():
        if result is not None:
            try:
                found[name] = rescore(result, study, **dict(zip(FIELDS, texts)), encoder=encoder)
            except WorkbenchError as error:
                found[name] = str(error)
    return found


def part(screen, edit: Edit | None) -> Part:
    """Whether texts can be edited, why not, and the edit of this item."""
    session = screen.session
    if edit is None:
        return Part("explore.edit", (None, session.baseline), lambda: {"item": None, "why": lacking(session)})
    return Part("explore.edit", edit.key, lambda: describe(session, edit))


def lacking(session: Session) -> str:
    """Why no text can be edited, or ""."""
    if session.baseline is None:
        return WAITS
    try:
        rescorable(session.baseline, session.study)
        encoder_is_here(session.study)
    except WorkbenchError as error:
        return f"{error.what[:1].upper()}{error.what[1:]}." + (f" {error.remedy}." if error.remedy else "")
    return ""


def describe(session: Session, edit: Edit) -> dict:
    """The texts as the study has them, marked where the edit takes words away, and as they are now; numbers before and after."""
    at = position(session, edit.item)
    before = texts_of(session.study, session.items.iloc[at])
    now, sent = dict(zip(FIELDS, edit.draft.texts)), edit.draft.sent
    return {
        "item": edit.item, "why": "", "now": now, "sent": sent, "waits": edit.waits, "trouble": edit.trouble,
        "was": {name: runs(text, _lost(text, now[name]) if sent else [], True) for name, text in before.items()},
        "rows": [_row(name, result, at, (edit.scored or {}).get(name)) for name, result in
                 (("base", session.baseline), ("cand", session.candidate)) if result is not None] if edit.scored else [],
        "long": sorted({name for one in (edit.scored or {}).values() if isinstance(one, Edited) for name in one.cut}, key=FIELDS.index),
        "reads": session.study.info["features"].get("max_tokens"),
    }


def _lost(before: str, now: str) -> list[tuple[int, int]]:
    try:
        return differences(before, now)[0]
    except WorkbenchError:  # too long to compare
        return []


def _row(name: str, result: Result, at: int, found: Edited | str) -> dict:
    """Rewards of both answers and their margin, as the study has them and edited, divided by the result's scale."""
    if isinstance(found, str):
        return {"which": name, "why": found}
    scale = result.scale  # one for both, so that they compare
    after = [*(float(value) / scale for value in found.rewards.mean(axis=0)), found.margin / scale]
    return {"which": name, "before": [*rewards(result, at), float(result.margin[at]) / scale], "after": after}


def do(screen, message: dict, buffers: list):
    """Its own gestures; NotImplemented for others."""
    gesture, session = message.get("do"), screen.session
    if gesture not in ("edit", "rescore", "unedit"):
        return NotImplemented
    item, drafts = message.get("item", session.selection.primary), _DRAFTS.setdefault(session, {})
    at = position(session, item)
    if at is None:
        raise WorkbenchError(f"no item {item!r} to edit", where="explore panel", remedy="Choose one first")
    if gesture == "unedit":
        drafts.pop(item, None)
        return None
    if why := lacking(session):
        raise WorkbenchError(why.rstrip("."), where="explore panel")
    if gesture == "edit":
        drafts.setdefault(item, Draft(tuple(texts_of(session.study, session.items.iloc[at]).values())))
        return None
    texts = tuple(message[name] for name in FIELDS)
    if not all(isinstance(text, str) for text in texts):
        raise WorkbenchError("an edit that is no text", where="explore panel")
    drafts[item] = Draft(texts, sent=True)
    return None
