"""What each command of the command line does: thin layers over the functions that a notebook calls."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import WorkbenchError

if TYPE_CHECKING:
    import pandas as pd

    from .scenario.recipe import Scenario
    from .scenario.result import Result
    from .study import Study

SPACE = "\r\x1b[K"


def check(args: Namespace) -> int:
    """Counts, hashes, label coverage and every defect; 1 if there is any."""
    from .check import check as examine
    from .shipped import demo

    report = examine(demo().folder if args.study == "demo" else args.study)
    _say(report.to_dict() if args.json else report)
    return int(bool(report.problems))


def extract(args: Namespace) -> int:
    """Public tables → a study with features."""
    from . import readers
    from .extract import extract as encode

    folder = _folder(args.out)
    odd = [pair for pair in args.rename if pair.count("=") != 1]
    if odd:
        raise WorkbenchError(f"--rename {odd[0]}", remedy="Write OLD=NEW, for example question=prompt")
    rename = dict(pair.split("=") for pair in args.rename)
    tables = readers.read(args.inputs, layout=args.layout, skip_bad=args.skip_bad, rename=rename or None)
    study = encode(
        tables, folder, encoder=args.encoder, max_tokens=args.max_tokens, name=args.name, progress=_progress(args),
    )
    counts = {name: len(getattr(study, name)) for name in ("prompts", "responses", "pairs")}
    if args.json:
        _say({"study": _about(study), "counts": counts, "truncated": study.info["features"].get("truncated"), "notes": tables.notes})
    else:
        _finish()
        _say(f"{study.folder}: " + ", ".join(f"{n} {name}" for name, n in counts.items()) + f"; study {study.name} {study.hash}")
        for what, note in tables.notes.items():
            _say(f"{what}: {json.dumps(note, ensure_ascii=False, default=_plain)}")
    return 0


def fit(args: Namespace) -> int:
    """Run one scenario, print its metrics."""
    study = _study(args.study)
    result = _run(_scenario(args.scenario, args), study, args)
    metrics = result.final() if args.final else result.metrics
    split, opened = ("test", {"openings": metrics.attrs.get("openings")}) if args.final else ("dev", {})
    if args.json:
        _say({"study": _about(study), "split": split, **opened, **_described(result), "metrics": _records(metrics)})
    else:
        _say(f"{_title(result)} on {study.name} {study.hash}, {split} split" + "".join(f", opened {n} times" for n in opened.values()))
        _table(metrics)
    return 0


def compare(args: Namespace) -> int:
    """Run two scenarios; what changed, and whether it is more than noise."""
    from .scenario.compare import compare as contrast
    from .scenario.compare import noise_floor

    study = _study(args.study)
    scenarios = _scenario(args.baseline, args), _scenario(args.candidate, args)
    floor = noise_floor(scenarios[0], study, progress=_progress(args), cache=not args.no_cache) if args.noise_floor else None
    baseline, candidate = (_run(scenario, study, args) for scenario in scenarios)
    table = contrast(baseline, candidate, noise=floor)
    if args.json:
        _say({"study": _about(study), "baseline": _described(baseline), "candidate": _described(candidate), "comparison": _records(table)})
    else:
        _say(f"{_title(candidate)} against {_title(baseline)} on {study.name} {study.hash}, dev split")
        _table(table)
    return 0


def map(args: Namespace) -> int:
    """Make and store a study's map of prompts."""
    from .projection import project

    study, shown = _study(args.study), sys.stderr.isatty() and not args.json
    made = project(
        study, seed=args.seed, seeds=args.seeds, neighbours=args.neighbours, min_dist=args.min_dist, progress=_far if shown else None,
    )
    _finish()
    if args.json:
        _say({"study": _about(study), "settings": made.settings, "clusters": _records(made.clusters)})
    else:
        agree = "not measured" if made.agreement is None else f"{made.agreement:.2f} over {made.settings['seeds']} seeds"
        kept = made.places["kept"].mean()
        _say(f"{len(made.places)} prompts by {made.settings['method']}; neighbours kept {kept:.2f}; agreement {agree}")
        _table(made.clusters)
    return 0


