"""How a drawn figure looks in grey, and to those who see colours otherwise."""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Float

from ..errors import WorkbenchError

_LUMA = (0.2126, 0.7152, 0.0722)
VISIONS = {  # on linear light; grey: Rec. 709 luminance; the others: Machado, Oliveira & Fernandes 2009, table 1, severity 1.0
    "grey": (_LUMA, _LUMA, _LUMA),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def seen_by(svg: str, vision: str) -> str:
    """The same SVG as "grey", "deuteranopia", "protanopia" or "tritanopia" shows it; its size, text and ids stay.

    One filter over all of it (Machado et al. 2009, severity 1, on linear light), so pictures inside it change too: for the
    screen, not for print. WorkbenchError for another vision, or for what is no SVG.
    """
    matrix = _matrix(vision)
    opening = re.match(r"\s*(?:<\?xml[^>]*>\s*)?<svg\b[^>]*>(?:<title>.*?</metadata>)?", svg, re.DOTALL)
    if opening is None or not svg.rstrip().endswith("</svg>"):
        raise WorkbenchError("no SVG", where="seen_by", remedy="Pass the text of a saved SVG, or preview(...).svg")
    head, body = svg[: opening.end()], svg[opening.end() : svg.rindex("</svg>")]
    rows = " ".join(f"{' '.join(f'{value:.6g}' for value in row)} 0 0" for row in matrix)
    drawn = f'<feColorMatrix type="matrix" values="{rows} 0 0 0 1 0"/>'
    whole = 'x="0" y="0" width="100%" height="100%" color-interpolation-filters="linearRGB"'
    return f'{head}<filter id="seen-by-{vision}" {whole}>{drawn}</filter><g filter="url(#seen-by-{vision})">{body}</g></svg>'


def color_seen(color: str, vision: str) -> str:
    """One colour, as hex, the way that vision sees it: what the filter of `seen_by` makes of it."""
    linear = _linear(np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255)
    seen = np.clip(np.array(_matrix(vision)) @ linear, 0, 1)
    coded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(value):02x}" for value in 255 * coded)


def _matrix(vision: str) -> tuple:
    if vision not in VISIONS:
        raise WorkbenchError(f"unknown vision {vision!r}", remedy=f"Choose one of {', '.join(VISIONS)}")
    return VISIONS[vision]


def _linear(coded: Float[np.ndarray, " channel"]) -> Float[np.ndarray, " channel"]:
    """sRGB to linear light, both from 0 to 1 (IEC 61966-2-1)."""
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
