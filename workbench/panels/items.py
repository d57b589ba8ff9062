"""The dev pairs as the rows of a table: margins, change and what decides, in any order."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer

from ..axes import PairMask, PairObj
from ..errors import WorkbenchError
from ..evaluate.attribution import decisive_shares
from ..scenario.result import HEAD, Result
from ..session import Session
from .texts import FORM, Texts

WAYS = {  # how a click on each head sorts, then the next clicks
    "item": ("up", "down"), "prompt": ("up", "down"), "section": ("up", "down"), "margin": ("up", "down"),
    "change": ("size", "up", "down"), "decides": ("up", "down"), "lead": ("down", "up"),
}
SAID = {
    ("item", "up"): "in the study's order", ("item", "down"): "in the study's order, last first",
    ("margin", "up"): "lowest margin first", ("margin", "down"): "highest margin first",
    ("change", "size"): "largest change first", ("change", "up"): "what fell most first", ("change", "down"): "what rose most first",
    ("lead", "down"): "largest lead first", ("lead", "up"): "smallest lead first",
}
_KEPT: weakref.WeakKeyDictionary[Session, Items] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Items:
    """The session's items beside a baseline and a candidate, either of which may be missing. Make one with `Items.of(session)`.

    frame: pair_id, prompt_id, prompt (a line of its text, else its id), section, baseline, candidate, change (margins, mean
    over seeds, each divided by its result's scale; NaN without the result), decides (the objective with the largest share of
    |g Δr'| in the candidate, else the baseline), lead (its share minus the runner-up's); shares [pair obj], names: those
    shares, None before training.
    """

    pairs: pd.DataFrame
    baseline: Result | None
    candidate: Result | None
    texts: Texts | None
    frame: pd.DataFrame
    shares: PairObj | None = None
    names: tuple[str, ...] = ()
    _orders: dict = field(default_factory=dict, repr=False)

    @classmethod
    def known(cls, session: Session) -> Items | None:
        """The one of this session now, where it was made before."""
        kept = _KEPT.get(session)
        return kept if kept is not None and kept.baseline is session.baseline and kept.candidate is session.candidate else None

    @classmethod
    def of(cls, session: Session) -> Items:
        """The one of this session now, kept until baseline or candidate change; the first takes a second at 100 000 prompts."""
        found = cls.known(session)
        if found is None:
            before, pairs = _KEPT.get(session), session.items
            texts = Texts.of(session.study, pairs) if before is None else before.texts
            found = _KEPT[session] = cls._made(pairs, texts, session.baseline, session.candidate)
        return found

    @classmethod
    def _made(cls, pairs: pd.DataFrame, texts: Texts | None, baseline: Result | None, candidate: Result | None) -> Items:
        nothing = np.full(len(pairs), np.nan)
        before, after = (nothing if one is None else np.asarray(one.margin, np.float64) / one.scale for one in (baseline, candidate))
        frame = pd.DataFrame({
            "pair_id": pairs["pair_id"].to_numpy(), "prompt_id": pairs["prompt_id"].to_numpy(),
            "prompt": pairs["prompt_id"].to_numpy() if texts is None else texts.lines[texts.prompt],
            "section": pairs["section"].fillna("").astype(str).to_numpy() if "section" in pairs else "",
            "baseline": before, "candidate": after, "change": after - before,
        })
        shown = baseline if candidate is None else candidate
        if shown is None or shown.names == (HEAD,):
            return cls(pairs, baseline, candidate, texts, frame.assign(decides="", lead=np.nan))
        shares, at = decisive_shares(shown.mean_weights, shown.differences), np.arange(len(pairs))
        first = shares.argmax(axis=1)
        most, rest = shares[at, first], shares.copy()
        rest[at, first] = 0.0
        frame["decides"] = np.where(most > 0, np.array(shown.names, object)[first], "")
        frame["lead"] = most - rest.max(axis=1)
        return cls(pairs, baseline, candidate, texts, frame, shares, shown.names)

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Pair id → row."""
        return dict(zip(self.frame["pair_id"].tolist(), range(len(self))))

    @property
    def shown(self) -> str:
        """The column of margins that counts: the candidate's, else the baseline's."""
        return "baseline" if self.candidate is None else "candidate"

    @cached_property
    def reach(self) -> float:
        """End of the axis of all margins, on both sides of zero: all but the largest 2 % lie within."""
        sizes = np.abs(self.frame[["baseline", "candidate"]].to_numpy())
        sizes = sizes[np.isfinite(sizes)]
        return float(np.quantile(sizes, 0.98)) or 1.0 if len(sizes) else 1.0

    def sorting(self, asked: dict) -> tuple[str, str]:
        """Column and way that settings {"sort", "way"} ask for, where they can be met; else the largest change first, or item order."""
        by, way = asked.get("sort"), asked.get("way")
        if way in WAYS.get(by, ()) and by in self.columns:
            return by, way
        return ("change", "size") if self.candidate is not None else ("item", "up")

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that there is something to show in."""
        known = ["item", "prompt", *(["section"] if (self.frame["section"] != "").any() else [])]
        known += [] if self.baseline is None and self.candidate is None else ["margin"]
        return (*known, *([] if self.candidate is None else ["change"]), *([] if self.shares is None else ["decides", "lead"]))

    def order(self, by: str, way: str) -> Integer[np.ndarray, " item"]:
        """All rows, sorted; equals in item order, what has no number last. way: "up", "down", or "size" (largest first)."""
        if way not in WAYS.get(by, ()):
            raise WorkbenchError(f"no order {by!r}, {way!r}", where="table of items", remedy=f"Sort by {', '.join(WAYS)}")
        if (by, way) not in self._orders:
            self._orders[by, way] = np.argsort(self._ranks(by, way), kind="stable")
        return self._orders[by, way]

    def _ranks(self, by: str, way: str) -> Float[np.ndarray, " item"]:
        """Numbers that sort as is asked."""
        if by == "item":
            ranks = np.arange(len(self), dtype=np.float64)
        elif by in ("prompt", "section", "decides"):
            words = self.frame[by].str.removeprefix(FORM)
            ranks = np.where(words == "", np.nan, pd.factorize(words, sort=True)[0])
        else:
            ranks = self.frame[self.shown if by == "margin" else by].to_numpy(np.float64)
        return -np.abs(ranks) if way == "size" else -ranks if way == "down" else ranks

    def within(self, mask: PairMask, by: str, way: str) -> Integer[np.ndarray, " item"]:
        """The rows of a selection, sorted."""
        order = self.order(by, way)
        return order[mask[order]]

    def outcome(self, which: str) -> PairMask:
        """Items that are "won" or "lost" (ties too) now, or "flipped": won by one of baseline and candidate alone."""
        won = (self.frame[self.shown] > 0).to_numpy()
        if which == "flipped":
            return (self.frame["baseline"] > 0).to_numpy() != won
        return won if which == "won" else ~won


def step(session: Session, by: int, *, origin: str = "") -> None:
    """Move the primary item along the table's order, within the selection; from outside it, to its first or last row."""
    items = Items.of(session)
    rows = items.within(session.selection.mask, *items.sorting(session.view.get("explore", {})))
    if not len(rows):
        return
    primary = items.positions.get(session.selection.primary, -1)
    found = np.flatnonzero(rows == primary)
    at = int(found[0]) + by if len(found) else (0 if by > 0 else len(rows) - 1)
    session.look_at(str(items.frame["pair_id"].iat[rows[min(max(at, 0), len(rows) - 1)]]), origin=origin)
