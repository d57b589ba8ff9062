"""The gate as a watershed: a column per prompt, grouped by the objective that leads; valleys where the gate changes its mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ..errors import WorkbenchError
from .attribution import null_experts
from .leads import OTHERS, laid, leaders, line_of, shares_of

NEAR = 0.1  # a lead below this is a near tie
MOST, LEAST = 8, 0.02  # objectives with a hill of their own: so many, each leading on at least this share of the prompts
COLUMNS = 2000  # drawn at most
SMOOTH = 8  # the foot is averaged over this part of its hill: an eighth


@dataclass(frozen=True, eq=False)
class Watershed:
    """Which objective leads on each prompt, by how much, and over which rival.

    table: one row per prompt from left to right: order, prompt_id, family, section, hill, objective (leads), share,
    runner_up, runner_share, lead = share − runner_share, side of the hill ("left", "right"), disagree (another seed names
    another leader), effective (exp H of the shares, in objectives). line: the hills from left to right, "" for what is
    gathered; members: the objectives of each hill. near: what lead is a near tie. null: objectives left out because they
    decide nothing, with the share of the gate they took. seeds: how many, None where that is not known.
    """

    table: pd.DataFrame = field(repr=False)
    line: tuple[str, ...]
    near: float = NEAR
    seeds: int | None = None
    objectives: int | None = None
    null: tuple[str, ...] = ()
    null_share: float = 0.0
    members: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        if set(self.members) != set(self.line):  # not known yet, or of another line; a section keeps those of the whole
            object.__setattr__(self, "members", _members(self.table, self.line))

    @classmethod
    def of(cls, data, names: Sequence[str] | None = None, *, ids: Sequence | None = None, families: Sequence | None = None,
           sections: Sequence | None = None, null: Sequence[str] = (), by: str = "section", near: float = NEAR,
           most: int = MOST, least: float = LEAST) -> Watershed:
        """From a Result (`by` names the column of its pairs that is the section), or from weights [prompt obj] or [seed prompt obj] ≥ 0.

        One row per prompt: pairs of a prompt share their gate. Weights become shares, averaged over seeds; null objectives
        are left out and the rest renormalised. At most `most` objectives that lead on `least` of the prompts have a hill,
        the others share one. WorkbenchError for negative or missing weights, or none that counts.
        """
        if hasattr(data, "pairs"):
            return cls._of_result(data, by=by, near=near, most=most, least=least)
        weights = np.asarray(data, np.float64)
        weights = weights[None] if weights.ndim == 2 else weights
        if weights.ndim != 3 or not weights.size:
            told = f"weights of shape {list(weights.shape)}"
            raise WorkbenchError(told, where="watershed", remedy="Pass [prompt obj] or [seed prompt obj]")
        names = tuple(map(str, names)) if names is not None else tuple(f"objective {i + 1}" for i in range(weights.shape[2]))
        if len(set(names)) != weights.shape[2]:
            raise WorkbenchError(f"{len(set(names))} names for {weights.shape[2]} objectives", where="watershed")
        live = np.array([name not in set(null) for name in names])
        shares, each, taken = shares_of(weights, live)
        kept = tuple(np.asarray(names, object)[live])
        ids = range(len(shares)) if ids is None else ids
        about = {"prompt_id": ids, "family": families, "section": sections}
        wrong = [key for key, value in about.items() if value is not None and len(value) != len(shares)]
        if wrong:
            raise WorkbenchError(f"{len(about[wrong[0]])} × {wrong[0]} for {len(shares)} prompts", where="watershed")
        rows = leaders(shares, each, kept, about)
        line, place = line_of(rows, kept, near=near, most=most, least=least)
        table, left_out = laid(rows, line, place), tuple(name for name in names if name in set(null))
        return cls(table, line, near, len(weights), len(kept), left_out, taken)

    @classmethod
    def _of_result(cls, result, *, by: str, **options) -> Watershed:
        pairs = result.pairs
        if by != "section" and by not in pairs.columns:
            known = ", ".join(map(str, pairs.columns))
            raise WorkbenchError(f"the pairs have no column {by!r}", where="result", remedy=f"They have {known}")
        first = ~pairs["prompt_id"].duplicated().to_numpy()
        told = {key: pairs.loc[first, column].tolist() if column in pairs.columns else None
                for key, column in (("ids", "prompt_id"), ("families", "family"), ("sections", by))}
        null = null_experts(result.scores)
        if len(null) == len(result.names):
            raise WorkbenchError("no objective differs between answers", where="watershed")
        return cls.of(np.asarray(result.weights)[:, first], result.names, null=null, **told, **options)

    @classmethod
    def from_table(cls, table: pd.DataFrame, *, near: float = NEAR) -> Watershed:
        """From the table of another, in its order; what is not in the table (seeds, null objectives) is not known."""
        table = table.sort_values("order", kind="stable") if "order" in table.columns else table
        table = table.fillna({"hill": OTHERS}).reset_index(drop=True)
        return cls(table, tuple(dict.fromkeys(table["hill"])), near)

    def within(self, section: str) -> Watershed:
        """The prompts of one section, with the same hills in the same order."""
        rows = self.table[self.table["section"] == section]
        if not len(rows):
            raise WorkbenchError(f"no section {section!r}", where="watershed", remedy=f"It has {', '.join(self.sections)}")
        return replace(self, table=rows.assign(order=np.arange(len(rows))).reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.table)

    @property
    def sections(self) -> tuple[str, ...]:
        """Sections, the largest first; ties by name."""
        return tuple(name for name in _ranked(self.table["section"]) if name)

    @property
    def effective(self) -> float:
        """Mean over prompts of exp(H): how many objectives share the gate."""
        return float(self.table["effective"].mean())

    @property
    def near_ties(self) -> int:
        """Prompts whose leader is less than `near` ahead."""
        return int((self.table["lead"] < self.near).sum())

    @property
    def handovers(self) -> pd.DataFrame:
        """objective, rival, prompts: near ties of every two objectives, most first; the one that leads more often is named first."""
        close = self.table[(self.table["lead"] < self.near) & (self.table["runner_up"] != "")]
        counts: dict[tuple[str, str], int] = close.groupby(["objective", "runner_up"], sort=True).size().to_dict()
        rows = []
        for a, b in counts:
            there, back = counts[a, b], counts.get((b, a), 0)
            if there > back or (there == back and a < b):
                rows.append((a, b, there + back))
        frame = pd.DataFrame(rows, columns=["objective", "rival", "prompts"])
        return frame.sort_values(["prompts", "objective", "rival"], ascending=[False, True, True]).reset_index(drop=True)

    def hills(self, *, columns: int = COLUMNS, groups: Mapping[str, str] | None = None) -> list[dict]:
        """What is drawn, as plain lists: one entry per hill that has prompts, from left to right.

        name ("" for the gathered), members, group, number (its place in the line, the same in every section), prompts,
        left (how many of them on the left flank), start and end in prompts, at [column] rows of the table, lead [column]
        exact, foot [column] the runner-up's share as a running mean along its flank over an eighth of the hill, disagree [column], valley:
        near ties with the next hill (None after the last). About `columns` columns at most: prompts at equal steps of the
        sorted hill.
        """
        every = -(-len(self) // max(columns, 1))
        parts = [(number, hill, self.table[self.table["hill"] == hill]) for number, hill in enumerate(self.line, 1)]
        parts = [part for part in parts if len(part[2])]
        made, start = [], 0
        for number, hill, rows in parts:
            n = len(rows)
            drawn = -(-n // every)
            at = ((np.arange(drawn) + 0.5) * n / drawn).astype(int)
            left, lead, foot = int((rows["side"] == "left").sum()), rows["lead"].to_numpy(float), rows["runner_share"].to_numpy(float)
            foot = np.concatenate([smoothed(flank, n // (2 * SMOOTH)) for flank in (foot[:left], foot[left:])])
            foot = np.minimum(foot, (1 - lead) / 2)  # no runner-up holds more beside this lead
            made.append({
                "name": hill, "members": list(self.members[hill]), "group": (groups or {}).get(hill, ""), "number": number, "prompts": n,
                "left": left, "start": start, "end": start + n, "at": (start + at).tolist(), "lead": lead[at].round(5).tolist(),
                "foot": foot[at].round(5).tolist(), "disagree": rows["disagree"].to_numpy(bool)[at].tolist(), "valley": None,
            })
            start += n
        for one, after in zip(made, made[1:]):
            one["valley"] = self._between(one["members"], after["members"])
        return made

    def _between(self, some: Sequence[str], others: Sequence[str]) -> int:
        rows = self.table[self.table["lead"] < self.near]
        there = rows["objective"].isin(some) & rows["runner_up"].isin(others)
        back = rows["objective"].isin(others) & rows["runner_up"].isin(some)
        return int((there | back).sum())

    def outer(self) -> dict[str, dict | None]:
        """left and right: the commonest runner-up on the outermost slopes, {name, prompts, near (ties), more (other rivals)}.

        None where nobody stands, or where the slope is that of what is gathered.
        """
        found = {}
        for side, hill in (("left", self.table["hill"].iloc[0]), ("right", self.table["hill"].iloc[-1])):
            slope = self.table[(self.table["hill"] == hill) & (self.table["side"] == side) & (self.table["runner_up"] != "")]
            slope = slope if hill != OTHERS else slope.iloc[:0]
            rivals = _ranked(slope["runner_up"])
            name = next(iter(rivals), None)
            near = int((slope["lead"] < self.near)[slope["runner_up"] == name].sum())
            found[side] = {"name": name, "prompts": rivals[name], "near": near, "more": len(rivals) - 1} if rivals else None
        return found

    def words(self) -> str:
        """One sentence: who leads, how often, how surely."""
        counts, n = _ranked(self.table["objective"]), len(self)
        first = next(iter(counts))
        of, prompts = f" of {self.objectives}" if self.objectives else "", f"{n:,}".replace(",", "\u2009")
        who = f"{len(counts)}{of} objectives lead on {prompts} prompts; {first} the most often, on {percent(counts[first], n)}"
        if len(counts) == 1:
            who = f"{first} leads on all {prompts} prompts"
        close = f"on {percent(self.near_ties, n)} the leader is less than {self.near:g} ahead"
        return f"{who}; {close}; {self.effective:.1f} objectives share the gate."


def _ranked(values: pd.Series) -> dict[str, int]:
    """How often each is there, the commonest first; ties by name."""
    counts = values.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return {name: int(value) for name, value in counts.items()}


def _members(table: pd.DataFrame, line: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Objectives of each hill, most prompts first."""
    counts = table.groupby(["hill", "objective"], sort=True).size().sort_values(ascending=False, kind="stable")
    return {hill: tuple(name for at, name in counts.index if at == hill) for hill in line}


def percent(part: int, whole: int) -> str:
    """A share in words of print, never 0 % for something nor 100 % for less than all."""
    value = round(100 * part / whole)
    if 0 < part < whole and value in (0, 100):
        return "<1 %" if value == 0 else ">99 %"
    return f"{value} %"


def smoothed(values: np.ndarray, half: int) -> np.ndarray:
    """Running mean over `half` values on either side, over as many as both sides have near an end, which so stays in place."""
    at = np.arange(len(values))
    reach = np.minimum(half, np.minimum(at, len(values) - 1 - at))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return (sums[at + reach + 1] - sums[at - reach]) / (2 * reach + 1)