def figures(args: Namespace) -> int:
    """Run a scenario and write its set of figures."""
    from .figures.export import save_all
    from .figures.sets import figures_of

    folder, study = _folder(args.out), _study(args.study)
    result = _run(_scenario(args.scenario, args), study, args)
    baseline = _run(_scenario(args.baseline, args), study, args) if args.baseline else None
    only = [name.strip() for name in args.only.split(",") if name.strip()] if args.only else None
    made, lacking = figures_of(result, study, baseline=baseline, pair=args.pair, only=only)
    formats = tuple(name.strip() for name in args.formats.split(",") if name.strip())
    saved = dict(zip(made, save_all(made, venue=args.venue, formats=formats, folder=folder)))
    if args.json:
        files = {name: [str(path) for path in each.files] for name, each in saved.items()}
        _say({"study": _about(study), **_described(result), "files": files, "left_out": lacking,
              "size_in": {name: [each.width, each.height] for name, each in saved.items()},
              "smallest_pt": {name: each.smallest for name, each in saved.items()}})
    else:
        for name, each in saved.items():
            text = f", text from {each.smallest:.1f} pt" if each.smallest else ""
            _say(f"{name}: {each.width:.2f} × {each.height:.2f} in{text}, {' '.join(path.name for path in each.files)}")
        for name, why in lacking.items():
            _say(f"{name}: left out ({why})")
    return 0


def doctor(args: Namespace) -> int:
    """What the machine can do; 1 only where something needed is missing."""
    from .doctor import examine

    findings = examine()
    if args.json:
        _say({"findings": [finding.to_dict() for finding in findings]})
    else:
        for finding in findings:
            _say(finding)
    return int(any(finding.needed and not finding.ok for finding in findings))


# -- reading arguments -----------------------------------------------------------------------------


def _folder(path: str) -> str:
    if Path(path).exists() and not Path(path).is_dir():
        raise WorkbenchError("a file is in the folder's place", where=path, remedy="Name another folder")
    return path


def _study(name: str) -> Study:
    if name == "demo":
        from .shipped import demo

        return demo()
    from .study import Study

    return Study.load(name)


def _scenario(path: str | None, args: Namespace) -> Scenario:
    from .scenario.recipe import Scenario

    if path is None:
        scenario = Scenario()
    else:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise WorkbenchError("cannot read the scenario (not UTF-8)", where=path, remedy="Save the file as UTF-8") from None
        except OSError as error:
            raise WorkbenchError(f"cannot read the scenario ({error.strerror})", where=path, remedy="Name a JSON file") from None
        try:
            scenario = Scenario.from_json(text)
        except WorkbenchError as error:
            raise WorkbenchError(str(error), where=path) from None
    if args.seeds is not None:
        if args.seeds < 1:
            raise WorkbenchError(f"--seeds {args.seeds}", remedy="Train one seed or more")
        scenario = scenario.model_copy(update={"seeds": tuple(range(args.seeds))})
    return scenario


def _run(scenario: Scenario, study: Study, args: Namespace) -> Result:
    from .scenario.run import run

    result = run(scenario, study, progress=_progress(args), cache=not args.no_cache, device=args.device)
    _finish()
    return result


# -- printing --------------------------------------------------------------------------------------


def _say(value) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, default=_plain) if isinstance(value, dict) else value)


def _plain(value):
    return value.item() if hasattr(value, "item") else str(value)


def _records(table: pd.DataFrame) -> list[dict]:
    """Rows as JSON has them: no NaN."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _table(table: pd.DataFrame) -> None:
    _say(table.to_string(index=False, na_rep="", float_format=lambda number: f"{number:.4g}"))


def _about(study: Study) -> dict:
    return {"name": study.name, "hash": study.hash}


def _described(result: Result) -> dict:
    scenario = result.scenario
    return {"scenario": scenario.id, "recipe": json.loads(scenario.to_json()), "seeds": list(scenario.seeds), "stopped": result.stopped}


def _title(result: Result) -> str:
    scenario = result.scenario
    return f"{scenario.name or 'scenario'} {scenario.id}, {len(scenario.seeds)} seed{'s' * (len(scenario.seeds) != 1)}"


def _progress(args: Namespace) -> Callable | None:
    """A line that rewrites itself, on a terminal only."""
    return _show if sys.stderr.isatty() and not args.json else None


def _show(progress) -> None:
    text = f"{progress.label}: {progress.step} of {progress.steps}"
    if progress.seconds_left is not None:
        text += f", {progress.seconds_left:.0f} s left"
    print(f"{SPACE}{text}", end="", file=sys.stderr, flush=True)


def _far(fraction: float, seconds_left: float | None, words: str) -> None:
    left = f", {seconds_left:.0f} s left" if seconds_left is not None else ""
    print(f"{SPACE}{fraction:.0%} {words}{left}", end="", file=sys.stderr, flush=True)


def _finish() -> None:
    if sys.stderr.isatty():
        print(SPACE, end="", file=sys.stderr, flush=True)
