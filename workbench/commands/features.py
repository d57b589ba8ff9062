"""Commands that run a model over texts: extract, for features; score, for a column of rewards."""

from __future__ import annotations

import json
import re
import shutil
from argparse import Namespace
from pathlib import Path

from ..errors import WorkbenchError
from . import reading
from .printing import about, finish, plain, progress, say

LOADED = ("gating_pattern", "chat_template", "fold_system", "max_tokens", "overlong", "device", "dtype", "batch_tokens")


def extract(args: Namespace) -> int:
    """Public tables → a study with features; by a reward model with a gate, a study that comes with that model."""
    from .. import readers
    from ..extract import estimate
    from ..extract import extract as encode

    folder, rename, engine = reading.folder(args.out), reading.renamed(args.rename), _engine(args)
    tables = readers.read(args.inputs, layout=args.layout, skip_bad=args.skip_bad, rename=rename)
    backbone, model = _loaded(args)
    if args.dry_run:
        found = estimate(tables, backbone=backbone, dtype=args.stored)
        say(vars(found) if args.json else found)
        return 0
    study = encode(tables, folder, backbone=backbone, model=model, name=args.name, dtype=args.stored, shard_rows=args.shard_rows,
                   engine=engine, progress=progress(args))
    counts = {name: len(study.table(name)) for name in ("prompts", "responses", "pairs")}
    skipped = {f"{kind}s": len(study.store.skipped(kind)) for kind in ("prompt", "response")}
    if args.json:
        say({"study": about(study), "counts": counts, "truncated": study.info["features"].get("truncated"), "skipped": skipped,
             "notes": tables.notes})
    else:
        finish()
        say(f"{study.folder}: " + ", ".join(f"{n} {name}" for name, n in counts.items()) + f"; study {study.name} {study.hash}")
        why = next((reason for kind in ("prompt", "response") for reason in study.store.skipped(kind).values()), None)
        notes = {**tables.notes, **({} if why is None else {"skipped": {**skipped, "for example": why}})}
        for what, note in notes.items():
            say(f"{what}: {json.dumps(note, ensure_ascii=False, default=plain)}")
    return 0


def score(args: Namespace) -> int:
    """A scalar reward model's score of every response, as one more objective of a new study."""
    from ..backbone.rewards import ScalarReward
    from ..extract.scoring import score_responses
    from ..features import only_writer

    study, folder, engine = reading.study(args.study), Path(reading.folder(args.out)), _engine(args)
    work = folder / "scoring"  # what a killed run has done; the study is written beside it
    with only_writer(folder, ".score.lock"):
        model = ScalarReward.load(args.model, **_options(args))
        found = score_responses(study, model, name=args.name, work=work, engine=engine, progress=progress(args))
        finish()
        name, unscored = found.columns[-1], found["response_id"][found.iloc[:, -1].isna()]
        whole = not study.table("pairs")[["chosen", "rejected"]].isin(set(unscored)).any(axis=None)
        made = study.with_scores(found, folder, objectives=whole)
        shutil.rmtree(work)
    skipped = {"unscored": len(unscored), **({"for example": next(iter(found.attrs["skipped"].values()))} if len(unscored) else {})}
    if args.json:
        say({"study": about(made), "column": name, "objective": whole, "responses": len(found), **skipped})
    else:
        say(f"{made.folder}: {name} of {len(found)} responses; study {made.name} {made.hash}")
        if len(unscored):
            say(f"unscored: {json.dumps(skipped, ensure_ascii=False)}")
    return 0


def _options(args: Namespace) -> dict:
    """What is said of how a model is loaded, where something is."""
    return {name: getattr(args, name) for name in LOADED if getattr(args, name, None) is not None}


def _loaded(args: Namespace) -> tuple:
    """The backbone, and where it belongs to a reward model with a gate, that model."""
    from ..armorm.opening import open_model

    options = _options(args)
    if "gating_pattern" in options and re.fullmatch(r"\d+(,\d+)*", options["gating_pattern"]):
        options["gating_pattern"] = [int(one) for one in options["gating_pattern"].split(",")]
    if "chat_template" in options:
        try:
            options["chat_template"] = Path(args.chat_template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise WorkbenchError("cannot read the chat template", where=args.chat_template, remedy="Name a Jinja file in UTF-8") from None
    return open_model(args.backbone, **options)


def _engine(args: Namespace):
    if args.engine == "local":
        given = [f"--{name}" for name in ("address", "workers") if getattr(args, name) is not None]
        if given:
            raise WorkbenchError(f"{', '.join(given)} without --engine ray", remedy="Add it, or leave them out")
        return "local"
    from ..extract.engines import Ray

    return Ray(args.address, args.workers)
