"""The Explore screen: prompts on their map, pairs in a table, one of them read in full; lasso, search and filters select."""

from __future__ import annotations

import math
import threading

import numpy as np

from ..errors import WorkbenchError
from . import reader
from .atlas import Atlas
from .groups import slot_of
from .items import SAID, WAYS, Items, step
from .narrow import GIVEN, Narrowing, Piece, choices, filtered, lassoed, searched
from .places import Places, paint
from .screen import Part, Screen

HEADS = {name: name.capitalize() for name in WAYS}
BLOCK, MOST = 40, 400  # rows sent with the table, and at once when asked for
MANY = 20_000  # items that are read in a thread
PEEK = 80  # characters of a prompt under the pointer


class Explore(Screen):
    """Map and table of the session's items; what they select, every other screen shows too."""

    name, label = "explore", "Explore"

    def __init__(self, *where):
        super().__init__(*where)
        self._lock = threading.RLock()
        self._narrowing, self._seen, self._version = Narrowing(), None, 0
        self._stamp = self._masks = 0
        self.atlas = Atlas(self.session, self.later)

    def parts(self):
        self._sync()
        session, laying = self.session, self.atlas.laying()
        results, sorting = (session.baseline, session.candidate), self.session.view.get(self.name, {})
        if not self._read(results):
            yield Part("explore.table", "waits", lambda: {"waits": True, "of": len(session.items)})
            yield from reader.parts(self)
            return
        items, places = self.items, self.atlas.places()
        table = (self._version, *results, items.sorting(sorting), [self._saved(piece) for piece in self._narrowing.pieces])
        if items.texts is not None:  # before the first search
            self.later.get(("folded", session.study.hash), lambda **_: items.texts.folded)
        yield Part("explore.map", (places, laying), lambda: self.atlas.describe(places, laying))
        if places is not None:
            yield Part("explore.paint", (places, *results), lambda: paint(places, items, session.study))
        yield Part("explore.filters", (places, *results, tuple(session.slices.values())), self._filters)
        yield Part("explore.table", table, self._table)
        yield Part("explore.selection", (*table, places, session.selection.primary), lambda: self._selection(places))
        yield self._accuracy(results)
        yield from reader.parts(self)

    def _read(self, results: tuple) -> bool:
        """Whether the items are there: many are read in a thread."""
        if len(self.session.items) <= MANY or Items.known(self.session) is not None:
            return True
        return self.later.get(("items", *results), lambda **_: self.items) is not None

    @property
    def items(self) -> Items:
        return Items.of(self.session)

    def figure(self):
        primary = self.session.selection.primary
        if self.atlas.places() is not None:
            return ("prompt-map", {})
        return None if primary is None else ("decomposition", {"pair": primary})

    # -- what is selected ----------------------------------------------------------------------------

    def _sync(self) -> None:
        """Take over what somebody else selected: one chip, in the place of those that were there."""
        with self._lock:
            chosen = self.session.selection
            if chosen.mask is self._seen:
                return
            label = chosen.label or {"python": "from Python"}.get(chosen.kind, chosen.kind)
            kind = "slice" if chosen.kind == "slice" and label in self.session.slices else GIVEN
            self._narrowing = Narrowing() if chosen.kind == "all" else Narrowing((Piece(kind, label, chosen.mask),))
            self._seen, self._version, self._masks = chosen.mask, self._version + 1, self._masks + 1

    def _narrow(self, narrowing: Narrowing) -> None:
        """Select what passes; where nothing does, the session keeps its selection and the table says so."""
        with self._lock:
            mask = narrowing.mask
            if mask is None or mask.any():
                self.session.select(mask, kind=narrowing.kind, label=narrowing.label, origin=self.origin)
            now = self.session.selection.mask
            self._masks += now is not self._seen
            self._narrowing, self._seen, self._version = narrowing, now, self._version + 1

    def _saved(self, piece: Piece) -> bool:
        return piece.kind == "slice" and piece.label in self.session.slices

    def _sorting(self) -> tuple[str, str]:
        return self.items.sorting(self.session.view.get(self.name, {}))

    def _rows(self) -> np.ndarray:
        """The rows of the table, in its order: none where the pieces do not meet."""
        mask = self._narrowing.mask
        return self.items.within(np.ones(len(self.items), bool) if mask is None else mask, *self._sorting())

    # -- gestures ------------------------------------------------------------------------------------

    def do(self, message: dict, buffers: list) -> dict | None:
        do, narrowing = message.get("do"), self._narrowing
        if do == "lasso":
            places = self.atlas.known()
            self._narrow(narrowing.put(lassoed(narrowing, places.items(_bits(buffers, len(places))), message.get("mode", "new"))))
        elif do == "search":
            words = str(message["text"]).strip()
            self._narrow(narrowing.put(searched(self.items, words)) if words else narrowing.drop("search"))
        elif do == "filter":
            self._narrow(narrowing.put(filtered(self.session, self.items, self.atlas.clusters, message["kind"], message["value"])))
        elif do == "drop":
            self._narrow(narrowing.drop(message["kind"]) if message.get("kind") else Narrowing())
        elif do == "sort":
            self._sort(message["by"])
        elif do == "rows":
            return {"table": self._block(self._rows(), int(message["from"]), int(message["to"]))}
        elif do == "step":
            step(self.session, int(message["by"]), origin=self.origin)
        elif do == "mark":
            self._look(int(message["place"]))
        elif do == "peek":
            return self._peek(int(message["place"]))
        elif do == "lay":
            self.atlas.lay(bool(message["on"]))
        elif (answer := reader.do(self, message, buffers)) is not NotImplemented:
            return answer
        else:
            return super().do(message, buffers)
        return None

    def _sort(self, by: str) -> None:
        """By another column, or the next way of the same one."""
        ways, (now, way) = WAYS.get(by), self._sorting()
        if ways is None or by not in self.items.columns:
            raise WorkbenchError(f"no column {by!r} to sort by", where="explore panel")
        self.session.remember(self.name, sort=by, way=ways[(ways.index(way) + 1) % len(ways)] if by == now else ways[0])

    def _look(self, place: int) -> None:
        """The first row of a prompt, by the table's order; the next one where it is looked at already."""
        places, rows = self.atlas.known(place), self._rows()
        mine = rows[places.of[rows] == place]
        mine = mine if len(mine) else np.flatnonzero(places.of == place)
        primary = self.items.positions.get(self.session.selection.primary, -1)
        at = np.flatnonzero(mine == primary)
        row = mine[(int(at[0]) + 1) % len(mine)] if len(at) else mine[0]
        self.session.look_at(str(self.items.frame["pair_id"].iat[row]), origin=self.origin)

    def _peek(self, place: int) -> dict:
        row = np.flatnonzero(self.atlas.known(place).of == place)[0]
        line = self.items.frame["prompt"].iat[row]
        return {"peek": {"place": place, "text": line if len(line) <= PEEK else line[:PEEK].rstrip() + "…"}}

    # -- the table -----------------------------------------------------------------------------------

    def _table(self) -> dict:
        items, rows, narrowing, (by, way) = self.items, self._rows(), self._narrowing, self._sorting()
        self._stamp += 1
        default = f"by {HEADS[by].lower()}" + (", backwards" if way == "down" else "")
        return {
            "n": len(rows), "of": len(items), "empty": narrowing.failing if not len(rows) else "",
            "columns": [[key, "Prompt id" if key == "prompt" and items.texts is None else HEADS[key]] for key in items.columns],
            "sort": by, "way": way, "order": SAID.get((by, way), default), "reach": items.reach, "candidate": items.candidate is not None,
            "trained": items.baseline is not None, "text": items.texts is not None,
            "chips": [{"kind": each.kind, "label": each.told(items), "n": each.n, "saved": self._saved(each)} for each in narrowing.pieces],
            "block": self._block(rows, 0, BLOCK),
        }

    def _block(self, rows: np.ndarray, start: int, end: int) -> dict:
        """Some rows of the table, as lists in the order of its columns."""
        start = max(0, start)
        at = rows[start:min(max(end, start), start + MOST)]
        frame, columns = self.items.frame.iloc[at], self.items.columns
        info = self.session.study.objective_info
        cells = {"item": frame["pair_id"].astype(str).tolist(), "prompt": frame["prompt"].tolist(), "section": frame["section"].tolist()}
        cells["margin"] = [[_number(a), _number(b)] for a, b in zip(frame["baseline"], frame["candidate"])]
        cells["change"], cells["lead"] = ([_number(value) for value in frame[name]] for name in ("change", "lead"))
        cells["decides"] = [[slot_of(info[name].group if name in info else ""), name] for name in frame["decides"]]
        return {"stamp": self._stamp, "from": start, "rows": [list(row) for row in zip(*(cells[name] for name in columns))]}

    def _selection(self, places: Places | None) -> tuple[dict, list[bytes]]:
        """The marks that are selected, as bits, and the primary item: its mark, and its row in the table."""
        chosen, items, narrowing = self.session.selection, self.items, self._narrowing
        row = items.positions.get(chosen.primary, -1)
        at = np.flatnonzero(self._rows() == row)
        about = {
            "primary": chosen.primary, "at": int(at[0]) if len(at) else -1, "n": chosen.n, "of": len(items),
            "place": int(places.of[row]) if places is not None and row >= 0 else -1, "lasso": narrowing.get("lasso") is not None,
        }
        if places is None or chosen.n == len(items):
            return about, []
        return about, [np.packbits(places.hit(chosen.mask), bitorder="little").tobytes()]

    def _filters(self) -> dict:
        return {"groups": choices(self.session, self.items, self.atlas.clusters)}

    def _accuracy(self, results: tuple) -> Part:
        """Of what is selected; worked out beside everything else."""
        session, key = self.session, ("accuracy", self._masks, *results)
        table = self.later.get(key, lambda **_: session.selected_accuracy()) if any(result is not None for result in results) else None

        def make() -> dict:
            if table is None:
                return {"rows": [], "waits": any(result is not None for result in results)}
            rows, last = table.to_dict("records"), table.iloc[-1]
            return {
                "rows": [{"which": row["which"], **{name: _number(row[name]) for name in ("value", "low", "high")}} for row in rows],
                "n": int(last["n"]), "families": int(last["families"]), "words": str(last["words"]), "waits": False,
                "whole": session.selection.kind == "all",
            }

        return Part("explore.accuracy", (key, table is not None), make)


def _bits(buffers: list, n: int) -> np.ndarray:
    """Flags [place] that a page sends as bits."""
    packed = np.frombuffer(buffers[0], np.uint8) if buffers else np.zeros(0, np.uint8)
    if len(packed) != (n + 7) // 8:
        raise WorkbenchError(f"{8 * len(packed)} flags for {n} marks", where="explore panel")
    return np.unpackbits(packed, bitorder="little")[:n].astype(bool)


def _number(value) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
