"""Random tables of the strength laboratory, small and large, as its figures read them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from workbench import figures

TREATMENTS = ["none", "drop below 0", "flip below 0", "soft labels", "margin", "flip + margin", "scaled", "smoothing",
              "flip 10 %, drop next 10 %", "oracle: corrupted labels turned back"]
WORDS = ["higher", "lower", "no detectable change", "fewer than 20 families", "no detectable change; seed noise not estimated"]


def measured(rng, frame: pd.DataFrame, value, width: float = 0.03) -> pd.DataFrame:
    """The rows with an interval around their values, and the counts behind them."""
    value = np.clip(np.asarray(value, float), 0.01, 0.99)
    under, over = rng.uniform(0.5, 1, (2, len(value))) * width
    return frame.assign(value=value, low=value - under, high=value + over, n=200, families=90, seeds=5, words="")


def treatments_of(k: int) -> list[str]:
    return [*TREATMENTS[: max(k - 1, 1)], *TREATMENTS[-1:]][:k]


def doubt(rng, k=6, n=400):
    mean = rng.normal(0.6, 0.8, n)
    return pd.DataFrame({"pair_id": [f"p{i}" for i in range(n)], "mean": mean, "std": rng.gamma(6, 0.07, n) + 0.1 * np.abs(mean),
                         "wrong": rng.uniform(size=n) < 1 / (1 + np.exp(3 * mean + 1))})


def agreement(rng, k=6, who=("gate", "truth", "judge", "labels"), bins=10):
    strength = np.linspace(-1.2, 2.4, bins) if bins > 1 else np.array([0.4])
    rows = [(b + 1, s, s - 0.1, s + 0.1, w) for w in list(who)[: max(1, min(k, len(who)))] for b, s in enumerate(strength)]
    frame = pd.DataFrame(rows, columns=["bin", "strength", "lowest", "highest", "who"])
    value = 1 / (1 + np.exp(-1.4 * frame["strength"])) * 0.9 + 0.03 + rng.normal(0, 0.02, len(frame))
    return measured(rng, frame, value, 0.06)


def settling(rng, k=6):
    rows = []
    for of, base in (("ranking", 0.55), ("lowest 10 %", 0.35)):
        for members in (1, 2, 3, 4, 5):
            value = members * base / (1 + (members - 1) * base)
            rows.append((members, of, value, value - 0.04 - 0.1 / members, min(value + 0.04, 1), 100, False))
        rows += [(m, of, m * base / (1 + (m - 1) * base), np.nan, np.nan, 0, True) for m in (10, 20, 50) if of == "ranking"]
    return pd.DataFrame(rows, columns=["members", "of", "value", "low", "high", "splits", "extrapolated"])


def suspects(rng, k=6):
    rows = [(share, gap, b) for gap, b in (("all", 0.2), ("close", 0.31), ("middle", 0.18), ("far", 0.1)) for share in (0.05, 0.1, 0.2)]
    frame = pd.DataFrame(rows, columns=["share", "gap", "base"])
    return measured(rng, frame, frame["base"] + 0.6 - 1.4 * frame["share"] + rng.normal(0, 0.02, len(frame)), 0.09)


def bands(rng, k=6, ofs=("original labels", "observed labels"), bands=10):
    edges = np.linspace(-1.3, 2.5, bands + 1)
    rows = [(b + 1, edges[b], edges[b + 1], of) for of in ofs for b in range(bands)]
    frame = pd.DataFrame(rows, columns=["band", "lowest", "highest", "of"])
    value = 0.4 + 0.3 * (1 - np.exp(-frame["band"] / 3)) + 0.04 * (frame["of"] == "original labels") + rng.normal(0, 0.01, len(frame))
    return measured(rng, frame, value, 0.03)


def treatments(rng, k=6, ofs=("original labels", "truth")):
    rows = [(t, of) for of in ofs for t in treatments_of(k)]
    frame = measured(rng, pd.DataFrame(rows, columns=["treatment", "of"]), rng.uniform(0.68, 0.75, len(rows)), 0.03)
    frame["difference"] = rng.normal(0.005, 0.012, len(rows))
    frame["d_low"], frame["d_high"] = frame["difference"] - rng.uniform(0.005, 0.015, len(rows)), frame["difference"] + 0.01
    up = frame["d_low"] > 0
    frame["p_holm"], frame["words"] = rng.uniform(0, 0.2, len(rows)), np.where(up, WORDS[0], rng.choice(WORDS[2:], len(rows)))
    frame.loc[frame["d_high"] < 0, "words"] = WORDS[1]
    frame.loc[up | (frame["d_high"] < 0), "p_holm"] /= 10
    frame.loc[frame["treatment"] == "none", ["difference", "d_low", "d_high", "p_holm"]] = np.nan
    return frame.assign(words=frame["words"].where(frame["treatment"] != "none", ""))


def noise(rng, k=6, ofs=("original labels", "observed labels"), follows=("chance", "length")):
    rows = [(rate, f, t, of) for f in follows for of in ofs for t in treatments_of(k) for rate in (0.0, 0.1, 0.2, 0.3, 0.4)]
    frame = pd.DataFrame(rows, columns=["rate", "follows", "treatment", "of"])
    slope = {t: rng.uniform(0.2, 0.5) for t in treatments_of(k)}
    fall = frame["rate"] * frame["treatment"].map(slope) * np.where(frame["of"] == "original labels", 0.5, 1)
    return measured(rng, frame, 0.76 - fall + rng.normal(0, 0.004, len(rows)), 0.02)


def curves(rng, k=6, ofs=("train loss", "original labels", "judge", "truth", "agreed"), every=10):
    rows = [(step, t, of, i) for of in ofs for i, t in enumerate(treatments_of(k)) for step in range(0, 201, every)]
    frame = pd.DataFrame(rows, columns=["step", "treatment", "of", "at"])
    rise = 1 - np.exp(-frame["step"] / 50)
    loss = 0.69 - (0.2 - 0.01 * frame["at"]) * rise
    right = 0.5 + (0.22 + 0.006 * frame["at"]) * rise
    frame["value"] = np.where(frame["of"] == "train loss", loss, right) + rng.normal(0, 0.002, len(frame))
    return frame.drop(columns="at")


def left_out(rng, k=4, ofs=("original labels", "observed labels"), domains=("all domains", "chat", "code", "maths and logic", "safety")):
    rows = [(d, t, of) for of in ofs for d in domains for t in treatments_of(min(k, 5))]
    return measured(rng, pd.DataFrame(rows, columns=["domain", "treatment", "of"]), rng.uniform(0.6, 0.8, len(rows)), 0.05)


def alignment(rng, k=6, n=300):
    margin = rng.normal(0.5, 1, n)
    weight, aligned = 1 / (1 + np.exp(margin)), rng.normal(0.1, 1, n) * 1e-3
    moved = 1 / (1 + np.exp(margin * 1.02 + 8 * aligned + rng.normal(0, 0.004, n)))
    pairs = [f"p{i}" for i in range(n)]
    return pd.DataFrame({"pair": pairs, "alignment": aligned, "weight": weight, "reweighted": moved, "margin": margin})


def meta(rng, k=6, rounds=5, ofs=("in distribution", "shifted")):
    rows = [(r, of, what) for what in ("difference", "accuracy", "J") for of in ofs for r in range(rounds)]
    frame = pd.DataFrame(rows, columns=["round", "of", "what"])
    value = 0.5 + 0.05 * frame["round"] + 0.05 * (frame["of"] == "shifted") + rng.normal(0, 0.01, len(rows))
    return measured(rng, frame, value, 0.04)


MAKERS = {
    figures.plot_doubt: doubt, figures.plot_agreement: agreement, figures.plot_settling: settling, figures.plot_suspect_precision: suspects,
    figures.plot_bands: bands, figures.plot_treatments: treatments, figures.plot_noise: noise, figures.plot_curves: curves,
    figures.plot_left_out: left_out, figures.plot_alignment: alignment, figures.plot_meta: meta,
}


SMALL = {
    figures.plot_noise: dict(k=4, ofs=("original labels",)), figures.plot_curves: dict(k=4, ofs=("train loss", "truth"), every=50),
    figures.plot_treatments: dict(k=5), figures.plot_left_out: dict(k=4, domains=("all domains", "chat", "maths and logic")),
    figures.plot_doubt: dict(n=150), figures.plot_alignment: dict(n=150), figures.plot_agreement: dict(k=3, bins=8),
}


def data_of(plot, *, seed: int = 0):
    """A table of every kind of row, small enough to be drawn often."""
    return MAKERS[plot](np.random.default_rng(seed), **SMALL.get(plot, {}))


@cache
def made(plot, seed: int = 0, theme: str = "light"):
    return plot(data_of(plot, seed=seed), theme=theme)


def said(fig) -> str:
    """All words that stand in a figure."""
    return " ".join(note.text.replace("<br>", " ") for note in fig.layout.annotations)


def numbers(values) -> np.ndarray:
    return np.asarray(values, float)
