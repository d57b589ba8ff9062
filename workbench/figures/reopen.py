"""From a figure back to the session that it shows."""

from __future__ import annotations

from pathlib import Path

from ..errors import WorkbenchError
from ..session import Session
from ..shipped import demo
from ..study import Study
from .cards import Card
from .stamp import read_stamp


def open_figure(path: str | Path, study: Study | None = None) -> Session:
    """The session of a saved PDF, SVG, PNG or HTML: its baseline, its scenario as the draft, its card in the tray.

    study: the one that it was made on; None finds the shipped one. Nothing is trained: `session.start()` and `retrain()`
    give the figure's numbers, from the study's runs/ or anew. WorkbenchError for a file cut short or without provenance, a
    figure that no recipe decides (a preview, a table of your own), and another study.
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
    session.remember("figures", open=0)
    return session


def _study(card: Card, study: Study | None, path: str | Path) -> Study:
    if study is not None and study.hash != card.study:
        raise WorkbenchError(f"made on study {card.study}, not on {study.hash}", where=str(path), remedy="Pass the study it was made on")
    if study is None and (study := demo()).hash != card.study:
        remedy = "Pass it: open_figure(path, study=Study.load(folder))"
        raise WorkbenchError(f"made on study {card.study}, which is not the shipped one", where=str(path), remedy=remedy)
    return study


def _ids(told: dict) -> list[str]:
    return [f"study {told['study']}"] * bool(told.get("study")) + [f"scenario {one.get('id')}" for one in told.get("scenarios", ())]
