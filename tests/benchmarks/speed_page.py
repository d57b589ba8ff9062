"""docs/speed.md from what the benchmarks wrote: nothing stands on it that was not measured.

    python tests/benchmarks/speed_page.py FOLDER OUT.md

FOLDER holds one JSON file per script (`--json`). A script without one, and a row without a timing, say "not measured".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench import size_words, words

# script → what it measures, what must come out, what is aimed at
WORK = {
    "probes": ("ridge, 50 000 × 1024, 19 objectives, 9 α", "≥ 8× less CPU than scikit-learn in float64, ≥ 12× than in float32", "20×"),
    "probes_paper": ("ridge, 585 000 × 4096 bfloat16, made on the fly", "2 cores, 4 GiB", "1.5× of the Gram floor"),
    "gate_steps": ("one gate step", "≥ 2×; in bfloat16 ≥ 4× (d 4096), ≥ 3× (d 384)", "5–6×"),
    "gate_loss": ("time to the released loop's held-out loss, d 384", "≥ 5×", "10×"),
    "strength_heads": ("strength, 10 members × 5 folds, 50 000 pairs × 384", "≥ 3×", "6×"),
    "preview": ("preview, 100 000 prompts × 19", "≤ 100 ms; with 1 000 resamples ≤ 1 s", "30 ms"),
    "default_retrain": ("default retrain of the shipped study", "≤ 2 s; five seeds ≤ 5 s", "1 s"),
    "retrain_click": ("Retrain in JupyterLab, from click to redraw", "≤ 2.5 s", ""),
    "gate_gpu": ("gate, the paper's recipe, on a GPU", "≤ 4 s, ≥ 8×", "2 s"),
    "probes_gpu": ("probes, 585 000 × 4096 on a GPU", "≤ 10 s", "3 s"),
    "extraction": ("features by Llamas of 0.231M and 97.5M parameters", "≥ 1.5× the useful tokens per CPU second, to 1e-5", "3×"),
    "extraction_ray": ("extraction by Ray, one and two workers of one core", "the same bytes as here", ""),
    "extraction_gpu": ("features by a Llama of 8B parameters, bfloat16, on a GPU", "≥ 3×, utilisation ≥ 45%", "5×"),
}
REASONS = {  # how a row's work begins → why it is short of its target
    "features by a Llama of 0.231M parameters": "attention takes nearly half of its time, products less than a third, and only these "
    "gain from batches",
    "features by a Llama of 97.5M parameters": "one conversation alone runs its products at most of the machine's rate already, and a "
    "pair's two share about a fifth of their tokens; the ratio is larger where prompts and answers return as in the data (beside it)",
}
HEAD = """# Speed

What the workbench does against the released algorithm rewritten plainly, each pair of figures from one run on one machine. CPU
seconds are those of all threads; the floor is what the operations or bytes alone take at the rates measured in that run; peak is
the memory of a fresh process, imports included. A file of each run is in `docs/speed/`; this page is made from them.
"""
TAIL = """## Again

    make bench           # every script small, some minutes
    make bench-full      # the sizes of this page; writes docs/speed/ and this page
    python tests/benchmarks/gate_steps.py --full --json docs/speed/gate_steps.json    # one of them
    python tests/benchmarks/speed_page.py docs/speed docs/speed.md                          # the page alone
"""


def read(folder: Path) -> dict[str, dict]:
    """script → what its file says, where it has rows."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    return {stem: one for stem, one in found.items() if one.get("rows") and all("work" in row for row in one["rows"])}


def both(timing: dict | None) -> str:
    return f"{words(timing['cpu'])} / {words(timing['wall'])}" if timing else "–"


def line(row: dict) -> str:
    """One row of the table."""
    ratio = f"**{row['ratio']['cpu']:.1f}×** / {row['ratio']['wall']:.1f}×" if row.get("ratio") else "–"
    floor = f"{row['ours']['cpu'] / row['floor']:.1f}×" if row.get("floor") and row.get("ours") else "–"
    verdict = {True: "met", False: "**short**", None: ""}[row.get("met")]
    must = "; ".join(filter(None, (row.get("must", ""), verdict)))
    if row.get("missing"):
        ratio = "not measured"
    agreed = "; ".join(filter(None, (row.get("agreement"), row.get("note"))))
    cells = (row["work"], must, both(row.get("naive")), both(row.get("ours")), ratio, floor, agreed,
             size_words(row["peak"]) if row.get("peak") else "–")
    return "| " + " | ".join(cell.replace("|", "\\|") or " " for cell in cells) + " |"


def absent(what: str, must: str, aim: str) -> str:
    return f"| {what} | {must}{'; aim ' + aim if aim else ''} | – | – | not measured | – | | – |"


def shortfalls(found: dict[str, dict]) -> list[str]:
    """One line for each row that falls short, with its reason."""
    said = []
    for one in found.values():
        for row in one["rows"]:
            if row.get("met") is False:
                reason = next((why for begins, why in REASONS.items() if row["work"].startswith(begins)), "no reason is known yet")
                said.append(f"- {row['work']}: {row['must']} is not reached: {reason}.")
            elif row.get("missing"):
                said.append(f"- {row['work']}: not measured, {row['missing']}.")
    return said + [f"- {what}: not measured yet." for stem, (what, _, _) in WORK.items() if stem not in found]


def page(found: dict[str, dict]) -> str:
    """The whole page."""
    machines: dict[str, list[str]] = {}
    for stem, one in found.items():
        machines.setdefault(f"{one['machine']} ({one['date']})", []).append(stem)
    order = [*WORK, *(stem for stem in found if stem not in WORK)]
    title = [
        "| work | must | naive, CPU / wall | ours, CPU / wall | ratio, CPU / wall | × floor | agreement, notes | peak |", "|" + "---|" * 8,
    ]
    main, beside = [], []
    for stem in order:
        if stem not in found:
            main.append(absent(*WORK[stem]))
            continue
        for row in found[stem]["rows"]:
            (main if row.get("must") else beside).append(line(row))
    parts = [HEAD, *(f"- {where}: {', '.join(stems)}" for where, stems in machines.items()), "", *title, *main, ""]
    if shortfalls(found):
        parts += ["## Short of its target, or not measured", "", *shortfalls(found), ""]
    if beside:
        parts += ["## Beside it", "", *title, *beside, ""]
    return "\n".join([*parts, TAIL])


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, out = map(Path, sys.argv[1:])
    out.write_text(page(read(folder)), encoding="utf-8")
    print(f"{out}: {len(read(folder))} scripts")


if __name__ == "__main__":
    main()
