"""The map of prompts as the Explore screen draws it: places, clusters and colours of a session's prompts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Integer, UInt8

from ..axes import PairMask
from ..projection import PromptMap
from ..projection.clusters import densest
from ..study import Study
from .groups import SLOTS, slot_of
from .items import Items

DRAWN = (*SLOTS, "other")
THIN = 500  # marks of a cluster are enough to find where its name belongs


@dataclass(frozen=True, eq=False)
class Places:
    """The prompts of some items that are on a map, one place each.

    ids, table (x, y, cluster, kept) [place]; of [item]: the place of each item's prompt, −1 where the map lacks it;
    elsewhere: how many prompts of the map belong to no item; missing: how many prompts of the items the map lacks.
    """

    map: PromptMap
    ids: np.ndarray
    table: pd.DataFrame
    of: Integer[np.ndarray, " item"]
    elsewhere: int
    missing: int

    @classmethod
    def make(cls, stored: PromptMap, items: Items) -> Places:
        codes, ids = pd.factorize(items.frame["prompt_id"])
        places = stored.places.set_index("prompt_id")
        table = places.reindex(ids)
        known = table["x"].notna().to_numpy()
        at = np.where(known, np.cumsum(known) - 1, -1)
        table = table[known]
        return cls(stored, np.asarray(ids)[known], table, at[codes], len(places) - len(table), int((~known).sum()))

    def __len__(self) -> int:
        return len(self.ids)

    def items(self, hit: Bool[np.ndarray, " place"]) -> PairMask:
        """Items whose prompt is at one of these places."""
        return np.append(hit, False)[self.of]

    def hit(self, mask: PairMask) -> Bool[np.ndarray, " place"]:
        """Places of these items."""
        found = np.zeros(len(self) + 1, bool)
        found[self.of[mask]] = True
        return found[:-1]

    @cached_property
    def clusters(self) -> list[tuple[str, PairMask]]:
        """Name of each cluster that has items, and which they are."""
        cluster = np.append(self.table["cluster"].to_numpy(int), -1)[self.of]
        named = zip(self.map.clusters["cluster"], self.map.clusters["name"])
        return [(str(name), mask) for number, name in named if (mask := cluster == number).any()]

    def describe(self) -> tuple[dict, list[bytes]]:
        """Where the marks are, as float32 x, y; how much of each neighbourhood was kept, 0 to 255; which are in a cluster."""
        xy, cluster = np.ascontiguousarray(self.table[["x", "y"]].to_numpy("<f4")), self.table["cluster"].to_numpy()
        span, clusters = float(np.ptp(xy, axis=0).max()) if len(xy) else 0.0, []
        for number, name in zip(self.map.clusters["cluster"], self.map.clusters["name"]):
            points = xy[cluster == number]  # a name belongs where the marks are, and not where those lie that are not drawn
            if len(points):
                x, y = densest(points[:: max(1, len(points) // THIN)], span / 15)
                clusters.append({"name": str(name), "n": len(points), "x": float(x), "y": float(y)})
        kept = np.clip(np.round(255 * self.table["kept"].fillna(1).to_numpy()), 0, 255).astype(np.uint8)
        inside = (self.table["cluster"] >= 0).to_numpy().astype(np.uint8)
        agreement = self.map.agreement
        about = {
            "n": len(self), "clusters": sorted(clusters, key=lambda one: -one["n"]), "elsewhere": self.elsewhere, "missing": self.missing,
            "agreement": None if agreement is None else float(agreement), "seeds": int(self.map.settings.get("seeds", 1)),
        }
        return about, [xy.tobytes(), kept.tobytes(), inside.tobytes()]


def paint(places: Places, items: Items, study: Study) -> tuple[dict, list[bytes]]:
    """Colour of each mark: the group of the objective with the largest mean share of |g Δr'| over the prompt's items.

    By section where no objective has one of the six groups, or nothing was trained yet.
    """
    info = study.objective_info
    slots = np.array([DRAWN.index(slot_of(info[name].group if name in info else "")) for name in items.names], np.uint8)
    by_group = items.shares is not None and (slots < len(SLOTS)).any()
    codes, names = _by_group(places, items, slots) if by_group else _by_section(places, items)
    counts = np.bincount(codes, minlength=len(DRAWN))
    legend = [{"slot": slot, "name": names[at], "n": int(counts[at])} for at, slot in enumerate(DRAWN) if counts[at]]
    return {"by": "group" if by_group else "section", "legend": legend}, [codes.tobytes()]


def _by_group(places: Places, items: Items, slots: np.ndarray) -> tuple[UInt8[np.ndarray, " place"], list[str]]:
    there = places.of >= 0
    sums = [np.bincount(places.of[there], weights=column, minlength=len(places)) for column in items.shares[there].T]
    names = [*(slot.capitalize() for slot in SLOTS), "Other"]
    return slots[np.argmax(sums, axis=0)], names


def _by_section(places: Places, items: Items) -> tuple[UInt8[np.ndarray, " place"], list[str]]:
    """Sections take the six signs in order of appearance; those past the sixth share one."""
    codes, sections = pd.factorize(items.frame["section"])
    first = np.zeros(len(places) + 1, int)
    first[places.of[::-1]] = codes[::-1]
    spare = len(sections) - len(SLOTS)
    names = [str(name) or "no section" for name in sections[: len(SLOTS)]]
    names += [""] * (len(SLOTS) - len(names)) + [str(sections[-1]) if spare == 1 else f"{spare} others"]
    return np.minimum(first[:-1], len(SLOTS)).astype(np.uint8), names
