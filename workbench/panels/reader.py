"""The lower half of Explore: one item in full with its word differences, and why its margin is what it is."""

from __future__ import annotations

import numpy as np

from ..axes import SIDES
from ..errors import WorkbenchError
from ..evaluate.differences import differences, tokens
from ..figures.tidy import coefficients
from ..scenario.result import HEAD, Result
from ..session import Session
from . import edit_text
from .edit_text import WAITS, Edit
from .groups import slot_of
from .item_text import position, rewards, runs, texts_of
from .screen import Part

ROWS = 6  # objectives of the running sum before the others


def parts(screen) -> list[Part]:
    """The item looked at, the decomposition of its margin under the candidate or the baseline, and an edit of its texts."""
    session = screen.session
    primary, results = session.selection.primary, (session.baseline, session.candidate)
    shown = session.view.get("explore", {})
    which, how = shown.get("why", "candidate"), shown.get("how", "weights")
    whole, edit = shown.get("whole") == primary, edit_text.edit_of(screen)
    edited, key = (edit, edit.scored) if edit is not None and edit.scored else (None, None)
    return [
        Part("explore.reader", (primary, whole, *results), lambda: describe_item(session, primary, whole)),
        Part("explore.why", (primary, which, how, *results, key), lambda: describe_margin(session, primary, which, how, edited)),
        edit_text.part(screen, edit),
    ]


def do(screen, message: dict, buffers: list):
    """Its own gestures; NotImplemented for others."""
    gesture, session = message.get("do"), screen.session
    if gesture == "why":
        session.remember("explore", **{key: str(message[key]) for key in ("why", "how") if key in message})
    elif gesture == "whole":
        session.remember("explore", whole=session.selection.primary)
    else:
        return edit_text.do(screen, message, buffers)
    return None


# -- the item in full -----------------------------------------------------------------------------------------------


def describe_item(session: Session, primary: str | None, whole: bool) -> dict:
    """Texts in runs, what only one answer has marked; rewards of both answers under baseline and candidate."""
    at = position(session, primary)
    if at is None:
        return {"item": None}
    study, pair = session.study, session.items.iloc[at]
    about = [str(pair[name]) for name in ("section", "source") if name in pair and isinstance(pair[name], str) and pair[name]]
    said = {"item": primary, "about": " · ".join([*dict.fromkeys(about), f"family {pair['family']}"]), "text": study.has_text,
            "rewards": {"base": rewards(session.baseline, at), "cand": rewards(session.candidate, at)}}
    if not study.has_text:
        return {**said, "ids": {side: str(pair[side]) for side in SIDES}}
    texts, note, spans = texts_of(study, pair), "", ([], [])
    try:
        spans = differences(texts["chosen"], texts["rejected"])
    except WorkbenchError as error:
        note = f"{error.what[:1].upper()}{error.what[1:]}."
    return {
        **said, "note": note, "prompt": runs(texts["prompt"], [], whole),
        **{side: runs(texts[side], spans[k], whole) for k, side in enumerate(SIDES)},
        "words": [len(tokens(texts[side])) for side in SIDES],
    }


# -- why this margin ------------------------------------------------------------------------------------------------


def describe_margin(session: Session, primary: str | None, which: str, how: str, edit: Edit | None = None) -> dict:
    """The running sum of weight × score difference, what would flip the pair, and the other result's margin beside.

    Each result's numbers are divided by its scale, so that weights are shares. edit: of the item's texts, scored; then all
    of it is of the edited texts, and the margin before is told.
    """
    at, baseline, candidate = position(session, primary), session.baseline, session.candidate
    shown = candidate if candidate is not None and which != "baseline" else baseline
    if at is None or shown is None:
        return {"rows": None, "why": "" if at is None else WAITS}
    said = {"which": "baseline" if shown is baseline else "candidate", "both": candidate is not None, "how": how,
            "signed": shown.penalty is not None, "before": None}
    scale, base_scale = shown.scale, 1.0 if baseline is None else baseline.scale  # an edit has those of the study
    if edit is not None:
        said["before"], is_base = float(shown.margin[at]) / scale, shown is baseline
        (baseline, candidate), at = edit.results(), 0
        shown = baseline if is_base else candidate
        if shown is None:
            return {**said, "rows": None, "why": edit.scored["base" if is_base else "cand"]}
    said["margin"] = float(shown.margin[at]) / scale
    if shown.names == (HEAD,):
        return {**said, "rows": None, "why": "A Bradley–Terry head has no objectives: its margin has no parts."}
    if how == "coefficients" and shown.penalty is not None:
        frame = _signed(shown, at)
    else:
        frame = shown.decompose(at)
        frame = frame[~frame["objective"].isin(shown.null)]
    frame = frame.assign(weight=frame["weight"] / scale, contribution=frame["contribution"] / scale)
    info = session.study.objective_info
    order = np.argsort(-frame["contribution"].abs().to_numpy(), kind="stable")
    kept = order if len(order) <= ROWS + 1 else order[:ROWS]
    rows = [[name, slot_of(info[name].group if name in info else ""), float(weight), float(gap), float(part)]
            for name, weight, gap, part in frame.iloc[kept].itertuples(index=False)]
    left = len(order) - len(kept)
    others = [left, float(frame["contribution"].sum() - sum(row[4] for row in rows))] if left else None
    other = baseline if said["which"] == "candidate" else None
    return {**said, "rows": rows, "others": others, "null": list(shown.null) if how != "coefficients" else [],
            "ring": None if other is None else float(other.margin[at]) / base_scale, **_certificate(shown, at, scale)}


def _signed(result: Result, at: int):
    """Effective coefficients × score differences before debias: they add up to the same margin."""
    weights, nuisances = result.weights[:, at].mean(axis=0, keepdims=True), result.scenario.nuisances
    table = coefficients(weights, result.names, result.penalty, nuisances, result.multiplier)
    raw, nuisance = (scores.rows(np.array([at])) for scores in (result.raw, result.nuisance))
    gaps = {**dict(zip(nuisances, nuisance.margins[0])), **dict(zip(raw.names, raw.margins[0]))}
    frame = table.T.rename(columns={0: "weight"}).reset_index(names="objective")
    frame["difference"] = [float(gaps[name]) for name in frame["objective"]]
    frame["contribution"] = frame["weight"] * frame["difference"]
    return frame


def _certificate(result: Result, at: int, scale: float) -> dict:
    """What would flip it, in parts of which every second is bold, and how far the seeds are apart."""
    row, moved = result.certificate(at)
    if moved is None:
        mass = ["No gate flips this pair: ", "every objective prefers the same answer", "."]
    else:
        sources, to = moved
        names = [name for name, _ in sorted(sources, key=lambda one: -one[1])]
        told = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        mass = ["", "Would flip at", f" {_small(sum(part for _, part in sources))} of the weight moved from ", told, " to ", to, "."]
    factor = row["penalty"]  # scaling the penalties never makes it negative
    penalty = ["", "Would flip at", f" {_small(factor)} × the debias penalties."] if factor >= 0 else []
    ends = result.margins[:, at] / scale
    return {"mass": mass, "penalty": penalty, "seeds": [float(ends.min()), float(ends.max())] if len(ends) > 1 else None}


def _small(number: float) -> str:
    """Two digits, three where two would say nothing."""
    return f"{number:.2f}" if number >= 0.01 else f"{number:.3f}" if number >= 0.0005 else "less than 0.001"
