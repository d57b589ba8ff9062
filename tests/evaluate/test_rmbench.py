"""RM-Bench's style matrix against loops and a planted love of style."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluate import rmbench_table
from workbench.evaluate.rmbench import COLUMNS_RM

RAW = ("chat", "code", "math", "safety-refuse", "safety-response")


def grid(items=12, domains=RAW) -> pd.DataFrame:
    """Nine pairs of styles per item; safety has twice as many items, in two subdomains."""
    rows = [(f"{domain}/{k}", domain, i, j) for domain in domains for k in range(items) for i in range(3) for j in range(3)]
    return pd.DataFrame(rows, columns=["item", "domain", "chosen_style", "rejected_style"])


def row(table: pd.DataFrame, name: str, domain: str = "All domains", series: str = "model") -> pd.Series:
    (found,) = table[(table["slice"] == name) & (table["domain"] == domain) & (table["series"] == series)].to_dict("records")
    return pd.Series(found)


def slow_matrix(margins, pairs, domain) -> np.ndarray:
    """Share of items whose right answer in style i beats the wrong one in style j."""
    matrix = np.zeros((3, 3))
    inside = pairs["domain"].str.startswith(domain)
    for (i, j), group in pairs[inside].groupby(["chosen_style", "rejected_style"]):
        matrix[i, j] = np.mean([margins[at] > 0 for at in group.index])
    return matrix


def test_matrix_and_difficulties_equal_their_loops():
    pairs, rng = grid(), np.random.default_rng(0)
    margins = np.round(rng.normal(0.4, 1, len(pairs)), 0)  # ties among them, which are wrong
    table = rmbench_table(margins, pairs, draws=40)
    matrices = {domain: slow_matrix(margins, pairs, domain) for domain in ("chat", "code", "math", "safety")}
    matrices["All domains"] = sum(matrices.values()) / 4  # domains count alike, safety's two halves as one
    for domain, matrix in matrices.items():
        hard = (matrix[0, 1] + matrix[0, 2] + matrix[1, 2]) / 3  # the wrong answer is dressed better
        normal, easy = np.trace(matrix) / 3, (matrix[1, 0] + matrix[2, 0] + matrix[2, 1]) / 3
        for name, value in {"hard": hard, "normal": normal, "easy": easy, "mean": (hard + normal + easy) / 3}.items():
            found = row(table, name, domain)
            assert found.value == pytest.approx(value) and found.low <= found.value <= found.high
        cells = table[(table["domain"] == domain) & (table["level"] == "cell")]
        for cell in cells.itertuples():
            assert cell.value == pytest.approx(matrix[int(cell.chosen_style), int(cell.rejected_style)])
        assert len(cells) == 9
    assert row(table, "mean", "safety").families == 24 and row(table, "mean", "safety").n == 24 * 9
    assert row(table, "mean").ties == (margins == 0).sum() and list(table.columns) == list(COLUMNS_RM)


def test_a_model_that_loves_style_is_hard_on_the_upper_right():
    pairs = grid(items=40)
    style = (pairs["chosen_style"] - pairs["rejected_style"]).to_numpy(float)
    table = rmbench_table({"style": style, "truth": np.ones(len(pairs)), "both": 0.5 + style}, pairs, draws=20)
    for series, values in (("style", (0, 0, 1)), ("truth", (1, 1, 1)), ("both", (0, 1, 1))):
        assert tuple(row(table, name, series=series).value for name in ("hard", "normal", "easy")) == pytest.approx(values)
    assert row(table, "concise against markdown", "chat", "style").value == 0
    assert row(table, "markdown against concise", "chat", "style").value == 1


def test_intervals_go_by_item():
    """The nine pairs of an item are one observation."""
    pairs, rng = grid(items=30), np.random.default_rng(3)
    item = rng.normal(size=150)
    margins = 0.3 + np.repeat(item, 9) + 0.1 * rng.normal(size=len(pairs))
    table = rmbench_table(margins, pairs)
    alone = rmbench_table(margins, pairs.assign(family=np.arange(len(pairs))))
    wide = row(table, "mean").high - row(table, "mean").low
    assert wide > 2 * (row(alone, "mean").high - row(alone, "mean").low) and row(table, "mean").families == 150
    rows, means = {name: np.flatnonzero(pairs["item"] == name) for name in pairs["item"].unique()}, []
    for _ in range(400):
        drawn = np.concatenate([rows[name] for name in rng.choice(list(rows), len(rows) - 1)])
        again = pairs.iloc[drawn].reset_index(drop=True)
        means.append(np.mean([slow_mean(margins[drawn], again, domain) for domain in ("chat", "code", "math", "safety")]))
    assert wide / 2 == pytest.approx(1.98 * np.std(means), rel=0.15)


def slow_mean(margins, pairs, domain) -> float:
    return float((margins[pairs["domain"].str.startswith(domain)] > 0).mean())  # nine cells of equal size


def test_what_is_missing_is_said():
    pairs = grid(domains=("chat", "math"))
    pairs = pairs[~((pairs["domain"] == "math") & (pairs["chosen_style"] == 2))].reset_index(drop=True)
    table = rmbench_table(np.ones(len(pairs)), pairs, draws=0)
    assert row(table, "hard").words == "lacks code, safety" and np.isnan(row(table, "hard").value)
    assert row(table, "easy", "math").words == "lacks math, markdown against concise, math, markdown against detailed"
    assert row(table, "hard", "math").value == 1 and row(table, "mean", "chat").value == 1
    assert row(table, "markdown against concise", "math").words == "not there"


def test_length_stands_beside():
    pairs = grid()
    lengths = np.stack([pairs["chosen_style"] * 10.0 + 5, pairs["rejected_style"] * 10.0 + 5], axis=1)
    table = rmbench_table(np.ones(len(pairs)), pairs, lengths=lengths, draws=0)
    assert [row(table, name, series="the longer wins").value for name in ("hard", "normal", "easy")] == [0, 0, 1]
    assert row(table, "normal", series="the longer wins").ties == 60 * 3


def test_bad_input_is_named():
    pairs = grid(items=6)
    margins = np.ones(len(pairs))
    with pytest.raises(WorkbenchError, match="unknown domain poetry.*There are chat, code, math, safety"):
        rmbench_table(margins, pairs.assign(domain=pairs["domain"].where(pairs["domain"] != "chat", "poetry")))
    with pytest.raises(WorkbenchError, match="unknown chosen_style 3.*0 concise, 1 detailed, 2 markdown"):
        rmbench_table(margins, pairs.assign(chosen_style=3))
    with pytest.raises(WorkbenchError, match="no column 'rejected_style'"):
        rmbench_table(margins, pairs.drop(columns="rejected_style"))
    with pytest.raises(WorkbenchError, match="beside a table of 270 rows"):
        rmbench_table(margins[:9], pairs)
