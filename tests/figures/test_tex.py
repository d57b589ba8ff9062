"""LaTeX that compiles: escaped, balanced, as many cells as columns; captions that say what was measured."""

import re
import shutil
import string
import subprocess

import figure_data
import numpy as np
import pandas as pd

from workbench import figures
from workbench.figures.tex import SPECIAL, escaped

NASTY = r"100% of_{x} & #1 ~ $\alpha$ ^2 \x <b> | “a” – −1 × 2 ρ≥0.5 …"
COMMANDS = set(
    "begin end centering includegraphics caption label small toprule midrule bottomrule multicolumn footnotesize textsuperscript emph "
    "columnwidth textwidth detokenize textbackslash textasciicircum textasciitilde textless textgreater textbar textquotedbl times pm le "
    "ge to enspace ldots Delta lambda mu rho sigma cdot".split()
)


def complaints(text: str) -> list[str]:
    """What a LaTeX run would trip over: a slow reading of the little that is written here."""
    found, text = [], re.sub(r"(?m)(?<!\\)%.*$", "", text)
    text = re.sub(r"\\detokenize\{[^}]*\}", "", text)
    found += [f"unknown \\{name}" for name in re.findall(r"\\([A-Za-z]+)", text) if name not in COMMANDS]
    plain = re.sub(r"\\(?:[A-Za-z]+|.|\n)", " ", text.replace("\\\\", " "))
    found += ["unbalanced braces"] * (plain.count("{") != plain.count("}"))
    found += ["odd number of $"] * (plain.count("$") % 2)
    body = re.sub(r"\$[^$]*\$", "", plain)
    found += [f"bare {letter}" for letter in "#^<>|" if letter in body]
    found += [f"bare {letter!r}" for letter in set(body) - set(string.printable)]
    opened = []
    for which, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", text):
        if which == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            found.append(f"\\end{{{name}}}")
    found += opened
    for spec, inside in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [row for row in re.sub(r"\\(?:top|mid|bottom)rule", "", inside).split(r"\\") if row.strip()]
        for row in rows:
            cells = len(re.findall(r"(?<!\\)&", row)) + sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", row)) + 1
            found += [f"{cells} cells of {len(spec)}: {row.strip()}"] * (cells != len(spec))
            found += [f"a row begins with {row.strip()[0]}"] * (row.strip()[0] in "[*")
    return found


def compiles(folder, body: str) -> None:
    """Compiled, where a LaTeX is installed; else read by the checker alone."""
    assert complaints(body) == []
    if shutil.which("pdflatex"):
        head = r"\documentclass{article}\usepackage{booktabs,graphicx,textcomp}\usepackage[T1]{fontenc}\begin{document}"
        (folder / "a.tex").write_text(head + body + r"\end{document}")
        call = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
        subprocess.run(call, cwd=folder, check=True, timeout=60)


def comparison(slices=3, seeds=5):
    frame = figure_data.data_of(figures.plot_comparison, slices=slices)
    return frame.assign(metric="accuracy", seeds=seeds, n=40, families=range(30, 30 + slices), flips=3)


def test_the_checker_complains():
    assert complaints(r"\begin{table}a_b & 100\%$x$\end{table}") == []
    for bad in (r"\begin{table}", r"a # b", r"\foo", "a { b", "1 $ 2", "−", r"\begin{tabular}{lr}a & b & c \\ \end{tabular}", "a<b"):
        assert complaints(bad), bad


def test_everything_is_escaped():
    assert complaints(escaped(NASTY)) == [] and "100\\% of\\_\\{x\\} \\& \\#1" in escaped(NASTY)
    assert [letter for letter in SPECIAL if complaints(f"a{escaped(letter)}b")] == []
    assert escaped("Größe\x00") == "Größe" and escaped("a\u2009b") == r"a\,b"


def test_a_float_with_its_caption(tmp_path):
    fig = figures.plot_sections({"before": figure_data.result("before", seed=1), "after": figure_data.result()})
    text = figures.latex(fig, "by words", label="By Words")
    compiles(tmp_path, text.replace(r"\includegraphics", r"% \includegraphics"))
    assert complaints(text) == [] and r"\label{fig:by-words}" in text
    assert r"\includegraphics[width=\columnwidth]{\detokenize{by words}}" in text
    said = figures.caption(fig)
    assert figures.sentence(fig) in said and "60 pairs of 30 families (dev split)." in said and "3 seeds; seed noise not estimated." in said
    assert "resample families; they hold no training-sample variance" in said
    assert text.startswith("% study abc123, scenarios before-id, candidate-id")
    wide = figures.latex(fig, "a_b-1", width=6.75)
    assert r"\begin{figure*}" in wide and r"\textwidth]{a_b-1}" in wide


def test_caption_words_follow_the_intervals():
    words = {plot: figures.caption(plot(figure_data.data_of(plot))) for plot in figure_data.MAKERS}
    assert "over seeds" in words[figures.plot_gate_prompt] and "95 %" not in words[figures.plot_gate_prompt]
    assert "resample families;" in words[figures.plot_verbosity]
    assert "95 %" not in words[figures.plot_strength] + words[figures.plot_learning] + words[figures.plot_gate_heatmap]
    five = figures.plot_sections(figure_data.result(seeds=5))
    assert "families and paired seeds" in figures.caption(five) and "5 seeds." in figures.caption(five)


def test_a_table_of_a_comparison(tmp_path):
    frame = comparison()
    frame["slice"] = ["All pairs", "[R&D] 50%", "looked_at"]
    frame["words"] = ["higher", "fewer than 20 families", "exploratory: no p-value"]
    frame["difference"], frame["p_holm"] = [0.0314, -0.02, np.nan], [0.0002, 0.25, np.nan]
    text = figures.latex_table(frame)
    compiles(tmp_path, text)
    first, second, third = (row.split(" & ") for row in text.split("\\midrule\n")[1].split("\\bottomrule")[0].strip().split("\n"))
    assert first[3].startswith("+3.1 [") and first[4] == r"\textless{} .001" and first[5] == r"40 / 30 \\"
    assert second[0] == r"{}[R\&D] 50\%\textsuperscript{a}" and second[3].startswith("$-$2.0") and second[4] == ".250"
    assert third[0] == r"looked\_at\textsuperscript{b}" and third[4] == "--" and third[3].startswith("--")
    assert r"\textsuperscript{a} fewer than 20 families" in text and "5 paired seeds" in text and "families and seeds" in text


def test_what_all_rows_lack_is_said_once(tmp_path):
    frame = comparison(seeds=2).assign(words="no detectable change; seed noise not estimated")
    frame = frame.assign(noise_low=-0.01, noise_high=[0.01, np.nan, 0.02])
    frame = pd.concat([frame, frame.assign(metric="log loss", words="lower; seed noise not estimated")], ignore_index=True)
    text = figures.latex_table(frame, caption="Mine: 5%", label="x_y")
    compiles(tmp_path, text)
    assert text.count("seed noise not estimated") == 1 and "textsuperscript" not in text and text.count("Noise floor") == 1
    assert r"\emph{log loss}" in text and r"\caption{Mine: 5\%}" in text and r"\label{tab:x-y}" in text


def test_words_stay_on_one_line():
    assert escaped("two\n\nparagraphs\r\n and\u2028a\tline") == "two paragraphs and a line"
