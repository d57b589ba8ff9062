"""The words of a watershed: names or numbers over its peaks, near ties under its valleys, notes below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from ..evaluate.watershed import LEAST, Watershed, percent
from .base import TICK, bold, count, escape, shorten, text_width
from .placing import AIR, place_over, thin_out
from .signs import KEY, NARROWEST, add_key, key_lines
from .theme import Theme, symbol

LEFT, RIGHT = 42, 10  # px beside the hills
TICKS, HEAD, NUMBER = 9, 17, 12  # px of the ticks below, of a section's head, of a number above a peak
LEVEL = 15  # px of a line of labels
LONGEST = (24, 17, 12)  # characters of a name, tried in turn
WIDE = NARROWEST - LEFT - RIGHT


@dataclass(frozen=True)
class Row:
    """One picture: its hills, its prompts, and where its ground lies on the common axis."""

    head: str
    shed: Watershed
    hills: list[dict]
    ground: float

    def x(self, prompts: float) -> float:
        return prompts / len(self.shed)

    def top(self, hill: dict, x: float) -> float:
        """How high a hill is at a place of its own."""
        at = int((x * len(self.shed) - hill["start"]) / (hill["end"] - hill["start"]) * len(hill["lead"]))
        at = min(max(at, 0), len(hill["lead"]) - 1)
        return hill["lead"][at] + hill["foot"][at]

    def peak(self, hill: dict) -> float:
        """Where a hill is highest: the column between its flanks."""
        at = max(range(len(hill["lead"])), key=lambda i: hill["lead"][i])
        return self.x(hill["start"] + (at + 0.5) * (hill["end"] - hill["start"]) / len(hill["lead"]))

    def points(self, hills: Sequence[dict]) -> list[float]:
        """Where labels point to: the peaks, moved apart within their hills where two would be one."""
        at, least = [self.peak(hill) for hill in hills], (2 * AIR + 2) / WIDE
        for i, (one, after) in enumerate(zip(hills, hills[1:])):
            if at[i + 1] - at[i] < least:
                middle = (at[i] + at[i + 1]) / 2
                at[i] = max(middle - least / 2, self.x(one["start"]), at[i - 1] if i else 0)
                at[i + 1] = min(middle + least / 2, self.x(after["end"]))
        return at


def hill_names(hills: Sequence[dict], most: int) -> list[str]:
    """Names as they are written; what is gathered says how many objectives it holds."""
    rest = "objectives" if len(hills) == 1 else "others"
    names = [hill["name"] or f"{len(hill['members'])} {rest if len(hill['members']) > 1 else rest[:-1]}" for hill in hills]
    return shorten(names, most)


def named(fig: go.Figure, look: Theme, row: Row, limit: float) -> float:
    """Name and share of each hill over its peak, or numbers and a key where names do not fit; px above the hills."""
    hills = [hill for hill in row.hills if hill["name"] or hill["prompts"] >= LEAST * len(row.shed)] or row.hills
    points = row.points(hills)
    shares = [percent(hill["prompts"], len(row.shed)) for hill in hills]
    for most in LONGEST:
        names = hill_names(hills, most)
        widths = [text_width(f"{name} {share}") + 3 for name, share in zip(names, shares)]
        places = place_over([x * WIDE for x in points], widths, -4, WIDE + RIGHT - 2)
        if places is not None:
            break
    else:
        _peak_numbers(fig, look, [row])
        return _key(fig, look, hills, [f" {share}" for share in shares], above=NUMBER + 4)
    shapes = []
    for x, hill, name, share, (level, edge) in zip(points, hills, names, shares, places):
        up = 5 + LEVEL * level
        fig.add_annotation(
            text=f"{escape(name)} {bold(share)}", xref="x", x=x, xanchor="left", xshift=edge - x * WIDE, yref="paper", y=1,
            yanchor="bottom", yshift=up - 2, borderpad=0, font=dict(size=TICK, color=look.ink),
        )
        line = dict(type="line", xref="x", x0=x, x1=x, line=dict(color=look.rule2, width=1), layer="below")
        shapes.append(line | dict(yref="y", y0=row.top(hill, x), y1=limit))
        shapes.append(line | dict(yref="paper", ysizemode="pixel", yanchor=1, y0=0, y1=up))
    fig.update_layout(shapes=[*fig.layout.shapes, *shapes])
    return 10 + LEVEL * (1 + max(level for level, _ in places))


def numbered(fig: go.Figure, look: Theme, rows: Sequence[Row], limit: float) -> float:
    """A head for each row, the hills' numbers, and a key to them; px above the first row's hills."""
    for row in rows:
        n = len(row.shed)
        said = f"{count(n)} prompt{'s' * (n != 1)}, {row.shed.effective:.1f} objectives"
        place = dict(yref="y", y=row.ground + limit, yanchor="bottom", yshift=NUMBER - 2, xref="paper", borderpad=0)
        head = shorten([row.head], 30)[0]
        fig.add_annotation(text=bold(escape(head)), x=0, xanchor="left", font=dict(size=TICK, color=look.ink), **place)
        fig.add_annotation(text=said, x=1, xanchor="right", font=dict(size=TICK, color=look.ink2), **place)
    _peak_numbers(fig, look, rows)
    seen = {hill["number"]: hill for row in rows for hill in row.hills}
    return _key(fig, look, [seen[number] for number in sorted(seen)], above=NUMBER + HEAD + 4)


def _peak_numbers(fig: go.Figure, look: Theme, rows: Sequence[Row]) -> None:
    """The number of each hill over its peak; where two would touch, the larger hill's."""
    for row in rows:
        peaks, words = [row.peak(hill) for hill in row.hills], [str(hill["number"]) for hill in row.hills]
        for i in thin_out([x * WIDE for x in peaks], [text_width(word) - 3 for word in words], [h["prompts"] for h in row.hills]):
            x, y = peaks[i], row.top(row.hills[i], peaks[i])
            inside = max(0, 5 - x * WIDE) - max(0, x * WIDE - WIDE + 5)
            place = dict(xref="x", x=x, xshift=inside, yref="y", y=row.ground + y, yanchor="bottom", yshift=-1, borderpad=0)
            fig.add_annotation(text=words[i], font=dict(size=TICK, color=look.ink), **place)


