"""Gestures that every panel understands, whatever screen is open."""

from __future__ import annotations

from ..errors import WorkbenchError

COMMON = frozenset({
    "undo", "redo", "reset", "go", "pin", "retrain", "cancel", "dismiss", "select", "save_slice", "remove_slice", "look", "annotate",
    "save", "code", "seeds", "export",
})


def common(panel, message: dict) -> dict | None:
    """Do one of them on the panel's session; a reply for those that give something back."""
    session, do, origin = panel.session, message["do"], panel.origin
    if do in ("undo", "redo", "reset", "retrain"):
        getattr(session, do)(origin=origin)
    elif do == "go":
        session.go(int(message["step"]), origin=origin)
    elif do == "pin":
        session.pin(step=message.get("step"), origin=origin)
        return {"said": "Pinned. To go back, choose another step under Baseline."}
    elif do == "seeds":
        session.set_seeds(int(message["value"]), origin=origin)
    elif do == "cancel":
        session.cancel()
    elif do == "dismiss":
        panel.dismissed = session.job
    elif do == "select":
        session.select(message.get("which"), kind=message.get("kind", "slice" if message.get("which") else "all"),
                       label=message.get("label", ""), origin=origin)
    elif do == "save_slice":
        session.save_slice(message.get("name") or None, origin=origin)
        return {"said": f"Saved the slice “{list(session.slices)[-1]}”."}
    elif do == "remove_slice":
        session.remove_slice(message["name"], origin=origin)
    elif do == "look":
        session.look_at(message["item"], origin=origin)
    elif do == "annotate":
        session.annotate(message.get("step"), name=message.get("name"), note=message.get("note"), origin=origin)
    elif do == "save":
        return {"said": f"Saved to {session.autosave().name}."}
    elif do == "code":
        return {"code": session.code()}
    elif do == "export":
        return _export(panel, message)
    return None


def _export(panel, message: dict) -> dict:
    """The open screen's figure into the tray."""
    from ..figures.sets import card_of  # plotly: not before somebody wants a figure

    screen = panel.screen(message["screen"])
    wanted = screen.figure()
    if wanted is None:
        raise WorkbenchError(f"{screen.label} has no figure of its own", remedy="Open Gate, Compare, Verbosity or Strength")
    name, options = wanted
    panel.session.set_tray((*panel.session.tray, card_of(panel.session, name, **options).to_dict()), origin=panel.origin)
    return {"said": "Put into the tray of Figures."}
