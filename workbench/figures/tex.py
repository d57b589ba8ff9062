"""Figures and comparisons as LaTeX: a float with a caption that says what was measured, and a booktabs table."""

from __future__ import annotations

import re

import pandas as pd
import plotly.graph_objects as go

from ..evaluate.inference import NO_SEED_NOISE, SEEDS, too_few
from .base import interval, number, provenance_of, sentence, table

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "\u2212": "$-$", "\u00d7": r"$\times$", "\u00b1": r"$\pm$", "\u2264": r"$\le$", "\u2265": r"$\ge$", "\u2192": r"$\to$",
    "\u2009": r"\,", "\u00a0": "~", "\u2002": r"\enspace{}", "\u2026": r"\ldots{}", "\u2013": "--", "\u2014": "---", "\u2018": "`",
    "\u2019": "'", "\u201c": "``", "\u201d": "''", "\u0394": r"$\Delta$", "\u03bb": r"$\lambda$", "\u03bc": r"$\mu$", "\u03c1": r"$\rho$",
    "\u03c3": r"$\sigma$", "\u0302": "", "\u00b7": r"$\cdot$", "\u25b2": "", "\u25bc": "", '"': r"\textquotedbl{}",
}
WHOLE_PAGE = 4.0  # inches; a wider figure spans the columns
SCALED = {"accuracy": 100}  # metrics that are shares


def escaped(text: str) -> str:
    """Any text for LaTeX, on one line. Letters of other scripts stay: they need XeLaTeX or LuaLaTeX and a font that has them."""
    text = re.sub(r"\s*[\n\r\t\v\f\x1c-\x1f\x85\u2028\u2029]\s*", " ", str(text))  # an empty line would end the argument of \caption
    return "".join(SPECIAL.get(letter, letter) for letter in text if letter.isprintable() or letter in SPECIAL or letter.isspace())


def caption(fig: go.Figure) -> str:
    """What the figure shows, n, families, seeds, and what its intervals hold; plain text."""
    told = provenance_of(fig)
    parts = [sentence(fig)]
    if "n" in told:
        parts.append(f"{told['n']:,} pairs of {told['families']:,} families ({told['split']} split).".replace(",", "\u2009"))
        if few := too_few(told["families"]):
            parts.append(f"{few[0].upper()}{few[1:]}.")
    counts = sorted({len(scenario["seeds"]) for scenario in told.get("scenarios", ())})
    if counts:
        seeds = f"{counts[0]} to {counts[-1]} seeds" if len(counts) > 1 else f"{counts[0]} seed{'s' * (counts[0] > 1)}"
        parts.append(f"{seeds}." if counts[0] >= SEEDS else f"{seeds}; {NO_SEED_NOISE}.")
    return " ".join([*parts, *_intervals(fig, counts)])


def _intervals(fig: go.Figure, counts: list[int]) -> list[str]:
    columns = set(table(fig).columns)
    if {"weight_low", "weight_high"} <= columns:
        return ["Thin lines: lowest and highest over seeds."]
    if "splits" in columns:
        return ["Intervals: 5th to 95th percentile over random splits."]
    if not {"low", "high"} <= columns or "spread" in columns:
        return []
    units = "families" if "rho" in columns or not counts or counts[0] < SEEDS else "families and paired seeds"
    return [f"95 % intervals resample {units}; they hold no training-sample variance."]


def latex(fig: go.Figure, name: str, *, label: str | None = None, width: float | None = None) -> str:
    """A LaTeX float of the picture `name` (no ending) with the figure's `caption`, everything escaped.

    width, in inches, decides between a column and the page: figure* from 4 in, as two-column venues have it, where the
    template is one column wide both are the text's. Needs graphicx. The first line names study and scenarios.
    """
    told, star = provenance_of(fig), "*" if width and width >= WHOLE_PAGE else ""
    plain = re.fullmatch(r"[\w.-]+", name, re.ASCII)
    picture = name if plain else rf"\detokenize{{{name}}}"
    scenarios = ", ".join(str(scenario["id"]) for scenario in told.get("scenarios", ()))
    head = f"% study {told.get('study', 'unknown')}, scenarios {scenarios or 'none'}, workbench {told.get('workbench', '')}"
    lines = [
        rf"\begin{{figure{star}}}[t]", r"\centering", rf"\includegraphics[width=\{'text' if star else 'column'}width]{{{picture}}}",
        rf"\caption{{{escaped(caption(fig))}}}", rf"\label{{fig:{_slug(label or name)}}}", rf"\end{{figure{star}}}",
    ]
    return "\n".join([re.sub(r"\s+", " ", head), *lines]) + "\n"


