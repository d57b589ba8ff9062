"""A browser to draw with, or a visible reason why there is none."""

import pytest


@pytest.fixture(scope="session")
def browser():
    from workbench.figures import browser as find

    path = find()
    if path is None:
        pytest.skip("figure export needs Chrome or Chromium: `apt-get install chromium`, or set BROWSER_PATH")
    return path
