"""What narrows the selection on the Explore screen: lasso, search, filters; together they are their intersection."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..axes import PairMask
from ..errors import WorkbenchError
from ..session import Session
from .items import Items

OUTCOMES = ("won", "lost", "flipped")
GIVEN = "given"  # what another view, or Python, selected
ORDER = (GIVEN, "slice", "lasso", "search", "section", "source", "cluster", "outcome")
KINDS = {"lasso": "lasso", "search": "search", "slice": "slice", "cluster": "cluster"}  # as a selection calls them; else "filter"


@dataclass(frozen=True, eq=False)
class Piece:
    """One chip: its kind, words, and the items it lets through [item]; made_of: the results that it was read from, if any."""

    kind: str
    label: str
    mask: PairMask = field(repr=False)
    made_of: tuple = field(default=(), repr=False)

    @property
    def n(self) -> int:
        return int(self.mask.sum())

    def told(self, items: Items) -> str:
        """Its words now: what was won or lost before the last training says so, for the selection stays as it is."""
        old = bool(self.made_of) and any(a is not b for a, b in zip(self.made_of, (items.baseline, items.candidate)))
        return f"{self.label} before" if old else self.label


@dataclass(frozen=True, eq=False)
class Narrowing:
    """Pieces, one of a kind; none lets everything through."""

    pieces: tuple[Piece, ...] = ()

    def get(self, kind: str) -> Piece | None:
        return next((piece for piece in self.pieces if piece.kind == kind), None)

    def put(self, piece: Piece) -> Narrowing:
        """With this piece in the place of that of its kind."""
        kept = [*self.drop(piece.kind).pieces, piece]
        return Narrowing(tuple(sorted(kept, key=lambda each: ORDER.index(each.kind))))

    def drop(self, *kinds: str) -> Narrowing:
        return Narrowing(tuple(piece for piece in self.pieces if piece.kind not in kinds))

    @property
    def mask(self) -> PairMask | None:
        """What passes every piece; None for all."""
        return np.logical_and.reduce([piece.mask for piece in self.pieces]) if self.pieces else None

    @property
    def kind(self) -> str:
        """One word for all of it: that of its one piece, or "filter"."""
        return KINDS.get(self.pieces[0].kind, "filter") if len(self.pieces) == 1 else "filter" if self.pieces else "all"

    @property
    def label(self) -> str:
        return ", ".join(piece.label for piece in self.pieces)

    @property
    def failing(self) -> str:
        """Why nothing is left, in words."""
        alone = [piece for piece in self.pieces if not piece.n]
        if alone:
            return f"Nothing matches the {alone[0].label}." if alone[0].kind == "search" else f"{alone[0].label} holds no pair."
        names = [{"search": "the search", "lasso": "the lasso", GIVEN: "the selection"}.get(p.kind, f"“{p.label}”") for p in self.pieces]
        said = " and ".join([", ".join(names[:-1]), names[-1]])
        return f"{said[:1].upper()}{said[1:]} do not meet."


def lassoed(narrowing: Narrowing, hit: PairMask, mode: str) -> Piece:
    """The lasso after another stroke: "new", "add" to it, or "remove" from it (from everything, where there is none yet)."""
    before = narrowing.get("lasso")
    if mode == "remove":
        mask = (np.ones(len(hit), bool) if before is None else before.mask) & ~hit
    else:
        mask = hit if before is None or mode != "add" else before.mask | hit
    if not mask.any():
        raise WorkbenchError("the lasso would hold no pair", remedy="The selection stays")
    return Piece("lasso", "lasso", mask)


def searched(items: Items, asked: str) -> Piece:
    """Items that hold all words of a search; by their ids in a study without text."""
    words = " ".join(asked.split())
    if items.texts is not None:
        found = items.texts.holding(words)
    else:
        ids = items.frame["pair_id"].str.casefold() + " " + items.frame["prompt_id"].str.casefold()
        found = np.logical_and.reduce([ids.str.contains(word, regex=False).to_numpy(bool) for word in words.casefold().split()])
    return Piece("search", f"search “{words if len(words) <= 32 else words[:31].rstrip() + '…'}”", found)


def filtered(session: Session, items: Items, clusters: Iterable, kind: str, value: str) -> Piece:
    """A filter by section, source, cluster (of `clusters`: name, mask), outcome or saved slice."""
    if kind in ("section", "source") and kind in items.pairs:
        mask = (items.pairs[kind].astype(str) == value).to_numpy()
        if mask.any():
            return Piece(kind, value, mask)
    if kind == "cluster":
        found = dict(clusters)
        if value in found:
            return Piece(kind, value, found[value])
    if kind == "outcome" and value in OUTCOMES and items.baseline is not None:
        return Piece(kind, value, items.outcome(value), (items.baseline, items.candidate))
    if kind == "slice" and value in session.slices:
        return Piece(kind, value, items.pairs["pair_id"].isin(session.slices[value].ids).to_numpy())
    raise WorkbenchError(f"no {kind} {value!r} to filter by", where="explore panel")


def choices(session: Session, items: Items, clusters: Iterable) -> list[dict]:
    """The menu of filters: groups of (value, words, count); what lets everything through is left out."""
    groups, n = [], len(items)
    for kind, label in (("section", "Section"), ("source", "Source")):
        if kind in items.pairs:
            counts = items.pairs[kind].dropna().astype(str).value_counts(sort=False)
            groups.append((kind, label, [(value, value, int(count)) for value, count in counts.items() if value]))
    groups.append(("cluster", "Cluster", [(name, name, int(mask.sum())) for name, mask in clusters]))
    if items.baseline is not None:
        which = [name for name in OUTCOMES if name != "flipped" or items.candidate is not None]
        groups.append(("outcome", "Outcome", [(name, name, int(items.outcome(name).sum())) for name in which]))
    known = items.positions
    groups.append(("slice", "Saved slice", [(name, name, sum(i in known for i in one.ids)) for name, one in session.slices.items()]))
    kept = [(kind, label, [option for option in options if 0 < option[2] < n or kind == "slice"]) for kind, label, options in groups]
    return [{"kind": kind, "label": label, "options": options} for kind, label, options in kept if options]
