"""The protocol of the strength laboratory: bands trained alone, noise added on purpose, and curves of each treatment."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from . import tidy
from .base import figure, number, wanted
from .blocks import against
from .multiples import CHANCE, NONE, Panel, draw_lines, is_oracle, lacking, lay_panels, once, series_of, stack_height, tall_enough
from .theme import Theme, theme_of

FOLLOWS = {"chance": "noise at random", "length": "noise that follows length"}


def plot_bands(table: pd.DataFrame, *, theme: str | Theme = "light") -> go.Figure:
    """Held-out accuracy of a model trained on each tenth of preference strength alone (arXiv 2401.06080, §2.2), against chance.

    table: band (1 the weakest), lowest, highest (strength in it), of (which labels accuracy is measured on), value, low, high, words;
    one line per `of`. A rule stands where strength passes zero. Raises WorkbenchError for a missing column and two values of
    one band and `of`.
    """
    look = theme_of(theme)
    frame = wanted(table, "band", "lowest", "highest", "of", "value", "low", "high", "words", what="bands")
    frame = once(frame, "band", "of", what="bands")
    looks = series_of(look, frame["of"], baseline=None)
    panel, bands = Panel("Held-out accuracy, trained on one band alone, %", frame, levels=(CHANCE,)), sorted(frame["band"].unique())
    tall, zero = tall_enough([panel], "of", 150), _zero(frame)
    fig = figure(frame, look, height=stack_height(1, tall), provenance=tidy.provenance(table), sentence=_bands_sentence(frame))
    draw_lines(fig, [panel], looks, x="band", by="of", dodge=0.5 / max(len(looks) + 1, 4))
    every = -(-len(bands) // 12)
    said = ["rule: strength passes 0 here"] if zero is not None else []
    lay_panels(
        fig, look, [panel], looks, x="band", by="of", tall=tall,
        notes=["95 % intervals", *said, *lacking(frame, [f"band {band}" for band in frame["band"]])],
        bottom=dict(range=[bands[0] - 0.6, bands[-1] + 0.6], tickvals=bands[::every], title="bands of preference strength, weakest first"),
    )
    if zero is not None:
        fig.add_shape(type="line", xref="x", x0=zero, x1=zero, yref="y domain", y0=0, y1=1, layer="below",
                      line=dict(color=look.control, width=1))
    return fig


def _zero(frame: pd.DataFrame) -> float | None:
    """Where strength passes zero along the bands: inside the one that holds both signs, or between two; None outside."""
    ends = frame.drop_duplicates("band").sort_values("band")
    below = ends[ends["lowest"] < 0]
    if not len(below) or not (ends["highest"] > 0).any():
        return None
    last = below.iloc[-1]
    share = min(-last["lowest"] / (last["highest"] - last["lowest"]), 1.0) if last["highest"] > last["lowest"] else 1.0
    return float(last["band"] - 0.5 + share)


def _bands_sentence(frame: pd.DataFrame) -> str:
    said = []
    for of, part in frame.dropna(subset=["value"]).groupby("of", sort=False):
        part = part.sort_values("band")
        under = [f"{band:g}" for band, high in zip(part["band"], part["high"]) if high < 0.5]
        ends = f"{of} {100 * part['value'].iloc[0]:.1f} in the weakest, {100 * part['value'].iloc[-1]:.1f} in the strongest"
        said.append(ends + (f", below chance in band {', '.join(under)}" if under else ""))
    return f"Held-out accuracy in per cent of models trained on one band of preference strength alone: {'; '.join(said) or 'not measured'}."


def plot_noise(table: pd.DataFrame, *, candidate: str | None = None, theme: str | Theme = "light") -> go.Figure:
    """Accuracy against the share of labels flipped on purpose: a line per treatment with intervals, a panel per kind of noise and `of`.

    table: rate (0 … 1), follows ("chance", "length"), treatment, of, value, low, high, words. "none" is the baseline, oracles a
    cross and a dot; candidate: the treatment in blue, the first other one if not said. Marks at one rate stand side by side. Raises
    WorkbenchError for a missing column, an unknown candidate, and two values of one place.
    """
    look, keys = theme_of(theme), ("rate", "follows", "treatment", "of")
    frame = once(wanted(table, *keys, "value", "low", "high", "words", what="noise"), *keys, what="noise")
    looks = series_of(look, frame["treatment"], candidate=candidate)
    every = _extremes(frame)
    panels = [
        Panel(f"Accuracy against {against(of)}, {FOLLOWS.get(follows, f'noise by {follows}')}, %", part, more=every)
        for (follows, of), part in frame.groupby(["follows", "of"], sort=False)
    ]
    rates = 100 * np.sort(frame["rate"].unique().astype(float))
    step = float(np.diff(rates).min()) if len(rates) > 1 else 10.0
    tall = tall_enough(panels, "treatment", 120)
    fig = figure(frame, look, height=stack_height(len(panels), tall), provenance=tidy.provenance(table), sentence=_noise_sentence(frame))
    draw_lines(fig, panels, looks, x="rate", by="treatment", unit=100, dodge=0.5 * step / max(len(looks), 6))
    names = [f"{treatment} at {100 * rate:g} %" for treatment, rate in zip(frame["treatment"], frame["rate"])]
    lay_panels(fig, look, panels, looks, x="rate", by="treatment", tall=tall, notes=["95 % intervals", *lacking(frame, names)],
               bottom=dict(range=[rates[0] - 0.45 * step, rates[-1] + 0.45 * step], title="labels flipped on purpose, %", nticks=6))
    return fig


def _extremes(frame: pd.DataFrame) -> tuple[float, ...]:
    """The lowest and highest share of a table in per cent, intervals included: what panels on one scale hold."""
    ends = np.concatenate([100 * frame[name].to_numpy(float) for name in ("value", "low", "high") if name in frame.columns])
    ends = ends[np.isfinite(ends)]
    return (float(ends.min()), float(ends.max())) if len(ends) else ()


def _noise_sentence(frame: pd.DataFrame) -> str:
    said = []
    for (follows, of), part in frame.dropna(subset=["value"]).groupby(["follows", "of"], sort=False):
        worst = part[part["rate"] == part["rate"].max()]
        said.append(f"against {against(of)} at {100 * worst['rate'].iloc[0]:g} per cent by {follows} {best(worst)}")
    return f"Accuracy in per cent of {frame['treatment'].nunique()} treatments under added noise: {'; '.join(said) or 'not measured'}."


def best(values: pd.DataFrame, *, scale: float = 100, lowest: bool = False) -> str:
    """What comes of none, and of the treatment that is best where it stands alone (oracles apart); one value per treatment."""
    digits, own = 1 if scale == 100 else 3, values.set_index("treatment")["value"].astype(float)
    rest = own[[name for name in own.index if name != NONE and not is_oracle(name)]]
    said = [f"{NONE} {number(scale * own[NONE], digits)}"] if NONE in own else []
    if len(rest):
        first = rest.idxmin() if lowest else rest.idxmax()
        said.append(f"{'lowest' if lowest else 'highest'} {first} {number(scale * rest[first], digits)}")
    return ", ".join(said) or "no treatment"


def plot_curves(table: pd.DataFrame, *, candidate: str | None = None, theme: str | Theme = "light") -> go.Figure:
    """Training curves of each treatment, a panel for each thing measured: losses in nats, the others as accuracy.

    table: step, treatment, of ("train loss", "original labels", "judge", "truth", "agreed" …; a loss by its name), value. "none" is the
    baseline, oracles a cross and a dot; candidate: the treatment in blue, the first other one if not said. Raises WorkbenchError for a
    missing column, an unknown candidate, and two values of one step.
    """
    look, keys = theme_of(theme), ("step", "treatment", "of")
    frame = once(wanted(table, *keys, "value", what="training curves"), *keys, what="training curves")
    looks = series_of(look, frame["treatment"], candidate=candidate)
    shares = _extremes(frame[~frame["of"].astype(str).str.lower().str.contains("loss")])
    panels = [_curve_panel(str(of), part, shares) for of, part in frame.groupby("of", sort=False)]
    tall = tall_enough(panels, "treatment", 100)
    fig = figure(frame, look, height=stack_height(len(panels), tall), provenance=tidy.provenance(table), sentence=_curves_sentence(frame))
    draw_lines(fig, panels, looks, x="step", by="treatment", signs=6)
    first, span = float(frame["step"].min()), max(float(np.ptp(frame["step"])), 1.0)
    lay_panels(fig, look, panels, looks, x="step", by="treatment", tall=tall,
               bottom=dict(range=[first - 0.02 * span, first + 1.01 * span], title="training step", nticks=5))
    return fig


def _curve_panel(of: str, part: pd.DataFrame, shares: tuple[float, ...]) -> Panel:
    if "loss" in of.lower():
        return Panel(f"{of.capitalize()}, nats", part, scale=1)
    return Panel(f"Accuracy against {against(of)}, %", part, more=shares)


def _curves_sentence(frame: pd.DataFrame) -> str:
    said = []
    for of, part in frame.dropna(subset=["value"]).groupby("of", sort=False):
        loss = "loss" in str(of).lower()
        last = part.sort_values("step").drop_duplicates("treatment", keep="last")
        said.append(f"{of} {best(last, scale=1 if loss else 100, lowest=loss)}")
    many = frame["treatment"].nunique()
    return f"Training curves of {many} treatments to step {frame['step'].max():g}, last values: {'; '.join(said) or 'not measured'}."
