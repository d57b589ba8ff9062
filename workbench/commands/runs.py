"""Commands that run scenarios: fit, compare, figures."""

from __future__ import annotations

from argparse import Namespace

from . import reading
from .printing import about, described, progress, records, say, table, title


def fit(args: Namespace) -> int:
    """Run one scenario, print its metrics."""
    study = reading.study(args.study)
    result = reading.result(reading.scenario(args.scenario, study, args), study, args)
    metrics = result.final() if args.final else result.metrics
    split, opened = ("test", {"openings": metrics.attrs.get("openings")}) if args.final else ("dev", {})
    if args.json:
        say({"study": about(study), "split": split, **opened, **described(result), "metrics": records(metrics)})
    else:
        say(f"{title(result)} on {study.name} {study.hash}, {split} split" + "".join(f", opened {n} times" for n in opened.values()))
        table(metrics)
    return 0


def compare(args: Namespace) -> int:
    """Run two scenarios; what changed, and whether it is more than noise."""
    from ..scenario.compare import compare as contrast
    from ..scenario.compare import noise_floor

    study = reading.study(args.study)
    scenarios = reading.scenario(args.baseline, study, args), reading.scenario(args.candidate, study, args)
    floor = noise_floor(scenarios[0], study, progress=progress(args), cache=not args.no_cache) if args.noise_floor else None
    baseline, candidate = (reading.result(scenario, study, args) for scenario in scenarios)
    found = contrast(baseline, candidate, noise=floor)
    if args.json:
        say({"study": about(study), "baseline": described(baseline), "candidate": described(candidate), "comparison": records(found)})
    else:
        say(f"{title(candidate)} against {title(baseline)} on {study.name} {study.hash}, dev split")
        table(found)
    return 0


def figures(args: Namespace) -> int:
    """Run a scenario and write its set of figures."""
    from ..figures.export import save_all
    from ..figures.sets import figures_of

    folder, study = reading.folder(args.out), reading.study(args.study)
    result = reading.result(reading.scenario(args.scenario, study, args), study, args)
    baseline = reading.result(reading.scenario(args.baseline, study, args), study, args) if args.baseline else None
    only = [name.strip() for name in args.only.split(",") if name.strip()] if args.only else None
    made, lacking = figures_of(result, study, baseline=baseline, pair=args.pair, only=only)
    formats = tuple(name.strip() for name in args.formats.split(",") if name.strip())
    saved = dict(zip(made, save_all(made, venue=args.venue, formats=formats, folder=folder)))
    if args.json:
        files = {name: [str(path) for path in each.files] for name, each in saved.items()}
        say({"study": about(study), **described(result), "files": files, "left_out": lacking,
              "size_in": {name: [each.width, each.height] for name, each in saved.items()},
              "smallest_pt": {name: each.smallest for name, each in saved.items()}})
    else:
        for name, each in saved.items():
            text = f", text from {each.smallest:.1f} pt" if each.smallest else ""
            say(f"{name}: {each.width:.2f} × {each.height:.2f} in{text}, {' '.join(path.name for path in each.files)}")
        for name, why in lacking.items():
            say(f"{name}: left out ({why})")
    return 0
