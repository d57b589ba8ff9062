"""What the Gate screen shows, as plain values: hills, handovers, one prompt's gate, an objective's prompts, shares by slice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..axes import SeedPairObj
from ..errors import WorkbenchError
from ..evaluate.attribution import decisive_shares
from ..evaluate.correlation import objective_correlation
from ..evaluate.leads import OTHERS, laid, shares_of
from ..evaluate.watershed import Watershed, percent
from ..scenario.job import is_partial
from ..scenario.result import HEAD, Result

WEIGHT, EFFECT = "weight", "effect"
SIGNS = {"base": "baseline", "cand": "candidate"}
COLLINEAR = 0.8
PromptObj, SeedPromptObj = Float[np.ndarray, "prompt obj"], Float[np.ndarray, "seed prompt obj"]
PROMPTS, ROWS = 3, 8  # of an objective at each height; of one prompt's gate


@dataclass(frozen=True, eq=False)
class GateView:
    """The gate of a result, prompt by prompt: shares of its weights, or of the effect |g Δr'| that they have.

    names: objectives that count; prompts: prompt_id, family and section, one row per prompt; mean [prompt obj] rows sum to
    1; each [seed prompt obj]; null: objectives that decide nothing, which take null_share; still: prompts left out because
    nothing differs between their answers.
    """

    value: str
    names: tuple[str, ...]
    prompts: pd.DataFrame
    mean: PromptObj
    each: SeedPromptObj
    null: tuple[str, ...] = ()
    null_share: float = 0.0
    still: int = 0

    @classmethod
    def of(cls, result: Result, value: str = WEIGHT) -> GateView:
        """WorkbenchError for a head without objectives, and where none of them differs between answers."""
        if result.names == (HEAD,):
            raise WorkbenchError("a Bradley–Terry head has no gate", where="gate",
                                 remedy="It scores an answer in one piece. Look at another result, or train a gate over objectives")
        null = tuple(np.asarray(result.names, object)[np.ptp(result.scores.values, axis=(0, 1)) == 0])
        if len(null) == len(result.names):
            raise WorkbenchError("no objective differs between answers", where="gate", remedy="Every score is the same: switch others on")
        pairs, weights = result.pairs, np.asarray(result.weights, np.float64)
        codes, ids = pd.factorize(pairs["prompt_id"])
        first = ~pairs["prompt_id"].duplicated().to_numpy()
        prompts = pd.DataFrame({"prompt_id": ids, **{
            column: pairs.loc[first, column].fillna("").astype(str).to_numpy() if column in pairs.columns else ""
            for column in ("family", "section")}})
        if value == EFFECT:
            weights = _effects(weights, result.scores, codes, len(ids))
            moves = weights.sum(axis=2).min(axis=0) > 0
            weights, prompts = weights[:, moves], prompts[moves].reset_index(drop=True)
        else:
            weights = weights[:, first]
        live = np.array([name not in null for name in result.names])
        mean, each, taken = shares_of(weights, live)
        names = tuple(np.asarray(result.names, object)[live])
        return cls(value, names, prompts, mean, each, null, taken, len(ids) - len(prompts))

    @cached_property
    def shed(self) -> Watershed:
        """Its watershed: made of the seeds' shares, null objectives left out already."""
        about = (("ids", "prompt_id"), ("families", "family"), ("sections", "section"))
        return Watershed.of(self.each, self.names, **{key: self.prompts[column].tolist() for key, column in about})

    @property
    def same(self) -> bool:
        """Whether every prompt has the same shares, as under one set of weights for all."""
        return bool(np.ptp(self.mean, axis=0).max() < 1e-6)

    @property
    def seeds(self) -> int:
        return len(self.each)

    def row_of(self, prompt: str | None) -> int | None:
        """Place of a prompt in `mean`."""
        found = np.flatnonzero(self.prompts["prompt_id"].to_numpy() == prompt)
        return int(found[0]) if len(found) else None

    @cached_property
    def places(self) -> pd.Series:
        """Place of each prompt from left to right, by prompt_id."""
        return pd.Series(self.shed.table["order"].to_numpy(), index=self.shed.table["prompt_id"].to_numpy())


def _effects(weights: SeedPairObj, scores, codes: np.ndarray, prompts: int) -> SeedPromptObj:
    """[seed prompt obj] share of |g Δr'|, the mean over a prompt's pairs."""
    each = np.stack([decisive_shares(one, scores) for one in weights])
    flat = np.stack([np.bincount(codes, weights=column, minlength=prompts) for one in each for column in one.T], axis=-1)
    sums = flat.reshape(prompts, len(each), -1).transpose(1, 0, 2)
    return sums / np.bincount(codes, minlength=prompts)[None, :, None]


