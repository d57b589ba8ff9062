"""Arguments → what they name: folders, studies, scenarios, results."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WorkbenchError
from .printing import finish, progress

if TYPE_CHECKING:
    from ..scenario.recipe import Scenario
    from ..scenario.result import Result
    from ..study import Study


def folder(path: str) -> str:
    if Path(path).exists() and not Path(path).is_dir():
        raise WorkbenchError("a file is in the folder's place", where=path, remedy="Name another folder")
    return path


def renamed(pairs: list[str]) -> dict[str, str] | None:
    """OLD=NEW, each once."""
    odd = [pair for pair in pairs if pair.count("=") != 1]
    if odd:
        raise WorkbenchError(f"--rename {odd[0]}", remedy="Write OLD=NEW, for example question=prompt")
    return dict(pair.split("=") for pair in pairs) or None


def study(name: str) -> Study:
    if name == "demo":
        from ..shipped import demo

        return demo()
    from ..study import Study

    return Study.load(name)


def scenario(path: str | None, study: Study, args: Namespace) -> Scenario:
    """A recipe from a file; where none is named, every objective as rated, or the study's own model as it was published."""
    from ..scenario.recipe import Scenario

    if path is None and study.has_model:
        from ..scenario.given import published

        return published(study)
    if path is None:
        found = Scenario()
    else:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise WorkbenchError("cannot read the scenario (not UTF-8)", where=path, remedy="Save the file as UTF-8") from None
        except OSError as error:
            raise WorkbenchError(f"cannot read the scenario ({error.strerror})", where=path, remedy="Name a JSON file") from None
        try:
            found = Scenario.from_json(text)
        except WorkbenchError as error:
            raise WorkbenchError(str(error), where=path) from None
    if args.seeds is not None:
        if args.seeds < 1:
            raise WorkbenchError(f"--seeds {args.seeds}", remedy="Train one seed or more")
        found = found.model_copy(update={"seeds": tuple(range(args.seeds))})
    return found


def result(recipe: Scenario, study: Study, args: Namespace) -> Result:
    from ..scenario.run import run

    found = run(recipe, study, progress=progress(args), cache=not args.no_cache, device=args.device)
    finish()
    return found
