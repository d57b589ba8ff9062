"""Shapes are checked while the tests run: annotations of the package are enforced."""

import pytest
from jaxtyping import install_import_hook

install_import_hook("workbench", "typecheck.check")


@pytest.fixture(scope="session")
def planted_study(tmp_path_factory):
    from planted import planted

    return planted(tmp_path_factory.mktemp("planted") / "study")


@pytest.fixture(scope="module")
def baseline(planted_study):
    """A small scenario's result on the planted study."""
    from planted import SMALL

    from workbench.scenario.run import run

    return run(SMALL, planted_study.study, cache=False)


@pytest.fixture
def session(planted_study, baseline):
    from workbench.session import Session

    return Session(planted_study.study, baseline)


def pytest_terminal_summary(terminalreporter):
    """What did not run, and why: the last thing that is said."""
    why: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        why[reason] = why.get(reason, 0) + 1
    if why:
        terminalreporter.section("did not run")
        for reason, count in sorted(why.items()):
            terminalreporter.write_line(f"{count} test{'s' * (count > 1)} did not run: {reason}")