def together(one: Watershed, other: Watershed) -> tuple[Watershed, Watershed]:
    """Two watersheds with the same hills in the same order: the first one's, then what only the other has."""
    line = [name for name in one.line if name != OTHERS] + [name for name in other.line if name not in (*one.line, OTHERS)]
    found = []
    for shed in (one, other):
        small = set(shed.table["objective"]) - set(line)
        whole = (*line, *([OTHERS] if small else []))
        place = {**{name: len(line) for name in small}, **{name: at for at, name in enumerate(line)}}
        found.append(replace(shed, table=laid(shed.table, whole, place), line=whole))
    return found[0], found[1]


# -- the picture ------------------------------------------------------------------------------------------------------


def picture(shed: Watershed, slots: dict[str, str], *, columns: int = 2000) -> dict:
    """The hills to draw, and what is said below them."""
    n, table = len(shed), shed.table
    hills = []
    for hill in shed.hills(columns=columns):
        ticks = [at for at, odd in enumerate(hill.pop("disagree")) if odd]
        short = {key: [round(v, 3) for v in hill[key]] for key in ("lead", "foot")}
        hills.append({**hill, **short, "slot": slots.get(hill["name"], "other"), "share": percent(hill["prompts"], n), "ticks": ticks})
    gathered = shed.members.get(OTHERS, ())
    whole = n <= columns
    names = sorted({*table["objective"], *table["runner_up"]} - {""})
    code = {name: at for at, name in enumerate(names)}
    return {
        "n": n, "hills": hills, "whole": whole, "effective": round(shed.effective, 1), "seeds": shed.seeds or 0,
        "near": percent(shed.near_ties, n), "disagree": percent(int(table["disagree"].sum()), n),
        "gathered": list(gathered), "outer": [f"{end['name']} ({side})" for side, end in shed.outer().items() if end],
        "words": shed.words(), "names": names,
        "leaders": [code[name] for name in table["objective"]] if whole else [],
        "rivals": [code.get(name, -1) for name in table["runner_up"]] if whole else [],
    }


def small(shed: Watershed, slots: dict[str, str], section: str) -> dict:
    part = shed.within(section)
    found = picture(part, slots, columns=260)
    return {"name": section, **{key: found[key] for key in ("n", "hills", "effective", "words", "seeds")}}


def handovers(shed: Watershed, slots: dict[str, str]) -> list[dict]:
    """Near ties of every two objectives, most first."""
    return [{"a": a, "b": b, "n": int(n), "slots": [slots.get(a, "other"), slots.get(b, "other")]}
            for a, b, n in shed.handovers.itertuples(index=False)]


NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def lead_words(view: GateView, shed: Watershed) -> list[str]:
    """A sentence in parts; every second part is bold."""
    n, counts = len(shed), shed.table["objective"].value_counts()
    if len(view.names) == 1:
        return ["One objective, ", view.names[0], ": it has all of the gate."]
    if view.same:
        shares = sorted(zip(-view.mean[0], view.names))[:3]
        said = ", ".join(f"{name} {100 * -share:.0f} %" for share, name in shares)
        return ["One set of weights for every prompt: ", said, "." if len(view.names) <= 3 else f", {len(view.names) - 3} others."]
    what = "gate" if view.value == WEIGHT else "effect"
    close = [f" the leader is less than {shed.near:g} ahead. On average {shed.effective:.1f} objectives share the {what}."]
    if len(counts) == 1:
        start = [f"One objective, {counts.index[0]}, leads on every one of {n} prompts; on "]
    else:
        named = [name for name in shed.line if name != OTHERS]
        many, led = NUMBERS[len(named)] if len(named) < len(NUMBERS) else str(len(named)), int(counts.reindex(named).fillna(0).sum())
        lead = f"lead{'' if len(named) > 1 else 's'}" + (f" on {percent(led, n)} of prompts" if led < n else "")
        start = [f"{many} of {len(view.names)} objectives {lead}; on "]
    return [*start, percent(shed.near_ties, n), *close]


def before_words(views: dict[str, GateView], sheds: dict[str, Watershed]) -> str:
    """What the baseline's gate was, where both are drawn."""
    if len(views) < 2 or views["base"].same:
        return ""
    shed = sheds["base"]
    close = percent(shed.near_ties, len(shed))
    return f"Before: less than {shed.near:g} ahead on {close}, {shed.effective:.1f} objectives share it."


