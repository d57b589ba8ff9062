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

    one = command("extract", "turn tables of text into a study with features; killed, the same call goes on", study=False)
    one.add_argument("inputs", nargs="+", metavar="INPUT", help="pairs or ratings: .jsonl(.gz), .parquet, a data set's folder or hub id "
                     "(owner/name:split); several make one study")
    one.add_argument("--out", required=True, metavar="FOLDER", help="the new study's folder")
    one.add_argument("--layout", default="auto", help="how the tables are laid out (default: recognised)")
    one.add_argument("--backbone", default="all-MiniLM-L6-v2", metavar="MODEL", help="sentence encoder, decoder model or ArmoRM: an "
                     "installed one's name, a folder or a hub id (default: %(default)s)")
    _loading(one)
    one.add_argument("--overlong", choices=("skip", "cut"), help="conversations past --max-tokens: left out with their reason (default), "
                     "or the prompt is cut on its left")
    one.add_argument("--gating-pattern", metavar="IDS", help="ids (1,2,3) or text between prompt and answer (default: from the template)")
    one.add_argument("--chat-template", metavar="FILE", help="a Jinja template in place of the tokenizer's own")
    one.add_argument("--fold-system", action="store_const", const=True, help="system messages go into the first user turn")
    one.add_argument("--stored", choices=("F16", "BF16", "F32"), default="F16", help="how features are stored (default: %(default)s)")
    one.add_argument("--shard-rows", type=int, default=1024, metavar="N", help="rows of a shard, about (default: %(default)s)")
    one.add_argument("--dry-run", action="store_true", help="compute some rows, say what all would take, write nothing")
    _computing(one)
    one.add_argument("--rename", action="append", default=[], metavar="OLD=NEW", help="a column's name → the name that the layout knows")
    one.add_argument("--name", help="the study's name (default: the folder's)")
    one.add_argument("--skip-bad", action="store_true", help="leave out unusable rows and count them, rather than refuse the table")
    _json(one)

    one = command("score", "score every response with a scalar reward model, as one more objective of a new study")
    one.add_argument("--model", required=True, help="a sequence classifier with one output: a folder or a hub id")
    one.add_argument("--out", required=True, metavar="FOLDER", help="the new study's folder")
    one.add_argument("--name", help="the objective's name (default: the model's)")
    _loading(one)
    _computing(one)
    _json(one)

    one = command("import", "turn RLHFlow's feature caches, and weights trained on them, into a study", study=False)
    one.add_argument("--stage1", nargs="+", metavar="FILE", help="embeddings with labels: files or a folder")
    one.add_argument("--stage2", nargs="+", metavar="FILE", help="embeddings of pairs with their prompts': files or a folder")
    one.add_argument("--regression", metavar="FILE", help="the regression's weight, tensors only")
    one.add_argument("--gate", metavar="FILE", help="the gate's state, tensors only; it is said if it was trained over the wrong axis")
    one.add_argument("--objectives", nargs="+", metavar="NAME", help="of the labels, in order (default: ArmoRM's where there are 19)")
    one.add_argument("--out", required=True, metavar="FOLDER", help="the new study's folder")
    one.add_argument("--name", help="the study's name (default: the folder's)")
    _json(one)

    one = command("export", "write a study as a data set folder, or a scenario's model as an ArmoRM checkpoint")
    one.add_argument("--out", required=True, metavar="FOLDER", help="the new folder")
    one.add_argument("--base", metavar="MODEL", help="the transformer of the features: then a checkpoint is written")
    one.add_argument("--scenario", metavar="FILE", help="the recipe, as JSON (default: every objective, or the model as published)")
    one.add_argument("--seed", type=int, help="whose gate (default: the first)")
    _running(one)
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

    one = command("rewardbench", "score a study's model on its RewardBench, RewardBench 2 or RM-Bench pairs, by section")
    one.add_argument("--scenario", metavar="FILE", help="a recipe to train first, as JSON (default: the model as published)")
    one.add_argument("--seed", type=int, help="whose gate (default: the first)")
    _running(one)
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


def _loading(one: argparse.ArgumentParser) -> None:
    one.add_argument("--max-tokens", type=int, metavar="N", help="of a text or conversation (default: the model's limit, 4096 at most)")
    one.add_argument("--device", help="auto, cpu or cuda (default: auto)")
    one.add_argument("--dtype", help="of the computation: auto, float32, bfloat16 or float16 (default: bfloat16 on a GPU)")
    one.add_argument("--batch-tokens", type=int, metavar="N", help="computed at once at most (default: 2048, on a GPU 16384)")


def _computing(one: argparse.ArgumentParser) -> None:
    one.add_argument("--engine", choices=("local", "ray"), default="local", help="this process, or Ray's actors (default: %(default)s)")
    one.add_argument("--address", help="of a Ray cluster (default: this machine alone)")
    one.add_argument("--workers", type=int, metavar="N", help="Ray's actors (default: one for each GPU, or for two cores)")


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0, or 1 with one line on stderr."""
    args = parser().parse_args(argv)
    from . import commands

    def noted(message, *_, **__):
        print(f"workbench {args.command}: note: {' '.join(str(message).split())}", file=sys.stderr)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = noted
            return commands.COMMANDS[args.command](args)
    except (WorkbenchError, OSError) as error:
        print(f"workbench {args.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"workbench {args.command}: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
