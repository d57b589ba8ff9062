"""Tokens of the look: colours for light and dark, one colour and one shape per group of objectives, the plotly template.

One sign for everything: hollow grey is the baseline, filled blue the candidate, a dashed outline is not retrained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial

import plotly.graph_objects as go

from ..errors import WorkbenchError

SCREEN_FONT = (
    '-apple-system, "SF Pro Text", "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, "Liberation Sans", sans-serif'
)
PAPER_FONT = '"Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif'
BODY, TICK = 12, 11  # px on screen
GROUPS = ("Instruction", "Helpful", "Truth", "Safety", "Code", "Form")
SYMBOLS = {"Instruction": "diamond", "Helpful": "circle", "Truth": "square", "Safety": "triangle-up", "Code": "cross", "Form": "line-ew"}
OTHER = ""  # the group of what has none
_HINTS = (
    ("Safety", ("safe", "harm", "toxic", "privacy", "discriminat")),
    ("Code", ("code", "unit_test")),
    ("Truth", ("truth", "honest", "correct", "fact", "calibrat", "accura")),
    ("Instruction", ("instruct", "complian", "prometheus")),
    ("Helpful", ("help", "overall", "inform", "empath", "judge", "relevan")),
    ("Form", ("verbos", "length", "words", "coheren", "complex", "readab", "style", "format", "repetition", "markdown", "list")),
)


@dataclass(frozen=True)
class Theme:
    """The colours of one ground, as hex; `levels` is the part of cividis that is seen on it."""

    ground: str
    ink: str
    ink2: str
    control: str
    rule2: str
    rule: str
    wash: str
    candidate: str
    negative: str
    baseline: str
    unchanged: str
    instruction: str
    helpful: str
    truth: str
    safety: str
    code: str
    form: str
    other: str
    levels: tuple[str, ...]
    ink_to_ground: str  # words in a cell whose light counterpart is as dark as this one is light, and the reverse
    ground_to_ink: str
    fill_share: float = 0.90
    tint_share: float = 0.28

    def group(self, name: str) -> str:
        """Colour of a group's marks and lines."""
        return getattr(self, name.lower()) if name in GROUPS else self.other

    def fill(self, name: str) -> str:
        """Colour of a group's large areas."""
        return mix(self.group(name), self.ground, self.fill_share)

    def tint(self, name: str) -> str:
        """Pale colour of a group: what subtracts, or comes second."""
        return mix(self.group(name), self.ground, self.tint_share)

    def pale(self, color: str) -> str:
        """A band behind data."""
        return mix(color, self.ground, 0.12)

    def colors(self) -> list[str]:
        """Every colour that figures use, in one order for all themes."""
        plain = [getattr(self, field.name) for field in fields(self) if field.type == "str"]
        groups = [*GROUPS, OTHER]
        derived = [self.fill(g) for g in groups] + [self.tint(g) for g in groups]
        return plain + list(self.levels) + derived + [self.pale(c) for c in (self.candidate, self.negative, self.baseline)] + [self.band]

    def text_on(self, share: float, role: str) -> str:
        """Ink or ground, whichever reads better on that share of a colour; it still does so once the colours are light."""
        mine, light = (max((t.ink, t.ground), key=partial(_contrast, mix(getattr(t, role), t.ground, share))) for t in (self, LIGHT))
        if mine == self.ink:
            return mine if light == LIGHT.ink else self.ink_to_ground
        return mine if light == LIGHT.ground else self.ground_to_ink

    @property
    def band(self) -> str:
        """The noise floor."""
        return mix(self.baseline, self.ground, 0.2)


LIGHT = Theme(
    "#ffffff", "#212121", "#5c5c5c", "#858585", "#bdbdbd", "#e3e3e3", "#f5f5f5", "#0a62b0", "#b0243c", "#666c73", "#757575",
    "#5f3b0c", "#8a1f73", "#0e6852", "#ba5810", "#228bc0", "#868c98", "#6d6f72",
    ("#00224e", "#2a3f6d", "#575d6d", "#7d7c78", "#a59c74"), "#ffffff", "#212121",
)
DARK = Theme(
    "#111111", "#e0e0e0", "#a9a9a9", "#838383", "#4f4f4f", "#2b2b2b", "#1b1b1b", "#4c9ef4", "#f2788a", "#a3a9b0", "#999999",
    "#dcae30", "#c8719a", "#3fbf8d", "#f0764e", "#86c5ea", "#cfd4d8", "#9c9fa3",
    ("#575d6d", "#7d7c78", "#a59c74", "#d2c060", "#fee838"), "#e0e0df", "#111110", 0.76, 0.30,
)
THEMES = {"light": LIGHT, "dark": DARK}


def theme_of(theme: str | Theme) -> Theme:
    """`"light"`, `"dark"` or a Theme of your own."""
    if isinstance(theme, Theme):
        return theme
    if theme not in THEMES:
        raise WorkbenchError(f"unknown theme {theme!r}", remedy="Use 'light' or 'dark'")
    return THEMES[theme]


def mix(color: str, ground: str, share: float) -> str:
    """That share of a colour on a ground, as hex."""
    pairs = zip(_rgb(color), _rgb(ground))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def _contrast(under: str, text: str) -> float:
    low, high = sorted((_light(under), _light(text)))
    return (high + 0.05) / (low + 0.05)


def _light(color: str) -> float:
    """Relative luminance (WCAG)."""
    parts = (c / 255 for c in _rgb(color))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _rgb(color: str) -> tuple[int, int, int]:
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def group_of(name: str, groups: Mapping | None = None) -> str:
    """The group of an objective: as declared (a name, or anything with `.group`), else guessed from its name."""
    declared = (groups or {}).get(name)
    declared = getattr(declared, "group", declared)
    if declared in GROUPS:
        return declared
    if declared:
        return OTHER
    low = str(name).lower().removeprefix("helpsteer")
    return next((group for group, hints in _HINTS if any(hint in low for hint in hints)), OTHER)


def symbol(group: str) -> str:
    """Marker symbol of a group: colour is always doubled by shape."""
    return SYMBOLS.get(group, "circle-open")


def template(theme: Theme, font: str = SCREEN_FONT) -> go.layout.Template:
    """The plotly template of the look."""
    axis = dict(
        showgrid=False, showline=False, zeroline=False, ticks="", nticks=5, automargin=False, gridcolor=theme.rule, gridwidth=1,
        zerolinecolor=theme.control, zerolinewidth=1, linecolor=theme.control, linewidth=1, fixedrange=True,
        tickfont=dict(size=TICK, color=theme.ink2), title=dict(font=dict(size=TICK, color=theme.ink2), standoff=6),
    )
    layout = go.Layout(
        font=dict(family=font, size=BODY, color=theme.ink), paper_bgcolor=theme.ground, plot_bgcolor=theme.ground,
        margin=dict(l=8, r=8, t=8, b=28), xaxis=axis, yaxis=axis, showlegend=False, hovermode="closest",
        colorway=[theme.candidate, theme.baseline, *(theme.group(g) for g in GROUPS)], separators=".\u2009", dragmode=False,
        annotationdefaults=dict(font=dict(size=TICK, color=theme.ink2), showarrow=False),
        hoverlabel=dict(bgcolor=theme.ground, bordercolor=theme.rule2, align="left", font=dict(size=BODY, color=theme.ink)),
    )
    return go.layout.Template(layout=layout)