def notes(views: dict[str, GateView], results: dict[str, Result]) -> list[str]:
    """What a reader of the picture must know: null experts, prompts left out, one seed, a run cut short."""
    said = []
    for sign, view in views.items():
        who = f"{SIGNS[sign].capitalize()}: " if len(views) > 1 else ""
        if view.null:
            taken = f"takes {100 * view.null_share:.0f} % of the gate, " if view.value == WEIGHT else ""
            said.append(f"{who}{', '.join(view.null)} is zero after debias: a null expert, it {taken}moves nothing and is left out.")
        if view.still:
            said.append(f"{who}{view.still} prompts left out: nothing differs between their answers.")
        if view.seeds == 1:
            said.append(f"{who}one seed: what another would say is not known.")
    said += [f"The {SIGNS[sign]} was stopped early: read it as partial." for sign, result in results.items() if is_partial(result)]
    return said + (["The other result is a Bradley–Terry head: it has no gate to draw."] if len(results) > len(views) else [])


# -- one prompt, one objective, all slices ----------------------------------------------------------------------------


def gate_rows(views: dict[str, GateView], prompt: str | None, slots: dict[str, str]) -> dict:
    """The gate of one prompt over seeds: rows of objective, and for each result its mean and seeds; the rest summed."""
    found = {kind: view.row_of(prompt) if prompt is not None else 0 for kind, view in views.items()}
    known = {kind: row for kind, row in found.items() if row is not None}
    names = list(dict.fromkeys(name for kind in known for name in views[kind].names))

    def value(kind: str, name: str) -> float:
        view = views[kind]
        return float(view.mean[known[kind], view.names.index(name)]) if name in view.names else 0.0

    names.sort(key=lambda name: -max(value(kind, name) for kind in known))
    shown = names[:ROWS] if len(names) > ROWS + 1 else names
    rows = []
    for name in shown:
        marks = {}
        for kind, row in known.items():
            view = views[kind]
            if name in view.names:
                each = view.each[:, row, view.names.index(name)]
                marks[kind] = {"value": round(value(kind, name), 4), "seeds": [round(float(v), 4) for v in each]}
        rows.append({"name": name, "slot": slots.get(name, "other"), "marks": marks})
    rest = {kind: round(sum(value(kind, name) for name in names[len(shown):]), 4) for kind in known}
    return {"rows": rows, "others": len(names) - len(shown), "rest": rest}


def cards(view: GateView, objective: str) -> dict[str, list[dict]]:
    """Prompts on which an objective holds most, middle and least: prompt_id and its share there."""
    column = view.mean[:, view.names.index(objective)]
    order, n = np.argsort(-column, kind="stable"), len(column)
    if n <= PROMPTS:
        return {"top": _cards(view, order, column)}
    top, bottom = order[:PROMPTS], order[max(PROMPTS, n - PROMPTS):]
    inner = order[PROMPTS : n - PROMPTS]
    middle = inner[max(0, (len(inner) - PROMPTS) // 2) :][:PROMPTS]
    return {"top": _cards(view, top, column), "median": _cards(view, middle, column), "bottom": _cards(view, bottom, column)}


def _cards(view: GateView, rows: np.ndarray, column: np.ndarray) -> list[dict]:
    ids = view.prompts["prompt_id"].to_numpy()
    return [{"prompt": str(ids[row]), "share": round(float(column[row]), 4)} for row in rows]


def share_table(view: GateView, slots: dict[str, str]) -> dict:
    """Objective by slice: mean share over the slice's prompts, all prompts first; the most decisive objective first."""
    from ..figures.tidy import mean_shares  # brings plotly, which nothing else here needs

    frame = mean_shares(view.mean, view.names, view.prompts["section"])
    heads = frame.drop_duplicates("slice")[["slice", "prompts"]]
    heads = pd.concat([heads[:1], heads[1:].sort_values(["prompts", "slice"], ascending=[False, True])])  # as the pictures stand
    wide = frame.pivot(index="objective", columns="slice", values="share").reindex(columns=heads["slice"])
    wide = wide.loc[wide.iloc[:, 0].sort_values(ascending=False, kind="stable").index]
    return {
        "slices": [{"name": name, "n": int(n)} for name, n in heads.itertuples(index=False)],
        "rows": [{"name": name, "slot": slots.get(name, "other"), "shares": [round(float(v), 4) for v in row]}
                 for name, row in zip(wide.index, wide.to_numpy())],
    }


def collinearity(result: Result, names: list[str]) -> dict:
    """Spearman of every two objectives before debias, in the order of names, and those that hardly differ."""
    square = objective_correlation(result.raw).reindex(index=names, columns=names).to_numpy()
    pairs = [(names[j], names[i], float(square[i, j])) for i in range(len(names)) for j in range(i) if abs(square[i, j]) > COLLINEAR]
    pairs.sort(key=lambda pair: -abs(pair[2]))
    return {"rho": [[round(float(v), 2) for v in row[:at]] for at, row in enumerate(np.nan_to_num(square))],
            "collinear": [[a, b, round(rho, 2)] for a, b, rho in pairs], "above": COLLINEAR}
