"""From a figure back to the session that it shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import WorkbenchError
from ..session import Session
from ..shipped import demo
from ..study import Study
from .cards import Card
from .stamp import read_stamp


def open_figure(path: str | Path, study: Study | None = None) -> Session:
    """The session of a saved PDF, SVG, PNG or HTML: its baseline, its scenario as the draft, its card in the tray.

    study: the one that it was made on; None finds the shipped one. Results that the study's runs/ keep are there at once,
    and so are the figure's slices and the pair it reads. Nothing is trained: `session.start()` trains what is missing.
    WorkbenchError for a file cut short or without provenance, a figure that no recipe decides (a preview, a table of your own), and
    another study.
    """
    told = read_stamp(path)
    if not told.get("card"):
        remedy = "Figures of figures_of, draw and the tray do; here are its ids: " + ", ".join(_ids(told) or ["none"])
        raise WorkbenchError("this figure does not say which recipe it shows", where=str(path), remedy=remedy)
    try:
        card = Card.from_dict(told["card"])
    except WorkbenchError as error:
        raise WorkbenchError(str(error), where=str(path)) from None
    session = Session(_study(card, study, path), card.baseline or card.scenario)
    session.set_draft(card.scenario)
    session.set_tray([card.to_dict()])
    session.recall(*filter(None, (card.baseline, card.scenario)))
    _look(session, card.options, path)
    session.remember("figures", open=0)
    session.remember("open", screen="figures")
    return session


def _look(session: Session, options: Mapping, path: str | Path) -> None:
    """Slices by name, and the pair that is looked at, as a figure's options name them."""
    try:
        for name, ids in (options.get("slices") or {}).items():
            session.select(list(ids))
            session.save_slice(name)
        session.select(None)
        if isinstance(pair := options.get("pair"), str):
            session.look_at(pair)
    except WorkbenchError as error:
        raise WorkbenchError(error.what, where=str(path), remedy=error.remedy) from None


def _study(card: Card, study: Study | None, path: str | Path) -> Study:
    if study is not None and study.hash != card.study:
        raise WorkbenchError(f"made on study {card.study}, not on {study.hash}", where=str(path), remedy="Pass the study it was made on")
    if study is None and (study := demo()).hash != card.study:
        remedy = "Pass it: open_figure(path, study=Study.load(folder))"
        raise WorkbenchError(f"made on study {card.study}, which is not the shipped one", where=str(path), remedy=remedy)
    return study


def _ids(told: dict) -> list[str]:
    return [f"study {told['study']}"] * bool(told.get("study")) + [f"scenario {one.get('id')}" for one in told.get("scenarios", ())]
