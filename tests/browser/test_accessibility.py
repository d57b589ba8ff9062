"""axe-core looks at every screen, light and dark: nothing that it calls serious or critical."""

from __future__ import annotations

import pytest
from browser.stage import Stage

import workbench as wb
from workbench.panels.workbench import SCREENS

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python: `make setup` installs it")
GRAVE = {"serious", "critical"}


def found(page) -> list[str]:
    """What axe finds in the panel: impact, rule, and where."""
    violations = axe.Axe().run(page, context=".wb", options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['impact']} {one['id']}: {node['html'][:160]}" for one in violations if one["impact"] in GRAVE for node in one["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(chromium, retrained, theme):
    stage = Stage(chromium, wb.Workbench(retrained), theme=theme)
    try:
        for screen in SCREENS:
            stage.page.get_by_role("tab", name=screen.label, exact=True).click()
            stage.settle(0.6)
            assert found(stage.page) == [], screen.label
        assert [line for line in stage.said if not line.startswith("log")] == [] and stage.asked == []
    finally:
        stage.close()


def test_axe_would_see_it(chromium, session):
    stage = Stage(chromium, wb.panels.compare(session))
    try:
        bad = "<button></button><p style='color:#bbb'>faint</p>"
        stage.page.evaluate("(bad) => document.querySelector('.wb').insertAdjacentHTML('beforeend', bad)", bad)
        rules = {line.split(":")[0].split()[1] for line in found(stage.page)}
        assert {"button-name", "color-contrast"} <= rules
    finally:
        stage.close()