def _key(fig: go.Figure, look: Theme, hills: Sequence[dict], more: Sequence[str] = (), *, above: float) -> float:
    """Number, name and colour of every hill, `above` px over the picture; px that key and picture's head take."""
    names = [name if hill["name"] else f"others ({len(hill['members'])})" for hill, name in zip(hills, hill_names(hills, LONGEST[0]))]
    names = [f"{hill['number']} {name}{share}" for hill, name, share in zip(hills, names, more or [""] * len(names))]
    fig.update_layout(margin=dict(l=LEFT))  # what the key is laid from
    marks = [dict(symbol=symbol(hill["group"]), color=look.group(hill["group"]), size=7) for hill in hills]
    add_key(fig, look, list(zip(names, marks)), above=above)
    return above + KEY * key_lines(names) + 4


def valleys(fig: go.Figure, look: Theme, row: Row) -> tuple[float, int]:
    """Near ties under each valley, at the ends the rival that has no hill; px it takes, and how many near ties are written."""
    ties = [(row.x(hill["end"]), hill["valley"]) for hill in row.hills[:-1] if hill["valley"]]
    words = [count(value) for _, value in ties]
    kept = thin_out([x * WIDE for x, _ in ties], [text_width(word) + 2 for word in words], [value for _, value in ties])
    below = 2
    for i in kept:
        text = dict(text=bold(words[i]), xref="x", x=ties[i][0], yref="paper", y=0, yanchor="top", yshift=-1, borderpad=0)
        fig.add_annotation(**text, font=dict(size=TICK, color=look.ink))
    below += LEVEL * bool(kept)
    ends = [(side, found) for side, found in row.shed.outer().items() if found]
    for side, found in ends:
        name = escape(shorten([found["name"]], 20)[0]) + (f" +{found['more']}" if found["more"] else "")
        said = f"{name} {bold(count(found['near']))}" if found["near"] else name
        text = f"\u2039 {said}" if side == "left" else f"{said} \u203a"
        place = dict(xref="paper", x=float(side == "right"), xanchor=side, yref="paper", y=0, yanchor="top", yshift=1 - below, borderpad=0)
        fig.add_annotation(text=text, font=dict(size=TICK, color=look.ink2), **place)
    shown = sum(ties[i][1] for i in kept) + sum(found["near"] for _, found in ends)
    return below + LEVEL * bool(ends) + 2, shown


def notes(shed: Watershed, rows: Sequence[Row], shown: int | None) -> list[str]:
    """What the picture is made of, in parts that go on one line or the next."""
    n, drawn = len(shed), sum(len(hill["lead"]) for row in rows for hill in row.hills)
    there = sum(len(row.shed) for row in rows)
    said = ["full colour: the lead; pale: the runner-up, running mean"]
    said.append(f"{count(there)} prompts, " + ("one column each" if drawn == there else f"{count(drawn)} columns drawn at equal steps"))
    if there < n:
        said.append(f"not drawn: {count(n - there)} prompts of smaller sections")
    disagree = int(shed.table["disagree"].sum())
    if shed.seeds == 1:
        said.append("one seed: its noise is not known")
    elif disagree:
        said.append(f"ticks: seeds disagree, {percent(disagree, n)}")
    elif shed.seeds:  # a table does not say how many there were
        said.append("no seed names another leader")
    if shown is not None and shed.near_ties:
        said.append(f"numbers: near ties, lead under {shed.near:g}, {count(shown)} of {count(shed.near_ties)}")
    if equal := int((shed.table["lead"] < 1e-12).sum()):
        said.append(f"exact ties, of which the first named leads: {count(equal)}")
    if (small := shed.members.get("")) and len(shed.line) > 1:
        part = int(shed.table["objective"].isin(small).sum())
        said.append(f"others: {len(small)} objectives that lead on {percent(part, n)}")
    if shed.null:
        said.append(f"left out: null expert, {100 * shed.null_share:.0f} % of the gate")
    return said
