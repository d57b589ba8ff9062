"""Four pictures of one gate, at the width of a column and in grey: which of them says who decides, how surely, over whom.

    python docs/gate_pictures.py             writes docs/gate-pictures.png from the shipped study's gate
    python docs/gate_pictures.py STUDY PNG   from the gate of another study

The watershed and the heat map are the workbench's own; strata and lead swarm live only here, to be looked at beside them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

import workbench as wb
from workbench import figures
from workbench.evaluate import Watershed
from workbench.figures import tidy
from workbench.figures.base import TICK, figure, shorten, text_width
from workbench.figures.theme import LIGHT, OTHER, group_of
from workbench.scenario.recipe import Scenario
from workbench.scenario.run import run

NEIGHBOURS, BINS = 25, 50
WIDE, FOOT = 700, 26  # px of the page, and of the words under a picture
PAGE = """<style>
@page {{ margin: 0 }} body {{ margin: 12px; width: 676px; font: 10px Arial, "Liberation Sans", sans-serif; color: #212121 }}
main {{ display: grid; grid-template-columns: 1fr 1fr; gap: 14px 28px }} svg {{ filter: grayscale(1); display: block }}
p {{ margin: 4px 0 0 }}</style><main>{0}</main>"""
SAID = {
    "Watershed": "Width: which. Full tone: how sure. Valleys: changes of mind.",
    "Heat map": "Which, by section; doubt is hidden in a mean.",
    "Strata": "Every share; a lead is the difference of two edges.",
    "Lead swarm": "How sure, per objective; rivals are lost.",
}


def strata(shares: np.ndarray, names: list[str], groups: dict) -> go.Figure:
    """Shares [prompt obj] stacked, prompts along their first principal component, means of neighbours."""
    centred = shares - shares.mean(axis=0)
    order = np.argsort(np.linalg.svd(centred, full_matrices=False)[0][:, 0], kind="stable")
    window = min(NEIGHBOURS, len(order))
    smooth = np.stack([np.convolve(column, np.ones(window) / window, "valid") for column in shares[order].T], axis=1)
    rank = np.argsort(-shares.mean(axis=0), kind="stable")
    top = np.cumsum(smooth[:, rank], axis=1)
    fig = figure(tidy.mean_shares(shares, names, ["all"] * len(shares)), LIGHT, sentence="Stacked shares.", height=210)
    at = np.linspace(0, 1, len(top))
    for place, k in enumerate(rank):
        low = top[:, place - 1] if place else np.zeros(len(top))
        x, y = np.concatenate([at, at[::-1]]), np.concatenate([top[:, place], low[::-1]])
        line = dict(width=0.7, color=LIGHT.ground)
        fig.add_scatter(x=x, y=100 * y, mode="lines", fill="toself", fillcolor=LIGHT.fill(group_of(names[k], groups)), line=line)
        thick = top[:, place] - low
        best = int(np.where((at > 0.2) & (at < 0.8), thick, 0).argmax())
        if thick[best] > 0.09:
            where = dict(x=float(at[best]), y=100 * (low[best] + thick[best] / 2))
            fig.add_annotation(text=shorten([names[k]], 20)[0], font=dict(size=TICK, color=LIGHT.ground), **where)
    fig.update_layout(margin=dict(l=42, r=10, t=12, b=26))
    fig.update_xaxes(range=[0, 1], visible=False)
    fig.update_yaxes(range=[0, 100], tickvals=[0, 50, 100], ticktext=["0", "50", "100 %"])
    words = f"{len(shares)} prompts in order of likeness; means of {window} neighbours"
    fig.add_annotation(text=words, xref="paper", x=0, xanchor="left", yref="paper", y=0, yanchor="top", yshift=-4)
    return fig


def swarm(shed: Watershed, groups: dict) -> go.Figure:
    """A row per leading objective; a column of prompts at each lead."""
    rows = shed.hills(columns=10**9)
    names = [hill["name"] or f"{len(hill['members'])} others" for hill in rows]
    labels = [f"{name} {100 * hill['prompts'] / len(shed):.0f} %" for name, hill in zip(shorten(names, 20), rows)]
    fig = figure(shed.table, LIGHT, sentence="Leads.", height=60 + 30 * len(rows))
    most = max(np.histogram(hill["lead"], BINS, (0, 1))[0].max() for hill in rows)
    for row, hill in enumerate(rows):
        counts, edges = np.histogram(hill["lead"], BINS, (0, 1))
        color = LIGHT.fill(group_of(hill["name"], groups) if hill["name"] else OTHER)
        tall = 0.86 * counts / most
        fig.add_bar(x=(edges[:-1] + edges[1:]) / 2, y=tall, base=[-float(row)] * BINS, marker=dict(color=color), width=0.6 / BINS)
    fig.update_layout(margin=dict(l=max(map(text_width, labels)) + 14, r=10, t=8, b=30), barmode="overlay")
    fig.update_xaxes(range=[0, 1], tickvals=[0, 0.5, 1], ticktext=["0", "lead over the runner-up", "1"])
    fig.update_yaxes(range=[0.06 - len(rows), 1], tickvals=[0.2 - i for i in range(len(rows))], ticktext=labels)
    return fig


def four(shed: Watershed, shares: np.ndarray, names: list[str], sections: list[str], groups: dict) -> dict[str, go.Figure]:
    """The candidates, from shares [prompt obj] and their watershed."""
    heat = figures.plot_gate_heatmap(tidy.mean_shares(shares, names, sections), groups=groups)
    water = figures.plot_gate_watershed(shed, groups=groups)
    return dict(zip(SAID, (water, heat, strata(shares, list(names), groups), swarm(shed, groups))))


def page(pictures: dict[str, go.Figure], out: Path) -> None:
    """One PNG of all, true to size twice over, drawn by the browser that draws the figures."""
    with tempfile.TemporaryDirectory() as folder:
        figures.save_all(pictures, "icml-column", ("svg",), folder)
        drawn = {name: (Path(folder) / f"{name}.svg").read_text(encoding="utf-8") for name in pictures}
        cells = [f"<div>{svg[svg.index('<svg'):]}<p><b>{escape(name)}.</b> {SAID[name]}</p></div>" for name, svg in drawn.items()]
        sheet = Path(folder) / "page.html"
        sheet.write_text("<!doctype html><meta charset=utf-8>" + PAGE.format("".join(cells)), encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=2"]
        tall = [0.75 * fig.layout.height + FOOT for fig in pictures.values()]
        size = f"--window-size={WIDE},{round(max(tall[:2]) + max(tall[2:]) + 50)}"
        call = [figures.browser(), *options, size, f"--screenshot={out.resolve()}", sheet.as_uri()]
        subprocess.run(call, check=True, capture_output=True)


def main(study: str | None = None, out: str | None = None) -> None:
    opened = wb.Study.load(study) if study else wb.demo()
    result = run(Scenario(), opened)
    groups = {name: about.group for name, about in opened.objective_info.items() if about.group}
    first = ~result.pairs["prompt_id"].duplicated().to_numpy()
    sections = result.pairs.loc[first, "section"].tolist()
    made = four(Watershed.of(result), np.asarray(result.shares)[first], list(result.names), sections, groups)
    page(made, Path(out) if out else Path(__file__).with_name("gate-pictures.png"))


if __name__ == "__main__":
    main(*sys.argv[1:])
