"""Mean strength against spread, thinned where marks crowd; and how often the suspects are wrong labels."""

from __future__ import annotations

import math
from collections import Counter

import laboratory_data
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laboratory_data import data_of, numbers, said
from text_boxes import meetings

from workbench import figures
from workbench.errors import WorkbenchError
from workbench.evaluate import StrengthTable, agreement_by_bin
from workbench.evaluate.doubt import settling, suspect_precision
from workbench.figures.crowd import GRID, thinned
from workbench.figures.signs import NARROWEST
from workbench.preference.strength import Strength


def test_a_study_is_drawn_with_its_truth():
    rng = np.random.default_rng(0)
    members = rng.normal(0.3, 1, (120, 4))
    pairs = pd.DataFrame({"pair_id": [f"<{i}>" for i in range(120)], "family": np.arange(120)})
    gap = rng.normal(size=120)
    study = StrengthTable(pairs, Strength(members, 1.0, 5), truth=pd.DataFrame({"gap": gap}))
    fig = figures.plot_doubt(study, flip_below=-0.5, drop_below=0.0)
    table, (right, wrong) = figures.table(fig), fig.data
    np.testing.assert_allclose(numbers(wrong.x), members.mean(axis=1)[gap < 0])
    np.testing.assert_allclose(numbers(right.y), members.std(axis=1)[gap >= 0])
    mean = members.mean(axis=1)
    counts = {"flip": (mean < -0.5).sum(), "drop": ((mean >= -0.5) & (mean < 0)).sum(), "keep": (mean >= 0).sum()}
    assert table["band"].value_counts().to_dict() == counts and all(f"{band} {n}" in said(fig) for band, n in counts.items())
    assert f"flip {counts['flip']} ({((mean < -0.5) & (gap < 0)).sum()} with wrong labels)" in figures.sentence(fig)
    assert right.marker.symbol != wrong.marker.symbol and "&lt;" in right.customdata[0] and "label wrong" in said(fig)
    plain = figures.plot_doubt(Strength(members, 1.0, 5))
    assert len(plain.data) == 2 and not len(plain.data[1].x) and "suspect" in said(plain) and "label wrong" not in said(plain)


def test_tables_of_a_study_are_drawn_as_they_come():
    rng = np.random.default_rng(1)
    pairs = pd.DataFrame({"pair_id": [f"p{i}" for i in range(150)], "family": np.arange(150) // 2})
    gap = rng.normal(size=150)
    study = StrengthTable(pairs, Strength(gap[:, None] + rng.normal(0.3, 1, (150, 4)), 1.0, 5), truth=pd.DataFrame({"gap": gap}))
    drawn = (
        figures.plot_agreement(agreement_by_bin(study, rng.normal(size=(2, 150)), draws=20)),
        figures.plot_settling(settling(study, splits=5)), figures.plot_suspect_precision(suspect_precision(study, draws=20)),
    )
    assert all(not meetings(fig, NARROWEST) for fig in drawn) and "fewer than" in said(drawn[2])


def test_one_member_has_no_spread():
    with pytest.raises(WorkbenchError, match="One member has no spread"):
        figures.plot_doubt((np.ones(4), np.full(4, np.nan)))
    with pytest.raises(WorkbenchError, match="lies above"):
        figures.plot_doubt(data_of(figures.plot_doubt), flip_below=1.0, drop_below=0.0)
    assert len(figures.table(figures.plot_doubt((np.zeros(3), np.zeros(3))))) == 3


def test_thinned_counts_stay_exact():
    table = laboratory_data.doubt(np.random.default_rng(1), n=6000)
    fig = figures.plot_doubt(table, flip_below=-0.4, drop_below=0.1)
    drawn = figures.table(fig)
    assert len(drawn) <= 5000 and "of 6\u2009000 pairs drawn" in said(fig)
    band = np.select([table["mean"] < -0.4, table["mean"] < 0.1], ["flip", "drop"], "keep")
    exact = table.groupby([band, table["wrong"]]).size()
    assert drawn.groupby(["band", "wrong"])["pairs"].sum().to_dict() == exact.to_dict()
    assert figures.sentence(figures.plot_doubt(drawn, flip_below=-0.4, drop_below=0.1)) == figures.sentence(fig)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 400), st.integers(1, 120), st.integers(1, 3), st.integers(0, 1))
def test_few_marks_stand_for_many(seed, n, most, kinds, fine):
    rng = np.random.default_rng(seed)
    x, y, kind = rng.normal(size=n).round(fine), rng.exponential(size=n).round(fine), rng.integers(0, kinds, n)
    kept, many = thinned(x, y, kind, most)
    assert many.sum() == n and (many >= 1).all() and (np.diff(kept) > 0).all()
    assert np.array_equal(np.bincount(kind[kept], weights=many, minlength=kinds), np.bincount(kind, minlength=kinds))
    cells = slow_cells(x, y, kind)
    mine = Counter(cells[i] for i in kept)
    stood = Counter(cell for i, times in zip(kept, many) for cell in [cells[i]] * times)
    assert stood == Counter(cells), "a mark stands for its own cell and kind alone"
    assert mine == slow_shares(cells, most) if n > most else len(kept) == n
    assert len(kept) <= max(most, len(set(cells)))


def slow_shares(cells: list[tuple], most: int) -> Counter:
    """The largest cap for which all that cells keep is no more than `most`, tried one by one."""
    sizes, whole = Counter(cells), Counter(cell[:2] for cell in cells)

    def kept(cap):
        return Counter({c: n if whole[c[:2]] <= cap else math.ceil(n * cap / whole[c[:2]]) for c, n in sizes.items()})

    fits = [cap for cap in range(1, most + 1) if kept(cap).total() <= most]
    return kept(max(fits, default=1))


def slow_cells(x, y, kind) -> list[tuple]:
    def at(values, cells):
        span = max(values) - min(values) or 1.0
        return [min(int(cells * (v - min(values)) / span), cells - 1) for v in values]

    return list(zip(at(x.tolist(), GRID[0]), at(y.tolist(), GRID[1]), kind.tolist()))


def test_precision_beside_its_base_rate():
    table = data_of(figures.plot_suspect_precision)
    table.loc[3, ["value", "low", "high"]] = np.nan
    table.loc[3, "words"] = "fewer than 6 families"
    table.loc[4, "words"] = "fewer than 20 families"
    fig = figures.plot_suspect_precision(table)
    base, *shares = fig.data
    assert [trace.name for trace in shares] == ["lowest 5 %", "lowest 10 %", "lowest 20 %"]
    np.testing.assert_allclose(numbers(base.x)[::3], 100 * table.drop_duplicates("gap")["base"])
    for trace, share in zip(shares, (0.05, 0.1, 0.2)):
        rows = table[table["share"] == share]
        np.testing.assert_allclose(numbers(trace.x), 100 * rows["value"])
        np.testing.assert_allclose(numbers(trace.x) + numbers(trace.error_x.array), 100 * rows["high"])
        assert [round(at) for at in trace.y] == [0, 1, 2, 3]
    assert "fewer than 6 families" in said(fig) and "fewer than 20 families: close, 10 %" in said(fig)
    assert len({trace.marker.symbol for trace in shares}) == 3 and "; close not measured, " in figures.sentence(fig)
