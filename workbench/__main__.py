"""The command line: ``workbench COMMAND --help``. Only arguments are known here; the work is in ``commands``."""

from __future__ import annotations

import argparse
import sys
import warnings

from . import __version__
from .errors import WorkbenchError


def parser() -> argparse.ArgumentParser:
    """Every command and option."""
    top = argparse.ArgumentParser(prog="workbench", description="Open up multi-objective reward models, without a notebook.")
    top.add_argument("--version", action="version", version=f"workbench {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, what: str, study: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        if study:
            made.add_argument("study", metavar="STUDY", help='a study folder, or the word "demo" for the shipped one')
        return made

    one = command("check", "say what a study holds, and every defect found; exit 1 if there is any")
    _json(one)

    one = command("extract", "turn public tables of text into a study with features; killed, the same call goes on", study=False)
    one.add_argument("inputs", nargs="+", metavar="INPUT", help="pairs or ratings: .jsonl, .jsonl.gz or .parquet; several make one study")
    one.add_argument("--out", required=True, metavar="FOLDER", help="the new study's folder")
    one.add_argument("--layout", default="auto", help="how the tables are laid out (default: recognised)")
    one.add_argument("--encoder", default="all-MiniLM-L6-v2", help="sentence encoder (default: %(default)s)")
    one.add_argument("--max-tokens", type=int, metavar="N", help="read at most N tokens of each text (default: the encoder's limit)")
    one.add_argument("--rename", action="append", default=[], metavar="OLD=NEW", help="a column's name → the name that the layout knows")
    one.add_argument("--name", help="the study's name (default: the folder's)")
    one.add_argument("--skip-bad", action="store_true", help="leave out unusable rows and count them, rather than refuse the table")
    _json(one)

    one = command("fit", "run a scenario on a study and print its metrics: the numbers of the Retrain button")
    one.add_argument("--scenario", metavar="FILE", help="the recipe, as JSON (default: every objective, nothing changed)")
    _running(one)
    one.add_argument("--final", action="store_true", help="open the test split; openings are counted")
    _json(one)

    one = command("compare", "run two scenarios on a study and say what changed, and whether it is more than noise")
    one.add_argument("--baseline", metavar="FILE", help="the recipe compared against (default: every objective, nothing changed)")
    one.add_argument("--candidate", metavar="FILE", required=True, help="the recipe in question")
    _running(one)
    one.add_argument("--noise-floor", action="store_true", help="also compare the baseline with itself on other seeds")
    _json(one)

    one = command("map", "lay the prompts out as a map, with clusters and the words that name them, and store it beside the study")
    one.add_argument("--seed", type=int, default=0, help="one seed, one map (default: %(default)s)")
    one.add_argument("--seeds", type=int, default=3, metavar="N", help="layouts that are held against each other (default: %(default)s)")
    one.add_argument("--neighbours", type=int, default=15, help="that UMAP looks at (default: %(default)s)")
    one.add_argument("--min-dist", type=float, default=0.1, help="how close prompts may lie (default: %(default)s)")
    _json(one)

    one = command("figures", "run a scenario and write its figures: PDF, SVG, PNG, LaTeX and the table behind each")
    one.add_argument("--scenario", metavar="FILE", help="the recipe, as JSON (default: every objective, nothing changed)")
    one.add_argument("--baseline", metavar="FILE", help="a second recipe to compare with")
    one.add_argument("--pair", metavar="ID", help="a pair whose gate and decomposition are drawn too")
    one.add_argument("--only", metavar="NAMES", help="comma-separated: these figures, strength and learning too, which are trained for")
    one.add_argument("--out", required=True, metavar="FOLDER", help="where the figures go")
    one.add_argument("--venue", default="icml-column", help="whose column width (default: %(default)s)")
    one.add_argument("--formats", default="pdf,svg,png", help="comma-separated (default: %(default)s; html needs no browser)")
    _running(one)
    _json(one)

    one = command("doctor", 'say what this machine can do, and the command that mends each "no"', study=False)
    _json(one)
    return top


def _json(one: argparse.ArgumentParser) -> None:
    one.add_argument("--json", action="store_true", help="print JSON, for a program to read")


def _running(one: argparse.ArgumentParser) -> None:
    one.add_argument("--seeds", type=int, metavar="N", help="train N seeds, 0 to N-1 (default: the scenario's own)")
    one.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    one.add_argument("--no-cache", action="store_true", help="compute again, and store nothing")


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0, or 1 with one line on stderr."""
    args = parser().parse_args(argv)
    from . import commands

    def noted(message, *_, **__):
        print(f"workbench {args.command}: note: {' '.join(str(message).split())}", file=sys.stderr)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = noted
            return getattr(commands, args.command)(args)
    except (WorkbenchError, OSError) as error:
        print(f"workbench {args.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"workbench {args.command}: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
