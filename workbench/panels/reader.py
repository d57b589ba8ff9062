"""The lower half of Explore: one item in full with its word differences, and why its margin is what it is."""

from __future__ import annotations

import numpy as np

from ..errors import WorkbenchError
from ..evaluate.differences import differences, tokens
from ..figures.base import MINUS
from ..figures.tidy import coefficients
from ..scenario.result import HEAD, Result
from ..session import Session
from .places import slot_of
from .screen import Part

FIRST = 6_000  # characters shown before "Show all"
ROWS = 6  # objectives of the running sum before the others
SIDES = ("chosen", "rejected")


def parts(screen) -> list[Part]:
    """The item looked at, and the decomposition of its margin under the candidate or the baseline."""
    session = screen.session
    primary, results = session.selection.primary, (session.baseline, session.candidate)
    shown = session.view.get("explore", {})
    which, how = shown.get("why", "candidate"), shown.get("how", "weights")
    whole = shown.get("whole") == primary
    return [
        Part("explore.reader", (primary, whole, *results), lambda: describe_item(session, primary, whole)),
        Part("explore.why", (primary, which, how, *results), lambda: describe_margin(session, primary, which, how)),
    ]


def do(screen, message: dict, buffers: list):
    """Its own gestures; NotImplemented for others."""
    gesture, session = message.get("do"), screen.session
    if gesture == "why":
        session.remember("explore", **{key: str(message[key]) for key in ("why", "how") if key in message})
    elif gesture == "whole":
        session.remember("explore", whole=session.selection.primary)
    else:
        return NotImplemented
    return None


def _position(session: Session, primary: str | None) -> int | None:
    """The row of the item looked at, in the session's items; None where none is."""
    found = np.flatnonzero(session.items["pair_id"].to_numpy() == primary) if primary is not None else ()
    return int(found[0]) if len(found) else None


# -- the item in full -----------------------------------------------------------------------------------------------


def describe_item(session: Session, primary: str | None, whole: bool) -> dict:
    """Texts in runs, what only one answer has marked; rewards of both answers under baseline and candidate."""
    at = _position(session, primary)
    if at is None:
        return {"item": None}
    study, pair = session.study, session.items.iloc[at]
    about = [str(pair[name]) for name in ("section", "source") if name in pair and isinstance(pair[name], str) and pair[name]]
    said = {"item": primary, "about": " · ".join([*dict.fromkeys(about), f"family {pair['family']}"]), "text": study.has_text}
    rewards = {"base": _rewards(session.baseline, at), "cand": _rewards(session.candidate, at)}
    if not study.has_text:
        return {**said, "ids": {side: str(pair[side]) for side in SIDES}, "rewards": rewards}
    responses, prompts = study.table("responses"), study.table("prompts")
    texts = {side: str(responses["text"].to_numpy()[np.flatnonzero(responses["response_id"].to_numpy() == pair[side])[0]]) for side in SIDES}
    row = np.flatnonzero(prompts["prompt_id"].to_numpy() == pair["prompt_id"])[0]
    prompt = str(prompts["text"].iloc[row]) if "text" in prompts else str(pair["prompt_id"])
    note, spans = "", ([], [])
    try:
        spans = differences(texts["chosen"], texts["rejected"])
    except WorkbenchError as error:
        note = f"{error.what[:1].upper()}{error.what[1:]}."
    return {
        **said, "prompt": _runs(prompt, [], whole), "rewards": rewards, "note": note,
        **{side: _runs(texts[side], spans[k], whole) for k, side in enumerate(SIDES)},
        "words": [len(tokens(texts[side])) for side in SIDES],
    }


def _rewards(result: Result | None, at: int) -> list[float] | None:
    """Both sides' rewards, mean over seeds."""
    if result is None:
        return None
    values = result.scores.values[at]
    return [round(float(value), 6) for value in values @ result.weights[:, at].mean(axis=0)]


