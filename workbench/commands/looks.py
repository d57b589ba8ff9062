"""Commands that look: check and map, at a study; doctor, at the machine."""

from __future__ import annotations

import sys
from argparse import Namespace

from . import reading
from .printing import about, far, finish, records, say, table


def check(args: Namespace) -> int:
    """Counts, hashes, label coverage and every defect; 1 if there is any."""
    from ..check import check as examine
    from ..shipped import demo

    report = examine(demo().folder if args.study == "demo" else args.study)
    say(report.to_dict() if args.json else report)
    return int(bool(report.problems))


def map(args: Namespace) -> int:
    """Make and store a study's map of prompts."""
    from ..projection import project

    study, shown = reading.study(args.study), sys.stderr.isatty() and not args.json
    made = project(
        study, seed=args.seed, seeds=args.seeds, neighbours=args.neighbours, min_dist=args.min_dist, progress=far if shown else None,
    )
    finish()
    if args.json:
        say({"study": about(study), "settings": made.settings, "clusters": records(made.clusters)})
    else:
        agree = "not measured" if made.agreement is None else f"{made.agreement:.2f} over {made.settings['seeds']} seeds"
        kept = made.places["kept"].mean()
        say(f"{len(made.places)} prompts by {made.settings['method']}; neighbours kept {kept:.2f}; agreement {agree}")
        table(made.clusters)
    return 0


def doctor(args: Namespace) -> int:
    """What the machine can do; 1 only where something needed is missing."""
    from ..doctor import examine

    findings = examine()
    if args.json:
        say({"findings": [finding.to_dict() for finding in findings]})
    else:
        for finding in findings:
            say(finding)
    return int(any(finding.needed and not finding.ok for finding in findings))
