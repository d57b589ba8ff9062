"""The Compare screen: what the edit broke, what is more than noise, and which edit did it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..errors import WorkbenchError
from ..evaluate.attribution import contributions
from ..evaluate.flips import BROKEN, FIXED, SAME, flips
from ..evaluate.inference import sign_flip, too_few
from ..evaluate.metrics import correct
from ..scenario.blame import MOST, blame, edits_between, untrained
from ..scenario.recipe import GIVEN, Scenario
from ..scenario.result import HEAD
from .groups import slot_of
from .items import Items
from .progress import noise_state
from .screen import Part, Screen
from .versus import comparison, waiting
from .words import in_words

LISTS = {"broken": (BROKEN,), "fixed": (FIXED,), "moved": (BROKEN, FIXED, "moved")}
BLOCK = 40  # rows sent with the list, and at once when asked for


class Compare(Screen):
    """Baseline against candidate by slice, with intervals, and the pairs whose outcome changed."""

    name, label = "compare", "Compare"

    def __init__(self, *where):
        super().__init__(*where)
        self._shown, self._blamed, self._version = "broken", None, 0  # blamed: the two results it was asked of
        self._table: tuple | None = None

    def parts(self):
        session = self.session
        both = (session.baseline, session.candidate)
        slices = tuple(session.slices.values())
        yield Part("compare", (*both, session.noise is not None, slices, self._noise_key(), session.retrained), self._state)
        yield Part("compare.flips", (*both, self._shown), self._flips)
        yield Part("compare.primary", session.selection.primary, lambda: {"primary": session.selection.primary})
        yield self._blame(both)

    def _noise_key(self) -> tuple:
        return tuple((id(job), job.state) for job in self.session.jobs if job.what == "noise")

    def _state(self) -> dict:
        session = self.session
        return {"comparison": comparison(session), "waiting": waiting(session), "measure": noise_state(session), "cost": session.cost,
                "stale": session.candidate is not None and not session.retrained}

    def figure(self):
        return ("comparison", {})

    def do(self, message: dict, buffers: list) -> dict | None:
        session, do = self.session, message.get("do")
        if do == "list" and message.get("value") in LISTS:
            self._shown = message["value"]
        elif do == "rows":
            return {"flips": {"stamp": self._version, **self._block(int(message["from"]), int(message["to"]))}}
        elif do == "slice":
            rows = self._rows()
            session.select(rows["pair_id"].tolist(), kind="filter", label=self._shown, origin=self.origin)
            session.save_slice(origin=self.origin)
            return {"said": f"Saved the slice “{list(session.slices)[-1]}”, {len(rows)} pairs."}
        elif do == "noise":
            session.measure_noise(origin=self.origin)
        elif do == "blame":
            both = (session.baseline, session.candidate)
            self._blamed = both if message["on"] else None
            if not message["on"]:
                self.later.forget(("blame", *both))
        else:
            return super().do(message, buffers)
        return None

    # -- what the change broke -----------------------------------------------------------------------

    def _all(self) -> pd.DataFrame | None:
        """Every pair, worst first, each result divided by its scale; kept while baseline and candidate are the same."""
        before, after = self.session.baseline, self.session.candidate
        if before is None or after is None:
            return None
        if self._table is None or self._table[0] is not before or self._table[1] is not after:
            plain = (HEAD,) not in (before.names, after.names)
            both = (before, after)
            moved = tuple(contributions(one.mean_weights, one.differences) / one.scale for one in both) if plain else None
            margins = (np.asarray(one.margin, np.float64) / one.scale for one in both)
            table = flips(before.pairs, *margins, moved, (before.names, after.names) if plain else None)
            self._table = (before, after, table)
        return self._table[2]

    def _rows(self) -> pd.DataFrame:
        table = self._all()
        if table is None:
            raise WorkbenchError("nothing to list", where="compare panel", remedy="Retrain an edit first")
        rows = table[table["kind"].isin(LISTS[self._shown])]
        if self._shown == "fixed":
            return rows.iloc[::-1]
        return rows.iloc[np.argsort(-rows["change"].abs().to_numpy(), kind="stable")] if self._shown == "moved" else rows

    def _flips(self) -> dict:
        table = self._all()
        self._version += 1
        if table is None:
            return {"n": None}
        kinds = table["kind"].value_counts()
        broken, fixed = (int(kinds.get(kind, 0)) for kind in (BROKEN, FIXED))
        rows, moved = self._rows(), int(len(table) - kinds.get(SAME, 0))
        size = float(np.quantile(np.abs(rows[["before", "after"]].to_numpy()), 0.98)) if len(rows) else 0.0
        return {
            "shown": self._shown, "n": len(rows), "counts": {"broken": broken, "fixed": fixed, "moved": moved},
            "foot": self._foot(broken, fixed), "reach": max(size, 1e-9), "stamp": self._version, "block": self._block(0, BLOCK),
        }

    def _foot(self, broken: int, fixed: int) -> str:
        before, after = self.session.baseline, self.session.candidate
        told = f"{fixed} fixed, {broken} broken by the margin averaged over seeds"
        families = after.pairs["family"].nunique()
        if too_few(families):
            return f"{told}: {too_few(families)}"
        n = min((len(one.margins) for one in (before, after) if one.scenario.gate.kind != GIVEN), default=1)  # that one has one row
        won = [correct(np.asarray(one.margins[:n].mean(axis=0, keepdims=True))) for one in (before, after)]
        p = sign_flip(won[1] - won[0], after.families) if broken + fixed else 1.0
        return f"{told}: sign-flip by family, p " + ("< .001" if p < 0.001 else "= " + (f"{p:.3f}".removeprefix("0") if p < 1 else "1"))

    def _block(self, start: int, end: int) -> dict:
        start = max(0, start)
        rows = self._rows().iloc[start:min(end, start + 10 * BLOCK)]
        items, info = Items.of(self.session), self.session.study.objective_info
        prompts = items.frame["prompt"].to_numpy()[[items.positions[pair] for pair in rows["pair_id"]]]
        moved = rows["moved_by"].tolist() if "moved_by" in rows else [""] * len(rows)
        slots = [slot_of(info[name].group if name in info else "") for name in moved]
        told = zip(rows["pair_id"].astype(str), prompts.tolist(), rows["before"], rows["after"], rows["change"], moved, slots)
        return {"from": start, "rows": [[value if isinstance(value, str) else round(float(value), 6) for value in row] for row in told]}

    # -- which edit did it ---------------------------------------------------------------------------

    def _blame(self, both: tuple) -> Part:
        session, later = self.session, self.later
        before, after = both
        if before is None or after is None:
            return Part("compare.blame", None, lambda: {"state": "none"})
        key = ("blame", before, after)
        if self._blamed != both:
            return Part("compare.blame", ("asked", *both, session.cost), lambda: self._asked(before, after))

        def work(*, progress, cancel):
            def told(done, whole, update):
                part = update.step / max(update.steps, 1)
                progress((done + part) / whole, None, f"{done + 1} of {whole}")

            return blame(before.scenario, after.scenario, session.study, progress=told, cancel=cancel)

        table = later.get(key, work)
        far = None if table is not None else later.progress(key)
        return Part("compare.blame", (key, table is not None, far), lambda: self._shared(before, after, table, far))

    def _asked(self, before, after) -> dict:
        edits = edits_between(before.scenario, after.scenario, self.session.objectives)
        if len(edits) < 2:
            return {"state": "none"}
        if len(edits) > MOST:
            why = f"{len(edits)} edits at once: a change is shared among 2 to {MOST}. Retrain with fewer to ask."
            return {"state": "refused", "why": why}
        runs = untrained(before.scenario, after.scenario, self.session.study)
        each = after.seconds or before.seconds
        return {"state": "asked", "edits": len(edits), "runs": runs, "cost": runs * each}

    def _shared(self, before, after, table, far) -> dict:
        if table is None:
            return {"state": "works", "fraction": far[0] if far else 0.0, "words": far[2] if far else ""}
        study, pinned = self.session.study, before.scenario
        alone = [Scenario(**edit.made(pinned.model_dump())) for edit in edits_between(pinned, after.scenario, study.objectives)]
        names = [in_words(study, one, pinned) for one in alone]
        rows = []
        for row in table.to_dict("records"):
            label = "both together, beyond the sum" if row["edit"] == "interaction" else names[int(row["edit"])]
            numbers = [row[key] if math.isfinite(row[key]) else None for key in ("value", "low", "high")]
            rows.append({"edit": label, "numbers": numbers, "words": row["words"]})
        how = "Each edit alone, then what both give beyond the sum" if len(names) == 2 else "Shapley values over all orders of the edits"
        last = table.iloc[0]
        how += f"; accuracy points, {int(last['families'])} families, {int(last['seeds'])} seeds."
        return {"state": "told", "rows": rows, "how": how}