def _runs(text: str, spans: list[tuple[int, int]], whole: bool) -> dict:
    """[[text, marked]…] up to a length, and how many characters there are."""
    end = len(text) if whole else min(len(text), FIRST)
    runs, at = [], 0
    for start, stop in spans:
        if start >= end:
            break
        if start > at:
            runs.append([text[at:start], False])
        runs.append([text[start:min(stop, end)], True])
        at = min(stop, end)
    if at < end:
        runs.append([text[at:end], False])
    return {"runs": runs, "length": len(text), "cut": end < len(text)}


# -- why this margin ------------------------------------------------------------------------------------------------


def describe_margin(session: Session, primary: str | None, which: str, how: str) -> dict:
    """The running sum of weight × score difference, what would flip the pair, and the other result's margin beside."""
    at, baseline, candidate = _position(session, primary), session.baseline, session.candidate
    shown = candidate if candidate is not None and which != "baseline" else baseline
    if at is None or shown is None:
        return {"rows": None, "why": "" if at is None else "The baseline is not trained yet."}
    said = {"which": "baseline" if shown is baseline else "candidate", "both": candidate is not None, "how": how,
            "signed": shown.penalty is not None, "margin": float(shown.margin[at])}
    if shown.names == (HEAD,):
        return {**said, "rows": None, "why": "A Bradley–Terry head has no objectives: its margin has no parts."}
    if how == "coefficients" and shown.penalty is not None:
        frame = _signed(shown, at)
    else:
        frame = shown.decompose(at)
        frame = frame[~frame["objective"].isin(shown.null)]
    info = session.study.objective_info
    order = np.argsort(-frame["contribution"].abs().to_numpy(), kind="stable")
    kept = order if len(order) <= ROWS + 1 else order[:ROWS]
    rows = [[name, slot_of(info[name].group if name in info else ""), float(weight), float(gap), float(part)]
            for name, weight, gap, part in frame.iloc[kept].itertuples(index=False)]
    left = len(order) - len(kept)
    others = [left, float(frame["contribution"].sum() - sum(row[4] for row in rows))] if left else None
    other = baseline if shown is candidate else None
    return {**said, "rows": rows, "others": others, "null": list(shown.null) if how != "coefficients" else [],
            "ring": None if other is None else float(other.margin[at]), **_certificate(shown, at)}


def _signed(result: Result, at: int):
    """Effective coefficients × score differences before debias: they add up to the same margin."""
    table = coefficients(result.weights[:, at].mean(axis=0, keepdims=True), result.names, result.penalty, result.scenario.nuisances, result.multiplier)
    raw, nuisance = result.raw.rows(np.array([at])), result.nuisance.rows(np.array([at]))
    gaps = {**dict(zip(nuisance.names, nuisance.margins[0])), **dict(zip(raw.names, raw.margins[0]))}
    frame = table.T.rename(columns={0: "weight"}).reset_index(names="objective")
    frame["difference"] = [float(gaps[name]) for name in frame["objective"]]
    frame["contribution"] = frame["weight"] * frame["difference"]
    return frame


def _certificate(result: Result, at: int) -> dict:
    """What would flip it, in parts of which every second is bold, and how far the seeds are apart."""
    row, moved = result.certificate(at)
    if moved is None:
        mass = ["No gate flips this pair: ", "every objective prefers the same answer", "."]
    else:
        sources, to = moved
        names = [name for name, _ in sorted(sources, key=lambda one: -one[1])]
        told = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        mass = ["", "Would flip at", f" {sum(part for _, part in sources):.2f} of the weight moved from ", told, " to ", to, "."]
    penalty = [] if np.isnan(row["penalty"]) else ["", "Would flip at", f" {row['penalty']:.2f} × the debias penalties.".replace("-", MINUS)]
    ends = result.margins[:, at]
    return {"mass": mass, "penalty": penalty, "seeds": [float(ends.min()), float(ends.max())] if len(ends) > 1 else None}