def latex_table(comparison: pd.DataFrame, *, caption: str | None = None, label: str = "comparison") -> str:
    """The table of `compare` as booktabs: baseline, candidate, difference with its interval, p (Holm), pairs and families.

    Shares in per cent and differences in points. What a row lacks ("fewer than 20 families", "exploratory: no p-value",
    "seed noise not estimated") stands under the table, marked by a letter where not all rows lack it. Needs booktabs.
    """
    each = [_lacking(words) for words in comparison["words"]]
    shared = [part for part in each[0] if all(part in parts for parts in each)]
    lacks = {part: chr(97 + i) for i, part in enumerate(dict.fromkeys(part for parts in each for part in parts if part not in shared))}
    floor = {"noise_low", "noise_high"} <= set(comparison.columns)
    heads = ["Slice", "Baseline", "Candidate", r"Difference [95\,\% interval]", *(["Noise floor"] if floor else []), "$p$ (Holm)",
             "Pairs / families"]
    rows, metrics = [], list(dict.fromkeys(comparison["metric"]))
    for metric in metrics:
        part = comparison[comparison["metric"] == metric]
        rows += [rf"\multicolumn{{{len(heads)}}}{{l}}{{\emph{{{escaped(metric)}}}}} \\"] if len(metrics) > 1 else []
        rows += [" & ".join(_cells(row, SCALED.get(metric, 1), lacks, floor)) + r" \\" for _, row in part.iterrows()]
    notes = [*(rf"\textsuperscript{{{mark}}} {escaped(part)}" for part, mark in lacks.items()), *map(escaped, shared)]
    notes = [rf"\multicolumn{{{len(heads)}}}{{l}}{{\footnotesize {note}}} \\" for note in notes]
    seeds = sorted(set(comparison["seeds"]))
    told = caption or (
        f"Candidate minus baseline, paired over the same pairs{', accuracy in per cent and points' if 'accuracy' in metrics else ''}. "
        f"{' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} paired seeds. Intervals resample families"
        f"{' and seeds' if seeds[0] >= SEEDS else ''} and hold no training-sample variance; p by sign-flip permutation of families, "
        "Holm over the declared slices."
    )
    lines = [
        r"\begin{table}[t]", r"\centering", rf"\caption{{{escaped(told)}}}", rf"\label{{tab:{_slug(label)}}}", r"\small",
        rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}", r"\toprule", " & ".join(heads) + r" \\", r"\midrule", *rows, r"\bottomrule",
        *notes, r"\end{tabular}", r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _cells(row: pd.Series, scale: float, lacks: dict[str, str], floor: bool) -> list[str]:
    digits = 1 if scale == 100 else 3
    marks = ",".join(lacks[part] for part in _lacking(row["words"]) if part in lacks)
    name = escaped(row["slice"]) + (rf"\textsuperscript{{{marks}}}" if marks else "")
    name = f"{{}}{name}" if name[:1] in ("[", "*") else name  # a line break before them would take them for its own
    values = ["--" if row[side] != row[side] else number(scale * row[side], digits) for side in ("baseline", "candidate")]
    change = "--" if row["difference"] != row["difference"] else number(scale * row["difference"], digits, True)
    if row["low"] == row["low"]:
        change += " " + interval(scale * row["low"], scale * row["high"], digits, True)
    noise = []
    if floor:
        low, high = scale * row["noise_low"], scale * row["noise_high"]
        noise = ["--" if low != low else interval(low, high, digits, True)]
    p = row["p_holm"]
    said = "--" if p != p else "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0")
    sizes = f"{row['n']:.0f} / {row['families']:.0f}"
    return [name, *map(escaped, [*values, change, *noise, said, sizes])]


def _lacking(words: str) -> list[str]:
    """What the words of a row say is missing, its verdict left out."""
    verdicts = ("higher", "lower", "no detectable change", "")
    return [part for part in (part.strip() for part in str(words).split(";")) if part not in verdicts]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "figure"
